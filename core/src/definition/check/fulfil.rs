//! What fulfils a rule, and the form of the branch's notes: fields and events that are there.

use std::sync::Arc;

use super::super::deadline::{EventName, LineDate};
use super::super::field::{Element, Field, FieldType, Target};
use super::super::ledger::{BY_RULE, Ledger, Transition};
use super::super::rulebook::{NoteForm, Rule, Satisfaction};
use super::faults::{Faults, Noun};
use super::guard;
use super::known::{FIELD, Known};
use super::rules::event_of;

const SUBFIELD: Noun = Noun("子字段", "sub-field");

/// Checks what fulfils a rule; `ledger` is the one that the rule applies to.
pub(super) fn check(
    pointer: &str,
    satisfied: &Satisfaction,
    rule: &Rule,
    ledger: Option<&Arc<Ledger>>,
    known: &Known,
    faults: &mut Faults,
) {
    if satisfied.event.is_none() && satisfied.lines.is_none() {
        faults.say(pointer, "须写 event 或 lines", "event or lines is named");
    }
    let other = satisfied.ledger.as_ref();
    if let Some(id) = other {
        known.ledger(faults, format!("{pointer}/ledger"), id);
    }
    let of = other.map_or(ledger, |id| known.ledgers.get(id));
    if let Some(event) = &satisfied.event {
        let event = EventName { event: event.clone(), value: None };
        let subject = if other.is_some() { of } else { ledger };
        event_of(&format!("{pointer}/event"), &event, rule, subject, faults);
    }
    let Some(of) = of else { return };
    if let Some(filter) = &satisfied.filter {
        guard::check(&format!("{pointer}/filter"), filter, of, known, faults);
    }
    if let Some(period) = &satisfied.period {
        field(&format!("{pointer}/period"), period, of, |kind| *kind == FieldType::Text, faults);
    }
    if let Some(each) = &satisfied.each {
        let projects = |kind: &FieldType| *kind == FieldType::Set(Element::Ref(Target::Project));
        field(&format!("{pointer}/each"), each, of, projects, faults);
    }
    if let Some(id) = &satisfied.lines {
        lines(&format!("{pointer}/lines"), id, Some(of), faults);
    }
}

/// A field that holds lines.
pub(super) fn lines(pointer: &str, id: &str, ledger: Option<&Arc<Ledger>>, faults: &mut Faults) {
    if let Some(ledger) = ledger {
        field(pointer, id, ledger, |kind| *kind == FieldType::Entries, faults);
    }
}

/// Lines that are due one by one: the field with them, and their subfields.
pub(super) fn dated_lines(
    pointer: &str,
    dated: &LineDate,
    ledger: Option<&Arc<Ledger>>,
    faults: &mut Faults,
) {
    lines(&format!("{pointer}/lines"), &dated.lines, ledger, faults);
    let Some(owner) = ledger.and_then(|ledger| ledger.field(&dated.lines)) else { return };
    let mut subfield = |key: &str, id: &str, fits: &dyn Fn(&FieldType) -> bool| {
        let fields = owner.entry_fields.iter().filter(|field| fits(&field.kind));
        faults.refers(format!("{pointer}/{key}"), SUBFIELD, id, fields.map(|field| field.id.as_str()));
    };
    let is_day =
        |kind: &FieldType| matches!(kind, FieldType::Date | FieldType::Month | FieldType::DeviceTime);
    subfield("field", &dated.field, &is_day);
    subfield("done", &dated.done, &|_| true);
    if let Some(who) = &dated.who {
        subfield("who", who, &|kind| *kind == FieldType::Ref(Target::User));
    }
}

/// Checks the form of the branch's notes: it fills in whatever its ledger asks for.
pub(super) fn notes(pointer: &str, form: &NoteForm, known: &Known, faults: &mut Faults) {
    known.ledger(faults, format!("{pointer}/ledger"), &form.ledger);
    let Some(ledger) = known.ledgers.get(&form.ledger) else { return };
    for (key, id) in [("title", &form.title), ("body", &form.body)] {
        field(&format!("{pointer}/{key}"), id, ledger, |kind| *kind == FieldType::Text, faults);
    }
    if let Some(id) = &form.concerns {
        let projects = |kind: &FieldType| *kind == FieldType::Set(Element::Ref(Target::Project));
        field(&format!("{pointer}/concerns"), id, ledger, projects, faults);
    }
    for id in form.fields.keys() {
        field(&format!("{pointer}/fields/{id}"), id, ledger, |_| true, faults);
    }
    if let Some(event) = &form.event {
        let is_open = |step: &&Transition| step.by.is_empty() || step.by.iter().any(|by| by == BY_RULE);
        let steps = ledger.transitions_from(&ledger.initial_state().id).filter(is_open);
        let noun = Noun("规则可做的第一步", "first step that rules may take:");
        let event = ledger.event_kind(event).unwrap_or(event);
        faults.refers(format!("{pointer}/event"), noun, event, steps.map(|step| step.id.as_str()));
    }
    let is_filled = |field: &&Field| {
        let own = [Some(&form.title), Some(&form.body), form.concerns.as_ref()];
        own.into_iter().flatten().chain(form.fields.keys()).any(|id| *id == field.id)
    };
    for missing in ledger.fields.iter().filter(|field| asks(field) && !is_filled(field)) {
        faults.say(
            format!("{pointer}/fields"),
            format!("台账要求填写“{}”", missing.id),
            format!("the ledger asks for \"{}\"", missing.id),
        );
    }
}

/// True for a field that people must fill in; what every record has is written by the branch anyway.
fn asks(field: &Field) -> bool {
    let is_common = ["no", "project_id", "created_by", "created_at", "events"].contains(&field.id.as_str());
    field.required && !is_common
}

fn field(pointer: &str, id: &str, ledger: &Ledger, fits: impl Fn(&FieldType) -> bool, faults: &mut Faults) {
    let fields = ledger.fields.iter().filter(|field| fits(&field.kind)).map(|field| field.id.as_str());
    faults.refers(pointer, FIELD, id, fields);
}
