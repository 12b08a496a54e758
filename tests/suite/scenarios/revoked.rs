//! sc.13: a phone was lost. What it never sent reaches the branch as evidence, then it is emptied.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;
use xunyuan_core::id::{DeviceId, DocumentId};
use xunyuan_core::replica::{Answer, Replica};
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::people::fields;
use xunyuan_tests::process::{Branch, terminal, xunyuan};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// Most time that may pass until a revocation is felt; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

fn revoke(world: &mut World, device: usize) -> DeviceId {
    let id = world.replica(device).identity().device;
    world.hub.revoke(id, world.now_ms).unwrap();
    id
}

/// What the branch keeps of a device, as it is handed out.
fn evidence(world: &World, device: DeviceId) -> Vec<Json> {
    let mut all = Vec::new();
    let take = |line: &str| {
        all.push(serde_json::from_str::<Json>(line).unwrap());
        Ok(())
    };
    world.hub.export_refusals(take).unwrap();
    all.retain(|run| run["device"] == device.to_string());
    all
}

fn is_empty(world: &mut World, device: usize) -> bool {
    let replica = world.replica(device);
    replica.is_erased() && replica.export().unwrap().is_empty()
}

#[test]
fn sc_13() {
    let mut world = World::new(Seed::or(13));
    let (a, b) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let kept = world.take_call(a, "丢失之前已上传");
    world.settle();
    let contents: Vec<String> = (1..=4).map(|number| format!("丢失时未上传第{number}条")).collect();
    let unsent: Vec<DocumentId> = contents.iter().map(|content| world.take_call(a, content)).collect();
    world.act(a, |replica, moment| {
        replica.edit_entry(kept, fields(&[("content", "已上传,又补一句")]), moment)
    });
    let before = world.hub.stats().unwrap().records;
    let id = revoke(&mut world, a);

    let progress = world.sync(a);
    assert!(progress.iter().all(|step| step.acknowledged == 0 && step.received == 0), "nothing goes through");
    assert!(progress.last().unwrap().wiped);
    assert!(is_empty(&mut world, a));
    assert_eq!(world.hub.stats().unwrap().records, before, "nothing of it is in the log");

    // The branch sees five attempts, has their bytes, and can read them.
    let kept_runs = evidence(&world, id);
    assert_eq!(kept_runs.len(), 5);
    for run in &kept_runs {
        assert_eq!((&run["code"], &run["signature_good"]), (&"device_revoked".into(), &true.into()));
        assert!(!run["changes"].as_str().unwrap().is_empty());
    }
    let says = |text: &str| {
        kept_runs.iter().any(|run| run["says"].as_array().unwrap().iter().any(|said| said["value"] == text))
    };
    assert!(contents.iter().all(|content| says(content)) && says("已上传,又补一句"));
    let documents: Vec<String> =
        kept_runs.iter().map(|run| run["document"].as_str().unwrap().into()).collect();
    assert!(unsent.iter().all(|document| documents.contains(&document.to_string())));

    // Everybody else, and what was there before, is untouched.
    world.sync(b);
    assert_eq!(world.replica(b).model(kept).unwrap().texts["content"], "丢失之前已上传");
    assert!(world.replica(b).record(unsent[0]).is_err());
    assert_eq!(world.hub.verify(|_| {}).unwrap().first_bad, None);
    check_settled(&mut world);
}

#[test]
fn a_long_backlog_is_all_at_the_branch_before_anything_is_erased() {
    let mut world = World::new(Seed::or(1301));
    let phone = world.enroll("u.pt01");
    let sheet = world.start_patrol(phone);
    let items: Vec<String> = world
        .sheet(phone, sheet)
        .sections
        .iter()
        .flat_map(|section| section.items.iter().map(|item| item.id.clone()))
        .collect();
    // More than one request takes: over six megabytes of notes.
    for round in 0..8 {
        for item in items.iter().take(30) {
            let note = format!("{round}{}", "长".repeat(9_000));
            let answer = Answer { note: Some(note), ..Answer::default() };
            world.act(phone, |replica, moment| replica.answer(sheet, item, answer, moment));
        }
    }
    let written = status(&mut world, phone).pending_changes;
    let id = revoke(&mut world, phone);
    let mut exchanges = 0;
    loop {
        world.replica(phone).wake_now();
        let progress = world.exchange(phone).unwrap();
        exchanges += 1;
        let mut hashes: Vec<Json> = Vec::new();
        for run in evidence(&world, id) {
            hashes.extend(run["hashes"].as_array().unwrap().iter().cloned());
        }
        hashes.sort_by_key(ToString::to_string);
        hashes.dedup();
        if progress.wiped {
            assert_eq!(hashes.len(), written as usize, "all of it is at the branch");
            break;
        }
        assert!(!is_empty(&mut world, phone), "not erased while {} of {written} are there", hashes.len());
        // Killed in between, it goes on at the next contact.
        world.restart(phone);
        assert!(exchanges < 20);
    }
    assert!(exchanges >= 3, "{exchanges} exchanges");
    assert!(is_empty(&mut world, phone));
}

#[test]
fn drafts_reach_the_branch_whole_before_they_are_erased() {
    let mut world = World::new(Seed::or(1302));
    let phone = world.enroll("u.fd01");
    let entry = world.take_call(phone, "咨询停车");
    // Refused here without being sent, because it builds on what was refused.
    world.closed(phone, |path| {
        let conn = rusqlite::Connection::open(path).unwrap();
        conn.execute(
            "UPDATE outbox SET refusal_code = 'builds_on_refused', refusal_zh = '', refusal_en = ''",
            [],
        )
        .unwrap();
    });
    assert_eq!(status(&mut world, phone).pending_changes, 0);
    let id = revoke(&mut world, phone);
    let progress = world.sync(phone);
    assert!(progress.last().unwrap().wiped);
    assert_eq!(evidence(&world, id)[0]["document"], entry.to_string());
}

#[test]
fn an_erased_replica_says_so_and_keeps_nobody_else_from_syncing() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let (one, two) = (branch.enroll("u.fd01", dir.path()), branch.enroll("u.fd02", dir.path()));
    assert_eq!(xunyuan(&one, &["sync"]).code, Some(0));
    let device = xunyuan(&one, &["whoami"]).good().json["device_code"].as_str().unwrap().to_owned();
    let _ = branch.command(&["revoke", &device]).good();
    let wiped = xunyuan(&one, &["sync"]);
    assert_eq!((wiped.code, &wiped.json["error"]["code"]), (Some(5), &"device_revoked".into()));
    let of = |done: &Json, user: &str| {
        done["replicas"].as_array().unwrap().iter().find(|one| one["user"] == user).unwrap().clone()
    };
    assert_eq!(of(&wiped.json, "u.fd01")["wiped"], true);
    assert_eq!(of(&wiped.json, "u.fd02")["error"], Json::Null, "the other person's work went through");

    // From then on the other person's exchange is as good as ever, and says what lies beside it.
    let next = xunyuan(&two, &["sync"]);
    assert_eq!(next.code, Some(0), "{}", next.out);
    assert_eq!(next.json["error"], Json::Null);
    let erased = of(&next.json, "u.fd01");
    assert_eq!((&erased["erased"], &erased["error"]["code"]), (&true.into(), &"device_revoked".into()));
    // Who means the erased one is told.
    assert_eq!(xunyuan(&one, &["sync"]).code, Some(5));
    assert_eq!(xunyuan(&one, &["list"]).code, Some(5));
}

#[test]
fn a_revoked_device_hears_nothing_more_and_a_watching_one_is_erased_at_once() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let replica = branch.enroll("u.fd01", dir.path());
    assert_eq!(xunyuan(&replica, &["sync"]).code, Some(0));
    let (token, code) = {
        let opened = Replica::open(&replica).unwrap();
        (opened.identity().token.clone(), opened.identity().device_code.clone())
    };
    let mut stream = ureq::get(format!("{}/v1/pokes", branch.url()))
        .header("authorization", format!("Bearer {token}"))
        .call()
        .unwrap();
    let watching = terminal(&replica, &["sync", "--watch", "--every", "3600"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Let the watch make its first exchange and listen.
    let listeners = || ureq::get(format!("{}/metrics", branch.url())).call().unwrap().into_body();
    let began = Instant::now();
    while !listeners().read_to_string().unwrap().contains("poke_streams 2") {
        assert!(began.elapsed() < PATIENCE, "the terminal does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = branch.command(&["revoke", &code]).good();
    let revoked = Instant::now();
    let mut rest = Vec::new();
    // Its end; only comments that keep it open may have come before.
    let _ = stream.body_mut().as_reader().read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("data:"));
    assert!(revoked.elapsed() < PATIENCE, "the stream went on for {:?}", revoked.elapsed());
    assert_eq!(watching.wait_with_output().unwrap().status.code(), Some(5));
    assert!(revoked.elapsed() < PATIENCE, "erased after {:?}", revoked.elapsed());
    assert_eq!(xunyuan(&replica, &["list"]).code, Some(5));
}
