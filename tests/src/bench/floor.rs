//! What the machine can do at best, measured in the same run: the figure that others are compared with.

use std::path::Path;
use std::time::Instant;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{Automerge, Change, ObjType, ROOT, TextEncoding};
use rusqlite::Connection;
use xunyuan_core::document::genesis_actor;

use super::record::Written;
use super::stage::ms_since;
use super::table::median;

/// Single measurements of a floor.
const REPEATS: usize = 30;

/// Bare Automerge in memory: milliseconds to parse all changes of the records, and to apply them in one
/// batch per document.
pub(super) fn automerge(records: &[Written]) -> (f64, f64) {
    let (mut parse_ms, mut apply_ms) = (0.0, 0.0);
    for record in records {
        let mut document = genesis(record);
        let began = Instant::now();
        let changes: Vec<Change> = record
            .changes
            .iter()
            .map(|change| Change::from_bytes(change.bytes.clone()).expect("a change parses"))
            .collect();
        parse_ms += ms_since(began);
        let began = Instant::now();
        document.apply_changes(changes).expect("changes apply");
        apply_ms += ms_since(began);
        assert_eq!(document.get_heads().len(), 1, "the genesis of the floor is that of the product");
    }
    (parse_ms, apply_ms)
}

fn genesis(record: &Written) -> Automerge {
    let actor = genesis_actor(record.document.id(), record.document.definition());
    let mut document = Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint)
        .with_actor(automerge::ActorId::from(actor.as_bytes()));
    let mut transaction = document.transaction();
    for container in ["registers", "texts", "events"] {
        transaction.put_object(ROOT, container, ObjType::Map).expect("an empty document takes any key");
    }
    transaction.commit_with(CommitOptions::default().with_time(0));
    document
}

fn table(dir: &Path) -> Connection {
    let file = dir.join("floor.sqlite3");
    // A floor measured before in the same folder starts again.
    let _ = std::fs::remove_file(&file);
    let connection = Connection::open(file).expect("a file on disk opens");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB);",
        )
        .expect("a table can be made");
    connection
}

/// Bare SQLite: milliseconds to insert these bytes, a row per change, in one durable transaction.
pub(super) fn sqlite_rows(dir: &Path, records: &[Written]) -> f64 {
    let mut connection = table(dir);
    let began = Instant::now();
    let transaction = connection.transaction().expect("a transaction begins");
    {
        let mut insert = transaction.prepare("INSERT INTO t (b) VALUES (?1)").expect("it prepares");
        for change in records.iter().flat_map(|record| &record.changes) {
            insert.execute([&change.bytes]).expect("it inserts");
        }
    }
    transaction.commit().expect("it commits");
    ms_since(began)
}

/// Bare SQLite: milliseconds of one durable commit of so many bytes, the median.
pub(super) fn sqlite_commit(dir: &Path, bytes: usize) -> f64 {
    let connection = table(dir);
    let row = vec![7_u8; bytes];
    let commits = (0..REPEATS).map(|_| {
        let began = Instant::now();
        connection.execute("INSERT INTO t (b) VALUES (?1)", [&row]).expect("it inserts");
        ms_since(began)
    });
    median(commits.collect())
}

/// A bare HTTP round trip on a kept connection, the median, milliseconds.
pub(super) fn round_trip(url: &str) -> f64 {
    let agent = ureq::Agent::new_with_defaults();
    let trips = (0..REPEATS).map(|_| {
        let began = Instant::now();
        let reply = agent.get(format!("{url}/healthz")).call().expect("the server answers");
        drop(reply.into_body().read_to_vec());
        ms_since(began)
    });
    median(trips.collect())
}
