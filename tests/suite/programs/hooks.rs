//! Events told to a real receiver: signed, again after a failure and a restart, given up and sent again.

use std::path::Path;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value as Json;
use sha2::Sha256;
use tempfile::TempDir;
use xunyuan_tests::process::{Branch, Settings, patrol, xunyuan};
use xunyuan_tests::receiver::{Got, Receiver};

use super::finding;

/// A branch that tries again quickly and gives up after the third attempt.
fn branch(dir: &Path) -> Branch {
    let settings: Settings = vec![
        ("XUNYUAN_WEBHOOK_ATTEMPTS_MAX", "3".to_owned()),
        ("XUNYUAN_WEBHOOK_PAUSE_MS", "200".to_owned()),
    ];
    Branch::founded_with(&dir.join("branch"), settings)
}

/// Adds a target and gives its id and the key of its signatures.
fn add(branch: &Branch, receiver: &Receiver, options: &[&str]) -> (String, Vec<u8>) {
    let url = receiver.url();
    let arguments = [&["webhook", "add", &url, "--name", "test"], options].concat();
    let added = branch.command(&arguments).good().json;
    let secret = added["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap();
    (added["id"].as_str().unwrap().to_owned(), BASE64.decode(secret.as_bytes()).unwrap())
}

fn is_signed(got: &Got, key: &[u8]) -> bool {
    let signed = format!("{}.{}.{}", got.header("webhook-id"), got.header("webhook-timestamp"), got.body);
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    got.header("webhook-signature") == format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

fn deliveries(branch: &Branch, state: &str) -> Vec<Json> {
    let found = branch.command(&["webhook", "deliveries", "--state", state]).good().json;
    found.as_array().unwrap().clone()
}

/// Waits until so many deliveries are in a state.
fn until(branch: &Branch, state: &str, count: usize) -> Vec<Json> {
    let began = Instant::now();
    loop {
        let found = deliveries(branch, state);
        if found.len() == count {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{count} {state}: {found:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_finding_is_told_signed_once_and_without_what_people_wrote() {
    let dir = TempDir::new().unwrap();
    let branch = branch(dir.path());
    let receiver = Receiver::answering(&[200]);
    let (_, key) = add(&branch, &receiver, &["--event", "finding.created,record.grave"]);
    let robot = Receiver::answering(&[200]);
    robot.answer(200, "{\"errcode\":0,\"errmsg\":\"ok\"}");
    add(&branch, &robot, &["--event", "finding.created", "--form", "text", "--project", "pj.lanyuan"]);
    let other = Receiver::answering(&[200]);
    add(&branch, &other, &["--event", "finding.created,record.grave", "--project", "br.hz"]);
    let elsewhere = Receiver::answering(&[200]);
    add(&branch, &elsewhere, &["--event", "record.grave", "--ledger", "led.complaint"]);
    finding(&branch.enroll("u.pt01", &dir.path().join("a")));
    let got = receiver.wait_for(2);
    let kinds: Vec<String> = got.iter().map(|one| one.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["finding.created", "record.grave"]);
    for one in &got {
        assert!(is_signed(one, &key), "{one:?}");
        let (body, data) = (one.json(), one.json()["data"].clone());
        assert!(body["timestamp"].is_string());
        assert_eq!(data["record"]["definition"]["id"], "led.finding");
        assert_eq!(data["record"]["grade"]["id"], "major");
        assert!(data["record"]["number"].is_string(), "{data}");
        let link = format!("{}/records/{}", branch.url(), data["record"]["id"].as_str().unwrap());
        assert_eq!(data["link"], link);
        assert!(!one.body.contains("李某") && !one.body.contains("u.pt01"), "{}", one.body);
    }
    assert_ne!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    let text = robot.wait_for(1)[0].json();
    assert_eq!(text["msgtype"], "text");
    assert!(text["text"]["content"].as_str().unwrap().starts_with("【巡园】新问题:"), "{text}");
    until(&branch, "delivered", 3);
    assert!(other.got().is_empty() && elsewhere.got().is_empty());
    assert_eq!((receiver.got().len(), robot.got().len()), (2, 1));
}

#[test]
fn a_receiver_that_fails_twice_gets_the_same_message_again() {
    let dir = TempDir::new().unwrap();
    let branch = branch(dir.path());
    let receiver = Receiver::answering(&[500, 302, 204]);
    let (_, key) = add(&branch, &receiver, &["--event", "finding.created"]);
    finding(&branch.enroll("u.pt01", &dir.path().join("a")));
    let got = receiver.wait_for(3);
    assert!(
        got.iter().all(|one| is_signed(one, &key) && one.header("webhook-id") == got[0].header("webhook-id"))
    );
    let told = until(&branch, "delivered", 1);
    assert_eq!((&told[0]["attempts"], &told[0]["outcome"]), (&3.into(), &"HTTP 204".into()));
}

#[test]
fn what_is_never_taken_is_given_up_and_can_be_sent_again() {
    let dir = TempDir::new().unwrap();
    let branch = branch(dir.path());
    let receiver = Receiver::answering(&[503]);
    let (id, _) = add(&branch, &receiver, &["--event", "finding.created"]);
    let test = branch.command(&["webhook", "test", &id]);
    assert_eq!((test.code, &test.json["outcome"]), (Some(3), &"HTTP 503".into()));
    finding(&branch.enroll("u.pt01", &dir.path().join("a")));
    let dead = until(&branch, "dead", 1);
    assert_eq!((&dead[0]["attempts"], &dead[0]["outcome"]), (&3.into(), &"HTTP 503".into()));
    assert_eq!(receiver.got().len(), 4);
    receiver.answer(200, "");
    let number = dead[0]["id"].to_string();
    assert_eq!(branch.command(&["webhook", "retry", &number]).good().json["again"], 1);
    until(&branch, "delivered", 1);
    let got = receiver.got();
    assert_eq!(got[1].header("webhook-id"), got[4].header("webhook-id"));
    assert_eq!(branch.command(&["webhook", "retry", "--dead"]).good().json["again"], 0);
    assert_eq!(branch.command(&["webhook", "retry", "99"]).code, Some(2));
}

#[test]
fn a_restart_loses_nothing_that_waited_and_a_robots_refusal_is_a_failure() {
    let dir = TempDir::new().unwrap();
    let mut branch = branch(dir.path());
    let receiver = Receiver::answering(&[200]);
    receiver.answer(200, "{\"errcode\":93000,\"errmsg\":\"invalid webhook url\"}");
    add(&branch, &receiver, &["--event", "finding.created,change.refused", "--form", "text"]);
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    finding(&a);
    let _ = receiver.wait_for(1);
    branch.kill();
    let before = receiver.got().len();
    receiver.answer(200, "{\"errcode\":0}");
    branch.restart();
    let got = receiver.wait_for(before + 1);
    assert_eq!(got[0].header("webhook-id"), got[before].header("webhook-id"));
    until(&branch, "delivered", 1);
    // Work of a device that was revoked meanwhile is refused; that is told too.
    let _ = patrol(&a, &[]);
    let code = branch.command(&["devices"]).good().json[0]["code"].as_str().unwrap().to_owned();
    let _ = branch.command(&["revoke", &code]).good();
    let _ = xunyuan(&a, &["sync"]);
    let told = until(&branch, "delivered", 2);
    assert_eq!(told[0]["event"], "change.refused");
    assert!(told[0]["data"]["refusal"]["code"].is_string(), "{told:?}");
    let last = receiver.got().pop().unwrap().json();
    assert!(last["text"]["content"].as_str().unwrap().starts_with("【巡园】内容被拒:"), "{last}");
}

#[test]
fn a_target_that_may_not_be_told_is_not_added() {
    let dir = TempDir::new().unwrap();
    let branch = branch(dir.path());
    for (url, event) in [
        ("http://10.1.2.3/x", "finding.created"),
        ("https://u:p@example.cn/", "finding.created"),
        ("https://example.cn/", "everything"),
    ] {
        let said = branch.command(&["webhook", "add", url, "--name", "x", "--event", event]);
        assert_eq!(said.code, Some(1), "{url} {event}: {said:?}");
    }
    assert_eq!(branch.command(&["webhook", "list"]).good().json, Json::Array(Vec::new()));
    let receiver = Receiver::answering(&[200]);
    let (id, _) = add(&branch, &receiver, &["--event", "duty.escalated"]);
    let listed = branch.command(&["webhook", "list"]).good();
    assert!(!listed.out.contains("robot") && !listed.out.contains("whsec"), "{}", listed.out);
    let tested = branch.command(&["webhook", "test", &id]).good().json;
    assert_eq!(tested["taken"], true);
    assert_eq!(receiver.got()[0].json()["type"], "test");
    let _ = branch.command(&["webhook", "remove", &id]).good();
    assert_eq!(branch.command(&["webhook", "remove", &id]).code, Some(2));
}
