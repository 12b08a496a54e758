//! Changes made again under other author ids: what they say stays, who "they" are to Automerge moves.
//!
//! Two stores that went on under one author id (a restored backup, a cloned phone) each hold changes
//! that the other's log can never take in. The later ones are decoded, every operation of theirs gets
//! the new author, predecessors are mapped from the old change to the new one, and seqs count from 1.
//! Causes and concurrency stay exactly what they were. Ids of events and lines are derived from author
//! and seq, and both stores may have given out the same: they are derived again.

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{Change, ScalarValue};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::change::malformed;
use super::model::{Event, Value};
use super::{RawChange, genesis, line_id, stamp};
use crate::error::Error;
use crate::id::{ActorId, ChangeHash, DocumentId, short_hash};

/// A walk over changes of one document, causes first, that gives each a new author.
///
/// Changes of an author must be taken in the order of their seqs, from the first to be renewed to the
/// last; so must be everything that depends on a taken one.
#[derive(Debug)]
pub struct Renewal {
    document: DocumentId,
    entropy: [u8; 32],
    authors: BTreeMap<ActorId, Author>,
    changes: BTreeMap<ChangeHash, ChangeHash>,
    names: BTreeMap<String, String>,
}

/// An author under renewal.
#[derive(Debug)]
struct Author {
    renewed: ActorId,
    /// Counter of the first operation that moves; earlier ones stay the old author's.
    first_op: u64,
    next_seq: u64,
}

impl Renewal {
    /// A walk over changes of `document`; the new author ids come from `entropy`.
    #[must_use]
    pub const fn new(document: DocumentId, entropy: [u8; 32]) -> Self {
        Self { document, entropy, authors: BTreeMap::new(), changes: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// True when the change cannot stay as it is, because its author or a predecessor was renewed.
    #[must_use]
    pub fn concerns(&self, change: &RawChange) -> bool {
        self.authors.contains_key(&change.actor)
            || change.deps.iter().any(|dep| self.changes.contains_key(dep))
    }

    /// The author id that follows `actor`, where it was renewed.
    #[must_use]
    pub fn author(&self, actor: ActorId) -> Option<ActorId> {
        self.authors.get(&actor).map(|author| author.renewed)
    }

    /// Makes one change again.
    ///
    /// # Errors
    /// `Protocol` when the change cannot be decoded or made again.
    pub fn renew(&mut self, change: &RawChange) -> Result<RawChange, Error> {
        let renewed = ActorId(short_hash(
            "xunyuan/actor/renewed/1",
            &[&self.entropy, self.document.as_bytes(), change.actor.as_bytes()],
        ));
        let author = self.authors.entry(change.actor).or_insert(Author {
            renewed,
            first_op: change.start_op,
            next_seq: 1,
        });
        let seq = author.next_seq;
        author.next_seq += 1;
        let mut expanded = change.decode()?;
        let puts = expanded.operations.iter().filter(|op| matches!(op.key, Key::Map(_))).count();
        for index in 0..u32::try_from(puts).unwrap_or(u32::MAX) {
            self.names.insert(line_id(change.actor, change.seq, index), line_id(renewed, seq, index));
        }
        for op in &mut expanded.operations {
            self.operation(op)?;
        }
        expanded.actor_id = automerge::ActorId::from(renewed.as_bytes());
        expanded.seq = seq;
        expanded.hash = None;
        for dep in &mut expanded.deps {
            if let Some(now) = self.changes.get(&ChangeHash(dep.0)) {
                *dep = automerge::ChangeHash(now.0);
            }
        }
        expanded.deps.sort_unstable();
        let bytes = catch_unwind(AssertUnwindSafe(|| Change::from(expanded).raw_bytes().to_vec()))
            .map_err(|_| malformed("变更无法重新编写", "the change cannot be made again"))?;
        let made = RawChange::parse(bytes)?;
        self.changes.insert(change.hash, made.hash);
        Ok(made)
    }

    fn operation(&self, op: &mut Op) -> Result<(), Error> {
        op.pred = op.pred.iter().map(|id| self.op_id(id)).collect();
        match &mut op.key {
            Key::Seq(ElementId::Id(id)) => *id = self.op_id(id),
            Key::Seq(ElementId::Head) => {}
            Key::Map(key) => {
                let is_event = matches!(&op.obj, ObjectId::Id(id) if id.counter() == genesis::EVENTS.1);
                if let OpType::Put(ScalarValue::Bytes(bytes)) = &mut op.action
                    && is_event
                {
                    *bytes = stamp::encode_event(&self.event(stamp::decode_event(key, bytes)?));
                }
                *key = self.name(key).into();
            }
        }
        Ok(())
    }

    fn op_id(&self, id: &OpId) -> OpId {
        let author = ActorId::from_slice(id.actor().to_bytes()).ok().and_then(|old| self.authors.get(&old));
        match author {
            Some(author) if id.counter() >= author.first_op => {
                OpId::new(id.counter(), &automerge::ActorId::from(author.renewed.as_bytes()))
            }
            Some(_) | None => id.clone(),
        }
    }

    fn event(&self, mut event: Event) -> Event {
        event.after = event.after.iter().map(|id| self.name(id)).collect();
        for value in event.data.values_mut() {
            if let Value::Text(text) = value {
                *text = self.name(text);
            }
        }
        event
    }

    /// A key, or an id in one, with every derived id in it derived again.
    fn name(&self, key: &str) -> String {
        let part = |part: &str| self.names.get(part).cloned().unwrap_or_else(|| part.to_owned());
        key.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::document::model::{Edit, Model, Stamped};
    use crate::id::{ContentHash, DefinitionRef, UserId};

    const A: ActorId = ActorId([0xa; 16]);
    const B: ActorId = ActorId([0xb; 16]);

    fn entry() -> Document {
        let definition = DefinitionRef { id: "x.y".to_owned(), version: 1, hash: ContentHash([7; 32]) };
        Document::new(DocumentId([1; 16]), &definition, &["content".to_owned()])
    }

    fn put(key: &str, value: &str) -> Edit {
        let stamped = Stamped { value: Value::Text(value.to_owned()), by: UserId::new("u.a"), at_ms: 5 };
        Edit::Put { key: key.to_owned(), stamped }
    }

    fn text(to: &str) -> Edit {
        Edit::Text { key: "content".to_owned(), to: Some(to.to_owned()) }
    }

    fn event(model: &Model, id: String, kind: &str) -> Edit {
        let after = model.latest_events();
        let data = BTreeMap::from([("key".to_owned(), Value::Text(format!("event/{id}")))]);
        let (by, from) = (UserId::new("u.a"), String::new());
        Edit::Event(Event { id, kind: kind.to_owned(), by, at_ms: 5, from, after, data })
    }

    /// One step of work: an event, a line and a text, with ids derived as the product derives them.
    fn step(document: &mut Document, actor: ActorId, kind: &str) -> RawChange {
        let seq = document.next_seq(actor);
        let model = document.model().unwrap();
        let line = format!("line/visits/{}/note", line_id(actor, seq, 1));
        let words = format!("{}{kind}", model.texts.get("content").cloned().unwrap_or_default());
        let edits = [
            event(&model, line_id(actor, seq, 0), kind),
            put(&line, kind),
            put("field/x", kind),
            text(&words),
        ];
        document.edit(actor, &edits).unwrap()
    }

    #[test]
    fn a_fork_renewed_keeps_both_sides_and_merges_alike_everywhere() {
        let mut original = entry();
        let common = [step(&mut original, A, "create"), step(&mut original, A, "assign")];
        let mut clone = original.clone();
        let here = [step(&mut original, A, "one"), step(&mut original, A, "two")];
        let there = [step(&mut clone, A, "three"), step(&mut clone, A, "four")];
        let alone = clone.model().unwrap();
        assert!(original.clone().apply(&there).is_err(), "the seqs are taken");

        let mut renewal = Renewal::new(DocumentId([1; 16]), [9; 32]);
        assert!(!renewal.concerns(&there[0]));
        let renewed: Vec<RawChange> = there.iter().map(|change| renewal.renew(change).unwrap()).collect();
        assert!(renewal.concerns(&there[1]));
        assert_eq!(renewed.iter().map(|change| change.seq).collect::<Vec<_>>(), [1, 2]);
        assert!(renewed.iter().all(|change| Some(change.actor) == renewal.author(A)));
        assert_eq!(renewed[0].deps, [common[1].hash]);
        assert_eq!(renewed[1].deps, [renewed[0].hash]);
        assert_eq!(renewed[0].start_op, there[0].start_op);

        // On its own the renewed side says what it said; only derived ids moved.
        let mut again = entry();
        again.apply(&common).unwrap();
        again.examine(&renewed).unwrap();
        again.apply(&renewed).unwrap();
        let model = again.model().unwrap();
        assert_eq!(model.texts, alone.texts);
        assert_eq!(model.value("field/x"), alone.value("field/x"));
        assert_eq!(model.events.len(), alone.events.len());
        assert_eq!(model.latest_events(), [model.events[3].id.clone()]);
        assert_eq!(model.under("line/visits/").count(), 4);

        // Together nothing hides anything.
        original.examine(&renewed).unwrap();
        original.apply(&renewed).unwrap();
        again.apply(&here).unwrap();
        let model = original.model().unwrap();
        assert_eq!(model, again.model().unwrap());
        assert_eq!(model.events.len(), 6);
        assert_eq!(model.under("line/visits/").count(), 6);
        assert!(model.register("field/x").unwrap().clashes());
        for event in &model.events {
            assert_eq!(event.data["key"].as_text(), Some(format!("event/{}", event.id).as_str()));
        }
    }

    #[test]
    fn work_of_another_author_that_builds_on_the_fork_follows_it() {
        let mut clone = entry();
        let first = step(&mut clone, A, "create");
        let second = step(&mut clone, B, "assign");
        let mut renewal = Renewal::new(DocumentId([1; 16]), [9; 32]);
        let first = renewal.renew(&first).unwrap();
        assert!(renewal.concerns(&second));
        let second = renewal.renew(&second).unwrap();
        assert_eq!(second.deps, [first.hash]);
        assert_ne!(second.actor, B);
        let mut again = entry();
        again.apply(&[first, second]).unwrap();
        assert_eq!(again.model().unwrap().texts, clone.model().unwrap().texts);
    }
}
