//! W1: a device uploads records that were made offline, to an empty server. W9 does it over a slow line.

use std::time::Duration;

use serde_json::Value as Json;

use super::record::{self, ANSWERS, CHANGES, CHECKLIST};
use super::stage::{Seeder, Stage, moment};
use super::table::{Line, Table, count};
use super::{device, floor, usage};

/// Measures W1 with `records` records, and again with 100 ms of round trip where asked.
pub(super) fn measure(table: &mut Table, records: usize, is_delayed_too: bool) {
    let near = once(table, records, None);
    if is_delayed_too {
        let far = once(table, records, Some(Duration::from_millis(50)));
        let trips = (far - near) / 100.0;
        table.add(
            Line::new(format!("W9 upload of {records} records with 100 ms of round trip"))
                .with("near ms", near)
                .with("far ms", far)
                .with("added round trips", trips)
                .mark(trips <= 3.0, "3 round trips"),
        );
    }
}

fn once(table: &mut Table, records: usize, delay: Option<Duration>) -> f64 {
    let organisation = record::organisation(1, 2, "role.patrol");
    let mut stage = Stage::new(organisation, delay);
    let (mut replica, file) = stage.enroll(&record::user(0, 0), "upload.xunyuan");
    let (other, _) = stage.enroll(&record::user(0, 1), "floor.xunyuan");
    let seeder = Seeder::of(other, &stage.checklist, &record::project(0));
    stage.serve();
    let mut http = device::Http::of(replica.identity());
    device::sync(&mut replica, &mut http, &mut stage.content);
    for _ in 0..records {
        let user = replica.user().as_str().to_owned();
        let at = moment(&mut stage.content);
        let header = stage.content.header(&user, at.unix_ms);
        let sheet = replica
            .start_inspection_with(CHECKLIST, &record::project(0), header, &at)
            .expect("a sheet is started");
        for number in 0..ANSWERS {
            let (answer, at) = (stage.content.answer(), moment(&mut stage.content));
            replica.answer(sheet, &record::item(number), answer, &at).expect("the sheet takes an answer");
        }
    }
    drop(replica);
    let file = stage.to_disk(&file);
    let bare: Vec<_> = (0..records.min(500)).map(|_| seeder.write(&mut stage.content)).collect();
    let share = count(records) / count(bare.len());
    let (parse_ms, apply_ms) = floor::automerge(&bare);
    let rows_ms = floor::sqlite_rows(stage.dir(), &bare);
    let trip_ms = floor::round_trip(stage.url());
    drop(bare);
    usage::forget_peak(stage.pid());
    let (before, commits) = (stage.used(), stage.commits());
    let done = device::run("sync", &file);
    let used = stage.used();
    assert_eq!(done["pending"], 0, "everything was acknowledged");
    let figure = |name: &str| done[name].as_f64().unwrap_or(f64::NAN);
    let changes = count(records * CHANGES);
    let wall_ms = figure("proven_ms");
    let wire = figure("up") / changes;
    let line = Line::new(format!("W1 upload of {records} records, {CHANGES} changes each"))
        .with("wall ms", wall_ms)
        .with("wire B a change", wire)
        .with("requests", figure("requests"))
        .with("up kB", figure("up") / 1e3)
        .with("down kB", figure("down") / 1e3)
        .with("device CPU ms", figure("cpu_ms"))
        .with("server CPU ms", used.cpu_ms - before.cpu_ms)
        .with("device peak MB", figure("peak_mb"))
        .with("server peak MB", used.peak_mb)
        .with("server commits", stage.commits() - commits)
        .with("server disk MB", usage::disk_mb(&stage.branch()))
        .with("floor Automerge parse ms", parse_ms * share)
        .with("floor Automerge apply ms", apply_ms * share)
        .with("floor SQLite rows ms", rows_ms * share)
        .with("floor HTTP ms", trip_ms);
    let limit_ms = 0.7 * count(records);
    if delay.is_none() {
        table.add(
            line.mark(
                wall_ms <= limit_ms && wire <= 34.0,
                format!("{limit_ms:.0} ms, 34 B of wire a change"),
            ),
        );
    }
    wall_ms
}

/// A figure of a device's answer.
pub(super) fn figure(answer: &Json, name: &str) -> f64 {
    answer[name].as_f64().unwrap_or(f64::NAN)
}
