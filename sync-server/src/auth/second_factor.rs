//! One-time codes of an authenticator app (RFC 6238): six digits, thirty seconds, one step of grace.

use totp_rs::{Builder, Secret, Totp};

/// Characters that a link may carry as they are.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The secret that a person's app and the branch share.
#[derive(Clone)]
pub(crate) struct SecondFactor(Totp);

impl SecondFactor {
    /// A fresh one from random bytes.
    pub(crate) fn fresh(entropy: [u8; 20]) -> Self {
        Self::of(&entropy)
    }

    /// The one of stored bytes.
    pub(crate) fn of(secret: &[u8]) -> Self {
        Self(Builder::new().with_secret(Secret::new(secret.into())).build_noncompliant())
    }

    /// What is stored of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.secret().as_bytes().to_vec()
    }

    /// The time step of a code that is good now.
    pub(crate) fn step_of(&self, code: &str, now_ms: i64) -> Option<i64> {
        let digits: String = code.chars().filter(char::is_ascii_digit).collect();
        let seconds = u64::try_from(now_ms / 1000).ok()?;
        let step = (digits.len() == 6).then(|| self.0.check(&digits, seconds))??;
        i64::try_from(step).ok()
    }

    /// The secret as people type it, in groups of four.
    pub(crate) fn spelled(&self) -> String {
        let text = self.0.secret().to_base32();
        let groups: Vec<String> =
            text.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
        groups.join(" ")
    }

    /// The link that an app reads from a QR code.
    pub(crate) fn link(&self, issuer: &str, account: &str) -> String {
        let coded = |text: &str| -> String {
            text.bytes()
                .map(
                    |byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") },
                )
                .collect()
        };
        let (issuer, account) = (coded(issuer), coded(account));
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", self.0.secret().to_base32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: SHA-1, the last six of its eight digits.
        let factor = SecondFactor::of(b"12345678901234567890");
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(factor.step_of(code, seconds * 1000), Some(seconds / 30), "{seconds}");
            assert_eq!(factor.step_of(code, (seconds + 30) * 1000), Some(seconds / 30), "a step late");
            assert_eq!(factor.step_of(code, (seconds + 90) * 1000), None, "too late");
        }
        assert_eq!(factor.step_of("287 082", 59_000), Some(1));
        for wrong in ["", "28708", "2870822", "abcdef", "287083"] {
            assert_eq!(factor.step_of(wrong, 59_000), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_reads_the_secret_from_the_link() {
        let factor = SecondFactor::of(b"12345678901234567890");
        assert_eq!(factor.spelled(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            factor.link("巡园", "u.a b"),
            "otpauth://totp/%E5%B7%A1%E5%9B%AD:u.a%20b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=%E5%B7%A1%E5%9B%AD"
        );
    }
}
