//! Documents: inspections and ledger entries as Automerge documents; the only room that names
//! Automerge.
//!
//! Receives definitions' text keys and changes as bytes; hands on [`model::Model`]s, changes and
//! heads. Forbids what Automerge would allow: containers outside the genesis, deletions, values of
//! other shapes. Every call into Automerge with foreign bytes runs under `catch_unwind`; after an
//! error from [`Document::apply`] the object must be dropped.

pub mod change;
mod columns;
mod content;
pub mod examine;
pub mod genesis;
pub mod model;
mod plain;
mod read;
pub mod renewal;
pub mod replay;
mod stamp;

use automerge::legacy::{Key, ObjectId, OpType};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, ObjId, ReadDoc, ScalarValue};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use change::malformed;
pub use change::{RawChange, Seal};
use content::Content;
pub use genesis::genesis_actor;
use model::{Edit, Model};
pub use read::Size;
use replay::Replay;

use crate::error::{Error, ErrorKind};
use crate::id::{ActorId, ChangeHash, DefinitionRef, DocumentId, short_hash};

/// One inspection or ledger entry.
///
/// ```
/// use xunyuan_core::document::{Document, model::{Edit, Stamped, Value}};
/// use xunyuan_core::id::{ActorId, ContentHash, DefinitionRef, DocumentId, UserId};
///
/// let definition = DefinitionRef { id: "tpl.x".into(), version: 1, hash: ContentHash([7; 32]) };
/// let mut sheet = Document::new(DocumentId([1; 16]), &definition, &[]);
/// let stamped = Stamped { value: Value::Text("pass".into()), by: UserId::new("u.pt01"), at_ms: 1 };
/// let answer = Edit::Put { key: "item/x.1".into(), stamped };
/// let change = sheet.edit(ActorId([2; 16]), &[answer]).unwrap();
/// let mut copy = Document::new(DocumentId([1; 16]), &definition, &[]);
/// copy.apply(&[change]).unwrap();
/// assert_eq!(copy.model().unwrap(), sheet.model().unwrap());
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    id: DocumentId,
    definition: DefinitionRef,
    text_keys: Vec<String>,
    genesis_hash: ChangeHash,
    genesis_actor: ActorId,
    content: Content,
}

impl Document {
    /// A document that holds only its computed genesis.
    ///
    /// `text_keys` are the sorted ids of the definition's shared texts.
    #[must_use]
    pub fn new(id: DocumentId, definition: &DefinitionRef, text_keys: &[String]) -> Self {
        let (content, genesis_hash) = if text_keys.is_empty() {
            (Content::plain(Replay::new(id, definition)), genesis::plain_hash(id, definition))
        } else {
            let (automerge, genesis_hash) = genesis::genesis(id, definition, text_keys);
            (Content::Whole(Box::new(automerge)), genesis_hash)
        };
        Self {
            id,
            definition: definition.clone(),
            text_keys: text_keys.to_vec(),
            genesis_hash,
            genesis_actor: genesis_actor(id, definition),
            content,
        }
    }

    /// Which document this is.
    #[must_use]
    pub const fn id(&self) -> DocumentId {
        self.id
    }

    /// The definition version that its genesis pins.
    #[must_use]
    pub const fn definition(&self) -> &DefinitionRef {
        &self.definition
    }

    /// Hash of the computed first change.
    #[must_use]
    pub const fn genesis_hash(&self) -> ChangeHash {
        self.genesis_hash
    }

    /// Counter of the genesis' last operation.
    #[must_use]
    pub fn genesis_max_op(&self) -> u64 {
        genesis::FIRST_TEXT - 1 + self.text_keys.len() as u64
    }

    /// Applies changes in one batch; those already held are skipped.
    ///
    /// # Errors
    /// `Protocol` when predecessors are missing, Automerge refuses or panics. The document must then
    /// be dropped: what it holds is not defined.
    pub fn apply(&mut self, changes: &[RawChange]) -> Result<(), Error> {
        if self.content.follow(changes) {
            return Ok(());
        }
        let automerge = self.content.automerge_mut()?;
        let parsed = changes.iter().map(|change| change.parsed().cloned()).collect::<Result<Vec<_>, _>>()?;
        catch_unwind(AssertUnwindSafe(|| automerge.apply_changes(parsed)))
            .map_err(|_| malformed("变更无法应用到文档", "the changes cannot be applied to the document"))?
            .map_err(|error| {
                malformed("变更无法应用到文档", "the changes cannot be applied to the document")
                    .caused_by(error)
            })?;
        match changes.iter().find(|change| !self.holds(&change.hash)) {
            None => Ok(()),
            Some(_) => Err(malformed("变更缺少前置变更", "predecessors of a change are missing")),
        }
    }

    /// Writes one change by `actor`.
    ///
    /// # Errors
    /// `Invalid` when a text edit names a text that the definition does not have, or the change
    /// exceeds the limits; `Protocol` when Automerge panics over what the document holds. The document must
    /// then be dropped.
    pub fn edit(&mut self, actor: ActorId, edits: &[Edit]) -> Result<RawChange, Error> {
        catch_unwind(AssertUnwindSafe(|| self.write(actor, edits)))
            .map_err(|_| malformed("文档无法写入", "the document cannot be written"))?
    }

    fn write(&mut self, actor: ActorId, edits: &[Edit]) -> Result<RawChange, Error> {
        let automerge = self.content.automerge_mut()?;
        automerge.set_actor(automerge::ActorId::from(actor.as_bytes()));
        let registers = read::container(automerge, genesis::REGISTERS.0)?;
        let texts = read::container(automerge, genesis::TEXTS.0)?;
        let events = read::container(automerge, genesis::EVENTS.0)?;
        let mut text_objects = Vec::new();
        for edit in edits {
            if let Edit::Text { key, to: Some(to) } = edit {
                text_objects.push((text_object(automerge, &texts, key)?, to));
            }
        }
        let mut transaction = automerge.transaction();
        let mut write = || -> Result<(), automerge::AutomergeError> {
            for edit in edits {
                match edit {
                    Edit::Put { key, stamped } => {
                        transaction.put(&registers, key.as_str(), bytes(stamp::encode_stamped(stamped)))?;
                    }
                    Edit::Event(event) => {
                        transaction.put(&events, event.id.as_str(), bytes(stamp::encode_event(event)))?;
                    }
                    Edit::Text { .. } => {}
                }
            }
            for (object, to) in &text_objects {
                transaction.update_text(object, to)?;
            }
            Ok(())
        };
        write().map_err(|error| {
            Error::new(ErrorKind::Invalid, "无法写入文档", "the document cannot take this edit")
                .caused_by(error)
        })?;
        let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
        let hash = hash.unwrap_or_else(|| automerge.empty_commit(CommitOptions::default().with_time(0)));
        automerge
            .get_change_by_hash(&hash)
            .ok_or_else(|| malformed("变更未生成", "the change was not made"))
            .and_then(RawChange::of_own)
    }

    /// What the document says now.
    ///
    /// # Errors
    /// `Protocol` when a value does not have the agreed form.
    pub fn model(&self) -> Result<Model, Error> {
        if let Content::Plain(plain) = &self.content {
            return Ok(plain.replay.model().clone());
        }
        let automerge = self.content.automerge()?;
        let empty = Model::empty(self.id, self.definition.clone());
        catch_unwind(AssertUnwindSafe(|| read::read_model(automerge, empty, None)))
            .map_err(|_| malformed("文档无法读取", "the document cannot be read"))?
    }

    /// What the document said at `heads`.
    ///
    /// # Errors
    /// `Protocol` when a head is not held or a value does not have the agreed form.
    pub fn model_at(&self, heads: &[ChangeHash]) -> Result<Model, Error> {
        if let Some(missing) = heads.iter().find(|head| !self.holds(head)) {
            return Err(malformed(
                "文档没有所指的变更",
                &format!("the document does not hold change {missing}"),
            ));
        }
        if let Content::Plain(plain) = &self.content
            && heads == [plain.replay.last()]
        {
            return Ok(plain.replay.model().clone());
        }
        let automerge = self.content.automerge()?;
        let heads: Vec<_> = heads.iter().map(|head| automerge::ChangeHash(head.0)).collect();
        let empty = Model::empty(self.id, self.definition.clone());
        catch_unwind(AssertUnwindSafe(|| read::read_model(automerge, empty, Some(&heads))))
            .map_err(|_| malformed("文档历史无法读取", "the document's history cannot be read"))?
    }

    /// The changes that nothing in the document builds on yet, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        match &self.content {
            Content::Plain(plain) => vec![plain.replay.last()],
            Content::Whole(automerge) => {
                let mut heads: Vec<_> =
                    automerge.get_heads().into_iter().map(|head| ChangeHash(head.0)).collect();
                heads.sort_unstable();
                heads
            }
        }
    }

    /// True when the change with this hash has been applied.
    #[must_use]
    pub fn holds(&self, hash: &ChangeHash) -> bool {
        match &self.content {
            Content::Plain(plain) => plain.replay.holds(hash),
            Content::Whole(automerge) => {
                automerge.get_change_meta_by_hash(&automerge::ChangeHash(hash.0)).is_some()
            }
        }
    }

    /// The seq of `actor`'s next change.
    #[must_use]
    pub fn next_seq(&self, actor: ActorId) -> u64 {
        self.last_change(actor).map_or(0, |(seq, _)| seq) + 1
    }

    /// Seq and hash of `actor`'s last change.
    fn last_change(&self, actor: ActorId) -> Option<(u64, ChangeHash)> {
        match &self.content {
            Content::Plain(plain) => plain.replay.authors().get(&actor).copied(),
            Content::Whole(automerge) => {
                let actor = automerge::ActorId::from(actor.as_bytes());
                let changes = automerge.get_changes_meta(&[]);
                let own = changes.iter().filter(|meta| *meta.actor == actor);
                own.map(|meta| (meta.seq, ChangeHash(meta.hash.0))).max()
            }
        }
    }

    /// What a change says, read from its operations; the change need not be applied.
    ///
    /// # Errors
    /// `Protocol` when an operation is none of: a stamped value into a register, an event under a
    /// new key, characters in or out of a shared text.
    pub fn edits_of(&self, change: &RawChange) -> Result<Vec<Edit>, Error> {
        if let Some(plain) = change.plain.as_ref().filter(|plain| plain.genesis_actor == self.genesis_actor)
            && plain.puts.iter().all(|put| matches!(put.edit, Edit::Put { .. }) || put.replaces.is_none())
        {
            return Ok(plain.puts.iter().map(|put| put.edit.clone()).collect());
        }
        let expanded = change.decode()?;
        let mut edits = Vec::new();
        let mut texts = BTreeSet::new();
        for op in expanded.operations.iter() {
            let ObjectId::Id(object) = &op.obj else { return Err(foreign_shape()) };
            if object.actor().to_bytes() != self.genesis_actor.as_bytes() {
                return Err(foreign_shape());
            }
            match (object.counter(), &op.key, &op.action) {
                (counter, Key::Map(key), OpType::Put(ScalarValue::Bytes(bytes))) if !op.insert => {
                    if counter == genesis::REGISTERS.1 {
                        edits
                            .push(Edit::Put { key: key.to_string(), stamped: stamp::decode_stamped(bytes)? });
                    } else if counter == genesis::EVENTS.1 && op.pred.iter().next().is_none() {
                        edits.push(Edit::Event(stamp::decode_event(key, bytes)?));
                    } else {
                        return Err(foreign_shape());
                    }
                }
                (counter, Key::Seq(_), OpType::Put(ScalarValue::Str(_)) | OpType::Delete) => {
                    texts.insert(self.text_key(counter)?);
                }
                _ => return Err(foreign_shape()),
            }
        }
        edits.extend(texts.into_iter().map(|key| Edit::Text { key, to: None }));
        Ok(edits)
    }

    fn text_key(&self, counter: u64) -> Result<String, Error> {
        counter
            .checked_sub(genesis::FIRST_TEXT)
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| self.text_keys.get(index))
            .cloned()
            .ok_or_else(foreign_shape)
    }
}

/// The id of the `index`-th event or line that `actor`'s change `seq` appends: derived, so that two
/// devices can never choose the same.
#[must_use]
pub fn line_id(actor: ActorId, seq: u64, index: u32) -> String {
    let hash = short_hash("xunyuan/line/1", &[actor.as_bytes(), &seq.to_be_bytes(), &index.to_be_bytes()]);
    data_encoding::HEXLOWER.encode(&hash[..6])
}

fn text_object(automerge: &Automerge, texts: &ObjId, key: &str) -> Result<ObjId, Error> {
    match automerge.get(texts, key) {
        Ok(Some((automerge::Value::Object(automerge::ObjType::Text), id))) => Ok(id),
        _ => Err(Error::new(
            ErrorKind::Invalid,
            format!("没有名为 {key} 的共享文本"),
            format!("there is no shared text named {key}"),
        )),
    }
}

fn bytes(bytes: Vec<u8>) -> ScalarValue {
    ScalarValue::Bytes(bytes)
}

fn foreign_shape() -> Error {
    malformed("变更包含约定之外的操作", "the change holds an operation that the product does not make")
}

#[cfg(test)]
mod tests {
    use super::model::{Event, Stamped, Value};
    use super::*;
    use crate::id::{ContentHash, UserId};

    fn definition() -> DefinitionRef {
        DefinitionRef { id: "x.sheet".to_owned(), version: 1, hash: ContentHash([7; 32]) }
    }

    fn sheet() -> Document {
        Document::new(DocumentId([1; 16]), &definition(), &["content".to_owned(), "result".to_owned()])
    }

    fn put(key: &str, value: &str, by: &str) -> Edit {
        let stamped = Stamped { value: Value::Text(value.to_owned()), by: UserId::new(by), at_ms: 5 };
        Edit::Put { key: key.to_owned(), stamped }
    }

    fn event(id: &str, kind: &str) -> Edit {
        Edit::Event(Event {
            id: id.to_owned(),
            kind: kind.to_owned(),
            by: UserId::new("u.a"),
            at_ms: 5,
            from: String::new(),
            after: vec![],
            data: std::collections::BTreeMap::new(),
        })
    }

    const A: ActorId = ActorId([0xa; 16]);
    const B: ActorId = ActorId([0xb; 16]);

    #[test]
    fn genesis_is_the_same_on_every_device_and_for_ever() {
        assert_eq!(sheet().genesis_hash(), sheet().genesis_hash());
        assert_eq!(sheet().heads(), vec![sheet().genesis_hash()]);
        assert_eq!(sheet().genesis_max_op(), 5);
        assert_eq!(sheet().genesis_hash().to_string(), GOLDEN_GENESIS);
        let other = Document::new(DocumentId([2; 16]), &definition(), &[]);
        assert_ne!(other.genesis_hash(), sheet().genesis_hash());
    }

    const GOLDEN_GENESIS: &str = "9c775afcb030148f7a59cf47112fda76a059b1b1ac5b8bb454cdc175e257abee";

    #[test]
    fn concurrent_values_are_both_kept_in_the_same_order() {
        let (mut one, mut two) = (sheet(), sheet());
        let from_a = one.edit(A, &[put("item/1", "pass", "u.a")]).unwrap();
        let from_b = two.edit(B, &[put("item/1", "fail", "u.b")]).unwrap();
        one.apply(std::slice::from_ref(&from_b)).unwrap();
        two.apply(std::slice::from_ref(&from_a)).unwrap();
        let model = one.model().unwrap();
        assert_eq!(model, two.model().unwrap());
        let register = model.register("item/1").unwrap();
        assert!(register.clashes());
        assert_eq!(register.all().count(), 2);
        assert_eq!(one.model_at(&[from_a.hash]).unwrap().text("item/1"), Some("pass"));
    }

    #[test]
    fn shared_texts_merge_by_character() {
        let (mut one, mut two) = (sheet(), sheet());
        let text = |to: &str| Edit::Text { key: "content".to_owned(), to: Some(to.to_owned()) };
        let start = one.edit(A, &[text("漏水")]).unwrap();
        two.apply(&[start]).unwrap();
        let from_a = one.edit(A, &[text("卫生间漏水")]).unwrap();
        let from_b = two.edit(B, &[text("漏水严重")]).unwrap();
        one.apply(std::slice::from_ref(&from_b)).unwrap();
        assert_eq!(one.model().unwrap().texts["content"], "卫生间漏水严重");
        assert_eq!(one.edits_of(&from_a).unwrap(), vec![Edit::Text { key: "content".to_owned(), to: None }]);
    }

    #[test]
    fn a_change_reads_back_as_the_edits_it_was_made_of() {
        let mut one = sheet();
        let edits = vec![put("field/no", "QT-1", "u.a"), event("e1", "create"), event("e2", "assign")];
        let change = one.edit(A, &edits).unwrap();
        assert_eq!(one.edits_of(&change).unwrap(), edits);
        let parsed = RawChange::parse(change.bytes.clone()).unwrap();
        assert_eq!((parsed.hash, parsed.seq, parsed.start_op), (change.hash, 1, 6));
        assert!(parsed.is_bare);
        let model = one.model().unwrap();
        assert_eq!(model.events.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(), ["create", "assign"]);
    }

    #[test]
    fn operations_of_other_shapes_are_refused() {
        let mut foreign = Automerge::new().with_actor(automerge::ActorId::from(A.as_bytes()));
        let mut transaction = foreign.transaction();
        transaction.put(automerge::ROOT, "x", 1).unwrap();
        transaction.commit();
        let change = foreign.get_last_local_change().unwrap();
        let change = RawChange::parse(change.raw_bytes().to_vec()).unwrap();
        assert!(sheet().edits_of(&change).is_err());
    }

    #[test]
    fn missing_predecessors_and_damaged_bytes_are_errors() {
        let mut one = sheet();
        one.edit(A, &[put("item/1", "pass", "u.a")]).unwrap();
        let second = one.edit(A, &[put("item/2", "pass", "u.a")]).unwrap();
        assert!(sheet().apply(std::slice::from_ref(&second)).is_err());
        for at in 0..second.bytes.len() {
            let mut damaged = second.bytes.clone();
            damaged[at] ^= 0x40;
            assert!(RawChange::parse(damaged).is_err(), "a flipped bit at {at} was not seen");
        }
        assert!(RawChange::parse(Vec::new()).is_err());
    }

    #[test]
    fn line_ids_differ_by_change_and_index() {
        let mut one = sheet();
        assert_eq!(one.next_seq(A), 1);
        one.edit(A, &[put("item/1", "pass", "u.a")]).unwrap();
        assert_eq!(one.next_seq(A), 2);
        let ids = [line_id(A, 1, 0), line_id(A, 1, 1), line_id(A, 2, 0), line_id(B, 1, 0)];
        assert_eq!(BTreeSet::from(ids).len(), 4);
    }
}
