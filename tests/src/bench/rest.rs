//! W14: what the form at rest saves on disk, at the branch and on a device, and what reading it costs.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use xunyuan_core::replica::Replica;

use super::device::{self, Direct};
use super::record::{self, CHANGES};
use super::seed::Seeder;
use super::stage::{Stage, ms_since};
use super::table::{Line, Table, count};

/// Measures a branch of `records` records and a device that holds them all.
pub(super) fn measure(table: &mut Table, records: usize) {
    let mut stage = Stage::new(record::organisation(1, 3, "role.cs_lead"));
    let (other, _) = stage.enroll(&record::user(0, 0), "seeder.xunyuan");
    let seeder = Seeder::of(&other, &stage.checklist, &record::project(0));
    let (mut replica, file) = stage.enroll(&record::user(0, 1), "device.xunyuan");
    let (mut second, _) = stage.enroll(&record::user(0, 2), "second.xunyuan");
    seeder.fill(stage.hub(), 0, records);
    let branch = stage.dir().join("branch/branch.sqlite3");
    let fetch = |stage: &mut Stage, replica: &mut Replica| {
        let mut way = Direct::of(stage.hub(), replica.identity());
        let mut content = record::Content::of(8);
        device::sync(replica, &mut way, &mut content)
    };
    let before = fetch(&mut stage, &mut replica);
    let (branch_before, device_before) = (used(&branch, "log"), used(&file, "record"));
    let began = Instant::now();
    stage.hub().compact(0).expect("the log is compacted");
    let branch_ms = ms_since(began);
    let began = Instant::now();
    while replica.compact(0).expect("the records are compacted") {}
    let device_ms = ms_since(began);
    let (branch_after, device_after) = (used(&branch, "log"), used(&file, "record"));
    let after = fetch(&mut stage, &mut second);
    assert_eq!(replica.check_store().expect("the store can be walked"), 0, "every row is sound");
    let verified = stage.hub().verify(|_| ()).expect("the branch can be verified");
    assert_eq!(verified.first_bad, None, "the log is as it was");
    let each = |bytes: f64| bytes / count(records);
    let gain = |before: Disk, after: Disk| 100.0 * (1.0 - after.changes / before.changes);
    table.add(
        Line::new(format!("W14 form at rest, {records} records, {CHANGES} changes each"))
            .with("branch changes B a record before", each(branch_before.changes))
            .with("after", each(branch_after.changes))
            .with("branch file B a record before", each(branch_before.file))
            .with("file after", each(branch_after.file))
            .with("device changes B a record before", each(device_before.changes))
            .with("device after", each(device_after.changes))
            .with("device file B a record before", each(device_before.file))
            .with("device file after", each(device_after.file))
            .with("branch ms a record", each(branch_ms))
            .with("device ms a record", each(device_ms))
            .with("fetch proven ms a record before", each(before.proven_ms))
            .with("fetch proven ms a record from it", each(after.proven_ms))
            .with("fetch searchable ms a record before", each(before.rows_ms))
            .with("fetch searchable ms a record from it", each(after.rows_ms))
            .mark(
                gain(branch_before, branch_after) >= 50.0 && gain(device_before, device_after) >= 50.0,
                "changes at half the bytes at both ends",
            ),
    );
}

/// What a store takes.
#[derive(Clone, Copy, Debug)]
struct Disk {
    /// The changes of all records, bytes.
    changes: f64,
    /// Pages in use, bytes.
    file: f64,
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files stay far below 2^53")]
fn used(file: &Path, records: &str) -> Disk {
    // A device's file is held by its replica alone: a copy with its log is looked at.
    let dir = tempfile::TempDir::new().expect("a folder can be made");
    let copy = dir.path().join("copy.sqlite3");
    std::fs::copy(file, &copy).expect("the file can be read");
    let log = |file: &Path| format!("{}-wal", file.display());
    let _ = std::fs::copy(log(file), log(&copy));
    let connection = Connection::open(&copy).expect("the copy opens");
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("it reads") as f64;
    Disk {
        changes: one(&format!("SELECT sum(length(changes)) FROM {records}")),
        file: one(
            "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)
             - (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)",
        ),
    }
}
