//! A replica that an app holds open, against a real branch server: it exchanges by itself, tells what
//! changed, and neither the network nor an app's code can make it lose or wait.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::replica::Answer;
use xunyuan_ffi::clock::Clock;
use xunyuan_ffi::failure::FailureKind;
use xunyuan_ffi::held::{Activity, Habits, Held, Level, Network, Told};
use xunyuan_ffi::net::Carrier;
use xunyuan_ffi::place::{self, Place};
use xunyuan_ffi::sync;
use xunyuan_tests::process::Branch;

const PATIENCE: Duration = Duration::from_secs(30);

fn clock() -> Clock {
    Clock::from_setting(None, None).unwrap()
}

fn carrier() -> Carrier {
    Carrier::new("test/1", None).unwrap()
}

fn habits(by_itself: bool) -> Habits {
    Habits { every: Duration::from_secs(600), on_metered: false, by_itself }
}

/// Enrols a person at `link` and holds the replica.
fn enrolled(link: &str, dir: &Path, by_itself: bool) -> Arc<Held> {
    let enrolled =
        sync::enroll(link, &Place::Dir(dir.to_owned()), None, "test/1", &carrier(), &clock()).unwrap();
    Held::new(enrolled.replica, &enrolled.file, None, clock(), carrier(), habits(by_itself)).unwrap()
}

/// Holds a replica that fetched what its person may see.
fn ready(branch: &Branch, user: &str, dir: &Path, by_itself: bool) -> Arc<Held> {
    let held = enrolled(&branch.invite(user), dir, by_itself);
    let outcome = synced(&held);
    assert!(outcome.failure.is_none() && outcome.is_finished, "{outcome:?}");
    held
}

fn synced(held: &Held) -> sync::Outcome {
    let (sender, receiver) = mpsc::channel();
    held.sync_now(Some(Box::new(move |outcome| sender.send(outcome).unwrap())));
    receiver.recv_timeout(PATIENCE).expect("an exchange ends").expect("the replica is open")
}

fn start(held: &Held) -> DocumentId {
    held.act(|replica, moment| {
        let sheet = replica.start_inspection("tpl.park_patrol", "pj.lanyuan", moment)?;
        Ok((sheet, vec![sheet]))
    })
    .unwrap()
}

fn answer(held: &Held, sheet: DocumentId, item: &str, option: &str) {
    let answer = Answer { value: Some(Value::Text(option.to_owned())), ..Answer::default() };
    held.act(|replica, moment| {
        replica.answer(sheet, item, answer, moment)?;
        Ok(((), vec![sheet]))
    })
    .unwrap();
}

fn holds(held: &Held, document: DocumentId) -> bool {
    held.read(|replica| Ok(replica.record(document).is_ok())).unwrap()
}

fn pending(held: &Held) -> u32 {
    held.standing().unwrap().status.pending_changes
}

/// Waits until something holds.
fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_edit_goes_to_the_branch_by_itself_and_is_told_to_whoever_listens_elsewhere() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = ready(&branch, "u.pt01", &dir.path().join("a"), true);
    let b = ready(&branch, "u.pt02", &dir.path().join("b"), true);
    let heard: Arc<Mutex<Vec<Told>>> = Arc::default();
    let ear = Arc::clone(&heard);
    b.news().listen(&b, Some(Arc::new(move |told| ear.lock().unwrap().push(told))));
    let sheet = start(&a);
    assert!(pending(&a) > 0, "saved here first");
    wait("the edit and the poke bring the sheet to the other phone", || holds(&b, sheet));
    wait("the branch answers for it", || pending(&a) == 0);
    wait("whoever listens hears of it", || {
        let names =
            |told: &Told| matches!(told, Told::Changed { documents, .. } if documents.contains(&sheet));
        heard.lock().unwrap().iter().any(names)
    });
    let rests = |told: &Told| matches!(told, Told::Standing(now) if now.activity == Activity::Resting);
    wait("and how it stands", || heard.lock().unwrap().iter().any(rests));
}

#[test]
fn pokes_are_heard_after_an_exchange_that_an_app_asked_for() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = ready(&branch, "u.pt01", &dir.path().join("a"), false);
    // The first exchange is the app's, not that of the thread.
    let b = enrolled(&branch.invite("u.pt02"), &dir.path().join("b"), true);
    assert!(b.exchange(None).unwrap().failure.is_none());
    let sheet = start(&a);
    assert!(synced(&a).failure.is_none());
    wait("the poke brings it", || holds(&b, sheet));
}

#[test]
fn without_network_nothing_is_tried_until_a_person_wants_it() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let held = ready(&branch, "u.pt01", dir.path(), true);
    for network in [Network::Absent, Network::Metered] {
        held.set_network(network, None);
        // What is under way ends first.
        wait("it is paused", || held.standing().unwrap().activity == Activity::Paused);
        start(&held);
        std::thread::sleep(Duration::from_secs(4));
        assert!(pending(&held) > 0, "{network:?}: records wait");
        assert!(synced(&held).failure.is_none(), "a wish is a wish");
        assert_eq!(pending(&held), 0);
    }
    start(&held);
    held.set_network(Network::Free, None);
    wait("signal came back", || pending(&held) == 0);
    held.set_by_itself(false);
    // What is under way ends first here too.
    wait("it is paused", || held.standing().unwrap().activity == Activity::Paused);
}

#[test]
fn a_background_exchange_ends_in_time_and_goes_on_where_it_stopped() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = ready(&branch, "u.pt01", &dir.path().join("a"), false);
    let sheets: Vec<DocumentId> = (0..150).map(|_| start(&a)).collect();
    assert!(synced(&a).is_finished);
    let b = enrolled(&branch.invite("u.pt02"), &dir.path().join("b"), false);
    let mut rounds = 0;
    loop {
        let began = Instant::now();
        let outcome = b.exchange(Some(began + Duration::from_millis(700))).unwrap();
        assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
        assert!(outcome.failure.is_none(), "{outcome:?}");
        rounds += 1;
        if outcome.is_finished {
            break;
        }
        assert!(rounds < 100);
    }
    assert!(sheets.iter().all(|&sheet| holds(&b, sheet)), "after {rounds} rounds");
    let none = b.exchange(Some(Instant::now())).unwrap();
    assert_eq!((none.requests, none.is_finished), (0, false), "no time, no request");
}

#[test]
fn closing_waits_for_nobody_and_the_file_can_be_opened_at_once() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let held = ready(&branch, "u.pt01", dir.path(), false);
    let second = place::open(held.file(), None, &clock()).unwrap_err();
    assert_eq!(second.kind(), FailureKind::InUse, "one holder at a time");
    // A branch that takes a request and never answers.
    let deaf = Deaf::new();
    held.set_network(Network::Free, Some(Carrier::new("test/1", Some(&deaf.url())).unwrap()));
    let (sender, receiver) = mpsc::channel();
    held.sync_now(Some(Box::new(move |outcome| sender.send(outcome).unwrap())));
    wait("the request is under way", || deaf.connections() > 0);
    let began = Instant::now();
    start(&held);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody holds the replica while bytes travel");
    held.close();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(held.standing().unwrap_err().kind(), FailureKind::Closed);
    assert_eq!(held.exchange(None).unwrap_err().kind(), FailureKind::Closed);
    drop(place::open(held.file(), None, &clock()).unwrap());
    held.close();
    drop(deaf);
    let ended = receiver.recv_timeout(PATIENCE).expect("who waits hears that it is over");
    assert!(ended.is_err() || ended.unwrap().failure.is_some());
}

#[test]
fn what_an_apps_code_does_wrong_stays_with_it() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let held = ready(&branch, "u.pt01", dir.path(), false);
    let calls = Arc::new(AtomicU32::new(0));
    let (counted, back) = (Arc::clone(&calls), Arc::downgrade(&held));
    held.news().listen(
        &held,
        Some(Arc::new(move |_| {
            let call = counted.fetch_add(1, Ordering::SeqCst);
            // Calls back, then fails; the third one never comes back in this test's time.
            let _ = back.upgrade().map(|held| held.standing());
            if call == 2 {
                std::thread::sleep(PATIENCE);
            }
            panic!("an app's code");
        })),
    );
    let sheet = start(&held);
    wait("it is told", || calls.load(Ordering::SeqCst) >= 2);
    answer(&held, sheet, "pp.green.01", "pass");
    wait("it is told again", || calls.load(Ordering::SeqCst) >= 3);
    let began = Instant::now();
    for item in ["pp.green.01", "pp.green.03", "pp.green.04"] {
        answer(&held, sheet, item, "pass");
    }
    assert!(synced(&held).failure.is_none());
    assert!(began.elapsed() < Duration::from_secs(10), "nobody waits for a listener");
    held.close();
}

#[test]
fn a_panic_is_the_failure_of_one_call() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let held = ready(&branch, "u.pt01", dir.path(), false);
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&lines);
    let ear = Arc::new(move |told| {
        if let Told::Line(_, text) = told {
            sink.lock().unwrap().push(text);
        }
    });
    held.news().log_to(&held, Some((Level::Info, ear)));
    let sheet = start(&held);
    let failure = held
        .act(|replica, moment| -> Result<((), Vec<DocumentId>), _> {
            replica.set_header(sheet, "weather", Value::Text("rain".into()), moment)?;
            panic!("a defect");
        })
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Internal);
    answer(&held, sheet, "pp.green.01", "pass");
    assert!(synced(&held).failure.is_none());
    assert_eq!(pending(&held), 0);
    wait("the log says so", || lines.lock().unwrap().iter().any(|line| line.contains("defect")));
    let said = lines.lock().unwrap().join("\n");
    assert!(said.contains("changes delivered"), "{said}");
    for personal in ["u.pt01", "巡查员", "rain", &sheet.to_string()] {
        assert!(!said.contains(personal), "{personal} in {said}");
    }
}

#[test]
fn airplane_mode_in_the_middle_of_an_upload_loses_and_doubles_nothing() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let a = ready(&branch, "u.pt01", &dir.path().join("a"), false);
    let b = ready(&branch, "u.pt02", &dir.path().join("b"), false);
    let sheets: Vec<DocumentId> = (0..40).map(|_| start(&a)).collect();
    for cut_after in [40, 600, 2_000, 6_000, usize::MAX] {
        let tunnel = Tunnel::new(&branch.url(), cut_after);
        a.set_network(Network::Free, Some(Carrier::new("test/1", Some(&tunnel.url())).unwrap()));
        let outcome = synced(&a);
        assert_eq!(outcome.failure.is_none(), cut_after == usize::MAX, "{cut_after}: {outcome:?}");
    }
    assert_eq!(pending(&a), 0);
    synced(&b);
    assert!(sheets.iter().all(|&sheet| holds(&b, sheet)));
    let verified = branch.command(&["verify"]).good().json;
    assert_eq!(verified["first_bad"], serde_json::Value::Null, "{verified}");
}

/// A proxy that takes every connection and says nothing.
struct Deaf {
    listener: TcpListener,
    taken: Arc<Mutex<Vec<TcpStream>>>,
}

impl Deaf {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (own, taken) = (listener.try_clone().unwrap(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || {
            own.incoming().flatten().for_each(|stream| kept.lock().unwrap().push(stream))
        });
        Self { listener, taken }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    fn connections(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.taken.lock().unwrap().iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

/// A proxy to the branch that cuts every connection once so many bytes went up.
struct Tunnel {
    listener: TcpListener,
}

impl Tunnel {
    fn new(branch: &str, cut_after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.try_clone().unwrap();
        let branch = branch.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            for stream in own.incoming().flatten() {
                let branch = branch.clone();
                std::thread::spawn(move || carry(stream, &branch, cut_after));
            }
        });
        Self { listener }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }
}

/// Answers `CONNECT`, then carries bytes both ways until the cut.
fn carry(mut device: TcpStream, branch: &str, cut_after: usize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if device.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.extend(byte);
    }
    let mut server = TcpStream::connect(branch).unwrap();
    let is_tunnel = head.starts_with(b"CONNECT");
    if is_tunnel {
        device.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    } else {
        server.write_all(&head).unwrap();
    }
    let (mut down_from, mut down_to) = (server.try_clone().unwrap(), device.try_clone().unwrap());
    std::thread::spawn(move || drop(std::io::copy(&mut down_from, &mut down_to)));
    let sent = AtomicUsize::new(0);
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = device.read(&mut buffer) {
        if sent.fetch_add(count, Ordering::SeqCst) + count > cut_after {
            break;
        }
        if server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = device.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
