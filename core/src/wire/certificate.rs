//! The certificate of an enrolment: what a branch signs for a device so that it can be taken in again.
//!
//! A branch restored from a backup does not know who was enrolled after it. The certificate says it in the
//! branch's own words and under its own key; who presents it must also hold the token that it names.

use minicbor::{Decode, Encode};

use super::key::{self, Key};
use crate::id::{DeviceId, UserId, hash_parts};

/// An enrolment as the branch signed it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certificate {
    /// The device's public key.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub public_key: [u8; 32],
    /// The person it was enrolled for.
    #[n(1)]
    pub user: UserId,
    /// Its short code.
    #[n(2)]
    pub code: String,
    /// What the branch keeps of its token.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub token_hash: [u8; 32],
    /// Server clock at the enrolment, milliseconds since 1970.
    #[n(4)]
    pub enrolled_at_ms: i64,
    /// Ed25519 by the server key over all of it.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

impl Certificate {
    /// The same, signed by the branch.
    #[must_use]
    pub fn signed(mut self, server: &Key) -> Self {
        self.signature = server.sign(&self.signing_bytes());
        self
    }

    /// True when the branch with this public key signed it.
    #[must_use]
    pub fn is_of(&self, server_key: &[u8; 32]) -> bool {
        key::verify(server_key, &self.signing_bytes(), &self.signature)
    }

    /// The device that it is for.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceId::of_key(&self.public_key)
    }

    /// As it is handed out: lower-case hex.
    #[must_use]
    pub fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&minicbor::to_vec(self).unwrap_or_default())
    }

    /// Reads what [`Certificate::to_hex`] wrote; `None` for anything else.
    #[must_use]
    pub fn of_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        let mut decoder = minicbor::Decoder::new(&bytes);
        let certificate = decoder.decode().ok()?;
        (decoder.position() == bytes.len()).then_some(certificate)
    }

    fn signing_bytes(&self) -> [u8; 32] {
        hash_parts(
            "xunyuan/certificate/1",
            &[
                &self.public_key,
                self.user.as_str().as_bytes(),
                self.code.as_bytes(),
                &self.token_hash,
                &self.enrolled_at_ms.to_be_bytes(),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        let certificate = Certificate {
            public_key: Key::from_seed(&[1; 32]).public(),
            user: UserId::new("u.a"),
            code: "A7".to_owned(),
            token_hash: [2; 32],
            enrolled_at_ms: 1_700_000_000_000,
            signature: [0; 64],
        };
        certificate.signed(&Key::from_seed(&[9; 32]))
    }

    #[test]
    fn a_certificate_comes_back_from_its_text_and_has_these_bytes() {
        let text = certificate().to_hex();
        assert_eq!(Certificate::of_hex(&text), Some(certificate()));
        assert!(text.starts_with("a6005820"), "{text}");
        assert_eq!(text.len(), 2 * 157);
        for bad in ["", "00", text.trim_start_matches("a6"), &format!("{text}00"), &text.to_uppercase(), "zz"]
        {
            assert_eq!(Certificate::of_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_part_is_under_the_signature() {
        let server = Key::from_seed(&[9; 32]).public();
        assert!(certificate().is_of(&server));
        assert!(!certificate().is_of(&Key::from_seed(&[1; 32]).public()));
        let alterations: [fn(&mut Certificate); 5] = [
            |one| one.public_key[0] ^= 1,
            |one| one.user = UserId::new("u.b"),
            |one| one.code.push('1'),
            |one| one.token_hash[0] ^= 1,
            |one| one.enrolled_at_ms += 1,
        ];
        for (number, alter) in alterations.into_iter().enumerate() {
            let mut altered = certificate();
            alter(&mut altered);
            assert!(!altered.is_of(&server), "alteration {number}");
        }
    }
}
