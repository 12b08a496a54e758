//! What the branch writes when a duty was not fulfilled: an event on its record, or an entry of its own.
//!
//! The ids of both follow from the duty and the step: after a restart nothing is written twice, and after a
//! restore what a device gives back and what the branch writes again are one.

use std::collections::BTreeMap;
use xunyuan_core::definition::{BY_RULE, Ledger, NoteForm, Rule};
use xunyuan_core::document::model::{Edit, Event, Model, Stamped, Value};
use xunyuan_core::duty::{Duty, Step, Subject, part_of};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DocumentId, ScopeId, UserId};
use xunyuan_core::projection;
use xunyuan_core::rules::{entry, inspection, keys};

use super::judge::{Bench, document_of};
use crate::hub::cache::Held;
use crate::hub::store::document::DocumentRow;
use crate::hub::writer::Writer;
use crate::hub::{numbers, own, rows};

/// Takes one step; false where it was taken before, or where there is nothing to write it on.
pub(super) fn write(
    writer: &mut Writer,
    bench: &Bench<'_>,
    rule: &Rule,
    duty: &Duty,
    step: &Step<'_>,
) -> Result<bool, Error> {
    match document_of(duty) {
        Some(document) => on_record(writer, bench, rule, duty, step, document),
        None => as_note(writer, bench, rule, duty, step),
    }
}

fn on_record(
    writer: &mut Writer,
    bench: &Bench<'_>,
    rule: &Rule,
    duty: &Duty,
    step: &Step<'_>,
    document: DocumentId,
) -> Result<bool, Error> {
    let catalog = writer.catalog.clone();
    let part = part(writer, bench, rule, duty, document)?;
    let Some(mut held) = writer.documents.take(&writer.conn, &catalog, document)? else { return Ok(false) };
    let model = held.document.model()?;
    let is_new = model.events.iter().all(|event| event.id != step.event);
    if is_new {
        let ledger = catalog.ledger(&held.row.definition);
        let from = match ledger {
            Some(ledger) => entry::state(ledger, &model).to_owned(),
            None => inspection::state(&model).id().to_owned(),
        };
        let event = Event {
            id: step.event.clone(),
            kind: kind_of(ledger.map(AsRef::as_ref), step, &from),
            by: writer.shared.identity.user.clone(),
            at_ms: bench.now_ms,
            from,
            after: model.latest_events(),
            data: data(rule, duty, step).into_iter().chain(part).collect(),
        };
        own::say(writer, &mut held, &model, &[Edit::Event(event)], bench.now_ms)?;
    }
    let scope = held.row.scope.clone();
    writer.documents.put(held);
    if is_new {
        rows::project(writer, &scope, document)?;
    }
    Ok(is_new)
}

/// The item or line of a record that a duty is about, by its words, for whoever reads the event.
fn part(
    writer: &Writer,
    bench: &Bench<'_>,
    rule: &Rule,
    duty: &Duty,
    document: DocumentId,
) -> Result<Option<(String, Value)>, Error> {
    if !rule.deadline.is_of_parts() {
        return Ok(None);
    }
    let Some(row) = projection::row(&writer.conn, document)? else { return Ok(None) };
    let title = part_of(bench.days_catalog(), rule, duty, &bench.plain(writer, row)?);
    Ok(title.map(|title| (keys::DATA_PART.to_owned(), Value::Text(title.zh))))
}

/// The ledger's own event where the rule names one that the state allows; else the general one.
fn kind_of(ledger: Option<&Ledger>, step: &Step<'_>, from: &str) -> String {
    let named = step.says.event.as_deref().filter(|kind| {
        let step = ledger.and_then(|ledger| ledger.transition(kind, from));
        step.is_some_and(|step| step.by.iter().any(|by| by == BY_RULE))
    });
    named.unwrap_or(keys::ESCALATION).to_owned()
}

fn data(rule: &Rule, duty: &Duty, step: &Step<'_>) -> BTreeMap<String, Value> {
    let text = |value: &str| Value::Text(value.to_owned());
    let mut data = BTreeMap::from([
        (keys::DATA_RULE.to_owned(), text(&rule.id)),
        (keys::DATA_DUTY.to_owned(), text(&duty.key)),
        (keys::DATA_TO.to_owned(), text(&step.says.to.join(" "))),
    ]);
    if let Some(due_ms) = duty.due_ms {
        data.insert(keys::DATA_DUE.to_owned(), Value::Int(due_ms));
    }
    if let Some(mark) = &step.says.mark {
        data.insert(keys::DATA_MARK.to_owned(), text(mark));
    }
    data
}

/// Makes an entry of the ledger that the rules name for it; further steps go on the same entry.
fn as_note(
    writer: &mut Writer,
    bench: &Bench<'_>,
    rule: &Rule,
    duty: &Duty,
    step: &Step<'_>,
) -> Result<bool, Error> {
    let catalog = writer.catalog.clone();
    let Some(form) = catalog.rule_book().and_then(|book| book.notes.as_ref()) else { return Ok(false) };
    let Some(ledger) = catalog.latest_ledger(&form.ledger) else { return Ok(false) };
    let document = DocumentId::of_source(&ledger.id, &duty.key);
    if let Some(held) = writer.documents.take(&writer.conn, &catalog, document)? {
        // An earlier step made the entry; this one is an event on it.
        writer.documents.put(held);
        return on_record(writer, bench, rule, duty, step, document);
    }
    let scope = ScopeId::of(&duty.unit, &ledger.stream);
    let row =
        DocumentRow { scope: scope.clone(), definition: ledger.reference.clone(), changes: 0, actors: 0 };
    let mut held = Held::new(&catalog, document, row)?;
    let model = held.document.model()?;
    let edits = note(writer, bench, form, ledger, &model, rule, duty, step);
    own::say(writer, &mut held, &model, &edits, bench.now_ms)?;
    let is_written = held.row.changes > 0;
    if is_written {
        writer.documents.put(held);
        numbers::give(writer, document, bench.now_ms)?;
        rows::project(writer, &scope, document)?;
    }
    Ok(is_written)
}

#[expect(clippy::too_many_arguments, reason = "one entry is made of all of these")]
fn note(
    writer: &Writer,
    bench: &Bench<'_>,
    form: &NoteForm,
    ledger: &Ledger,
    model: &Model,
    rule: &Rule,
    duty: &Duty,
    step: &Step<'_>,
) -> Vec<Edit> {
    let by = writer.shared.identity.user.clone();
    let at_ms = bench.now_ms;
    let put =
        |key: String, value: Value| Edit::Put { key, stamped: Stamped { value, by: by.clone(), at_ms } };
    let text = |value: &str| Value::Text(value.to_owned());
    let event = |id: String, kind: &str, from: &str, after: Vec<String>| {
        let (kind, from, data) = (kind.to_owned(), from.to_owned(), data(rule, duty, step));
        Edit::Event(Event { id, kind, by: by.clone(), at_ms, from, after, data })
    };
    let mut edits = vec![
        put(keys::field(keys::PROJECT), text(&duty.unit)),
        put(keys::field(keys::CREATED_BY), text(by.as_str())),
        put(keys::field(keys::CREATED_AT), Value::Int(at_ms)),
    ];
    edits.extend(form.fields.iter().map(|(field, value)| put(keys::field(field), text(value))));
    let is_project = bench.days_catalog().project(&duty.unit).is_some();
    if let Some(concerns) = form.concerns.as_ref().filter(|_| is_project) {
        edits.push(put(keys::set(concerns, &duty.unit), Value::Bool(true)));
    }
    let texts = ledger.text_fields();
    for (field, said) in [(&form.title, heading(bench, duty)), (&form.body, sentence(bench, duty, step))] {
        if texts.contains(field) {
            edits.push(Edit::Text { key: field.clone(), to: Some(said) });
            edits.push(put(keys::field(field), Value::Bool(true)));
        } else {
            edits.push(put(keys::field(field), Value::Text(said)));
        }
    }
    edits.push(event(step.event.clone(), &ledger.create_event, "", model.latest_events()));
    if let Some(kind) = form.event.as_deref().and_then(|name| ledger.event_kind(name)) {
        let id = format!("{}p", step.event);
        edits.push(event(id, kind, &ledger.initial_state().id, vec![step.event.clone()]));
    }
    edits
}

/// What the entry is called: the rule, and which instance of it.
fn heading(bench: &Bench<'_>, duty: &Duty) -> String {
    let catalog = bench.days_catalog();
    let about = match &duty.subject {
        Subject::Unit(_) | Subject::Record(_) => duty.period.clone(),
        Subject::Slot { slot, .. } => slot.rsplit('@').next().unwrap_or(slot).replace('T', " "),
        Subject::Device(device) => device.to_string().chars().take(8).collect(),
    };
    let unit = catalog.project(&duty.unit).map_or("", |project| project.title.zh.as_str());
    format!("{unit}{}:{about}", duty.title.zh)
}

fn sentence(bench: &Bench<'_>, duty: &Duty, step: &Step<'_>) -> String {
    let catalog = bench.days_catalog();
    let due = duty.due_ms.map(|due_ms| bench.days.local(due_ms).strftime("%Y-%m-%d %H:%M").to_string());
    let told: Vec<&str> = step
        .says
        .to
        .iter()
        .map(|id| catalog.role(id).map_or(id.as_str(), |role| role.title.zh.as_str()))
        .collect();
    let owing: Vec<&str> = duty.owners.iter().map(|owner| titled(bench, owner.id())).collect();
    format!(
        "未按期完成,期限 {}。责任:{}。告知:{}。",
        due.unwrap_or_default(),
        owing.join("、"),
        told.join("、")
    )
}

/// A role by its title; a person by the title of the main role, never by name.
fn titled<'c>(bench: &Bench<'c>, id: &'c str) -> &'c str {
    let catalog = bench.days_catalog();
    let role = catalog.user(&UserId::new(id)).map_or(id, |user| user.role.as_str());
    catalog.role(role).map_or(id, |role| role.title.zh.as_str())
}
