//! The front door: one person on one device, everything they can do, with or without signal.
//!
//! Blocking, coarse calls with plain records in and out, so that phone apps and the terminal see the
//! same product. An action returns only after its transaction is committed with `synchronous=FULL`:
//! change, rows and pending mark together, or nothing. Receives values and a [`Moment`]; hands on
//! views, rows and exchange bytes. Forbids clocks, randomness and sockets.

mod apply;
mod attach;
mod draft;
mod drafts;
mod duties;
mod enroll;
mod entry;
mod files;
mod fork;
mod giveback;
mod heal;
mod inspection;
mod later;
mod lists;
mod planned;
mod refused;
mod repair;
mod reports;
mod retention;
mod sealed;
mod sync;
#[cfg(test)]
mod tests;
mod wipe;
mod withdrawn;

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use later::Late;

use crate::action::Work;
use crate::definition::Catalog;
use crate::document::model::Model;
use crate::document::replay::Replay;
use crate::document::{Document, RawChange};
use crate::error::{Error, ErrorKind};
use crate::exchange::Exchange;
use crate::exchange::mending::Mending;
use crate::id::{ChangeHash, DefinitionRef, DocumentId, UserId};
use crate::limits::PAGE_BYTES_MAX;
use crate::projection;
use crate::rules::{self, Author};
use crate::sqlite::{self, FileKey};
use crate::store::documents::{self, DocumentRow, RecordRow};
use crate::store::identity::{self, Identity};
use crate::store::outbox::{self, OutboxRow};
use crate::store::{Store, schema};
use crate::time::Moment;
use crate::wire::key::Key;
use crate::wire::run;

pub use drafts::{DraftContent, DraftStep, DraftView, RefusedDraft};
pub use duties::DutyView;
pub use enroll::Enrollment;
pub use files::{FileNote, FileView};
pub use inspection::{Answer, Answered, SlotView};
pub use lists::{ExportedRecord, ExportedRun, RefusedChange, Status};
pub use sync::{Failure, Progress};

/// Schema steps of a replica file, in order.
pub(crate) const STEPS: [&str; 19] = [
    schema::STEP_1,
    projection::SCHEMA,
    schema::STEP_2,
    schema::STEP_3,
    schema::STEP_4,
    projection::FACTS_SCHEMA,
    schema::STEP_5,
    schema::STEP_6,
    schema::STEP_7,
    projection::LEAN_SCHEMA,
    schema::STEP_8,
    projection::FILES_SCHEMA,
    schema::STEP_9,
    schema::STEP_10,
    projection::SEARCH_SCHEMA,
    schema::STEP_11,
    projection::GRADE_SCHEMA,
    schema::STEP_12,
    schema::STEP_13,
];

/// Documents kept loaded between actions; the work of a person touches few at a time.
const LOADED_MAX: usize = 32;

/// One person's store on one device.
#[derive(Debug)]
pub struct Replica {
    store: Store,
    identity: Identity,
    key: Key,
    catalog: Catalog,
    exchange: Exchange,
    loaded: BTreeMap<DocumentId, Loaded>,
    use_count: u64,
    resets: u32,
    mending: Mending,
    late: Late,
    page_bytes: u32,
}

/// A document in memory and when it was last used.
#[derive(Debug)]
struct Loaded {
    document: Document,
    used: u64,
}

impl Replica {
    /// Opens an enrolled replica file.
    ///
    /// # Errors
    /// `NotFound` when it is not enrolled, `Busy` when another process holds it, `Newer` when a newer
    /// version wrote it, `Corrupt` when it is damaged; the file is left as it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, None)
    }

    /// As [`Replica::open`], for a file that is encrypted under `key`.
    ///
    /// # Errors
    /// As [`Replica::open`]; `Key` when the file is encrypted under another key, or is not although there is
    /// one, or is although there is none.
    pub fn open_with(path: &Path, key: Option<&FileKey>) -> Result<Self, Error> {
        if !path.exists() {
            return Err(missing());
        }
        Self::of_store(Store::open(path, &STEPS, key)?)
    }

    /// Encrypts a closed replica file (`from` is `None`), decrypts it (`to` is `None`) or gives it another key.
    /// A kill at any moment leaves the file as it was or finished. Photos beside it are not touched.
    ///
    /// # Errors
    /// `Busy` when the file is open, `Key` when `from` does not fit, `Full` when there is no room for a second
    /// copy, `Corrupt` when it is damaged; the file is then as it was.
    pub fn rekey(path: &Path, from: Option<&FileKey>, to: Option<&FileKey>) -> Result<(), Error> {
        if !path.exists() {
            return Err(missing());
        }
        sqlite::recode(path, from, to)
    }

    fn of_store(mut store: Store) -> Result<Self, Error> {
        let identity = identity::load(store.reader())?;
        let catalog = heal::definitions(&mut store)?;
        heal::outbox(&mut store)?;
        let mut exchange = Exchange::default();
        exchange.wake();
        Ok(Self {
            key: Key::from_seed(&identity.seed),
            store,
            identity,
            catalog,
            exchange,
            loaded: BTreeMap::new(),
            use_count: 0,
            resets: 0,
            mending: Mending::default(),
            late: Late::After(None),
            page_bytes: PAGE_BYTES_MAX,
        })
    }

    /// The definitions and the organisation as this replica holds them.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The person this replica writes for.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        &self.identity.user
    }

    /// Who this replica is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What a document says now, the refused parts left out.
    ///
    /// # Errors
    /// `NotFound` when the document is not here.
    pub fn model(&mut self, document: DocumentId) -> Result<Model, Error> {
        let row = self.row(document)?;
        self.load(document, &row.definition)?.model()
    }

    pub(crate) fn row(&self, document: DocumentId) -> Result<DocumentRow, Error> {
        documents::find(self.store.reader(), document)?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "本机没有这条记录;请先同步,或检查编号",
                "this record is not on the device; sync first, or check its number",
            )
        })
    }

    /// Checks, writes, projects and commits one action over one or several documents.
    ///
    /// # Errors
    /// `Refused` when a rule says no; storage errors. Nothing is written then.
    pub(crate) fn perform(&mut self, works: Vec<Work>, moment: &Moment) -> Result<(), Error> {
        self.perform_with(works, moment, |_| Ok(()))
    }

    /// As [`Replica::perform`], with something more in the same transaction.
    fn perform_with(
        &mut self,
        works: Vec<Work>,
        moment: &Moment,
        more: impl FnOnce(&Connection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let result = self.prepare(&works, moment).and_then(|written| {
            let catalog = &self.catalog;
            self.store.write(|connection| {
                written.iter().try_for_each(|item| item.save(connection, catalog, moment))?;
                more(connection)
            })
        });
        match result {
            Ok(()) => self.exchange.wake(),
            Err(_) => works.iter().for_each(|work| drop(self.loaded.remove(&work.document))),
        }
        self.forget_least_used();
        result
    }

    fn prepare(&mut self, works: &[Work], moment: &Moment) -> Result<Vec<Written>, Error> {
        let user = self.identity.user.clone();
        let mut written: Vec<Written> = Vec::with_capacity(works.len());
        for work in works {
            let catalog = self.catalog.clone();
            let row = documents::find(self.store.reader(), work.document)?.unwrap_or(DocumentRow {
                document: work.document,
                scope: work.scope.clone(),
                definition: work.definition.clone(),
                actor: None,
            });
            let actor = self.actor_of(&row, moment)?;
            let document = self.load(work.document, &work.definition)?;
            let author = Author { user: &user, is_server: false };
            sealed::room(document, Some(actor))?;
            rules::check(&catalog, &work.scope, &author, &document.model()?, &work.edits)?;
            let change = document.edit(actor, &work.edits)?;
            let model = document.model()?;
            let row = DocumentRow { actor: Some(actor), ..row };
            let is_previous =
                |own: &Written| change.actor == own.change.actor && change.deps == [own.change.hash];
            let follows = change.may_follow()
                && (written.last().is_some_and(is_previous) || self.builds_on_own(&row, &change)?);
            written.push(Written { row, change, follows, model });
        }
        Ok(written)
    }

    /// True when the change directly builds on this actor's previous one and that one is still here
    /// to be pushed with it.
    fn builds_on_own(&self, row: &DocumentRow, change: &RawChange) -> Result<bool, Error> {
        let Some(previous) = change.seq.checked_sub(1) else { return Ok(false) };
        let hash = outbox::hash_at(self.store.reader(), row.document, change.actor, previous)?;
        Ok(hash.is_some_and(|hash| change.deps.contains(&hash)))
    }

    /// The document in memory, built from its records and the outbox where it was not.
    fn load(&mut self, id: DocumentId, definition: &DefinitionRef) -> Result<&mut Document, Error> {
        self.use_count += 1;
        let used = self.use_count;
        if !self.loaded.contains_key(&id) {
            let document = build(self.store.reader(), &self.catalog, id, definition);
            let document = document.inspect_err(|error| {
                // What cannot be read here the branch may have whole.
                if matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Corrupt | ErrorKind::Storage)
                    && let Ok(Some(row)) = documents::find(self.store.reader(), id)
                {
                    self.mending.suspects.insert(row.scope);
                }
            })?;
            self.loaded.insert(id, Loaded { document, used });
        }
        let loaded = self.loaded.get_mut(&id).expect("inserted above");
        loaded.used = used;
        Ok(&mut loaded.document)
    }

    fn forget_least_used(&mut self) {
        while self.loaded.len() > LOADED_MAX {
            let oldest = self.loaded.iter().min_by_key(|(_, loaded)| loaded.used).map(|(id, _)| *id);
            oldest.and_then(|id| self.loaded.remove(&id));
        }
    }
}

impl AsMut<Store> for Replica {
    fn as_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

/// One document's part of an action, ready to commit.
struct Written {
    row: DocumentRow,
    change: RawChange,
    follows: bool,
    model: Model,
}

impl Written {
    fn save(&self, connection: &Connection, catalog: &Catalog, moment: &Moment) -> Result<(), Error> {
        documents::insert(connection, &self.row, 0)?;
        documents::set_actor(connection, self.row.document, self.row.actor)?;
        outbox::append(
            connection,
            &OutboxRow {
                ordinal: 0,
                document: self.row.document,
                scope: self.row.scope.clone(),
                actor: self.change.actor,
                seq: self.change.seq,
                hash: self.change.hash,
                follows: self.follows,
                bytes: self.change.bytes.clone(),
                written_at_ms: moment.unix_ms,
                logged_seq: None,
                refusal: None,
            },
        )?;
        files::write_rows(connection, catalog, &self.row.scope, &self.model)?;
        documents::set_projected(connection, self.row.document, true)
    }
}

/// Builds a document from what the store holds of it.
fn build(
    connection: &Connection,
    catalog: &Catalog,
    id: DocumentId,
    definition: &DefinitionRef,
) -> Result<Document, Error> {
    built(catalog, id, definition, held(connection, id)?)
}

/// What a document says, by the shortest way.
fn model_of(connection: &Connection, catalog: &Catalog, row: &DocumentRow) -> Result<Model, Error> {
    let changes = held(connection, row.document)?;
    if text_keys(catalog, &row.definition)?.is_empty() {
        let mut replay = Replay::new(row.document, &row.definition);
        if changes.iter().all(|(chunk, hash)| replay.take(chunk, *hash)) {
            return Ok(replay.into_model());
        }
    }
    built(catalog, row.document, &row.definition, changes)?.model()
}

/// The changes of a document with their hashes: those of its records, then those of the outbox.
fn held(connection: &Connection, id: DocumentId) -> Result<Vec<(Vec<u8>, ChangeHash)>, Error> {
    let mut changes = Vec::new();
    for record in documents::current_records(connection, id)? {
        changes.extend(run::unpack_hashed(&record.changes, record.actor)?);
    }
    let lost = documents::lost_records(connection, id)?;
    let mut displaced = BTreeSet::new();
    if !lost.is_empty() {
        changes = with_lost(lost, changes, &mut displaced)?;
    }
    for row in outbox::of_document(connection, id)? {
        let change = RawChange::parse(row.bytes)?;
        if change.deps.iter().any(|dep| displaced.contains(dep)) {
            displaced.insert(change.hash);
        } else {
            changes.push((change.bytes, change.hash));
        }
    }
    Ok(changes)
}

/// Puts what a former log held before what the current one holds. A branch whose file was put back in silence
/// may have written under the same author and number again: the current log's change stands, the other one and
/// what builds on it is `displaced` until the branch has answered for it.
fn with_lost(
    lost: Vec<RecordRow>,
    current: Vec<(Vec<u8>, ChangeHash)>,
    displaced: &mut BTreeSet<ChangeHash>,
) -> Result<Vec<(Vec<u8>, ChangeHash)>, Error> {
    let mut taken = BTreeMap::new();
    for (bytes, hash) in &current {
        let change = RawChange::parse(bytes.clone())?;
        taken.insert((change.actor, change.seq), *hash);
    }
    let mut changes = Vec::new();
    for record in lost {
        for (bytes, hash) in run::unpack_hashed(&record.changes, record.actor)? {
            let change = RawChange::parse(bytes)?;
            let is_taken = taken.get(&(change.actor, change.seq)).is_some_and(|other| *other != hash);
            if is_taken || change.deps.iter().any(|dep| displaced.contains(dep)) {
                displaced.insert(hash);
            } else {
                changes.push((change.bytes, hash));
            }
        }
    }
    changes.extend(current);
    Ok(changes)
}

fn built(
    catalog: &Catalog,
    id: DocumentId,
    definition: &DefinitionRef,
    changes: Vec<(Vec<u8>, ChangeHash)>,
) -> Result<Document, Error> {
    let mut document = Document::new(id, definition, &text_keys(catalog, definition)?);
    let changes = changes.into_iter().map(|(chunk, hash)| RawChange::of_rebuilt(chunk, hash));
    document.apply(&changes.collect::<Result<Vec<_>, _>>()?)?;
    Ok(document)
}

fn text_keys(catalog: &Catalog, definition: &DefinitionRef) -> Result<Vec<String>, Error> {
    catalog.text_keys(definition).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "本机还没有这条记录所用的定义版本;请先同步",
            "the definition version of this record is not on the device yet; sync first",
        )
    })
}

fn load_catalog(connection: &Connection) -> Result<Catalog, Error> {
    let definitions = identity::definitions(connection)?;
    Catalog::stored(definitions.iter().map(|(reference, json)| (reference, json.as_slice())))
}

fn missing() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "数据文件不存在;请先用邀请链接登记设备",
        "the data file does not exist; enrol the device with an invitation link first",
    )
}
