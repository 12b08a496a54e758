//! The product's programs as real processes: the branch server and the terminal.
//!
//! The programs are built before the tests run (`tests/run` does, or `cargo build --workspace`); they
//! are looked up beside the test binary.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;
use ureq::Agent;
use ureq::tls::TlsConfig;

/// How long a server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// The program of this name beside the test binary.
///
/// # Panics
/// When it was not built, or before its sources last changed, with what to do about it.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program knows its path");
    let profile = test.ancestors().nth(2).expect("a test binary lies in <target>/<profile>/deps");
    let path = profile.join(name);
    assert!(
        path.exists(),
        "{} is missing: build the programs first (`cargo build --workspace`, or use tests/run)",
        path.display()
    );
    let built = modified(&path).expect("a program has a time");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for sources in ["core/src", "core/data", "sync-server/src", "bindings/src", "bindings/cli/src"] {
        let newest = newest(&repository.join(sources));
        assert!(
            newest.is_none_or(|newest| newest <= built),
            "{} is older than {sources}: build the programs again (`cargo build --workspace`, or use tests/run)",
            path.display()
        );
    }
    path
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// When the newest file of a folder was written.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.filter_map(|path| if path.is_dir() { newest(&path) } else { modified(&path) }).max()
}

/// What a command of the terminal or of the server left behind.
#[derive(Debug)]
pub struct Done {
    /// The exit status; `None` after a signal.
    pub code: Option<i32>,
    /// The JSON object on stdout; `Null` where there was none.
    pub json: Json,
    /// Stdout as text.
    pub out: String,
    /// Stderr as text.
    pub err: String,
}

impl Done {
    fn of(output: &Output) -> Self {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        Self {
            code: output.status.code(),
            json: serde_json::from_str(&out).unwrap_or(Json::Null),
            out,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// This, when the command did what it was asked.
    ///
    /// # Panics
    /// When it did not, with what it said.
    #[must_use]
    pub fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

/// Runs the terminal on one replica file and waits for its end.
///
/// # Panics
/// When the program cannot be started.
#[must_use]
pub fn xunyuan(replica: &Path, arguments: &[&str]) -> Done {
    Done::of(&terminal(replica, arguments).output().expect("the terminal starts"))
}

/// The terminal on one replica file, ready to start.
#[must_use]
pub fn terminal(replica: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("xunyuan"));
    command.args(["--json", "--lang", "en", "--replica"]).arg(replica).args(arguments);
    command.env_remove("XUNYUAN_CLOCK").stdin(Stdio::null());
    command
}

/// Starts a free patrol on a device, with options of the terminal, and returns its document id.
///
/// # Panics
/// When the patrol is not started.
#[must_use]
pub fn patrol(replica: &Path, options: &[&str]) -> String {
    let free = ["start", "--checklist", "tpl.park_patrol", "--project", "pj.lanyuan"];
    let started = xunyuan(replica, &[options, &free].concat()).good();
    started.json["document"].as_str().expect("a patrol has an id").to_owned()
}

/// A device that watches for news of the branch in a process of its own; killed when dropped.
#[derive(Debug)]
pub struct Watching {
    child: Child,
    replica: PathBuf,
}

impl Watching {
    /// Starts watching, and waits until pokes are listened for.
    ///
    /// # Panics
    /// When the terminal cannot be started.
    #[must_use]
    pub fn on(replica: &Path) -> Self {
        let mut command = terminal(replica, &["sync", "--watch", "--every", "600"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the terminal starts");
        std::thread::sleep(Duration::from_millis(1_500));
        Self { child, replica: replica.to_owned() }
    }

    /// Waits until a document has come.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn until_listed(&self, document: &str) {
        let began = Instant::now();
        loop {
            // The watcher may hold the file; it lets go between two exchanges.
            let list = xunyuan(&self.replica, &["list"]);
            if list.code == Some(0) && list.out.contains(document) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "the poke did not come through: {}", list.out);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A branch server in a process of its own, on a free port of the loopback; killed when dropped.
#[derive(Debug)]
pub struct Branch {
    child: Child,
    dir: PathBuf,
    address: String,
    settings: Settings,
}

/// Variables of the environment that a server is started with.
pub type Settings = Vec<(&'static str, String)>;

impl Branch {
    /// Makes a data directory with the embedded definitions and the sample organisation, and starts a
    /// server on it.
    ///
    /// # Panics
    /// When the server does not answer in time.
    #[must_use]
    pub fn founded(dir: &Path) -> Self {
        Self::founded_with(dir, Settings::new())
    }

    /// As [`Branch::founded`], with settings of its own.
    ///
    /// # Panics
    /// When the server does not answer in time.
    #[must_use]
    pub fn founded_with(dir: &Path, settings: Settings) -> Self {
        let organisation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/data/sample-org.json");
        std::fs::create_dir_all(dir).expect("the data directory can be made");
        server(dir, "127.0.0.1:0", &settings, &["org", "load"]).good_with(organisation.as_os_str());
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("the loopback has a free port")
            .port();
        Self::start(dir, &format!("127.0.0.1:{port}"), settings)
    }

    fn start(dir: &Path, address: &str, settings: Settings) -> Self {
        let child = server(dir, address, &settings, &["serve"])
            .0
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let branch = Self { child, dir: dir.to_owned(), address: address.to_owned(), settings };
        let tls = TlsConfig::builder().disable_verification(true).build();
        let anyone: Agent = Agent::config_builder().tls_config(tls).build().into();
        let began = Instant::now();
        while anyone.get(format!("{}/healthz", branch.url())).call().is_err() {
            assert!(began.elapsed() < START_PATIENCE, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        branch
    }

    /// Where it answers, e.g. `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        let has_tls = self.settings.iter().any(|(name, value)| {
            *name == "XUNYUAN_TLS_CERTIFICATE" || (*name == "XUNYUAN_PLAIN_HTTP" && value == "never")
        });
        format!("{}://{}", if has_tls { "https" } else { "http" }, self.address)
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The port of the loopback that it listens on.
    ///
    /// # Panics
    /// Never: it was started with one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("an address has a port")
    }

    /// Its data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Kills the process at once, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after it was killed, at the same address.
    ///
    /// # Panics
    /// When it does not answer in time.
    pub fn restart(&mut self) {
        self.kill();
        self.move_to(&self.dir.clone());
    }

    /// Has the process killed and the server of another data directory answer at its address.
    ///
    /// # Panics
    /// When it does not answer in time.
    pub fn move_to(&mut self, dir: &Path) {
        self.kill();
        *self = Self::start(dir, &self.address.clone(), self.settings.clone());
    }

    /// Runs a command of the server beside it, on the same data directory.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Done {
        server(&self.dir, &self.address, &self.settings, arguments).done()
    }

    /// A fresh invitation link for a person.
    ///
    /// # Panics
    /// When the branch does not invite them.
    #[must_use]
    pub fn invite(&self, user: &str) -> String {
        let invited = self.command(&["invite", "--user", user]).good();
        invited.json["link"].as_str().expect("an invitation has a link").to_owned()
    }

    /// Enrols a device of a person that reaches the branch at another address, and returns its replica file.
    ///
    /// # Panics
    /// When the enrolment fails.
    #[must_use]
    pub fn enroll_at(&self, user: &str, dir: &Path, url: &str) -> PathBuf {
        let path = dir.join(format!("{user}.xunyuan"));
        let invited = self.command(&["invite", "--user", user, "--server", url]).good();
        let link = invited.json["link"].as_str().expect("an invitation has a link").to_owned();
        let _ = xunyuan(&path, &["enroll", &link]).good();
        path
    }

    /// Enrols a device of a person and returns its replica file.
    ///
    /// # Panics
    /// When the enrolment fails.
    #[must_use]
    pub fn enroll(&self, user: &str, dir: &Path) -> PathBuf {
        let path = dir.join(format!("{user}.xunyuan"));
        let _ = xunyuan(&path, &["enroll", &self.invite(user)]).good();
        path
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command of the server, ready to run.
struct Server(Command);

impl Server {
    fn done(mut self) -> Done {
        Done::of(&self.0.output().expect("the server's command starts"))
    }

    fn good_with(mut self, argument: &OsStr) {
        self.0.arg(argument);
        let _ = self.done().good();
    }
}

fn server(dir: &Path, address: &str, settings: &Settings, arguments: &[&str]) -> Server {
    let mut command = Command::new(program("xunyuan-server"));
    command.args(["--json", "--lang", "en", "--data"]).arg(dir).args(arguments);
    command.env_remove("XUNYUAN_CLOCK").env("XUNYUAN_LISTEN", address).stdin(Stdio::null());
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    Server(command)
}
