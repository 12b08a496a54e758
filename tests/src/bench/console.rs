//! W11: pages of the console over a branch's year of 100,000 entries, asked of a real server process: the
//! first time after it started, and again.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;
use ureq::Agent;
use xunyuan_core::definition::{embedded, sample_organisation};
use xunyuan_core::id::UserId;
use xunyuan_core::projection;
use xunyuan_server::hub::{Hub, HubOptions};

use super::reports::record;
use super::stage::ms_since;
use super::table::{Line, Table};
use super::usage;
use crate::records::{catalog, load, ms};

/// What a page of a list may take, milliseconds.
const MARK_LIST_MS: f64 = 50.0;
/// What the overview may take, milliseconds.
const MARK_OVERVIEW_MS: f64 = 100.0;
/// What charts may take that follow a page which is there already, milliseconds.
const MARK_CHARTS_MS: f64 = 200.0;
/// The time of the rehearsal: the year's last entries are of this month.
const CLOCK: &str = "2026-12-20T12:00:00+08:00";
/// The cookie of the branch's manager.
const TOKEN: &str = "bench";
/// How often a page is asked for again.
const AGAIN: usize = 20;

/// The pages, each with its mark.
const PAGES: [(&str, &str, f64); 8] = [
    ("overview", "/", MARK_OVERVIEW_MS),
    ("list", "/ledgers/led.front_desk", MARK_LIST_MS),
    ("list, filtered", "/ledgers/led.front_desk?project=pj.xiyuan&state=handled", MARK_LIST_MS),
    ("list, searched", "/ledgers/led.front_desk?q=QT-77", MARK_LIST_MS),
    ("list, sorted", "/ledgers/led.complaint?sort=number", MARK_LIST_MS),
    ("list, page 400", "/ledgers/led.front_desk?page=400", MARK_LIST_MS),
    ("findings' board", "/findings", MARK_LIST_MS),
    ("findings' charts", "/charts?of=led.finding", MARK_CHARTS_MS),
];

/// Measures every page, each first on a server that has just started.
pub(super) fn measure(table: &mut Table, entries: usize) {
    let dir = TempDir::new().expect("a directory");
    prepare(dir.path(), entries);
    for (name, path, mark) in PAGES {
        let desk = Desk::start(dir.path());
        let first_ms = desk.page(path);
        let before = usage::of(desk.server.id());
        let again_ms = (0..AGAIN).map(|_| desk.page(path)).fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a count of tens")]
        let cpu_ms = (usage::of(desk.server.id()).cpu_ms - before.cpu_ms) / AGAIN as f64;
        let line = Line::new(format!("W11 {name} of {entries} entries"))
            .with("first_ms", first_ms)
            .with("slowest_again_ms", again_ms)
            .with("cpu_ms", cpu_ms)
            .mark(first_ms <= mark, format!("{mark} ms, the first time"));
        table.add(line);
    }
}

/// A branch with the sample organisation, the rows of its records, and a session of its manager.
fn prepare(dir: &Path, entries: usize) {
    let now_ms = ms(CLOCK);
    let hub = Hub::open(dir, &HubOptions::new([7; 32])).expect("the branch opens");
    let mut definitions = embedded().to_vec();
    definitions.push(sample_organisation().clone());
    hub.publish(&definitions, now_ms).expect("the definitions are published");
    hub.begin_session(TOKEN, &UserId::new("u.gm01"), false, "bench", None, now_ms).expect("a session");
    drop(hub);
    let conn = Connection::open(dir.join("branch.sqlite3")).expect("the branch's file");
    let catalog = catalog();
    conn.execute_batch("BEGIN").expect("a transaction");
    for at in 0..entries {
        load(&conn, &catalog, &[record(at)]);
    }
    // What a branch does within seconds after rows came.
    while projection::index_some(&conn, 10_000).expect("texts are indexed") {}
    conn.execute_batch("COMMIT").expect("the rows are kept");
}

/// A server process and the browser that asks it.
struct Desk {
    server: Child,
    address: String,
    agent: Agent,
}

impl Desk {
    fn start(dir: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("the loopback has a free port")
            .port();
        let program = std::env::current_exe().expect("a program knows its path");
        let server = Command::new(program.with_file_name("xunyuan-server"))
            .arg("--data")
            .arg(dir)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .env("XUNYUAN_CLOCK", CLOCK)
            .env("XUNYUAN_SECOND_FACTOR", "optional")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let agent: Agent = Agent::config_builder().max_redirects(0).build().into();
        let desk = Self { server, address: format!("http://127.0.0.1:{port}"), agent };
        let began = Instant::now();
        while desk.agent.get(format!("{}/healthz", desk.address)).call().is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        desk
    }

    /// Milliseconds until a page is here whole.
    fn page(&self, path: &str) -> f64 {
        let began = Instant::now();
        let request = self.agent.get(format!("{}{path}", self.address));
        let reply = request.header("cookie", format!("xunyuan={TOKEN}")).call().expect("the page is there");
        assert_eq!(reply.status(), 200, "{path}");
        let page = reply.into_body().read_to_string().expect("the page is text");
        let ms = ms_since(began);
        assert!(page.contains("</html>"), "{path} is not whole");
        ms
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
