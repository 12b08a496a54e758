//! The server's program as a real process: one server per directory, commands beside it, a clean stop,
//! and the demonstration.

// SQLite is linked by the core.
use xunyuan_core as _;

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty directory, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("xunyuan-process-{}-{count}", std::process::id())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xunyuan-server"));
    command.args(["--json", "--lang", "en", "--data"]).arg(dir).args(arguments);
    command.env_remove("XUNYUAN_CLOCK").env_remove("XUNYUAN_CONFIG").stdin(Stdio::null());
    command
}

fn run(dir: &Path, arguments: &[&str]) -> (i32, Value) {
    let Output { status, stdout, .. } = command(dir, arguments).output().expect("the program starts");
    let json = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
    (status.code().unwrap_or(-1), json)
}

/// A serving process and where it listens.
fn serving(dir: &Path) -> (Child, String) {
    let mut child = command(dir, &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let stdout = child.stdout.as_mut().expect("stdout is a pipe");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
    let said: Value = serde_json::from_str(&line).expect("one JSON value");
    (child, said["listening"].as_str().expect("an address").to_owned())
}

#[test]
fn one_server_per_directory_and_commands_beside_it() {
    let dir = Dir::new();
    assert_eq!(run(&dir.0, &["init", "--sample"]).0, 0);
    let (mut child, url) = serving(&dir.0);
    let (code, refused) = run(&dir.0, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((code, refused["error"]["code"].as_str()), (4, Some("busy")));
    let sentence = refused["error"]["en"].as_str().unwrap();
    assert!(sentence.contains(&child.id().to_string()), "{sentence}");
    let (code, invited) = run(&dir.0, &["invite", "--user", "u.pt01"]);
    assert_eq!(code, 0);
    assert!(invited["link"].as_str().unwrap().contains(&url), "{invited}");
    assert_eq!(run(&dir.0, &["invite", "--user", "u.nobody"]).0, 2);
    assert_eq!(run(&dir.0, &["invite", "--user", "u.pt01", "--hours", "0"]).0, 2);
    assert_eq!(run(&dir.0, &["devices"]), (0, serde_json::json!([])));
    let (code, verified) = run(&dir.0, &["verify"]);
    assert_eq!((code, &verified["first_bad"]), (0, &Value::Null));
    let backup = dir.0.join("copy.sqlite3");
    let backup = backup.to_str().unwrap();
    assert_eq!(run(&dir.0, &["backup", backup]).0, 0);
    assert_eq!(run(&dir.0, &["backup", backup]).0, 1, "a backup is never overwritten");
    let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let (mut again, _) = serving(&dir.0);
    again.kill().unwrap();
    again.wait().unwrap();
    let (mut after_kill, _) = serving(&dir.0);
    after_kill.kill().unwrap();
    after_kill.wait().unwrap();
}

#[test]
fn a_damaged_row_is_named_by_verify() {
    let dir = Dir::new();
    assert_eq!(run(&dir.0, &["init", "--sample"]).0, 0);
    let store = rusqlite::Connection::open(dir.0.join("branch.sqlite3")).unwrap();
    store.execute("UPDATE log SET received_at_ms = received_at_ms + 1 WHERE seq = 3", []).unwrap();
    drop(store);
    let (code, verified) = run(&dir.0, &["verify"]);
    assert_eq!((code, verified["first_bad"]["seq"].as_u64()), (4, Some(3)), "{verified}");
}

#[test]
fn definitions_are_checked_loaded_and_never_changed_under_their_version() {
    let dir = Dir::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/data");
    let data = data.to_str().unwrap();
    let (code, checked) = run(&dir.0, &["definitions", "check", data]);
    assert_eq!((code, checked["problems"].as_array().map(Vec::len)), (0, Some(0)));
    assert_eq!(run(&dir.0, &["org", "load", &format!("{data}/sample-org.json")]).0, 0);
    let (code, again) = run(&dir.0, &["definitions", "load", data]);
    assert_eq!(code, 0);
    assert!(again.as_array().unwrap().iter().all(|one| one["new"] == false), "{again}");
    let set = dir.0.join("set");
    std::fs::create_dir(&set).unwrap();
    let text = std::fs::read_to_string(format!("{data}/template-branch-visit.json")).unwrap();
    std::fs::write(set.join("a.json"), text.replace("Branch", "branch ")).unwrap();
    let (code, refused) = run(&dir.0, &["definitions", "load", set.to_str().unwrap()]);
    assert_eq!(code, 1);
    let sentence = refused["error"]["en"].as_str().unwrap();
    assert!(sentence.matches(|c: char| c.is_ascii_hexdigit()).count() >= 128, "both hashes: {sentence}");
    std::fs::write(set.join("a.json"), "{\n \"schema\": \n").unwrap();
    let (code, wrong) = run(&dir.0, &["definitions", "check", set.to_str().unwrap()]);
    assert_eq!((code, wrong["problems"][0]["file"].as_str()), (1, Some("a.json")));
    assert_eq!(run(&dir.0, &["definitions", "check", "/nonexistent"]).0, 1);
}

#[test]
fn the_demonstration_ends_with_every_law_held() {
    let dir = Dir::new();
    let place = dir.0.to_str().unwrap();
    let (code, told) = run(&dir.0, &["demo", "--once", "--dir", place]);
    let broken: Vec<&Value> =
        told["laws"].as_array().unwrap().iter().filter(|law| law["held"] != true).collect();
    assert_eq!((code, broken), (0, Vec::new()));
    assert_eq!(told["devices"].as_array().unwrap().len(), 7);
    assert_eq!(run(&dir.0, &["demo", "--once", "--dir", place]).0, 1, "the directory is not empty now");
}

#[test]
fn reports_are_listed_printed_and_written_whole_or_not_at_all() {
    let dir = Dir::new();
    assert_eq!(run(&dir.0, &["init", "--sample"]).0, 0);
    let (code, listed) = run(&dir.0, &["report", "list"]);
    let reports = listed["reports"].as_array().unwrap();
    assert_eq!((code, reports.len()), (0, 15));
    let posts = reports.iter().find(|report| report["en"] == "Staffing gap").unwrap()["id"].as_str().unwrap();
    let (code, table) = run(&dir.0, &["report", posts, "--project", "pj.lanyuan"]);
    assert_eq!((code, table["rows"].as_array().map(Vec::len)), (0, Some(4)));
    assert_eq!(table["rows"][1]["standard"], 3);
    let file = |name: &str| dir.0.join(name).to_str().unwrap().to_owned();
    for (name, begins) in
        [("a.xlsx", "PK"), ("a.csv", "\u{feff}Project"), ("a.html", "<!DOCTYPE"), ("a.json", "{")]
    {
        let (code, said) = run(&dir.0, &["report", posts, "-o", &file(name)]);
        assert_eq!((code, said["rows"].as_u64()), (0, Some(12)), "{name}");
        assert!(std::fs::read(file(name)).unwrap().starts_with(begins.as_bytes()), "{name}");
    }
    // Again over the same file only where that is said, and into a directory that is not there.
    assert_eq!(run(&dir.0, &["report", posts, "-o", &file("a.csv")]).0, 2);
    assert_eq!(run(&dir.0, &["report", posts, "--overwrite", "-o", &file("a.csv")]).0, 0);
    assert_eq!(run(&dir.0, &["report", posts, "-o", &file("none/a.csv")]).0, 4);
    let left = std::fs::read_dir(&dir.0)
        .unwrap()
        .filter(|one| one.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(left.count(), 0);

    assert_eq!(run(&dir.0, &["report", posts, "--format", "xlsx"]).0, 2, "a workbook needs a file");
    assert_eq!(run(&dir.0, &["report", posts, "--format", "pdf"]).0, 2);
    assert_eq!(run(&dir.0, &["report", posts, "--period", "2026-13"]).0, 2);
    let (code, refused) = run(&dir.0, &["report", posts, "--period", "2999-01"]);
    assert_eq!((code, refused["error"]["code"].as_str()), (1, Some("invalid")));
    assert!(refused["error"]["zh"].as_str().unwrap().contains("还没有开始"), "{refused}");
    assert_eq!(run(&dir.0, &["report", "no.such"]).0, 2);
    assert_eq!(run(&dir.0, &["report", posts, "--project", "pj.none"]).0, 2);
    assert_eq!(run(&dir.0, &["report", posts, "--record", "NC-1"]).0, 2);
    assert_eq!(run(&dir.0, &["history", "NC-1"]).0, 2);
}
