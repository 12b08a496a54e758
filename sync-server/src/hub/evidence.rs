//! What the branch refused, kept as evidence: listed, and handed out so that it can be read.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use xunyuan_core::definition::{Catalog, Title};
use xunyuan_core::document::model::{Edit, Stamped, Value};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::error::{Error, Refusal};
use xunyuan_core::id::{ChangeHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId};
use xunyuan_core::rules::{keys, title};
use xunyuan_core::wire::message::{Author, PushedRun};
use xunyuan_core::wire::{key, run};

use super::Hub;
use super::cache::changes_of;
use super::devices::Device;
use super::hooks;
use super::store::refusal::{RefusalRow, RefusedRow};
use super::store::{self};
use super::writer::Writer;

/// A refused run, kept as evidence with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRun {
    /// The scope that it was pushed to.
    pub scope: ScopeId,
    /// The document that it was for.
    pub document: DocumentId,
    /// Who pushed it.
    pub device: DeviceId,
    /// For whom.
    pub user: UserId,
    /// Who wrote it, where the device gave back what the branch had lost; `None` for its own work.
    pub author: Option<Author>,
    /// The hash that it was signed under.
    pub last_hash: ChangeHash,
    /// Why it was refused.
    pub refusal: Refusal,
    /// Server clock of the first attempt, milliseconds since 1970.
    pub at_ms: i64,
    /// Attempts with the same run and the same answer.
    pub times: u64,
    /// The packed run; empty once the device had used up its share.
    pub bytes: Vec<u8>,
}

impl RefusedRun {
    pub(super) fn of_row(row: RefusalRow) -> Self {
        Self {
            scope: row.scope,
            document: row.document,
            device: row.device,
            user: row.user,
            author: row.run.and_then(|run| run.author),
            last_hash: row.last_hash,
            refusal: row.refusal,
            at_ms: row.at_ms,
            times: row.times,
            bytes: row.bytes,
        }
    }
}

impl Hub {
    /// Refused runs, newest first.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn refusals(&self, limit: u32) -> Result<Vec<RefusedRun>, Error> {
        let rows = self.inner.shared.read(|conn| store::refusal::list(conn, limit))?;
        Ok(rows.into_iter().map(RefusedRun::of_row).collect())
    }

    /// Hands out every refused run, oldest first, as one line of JSON each: who, when and why, the bytes as
    /// they were pushed, whether the signature is good, and what they say as far as that can be read.
    ///
    /// # Errors
    /// What `line` returns, and `Storage` or `Corrupt` when reading fails.
    pub fn export_refusals(&self, mut line: impl FnMut(&str) -> Result<(), Error>) -> Result<u64, Error> {
        let catalog = self.catalog();
        self.inner.shared.read(|conn| {
            let mut count = 0;
            store::refusal::each(conn, |row| {
                line(&exported(conn, &catalog, &row)?.to_string())?;
                count += 1;
                Ok(())
            })?;
            Ok(count)
        })
    }
}

/// Keeps a refused run with its bytes.
pub(super) fn keep(
    writer: &Writer,
    device: &Device,
    pushed: &PushedRun,
    definition: Option<&DefinitionRef>,
    refusal: &Refusal,
    now_ms: i64,
) -> Result<(), Error> {
    let row = RefusalRow {
        scope: pushed.scope.clone(),
        document: pushed.document,
        device: device.id,
        user: device.user.clone(),
        last_hash: pushed.run.last_hash,
        refusal: refusal.clone(),
        at_ms: now_ms,
        times: 1,
        bytes: pushed.run.changes.clone(),
        run: Some(RefusedRow {
            actor: pushed.run.actor,
            definition: definition.cloned(),
            signature: pushed.run.signature,
            author: pushed.author.clone(),
        }),
    };
    if store::refusal::put(&writer.conn, &row)? {
        hooks::refused(writer, &row, now_ms)?;
    }
    Ok(())
}

fn exported(conn: &rusqlite::Connection, catalog: &Catalog, row: &RefusalRow) -> Result<Json, Error> {
    let mut record = json!({
        "at": xunyuan_core::time::rfc3339(row.at_ms, 0),
        "at_ms": row.at_ms,
        "scope": row.scope.as_str(),
        "document": row.document.to_string(),
        "device": row.device.to_string(),
        "user": row.user.as_str(),
        "last_hash": row.last_hash.to_string(),
        "code": row.refusal.code,
        "zh": row.refusal.sentence.zh,
        "en": row.refusal.sentence.en,
        "times": row.times,
        "changes": BASE64.encode(&row.bytes),
    });
    let Some(refused) = &row.run else { return Ok(record) };
    record["actor"] = json!(refused.actor.to_string());
    record["hashes"] = hashes(row, refused).map_or(Json::Null, Json::Array);
    record["signature"] = json!(HEXLOWER.encode(&refused.signature));
    record["signature_good"] = json!(is_signed(conn, row, refused)?);
    if let Some(author) = &refused.author {
        record["given_back_for"] =
            json!({ "device": author.device.to_string(), "user": author.user.as_str() });
    }
    let Some(definition) = &refused.definition else { return Ok(record) };
    record["definition"] = json!({
        "id": definition.id, "version": definition.version, "hash": definition.hash.to_string()
    });
    // Foreign bytes: reading them may fail in any way, and then the bytes are all there is to show.
    let says = catch_unwind(AssertUnwindSafe(|| says(conn, catalog, row, refused, definition)));
    record["says"] = says.ok().and_then(Result::ok).map_or(Json::Null, Json::Array);
    Ok(record)
}

/// The hashes of the run's changes, where it can be taken apart.
fn hashes(row: &RefusalRow, refused: &RefusedRow) -> Option<Vec<Json>> {
    let chunks = run::unpack(&row.bytes, refused.actor).ok()?;
    chunks
        .into_iter()
        .map(|chunk| RawChange::parse(chunk).ok().map(|change| json!(change.hash.to_string())))
        .collect()
}

/// True when the run was signed by the device that is named as its author.
fn is_signed(conn: &rusqlite::Connection, row: &RefusalRow, refused: &RefusedRow) -> Result<bool, Error> {
    let (device, user) =
        refused.author.as_ref().map_or((row.device, &row.user), |author| (author.device, &author.user));
    let signed = run::signing_bytes(&row.scope, &row.document, &refused.actor, user, &row.last_hash);
    let known = store::device::find(conn, device)?;
    Ok(known.is_some_and(|known| key::verify(&known.public_key, &signed, &refused.signature)))
}

/// What the run wrote, in order: on the document as the log has it, so that its texts can be read.
fn says(
    conn: &rusqlite::Connection,
    catalog: &Catalog,
    row: &RefusalRow,
    refused: &RefusedRow,
    definition: &DefinitionRef,
) -> Result<Vec<Json>, Error> {
    let text_keys = catalog.text_keys(definition).unwrap_or_default();
    let mut document = Document::new(row.document, definition, &text_keys);
    for logged in store::log::of_document(conn, row.document)? {
        document.apply(&changes_of(&logged)?)?;
    }
    let mut says = Vec::new();
    for chunk in run::unpack(&row.bytes, refused.actor)? {
        let change = RawChange::parse(chunk)?;
        let mut copy = document.clone();
        let edits = match copy.take_in(&change) {
            Ok(edits) => {
                document = copy;
                edits
            }
            // It builds on work that is not here: all but its texts can be read.
            Err(_) => document.edits_of(&change)?,
        };
        says.extend(edits.iter().map(|edit| said(catalog, definition, edit)));
    }
    Ok(says)
}

fn said(catalog: &Catalog, definition: &DefinitionRef, edit: &Edit) -> Json {
    let (Title { zh, en }, key, value, by, at_ms) = match edit {
        Edit::Put { key, stamped: Stamped { value, by, at_ms } } => {
            let title = title::of_key(catalog, definition, key);
            (title, key, value.to_json(), Some(by), Some(*at_ms))
        }
        Edit::Text { key, to } => {
            (title::of_key(catalog, definition, &keys::field(key)), key, json!(to), None, None)
        }
        Edit::Event(event) => {
            let title = title::of_event(catalog, definition, &event.kind);
            (title, &event.kind, data_json(&event.data), Some(&event.by), Some(event.at_ms))
        }
    };
    json!({ "zh": zh, "en": en, "key": key, "value": value, "by": by.map(UserId::as_str), "at_ms": at_ms })
}

fn data_json(data: &BTreeMap<String, Value>) -> Json {
    Json::Object(data.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
}
