//! Repair: device and server do not hold the same, for whatever reason, and find out what either lacks.
//!
//! A scope is repaired when its chain or digest does not fit, when rows are missing or cannot be read here,
//! or when the server says that it lacks some. First the rows here are walked and the damaged ones named;
//! then both sides compare what they hold (`exchange::compare`); then rows travel, each to the very place it
//! has in the log. Cost is what differs, not what exists. Only where that does not help is the scope fetched
//! from its beginning. Nothing is taken out before the sound row is there to take its place.

use std::collections::BTreeSet;

use super::Replica;
use super::fork::give_way;
use super::sync::{Progress, place_in};
use crate::document::RawChange;
use crate::error::{Error, ErrorKind};
use crate::exchange::compare::Held;
use crate::exchange::mending::Session;
use crate::exchange::{Asked, AskedRepair};
use crate::id::{ChangeHash, DefinitionRef, DocumentId, ScopeId};
use crate::rules::codes;
use crate::store::damaged;
use crate::store::documents::{self, DocumentRow, RecordRow};
use crate::store::repair::{self, Stored};
use crate::store::scopes::{self, ScopeRow};
use crate::store::{former, outbox, stubs};
use crate::time::Moment;
use crate::wire::log::{Chain, Digest, Link, Walk};
use crate::wire::message::{Body, Cut, Head, Run, ScopeRequest};
use crate::wire::repair::{Given, Placed, Proof, Repair, Repaired, Rung};
use crate::wire::run;

/// Most scopes that are repaired in one request.
const SCOPES_MAX: usize = 8;
/// Most rows of one scope that are asked for in one request.
const NEED_MAX: usize = 512;
/// Most bytes of rows that are given in one request.
const GIVE_BYTES_MAX: usize = 512 * 1024;

impl Replica {
    /// Walks every row held, against hashes and chain, and says how many places are damaged or missing;
    /// what is wrong is repaired with the next exchange.
    ///
    /// # Errors
    /// Storage errors.
    pub fn check_store(&mut self) -> Result<u32, Error> {
        let mut wrong = 0;
        for standing in scopes::all(self.store.reader())? {
            if standing.scope.stream() != "definitions" {
                let bad = self.walked(&standing)?;
                wrong += u32::try_from(bad.len()).unwrap_or(u32::MAX);
                if !bad.is_empty() {
                    self.mending.suspects.insert(standing.scope);
                }
            }
        }
        if wrong > 0 {
            self.exchange.wake();
        }
        Ok(wrong)
    }

    /// Before a request: begins the repair of scopes that are known not to be whole.
    pub(super) fn look_after_store(&mut self) -> Result<(), Error> {
        if !self.mending.is_counted {
            self.mending.is_counted = true;
            self.mending.suspects.extend(repair::miscounted(self.store.reader())?);
        }
        for scope in std::mem::take(&mut self.mending.suspects) {
            if !self.mending.sessions.contains_key(&scope) {
                self.begin_repair(&scope, &mut Progress::default())?;
            }
        }
        Ok(())
    }

    /// Begins a comparison with the server, or fetches the scope from its beginning where comparing has
    /// not helped or cannot.
    pub(super) fn begin_repair(&mut self, scope: &ScopeId, progress: &mut Progress) -> Result<(), Error> {
        let Some(standing) = scopes::find(self.store.reader(), scope)? else { return Ok(()) };
        let is_compared = scope.stream() != "definitions" && standing.cursor > 0 && standing.granted;
        if !is_compared || !self.mending.try_again(scope) {
            return self.reset_scope(scope, None, progress);
        }
        let bad = self.walked(&standing)?;
        let frame = self.held(scope, standing.cursor, &bad).and_then(Held::open);
        let Ok(frame) = frame else { return self.reset_scope(scope, None, progress) };
        let session = Session::new(standing.cursor, bad, frame);
        self.mending.sessions.insert(scope.clone(), session);
        progress.more = true;
        Ok(())
    }

    /// The server says that the cursor is none of its log. Where it does not claim a new epoch, it is first
    /// shown the last head that it signed: a file that was put back knows nothing of it.
    pub(super) fn part_ways(
        &mut self,
        scope: &ScopeId,
        cut: Option<&Cut>,
        rungs: Option<&[Rung]>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let Some(standing) = scopes::find(self.store.reader(), scope)? else { return Ok(()) };
        let epoch = cut.map(|cut| cut.epoch);
        let is_same_epoch = epoch.is_none_or(|epoch| epoch == standing.epoch);
        let proof = self.proof(scope)?.filter(|proof| proof.epoch == standing.epoch);
        if is_same_epoch && proof.is_some() && self.mending.show_proof(scope) {
            progress.more = true;
            return Ok(());
        }
        self.mending.sessions.remove(scope);
        let agreed = match (cut, epoch) {
            (Some(cut), Some(epoch)) if !self.agrees(scope, cut.seq, &cut.chain)? => {
                self.highest_rung(&standing, epoch, rungs.unwrap_or_default())?
            }
            _ => None,
        };
        self.reset_scope(scope, agreed.as_ref().or(cut), progress)
    }

    /// What this replica says about the scopes that it repairs, and which rows it gives.
    pub(super) fn repairs(
        &self,
        definitions: &mut Vec<DefinitionRef>,
    ) -> Result<(Vec<Repair>, Vec<AskedRepair>), Error> {
        let (mut repairs, mut asked) = (Vec::new(), Vec::new());
        for (scope, session) in self.mending.sessions.iter().take(SCOPES_MAX) {
            let (give, done) = self.given(scope, session, definitions)?;
            asked.push(AskedRepair { scope: scope.clone(), given: done });
            repairs.push(Repair {
                scope: scope.clone(),
                up_to: session.up_to,
                frame: session.frame.clone(),
                need: session.need.iter().copied().take(NEED_MAX).collect(),
                give,
                proof: None,
            });
        }
        for scope in self.mending.proofs_due.iter().take(SCOPES_MAX) {
            let proof = self.proof(scope)?;
            repairs.push(Repair {
                scope: scope.clone(),
                up_to: 0,
                frame: None,
                need: Vec::new(),
                give: Vec::new(),
                proof,
            });
        }
        Ok((repairs, asked))
    }

    /// Takes what the server answered about repairs.
    pub(super) fn take_repairs(
        &mut self,
        asked: &Asked,
        repairs: Vec<Repaired>,
        definitions: &[DefinitionRef],
        moment: &Moment,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        self.mending.proofs_due.clear();
        for AskedRepair { scope, given } in &asked.repairs {
            if let Some(session) = self.mending.sessions.get_mut(scope) {
                progress.repaired += u32::try_from(given.len()).unwrap_or(u32::MAX);
                session.give.retain(|seq| !given.contains(seq));
            }
            if !repairs.iter().any(|repaired| repaired.scope == *scope) {
                // A server that does not compare, or no longer grants the scope.
                self.mending.sessions.remove(scope);
                self.reset_scope(scope, None, progress)?;
            }
        }
        for Repaired { scope, frame, rows, wish } in repairs {
            let is_asked = asked.repairs.iter().any(|asked| asked.scope == scope);
            if is_asked && self.mending.sessions.contains_key(&scope) {
                self.take_rows(&scope, rows, definitions, moment, progress)?;
                self.go_on(&scope, frame.as_deref(), progress)?;
            }
            if let Some(wish) = wish
                && self.mending.is_new_wish(&scope, wish)
                && !self.mending.sessions.contains_key(&scope)
            {
                self.begin_repair(&scope, progress)?;
            }
        }
        Ok(())
    }

    /// The last signed head of a scope, as it is kept.
    pub(super) fn sealed(standing: &ScopeRow, head: &Head) -> Vec<u8> {
        let proof = Proof {
            epoch: standing.epoch,
            seq: standing.cursor,
            chain: standing.chain,
            count: head.count,
            sum: head.sum,
            signature: head.signature,
        };
        minicbor::to_vec(proof).unwrap_or_default()
    }

    fn proof(&self, scope: &ScopeId) -> Result<Option<Proof>, Error> {
        let kept = repair::proof(self.store.reader(), scope)?;
        Ok(kept.and_then(|bytes| minicbor::decode(&bytes).ok()))
    }

    /// The signed head that is kept for exactly this place in a scope's log.
    pub(super) fn kept_head(&self, at: &ScopeRequest) -> Result<Option<Head>, Error> {
        let proof = self.proof(&at.scope)?.filter(|proof| {
            (proof.epoch, proof.seq, proof.chain) == (at.epoch, at.cursor, at.chain) && at.epoch != 0
        });
        Ok(proof.map(|proof| Head { count: proof.count, sum: proof.sum, signature: proof.signature }))
    }

    /// Takes the next step of a comparison, and ends the repair when nothing is left to do.
    fn go_on(&mut self, scope: &ScopeId, frame: Option<&[u8]>, progress: &mut Progress) -> Result<(), Error> {
        let Some(mut session) = self.mending.sessions.remove(scope) else { return Ok(()) };
        if session.frame.is_some() {
            let told = match frame {
                Some(frame) => {
                    self.held(scope, session.up_to, &session.bad).and_then(|held| held.resume(frame))
                }
                None => Err(Error::new(ErrorKind::Protocol, "缺少比对消息", "a comparison was not answered")),
            };
            match told {
                Ok(difference) => {
                    progress.is_comparing = true;
                    session.told(difference);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Invalid) => {
                    return self.reset_scope(scope, None, progress);
                }
                Err(error) => return Err(error),
            }
        }
        if session.is_over() {
            return self.end_repair(scope, progress);
        }
        self.mending.sessions.insert(scope.clone(), session);
        progress.more = true;
        Ok(())
    }

    /// After a repair: counts anew what the scope holds; the next page says whether that is right.
    fn end_repair(&mut self, scope: &ScopeId, progress: &mut Progress) -> Result<(), Error> {
        progress.more = true;
        let connection = self.store.reader();
        let Some(standing) = scopes::find(connection, scope)? else { return Ok(()) };
        if repair::has_stubs(connection, scope)? || !self.walked(&standing)?.is_empty() {
            return Ok(());
        }
        let mut digest = Digest::default();
        repair::walk(connection, scope, |_, stored| {
            if let Stored::Record(record) = stored {
                let (hashes, _) = contents(&record)?;
                hashes.iter().for_each(|hash| digest.add(&record.document, hash));
            }
            Ok(())
        })?;
        let counted = ScopeRow { count: digest.count, sum: digest.sum, ..standing.clone() };
        if counted == standing {
            return Ok(());
        }
        self.store.write(|connection| scopes::save(connection, &counted))
    }

    /// The places of a scope up to its cursor that are damaged or missing.
    fn walked(&self, standing: &ScopeRow) -> Result<BTreeSet<u64>, Error> {
        let mut walk = Walk::new(&standing.scope);
        repair::walk(self.store.reader(), &standing.scope, |seq, stored| {
            match stored {
                Stored::Record(record) => {
                    let sound = contents(&record).is_ok();
                    walk.row(&link(&record), &Chain(record.chain), sound);
                }
                Stored::Stub(chain) => walk.stub(seq, &Chain(chain)),
                Stored::Unreadable => walk.unreadable(seq),
            }
            Ok(())
        })?;
        let bad = walk.end(standing.cursor, &Chain(standing.chain));
        Ok(bad.into_iter().filter(|seq| *seq <= standing.cursor).collect())
    }

    /// The sound rows of a scope, for the comparison.
    fn held(&self, scope: &ScopeId, up_to: u64, bad: &BTreeSet<u64>) -> Result<Held, Error> {
        let mut held = Held::default();
        repair::places(self.store.reader(), scope, up_to, |seq, chain| {
            if bad.contains(&seq) { Ok(()) } else { held.add(seq, &Chain(chain)) }
        })?;
        Ok(held)
    }

    /// The rows that the server lacks, as many as go into one request, and the places that are done with
    /// them.
    fn given(
        &self,
        scope: &ScopeId,
        session: &Session,
        definitions: &mut Vec<DefinitionRef>,
    ) -> Result<(Vec<Given>, Vec<u64>), Error> {
        let (mut given, mut done, mut bytes) = (Vec::new(), Vec::new(), 0);
        for seq in &session.give {
            let connection = self.store.reader();
            // A stub cannot be given.
            let Some(record) = repair::record_at(connection, scope, *seq)? else {
                done.push(*seq);
                continue;
            };
            let Some(document) = documents::find(connection, record.document)? else {
                done.push(*seq);
                continue;
            };
            bytes += record.changes.len();
            if bytes > GIVE_BYTES_MAX && !given.is_empty() {
                break;
            }
            done.push(*seq);
            given.push(Given {
                seq: *seq,
                document: record.document,
                device: record.device,
                user: record.user,
                received_at_ms: record.received_at_ms,
                run: Run {
                    definition: place_in(definitions, &document.definition),
                    actor: record.actor,
                    changes: record.changes,
                    last_hash: record.last_hash,
                    signature: record.signature,
                },
            });
        }
        Ok((given, done))
    }

    /// Puts rows that were missing into their places.
    fn take_rows(
        &mut self,
        scope: &ScopeId,
        rows: Vec<Placed>,
        definitions: &[DefinitionRef],
        moment: &Moment,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let Some(session) = self.mending.sessions.get(scope) else { return Ok(()) };
        // What was asked for and did not come is not at the server either.
        let asked: Vec<u64> = session.need.iter().copied().take(NEED_MAX).collect();
        let last = rows.last().map_or(u64::MAX, |row| row.record.seq);
        let device = self.identity.device;
        let wanted: Vec<&Placed> = rows.iter().filter(|row| asked.contains(&row.record.seq)).collect();
        let touched = self.store.write(|connection| {
            let mut touched = BTreeSet::new();
            for row in wanted {
                let Some((document, last_seq)) = place_row(connection, scope, row, definitions)? else {
                    continue;
                };
                progress.repaired += 1;
                if row.record.device == device
                    && let Body::Run(run) = &row.record.body
                {
                    give_way(connection, document, run.actor, last_seq, moment)?;
                }
                if documents::find(connection, document)?.is_some() {
                    documents::set_projected(connection, document, false)?;
                    touched.insert(document);
                }
            }
            Ok(touched)
        })?;
        touched.iter().for_each(|document| drop(self.loaded.remove(document)));
        if !touched.is_empty() {
            self.rows_wait();
        }
        if let Some(session) = self.mending.sessions.get_mut(scope) {
            for seq in asked.into_iter().filter(|seq| *seq <= last) {
                session.need.remove(&seq);
                session.bad.remove(&seq);
            }
        }
        progress.touched.extend(touched);
        Ok(())
    }

    fn agrees(&self, scope: &ScopeId, seq: u64, chain: &[u8; 32]) -> Result<bool, Error> {
        Ok(former::chain_at(self.store.reader(), scope, seq)? == Some(*chain))
    }

    /// The highest place at which this replica's log and the server's are the same.
    fn highest_rung(&self, standing: &ScopeRow, epoch: u64, rungs: &[Rung]) -> Result<Option<Cut>, Error> {
        for Rung { seq, chain } in rungs {
            let here = former::chain_at(self.store.reader(), &standing.scope, *seq)?;
            if let Some(here) = here.filter(|here| *seq <= standing.cursor && here[..8] == *chain) {
                return Ok(Some(Cut { epoch, seq: *seq, chain: here }));
            }
        }
        Ok(None)
    }
}

/// Writes one row into its place; `None` when it does not hold what it names.
fn place_row(
    connection: &rusqlite::Connection,
    scope: &ScopeId,
    placed: &Placed,
    definitions: &[DefinitionRef],
) -> Result<Option<(DocumentId, u64)>, Error> {
    let Placed { record, chain } = placed;
    let before = former::chain_at(connection, scope, record.seq.saturating_sub(1))?;
    if before.is_some_and(|before| Chain(before).next(scope, &Link::of(record)).0 != *chain) {
        return Ok(None);
    }
    match &record.body {
        Body::Run(run) => {
            let place = usize::try_from(run.definition).unwrap_or(usize::MAX);
            let row = RecordRow {
                scope: scope.clone(),
                seq: record.seq,
                document: record.document,
                actor: run.actor,
                device: record.device,
                user: record.user.clone(),
                received_at_ms: record.received_at_ms,
                last_hash: run.last_hash,
                changes: run.changes.clone(),
                signature: run.signature,
                chain: *chain,
            };
            let (Some(definition), Ok((hashes, last_seq))) = (definitions.get(place), contents(&row)) else {
                return Ok(None);
            };
            repair::clear_place(connection, scope, record.seq)?;
            let document = DocumentRow {
                document: record.document,
                scope: scope.clone(),
                definition: definition.clone(),
                actor: None,
            };
            documents::insert(connection, &document, row.received_at_ms)?;
            documents::insert_record(connection, &row)?;
            outbox::remove(connection, record.document, &hashes)?;
            damaged::came_back(connection, record.document, &hashes, codes::BUILDS_ON_DAMAGED)?;
            Ok(Some((record.document, last_seq)))
        }
        Body::Stub { last_hash, .. } => {
            repair::clear_place(connection, scope, record.seq)?;
            stubs::insert(connection, scope, record.seq, record.document, *last_hash, *chain)?;
            Ok(Some((record.document, 0)))
        }
        Body::Own(_) | Body::Definition { .. } => Ok(None),
    }
}

/// The hashes of a record's changes and the seq of the last, where they are what the record names.
fn contents(record: &RecordRow) -> Result<(Vec<ChangeHash>, u64), Error> {
    let (mut hashes, mut last_seq) = (Vec::new(), 0);
    for chunk in run::unpack(&record.changes, record.actor)? {
        let change = RawChange::parse(chunk)?;
        last_seq = change.seq;
        hashes.push(change.hash);
    }
    if hashes.last() == Some(&record.last_hash) {
        return Ok((hashes, last_seq));
    }
    Err(Error::new(ErrorKind::Corrupt, "记录内容与其哈希不符", "a record does not hold what it names"))
}

fn link(record: &RecordRow) -> Link<'_> {
    Link {
        seq: record.seq,
        kind: 1,
        document: record.document,
        last_hash: record.last_hash,
        device: record.device,
        user: &record.user,
        received_at_ms: record.received_at_ms,
    }
}
