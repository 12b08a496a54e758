//! The device process that is killed: the parent's side and the child's.
//!
//! The child is this same binary under a hidden command. It performs actions on its own replica file
//! and announces each one after it is saved. The parent sends SIGKILL once enough are announced, reads
//! what else was announced before the process died, and opens the file again: everything announced
//! must be there, and at most one action more, saved but not yet announced.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use xunyuan_core::error::{Error, ErrorKind};

use super::device::Device;
use super::play::{self, Names};
use super::script::{self, Killed, Step};
use crate::clock::Clock;
use crate::command::output::Report;

/// The hidden command of the child.
pub(crate) const COMMAND: &str = "demo-device";

/// What the child is told on stdin.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Job {
    replica: PathBuf,
    clock_ms: i64,
    utc_offset_min: i16,
    names: BTreeMap<String, String>,
    steps: Vec<Step>,
}

/// How a killed process left its file.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Crash {
    /// Actions that it announced as saved before it died.
    pub(super) announced: usize,
    /// Actions that were in the file afterwards.
    pub(super) found: usize,
    /// Actions that it had been given.
    pub(super) given: usize,
}

impl Crash {
    /// True when nothing that was announced is missing and nothing appeared from nowhere.
    pub(super) const fn lost_nothing(&self) -> bool {
        self.found == self.announced || self.found == self.announced + 1
    }
}

/// Lets a child process work on the device's file, kills it, and plays the rest here.
pub(super) fn crash(
    device: &mut Device,
    killed: &Killed,
    names: &Names,
    clock: &Clock,
    utc_offset_min: i16,
) -> Result<Crash, Error> {
    let steps = script::actions(&killed.steps);
    let pending = |device: &mut Device| -> Result<usize, Error> {
        Ok(usize::try_from(device.replica().status()?.pending_changes).unwrap_or(usize::MAX))
    };
    let before = pending(device)?;
    let announced = device.closed(|path| {
        let names = names.all().into_iter().map(|(name, id)| (name, id.to_string())).collect();
        let job = Job {
            replica: path.to_owned(),
            clock_ms: clock.now_ms(),
            utc_offset_min,
            names,
            steps: steps.clone(),
        };
        run_and_kill(&job, killed.after)
    })?;
    let found = pending(device)?.saturating_sub(before);
    device.meter.saved += u32::try_from(found).unwrap_or(u32::MAX);
    for step in steps.iter().skip(found) {
        play::perform(device, step, names)?;
    }
    Ok(Crash { announced, found, given: steps.len() })
}

fn run_and_kill(job: &Job, after: usize) -> Result<usize, Error> {
    let binary = std::env::current_exe().map_err(broken)?;
    let mut child = Command::new(binary)
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(broken)?;
    let told = serde_json::to_vec(job).map_err(broken)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&told).map_err(broken)?;
    }
    let stdout = child.stdout.take().ok_or_else(|| silent(""))?;
    let mut lines = BufReader::new(stdout).lines();
    let mut announced = 0;
    while announced < after && lines.next().is_some_and(|line| line.is_ok()) {
        announced += 1;
    }
    if announced < after {
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut said).map_err(broken)?;
        }
        child.wait().map_err(broken)?;
        return Err(silent(&said));
    }
    child.kill().map_err(broken)?;
    // What it announced between the last line read and its death counts too.
    announced += lines.filter(Result::is_ok).count();
    child.wait().map_err(broken)?;
    Ok(announced)
}

/// The child's side: performs the job of stdin, one line per saved action.
pub(crate) fn run() -> Result<Report, Error> {
    let mut told = String::new();
    std::io::stdin().read_to_string(&mut told).map_err(broken)?;
    let job: Job = serde_json::from_str(&told).map_err(broken)?;
    let mut names = BTreeMap::new();
    for (name, id) in &job.names {
        names.insert(name.clone(), id.parse()?);
    }
    work(&job.replica, Clock::set_to(job.clock_ms), job.utc_offset_min, &Names::of(names), &job.steps)?;
    Ok(Report::done(serde_json::json!({}), ""))
}

fn work(
    replica: &Path,
    clock: Clock,
    utc_offset_min: i16,
    names: &Names,
    steps: &[Step],
) -> Result<(), Error> {
    let mut device = Device::opened(replica, clock, utc_offset_min)?;
    let mut stdout = std::io::stdout().lock();
    for step in steps {
        play::perform(&mut device, step, names)?;
        writeln!(stdout, "saved").and_then(|()| stdout.flush()).map_err(broken)?;
    }
    Ok(())
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Storage,
        "演示用的子进程无法工作",
        "the demonstration's child process does not work",
    )
    .caused_by(cause)
}

fn silent(said: &str) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!("演示用的子进程提前结束:{said}"),
        format!("the demonstration's child process ended early: {said}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_announced_or_one_more_may_be_in_the_file() {
        let crash = |announced, found| Crash { announced, found, given: 10 }.lost_nothing();
        assert!(crash(4, 4));
        assert!(crash(4, 5));
        assert!(!crash(4, 3));
        assert!(!crash(4, 6));
    }
}
