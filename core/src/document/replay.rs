//! Reading a history in which nobody wrote beside anybody else, without a document.
//!
//! Most documents are written by one person after the other. Where each change builds on the one before it
//! and each operation replaces exactly the value that stands, nothing can be concurrent: the last value of
//! each key is its value, and events stand in the order of writing. That takes a twentieth of the time of
//! applying the changes. Whatever is not of this form, shared texts among it, is left to the document.

use std::collections::BTreeMap;

use super::columns::{Coding, Reader};
use super::genesis::{self, EVENTS, REGISTERS, genesis_actor};
use super::model::{Model, Register};
use super::stamp::{decode_event, decode_stamped};
use crate::error::Error;
use crate::id::{ActorId, ChangeHash, DefinitionRef, DocumentId};

/// What `put` is among the actions of operations.
const PUT: u64 = 1;
/// What bytes are among the types of values: the low four bits of what measures a value.
const BYTES: u64 = 7;

/// The counter and author of an operation.
type OpId = (u64, ActorId);

/// A history being read.
pub struct Replay {
    model: Model,
    genesis_actor: ActorId,
    /// The changes read so far, the genesis first.
    read: Vec<ChangeHash>,
    next_op: u64,
    /// The operation that holds each register's value, and each event.
    registers: BTreeMap<String, OpId>,
    events: BTreeMap<String, OpId>,
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
            registers: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    /// Reads the next change, a whole uncompressed chunk whose hash is `hash`; false when the history is not,
    /// or not certainly, of the form that is read here.
    #[must_use]
    pub fn take(&mut self, chunk: &[u8], hash: ChangeHash) -> bool {
        self.try_take(chunk, hash).is_ok_and(|is_taken| is_taken)
    }

    fn try_take(&mut self, chunk: &[u8], hash: ChangeHash) -> Result<bool, Error> {
        let change = Parts::of(chunk)?;
        // An author names their own previous change beside the last one.
        let is_held = |dep: &&[u8]| self.read.iter().rev().any(|held| held.as_bytes() == *dep);
        let is_next =
            change.deps.iter().any(|dep| self.read.last().is_some_and(|last| last.as_bytes() == *dep));
        if !is_next || !change.deps.iter().all(is_held) || change.start_op != self.next_op || !change.is_bare
        {
            return Ok(false);
        }
        let Some(operations) = change.operations()? else { return Ok(false) };
        for Operation { object, key, value, replaces } in operations {
            let id = (self.next_op, change.actor);
            if object.1 != self.genesis_actor {
                return Ok(false);
            }
            let stands = match object.0 {
                counter if counter == REGISTERS.1 => {
                    let winner = decode_stamped(value)?;
                    self.model.registers.insert(key.to_owned(), Register { winner, others: Vec::new() });
                    self.registers.insert(key.to_owned(), id)
                }
                counter if counter == EVENTS.1 => {
                    self.model.events.push(decode_event(key, value)?);
                    self.events.insert(key.to_owned(), id)
                }
                _ => return Ok(false),
            };
            if stands != replaces {
                return Ok(false);
            }
            self.next_op += 1;
        }
        self.read.push(hash);
        Ok(true)
    }

    /// What the document says.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }
}

/// One `put` of bytes under a key.
struct Operation<'a> {
    object: OpId,
    key: &'a str,
    value: &'a [u8],
    /// The one value that it replaces.
    replaces: Option<OpId>,
}

/// A change chunk, taken apart.
struct Parts<'a> {
    deps: Vec<&'a [u8]>,
    actor: ActorId,
    start_op: u64,
    is_bare: bool,
    /// The authors that operations name by place: the change's own first.
    actors: Vec<ActorId>,
    columns: BTreeMap<u64, &'a [u8]>,
}

impl<'a> Parts<'a> {
    fn of(chunk: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::of_chunk(chunk)?;
        let deps = (0..reader.number()?).map(|_| reader.take(32)).collect::<Result<Vec<_>, _>>()?;
        let actor = ActorId::from_slice(reader.sized()?)?;
        reader.number()?;
        let start_op = reader.number()?;
        let is_timeless = reader.difference()? == 0;
        let is_mute = reader.sized()?.is_empty();
        let mut actors = vec![actor];
        for _ in 0..reader.number()? {
            actors.push(ActorId::from_slice(reader.sized()?)?);
        }
        let lengths = (0..reader.number()?)
            .map(|_| Ok((reader.number()?, reader.number()?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let mut columns = BTreeMap::new();
        for (number, length) in lengths {
            columns.insert(number, reader.take(usize::try_from(length).unwrap_or(usize::MAX))?);
        }
        let is_bare = is_timeless && is_mute && reader.is_empty();
        Ok(Self { deps, actor, start_op, is_bare, actors, columns })
    }

    /// Its operations; `None` when one is anything but a `put` of bytes under a key.
    fn operations(&self) -> Result<Option<Vec<Operation<'a>>>, Error> {
        let column = |number: u64| Reader::of(self.columns.get(&number).copied().unwrap_or_default());
        let actions = column(0x42).numbers(Coding::Numbers)?;
        let (object_actors, object_counters) =
            (column(0x01).numbers(Coding::Numbers)?, column(0x02).numbers(Coding::Numbers)?);
        let keys = column(0x15).texts()?;
        let measures = column(0x56).numbers(Coding::Numbers)?;
        let mut values = column(0x57);
        let replaced = column(0x70).numbers(Coding::Numbers)?;
        let mut replaced_actors = column(0x71).numbers(Coding::Numbers)?.into_iter();
        let mut replaced_counters = column(0x73).numbers(Coding::Differences)?.into_iter();
        // A key is text or the id of an element, and only elements are inserted.
        let has_elements = !column(0x11).is_empty() || !column(0x13).is_empty();
        if has_elements || !column(0x34).is_false()? {
            return Ok(None);
        }
        let mut operations = Vec::with_capacity(actions.len());
        for (place, action) in actions.iter().enumerate() {
            let at = |column: &[Option<u64>]| column.get(place).copied().flatten();
            let (Some(object_actor), Some(counter)) = (at(&object_actors), at(&object_counters)) else {
                return Ok(None);
            };
            let (Some(object_actor), Some(Some(key)), Some(measure)) =
                (self.actor(object_actor), keys.get(place).copied(), at(&measures))
            else {
                return Ok(None);
            };
            if *action != Some(PUT) || measure & 0xf != BYTES {
                return Ok(None);
            }
            let value = values.take(usize::try_from(measure >> 4).unwrap_or(usize::MAX))?;
            let replaces = match at(&replaced).unwrap_or(0) {
                0 => None,
                1 => {
                    let actor = replaced_actors.next().flatten().and_then(|actor| self.actor(actor));
                    let (Some(actor), Some(Some(counter))) = (actor, replaced_counters.next()) else {
                        return Ok(None);
                    };
                    Some((counter, actor))
                }
                _ => return Ok(None),
            };
            operations.push(Operation { object: (counter, object_actor), key, value, replaces });
        }
        Ok(Some(operations))
    }

    fn actor(&self, place: u64) -> Option<ActorId> {
        usize::try_from(place).ok().and_then(|place| self.actors.get(place)).copied()
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
