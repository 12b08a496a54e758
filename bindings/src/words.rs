//! Names, times and values in the language of the reader.
//!
//! Receives ids, keys and values with the catalogue that knows their names; hands on words. The same
//! words at the terminal and in every app.

use std::collections::BTreeMap;
use xunyuan_core::definition::{Catalog, Field, FieldType, Title};
use xunyuan_core::document::model::Value;
use xunyuan_core::duty::{Status, Subject};
use xunyuan_core::error::Sentence;
use xunyuan_core::id::{DefinitionRef, UserId};
use xunyuan_core::projection::{HistoryLine, LineKind};
use xunyuan_core::replica::{DraftContent, DutyView};
use xunyuan_core::rules::file::{self, FileRef};
use xunyuan_core::rules::form;
use xunyuan_core::rules::keys::{self, Key};
use xunyuan_core::rules::schedule::SlotState;
use xunyuan_core::rules::sheet::InspectionState;
use xunyuan_core::time::civil;

/// Who the branch server itself writes as: official numbers, late edits.
const SERVER_USER: &str = "sys.server";
/// Times before this are running numbers, not moments: 1990-01-01.
const EARLIEST_MS: i64 = 631_152_000_000;

/// A language of the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Simplified Chinese, the default.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// The text in this language.
    #[must_use]
    pub const fn pick<'t>(self, zh: &'t str, en: &'t str) -> &'t str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The sentence in this language.
    #[must_use]
    pub fn of(self, sentence: &Sentence) -> &str {
        self.pick(&sentence.zh, &sentence.en)
    }
}

/// What it takes to speak of records: a language, the names, the reader's clock.
#[derive(Clone, Copy, Debug)]
pub struct Words<'w> {
    /// The language.
    pub lang: Lang,
    /// Names and titles.
    pub catalog: &'w Catalog,
    /// Minutes from UTC.
    pub utc_offset_min: i16,
}

impl Words<'_> {
    /// The title in the reader's language.
    #[must_use]
    pub const fn title<'t>(&self, title: &'t Title) -> &'t str {
        self.lang.pick(title.zh.as_str(), title.en.as_str())
    }

    /// The sentence in the reader's language.
    #[must_use]
    pub fn sentence<'t>(&self, sentence: &'t Sentence) -> &'t str {
        self.lang.of(sentence)
    }

    /// A person's name, or the id where the organisation is not known here.
    #[must_use]
    pub fn person(&self, user: &UserId) -> String {
        if user.as_str() == SERVER_USER {
            return self.lang.pick("分公司服务器", "branch server").to_owned();
        }
        self.catalog.user(user).map_or_else(|| user.to_string(), |known| known.name.clone())
    }

    /// A project or the branch by its name.
    #[must_use]
    pub fn project(&self, id: &str) -> String {
        if let Some(project) = self.catalog.project(id) {
            return self.title(&project.title).to_owned();
        }
        let branch = self.catalog.organisation().map(|organisation| &organisation.branch);
        branch.filter(|branch| branch.id == id).map_or(id, |branch| self.title(&branch.title)).to_owned()
    }

    /// A role by its name.
    #[must_use]
    pub fn role(&self, id: &str) -> String {
        self.catalog.role(id).map_or(id, |role| self.title(&role.title)).to_owned()
    }

    /// The name behind an id of the organisation or the definitions; `None` for any other text.
    #[must_use]
    pub fn name_of(&self, id: &str) -> Option<String> {
        let catalog = self.catalog;
        if let Some(user) = catalog.user(&UserId::new(id)) {
            return Some(user.name.clone());
        }
        if let Some(unit) = catalog.unit(id) {
            return Some(unit.label.clone());
        }
        let title = (catalog.project(id).map(|project| &project.title))
            .or_else(|| catalog.department(id).map(|department| &department.title))
            .or_else(|| catalog.category(id).map(|category| &category.title))
            .or_else(|| catalog.checkpoint(id).map(|checkpoint| &checkpoint.title))
            .or_else(|| catalog.role(id).map(|role| &role.title))?;
        Some(self.title(title).to_owned())
    }

    /// The name of a checklist or ledger version.
    #[must_use]
    pub fn definition_title(&self, reference: &DefinitionRef) -> Option<&str> {
        let checklist = self.catalog.checklist(reference).map(|checklist| &checklist.title);
        checklist
            .or_else(|| self.catalog.ledger(reference).map(|ledger| &ledger.title))
            .map(|t| self.title(t))
    }

    /// The name of a state of a record.
    #[must_use]
    pub fn state(&self, reference: &DefinitionRef, id: &str) -> String {
        if let Some(ledger) = self.catalog.ledger(reference) {
            return ledger.state(id).map_or(id, |state| self.title(&state.title)).to_owned();
        }
        let states = [InspectionState::Open, InspectionState::Completed, InspectionState::Reviewed];
        let known = states.into_iter().find(|state| state.id() == id);
        known.map_or_else(|| id.to_owned(), |state| self.title(&state.title()).to_owned())
    }

    /// What a line of a history is about, in words: an event or the name of what was filled in.
    #[must_use]
    pub fn what(&self, reference: &DefinitionRef, line: &HistoryLine) -> String {
        let named = match line.kind {
            LineKind::Event => self.event_name(reference, &line.what),
            LineKind::Value => self.key_name(reference, &line.what),
        };
        named.unwrap_or_else(|| line.what.clone())
    }

    /// The name of an event of a record's life.
    fn event_name(&self, reference: &DefinitionRef, id: &str) -> Option<String> {
        let step = self.catalog.ledger(reference).and_then(|ledger| ledger.transitions_named(id).next());
        if let Some(step) = step {
            return Some(self.title(&step.title).to_owned());
        }
        let (zh, en) = match id {
            keys::CREATE => ("建立", "created"),
            keys::COMPLETE => ("完成", "completed"),
            keys::REVIEW => ("复核", "reviewed"),
            keys::AMEND => ("更正", "amended"),
            keys::UPGRADE => ("移到新版", "moved to a newer version"),
            keys::RESOLVE => ("裁决冲突", "conflict decided"),
            keys::LATE_EDIT => ("关闭后又有内容", "content after closing"),
            keys::ESCALATION => ("逾期上报", "escalated"),
            _ => return None,
        };
        Some(self.lang.pick(zh, en).to_owned())
    }

    /// A field by its name, or the id where it has none.
    #[must_use]
    pub fn label<'t>(&self, id: &'t str, field: Option<&'t Field>) -> &'t str {
        field.and_then(|field| field.title.as_ref()).map_or(id, |title| self.title(title))
    }

    /// The name of what a key holds: a field, an item, a checkpoint.
    #[must_use]
    pub fn key_name(&self, reference: &DefinitionRef, key: &str) -> Option<String> {
        let checklist = self.catalog.checklist(reference);
        let ledger = self.catalog.ledger(reference);
        let item = |id: &str| {
            let items = checklist.into_iter().flat_map(|list| list.sections.iter().flat_map(|s| &s.items));
            items.into_iter().find(|item| item.id == id).map(|item| self.title(&item.title).to_owned())
        };
        let field = |id: &str| {
            let field = ledger.and_then(|ledger| ledger.field(id));
            let field = field.or_else(|| checklist?.header_fields.iter().find(|field| field.id == id));
            if id == keys::TEMPORARY_NUMBER {
                return Some(self.lang.pick("临时号", "temporary number").to_owned());
            }
            Some(self.label(id, Some(field?)).to_owned())
        };
        match Key::parse(key)? {
            Key::Item(id) => item(id),
            Key::Note(id) => Some(format!("{} {}", item(id)?, self.lang.pick("(说明)", "(note)"))),
            Key::Photo(id, _) => Some(format!("{} {}", item(id)?, self.lang.pick("(照片)", "(photo)"))),
            Key::Scan(id) => self.name_of(id),
            Key::Header(id) | Key::HeaderElement(id, _) | Key::Field(id) | Key::Set(id, _) => field(id),
            Key::Line(id, _, sub) => {
                let known = ledger.and_then(|ledger| ledger.field(id)?.entry_field(sub));
                Some(format!("{}.{}", field(id)?, self.label(sub, known)))
            }
            Key::Group(id, _, sub) | Key::GroupPhoto(id, _, sub, _) => {
                let group = checklist?.repeat_groups.iter().find(|group| group.id == id)?;
                Some(format!("{}.{}", self.title(&group.title), self.label(sub, group.field(sub))))
            }
            Key::Signoff(_) => Some(self.lang.pick("签字", "sign-off").to_owned()),
        }
    }

    /// Local time to the minute.
    #[must_use]
    pub fn clock(&self, at_ms: i64) -> String {
        civil(at_ms, self.utc_offset_min).strftime("%H:%M").to_string()
    }

    /// Local date and time to the minute.
    #[must_use]
    pub fn time(&self, at_ms: i64) -> String {
        civil(at_ms, self.utc_offset_min).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// A value as text; times and truth in words.
    #[must_use]
    pub fn value(&self, value: &Value) -> String {
        match value {
            Value::Null => self.lang.pick("(已撤回)", "(withdrawn)").to_owned(),
            Value::Bool(true) => self.lang.pick("是", "yes").to_owned(),
            Value::Bool(false) => self.lang.pick("否", "no").to_owned(),
            Value::Int(number) if *number >= EARLIEST_MS => self.time(*number),
            Value::Int(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => self.name_of(text).unwrap_or_else(|| text.clone()),
        }
    }

    /// A value of a field: an option by its name.
    #[must_use]
    pub fn field_value(&self, field: Option<&Field>, value: &Value) -> String {
        let filled = field.zip(value.as_text()).filter(|(field, _)| form::is_form(field));
        if let Some(said) = filled.and_then(|(field, text)| form::said(self.catalog, field, text)) {
            let part = |(asked, values): &(&Field, Vec<Value>)| {
                let label = asked.title.as_ref().map_or(asked.id.as_str(), |title| self.title(title));
                let values = values.iter().map(|value| self.field_value(Some(asked), value));
                format!("{label}: {}", values.collect::<Vec<_>>().join(" "))
            };
            return said.iter().map(part).collect::<Vec<_>>().join("; ");
        }
        let named = value.as_text().zip(field).and_then(|(id, field)| {
            if let FieldType::Choice(Some(set)) = &field.kind {
                let option = self.catalog.response_set(set)?.options.iter().find(|option| option.id == id)?;
                return Some(&option.title);
            }
            field.option(id)?.title.as_ref()
        });
        named.map_or_else(|| self.value(value), |title| self.title(title).to_owned())
    }

    /// What stands under a key, in words: an option by its name, a member of a set by hers.
    #[must_use]
    pub fn key_value(&self, reference: &DefinitionRef, key: &str, value: &Value) -> String {
        let checklist = self.catalog.checklist(reference);
        let header = |id: &str| checklist?.header_fields.iter().find(|field| field.id == id);
        let files = file::named_by(key, value);
        if !files.is_empty() {
            return files.iter().map(file_words).collect::<Vec<_>>().join("  ");
        }
        let present = *value == Value::Bool(true);
        match Key::parse(key) {
            Some(Key::HeaderElement(_, element) | Key::Set(_, element)) if present => {
                self.name_of(element).unwrap_or_else(|| element.to_owned())
            }
            Some(Key::Header(id)) => self.field_value(header(id), value),
            Some(Key::Group(id, _, sub)) => {
                let group = checklist.and_then(|list| list.repeat_groups.iter().find(|group| group.id == id));
                self.field_value(group.and_then(|group| group.field(sub)), value)
            }
            Some(Key::Line(id, _, sub)) => {
                let field = self.catalog.ledger(reference).and_then(|ledger| ledger.field(id));
                self.field_value(field.and_then(|field| field.entry_field(sub)), value)
            }
            Some(Key::Field(id)) => {
                self.field_value(self.catalog.ledger(reference).and_then(|ledger| ledger.field(id)), value)
            }
            Some(Key::Item(id)) => {
                let mut items =
                    checklist.into_iter().flat_map(|list| list.sections.iter().flat_map(|s| &s.items));
                let set = items.find(|item| item.id == id).and_then(|item| item.response_set.as_deref());
                let options = set.and_then(|set| self.catalog.response_set(set)).map(|set| &set.options);
                let option = options
                    .and_then(|all| all.iter().find(|option| Some(option.id.as_str()) == value.as_text()));
                option.map_or_else(|| self.value(value), |option| self.title(&option.title).to_owned())
            }
            Some(_) | None => self.value(value),
        }
    }

    /// What an event carries, in words.
    #[must_use]
    pub fn event_data(&self, reference: &DefinitionRef, data: &BTreeMap<String, Value>) -> String {
        let ledger = self.catalog.ledger(reference);
        let one = |(name, given): (&String, &Value)| {
            let field = ledger.and_then(|ledger| ledger.field(name));
            let own = match name.as_str() {
                "note" => self.lang.pick("说明", "note"),
                "slot" => self.lang.pick("时段", "slot"),
                keys::DATA_REASON => self.lang.pick("原因", "reason"),
                keys::DATA_KEY => self.lang.pick("冲突", "conflict"),
                other => other,
            };
            let about = given.as_text().filter(|_| name == keys::DATA_KEY);
            let value = about.and_then(|key| self.key_name(reference, key));
            format!("{}: {}", self.label(own, field), value.unwrap_or_else(|| self.field_value(field, given)))
        };
        data.iter().map(one).collect::<Vec<_>>().join("  ")
    }

    /// What a line of a history says; `texts` are the record's shared texts by field, which lines only mark.
    #[must_use]
    pub fn said(
        &self,
        reference: &DefinitionRef,
        line: &HistoryLine,
        texts: &BTreeMap<String, String>,
    ) -> String {
        let shared = match Key::parse(&line.what) {
            Some(Key::Field(field)) => texts.get(field),
            _ => None,
        };
        match (line.kind, shared) {
            (LineKind::Event, _) => self.event_data(reference, &line.data),
            (LineKind::Value, Some(text)) => text.clone(),
            (LineKind::Value, None) => {
                let values = line.data.values().map(|value| self.key_value(reference, &line.what, value));
                values.collect::<Vec<_>>().join("  ")
            }
        }
    }

    /// What one step of a draft wrote.
    #[must_use]
    pub fn draft_content(&self, reference: &DefinitionRef, content: &DraftContent) -> String {
        match content {
            DraftContent::Value { key, value } => self.key_value(reference, key, value),
            DraftContent::Text { text, .. } => text.clone(),
            DraftContent::Event { data, .. } => self.event_data(reference, data),
        }
    }

    /// How far a slot is.
    #[must_use]
    pub const fn slot_state(&self, state: SlotState) -> &'static str {
        let (zh, en) = match state {
            SlotState::Upcoming => ("未到时间", "upcoming"),
            SlotState::Open => ("可开始", "open"),
            SlotState::InProgress => ("进行中", "in progress"),
            SlotState::Done => ("已完成", "done"),
            SlotState::Late => ("已超时,仍可做", "late, may still be done"),
            SlotState::Missed => ("漏检", "missed"),
            SlotState::Unknown => ("未知(他人可能已做,未同步)", "unknown (somebody may hold it unsynced)"),
        };
        self.lang.pick(zh, en)
    }

    /// How a duty stands.
    #[must_use]
    pub const fn duty_status(&self, status: Status) -> &'static str {
        let (zh, en) = match status {
            Status::Open => ("进行中", "open"),
            Status::AtRisk => ("将到期", "due soon"),
            Status::Breached => ("逾期", "overdue"),
            Status::Unknown => ("已过期限,他人可能已做", "past due, somebody may have done it"),
            Status::Met => ("已完成", "done"),
            Status::MetSyncedLate => ("已完成(迟同步)", "done, synced late"),
        };
        self.lang.pick(zh, en)
    }

    /// What a duty is about: a slot, a record by its name, a period.
    #[must_use]
    pub fn duty_about(&self, view: &DutyView) -> String {
        match &view.duty.subject {
            Subject::Slot { slot, .. } => slot.clone(),
            Subject::Record(_) => {
                let part = view.part.as_ref().map_or("", |part| self.title(part));
                format!("{} {part}", view.name).trim_end().to_owned()
            }
            Subject::Unit(_) | Subject::Device(_) => view.duty.period.clone(),
        }
    }
}

/// A file in words: what it is and how large.
fn file_words(file: &FileRef) -> String {
    let digits: String = file.hash.to_string().chars().take(8).collect();
    format!("{digits} {} {}", file.media_type, size(file.bytes))
}

/// A number of bytes as people read it.
fn size(bytes: u64) -> String {
    let (kib, tenths) = (bytes / 1024, bytes * 10 / (1024 * 1024));
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{kib} KiB"),
        _ => format!("{}.{} MiB", tenths / 10, tenths % 10),
    }
}
