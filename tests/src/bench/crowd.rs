//! W4: many devices come back at once after an outage, each with work of its own.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use xunyuan_core::id::ScopeId;
use xunyuan_core::replica::Replica;

use super::device::{self, Http};
use super::record::{self, CHECKLIST, Content};
use super::stage::{Stage, moment, ms_since};
use super::table::{Line, Table, count};
use super::usage;

/// Threads that play the devices: how many of them are under way at a time.
const THREADS: usize = 16;
/// Changes of each device.
const CHANGES: usize = 50;
/// Records of the larger devices, one change in each.
const DEVICES_PER_PROJECT: usize = 10;

/// What all devices together did.
#[derive(Default)]
struct Sum {
    requests: usize,
    up: usize,
    down: usize,
    busy: usize,
}

/// Measures `devices` devices with `records` records each, in `projects` projects.
pub(super) fn measure(table: &mut Table, devices: usize, records: usize, projects: usize) {
    let people = devices.div_ceil(projects).min(DEVICES_PER_PROJECT.max(devices / projects));
    let organisation = record::organisation(projects, people, "role.patrol");
    let mut stage = Stage::new(organisation, None);
    let seats: Vec<(Replica, PathBuf, usize)> = (0..devices)
        .map(|number| {
            let (project, person) = (number % projects, number / projects);
            let (replica, path) = stage.enroll(&record::user(project, person), &format!("{number}.xunyuan"));
            (replica, path, project)
        })
        .collect();
    stage.serve();
    let answers = if records > 10 { 20 } else { CHANGES / records - 1 };
    let files: Vec<PathBuf> = seats
        .into_iter()
        .map(|(mut replica, path, project)| {
            let mut http = Http::of(replica.identity());
            device::sync(&mut replica, &mut http, &mut stage.content);
            write(&mut replica, &mut stage.content, project, records, answers);
            drop(replica);
            stage.to_disk(&path)
        })
        .collect();
    usage::forget_peak(stage.pid());
    let (before, commits) = (stage.used(), stage.commits());
    let own = usage::of(std::process::id());
    let began = Instant::now();
    let first = all(&files);
    let pushed_ms = ms_since(began);
    // What came up after a device had been here reaches it with its next exchange, as a poke would make it.
    let second = all(&files);
    let wall_ms = ms_since(began);
    let (used, commits) = (stage.used(), stage.commits() - commits);
    assert!(agree(&files, projects), "devices of one project hold the same");
    let limit_ms = if devices >= 1_000 { 12_000.0 } else { 600.0 * count(devices) / 50.0 };
    table.add(
        Line::new(format!(
            "W4 {devices} devices come back at once, {records} records each, {projects} projects"
        ))
        .with("wall ms", wall_ms)
        .with("all pushed ms", pushed_ms)
        .with("requests", count(first.requests + second.requests))
        .with("turned away", count(first.busy + second.busy))
        .with("up kB", count(first.up + second.up) / 1e3)
        .with("down kB", count(first.down + second.down) / 1e3)
        .with("device CPU ms", usage::of(std::process::id()).cpu_ms - own.cpu_ms)
        .with("server CPU ms", used.cpu_ms - before.cpu_ms)
        .with("server peak MB", used.peak_mb)
        .with("server commits", commits)
        .with("server disk MB", usage::disk_mb(&stage.branch()))
        .mark(wall_ms <= limit_ms && used.peak_mb <= 256.0, format!("{limit_ms:.0} ms, server 256 MB")),
    );
}

fn write(replica: &mut Replica, content: &mut Content, project: usize, records: usize, answers: usize) {
    for _ in 0..records {
        let user = replica.user().as_str().to_owned();
        let at = moment(content);
        let header = content.header(&user, at.unix_ms);
        let sheet = replica
            .start_inspection_with(CHECKLIST, &record::project(project), header, &at)
            .expect("a sheet is started");
        for number in 0..answers {
            let (answer, at) = (content.answer(), moment(content));
            replica.answer(sheet, &record::item(number), answer, &at).expect("it is answered");
        }
    }
}

/// Every device exchanges until it is quiet.
fn all(files: &[PathBuf]) -> Sum {
    let sum = Mutex::new(Sum::default());
    let next = Mutex::new(files.iter());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sum, next) = (&sum, &next);
            scope.spawn(move || {
                let mut content = Content::of(thread as u64 + 1_000);
                loop {
                    let Some(file) = next.lock().expect("no thread panics").next() else { break };
                    let mut replica = Replica::open(file).expect("the replica opens");
                    let mut http = Http::of(replica.identity());
                    let synced = device::sync(&mut replica, &mut http, &mut content);
                    let mut sum = sum.lock().expect("no thread panics");
                    sum.requests += http.requests;
                    sum.up += http.up;
                    sum.down += http.down;
                    sum.busy += synced.busy;
                }
            });
        }
    });
    sum.into_inner().expect("no thread panics")
}

/// True when the devices of each project hold the same rows.
fn agree(files: &[PathBuf], projects: usize) -> bool {
    let mut first = vec![None; projects];
    files.iter().enumerate().all(|(number, file)| {
        let replica = Replica::open(file).expect("the replica opens");
        let scope = ScopeId::of(&record::project(number % projects), "patrol");
        let held = replica.fingerprint(&scope).expect("the rows can be read");
        let expected = first.get_mut(number % projects).expect("a project of the run");
        *expected.get_or_insert(held) == held
            && replica.status().is_ok_and(|status| status.pending_changes == 0)
    })
}
