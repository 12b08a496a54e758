//! The way of a photo: either end killed at any moment, bits flipped, a line that is gone for a while.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use xunyuan_tests::cutter::Cutter;
use xunyuan_tests::photos;
use xunyuan_tests::process::{Branch, terminal, xunyuan};

use super::{counts, pending, sheet_with, verified};

const PHOTO_BYTES: usize = 700_000;

#[test]
fn a_device_that_is_killed_at_any_moment_sends_every_photo_once() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let line = Cutter::start(branch.port());
    let a = branch.enroll_at("u.pt01", &dir.path().join("a"), &line.url());
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 24, PHOTO_BYTES));
    let before = line.sent();
    let mut rng = fastrand::Rng::with_seed(6);
    let mut kills = 0;
    while pending(&a) > 0 {
        let mut sync = terminal(&a, &["sync"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(rng.u64(20..300)));
        sync.kill().unwrap();
        sync.wait().unwrap();
        kills += 1;
        assert!(kills < 200, "{} photos still wait", pending(&a));
    }
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (24, 24));
    verified(&branch, 24);
    let whole = (24 * PHOTO_BYTES) as u64;
    let sent = line.sent() - before;
    // What was under way when it was killed is on the branch's side of the line, and is not sent again.
    assert!(sent < whole + whole / 4, "{sent} bytes went up for {whole} in {kills} runs");
}

#[test]
fn a_branch_that_is_killed_at_any_moment_keeps_what_it_confirmed() {
    let dir = TempDir::new().unwrap();
    let mut branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 24, PHOTO_BYTES));
    let mut rng = fastrand::Rng::with_seed(7);
    let mut kills = 0;
    while pending(&a) > 0 {
        let mut sync = terminal(&a, &["sync"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(rng.u64(20..300)));
        branch.kill();
        sync.wait().unwrap();
        branch.restart();
        kills += 1;
        assert!(kills < 100, "{} photos still wait", pending(&a));
    }
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (24, 24));
    verified(&branch, 24);
}

#[test]
fn bits_that_flip_on_the_way_are_found_and_sent_again() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let line = Cutter::start(branch.port());
    let a = branch.enroll_at("u.pt01", &dir.path().join("a"), &line.url());
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 6, PHOTO_BYTES));
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (6, 6));
    // Here and there in a photo; a damaged record is the exchange's, which refuses it by its signature.
    for (number, after) in (1..).zip([20_000, 100_000, 300_000, 400_000, 650_000, 699_000]) {
        let folder = dir.path().join(format!("more-{number}"));
        let more = sheet_with(&a, &photos::folder(&folder, 1, PHOTO_BYTES + number));
        line.flip_after(after);
        let mut runs = 0;
        while pending(&a) > 0 {
            let _ = xunyuan(&a, &["photos", "retry"]);
            let _ = xunyuan(&a, &["sync"]);
            runs += 1;
            assert!(runs < 10, "after {after} bytes");
        }
        assert_eq!(counts(&branch, &more), (1, 1), "after {after} bytes");
    }
    verified(&branch, 12);
}

#[test]
fn a_photo_that_two_people_hold_is_sent_by_one() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let line = Cutter::start(branch.port());
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let b = branch.enroll_at("u.fd01", &dir.path().join("b"), &line.url());
    let camera = photos::folder(&dir.path().join("camera"), 4, PHOTO_BYTES);
    let sheet = sheet_with(&a, &camera);
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (4, 4));
    // The same files, in a ledger that the first person does not even read.
    let entry = xunyuan(
        &b,
        &[
            "entry",
            "new",
            "led.front_desk",
            "channel=phone",
            "category=fd.suggest.service",
            "first_contact=u.fd01",
            "urgency=normal",
            "owner_dept=dept.eng",
            "content=门禁不灵",
        ],
    )
    .good();
    let entry = entry.json["document"].as_str().unwrap().to_owned();
    let mut arguments = vec!["entry", "add", &entry, "photos"];
    arguments.extend(camera.iter().map(|file| file.to_str().unwrap()));
    let _ = xunyuan(&b, &arguments).good();
    let before = line.sent();
    let _ = xunyuan(&b, &["sync"]).good();
    assert_eq!(counts(&branch, &entry), (4, 4));
    let sent = line.sent() - before;
    assert!(sent < PHOTO_BYTES as u64 / 4, "{sent} bytes went up: the files were there, and were proven");
    verified(&branch, 4);
}

#[test]
fn a_restored_branch_gets_the_photos_back_that_devices_still_hold() {
    let dir = TempDir::new().unwrap();
    let mut branch = Branch::founded(&dir.path().join("branch"));
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let backup = dir.path().join("backup.sqlite3");
    let _ = branch.command(&["backup", backup.to_str().unwrap()]).good();
    let sheet = sheet_with(&a, &photos::folder(&dir.path().join("camera"), 5, 100_000));
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(counts(&branch, &sheet), (5, 5));
    branch.kill();
    // Yesterday's list, and a disk without a single file.
    let data = dir.path().join("branch");
    for name in ["branch.sqlite3", "branch.sqlite3-wal", "branch.sqlite3-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    std::fs::copy(&backup, data.join("branch.sqlite3")).unwrap();
    std::fs::remove_dir_all(data.join("files")).unwrap();
    branch.restart();
    for _ in 0..3 {
        let _ = xunyuan(&a, &["sync"]);
    }
    assert_eq!(counts(&branch, &sheet), (5, 5));
    verified(&branch, 5);
}
