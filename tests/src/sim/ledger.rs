//! What people saved, by its values, and where it is now: nothing of it goes without its author seeing it.
//!
//! A fact is what one edit says. It stays the same when its change is made again under another author id,
//! given back to a branch that lost it, or applied again from a draft.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use xunyuan_core::definition::Catalog;
use xunyuan_core::document::model::{Edit, Event};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::id::{ActorId, DefinitionRef, DocumentId, ScopeId};
use xunyuan_core::replica::Replica;
use xunyuan_core::wire::run;
use xunyuan_server::hub::SERVER_USER;

use super::view::{Holding, View};
use crate::world::World;

/// Something that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    /// The record.
    pub(super) document: DocumentId,
    /// What was written: a key, a kind of event, a shared text.
    pub(super) what: What,
    /// Who wrote what value, and when.
    pub(super) said: String,
    /// The branch wrote it: a number, a note.
    pub(super) by_branch: bool,
}

/// What a fact is about; derived ids in keys are left out, because they follow the author id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The value of a key.
    Value(String),
    /// An event of this kind.
    Event(String),
    /// Characters put into a shared text.
    Text(String),
}

/// What a device holds of a record, as the ledger sees it.
#[derive(Clone, Debug)]
struct Held {
    shape: [u8; 32],
    scope: Option<ScopeId>,
    facts: BTreeSet<Rc<Fact>>,
    waits: bool,
}

/// Everything that was ever saved on each device.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    devices: BTreeMap<usize, BTreeMap<DocumentId, Held>>,
    read: BTreeMap<(DocumentId, Vec<u8>), Vec<Rc<Fact>>>,
}

impl Ledger {
    /// Law 1: what a device has saved is still with it, in a record, waiting or as a draft. A record that
    /// left with a withdrawn grant or after the days of retention must be at the branch. Only records that
    /// are not what they were are read.
    ///
    /// # Panics
    /// When something that was saved is gone.
    pub(super) fn check(&mut self, world: &World, device: usize, view: &View) {
        let before = self.devices.remove(&device).unwrap_or_default();
        let here = self.held(view, &before);
        let none = BTreeSet::new();
        let mut at_branch = None;
        for (document, held) in &before {
            let now = here.get(document).map_or(&none, |now| &now.facts);
            for fact in held.facts.difference(now) {
                let at_branch = at_branch.get_or_insert_with(|| self.at_branch(world));
                let standing = |scope: &ScopeId| view.status.scopes.iter().find(|row| row.scope == *scope);
                let is_over = held.scope.as_ref().and_then(standing).is_some_and(|row| !row.granted);
                let has_left = is_over || !view.holds(*document);
                // Where the branch was put back and then took the grant, all of a record is a draft of its
                // author: what the branch had said of it is said anew once that is applied.
                let is_of_none = is_over && fact.by_branch && world.was_put_back;
                let is_of_none = is_of_none && at_branch.iter().all(|known| known.document != *document);
                assert!(
                    is_of_none || has_left && at_branch.contains(fact),
                    "law 1: device {device} has lost {fact:?} ({})",
                    if at_branch.contains(fact) {
                        "the branch has it"
                    } else {
                        "the branch does not have it"
                    }
                );
            }
        }
        self.devices.insert(device, here);
    }

    /// Takes what a device holds now as what it has saved: its file was put back, or it is a new one.
    pub(super) fn start(&mut self, world: &mut World, device: usize) {
        let view = View::of(world, device);
        let here = self.held(&view, &BTreeMap::new());
        self.devices.insert(device, here);
    }

    /// A device is gone or was erased; what it had waiting is named by its records.
    pub(super) fn end(&mut self, device: usize) -> BTreeSet<DocumentId> {
        let held = self.devices.remove(&device).unwrap_or_default();
        held.into_iter().filter(|(_, held)| held.waits).map(|(document, _)| document).collect()
    }

    /// The facts of a draft leave the ledger: the person gave it up.
    pub(super) fn give_up(&mut self, device: usize, draft: &BTreeSet<Rc<Fact>>) {
        for held in self.devices.entry(device).or_default().values_mut() {
            held.facts.retain(|fact| !draft.contains(fact));
        }
    }

    /// A draft was applied: what it said is in the record again. Only what the record then has from
    /// somebody else may be missing.
    ///
    /// # Panics
    /// When something of the draft is gone.
    pub(super) fn applied(&mut self, world: &mut World, device: usize, draft: &BTreeSet<Rc<Fact>>) {
        let here = self.held(&View::of(world, device), &BTreeMap::new());
        for fact in draft {
            if here.get(&fact.document).is_some_and(|held| held.facts.contains(fact)) {
                continue;
            }
            let model = world.replica(device).model(fact.document).expect("the record can be read");
            let is_there = match &fact.what {
                What::Value(key) => model.registers.keys().any(|other| without_derived_ids(other) == *key),
                What::Event(kind) => model.events.iter().any(|event| event.kind == *kind),
                What::Text(_) => true,
            };
            assert!(is_there, "law 1: applying a draft on device {device} lost {fact:?}");
        }
        self.give_up(device, draft);
    }

    /// The facts of one draft.
    ///
    /// # Panics
    /// When a change of it cannot be read.
    pub(super) fn of_draft(&mut self, replica: &Replica, document: DocumentId) -> BTreeSet<Rc<Fact>> {
        let catalog = replica.catalog();
        let refused = replica.refused().expect("the replica lists what was refused");
        let of_document = refused.into_iter().filter(|change| change.document == document);
        let facts =
            of_document.flat_map(|change| self.facts(catalog, document, &change.definition, change.bytes));
        facts.collect()
    }

    /// Once all is settled: everything saved is at the branch or a draft of its author.
    ///
    /// # Panics
    /// When something is in neither place.
    pub(super) fn check_settled(&mut self, world: &mut World) {
        let at_branch = self.at_branch(world);
        for device in world.live() {
            let view = View::of(world, device);
            for (document, held) in self.devices.get(&device).cloned().unwrap_or_default() {
                let kept = view.documents.get(&document).map(|here| self.refused(&view, document, here));
                let kept = kept.unwrap_or_default();
                for fact in &held.facts {
                    assert!(
                        at_branch.contains(fact) || kept.contains(fact),
                        "law 6: the branch lacks {fact:?} of device {device}, and it is no draft"
                    );
                }
            }
        }
    }

    /// True when the branch's logs have something of a record.
    #[must_use]
    pub(super) fn is_at_branch(&mut self, world: &World, document: DocumentId) -> bool {
        self.at_branch(world).iter().any(|fact| fact.document == document)
    }

    fn held(&mut self, view: &View, before: &BTreeMap<DocumentId, Held>) -> BTreeMap<DocumentId, Held> {
        let mut all = BTreeMap::new();
        for (document, holding) in &view.documents {
            let known = before.get(document).filter(|known| known.shape == holding.shape);
            let held = known.cloned().unwrap_or_else(|| self.read(view, *document, holding));
            all.insert(*document, held);
        }
        all
    }

    fn read(&mut self, view: &View, document: DocumentId, holding: &Holding) -> Held {
        let mut facts = self.refused(view, document, holding);
        for packed in holding.packed() {
            facts.extend(self.of_run(&view.catalog, document, &holding.definition, packed));
        }
        for change in &holding.pending {
            facts.extend(self.facts(&view.catalog, document, &holding.definition, change.clone()));
        }
        let waits = !holding.pending.is_empty();
        Held { shape: holding.shape, scope: holding.scope.clone(), facts, waits }
    }

    /// What a device holds of a record that the branch did not take.
    fn refused(&mut self, view: &View, document: DocumentId, holding: &Holding) -> BTreeSet<Rc<Fact>> {
        let changes = holding.refused.iter().cloned();
        changes.flat_map(|change| self.facts(&view.catalog, document, &holding.definition, change)).collect()
    }

    fn of_run(
        &mut self,
        catalog: &Catalog,
        document: DocumentId,
        definition: &DefinitionRef,
        (packed, actor): (&[u8], ActorId),
    ) -> Vec<Rc<Fact>> {
        let key = (document, packed.to_vec());
        if let Some(known) = self.read.get(&key) {
            return known.clone();
        }
        let chunks = run::unpack(packed, actor).expect("a stored run unpacks");
        let facts: Vec<_> =
            chunks.into_iter().flat_map(|chunk| self.facts(catalog, document, definition, chunk)).collect();
        self.read.insert(key, facts.clone());
        facts
    }

    fn facts(
        &mut self,
        catalog: &Catalog,
        document: DocumentId,
        definition: &DefinitionRef,
        chunk: Vec<u8>,
    ) -> Vec<Rc<Fact>> {
        let key = (document, chunk);
        if let Some(known) = self.read.get(&key) {
            return known.clone();
        }
        let facts: Vec<_> =
            said(catalog, document, definition, key.1.clone()).into_iter().map(Rc::new).collect();
        self.read.insert(key, facts.clone());
        facts
    }

    /// Everything that the branch's logs say.
    fn at_branch(&mut self, world: &World) -> BTreeSet<Rc<Fact>> {
        let catalog = world.hub.catalog();
        let mut all = BTreeSet::new();
        let read = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
            let Some(changes) = row["changes"].as_str() else { return Ok(()) };
            let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
            let actor: ActorId = text(&row["actor"]).parse().expect("an author id");
            let document: DocumentId = text(&row["document"]).parse().expect("a document id");
            let named = &row["definition"];
            let definition = DefinitionRef {
                id: text(&named["id"]),
                version: named["version"].as_u64().and_then(|n| u32::try_from(n).ok()).expect("a version"),
                hash: text(&named["hash"]).parse().expect("a hash"),
            };
            let packed = data_encoding::BASE64.decode(changes.as_bytes()).expect("bytes in base64");
            // A run that was given back in part carries fewer changes than it was signed with.
            all.extend(self.of_run(&catalog, document, &definition, (&packed, actor)));
            Ok(())
        };
        world.hub.export_records(read).expect("the branch hands out its log");
        all
    }
}

/// What one change says.
fn said(catalog: &Catalog, document: DocumentId, definition: &DefinitionRef, chunk: Vec<u8>) -> Vec<Fact> {
    let text_keys = catalog.text_keys(definition).expect("the definition is held");
    let reader = Document::new(document, definition, &text_keys);
    let typed = typed(&chunk);
    let change = RawChange::parse(chunk).expect("a stored change parses");
    let edits = reader.edits_of(&change).expect("a stored change can be read");
    let facts = edits.into_iter().map(|edit| match edit {
        Edit::Put { key, stamped } => {
            let by_branch = stamped.by.as_str() == SERVER_USER;
            (What::Value(without_derived_ids(&key)), without_derived_ids(&format!("{stamped:?}")), by_branch)
        }
        Edit::Event(Event { kind, by, at_ms, data, .. }) => {
            let said = without_derived_ids(&format!("{by} {at_ms} {data:?}"));
            (What::Event(kind), said, by.as_str() == SERVER_USER)
        }
        Edit::Text { key, .. } => (What::Text(key), typed.clone(), false),
    });
    facts.map(|(what, said, by_branch)| Fact { document, what, said, by_branch }).collect()
}

/// The characters that a change puts into shared texts.
fn typed(chunk: &[u8]) -> String {
    let change = automerge::Change::from_bytes(chunk.to_vec()).expect("a stored change parses");
    let operations = change.decode().operations;
    let typed = operations.iter().filter(|op| op.insert).filter_map(|op| {
        let automerge::legacy::OpType::Put(automerge::ScalarValue::Str(text)) = &op.action else {
            return None;
        };
        Some(text.as_str())
    });
    typed.collect()
}

/// Ids of lines and events are derived from the author id: twelve hexadecimal digits, behind a slash.
fn without_derived_ids(fact: &str) -> String {
    let is_id = |text: &str| text.len() >= 12 && text.bytes().take(12).all(|byte| byte.is_ascii_hexdigit());
    let masked = fact.split('/').map(|part| match part.split_at_checked(12) {
        Some((_, rest)) if is_id(part) && !rest.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            format!("*{rest}")
        }
        _ => part.to_owned(),
    });
    masked.collect::<Vec<_>>().join("/")
}
