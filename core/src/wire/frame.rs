//! Framing of messages: CBOR inside one zstd frame, decoded under a hard cap.
//!
//! The runs of a message travel behind its CBOR, coded together (`wire::columns`), and their last hashes are
//! computed again from the rebuilt changes: chain and signatures cover them. A message that holds its runs
//! in the CBOR itself is read as well.

use minicbor::{Decode, Encode};
use std::io::{Cursor, Read as _};

use super::columns;
use super::message::{Body, Reply, Request, Run};
use super::run;
use crate::document::genesis_actor;
use crate::error::{Error, ErrorKind};
use crate::id::{ActorId, ChangeHash, DefinitionRef, DocumentId};

/// zstd level of messages. On coded runs level 3 leaves 5 % more bytes, level 9 one percent less at twice the
/// time.
const LEVEL: i32 = 5;
/// Largest zstd window that is accepted (8 MiB): a frame cannot make the reader reserve more.
const WINDOW_LOG_MAX: u32 = 23;
/// Stands for a last hash that the receiver computes.
const COMPUTED: ChangeHash = ChangeHash([0; 32]);

/// A message of the exchange: it may carry runs.
pub trait Message: Encode<()> + for<'b> Decode<'b, ()> + Clone {
    /// Its runs in a fixed order, each with the actor of its document's genesis.
    fn runs(&mut self) -> Vec<(ActorId, &mut Run)>;
}

impl Message for Request {
    fn runs(&mut self) -> Vec<(ActorId, &mut Run)> {
        let known = &self.definitions;
        let given = self.repairs.iter_mut().flatten().flat_map(|repair| &mut repair.give);
        let given = given.map(|one| (genesis(known, one.document, &one.run), &mut one.run));
        let pushed = self.push.iter_mut().map(|one| (genesis(known, one.document, &one.run), &mut one.run));
        pushed.chain(given).collect()
    }
}

impl Message for Reply {
    fn runs(&mut self) -> Vec<(ActorId, &mut Run)> {
        let known = &self.definitions;
        let new = self.scopes.iter_mut().flat_map(|scope| &mut scope.records);
        let restored = self.restored.iter_mut().map(|one| &mut one.record);
        let placed = self.repairs.iter_mut().flatten().flat_map(|repaired| &mut repaired.rows);
        new.chain(restored)
            .chain(placed.map(|one| &mut one.record))
            .filter_map(|record| match &mut record.body {
                Body::Run(run) => Some((genesis(known, record.document, run), run)),
                Body::Own(_) | Body::Stub { .. } | Body::Definition { .. } => None,
            })
            .collect()
    }
}

/// The actor of a document's genesis; zeros where the message does not name its definition.
fn genesis(known: &[DefinitionRef], document: DocumentId, run: &Run) -> ActorId {
    let definition = usize::try_from(run.definition).ok().and_then(|place| known.get(place));
    definition.map_or(ActorId([0; 16]), |definition| genesis_actor(document, definition))
}

/// Encodes a message: CBOR, its runs, then one zstd frame.
///
/// # Panics
/// Never for the types of [`message`](super::message): their encoders write to memory and cannot fail.
#[must_use]
pub fn encode<T: Message>(message: &T) -> Vec<u8> {
    let mut message = message.clone();
    let mut runs = message.runs();
    let packed: Vec<(Vec<u8>, ActorId)> = runs
        .iter_mut()
        .map(|(genesis, run)| {
            if last_hash(&run.changes, run.actor) == Some(run.last_hash) {
                run.last_hash = COMPUTED;
            }
            (std::mem::take(&mut run.changes), *genesis)
        })
        .collect();
    let coded: Vec<(&[u8], ActorId)> = packed.iter().map(|(run, actor)| (run.as_slice(), *actor)).collect();
    let mut plain = minicbor::to_vec(&message).expect("encoding a message into memory cannot fail");
    if !coded.is_empty() {
        plain.extend(columns::split(&coded));
    }
    // Its size is known: small messages are coded without the tables that large ones need.
    zstd::bulk::compress(&plain, LEVEL).expect("compressing in memory cannot fail")
}

/// Decodes a message that [`encode`] wrote.
///
/// At most `max_bytes` are decompressed, whatever the frame claims.
///
/// # Errors
/// `Protocol` for bytes that are no zstd frame, are cut short, hold more than `max_bytes`, are no CBOR of
/// this message, or carry anything behind it. [`is_too_large`] tells the oversize case from the others.
pub fn decode<T: Message>(bytes: &[u8], max_bytes: usize) -> Result<T, Error> {
    let plain = decompress(bytes, max_bytes)?;
    let (mut message, coded) = read::<T>(&plain)?;
    if coded.is_empty() {
        return Ok(message);
    }
    let mut runs = message.runs();
    if runs.is_empty() || runs.iter().any(|(_, run)| !run.changes.is_empty()) {
        return Err(trailing());
    }
    let actors: Vec<ActorId> = runs.iter().map(|(genesis, _)| *genesis).collect();
    let packed = columns::join(coded, &actors, max_bytes)?;
    for ((_, run), packed) in runs.iter_mut().zip(packed) {
        run.changes = packed;
        if run.last_hash == COMPUTED {
            run.last_hash = last_hash(&run.changes, run.actor).unwrap_or(COMPUTED);
        }
    }
    Ok(message)
}

/// The hash of a packed run's last change; none for what is no run.
fn last_hash(packed: &[u8], actor: ActorId) -> Option<ChangeHash> {
    run::hashes(packed, actor).ok()?.0.last().copied()
}

/// A message and what follows it.
fn read<'b, T: Decode<'b, ()>>(plain: &'b [u8]) -> Result<(T, &'b [u8]), Error> {
    let mut decoder = minicbor::Decoder::new(plain);
    let message = decoder.decode::<T>().map_err(|cause| {
        Error::new(
            ErrorKind::Protocol,
            "消息不是有效的 CBOR;请升级后重试",
            "the message is not valid CBOR of this protocol; update and try again",
        )
        .caused_by(cause)
    })?;
    let rest = plain.get(decoder.position()..).unwrap_or_default();
    Ok((message, rest))
}

/// The protocol version that a request names, whatever else it holds: enough to tell a newer device
/// which versions are understood. None when the bytes are no request at all.
#[must_use]
pub fn protocol_of(bytes: &[u8], max_bytes: usize) -> Option<u16> {
    let plain = decompress(bytes, max_bytes).ok()?;
    read::<Version>(&plain).ok().map(|(version, _)| version.protocol)
}

/// True when `error` says that a message holds more bytes than its reader takes.
#[must_use]
pub fn is_too_large(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<TooLarge>())
}

/// Decompresses exactly one frame under the cap.
fn decompress(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, Error> {
    let broken = |cause: std::io::Error| {
        Error::new(
            ErrorKind::Protocol,
            "消息压缩数据损坏或不完整;请重试",
            "the compressed message is damaged or cut short; try again",
        )
        .caused_by(cause)
    };
    let mut source = Cursor::new(bytes);
    let mut plain = Vec::new();
    {
        let mut decoder =
            zstd::stream::read::Decoder::with_buffer(&mut source).map_err(broken)?.single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
        let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
        decoder.take(limit).read_to_end(&mut plain).map_err(broken)?;
    }
    if plain.len() > max_bytes {
        return Err(too_large());
    }
    if usize::try_from(source.position()).ok() != Some(bytes.len()) {
        return Err(trailing());
    }
    Ok(plain)
}

/// The one key that every version of a request has.
#[derive(Decode)]
#[cbor(map)]
struct Version {
    #[n(0)]
    protocol: u16,
}

/// Marks the oversize error for [`is_too_large`].
#[derive(Debug, thiserror::Error)]
#[error("over the cap")]
struct TooLarge;

pub(super) fn too_large() -> Error {
    Error::new(
        ErrorKind::Protocol,
        "消息解压后超过字节上限",
        "the message holds more bytes after decompression than its reader takes",
    )
    .caused_by(TooLarge)
}

fn trailing() -> Error {
    Error::new(
        ErrorKind::Protocol,
        "消息后面带有多余的数据",
        "the message is followed by bytes that do not belong to it",
    )
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, is_too_large};
    use crate::error::ErrorKind;
    use crate::id::{DefinitionRef, ScopeId};
    use crate::wire::message::{Health, Reply, Request, ScopeRequest};
    use proptest::prelude::*;

    fn request() -> Request {
        Request {
            protocol: 1,
            app: "test/1".into(),
            schema: 1,
            device_time_ms: 1_700_000_000_000,
            max_bytes: 65_536,
            grants_tag: [7; 8],
            scopes: vec![ScopeRequest {
                scope: ScopeId::new("pj.a/patrol"),
                epoch: 9,
                cursor: 3,
                chain: [1; 32],
                full: false,
                held: None,
            }],
            definitions: vec![DefinitionRef {
                id: "tpl.a".into(),
                version: 1,
                hash: crate::id::ContentHash([2; 32]),
            }],
            push: Vec::new(),
            health: Health { pending_changes: 1, pending_photos: 2, conflicts: 3 },
            keep_after_ms: Some(5),
            wanted: Vec::new(),
            repairs: None,
        }
    }

    #[test]
    fn a_request_has_these_bytes() {
        let plain = minicbor::to_vec(request()).unwrap();
        let golden = concat!(
            "ac00010166746573742f310201031b0000018bcfe56800041a000100000548070707070707070706",
            "81a5006b706a2e612f706174726f6c01090203035820010101010101010101010101010101010101",
            "010101010101010101010101010104f40781a3006574706c2e610101025820020202020202020202",
            "02020202020202020202020202020202020202020202020880",
            "09a30001010202030a050b80"
        );
        assert_eq!(data_encoding::HEXLOWER.encode(&plain), golden);
        assert_eq!(decode::<Request>(&encode(&request()), 1000).unwrap(), request());
    }

    #[test]
    fn a_bomb_is_refused_by_the_cap() {
        let bomb = zstd::stream::encode_all(vec![0_u8; 64 << 20].as_slice(), 19).unwrap();
        assert!(bomb.len() < 10_000);
        let error = decode::<Request>(&bomb, 4 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(is_too_large(&error));
    }

    #[test]
    fn cut_and_padded_messages_are_refused() {
        let whole = encode(&request());
        for length in 0..whole.len() {
            let error = decode::<Request>(&whole[..length], 10_000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "cut at {length}");
            assert!(!is_too_large(&error));
        }
        let mut padded = whole.clone();
        padded.push(0);
        assert_eq!(decode::<Request>(&padded, 10_000).unwrap_err().kind(), ErrorKind::Protocol);
        let twice = [whole.clone(), whole].concat();
        assert_eq!(decode::<Request>(&twice, 10_000).unwrap_err().kind(), ErrorKind::Protocol);
        let mut plain = minicbor::to_vec(request()).unwrap();
        plain.push(0xf6);
        let inner = zstd::stream::encode_all(plain.as_slice(), 3).unwrap();
        assert_eq!(decode::<Request>(&inner, 10_000).unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn the_version_is_read_from_any_request() {
        assert_eq!(super::protocol_of(&encode(&request()), 10_000), Some(1));
        let plain = [0xa2, 0x00, 0x19, 0x01, 0x00, 0x01, 0xf5];
        let frame = zstd::stream::encode_all(plain.as_slice(), 3).unwrap();
        assert!(decode::<Request>(&frame, 10_000).is_err());
        assert_eq!(super::protocol_of(&frame, 10_000), Some(256));
        assert_eq!(super::protocol_of(b"none", 10_000), None);
    }

    #[test]
    fn unknown_keys_are_ignored() {
        let mut plain = minicbor::to_vec(request()).unwrap();
        plain[0] = 0xad;
        plain.extend_from_slice(&[0x18, 0x63, 0x81, 0x01]);
        let frame = zstd::stream::encode_all(plain.as_slice(), 3).unwrap();
        assert_eq!(decode::<Request>(&frame, 10_000).unwrap(), request());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode::<Request>(&bytes, 10_000);
            let frame = zstd::stream::encode_all(bytes.as_slice(), 1).unwrap();
            let _ = decode::<Request>(&frame, 10_000);
            let _ = decode::<Reply>(&frame, 10_000);
        }
    }
}
