//! The pin of a branch server: which key it shows in TLS, and the branch's own word for another one.
//!
//! A device learns the pin from its invitation and from then on talks to the holder of that key only. When
//! the server's TLS key is another one (it was renewed, or lost with a machine), the branch vouches for it
//! with the key that it signs its log with, which every device knows since its enrolment.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

use super::key::{self, Key};
use crate::error::{Error, ErrorKind};
use crate::id::hash_parts;

/// SHA-256 of a `SubjectPublicKeyInfo` in DER. As text: base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(pub [u8; 32]);

impl Pin {
    /// The pin of a key, given as `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn of_key(info: &[u8]) -> Self {
        Self(Sha256::digest(info).into())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Self).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "服务器密钥指纹(pin)格式有误",
                "the pin of the server's key is malformed",
            )
        })
    }
}

impl TryFrom<String> for Pin {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

/// The branch's word that a TLS key is its own: what `GET /v1/voucher` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The key that the branch shows.
    pub pin: Pin,
    /// Server clock when it said so, milliseconds since 1970: an older word never replaces a newer one.
    pub at_ms: i64,
    /// Ed25519 by the branch's key over both, lower-case hex.
    pub signature: String,
}

impl Voucher {
    /// The branch's word for a pin.
    #[must_use]
    pub fn signed(pin: Pin, at_ms: i64, server: &Key) -> Self {
        let signature = data_encoding::HEXLOWER.encode(&server.sign(&signing_bytes(pin, at_ms)));
        Self { pin, at_ms, signature }
    }

    /// True when the branch with this public key gave it.
    #[must_use]
    pub fn is_of(&self, server_key: &[u8; 32]) -> bool {
        let signature = data_encoding::HEXLOWER.decode(self.signature.as_bytes()).ok();
        signature
            .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
            .is_some_and(|bytes| key::verify(server_key, &signing_bytes(self.pin, self.at_ms), &bytes))
    }
}

fn signing_bytes(pin: Pin, at_ms: i64) -> [u8; 32] {
    hash_parts("xunyuan/voucher/1", &[&pin.0, &at_ms.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_comes_back_from_its_text_and_nothing_else_is_one() {
        let pin = Pin::of_key(b"key");
        assert_eq!(pin.to_string(), "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM");
        assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
        for bad in ["", "abc", &format!("{pin}="), &format!("{pin}A"), "!!!!"] {
            assert_eq!(bad.parse::<Pin>().unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn only_the_branch_vouches_and_only_for_this_pin_at_this_time() {
        let server = Key::from_seed(&[9; 32]);
        let voucher = Voucher::signed(Pin([1; 32]), 5, &server);
        let text = serde_json::to_string(&voucher).unwrap();
        assert_eq!(serde_json::from_str::<Voucher>(&text).unwrap(), voucher);
        assert!(voucher.is_of(&server.public()));
        assert!(!voucher.is_of(&Key::from_seed(&[8; 32]).public()));
        for altered in [
            Voucher { pin: Pin([2; 32]), ..voucher.clone() },
            Voucher { at_ms: 6, ..voucher.clone() },
            Voucher { signature: String::new(), ..voucher.clone() },
            Voucher { signature: voucher.signature.to_uppercase(), ..voucher },
        ] {
            assert!(!altered.is_of(&server.public()), "{altered:?}");
        }
    }
}
