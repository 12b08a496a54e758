//! Which refused changes make one draft: what builds on a refused change belongs to its draft, whoever
//! wrote it.
//!
//! Two kinds of work are refused: what was written here, and what the branch had lost, was given back
//! and did not take any more. The latter keeps its author and signature; it can only be offered again.

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use super::apply::project;
use crate::document::RawChange;
use crate::error::{Error, Refusal};
use crate::id::{ActorId, ChangeHash, DocumentId, ScopeId};
use crate::rules::codes;
use crate::store::documents::{self, RecordRow};
use crate::store::former;
use crate::store::outbox::{self, OutboxRow};
use crate::wire::run;

/// The refused changes of one draft.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its changes, in an order in which they can be read.
    pub(super) rows: Vec<OutboxRow>,
    /// The records among them that the branch had lost.
    pub(super) lost: Vec<RecordRow>,
}

impl Replica {
    /// Refused changes by draft.
    pub(super) fn grouped(&self) -> Result<BTreeMap<(DocumentId, ActorId), Group>, Error> {
        let connection = self.store.reader();
        let mut owners: BTreeMap<ChangeHash, ActorId> = BTreeMap::new();
        let mut drafts: BTreeMap<(DocumentId, ActorId), Group> = BTreeMap::new();
        let mut own = |row: &OutboxRow| -> Result<(DocumentId, ActorId), Error> {
            let deps = RawChange::parse(row.bytes.clone())?.deps;
            let id = deps.iter().find_map(|dep| owners.get(dep)).copied().unwrap_or(row.actor);
            owners.insert(row.hash, id);
            Ok((row.document, id))
        };
        for (record, refusal) in former::refused(connection)? {
            let rows = changes_of(&record, Some(&refusal))?;
            let keys = rows.iter().map(&mut own).collect::<Result<Vec<_>, _>>()?;
            let Some(key) = keys.first() else { continue };
            let group = drafts.entry(*key).or_default();
            group.rows.extend(rows);
            group.lost.push(record);
        }
        for row in outbox::refused(connection)? {
            drafts.entry(own(&row)?).or_default().rows.push(row);
        }
        Ok(drafts)
    }

    /// Offers a draft with work that the branch had lost once more, as it was signed then.
    pub(super) fn offer_again(&mut self, group: &Group) -> Result<u32, Error> {
        let Some(document) = group.rows.first().map(|row| row.document) else { return Ok(0) };
        let catalog = &self.catalog;
        self.store.write(|connection| {
            for record in &group.lost {
                former::set_waiting(connection, &record.scope, record.last_hash)?;
            }
            group.rows.iter().try_for_each(|row| outbox::offer_again(connection, row.hash))?;
            match documents::find(connection, document)? {
                Some(row) => project(connection, catalog, &row).map(drop),
                None => Ok(()),
            }
        })?;
        self.loaded.remove(&document);
        self.exchange.wake();
        Ok(u32::try_from(group.rows.len()).unwrap_or(u32::MAX))
    }

    /// Notes that the branch did not take back what it had lost: with what builds on it, it leaves the
    /// record and becomes a draft.
    pub(super) fn refuse_lost(
        &mut self,
        document: DocumentId,
        scope: &ScopeId,
        last_hash: ChangeHash,
        refusal: &Refusal,
    ) -> Result<(), Error> {
        let catalog = &self.catalog;
        self.store.write(|connection| {
            former::set_refused(connection, scope, last_hash, refusal)?;
            refuse_dependants(connection, document)?;
            documents::set_actor(connection, document, None)?;
            match documents::find(connection, document)? {
                Some(row) => project(connection, catalog, &row).map(drop),
                None => Ok(()),
            }
        })?;
        self.loaded.remove(&document);
        Ok(())
    }
}

/// Refuses what builds on refused work of the same document, under whatever author id it was written.
pub(super) fn refuse_dependants(connection: &Connection, document: DocumentId) -> Result<(), Error> {
    let refusal = Refusal::new(
        codes::BUILDS_ON_REFUSED,
        "这部分内容建立在被分公司拒收的内容之上;处理好那部分后可重新提交",
        "this builds on work that the branch refused; settle that first, then apply this again",
    );
    let mut refused = refuse_lost_dependants(connection, document, &refusal)?;
    for row in outbox::unaccepted(connection, document)? {
        let change = RawChange::parse(row.bytes)?;
        if row.refusal.is_some() {
            refused.insert(row.hash);
        } else if change.deps.iter().any(|dep| refused.contains(dep)) {
            outbox::set_refused(connection, row.hash, &refusal)?;
            refused.insert(row.hash);
        }
    }
    Ok(())
}

/// Of the records that the branch had lost: refuses what builds on refused ones, and names all that are.
fn refuse_lost_dependants(
    connection: &Connection,
    document: DocumentId,
    refusal: &Refusal,
) -> Result<BTreeSet<ChangeHash>, Error> {
    let lost = former::of_document(connection, document)?;
    let mut refused = BTreeSet::new();
    if lost.iter().all(|(_, is_refused)| !is_refused) {
        return Ok(refused);
    }
    // Of a record that was lost as a whole, the log may hold the beginning again.
    let mut held = BTreeSet::new();
    for record in documents::current_records(connection, document)? {
        held.extend(changes_of(&record, None)?.into_iter().map(|row| row.hash));
    }
    for (record, is_refused) in lost {
        let changes = changes_of(&record, None)?;
        let mut builds = is_refused;
        for row in &changes {
            builds |= RawChange::parse(row.bytes.clone())?.deps.iter().any(|dep| refused.contains(dep));
        }
        if builds {
            if !is_refused {
                former::set_refused(connection, &record.scope, record.last_hash, refusal)?;
            }
            refused.extend(changes.iter().map(|row| row.hash).filter(|hash| !held.contains(hash)));
        }
    }
    Ok(refused)
}

/// The changes of a record as rows of the outbox: what they were before the branch had them.
pub(super) fn changes_of(record: &RecordRow, refusal: Option<&Refusal>) -> Result<Vec<OutboxRow>, Error> {
    let mut rows: Vec<OutboxRow> = Vec::new();
    for chunk in run::unpack(&record.changes, record.actor)? {
        let change = RawChange::parse(chunk)?;
        rows.push(OutboxRow {
            ordinal: 0,
            document: record.document,
            scope: record.scope.clone(),
            actor: change.actor,
            seq: change.seq,
            hash: change.hash,
            follows: !rows.is_empty(),
            bytes: change.bytes.clone(),
            written_at_ms: record.received_at_ms,
            logged_seq: None,
            refusal: refusal.cloned(),
        });
    }
    Ok(rows)
}
