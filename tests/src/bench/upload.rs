//! W1: a device uploads records that were made offline, to an empty server. W9 does it over a slow line.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::record::{self, ANSWERS, CHANGES, CHECKLIST, Content, Written};
use super::seed::Seeder;
use super::stage::{Snapshot, Stage, moment};
use super::table::{Line, Table, count};
use super::{device, floor, shared};

/// A device full of unsent records and the empty branch that waits for them.
pub(super) struct Upload {
    stage: Stage,
    file: PathBuf,
    records: usize,
    near: Snapshot,
    far: Snapshot,
    bare: Vec<Written>,
}

impl Upload {
    /// Writes `records` records on a device that has been at the branch once.
    pub(super) fn prepare(records: usize) -> Self {
        let mut stage = Stage::new(record::organisation(1, 2, "role.patrol"));
        let (mut replica, file) = stage.enroll(&record::user(0, 0), "upload.xunyuan");
        let (other, _) = stage.enroll(&record::user(0, 1), "floor.xunyuan");
        let bare = Seeder::of(&other, &stage.checklist, &record::project(0)).write(1, records.min(500));
        let mut content = Content::of(11);
        let mut way = device::Direct::of(stage.hub(), replica.identity());
        device::sync(&mut replica, &mut way, &mut content);
        for _ in 0..records {
            let user = replica.user().as_str().to_owned();
            let at = moment(&mut content);
            let header = content.header(&user, at.unix_ms);
            let sheet = replica
                .start_inspection_with(CHECKLIST, &record::project(0), header, &at)
                .expect("a sheet is started");
            for number in 0..ANSWERS {
                let (answer, at) = (content.answer(), moment(&mut content));
                replica.answer(sheet, &record::item(number), answer, &at).expect("the sheet takes an answer");
            }
        }
        drop(replica);
        let (near, far) = (stage.snapshot("near"), stage.snapshot("far"));
        Self { stage, file, records, near, far, bare }
    }

    /// Measures W1, and again over a slow line where asked.
    pub(super) fn measure(self, table: &mut Table, is_delayed_too: bool) {
        let Self { stage, file, records, near, far, bare } = self;
        let share = count(records) / count(bare.len());
        let (parse_ms, apply_ms) = floor::automerge(&bare);
        let rows_ms = floor::sqlite_rows(stage.dir(), &bare);
        let near_file = stage.copy(&file, "upload-near.xunyuan");
        let served = near.serve(None);
        let trip_ms = floor::round_trip(served.url());
        let before = served.begin();
        let done = device::run("sync", &near_file, served.url());
        let used = served.since(&before);
        assert_eq!(done["pending"], 0, "everything was acknowledged");
        let f = |name: &str| figure(&done, name);
        let changes = count(records * CHANGES);
        let (wall_ms, wire) = (f("acked_ms") - f("built_ms"), f("up") / changes);
        let limit_ms = 0.7 * count(records);
        table.add(
            Line::new(format!("W1 upload of {records} records, {CHANGES} changes each"))
                .with("first byte to last acknowledgement ms", wall_ms)
                .with("with the first request built ms", f("acked_ms"))
                .with("proven by signed heads ms", f("proven_ms"))
                .with("wire B a change", wire)
                .with("requests", f("requests"))
                .with("up kB", f("up") / 1e3)
                .with("down kB", f("down") / 1e3)
                .used(&done, &used)
                .with("floor Automerge parse ms", parse_ms * share)
                .with("floor Automerge apply ms", apply_ms * share)
                .with("floor SQLite rows ms", rows_ms * share)
                .with("floor HTTP ms", trip_ms)
                .mark(
                    wall_ms <= limit_ms && wire <= 34.0,
                    format!("{limit_ms:.0} ms, 34 B of wire a change"),
                ),
        );
        drop(served);
        if !is_delayed_too {
            return;
        }
        let far_file = stage.copy(&file, "upload-far.xunyuan");
        let served = far.serve(Some(shared::HALF_TRIP));
        let done = device::run("sync", &far_file, served.url());
        let far_ms = figure(&done, "acked_ms") - figure(&done, "built_ms");
        shared::added(table, &format!("upload of {records} records"), wall_ms, far_ms, 3.0);
    }
}

/// A figure of a device's answer.
pub(super) fn figure(answer: &Json, name: &str) -> f64 {
    answer[name].as_f64().unwrap_or(f64::NAN)
}
