//! W8: ten rows are missing among very many, once on a device and once at the branch.

use std::path::Path;

use rusqlite::{Connection, params};
use xunyuan_core::id::ScopeId;

use super::device::{self, Direct};
use super::record;
use super::seed::Seeder;
use super::stage::{Served, Stage};
use super::table::{Line, Table, count};
use super::upload::figure;

/// Rows that are lost.
const LOST: u64 = 10;

/// Fills a branch with `rows` rows of one scope, and measures either repair.
pub(super) fn measure(table: &mut Table, rows: usize) {
    let mut stage = Stage::new(record::organisation(1, 2, "role.patrol"));
    let (other, _) = stage.enroll(&record::user(0, 0), "seeder.xunyuan");
    let seeder = Seeder::of(&other, &stage.checklist, &record::project(0));
    drop(other);
    let (mut replica, file) = stage.enroll(&record::user(0, 1), "device.xunyuan");
    let rows = seeder.fill_rows(stage.hub(), rows);
    let identity = replica.identity().clone();
    let mut content = record::Content::of(8);
    device::sync(&mut replica, &mut Direct::of(stage.hub(), &identity), &mut content);
    drop(replica);
    let scope = ScopeId::of(&record::project(0), "patrol");
    let (whole, holed) = (stage.snapshot("branch-whole"), stage.snapshot("branch-holed"));

    let lacking = stage.copy(&file, "lacking.xunyuan");
    lose(&lacking, "record", &scope, rows);
    let served = whole.serve(None);
    repaired(table, &format!("W8 a device lacks {LOST} of {rows} rows"), &served, &lacking);
    drop(served);

    lose(&stage.dir().join("branch-holed/branch.sqlite3"), "log", &scope, rows);
    let full = stage.copy(&file, "full.xunyuan");
    let served = holed.serve(None);
    repaired(table, &format!("W8 the branch lacks {LOST} of {rows} rows"), &served, &full);
}

/// Takes rows out of a file, all over the log.
fn lose(file: &Path, log: &str, scope: &ScopeId, rows: usize) {
    let connection = Connection::open(file).expect("the file opens");
    let step = rows as u64 / LOST;
    for number in 0..LOST {
        let seq = i64::try_from(number * step + step / 3 + 7 * number).expect("a place is small");
        let gone = connection
            .execute(
                &format!("DELETE FROM {log} WHERE scope = ?1 AND seq = ?2"),
                params![scope.as_str(), seq],
            )
            .expect("a row can be taken out");
        assert_eq!(gone, 1, "row {seq} was there");
    }
}

fn repaired(table: &mut Table, what: &str, served: &Served, file: &Path) {
    let before = served.begin();
    let done = device::run("sync", file, served.url());
    let used = served.since(&before);
    let idle = device::run("idle", file, served.url());
    let bytes = figure(&done, "up") + figure(&done, "down");
    let missing = device::run("check", file, served.url());
    assert_eq!(missing["damaged"], 0, "every row is back");
    table.add(
        Line::new(what)
            .with("both ways B", bytes)
            .with("up B", figure(&done, "up"))
            .with("down B", figure(&done, "down"))
            .with("requests", figure(&done, "requests"))
            .with("wall ms", figure(&done, "done_ms"))
            .with("idle exchange B", (figure(&idle, "up") + figure(&idle, "down")) / figure(&idle, "rounds"))
            .used(&done, &used)
            .with("rows lost", count(usize::try_from(LOST).unwrap_or(0)))
            .mark(bytes <= 10_240.0, "10 KB both ways"),
    );
}
