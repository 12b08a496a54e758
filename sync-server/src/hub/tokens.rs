//! Programs that read in the name of a person: tokens made, used and revoked.
//!
//! A token opens what the person sees at that moment, cut down to its rights and units; when the person leaves
//! the organisation it opens nothing. It is shown once and kept hashed.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{UserId, hash_parts, short_hash};

use super::Hub;
use super::devices::hashed;
use super::store::token::{self, Right, Token};

/// How often the use of a token is written down.
const TOUCH_MS: i64 = 5 * 60_000;
/// Tokens of one person that open anything at the same time.
const LIVE_MAX: u32 = 20;
/// Longest name, characters.
const NAME_CHARS_MAX: usize = 60;
/// Longest life, days.
const DAYS_MAX: u32 = 366;
const DAY_MS: i64 = 86_400_000;
/// For how long a token that has ended stays listed.
const LISTED_MS: i64 = 90 * DAY_MS;
/// How every token begins, so that it is found where it was left by mistake.
const PREFIX: &str = "xyt_";

/// What a new token is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenWish {
    /// In whose name.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// What it opens.
    pub rights: Vec<Right>,
    /// The units that it is limited to; empty for all that the person sees.
    pub units: Vec<String>,
    /// Days until it ends.
    pub days: u32,
}

/// A new token; its secret is shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeToken {
    /// What the program sends.
    pub secret: String,
    /// How it is listed.
    pub token: Token,
}

/// Why a token opens nothing.
#[derive(Debug)]
pub enum TokenFailure {
    /// Nobody knows it.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was revoked, or its person has left the organisation.
    Revoked,
    /// The branch failed.
    Internal(Error),
}

impl Hub {
    /// Makes a token.
    ///
    /// # Errors
    /// `Invalid` saying what is wrong with the wish, or that there are too many already; `NotFound` where the organisation does not know the person;
    /// `Storage` and its like.
    pub fn make_token(&self, wish: TokenWish, now_ms: i64, entropy: [u8; 32]) -> Result<MadeToken, Error> {
        self.check(&wish)?;
        let secret = BASE64URL_NOPAD.encode(&hash_parts("xunyuan/access-token/1", &[&entropy]));
        let secret = format!("{PREFIX}{secret}");
        let TokenWish { user, name, mut rights, mut units, days } = wish;
        rights.sort_by_key(|right| right.id());
        rights.dedup();
        units.sort();
        units.dedup();
        let token = Token {
            id: HEXLOWER.encode(&short_hash("xunyuan/token-id/1", &[secret.as_bytes()])[..6]),
            user,
            name: name.trim().to_owned(),
            rights,
            units,
            created_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(i64::from(days) * DAY_MS),
            used_at_ms: None,
            revoked_at_ms: None,
        };
        let (hash, made) = (hashed(secret.as_bytes()), token.clone());
        self.write(move |writer| {
            let conn = &writer.conn;
            token::clear(conn, now_ms - LISTED_MS)?;
            if token::live(conn, &token.user, now_ms)? >= LIVE_MAX {
                return Err(too_many());
            }
            token::insert(conn, &hash, &token)
        })?;
        Ok(MadeToken { secret, token: made })
    }

    fn check(&self, wish: &TokenWish) -> Result<(), Error> {
        let catalog = self.catalog();
        if catalog.user(&wish.user).is_none_or(|known| known.retired) {
            return Err(Error::new(
                ErrorKind::NotFound,
                "组织架构中没有此人或已停用;请先载入最新组织架构",
                "the organisation does not know this person; load the current organisation first",
            ));
        }
        let name = wish.name.trim();
        let is_named = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX;
        if !is_named || name.chars().any(char::is_control) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("请用不超过 {NAME_CHARS_MAX} 个字写明令牌的用途"),
                format!("say what the token is for, in at most {NAME_CHARS_MAX} characters"),
            ));
        }
        if wish.rights.is_empty() {
            let all = Right::ALL.map(Right::id).join(", ");
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("请至少选一项权限:{all}"),
                format!("choose at least one right: {all}"),
            ));
        }
        if !(1..=DAYS_MAX).contains(&wish.days) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("有效天数应为 1 至 {DAYS_MAX}"),
                format!("a token is good for 1 to {DAYS_MAX} days"),
            ));
        }
        let sight = self.sight(&wish.user);
        let seen = sight.units();
        if wish.units.iter().all(|unit| seen.contains(&unit.as_str())) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Invalid,
            format!("此人看不到所选的项目;可选:{}", seen.join(", ")),
            format!("the person does not see that project; there are {}", seen.join(", ")),
        ))
    }

    /// The token that a program sent, where it opens anything now.
    ///
    /// # Errors
    /// See [`TokenFailure`].
    pub fn token(&self, secret: &str, now_ms: i64) -> Result<Token, TokenFailure> {
        let hash = hashed(secret.as_bytes());
        let found = self.inner.shared.read(|conn| token::find(conn, &hash));
        let token = found.map_err(TokenFailure::Internal)?.ok_or(TokenFailure::Unknown)?;
        let has_left = self.catalog().user(&token.user).is_none_or(|user| user.retired);
        if token.revoked_at_ms.is_some() || has_left {
            return Err(TokenFailure::Revoked);
        }
        if token.expires_at_ms <= now_ms {
            return Err(TokenFailure::Expired);
        }
        if token.used_at_ms.is_none_or(|used_at_ms| now_ms - used_at_ms > TOUCH_MS) {
            let id = token.id.clone();
            self.write(move |writer| token::touch(&writer.conn, &id, now_ms))
                .map_err(|failure| TokenFailure::Internal(failure.into()))?;
        }
        Ok(token)
    }

    /// Tokens of a person, or of everybody, the newest first.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn tokens(&self, user: Option<&UserId>) -> Result<Vec<Token>, Error> {
        self.inner.shared.read(|conn| token::list(conn, user))
    }

    /// Revokes a token, of one person where one is named. Revoking twice is no error.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Storage` and its like.
    pub fn revoke_token(&self, id: &str, user: Option<&UserId>, now_ms: i64) -> Result<(), Error> {
        let (id, user) = (id.to_owned(), user.cloned());
        let is_known = self.write(move |writer| token::revoke(&writer.conn, &id, user.as_ref(), now_ms))?;
        if is_known {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotFound,
            "没有这个令牌;请用 token list 查看",
            "there is no such token; look it up with token list",
        ))
    }
}

fn too_many() -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("每人最多 {LIVE_MAX} 个有效令牌;请先撤销不用的"),
        format!("a person has at most {LIVE_MAX} tokens at a time; revoke one that is not used"),
    )
}
