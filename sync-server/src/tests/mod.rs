//! The server's routes over a real socket: statuses, problem bodies, the poke stream, overload, stop.

use crate::app::{App, Console};
use crate::clock::Clock;
use crate::config::{Config, LimitConfig, PlainHttp, SecondFactorPolicy};
use crate::door::{Door, Shown};
use crate::hub::{Hub, HubOptions};
use crate::serve;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use ureq::http::Response;
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};
use xunyuan_core::definition::{embedded, sample_organisation};
use xunyuan_core::error::Error;
use xunyuan_core::id::{ScopeId, UserId};
use xunyuan_core::wire::frame;
use xunyuan_core::wire::key::{Key, enroll_bytes};
use xunyuan_core::wire::message::{Directive, Health, PROTOCOL, Reply, Request, ScopeRequest};

mod console;
mod door;
mod programs;

const NOW_MS: i64 = 1_795_395_600_000;
const PERSON: &str = "u.fd01";

/// A running server on a port of its own, over a directory of its own.
struct Server {
    runtime: Runtime,
    address: SocketAddr,
    hub: Hub,
    app: App,
    agent: Agent,
    scheme: &'static str,
    dir: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: Option<tokio::task::JoinHandle<Result<(), Error>>>,
}

impl Server {
    fn start() -> Self {
        Self::limited(LimitConfig { stop_grace_s: 5, ..LimitConfig::default() })
    }

    fn limited(limits: LimitConfig) -> Self {
        Self::with(limits, SecondFactorPolicy::Branch, |_| None)
    }

    /// A server that shows the certificate that it makes for itself.
    fn secured(limits: LimitConfig) -> Self {
        Self::with(limits, SecondFactorPolicy::Branch, |dir| {
            let mut config = Config::default();
            (config.data.dir, config.listen.plain_http) = (dir.to_owned(), PlainHttp::Never);
            Shown::of(&config).unwrap()
        })
    }

    fn with(
        limits: LimitConfig,
        second_factor: SecondFactorPolicy,
        shown: impl FnOnce(&Path) -> Option<Arc<Shown>>,
    ) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("xunyuan-http-{}-{count}", std::process::id()));
        let hub = Hub::open(&dir, &HubOptions::new([7; 32])).unwrap();
        let mut definitions = embedded().to_vec();
        definitions.push(sample_organisation().clone());
        hub.publish(&definitions, NOW_MS).unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shown = shown(&dir);
        let scheme = if shown.is_some() { "https" } else { "http" };
        let (url, secure) = (format!("{scheme}://{address}"), shown.is_some());
        let console = Console { url, secure, second_factor, names_key: true };
        let (mut app, switch) = App::new(hub.clone(), Clock::set_to(NOW_MS), limits, console);
        app.shown = shown;
        let door = Door::new(listener, app.shown.as_ref(), &app.limits, &app.metrics).unwrap();
        let (stop, told) = oneshot::channel::<()>();
        let until = async move {
            let _ = told.await;
        };
        let task = runtime.spawn(serve::serve(door, app.clone(), switch, until));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .tls_config(TlsConfig::builder().disable_verification(true).build())
            .build()
            .into();
        Self { runtime, address, hub, app, agent, scheme, dir, stop: Some(stop), task: Some(task) }
    }

    fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    fn get(&self, path: &str) -> Response<Body> {
        self.agent.get(self.url(path)).call().unwrap()
    }

    /// Enrols a device and gives its token.
    fn enrol(&self, seed: u8) -> String {
        let invitation = self.hub.invite(&UserId::new(PERSON), 3_600_000, NOW_MS, [seed; 32]).unwrap().secret;
        let (status, reply) = self.enroll(&request(&invitation, seed));
        assert_eq!(status, 200, "{reply}");
        reply["token"].as_str().unwrap().to_owned()
    }

    fn enroll(&self, body: &Value) -> (u16, Value) {
        let sent = self.agent.post(self.url("/v1/enroll")).content_type("application/json");
        read_json(sent.send(body.to_string()).unwrap())
    }

    fn exchange(&self, token: &str, body: &[u8]) -> Response<Body> {
        self.agent
            .post(self.url("/v1/exchange"))
            .header("Authorization", format!("Bearer {token}"))
            .content_type("application/cbor")
            .send(body)
            .unwrap()
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            self.runtime.block_on(task).unwrap().unwrap();
        }
        self.hub.close().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn request(invitation: &str, seed: u8) -> Value {
    let key = Key::from_seed(&[seed; 32]);
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    json!({
        "invitation": invitation,
        "public_key": hex(&key.public()),
        "proof": hex(&key.sign(&enroll_bytes(invitation))),
        "app": "test/1",
    })
}

fn idle(protocol: u16) -> Request {
    let at = |scope: &str| ScopeRequest {
        scope: ScopeId::new(scope),
        epoch: 0,
        cursor: 0,
        chain: [0; 32],
        full: false,
        held: None,
    };
    Request {
        protocol,
        app: "test/1".to_owned(),
        schema: 1,
        device_time_ms: NOW_MS,
        max_bytes: 1 << 20,
        grants_tag: [0; 8],
        scopes: vec![at("br.hz/definitions"), at("pj.lanyuan/discipline")],
        definitions: Vec::new(),
        push: Vec::new(),
        health: Health::default(),
        keep_after_ms: None,
        wanted: Vec::new(),
        repairs: None,
    }
}

fn read_json(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    (status, serde_json::from_str(&body.read_to_string().unwrap()).unwrap())
}

/// Checks the shape that every error has and gives its code.
fn code_of(response: Response<Body>) -> (u16, String) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (status, body) = read_json(response);
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], id);
    assert!(!id.is_empty());
    for key in ["type", "title", "zh", "en"] {
        assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {body}");
    }
    (status, body["code"].as_str().unwrap().to_owned())
}

fn refused(response: Response<Body>, status: u16, code: &str) {
    assert_eq!(code_of(response), (status, code.to_owned()));
}

#[test]
fn the_service_routes_answer() {
    let server = Server::start();
    assert_eq!(read_json(server.get("/healthz")).1["status"], "ok");
    assert_eq!(read_json(server.get("/v1/openapi.json")).1["openapi"], "3.1.0");
    let text = server.get("/metrics").into_body().read_to_string().unwrap();
    assert!(text.contains("xunyuan_http_answers_total{route=\"/healthz\",status=\"200\"} 1"), "{text}");
    assert!(text.contains("xunyuan_branch_records"), "{text}");
}

#[test]
fn unknown_routes_and_methods_are_problems_too() {
    let server = Server::start();
    refused(server.get("/nowhere"), 404, "no_route");
    refused(server.get("/v1/exchange"), 405, "wrong_method");
    let asked = server.agent.get(server.url("/x")).header("x-request-id", "mine-1").call().unwrap();
    assert_eq!(asked.headers()["x-request-id"], "mine-1");
}

#[test]
fn an_invitation_becomes_a_device_once() {
    let server = Server::start();
    let secret = server.hub.invite(&UserId::new(PERSON), 1_000, NOW_MS, [1; 32]).unwrap().secret;
    let (status, reply) = server.enroll(&request(&secret, 1));
    assert_eq!((status, reply["user"].as_str()), (200, Some(PERSON)));
    assert!(reply["grants"].as_array().unwrap().iter().any(|scope| scope == "pj.lanyuan/desk"));
    let (status, problem) = server.enroll(&request(&secret, 2));
    assert_eq!((status, problem["code"].as_str()), (403, Some("invitation_used")));
    let (status, problem) = server.enroll(&request("unknown", 3));
    assert_eq!(status, 403, "{problem}");
    let post = |kind: &str, body: Vec<u8>| {
        server.agent.post(server.url("/v1/enroll")).content_type(kind).send(&body[..]).unwrap()
    };
    refused(post("application/json", b"{\"invitation\":".to_vec()), 400, "malformed");
    refused(post("application/json", b"{\"surprise\":1}".to_vec()), 400, "malformed");
    refused(post("text/plain", b"hello".to_vec()), 415, "media_type");
    refused(post("application/json", vec![b' '; 20_000]), 413, "body_too_large");
}

#[test]
fn an_exchange_brings_what_is_granted_and_nothing_else() {
    let server = Server::start();
    let token = server.enrol(1);
    let response = server.exchange(&token, &frame::encode(&idle(PROTOCOL)));
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "application/cbor");
    let body = response.into_body().read_to_vec().unwrap();
    let reply: Reply = frame::decode(&body, 64 << 20).unwrap();
    assert!((NOW_MS..NOW_MS + 60_000).contains(&reply.server_time_ms));
    let scopes: Vec<&str> = reply.scopes.iter().map(|scope| scope.scope.as_str()).collect();
    assert_eq!(scopes, ["br.hz/definitions"]);
    assert!(!reply.scopes[0].records.is_empty());
}

#[test]
fn a_bad_exchange_is_refused_with_its_reason() {
    let server = Server::start();
    let token = server.enrol(1);
    refused(server.exchange("guess", b""), 401, "unknown_token");
    refused(server.agent.post(server.url("/v1/exchange")).send_empty().unwrap(), 401, "unknown_token");
    refused(server.exchange(&token, b"not cbor at all"), 400, "malformed");
    let whole = frame::encode(&idle(PROTOCOL));
    refused(server.exchange(&token, &whole[..whole.len() / 2]), 400, "malformed");
    let (status, body) = read_json(server.exchange(&token, &frame::encode(&idle(99))));
    assert_eq!((status, body["code"].as_str()), (426, Some("unsupported_version")));
    assert_eq!(body["supported"]["newest"], PROTOCOL);
    refused(server.exchange(&token, &vec![0; 5 << 20]), 413, "body_too_large");
    let mut bomb = idle(PROTOCOL);
    bomb.app = "a".repeat(8 << 20);
    let bomb = frame::encode(&bomb);
    assert!(bomb.len() < 100_000);
    refused(server.exchange(&token, &bomb), 413, "body_too_large");
    let sent =
        server.agent.post(server.url("/v1/exchange")).header("Authorization", format!("Bearer {token}"));
    refused(sent.content_type("application/json").send("{}").unwrap(), 415, "media_type");
}

#[test]
fn a_revoked_device_is_told_to_erase_what_it_holds() {
    let server = Server::start();
    let token = server.enrol(1);
    let device = server.hub.devices().unwrap()[0].id;
    server.hub.revoke(device, NOW_MS).unwrap();
    let response = server.exchange(&token, &frame::encode(&idle(PROTOCOL)));
    assert_eq!(response.status().as_u16(), 200);
    let reply: Reply = frame::decode(&response.into_body().read_to_vec().unwrap(), 1 << 20).unwrap();
    assert!(matches!(reply.directives[..], [Directive::Wipe { .. }]));
    assert!(reply.scopes.is_empty());
    let pokes = server.agent.get(server.url("/v1/pokes")).header("Authorization", format!("Bearer {token}"));
    refused(pokes.call().unwrap(), 403, "device_revoked");
}

#[test]
fn pokes_tell_of_granted_scopes_only() {
    let mut server = Server::start();
    let token = server.enrol(1);
    let asked = server.agent.get(server.url("/v1/pokes")).header("Authorization", format!("Bearer {token}"));
    let response = asked.call().unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    let mut organisation: Value = serde_json::from_slice(&sample_organisation().json).unwrap();
    organisation["note_zh"] = json!("第二版");
    let published = server.hub.load_organisation(organisation.to_string().as_bytes(), NOW_MS).unwrap();
    let mut line = || lines.next().unwrap().unwrap();
    assert_eq!(line(), "event: poke");
    let data: Value = serde_json::from_str(line().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data, json!({"scope": "br.hz/definitions", "seq": published.seq}));
    assert_eq!(line(), "");
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(4), "an open stream must not hold up the end");
    assert!(lines.all(|line| line.is_ok_and(|line| line.is_empty())));
}

#[test]
fn who_finds_no_slot_is_sent_away_for_a_moment() {
    let limits = LimitConfig { exchanges_max: 1, exchange_wait_ms: 50, ..LimitConfig::default() };
    let server = Server::limited(limits);
    let token = server.enrol(1);
    let app = server.app.clone();
    let (free, held) = std::sync::mpsc::channel::<()>();
    let busy = server.runtime.spawn(async move {
        app.call(move |_, _| held.recv()).await.map(|_| ()).map_err(|problem| problem.code().to_owned())
    });
    std::thread::sleep(Duration::from_millis(100));
    let response = server.exchange(&token, &frame::encode(&idle(PROTOCOL)));
    let pause: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=8).contains(&pause));
    refused(response, 503, "busy");
    free.send(()).unwrap();
    server.runtime.block_on(busy).unwrap().unwrap();
    assert_eq!(server.exchange(&token, &frame::encode(&idle(PROTOCOL))).status().as_u16(), 200);
}

#[test]
fn a_stopping_server_finishes_what_runs() {
    let mut server = Server::start();
    let app = server.app.clone();
    let running = server.runtime.spawn(async move {
        let slow = |_: &Hub, _: i64| {
            std::thread::sleep(Duration::from_millis(400));
            true
        };
        app.call(slow).await.unwrap_or(false)
    });
    std::thread::sleep(Duration::from_millis(100));
    server.stop();
    assert!(server.runtime.block_on(running).unwrap());
    assert!(server.agent.get(server.url("/healthz")).call().is_err());
}
