//! Files that are arriving: a part is a file whose length says how much of it is here, and whose name says the rest.
//!
//! No list stands beside them that could disagree. A part belongs to one device, so nobody writes into anybody
//! else's; within a device the one who comes last writes, because a connection that died still looks alive here.

use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use xunyuan_core::id::{DeviceId, FileHash};

use super::BLOCK_BYTES;
use super::tree::keep_folder;

/// Slots that are kept before those that nobody uses are let go.
const SLOTS_KEPT: usize = 1_024;

/// The parts of all devices.
#[derive(Debug)]
pub(super) struct Parts {
    root: PathBuf,
    slots: Mutex<HashMap<PathBuf, Arc<Slot>>>,
}

/// Whose turn it is to write one part.
#[derive(Debug, Default)]
struct Slot {
    turn: AtomicU64,
    writing: Mutex<()>,
}

/// The right to add to one part until somebody else takes it.
#[derive(Debug)]
pub struct Part {
    slot: Arc<Slot>,
    turn: u64,
    file: File,
    received: u64,
    length: u64,
}

/// Why bytes were not added.
#[derive(Debug)]
pub enum PartFailure {
    /// Somebody else goes on with the part.
    Overtaken,
    /// More bytes came than the file has.
    TooLong,
    /// The disk failed.
    Disk(io::Error),
}

impl Part {
    /// Bytes that are here.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// `Overtaken`, `TooLong` or `Disk`; what was added before stays.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PartFailure> {
        let _held = self.slot.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.slot.turn.load(Ordering::Acquire) != self.turn {
            return Err(PartFailure::Overtaken);
        }
        if self.received + bytes.len() as u64 > self.length {
            return Err(PartFailure::TooLong);
        }
        self.file.write_all(bytes).map_err(PartFailure::Disk)?;
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Waits until what was added is on disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives back what was added since the part had `length` bytes: it was not what its sender meant.
    ///
    /// # Errors
    /// `Overtaken` or `Disk`.
    pub fn cut_back(&mut self, length: u64) -> Result<(), PartFailure> {
        let _held = self.slot.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.slot.turn.load(Ordering::Acquire) != self.turn {
            return Err(PartFailure::Overtaken);
        }
        self.file.set_len(length).map_err(PartFailure::Disk)?;
        self.received = length;
        self.file.sync_data().map_err(PartFailure::Disk)
    }
}

impl Parts {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, slots: Mutex::default() }
    }

    /// Where a part lies; its name is its hash and its length.
    pub(super) fn path(&self, device: DeviceId, hash: FileHash, length: u64) -> PathBuf {
        self.root.join(device.to_string()).join(format!("{hash}.{length}"))
    }

    pub(super) fn received(&self, device: DeviceId, hash: FileHash, length: u64) -> io::Result<Option<u64>> {
        let path = self.path(device, hash, length);
        let slot = self.slot(&path);
        // What is told now must not grow behind the back of whoever was told.
        slot.turn.fetch_add(1, Ordering::AcqRel);
        let _held = slot.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match fs::metadata(&path) {
            Ok(about) => Ok(Some(about.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn take(&self, device: DeviceId, hash: FileHash, length: u64) -> io::Result<Part> {
        let path = self.path(device, hash, length);
        let slot = self.slot(&path);
        let turn = slot.turn.fetch_add(1, Ordering::AcqRel) + 1;
        let held = slot.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !path.exists();
        if let Some(folder) = path.parent().filter(|_| is_new) {
            keep_folder(folder)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        if let Some(folder) = path.parent().filter(|_| is_new) {
            File::open(folder)?.sync_all()?;
        }
        let mut received = file.metadata()?.len();
        if received > length {
            file.set_len(0)?;
            received = 0;
        }
        drop(held);
        Ok(Part { slot, turn, file, received, length })
    }

    pub(super) fn digest(&self, device: DeviceId, hash: FileHash, length: u64) -> io::Result<[u8; 32]> {
        let mut file = File::open(self.path(device, hash, length))?;
        let (mut digest, mut block) = (Sha256::new(), vec![0; BLOCK_BYTES]);
        loop {
            let count = file.read(&mut block)?;
            match block.get(..count) {
                Some(part) if !part.is_empty() => digest.update(part),
                _ => return Ok(digest.finalize().into()),
            }
        }
    }

    pub(super) fn head(
        &self,
        device: DeviceId,
        hash: FileHash,
        length: u64,
        bytes: u64,
    ) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(usize::try_from(bytes.min(length)).unwrap_or(0));
        File::open(self.path(device, hash, length))?.take(bytes).read_to_end(&mut head)?;
        Ok(head)
    }

    pub(super) fn of(&self, device: DeviceId) -> io::Result<Vec<(FileHash, u64)>> {
        let mut parts = Vec::new();
        for entry in entries(&self.root.join(device.to_string()))? {
            let name = entry.file_name();
            let named = name.to_str().and_then(|name| name.split_once('.'));
            let read = named.and_then(|(hash, length)| Some((hash.parse().ok()?, length.parse().ok()?)));
            parts.extend(read);
        }
        parts.sort_unstable();
        Ok(parts)
    }

    pub(super) fn remove(&self, device: DeviceId, hash: FileHash, length: u64) -> io::Result<()> {
        let path = self.path(device, hash, length);
        let slot = self.slot(&path);
        slot.turn.fetch_add(1, Ordering::AcqRel);
        let _held = slot.writing.lock().unwrap_or_else(PoisonError::into_inner);
        gone(fs::remove_file(&path))
    }

    pub(super) fn touched(&self, device: DeviceId, hash: FileHash, length: u64) -> Option<SystemTime> {
        fs::metadata(self.path(device, hash, length)).and_then(|about| about.modified()).ok()
    }

    pub(super) fn expire(&self, life: Duration) -> io::Result<u64> {
        let mut count = 0;
        for device in entries(&self.root)? {
            for part in entries(&device.path())? {
                let touched = part.metadata()?.modified()?;
                if touched.elapsed().is_ok_and(|age| age >= life) {
                    let slot = self.slot(&part.path());
                    slot.turn.fetch_add(1, Ordering::AcqRel);
                    let _held = slot.writing.lock().unwrap_or_else(PoisonError::into_inner);
                    gone(fs::remove_file(part.path()))?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    fn slot(&self, path: &Path) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() > SLOTS_KEPT {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(path.to_owned()).or_default().clone()
    }
}

/// What lies in a folder; nothing where there is none.
fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Removing what is not there is no error.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
