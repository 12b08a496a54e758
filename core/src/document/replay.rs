//! Reading a history in which nobody wrote beside anybody else, without a document.
//!
//! Most documents are written by one person after the other. Where each change builds on the one before it
//! and each operation replaces exactly the value that stands, nothing can be concurrent: the last value of
//! each key is its value, and events stand in the order of writing. That takes a twentieth of the time of
//! applying the changes. Whatever is not of this form, shared texts among it, is left to the document.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::RawChange;
use super::genesis::{self, genesis_actor};
use super::model::{Edit, Model, Register};
use super::plain::{OpId, PlainChange, Put};
use crate::id::{ActorId, ChangeHash, DefinitionRef, DocumentId};

/// A history being read.
#[derive(Clone, Debug)]
pub struct Replay {
    model: Model,
    genesis_actor: ActorId,
    /// The changes read so far, the genesis first.
    read: Vec<ChangeHash>,
    next_op: u64,
    /// The operation that holds each register's value.
    holders: BTreeMap<String, OpId>,
    /// The last change of each author.
    authors: BTreeMap<ActorId, (u64, ChangeHash)>,
}

impl Replay {
    /// The beginning of a document whose definition has no shared texts.
    #[must_use]
    pub fn new(document: DocumentId, definition: &DefinitionRef) -> Self {
        Self {
            model: Model::empty(document, definition.clone()),
            genesis_actor: genesis_actor(document, definition),
            read: vec![genesis::plain_hash(document, definition)],
            next_op: genesis::FIRST_TEXT,
            holders: BTreeMap::new(),
            authors: BTreeMap::new(),
        }
    }

    /// Reads the next change, a whole uncompressed chunk whose hash is `hash`; false when the history is not,
    /// or not certainly, of the form that is read here. Nothing more can be read then.
    #[must_use]
    pub fn take(&mut self, chunk: &[u8], hash: ChangeHash) -> bool {
        PlainChange::read(chunk).is_some_and(|change| self.advance(change, hash))
    }

    /// As [`Replay::take`], for a change that was parsed.
    pub(super) fn follow(&mut self, change: &RawChange) -> bool {
        change.plain.as_ref().is_some_and(|plain| self.advance((**plain).clone(), change.hash))
    }

    /// Checks foreign changes of one author against the history and reads what they say, without taking them
    /// in: each builds on the one before, and its author saw and says exactly what Automerge would write for
    /// this. None when they are not, or not certainly, of that form.
    pub(super) fn examine(&self, changes: &[RawChange]) -> Option<Vec<Vec<Edit>>> {
        let actor = changes.first()?.actor;
        let (mut last, mut next_op) = (self.last(), self.next_op);
        let mut own = self.authors.get(&actor).copied();
        let mut holders: HashMap<&str, OpId> = HashMap::new();
        let mut events: HashSet<&str> = self.model.events.iter().map(|event| event.id.as_str()).collect();
        let mut said = Vec::with_capacity(changes.len());
        for change in changes {
            let plain = change.plain.as_ref()?;
            let (seq, previous) = own.unwrap_or((0, last));
            let is_next = plain.seq == seq + 1 && plain.start_op == next_op && plain.actor == actor;
            let mut deps = vec![last];
            if previous != last {
                // An author names their own previous change beside the last one.
                deps.push(previous);
                deps.sort_unstable();
            }
            if !is_next || plain.deps != deps || plain.genesis_actor != self.genesis_actor {
                return None;
            }
            for Put { edit, replaces } in &plain.puts {
                let fits = match edit {
                    Edit::Put { key, .. } => {
                        let stands = holders.insert(key, (next_op, actor));
                        stands.or_else(|| self.holders.get(key).copied()) == *replaces
                    }
                    Edit::Event(event) => replaces.is_none() && events.insert(&event.id),
                    Edit::Text { .. } => false,
                };
                if !fits {
                    return None;
                }
                next_op += 1;
            }
            said.push(plain.puts.iter().map(|put| put.edit.clone()).collect());
            last = change.hash;
            own = Some((plain.seq, change.hash));
        }
        Some(said)
    }

    fn advance(&mut self, change: PlainChange, hash: ChangeHash) -> bool {
        // Whatever else it names of the past is in the past of the last change.
        let is_next = change.deps.contains(&self.last()) && change.deps.iter().all(|dep| self.holds(dep));
        if !is_next || change.start_op != self.next_op || change.genesis_actor != self.genesis_actor {
            return false;
        }
        for Put { edit, replaces } in change.puts {
            let id = (self.next_op, change.actor);
            let stands = match edit {
                Edit::Put { key, stamped } => {
                    let stands = self.holders.insert(key.clone(), id);
                    self.model.registers.insert(key, Register { winner: stamped, others: Vec::new() });
                    stands
                }
                Edit::Event(event) => {
                    if self.model.events.iter().any(|earlier| earlier.id == event.id) {
                        return false;
                    }
                    self.model.events.push(event);
                    None
                }
                Edit::Text { .. } => return false,
            };
            if stands != replaces {
                return false;
            }
            self.next_op += 1;
        }
        self.read.push(hash);
        self.authors.insert(change.actor, (change.seq, hash));
        true
    }

    /// Which document it is the history of.
    pub(super) const fn document(&self) -> DocumentId {
        self.model.document
    }

    /// The definition that the document's genesis pins.
    pub(super) const fn definition(&self) -> &DefinitionRef {
        &self.model.definition
    }

    /// The change that everything read so far leads to.
    pub(super) fn last(&self) -> ChangeHash {
        self.read.last().copied().unwrap_or(ChangeHash([0; 32]))
    }

    /// True when a change was read.
    pub(super) fn holds(&self, hash: &ChangeHash) -> bool {
        self.read.iter().rev().any(|held| held == hash)
    }

    /// Number of changes read, the genesis left out.
    pub(super) fn changes(&self) -> usize {
        self.read.len() - 1
    }

    /// The last change of each author.
    pub(super) const fn authors(&self) -> &BTreeMap<ActorId, (u64, ChangeHash)> {
        &self.authors
    }

    /// What the document says so far.
    pub(super) const fn model(&self) -> &Model {
        &self.model
    }

    /// What the document says.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::super::model::{Edit, Event, Stamped, Value};
    use super::*;
    use crate::document::RawChange;
    use crate::id::{ContentHash, UserId};
    use proptest::prelude::*;

    const ID: DocumentId = DocumentId([1; 16]);

    fn definition() -> DefinitionRef {
        DefinitionRef { id: "x.sheet".to_owned(), version: 1, hash: ContentHash([7; 32]) }
    }

    fn put(key: u8, value: Value) -> Edit {
        put_at(key, value, i64::from(key))
    }

    fn put_at(key: u8, value: Value, at_ms: i64) -> Edit {
        let stamped = Stamped { value, by: UserId::new("u.a"), at_ms };
        Edit::Put { key: format!("item/{key}"), stamped }
    }

    fn event(id: &str) -> Edit {
        Edit::Event(Event {
            id: id.to_owned(),
            kind: "create".to_owned(),
            by: UserId::new("u.a"),
            at_ms: 5,
            from: String::new(),
            after: vec!["e0".to_owned()],
            data: BTreeMap::from([("note".to_owned(), Value::Text("急".to_owned()))]),
        })
    }

    fn replayed(changes: &[RawChange]) -> Option<Model> {
        let mut replay = Replay::new(ID, &definition());
        changes.iter().all(|change| replay.take(&change.bytes, change.hash)).then(|| replay.into_model())
    }

    proptest! {
        #[test]
        fn a_history_without_concurrency_reads_as_the_document_does(
            steps in prop::collection::vec((0..3_u8, prop::collection::vec((0..12_u8, 0..4_u8), 1..20)), 1..12)
        ) {
            let mut document = Document::new(ID, &definition(), &[]);
            let mut changes = Vec::new();
            for (number, (actor, edits)) in steps.into_iter().enumerate() {
                // Each at its own time, as people write: an equal value would leave an empty change.
                let at_ms = i64::try_from(number).unwrap();
                let mut edits: Vec<Edit> = edits
                    .into_iter()
                    .map(|(key, kind)| match kind {
                        0 => put_at(key, Value::Null, at_ms),
                        1 => put_at(key, Value::Int(at_ms * 1_000), at_ms),
                        2 => put_at(key, Value::Number(0.5), at_ms),
                        _ => put_at(key, Value::Text("灭火器压力不足".repeat(number)), at_ms),
                    })
                    .collect();
                if number % 3 == 0 {
                    edits.push(event(&format!("e{number}")));
                }
                changes.push(document.edit(ActorId([actor; 16]), &edits).unwrap());
            }
            prop_assert_eq!(replayed(&changes), Some(document.model().unwrap()));
        }
    }

    #[test]
    fn whatever_may_be_concurrent_is_left_to_the_document() {
        let (a, b) = (ActorId([0xa; 16]), ActorId([0xb; 16]));
        let mut one = Document::new(ID, &definition(), &[]);
        let mut two = one.clone();
        let first = one.edit(a, &[put(1, Value::Int(1)), event("e1")]).unwrap();
        let beside = two.edit(b, &[put(2, Value::Int(2))]).unwrap();
        assert!(replayed(std::slice::from_ref(&first)).is_some());
        assert_eq!(replayed(&[first.clone(), beside.clone()]), None, "two heads");
        one.apply(std::slice::from_ref(&beside)).unwrap();
        let merged = one.edit(a, &[put(1, Value::Int(3))]).unwrap();
        assert_eq!(replayed(&[first.clone(), beside, merged]), None, "two heads merged");
        assert_eq!(replayed(&[first.clone(), first.clone()]), None, "the same change twice");
        let second = two.edit(b, &[put(3, Value::Int(3))]).unwrap();
        assert_eq!(replayed(&[second]), None, "a change without the one before it");
    }

    #[test]
    fn a_change_that_does_not_replace_what_stands_is_left_to_the_document() {
        let a = ActorId([0xa; 16]);
        let mut document = Document::new(ID, &definition(), &[]);
        let first = document.edit(a, &[put(1, Value::Int(1))]).unwrap();
        let second = document.edit(a, &[put(1, Value::Int(2))]).unwrap();
        let mut beside = second.decode().unwrap();
        for op in &mut beside.operations {
            op.pred = automerge::legacy::SortedVec::new();
        }
        let beside = RawChange::parse(automerge::Change::from(beside).raw_bytes().to_vec()).unwrap();
        assert!(replayed(&[first.clone(), second]).is_some());
        assert_eq!(replayed(&[first, beside]), None);
    }

    #[test]
    fn shared_texts_and_damage_are_left_to_the_document() {
        let a = ActorId([0xa; 16]);
        let mut document = Document::new(ID, &definition(), &["content".to_owned()]);
        let text = Edit::Text { key: "content".to_owned(), to: Some("漏水".to_owned()) };
        let written = document.edit(a, &[text]).unwrap();
        assert_eq!(replayed(&[written]), None);
        let mut document = Document::new(ID, &definition(), &[]);
        let whole = document.edit(a, &[put(1, Value::Int(1)), event("e1")]).unwrap();
        for at in 0..whole.bytes.len() {
            for flip in [0x01, 0x40, 0x80, 0xff] {
                let mut damaged = whole.bytes.clone();
                damaged[at] ^= flip;
                let mut replay = Replay::new(ID, &definition());
                let _ = replay.take(&damaged, whole.hash);
            }
            let mut replay = Replay::new(ID, &definition());
            assert!(!replay.take(&whole.bytes[..at], whole.hash));
        }
    }
}
