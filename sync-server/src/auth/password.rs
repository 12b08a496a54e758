//! Passwords: argon2id, a few at a time.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use xunyuan_core::error::{Error, ErrorKind};

use crate::app::App;
use crate::problem::Problem;

/// Fewest characters of a password.
const CHARS_MIN: usize = 10;
/// Most characters of a password.
const CHARS_MAX: usize = 200;
/// What a wrong name is compared with, so that it takes as long as a wrong password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// True when `password` is the one of the stored hash; without a hash as slow, and false.
///
/// # Errors
/// 503 when too many wait.
pub(crate) async fn fits(app: &App, password: String, stored: Option<String>) -> Result<bool, Problem> {
    app.beside(move || is_one(&password, stored.as_deref())).await
}

/// The hash to store of a password.
///
/// # Errors
/// 503 when too many wait; 500 when there is no randomness or no memory.
pub(crate) async fn stored(app: &App, password: String) -> Result<String, Problem> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(Problem::internal)?;
    app.beside(move || hash(&password, &salt)).await?.map_err(|error| Problem::of(&error))
}

fn is_one(password: &str, stored: Option<&str>) -> bool {
    let hash = phc::PasswordHash::new(stored.unwrap_or(NOBODY));
    let fits = hash.is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok());
    fits && stored.is_some()
}

/// The hash of a password in PHC form, with 19 MiB and two passes.
///
/// # Errors
/// `Storage` when there is no memory for it.
pub fn hash(password: &str, salt: &[u8; 16]) -> Result<String, Error> {
    argon2().hash_password_with_salt(password.as_bytes(), salt).map(|hash| hash.to_string()).map_err(
        |cause| {
            Error::new(ErrorKind::Storage, "无法处理口令", "the password cannot be worked on")
                .caused_by(cause)
        },
    )
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// Too few characters.
    Short,
    /// Too many.
    Long,
    /// One character again and again, or the person's own name or id.
    Guessable,
    /// The two times do not agree.
    Mistyped,
}

/// What is wrong with a password that somebody wants; `None` where it will do.
pub(crate) fn weakness(password: &str, again: &str, names: &[&str]) -> Option<Weakness> {
    let count = password.chars().count();
    let mut kinds: Vec<char> = password.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let is_name = names.iter().any(|name| password.trim().eq_ignore_ascii_case(name));
    if password != again {
        Some(Weakness::Mistyped)
    } else if count < CHARS_MIN {
        Some(Weakness::Short)
    } else if count > CHARS_MAX {
        Some(Weakness::Long)
    } else if kinds.len() < 4 || is_name {
        Some(Weakness::Guessable)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_alone() {
        let stored = hash("一二三四五六七八九十", &[7; 16]).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(is_one("一二三四五六七八九十", Some(&stored)));
        assert!(!is_one("一二三四五六七八九十一", Some(&stored)));
        assert!(!is_one("一二三四五六七八九十", None));
        assert!(!is_one("x", Some("damaged")));
        assert!(phc::PasswordHash::new(NOBODY).is_ok(), "a wrong name takes as long");
    }

    #[test]
    fn what_is_easily_guessed_is_not_taken() {
        assert_eq!(weakness("short", "short", &[]), Some(Weakness::Short));
        assert_eq!(weakness("aaaaaaaaaaaa", "aaaaaaaaaaaa", &[]), Some(Weakness::Guessable));
        assert_eq!(weakness("u.someone01", "u.someone01", &["U.SOMEONE01"]), Some(Weakness::Guessable));
        assert_eq!(weakness("correct horse", "correct horsf", &[]), Some(Weakness::Mistyped));
        assert_eq!(weakness(&"ab12".repeat(60), &"ab12".repeat(60), &[]), Some(Weakness::Long));
        assert_eq!(weakness("correct horse", "correct horse", &["u.x"]), None);
    }
}
