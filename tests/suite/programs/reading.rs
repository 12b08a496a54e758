//! A program reads with a token that a command made, while phones write.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tempfile::TempDir;
use ureq::Agent;
use xunyuan_tests::process::{Branch, patrol, xunyuan};

/// A program with a token.
struct Program<'b> {
    branch: &'b Branch,
    token: String,
}

impl<'b> Program<'b> {
    fn of(branch: &'b Branch, user: &str, options: &[&str]) -> Self {
        let arguments = [&["token", "create", "--user", user, "--name", "BI"], options].concat();
        let made = branch.command(&arguments).good().json;
        Self { branch, token: made["token"].as_str().unwrap().to_owned() }
    }

    fn ask(&self, path: &str) -> (u16, Json) {
        let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!("{}{path}", self.branch.url());
        let mut answer =
            agent.get(url).header("Authorization", format!("Bearer {}", self.token)).call().unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap(),
        )
    }
}

#[test]
fn a_program_that_follows_misses_nothing_while_phones_write() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let program = Program::of(&branch, "u.bcm01", &["--right", "records:read"]);
    let mut states: BTreeMap<String, String> = BTreeMap::new();
    let mut since = String::new();
    let mut written = Vec::new();
    // A page after each turn is too small for what the turn wrote: it lags behind, and catches up.
    for turn in 0..6 {
        written.push(patrol(&a, &[]));
        written.push(patrol(&a, &[]));
        let old = &written[turn / 2];
        let _ = xunyuan(&a, &["complete", old, "--with-gaps"]);
        let _ = xunyuan(&a, &["sync"]).good();
        follow(&program, &mut since, &mut states);
    }
    while follow(&program, &mut since, &mut states) {}
    assert_eq!(states.len(), written.len());
    let list = xunyuan(&a, &["list"]).good().json;
    for record in list["records"].as_array().unwrap() {
        let state = states.get(record["document"].as_str().unwrap());
        assert_eq!(state.map(String::as_str), record["state"].as_str(), "{record}");
    }
}

/// Reads the next page; true when more waits.
fn follow(program: &Program<'_>, since: &mut String, states: &mut BTreeMap<String, String>) -> bool {
    let (status, page) = program.ask(&format!("/v1/records?limit=1&since={since}"));
    assert_eq!(status, 200, "{page}");
    for record in page["records"].as_array().unwrap() {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        states.insert(text("id"), text("state"));
    }
    page["next"].as_str().unwrap().clone_into(since);
    page["more"] == true
}

#[test]
fn a_token_of_the_command_line_is_limited_listed_and_revoked() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let sheet = patrol(&a, &[]);
    let _ = xunyuan(&a, &["sync"]).good();
    let program = Program::of(&branch, "u.bcm01", &["--right", "records:read", "--project", "pj.lanyuan"]);
    let (status, record) = program.ask(&format!("/v1/records/{sheet}"));
    assert_eq!((status, record["project"].as_str()), (200, Some("pj.lanyuan")));
    assert_eq!(program.ask("/v1/reports").1["code"], "right_missing");
    // Somebody of another project, and another project's token of the manager's.
    let stranger = Program::of(&branch, "u.pm02", &["--right", "records:read,reports:read"]);
    assert_eq!(stranger.ask(&format!("/v1/records/{sheet}")).0, 404);
    assert_eq!(stranger.ask("/v1/records").1["count"], 0);
    assert_eq!(stranger.ask("/v1/reports").0, 200);
    let listed = branch.command(&["token", "list", "--user", "u.bcm01"]).good();
    assert!(!listed.out.contains(&program.token));
    let id = listed.json[0]["id"].as_str().unwrap();
    assert!(listed.json[0]["used_at_ms"].is_i64(), "{}", listed.out);
    let _ = branch.command(&["token", "revoke", id]).good();
    assert_eq!(program.ask("/v1/records").1["code"], "token_revoked");
    for wrong in [
        &["token", "create", "--user", "u.none", "--name", "x", "--right", "records:read"][..],
        &["token", "create", "--user", "u.pm02", "--name", "x", "--right", "write"],
        &["token", "create", "--user", "u.pm02", "--name", "x", "--right", "records:read", "--days", "0"],
        &[
            "token",
            "create",
            "--user",
            "u.pm02",
            "--name",
            "x",
            "--right",
            "records:read",
            "--project",
            "pj.lanyuan",
        ],
        &["token", "revoke", "none"],
    ] {
        assert!(matches!(branch.command(wrong).code, Some(1 | 2)), "{wrong:?}");
    }
}

#[test]
fn a_restored_branch_has_a_program_begin_again_with_another_token() {
    let dir = TempDir::new().unwrap();
    let mut branch = Branch::founded(&dir.path().join("branch"));
    let program = Program::of(&branch, "u.bcm01", &["--right", "records:read"]);
    let (_, page) = program.ask("/v1/records?since=");
    let (next, token) = (page["next"].as_str().unwrap().to_owned(), program.token);
    let restored = dir.path().join("restored");
    std::fs::create_dir_all(&restored).unwrap();
    let file = restored.join("branch.sqlite3");
    let _ = branch.command(&["backup", file.to_str().unwrap()]).good();
    branch.move_to(&restored);
    // A token that was revoked since the backup must not open anything again: none of them does.
    let old = Program { branch: &branch, token };
    assert_eq!(old.ask("/v1/records").0, 401);
    let program = Program::of(&branch, "u.bcm01", &["--right", "records:read"]);
    let (status, said) = program.ask(&format!("/v1/records?since={next}"));
    assert_eq!((status, said["code"].as_str()), (410, Some("cursor_ended")));
    assert_eq!(program.ask("/v1/records?since=").0, 200);
}
