//! W3, W5, W2, W6: a device fetches a branch of N records, exchanges with nothing new, reconnects after
//! both sides wrote, and is used without the network. W9 does the first three over a slow line.

use std::path::Path;
use std::time::Duration;

use xunyuan_core::document::model::Value;
use xunyuan_core::projection::Filter;
use xunyuan_core::replica::{Answer, Replica};

use super::record::{self, CHANGES, Written};
use super::stage::{Seeder, Stage, moment, now_ms};
use super::table::{Line, Table, count};
use super::upload::figure;
use super::{device, floor, usage};

/// Records edited on each side before a reconnection, and edits in each.
const EDITED: usize = 10;
const EDITS: usize = 5;

/// Measures all of it for `records` records; with `delay` again over a slow line.
pub(super) fn measure(table: &mut Table, records: usize, delay: Option<Duration>) {
    let near = once(table, records, None);
    if let Some(delay) = delay {
        let far = once(&mut Table::default(), records, Some(delay));
        let names = [("fetch", 3.0), ("idle exchange", 1.0), ("reconnection", 1.0)];
        for ((name, most), (near, far)) in names.into_iter().zip(near.into_iter().zip(far)) {
            let trips = (far - near) / (delay.as_secs_f64() * 2e3);
            table.add(
                Line::new(format!(
                    "W9 {name} of {records} records with {:.0} ms of round trip",
                    delay.as_secs_f64() * 2e3
                ))
                .with("near ms", near)
                .with("far ms", far)
                .with("added round trips", trips)
                .mark(trips <= most + 0.2, format!("{most} round trips")),
            );
        }
    }
}

/// Times of fetch, idle exchange and reconnection.
fn once(table: &mut Table, records: usize, delay: Option<Duration>) -> [f64; 3] {
    let organisation = record::organisation(1, 2, "role.project_manager");
    let mut stage = Stage::new(organisation, delay);
    let (other, _) = stage.enroll(&record::user(0, 0), "seeder.xunyuan");
    let mut seeder = Seeder::of(other, &stage.checklist, &record::project(0));
    let (replica, file) = stage.enroll(&record::user(0, 1), "device.xunyuan");
    drop(replica);
    let file = stage.to_disk(&file);
    stage.serve();
    let mut edited = Vec::new();
    let mut bare = Vec::new();
    for start in (0..records).step_by(300) {
        let mut part: Vec<Written> =
            (start..records.min(start + 300)).map(|_| seeder.write(&mut stage.content)).collect();
        seeder.push(&part, 0);
        if start == 0 {
            edited = part.split_off(part.len() - EDITED);
            bare = part;
        }
    }
    let fetched_ms = fetch(table, &stage, &file, records, &bare);
    let idle_ms = idle(table, &stage, &file, records);
    let back_ms = reconnect(table, &mut stage, &file, &mut seeder, &mut edited, records);
    if records == 5_000 || records == 1_000 {
        local(table, &stage, &file, records);
    }
    [fetched_ms, idle_ms, back_ms]
}

fn fetch(table: &mut Table, stage: &Stage, file: &Path, records: usize, bare: &[Written]) -> f64 {
    let (parse_ms, apply_ms) = floor::automerge(bare);
    let rows_ms = floor::sqlite_rows(stage.dir(), bare);
    let share = count(records) / count(bare.len().max(1));
    usage::forget_peak(stage.pid());
    let before = stage.used();
    let done = device::run("sync", file);
    let used = stage.used();
    assert_eq!(done["unprojected"], 0, "every record is searchable");
    let (proven_ms, done_ms) = (figure(&done, "proven_ms"), figure(&done, "done_ms"));
    let rate = |ms: f64| count(records) / ms * 1e3;
    let wire = figure(&done, "down") / count(records);
    let is_reached = rate(proven_ms) >= 3_000.0
        && rate(done_ms) >= 1_500.0
        && wire <= 900.0
        && figure(&done, "peak_mb") <= 80.0;
    let line = Line::new(format!("W3 a fresh device fetches {records} records, {CHANGES} changes each"))
        .with("proven ms", proven_ms)
        .with("proven records/s", rate(proven_ms))
        .with("searchable ms", done_ms)
        .with("searchable records/s", rate(done_ms))
        .with("wire B a record", wire)
        .with("requests", figure(&done, "requests"))
        .with("device CPU ms", figure(&done, "cpu_ms"))
        .with("server CPU ms", used.cpu_ms - before.cpu_ms)
        .with("device peak MB", figure(&done, "peak_mb"))
        .with("server peak MB", used.peak_mb)
        .with("server disk MB", usage::disk_mb(&stage.branch()))
        .with("floor Automerge parse ms", parse_ms * share)
        .with("floor Automerge apply ms", apply_ms * share)
        .with("floor SQLite rows ms", rows_ms * share);
    table.add(
        line.mark(
            is_reached,
            "3000 records/s proven, 1500 records/s searchable, 900 B a record, device 80 MB",
        ),
    );
    proven_ms
}

fn idle(table: &mut Table, stage: &Stage, file: &Path, records: usize) -> f64 {
    let before = stage.used();
    let done = device::run("idle", file);
    let rounds = figure(&done, "rounds");
    let server_ms = (stage.used().cpu_ms - before.cpu_ms) / (rounds + 1.0);
    let bytes = (figure(&done, "up") + figure(&done, "down")) / rounds;
    let wall_ms = figure(&done, "median_ms");
    let requests = figure(&done, "requests") / rounds;
    let is_reached = requests <= 1.0 && bytes <= 1_024.0 && wall_ms <= 5.0 && server_ms <= 1.0;
    table.add(
        Line::new(format!("W5 nothing changed, {records} records"))
            .with("wall ms", wall_ms)
            .with("requests", requests)
            .with("up B", figure(&done, "up") / rounds)
            .with("down B", figure(&done, "down") / rounds)
            .with("server CPU ms", server_ms)
            .with("floor HTTP ms", floor::round_trip(stage.url()))
            .mark(is_reached, "1 request, 1 KB both ways, 5 ms, server 1 ms"),
    );
    wall_ms
}

fn reconnect(
    table: &mut Table,
    stage: &mut Stage,
    file: &Path,
    seeder: &mut Seeder,
    edited: &mut [Written],
    records: usize,
) -> f64 {
    let by = seeder.user().clone();
    for written in edited.iter_mut() {
        for number in 0..EDITS {
            written.answer(&mut stage.content, number * 3, &by, now_ms());
        }
    }
    seeder.push(edited, CHANGES);
    let mut replica = Replica::open(file).expect("the replica opens");
    let filter = Filter { limit: Some(300), ..Filter::default() };
    let rows = replica.list(&filter).expect("the list reads");
    let others = rows.iter().filter(|row| edited.iter().all(|one| one.document.id() != row.document));
    for row in others.take(EDITED) {
        for number in 0..EDITS {
            let at = moment(&mut stage.content);
            let answer = Answer {
                value: Some(Value::Text("pass".to_owned())),
                note: Some(stage.content.text(20)),
                photos: Vec::new(),
            };
            replica.answer(row.document, &record::item(number * 3), answer, &at).expect("it is answered");
        }
    }
    drop(replica);
    let before = stage.used();
    let done = device::run("sync", file);
    let used = stage.used();
    let bytes = figure(&done, "up") + figure(&done, "down");
    let (wall_ms, requests) = (figure(&done, "done_ms"), figure(&done, "requests"));
    table.add(
        Line::new(format!("W2 reconnection, {records} records, {EDITED} edited on each side"))
            .with("wall ms", wall_ms)
            .with("requests", requests)
            .with("up B", figure(&done, "up"))
            .with("down B", figure(&done, "down"))
            .with("device CPU ms", figure(&done, "cpu_ms"))
            .with("server CPU ms", used.cpu_ms - before.cpu_ms)
            .with("floor HTTP ms", floor::round_trip(stage.url()))
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
    let done = device::run("local", &copy);
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
