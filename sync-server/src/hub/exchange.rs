//! One exchange: decode, take the push in, answer with what is new.

use xunyuan_core::error::{Error, ErrorKind, Refusal, Sentence};
use xunyuan_core::limits::{PAGE_BYTES_MAX, REQUEST_BYTES_MAX, REQUEST_SCOPES_MAX};
use xunyuan_core::wire::frame;
use xunyuan_core::wire::log::grants_tag;
use xunyuan_core::wire::message::{Directive, PROTOCOL, PROTOCOL_OLDEST, Reply, Request, Verdict};

use super::devices::Device;
use super::shared::SeenMark;
use super::store::{self, device::Seen};
use super::writer::WriteFailure;
use super::{Hub, admit, pull};

/// Why an exchange has no reply.
#[derive(Debug)]
pub enum ExchangeFailure {
    /// The body holds more than a request may.
    TooLarge,
    /// The device speaks a protocol version that this server does not.
    UnsupportedVersion {
        /// The version asked for.
        asked: u16,
    },
    /// The body is no request.
    Malformed(Error),
    /// Too much waits already; nothing was done.
    Overloaded,
    /// The branch failed; nothing was done.
    Internal(Error),
}

impl Hub {
    /// Answers one exchange body.
    ///
    /// Pushed runs are admitted and committed before the reply is made. An exchange that pushes nothing
    /// loads no document and waits for no write.
    ///
    /// # Errors
    /// See [`ExchangeFailure`].
    pub fn exchange(&self, device: &Device, body: &[u8], now_ms: i64) -> Result<Vec<u8>, ExchangeFailure> {
        let request = decode(body)?;
        self.note_seen(device, &request, now_ms);
        self.take_repairs(device, &request, now_ms).map_err(ExchangeFailure::Internal)?;
        let Request { scopes, definitions, push, max_bytes, grants_tag: held_tag, .. } = request;
        let (keep_after_ms, wanted) = (request.keep_after_ms, request.wanted);
        let repairs = request.repairs.unwrap_or_default();
        let admitted = if push.is_empty() {
            admit::Admitted::default()
        } else {
            let from = device.clone();
            let _part = self.inner.shared.ahead.take(admit::weight(&push));
            let ahead = admit::look(&self.inner.shared, device, &definitions, &push, now_ms)
                .map_err(ExchangeFailure::Internal)?;
            self.write(move |writer| admit::push(writer, &from, &definitions, &push, ahead, now_ms)).map_err(
                |failure| match failure {
                    WriteFailure::Overloaded => ExchangeFailure::Overloaded,
                    WriteFailure::Failed(error) if error.kind() == ErrorKind::Busy => {
                        ExchangeFailure::Overloaded
                    }
                    WriteFailure::Failed(error) => ExchangeFailure::Internal(error),
                },
            )?
        };
        // What refusals take of the reply, records cannot have.
        let max_bytes = max_bytes.min(PAGE_BYTES_MAX).saturating_sub(verdict_bytes(&admitted.verdicts));
        let shared = &self.inner.shared;
        let catalog = shared.catalog();
        let grants = catalog.grants(&device.user);
        let page = shared
            .read(|conn| {
                // A device that was revoked meanwhile gets an order instead of records.
                let row = store::device::find(conn, device.id)?;
                if row.is_none_or(|row| row.revoked_at_ms.is_some()) {
                    return Ok(None);
                }
                let wish = pull::Wish {
                    device: device.id,
                    grants: &grants,
                    scopes: &scopes,
                    wanted: &wanted,
                    keep_after_ms,
                    max_bytes,
                    repairs: &repairs,
                    now_ms,
                };
                pull::page(conn, shared, &wish).map(Some)
            })
            .map_err(ExchangeFailure::Internal)?;
        let mut reply = Reply {
            server_time_ms: now_ms,
            verdicts: admitted.verdicts,
            scopes: Vec::new(),
            definitions: Vec::new(),
            grants: (grants_tag(&grants) != held_tag).then_some(grants),
            directives: admitted.directives,
            restored: Vec::new(),
            repairs: None,
        };
        match page {
            Some(page) => {
                reply.scopes = page.scopes;
                reply.definitions = page.definitions;
                reply.directives.extend(page.directives);
                reply.restored = page.restored;
                reply.repairs = (!page.repairs.is_empty()).then_some(page.repairs);
            }
            None => {
                reply.grants = None;
                reply.directives.push(wipe());
            }
        }
        Ok(frame::encode(&reply))
    }

    fn note_seen(&self, device: &Device, request: &Request, now_ms: i64) {
        let mark = SeenMark {
            at_ms: now_ms,
            app: request.app.chars().take(100).collect(),
            seen: Seen {
                schema: request.schema,
                skew_ms: request.device_time_ms.saturating_sub(now_ms),
                pending_changes: request.health.pending_changes,
                pending_photos: request.health.pending_photos,
                conflicts: request.health.conflicts,
            },
        };
        self.inner.shared.seen.put(device.id, mark);
    }
}

fn decode(body: &[u8]) -> Result<Request, ExchangeFailure> {
    if body.len() > REQUEST_BYTES_MAX {
        return Err(ExchangeFailure::TooLarge);
    }
    let failed = |error: Error| {
        if frame::is_too_large(&error) {
            ExchangeFailure::TooLarge
        } else {
            ExchangeFailure::Malformed(error)
        }
    };
    let version = |asked: u16| {
        if (PROTOCOL_OLDEST..=PROTOCOL).contains(&asked) {
            None
        } else {
            Some(ExchangeFailure::UnsupportedVersion { asked })
        }
    };
    let request = match frame::decode::<Request>(body, REQUEST_BYTES_MAX) {
        Ok(request) => request,
        Err(error) => {
            // Another version may have other keys: say so rather than call it malformed.
            let asked = frame::protocol_of(body, REQUEST_BYTES_MAX);
            return Err(asked.and_then(version).unwrap_or_else(|| failed(error)));
        }
    };
    if let Some(failure) = version(request.protocol) {
        return Err(failure);
    }
    if request.scopes.len() > REQUEST_SCOPES_MAX {
        return Err(ExchangeFailure::Malformed(Error::new(
            ErrorKind::Protocol,
            format!("一次请求最多 {REQUEST_SCOPES_MAX} 个范围"),
            format!("a request names at most {REQUEST_SCOPES_MAX} scopes"),
        )));
    }
    Ok(request)
}

fn wipe() -> Directive {
    Directive::Wipe {
        sentence: Sentence::new("这台设备已被分公司停用", "the branch has revoked this device"),
    }
}

/// Bytes that verdicts take in a reply, roughly.
fn verdict_bytes(verdicts: &[Verdict]) -> u32 {
    let bytes = verdicts.iter().map(|verdict| match verdict {
        Verdict::Accepted { .. } | Verdict::Duplicate { .. } => 16,
        Verdict::Parked { missing } => 16 + 34 * missing.len(),
        Verdict::Rejected { refusal, .. } => {
            32 + refusal.code.len() + refusal.sentence.zh.len() + refusal.sentence.en.len()
        }
    });
    u32::try_from(bytes.sum::<usize>()).unwrap_or(u32::MAX)
}

/// A verdict that refuses a run from one of its changes on.
pub(super) fn rejected(refusal: Refusal, from_change: usize) -> Verdict {
    Verdict::Rejected { refusal, from_change: u32::try_from(from_change).unwrap_or(u32::MAX) }
}
