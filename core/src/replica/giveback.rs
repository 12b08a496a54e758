//! A server that forgot: restored from an older backup, it has lost the end of its logs.
//!
//! A backup is always the beginning of the log it was taken of. So the server says where its log was
//! cut, a device whose chain agrees there goes back to the cut, and everything after it, its own and
//! other people's signed runs alike, is given back. Cost is what was lost, not what exists.

use std::collections::BTreeSet;

use super::Replica;
use super::sync::Progress;
use crate::error::{Error, Sentence};
use crate::exchange::SentRun;
use crate::id::{ChangeHash, DocumentId, ScopeId};
use crate::store::documents::{self, RecordRow};
use crate::store::scopes::{self, ScopeRow};
use crate::store::{former, outbox};
use crate::wire::log::Digest;
use crate::wire::message::{Cut, Run, Verdict};
use crate::wire::run;

/// Answers in a row that may send scopes back before the replica waits for the next wake.
const RESETS_MAX: u32 = 3;

impl Replica {
    /// Goes back to where the server's log was cut, or to its beginning where that does not fit.
    ///
    /// All data stays; what the server may lack waits to be given back.
    pub(super) fn reset_scope(
        &mut self,
        scope: &ScopeId,
        cut: Option<&Cut>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let Some(standing) = scopes::find(self.store.reader(), scope)? else { return Ok(()) };
        let kept = match cut {
            Some(cut) => self.cut_back(&standing, cut)?,
            None => None,
        };
        let kept =
            kept.unwrap_or_else(|| ScopeRow { granted: standing.granted, ..ScopeRow::new(scope.clone()) });
        self.store.write(|connection| {
            outbox::forget_logged(connection, scope)?;
            former::cut_after(connection, scope, kept.cursor)?;
            scopes::save(connection, &kept)
        })?;
        // A restore sends every scope back at once; only the same again and again is odd.
        if progress.reset.is_empty() {
            self.resets += 1;
        }
        progress.reset.push(scope.clone());
        if self.resets <= RESETS_MAX {
            progress.more = true;
        } else {
            progress.notices.push(Sentence::new(
                format!("范围 {scope} 与分公司多次对不上账;数据保留在本机,请联系分公司"),
                format!(
                    "scope {scope} repeatedly does not agree with the branch; the data is kept here, tell the branch"
                ),
            ));
        }
        Ok(())
    }

    /// The standing at the cut, where this replica's chain agrees with the server's there.
    fn cut_back(&self, standing: &ScopeRow, cut: &Cut) -> Result<Option<ScopeRow>, Error> {
        let connection = self.store.reader();
        let scope = &standing.scope;
        let agrees = cut.seq > 0
            && cut.seq <= standing.cursor
            && former::chain_at(connection, scope, cut.seq)? == Some(cut.chain)
            && !former::has_stubs_after(connection, scope, cut.seq)?;
        if !agrees {
            return Ok(None);
        }
        let mut digest = Digest { count: standing.count, sum: standing.sum };
        for record in former::after(connection, scope, cut.seq)? {
            for hash in hashes(&record)? {
                digest.remove(&record.document, &hash);
            }
        }
        Ok(Some(ScopeRow {
            epoch: cut.epoch,
            cursor: cut.seq,
            chain: cut.chain,
            count: digest.count,
            sum: digest.sum,
            proven_at_ms: None,
            ..standing.clone()
        }))
    }

    /// Notes the verdict on a run that was given back.
    pub(super) fn take_back_verdict(
        &mut self,
        sent: &SentRun,
        scope: &ScopeId,
        verdict: &Verdict,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let Some(last_hash) = sent.hashes.last().copied() else { return Ok(()) };
        match verdict {
            // Its row comes with the page and replaces the lost one.
            Verdict::Accepted { .. } => progress.given_back += 1,
            Verdict::Duplicate { seq } => {
                let cursor = scopes::find(self.store.reader(), scope)?.map_or(0, |row| row.cursor);
                if *seq <= cursor {
                    self.store.write(|connection| former::remove(connection, scope, last_hash))?;
                }
            }
            Verdict::Parked { .. } => progress.parked += 1,
            Verdict::Rejected { refusal, .. } => {
                progress.refused.push(refusal.clone());
                self.refuse_lost(sent.document, scope, last_hash, refusal)?;
            }
        }
        Ok(())
    }

    /// The run of a row of the new log that was given back, as this replica holds it: the part of the
    /// lost record that no other row of the new log holds, with its hashes and last seq.
    pub(super) fn given_back(
        &self,
        scope: &ScopeId,
        document: DocumentId,
        last_hash: ChangeHash,
    ) -> Result<Option<(Run, Vec<ChangeHash>, u64)>, Error> {
        let connection = self.store.reader();
        let Some(lost) = former::find(connection, scope, last_hash)? else { return Ok(None) };
        let mut held = BTreeSet::new();
        for record in documents::current_records(connection, document)? {
            held.extend(hashes(&record)?);
        }
        let chunks = run::unpack(&lost.changes, lost.actor)?;
        let (mut fresh, last_seq) = run::hashes(&lost.changes, lost.actor)?;
        let known = fresh.iter().take_while(|hash| held.contains(hash)).count();
        fresh.drain(..known);
        let left: Vec<&[u8]> = chunks[known..].iter().map(Vec::as_slice).collect();
        if left.is_empty() {
            return Ok(None);
        }
        let run = Run {
            definition: 0,
            actor: lost.actor,
            changes: run::pack(&left)?,
            last_hash,
            signature: lost.signature,
        };
        Ok(Some((run, fresh, last_seq)))
    }
}

/// The hashes of a record's changes.
fn hashes(record: &RecordRow) -> Result<Vec<ChangeHash>, Error> {
    Ok(run::hashes(&record.changes, record.actor)?.0)
}
