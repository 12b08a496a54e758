//! Documents that were needed lately, up to a fixed number.

use std::collections::{BTreeMap, HashMap};
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{ActorId, ChangeHash, DefinitionRef, DocumentId};
use xunyuan_core::wire::run;

use super::store::document::{ActorRow, DocumentRow};
use super::store::{self, log::LogRow};

/// A document as the log has it, with what admission checks without asking Automerge.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The document with every change of its log.
    pub(super) document: Document,
    /// Last operation counter of every change, the genesis included.
    pub(super) known: HashMap<ChangeHash, u32>,
    /// Whose its actors are.
    pub(super) actors: BTreeMap<ActorId, ActorRow>,
    /// Its row.
    pub(super) row: DocumentRow,
}

impl Held {
    /// A document that nothing has arrived of yet.
    pub(super) fn new(catalog: &Catalog, id: DocumentId, row: DocumentRow) -> Result<Self, Error> {
        let text_keys = catalog.text_keys(&row.definition).ok_or_else(|| unknown(&row.definition))?;
        let document = Document::new(id, &row.definition, &text_keys);
        let max_op = u32::try_from(document.genesis_max_op()).map_err(|_| unknown(&row.definition))?;
        let known = HashMap::from([(document.genesis_hash(), max_op)]);
        Ok(Self { document, known, actors: BTreeMap::new(), row })
    }

    /// A document rebuilt from its log.
    fn load(
        conn: &rusqlite::Connection,
        catalog: &Catalog,
        id: DocumentId,
        row: DocumentRow,
    ) -> Result<Self, Error> {
        let mut held = Self::new(catalog, id, row)?;
        let rows = store::log::of_document(conn, id)?;
        let mut changes = Vec::new();
        for row in &rows {
            changes.extend(changes_of(row)?);
            if let Some(run) = &row.run {
                held.known.extend(run.changes.iter().copied());
            }
        }
        held.document.apply(&changes)?;
        held.actors = store::document::actors(conn, id)?;
        Ok(held)
    }
}

/// The changes that a row of the log carries.
pub(super) fn changes_of(row: &LogRow) -> Result<Vec<RawChange>, Error> {
    let Some(run) = &row.run else { return Ok(Vec::new()) };
    let chunks = run::unpack_hashed(&run.packed, run.actor)?;
    chunks.into_iter().map(|(chunk, hash)| RawChange::of_rebuilt(chunk, hash)).collect()
}

/// The least recently used documents leave first.
#[derive(Debug)]
pub(super) struct Documents {
    most: usize,
    clock: u64,
    held: HashMap<DocumentId, (u64, Held)>,
    by_use: BTreeMap<u64, DocumentId>,
}

impl Documents {
    /// An empty cache for at most `most` documents.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), clock: 0, held: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// Takes a document out, from memory or rebuilt from the log; none where it is not in the log.
    ///
    /// The caller puts it back as the log then has it; what it drops is rebuilt at the next need.
    ///
    /// # Errors
    /// `Protocol` when this document cannot be rebuilt, which says nothing about others.
    pub(super) fn take(
        &mut self,
        conn: &rusqlite::Connection,
        catalog: &Catalog,
        id: DocumentId,
    ) -> Result<Option<Held>, Error> {
        if let Some((used, held)) = self.held.remove(&id) {
            self.by_use.remove(&used);
            return Ok(Some(held));
        }
        match store::document::find(conn, id)? {
            Some(row) => Held::load(conn, catalog, id, row).map(Some).map_err(unreadable),
            None => Ok(None),
        }
    }

    /// True when a document is in memory.
    pub(super) fn holds(&self, id: DocumentId) -> bool {
        self.held.contains_key(&id)
    }

    /// Puts a document back; the one that was not used for longest leaves when there are too many.
    pub(super) fn put(&mut self, held: Held) {
        let id = held.document.id();
        self.clock += 1;
        if let Some((used, _)) = self.held.insert(id, (self.clock, held)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.clock, id);
        while self.held.len() > self.most {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.held.remove(&oldest);
        }
    }

    /// Forgets one document: what memory holds of it is not to be trusted.
    pub(super) fn remove(&mut self, id: DocumentId) {
        if let Some((used, _)) = self.held.remove(&id) {
            self.by_use.remove(&used);
        }
    }

    /// Forgets everything: a transaction was undone and memory may be ahead of the log.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.by_use.clear();
    }

    /// Number of documents in memory.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}

/// Damage in the rows of one document is that document's and nobody else's.
fn unreadable(error: Error) -> Error {
    if error.kind() != ErrorKind::Damaged {
        return error;
    }
    let sentence = error.sentence().clone();
    Error::new(ErrorKind::Protocol, sentence.zh, sentence.en)
}

fn unknown(definition: &DefinitionRef) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("没有定义 {} 第 {} 版", definition.id, definition.version),
        format!("there is no version {} of definition {}", definition.version, definition.id),
    )
}
