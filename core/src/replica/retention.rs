//! What leaves the device: records that ended their lifecycle and have rested at the branch for the
//! days that the organisation's retention rule keeps them on devices.
//!
//! Never unsynced work, and nothing with an open clash. A stub with the record's place in the log stays, so
//! that cursor, chain and digest still prove the scope; when such a document is touched again, its
//! changes are asked for.

use super::Replica;
use super::apply::{project, unasked};
use super::fork::give_way;
use super::sync::Progress;
use crate::definition::Deadline;
use crate::error::Error;
use crate::id::DefinitionRef;
use crate::projection;
use crate::store::documents::{self, DocumentRow, RecordRow};
use crate::store::{identity, stubs};
use crate::time::Moment;
use crate::wire::message::{Body, Restored};
use crate::wire::run;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Name of the count that holds the day, since 1970, of the last clearing.
const CLEARED_DAY: &str = "cleared_day";

impl Replica {
    /// Ended records last touched before this server time need not be here; `None` without a rule.
    pub(super) fn keep_after_ms(&self, moment: &Moment) -> Option<i64> {
        let days = self.catalog.rules().find_map(|rule| {
            let Deadline::Retain { device_keep_days, .. } = rule.deadline else { return None };
            device_keep_days
        })?;
        let server_now_ms = moment.unix_ms.saturating_add(self.identity.clock_offset_ms?);
        Some(server_now_ms.saturating_sub(i64::from(days) * DAY_MS))
    }

    /// Lets go of what need not be here, once a day and only after the branch has answered.
    pub(super) fn clear_old(&mut self, moment: &Moment) -> Result<(), Error> {
        let Some(before_ms) = self.keep_after_ms(moment) else { return Ok(()) };
        let today = u32::try_from(moment.unix_ms.div_euclid(DAY_MS)).unwrap_or(0);
        if identity::number(self.store.reader(), CLEARED_DAY)? == Some(today) {
            return Ok(());
        }
        let loaded = &mut self.loaded;
        self.store.write(|connection| {
            for document in stubs::candidates(connection, before_ms)? {
                let row = projection::row(connection, document)?;
                if row.is_some_and(|row| row.terminal && row.clashes == 0) {
                    projection::remove(connection, document)?;
                    stubs::shrink(connection, document)?;
                    loaded.remove(&document);
                }
            }
            identity::set_number(connection, CLEARED_DAY, today)
        })
    }

    /// Takes the records that were stubs and are here in full again.
    pub(super) fn take_restored(
        &mut self,
        restored: Vec<Restored>,
        definitions: &[DefinitionRef],
        moment: &Moment,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        if restored.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(restored.len());
        for Restored { scope, record } in restored {
            let Body::Run(run) = record.body else { return Err(unasked()) };
            let index = usize::try_from(run.definition).unwrap_or(usize::MAX);
            let definition = definitions.get(index).ok_or_else(unasked)?.clone();
            let (hashes, last_seq) = run::hashes(&run.changes, run.actor)?;
            if hashes.last() != Some(&run.last_hash) {
                return Err(unasked());
            }
            let document =
                DocumentRow { document: record.document, scope: scope.clone(), definition, actor: None };
            let row = RecordRow {
                scope,
                seq: record.seq,
                document: record.document,
                actor: run.actor,
                device: record.device,
                user: record.user,
                received_at_ms: record.received_at_ms,
                last_hash: run.last_hash,
                changes: run.changes,
                signature: run.signature,
                chain: [0; 32],
            };
            rows.push((document, row, last_seq));
        }
        let (catalog, device) = (&self.catalog, self.identity.device);
        let touched = self.store.write(|connection| {
            let mut touched = std::collections::BTreeSet::new();
            for (document, record, last_seq) in &mut rows {
                let chain = stubs::take(connection, &record.scope, record.seq, record.last_hash)?;
                if let Some(chain) = chain {
                    record.chain = chain;
                    documents::insert(connection, document, record.received_at_ms)?;
                    documents::insert_record(connection, record)?;
                    if record.device == device {
                        give_way(connection, record.document, record.actor, *last_seq, moment)?;
                    }
                    stubs::note_wanted(connection, document.document)?;
                    touched.insert(document.document);
                }
            }
            for document in &touched {
                if let Some(row) = documents::find(connection, *document)? {
                    project(connection, catalog, &row)?;
                }
            }
            Ok(touched)
        })?;
        touched.iter().for_each(|document| drop(self.loaded.remove(document)));
        progress.touched.extend(touched);
        Ok(())
    }
}
