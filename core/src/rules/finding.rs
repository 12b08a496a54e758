//! Entries that follow from a sheet: findings of failing answers, and entries of repeated lines.
//!
//! Deterministic: the document's id comes from its source, so that two devices which judge the same
//! answer raise one entry, not two.

use std::sync::Arc;

use super::inspection::{Sheet, group_lines};
use super::sheet::ItemView;
use super::value::is_given;
use super::{facts, keys, upgrade};
use crate::definition::{Catalog, Checklist, Field, FindingSpec, Item, Ledger, MergePolicy, RepeatGroup};
use crate::document::model::{Edit, Event, Model, Stamped, Value};
use crate::id::{DefinitionRef, DocumentId, ScopeId, UserId};
use crate::time::civil;

/// Who raises an entry, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'w> {
    /// The person.
    pub user: &'w UserId,
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
    /// Offset of local time from UTC, minutes: due days are local days.
    pub utc_offset_min: i16,
}

/// A record about to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The document; another device may have created it already.
    pub document: DocumentId,
    /// The ledger version that it pins.
    pub definition: DefinitionRef,
    /// The scope it belongs into.
    pub scope: ScopeId,
    /// Its first change: creation event, fields, evidence.
    pub edits: Vec<Edit>,
}

/// The finding that an item of a sheet raises; `None` when it does not fail, raises none, or the sheet
/// names no project yet. `event_id` gives the creation event its id in the new document.
#[must_use]
pub fn of_item(
    catalog: &Catalog,
    pinned: &Arc<Checklist>,
    model: &Model,
    item: &str,
    writer: &Writer<'_>,
    event_id: impl Fn(DocumentId) -> String,
) -> Option<Draft> {
    let checklist = upgrade::in_force(catalog, pinned, model);
    let sheet = Sheet { catalog, checklist: &checklist, model };
    let definition = checklist.item(item).filter(|item| sheet.is_visible(item))?;
    let spec = definition.on_fail.as_ref()?.create_finding.as_ref()?;
    let view = sheet.item(definition);
    if !view.is_fail {
        return None;
    }
    let mut draft = Opening::new(sheet.project()?, catalog.finding_ledger()?, writer);
    let source_ref = format!("{}/{item}", model.document);
    draft.put("source", checklist.finding_source.as_deref().map(text));
    draft.put("source_ref", Some(text(&source_ref)));
    draft.put("severity", severity(catalog, &view).map(|id| text(&id)));
    draft.put("owner_dept", Some(text(&spec.default_owner_dept)));
    draft.put("due", due(catalog, spec, &view, writer).map(|day| text(&day)));
    draft.text("statement", &statement(definition, &view));
    for clause in &definition.clauses {
        draft.element("clauses", &clause.id(), Value::Bool(true));
    }
    for (photo, value) in photos(model, item) {
        draft.element("evidence", &photo, value);
    }
    Some(draft.finish(&source_ref, event_id))
}

/// All findings that a sheet raises, in the order of its items.
#[must_use]
pub fn of_sheet(
    catalog: &Catalog,
    pinned: &Arc<Checklist>,
    model: &Model,
    writer: &Writer<'_>,
    event_id: impl Fn(DocumentId) -> String,
) -> Vec<Draft> {
    let checklist = upgrade::in_force(catalog, pinned, model);
    let items = checklist.items().map(|item| item.id.as_str());
    items.filter_map(|item| of_item(catalog, pinned, model, item, writer, &event_id)).collect()
}

/// Photos of the item that a finding raised earlier does not hold yet, as edits of the finding.
#[must_use]
pub fn new_evidence(model: &Model, item: &str, finding: &Model, writer: &Writer<'_>) -> Vec<Edit> {
    let is_new = |(photo, _): &(String, Value)| finding.register(&keys::set("evidence", photo)).is_none();
    let edit = |(photo, value): (String, Value)| Edit::Put {
        key: keys::set("evidence", &photo),
        stamped: Stamped { value, by: writer.user.clone(), at_ms: writer.at_ms },
    };
    photos(model, item).into_iter().filter(is_new).map(edit).collect()
}

/// The entries that lines of repeated groups create: one for each line that holds what its ledger asks
/// of a new entry. Fields of equal id, and those that the group names, are carried over.
#[must_use]
pub fn of_groups(
    catalog: &Catalog,
    pinned: &Arc<Checklist>,
    model: &Model,
    writer: &Writer<'_>,
    event_id: impl Fn(DocumentId) -> String,
) -> Vec<Draft> {
    let checklist = upgrade::in_force(catalog, pinned, model);
    let mut drafts = Vec::new();
    for group in &checklist.repeat_groups {
        let Some(ledger) = group.creates_entry.as_deref().and_then(|id| catalog.latest_ledger(id)) else {
            continue;
        };
        drafts.extend(of_group(group, ledger, model, writer, &event_id));
    }
    drafts
}

fn of_group(
    group: &RepeatGroup,
    ledger: &Arc<Ledger>,
    model: &Model,
    writer: &Writer<'_>,
    event_id: &impl Fn(DocumentId) -> String,
) -> Vec<Draft> {
    let Some(project) = model.text(&keys::header(keys::PROJECT)) else { return Vec::new() };
    let mut drafts = Vec::new();
    for line in group_lines(model, &group.id) {
        let mut draft = Opening::new(project, ledger, writer);
        for (field, stamped) in &line.fields {
            let field = group.carries.get(field).unwrap_or(field);
            match stamped.value.as_text() {
                Some(words) if draft.is_shared_text(field) => draft.text(field, words),
                _ => draft.put(field, Some(stamped.value.clone())),
            }
        }
        for (field, photo) in &line.photos {
            let key = format!("{}/{photo}", keys::group(&group.id, &line.id, field));
            draft.element(field, photo, model.value(&key).cloned().unwrap_or(Value::Bool(true)));
        }
        let made = draft.finish(&format!("{}/{}/{}", model.document, group.id, line.id), event_id);
        let mut entry = Model::empty(made.document, made.definition.clone());
        made.edits.iter().for_each(|edit| entry.apply(edit));
        if facts::lacking(ledger, &entry, &|_| false).is_none() {
            drafts.push(made);
        }
    }
    drafts
}

/// The first change of an entry in the making.
struct Opening<'o> {
    ledger: &'o Ledger,
    project: &'o str,
    writer: &'o Writer<'o>,
    edits: Vec<Edit>,
}

impl<'o> Opening<'o> {
    fn new(project: &'o str, ledger: &'o Ledger, writer: &'o Writer<'o>) -> Self {
        let mut opening = Self { ledger, project, writer, edits: Vec::new() };
        opening.put(keys::PROJECT, Some(text(project)));
        opening.put(keys::CREATED_BY, Some(text(writer.user.as_str())));
        opening.put(keys::CREATED_AT, Some(Value::Int(writer.at_ms)));
        opening
    }

    fn field(&self, id: &str) -> Option<&'o Field> {
        self.ledger.field(id).filter(|field| !field.retired)
    }

    fn is_shared_text(&self, id: &str) -> bool {
        self.field(id).is_some_and(|field| field.merge() == MergePolicy::TextCrdt)
    }

    /// Writes a value, where the ledger has the field.
    fn put(&mut self, id: &str, value: Option<Value>) {
        let (Some(_), Some(value)) = (self.field(id), value) else { return };
        let stamped = Stamped { value, by: self.writer.user.clone(), at_ms: self.writer.at_ms };
        self.edits.push(Edit::Put { key: keys::field(id), stamped });
    }

    fn text(&mut self, id: &str, words: &str) {
        if self.is_shared_text(id) {
            self.edits.push(Edit::Text { key: id.to_owned(), to: Some(words.to_owned()) });
            self.put(id, Some(Value::Bool(true)));
        } else {
            self.put(id, Some(text(words)));
        }
    }

    fn element(&mut self, id: &str, element: &str, value: Value) {
        if self.field(id).is_some_and(|field| field.kind.is_many()) {
            let stamped = Stamped { value, by: self.writer.user.clone(), at_ms: self.writer.at_ms };
            self.edits.push(Edit::Put { key: keys::set(id, element), stamped });
        }
    }

    fn finish(mut self, source_ref: &str, event_id: impl Fn(DocumentId) -> String) -> Draft {
        let document = DocumentId::of_source(&self.ledger.id, source_ref);
        let create = Event {
            id: event_id(document),
            kind: self.ledger.create_event.clone(),
            by: self.writer.user.clone(),
            at_ms: self.writer.at_ms,
            from: String::new(),
            after: Vec::new(),
            data: std::collections::BTreeMap::new(),
        };
        self.edits.insert(0, Edit::Event(create));
        Draft {
            document,
            definition: self.ledger.reference.clone(),
            scope: ScopeId::of(self.project, &self.ledger.stream),
            edits: self.edits,
        }
    }
}

/// The severity of the answer, or the lightest one that asks for corrective action.
fn severity(catalog: &Catalog, view: &ItemView) -> Option<String> {
    view.severity.clone().or_else(|| {
        let severities = &catalog.nonconformity()?.severities;
        severities.iter().find(|s| s.corrective_action_required).map(|s| s.id.clone())
    })
}

/// The local day by which the finding is due, counted from the answer.
fn due(catalog: &Catalog, spec: &FindingSpec, view: &ItemView, writer: &Writer<'_>) -> Option<String> {
    const HOUR_MS: f64 = 3_600_000.0;
    const DAY_MS: i64 = 86_400_000;
    let answered_ms = view.answers.iter().map(|stamped| stamped.at_ms).min().unwrap_or(writer.at_ms);
    let span_ms = match spec.default_due_hours {
        #[expect(clippy::cast_possible_truncation, reason = "hours of a deadline are far below 2^53 ms")]
        Some(hours) => (hours * HOUR_MS).round() as i64,
        None => DAY_MS * i64::from(catalog.severity(&severity(catalog, view)?)?.close_days),
    };
    Some(civil(answered_ms.saturating_add(span_ms), writer.utc_offset_min).date().to_string())
}

/// What was found: the notes, or the question that failed.
fn statement(item: &Item, view: &ItemView) -> String {
    let notes: Vec<&str> = view.notes.iter().filter_map(|note| note.value.as_text()).collect();
    if notes.is_empty() { item.title.zh.clone() } else { notes.join("\n") }
}

/// The photos of an item with what their registers hold.
fn photos(model: &Model, item: &str) -> Vec<(String, Value)> {
    let prefix = format!("photo/{item}/");
    let held = model.under(&prefix).filter_map(|(photo, register)| {
        let stamped = register.all().find(|stamped| is_given(&stamped.value))?;
        Some((photo.to_owned(), stamped.value.clone()))
    });
    held.collect()
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}
