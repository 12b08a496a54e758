//! Admission: what the server checks before a pushed run becomes a row of the log.
//!
//! Receives runs as devices push them and hands on one verdict each, in the order of the push. The order
//! of the checks is fixed: caps, authenticity, structure, a scratch copy, policy, then append. The checks
//! before the scratch copy need no Automerge document. A refused run is a value and evidence, never an
//! error; an error here means that the branch's own store failed, and undoes the whole exchange.

mod ahead;
mod authentic;
mod policy;
mod signer;
mod structure;
mod taken;

use std::collections::BTreeMap;
use std::sync::Arc;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::RawChange;
use xunyuan_core::document::model::{Edit, Model};
use xunyuan_core::error::{Error, ErrorKind, Refusal};
use xunyuan_core::id::{ChangeHash, DefinitionRef, DocumentId, ScopeId};
use xunyuan_core::projection::Projected;
use xunyuan_core::wire::message::{Directive, PushedRun, Verdict};
use xunyuan_core::wire::run;

use super::cache::Held;
use super::devices::Device;
use super::evidence;
use super::exchange::rejected;
use super::files;
use super::hooks;
use super::numbers;
use super::own;
use super::repair;
use super::rows;
use super::shared::Identity;
use super::store::document::{ActorRow, DocumentRow};
use super::store::log::{Origin, RunRow};
use super::store::{self};
use super::writer::Writer;
use policy::Judged;
use signer::Signer;

pub(super) use ahead::{Ahead, look, weight};

/// What the runs of one exchange came to.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    /// One per run.
    pub(super) verdicts: Vec<Verdict>,
    /// What the device is to do.
    pub(super) directives: Vec<Directive>,
}

/// Why a run does not go on to the next check.
#[derive(Debug)]
enum Stop {
    /// Its last change is known already.
    Duplicate(u64),
    /// Predecessors are missing.
    Parked(Vec<ChangeHash>),
    /// Refused from this change on.
    Refused(Refusal, usize),
    /// Refused, and the device must continue the document under a new actor.
    Actor(Refusal),
    /// The store failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// One run on its way through the checks.
struct Candidate<'a> {
    device: &'a Device,
    /// Who signed the run: the device itself, or whose run it gives back.
    signer: &'a Signer,
    /// The person's grants; none at all for a revoked device.
    grants: Option<&'a [ScopeId]>,
    pushed: &'a PushedRun,
    definition: Option<&'a DefinitionRef>,
    now_ms: i64,
}

/// The new changes of a run that passed every check, and the document with them.
struct Passed {
    held: Held,
    /// Seq of the first change that was not in the log yet.
    first_seq: u64,
    /// Those changes: hash and last operation counter of each.
    changes: Vec<(ChangeHash, u32)>,
    /// Packed, where they are not all of the run; a whole run is logged to the byte as it was pushed.
    packed: Option<Vec<u8>>,
    /// What the branch has to record about it.
    late: own::Late,
}

/// Documents that took something in, and their rows where those were made ahead.
type Touched = BTreeMap<(ScopeId, DocumentId), Option<Projected>>;

/// Takes the runs of one exchange in, each on its own.
pub(super) fn push(
    writer: &mut Writer,
    device: &Device,
    definitions: &[DefinitionRef],
    pushed: &[PushedRun],
    ahead: Vec<Ahead>,
    now_ms: i64,
) -> Result<Admitted, Error> {
    let revoked = store::device::find(&writer.conn, device.id)?.is_none_or(|row| row.revoked_at_ms.is_some());
    let grants = (!revoked).then(|| writer.catalog.grants(&device.user));
    let mut admitted = Admitted::default();
    let mut touched = Touched::new();
    for (run, ahead) in pushed.iter().zip(ahead) {
        let definition = usize::try_from(run.run.definition).ok().and_then(|place| definitions.get(place));
        let signer = match signer::of(writer, device, run)? {
            Ok(signer) => signer,
            Err(refusal) => {
                evidence::keep(writer, device, run, definition, &refusal, now_ms)?;
                admitted.verdicts.push(rejected(refusal, 0));
                continue;
            }
        };
        let grants = grants.as_deref();
        let candidate = Candidate { device, signer: &signer, grants, pushed: run, definition, now_ms };
        let taken =
            writer.about(run.document, |writer| candidate.admit(writer, ahead, &mut admitted.directives))?;
        let (verdict, rows) = match taken {
            Some(taken) => taken,
            None => {
                candidate.keep_evidence(writer, &unreadable())?;
                (rejected(unreadable(), 0), None)
            }
        };
        if let Some(rows) = rows {
            // Rows made ahead are those of this run alone.
            let place = (run.scope.clone(), run.document);
            let rows = rows.filter(|_| !touched.contains_key(&place));
            touched.insert(place, rows);
        }
        admitted.verdicts.push(verdict);
    }
    // Numbers come last: what the exchange gives back may bring the one that an entry had.
    for (_, document) in touched.keys() {
        writer.about(*document, |writer| numbers::give(writer, *document, now_ms))?;
    }
    for ((scope, document), projected) in touched {
        let before = hooks::graded_before(writer, document)?;
        match projected {
            Some(projected) => {
                projected.store(&writer.conn)?;
                files::note(writer, &scope, document, &projected.files)?;
            }
            None => rows::project(writer, &scope, document)?,
        }
        hooks::recorded(writer, document, before.as_ref(), now_ms)?;
    }
    Ok(admitted)
}

impl Candidate<'_> {
    /// The verdict; for an accepted run also its rows, where they were made ahead.
    fn admit(
        &self,
        writer: &mut Writer,
        ahead: Ahead,
        directives: &mut Vec<Directive>,
    ) -> Result<(Verdict, Option<Option<Projected>>), Error> {
        let document = self.pushed.document;
        let passed = self.check(writer, ahead);
        match passed.and_then(|(passed, rows)| Ok((self.append(writer, passed)?, rows))) {
            Ok((seq, rows)) => Ok((Verdict::Accepted { seq }, Some(rows))),
            Err(Stop::Duplicate(seq)) => Ok((Verdict::Duplicate { seq }, None)),
            Err(Stop::Parked(missing)) => Ok((Verdict::Parked { missing }, None)),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Refused(refusal, from_change)) => {
                self.keep_evidence(writer, &refusal)?;
                Ok((rejected(refusal, from_change), None))
            }
            Err(Stop::Actor(refusal)) => {
                self.keep_evidence(writer, &refusal)?;
                let order = Directive::NewActor { document };
                if !self.signer.is_given_back && !directives.contains(&order) {
                    directives.push(order);
                }
                Ok((rejected(refusal, 0), None))
            }
        }
    }

    fn keep_evidence(&self, writer: &Writer, refusal: &Refusal) -> Result<(), Error> {
        evidence::keep(writer, self.device, self.pushed, self.definition, refusal, self.now_ms)
    }

    /// Every check, in the fixed order; the rows too where they were made ahead.
    fn check(&self, writer: &mut Writer, ahead: Ahead) -> Result<(Passed, Option<Projected>), Stop> {
        if let Err(refusal) = self.granted() {
            return Err(self.taken_before(writer, refusal)?);
        }
        let row = self.record_of(writer)?;
        if row.is_some() {
            let seq =
                store::log::seq_of_change(&writer.conn, self.pushed.document, &self.pushed.run.last_hash)?;
            if let Some(seq) = seq {
                return Err(Stop::Duplicate(seq));
            }
        }
        let Ahead { is_signed, changes, new } = ahead;
        if let (None, Some(new)) = (&row, new)
            && Arc::ptr_eq(&new.catalog, &writer.catalog)
        {
            return Ok((new.passed, new.projected));
        }
        let held = self.take(writer, row)?;
        let is_signed = is_signed.unwrap_or_else(|| self.signature_fits());
        let outcome = self.check_against(&writer.shared.identity, &writer.catalog, is_signed, changes, &held);
        match outcome {
            Ok((passed, _)) => Ok((passed, None)),
            Err(stop) => {
                if held.row.changes > 0 {
                    writer.documents.put(held);
                }
                Err(stop)
            }
        }
    }

    /// The checks that look at what is held of the document; what it then says.
    fn check_against(
        &self,
        identity: &Identity,
        catalog: &Catalog,
        is_signed: bool,
        changes: Option<Result<Vec<RawChange>, Stop>>,
        held: &Held,
    ) -> Result<(Passed, Model), Stop> {
        self.signed(identity, is_signed, held)?;
        let changes = changes.unwrap_or_else(|| self.unpacked())?;
        let known = changes.iter().take_while(|change| held.known.contains_key(&change.hash)).count();
        let fresh: Vec<RawChange> = changes.into_iter().skip(known).collect();
        self.in_place(held, &fresh, known)?;
        let (scratch, edits) = self.applied(held, &fresh, known)?;
        let said: Vec<(&RawChange, Vec<Edit>)> = fresh.iter().zip(edits).collect();
        let Judged { model, late } = self.policy(catalog, held, &scratch, said, known)?;
        let first_seq = fresh.first().map_or(0, |change| change.seq);
        let changes = fresh.iter().map(|change| (change.hash, op_counter(change))).collect();
        let packed = (known > 0).then(|| pack(&fresh)).transpose()?;
        Ok((Passed { held: scratch, first_seq, changes, packed, late }, model))
    }

    /// The document as the log has it, or a new one.
    fn take(&self, writer: &mut Writer, row: Option<DocumentRow>) -> Result<Held, Stop> {
        let document = self.pushed.document;
        let catalog = writer.catalog.clone();
        match row {
            Some(_) => {
                let taken = writer.documents.take(&writer.conn, &catalog, document);
                if let Err(error) = &taken
                    && matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Corrupt)
                {
                    // Rows of it are lost: this waits until devices have given them back.
                    repair::look(&writer.conn, &writer.shared, &self.pushed.scope, self.now_ms)?;
                    return Err(Stop::Parked(Vec::new()));
                }
                Ok(taken?.ok_or_else(|| {
                    Error::new(
                        ErrorKind::Corrupt,
                        "文档无法从日志重建",
                        "a document cannot be rebuilt from its log",
                    )
                })?)
            }
            None => self.fresh(&catalog),
        }
    }

    /// A document that nothing has arrived of yet.
    fn fresh(&self, catalog: &Catalog) -> Result<Held, Stop> {
        let definition = self.definition.cloned().ok_or_else(authentic::unknown_definition)?;
        let scope = self.pushed.scope.clone();
        let row = DocumentRow { scope, definition, changes: 0, actors: 0 };
        Ok(Held::new(catalog, self.pushed.document, row)?)
    }

    /// Writes the new changes down as one row, then what the branch itself has to say about them.
    fn append(&self, writer: &mut Writer, passed: Passed) -> Result<u64, Error> {
        let Passed { mut held, first_seq, changes, packed, late } = passed;
        let PushedRun { scope, document, run, .. } = self.pushed;
        let (device, user) = (self.signer.device, self.signer.user.clone());
        let origin = Origin { device, user, received_at_ms: self.now_ms };
        let row = RunRow {
            actor: run.actor,
            first_seq,
            changes,
            packed: packed.unwrap_or_else(|| run.changes.clone()),
            signature: run.signature,
        };
        let seq = log_run(writer, scope, *document, &origin, &row, &mut held)?;
        if self.signer.is_server {
            numbers::learn(writer, &held, self.now_ms)?;
        }
        // What is given back was noted when it first arrived.
        if let Some(data) = late.filter(|_| !self.signer.is_given_back) {
            own::note_late(writer, &mut held, &data, self.now_ms)?;
        }
        writer.documents.put(held);
        Ok(seq)
    }
}

/// The refusal of a run over which Automerge broke, or whose record broke before.
fn unreadable() -> Refusal {
    Refusal::new(
        "record_unreadable",
        "分公司读不出这条记录,本次内容未被接收,已原样保存备查;请联系分公司",
        "the branch cannot read this record, so this work was not taken in; it is kept as it is, tell the branch",
    )
}

/// Appends a run whose changes `held` has taken in; document, actor, head and listeners move with it.
pub(super) fn log_run(
    writer: &mut Writer,
    scope: &ScopeId,
    document: DocumentId,
    origin: &Origin,
    run: &RunRow,
    held: &mut Held,
) -> Result<u64, Error> {
    let seq = store::log::append_run(&writer.conn, scope, document, origin, run)?;
    held.known.extend(run.changes.iter().copied());
    let count = run.changes.len() as u64;
    let actor = ActorRow { device: origin.device, last_seq: run.first_seq + count - 1 };
    store::document::put_actor(&writer.conn, document, run.actor, &origin.user, &actor)?;
    held.actors.insert(run.actor, actor);
    held.row.changes += count;
    held.row.actors = held.actors.len() as u64;
    store::document::put(&writer.conn, document, &held.row)?;
    writer.note_moved(scope, seq);
    Ok(seq)
}

/// Operation counters are 32 bits wide in Automerge; structure has checked it.
pub(super) fn op_counter(change: &RawChange) -> u32 {
    u32::try_from(change.max_op).unwrap_or(u32::MAX)
}

/// Packs changes as they travel.
pub(super) fn pack(changes: &[RawChange]) -> Result<Vec<u8>, Error> {
    let raw: Vec<&[u8]> = changes.iter().map(|change| change.bytes.as_slice()).collect();
    run::pack(&raw)
}
