//! Reading a document into a [`Model`], now or at earlier heads.

use automerge::iter::MapRange;
use automerge::{Automerge, ObjId, ReadDoc, ScalarValue, Value as AmValue, ValueRef};
use std::collections::BTreeMap;

use super::change::malformed;
use super::content::Content;
use super::genesis::{EVENTS, REGISTERS, TEXTS};
use super::model::{Edit, Event, Model, Register, Stamped};
use super::stamp::{decode_event, decode_stamped};
use super::{Document, RawChange};
use crate::error::Error;

/// Fills `empty` from `doc`, at `heads` where given.
pub(super) fn read_model(
    doc: &Automerge,
    mut empty: Model,
    heads: Option<&[automerge::ChangeHash]>,
) -> Result<Model, Error> {
    empty.registers = registers(doc, heads)?;
    empty.events = events(doc, heads)?;
    empty.texts = texts(doc, heads)?;
    Ok(empty)
}

impl Document {
    /// Takes a change in and reads it: what it says, its shared texts as they then are.
    ///
    /// # Errors
    /// As [`Document::apply`] and [`Document::edits_of`]; the document must then be dropped.
    pub fn take_in(&mut self, change: &RawChange) -> Result<Vec<Edit>, Error> {
        let mut edits = self.edits_of(change)?;
        self.apply(std::slice::from_ref(change))?;
        if edits.iter().any(|edit| matches!(edit, Edit::Text { .. })) {
            let model = self.model()?;
            for edit in &mut edits {
                if let Edit::Text { key, to } = edit {
                    *to = Some(model.texts.get(key).cloned().unwrap_or_default());
                }
            }
        }
        Ok(edits)
    }
}

/// How much a document holds, its computed beginning left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Changes.
    pub changes: u64,
    /// Author ids among them.
    pub actors: u64,
}

impl Document {
    /// How much the document holds.
    #[must_use]
    pub fn size(&self) -> Size {
        match &self.content {
            Content::Plain(plain) => {
                Size { changes: plain.replay.changes() as u64, actors: plain.replay.authors().len() as u64 }
            }
            Content::Whole(automerge) => {
                let stats = automerge.stats();
                Size {
                    changes: stats.num_changes.saturating_sub(1),
                    actors: stats.num_actors.saturating_sub(1),
                }
            }
        }
    }
}

/// The container object that the genesis made under the root key `name`.
pub(super) fn container(doc: &Automerge, name: &str) -> Result<ObjId, Error> {
    match doc.get(automerge::ROOT, name) {
        Ok(Some((AmValue::Object(_), id))) => Ok(id),
        _ => Err(malformed("文档缺少基本结构", "the document lacks its containers")),
    }
}

fn range<'d>(doc: &'d Automerge, object: &ObjId, heads: Option<&[automerge::ChangeHash]>) -> MapRange<'d> {
    match heads {
        None => doc.map_range(object, ..),
        Some(heads) => doc.map_range_at(object, .., heads),
    }
}

fn registers(
    doc: &Automerge,
    heads: Option<&[automerge::ChangeHash]>,
) -> Result<BTreeMap<String, Register>, Error> {
    let object = container(doc, REGISTERS.0)?;
    let mut registers = BTreeMap::new();
    for item in range(doc, &object, heads) {
        let winner = decode_stamped(bytes_of(&item.value)?)?;
        let others = if item.conflict { concurrent(doc, &object, &item.key, heads)? } else { Vec::new() };
        registers.insert(item.key.into_owned(), Register { winner, others });
    }
    Ok(registers)
}

/// The values beside the winner, latest operation first.
fn concurrent(
    doc: &Automerge,
    object: &ObjId,
    key: &str,
    heads: Option<&[automerge::ChangeHash]>,
) -> Result<Vec<Stamped>, Error> {
    let all = match heads {
        None => doc.get_all(object, key),
        Some(heads) => doc.get_all_at(object, key, heads),
    }
    .map_err(|error| malformed("文档无法读取", "the document cannot be read").caused_by(error))?;
    all.iter()
        .rev()
        .skip(1)
        .map(|(value, _)| match value {
            AmValue::Scalar(scalar) => {
                let ScalarValue::Bytes(bytes) = scalar.as_ref() else { return Err(not_bytes()) };
                decode_stamped(bytes)
            }
            AmValue::Object(_) => Err(not_bytes()),
        })
        .collect()
}

fn events(doc: &Automerge, heads: Option<&[automerge::ChangeHash]>) -> Result<Vec<Event>, Error> {
    let object = container(doc, EVENTS.0)?;
    let mut ordered = Vec::new();
    for item in range(doc, &object, heads) {
        let event = decode_event(&item.key, bytes_of(&item.value)?)?;
        let place = match item.id() {
            ObjId::Id(counter, actor, _) => (counter, actor.to_bytes().to_vec()),
            ObjId::Root => (0, Vec::new()),
        };
        ordered.push((place, event));
    }
    ordered.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(ordered.into_iter().map(|(_, event)| event).collect())
}

fn texts(
    doc: &Automerge,
    heads: Option<&[automerge::ChangeHash]>,
) -> Result<BTreeMap<String, String>, Error> {
    let object = container(doc, TEXTS.0)?;
    let mut texts = BTreeMap::new();
    for item in range(doc, &object, heads) {
        let text = match heads {
            None => doc.text(item.id()),
            Some(heads) => doc.text_at(item.id(), heads),
        }
        .map_err(|error| malformed("文档无法读取", "the document cannot be read").caused_by(error))?;
        if !text.is_empty() {
            texts.insert(item.key.into_owned(), text);
        }
    }
    Ok(texts)
}

fn bytes_of<'v>(value: &'v ValueRef<'_>) -> Result<&'v [u8], Error> {
    match value {
        ValueRef::Scalar(automerge::ScalarValueRef::Bytes(bytes)) => Ok(bytes.as_ref()),
        ValueRef::Scalar(_) | ValueRef::Object(_) => Err(not_bytes()),
    }
}

fn not_bytes() -> Error {
    malformed("记录中的一个值不是约定的形式", "a value of the record does not have the agreed form")
}
