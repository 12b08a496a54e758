//! What can be found out about pushed runs before their turn in the writer comes: signatures, the parsed
//! changes and, for a document that the log does not know yet, every check and the rows.
//!
//! Runs on the thread of the exchange, and on all cores when there is much of it; the writer is left to the
//! log. Nothing here is binding: the writer uses it only where its own look at the log agrees.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::RawChange;
use xunyuan_core::error::Error;
use xunyuan_core::id::{DefinitionRef, ScopeId};
use xunyuan_core::projection::{self, Projected};
use xunyuan_core::wire::message::PushedRun;

use super::{Candidate, Passed, Stop, signer};
use crate::hub::devices::Device;
use crate::hub::shared::Shared;
use crate::hub::store;

/// Bytes of packed changes that weigh as much as one more run.
const RUN_BYTES: usize = 8 * 1024;
/// Runs below which a second thread costs more than it saves.
const RUNS_FOR_THREADS: usize = 8;

/// What is known of one run ahead of its turn.
pub(in crate::hub) struct Ahead {
    /// Whether the device signed the run for its person; none for another's run that it gives back.
    pub(super) is_signed: Option<bool>,
    /// The run's changes, where they were looked at.
    pub(super) changes: Option<Result<Vec<RawChange>, Stop>>,
    /// The outcome for a document that the log did not know.
    pub(super) new: Option<New>,
}

impl Ahead {
    /// Nothing is known: the writer looks at everything itself.
    pub(in crate::hub) const fn none() -> Self {
        Self { is_signed: None, changes: None, new: None }
    }
}

/// A run that begins a document, checked from end to end.
pub(super) struct New {
    /// The definitions that it was checked under.
    pub(super) catalog: Arc<Catalog>,
    /// What passed.
    pub(super) passed: Passed,
    /// Its rows.
    pub(super) projected: Option<Projected>,
}

/// What the runs of an exchange weigh while they are looked at.
pub(in crate::hub) fn weight(pushed: &[PushedRun]) -> usize {
    pushed.len() + pushed.iter().map(|run| run.run.changes.len()).sum::<usize>() / RUN_BYTES
}

/// Looks at the runs of one exchange, each on its own.
pub(in crate::hub) fn look(
    shared: &Shared,
    device: &Device,
    definitions: &[DefinitionRef],
    pushed: &[PushedRun],
    now_ms: i64,
) -> Result<Vec<Ahead>, Error> {
    let catalog = shared.catalog();
    let grants = catalog.grants(&device.user);
    let itself = signer::itself(device);
    let is_new = shared.read(|conn| {
        pushed.iter().map(|run| Ok(store::document::find(conn, run.document)?.is_none())).collect()
    });
    let is_new: Vec<bool> = is_new?;
    let look = &|(run, is_new): (&PushedRun, &bool)| {
        let definition = usize::try_from(run.run.definition).ok().and_then(|place| definitions.get(place));
        let mut ahead = Ahead::none();
        if run.author.as_ref().is_some_and(|author| author.device != device.id) {
            return ahead;
        }
        let grants = grants.as_slice();
        let candidate =
            Candidate { device, signer: &itself, grants: Some(grants), pushed: run, definition, now_ms };
        let is_signed = candidate.signature_fits();
        ahead.is_signed = Some(is_signed);
        if is_signed && grants.binary_search(&run.scope).is_ok() {
            ahead.changes = Some(candidate.unpacked());
            if *is_new {
                ahead.new = candidate.begin(shared, &catalog, &mut ahead);
            }
        }
        ahead
    };
    // What panics here is looked at again in the writer, which knows what to do about it.
    let one = &|(run, is_new): (&PushedRun, &bool)| {
        let looked = catch_unwind(AssertUnwindSafe(|| look((run, is_new))));
        looked.unwrap_or_else(|_| Ahead::none())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if pushed.len() < RUNS_FOR_THREADS || threads == 1 {
        return Ok(pushed.iter().zip(&is_new).map(one).collect());
    }
    let share = pushed.len().div_ceil(threads);
    let parts = std::thread::scope(|scope| {
        let parts: Vec<_> = pushed
            .chunks(share)
            .zip(is_new.chunks(share))
            .map(|(runs, is_new)| scope.spawn(move || runs.iter().zip(is_new).map(one).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().map(|part| part.join()).collect::<Vec<_>>()
    });
    let mut ahead = Vec::with_capacity(pushed.len());
    for part in parts {
        match part {
            Ok(part) => ahead.extend(part),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(ahead)
}

impl Candidate<'_> {
    /// Every check of a signed run that begins a document; none where one of them stops it: then the writer says
    /// so in its own order.
    fn begin(&self, shared: &Shared, catalog: &Arc<Catalog>, ahead: &mut Ahead) -> Option<New> {
        if catalog.stream_of(self.definition?) != Some(self.pushed.scope.stream()) {
            return None;
        }
        let held = self.fresh(catalog).ok()?;
        let changes = ahead.changes.take();
        let checked = self.check_against(&shared.identity, catalog, true, changes, &held);
        let (passed, model) = checked.ok()?;
        // A ledger's entry is numbered first, which changes its rows.
        let is_final = catalog.ledger(&passed.held.row.definition).is_none();
        let scope: &ScopeId = &self.pushed.scope;
        let projected = is_final.then(|| projection::project(catalog, scope, &model)).transpose().ok()?;
        Some(New { catalog: catalog.clone(), passed, projected })
    }
}
