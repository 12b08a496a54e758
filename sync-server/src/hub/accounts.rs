//! People who sign in to the console: passwords set by a link, second factors, sessions, lock-out.
//!
//! Passwords arrive hashed and codes checked; what is kept here is what was taken, when, and how often it
//! went wrong. A person who has left the organisation has no session, whatever the table says.

use xunyuan_core::error::{Error, ErrorKind, Refusal};
use xunyuan_core::id::{UserId, short_hash};

use super::Hub;
use super::devices::hashed;
use super::store::account::{self, Account, Session};

/// A session that nobody has used for so long has ended: a working day and the way home.
const IDLE_MS: i64 = 12 * 3_600_000;
/// The longest life of a session.
const LIFE_MS: i64 = 7 * 86_400_000;
/// How often the use of a session is written down.
const TOUCH_MS: i64 = 5 * 60_000;
/// Wrong attempts that lock nothing.
const FAILURES_FREE: u64 = 4;
/// The first lock; each further failure doubles it.
const LOCK_MS: i64 = 60_000;
/// The longest lock.
const LOCK_MAX_MS: i64 = 3_600_000;

/// A one-time link's content; shown once, stored hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordLink {
    /// The secret of the link.
    pub secret: String,
    /// Whose password it sets.
    pub user: UserId,
    /// When it ends, milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// How an attempt to sign in went, to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// What was given was right.
    Good,
    /// It was wrong.
    Wrong,
}

impl Hub {
    /// Makes a one-time link with which a person of the organisation sets a password; an earlier one ends.
    ///
    /// # Errors
    /// `NotFound` when the organisation does not know the person; `Storage` and its like.
    pub fn password_link(
        &self,
        user: &UserId,
        ttl_ms: i64,
        now_ms: i64,
        entropy: [u8; 32],
    ) -> Result<PasswordLink, Error> {
        if self.catalog().user(user).is_none_or(|known| known.retired) {
            return Err(Error::new(
                ErrorKind::NotFound,
                "组织架构中没有此人或已停用;请先载入最新组织架构",
                "the organisation does not know this person; load the current organisation first",
            ));
        }
        let secret = data_encoding::HEXLOWER.encode(&short_hash("xunyuan/password-link/1", &[&entropy]));
        let (hash, expires_at_ms) = (hashed(secret.as_bytes()), now_ms.saturating_add(ttl_ms));
        let whose = user.clone();
        self.write(move |writer| account::insert_link(&writer.conn, &hash, &whose, expires_at_ms))?;
        Ok(PasswordLink { secret, user: user.clone(), expires_at_ms })
    }

    /// Whose password a link sets.
    ///
    /// # Errors
    /// The inner refusal where the link is unknown, used or over; `Storage` and its like.
    pub fn link_user(&self, secret: &str, now_ms: i64) -> Result<Result<UserId, Refusal>, Error> {
        let hash = hashed(secret.as_bytes());
        self.inner.shared.read(|conn| Ok(usable(account::link(conn, &hash)?, now_ms)))
    }

    /// Sets a password by a link and uses the link up; the person is signed out everywhere.
    ///
    /// # Errors
    /// As [`Hub::link_user`].
    pub fn set_password(
        &self,
        secret: &str,
        password: String,
        now_ms: i64,
    ) -> Result<Result<UserId, Refusal>, Error> {
        let hash = hashed(secret.as_bytes());
        Ok(self.write(move |writer| {
            let conn = &writer.conn;
            let user = match usable(account::link(conn, &hash)?, now_ms) {
                Ok(user) => user,
                Err(refusal) => return Ok(Err(refusal)),
            };
            account::use_link(conn, &hash, now_ms)?;
            account::put_password(conn, &user, &password)?;
            account::end_sessions(conn, &user, None)?;
            Ok(Ok(user))
        })?)
    }

    /// Changes the password of somebody who is signed in; every other session of theirs ends.
    ///
    /// # Errors
    /// `Storage` and its like.
    pub fn change_password(&self, session: &Session, password: String) -> Result<(), Error> {
        let session = session.clone();
        Ok(self.write(move |writer| {
            account::put_password(&writer.conn, &session.user, &password)?;
            account::end_sessions(&writer.conn, &session.user, Some(&session.token_hash))
        })?)
    }

    /// What a person signs in with; `None` for somebody without a password or outside the organisation.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn account(&self, user: &UserId) -> Result<Option<Account>, Error> {
        if self.catalog().user(user).is_none_or(|known| known.retired) {
            return Ok(None);
        }
        let found = self.inner.shared.read(|conn| account::find(conn, user))?;
        Ok(found.filter(|account| account.password.is_some()))
    }

    /// Who has set a password, with whether they have a second factor.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn accounts(&self) -> Result<Vec<(UserId, bool)>, Error> {
        self.inner.shared.read(account::with_password)
    }

    /// Counts an attempt. From the fifth wrong one on the account is locked, each time for twice as long.
    ///
    /// # Errors
    /// `Storage` and its like.
    pub fn note_attempt(&self, user: &UserId, attempt: Attempt, now_ms: i64) -> Result<(), Error> {
        let user = user.clone();
        Ok(self.write(move |writer| {
            let conn = &writer.conn;
            let before = account::find(conn, &user)?.unwrap_or_default().failures;
            let (failures, locked_until_ms) = match attempt {
                Attempt::Good if before == 0 => return Ok(()),
                Attempt::Good => (0, 0),
                Attempt::Wrong => (before + 1, now_ms.saturating_add(lock_ms(before + 1))),
            };
            account::put_failures(conn, &user, failures, locked_until_ms)
        })?)
    }

    /// Sets the second factor of a person, or takes it away.
    ///
    /// # Errors
    /// `Storage` and its like.
    pub fn put_second_factor(&self, user: &UserId, secret: Option<Vec<u8>>) -> Result<(), Error> {
        let user = user.clone();
        Ok(self.write(move |writer| account::put_second_factor(&writer.conn, &user, secret.as_deref()))?)
    }

    /// Uses the one-time code of a time step up; false where it, or a later one, was used before.
    ///
    /// # Errors
    /// `Storage` and its like.
    pub fn use_code(&self, user: &UserId, step: i64) -> Result<bool, Error> {
        let user = user.clone();
        Ok(self.write(move |writer| account::use_code(&writer.conn, &user, step))?)
    }

    /// Begins a session under the cookie `token`; `before` is one that it takes the place of.
    ///
    /// # Errors
    /// `Storage` and its like.
    pub fn begin_session(
        &self,
        token: &str,
        user: &UserId,
        is_half: bool,
        browser: &str,
        before: Option<&Session>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let session = Session {
            token_hash: hashed(token.as_bytes()),
            user: user.clone(),
            is_half,
            browser: browser.chars().take(200).collect(),
            created_at_ms: now_ms,
            seen_at_ms: now_ms,
        };
        let before = before.map(|before| before.token_hash);
        Ok(self.write(move |writer| {
            if let Some(before) = before {
                account::end_session(&writer.conn, &before)?;
            }
            account::insert_session(&writer.conn, &session, now_ms - IDLE_MS)
        })?)
    }

    /// The session of a cookie; `None` where it has ended or the person has left the organisation.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn session(&self, token: &str, now_ms: i64) -> Result<Option<Session>, Error> {
        let hash = hashed(token.as_bytes());
        let found = self.inner.shared.read(|conn| account::session(conn, &hash))?;
        let is_live = |session: &Session| {
            now_ms - session.seen_at_ms < IDLE_MS
                && now_ms - session.created_at_ms < LIFE_MS
                && self.catalog().user(&session.user).is_some_and(|user| !user.retired)
        };
        let Some(session) = found.filter(is_live) else { return Ok(None) };
        if now_ms - session.seen_at_ms > TOUCH_MS {
            self.write(move |writer| account::touch_session(&writer.conn, &hash, now_ms))?;
        }
        Ok(Some(session))
    }

    /// Every session of a person, the last used first.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn sessions(&self, user: &UserId) -> Result<Vec<Session>, Error> {
        self.inner.shared.read(|conn| account::sessions(conn, user))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// `Storage` and its like.
    pub fn end_session(&self, session: &Session) -> Result<(), Error> {
        let hash = session.token_hash;
        self.write(move |writer| account::end_session(&writer.conn, &hash))?;
        self.inner.shared.note_rights();
        Ok(())
    }

    /// Signs a person out everywhere.
    ///
    /// # Errors
    /// `Storage` and its like.
    pub fn end_sessions(&self, user: &UserId) -> Result<(), Error> {
        let user = user.clone();
        self.write(move |writer| account::end_sessions(&writer.conn, &user, None))?;
        self.inner.shared.note_rights();
        Ok(())
    }
}

/// For how long so many failures in a row lock an account.
fn lock_ms(failures: u64) -> i64 {
    if failures <= FAILURES_FREE {
        return 0;
    }
    let doublings = u32::try_from(failures - FAILURES_FREE - 1).unwrap_or(u32::MAX).min(10);
    (LOCK_MS << doublings).min(LOCK_MAX_MS)
}

fn usable(link: Option<(UserId, i64, bool)>, now_ms: i64) -> Result<UserId, Refusal> {
    let (code, zh, en) = match link {
        Some((user, expires_at_ms, false)) if now_ms <= expires_at_ms => return Ok(user),
        Some((_, _, true)) => (
            "link_used",
            "这个链接已经用过;请向分公司要一个新的",
            "this link was already used; ask the branch for a new one",
        ),
        Some(_) => (
            "link_expired",
            "这个链接已过期;请向分公司要一个新的",
            "this link has expired; ask the branch for a new one",
        ),
        None => (
            "link_unknown",
            "这个链接无效或已被新的链接取代;请向分公司要一个新的",
            "this link is not valid, or a newer one has replaced it; ask the branch for a new one",
        ),
    };
    Err(Refusal::new(code, zh, en))
}

#[cfg(test)]
mod tests {
    use super::{LOCK_MAX_MS, lock_ms};

    #[test]
    fn a_lock_grows_with_the_failures_and_ends() {
        assert_eq!(lock_ms(4), 0);
        assert_eq!(lock_ms(5), 60_000);
        assert_eq!(lock_ms(6), 120_000);
        assert_eq!(lock_ms(u64::MAX), LOCK_MAX_MS);
    }
}
