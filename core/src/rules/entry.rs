//! A ledger entry read against its ledger: fields, state, history and what must be decided.

use std::collections::{BTreeMap, BTreeSet};

use super::facts;
use super::keys;
use super::lifecycle::{Ancestry, Contest, Fold, Step, fold};
use super::missing::named;
use super::sheet::{Missing, MissingKind};
use super::value::{Shape, is_given, merged, plain, shape};
use crate::definition::{Catalog, Field, FieldType, Ledger, MergePolicy, Title, Transition};
use crate::document::model::{Edit, Event, Model, Stamped, Value};
use crate::error::Sentence;
use crate::id::{DefinitionRef, DocumentId};

/// A ledger entry as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryView {
    /// Which document.
    pub document: DocumentId,
    /// The ledger version that it pins.
    pub ledger: DefinitionRef,
    /// The ledger's name.
    pub title: Title,
    /// The project or branch, once written.
    pub project: Option<String>,
    /// The official number, once the branch has given it.
    pub number: Option<String>,
    /// The number given on the device.
    pub temporary_number: Option<String>,
    /// The state's id.
    pub state: String,
    /// The state's name.
    pub state_title: Title,
    /// True in a final state.
    pub is_final: bool,
    /// Fields in the order of the ledger.
    pub fields: Vec<FieldView>,
    /// The history, causes first.
    pub events: Vec<EventView>,
    /// Steps that this state allows, whoever takes them.
    pub transitions: Vec<TransitionView>,
    /// Events that leave the state as it is and stay for ever: escalations, feedback, disputes; and the
    /// marks that rules put on the record.
    pub marks: Vec<String>,
    /// Events that lost against concurrent ones.
    pub contests: Vec<Contest>,
    /// True while a contest is open or a field clashes.
    pub needs_decision: bool,
    /// Keys of fields where people must decide.
    pub clashes: Vec<String>,
    /// The day it is due, extensions included, `YYYY-MM-DD`.
    pub due: Option<String>,
    /// The promised time, milliseconds since 1970.
    pub promised_at_ms: Option<i64>,
    /// The person who handles it.
    pub handler: Option<String>,
    /// The person who took it first.
    pub first_contact: Option<String>,
    /// Required fields that nobody has filled in.
    pub missing: Vec<Missing>,
}

/// A field of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldView {
    /// Field id.
    pub id: String,
    /// Its name, where the ledger gives one.
    pub title: Option<Title>,
    /// What it holds.
    pub content: FieldContent,
    /// Current values with their authors, the one that counts first; empty for texts and lines.
    pub values: Vec<Stamped>,
    /// True when people must decide between values.
    pub is_clash: bool,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldContent {
    /// Nothing yet.
    Empty,
    /// One value.
    One(Value),
    /// A shared text.
    Text(String),
    /// Elements of a set, sorted: references or SHA-256 of photos.
    Set(Vec<String>),
    /// Lines by id, each with its subfields.
    Lines(Vec<LineView>),
}

/// A line of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct LineView {
    /// Line id.
    pub id: String,
    /// Values by subfield; withdrawn ones are left out.
    pub fields: BTreeMap<String, Stamped>,
}

/// An event of an entry's history.
#[derive(Clone, Debug, PartialEq)]
pub struct EventView {
    /// The event as written.
    pub event: Event,
    /// Its name.
    pub title: Title,
    /// The state it leads to; `None` where it leaves the state.
    pub to: Option<String>,
    /// True when it lost against a concurrent event.
    pub is_contested: bool,
}

/// A step that the state allows.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionView {
    /// The event's name.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// The state it leads to; `None` stays.
    pub to: Option<String>,
    /// Roles that may take it; empty: every role that writes the ledger.
    pub by: Vec<String>,
    /// What it asks for that no field holds yet: to be given with the event.
    pub missing: Vec<String>,
    /// Whether its condition holds; `None` where that depends on the author or on what the event brings.
    pub guard_holds: Option<bool>,
}

impl TransitionView {
    /// True when someone with these roles may take the step as far as is known: the rest is `missing`.
    #[must_use]
    pub fn is_open_to(&self, roles: &[String]) -> bool {
        let is_allowed = self.by.is_empty() || roles.iter().any(|role| self.by.contains(role));
        is_allowed && self.guard_holds != Some(false)
    }
}

/// Reads an entry against the ledger version that it pins.
///
/// A function of the document and the definitions alone: the same on every device and at the branch.
#[must_use]
pub fn view(catalog: &Catalog, ledger: &Ledger, model: &Model) -> EntryView {
    let lifecycle = lifecycle(ledger, model);
    let state = &ledger.states[lifecycle.state];
    let fields: Vec<FieldView> = ledger
        .fields
        .iter()
        .filter(|field| field.kind != FieldType::Events)
        .map(|field| field_view(catalog, field, model))
        .collect();
    let text = |id: &str| one(&fields, id).map(plain);
    let clashes: Vec<String> =
        fields.iter().filter(|field| field.is_clash).map(|field| keys::field(&field.id)).collect();
    let needs_decision = !clashes.is_empty() || lifecycle.contests.iter().any(|contest| contest.is_open);
    EntryView {
        document: model.document,
        ledger: ledger.reference.clone(),
        title: ledger.title.clone(),
        project: model.text(&keys::field(keys::PROJECT)).map(str::to_owned),
        number: model.text(&keys::field(keys::NUMBER)).map(str::to_owned),
        temporary_number: model.text(&keys::field(keys::TEMPORARY_NUMBER)).map(str::to_owned),
        state: state.id.clone(),
        state_title: state.title.clone(),
        is_final: state.terminal,
        events: events(ledger, model, &lifecycle),
        transitions: ledger
            .transitions_from(&state.id)
            .map(|step| open_step(catalog, ledger, model, step))
            .collect(),
        marks: marks(ledger, model),
        contests: lifecycle.contests,
        needs_decision,
        due: due(&fields, model),
        promised_at_ms: match one(&fields, "promised_at") {
            Some(Value::Int(at_ms)) => Some(*at_ms),
            _ => None,
        },
        handler: ["handler", "responsible", "branch_owner", "owner"].iter().find_map(|id| text(id)),
        first_contact: text("first_contact"),
        missing: missing(ledger, &fields),
        clashes,
        fields,
    }
}

/// The id of the state that an entry is in.
#[must_use]
pub fn state<'l>(ledger: &'l Ledger, model: &Model) -> &'l str {
    &ledger.states[lifecycle(ledger, model).state].id
}

/// The fold of an entry's events over the states of its ledger.
pub(crate) fn lifecycle(ledger: &Ledger, model: &Model) -> Fold {
    fold(&model.events, |event| step(ledger, event))
}

/// What an event does to the state; `None` where it leaves it.
fn step(ledger: &Ledger, event: &Event) -> Option<Step> {
    let place = |id: &str| ledger.states.iter().position(|state| state.id == id);
    let to = place(ledger.transition(&event.kind, &event.from)?.to.as_deref()?)?;
    let is_final = ledger.states[to].terminal;
    let is_void = is_final && ledger.states[..to].iter().any(|state| state.terminal);
    Some(Step { to, is_return: place(&event.from).is_some_and(|from| to < from), is_void, is_final })
}

/// What the branch records when content arrives on an entry that meanwhile reached a final state which
/// its author had not seen: the data of a `late_edit` event. `before` is the change's causal past,
/// `after` the document with everything merged.
#[must_use]
pub fn late_edit(
    ledger: &Ledger,
    before: &Model,
    after: &Model,
    edits: &[Edit],
) -> Option<BTreeMap<String, Value>> {
    let is_final = |model: &Model| ledger.states[lifecycle(ledger, model).state].terminal;
    let mut own = before.clone();
    edits.iter().for_each(|edit| own.apply(edit));
    if edits.is_empty() || !is_final(after) || is_final(&own) {
        return None;
    }
    let touched: BTreeSet<String> = edits
        .iter()
        .map(|edit| match edit {
            Edit::Put { key, .. } => key.clone(),
            Edit::Text { key, .. } => keys::field(key),
            Edit::Event(event) => keys::event(&event.id),
        })
        .collect();
    let touched: Vec<String> = touched.into_iter().collect();
    Some(BTreeMap::from([(keys::DATA_KEYS.to_owned(), Value::Text(touched.join(" ")))]))
}

fn field_view(catalog: &Catalog, field: &Field, model: &Model) -> FieldView {
    let (content, values, is_clash) = match shape(field) {
        Shape::Lines => (lines_content(model, &field.id), Vec::new(), false),
        Shape::Elements => {
            let prefix = format!("set/{}/", field.id);
            let elements: Vec<String> = model.elements(&prefix).map(str::to_owned).collect();
            let content = if elements.is_empty() { FieldContent::Empty } else { FieldContent::Set(elements) };
            (content, Vec::new(), false)
        }
        Shape::SharedText => {
            let text = model.texts.get(&field.id).filter(|text| !text.is_empty());
            let content = text.map_or(FieldContent::Empty, |text| FieldContent::Text(text.clone()));
            (content, Vec::new(), false)
        }
        Shape::Derived => {
            let values = facts::last_visit(catalog, field, model);
            (content_of(&values), values, false)
        }
        Shape::Single => {
            let merged = model.register(&keys::field(&field.id)).map(|register| merged(field, register));
            let is_clash = merged.as_ref().is_some_and(|merged| merged.is_clash) && !is_signature(field);
            let values = merged.map(|merged| merged.values).unwrap_or_default();
            (content_of(&values), values, is_clash)
        }
    };
    FieldView { id: field.id.clone(), title: field.title.clone(), content, values, is_clash }
}

/// Who recorded an entry and when differ by nature where two devices raised the same one: no clash.
fn is_signature(field: &Field) -> bool {
    matches!(field.id.as_str(), keys::CREATED_BY | keys::CREATED_AT)
}

fn content_of(values: &[Stamped]) -> FieldContent {
    match values.first() {
        Some(stamped) if is_given(&stamped.value) => FieldContent::One(stamped.value.clone()),
        _ => FieldContent::Empty,
    }
}

fn lines_content(model: &Model, field: &str) -> FieldContent {
    let lines = lines(model, field);
    if lines.is_empty() { FieldContent::Empty } else { FieldContent::Lines(lines) }
}

/// The lines of an `entries` field that were not withdrawn, by line id.
#[must_use]
pub fn lines(model: &Model, field: &str) -> Vec<LineView> {
    let prefix = format!("line/{field}/");
    let mut lines: BTreeMap<&str, LineView> = BTreeMap::new();
    for (rest, register) in model.under(&prefix) {
        let Some((line, subfield)) = rest.split_once('/') else { continue };
        let Some(stamped) = register.all().find(|stamped| is_given(&stamped.value)) else { continue };
        let view =
            lines.entry(line).or_insert_with(|| LineView { id: line.to_owned(), fields: BTreeMap::new() });
        view.fields.insert(subfield.to_owned(), stamped.clone());
    }
    lines.into_values().collect()
}

fn one<'f>(fields: &'f [FieldView], id: &str) -> Option<&'f Value> {
    fields.iter().find(|field| field.id == id).and_then(|field| match &field.content {
        FieldContent::One(value) => Some(value),
        FieldContent::Empty | FieldContent::Text(_) | FieldContent::Set(_) | FieldContent::Lines(_) => None,
    })
}

/// The due day: the field's, or the latest that a recorded extension asks for.
fn due(fields: &[FieldView], model: &Model) -> Option<String> {
    let extended = model.events.iter().filter_map(|event| event.data.get("new_due").and_then(Value::as_text));
    let written = one(fields, "due").and_then(Value::as_text);
    written.into_iter().chain(extended).max().map(str::to_owned)
}

fn events(ledger: &Ledger, model: &Model, lifecycle: &Fold) -> Vec<EventView> {
    let contested: BTreeSet<&str> = lifecycle.contests.iter().map(|c| c.event.as_str()).collect();
    let view = |event: &Event| {
        let step = ledger.transition(&event.kind, &event.from);
        EventView {
            title: step.map_or_else(|| built_in(&event.kind), |step| step.title.clone()),
            to: step.and_then(|step| step.to.clone()),
            is_contested: contested.contains(event.id.as_str()),
            event: event.clone(),
        }
    };
    model.events.iter().map(view).collect()
}

/// The name of an event that every record knows.
pub(crate) fn built_in(kind: &str) -> Title {
    let (zh, en) = match kind {
        keys::COMPLETE => ("完成", "Complete"),
        keys::REVIEW => ("复核", "Review"),
        keys::AMEND => ("更正", "Amend"),
        keys::UPGRADE => ("升级检查表", "Move to a newer checklist"),
        keys::RESOLVE => ("裁决", "Resolve"),
        keys::LATE_EDIT => ("归档后补记", "Late edit"),
        keys::ESCALATION => ("逾期上报", "Escalated"),
        _ => ("登记", "Create"),
    };
    Title { zh: zh.to_owned(), en: en.to_owned() }
}

fn open_step(catalog: &Catalog, ledger: &Ledger, model: &Model, step: &Transition) -> TransitionView {
    let is_lacking = |name: &&String| !facts::is_held(ledger, model, name);
    let guard = step.guard.as_ref();
    TransitionView {
        guard_holds: guard.map_or(Some(true), |guard| facts::foreseen(catalog, ledger, model, guard)),
        id: step.id.clone(),
        title: step.title.clone(),
        to: step.to.clone(),
        by: step.by.clone(),
        missing: step.requires.iter().filter(is_lacking).cloned().collect(),
    }
}

/// Kinds of the events that leave the state, in order of first appearance by ancestry and id.
fn marks(ledger: &Ledger, model: &Model) -> Vec<String> {
    let stays = |event: &&Event| ledger.transitions_named(&event.kind).any(|step| step.to.is_none());
    let kinds: BTreeSet<&str> = model.events.iter().filter(stays).map(|event| event.kind.as_str()).collect();
    let in_order = ledger.transitions.iter().map(|step| step.id.as_str());
    let escalations = model.events.iter().filter(|event| event.kind == keys::ESCALATION);
    let by_rules: BTreeSet<&str> =
        escalations.filter_map(|event| event.data.get(keys::DATA_MARK)?.as_text()).collect();
    let by_rules = by_rules.into_iter().filter(|mark| !kinds.contains(mark));
    in_order.filter(|id| kinds.contains(id)).chain(by_rules).map(str::to_owned).collect()
}

fn missing(ledger: &Ledger, fields: &[FieldView]) -> Vec<Missing> {
    let is_asked = |field: &&Field| {
        let policy = field.merge();
        field.required && !matches!(policy, MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit)
    };
    let is_empty =
        |field: &&Field| fields.iter().any(|view| view.id == field.id && view.content == FieldContent::Empty);
    let lack = |field: &Field| {
        let (zh, en) = named(field.title.as_ref(), &field.id);
        let sentence = Sentence::new(format!("请填写“{zh}”"), format!("fill in \"{en}\""));
        Missing { kind: MissingKind::Field, id: field.id.clone(), sentence }
    };
    ledger.fields.iter().filter(is_asked).filter(is_empty).map(lack).collect()
}

/// The events that nothing of the same description has seen: the latest, sorted by id.
pub(crate) fn latest(model: &Model, is_meant: impl Fn(&Event) -> bool) -> Vec<&Event> {
    let past = Ancestry::of(&model.events);
    let meant: Vec<usize> = (0..model.events.len()).filter(|at| is_meant(&model.events[*at])).collect();
    let is_seen = |at: usize| meant.iter().any(|other| *other > at && past.saw(*other, at));
    let mut latest: Vec<&Event> =
        meant.iter().filter(|at| !is_seen(**at)).map(|at| &model.events[*at]).collect();
    latest.sort_by(|a, b| a.id.cmp(&b.id));
    latest
}
