//! What the replica does with an answer: verdicts, pages, directives.

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

use super::files::write_rows;
use super::fork::{give_way, note_copy};
use super::refused::refuse_dependants;
use super::sync::Progress;
use super::{Replica, load_catalog, model_of};
use crate::definition::Catalog;
use crate::error::{Error, ErrorKind};
use crate::exchange::{Asked, SentRun, page};
use crate::id::{ChangeHash, DefinitionRef, DocumentId, ScopeId};
use crate::projection;
use crate::rules::codes;
use crate::store::damaged;
use crate::store::documents::{self, DocumentRow, RecordRow};
use crate::store::outbox::{self, OutboxRow};
use crate::store::scopes::{self, ScopeRow};
use crate::store::{files, identity, repair, stubs};
use crate::time::Moment;
use crate::wire::log::{Chain, Digest, Link, definition_document};
use crate::wire::message::{Body, Directive, Record, Reply, Run, ScopeReply, Verdict};
use crate::wire::run;

/// What the records of a page add up to.
struct Tally {
    digest: Digest,
    /// The chain at the record that was looked at last.
    chain: Chain,
    /// Changes of the page's earlier records: a run that was pushed again with more in it stands in the
    /// log as two records, and the second covers only what the first does not.
    covered: BTreeSet<ChangeHash>,
}

impl Tally {
    fn add(&mut self, document: &DocumentId, hash: ChangeHash) {
        self.digest.add(document, &hash);
        self.covered.insert(hash);
    }
}

/// One record of a page, checked and ready to store.
enum Arrival {
    /// A definition version, and when the branch published it.
    Definition(DefinitionRef, Vec<u8>, i64),
    /// A run, written here or elsewhere.
    Run { record: Box<RecordRow>, definition: Option<DefinitionRef>, hashes: Vec<ChangeHash>, last_seq: u64 },
    /// A run of a document that ended long ago, without its changes.
    Stub { scope: ScopeId, seq: u64, document: DocumentId, last_hash: ChangeHash, chain: [u8; 32] },
    /// A run of this device whose changes are not here.
    OwnMissing,
}

impl Arrival {
    fn save(&self, connection: &Connection) -> Result<(), Error> {
        match self {
            Self::Definition(reference, json, published_at_ms) => {
                identity::insert_definition(connection, reference, json, *published_at_ms)
            }
            Self::Run { record, definition, hashes, .. } => {
                if let Some(definition) = definition {
                    let row = DocumentRow {
                        document: record.document,
                        scope: record.scope.clone(),
                        definition: definition.clone(),
                        actor: None,
                    };
                    documents::insert(connection, &row, record.received_at_ms)?;
                }
                documents::insert_record(connection, record)?;
                outbox::remove(connection, record.document, hashes)?;
                damaged::came_back(connection, record.document, hashes, codes::BUILDS_ON_DAMAGED)
            }
            Self::Stub { scope, seq, document, last_hash, chain } => {
                stubs::insert(connection, scope, *seq, *document, *last_hash, *chain)
            }
            Self::OwnMissing => Ok(()),
        }
    }
}

impl Replica {
    pub(super) fn take_grants(&mut self, grants: &[ScopeId]) -> Result<(), Error> {
        self.store.write(|connection| {
            for mut row in scopes::all(connection)? {
                row.granted = grants.contains(&row.scope);
                scopes::save(connection, &row)?;
            }
            for scope in grants {
                if scopes::find(connection, scope)?.is_none() {
                    scopes::save(connection, &ScopeRow::new(scope.clone()))?;
                }
            }
            Ok(())
        })
    }

    pub(super) fn take_verdicts(
        &mut self,
        runs: &[SentRun],
        reply: &Reply,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let (verdicts, directives) = (&reply.verdicts, &reply.directives);
        let covered = covered(reply);
        let mut rebuilt = BTreeSet::new();
        let mut forked = BTreeSet::new();
        let is_erasing = directives.iter().any(|directive| matches!(directive, Directive::Wipe { .. }));
        let catalog = &self.catalog;
        self.store.write(|connection| {
            for (sent, verdict) in runs.iter().zip(verdicts).filter(|(sent, _)| sent.back_to.is_none()) {
                match verdict {
                    Verdict::Accepted { seq } | Verdict::Duplicate { seq } => {
                        let last = sent.hashes.last().ok_or_else(unasked)?;
                        // What the same answer's page covers leaves the outbox with it.
                        if !covered.contains(&(sent.document, *last)) {
                            outbox::set_logged(connection, *last, *seq)?;
                        }
                        progress.acknowledged += u32::try_from(sent.hashes.len()).unwrap_or(u32::MAX);
                    }
                    Verdict::Parked { .. } => progress.parked += 1,
                    Verdict::Rejected { refusal, from_change } => {
                        let from = usize::try_from(*from_change).unwrap_or(usize::MAX);
                        let first = sent.hashes.get(from).or(sent.hashes.last()).ok_or_else(unasked)?;
                        let renewal = Directive::NewActor { document: sent.document };
                        if directives.contains(&renewal) {
                            outbox::set_forked(connection, *first)?;
                            forked.insert(sent.document);
                            continue;
                        }
                        if is_erasing {
                            // Exactly what was sent: the branch is to see all the rest too.
                            for hash in sent.hashes.iter().skip(from) {
                                outbox::set_refused_alone(connection, *hash, refusal)?;
                            }
                        } else {
                            outbox::set_refused(connection, *first, refusal)?;
                            refuse_dependants(connection, sent.document)?;
                        }
                        documents::set_actor(connection, sent.document, None)?;
                        progress.refused.push(refusal.clone());
                        rebuilt.insert(sent.document);
                    }
                }
            }
            for directive in directives {
                if let Directive::NewActor { document } = directive
                    && !forked.contains(document)
                {
                    documents::set_actor(connection, *document, None)?;
                }
            }
            for document in &rebuilt {
                if let Some(row) = documents::find(connection, *document)? {
                    project(connection, catalog, &row)?;
                }
            }
            Ok(())
        })?;
        progress.more |= !forked.is_empty();
        rebuilt.iter().for_each(|document| drop(self.loaded.remove(document)));
        Ok(())
    }

    /// Applies one scope's page: records, cursor, chain and digest in one transaction. True when the
    /// scope now holds everything that the branch has of it.
    pub(super) fn take_page(
        &mut self,
        asked: &Asked,
        mut page: ScopeReply,
        definitions: &[DefinitionRef],
        moment: &Moment,
        progress: &mut Progress,
    ) -> Result<bool, Error> {
        let from = asked.scopes.iter().find(|from| from.scope == page.scope).ok_or_else(unasked)?;
        let kept = from.held.and_then(|_| self.kept_head(from).transpose()).transpose()?;
        let verified = page::verify(from, &mut page, &self.identity.server_key, kept);
        let mut standing = scopes::find(self.store.reader(), &page.scope)?.ok_or_else(unasked)?;
        if (standing.cursor, standing.chain) != (from.cursor, from.chain) {
            return Ok(false);
        }
        let digest = Digest { count: standing.count, sum: standing.sum };
        let mut tally = Tally { digest, chain: Chain(standing.chain), covered: BTreeSet::new() };
        let arrivals = verified.and_then(|()| {
            let (sent, records) = (asked.own_runs(), page.records.iter());
            records.map(|record| self.arrival(&sent, &page.scope, record, definitions, &mut tally)).collect()
        });
        let digest = tally.digest;
        let arrivals: Vec<Arrival> = match arrivals {
            Ok(arrivals) => arrivals,
            Err(error) if error.kind() == ErrorKind::Protocol => {
                return self.begin_repair(&page.scope, progress).map(|()| false);
            }
            Err(error) => return Err(error),
        };
        if arrivals.iter().any(|arrival| matches!(arrival, Arrival::OwnMissing)) {
            standing.want_own = true;
            progress.more = true;
            self.store.write(|connection| {
                note_copy(connection, moment)?;
                scopes::save(connection, &standing)
            })?;
            self.identity = identity::load(self.store.reader())?;
            return Ok(false);
        }
        if standing.epoch != page.epoch && standing.cursor > 0 {
            self.store.write(files::doubt_all)?;
        }
        (standing.epoch, standing.cursor, standing.chain) = (page.epoch, page.next_cursor, page.chain);
        (standing.count, standing.sum) = (digest.count, digest.sum);
        if let Some(head) = &page.head {
            if (head.count, head.sum) != (digest.count, digest.sum) {
                return self.begin_repair(&page.scope, progress).map(|()| false);
            }
            standing.proven_at_ms = Some(moment.unix_ms);
            standing.want_own = false;
            self.resets = 0;
            self.mending.proven(&page.scope);
        }
        progress.received += u32::try_from(arrivals.len()).unwrap_or(u32::MAX);
        progress.more |= page.more;
        let sealed = page.head.as_ref().map(|head| Self::sealed(&standing, head));
        self.commit_page(&standing, &arrivals, sealed.as_deref(), moment, progress)?;
        Ok(page.head.is_some())
    }

    fn arrival(
        &self,
        sent: &BTreeMap<(DocumentId, ChangeHash), &SentRun>,
        scope: &ScopeId,
        record: &Record,
        definitions: &[DefinitionRef],
        tally: &mut Tally,
    ) -> Result<Arrival, Error> {
        tally.chain = tally.chain.next(scope, &Link::of(record));
        match &record.body {
            Body::Definition { reference, json } => {
                tally.digest.add(&definition_document(reference), &record.body.last_hash());
                Ok(Arrival::Definition(reference.clone(), json.clone(), record.received_at_ms))
            }
            Body::Run(run) => {
                let index = usize::try_from(run.definition).unwrap_or(usize::MAX);
                let definition = definitions.get(index).ok_or_else(unasked)?;
                // The chain and the signed head vouch for these bytes; only what they hash to is asked here.
                let (hashes, last_seq) = run::hashes(&run.changes, run.actor)?;
                if hashes.last() != Some(&run.last_hash) {
                    return Err(unasked());
                }
                Ok(run_arrival(scope, record, run, Some(definition.clone()), (hashes, last_seq), tally))
            }
            Body::Stub { last_hash, changes, sum } => {
                tally.digest.add_all(&Digest { count: u64::from(*changes), sum: *sum });
                Ok(Arrival::Stub {
                    scope: scope.clone(),
                    seq: record.seq,
                    document: record.document,
                    last_hash: *last_hash,
                    chain: tally.chain.0,
                })
            }
            Body::Own(last_hash) => {
                if let Some(sent) = sent.get(&(record.document, *last_hash))
                    && let Some(run) = &sent.run
                    && sent.hashes.iter().all(|hash| !tally.covered.contains(hash))
                {
                    let proof = (sent.hashes.clone(), sent.last_seq);
                    return Ok(run_arrival(scope, record, run, None, proof, tally));
                }
                let mut rows = outbox::covered_by(self.store.reader(), record.document, *last_hash)?;
                rows.retain(|row| !tally.covered.contains(&row.hash));
                // One that is not here to its end was damaged, or written by another copy of this store.
                if rows.last().is_none_or(|row| row.hash != *last_hash) {
                    let Some((run, hashes, last_seq)) =
                        self.given_back(scope, record.document, *last_hash)?
                    else {
                        return Ok(Arrival::OwnMissing);
                    };
                    return Ok(run_arrival(scope, record, &run, None, (hashes, last_seq), tally));
                }
                let rows: Vec<&OutboxRow> = rows.iter().collect();
                let run = self.signed_run(scope, &rows, 0)?;
                let hashes = rows.iter().map(|row| row.hash).collect();
                let last_seq = rows.last().map_or(0, |row| row.seq);
                Ok(run_arrival(scope, record, &run, None, (hashes, last_seq), tally))
            }
        }
    }

    fn commit_page(
        &mut self,
        standing: &ScopeRow,
        arrivals: &[Arrival],
        sealed: Option<&[u8]>,
        moment: &Moment,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let has_definitions = arrivals.iter().any(|arrival| matches!(arrival, Arrival::Definition(..)));
        let touched: BTreeSet<_> = arrivals
            .iter()
            .filter_map(|arrival| match arrival {
                Arrival::Run { record, definition: Some(_), .. } => Some(record.document),
                Arrival::Run { .. }
                | Arrival::Definition(..)
                | Arrival::Stub { .. }
                | Arrival::OwnMissing => None,
            })
            .collect();
        let device = self.identity.device;
        let renewed = self.store.write(|connection| {
            arrivals.iter().try_for_each(|arrival| arrival.save(connection))?;
            if has_definitions {
                documents::forget_projections(connection)?;
            }
            let mut renewed = 0;
            for arrival in arrivals {
                if let Arrival::Run { record, last_seq, .. } = arrival
                    && record.device == device
                {
                    renewed += give_way(connection, record.document, record.actor, *last_seq, moment)?;
                }
            }
            for document in &touched {
                documents::set_projected(connection, *document, false)?;
            }
            scopes::save(connection, standing)?;
            if let Some(head) = sealed {
                repair::put_proof(connection, &standing.scope, head)?;
            }
            Ok(renewed)
        })?;
        progress.renewed += renewed;
        progress.more |= renewed > 0;
        if has_definitions {
            self.catalog = load_catalog(self.store.reader())?;
            self.loaded.clear();
        }
        if has_definitions || !touched.is_empty() {
            self.rows_wait();
        }
        touched.iter().for_each(|document| drop(self.loaded.remove(document)));
        progress.touched.extend(touched);
        Ok(())
    }

    pub(super) fn follow(
        &mut self,
        asked: &Asked,
        directives: &[Directive],
        progress: &mut Progress,
    ) -> Result<(), Error> {
        for directive in directives {
            match directive {
                // Followed where the verdict of the run was taken.
                Directive::NewActor { .. } => {}
                Directive::ResetScope { scope, cut, rungs } => {
                    self.store.write(files::doubt_all)?;
                    self.part_ways(scope, cut.as_ref(), rungs.as_deref(), progress)?;
                }
                Directive::Upgrade { sentence } => progress.notices.push(sentence.clone()),
                Directive::Wipe { sentence } => self.wipe(asked, sentence, progress)?,
            }
        }
        Ok(())
    }
}

/// Rebuilds a document's rows; false when it cannot be built yet, which leaves it marked.
pub(super) fn project(connection: &Connection, catalog: &Catalog, row: &DocumentRow) -> Result<bool, Error> {
    let projected = match model_of(connection, catalog, row) {
        Ok(model) if model.events.is_empty() && model.registers.is_empty() => {
            projection::remove(connection, row.document)?;
            true
        }
        Ok(model) => {
            write_rows(connection, catalog, &row.scope, &model)?;
            true
        }
        Err(error) if matches!(error.kind(), ErrorKind::Protocol | ErrorKind::NotFound) => false,
        Err(error) => return Err(error),
    };
    documents::set_projected(connection, row.document, projected)?;
    Ok(projected)
}

/// Documents and last hashes of the own runs that the pages of an answer cover.
fn covered(reply: &Reply) -> BTreeSet<(DocumentId, ChangeHash)> {
    let records = reply.scopes.iter().flat_map(|page| &page.records);
    let own = records.filter_map(|record| match record.body {
        Body::Own(last_hash) => Some((record.document, last_hash)),
        Body::Run(_) | Body::Stub { .. } | Body::Definition { .. } => None,
    });
    own.collect()
}

fn run_arrival(
    scope: &ScopeId,
    record: &Record,
    run: &Run,
    definition: Option<DefinitionRef>,
    (hashes, last_seq): (Vec<ChangeHash>, u64),
    tally: &mut Tally,
) -> Arrival {
    hashes.iter().for_each(|hash| tally.add(&record.document, *hash));
    let record = RecordRow {
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
        chain: tally.chain.0,
    };
    Arrival::Run { record: Box::new(record), definition, hashes, last_seq }
}

pub(super) fn unasked() -> Error {
    Error::new(
        ErrorKind::Protocol,
        "服务器的回复与请求不符;已忽略,将重试",
        "the server's answer does not fit the request; it was ignored and will be asked for again",
    )
}
