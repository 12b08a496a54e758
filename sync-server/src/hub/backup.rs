//! Copies of the branch's data: a backup while the server runs, and the records as lines of JSON.

use data_encoding::{BASE64, HEXLOWER};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::ScopeId;

use super::Hub;
use super::store::{self, log::LogRow};

/// Pages copied in one step; writers go on between steps.
const PAGES_PER_STEP: i32 = 256;

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages copied.
    pub done: u64,
    /// Pages in all, as far as known now.
    pub total: u64,
}

impl Hub {
    /// Copies the branch's file to `path` while the server runs. Opening the copy to serve starts a new
    /// epoch, so that devices offer again what the copy lacks.
    ///
    /// # Errors
    /// `Refused` when `path` exists already; `Storage` or `Full` when writing fails: the unfinished file is
    /// then taken away.
    pub fn backup(&self, path: &Path, mut progress: impl FnMut(BackupProgress)) -> Result<(), Error> {
        if path.exists() {
            return Err(Error::new(
                ErrorKind::Refused,
                "目标文件已存在;请换一个文件名",
                "the target file exists already; choose another name",
            ));
        }
        self.jobs()?;
        let copied = self.copy(path, &mut progress);
        if copied.is_err() {
            // A half copy must not pass for a backup.
            let _ = std::fs::remove_file(path);
        }
        copied
    }

    fn copy(&self, path: &Path, progress: &mut impl FnMut(BackupProgress)) -> Result<(), Error> {
        let source = store::open_reader(&self.inner.path)?;
        let mut target = Connection::open(path)?;
        {
            let backup = Backup::new(&source, &mut target)?;
            loop {
                let step = backup.step(PAGES_PER_STEP)?;
                let at = backup.progress();
                let total = u64::try_from(at.pagecount).unwrap_or(0);
                let left = u64::try_from(at.remaining).unwrap_or(0);
                progress(BackupProgress { done: total.saturating_sub(left), total });
                match step {
                    StepResult::Done => break,
                    StepResult::Busy | StepResult::Locked => std::thread::sleep(Duration::from_millis(20)),
                    StepResult::More | _ => {}
                }
            }
        }
        // One plain file: no write-ahead log may lie beside a backup.
        target.pragma_update(None, "journal_mode", "DELETE")?;
        store::server::mark_backup(&target)?;
        target.close().map_err(|(_, error)| error)?;
        Ok(())
    }

    /// Hands out every record of every log, scope by scope in order, as one line of JSON each.
    ///
    /// # Errors
    /// What `line` returns, and `Storage` or `Corrupt` when reading fails.
    pub fn export_records(&self, mut line: impl FnMut(&str) -> Result<(), Error>) -> Result<u64, Error> {
        self.inner.shared.read(|conn| {
            let scopes = store::scope::all(conn)?;
            let counts = scopes.iter().map(|(scope, _)| export(conn, scope, 0, &mut line));
            counts.sum()
        })
    }

    /// As [`Hub::export_records`], for the records of one log after a row that is known already.
    ///
    /// # Errors
    /// As [`Hub::export_records`].
    pub fn export_after(
        &self,
        scope: &ScopeId,
        seq: u64,
        mut line: impl FnMut(&str) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.inner.shared.read(|conn| export(conn, scope, seq, &mut line))
    }
}

fn export(
    conn: &Connection,
    scope: &ScopeId,
    after: u64,
    line: &mut impl FnMut(&str) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut count = 0;
    store::log::read_after(conn, scope, after, |row| {
        let mut record = record(&row);
        record["scope"] = json!(scope.as_str());
        if row.run.is_none()
            && let Some((reference, content)) = store::definition::of_document(conn, row.document)?
        {
            record["definition"] = named(&reference);
            record["content"] = serde_json::from_slice(&content).unwrap_or_default();
        }
        line(&record.to_string())?;
        count += 1;
        Ok(true)
    })?;
    Ok(count)
}

fn named(reference: &xunyuan_core::id::DefinitionRef) -> serde_json::Value {
    json!({ "id": reference.id, "version": reference.version, "hash": reference.hash.to_string() })
}

/// A row of the log in words; changes stay bytes, so that a line can be checked by its hashes.
fn record(row: &LogRow) -> serde_json::Value {
    let mut record = json!({
        "seq": row.seq,
        "kind": if row.kind == store::log::RUN { "run" } else { "definition" },
        "document": row.document.to_string(),
        "device": row.origin.device.to_string(),
        "user": row.origin.user.as_str(),
        "received_at": xunyuan_core::time::rfc3339(row.origin.received_at_ms, 0),
        "received_at_ms": row.origin.received_at_ms,
        "last_hash": row.last_hash.to_string(),
        "chain": HEXLOWER.encode(&row.chain.0),
    });
    if let Some(run) = &row.run {
        let hashes: Vec<String> = run.changes.iter().map(|(hash, _)| hash.to_string()).collect();
        record["actor"] = json!(run.actor.to_string());
        record["first_seq"] = json!(run.first_seq);
        record["hashes"] = json!(hashes);
        record["changes"] = json!(BASE64.encode(&run.packed));
        record["signature"] = json!(HEXLOWER.encode(&run.signature));
        record["definition"] = row.definition.as_ref().map_or(serde_json::Value::Null, named);
    }
    record
}
