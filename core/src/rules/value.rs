//! One value out of several: the merge policies of fields.

use std::cmp::Ordering;

use crate::definition::{Choice, Field, FieldType, MergePolicy};
use crate::document::model::{Register, Stamped, Value};

/// The current value of a register under a field's merge policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The value that counts.
    pub shown: Stamped,
    /// Every current value, the one that counts first.
    pub values: Vec<Stamped>,
    /// True when people must decide: the policy does not settle the difference.
    pub is_clash: bool,
}

/// How a field's content is kept in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One register.
    Single,
    /// A shared text.
    SharedText,
    /// A register for each element.
    Elements,
    /// Registers for the subfields of each line.
    Lines,
    /// Nowhere: it follows from events.
    Derived,
}

/// How the content of `field` is kept.
pub(crate) fn shape(field: &Field) -> Shape {
    if field.kind == FieldType::Entries {
        return Shape::Lines;
    }
    if matches!(field.kind, FieldType::Set(_) | FieldType::Photos) {
        return Shape::Elements;
    }
    match field.merge() {
        MergePolicy::TextCrdt => Shape::SharedText,
        MergePolicy::DerivedFromLastVisit => Shape::Derived,
        MergePolicy::WriteOnce
        | MergePolicy::ServerAssigned
        | MergePolicy::Lww
        | MergePolicy::LwwFlag
        | MergePolicy::SetUnion
        | MergePolicy::AppendOnly
        | MergePolicy::Max
        | MergePolicy::Min => Shape::Single,
    }
}

/// Applies the merge policy of `field` to a register.
#[must_use]
pub fn merged(field: &Field, register: &Register) -> Merged {
    let policy = field.merge();
    let shown = match policy {
        MergePolicy::WriteOnce => first(register, |a, b| (a.at_ms, &a.by).cmp(&(b.at_ms, &b.by))),
        MergePolicy::Max => first(register, |a, b| {
            rank(field, &b.value).cmp(&rank(field, &a.value)).then_with(|| compare(&b.value, &a.value))
        }),
        MergePolicy::Min => first(register, |a, b| compare(&a.value, &b.value)),
        MergePolicy::ServerAssigned
        | MergePolicy::Lww
        | MergePolicy::LwwFlag
        | MergePolicy::SetUnion
        | MergePolicy::AppendOnly
        | MergePolicy::TextCrdt
        | MergePolicy::DerivedFromLastVisit => &register.winner,
    };
    let is_clash = matches!(policy, MergePolicy::WriteOnce | MergePolicy::LwwFlag) && register.clashes();
    let rest = register.all().filter(|stamped| !std::ptr::eq(*stamped, shown)).cloned();
    Merged { shown: shown.clone(), values: std::iter::once(shown.clone()).chain(rest).collect(), is_clash }
}

fn first(register: &Register, order: impl Fn(&Stamped, &Stamped) -> Ordering) -> &Stamped {
    let mut best = &register.winner;
    for other in &register.others {
        let is_blank = best.value.is_null() && !other.value.is_null();
        if is_blank || (!other.value.is_null() && order(other, best) == Ordering::Less) {
            best = other;
        }
    }
    best
}

/// Place of an option in the field's list, lowest first; nothing where the value is no option.
fn rank(field: &Field, value: &Value) -> Option<usize> {
    field.options.iter().position(|option| Some(option.id.as_str()) == value.as_text())
}

/// The option that stands in a field of which the higher one holds, where a new value is lower.
#[must_use]
pub fn lowers<'f>(field: &'f Field, register: &Register, new: &Value) -> Option<&'f Choice> {
    let stands = merged(field, register).shown.value;
    let is_lower = rank(field, new) < rank(field, &stands);
    field.option(stands.as_text()?).filter(|_| is_lower)
}

/// Orders numbers and times by size and texts (dates among them) by characters.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_number(), b.as_number()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.as_text().cmp(&b.as_text()),
    }
}

/// A value as plain text for sentences, numbers of records and derived fields.
#[must_use]
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// True for a value that says something: not withdrawn and no blank text.
#[must_use]
pub(crate) fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Text(text) => !text.trim().is_empty(),
        Value::Bool(_) | Value::Int(_) | Value::Number(_) => true,
    }
}

/// True for values that say the same: numbers by size, everything else as written.
#[must_use]
pub(crate) fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_number(), b.as_number()) {
        (Some(a), Some(b)) => a.total_cmp(&b) == Ordering::Equal,
        _ => a == b,
    }
}
