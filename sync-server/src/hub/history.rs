//! The history of one record as the log proves it: every change with who, when and where it stands.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use xunyuan_core::document::model::{Edit, Value};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{ChangeHash, DocumentId, ScopeId, UserId};
use xunyuan_core::limits::CLOCK_SKEW_SUSPICIOUS_MS;
use xunyuan_core::time::rfc3339;

use super::Hub;
use super::cache::{Held, changes_of};
use super::store;

/// Local time of a history, minutes from UTC: the branch's.
const UTC_OFFSET_MIN: i16 = 480;

/// One change of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedChange {
    /// The scope in whose log it stands.
    pub scope: ScopeId,
    /// The row of the log.
    pub seq: u64,
    /// The log's chain at that row.
    pub chain: [u8; 32],
    /// The change.
    pub hash: ChangeHash,
    /// The person that the row was signed for.
    pub user: UserId,
    /// The short code of the device that signed; `None` for the branch's own.
    pub device: Option<String>,
    /// The device's clock minus the branch's when it last exchanged, milliseconds.
    pub skew_ms: Option<i64>,
    /// The branch's clock on arrival, milliseconds since 1970.
    pub received_at_ms: i64,
    /// What it says, in order.
    pub said: Vec<Said>,
}

/// One thing that a change says.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The key that was written; `text/<field>` for a shared text, `event/<kind>` for an event.
    pub what: String,
    /// What was written; the whole text for a shared one. Null where it was withdrawn.
    pub value: Value,
    /// What an event carries.
    pub data: BTreeMap<String, Value>,
    /// Device time, milliseconds since 1970; `None` for a shared text, whose mark has it.
    pub at_ms: Option<i64>,
}

impl LoggedChange {
    /// For programs: who, when, and what in the log proves it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let said = self.said.iter().map(|said| {
            let data: Map<String, Json> = said.data.iter().map(|(k, v)| (k.clone(), v.to_json())).collect();
            json!({
                "what": said.what,
                "value": said.value.to_json(),
                "data": data,
                "device_time": said.at_ms.map(|at_ms| rfc3339(at_ms, UTC_OFFSET_MIN)),
            })
        });
        json!({
            "hash": self.hash.to_string(),
            "user": self.user,
            "device": self.device,
            "skew_ms": self.skew_ms,
            "skew_suspicious": self.is_suspicious(),
            "received": rfc3339(self.received_at_ms, UTC_OFFSET_MIN),
            "log": {"scope": self.scope, "seq": self.seq, "chain": HEXLOWER.encode(&self.chain)},
            "said": said.collect::<Vec<_>>(),
        })
    }

    /// True where the device's clock was far off, or shows a time after the change had arrived.
    #[must_use]
    pub fn is_suspicious(&self) -> bool {
        let latest = self.said.iter().filter_map(|said| said.at_ms).max();
        let ahead = latest.is_some_and(|at_ms| at_ms - self.received_at_ms > CLOCK_SKEW_SUSPICIOUS_MS);
        ahead || self.skew_ms.is_some_and(|skew_ms| skew_ms.saturating_abs() > CLOCK_SKEW_SUSPICIOUS_MS)
    }
}

impl Hub {
    /// Every change of a record in the order of the log.
    ///
    /// # Errors
    /// `NotFound` when the branch has no such record, `Corrupt` when its changes cannot be read.
    pub fn history(&self, document: DocumentId) -> Result<Vec<LoggedChange>, Error> {
        let catalog = self.catalog();
        let own = self.inner.shared.identity.device;
        self.inner.shared.read(|conn| {
            let row = store::document::find(conn, document)?.ok_or_else(unknown)?;
            let scope = row.scope.clone();
            let rows = store::log::of_document(conn, document)?;
            let mut held = Held::new(&catalog, document, row)?;
            let mut logged = Vec::new();
            for row in rows {
                let changes = changes_of(&row)?;
                held.document.apply(&changes)?;
                let device = store::device::find(conn, row.origin.device)?;
                for change in changes {
                    logged.push(LoggedChange {
                        scope: scope.clone(),
                        seq: row.seq,
                        chain: row.chain.0,
                        hash: change.hash,
                        user: row.origin.user.clone(),
                        device: device.as_ref().filter(|_| row.origin.device != own).map(|d| d.code.clone()),
                        skew_ms: device.as_ref().filter(|d| d.last_seen_ms.is_some()).map(|d| d.seen.skew_ms),
                        received_at_ms: row.origin.received_at_ms,
                        said: said(&held, change.hash, held.document.edits_of(&change)?)?,
                    });
                }
            }
            Ok(logged)
        })
    }
}

fn said(held: &Held, change: ChangeHash, edits: Vec<Edit>) -> Result<Vec<Said>, Error> {
    let has_text = edits.iter().any(|edit| matches!(edit, Edit::Text { .. }));
    let texts = if has_text { held.document.model_at(&[change])?.texts } else { BTreeMap::new() };
    let one = |edit: Edit| match edit {
        Edit::Put { key, stamped } => {
            Said { what: key, value: stamped.value, data: BTreeMap::new(), at_ms: Some(stamped.at_ms) }
        }
        Edit::Text { key, .. } => Said {
            value: texts.get(&key).map_or(Value::Null, |text| Value::Text(text.clone())),
            what: format!("text/{key}"),
            data: BTreeMap::new(),
            at_ms: None,
        },
        Edit::Event(event) => Said {
            what: format!("event/{}", event.kind),
            value: Value::Null,
            data: event.data,
            at_ms: Some(event.at_ms),
        },
    };
    Ok(edits.into_iter().map(one).collect())
}

fn unknown() -> Error {
    Error::new(ErrorKind::NotFound, "分公司没有这条记录", "the branch has no such record")
}
