//! Devices: invitation, enrolment, authentication, revocation and what each last said of itself.

use tokio::sync::watch;
use xunyuan_core::error::{Error, ErrorKind, Refusal};
use xunyuan_core::id::{DeviceId, ScopeId, UserId, hash_parts, short_hash};
use xunyuan_core::limits::CLOCK_SKEW_SUSPICIOUS_MS;
use xunyuan_core::wire::certificate::Certificate;
use xunyuan_core::wire::key;
use xunyuan_core::wire::message::{EnrollReply, EnrollRequest, Health};
use xunyuan_core::wire::pin::Pin;

use super::Hub;
use super::store::{self, device::DeviceRow, device::Seen};
use super::writer::Writer;

/// An enrolled device that showed its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which device.
    pub id: DeviceId,
    /// The person it writes for.
    pub user: UserId,
    /// Its short code.
    pub code: String,
    pub(super) public_key: [u8; 32],
}

/// Why a token opens nothing.
#[derive(Debug)]
pub enum AuthFailure {
    /// No device has this token.
    Unknown,
    /// The device was revoked. An exchange with it still refuses its work for the record and orders it to
    /// erase what it holds.
    Revoked(Box<Device>),
    /// The branch could not look it up.
    Internal(Error),
}

/// Why an invitation became no device.
#[derive(Debug)]
pub enum EnrollFailure {
    /// The invitation, the key or the proof is not good.
    Refused(Refusal),
    /// The branch could not write it down.
    Internal(Error),
}

/// A one-time link's content; shown once, stored hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The secret of the link.
    pub secret: String,
    /// Whom it invites.
    pub user: UserId,
    /// When it ends, milliseconds since 1970.
    pub expires_at_ms: i64,
}

impl Invitation {
    /// The link: where the server is, and which key it shows in TLS where devices are to trust that one alone.
    #[must_use]
    pub fn link(&self, server: &str, pin: Option<Pin>) -> String {
        let pin = pin.map(|pin| format!("&pin={pin}")).unwrap_or_default();
        format!("xunyuan://enroll?server={server}&code={}{pin}", self.secret)
    }
}

/// A device as the branch sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Which device.
    pub id: DeviceId,
    /// Its short code.
    pub code: String,
    /// The person it writes for.
    pub user: UserId,
    /// True for the record that a person writes under in the console: it is no device to hear of.
    pub is_console: bool,
    /// App name and version as it last said.
    pub app: String,
    /// Schema version of its store as it last said; 0 before its first exchange.
    pub schema: u32,
    /// When it was enrolled, milliseconds since 1970.
    pub enrolled_at_ms: i64,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
    /// Server clock at its last exchange.
    pub last_seen_ms: Option<i64>,
    /// What it still held back when it last spoke.
    pub health: Health,
    /// Its clock minus the server's at its last exchange, milliseconds.
    pub skew_ms: i64,
    /// True when its clock is far from the server's.
    pub skew_suspicious: bool,
}

impl Hub {
    /// The device of a bearer token.
    ///
    /// # Errors
    /// `Unknown`, `Revoked`, or `Internal` when the store cannot be read.
    pub fn authenticate(&self, token: &str) -> Result<Device, AuthFailure> {
        let hash = hashed(token.as_bytes());
        let row = self.inner.shared.read(|conn| store::device::of_token(conn, &hash));
        match row.map_err(AuthFailure::Internal)? {
            None => Err(AuthFailure::Unknown),
            Some(row) => {
                let device =
                    Device { id: row.device, user: row.user, code: row.code, public_key: row.public_key };
                if row.revoked_at_ms.is_some() {
                    return Err(AuthFailure::Revoked(Box::new(device)));
                }
                Ok(device)
            }
        }
    }

    /// Makes a one-time invitation for a person of the organisation.
    ///
    /// # Errors
    /// `NotFound` when the organisation does not know the person; `Storage` and its like.
    pub fn invite(
        &self,
        user: &UserId,
        ttl_ms: i64,
        now_ms: i64,
        entropy: [u8; 32],
    ) -> Result<Invitation, Error> {
        if self.catalog().user(user).is_none_or(|known| known.retired) {
            return Err(Error::new(
                ErrorKind::NotFound,
                "组织架构中没有此人或已停用;请先用 org load 载入最新组织架构",
                "the organisation does not know this person; load the current organisation first",
            ));
        }
        let secret = data_encoding::HEXLOWER.encode(&short_hash("xunyuan/invitation/1", &[&entropy]));
        let hash = hashed(secret.as_bytes());
        let expires_at_ms = now_ms.saturating_add(ttl_ms);
        let invited = user.clone();
        self.write(move |writer| {
            store::invitation::insert(&writer.conn, &hash, &invited, now_ms, expires_at_ms)
        })?;
        Ok(Invitation { secret, user: user.clone(), expires_at_ms })
    }

    /// Turns an invitation into a device.
    ///
    /// The same device may come again with the same invitation while it has never exchanged: the reply
    /// with its token was lost, and it gets another one.
    ///
    /// # Errors
    /// `Refused` for an unknown, used or expired invitation, a key that is enrolled already, or a proof
    /// that does not fit; `Internal` when writing fails.
    pub fn enroll(
        &self,
        request: &EnrollRequest,
        now_ms: i64,
        entropy: [u8; 32],
    ) -> Result<EnrollReply, EnrollFailure> {
        let public_key = proven_key(request).map_err(EnrollFailure::Refused)?;
        let request = request.clone();
        let outcome = self.write(move |writer| enroll(writer, &request, public_key, now_ms, entropy));
        match outcome {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(refusal)) => Err(EnrollFailure::Refused(refusal)),
            Err(failure) => Err(EnrollFailure::Internal(failure.into())),
        }
    }

    /// Revokes a device: from now on it is refused. Its signed work stays.
    ///
    /// # Errors
    /// `NotFound` when no such device is enrolled.
    pub fn revoke(&self, device: DeviceId, now_ms: i64) -> Result<(), Error> {
        let found = self.write(move |writer| store::device::revoke(&writer.conn, device, now_ms))?;
        if found {
            self.inner.shared.note_rights();
            Ok(())
        } else {
            Err(Error::new(ErrorKind::NotFound, "没有这台设备", "no such device is enrolled"))
        }
    }

    /// Moves whenever [`Hub::hears`] may have another answer.
    #[must_use]
    pub fn rights(&self) -> watch::Receiver<u64> {
        self.inner.shared.rights.subscribe()
    }

    /// The scopes of which a device may hear now; `None` once it is revoked.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn hears(&self, device: &Device) -> Result<Option<Vec<ScopeId>>, Error> {
        let row = self.inner.shared.read(|conn| store::device::find(conn, device.id))?;
        let is_known = row.is_some_and(|row| row.revoked_at_ms.is_none());
        Ok(is_known.then(|| self.catalog().grants(&device.user)))
    }

    /// Every device ever enrolled, in the order of their codes.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn devices(&self) -> Result<Vec<DeviceStatus>, Error> {
        let rows = self.inner.shared.read(store::device::all)?;
        Ok(rows.into_iter().map(|row| self.status(row)).collect())
    }

    fn status(&self, mut row: DeviceRow) -> DeviceStatus {
        if let Some(mark) = self.inner.shared.seen.of(&row.device) {
            (row.last_seen_ms, row.app, row.seen) = (Some(mark.at_ms), mark.app, mark.seen);
        }
        let Seen { schema, skew_ms, pending_changes, pending_photos, conflicts } = row.seen;
        DeviceStatus {
            id: row.device,
            code: row.code,
            user: row.user,
            is_console: row.is_console,
            app: row.app,
            schema,
            enrolled_at_ms: row.enrolled_at_ms,
            revoked_at_ms: row.revoked_at_ms,
            last_seen_ms: row.last_seen_ms,
            health: Health { pending_changes, pending_photos, conflicts },
            skew_ms,
            skew_suspicious: skew_ms.saturating_abs() > CLOCK_SKEW_SUSPICIOUS_MS,
        }
    }
}

/// The key that the request names, where the request proves that the device holds it.
fn proven_key(request: &EnrollRequest) -> Result<[u8; 32], Refusal> {
    let hex = |text: &str| data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    let public_key = hex(&request.public_key).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let proof = hex(&request.proof).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let signed = key::enroll_bytes(&request.invitation);
    match (public_key, proof) {
        (Some(public_key), Some(proof)) if key::verify(&public_key, &signed, &proof) => Ok(public_key),
        _ => Err(Refusal::new(
            "proof_invalid",
            "设备密钥的证明无效;请升级应用后重试",
            "the proof of the device key is not valid; update the app and try again",
        )),
    }
}

fn enroll(
    writer: &mut Writer,
    request: &EnrollRequest,
    public_key: [u8; 32],
    now_ms: i64,
    entropy: [u8; 32],
) -> Result<Result<EnrollReply, Refusal>, Error> {
    let conn = &writer.conn;
    let secret_hash = hashed(request.invitation.as_bytes());
    let Some(invitation) = store::invitation::find(conn, &secret_hash)? else {
        return Ok(Err(refused("invitation_unknown")));
    };
    let device = DeviceId::of_key(&public_key);
    let enrolled = store::device::find(conn, device)?;
    if invitation.device.is_some_and(|used_by| used_by != device) {
        return Ok(Err(refused("invitation_used")));
    }
    if now_ms > invitation.expires_at_ms {
        return Ok(Err(refused("invitation_expired")));
    }
    let token = data_encoding::HEXLOWER
        .encode(&hash_parts("xunyuan/token/1", &[&entropy, &public_key, request.invitation.as_bytes()]));
    let token_hash = hashed(token.as_bytes());
    let code = match enrolled {
        None => {
            let row = DeviceRow {
                device,
                public_key,
                user: invitation.user.clone(),
                code: free_code(conn, None)?,
                enrolled_at_ms: now_ms,
                revoked_at_ms: None,
                is_console: false,
                app: request.app.chars().take(100).collect(),
                last_seen_ms: None,
                seen: Seen::default(),
            };
            store::device::insert(conn, &row, &token_hash)?;
            store::invitation::put_used(conn, &secret_hash, device, now_ms)?;
            row.code
        }
        // Only the lost reply of this very invitation is answered again.
        Some(row) => {
            let is_again = invitation.device == Some(device)
                && row.last_seen_ms.is_none()
                && row.revoked_at_ms.is_none()
                && writer.shared.seen.of(&device).is_none();
            if !is_again {
                let code = if invitation.device.is_some() { "invitation_used" } else { "device_known" };
                return Ok(Err(refused(code)));
            }
            store::device::put_token(conn, device, &token_hash)?;
            row.code
        }
    };
    let certificate = Certificate {
        public_key,
        user: invitation.user,
        code,
        token_hash,
        enrolled_at_ms: now_ms,
        signature: [0; 64],
    };
    Ok(Ok(reply(writer, token, certificate.signed(&writer.shared.identity.key))))
}

fn reply(writer: &Writer, token: String, certificate: Certificate) -> EnrollReply {
    let grants: Vec<ScopeId> = writer.catalog.grants(&certificate.user);
    EnrollReply {
        token,
        certificate: Some(certificate.to_hex()),
        user: certificate.user,
        device_code: certificate.code,
        branch: writer.catalog.organisation().map(|known| known.branch.id.clone()).unwrap_or_default(),
        server_key: data_encoding::HEXLOWER.encode(&writer.shared.identity.key.public()),
        server_time_ms: certificate.enrolled_at_ms,
        grants,
    }
}

fn refused(code: &str) -> Refusal {
    let (zh, en) = match code {
        "invitation_used" => (
            "这个邀请链接已经用过;请向分公司要一个新的",
            "this invitation was already used; ask the branch for a new one",
        ),
        "invitation_expired" => (
            "这个邀请链接已过期;请向分公司要一个新的",
            "this invitation has expired; ask the branch for a new one",
        ),
        "device_known" => (
            "这台设备的密钥已经登记过;请重新安装后再试",
            "this device key is already enrolled; make a new replica and try again",
        ),
        _ => (
            "分公司没有发出这个邀请链接;请核对后重试",
            "the branch did not make this invitation; check it and try again",
        ),
    };
    Refusal::new(code, zh, en)
}

/// Codes run A1 to A9, B1 to Z9, then AA1 and on: short to say over the phone.
fn code_of(enrolled: u64) -> String {
    let digit = enrolled % 9 + 1;
    let mut rest = enrolled / 9;
    let mut letters = Vec::new();
    loop {
        let letter = u8::try_from(rest % 26).unwrap_or(0);
        letters.push(char::from(b'A' + letter));
        if rest < 26 {
            break;
        }
        rest = rest / 26 - 1;
    }
    letters
        .iter()
        .rev()
        .chain(std::iter::once(&char::from_digit(u32::try_from(digit).unwrap_or(0), 10).unwrap_or('0')))
        .collect()
}

/// A code that no device has: `wanted` where it is free, else the next one.
pub(super) fn free_code(conn: &rusqlite::Connection, wanted: Option<String>) -> Result<String, Error> {
    let mut next = store::device::count(conn)?;
    let mut code = wanted.unwrap_or_else(|| code_of(next));
    while store::device::has_code(conn, &code)? {
        code = code_of(next);
        next += 1;
    }
    Ok(code)
}

/// What is stored of a secret: SHA-256 under a label of its own.
pub(super) fn hashed(secret: &[u8]) -> [u8; 32] {
    hash_parts("xunyuan/secret/1", &[secret])
}

#[cfg(test)]
mod tests {
    use super::{Invitation, Pin, UserId, code_of};

    #[test]
    fn a_link_names_server_code_and_key() {
        let made = Invitation { secret: "abc".to_owned(), user: UserId::new("u.pt01"), expires_at_ms: 1 };
        assert_eq!(made.link("http://h", None), "xunyuan://enroll?server=http://h&code=abc");
        let pin = Pin([7; 32]);
        let pinned = made.link("https://h", Some(pin));
        assert_eq!(pinned, format!("xunyuan://enroll?server=https://h&code=abc&pin={pin}"));
    }

    #[test]
    fn codes_are_short_and_never_repeat() {
        assert_eq!(code_of(0), "A1");
        assert_eq!(code_of(8), "A9");
        assert_eq!(code_of(9), "B1");
        assert_eq!(code_of(26 * 9 - 1), "Z9");
        assert_eq!(code_of(26 * 9), "AA1");
        let all: std::collections::BTreeSet<String> = (0..20_000).map(code_of).collect();
        assert_eq!(all.len(), 20_000);
    }
}
