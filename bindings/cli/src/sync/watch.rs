//! `sync --watch`: exchanges whenever the branch or this device has something new.
//!
//! A poke only hastens the next exchange; a lost one costs delay, never data, because every replica
//! is exchanged at least once in a period anyway. A replica is opened for each exchange and closed
//! again, so that the person can go on working with it in between.

use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow::{self, Break, Continue};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};
use xunyuan_ffi::files::Carried;
use xunyuan_ffi::net::{Backoff, Pokes};
use xunyuan_ffi::place;
use xunyuan_ffi::sync::Outcome;

use super::session::{Session, carried_json, carried_lines, outcome_json, outcome_lines};
use crate::failure::{Failure, FailureKind};
use crate::output::Output;

/// How often files are looked at for new local work.
const LOOK: Duration = Duration::from_secs(1);
/// Pause before a replica that a person is using is tried again.
const IN_USE_PAUSE: Duration = Duration::from_secs(2);

/// Size and time of a replica file and its log: differs when someone wrote.
type Trace = Vec<Option<(u64, SystemTime)>>;

/// One replica under watch.
#[derive(Debug)]
struct Watched {
    due: Instant,
    trace: Trace,
    listener: Option<JoinHandle<()>>,
    offline: bool,
    backoff: Backoff,
}

/// Watches every replica that `files` names, now and later, until the process ends or every one of
/// them is erased by the branch, which is a failure.
pub(crate) fn watch(
    session: &Session<'_>,
    files: impl Fn() -> Vec<PathBuf>,
    every: Duration,
) -> Result<(), Failure> {
    let (sender, pokes) = mpsc::channel();
    let mut erased = false;
    let mut watched: BTreeMap<PathBuf, Option<Watched>> = BTreeMap::new();
    session
        .output
        .say("守候中:有新内容就同步;按 Ctrl-C 结束", "watching: exchanges when there is news; Ctrl-C ends");
    loop {
        for file in files() {
            watched.entry(file).or_insert_with(|| Some(Watched::new()));
        }
        for (file, place) in &mut watched {
            let Some(one) = place else { continue };
            if file.exists() && !one.is_due(file) {
                continue;
            }
            match if file.exists() { one.exchange(session, file, every, &sender) } else { Break(false) } {
                Continue(()) => {}
                Break(by_order) => {
                    erased |= by_order;
                    *place = None;
                }
            }
        }
        if watched.values().all(Option::is_none) {
            return if erased { Err(Failure::erased()) } else { Ok(()) };
        }
        hear(&pokes, &mut watched);
    }
}

/// Waits for a poke or for the next look at the files.
fn hear(pokes: &Receiver<PathBuf>, watched: &mut BTreeMap<PathBuf, Option<Watched>>) {
    let mut heard = match pokes.recv_timeout(LOOK) {
        Ok(file) => vec![file],
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Vec::new(),
    };
    heard.extend(pokes.try_iter());
    for file in heard {
        if let Some(Some(one)) = watched.get_mut(&file) {
            one.due = Instant::now();
        }
    }
}

impl Watched {
    fn new() -> Self {
        Self {
            due: Instant::now(),
            trace: Trace::new(),
            listener: None,
            offline: false,
            backoff: Backoff::default(),
        }
    }

    /// Due by the clock or a poke, or because someone wrote; while the branch is away, by the clock only.
    fn is_due(&self, file: &Path) -> bool {
        Instant::now() >= self.due || (!self.offline && trace(file) != self.trace)
    }

    /// One exchange; a break where there is nothing more to watch, true when it was erased.
    fn exchange(
        &mut self,
        session: &Session<'_>,
        file: &Path,
        every: Duration,
        sender: &Sender<PathBuf>,
    ) -> ControlFlow<bool> {
        let mut replica = match session.key.open(file, session.clock) {
            Ok(replica) => replica,
            Err(failure) if failure.kind() == FailureKind::InUse => {
                self.due = Instant::now() + IN_USE_PAUSE;
                return Continue(());
            }
            Err(failure) => {
                session.output.failure(&failure);
                return Break(false);
            }
        };
        let outcome = session.exchange(&mut replica);
        let carried = (outcome.failure.is_none() || outcome.wiped).then(|| session.files(file, &mut replica));
        let user = replica.user().clone();
        let person =
            replica.catalog().user(&user).map_or_else(|| user.to_string(), |known| known.name.clone());
        // One that ended knew another key or token of the branch than the device knows now.
        let is_listening = self.listener.as_ref().is_some_and(|listener| !listener.is_finished());
        if !is_listening && outcome.failure.is_none() {
            let identity = replica.identity();
            let pokes = Pokes {
                server_url: identity.server_url.clone(),
                token: identity.token.clone(),
                pin: identity.pin,
                carrier: session.carrier.clone(),
            };
            self.listener = Some(listen(file.to_owned(), pokes, sender.clone()));
        }
        let erased = replica.is_erased();
        drop(replica);
        self.trace = trace(file);
        self.tell(session.output, (user.as_str(), &person), &outcome);
        if let Some(carried) = &carried {
            tell_files(session.output, (user.as_str(), &person), carried);
        }
        self.due = Instant::now() + self.next_wait(&outcome, every);
        if erased { Break(true) } else { Continue(()) }
    }

    /// One line when something moved or the connection came or went; silence otherwise.
    fn tell(&mut self, output: &Output, (user, person): (&str, &str), outcome: &Outcome) {
        let turned = outcome.failure.is_some() != self.offline;
        if output.is_json() && (turned || outcome.has_news()) {
            let mut line = outcome_json(outcome);
            line["user"] = json!(user);
            output.print(&line.to_string());
        }
        if !output.is_json() && outcome.has_news() {
            for line in outcome_lines(outcome, output) {
                output.print(&format!("{person}  {line}"));
            }
        }
        match (&outcome.failure, self.offline) {
            (Some(failure), false) => {
                let (zh, en) = failure.sentences();
                output.say(&format!("{person}  {zh}"), &format!("{person}  {en}"));
            }
            (None, true) => output.say(&format!("{person}  又连上了"), &format!("{person}  connected again")),
            _ => {}
        }
        self.offline = outcome.failure.is_some();
    }

    fn next_wait(&mut self, outcome: &Outcome, every: Duration) -> Duration {
        if outcome.failure.is_none() {
            self.backoff.reset();
            return every;
        }
        self.backoff.next(outcome.retry_after_ms).min(every)
    }
}

/// One line when photos or files moved.
fn tell_files(output: &Output, (user, person): (&str, &str), carried: &Carried) {
    if !carried.has_news() {
        return;
    }
    if output.is_json() {
        output.print(&json!({ "user": user, "files": carried_json(carried) }).to_string());
        return;
    }
    for line in carried_lines(carried, output) {
        output.print(&format!("{person}  {line}"));
    }
}

/// Listens for pokes on a thread of its own.
fn listen(file: PathBuf, pokes: Pokes, sender: Sender<PathBuf>) -> JoinHandle<()> {
    thread::spawn(move || pokes.listen(|| true, || drop(sender.send(file.clone()))))
}

fn trace(file: &Path) -> Trace {
    let of = |path: &Path| {
        let about = fs::metadata(path).ok()?;
        Some((about.len(), about.modified().ok()?))
    };
    vec![of(file), of(&place::with_suffix(file, "-wal"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_makes_a_replica_due_unless_the_branch_is_away() {
        let file = std::env::temp_dir().join(format!("xunyuan-watch-{}", std::process::id()));
        fs::write(&file, b"1").unwrap();
        let mut watched = Watched::new();
        watched.due = Instant::now() + Duration::from_secs(60);
        watched.trace = trace(&file);
        assert!(!watched.is_due(&file));
        fs::write(&file, b"12").unwrap();
        assert!(watched.is_due(&file));
        watched.offline = true;
        assert!(!watched.is_due(&file));
    }

    #[test]
    fn failures_wait_longer_but_never_longer_than_the_period() {
        let mut watched = Watched::new();
        let failed = Outcome {
            failure: Some(Failure::no_connection("timeout", "超时", "timeout")),
            ..Outcome::default()
        };
        for _ in 0..12 {
            assert!(watched.next_wait(&failed, Duration::from_secs(20)) <= Duration::from_secs(20));
        }
        assert_eq!(watched.next_wait(&Outcome::default(), Duration::from_secs(20)), Duration::from_secs(20));
    }
}
