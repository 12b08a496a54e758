//! W3, W5, W2, W6: a device fetches a branch of N records, exchanges with nothing new, reconnects after
//! both sides wrote, and is used without the network. W9 does the first three over a slow line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use xunyuan_core::projection::Filter;
use xunyuan_core::replica::Replica;

use super::record::{self, CHANGES, Written};
use super::seed::Seeder;
use super::stage::{Served, Snapshot, Stage, moment};
use super::table::{Line, Table, count};
use super::upload::figure;
use super::{device, floor};

/// Records edited on each side before a reconnection, and edits in each.
const EDITED: usize = 10;
const EDITS: usize = 5;
/// What the slow line of W9 adds in each direction.
pub(super) const HALF_TRIP: Duration = Duration::from_millis(50);
/// Records of the branch that is reached over the slow line.
const FAR_RECORDS: usize = 1_000;
/// Records of the device that is used without the network, where a run has so many.
const LOCAL_RECORDS: usize = 5_000;
/// Scopes that the device holds.
const SCOPES: usize = 8;

/// A branch in several sizes, and a device that has never been there.
pub(super) struct Shared {
    stage: Stage,
    seeder: Seeder,
    file: PathBuf,
    sizes: Vec<(usize, Snapshot)>,
    local: usize,
    far: Option<Snapshot>,
    /// Records that every size holds.
    edited: Vec<Written>,
    /// What the floors are measured with.
    bare: Vec<Written>,
}

impl Shared {
    /// Fills a branch up to each of `sizes`, ascending, and keeps a copy of each.
    pub(super) fn prepare(sizes: &[usize], is_delayed_too: bool) -> Self {
        let mut stage = Stage::new(record::organisation(1, 2, "role.cs_lead"));
        let (other, _) = stage.enroll(&record::user(0, 0), "seeder.xunyuan");
        let seeder = Seeder::of(&other, &stage.checklist, &record::project(0));
        let (replica, file) = stage.enroll(&record::user(0, 1), "device.xunyuan");
        let granted = stage.hub().grants(replica.user()).expect("the branch is open").len();
        assert_eq!(granted, SCOPES, "the device holds so many scopes");
        drop((replica, other));
        let (mut held, mut copies, mut far, mut bare) = (0, Vec::new(), None, Vec::new());
        for size in sizes {
            let part = seeder.fill(stage.hub(), held, *size);
            bare = if held == 0 { part } else { bare };
            held = *size;
            copies.push((*size, stage.snapshot(&format!("branch-{size}"))));
            if *size == FAR_RECORDS && is_delayed_too {
                far = Some(stage.snapshot("branch-far"));
            }
        }
        let edited = bare.split_off(bare.len() - EDITED);
        let local = held.min(LOCAL_RECORDS);
        Self { stage, seeder, file, sizes: copies, local, far, edited, bare }
    }

    /// Measures every size; one of them again over a slow line.
    pub(super) fn measure(mut self, table: &mut Table) {
        let mut near = [f64::NAN; 3];
        for (records, snapshot) in std::mem::take(&mut self.sizes) {
            let times = self.once(table, records, snapshot.serve(None));
            near = if records == FAR_RECORDS { times } else { near };
        }
        let Some(far) = self.far.take() else { return };
        let far = self.once(&mut Table::unseen(), FAR_RECORDS, far.serve(Some(HALF_TRIP)));
        let names = [("fetch", 3.0), ("idle exchange", 1.0), ("reconnection", 1.0)];
        for ((name, most), (near, far)) in names.into_iter().zip(near.into_iter().zip(far)) {
            added(table, &format!("{name} of {FAR_RECORDS} records"), near, far, most);
        }
    }

    /// Times of fetch, idle exchange and reconnection.
    fn once(&mut self, table: &mut Table, records: usize, served: Served) -> [f64; 3] {
        let file = self.stage.copy(&self.file, &format!("device-{records}.xunyuan"));
        let fetched_ms = fetch(table, &self.stage, &served, &file, records, &self.bare);
        let idle_ms = idle(table, &served, &file, records);
        let mut edited = self.edited.clone();
        self.seeder.edit(&mut self.stage.content, &mut edited, EDITS, served.url());
        edit(&mut self.stage, &file, &edited);
        let back_ms = reconnect(table, &self.stage, &served, &file, records);
        if records == self.local && served.is_near() {
            local(table, &self.stage, &file, records);
        }
        std::fs::remove_file(&file).expect("the device's file can be removed");
        [fetched_ms, idle_ms, back_ms]
    }
}

/// Says how many round trips the slow line added.
pub(super) fn added(table: &mut Table, what: &str, near_ms: f64, far_ms: f64, most: f64) {
    let trip_ms = HALF_TRIP.as_secs_f64() * 2e3;
    let trips = (far_ms - near_ms) / trip_ms;
    table.add(
        Line::new(format!("W9 {what} with {trip_ms:.0} ms of round trip"))
            .with("near ms", near_ms)
            .with("far ms", far_ms)
            .with("added round trips", trips)
            // The line itself takes some milliseconds to carry the bytes.
            .mark(trips <= most + 0.2, format!("{most} round trips")),
    );
}

/// Edits other records than `theirs` on the device.
fn edit(stage: &mut Stage, file: &Path, theirs: &[Written]) {
    let mut replica = Replica::open(file).expect("the replica opens");
    let filter = Filter { limit: Some(300), ..Filter::default() };
    let rows = replica.list(&filter).expect("the list reads");
    let others = rows.iter().filter(|row| theirs.iter().all(|one| one.document.id() != row.document));
    for row in others.take(EDITED) {
        for number in 0..EDITS {
            let (answer, at) = (stage.content.answer(), moment(&mut stage.content));
            replica.answer(row.document, &record::item(number * 3), answer, &at).expect("it is answered");
        }
    }
}

fn fetch(
    table: &mut Table,
    stage: &Stage,
    served: &Served,
    file: &Path,
    records: usize,
    bare: &[Written],
) -> f64 {
    let (parse_ms, apply_ms) = floor::automerge(bare);
    let floor_ms = floor::sqlite_rows(stage.dir(), bare);
    let share = count(records) / count(bare.len().max(1));
    let before = served.begin();
    let done = device::run("sync", file, served.url());
    let used = served.since(&before);
    assert_eq!(done["unprojected"], 0, "every record is searchable");
    let (proven_ms, rows_ms) = (figure(&done, "proven_ms"), figure(&done, "rows_ms"));
    let rate = |ms: f64| count(records) / ms * 1e3;
    let wire = figure(&done, "down") / count(records);
    let is_reached = rate(proven_ms) >= 3_000.0
        && rate(rows_ms) >= 1_500.0
        && wire <= 900.0
        && figure(&done, "peak_mb") <= 80.0;
    let line = Line::new(format!("W3 a fresh device fetches {records} records, {CHANGES} changes each"))
        .with("proven ms", proven_ms)
        .with("proven records/s", rate(proven_ms))
        .with("searchable ms", rows_ms)
        .with("searchable records/s", rate(rows_ms))
        .with("index and form at rest done ms", figure(&done, "done_ms"))
        .with("wire B a record", wire)
        .with("requests", figure(&done, "requests"))
        .with("up kB", figure(&done, "up") / 1e3)
        .with("down kB", figure(&done, "down") / 1e3)
        .used(&done, &used)
        .with("floor Automerge parse ms", parse_ms * share)
        .with("floor Automerge apply ms", apply_ms * share)
        .with("floor SQLite rows ms", floor_ms * share)
        .with("floor HTTP ms", floor::round_trip(served.url()));
    let marked = "3000 records/s proven, 1500 records/s searchable, 900 B a record, device 80 MB";
    // A hundred records say little about a rate: opening, definitions and the first round trip are most of it.
    table.add(if records >= 1_000 { line.mark(is_reached, marked) } else { line });
    proven_ms
}

fn idle(table: &mut Table, served: &Served, file: &Path, records: usize) -> f64 {
    let before = served.begin();
    let done = device::run("idle", file, served.url());
    let used = served.since(&before);
    let rounds = figure(&done, "rounds");
    // The exchange before the first one that counts is the server's work too.
    let server_ms = used.usage.cpu_ms / (rounds + 1.0);
    let bytes = (figure(&done, "up") + figure(&done, "down")) / rounds;
    let wall_ms = figure(&done, "median_ms");
    let requests = figure(&done, "requests") / rounds;
    let is_reached =
        requests <= 1.0 && bytes <= 1_024.0 && wall_ms <= 5.0 && server_ms <= 1.0 && used.documents == 0.0;
    table.add(
        Line::new(format!("W5 nothing changed, {records} records, {SCOPES} scopes"))
            .with("wall ms", wall_ms)
            .with("requests", requests)
            .with("both ways B", bytes)
            .with("up B", figure(&done, "up") / rounds)
            .with("down B", figure(&done, "down") / rounds)
            .with("server CPU ms an exchange", server_ms)
            .with("device CPU ms an exchange", figure(&done, "cpu_ms") / (rounds + 1.0))
            .with("rounds", rounds)
            .used(&done, &used)
            .with("floor HTTP ms", floor::round_trip(served.url()))
            .mark(is_reached, "1 request, 1 KB both ways, 5 ms, 0 documents, server 1 ms"),
    );
    wall_ms
}

fn reconnect(table: &mut Table, stage: &Stage, served: &Served, file: &Path, records: usize) -> f64 {
    let before = served.begin();
    let done = device::run("sync", file, served.url());
    let used = served.since(&before);
    let bytes = figure(&done, "up") + figure(&done, "down");
    let (wall_ms, requests) = (figure(&done, "rows_ms"), figure(&done, "requests"));
    table.add(
        Line::new(format!("W2 reconnection, {records} records, {EDITED} edited on each side"))
            .with("wall ms", wall_ms)
            .with("requests", requests)
            .with("both ways B", bytes)
            .with("up B", figure(&done, "up"))
            .with("down B", figure(&done, "down"))
            .used(&done, &used)
            .with("floor HTTP ms", floor::round_trip(served.url()))
            .with("floor commit ms", floor::sqlite_commit(stage.dir(), 2_000))
            .mark(
                requests <= 2.0 && bytes <= 8_192.0 && wall_ms <= 20.0,
                "1 request (2 at most), 8 KB, 20 ms",
            ),
    );
    wall_ms
}

fn local(table: &mut Table, stage: &Stage, file: &Path, records: usize) {
    let copy = stage.copy(file, "local.xunyuan");
    let commit_ms = floor::sqlite_commit(stage.dir(), 400);
    let done = device::run("local", &copy, "");
    let f = |name| figure(&done, name);
    let is_reached = f("open_ms") <= 40.0
        && f("first_list_ms") <= 3.0
        && f("first_search_ms") <= 10.0
        && f("first_short_search_ms") <= 10.0
        && f("answer_ms") <= commit_ms + 1.0;
    table.add(
        Line::new(format!("W6 without the network, {records} records on the device"))
            .with("open ms", f("open_ms"))
            .with("first list ms", f("first_list_ms"))
            .with("list ms", f("list_ms"))
            .with("first search ms", f("first_search_ms"))
            .with("search ms", f("search_ms"))
            .with("first search of two characters ms", f("first_short_search_ms"))
            .with("search of two characters ms", f("short_search_ms"))
            .with("answer ms", f("answer_ms"))
            .with("answer on a sheet not yet open ms", f("first_answer_ms"))
            .with("floor commit ms", commit_ms)
            .with("device peak MB", f("peak_mb"))
            .mark(is_reached, "open 40 ms, list 3 ms, search 10 ms, answer a bare commit + 1 ms"),
    );
}
