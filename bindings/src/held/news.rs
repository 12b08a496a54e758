//! What an app wants to hear: collected anywhere, told by a thread of its own.
//!
//! Whoever posts news never waits. Whoever listens may take as long as they like, fail, or call back
//! into the replica: it delays further news, nothing else, and what piles up meanwhile is told as one.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::Duration;
use xunyuan_core::id::DocumentId;

use super::status::Standing;
use super::{Held, locked};

/// How long news are collected before they are told: a long catch-up is a few calls, not thousands.
const COLLECTED: Duration = Duration::from_millis(50);
/// More changed documents than this are told as "everything".
const CHANGED_MAX: usize = 1_000;
/// Lines of the log that are kept for a slow listener; older ones are counted and dropped.
const LINES_MAX: usize = 1_000;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for the cause of something.
    Debug,
    /// What was done.
    Info,
    /// What did not work and is tried again.
    Warning,
    /// What must not happen.
    Error,
}

/// Something told to whoever listens.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Records changed, through whomever.
    Changed {
        /// Which, each once; empty where there are too many to name.
        documents: Vec<DocumentId>,
        /// True when any record may have changed: load again what is shown.
        everything: bool,
    },
    /// How the replica stands has changed.
    Standing(Box<Standing>),
    /// A line of the log.
    Line(Level, String),
}

/// Whoever listens.
type Ear = Arc<dyn Fn(Told) + Send + Sync>;

/// The news of one replica.
#[derive(Default)]
pub struct News {
    board: Mutex<Board>,
    posted: Condvar,
}

#[derive(Default)]
struct Board {
    listener: Option<Ear>,
    log: Option<(Level, Ear)>,
    changed: BTreeSet<DocumentId>,
    everything: bool,
    standing: bool,
    lines: VecDeque<(Level, String)>,
    lost_lines: u32,
    is_told: bool,
    is_closed: bool,
}

/// What is told in one go.
struct Batch {
    listener: Option<Ear>,
    log: Option<Ear>,
    changed: Option<Told>,
    standing: bool,
    lines: Vec<Told>,
}

impl News {
    /// Tells changes and standings to `listener` from now on, nobody for `None`.
    pub fn listen(&self, held: &Arc<Held>, listener: Option<Ear>) {
        self.post(|board| {
            board.standing = listener.is_some();
            board.listener = listener;
        });
        self.begin_telling(held);
    }

    /// Tells lines of the log from `least` on, none for `None`.
    pub fn log_to(&self, held: &Arc<Held>, log: Option<(Level, Ear)>) {
        self.post(|board| board.log = log);
        self.begin_telling(held);
    }

    pub(super) fn changed(&self, documents: impl IntoIterator<Item = DocumentId>) {
        self.post(|board| {
            board.standing = true;
            if !board.everything {
                board.changed.extend(documents);
            }
            if board.changed.len() > CHANGED_MAX {
                board.everything = true;
                board.changed.clear();
            }
        });
    }

    pub(super) fn everything_changed(&self) {
        self.post(|board| {
            (board.everything, board.standing) = (true, true);
            board.changed.clear();
        });
    }

    pub(super) fn standing_changed(&self) {
        self.post(|board| board.standing = true);
    }

    pub(super) fn log(&self, level: Level, text: String) {
        self.post(|board| {
            if board.lines.len() >= LINES_MAX {
                board.lines.pop_front();
                board.lost_lines = board.lost_lines.saturating_add(1);
            }
            board.lines.push_back((level, text));
        });
    }

    pub(super) fn close(&self) {
        self.post(|board| board.is_closed = true);
    }

    fn post(&self, write: impl FnOnce(&mut Board)) {
        write(&mut locked(&self.board));
        self.posted.notify_all();
    }

    /// Starts the telling thread, once there is somebody to tell. Where the system gives no thread the
    /// app hears nothing and everything else goes on.
    fn begin_telling(&self, held: &Arc<Held>) {
        let mut board = locked(&self.board);
        if board.is_told || board.is_closed || (board.listener.is_none() && board.log.is_none()) {
            return;
        }
        let weak = Arc::downgrade(held);
        let named = thread::Builder::new().name("xunyuan-news".to_owned());
        board.is_told = named.spawn(move || tell(&weak)).is_ok();
    }

    /// Waits for the next batch; `None` after the last.
    fn next(&self) -> Option<Batch> {
        let mut board = locked(&self.board);
        while !board.has_news() {
            if board.is_closed {
                (board.listener, board.log, board.is_told) = (None, None, false);
                return None;
            }
            board = self.posted.wait(board).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if !board.is_closed {
            drop(board);
            thread::sleep(COLLECTED);
            board = locked(&self.board);
        }
        Some(board.take())
    }
}

impl Board {
    fn has_news(&self) -> bool {
        let for_listener = self.everything || self.standing || !self.changed.is_empty();
        (for_listener && self.listener.is_some()) || (!self.lines.is_empty() && self.log.is_some())
    }

    fn take(&mut self) -> Batch {
        let documents: Vec<DocumentId> = std::mem::take(&mut self.changed).into_iter().collect();
        let everything = std::mem::take(&mut self.everything);
        let has_changed = everything || !documents.is_empty();
        let least = self.log.as_ref().map_or(Level::Error, |(least, _)| *least);
        let mut lines = Vec::new();
        if self.log.is_some() {
            if self.lost_lines > 0 {
                let lost = std::mem::take(&mut self.lost_lines);
                lines.push(Told::Line(Level::Warning, format!("{lost} lines were dropped")));
            }
            let told = self.lines.drain(..).filter(|(level, _)| *level >= least);
            lines.extend(told.map(|(level, text)| Told::Line(level, text)));
        }
        Batch {
            listener: self.listener.clone(),
            log: self.log.as_ref().map(|(_, ear)| Arc::clone(ear)),
            changed: has_changed.then_some(Told::Changed { documents, everything }),
            standing: std::mem::take(&mut self.standing),
            lines,
        }
    }
}

/// Tells for as long as the replica is held.
fn tell(held: &Weak<Held>) {
    let mut last = None;
    loop {
        let Some(held) = held.upgrade() else { return };
        let Some(batch) = held.news.next() else { return };
        let mut told: Vec<Told> = batch.changed.into_iter().collect();
        if batch.standing
            && let Ok(standing) = held.standing()
            && last.as_ref() != Some(&standing)
        {
            last = Some(standing.clone());
            told.push(Told::Standing(Box::new(standing)));
        }
        for (ear, told) in [(batch.listener, told), (batch.log, batch.lines)] {
            let Some(ear) = ear else { continue };
            for one in told {
                // Whatever an app's code does wrong stays with it.
                let _ = catch_unwind(AssertUnwindSafe(|| ear(one)));
            }
        }
    }
}
