//! HTTPS between real processes: the key of the link, other keys, other certificates, no TLS, a proxy.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::Value as Json;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xunyuan_tests::process::{Branch, Done, Settings, Watching, patrol, xunyuan};

fn secured() -> Settings {
    vec![("XUNYUAN_PLAIN_HTTP", "never".to_owned())]
}

fn pending(replica: &Path) -> Json {
    xunyuan(replica, &["status"]).good().json["pending_changes"].clone()
}

fn failed(done: &Done) -> (Option<i32>, &str) {
    (done.code, done.json["error"]["code"].as_str().unwrap_or_default())
}

/// A certificate that ended years ago, for a host that the server does not have.
fn write(dir: &Path, key: &KeyPair) {
    fs::create_dir_all(dir).unwrap();
    let mut params = CertificateParams::new(["elsewhere.example".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2021, 1, 1);
    fs::write(dir.join("c.pem"), params.self_signed(key).unwrap().pem()).unwrap();
    fs::write(dir.join("k.pem"), key.serialize_pem()).unwrap();
}

fn given(dir: &Path) -> Settings {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    vec![("XUNYUAN_TLS_CERTIFICATE", path("c.pem")), ("XUNYUAN_TLS_KEY", path("k.pem"))]
}

#[test]
fn the_key_of_the_link_is_trusted_and_pokes_come_through() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded_with(&dir.path().join("branch"), secured());
    let link = branch.invite("u.pt01");
    assert!(link.contains("https://127.0.0.1") && link.contains("&pin="), "{link}");
    let a = branch.enroll("u.pt01", &dir.path().join("a"));
    let b = branch.enroll("u.pt02", &dir.path().join("b"));
    let watching = Watching::on(&b);
    let sheet = patrol(&a, &[]);
    let _ = xunyuan(&a, &["sync"]).good();
    assert_eq!(pending(&a), 0);
    watching.until_listed(&sheet);
}

#[test]
fn a_wrong_pin_is_said_and_leaves_the_link_unused() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded_with(&dir.path().join("branch"), secured());
    let link = branch.invite("u.pt01");
    let (before, pin) = link.split_once("&pin=").unwrap();
    let other: String = pin.chars().map(|c| if c == 'a' { 'b' } else { 'a' }).take(42).chain(['A']).collect();
    let replica = dir.path().join("a.xunyuan");
    let refused = xunyuan(&replica, &["enroll", &format!("{before}&pin={other}")]);
    assert_eq!(failed(&refused), (Some(6), "other_key"), "{}", refused.out);
    assert!(!replica.exists());
    assert_eq!(branch.command(&["devices"]).good().json, Json::Array(Vec::new()));
    // Without a pin only public authorities count, and this certificate has none.
    let refused = xunyuan(&replica, &["enroll", before]);
    assert_eq!(failed(&refused), (Some(6), "not_trusted"), "{}", refused.out);
    let _ = xunyuan(&replica, &["enroll", &link]).good();
}

#[test]
fn a_machine_in_between_with_another_key_gets_nothing() {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("branch");
    let mut branch = Branch::founded_with(&home, secured());
    let replica = branch.enroll("u.pt01", dir.path());
    let _ = patrol(&replica, &[]);
    let other = dir.path().join("other");
    drop(Branch::founded_with(&other, secured()));
    branch.move_to(&other);
    let refused = xunyuan(&replica, &["sync"]);
    assert_eq!(failed(&refused), (Some(6), "other_key"), "{}", refused.out);
    assert!(refused.json["error"]["zh"].as_str().unwrap().contains("冒充"));
    assert_ne!(pending(&replica), 0);
    branch.move_to(&home);
    let _ = xunyuan(&replica, &["sync"]).good();
    assert_eq!(pending(&replica), 0);
}

#[test]
fn a_lost_key_is_made_anew_and_believed_on_the_branchs_word() {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("branch");
    let mut branch = Branch::founded_with(&home, secured());
    let replica = branch.enroll("u.pt01", dir.path());
    let pin = branch.invite("u.pt02").split_once("&pin=").unwrap().1.to_owned();
    branch.kill();
    fs::remove_file(home.join("tls-key.pem")).unwrap();
    branch.restart();
    assert!(!branch.invite("u.pt02").contains(&pin), "it shows another key");
    let _ = patrol(&replica, &[]);
    let outcome = xunyuan(&replica, &["sync"]).good();
    assert_eq!(pending(&replica), 0);
    assert_eq!(outcome.json["replicas"][0]["wiped"], false);
    let again = xunyuan(&replica, &["sync"]).good();
    assert_eq!(again.json["replicas"][0]["requests"], 1, "the new key is known now: {}", again.out);
}

#[test]
fn a_given_certificate_is_taken_for_its_key_and_changed_without_a_stop() {
    let dir = TempDir::new().unwrap();
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    write(dir.path(), &keys[0]);
    let branch = Branch::founded_with(&dir.path().join("branch"), given(dir.path()));
    let replica = branch.enroll("u.pt01", &dir.path().join("a"));
    let before = branch.invite("u.pt02");
    write(dir.path(), &keys[1]);
    let began = Instant::now();
    let pin = |link: &str| link.split_once("&pin=").unwrap().1.to_owned();
    while pin(&branch.invite("u.pt02")) == pin(&before) {
        assert!(began.elapsed() < Duration::from_secs(20), "the new certificate is not read");
        std::thread::sleep(Duration::from_millis(300));
    }
    let _ = patrol(&replica, &[]);
    let _ = xunyuan(&replica, &["sync"]).good();
    assert_eq!(pending(&replica), 0);
    let second = branch.enroll("u.pt02", &dir.path().join("b"));
    let _ = xunyuan(&second, &["sync"]).good();
}

#[test]
fn http_to_a_tls_port_and_tls_to_an_http_port_are_told_apart() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded_with(&dir.path().join("branch"), secured());
    let replica = dir.path().join("a.xunyuan");
    let link = branch.invite("u.pt01").replace("https://", "http://");
    let plain = xunyuan(&replica, &["enroll", link.split_once("&pin=").unwrap().0]);
    assert_eq!(failed(&plain), (Some(1), "https_only"), "{}", plain.out);
    let stripped = xunyuan(&replica, &["enroll", &link]);
    assert_eq!(failed(&stripped), (Some(2), "invalid"), "a pin without https is no link");
    let open = Branch::founded(&dir.path().join("open"));
    let link = open.invite("u.pt01").replace("http://", "https://");
    let no_tls = xunyuan(&replica, &["enroll", &link]);
    assert_eq!(failed(&no_tls), (Some(3), "no_tls"), "{}", no_tls.out);
}

#[test]
fn links_name_an_address_that_can_be_reached_and_no_pin_where_none_is_wanted() {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("branch");
    let mut settings = secured();
    settings.push(("XUNYUAN_TLS_PIN", "none".to_owned()));
    let branch = Branch::founded_with(&home, settings);
    assert!(!branch.invite("u.pt01").contains("pin="));
    drop(branch);
    let everywhere = Branch::founded_with(&dir.path().join("b"), secured());
    let named =
        everywhere.command(&["invite", "--user", "u.pt01", "--server", "https://10.0.0.2:7070"]).good();
    let link = named.json["link"].as_str().unwrap();
    assert!(link.contains("server=https://10.0.0.2:7070") && link.contains("&pin="), "{link}");
    let nowhere = everywhere.command(&["invite", "--user", "u.pt01", "--server", "https://0.0.0.0:7070"]);
    assert_eq!(failed(&nowhere), (Some(1), "invalid"));
}

#[test]
fn a_proxy_carries_tls_and_sees_nothing_of_it() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded_with(&dir.path().join("branch"), secured());
    let replica = branch.enroll("u.pt01", dir.path());
    let _ = patrol(&replica, &[]);
    let calls = Arc::new(AtomicU32::new(0));
    let proxy = proxy(Arc::clone(&calls));
    let _ = xunyuan(&replica, &["sync", "--proxy", &proxy]).good();
    assert_eq!(pending(&replica), 0);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let malformed = xunyuan(&replica, &["sync", "--proxy", "::"]);
    assert_eq!(failed(&malformed), (Some(2), "proxy_invalid"), "{}", malformed.out);
    let nobody = xunyuan(&replica, &["sync", "--proxy", "http://127.0.0.1:1"]);
    assert_eq!(nobody.code, Some(3), "{}", nobody.out);
}

/// A proxy for `CONNECT`; counts its calls.
fn proxy(calls: Arc<AtomicU32>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for caller in listener.incoming() {
            let mut caller = caller.unwrap();
            calls.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let mut asked = Vec::new();
                let mut byte = [0];
                while !asked.ends_with(b"\r\n\r\n") {
                    caller.read_exact(&mut byte).unwrap();
                    asked.extend(byte);
                }
                let asked = String::from_utf8(asked).unwrap();
                let target = asked.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
                let mut server = TcpStream::connect(target).unwrap();
                caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let (mut from, mut to) = (caller.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut server, &mut caller);
            });
        }
    });
    address
}
