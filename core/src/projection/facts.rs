//! What reports read of a document: one JSON object beside its row.
//!
//! A report over a month looks at every record of it; one piece to read for each keeps that fast, and holds
//! the shared texts and the score of each section too, which no other row has.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

use super::coding;
use super::row::{HistoryLine, LineKind};
use crate::definition::{Catalog, Checklist, Field, FieldType, Ledger};
use crate::document::model::{Model, Stamped, Value};
use crate::rules::entry::{EntryView, FieldContent};
use crate::rules::facts::is_visit_asked;
use crate::rules::sheet::{GroupLine, InspectionView, ItemView, SectionView};

/// Characters of a photo's hash that name its place on paper.
const PHOTO_NAME_CHARS: usize = 8;

/// What reports read of one document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Single values and shared texts by field.
    #[serde(rename = "f", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) fields: BTreeMap<String, Json>,
    /// Elements of sets and photos by field.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sets: BTreeMap<String, Vec<String>>,
    /// Lines by field or repeated group.
    #[serde(rename = "l", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) lines: BTreeMap<String, Vec<BTreeMap<String, Json>>>,
    /// Events, causes first.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<EventFact>,
    /// Visible items of a sheet that have an answer, a note or a photo.
    #[serde(rename = "i", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) items: Vec<ItemFact>,
    /// Scores of a sheet's sections, percent.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sections: Vec<(String, Option<f64>)>,
    /// Checkpoints asked for or scanned, and when the first scan was.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scans: Vec<(String, Option<i64>)>,
    /// Who signed where, and when.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) signed: BTreeMap<String, (String, i64)>,
    /// The category asks for a return visit.
    #[serde(rename = "v", default, skip_serializing_if = "is_false")]
    pub(crate) visit_asked: bool,
}

/// An event as reports read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventFact {
    /// Its kind.
    #[serde(rename = "k")]
    pub(crate) kind: String,
    /// Device time, milliseconds since 1970.
    #[serde(rename = "t")]
    pub(crate) at_ms: i64,
    /// Who.
    #[serde(rename = "b")]
    pub(crate) by: String,
    /// The state after it.
    #[serde(rename = "s")]
    pub(crate) state: String,
    /// It lost against a concurrent one.
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub(crate) contested: bool,
    /// What it carries.
    #[serde(rename = "d", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) data: BTreeMap<String, Json>,
}

/// An item of a sheet as reports read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ItemFact {
    /// Its id.
    #[serde(rename = "i")]
    pub(crate) item: String,
    /// The answer that counts.
    #[serde(rename = "a", default, skip_serializing_if = "Json::is_null")]
    pub(crate) answer: Json,
    /// It fails.
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub(crate) fails: bool,
    /// Severity of the finding that it raises.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<String>,
    /// Its notes.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Its photos, by the beginning of their hashes.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) photos: Vec<String>,
}

impl Facts {
    /// The JSON that is stored.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("maps with text keys and numbers that are JSON")
    }

    /// Reads what [`Facts::to_text`] wrote.
    pub(crate) fn of_text(text: &str) -> Result<Self, crate::error::Error> {
        serde_json::from_str(text).map_err(|_| coding::damaged())
    }
}

/// The facts of an entry.
pub(crate) fn of_entry(
    catalog: &Catalog,
    ledger: &Ledger,
    model: &Model,
    view: &EntryView,
    history: &[HistoryLine],
) -> Facts {
    let mut facts = Facts { events: events(history), ..Facts::default() };
    facts.visit_asked = is_visit_asked(catalog, model);
    for shown in &view.fields {
        match &shown.content {
            FieldContent::Empty => {}
            FieldContent::One(value) => {
                facts.fields.insert(shown.id.clone(), value.to_json());
            }
            FieldContent::Text(text) => {
                facts.fields.insert(shown.id.clone(), Json::from(text.as_str()));
            }
            FieldContent::Set(elements) => {
                let field = ledger.field(&shown.id);
                facts.sets.insert(shown.id.clone(), elements_of(field, elements.iter().cloned()));
            }
            FieldContent::Lines(lines) => {
                let lines = lines.iter().map(|line| {
                    line.fields.iter().map(|(id, stamped)| (id.clone(), stamped.value.to_json())).collect()
                });
                facts.lines.insert(shown.id.clone(), lines.collect());
            }
        }
    }
    facts
}

/// The facts of a sheet.
pub(crate) fn of_inspection(checklist: &Checklist, view: &InspectionView, history: &[HistoryLine]) -> Facts {
    let mut facts = Facts { events: events(history), ..Facts::default() };
    for header in &view.header {
        let field = checklist.header_field(&header.id);
        let Some(first) = header.values.first() else { continue };
        if field.is_some_and(|field| field.kind.is_many()) {
            let texts = header.values.iter().filter_map(|stamped| stamped.value.as_text()).map(str::to_owned);
            facts.sets.insert(header.id.clone(), elements_of(field, texts));
        } else {
            facts.fields.insert(header.id.clone(), first.value.to_json());
        }
    }
    for section in &view.sections {
        facts.items.extend(section.items.iter().filter(|item| item.is_visible).filter_map(item));
        facts.sections.push((section.id.clone(), percent(section)));
    }
    for group in view.groups.iter().filter(|group| !group.lines.is_empty()) {
        facts.lines.insert(group.id.clone(), group.lines.iter().map(line).collect());
    }
    for scan in &view.scans {
        let first = scan.scans.iter().map(|signed| signed.at_ms).min();
        facts.scans.push((scan.checkpoint.clone(), first));
    }
    for signoff in &view.signoffs {
        if let Some(signed) = &signoff.signed {
            facts.signed.insert(signoff.id.clone(), (signed.by.0.clone(), signed.at_ms));
        }
    }
    facts
}

fn events(history: &[HistoryLine]) -> Vec<EventFact> {
    let of = |line: &HistoryLine| EventFact {
        kind: line.what.clone(),
        at_ms: line.at_ms,
        by: line.by.0.clone(),
        state: line.state.clone(),
        contested: line.contested,
        data: line.data.iter().map(|(name, value)| (name.clone(), value.to_json())).collect(),
    };
    history.iter().filter(|line| line.kind == LineKind::Event).map(of).collect()
}

fn item(item: &ItemView) -> Option<ItemFact> {
    let texts = |stamps: &[Stamped]| -> Vec<String> {
        stamps.iter().filter_map(|stamped| stamped.value.as_text()).map(str::to_owned).collect()
    };
    let fact = ItemFact {
        item: item.id.clone(),
        answer: item.answer().map_or(Json::Null, Value::to_json),
        fails: item.is_fail,
        severity: item.severity.clone(),
        notes: texts(&item.notes),
        photos: item.photos.iter().map(|photo| photo_name(photo)).collect(),
    };
    let is_empty = fact.answer.is_null() && !fact.fails && fact.notes.is_empty() && fact.photos.is_empty();
    (!is_empty).then_some(fact)
}

fn line(line: &GroupLine) -> BTreeMap<String, Json> {
    let mut fields: BTreeMap<String, Json> =
        line.fields.iter().map(|(id, stamped)| (id.clone(), stamped.value.to_json())).collect();
    for (field, photo) in &line.photos {
        let names = fields.entry(field.clone()).or_insert_with(|| Json::Array(Vec::new()));
        if let Json::Array(names) = names {
            names.push(Json::from(photo_name(photo)));
        }
    }
    fields
}

/// The share that a section scores, percent; `None` before anything in it counts.
fn percent(section: &SectionView) -> Option<f64> {
    let counted = || section.items.iter().filter(|item| item.is_visible && item.weight > 0.0);
    let weight: f64 = counted().filter(|item| item.score.is_some()).map(|item| item.weight).sum();
    let earned: f64 = counted().filter_map(|item| Some(item.score? * item.weight)).sum();
    (weight > 0.0).then(|| (earned / weight * 10_000.0).round() / 100.0)
}

/// Elements of a set field; photos are named by the beginning of their hashes.
fn elements_of(field: Option<&Field>, elements: impl Iterator<Item = String>) -> Vec<String> {
    let is_photos = field.is_some_and(|field| field.kind == FieldType::Photos);
    elements.map(|element| if is_photos { photo_name(&element) } else { element }).collect()
}

fn photo_name(sha256: &str) -> String {
    sha256.chars().take(PHOTO_NAME_CHARS).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The error for facts that this code cannot have written.
pub(crate) fn damaged() -> crate::error::Error {
    coding::damaged()
}
