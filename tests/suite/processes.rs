//! The terminal and the branch server as real processes over a real socket.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;
use xunyuan_tests::process::{Branch, Watching, patrol, terminal, xunyuan};

fn answer(replica: &Path, sheet: &str, item: &str, option: &str) {
    let _ = xunyuan(replica, &["answer", sheet, item, option]).good();
}

fn sync(replica: &Path) -> Json {
    xunyuan(replica, &["sync"]).good().json["replicas"].clone()
}

fn documents(replica: &Path) -> Vec<String> {
    let list = xunyuan(replica, &["list"]).good().json;
    let mut ids: Vec<String> = list["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["document"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

fn verified(branch: &Branch) {
    let report = branch.command(&["verify"]).good().json;
    assert_eq!(report["first_bad"], Json::Null, "{report}");
}

#[test]
fn what_one_device_wrote_without_signal_another_reads_after_both_synchronised() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let b = branch.enroll("u.pt02", &dir.path().join("b"));
    let sheet = patrol(&a, &[]);
    answer(&a, &sheet, "pp.fire.02", "pass");
    sync(&a);
    sync(&b);
    // Both answer the same item without hearing of each other; B's failing answer raises a finding.
    answer(&a, &sheet, "pp.fire.03", "pass");
    let failing = ["answer", &sheet, "pp.fire.03", "fail", "--note", "大堂内充电"];
    let _ = xunyuan(&b, &failing).good();
    for replica in [&a, &b, &a] {
        sync(replica);
    }
    for replica in [&a, &b] {
        assert_eq!(documents(replica).len(), 2);
        let conflicts = xunyuan(replica, &["conflicts"]).good().json;
        assert_eq!(conflicts["count"], 1, "{conflicts}");
        assert_eq!(conflicts["conflicts"][0]["key"], "item/pp.fire.03");
        let found = xunyuan(replica, &["search", "充电"]).good().json;
        assert_eq!(found["count"], 2, "sheet and finding: {found}");
        let status = xunyuan(replica, &["status"]).good().json;
        assert_eq!((&status["pending_changes"], &status["conflicts"]), (&Json::from(0), &Json::from(1)));
    }
    let _ = xunyuan(&a, &["resolve", &sheet, "item/pp.fire.03", "1"]).good();
    sync(&a);
    sync(&b);
    assert_eq!(xunyuan(&b, &["conflicts"]).good().json["count"], 0);
    let history = xunyuan(&b, &["history", &sheet]).good().out;
    assert!(history.contains("\"resolve\""), "{history}");
    verified(&branch);
}

#[test]
fn one_device_carries_the_work_of_everyone_who_uses_it() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let tablet = dir.path().join("tablet");
    let first = branch.enroll("u.pt01", &tablet);
    let sheet = patrol(&first, &[]);
    for item in 1..=8 {
        answer(&first, &sheet, &format!("pp.clean.0{}", 1 + item % 5), ["pass", "na"][item % 2]);
    }
    let second = branch.enroll("u.pt02", &tablet);
    let carried = sync(&second);
    let users: Vec<&str> =
        carried.as_array().unwrap().iter().map(|one| one["user"].as_str().unwrap()).collect();
    assert!(users.contains(&"u.pt01") && users.contains(&"u.pt02"), "{carried}");
    assert_eq!(xunyuan(&first, &["status"]).good().json["pending_changes"], 0);
    sync(&second);
    let history = xunyuan(&second, &["history", &sheet]).good().json;
    let lines = history["history"].as_array().unwrap();
    assert!(lines.len() > 5 && lines.iter().all(|line| line["by"] == "u.pt01"), "{history}");
    verified(&branch);
}

#[test]
fn exit_statuses_say_what_kind_of_failure_it_was() {
    let dir = TempDir::new().unwrap();
    let mut branch = Branch::founded(&dir.path().join("branch"));
    let link = branch.invite("u.pt01");
    let replica = dir.path().join("pt01.xunyuan");
    let _ = xunyuan(&replica, &["enroll", &link]).good();
    let sheet = patrol(&replica, &[]);

    let used = xunyuan(&dir.path().join("again.xunyuan"), &["enroll", &link]);
    assert_eq!((used.code, &used.json["error"]["code"]), (Some(1), &Json::from("invitation_used")));
    assert!(!dir.path().join("again.xunyuan").exists(), "a refused link leaves no file");
    let option = xunyuan(&replica, &["answer", &sheet, "pp.green.01", "maybe"]);
    assert_eq!((option.code, &option.json["error"]["code"]), (Some(1), &Json::from("unknown_option")));
    assert_eq!(xunyuan(&replica, &["fly"]).code, Some(2));
    let none = xunyuan(&dir.path().join("none.xunyuan"), &["status"]);
    assert!(matches!(none.code, Some(2 | 4)), "{}", none.err);

    let second = branch.command(&["serve"]);
    assert_eq!(second.code, Some(4));
    assert!(second.out.contains(&branch.pid().to_string()), "the holder is named: {}", second.out);

    branch.kill();
    answer(&replica, &sheet, "pp.green.01", "pass");
    let offline = xunyuan(&replica, &["sync"]);
    assert_eq!(offline.code, Some(3), "{}", offline.out);
    assert_eq!(xunyuan(&replica, &["status"]).good().json["pending_changes"], 2);
    branch.restart();
    sync(&replica);
    assert_eq!(xunyuan(&replica, &["status"]).good().json["pending_changes"], 0);
    verified(&branch);
}

#[test]
fn a_replica_is_held_by_one_process_at_a_time() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let replica = branch.enroll("u.pt01", dir.path());
    let sheet = patrol(&replica, &[]);
    let held = xunyuan_core::replica::Replica::open(&replica).unwrap();
    let refused = xunyuan(&replica, &["answer", &sheet, "pp.green.01", "pass"]);
    assert_eq!((refused.code, &refused.json["error"]["code"]), (Some(4), &Json::from("busy")));
    drop(held);
    answer(&replica, &sheet, "pp.green.01", "pass");
}

#[test]
fn a_watching_device_hears_of_others_work_at_once() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let b = branch.enroll("u.pt02", &dir.path().join("b"));
    let watching = Watching::on(&b);
    let sheet = patrol(&a, &[]);
    sync(&a);
    watching.until_listed(&sheet);
}

#[test]
fn a_server_killed_again_and_again_loses_nothing_that_it_confirmed() {
    let dir = TempDir::new().unwrap();
    let mut branch = Branch::founded(&dir.path().join("branch"));
    let devices =
        [branch.enroll("u.pt01", &dir.path().join("a")), branch.enroll("u.pt02", &dir.path().join("b"))];
    let mut written = Vec::new();
    for round in 0..6 {
        for replica in &devices {
            let sheet = patrol(replica, &[]);
            answer(replica, &sheet, "pp.green.01", "pass");
            written.push(sheet);
        }
        let mut exchanges: Vec<_> = devices
            .iter()
            .map(|replica| {
                let mut command = terminal(replica, &["sync"]);
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        std::thread::sleep(Duration::from_millis(15 * round));
        branch.kill();
        for exchange in &mut exchanges {
            let status = exchange.wait().unwrap();
            assert!(matches!(status.code(), Some(0 | 3)), "{status}");
        }
        branch.restart();
    }
    for replica in [&devices[0], &devices[1], &devices[0]] {
        sync(replica);
    }
    written.sort();
    assert_eq!(documents(&devices[0]), written);
    assert_eq!(documents(&devices[1]), written);
    verified(&branch);
}
