//! Finding out what the branch's own log has lost, and comparing it with what a device holds.
//!
//! Rows of a log never change and never leave, so what is missing or damaged is a fault of the disk. It is
//! looked for when the hub opens, by counting, and row by row when a device asks for a comparison. Devices
//! that hold more are asked for it until the log is whole.

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::exchange::compare::Held;
use xunyuan_core::id::ScopeId;
use xunyuan_core::wire::log::{Link, Walk};
use xunyuan_core::wire::message::Request;
use xunyuan_core::wire::repair::Repair;

use super::Hub;
use super::cache::changes_of;
use super::shared::{Shared, locked};
use super::store::log::{LogRow, Stored};
use super::store::{self, scope::HeadRow};

/// How long the outcome of a walk over a scope's rows is believed, milliseconds.
const AUDIT_MS: i64 = 10 * 60 * 1_000;

/// What a scope's log lacks.
#[derive(Clone, Debug, Default)]
pub(super) struct Loss {
    /// Places of rows that are missing or damaged.
    pub(super) holes: BTreeSet<u64>,
    /// Those among them that no walk can tell from good ones: what was given before them did not lead to them.
    doubtful: BTreeSet<u64>,
    /// Another number for every finding: what devices are asked under.
    pub(super) wish: u64,
    /// Server clock at the walk that found it.
    at_ms: i64,
}

/// What the logs lack, as far as known.
#[derive(Debug, Default)]
pub(super) struct Losses {
    scopes: Mutex<BTreeMap<ScopeId, Loss>>,
    /// Held while rows are compared: one list of places in memory at a time, whoever asks.
    comparing: Mutex<()>,
}

impl Losses {
    /// What a scope's log lacks; `None` when nothing is known to be lost.
    pub(super) fn of(&self, scope: &ScopeId) -> Option<Loss> {
        locked(&self.scopes).get(scope).filter(|loss| !loss.holes.is_empty()).cloned()
    }

    /// Notes what a walk found.
    fn put(&self, scope: &ScopeId, holes: BTreeSet<u64>, now_ms: i64) {
        let mut scopes = locked(&self.scopes);
        let before = scopes.remove(scope).unwrap_or_default();
        let holes: BTreeSet<u64> = holes.union(&before.doubtful).copied().collect();
        let wish =
            if before.holes == holes { before.wish } else { now_ms.unsigned_abs().max(before.wish + 1) };
        scopes.insert(scope.clone(), Loss { holes, doubtful: before.doubtful, wish, at_ms: now_ms });
    }

    fn is_fresh(&self, scope: &ScopeId, now_ms: i64) -> bool {
        locked(&self.scopes)
            .get(scope)
            .is_some_and(|loss| (loss.at_ms..loss.at_ms + AUDIT_MS).contains(&now_ms))
    }

    /// Notes that rows are in their places again.
    pub(super) fn mended(&self, scope: &ScopeId, places: &BTreeSet<u64>) {
        if let Some(loss) = locked(&self.scopes).get_mut(scope) {
            loss.holes.retain(|seq| !places.contains(seq));
            loss.doubtful.retain(|seq| !places.contains(seq));
        }
    }

    /// Notes that what was given did not close a hole: the row behind it may be the damaged one.
    pub(super) fn widen(&self, scope: &ScopeId, seq: u64) {
        if let Some(loss) = locked(&self.scopes).get_mut(scope) {
            loss.holes.insert(seq);
            loss.doubtful.insert(seq);
            loss.wish += 1;
        }
    }
}

/// Counts the rows of every log and walks over those that have another number than their head says.
pub(super) fn count(shared: &Shared) -> Result<(), Error> {
    shared.read(|conn| {
        for (scope, head) in store::scope::all(conn)? {
            if store::log::count_of(conn, &scope)? != head.seq {
                shared.losses.put(&scope, holes(conn, &scope, &head)?, 0);
            }
        }
        Ok(())
    })
}

/// Answers a frame of a device: what both hold up to where it compares.
pub(super) fn compare(
    conn: &Connection,
    shared: &Shared,
    repair: &Repair,
    now_ms: i64,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(frame) = &repair.frame else { return Ok(None) };
    let _one_at_a_time = locked(&shared.losses.comparing);
    look(conn, shared, &repair.scope, now_ms)?;
    let lost = shared.losses.of(&repair.scope).unwrap_or_default().holes;
    let mut held = Held::default();
    let filled = store::log::places(conn, &repair.scope, repair.up_to, |seq, chain| {
        if lost.contains(&seq) { Ok(()) } else { held.add(seq, &chain) }
    });
    match filled.and_then(|()| held.answer(frame)) {
        Ok(answer) => Ok(Some(answer)),
        // Without an answer the device fetches the scope from its beginning.
        Err(error) if matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Invalid) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Walks over a scope's rows, unless that was done a short while ago.
pub(super) fn look(conn: &Connection, shared: &Shared, scope: &ScopeId, now_ms: i64) -> Result<(), Error> {
    if !shared.losses.is_fresh(scope, now_ms) {
        let head = store::scope::head(conn, scope)?;
        shared.losses.put(scope, holes(conn, scope, &head)?, now_ms);
    }
    Ok(())
}

/// Places of a scope's log that are missing or damaged.
pub(super) fn holes(conn: &Connection, scope: &ScopeId, head: &HeadRow) -> Result<BTreeSet<u64>, Error> {
    let mut walk = Walk::new(scope);
    store::log::walk(conn, scope, |seq, stored| match stored {
        Stored::Row(row) => {
            let sound = is_sound(&row);
            walk.row(&link(&row), &row.chain, sound);
        }
        Stored::Unreadable => walk.unreadable(seq),
    })?;
    let bad = walk.end(head.seq, &head.chain);
    Ok(bad.into_iter().filter(|seq| *seq <= head.seq).collect())
}

/// True when a row holds the changes that it names.
fn is_sound(row: &LogRow) -> bool {
    let Some(run) = &row.run else { return true };
    changes_of(row).is_ok_and(|changes| {
        changes.iter().map(|change| change.hash).eq(run.changes.iter().map(|(hash, _)| *hash))
            && changes.last().is_some_and(|change| change.hash == row.last_hash)
            && changes.first().is_some_and(|change| change.seq == run.first_seq)
    })
}

/// The part of a row that the chain covers.
pub(super) fn link(row: &LogRow) -> Link<'_> {
    Link {
        seq: row.seq,
        kind: row.kind,
        document: row.document,
        last_hash: row.last_hash,
        device: row.origin.device,
        user: &row.origin.user,
        received_at_ms: row.origin.received_at_ms,
    }
}

impl Hub {
    /// Number of log rows that are known to be missing or damaged, over all scopes.
    #[must_use]
    pub fn lost_rows(&self) -> u64 {
        let scopes = locked(&self.inner.shared.losses.scopes);
        scopes.values().map(|loss| loss.holes.len() as u64).sum()
    }

    /// Takes in what the repairs of a request bring: signed heads that this log cannot account for, and
    /// rows that it has lost.
    pub(super) fn take_repairs(
        &self,
        device: &super::Device,
        request: &Request,
        now_ms: i64,
    ) -> Result<(), Error> {
        let Some(repairs) = &request.repairs else { return Ok(()) };
        let shared = &self.inner.shared;
        let grants = shared.catalog().grants(&device.user);
        for repair in repairs.iter().filter(|repair| grants.binary_search(&repair.scope).is_ok()) {
            if let Some(proof) = &repair.proof
                && shared
                    .read(|conn| super::fork::is_unaccounted(conn, &shared.identity, &repair.scope, proof))?
            {
                let (scope, proof) = (repair.scope.clone(), proof.clone());
                self.write(move |writer| super::fork::begin_epoch(writer, &scope, &proof, now_ms))?;
            }
            if !repair.give.is_empty() && shared.losses.of(&repair.scope).is_some() {
                let (from, repair) = (device.clone(), repair.clone());
                let definitions = request.definitions.clone();
                self.write(move |writer| super::mend::take(writer, &from, &repair, &definitions))?;
            }
        }
        Ok(())
    }
}
