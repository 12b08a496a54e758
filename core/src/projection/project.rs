//! From a document's model to its rows.
//!
//! Everything here is a function of the document and of the definitions; what a person reads from a
//! row must not depend on the way the changes came.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::row::{Choice, ClashRow, Projected, Row, RowKind};
use super::{facts, timeline, words};
use crate::definition::Catalog;
use crate::definition::Checklist;
use crate::definition::Ledger;
use crate::definition::{Element, Field, FieldType, Target};
use crate::document::model::{Model, Register, Value};
use crate::error::{Error, ErrorKind};
use crate::id::{DocumentId, ScopeId, UserId};
use crate::rules::clash::{self, Clash};
use crate::rules::entry::{self, EntryView, EventView, FieldContent};
use crate::rules::file;
use crate::rules::inspection;
use crate::rules::keys;
use crate::rules::sheet::{InspectionState, InspectionView};

/// The field with the department in charge.
const OWNER_DEPT_FIELD: &str = "owner_dept";
/// Longest summary, characters.
const SUMMARY_CHARS_MAX: usize = 60;

/// Two people wrote different values without knowing of each other.
const REASON_VALUES: &str = "values";
/// An event lost against a concurrent one.
const REASON_EVENTS: &str = "events";

/// Writes the rows of one document, in the caller's transaction.
///
/// # Errors
/// `NotFound` when the catalog does not hold the definition that the document pins; `Full`, `Busy` or
/// `Storage` when writing fails.
pub fn write(conn: &Connection, catalog: &Catalog, scope: &ScopeId, model: &Model) -> Result<(), Error> {
    project(catalog, scope, model)?.store(conn)
}

/// What the rows of one document hold.
///
/// # Errors
/// `NotFound` when the catalog does not hold the definition that the document pins.
pub fn project(catalog: &Catalog, scope: &ScopeId, model: &Model) -> Result<Projected, Error> {
    let mut row = plain_row(scope, model);
    let (history, text, clashes, facts) = if let Some(checklist) = catalog.checklist(&model.definition) {
        let view = inspection::view(catalog, checklist, model);
        fill_inspection(&mut row, model, checklist, &view);
        let history = timeline::of_inspection(model);
        let facts = facts::of_inspection(checklist, &view, &history);
        (history, words::of_inspection(&view), clash::of_sheet(catalog, &view), facts)
    } else if let Some(ledger) = catalog.ledger(&model.definition) {
        let view = entry::view(catalog, ledger, model);
        fill_entry(&mut row, model, ledger, &view);
        row.due_ms = view.due.as_deref().and_then(|day| end_of_day_ms(catalog, day)).or(view.promised_at_ms);
        let history = timeline::of_entry(model, ledger, &view);
        let facts = facts::of_entry(catalog, ledger, model, &view, &history);
        (history, words::of_entry(ledger, &view), clash::of_entry(catalog, &view), facts)
    } else {
        return Err(Error::new(
            ErrorKind::NotFound,
            "本机没有这条记录所用的检查表或台帐版本;请先同步",
            "this store does not hold the checklist or ledger version of the record; exchange with the branch first",
        ));
    };
    let clashes: Vec<ClashRow> = clashes.into_iter().map(|clash| clash_row(model.document, clash)).collect();
    row.clashes = u32::try_from(clashes.len()).unwrap_or(u32::MAX);
    let files = file::named(model);
    Ok(Projected { row, history, clashes, text, facts: facts.to_text(), files })
}

/// The row as far as stamps and events alone tell it.
fn plain_row(scope: &ScopeId, model: &Model) -> Row {
    let stamps = || model.registers.values().flat_map(|register| register.all());
    let first = model.events.first();
    let created_at_ms =
        first.map_or_else(|| stamps().map(|s| s.at_ms).min().unwrap_or(0), |event| event.at_ms);
    let updated_at_ms = stamps()
        .map(|stamped| stamped.at_ms)
        .chain(model.events.iter().map(|event| event.at_ms))
        .max()
        .unwrap_or(created_at_ms);
    Row {
        document: model.document,
        scope: scope.clone(),
        kind: RowKind::Inspection,
        definition: model.definition.clone(),
        project: scope.unit().to_owned(),
        state: String::new(),
        terminal: false,
        title: String::new(),
        summary: String::new(),
        number: None,
        temp_number: None,
        created_by: first.map(|event| event.by.clone()),
        created_at_ms,
        updated_at_ms,
        listed_at_ms: created_at_ms,
        due_ms: None,
        handler: None,
        first_contact: None,
        owner_dept: None,
        grade: None,
        ended_at_ms: None,
        people: Vec::new(),
        score: None,
        result: None,
        clashes: 0,
        contested: 0,
    }
}

fn fill_inspection(row: &mut Row, model: &Model, checklist: &Checklist, view: &InspectionView) {
    if let Some(project) = &view.project {
        row.project.clone_from(project);
    }
    row.state = view.state.id().to_owned();
    row.terminal = view.state != InspectionState::Open;
    row.title.clone_from(&view.title.zh);
    let (answered, visible) = view.sections.iter().fold((0, 0), |(answered, visible), section| {
        (answered + section.answered, visible + section.visible)
    });
    row.summary = format!("{answered}/{visible}");
    row.ended_at_ms = view.completed.as_ref().map(|signed| signed.at_ms);
    row.score = view.score.percent;
    row.result = view.score.passed.map(|passed| if passed { "pass" } else { "fail" }.to_owned());
    // Whoever filled in a part of the sheet may call it theirs, and whoever its head names.
    let mut people: BTreeSet<UserId> =
        model.registers.values().flat_map(Register::all).map(|stamped| stamped.by.clone()).collect();
    people.extend(model.events.iter().map(|event| event.by.clone()));
    for (field, header) in checklist.header_fields.iter().zip(&view.header) {
        if names_people(field) {
            people
                .extend(header.values.iter().filter_map(|stamped| stamped.value.as_text()).map(UserId::new));
        }
    }
    row.people = people.into_iter().collect();
}

fn fill_entry(row: &mut Row, model: &Model, ledger: &Ledger, view: &EntryView) {
    let of = |id: &str| view.fields.iter().find(|field| field.id == id).map(|field| &field.content);
    row.kind = RowKind::Entry;
    if let Some(project) = &view.project {
        row.project.clone_from(project);
    }
    row.state.clone_from(&view.state);
    row.terminal = view.is_final;
    row.title.clone_from(&view.title.zh);
    row.number.clone_from(&view.number);
    row.temp_number.clone_from(&view.temporary_number);
    row.summary = summary(ledger, view);
    if let Some(FieldContent::One(Value::Text(user))) = of(keys::CREATED_BY) {
        row.created_by = Some(UserId::new(user));
    }
    if let Some(FieldContent::One(Value::Int(at_ms))) = of(keys::CREATED_AT) {
        row.created_at_ms = *at_ms;
    }
    let numbered_at_ms =
        model.register(&keys::field(keys::NUMBER)).filter(|_| row.number.is_some()).map(|r| r.winner.at_ms);
    row.listed_at_ms = numbered_at_ms.map_or(row.created_at_ms, |at_ms| at_ms.min(row.created_at_ms));
    row.handler = view.handler.as_ref().map(UserId::new);
    row.first_contact = view.first_contact.as_ref().map(UserId::new);
    if let Some(FieldContent::One(Value::Text(dept))) = of(OWNER_DEPT_FIELD) {
        row.owner_dept = Some(dept.clone());
    }
    if let Some(FieldContent::One(Value::Text(option))) = ledger.grade().and_then(|field| of(&field.id)) {
        row.grade = Some(option.clone());
    }
    let ends = |event: &&EventView| event.to.as_ref() == Some(&view.state) && !event.is_contested;
    row.ended_at_ms =
        view.events.iter().rev().find(ends).filter(|_| view.is_final).map(|end| end.event.at_ms);
    row.people = people(row, ledger, view);
    let contested = view.contests.iter().filter(|contest| contest.is_open).count();
    row.contested = u32::try_from(contested).unwrap_or(u32::MAX);
}

/// Who may call an entry theirs: its author and everyone that a field names.
fn people(row: &Row, ledger: &Ledger, view: &EntryView) -> Vec<UserId> {
    let mut people: BTreeSet<UserId> = row.created_by.iter().cloned().collect();
    for field in ledger.fields.iter().filter(|field| names_people(field)) {
        let Some(shown) = view.fields.iter().find(|shown| shown.id == field.id) else { continue };
        people.extend(shown.values.iter().filter_map(|stamped| stamped.value.as_text()).map(UserId::new));
        if let FieldContent::Set(elements) = &shown.content {
            people.extend(elements.iter().map(UserId::new));
        }
    }
    people.into_iter().collect()
}

fn names_people(field: &Field) -> bool {
    matches!(field.kind, FieldType::Ref(Target::User) | FieldType::Set(Element::Ref(Target::User)))
}

/// The first text that the ledger asks for and that is no personal data, cut to one line.
fn summary(ledger: &Ledger, view: &EntryView) -> String {
    let text_of = |field: &Field| {
        let shown = view.fields.iter().find(|shown| shown.id == field.id)?;
        match &shown.content {
            FieldContent::Text(text) | FieldContent::One(Value::Text(text)) => Some(text.as_str()),
            FieldContent::Empty | FieldContent::One(_) | FieldContent::Set(_) | FieldContent::Lines(_) => {
                None
            }
        }
    };
    let texts = || ledger.fields.iter().filter(|field| field.kind == FieldType::Text && !field.pii);
    let chosen =
        texts().filter(|field| field.required).find_map(text_of).or_else(|| texts().find_map(text_of));
    let line = chosen.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SUMMARY_CHARS_MAX {
        return line;
    }
    line.chars().take(SUMMARY_CHARS_MAX - 1).chain(['…']).collect()
}

fn clash_row(document: DocumentId, clash: Clash) -> ClashRow {
    let choices = clash.sides.into_iter();
    ClashRow {
        document,
        key: clash.key,
        reason: if clash.is_value { REASON_VALUES } else { REASON_EVENTS }.to_owned(),
        choices: choices.map(|side| Choice { value: side.value, by: side.by, at_ms: side.at_ms }).collect(),
    }
}

/// The last millisecond of a day `YYYY-MM-DD` in the organisation's time zone; `None` for other text.
fn end_of_day_ms(catalog: &Catalog, day: &str) -> Option<i64> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let zone = catalog.timezone().and_then(|name| jiff::tz::TimeZone::get(name).ok());
    let midnight = date.tomorrow().ok()?.to_datetime(jiff::civil::Time::midnight());
    let next = zone.unwrap_or(jiff::tz::TimeZone::UTC).to_timestamp(midnight).ok()?;
    Some(next.as_millisecond() - 1)
}
