//! W13: a branch that holds a million files looks one up, and lists what is missing, as fast as one with a thousand.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use xunyuan_core::id::{DocumentId, FileHash};
use xunyuan_core::replica::Answer;
use xunyuan_core::rules::file::FileRef;
use xunyuan_server::hub::{Hub, HubOptions};

use super::device;
use super::record::{self, CHECKLIST};
use super::stage::{Stage, moment, ms_since};
use super::table::{Line, Table, median};

/// Files of one record.
const PER_RECORD: usize = 60;
/// A small branch.
const FEW: usize = 1_020;
/// Repetitions of a measurement.
const REPEATS: usize = 50;

/// What one size came to, milliseconds.
struct Found {
    file: f64,
    offers: f64,
    record: f64,
    missing: f64,
}

/// Measures a small branch and one with `files` files.
pub(super) fn measure(table: &mut Table, files: usize) {
    let (few, many) = (found(FEW), found(files));
    let pairs = [
        ("one file", few.file, many.file),
        ("200 offers", few.offers, many.offers),
        ("the files of a record", few.record, many.record),
        ("what is missing", few.missing, many.missing),
    ];
    for (what, small_ms, large_ms) in pairs {
        table.add(
            Line::new(format!("W13 {what}, of {files} files"))
                .with("ms", large_ms)
                .with(&format!("of {FEW} files ms"), small_ms)
                .mark(large_ms <= small_ms * 2.0 + 0.5, "at most twice as long, and half a millisecond"),
        );
    }
}

fn found(files: usize) -> Found {
    let files = files / PER_RECORD * PER_RECORD;
    let mut stage = Stage::new(record::organisation(1, 2, "role.patrol"));
    let (mut replica, _) = stage.enroll(&record::user(0, 0), "one.xunyuan");
    let identity = replica.identity().clone();
    let mut content = record::Content::of(13);
    let at = moment(&mut content);
    let header = content.header(identity.user.as_str(), at.unix_ms);
    device::sync(&mut replica, &mut device::Direct::of(stage.hub(), &identity), &mut content);
    let sheet = replica.start_inspection_with(CHECKLIST, &record::project(0), header, &at).expect("a sheet");
    // One record as a device writes it, whose photos never come; the others are its rows once more.
    let photos = (0..PER_RECORD).map(|number| named(usize::MAX - number)).collect();
    let answer = Answer { photos, ..Answer::default() };
    replica.answer(sheet, &record::item(0), answer, &moment(&mut content)).expect("the sheet takes photos");
    device::sync(&mut replica, &mut device::Direct::of(stage.hub(), &identity), &mut content);
    let snapshot = stage.snapshot("shelves");
    fill(&stage.dir().join("shelves/branch.sqlite3"), sheet, files);
    let hub =
        Hub::open(&stage.dir().join("shelves"), &HubOptions { beside: true, ..HubOptions::new([9; 32]) });
    let hub = hub.expect("the branch opens");
    let device = hub.authenticate(&identity.token).expect("the device is enrolled");
    let pick = |number: usize| named(number * 7_919 % files).hash;
    let timed = |work: &mut dyn FnMut(usize)| {
        let took = (0..REPEATS).map(|number| {
            let began = Instant::now();
            work(number);
            ms_since(began)
        });
        median(took.collect())
    };
    let file = timed(&mut |number| {
        let info = hub.readable_file(&device.user, pick(number)).expect("the branch answers");
        assert!(info.is_some(), "the file is there");
    });
    let offers = timed(&mut |number| {
        let asked: Vec<FileHash> = (0..200).map(|one| pick(number * 200 + one)).collect();
        let reply = hub.offer_files(&device, &asked).expect("the branch answers");
        assert!(json!(reply.files).to_string().contains("here"));
    });
    let record = timed(&mut |number| {
        let of = document(number * 31 % (files / PER_RECORD));
        assert_eq!(hub.files_of(of).expect("the branch answers").len(), PER_RECORD);
    });
    let missing = timed(&mut |_| {
        let waiting = hub.incomplete(1_000).expect("the branch answers");
        assert_eq!(waiting.len(), 1);
    });
    hub.close().expect("the branch closes");
    drop(snapshot);
    Found { file, offers, record, missing }
}

fn named(number: usize) -> FileRef {
    FileRef {
        hash: FileHash(Sha256::digest(number.to_be_bytes()).into()),
        bytes: 2_500_000,
        media_type: "image/jpeg".to_owned(),
        taken_at_ms: None,
    }
}

fn document(number: usize) -> DocumentId {
    DocumentId::of_source("bench", &number.to_string())
}

/// Writes the rows of files that are here, sixty to a record; each record is the given one under another id.
fn fill(path: &Path, like: DocumentId, files: usize) {
    let conn = Connection::open(path).expect("the branch's file opens");
    let columns = "scope, kind, definition, definition_version, definition_hash, project, state, terminal, \
        title, summary, number, temp_number, created_by, created_at_ms, updated_at_ms, listed_at_ms, due_ms, \
        handler, first_contact, owner_dept, score, result, clashes, contested";
    conn.execute_batch("BEGIN").expect("a transaction");
    let mut record = conn
        .prepare(&format!(
            "INSERT INTO projected (document, {columns}) SELECT ?1, {columns} FROM projected WHERE document = ?2"
        ))
        .expect("the rows are of this version");
    let mut named_by = conn
        .prepare(
            "INSERT INTO projected_file (id, place, hash, key, bytes, media_type, taken_at_ms, user, at_ms)
             VALUES (?1, ?2, ?3, 'photo/x/' || hex(?3), 2500000, 'image/jpeg', NULL, 'u.x', 0)",
        )
        .expect("the rows are of this version");
    let mut here = conn
        .prepare("INSERT INTO file VALUES (?1, 2500000, 'image/jpeg', 0, x'00000000000000000000000000000000', 0, NULL)")
        .expect("the rows are of this version");
    let scope: String = conn
        .query_row("SELECT scope FROM projected WHERE document = ?1", [like.as_bytes()], |row| row.get(0))
        .expect("the record is there");
    let mut opened =
        conn.prepare("INSERT INTO file_scope VALUES (?1, ?2)").expect("the rows are of this version");
    for at in 0..files / PER_RECORD {
        record.execute(params![document(at).as_bytes(), like.as_bytes()]).expect("a row");
        let id = conn.last_insert_rowid();
        for place in 0..PER_RECORD {
            let hash = named(at * PER_RECORD + place).hash;
            let place = i64::try_from(place).expect("few places");
            named_by.execute(params![id, place, hash.as_bytes()]).expect("a row");
            here.execute([hash.as_bytes()]).expect("a row");
            opened.execute(params![hash.as_bytes(), scope]).expect("a row");
        }
    }
    conn.execute_batch("COMMIT").expect("the rows are kept");
}
