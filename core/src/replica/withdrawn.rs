//! A role that was narrowed: what its person may no longer hold leaves the device, unsynced work stays.
//!
//! Work that still waits is offered first; the branch refuses it and keeps it as evidence, and here it
//! becomes drafts. Only then do records, rows and search of the scope leave, in one transaction. A scope
//! that is granted again later comes back whole, and its drafts can be applied.

use super::drafts::{Reading, Said};
use super::refused::{Group, changes_of};
use super::sync::Progress;
use super::{Replica, load_catalog};
use crate::definition::{Definition, DefinitionKind};
use crate::document::model::Edit;
use crate::error::Error;
use crate::id::ScopeId;
use crate::projection;
use crate::store::outbox::{self, OutboxRow};
use crate::store::scopes::{self, ScopeRow};
use crate::store::withdrawn::{self, DraftText};
use crate::store::{former, identity};

impl Replica {
    /// Takes out what the person may no longer hold, scope by scope, as soon as nothing of it waits.
    pub(super) fn leave_withdrawn(&mut self, progress: &mut Progress) -> Result<(), Error> {
        let mut left = false;
        for standing in scopes::all(self.store.reader())? {
            let is_over = !standing.granted && !self.is_forgotten(&standing.scope)?;
            if !is_over || !withdrawn::holds_any(self.store.reader(), &standing.scope)? {
                continue;
            }
            if self.offer_rest(&standing)? {
                progress.more = true;
            } else if !withdrawn::waits(self.store.reader(), &standing.scope)? {
                self.leave(&standing.scope)?;
                progress.left.push(standing.scope);
                left = true;
            }
        }
        if left {
            self.loaded.clear();
            self.store.fold_in_after();
        }
        Ok(())
    }

    /// True for a grant that the organisation held here still gives: a branch that was restored from a
    /// backup has forgotten it, and perhaps the records too.
    ///
    /// Who is no longer in the organisation is not told its new version; there the branch's word counts.
    fn is_forgotten(&self, scope: &ScopeId) -> Result<bool, Error> {
        let Some(definitions) = self.catalog.definitions_scope() else { return Ok(false) };
        let is_told = scopes::find(self.store.reader(), &definitions)?.is_some_and(|row| row.granted);
        Ok(is_told && self.catalog.grants(&self.identity.user).contains(scope))
    }

    /// Offers what would otherwise leave without the branch having it: work that was held back, own records
    /// that the branch has lost, and every own record where it was restored from a backup since and may
    /// have lost some. What it does have it answers as such. False when there is nothing of the kind.
    fn offer_rest(&mut self, standing: &ScopeRow) -> Result<bool, Error> {
        let (connection, scope) = (self.store.reader(), &standing.scope);
        let definitions = self.catalog.definitions_scope();
        let known = definitions.map_or(Ok(None), |scope| scopes::find(connection, &scope))?;
        let epoch = known.filter(|row| row.granted).map_or(standing.epoch, |row| row.epoch);
        let is_restored = epoch != standing.epoch && standing.cursor > 0;
        let own = withdrawn::own_records(connection, scope, self.identity.device, is_restored)?;
        let mut rows = Vec::new();
        for record in &own {
            rows.extend(changes_of(record, None)?);
        }
        let held_back = self.store.write(|connection| {
            rows.iter().try_for_each(|row| outbox::append(connection, row))?;
            own.iter().try_for_each(|record| former::remove(connection, scope, record.last_hash))?;
            scopes::save(connection, &ScopeRow { epoch, ..standing.clone() })?;
            withdrawn::offer_held_back(connection, scope)
        })?;
        Ok(held_back > 0 || !rows.is_empty())
    }

    /// Records, rows, search and standing of a scope leave; drafts stay, with what it takes to read them.
    fn leave(&mut self, scope: &ScopeId) -> Result<(), Error> {
        let texts = self.texts_of_drafts(scope)?;
        let own_refused = self.own_refused(scope)?;
        let has_definitions = self.catalog.definitions_scope().as_ref() == Some(scope);
        self.store.write_erasing(|connection| {
            texts.iter().try_for_each(|text| withdrawn::keep_text(connection, text))?;
            for row in &own_refused {
                outbox::append(connection, row)?;
                let refusal = row.refusal.as_ref();
                refusal.map_or(Ok(()), |refusal| outbox::set_refused_alone(connection, row.hash, refusal))?;
            }
            for document in withdrawn::documents(connection, scope)? {
                projection::remove(connection, document)?;
            }
            projection::forget_removed(connection)?;
            withdrawn::remove(connection, scope)?;
            withdrawn::drop_texts(connection)?;
            if has_definitions {
                remove_organisation(connection)?;
            }
            let blank = ScopeRow { granted: false, want_own: true, ..ScopeRow::new(scope.clone()) };
            scopes::save(connection, &blank)
        })?;
        if has_definitions {
            self.catalog = load_catalog(self.store.reader())?;
        }
        Ok(())
    }

    /// Own work that the branch had lost and did not take back: it stays as drafts like any other.
    fn own_refused(&self, scope: &ScopeId) -> Result<Vec<OutboxRow>, Error> {
        let mut rows = Vec::new();
        for (record, refusal) in former::refused(self.store.reader())? {
            if record.device == self.identity.device && record.scope == *scope {
                rows.extend(changes_of(&record, Some(&refusal))?);
            }
        }
        Ok(rows)
    }

    /// The shared texts of the scope's drafts, as they read while their records are still here.
    fn texts_of_drafts(&self, scope: &ScopeId) -> Result<Vec<DraftText>, Error> {
        let mut texts = Vec::new();
        for Group { rows, .. } in self.grouped()?.values() {
            if rows.iter().any(|row| row.scope != *scope) {
                continue;
            }
            let Reading { changes, .. } = self.read(rows)?;
            for (row, Said { edits, .. }) in rows.iter().zip(changes) {
                texts.extend(edits.into_iter().filter_map(|edit| match edit {
                    Edit::Text { key, to: Some(text) } => {
                        Some(DraftText { hash: row.hash, field: key, text })
                    }
                    Edit::Text { .. } | Edit::Put { .. } | Edit::Event(_) => None,
                }));
            }
        }
        Ok(texts)
    }
}

/// Forms stay, since drafts are read with them; who works where does not.
fn remove_organisation(connection: &rusqlite::Connection) -> Result<(), Error> {
    for (reference, json) in identity::definitions(connection)? {
        if Definition::parse(&json).is_ok_and(|known| known.kind == DefinitionKind::Organisation) {
            identity::remove_definition(connection, &reference)?;
        }
    }
    Ok(())
}
