//! Taking in again a device that this file has forgotten: it was enrolled after the backup was taken.
//!
//! The certificate of its enrolment says who it is, under the server's own key; the token that it names
//! proves that it is the device's. A device that the file knows as revoked stays revoked. A revocation that
//! the file has forgotten as well must be said again: nothing at the branch remembers it.

use xunyuan_core::error::{Error, Refusal};
use xunyuan_core::wire::certificate::Certificate;
use xunyuan_core::wire::message::ReadmitReply;

use super::Hub;
use super::devices::{EnrollFailure, free_code, hashed};
use super::store::{self, device::DeviceRow, device::Seen};
use super::writer::Writer;

impl Hub {
    /// Takes a device in again by the certificate of its enrolment and its token.
    ///
    /// # Errors
    /// `Refused` when the certificate is not this server's or not of this token, the device is revoked, or
    /// the organisation no longer knows the person; `Internal` when writing fails.
    pub fn readmit(&self, token: &str, certificate: &str) -> Result<ReadmitReply, EnrollFailure> {
        let server_key = self.public_key();
        let token_hash = hashed(token.as_bytes());
        let certificate = Certificate::of_hex(certificate)
            .filter(|known| known.token_hash == token_hash && known.is_of(&server_key))
            .ok_or_else(|| EnrollFailure::Refused(no_certificate()))?;
        let outcome = self.write(move |writer| take_in(writer, &certificate));
        match outcome {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(refusal)) => Err(EnrollFailure::Refused(refusal)),
            Err(failure) => Err(EnrollFailure::Internal(failure.into())),
        }
    }
}

fn take_in(writer: &mut Writer, certificate: &Certificate) -> Result<Result<ReadmitReply, Refusal>, Error> {
    let conn = &writer.conn;
    if let Some(row) = store::device::find(conn, certificate.device())? {
        let is_same = store::device::of_token(conn, &certificate.token_hash)?
            .is_some_and(|holder| holder.device == row.device);
        return Ok(match row.revoked_at_ms {
            Some(_) => Err(Refusal::new(
                "device_revoked",
                "此设备已被分公司停用",
                "the branch has revoked this device",
            )),
            None if is_same => Ok(ReadmitReply { device_code: row.code }),
            None => Err(no_certificate()),
        });
    }
    if writer.catalog.user(&certificate.user).is_none_or(|user| user.retired) {
        return Ok(Err(Refusal::new(
            "person_unknown",
            "组织架构中没有此人或已停用;请联系分公司",
            "the organisation does not know this person; ask the branch",
        )));
    }
    // Its code may have been given to another device since the backup was put back.
    let code = free_code(conn, Some(certificate.code.clone()))?;
    let row = DeviceRow {
        device: certificate.device(),
        public_key: certificate.public_key,
        user: certificate.user.clone(),
        code: code.clone(),
        enrolled_at_ms: certificate.enrolled_at_ms,
        revoked_at_ms: None,
        is_console: false,
        app: String::new(),
        last_seen_ms: None,
        seen: Seen::default(),
    };
    store::device::insert(conn, &row, &certificate.token_hash)?;
    tracing::info!("a device that this file had forgotten was taken in again by its certificate");
    Ok(Ok(ReadmitReply { device_code: code }))
}

fn no_certificate() -> Refusal {
    Refusal::new(
        "certificate_invalid",
        "设备的登记凭证无效;请向分公司要一个新的邀请链接",
        "the certificate of this device is not valid; ask the branch for a new invitation",
    )
}
