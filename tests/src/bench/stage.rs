//! A branch of the benchmark: its data directory, its people's devices, and the server process on a copy.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use xunyuan_core::definition::{Definition, embedded};
use xunyuan_core::id::{DefinitionRef, UserId};
use xunyuan_core::replica::{Enrollment, Replica};
use xunyuan_core::time::Moment;
use xunyuan_server::hub::{Hub, HubOptions};

use super::line::Delayed;
use super::record::{self, Content};
use super::usage::{self, Usage};

/// How long the server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long invitations last, milliseconds.
const INVITATION_MS: i64 = 3_600_000;

/// A branch that is being prepared: opened in this process, not serving.
pub(super) struct Stage {
    /// What varies.
    pub(super) content: Content,
    /// The checklist's version.
    pub(super) checklist: DefinitionRef,
    dir: TempDir,
    fast: TempDir,
    hub: Option<Hub>,
    port: u16,
}

impl Stage {
    /// A branch with an organisation of its own.
    pub(super) fn new(organisation: Definition) -> Self {
        let dir = TempDir::new().expect("a folder on disk can be made");
        let memory = Path::new("/dev/shm");
        let fast = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let mut content = Content::of(7);
        let hub = open(&dir.path().join("branch"), &mut content);
        let checklist = record::checklist();
        let reference = checklist.reference.clone();
        let mut definitions = embedded().to_vec();
        definitions.extend([checklist, organisation]);
        hub.publish(&definitions, now_ms()).expect("the definitions are published");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("the loopback has a free port")
            .port();
        Self {
            content,
            checklist: reference,
            dir,
            fast: fast.expect("a folder in memory can be made"),
            hub: Some(hub),
            port,
        }
    }

    /// The branch, while it does not serve.
    pub(super) fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("the branch is open while it is prepared")
    }

    /// Enrols a device; its file is in memory until [`Stage::to_disk`].
    pub(super) fn enroll(&mut self, user: &str, file: &str) -> (Replica, PathBuf) {
        let (path, port) = (self.fast.path().join(file), self.port);
        self.enroll_at(user, path, port)
    }

    /// The port that its servers will listen on.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Enrols a device that reaches the branch at a port of the loopback, with its file in a place.
    pub(super) fn enroll_at(&mut self, user: &str, path: PathBuf, port: u16) -> (Replica, PathBuf) {
        let entropy = self.content.bytes();
        let hub = self.hub();
        let invitation =
            hub.invite(&UserId::new(user), INVITATION_MS, now_ms(), entropy).expect("the branch invites");
        let link = format!("xunyuan://enroll?server=http://127.0.0.1:{port}&code={}", invitation.secret);
        let moment = moment(&mut self.content);
        let enrollment = Enrollment::prepare(&link, "bench/1", &moment).expect("the link is well formed");
        let entropy = self.content.bytes();
        let reply =
            self.hub().enroll(&enrollment.request, now_ms(), entropy).expect("the invitation is fresh");
        let replica = Replica::create(&path, &enrollment, &reply).expect("a new file becomes a replica");
        (replica, path)
    }

    /// Moves a closed replica file to the real disk, flushed.
    pub(super) fn to_disk(&self, file: &Path) -> PathBuf {
        let place = self.copy(file, &file.file_name().expect("a replica file has a name").to_string_lossy());
        fs::remove_file(file).expect("the file in memory can be removed");
        place
    }

    /// A flushed copy of a closed replica file on the real disk.
    pub(super) fn copy(&self, file: &Path, name: &str) -> PathBuf {
        let place = self.dir.path().join(name);
        fs::copy(file, &place).expect("the replica file can be copied");
        let opened = fs::File::open(&place).expect("the copy can be opened");
        opened.sync_all().expect("the copy is flushed");
        place
    }

    /// A copy of the branch as it is now, for a server of its own.
    pub(super) fn snapshot(&mut self, name: &str) -> Snapshot {
        drop(self.hub.take());
        let (from, to) = (self.dir.path().join("branch"), self.dir.path().join(name));
        fs::create_dir(&to).expect("a folder for the copy can be made");
        for file in fs::read_dir(&from).expect("the branch's folder can be read").flatten() {
            fs::copy(file.path(), to.join(file.file_name())).expect("the branch can be copied");
        }
        self.hub = Some(open(&from, &mut self.content));
        Snapshot { branch: to, port: self.port }
    }

    /// The folder on the real disk.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

fn open(branch: &Path, content: &mut Content) -> Hub {
    Hub::open(branch, &HubOptions::new(content.bytes())).expect("the branch opens")
}

/// A prepared data directory that nothing serves yet.
pub(super) struct Snapshot {
    branch: PathBuf,
    port: u16,
}

impl Snapshot {
    /// Starts a server process on it. With `delay` devices reach it through a proxy that holds every byte
    /// back for so long in each direction.
    pub(super) fn serve(self, delay: Option<Duration>) -> Served {
        let Self { branch, port } = self;
        let program = std::env::current_exe().expect("a program knows its path");
        let program = program.with_file_name("xunyuan-server");
        let child = Command::new(program)
            .arg("--data")
            .arg(&branch)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let delayed = delay.map(|delay| Delayed::start(port, delay));
        let seen = delayed.as_ref().map_or(port, |delayed| delayed.port);
        let served = Served { child, branch, port, url: format!("http://127.0.0.1:{seen}"), delayed };
        let began = Instant::now();
        while ureq::get(format!("http://127.0.0.1:{port}/healthz")).call().is_err() {
            assert!(began.elapsed() < START_PATIENCE, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        served
    }
}

/// A running server process; it ends with this.
pub(super) struct Served {
    child: Child,
    branch: PathBuf,
    port: u16,
    url: String,
    delayed: Option<Delayed>,
}

impl Served {
    /// Where devices reach the server.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// True where devices reach it without a slow line.
    pub(super) const fn is_near(&self) -> bool {
        self.delayed.is_none()
    }

    /// Begins a measurement: what the server used and counted so far; its peak starts again.
    pub(super) fn begin(&self) -> Counted {
        usage::forget_peak(self.child.id());
        self.counted()
    }

    /// What it used and counted since `before`.
    pub(super) fn since(&self, before: &Counted) -> Counted {
        let now = self.counted();
        Counted {
            usage: Usage { cpu_ms: now.usage.cpu_ms - before.usage.cpu_ms, ..now.usage },
            commits: now.commits - before.commits,
            fsyncs: now.fsyncs - before.fsyncs,
            ..now
        }
    }

    fn counted(&self) -> Counted {
        let text = ureq::get(format!("http://127.0.0.1:{}/metrics", self.port))
            .call()
            .ok()
            .and_then(|reply| reply.into_body().read_to_string().ok())
            .unwrap_or_default();
        let value = |name: &str| {
            let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            values.next().unwrap_or(f64::NAN)
        };
        Counted {
            usage: usage::of(self.child.id()),
            commits: value("xunyuan_branch_commits "),
            fsyncs: value("xunyuan_branch_fsyncs "),
            documents: value("xunyuan_branch_documents_in_memory "),
            disk_mb: usage::disk_mb(&self.branch),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Branches of many records are large, and none is served twice.
        let _ = fs::remove_dir_all(&self.branch);
    }
}

/// What a server used and counted.
pub(super) struct Counted {
    /// CPU time and peak memory.
    pub(super) usage: Usage,
    /// Transactions that wrote.
    pub(super) commits: f64,
    /// Times it waited for the disk.
    pub(super) fsyncs: f64,
    /// Documents that it holds in memory.
    pub(super) documents: f64,
    /// Its files.
    pub(super) disk_mb: f64,
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
