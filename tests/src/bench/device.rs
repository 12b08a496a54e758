//! One device in a process of its own, so that its memory and CPU time are its own.
//!
//! The parent starts this same program under a hidden command and reads one JSON object from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use xunyuan_core::document::model::Value;
use xunyuan_core::projection::Filter;
use xunyuan_core::replica::{Answer, Failure, Replica};
use xunyuan_core::store::identity::Identity;
use xunyuan_server::hub::Hub;

use super::record::Content;
use super::stage::{moment, ms_since, now_ms};
use super::table::{count, median};
use super::{record, usage};

/// Exchanges after which something must be wrong.
const EXCHANGES_MAX: u32 = 2_000;
/// Repetitions of small measurements.
const REPEATS: usize = 30;

/// What carries the bodies of a device's exchanges.
pub(super) trait Carry {
    /// Carries one body to the branch and the answer back.
    fn post(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// Straight into a hub of this process: for preparing devices before the server starts.
pub(super) struct Direct<'h> {
    hub: &'h Hub,
    token: String,
}

impl<'h> Direct<'h> {
    /// The way of one device.
    pub(super) fn of(hub: &'h Hub, identity: &Identity) -> Self {
        Self { hub, token: identity.token.clone() }
    }
}

impl Carry for Direct<'_> {
    fn post(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let device = self.hub.authenticate(&self.token).expect("the device is enrolled");
        Ok(self.hub.exchange(&device, body, now_ms()).expect("the branch answers"))
    }
}

/// The HTTP client of a device.
pub(super) struct Http {
    agent: ureq::Agent,
    url: String,
    token: String,
    /// Requests sent.
    pub(super) requests: usize,
    /// Body bytes sent.
    pub(super) up: usize,
    /// Body bytes received.
    pub(super) down: usize,
}

impl Http {
    /// A client with a connection of its own.
    pub(super) fn of(identity: &Identity, url: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .into();
        let url = format!("{url}/v1/exchange");
        Self { agent, url, token: format!("Bearer {}", identity.token), requests: 0, up: 0, down: 0 }
    }
}

impl Carry for Http {
    fn post(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        self.requests += 1;
        self.up += body.len();
        let request = self.agent.post(&self.url).header("Authorization", &self.token);
        let response =
            request.content_type("application/cbor").send(body).map_err(|_| Failure::Unreachable)?;
        let is_good = response.status().is_success();
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response
            .into_body()
            .with_config()
            .limit(1 << 26)
            .read_to_vec()
            .map_err(|_| Failure::Unreachable)?;
        self.down += body.len();
        if is_good {
            return Ok(body);
        }
        assert!(status == 503, "the server answered {status}: {}", String::from_utf8_lossy(&body));
        Err(Failure::Busy { retry_after_ms: wait.map(|s: i64| s * 1_000) })
    }
}

/// What a sync came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Synced {
    /// Until the first request was built, milliseconds.
    pub(super) built_ms: f64,
    /// Until nothing waited for its acknowledgement any more, milliseconds.
    pub(super) acked_ms: f64,
    /// Until every scope is held, durable and equal to its signed head, milliseconds.
    pub(super) proven_ms: f64,
    /// Until every row is written and can be found, milliseconds.
    pub(super) rows_ms: f64,
    /// Until nothing is left to do, the index of search and the form at rest among it, milliseconds.
    pub(super) done_ms: f64,
    /// Turned away as overload.
    pub(super) busy: usize,
}

/// Exchanges until nothing is left to say and every row is written.
pub(super) fn sync(replica: &mut Replica, http: &mut impl Carry, content: &mut Content) -> Synced {
    let mut synced = Synced::default();
    let (began, since_ms) = (Instant::now(), now_ms());
    // Asking how the replica stands is the benchmark's work, not the product's.
    let mut asking = Duration::ZERO;
    let so_far = |asking: Duration| ms_since(began) - asking.as_secs_f64() * 1e3;
    replica.wake_now();
    for _ in 0..EXCHANGES_MAX {
        let request = loop {
            if let Some(body) = replica.poll_request(&moment(content)).expect("the replica can be read") {
                break Some(body);
            }
            if synced.rows_ms == 0.0 && synced.proven_ms > 0.0 {
                let asked = Instant::now();
                let is_written = replica.status().expect("the replica can be read").unprojected == 0;
                asking += asked.elapsed();
                if is_written {
                    synced.rows_ms = so_far(asking);
                }
            }
            let Some(at_ms) = replica.poll_timeout() else { break None };
            std::thread::sleep(Duration::from_millis(u64::try_from(at_ms - now_ms()).unwrap_or(0).max(1)));
        };
        let Some(body) = request else {
            synced.done_ms = so_far(asking);
            return synced;
        };
        if synced.built_ms == 0.0 {
            synced.built_ms = so_far(asking);
        }
        match http.post(&body) {
            Ok(reply) => {
                let progress = replica.handle_reply(&reply, &moment(content)).expect("the reply is taken");
                assert!(progress.refused.is_empty(), "refused: {:?}", progress.refused);
            }
            Err(failure) => {
                synced.busy += 1;
                replica.handle_failure(&failure, &moment(content));
            }
        }
        if synced.proven_ms == 0.0 || synced.acked_ms == 0.0 {
            let asked = Instant::now();
            let status = replica.status().expect("the replica can be read");
            let mut granted = status.scopes.iter().filter(|row| row.granted);
            let is_proven = granted.all(|row| row.proven_at_ms.is_some_and(|at| at >= since_ms));
            asking += asked.elapsed();
            if status.pending_changes == 0 && synced.acked_ms == 0.0 {
                synced.acked_ms = so_far(asking);
            }
            if is_proven && status.pending_changes == 0 && synced.proven_ms == 0.0 {
                synced.proven_ms = so_far(asking);
                if status.unprojected == 0 {
                    synced.rows_ms = synced.proven_ms;
                }
            }
        }
    }
    panic!("the exchange did not come to rest");
}

/// The parent's side: lets a device process do `job` on a replica file.
pub(super) fn run(job: &str, file: &Path, url: &str) -> Json {
    let program = std::env::current_exe().expect("a program knows its path");
    let output = Command::new(program)
        .args([super::DEVICE, job, url])
        .arg(file)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("the device's process starts");
    assert!(output.status.success(), "the device's process failed");
    serde_json::from_slice(&output.stdout).expect("the device's process answers in JSON")
}

/// The child's side.
pub(super) fn play(arguments: &[String]) {
    let [job, url, file] = arguments else { panic!("a job, an address and a file are needed") };
    let file = PathBuf::from(file);
    let mut content = Content::of(now_ms().unsigned_abs());
    let began = Instant::now();
    let mut replica = Replica::open(&file).expect("the replica opens");
    let open_ms = ms_since(began);
    let mut http = Http::of(replica.identity(), url);
    let before = usage::of(std::process::id());
    let mut answer = match job.as_str() {
        "sync" => {
            let synced = sync(&mut replica, &mut http, &mut content);
            json!({"built_ms": synced.built_ms, "acked_ms": synced.acked_ms, "proven_ms": synced.proven_ms,
                "rows_ms": synced.rows_ms, "done_ms": synced.done_ms})
        }
        "idle" => idle(&mut replica, &mut http, &mut content),
        "local" => local(&mut replica, &mut content),
        "files" => super::files::send(&mut replica, &file),
        "check" => json!({"damaged": replica.check_store().expect("the store can be walked")}),
        other => panic!("no job is called {other}"),
    };
    let used = usage::of(std::process::id());
    let status = replica.status().expect("the replica can be read");
    answer["open_ms"] = json!(open_ms);
    answer["requests"] = json!(http.requests);
    answer["up"] = json!(http.up);
    answer["down"] = json!(http.down);
    answer["cpu_ms"] = json!(used.cpu_ms - before.cpu_ms);
    answer["peak_mb"] = json!(used.peak_mb);
    answer["pending"] = json!(status.pending_changes);
    answer["unprojected"] = json!(status.unprojected);
    serde_json::to_writer(std::io::stdout().lock(), &answer).expect("stdout takes the answer");
}

/// Exchanges with nothing to say.
fn idle(replica: &mut Replica, http: &mut Http, content: &mut Content) -> Json {
    sync(replica, http, content);
    (http.requests, http.up, http.down) = (0, 0, 0);
    let took: Vec<f64> = (0..REPEATS).map(|_| sync(replica, http, content).done_ms).collect();
    json!({"median_ms": median(took), "rounds": count(REPEATS)})
}

/// What a person waits for on a device that holds many records.
fn local(replica: &mut Replica, content: &mut Content) -> Json {
    let filter = Filter { limit: Some(50), ..Filter::default() };
    let timed = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        ms_since(began)
    };
    let first_list_ms = timed(&mut || drop(replica.list(&filter).expect("the list reads")));
    let list_ms = median(
        (0..REPEATS).map(|_| timed(&mut || drop(replica.list(&filter).expect("the list reads")))).collect(),
    );
    let search = |text: &str| {
        let first = timed(&mut || drop(replica.search(text, 50).expect("search reads")));
        let again =
            (0..REPEATS).map(|_| timed(&mut || drop(replica.search(text, 50).expect("search reads"))));
        (first, median(again.collect()))
    };
    let (long, short) = (search("灭火器压力"), search("园区"));
    let rows = replica.list(&filter).expect("the list reads");
    let mut answer = |document, number: usize| {
        let value = Some(Value::Text(["pass", "na"][number % 2].to_owned()));
        let note = Some(content.text(20));
        let moment = moment(content);
        let began = Instant::now();
        replica
            .answer(document, &record::item(number % 30), Answer { value, note, photos: Vec::new() }, &moment)
            .expect("the sheet takes an answer");
        ms_since(began)
    };
    let first_touch = median(rows.iter().take(REPEATS).map(|row| answer(row.document, 3)).collect());
    let sheet = rows.first().expect("there are records").document;
    let answer_ms = median((0..REPEATS).map(|number| answer(sheet, number)).collect());
    json!({"first_list_ms": first_list_ms, "list_ms": list_ms, "first_search_ms": long.0,
        "search_ms": long.1, "first_short_search_ms": short.0, "short_search_ms": short.1,
        "first_answer_ms": first_touch, "answer_ms": answer_ms})
}
