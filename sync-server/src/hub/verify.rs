//! Verification: the whole log once more, from zero.

use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};
use xunyuan_core::definition::{Catalog, Definition};
use xunyuan_core::document::RawChange;
use xunyuan_core::error::Error;
use xunyuan_core::id::{ChangeHash, ContentHash, DeviceId, DocumentId, ScopeId};
use xunyuan_core::projection;
use xunyuan_core::wire::log::{Chain, Digest, Link};
use xunyuan_core::wire::{key, run};

use super::cache::{Held, changes_of};
use super::shared::Identity;
use super::store::{self, log::LogRow, scope::HeadRow};
use super::{Hub, rows};

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Scopes that were checked.
    pub scopes: u64,
    /// Rows that were checked.
    pub records: u64,
    /// Changes and definitions in them.
    pub changes: u64,
    /// Signatures that were checked.
    pub signatures: u64,
    /// Documents that were rebuilt and projected again.
    pub documents: u64,
    /// Documents whose rows wait to be written again after a publication: until that is done, rows are not
    /// compared.
    pub waiting_rows: u64,
    /// The first thing that is wrong; none when all is well.
    pub first_bad: Option<BadRow>,
}

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// In which scope.
    pub scope: ScopeId,
    /// The row; 0 when it is the scope's head or its projected rows.
    pub seq: u64,
    /// What is wrong with it, English.
    pub reason: String,
}

/// Why the walk ends early: a bad row, or the store failed.
enum Halt {
    Bad(BadRow),
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Hub {
    /// Checks every chain, hash, signature and digest again, rebuilds every document from the log and its
    /// rows beside the stored ones. `progress` hears the number of records checked so far.
    ///
    /// # Errors
    /// `Storage` when reading fails; what is wrong with the data is in the report.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<VerifyReport, Error> {
        let shared = &self.inner.shared;
        shared.read(|conn| {
            let catalog = super::definitions::load(conn)?;
            let mut walk = Walk {
                conn,
                catalog,
                identity: &shared.identity,
                keys: keys(conn, &shared.identity)?,
                report: VerifyReport::default(),
                progress: &mut progress,
            };
            match walk.all() {
                Ok(()) => Ok(walk.report),
                Err(Halt::Bad(bad)) => Ok(VerifyReport { first_bad: Some(bad), ..walk.report }),
                Err(Halt::Failed(error)) => Err(error),
            }
        })
    }
}

/// Public keys of everyone who can have signed a row.
fn keys(conn: &Connection, identity: &Identity) -> Result<HashMap<DeviceId, [u8; 32]>, Error> {
    let devices = store::device::all(conn)?.into_iter().map(|row| (row.device, row.public_key));
    Ok(devices.chain([(identity.device, identity.key.public())]).collect())
}

struct Walk<'a> {
    conn: &'a Connection,
    catalog: Catalog,
    identity: &'a Identity,
    keys: HashMap<DeviceId, [u8; 32]>,
    report: VerifyReport,
    progress: &'a mut dyn FnMut(u64),
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), Halt> {
        self.report.waiting_rows = rows::waiting(self.conn)?;
        let scopes: BTreeMap<ScopeId, HeadRow> = store::scope::all(self.conn)?.into_iter().collect();
        for (scope, head) in &scopes {
            self.log(scope, head)?;
            self.report.scopes += 1;
        }
        for scope in scopes.keys() {
            self.documents(scope)?;
        }
        Ok(())
    }

    /// One scope's log: dense seqs, chain, hashes, signatures, digest, head.
    fn log(&mut self, scope: &ScopeId, head: &HeadRow) -> Result<(), Halt> {
        let mut at = HeadRow::default();
        let mut bad = None;
        let conn = self.conn;
        store::log::read_after(conn, scope, 0, |row| {
            bad = self.row(scope, &mut at, &row).err();
            self.report.records += u64::from(bad.is_none());
            (self.progress)(self.report.records);
            Ok(bad.is_none())
        })
        .map_err(|error| unreadable(scope, at.seq + 1, &error))?;
        if let Some(bad) = bad {
            return Err(bad);
        }
        if at == *head {
            return Ok(());
        }
        let reason = if at.seq != head.seq {
            "the head names another last row than the log has"
        } else if at.chain != head.chain {
            "the head has another chain than the log"
        } else {
            "the head has another digest than the log"
        };
        Err(wrong(scope, 0, reason))
    }

    fn row(&mut self, scope: &ScopeId, at: &mut HeadRow, row: &LogRow) -> Result<(), Halt> {
        let bad = |reason: &str| wrong(scope, row.seq, reason);
        if row.seq != at.seq + 1 {
            return Err(wrong(scope, at.seq + 1, "the row is missing"));
        }
        let chain = chain_after(scope, at.chain, row);
        if chain != row.chain {
            return Err(bad("its chain does not follow from the row before"));
        }
        let hashes = match &row.run {
            Some(run) => {
                let changes = changes_of(row).map_err(|error| unreadable(scope, row.seq, &error))?;
                let hashes: Vec<ChangeHash> = changes.iter().map(|change| change.hash).collect();
                if !hashes.iter().eq(run.changes.iter().map(|(hash, _)| hash)) {
                    return Err(bad("its changes do not have the hashes that are noted"));
                }
                if changes.first().map(|change| change.seq) != Some(run.first_seq) {
                    return Err(bad("its changes do not have the seqs that are noted"));
                }
                self.signature(scope, row)?;
                hashes
            }
            None => vec![self.definition(scope, row)?],
        };
        if hashes.last() != Some(&row.last_hash) {
            return Err(bad("its last change does not have the hash that the chain covers"));
        }
        let mut digest: Digest = at.digest;
        for hash in &hashes {
            digest.add(&row.document, hash);
        }
        self.report.changes += hashes.len() as u64;
        *at = HeadRow { seq: row.seq, chain, digest };
        Ok(())
    }

    fn signature(&mut self, scope: &ScopeId, row: &LogRow) -> Result<(), Halt> {
        let bad = |reason: &str| wrong(scope, row.seq, reason);
        let Some(run) = &row.run else { return Ok(()) };
        let Some(public) = self.keys.get(&row.origin.device) else {
            return Err(bad("no device with this id is enrolled"));
        };
        let signed = run::signing_bytes(scope, &row.document, &run.actor, &row.origin.user, &row.last_hash);
        if !key::verify(public, &signed, &run.signature) {
            return Err(bad("its signature is not that of its device and person"));
        }
        self.report.signatures += 1;
        Ok(())
    }

    fn definition(&self, scope: &ScopeId, row: &LogRow) -> Result<ChangeHash, Halt> {
        let bad = |reason: &str| wrong(scope, row.seq, reason);
        let Some((reference, json)) = store::definition::of_document(self.conn, row.document)? else {
            return Err(bad("the definition's content is missing"));
        };
        let parsed = Definition::parse(&json).map_err(|error| unreadable(scope, row.seq, &error))?;
        let ContentHash(hash) = reference.hash;
        if parsed.reference != reference || ChangeHash(hash) != row.last_hash {
            return Err(bad("the definition's content does not have its hash"));
        }
        if row.origin.device != self.identity.device {
            return Err(bad("a definition was not published by this server"));
        }
        Ok(row.last_hash)
    }

    /// Every document of a scope, rebuilt; then their rows, written beside and compared.
    fn documents(&mut self, scope: &ScopeId) -> Result<(), Halt> {
        let scratch = scratch()?;
        for document in store::document::of_scope(self.conn, scope)? {
            self.document(scope, document, &scratch)?;
            self.report.documents += 1;
        }
        if self.report.waiting_rows > 0 {
            return Ok(());
        }
        let stored = projection::fingerprint(self.conn, scope)?;
        if projection::fingerprint(&scratch, scope)? == stored {
            return Ok(());
        }
        Err(wrong(scope, 0, "the projected rows are not those of the documents"))
    }

    fn document(&self, scope: &ScopeId, id: DocumentId, scratch: &Connection) -> Result<(), Halt> {
        let Some(row) = store::document::find(self.conn, id)? else { return Ok(()) };
        let mut held = Held::new(&self.catalog, id, row)?;
        for row in store::log::of_document(self.conn, id)? {
            let changes: Vec<RawChange> = changes_of(&row)?;
            let run = row.run.as_ref().map(|run| run.changes.clone()).unwrap_or_default();
            for (change, (hash, max_op)) in changes.iter().zip(run) {
                if change.deps.is_empty() || change.deps.iter().any(|dep| !held.known.contains_key(dep)) {
                    return Err(wrong(scope, row.seq, "a change builds on what comes later or nowhere"));
                }
                held.known.insert(hash, max_op);
            }
            held.document.apply(&changes).map_err(|error| unreadable(scope, row.seq, &error))?;
        }
        projection::write(scratch, &self.catalog, scope, &held.document.model()?)?;
        Ok(())
    }
}

fn chain_after(scope: &ScopeId, before: Chain, row: &LogRow) -> Chain {
    before.next(
        scope,
        &Link {
            seq: row.seq,
            kind: row.kind,
            document: row.document,
            last_hash: row.last_hash,
            device: row.origin.device,
            user: &row.origin.user,
            received_at_ms: row.origin.received_at_ms,
        },
    )
}

/// Empty tables to project into.
fn scratch() -> Result<Connection, Error> {
    let scratch = Connection::open_in_memory()?;
    for step in projection::STEPS {
        scratch.execute_batch(step)?;
    }
    Ok(scratch)
}

fn wrong(scope: &ScopeId, seq: u64, reason: &str) -> Halt {
    Halt::Bad(BadRow { scope: scope.clone(), seq, reason: reason.to_owned() })
}

fn unreadable(scope: &ScopeId, seq: u64, error: &Error) -> Halt {
    wrong(scope, seq, &format!("it cannot be read: {error}"))
}
