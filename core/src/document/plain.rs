//! Changes of the commonest form, read without Automerge: nothing but stamped values and events, each put
//! under a key of its container in place of at most one other.
//!
//! Only canonical bytes are read, exactly those that Automerge writes for such operations, so the form of
//! what was read needs no other check. Whether a change fits a document is asked by [`super::replay`].

use super::columns::Reader;
use super::genesis::{EVENTS, REGISTERS};
use super::model::Edit;
use super::stamp::{decode_event, decode_stamped};
use crate::error::Error;
use crate::id::{ActorId, ChangeHash};

/// What `put` is among the actions of operations.
const PUT: u64 = 1;
/// What bytes are among the types of values: the low four bits of what measures a value.
const BYTES: u64 = 7;

/// The columns of such operations, by their numbers in the format.
const COLUMNS: [u64; 10] = [0x01, 0x02, 0x15, 0x34, 0x42, 0x56, 0x57, 0x70, 0x71, 0x73];

/// The counter and author of an operation.
pub(super) type OpId = (u64, ActorId);

/// One `put`.
#[derive(Clone, Debug)]
pub(super) struct Put {
    /// What it says.
    pub(super) edit: Edit,
    /// The one value that it replaces.
    pub(super) replaces: Option<OpId>,
}

/// A change of nothing but `put`s, at least one.
#[derive(Clone, Debug)]
pub(super) struct PlainChange {
    /// The changes it directly builds on, sorted.
    pub(super) deps: Vec<ChangeHash>,
    /// Its author.
    pub(super) actor: ActorId,
    /// Its place among the author's changes.
    pub(super) seq: u64,
    /// Counter of its first operation.
    pub(super) start_op: u64,
    /// The other authors that its operations name, sorted.
    pub(super) other_actors: Vec<ActorId>,
    /// The author of the containers that it writes into.
    pub(super) genesis_actor: ActorId,
    /// Its operations.
    pub(super) puts: Vec<Put>,
}

impl PlainChange {
    /// Reads an uncompressed chunk; none when it is of another form, or not canonical.
    pub(super) fn read(chunk: &[u8]) -> Option<Self> {
        Self::try_read(chunk).ok().flatten()
    }

    fn try_read(chunk: &[u8]) -> Result<Option<Self>, Error> {
        let mut reader = Reader::of_chunk(chunk)?;
        let deps: Vec<ChangeHash> = (0..reader.number()?)
            .map(|_| ChangeHash::from_slice(reader.take(32)?))
            .collect::<Result<_, _>>()?;
        let actor = ActorId::from_slice(reader.sized()?)?;
        let seq = reader.number()?;
        let start_op = reader.number()?;
        let is_bare = reader.difference()? == 0 && reader.sized()?.is_empty();
        let mut actors = vec![actor];
        for _ in 0..reader.number()? {
            actors.push(ActorId::from_slice(reader.sized()?)?);
        }
        let Some(columns) = columns(&mut reader)? else { return Ok(None) };
        let other_actors = actors[1..].to_vec();
        let is_sorted =
            deps.is_sorted_by(|one, next| one < next) && other_actors.is_sorted_by(|one, next| one < next);
        if start_op == 0 || !is_bare || !reader.is_empty() || !is_sorted || other_actors.contains(&actor) {
            return Ok(None);
        }
        let Some((genesis_actor, puts)) = puts(&columns, &actors)? else { return Ok(None) };
        Ok(Some(Self { deps, actor, seq, start_op, other_actors, genesis_actor, puts }))
    }
}

/// The columns in the order of [`COLUMNS`]; none when there is another, or one that would not be written.
fn columns<'a>(reader: &mut Reader<'a>) -> Result<Option<[&'a [u8]; COLUMNS.len()]>, Error> {
    let mut layout = Vec::with_capacity(COLUMNS.len());
    let mut known = COLUMNS.iter().enumerate();
    for _ in 0..reader.number()? {
        let (number, length) = (reader.number()?, reader.number()?);
        let Some((place, _)) = known.find(|(_, column)| **column == number) else { return Ok(None) };
        if length == 0 {
            return Ok(None);
        }
        layout.push((place, usize::try_from(length).unwrap_or(usize::MAX)));
    }
    let mut columns = [&[][..]; COLUMNS.len()];
    for (place, length) in layout {
        columns[place] = reader.take(length)?;
    }
    Ok(Some(columns))
}

/// The operations, and the author of the containers that they write into.
fn puts(columns: &[&[u8]; COLUMNS.len()], actors: &[ActorId]) -> Result<Option<(ActorId, Vec<Put>)>, Error> {
    let [
        object_actors,
        object_counters,
        keys,
        inserts,
        actions,
        measures,
        values,
        counts,
        pred_actors,
        preds,
    ] = columns.map(Reader::of);
    let actions = numbers(actions)?;
    let all = actions.len();
    let (object_actors, object_counters) = (numbers(object_actors)?, numbers(object_counters)?);
    let keys = { keys }.rows(|reader| reader.text())?;
    let (measures, counts) = (numbers(measures)?, numbers(counts)?);
    let mut pred_actors = numbers(pred_actors)?.into_iter();
    let mut preds = differences(preds)?.into_iter();
    let (mut inserts, mut values) = (inserts, values);
    let is_even = [object_actors.len(), object_counters.len(), keys.len(), measures.len(), counts.len()]
        .iter()
        .all(|rows| *rows == all);
    let Some(container_actor) = object_actors.first().filter(|_| is_even).copied() else { return Ok(None) };
    if inserts.number()? != all as u64 || !inserts.is_empty() || actions.iter().any(|action| *action != PUT) {
        return Ok(None);
    }
    let actor = |place: u64| usize::try_from(place).ok().and_then(|place| actors.get(place)).copied();
    // The change's own author is written first, whether operations name it or not.
    let mut named = vec![false; actors.len()];
    named[0] = true;
    let mut name = |place: u64| {
        if let Some(named) = usize::try_from(place).ok().and_then(|place| named.get_mut(place)) {
            *named = true;
        }
    };
    name(container_actor);
    let mut puts = Vec::with_capacity(all);
    for place in 0..all {
        let (Some(key), Some(measure)) = (keys.get(place), measures.get(place)) else { return Ok(None) };
        if object_actors.get(place) != Some(&container_actor) || measure & 0xf != BYTES {
            return Ok(None);
        }
        let value = values.take(usize::try_from(measure >> 4).unwrap_or(usize::MAX))?;
        let edit = match object_counters.get(place) {
            Some(counter) if *counter == REGISTERS.1 => {
                Edit::Put { key: (*key).to_owned(), stamped: decode_stamped(value)? }
            }
            Some(counter) if *counter == EVENTS.1 => Edit::Event(decode_event(key, value)?),
            _ => return Ok(None),
        };
        let replaces = match counts.get(place) {
            Some(0) => None,
            Some(1) => {
                let (Some(by), Some(counter)) = (pred_actors.next(), preds.next()) else { return Ok(None) };
                name(by);
                let Some(by) = actor(by) else { return Ok(None) };
                Some((counter, by))
            }
            _ => return Ok(None),
        };
        puts.push(Put { edit, replaces });
    }
    let is_used = values.is_empty() && pred_actors.next().is_none() && preds.next().is_none();
    let Some(genesis_actor) = actor(container_actor).filter(|_| is_used) else { return Ok(None) };
    Ok(named.iter().all(|named| *named).then_some((genesis_actor, puts)))
}

fn numbers(mut column: Reader<'_>) -> Result<Vec<u64>, Error> {
    column.rows(|reader| reader.number())
}

/// Numbers of which each is coded as the difference to the one before.
fn differences(mut column: Reader<'_>) -> Result<Vec<u64>, Error> {
    let mut sum = 0_i64;
    let steps = column.rows(|reader| reader.difference())?;
    steps
        .into_iter()
        .map(|step| {
            sum = sum.checked_add(step).ok_or_else(super::columns::cut_short)?;
            u64::try_from(sum).map_err(|_| super::columns::cut_short())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::{Event, Stamped, Value};
    use super::super::{Document, RawChange};
    use super::*;
    use crate::id::{ContentHash, DefinitionRef, DocumentId, UserId};
    use automerge::Change;
    use automerge::legacy::{Key, ObjectId, OpType};
    use sha2::{Digest as _, Sha256};
    use std::collections::BTreeMap;

    fn written() -> Vec<RawChange> {
        let definition = DefinitionRef { id: "x.sheet".to_owned(), version: 1, hash: ContentHash([7; 32]) };
        let mut document = Document::new(DocumentId([1; 16]), &definition, &[]);
        let put = |key: u8, value: &str| {
            let stamped = Stamped { value: Value::Text(value.to_owned()), by: UserId::new("u.a"), at_ms: 5 };
            Edit::Put { key: format!("item/{key}"), stamped }
        };
        let event = |id: &str| {
            Edit::Event(Event {
                id: id.to_owned(),
                kind: "create".to_owned(),
                by: UserId::new("u.a"),
                at_ms: 5,
                from: String::new(),
                after: Vec::new(),
                data: BTreeMap::new(),
            })
        };
        let (a, b) = (ActorId([0xa; 16]), ActorId([0xb; 16]));
        [
            (a, vec![put(1, "甲"), put(2, "乙"), put(2, "乙二"), put(3, "丙"), event("e1")]),
            (b, vec![put(1, "丁"), put(4, "甲"), put(5, "甲"), event("e2"), event("e3")]),
            (a, vec![put(5, "一"), put(1, "二"), put(6, "三"), put(2, "四"), put(2, "五")]),
            (a, vec![put(7, "一")]),
        ]
        .into_iter()
        .map(|(actor, edits)| document.edit(actor, &edits).unwrap())
        .collect()
    }

    /// Asserts that Automerge reads the same and would write the same.
    fn assert_read_alike(chunk: &[u8], plain: &PlainChange) {
        let change = Change::from_bytes(chunk.to_vec()).unwrap();
        let expanded = change.decode();
        assert_eq!(Change::from(expanded.clone()).raw_bytes(), chunk, "it is canonical");
        assert_eq!(expanded.operations.len(), plain.puts.len());
        assert_eq!((change.seq(), change.start_op().get()), (plain.seq, plain.start_op));
        assert_eq!(change.actor_id().to_bytes(), plain.actor.as_bytes());
        assert!(change.deps().iter().map(|dep| dep.0).eq(plain.deps.iter().map(|dep| dep.0)));
        let others = change.other_actor_ids().iter();
        assert!(others.map(|other| other.to_bytes()).eq(plain.other_actors.iter().map(|one| &one.0[..])));
        assert!(change.extra_bytes().is_empty() && change.message().is_none() && change.timestamp() == 0);
        for (op, put) in expanded.operations.iter().zip(&plain.puts) {
            let ObjectId::Id(object) = &op.obj else { panic!("an operation on the root") };
            let Key::Map(key) = &op.key else { panic!("an operation on an element") };
            let OpType::Put(automerge::ScalarValue::Bytes(bytes)) = &op.action else { panic!("no put") };
            let said = if object.counter() == EVENTS.1 {
                Edit::Event(decode_event(key, bytes).unwrap())
            } else {
                Edit::Put { key: key.to_string(), stamped: decode_stamped(bytes).unwrap() }
            };
            assert_eq!(format!("{said:?}"), format!("{:?}", put.edit), "a NaN equals itself here");
            assert_eq!(object.actor().to_bytes(), plain.genesis_actor.as_bytes());
            let replaced: Vec<_> =
                op.pred.iter().map(|id| (id.counter(), id.actor().to_bytes().to_vec())).collect();
            let found = put.replaces.iter().map(|(counter, by)| (*counter, by.as_bytes().to_vec()));
            assert_eq!(replaced, found.collect::<Vec<_>>());
            assert!(!op.insert);
        }
    }

    #[test]
    fn changes_as_they_are_written_are_read() {
        for change in written() {
            assert_read_alike(&change.bytes, &PlainChange::read(&change.bytes).unwrap());
        }
    }

    #[test]
    fn whatever_is_read_is_read_alike_and_canonical() {
        let (mut tried, mut read) = (0, 0);
        for change in written() {
            for at in 9..change.bytes.len() {
                for value in 0..=u8::MAX {
                    let mut damaged = change.bytes.clone();
                    damaged[at] = value;
                    let hash = Sha256::digest(&damaged[8..]);
                    damaged[4..8].copy_from_slice(&hash[..4]);
                    tried += 1;
                    if let Some(plain) = PlainChange::read(&damaged) {
                        read += 1;
                        assert_read_alike(&damaged, &plain);
                    }
                }
            }
        }
        assert!(tried > 100_000 && read > 10_000, "{read} of {tried} were read");
    }
}
