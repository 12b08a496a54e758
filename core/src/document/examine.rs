//! The structural check: whether a change fits a document, before Automerge is asked to apply it.
//!
//! Automerge does not validate its input: mutated changes panic it or leave documents that no longer
//! load. So everything about a foreign change is checked here first: its place among its author's
//! changes and after its deps, its canonical form, and each operation. The product makes only four
//! kinds of operation: a stamped value into a register, an event under a new key, a character into a
//! shared text, a character out of it. Anything else is refused, as are predecessors and positions
//! that the change's own past does not contain.

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{Automerge, Change, ObjId, ReadDoc, ScalarValue};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::change::malformed;
use super::content::Content;
use super::model::Edit;
use super::{Document, RawChange, foreign_shape, genesis, stamp};
use crate::error::Error;
use crate::id::ChangeHash;

/// A change that does not fit, and why.
#[derive(Debug)]
pub struct Misfit {
    /// Index of the change among those examined; the ones before it fit.
    pub index: usize,
    /// What is wrong with it.
    pub error: Error,
}

impl Document {
    /// Checks changes of one author against the document and reads what they say, without applying
    /// them. All but the first must depend on exactly the change before.
    ///
    /// # Errors
    /// The first change that does not fit; nothing after it was looked at.
    pub fn examine(&self, changes: &[RawChange]) -> Result<Vec<Vec<Edit>>, Misfit> {
        if let Content::Plain(plain) = &self.content
            && let Some(said) = plain.replay.examine(changes)
        {
            return Ok(said);
        }
        let mut examination = None;
        let mut edits = Vec::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            let one = || -> Result<Vec<Edit>, Error> {
                if examination.is_none() {
                    examination = Some(Examination::begin(self, change)?);
                }
                let examination = examination.as_mut().ok_or_else(misplaced)?;
                examination.take(change)
            };
            let checked = catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(|_| Err(misplaced()));
            edits.push(checked.map_err(|error| Misfit { index, error })?);
        }
        Ok(edits)
    }
}

/// What is known while a run is examined: the document at the run's start and the run so far.
struct Examination<'d> {
    document: &'d Document,
    automerge: &'d Automerge,
    /// Deps of the first change: the past that predecessors are looked up in.
    base: Vec<automerge::ChangeHash>,
    /// Changes of the document that are not in that past; empty when it is all of them.
    outside: HashSet<automerge::ChangeHash>,
    /// True when that past is the genesis alone: no key has a value in it.
    is_blank: bool,
    previous: Option<ChangeHash>,
    next_seq: u64,
    next_op: u64,
    /// Current operations of each register that the run touched.
    registers: BTreeMap<String, Vec<OpId>>,
    events: BTreeSet<String>,
    /// Characters that the run inserted, by the text's operation counter.
    characters: HashSet<(u64, OpId)>,
    /// Changes of the document that characters were looked up in.
    inserted: HashMap<automerge::ChangeHash, Inserted>,
}

/// Most changes whose characters are kept at hand: a text that more of them wrote reads some again.
const INSERTED_MAX: usize = 64;

/// What a change of the document inserted.
struct Inserted {
    actor: automerge::ActorId,
    first_op: u64,
    /// For each operation the text that it put a character into; 0 where it did something else.
    texts: Vec<u32>,
}

impl Inserted {
    fn of(change: &Change) -> Self {
        let decoded = change.decode();
        let text = |op: &Op| match &op.obj {
            ObjectId::Id(object) if op.insert => u32::try_from(object.counter()).unwrap_or(0),
            ObjectId::Id(_) | ObjectId::Root => 0,
        };
        Self {
            first_op: decoded.start_op.get(),
            texts: decoded.operations.iter().map(text).collect(),
            actor: decoded.actor_id,
        }
    }
}

impl<'d> Examination<'d> {
    fn begin(document: &'d Document, first: &RawChange) -> Result<Self, Error> {
        if first.deps.is_empty() {
            return Err(malformed("变更没有前置变更", "the change builds on nothing"));
        }
        let automerge = document.content.automerge()?;
        let base: Vec<_> = first.deps.iter().map(|dep| automerge::ChangeHash(dep.0)).collect();
        let mut max_op = 0;
        for dep in &base {
            let meta = automerge.get_change_meta_by_hash(dep);
            max_op = max_op.max(meta.ok_or_else(missing)?.max_op);
        }
        let outside = if document.heads() == first.deps {
            HashSet::new()
        } else {
            automerge.get_changes_meta(&base).into_iter().map(|meta| meta.hash).collect()
        };
        let last = document.last_change(first.actor);
        // Automerge takes an author's earlier changes for known to every later one, whatever its deps say.
        if last.is_some_and(|(_, hash)| outside.contains(&automerge::ChangeHash(hash.0))) {
            return Err(malformed(
                "变更未包含其作者此前的变更",
                "the change does not build on its author's earlier changes",
            ));
        }
        let is_blank = first.deps == [document.genesis_hash];
        Ok(Self {
            document,
            automerge,
            base,
            outside,
            is_blank,
            previous: None,
            next_seq: last.map_or(0, |(seq, _)| seq) + 1,
            next_op: max_op + 1,
            registers: BTreeMap::new(),
            events: BTreeSet::new(),
            characters: HashSet::new(),
            inserted: HashMap::new(),
        })
    }

    fn take(&mut self, change: &RawChange) -> Result<Vec<Edit>, Error> {
        if self.previous.is_some_and(|previous| change.deps != [previous]) {
            return Err(malformed("变更未接续前一条变更", "the change does not follow the one before it"));
        }
        if change.seq != self.next_seq {
            return Err(malformed("变更序号不连续", "the change's seq is not its author's next"));
        }
        if change.start_op != self.next_op {
            return Err(malformed("变更操作序号不正确", "the change counts its operations wrongly"));
        }
        if !change.is_bare {
            return Err(malformed("变更带有多余内容", "the change carries what it must not"));
        }
        let expanded = change.decode()?;
        if Change::from(expanded.clone()).raw_bytes() != change.bytes {
            return Err(malformed("变更字节不规范", "the change's bytes are not canonical"));
        }
        let mut edits = Vec::new();
        let mut texts = BTreeSet::new();
        for (index, op) in expanded.operations.iter().enumerate() {
            let id = OpId::new(self.next_op + index as u64, &expanded.actor_id);
            if let Some(edit) = self.operation(op, id, &mut texts)? {
                edits.push(edit);
            }
        }
        if change.max_op + 1 != self.next_op + expanded.operations.len() as u64 {
            return Err(misplaced());
        }
        edits.extend(texts.into_iter().map(|key| Edit::Text { key, to: None }));
        self.previous = Some(change.hash);
        self.next_seq += 1;
        self.next_op = change.max_op + 1;
        Ok(edits)
    }

    fn operation(&mut self, op: &Op, id: OpId, texts: &mut BTreeSet<String>) -> Result<Option<Edit>, Error> {
        let ObjectId::Id(object) = &op.obj else { return Err(foreign_shape()) };
        if object.actor().to_bytes() != self.document.genesis_actor.as_bytes() {
            return Err(foreign_shape());
        }
        let container = object.counter();
        match (&op.key, &op.action) {
            (Key::Map(key), OpType::Put(ScalarValue::Bytes(bytes))) if !op.insert => {
                if container == genesis::REGISTERS.1 {
                    self.register(key, op, id)?;
                    let stamped = stamp::decode_stamped(bytes)?;
                    Ok(Some(Edit::Put { key: key.to_string(), stamped }))
                } else if container == genesis::EVENTS.1 {
                    self.event(key, op)?;
                    Ok(Some(Edit::Event(stamp::decode_event(key, bytes)?)))
                } else {
                    Err(foreign_shape())
                }
            }
            (Key::Seq(element), action) => {
                texts.insert(self.document.text_key(container)?);
                self.character(container, element, action, op, id)?;
                Ok(None)
            }
            _ => Err(foreign_shape()),
        }
    }

    /// A write replaces exactly what its author saw in the register.
    fn register(&mut self, key: &str, op: &Op, id: OpId) -> Result<(), Error> {
        if !self.registers.contains_key(key) {
            let current = self.current(genesis::REGISTERS.0, key)?;
            self.registers.insert(key.to_owned(), current);
        }
        let current = self.registers.get_mut(key).ok_or_else(misplaced)?;
        if op.pred.len() != current.len() || !op.pred.iter().all(|pred| current.contains(pred)) {
            return Err(unseen());
        }
        *current = vec![id];
        Ok(())
    }

    fn event(&mut self, key: &str, op: &Op) -> Result<(), Error> {
        let is_new = self.events.insert(key.to_owned()) && self.current(genesis::EVENTS.0, key)?.is_empty();
        if is_new && op.pred.is_empty() { Ok(()) } else { Err(unseen()) }
    }

    fn character(
        &mut self,
        text: u64,
        element: &ElementId,
        action: &OpType,
        op: &Op,
        id: OpId,
    ) -> Result<(), Error> {
        match (action, element) {
            (OpType::Put(ScalarValue::Str(one)), _) if op.insert && op.pred.is_empty() => {
                if one.chars().count() != 1 {
                    return Err(foreign_shape());
                }
                if let ElementId::Id(after) = element
                    && !self.knows_character(text, after)?
                {
                    return Err(unseen());
                }
                self.characters.insert((text, id));
                Ok(())
            }
            (OpType::Delete, ElementId::Id(out)) if !op.insert => {
                let names_it = op.pred.len() == 1 && op.pred.iter().all(|pred| pred == out);
                if names_it && self.knows_character(text, out)? { Ok(()) } else { Err(unseen()) }
            }
            _ => Err(foreign_shape()),
        }
    }

    /// True when `id` inserted a character into the text, in this run or in its past.
    fn knows_character(&mut self, text: u64, id: &OpId) -> Result<bool, Error> {
        if self.characters.contains(&(text, id.clone())) {
            return Ok(true);
        }
        let exid = ObjId::Id(id.counter(), id.actor().clone(), 0);
        let Some(hash) = self.automerge.hash_for_opid(&exid) else { return Ok(false) };
        if self.outside.contains(&hash) {
            return Ok(false);
        }
        if !self.inserted.contains_key(&hash) {
            let change = self.automerge.get_change_by_hash(&hash).ok_or_else(missing)?;
            if self.inserted.len() >= INSERTED_MAX {
                self.inserted.clear();
            }
            self.inserted.insert(hash, Inserted::of(&change));
        }
        let change = self.inserted.get(&hash).ok_or_else(missing)?;
        let place = id.counter().checked_sub(change.first_op).and_then(|at| usize::try_from(at).ok());
        let into = place.and_then(|at| change.texts.get(at));
        Ok(change.actor == *id.actor() && into.is_some_and(|into| u64::from(*into) == text))
    }

    /// The operations that hold a key's current values in the run's past.
    fn current(&self, container: &str, key: &str) -> Result<Vec<OpId>, Error> {
        if self.is_blank {
            return Ok(Vec::new());
        }
        let doc = self.automerge;
        let object = super::read::container(doc, container)?;
        let values = if self.outside.is_empty() {
            doc.get_all(&object, key)
        } else {
            doc.get_all_at(&object, key, &self.base)
        };
        let values = values.map_err(|error| misplaced().caused_by(error))?;
        Ok(values
            .into_iter()
            .filter_map(|(_, id)| match id {
                ObjId::Id(counter, actor, _) => Some(OpId::new(counter, &actor)),
                ObjId::Root => None,
            })
            .collect())
    }
}

fn misplaced() -> Error {
    malformed("变更的序号或位置与文档不符", "the change's seq, position or form does not fit the document")
}

fn missing() -> Error {
    malformed("变更缺少前置变更", "predecessors of the change are missing")
}

fn unseen() -> Error {
    malformed(
        "变更引用了作者当时看不到的内容",
        "the change refers to content that its author cannot have seen",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::model::{Event, Stamped, Value};
    use crate::id::{ActorId, ContentHash, DefinitionRef, DocumentId, UserId};
    use sha2::{Digest as _, Sha256};

    const A: ActorId = ActorId([0xa; 16]);
    const B: ActorId = ActorId([0xb; 16]);

    fn entry() -> Document {
        let definition = DefinitionRef { id: "x.y".to_owned(), version: 1, hash: ContentHash([7; 32]) };
        Document::new(DocumentId([1; 16]), &definition, &["content".to_owned(), "result".to_owned()])
    }

    fn put(key: &str, value: &str) -> Edit {
        let stamped = Stamped { value: Value::Text(value.to_owned()), by: UserId::new("u.a"), at_ms: 5 };
        Edit::Put { key: key.to_owned(), stamped }
    }

    fn text(to: &str) -> Edit {
        Edit::Text { key: "content".to_owned(), to: Some(to.to_owned()) }
    }

    fn event(id: &str) -> Edit {
        Edit::Event(Event {
            id: id.to_owned(),
            kind: "assign".to_owned(),
            by: UserId::new("u.a"),
            at_ms: 5,
            from: "received".to_owned(),
            after: vec![],
            data: BTreeMap::new(),
        })
    }

    /// A document with two authors' merged work, and a run of every kind of edit that builds on it.
    fn legitimate() -> (Document, Vec<RawChange>) {
        let (mut one, mut two) = (entry(), entry());
        let first = one.edit(A, &[put("field/x", "1"), text("卫生间漏水"), event("e1")]).unwrap();
        let other = two.edit(B, &[put("field/x", "2"), text("急")]).unwrap();
        one.apply(std::slice::from_ref(&other)).unwrap();
        let base = one.clone();
        let run = vec![
            one.edit(A, &[put("field/x", "3"), put("field/x", "4"), put("field/y", "5")]).unwrap(),
            one.edit(A, &[text("卫生间漏水,很急"), event("e2"), put("field/x", "6")]).unwrap(),
            one.edit(A, &[text("漏水"), event("e3")]).unwrap(),
            one.edit(A, &[]).unwrap(),
        ];
        assert_eq!(base.heads().len(), 2);
        drop(first);
        (base, run)
    }

    #[test]
    fn every_kind_of_edit_the_product_makes_is_accepted() {
        let (base, run) = legitimate();
        let edits = base.examine(&run).unwrap();
        assert_eq!(edits.len(), 4);
        assert_eq!(edits[0], base.edits_of(&run[0]).unwrap());
        assert!(entry().examine(&run).is_err(), "predecessors are missing");
    }

    #[test]
    fn work_written_at_an_earlier_past_is_judged_there() {
        let (mut base, _) = legitimate();
        let mut stale = entry();
        let first = stale.edit(ActorId([0xc; 16]), &[put("field/x", "9"), text("旧")]).unwrap();
        base.examine(std::slice::from_ref(&first)).unwrap();
        base.apply(&[first]).unwrap();
        let later = stale.edit(ActorId([0xc; 16]), &[put("field/x", "10"), text("旧的")]).unwrap();
        base.examine(std::slice::from_ref(&later)).unwrap();
    }

    #[test]
    fn a_change_beside_its_authors_earlier_work_is_refused() {
        let (mut here, mut elsewhere) = (entry(), entry());
        let first = here.edit(A, &[put("field/x", "1")]).unwrap();
        let other = elsewhere.edit(B, &[put("field/y", "2")]).unwrap();
        here.apply(std::slice::from_ref(&other)).unwrap();
        let honest = here.clone().edit(A, &[put("field/z", "3")]).unwrap();
        here.examine(std::slice::from_ref(&honest)).unwrap();
        let mut expanded = honest.decode().unwrap();
        expanded.deps.retain(|dep| dep.0 != first.hash.0);
        let beside = RawChange::parse(Change::from(expanded).raw_bytes().to_vec()).unwrap();
        assert_eq!((beside.seq, beside.start_op), (2, other.max_op + 1), "all else is in its place");
        let misfit = here.examine(&[beside]).unwrap_err();
        assert!(misfit.error.to_string().contains("earlier changes"), "{}", misfit.error);
    }

    #[test]
    fn gaps_and_repeats_are_refused() {
        let (base, run) = legitimate();
        assert_eq!(base.examine(&run[1..]).unwrap_err().index, 0);
        let twice = [run[0].clone(), run[0].clone()];
        assert_eq!(base.examine(&twice).unwrap_err().index, 1);
        let mut moved = base.clone();
        moved.apply(&run[..1]).unwrap();
        assert!(moved.examine(&run[..1]).is_err(), "the seq is taken");
        moved.examine(&run[1..]).unwrap();
    }

    /// Changes one bit of the body and corrects length-independent checksum and hash.
    fn mutated(bytes: &[u8], at: usize, mask: u8) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= mask;
        let hash = Sha256::digest(&bytes[8..]);
        bytes[4..8].copy_from_slice(&hash[..4]);
        bytes
    }

    #[test]
    fn what_passes_the_check_applies_and_loads_again() {
        let (base, run) = legitimate();
        let (mut parsed, mut passed) = (0, 0);
        for length in 0..run.len() {
            let mut before = base.clone();
            before.apply(&run[..length]).unwrap();
            for at in 8..run[length].bytes.len() {
                for bit in 0..8 {
                    let Ok(change) = RawChange::parse(mutated(&run[length].bytes, at, 1 << bit)) else {
                        continue;
                    };
                    parsed += 1;
                    if before.examine(std::slice::from_ref(&change)).is_err() {
                        continue;
                    }
                    passed += 1;
                    let mut after = before.clone();
                    after.apply(std::slice::from_ref(&change)).unwrap();
                    after.model().unwrap();
                    Automerge::load(&after.content.automerge().unwrap().save()).unwrap();
                }
            }
        }
        assert!(parsed > 1_000, "{parsed} parsed, {passed} passed");
    }
}
