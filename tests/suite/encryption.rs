//! A replica under a key, between real processes: nothing readable on the disk, no way in without the key,
//! and a kill in the middle of encrypting loses nothing.

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xunyuan_core::replica::{Answer, Replica};
use xunyuan_core::sqlite::FileKey;
use xunyuan_core::time::Moment;
use xunyuan_tests::people::chosen;
use xunyuan_tests::process::{Branch, Done, patrol, terminal, xunyuan};

/// What nobody may read on a lost phone.
const WORDS: &str = "地下二层消防栓被装修材料遮挡";
/// What is written while the file is under a key.
const LATER: &str = "夜班巡查发现配电房门未锁";

fn with_key(replica: &Path, key: &Path, arguments: &[&str]) -> Done {
    xunyuan(replica, &[&["--key-file", key.to_str().unwrap()][..], arguments].concat())
}

fn start(replica: &Path, key: &Path) -> String {
    patrol(replica, &["--key-file", key.to_str().unwrap()])
}

fn failed(done: &Done) -> (Option<i32>, &str) {
    (done.code, done.json["error"]["code"].as_str().unwrap_or_default())
}

/// The files of a folder that hold the text as it is.
fn readable(dir: &Path, text: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir).unwrap().map(|one| one.unwrap().path());
    files.filter(|path| path.is_file() && holds(path, text)).collect()
}

fn holds(path: &Path, text: &str) -> bool {
    std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn known_words_are_found_before_the_encryption_and_not_after() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let home = dir.path().join("home");
    let replica = branch.enroll("u.pt01", &home);
    let key = dir.path().join("key");
    let sheet = start(&replica, &key);
    let answer = ["answer", &sheet, "pp.fire.03", "fail", "--note", WORDS];
    let _ = with_key(&replica, &key, &answer).good();
    assert!(!readable(&home, WORDS).is_empty());

    assert_eq!(failed(&xunyuan(&replica, &["encrypt"])), (Some(2), "key_file_unnamed"));
    let _ = with_key(&replica, &key, &["encrypt"]).good();
    let _ = with_key(&replica, &key, &["encrypt"]).good();
    assert_eq!(readable(&home, WORDS), Vec::<PathBuf>::new());
    assert_eq!(failed(&xunyuan(&replica, &["list"])), (Some(4), "key"));
    let other = dir.path().join("other");
    std::fs::write(&other, [9; 32]).unwrap();
    assert_eq!(failed(&with_key(&replica, &other, &["list"])), (Some(4), "key"));
    assert!(replica.exists(), "a file without its key is not damaged");

    // Everything goes on under the key, and nothing that is written later can be read either.
    let found = with_key(&replica, &key, &["search", "消防栓"]).good();
    assert_eq!(found.json["count"], 2, "{}", found.out);
    let bytes = FileKey::of_hex(std::fs::read_to_string(&key).unwrap().trim()).unwrap();
    let mut open = Replica::open_with(&replica, Some(&bytes)).unwrap();
    let moment = Moment { unix_ms: 1_795_395_960_000, utc_offset_min: 480, entropy: [3; 32] };
    let noted = Answer { note: Some(LATER.to_owned()), ..chosen("fail") };
    open.answer(sheet.parse().unwrap(), "pp.fire.02", noted, &moment).unwrap();
    assert!(home.join("u.pt01.xunyuan-wal").metadata().unwrap().len() > 0, "it is in the write-ahead log");
    for text in [WORDS, LATER] {
        assert_eq!(readable(&home, text), Vec::<PathBuf>::new());
    }
    drop(open);
    let synced = with_key(&replica, &key, &["sync"]).good();
    assert_eq!(synced.json["replicas"][0]["error"], Json::Null);
    assert_eq!(readable(&home, LATER), Vec::<PathBuf>::new());

    let _ = with_key(&replica, &key, &["rekey", other.to_str().unwrap()]).good();
    assert_eq!(failed(&with_key(&replica, &key, &["list"])), (Some(4), "key"));
    let _ = with_key(&replica, &other, &["decrypt"]).good();
    assert!(!readable(&home, LATER).is_empty());
    let found = xunyuan(&replica, &["search", "配电房"]).good();
    assert_eq!(found.json["count"], 2, "{}", found.out);
}

#[test]
fn a_device_can_be_under_a_key_from_its_first_byte() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let home = dir.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    let (replica, key) = (home.join("a.xunyuan"), dir.path().join("key"));
    std::fs::write(&key, "07".repeat(32)).unwrap();
    let _ = with_key(&replica, &key, &["enroll", &branch.invite("u.pt01")]).good();
    assert_eq!(failed(&xunyuan(&replica, &["whoami"])), (Some(4), "key"));
    assert_eq!(readable(&home, "u.pt01"), Vec::<PathBuf>::new());
    // Two people share the device, one of them without a key.
    let plain = home.join("b.xunyuan");
    let _ = xunyuan(&plain, &["enroll", &branch.invite("u.pt02")]).good();
    start(&replica, &key);
    let both = with_key(&plain, &key, &["sync"]).good();
    let acknowledged: Vec<&Json> =
        both.json["replicas"].as_array().unwrap().iter().map(|one| &one["acknowledged"]).collect();
    assert_eq!(acknowledged.len(), 2);
    assert!(acknowledged.iter().any(|count| count.as_u64() != Some(0)), "{}", both.out);
}

#[test]
fn a_kill_while_the_key_changes_leaves_the_file_whole() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let home = dir.path().join("home");
    let replica = branch.enroll("u.pt01", &home);
    let keys = [dir.path().join("k1"), dir.path().join("k2")];
    for (number, key) in keys.iter().enumerate() {
        std::fs::write(key, [u8::try_from(number).unwrap() + 1; 32]).unwrap();
    }
    for number in 0..6 {
        let sheet = start(&replica, &keys[0]);
        let answer = ["answer", &sheet, "pp.fire.03", "fail", "--note", &format!("{WORDS}{number}")];
        let _ = with_key(&replica, &keys[0], &answer).good();
    }
    let key = |number: usize| FileKey::from_slice(&std::fs::read(&keys[number]).unwrap()).unwrap();
    let under = [None, Some(key(0)), Some(key(1))];
    let held = |now: usize| {
        let open = Replica::open_with(&replica, under[now].as_ref()).ok()?;
        Some((open.status().unwrap().pending_changes, open.search("消防栓", 50).unwrap().len()))
    };
    let before = held(0).unwrap();
    // How long the slowest change takes when nobody interferes says where kills can fall.
    let whole = (0..3).map(|now| {
        let began = Instant::now();
        assert!(command(&replica, &keys, now).status().unwrap().success());
        began.elapsed()
    });
    let whole = whole.max().unwrap();
    let (mut now, mut stopped, mut done) = (0, 0, 0);
    for round in 0..60 {
        let mut changing = command(&replica, &keys, now).spawn().unwrap();
        std::thread::sleep(whole * round / 40);
        let _ = changing.kill();
        changing.wait().unwrap();
        let next = (now + 1) % 3;
        if held(next) == Some(before) {
            (now, done) = (next, done + 1);
        } else {
            assert_eq!(held(now), Some(before), "round {round}");
            stopped += 1;
        }
        let left: Vec<PathBuf> = std::fs::read_dir(&home).unwrap().map(|one| one.unwrap().path()).collect();
        assert!(!left.iter().any(|path| path.to_string_lossy().contains("-recoding")), "{left:?}");
    }
    assert!(stopped >= 5 && done >= 2, "kills fell before ({stopped}) and after ({done}) the change");
}

/// The command that leads from no key to the first, from the first to the second, from the second to none.
fn command(replica: &Path, keys: &[PathBuf; 2], now: usize) -> Command {
    let second = keys[1].to_str().unwrap();
    let (key, arguments) = match now {
        0 => (&keys[0], vec!["encrypt"]),
        1 => (&keys[0], vec!["rekey", second]),
        _ => (&keys[1], vec!["decrypt"]),
    };
    let mut all = vec!["--key-file", key.to_str().unwrap()];
    all.extend(arguments);
    let mut command = terminal(replica, &all);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_change_of_key_waits_for_nobody_who_has_the_file_open() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let replica = branch.enroll("u.pt01", dir.path());
    let key = dir.path().join("key");
    let open = Replica::open(&replica).unwrap();
    let began = Instant::now();
    assert_eq!(failed(&with_key(&replica, &key, &["encrypt"])), (Some(4), "busy"));
    assert!(began.elapsed() < Duration::from_secs(10));
    drop(open);
    let _ = with_key(&replica, &key, &["encrypt"]).good();
}
