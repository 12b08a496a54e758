//! The laws of every device after every step, looking only at what the step changed: records whose bytes are
//! not what they were, and where the device stands.

use std::collections::{BTreeMap, BTreeSet};

use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::store::scopes::ScopeRow;
use xunyuan_core::wire::log::Digest;

use super::log::Log;
use super::rows::Rows;
use super::view::View;
use crate::laws;
use crate::world::World;

/// Longest time that a device with unsent work waits by itself, milliseconds.
const WAIT_MAX_MS: i64 = 8 * 60_000;

/// What was seen of the devices.
#[derive(Debug, Default)]
pub(super) struct Devices {
    seen: BTreeMap<usize, Seen>,
}

/// A device as it was last seen.
#[derive(Debug, Default)]
struct Seen {
    records: BTreeMap<DocumentId, Known>,
    /// Where it stood in the definitions: rows follow from them too.
    definitions: Option<(u64, u64)>,
    /// Where it stands in each scope, and what it shows there where it holds all of it and nothing else.
    scopes: BTreeMap<ScopeId, Stands>,
    /// Records with refused changes that were found at the branch.
    refused: BTreeMap<DocumentId, [u8; 32]>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    shape: [u8; 32],
    rows: [u8; 32],
}

/// A place in a log.
#[derive(Clone, Debug)]
struct Stands {
    row: ScopeRow,
    definitions: Option<(u64, u64)>,
    rows: Option<BTreeMap<DocumentId, [u8; 32]>>,
}

impl Devices {
    /// Has everything of a device looked at again.
    pub(super) fn forget(&mut self, device: usize) {
        self.seen.remove(&device);
    }

    /// Laws 2, 3, 5, 7, 8 and 9 of one device.
    ///
    /// # Panics
    /// With the number of the law that does not hold.
    pub(super) fn check(&mut self, world: &mut World, device: usize, view: &View, log: &Log, rows: &Rows) {
        let granted = world.ever_granted(device);
        for scope in view.documents.values().filter_map(|holding| holding.scope.as_ref()) {
            assert!(granted.contains(scope), "law 8: device {device} holds {scope}");
        }
        cursors_cover(world, device, view);
        waits_for_something(world, device, view);
        let mut seen = self.seen.remove(&device).unwrap_or_default();
        refusals_are_visible(world, device, view, &mut seen);
        rows_follow(world, device, view, &mut seen, rows);
        seen.scopes = standings(view, &seen);
        for (scope, stands) in &seen.scopes {
            agrees_with_branch(world, device, scope, stands, log);
            for (other, theirs) in self.seen.iter().filter(|(other, _)| !world.devices[**other].is_lost) {
                if let Some(theirs) = theirs.scopes.get(scope) {
                    agree((device, stands), (*other, theirs), scope);
                }
            }
        }
        self.seen.insert(device, seen);
    }
}

/// Law 2: the records of a scope are exactly those up to its cursor.
fn cursors_cover(world: &mut World, device: usize, view: &View) {
    let seqs = view.seqs();
    for row in view.status.scopes.iter().filter(|row| row.scope.stream() != "definitions") {
        let held = seqs.get(&row.scope).map_or(&[][..], Vec::as_slice);
        if !held.iter().copied().eq(1..=row.cursor) {
            // Stubs, or rows that the branch has lost.
            laws::places_are_covered(world, device, row);
        }
    }
}

/// Law 9, as far as it can be told while faults last: who holds unsent work asks again by itself.
fn waits_for_something(world: &mut World, device: usize, view: &View) {
    let is_asking = world.devices[device].waiting_for.is_some();
    if is_asking || view.status.pending_changes == 0 {
        return;
    }
    let now_ms = world.now_ms + world.devices[device].ahead_ms;
    let next = world.replica(device).poll_timeout();
    // Beyond the longest wait its clock was put back, and it asks at once.
    let is_soon = next.is_some_and(|at_ms| at_ms <= now_ms.saturating_add(WAIT_MAX_MS));
    let has_jumped = next.is_some_and(|at_ms| at_ms.saturating_sub(now_ms) > WAIT_MAX_MS);
    assert!(is_soon || has_jumped, "law 9: device {device} holds unsent work and does not ask: {next:?}");
}

/// Law 7: what was refused stands among the drafts of its author, and at the branch; there no longer where it
/// was put back to an older copy, because evidence is not given back.
fn refusals_are_visible(world: &World, device: usize, view: &View, seen: &mut Seen) {
    assert_eq!(view.drafted, view.status.refused_changes, "law 7: drafts of device {device}");
    let refused: BTreeMap<DocumentId, [u8; 32]> = view
        .documents
        .iter()
        .filter(|(_, holding)| !holding.refused.is_empty())
        .map(|(document, holding)| (*document, holding.shape))
        .collect();
    if refused != seen.refused {
        let kept = world.hub.refusals(10_000).expect("the branch lists what it refused");
        for document in refused.keys() {
            assert!(view.drafts.contains(document), "law 7: device {device} shows no draft of {document}");
            let is_kept = kept.iter().any(|run| run.device == view.device && run.document == *document);
            assert!(
                is_kept || world.was_put_back,
                "law 7: the branch does not see what device {device} was refused"
            );
        }
        seen.refused = refused;
    }
}

/// Law 3: the rows of every record that changed are those of its content; with other definitions those of all.
fn rows_follow(world: &mut World, device: usize, view: &View, seen: &mut Seen, rows: &Rows) {
    if view.status.unprojected > 0 {
        return;
    }
    let definitions = in_definitions(view);
    if definitions != seen.definitions {
        seen.records.clear();
        seen.definitions = definitions;
    }
    let gone: Vec<DocumentId> =
        seen.records.keys().filter(|document| !view.holds(**document)).copied().collect();
    for document in gone {
        let here = world.replica(device).fingerprint_of(document).expect("rows can be read");
        assert_eq!(here, rows.none(), "law 3: device {device} shows {document}, which it does not hold");
        seen.records.remove(&document);
    }
    for (document, holding) in &view.documents {
        let Some(scope) = &holding.scope else { continue };
        if seen.records.get(document).is_some_and(|known| known.shape == holding.shape) {
            continue;
        }
        let replica = world.replica(device);
        let model = replica.model(*document).expect("the document can be read");
        let wanted = rows.of(&view.catalog, scope, &model);
        let here = replica.fingerprint_of(*document).expect("rows can be read");
        assert_eq!(here, wanted, "law 3: rows of {document} on device {device}");
        seen.records.insert(*document, Known { shape: holding.shape, rows: here });
    }
}

fn in_definitions(view: &View) -> Option<(u64, u64)> {
    let row = view.status.scopes.iter().find(|row| row.scope.stream() == "definitions")?;
    Some((row.epoch, row.cursor))
}

/// Where a device stands, with what it shows of scopes that it holds whole.
fn standings(view: &View, seen: &Seen) -> BTreeMap<ScopeId, Stands> {
    let seqs = view.seqs();
    let busy: BTreeSet<&ScopeId> = view
        .documents
        .values()
        .filter(|holding| !holding.pending.is_empty())
        .filter_map(|holding| holding.scope.as_ref())
        .collect();
    let stands = |row: &ScopeRow| {
        let held = seqs.get(&row.scope).map_or(&[][..], Vec::as_slice);
        let is_whole = held.iter().copied().eq(1..=row.cursor) && !busy.contains(&row.scope);
        let known = || {
            let of_scope =
                view.documents.iter().filter(|(_, holding)| holding.scope.as_ref() == Some(&row.scope));
            of_scope.map(|(document, _)| Some((*document, seen.records.get(document)?.rows))).collect()
        };
        let rows = if is_whole && view.status.unprojected == 0 { known() } else { None };
        Stands { row: row.clone(), definitions: seen.definitions, rows }
    };
    let granted = view.status.scopes.iter().filter(|row| row.granted);
    granted.map(|row| (row.scope.clone(), stands(row))).collect()
}

/// Law 5 between a device and the branch, at the place where the device stands.
fn agrees_with_branch(world: &World, device: usize, scope: &ScopeId, stands: &Stands, log: &Log) {
    let Stands { row, .. } = stands;
    if row.epoch != world.hub.epoch() {
        return;
    }
    let there = log.at(scope, row.cursor).filter(|(chain, _)| chain.0 == row.chain);
    let Some((_, digest)) = there else {
        // Until it is found out, a file that was put back in silence goes on beside what it lost.
        assert!(world.was_put_back, "law 5: device {device} stands at no place of {scope}");
        return;
    };
    let holds = Digest { count: row.count, sum: row.sum };
    assert_eq!(holds, digest, "law 5: device {device} and the branch, scope {scope}");
    let definitions = world.hub.catalog().definitions_scope().map(|scope| log.length(&scope));
    let is_level = log.length(scope) == row.cursor
        && stands.definitions.is_some_and(|(epoch, seq)| epoch == row.epoch && Some(seq) == definitions);
    if let (true, Some(here), Some(there)) = (is_level, &stands.rows, log.rows(scope)) {
        assert_eq!(*here, there, "law 5: rows of device {device} and the branch, scope {scope}");
    }
}

/// Law 5 between two devices: at the same place of the same log they hold and show the same.
fn agree((one, here): (usize, &Stands), (other, there): (usize, &Stands), scope: &ScopeId) {
    let place = |row: &ScopeRow| (row.epoch, row.cursor, row.chain);
    if place(&here.row) != place(&there.row) || here.row.epoch == 0 {
        return;
    }
    let digest = |row: &ScopeRow| (row.count, row.sum);
    assert_eq!(digest(&here.row), digest(&there.row), "law 5: devices {one} and {other}, scope {scope}");
    if here.definitions == there.definitions
        && let (Some(here), Some(there)) = (&here.rows, &there.rows)
    {
        assert_eq!(here, there, "law 5: rows of devices {one} and {other}, scope {scope}");
    }
}
