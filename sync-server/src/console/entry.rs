//! The page of an entry: what it holds, who wrote what, its life, and the steps that a person may take.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use xunyuan_core::definition::{BY_RULE, Field, FieldType, Ledger, MergePolicy};
use xunyuan_core::document::model::{Model, Value};
use xunyuan_core::id::UserId;
use xunyuan_core::report::Names;
use xunyuan_core::rules::entry::{EntryView, FieldContent, FieldView, LineView};
use xunyuan_core::rules::{check, entry, form, keys, title};

use super::answer::Page;
use super::clash::{self, Dispute};
use super::form::{Desk, Input, InputKind, carried, carried_title};
use super::listing::{field_title, number_of};
use super::nav::Area;
use super::record::Left;
use super::tone::Tone;
use super::visit::Visit;
use crate::hub::Seen;

/// A field with what it holds.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) label: String,
    pub(super) text: String,
    pub(super) tone: Option<Tone>,
    /// Who wrote it, and when.
    pub(super) by: Option<(String, i64)>,
    pub(super) is_wide: bool,
    pub(super) is_clash: bool,
}

/// A field that holds lines.
#[derive(Clone, Debug)]
struct Lines {
    id: String,
    label: String,
    heads: Vec<String>,
    rows: Vec<LineRow>,
    add: Option<LineForm>,
}

/// A line of such a field.
#[derive(Clone, Debug)]
struct LineRow {
    cells: Vec<String>,
    by: Option<(String, i64)>,
    edit: Option<LineForm>,
}

/// A form for a line; a new one has no id.
#[derive(Clone, Debug)]
struct LineForm {
    line: String,
    inputs: Vec<Input>,
    is_open: bool,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub(super) what: String,
    pub(super) by: String,
    pub(super) at_ms: i64,
    pub(super) state: String,
    pub(super) said: Vec<(String, String)>,
    pub(super) is_contested: bool,
}

/// A step that the person may take.
#[derive(Clone, Debug)]
struct StepForm {
    kind: String,
    title: String,
    to: String,
    inputs: Vec<Input>,
    is_open: bool,
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage<'v> {
    v: &'v Visit,
    area: Area,
    ledger_href: String,
    ledger_title: String,
    number: String,
    temporary: Option<String>,
    href: String,
    seen: String,
    state: String,
    state_tone: Tone,
    unit: String,
    due: Option<i64>,
    is_late: bool,
    marks: Vec<String>,
    facts: Vec<Shown>,
    lines: Vec<Lines>,
    happened: Vec<Happened>,
    steps: Vec<StepForm>,
    edit: Vec<Input>,
    edit_is_open: bool,
    disputes: Vec<Dispute>,
    left: Option<Left>,
}

/// The page of an entry, with a form as it was left.
pub(super) fn page(visit: &Visit, ledger: &Ledger, seen: Seen, left: Option<Left>) -> Response {
    let catalog = visit.catalog();
    let view = entry::view(catalog, ledger, &seen.model);
    let names = visit.names();
    let maker = Maker {
        v: visit,
        ledger,
        view: &view,
        model: &seen.model,
        names: &names,
        desk: Desk { v: visit, project: &seen.row.project },
        roles: check::roles_on(catalog, &seen.row.scope, visit.user()),
        left: left.as_ref(),
    };
    let may_write = check::writes(catalog, &maker.roles);
    let due = seen.row.due_ms;
    let page = EntryPage {
        v: visit,
        area: Area::Ledgers,
        ledger_href: format!("/ledgers/{}", ledger.id),
        ledger_title: visit.title(&ledger.title).to_owned(),
        number: number_of(&seen.row),
        temporary: seen.row.temp_number.clone().filter(|_| seen.row.number.is_some()),
        href: super::listing::address(seen.row.document),
        seen: seen.heads.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        state: visit.title(&view.state_title).to_owned(),
        state_tone: Tone::of_state(ledger, &view.state),
        unit: visit.unit(&seen.row.project),
        is_late: !view.is_final && due.is_some_and(|due_ms| due_ms < visit.now_ms),
        due,
        marks: view.marks.iter().map(|mark| maker.mark(mark)).collect(),
        facts: maker.facts(),
        lines: maker.lines(may_write && !view.is_final),
        happened: maker.happened(),
        steps: if may_write { maker.steps() } else { Vec::new() },
        edit: if may_write && !view.is_final { maker.edit() } else { Vec::new() },
        edit_is_open: left.as_ref().is_some_and(|left| left.form == "edit"),
        disputes: clash::disputes(visit, &names, &seen, left.as_ref(), may_write),
        left: left.clone(),
    };
    Page(page).into_response()
}

/// What the parts of the page are made of.
struct Maker<'p> {
    v: &'p Visit,
    ledger: &'p Ledger,
    view: &'p EntryView,
    model: &'p Model,
    names: &'p Names<'p>,
    desk: Desk<'p>,
    roles: Vec<String>,
    left: Option<&'p Left>,
}

impl Maker<'_> {
    /// Fields with something in them, and required ones without.
    fn facts(&self) -> Vec<Shown> {
        let grade = self.ledger.grade();
        let shown = self.view.fields.iter().filter_map(|shown| {
            let field = self.ledger.field(&shown.id)?;
            let is_told =
                matches!(field.kind, FieldType::HumanNo(_) | FieldType::Entries | FieldType::Events);
            if is_told || (shown.content == FieldContent::Empty && !field.required) {
                return None;
            }
            let text = self.content(field, &shown.content);
            let option =
                if let FieldContent::One(Value::Text(option)) = &shown.content { Some(option) } else { None };
            let option = option.filter(|_| grade.is_some_and(|grade| grade.id == field.id));
            let tone = option.map(|option| Tone::of_grade(field, option));
            let writer = shown.values.first().or_else(|| self.text_writer(shown));
            Some(Shown {
                label: field_title(self.v, field).to_owned(),
                is_wide: matches!(shown.content, FieldContent::Text(_)),
                by: writer.map(|stamped| (self.v.person(&stamped.by), stamped.at_ms)),
                text,
                tone,
                is_clash: shown.is_clash,
            })
        });
        shown.collect()
    }

    /// A filled form in words.
    fn form_said(&self, said: &[(&Field, Vec<Value>)]) -> String {
        let part = |(asked, values): &(&Field, Vec<Value>)| {
            let values = values.iter().map(|value| self.names.said(&self.v.zone, asked, &value.to_json()));
            format!("{}: {}", field_title(self.v, asked), values.collect::<Vec<_>>().join(" "))
        };
        said.iter().map(part).collect::<Vec<_>>().join("; ")
    }

    /// Who last wrote a shared text.
    fn text_writer(&self, shown: &FieldView) -> Option<&xunyuan_core::document::model::Stamped> {
        self.model.register(&keys::field(&shown.id)).map(|register| &register.winner)
    }

    fn content(&self, field: &Field, content: &FieldContent) -> String {
        match content {
            FieldContent::Empty | FieldContent::Lines(_) => String::new(),
            FieldContent::Text(text) => text.clone(),
            FieldContent::One(value) => match self.filled(&field.id) {
                Some(said) => self.form_said(&said),
                None => self.names.said(&self.v.zone, field, &value.to_json()),
            },
            FieldContent::Set(elements) if field.is_photos() => {
                let names = elements.iter().map(|hash| hash.chars().take(8).collect::<String>());
                format!(
                    "{} {}: {}",
                    elements.len(),
                    self.v.t("张", "photos"),
                    names.collect::<Vec<_>>().join(" ")
                )
            }
            FieldContent::Set(elements) => {
                let said = elements.iter().map(|one| self.names.element_said(&self.v.zone, field, one));
                said.collect::<Vec<_>>().join(self.v.t("、", ", "))
            }
        }
    }

    fn lines(&self, may_write: bool) -> Vec<Lines> {
        let fields =
            self.ledger.fields.iter().filter(|field| field.kind == FieldType::Entries && !field.retired);
        let shown = fields.map(|field| {
            let content =
                self.view.fields.iter().find(|shown| shown.id == field.id).map(|shown| &shown.content);
            let lines: &[LineView] = if let Some(FieldContent::Lines(lines)) = content { lines } else { &[] };
            let is_append = field.merge() == MergePolicy::AppendOnly;
            Lines {
                id: field.id.clone(),
                label: field_title(self.v, field).to_owned(),
                heads: field.entry_fields.iter().map(|sub| field_title(self.v, sub).to_owned()).collect(),
                rows: lines.iter().map(|line| self.line(field, line, may_write && !is_append)).collect(),
                add: may_write.then(|| self.line_form(field, None)),
            }
        });
        shown.filter(|lines| !lines.rows.is_empty() || lines.add.is_some()).collect()
    }

    fn line(&self, field: &Field, line: &LineView, may_edit: bool) -> LineRow {
        let cell = |sub: &Field| {
            let stamped = line.fields.get(&sub.id);
            stamped.map_or_else(String::new, |stamped| {
                self.names.said(&self.v.zone, sub, &stamped.value.to_json())
            })
        };
        let last = line.fields.values().max_by_key(|stamped| stamped.at_ms);
        LineRow {
            cells: field.entry_fields.iter().map(cell).collect(),
            by: last.map(|stamped| (self.v.person(&stamped.by), stamped.at_ms)),
            edit: may_edit.then(|| self.line_form(field, Some(line))),
        }
    }

    fn line_form(&self, field: &Field, line: Option<&LineView>) -> LineForm {
        let id = line.map(|line| line.id.clone()).unwrap_or_default();
        let left = self.left_of(&format!("line-{}-{id}", field.id));
        let input = |sub: &Field| {
            let value = line.and_then(|line| line.fields.get(&sub.id)).map(|stamped| &stamped.value);
            let input =
                self.desk.input(sub, value.map_or_else(String::new, |value| self.desk.shown(sub, value)))?;
            Some(self.refill(input, left))
        };
        let inputs = field.entry_fields.iter().filter_map(input).collect();
        LineForm { line: id, inputs, is_open: left.is_some() }
    }

    /// Events, the last first.
    fn happened(&self) -> Vec<Happened> {
        let state =
            |id: &str| self.ledger.state(id).map_or(id, |state| self.v.title(&state.title)).to_owned();
        let events = self.view.events.iter().rev().map(|shown| Happened {
            what: self.v.title(&shown.title).to_owned(),
            by: self.v.person(&shown.event.by),
            at_ms: shown.event.at_ms,
            state: shown.to.as_deref().map(state).unwrap_or_default(),
            said: self.said(&shown.event.data),
            is_contested: shown.is_contested,
        });
        events.collect()
    }

    /// What an event carries, in words.
    fn said(&self, data: &BTreeMap<String, Value>) -> Vec<(String, String)> {
        let one = |(name, value): (&String, &Value)| {
            let text = match (carried(self.ledger, name), name.as_str()) {
                (_, keys::DATA_KEY | keys::DATA_DUTY | keys::DATA_RULE) => self.key_said(name, value),
                (Some(field), _) => self.names.said(&self.v.zone, field, &value.to_json()),
                (None, keys::DATA_TO) => self.roles_said(value),
                (None, keys::DATA_DUE) => self.time_said(value),
                (None, _) => plain(value),
            };
            let label = carried(self.ledger, name).map(|field| field_title(self.v, field));
            let label = label.unwrap_or_else(|| self.data_title(name));
            (!text.is_empty()).then(|| (label.to_owned(), text))
        };
        data.iter().filter_map(one).collect()
    }

    fn data_title<'n>(&self, name: &'n str) -> &'n str {
        match name {
            keys::DATA_KEY => self.v.t("裁决内容", "Decided"),
            keys::DATA_RULE => self.v.t("规则", "Rule"),
            keys::DATA_DUTY => self.v.t("责任", "Duty"),
            keys::DATA_TO => self.v.t("告知", "Told"),
            keys::DATA_DUE => self.v.t("期限", "Due"),
            keys::DATA_MARK => self.v.t("标记", "Mark"),
            keys::DATA_KEYS => self.v.t("内容", "What"),
            "choice" => self.v.t("保留", "Kept"),
            other => carried_title(self.v, other),
        }
    }

    fn key_said(&self, name: &str, value: &Value) -> String {
        let text = plain(value);
        let catalog = self.v.catalog();
        match name {
            keys::DATA_KEY => self.v.title(&title::of_key(catalog, &self.model.definition, &text)).to_owned(),
            keys::DATA_RULE => {
                catalog.rule(&text).map_or(text.clone(), |rule| self.v.title(&rule.title).to_owned())
            }
            _ => String::new(),
        }
    }

    fn roles_said(&self, value: &Value) -> String {
        let text = plain(value);
        let role = |id: &str| {
            self.v.catalog().role(id).map_or(id.to_owned(), |role| self.v.title(&role.title).to_owned())
        };
        text.split(' ').map(role).collect::<Vec<_>>().join(self.v.t("、", ", "))
    }

    fn time_said(&self, value: &Value) -> String {
        if let Value::Int(ms) = value { self.v.full(ms) } else { plain(value) }
    }

    /// Something that stays on the record, by its name.
    fn mark(&self, mark: &str) -> String {
        let title = title::of_event(self.v.catalog(), &self.model.definition, mark);
        self.v.title(&title).to_owned()
    }

    /// The steps that the state allows and the person's roles may take.
    fn steps(&self) -> Vec<StepForm> {
        let open = self
            .view
            .transitions
            .iter()
            .filter(|step| step.is_open_to(&self.roles) && !step.by.iter().any(|by| by == BY_RULE));
        let step = open.map(|step| {
            let left = self.left_of(&format!("event-{}", step.id));
            let asked =
                self.ledger.transition(&step.id, &self.view.state).map(|known| known.requires.as_slice());
            let asked = asked.unwrap_or_default();
            let mut inputs: Vec<Input> =
                asked.iter().filter_map(|name| self.step_input(name, step.missing.contains(name))).collect();
            if inputs.iter().all(|input| input.name != "note") {
                inputs.extend(self.step_input("note", false));
            }
            StepForm {
                kind: step.id.clone(),
                title: self.v.title(&step.title).to_owned(),
                to: step
                    .to
                    .as_deref()
                    .and_then(|to| self.ledger.state(to))
                    .map_or_else(String::new, |state| self.v.title(&state.title).to_owned()),
                inputs: inputs.into_iter().map(|input| self.refill(input, left)).collect(),
                is_open: left.is_some(),
            }
        });
        step.collect()
    }

    fn step_input(&self, name: &str, required: bool) -> Option<Input> {
        if let Some(field) = carried(self.ledger, name) {
            let held = if self.ledger.field(name).is_some() { self.held(field) } else { String::new() };
            return self.desk.input(field, held).map(|input| Input { required, ..input });
        }
        let kind = match name {
            "new_due" => InputKind::Line("date", Vec::new()),
            _ => InputKind::Area,
        };
        let (label, value) = (carried_title(self.v, name).to_owned(), String::new());
        Some(Input { name: name.to_owned(), label, kind, was: value.clone(), value, required })
    }

    /// Fields that a person may write in this state.
    fn edit(&self) -> Vec<Input> {
        let left = self.left_of("edit");
        let is_open = |field: &&Field| {
            let is_held = !self.held(field).is_empty();
            let is_own = [keys::PROJECT, keys::CREATED_BY, keys::CREATED_AT].contains(&field.id.as_str());
            !field.retired
                && !is_own
                && field.is_open_to(&self.roles)
                && match field.merge() {
                    MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit => false,
                    MergePolicy::WriteOnce => !is_held,
                    MergePolicy::Lww
                    | MergePolicy::LwwFlag
                    | MergePolicy::SetUnion
                    | MergePolicy::AppendOnly
                    | MergePolicy::TextCrdt
                    | MergePolicy::Max
                    | MergePolicy::Min => true,
                }
        };
        let fields = self.ledger.fields.iter().filter(is_open);
        fields
            .flat_map(|field| form::parts(self.v.catalog(), field))
            .filter_map(|field| Some(self.refill(self.desk.input(&field, self.held(&field))?, left)))
            .collect()
    }

    /// What a form says by its own fields; `None` for another field.
    fn filled(&self, id: &str) -> Option<Vec<(&Field, Vec<Value>)>> {
        let field = self.ledger.field(id).filter(|field| form::is_form(field))?;
        let content = &self.view.fields.iter().find(|shown| shown.id == id)?.content;
        let FieldContent::One(Value::Text(text)) = content else { return None };
        form::said(self.v.catalog(), field, text)
    }

    /// What a field holds, as a form shows it.
    fn held(&self, field: &Field) -> String {
        let of_form = field.id.split_once('.').and_then(|(form, asked)| Some((self.filled(form)?, asked)));
        if let Some((said, asked)) = of_form {
            let values = said.iter().filter(|(one, _)| one.id == asked).flat_map(|(_, values)| values);
            return values.map(|value| self.desk.shown(field, value)).collect::<Vec<_>>().join(" ");
        }
        let shown = self.view.fields.iter().find(|shown| shown.id == field.id).map(|shown| &shown.content);
        match shown {
            Some(FieldContent::One(value)) => self.desk.shown(field, value),
            Some(FieldContent::Text(text)) => text.clone(),
            Some(FieldContent::Set(elements)) => elements.join(" "),
            Some(FieldContent::Empty | FieldContent::Lines(_)) | None => String::new(),
        }
    }

    fn left_of(&self, form: &str) -> Option<&Left> {
        self.left.filter(|left| left.form == form)
    }

    fn refill(&self, input: Input, left: Option<&Left>) -> Input {
        match left {
            Some(left) if left.is_moved => {
                // What it holds now is what the person has seen once the page is shown again.
                let now = input.was.clone();
                Input { was: now, ..input.refilled(&left.typed) }
            }
            Some(left) => input.refilled(&left.typed),
            None => input,
        }
    }
}

/// A value in the plainest form.
pub(super) fn plain(value: &Value) -> String {
    match value.to_json() {
        Json::Null => String::new(),
        Json::String(text) => text,
        other @ (Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => other.to_string(),
    }
}

/// A person by name, for templates that hold ids.
pub(super) fn by(visit: &Visit, user: &UserId, at_ms: i64) -> (String, i64) {
    (visit.person(user), at_ms)
}
