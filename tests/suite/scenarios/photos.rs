//! Photos over a line that breaks, and a bad one among them, with both ends as real processes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;
use xunyuan_tests::cutter::Cutter;
use xunyuan_tests::photos;
use xunyuan_tests::process::{Branch, terminal, xunyuan};

use crate::photos::{ITEM, pending, sheet_with};

const MB: usize = 1_000_000;

/// What the branch says of a record's photos; nothing while it does not have the record.
fn at_branch(branch: &Branch, sheet: &str) -> Option<(u64, u64)> {
    let said = branch.command(&["photos", "--record", sheet]);
    let counts = &said.json["counts"];
    Some((counts["here"].as_u64()?, counts["all"].as_u64()?))
}

#[test]
fn sc_06_photos_go_on_where_the_line_broke() {
    let dir = TempDir::new().unwrap();
    let mut branch = Branch::founded(&dir.path().join("branch"));
    let line = Cutter::start(branch.port());
    let a = branch.enroll_at("u.pt01", &dir.path().join("a"), &line.url());
    let _ = xunyuan(&a, &["sync"]).good();
    line.set_down(true);
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 60, 5 * MB / 2));
    assert_eq!(pending(&a), 60);
    assert_eq!(xunyuan(&a, &["sync"]).code, Some(3), "there is no signal");
    line.set_down(false);
    line.break_every(5 * MB as u64);
    let before = line.sent();
    // Text first: the branch has the record and says what it lacks, while photos are still under way.
    let mut under_way = terminal(&a, &["sync"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let partly = loop {
        match at_branch(&branch, &sheet) {
            Some((here, 60)) if (1..60).contains(&here) => break here,
            _ if began.elapsed() > Duration::from_secs(60) => panic!("no photo arrived"),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let listed = branch.command(&["photos"]).good().json;
    assert_eq!(listed["records"][0]["counts"]["all"], 60);
    assert_eq!(listed["records"][0]["counts"]["still_with"][0]["name"], "巡查员子");
    assert!(!listed["records"][0]["counts"]["still_with"][0]["last_seen"].is_null());
    // Both ends are killed on the way and go on.
    under_way.kill().unwrap();
    under_way.wait().unwrap();
    branch.restart();
    let mut runs = 0;
    while pending(&a) > 0 {
        let _ = xunyuan(&a, &["sync"]);
        runs += 1;
        assert!(runs < 20, "{} photos still wait", pending(&a));
    }
    assert_eq!(at_branch(&branch, &sheet), Some((60, 60)));
    assert!(
        line.breaks() > 20,
        "the line broke {} times, {partly} photos were there at first",
        line.breaks()
    );
    let whole = (60 * 5 * MB / 2) as u64;
    let sent = line.sent() - before;
    // Killing the processes may cost what was under way; breaks alone are measured by the benchmark.
    assert!(sent < whole + whole / 20, "{sent} bytes went up for {whole}");
    let verified = branch.command(&["verify"]).good().json;
    assert_eq!((&verified["files"], &verified["first_bad"]), (&Json::from(60), &Json::Null));

    // The device says so too, and a colleague sees the counts, the thumbnails and, when asked, the originals.
    let shown = xunyuan(&a, &["show", &sheet]).good().json;
    assert_eq!((&shown["files"]["all"], &shown["files"]["at_branch"]), (&Json::from(60), &Json::from(60)));
    let b = branch.enroll("u.pt02", &dir.path().join("b"));
    let synced = xunyuan(&b, &["sync"]).good().json;
    assert_eq!(synced["replicas"][0]["files"]["thumbnails"], 60, "{synced}");
    let listed = xunyuan(&b, &["photos", "list", &sheet]).good().json;
    assert_eq!(listed["counts"]["at_branch"], 60);
    let digits: String = listed["files"][7]["sha256"].as_str().unwrap().chars().take(12).collect();
    let fetched = xunyuan(&b, &["photos", "fetch", &sheet, &digits]).good().json;
    let path = fetched["files"][0]["path"].as_str().unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().len(), (5 * MB / 2) as u64);
}

#[test]
fn sc_07_a_bad_photo_stands_alone() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let camera = photos::folder(&dir.path().join("camera"), 6, MB / 5);
    let sheet = sheet_with(&a, &camera[..5]);
    let text = xunyuan(&a, &["answer", &sheet, "pp.fire.02", "pass", "--note", "楼道"]).good();
    assert_eq!(text.json["document"], Json::from(sheet.as_str()));

    // At capture: what could never be sent is not taken, and the record stays as it was.
    let bad = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let refused = xunyuan(&a, &["attach", &sheet, ITEM, path.to_str().unwrap()]);
        assert_eq!(refused.code, Some(1), "{}", refused.out);
        refused.json["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(bad("empty.jpg", Vec::new()), "file_empty");
    assert_eq!(
        bad("page.jpg", b"<!DOCTYPE html><html><body>hello</body></html>".to_vec()),
        "file_kind_unknown"
    );
    assert_eq!(bad("large.jpg", photos::jpeg(90, 25 * MB)), "file_too_large");
    let mut cut = photos::jpeg(91, 100_000);
    cut.truncate(3_000);
    assert_eq!(bad("cut.jpg", cut), "file_damaged");
    assert_eq!(pending(&a), 5);

    // On the way: one photo is damaged on the device; everything else arrives.
    let listed = xunyuan(&a, &["photos"]).good().json;
    let victim = listed["files"][2]["sha256"].as_str().unwrap().to_owned();
    let stored = a.with_extension("xunyuan.photos").join(&victim);
    let mut bytes = std::fs::read(&stored).unwrap();
    bytes[100_000] ^= 0xff;
    std::fs::write(&stored, bytes).unwrap();
    let synced = xunyuan(&a, &["sync"]);
    assert_eq!(synced.code, Some(1), "{}", synced.out);
    let files = &synced.json["replicas"][0]["files"];
    assert_eq!((&files["sent"], &files["refused"][0]["code"]), (&Json::from(4), &"file_damaged_here".into()));
    assert_eq!(at_branch(&branch, &sheet), Some((4, 5)));
    assert_eq!(xunyuan(&a, &["status"]).good().json["pending_changes"], 0);
    let waiting = xunyuan(&a, &["photos"]).good().json;
    assert_eq!(waiting["files"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&waiting["files"][0]["state"], &waiting["files"][0]["sha256"]),
        (&"refused".into(), &Json::from(victim.as_str()))
    );

    // It can be replaced, or withdrawn with a trace, and the record is whole again.
    let replaced = xunyuan(&a, &["photos", "replace", &sheet, &digits(&victim), camera[5].to_str().unwrap()]);
    let _ = replaced.good();
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(at_branch(&branch, &sheet), Some((5, 5)));
    let other = listed["files"][0]["sha256"].as_str().unwrap();
    assert_eq!(
        xunyuan(&a, &["photos", "discard", &sheet, &digits(other)]).code,
        Some(2),
        "it asks for --yes"
    );
    let _ = xunyuan(&a, &["photos", "discard", &sheet, &digits(other), "--yes"]).good();
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(at_branch(&branch, &sheet), Some((4, 4)));
    let history = branch.command(&["history", &sheet]).good().out;
    assert!(history.contains(other) && history.contains(&victim), "both are still in the history");
}

/// A file as a person names it.
fn digits(hash: &str) -> String {
    hash.chars().take(8).collect()
}
