//! W4: many devices come back at once after an outage, each with work of its own.

use std::path::PathBuf;
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use xunyuan_core::id::ScopeId;
use xunyuan_core::replica::Replica;

use super::device::{self, Direct, Http};
use super::record::{self, CHECKLIST, Content};
use super::stage::{Served, Stage, moment, ms_since};
use super::table::{Line, Table, count};
use super::{floor, usage};

/// Changes of each of many devices.
const CHANGES: usize = 50;
/// Threads that prepare the devices.
const THREADS: usize = 2;

/// What all devices together did.
#[derive(Default)]
struct Sum {
    requests: usize,
    up: usize,
    down: usize,
    busy: usize,
}

/// One device that waits for the branch.
struct Seat {
    file: PathBuf,
    project: usize,
}

/// Measures `devices` devices with `records` records each, in `projects` projects.
pub(super) fn measure(table: &mut Table, devices: usize, records: usize, projects: usize) {
    let projects = projects.min(devices);
    let mut stage = Stage::new(record::organisation(projects, devices.div_ceil(projects), "role.patrol"));
    let answers = if records > 10 { 19 } else { CHANGES / records - 1 };
    let seats = seats(&mut stage, devices, projects, records, answers);
    let served = stage.snapshot("crowd").serve(None);
    let commit_ms = floor::sqlite_commit(stage.dir(), 6_000);
    let open = || seats.iter().map(|seat| Replica::open(&seat.file).expect("the replica opens")).collect();
    let mut replicas: Vec<Replica> = open();
    let (before, own) = (served.begin(), usage::of(std::process::id()));
    let began = Instant::now();
    let first = all(&mut replicas, &served);
    let pushed_ms = ms_since(began);
    // What came up after a device had been here reaches it with its next exchange, as a poke would make it.
    let second = all(&mut replicas, &served);
    let wall_ms = ms_since(began);
    let (used, clients) = (served.since(&before), usage::of(std::process::id()));
    assert_converged(&replicas, &seats, projects);
    let is_many = devices >= 200;
    let limit_ms = if is_many { 12.0 * count(devices) } else { 12.0 * count(devices.max(50)) };
    let changes = records * (answers + 1);
    table.add(
        Line::new(format!(
            "W4 {devices} devices come back at once, {records} records with {changes} changes each, {projects} projects"
        ))
        .with("wall ms", wall_ms)
        .with("all acknowledged ms", pushed_ms)
        .with("requests", count(first.requests + second.requests))
        .with("turned away", count(first.busy + second.busy))
        .with("up kB", count(first.up + second.up) / 1e3)
        .with("down kB", count(first.down + second.down) / 1e3)
        .with("all devices' CPU ms", clients.cpu_ms - own.cpu_ms)
        .with("server CPU ms", used.usage.cpu_ms)
        .with("all devices' peak MB", clients.peak_mb)
        .with("server peak MB", used.usage.peak_mb)
        .with("server commits", used.commits)
        .with("server fsyncs", used.fsyncs)
        .with("server documents in memory", used.documents)
        .with("server disk MB", used.disk_mb)
        .with("floor commit ms", commit_ms)
        .with("floor a commit for each device ms", commit_ms * count(devices))
        .mark(
            wall_ms <= limit_ms && used.usage.peak_mb <= 256.0,
            format!("{limit_ms:.0} ms, server 256 MB, nothing lost"),
        ),
    );
}

/// Enrols the devices, lets each be at the branch once, and writes on it without the network.
fn seats(stage: &mut Stage, devices: usize, projects: usize, records: usize, answers: usize) -> Vec<Seat> {
    let enrolled: Vec<(usize, Replica, PathBuf)> = (0..devices)
        .map(|number| {
            let user = record::user(number % projects, number / projects);
            let (replica, path) = stage.enroll(&user, &format!("{number}.xunyuan"));
            (number, replica, path)
        })
        .collect();
    let (enrolled, seats) = (Mutex::new(enrolled), Mutex::new(Vec::with_capacity(devices)));
    let stage = &*stage;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some((number, mut replica, path)) = enrolled.lock().expect("no panic").pop() else {
                        break;
                    };
                    let mut content = Content::of(number as u64 + 1_000);
                    let mut way = Direct::of(stage.hub(), replica.identity());
                    device::sync(&mut replica, &mut way, &mut content);
                    write(&mut replica, &mut content, number % projects, records, answers);
                    drop(replica);
                    let seat = Seat { file: stage.to_disk(&path), project: number % projects };
                    seats.lock().expect("no panic").push(seat);
                }
            });
        }
    });
    seats.into_inner().expect("no thread panics")
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

/// Every device exchanges at the same moment, each on a connection of its own, until all are quiet.
fn all(replicas: &mut [Replica], served: &Served) -> Sum {
    let sum = Mutex::new(Sum::default());
    let start = Barrier::new(replicas.len());
    std::thread::scope(|scope| {
        for (number, replica) in replicas.iter_mut().enumerate() {
            let (sum, start) = (&sum, &start);
            let played = std::thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, move || {
                let mut content = Content::of(number as u64 + 5_000);
                let mut http = Http::of(replica.identity(), served.url());
                start.wait();
                let synced = device::sync(replica, &mut http, &mut content);
                let mut sum = sum.lock().expect("no thread panics");
                sum.requests += http.requests;
                sum.up += http.up;
                sum.down += http.down;
                sum.busy += synced.busy;
            });
            drop(played.expect("a thread can be started for each device"));
        }
    });
    sum.into_inner().expect("no thread panics")
}

/// Nothing waits any more, and the devices of each project hold the same rows.
fn assert_converged(replicas: &[Replica], seats: &[Seat], projects: usize) {
    let mut first = vec![None; projects];
    for (replica, seat) in replicas.iter().zip(seats) {
        let scope = ScopeId::of(&record::project(seat.project), "patrol");
        let held = replica.fingerprint(&scope).expect("the rows can be read");
        let expected = first.get_mut(seat.project).expect("a project of the run");
        assert_eq!(*expected.get_or_insert(held), held, "devices of one project hold the same");
        assert_eq!(replica.status().expect("the replica can be read").pending_changes, 0, "nothing waits");
    }
}
