//! W7: an edit on device A is seen on device B through poke and exchange, the server otherwise idle.

use std::io::{BufRead as _, BufReader};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::json;

use super::device::{self, Http};
use super::record::{self, CHECKLIST};
use super::stage::{Stage, moment, ms_since};
use super::table::{Line, Table, count, median};
use super::usage;

/// How long a poke may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures `edits` edits.
pub(super) fn measure(table: &mut Table, edits: usize) {
    let mut stage = Stage::new(record::organisation(1, 2, "role.patrol"));
    let (mut a, _) = stage.enroll(&record::user(0, 0), "a.xunyuan");
    let (mut b, _) = stage.enroll(&record::user(0, 1), "b.xunyuan");
    let served = stage.snapshot("live").serve(None);
    let (mut http_a, mut http_b) =
        (Http::of(a.identity(), served.url()), Http::of(b.identity(), served.url()));
    device::sync(&mut a, &mut http_a, &mut stage.content);
    let at = moment(&mut stage.content);
    let header = stage.content.header(&record::user(0, 0), at.unix_ms);
    let sheet =
        a.start_inspection_with(CHECKLIST, &record::project(0), header, &at).expect("a sheet is started");
    device::sync(&mut a, &mut http_a, &mut stage.content);
    device::sync(&mut b, &mut http_b, &mut stage.content);
    let pokes = ureq::get(format!("{}/v1/pokes", served.url()))
        .header("Authorization", format!("Bearer {}", b.identity().token))
        .call()
        .expect("the server pokes");
    let (sender, poked) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pokes.into_body().into_reader()).lines().map_while(Result::ok) {
            if line.starts_with("data:") && sender.send(()).is_err() {
                break;
            }
        }
    });
    let mut seen = Vec::with_capacity(edits);
    let (before, own) = (served.begin(), usage::of(std::process::id()));
    let bytes = |a: &Http, b: &Http| (a.up + b.up, a.down + b.down);
    let carried = bytes(&http_a, &http_b);
    (http_a.requests, http_b.requests) = (0, 0);
    for number in 0..edits {
        let (answer, at) = (stage.content.answer(), moment(&mut stage.content));
        while poked.try_recv().is_ok() {}
        let began = Instant::now();
        a.answer(sheet, &record::item(number % record::ANSWERS), answer, &at).expect("it is answered");
        device::sync(&mut a, &mut http_a, &mut stage.content);
        let expected = a.model(sheet).expect("A holds the sheet");
        loop {
            poked.recv_timeout(PATIENCE).expect("B is poked");
            device::sync(&mut b, &mut http_b, &mut stage.content);
            if b.model(sheet).is_ok_and(|model| model == expected) {
                break;
            }
        }
        seen.push(ms_since(began));
    }
    let (used, devices) = (served.since(&before), usage::of(std::process::id()));
    let done = json!({"cpu_ms": devices.cpu_ms - own.cpu_ms, "peak_mb": devices.peak_mb});
    let (up, down) = bytes(&http_a, &http_b);
    let middle_ms = median(seen.clone());
    let worst_ms = seen.into_iter().fold(0.0, f64::max);
    table.add(
        Line::new(format!("W7 live: {edits} edits on A seen on B"))
            .with("median ms", middle_ms)
            .with("worst ms", worst_ms)
            .with("requests an edit", count(http_a.requests + http_b.requests) / count(edits))
            .with("up B an edit", count(up - carried.0) / count(edits))
            .with("down B an edit", count(down - carried.1) / count(edits))
            .with("server CPU ms an edit", used.usage.cpu_ms / count(edits))
            .with("server fsyncs an edit", used.fsyncs / count(edits))
            .used(&done, &used)
            .with("floor HTTP ms", super::floor::round_trip(served.url()))
            .with("floor commit ms", super::floor::sqlite_commit(stage.dir(), 400))
            .mark(middle_ms <= 20.0, "median 20 ms"),
    );
}
