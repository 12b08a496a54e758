//! The shape of one definition: every unknown key and wrong type of it, not only the first.
//!
//! Serde stops at the first mistake. The part that is wrong is noted, left out, and the rest is read
//! again, until the rest can be read or there is nothing left to leave out.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::super::body::{self, Misplaced, Parsed};
use super::super::label::Fault;

/// Most mistakes that are looked for in one definition.
const MISTAKES_MAX: usize = 200;

/// A definition as far as it could be read.
pub(crate) struct Read {
    pub(crate) parsed: Option<Parsed>,
    pub(crate) faults: Vec<Misplaced>,
    /// Ids inside the parts that were left out.
    pub(crate) left_out: BTreeSet<String>,
    /// Nothing was left out but unknown keys.
    pub(crate) whole: bool,
    /// List elements that were left out.
    pub(crate) removed: Removed,
}

/// Reads a definition and notes all mistakes of shape.
pub(crate) fn read(mut value: Value) -> Read {
    let mut read = Read {
        parsed: None,
        faults: Vec::new(),
        left_out: BTreeSet::new(),
        whole: true,
        removed: Removed::default(),
    };
    let mut last_key: Option<String> = None;
    for _ in 0..MISTAKES_MAX {
        let wrong = match body::parse(&value) {
            Ok(parsed) => {
                read.parsed = Some(parsed);
                return read;
            }
            Err(wrong) => wrong,
        };
        let missing = wrong.fault.missing_key().map(|key| format!("{}/{key}", wrong.pointer));
        let caused_here = missing.is_some() && missing == last_key;
        if !caused_here {
            read.faults.push(Misplaced {
                pointer: read.removed.original(&wrong.pointer),
                fault: wrong.fault.clone(),
            });
        }
        let unknown_key = wrong.fault.is_unknown_key();
        read.whole &= unknown_key;
        let whole_element = missing.is_some();
        let Some(gone) = leave_out(&mut value, &wrong.pointer, whole_element, &mut read.removed) else {
            break;
        };
        last_key = (!whole_element).then(|| wrong.pointer.clone());
        if !unknown_key {
            ids_inside(&gone, &mut read.left_out);
        }
    }
    ids_inside(&value, &mut read.left_out);
    read.whole = false;
    read
}

/// The keys around a list of ledgers.
pub(crate) fn wrapper(value: &Value) -> Vec<Misplaced> {
    const KEYS: [&str; 3] = ["schema", "note_zh", "ledgers"];
    if value.get("schema").and_then(Value::as_str) != Some("xy/ledgers@1") {
        return Vec::new();
    }
    let Some(object) = value.as_object() else { return Vec::new() };
    let unknown = object
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| Misplaced { pointer: format!("/{key}"), fault: Fault::unknown_key(key).allowing(KEYS) });
    let list = value.get("ledgers").is_some_and(Value::is_array);
    let no_list = (!list).then(|| Misplaced {
        pointer: "/ledgers".to_owned(),
        fault: Fault::new("缺少台账列表", "the list of ledgers is missing"),
    });
    unknown.chain(no_list).collect()
}

/// Elements taken out of lists, so that pointers can be given as the file has them.
#[derive(Default)]
pub(crate) struct Removed {
    by_list: BTreeMap<String, BTreeSet<usize>>,
}

impl Removed {
    /// The pointer in the file of a pointer into what is left.
    pub(crate) fn original(&self, pointer: &str) -> String {
        let mut original = String::new();
        for segment in pointer.split('/').skip(1) {
            let place = match (self.by_list.get(&original), segment.parse::<usize>()) {
                (Some(gone), Ok(index)) => shifted(gone, index).to_string(),
                _ => segment.to_owned(),
            };
            original.push('/');
            original.push_str(&place);
        }
        original
    }

    fn note(&mut self, list: &str, index: usize) {
        let list = self.original(list);
        let gone = self.by_list.entry(list).or_default();
        let original = shifted(gone, index);
        gone.insert(original);
    }
}

fn shifted(gone: &BTreeSet<usize>, index: usize) -> usize {
    gone.iter().fold(index, |at, removed| if *removed <= at { at + 1 } else { at })
}

/// Takes the wrong part out: a key of an object, or the nearest list element around the place.
fn leave_out(value: &mut Value, pointer: &str, whole_element: bool, removed: &mut Removed) -> Option<Value> {
    let mut place = pointer;
    loop {
        let (parent, segment) = place.rsplit_once('/')?;
        match value.pointer_mut(parent) {
            Some(Value::Array(list)) => {
                let index: usize = segment.parse().ok().filter(|index| *index < list.len())?;
                let gone = list.remove(index);
                removed.note(parent, index);
                return Some(gone);
            }
            Some(Value::Object(object)) if !whole_element => {
                return object.remove(&segment.replace("~1", "/").replace("~0", "~"));
            }
            Some(_) => place = parent,
            None => return None,
        }
    }
}

fn ids_inside(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(id) = object.get("id").and_then(Value::as_str) {
                ids.insert(id.to_owned());
            }
            object.values().for_each(|inner| ids_inside(inner, ids));
        }
        Value::Array(list) => list.iter().for_each(|inner| ids_inside(inner, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
