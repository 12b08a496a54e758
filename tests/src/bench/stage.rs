//! A branch of the benchmark: its data directory, its server process, its people's devices.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use xunyuan_core::definition::{Definition, embedded};
use xunyuan_core::id::{DefinitionRef, ScopeId, UserId};
use xunyuan_core::replica::{Enrollment, Replica};
use xunyuan_core::store::identity::Identity;
use xunyuan_core::time::Moment;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::key::Key;
use xunyuan_core::wire::log::grants_tag;
use xunyuan_core::wire::message::{Health, PROTOCOL, PushedRun, Reply, Request, Run, Verdict};
use xunyuan_core::wire::run::{pack, signing_bytes};
use xunyuan_server::hub::{Hub, HubOptions};

use super::device::Http;
use super::line::Delayed;
use super::record::{self, Content, Written};
use super::usage::{self, Usage};

/// How long the server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long invitations last, milliseconds.
const INVITATION_MS: i64 = 3_600_000;
/// Records that a seeder pushes in one request.
const PUSH_RECORDS: usize = 150;

/// A branch; its server process ends with it.
pub(super) struct Stage {
    /// What varies.
    pub(super) content: Content,
    /// The checklist's version.
    pub(super) checklist: DefinitionRef,
    dir: TempDir,
    fast: TempDir,
    hub: Option<Hub>,
    port: u16,
    url: String,
    server: Option<Child>,
    _delayed: Option<Delayed>,
}

impl Stage {
    /// A branch with an organisation of its own, not serving yet. With `delay` devices reach it through
    /// a proxy that holds every byte back for so long in each direction.
    pub(super) fn new(organisation: Definition, delay: Option<Duration>) -> Self {
        let dir = TempDir::new().expect("a folder on disk can be made");
        let memory = Path::new("/dev/shm");
        let fast = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let mut content = Content::of(7);
        let hub = Hub::open(&dir.path().join("branch"), &HubOptions::new(content.bytes()))
            .expect("a fresh branch opens");
        let checklist = record::checklist();
        let reference = checklist.reference.clone();
        let mut definitions = embedded().to_vec();
        definitions.extend([checklist, organisation]);
        hub.publish(&definitions, now_ms()).expect("the definitions are published");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("the loopback has a free port")
            .port();
        let delayed = delay.map(|delay| Delayed::start(port, delay));
        let seen = delayed.as_ref().map_or(port, |delayed| delayed.port);
        Self {
            content,
            checklist: reference,
            dir,
            fast: fast.expect("a folder in memory can be made"),
            hub: Some(hub),
            port,
            url: format!("http://127.0.0.1:{seen}"),
            server: None,
            _delayed: delayed,
        }
    }

    /// Enrols a device; its file is in memory until [`Stage::to_disk`].
    pub(super) fn enroll(&mut self, user: &str, file: &str) -> (Replica, PathBuf) {
        let hub = self.hub.as_ref().expect("devices are enrolled before the server starts");
        let path = self.fast.path().join(file);
        let invitation = hub
            .invite(&UserId::new(user), INVITATION_MS, now_ms(), self.content.bytes())
            .expect("the branch invites its people");
        let link = format!("xunyuan://enroll?server={}&code={}", self.url, invitation.secret);
        let moment = moment(&mut self.content);
        let enrollment = Enrollment::prepare(&link, "bench/1", &moment).expect("the link is well formed");
        let reply =
            hub.enroll(&enrollment.request, now_ms(), self.content.bytes()).expect("the invitation is fresh");
        let replica = Replica::create(&path, &enrollment, &reply).expect("a new file becomes a replica");
        (replica, path)
    }

    /// Moves a closed replica file to the real disk, flushed.
    pub(super) fn to_disk(&self, file: &Path) -> PathBuf {
        let name = file.file_name().expect("a replica file has a name");
        let place = self.dir.path().join(name);
        std::fs::copy(file, &place).expect("the replica file can be copied");
        let opened = std::fs::File::open(&place).expect("the copy can be opened");
        opened.sync_all().expect("the copy is flushed");
        std::fs::remove_file(file).expect("the file in memory can be removed");
        place
    }

    /// A copy of a replica file on the real disk.
    pub(super) fn copy(&self, file: &Path, name: &str) -> PathBuf {
        let place = self.dir.path().join(name);
        std::fs::copy(file, &place).expect("the replica file can be copied");
        place
    }

    /// Starts the server process and waits until it answers.
    pub(super) fn serve(&mut self) {
        drop(self.hub.take());
        let program = std::env::current_exe().expect("a program knows its path");
        let program = program.with_file_name("xunyuan-server");
        let child = Command::new(program)
            .arg("--data")
            .arg(self.branch())
            .args(["serve", "--listen", &format!("127.0.0.1:{}", self.port)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        self.server = Some(child);
        let began = Instant::now();
        while ureq::get(format!("http://127.0.0.1:{}/healthz", self.port)).call().is_err() {
            assert!(began.elapsed() < START_PATIENCE, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where devices reach the server.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The folder on the real disk.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The branch's data directory.
    pub(super) fn branch(&self) -> PathBuf {
        self.dir.path().join("branch")
    }

    /// The server's process id.
    pub(super) fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server serves").id()
    }

    /// What the server used so far.
    pub(super) fn used(&self) -> Usage {
        usage::of(self.pid())
    }

    /// Commits of the server so far, each with one fsync.
    pub(super) fn commits(&self) -> f64 {
        let text = ureq::get(format!("http://127.0.0.1:{}/metrics", self.port))
            .call()
            .ok()
            .and_then(|reply| reply.into_body().read_to_string().ok())
            .unwrap_or_default();
        let value =
            |line: &str| line.strip_prefix("xunyuan_branch_commits")?.split_whitespace().last()?.parse().ok();
        text.lines().filter_map(value).next().unwrap_or(f64::NAN)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A device that fills the branch without a replica: it speaks the exchange and nothing else.
pub(super) struct Seeder {
    key: Key,
    identity: Identity,
    http: Http,
    definition: DefinitionRef,
    project: String,
}

impl Seeder {
    /// Takes over what a freshly enrolled replica is.
    pub(super) fn of(replica: Replica, definition: &DefinitionRef, project: &str) -> Self {
        let identity = replica.identity().clone();
        Self {
            key: Key::from_seed(&identity.seed),
            http: Http::of(&identity),
            identity,
            definition: definition.clone(),
            project: project.to_owned(),
        }
    }

    /// Writes a record.
    pub(super) fn write(&self, content: &mut Content) -> Written {
        record::write(content, &self.definition, &self.project, &self.identity.user, now_ms())
    }

    /// The person it writes for.
    pub(super) const fn user(&self) -> &UserId {
        &self.identity.user
    }

    /// Pushes the changes of records from each one's `from` on.
    pub(super) fn push(&mut self, records: &[Written], from: usize) {
        for part in records.chunks(PUSH_RECORDS) {
            let push: Vec<PushedRun> = part.iter().map(|written| self.run(written, from)).collect();
            let request = Request {
                protocol: PROTOCOL,
                app: "bench/1".to_owned(),
                schema: 2,
                device_time_ms: now_ms(),
                max_bytes: 1,
                grants_tag: grants_tag(&[]),
                scopes: Vec::new(),
                definitions: vec![self.definition.clone()],
                push,
                health: Health::default(),
                keep_after_ms: None,
                wanted: Vec::new(),
                repairs: None,
            };
            let reply = self.http.post(&frame::encode(&request)).expect("the branch answers");
            let reply: Reply = frame::decode(&reply, 1 << 24).expect("the reply is one");
            for verdict in &reply.verdicts {
                assert!(matches!(verdict, Verdict::Accepted { .. }), "not accepted: {verdict:?}");
            }
        }
    }

    fn run(&self, written: &Written, from: usize) -> PushedRun {
        let changes: Vec<&[u8]> = written.changes[from..].iter().map(|change| &change.bytes[..]).collect();
        let last_hash = written.changes.last().expect("a record has changes").hash;
        let scope = ScopeId::of(&self.project, "patrol");
        let document = written.document.id();
        let signed = signing_bytes(&scope, &document, &written.actor, &self.identity.user, &last_hash);
        PushedRun {
            scope,
            document,
            run: Run {
                definition: 0,
                actor: written.actor,
                changes: pack(&changes).expect("consecutive changes of one actor"),
                last_hash,
                signature: self.key.sign(&signed),
            },
            author: None,
        }
    }
}

/// Builds the server's program, so that the one measured is the one in the sources.
pub(super) fn build_server() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "xunyuan-server", "--bin", "xunyuan-server"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(command.status().is_ok_and(|status| status.success()), "the server's program cannot be built");
}

/// Now, with fresh random bytes.
pub(super) fn moment(content: &mut Content) -> Moment {
    Moment { unix_ms: now_ms(), utc_offset_min: 480, entropy: content.bytes() }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    i64::try_from(since.as_millis()).expect("the year is before 292 million")
}

/// Milliseconds since `began`.
pub(super) fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
