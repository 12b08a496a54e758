//! The simulated disk: it dies before any write, loses what was not synced, and runs full.
//!
//! Receives the folder whose SQLite files it stands for; hands on what came of a fault. The product opens
//! its files as ever: a layer below SQLite (`vfs`) passes every call on to the real files and asks the
//! folder's disk before it writes. Forbids anything that would make SQLite or the product behave
//! differently while no fault is armed. Bytes are on the real disk when a fault has struck, so a file is
//! opened again exactly as after the process was killed.

mod vfs;

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::seed::Seed;

/// What goes wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the write that comes after so many: whatever was written stays.
    Kill {
        /// Writes that still succeed.
        after: u32,
    },
    /// The power goes before the write that comes after so many: what was not synced may be gone.
    Power {
        /// Writes that still succeed.
        after: u32,
    },
    /// No room is left after so many writes: any further one that makes a file longer is refused.
    Full {
        /// Writes that still succeed.
        after: u32,
    },
}

/// The disk under the files of one folder.
#[derive(Debug, Default)]
pub struct Disk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    operations: u32,
    struck: bool,
    unsynced: Vec<Unsynced>,
}

/// A write that no sync has covered yet, with what it replaced.
#[derive(Debug)]
struct Unsynced {
    path: PathBuf,
    at: u64,
    length_before: u64,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// What the layer below SQLite does with a call that changes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Pass,
    PassAndNote,
    Dead,
    Full,
}

impl Disk {
    /// The disk of a folder; the layer below SQLite is put in where it is not yet. Files that were opened before
    /// lie on no simulated disk.
    ///
    /// # Panics
    /// When SQLite does not take the layer.
    #[must_use]
    pub fn under(folder: &Path) -> Arc<Self> {
        vfs::install();
        Arc::clone(locked(disks()).entry(folder.to_owned()).or_default())
    }

    /// Arms a fault; one at a time.
    pub fn arm(&self, fault: Fault) {
        *locked(&self.0) = State { fault: Some(fault), ..State::default() };
    }

    /// True once the armed fault has struck.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        locked(&self.0).struck
    }

    /// The armed fault.
    #[must_use]
    pub fn armed(&self) -> Option<Fault> {
        locked(&self.0).fault
    }

    /// Ends the fault, struck or not, and says whether it had. Where the power went, a random part of
    /// what was not synced is lost; every file must be closed by then.
    ///
    /// # Panics
    /// When a file cannot be put back.
    pub fn mend(&self, seed: &mut Seed) -> bool {
        let state = std::mem::take(&mut *locked(&self.0));
        if state.struck && matches!(state.fault, Some(Fault::Power { .. })) {
            lose(state.unsynced, seed).expect("a file can be put back");
        }
        state.struck
    }

    /// Asks for a call that writes: `grows` when it makes the file longer.
    fn ask(&self, grows: bool) -> Answer {
        let state = &mut *locked(&self.0);
        let Some(fault) = state.fault else { return Answer::Pass };
        let (Fault::Kill { after } | Fault::Power { after } | Fault::Full { after }) = fault;
        let is_due = state.operations >= after;
        state.operations = state.operations.saturating_add(1);
        match fault {
            Fault::Full { .. } if is_due && grows => {
                state.struck = true;
                Answer::Full
            }
            Fault::Full { .. } => Answer::Pass,
            Fault::Kill { .. } | Fault::Power { .. } if is_due => {
                state.struck = true;
                Answer::Dead
            }
            Fault::Kill { .. } => Answer::Pass,
            Fault::Power { .. } => Answer::PassAndNote,
        }
    }

    /// Notes a write that is about to be made.
    fn note(&self, write: Unsynced) {
        locked(&self.0).unsynced.push(write);
    }

    /// Notes that everything of a file is safe, or that the file is gone.
    fn note_synced(&self, path: &Path) {
        locked(&self.0).unsynced.retain(|write| write.path != path);
    }
}

/// The disks by folder.
fn disks() -> &'static Mutex<BTreeMap<PathBuf, Arc<Disk>>> {
    static DISKS: OnceLock<Mutex<BTreeMap<PathBuf, Arc<Disk>>>> = OnceLock::new();
    DISKS.get_or_init(Mutex::default)
}

/// The disk that a file lies on, if it is a simulated one.
fn disk_of(file: &Path) -> Option<Arc<Disk>> {
    locked(disks()).get(file.parent()?).cloned()
}

/// Forgets the disks of all folders under `root`.
pub(crate) fn forget(root: &Path) {
    locked(disks()).retain(|folder, _| !folder.starts_with(root));
}

/// Undoes every write that was not synced, then makes a random part of them again, as a disk may that
/// writes in an order of its own.
fn lose(unsynced: Vec<Unsynced>, seed: &mut Seed) -> std::io::Result<()> {
    for write in unsynced.iter().rev().filter(|write| write.path.exists()) {
        let mut file = std::fs::OpenOptions::new().write(true).open(&write.path)?;
        file.seek(SeekFrom::Start(write.at))?;
        file.write_all(&write.before)?;
        file.set_len(write.length_before)?;
    }
    for write in unsynced.iter().filter(|write| write.path.exists()) {
        if seed.chance(50) {
            let mut file = std::fs::OpenOptions::new().write(true).open(&write.path)?;
            file.seek(SeekFrom::Start(write.at))?;
            file.write_all(&write.after)?;
        }
    }
    Ok(())
}

/// A panic elsewhere while it was held leaves this plain state whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
