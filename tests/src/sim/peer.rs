//! Peers of other versions, as far as they can be told on the wire.
//!
//! The *previous* version is a peer that knows the protocol without the keys that may be left out: it
//! sends none of them, skips them where it is sent them, and leaves runs inside the CBOR of a message. A *next* version sends keys that nobody
//! knows yet. Both ends must go on with either.

use minicbor::{Decoder, Encode, Encoder};
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::{Directive, PROTOCOL_OLDEST, Reply, Request};

/// A key that no version has.
const UNKNOWN_KEY: u64 = 4_099;

/// A request as the previous version of the app would send it.
///
/// # Panics
/// When the body is no request.
#[must_use]
pub fn previous_request(body: &[u8]) -> Vec<u8> {
    let mut request: Request = frame::decode(body, REQUEST_BYTES_MAX).expect("the device sends requests");
    request.protocol = PROTOCOL_OLDEST;
    "xunyuan/0.0.9".clone_into(&mut request.app);
    request.keep_after_ms = None;
    request.repairs = None;
    for scope in &mut request.scopes {
        scope.held = None;
    }
    in_one_piece(&request)
}

/// What the previous version of the app takes from a reply.
#[must_use]
pub fn previous_reply(body: &[u8]) -> Vec<u8> {
    let Ok(mut reply) = frame::decode::<Reply>(body, REQUEST_BYTES_MAX) else { return body.to_vec() };
    for directive in &mut reply.directives {
        if let Directive::ResetScope { cut, rungs, .. } = directive {
            (*cut, *rungs) = (None, None);
        }
    }
    reply.repairs = None;
    in_one_piece(&reply)
}

/// A message as a next version may send it: with one key more.
///
/// # Panics
/// When the body is no message.
#[must_use]
pub fn next_message(body: &[u8]) -> Vec<u8> {
    let plain = zstd::stream::decode_all(body).expect("a message is one zstd frame");
    let mut decoder = Decoder::new(&plain);
    let length = decoder.map().expect("a message is a map").expect("of known length");
    let begin = decoder.position();
    let mut decoder = Decoder::new(&plain);
    decoder.skip().expect("a map ends");
    let (entries, behind) = (&plain[begin..decoder.position()], &plain[decoder.position()..]);
    let mut longer = Vec::with_capacity(plain.len() + 16);
    let mut encoder = Encoder::new(&mut longer);
    encoder.map(length + 1).expect("memory takes bytes");
    longer.extend_from_slice(entries);
    let mut encoder = Encoder::new(&mut longer);
    let known = encoder.u64(UNKNOWN_KEY).and_then(|encoder| encoder.array(2));
    known.and_then(|encoder| encoder.str("later")?.bool(true)).expect("memory takes bytes");
    longer.extend_from_slice(behind);
    zstd::stream::encode_all(longer.as_slice(), 3).expect("memory takes bytes")
}

/// A message whose runs are inside its CBOR.
fn in_one_piece<T: Encode<()>>(message: &T) -> Vec<u8> {
    let plain = minicbor::to_vec(message).expect("memory takes bytes");
    zstd::stream::encode_all(plain.as_slice(), 3).expect("memory takes bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::world::World;

    #[test]
    fn other_versions_are_understood() {
        let mut world = World::new(Seed::of(5));
        let device = world.enroll_only("u.pt01");
        let body = world.request(device).unwrap();
        let request: Request = frame::decode(&body, REQUEST_BYTES_MAX).unwrap();
        let next: Request = frame::decode(&next_message(&body), REQUEST_BYTES_MAX).unwrap();
        assert_eq!(next, request);
        let previous: Request = frame::decode(&previous_request(&body), REQUEST_BYTES_MAX).unwrap();
        assert_eq!((previous.protocol, previous.keep_after_ms), (PROTOCOL_OLDEST, None));
        let reply = world.deliver(device, &previous_request(&body)).unwrap();
        let reply: Reply = frame::decode(&next_message(&previous_reply(&reply)), REQUEST_BYTES_MAX).unwrap();
        assert!(!reply.scopes.is_empty());
    }
}
