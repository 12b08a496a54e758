//! The file for support: every document with its signed runs and pending changes, one JSON object a line.

use data_encoding::HEXLOWER;
use serde_json::{Value as Json, json};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use xunyuan_core::replica::{ExportedRecord, ExportedRun, Replica};
use xunyuan_core::time::{Moment, rfc3339};

use crate::failure::Failure;

/// What an export holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Records.
    pub records: u32,
    /// Changes that the branch has not answered for.
    pub pending: u32,
}

/// Writes everything of a replica to a new file; device key and token stay out of it. `app` names this
/// program. A file that exists is not touched, one that could not be finished is removed.
///
/// # Errors
/// `Storage` when the file cannot be written; what the replica says.
pub fn write(replica: &Replica, app: &str, moment: &Moment, file: &Path) -> Result<Exported, Failure> {
    let target =
        File::options().write(true).create_new(true).open(file).map_err(|error| not_written(file, &error))?;
    let written = lines(replica, app, moment, target, file);
    if written.is_err() {
        // What is left of a failed attempt is nobody's; that it cannot be removed changes nothing.
        let _ = fs::remove_file(file);
    }
    written
}

/// Writes a file that is not there yet, and sees it on the disk.
///
/// # Errors
/// `Full` or `Storage` when the file exists or cannot be written.
pub fn write_new(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut target = File::options().write(true).create_new(true).open(file)?;
        target.write_all(bytes)?;
        target.sync_all()
    };
    write().map_err(|error| not_written(file, &error))
}

fn lines(
    replica: &Replica,
    app: &str,
    moment: &Moment,
    target: File,
    file: &Path,
) -> Result<Exported, Failure> {
    let mut out = BufWriter::new(target);
    let mut exported = Exported::default();
    let mut put = |json: Json| writeln!(out, "{json}").map_err(|error| not_written(file, &error));
    let identity = replica.identity();
    put(json!({
        "export": 1,
        "app": app,
        "exported_at": rfc3339(moment.unix_ms, moment.utc_offset_min),
        "user": identity.user.as_str(),
        "device": identity.device.to_string(),
        "device_code": identity.device_code,
        "branch": identity.branch,
        "records": replica.exported()?.count(),
    }))?;
    for record in replica.exported()? {
        let record = record?;
        exported.records += 1;
        exported.pending += u32::try_from(record.pending.len()).unwrap_or(u32::MAX);
        put(record_json(&record))?;
    }
    let target = out.into_inner().map_err(|error| not_written(file, error.error()))?;
    target.sync_all().map_err(|error| not_written(file, &error))?;
    Ok(exported)
}

fn record_json(record: &ExportedRecord) -> Json {
    json!({
        "document": record.document.to_string(),
        "scope": record.scope.as_str(),
        "definition": record.definition.id,
        "version": record.definition.version,
        "hash": record.definition.hash.to_string(),
        "runs": record.runs.iter().map(run_json).collect::<Vec<_>>(),
        "pending": record.pending.iter().map(|bytes| HEXLOWER.encode(bytes)).collect::<Vec<_>>(),
    })
}

fn run_json(run: &ExportedRun) -> Json {
    json!({
        "seq": run.seq,
        "actor": run.actor.to_string(),
        "user": run.user.as_str(),
        "received_at_ms": run.received_at_ms,
        "changes": HEXLOWER.encode(&run.changes),
    })
}

fn not_written(file: &Path, error: &std::io::Error) -> Failure {
    Failure::file(
        error,
        "export_not_written",
        format!("导出文件没有写成({error}):{}", file.display()),
        format!("the export file was not written ({error}): {}", file.display()),
    )
}
