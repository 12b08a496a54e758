//! Signing keys: one per device, one at the server.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt;

use crate::id::DeviceId;

/// An Ed25519 signing key. Its text form never shows the secret.
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// The key of this secret seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key that others verify against.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The id of the device that holds this key.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        DeviceId::of_key(&self.public())
    }

    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.device_id())
    }
}

/// True when `signature` over `bytes` was made by the holder of `public`.
///
/// Strict: weak public keys and non-canonical signatures are false.
#[must_use]
pub fn verify(public: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public)
        .is_ok_and(|key| key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok())
}

/// The bytes a device signs to enroll: proof that it holds the key it names.
#[must_use]
pub fn enroll_bytes(invitation: &str) -> Vec<u8> {
    [b"xunyuan/enroll/1".as_slice(), invitation.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{Key, verify};
    use data_encoding::HEXLOWER;

    #[test]
    fn a_key_has_these_bytes() {
        let key = Key::from_seed(&[7; 32]);
        assert_eq!(
            HEXLOWER.encode(&key.public()),
            "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
        );
        assert_eq!(
            HEXLOWER.encode(&key.sign(b"xunyuan")),
            "ad5b4dc2c743d2f4ec0542fb43adb0a7bb33deec5523cdc0d143ce856027a5b20208ad2d15416967da813f5733f162b6e0d9e8f41b0ae88253af913b45e4500c"
        );
        assert_eq!(key.device_id().to_string(), "255dceffdd6baa79b8ba0a0e99ce63cf");
        assert!(!format!("{key:?}").contains("0707"));
    }

    #[test]
    fn another_text_key_or_signature_is_refused() {
        let key = Key::from_seed(&[7; 32]);
        let mut signature = key.sign(b"text");
        assert!(verify(&key.public(), b"text", &signature));
        assert!(!verify(&key.public(), b"text2", &signature));
        assert!(!verify(&Key::from_seed(&[8; 32]).public(), b"text", &signature));
        assert!(!verify(&[0; 32], b"text", &signature));
        signature[40] ^= 1;
        assert!(!verify(&key.public(), b"text", &signature));
    }
}
