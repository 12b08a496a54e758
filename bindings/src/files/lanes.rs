//! Files go to the branch on two lanes: while it stores one and answers, the next is on its way.
//!
//! A lane has the line and the shelf, never the replica: what became of a file is told to the run, which notes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use xunyuan_core::id::FileHash;
use xunyuan_core::replica::FileNote;
use xunyuan_core::store::files::FileRow;

use super::Shelf;
use super::courier::{Run, Stop};
use super::upload::PIECE_FIRST;
use super::way::Way;

/// Files that are under way at a time: more would share the same line and leave more of them unfinished when it breaks.
const LANES: usize = 2;

/// What a lane tells the run.
pub(super) enum Told {
    /// So many bytes left the device.
    Left(u64),
    /// The branch has `at` bytes of the file, and lacks `left`.
    Sent { hash: FileHash, at: u64, left: u64 },
    /// The file is done with, or the lane cannot go on.
    Ended(FileHash, Result<FileNote, Stop>),
}

/// One lane.
pub(super) struct Lane<'r> {
    pub(super) way: &'r Way<'r>,
    pub(super) shelf: &'r Shelf,
    /// Bytes of the next piece: what the line takes in a few seconds.
    pub(super) piece: u64,
    is_ended: &'r AtomicBool,
    told: Sender<Told>,
}

impl Lane<'_> {
    /// Takes files in turn until there are no more, or the run ends.
    fn run(mut self, rows: &[FileRow], next: &AtomicUsize) {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ended = self.may_go_on().and_then(|()| self.send(row));
            let is_over = ended.is_err();
            self.tell(Told::Ended(row.hash, ended));
            if is_over {
                break;
            }
        }
    }

    /// The run listens until every lane has ended.
    pub(super) fn tell(&self, told: Told) {
        let _ = self.told.send(told);
    }

    /// Ends the lane when the run has ended, or the time.
    pub(super) fn may_go_on(&self) -> Result<(), Stop> {
        let is_over = self.is_ended.load(Ordering::Relaxed) || self.way.is_over();
        if is_over { Err(Stop::Asked) } else { Ok(()) }
    }
}

impl Run<'_, '_> {
    /// Sends files. What is wrong with a file is noted and the others go on; what is wrong with the line ends the run
    /// once the pieces under way have ended.
    pub(super) fn send_files(&mut self, rows: &[FileRow]) -> Result<(), Stop> {
        let mut left: BTreeMap<FileHash, u64> =
            rows.iter().map(|row| (row.hash, row.bytes.saturating_sub(row.sent))).collect();
        self.note_left(&left);
        self.may_go_on()?;
        let (next, is_ended, way) = (AtomicUsize::new(0), AtomicBool::new(false), self.way.clone());
        let shelf = self.shelf;
        let (sender, events) = channel();
        thread::scope(|scope| {
            for _ in 0..LANES.min(rows.len()) {
                let told = sender.clone();
                let lane = Lane { way: &way, shelf, piece: PIECE_FIRST, is_ended: &is_ended, told };
                let next = &next;
                scope.spawn(move || lane.run(rows, next));
            }
            drop(sender);
            let mut outcome = Ok(());
            for told in events {
                let taken = match told {
                    Told::Left(count) => {
                        self.carried.bytes_sent += count;
                        continue;
                    }
                    Told::Sent { hash, at, left: lacking } => {
                        left.insert(hash, lacking);
                        self.note(hash, FileNote::Sent(at))
                    }
                    Told::Ended(hash, Ok(note)) => {
                        left.remove(&hash);
                        self.carried.sent += u32::from(note == FileNote::Confirmed);
                        self.note(hash, note)
                    }
                    Told::Ended(_, Err(stop)) => Err(stop),
                };
                self.note_left(&left);
                let taken = taken.and_then(|()| self.may_go_on());
                if taken.is_err() {
                    is_ended.store(true, Ordering::Relaxed);
                }
                outcome = outcome.and(taken);
            }
            outcome
        })
    }

    fn note_left(&mut self, left: &BTreeMap<FileHash, u64>) {
        self.carried.left = (u32::try_from(left.len()).unwrap_or(u32::MAX), left.values().sum());
    }
}
