//! Operations changed one by one and coded again by Automerge: every mutant is a well-formed change that
//! claims what its author cannot have seen, or does what the product never does.

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ExpandedChange, ObjType, ScalarValue};

use super::chunk::{body, sealed};
use super::quiet::quietly;
use crate::seed::Seed;

/// A copy with some operations altered.
#[must_use]
pub fn altered(seed: &mut Seed, honest: &[u8]) -> Vec<u8> {
    let mut change = expanded(honest);
    for _ in 0..=seed.below(2) {
        if change.operations.is_empty() {
            break;
        }
        let at = seed.below(change.operations.len());
        let names = names(&change, at);
        operation(seed, &mut change, at, &names);
    }
    coded(seed, change, honest)
}

/// A copy into which operations of another change were put.
#[must_use]
pub fn spliced(seed: &mut Seed, honest: &[u8], other: &[u8]) -> Vec<u8> {
    let mut change = expanded(honest);
    let theirs = expanded(other).operations;
    let at = seed.below(change.operations.len() + 1);
    let from = seed.below(theirs.len().max(1)).min(theirs.len());
    let end = (from + 1 + seed.below(3)).min(theirs.len());
    change.operations.splice(at..at, theirs[from..end].iter().cloned());
    if seed.chance(30) {
        change.operations.truncate(at + 1);
    }
    coded(seed, change, honest)
}

fn expanded(honest: &[u8]) -> ExpandedChange {
    Change::from_bytes(honest.to_vec()).expect("an honest change parses").decode()
}

/// Automerge codes the change; where even that panics, a damaged original is handed on instead.
fn coded(seed: &mut Seed, mut change: ExpandedChange, honest: &[u8]) -> Vec<u8> {
    change.hash = None;
    quietly(|| Change::from(change).raw_bytes().to_vec()).unwrap_or_else(|_| {
        let mut body = body(honest).to_vec();
        let at = seed.below(body.len());
        body[at] ^= 1;
        sealed(1, &body)
    })
}

/// Ids that an attacker would try: of this change's own operations, of what they name, and near ones.
fn names(change: &ExpandedChange, at: usize) -> Vec<OpId> {
    let start = change.start_op.get();
    let own = |index: usize| OpId::new(start + index as u64, &change.actor_id);
    let mut names = vec![own(0), own(at), own(at + 1), own(change.operations.len())];
    for op in &change.operations {
        names.extend(op.pred.iter().cloned());
        if let ObjectId::Id(id) = &op.obj {
            names.push(id.clone());
            names.push(OpId::new(id.counter() + 1, id.actor()));
            names.push(OpId::new(start.saturating_sub(1).max(1), id.actor()));
        }
        if let Key::Seq(ElementId::Id(id)) = &op.key {
            names.push(id.clone());
            names.push(OpId::new(id.counter() + 1, id.actor()));
        }
    }
    names.push(OpId::new(start.saturating_sub(1).max(1), &change.actor_id));
    names.push(OpId::new(start, &ActorId::from([0xee_u8; 16])));
    names
}

fn operation(seed: &mut Seed, change: &mut ExpandedChange, at: usize, names: &[OpId]) {
    let name = seed.pick(names).clone();
    let count = change.operations.len();
    let to = seed.below(count);
    let op = &mut change.operations[at];
    match seed.below(14) {
        0 => op.pred = Vec::new().into(),
        1 => op.pred = op.pred.iter().cloned().chain([name]).collect(),
        2 => op.pred = vec![name].into(),
        3 => op.obj = if seed.chance(30) { ObjectId::Root } else { ObjectId::Id(name) },
        4 => op.key = Key::Seq(if seed.chance(30) { ElementId::Head } else { ElementId::Id(name) }),
        5 => op.key = Key::Map((*seed.pick(&["registers", "texts", "events", "item/x", "", "a"])).into()),
        6 => op.insert = !op.insert,
        7 | 8 => op.action = action(seed),
        9 => value(seed, op),
        10 => change.operations.swap(at, to),
        11 => {
            let again = op.clone();
            change.operations.insert(to, again);
        }
        12 if count > 1 => drop(change.operations.remove(at)),
        _ => {
            op.obj = ObjectId::Id(name);
            op.action = action(seed);
        }
    }
}

fn action(seed: &mut Seed) -> OpType {
    match seed.below(9) {
        0 => OpType::Make(*seed.pick(&[ObjType::Map, ObjType::List, ObjType::Text, ObjType::Table])),
        1 | 2 => OpType::Delete,
        3 => OpType::Increment(i64::try_from(seed.below(9)).unwrap_or(1) - 4),
        4 => {
            let value = scalar(seed);
            OpType::MarkBegin(MarkData { name: "bold".into(), value, expand: seed.chance(50) })
        }
        5 => OpType::MarkEnd(seed.chance(50)),
        _ => OpType::Put(scalar(seed)),
    }
}

fn scalar(seed: &mut Seed) -> ScalarValue {
    match seed.below(10) {
        0 => ScalarValue::Null,
        1 => ScalarValue::Boolean(true),
        2 => ScalarValue::Int(-1),
        3 => ScalarValue::Uint(u64::MAX),
        4 => ScalarValue::F64(f64::NAN),
        5 => ScalarValue::counter(7),
        6 => ScalarValue::Timestamp(-1),
        7 => ScalarValue::Unknown { type_code: 12, bytes: vec![1, 2, 3] },
        8 => ScalarValue::Str((*seed.pick(&["", "漏", "两字", "\u{301}"])).into()),
        _ => ScalarValue::Bytes(seed.bytes()[..seed.below(6)].to_vec()),
    }
}

/// Changes what is inside a stamped value or a character, and leaves the operation as it is.
fn value(seed: &mut Seed, op: &mut Op) {
    match &mut op.action {
        OpType::Put(ScalarValue::Bytes(bytes)) if !bytes.is_empty() => {
            let at = seed.below(bytes.len());
            bytes[at] ^= 1 << seed.below(8);
        }
        OpType::Put(value) => *value = scalar(seed),
        OpType::Make(_)
        | OpType::Delete
        | OpType::Increment(_)
        | OpType::MarkBegin(_)
        | OpType::MarkEnd(_) => {
            op.action = action(seed);
        }
    }
}
