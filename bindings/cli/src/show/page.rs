//! What every view needs: language, people's names, times and values as text.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use xunyuan_core::definition::{Catalog, Field, FieldType, Title};
use xunyuan_core::document::model::{Stamped, Value};
use xunyuan_core::error::Sentence;
use xunyuan_core::id::{DefinitionRef, DocumentId, UserId};
use xunyuan_core::projection::{HistoryLine, LineKind};
use xunyuan_core::rules::keys::{self, Key};
use xunyuan_core::rules::sheet::InspectionState;
use xunyuan_core::time::{civil, rfc3339};

use crate::output::{Output, Tone};

/// Who the branch server itself writes as: official numbers, late edits.
const SERVER_USER: &str = "sys.server";
/// Digits of a document id that a person sees.
const SHORT_ID: usize = 8;
/// Times before this are running numbers, not moments: 1990-01-01.
const EARLIEST_MS: i64 = 631_152_000_000;

/// A page to write on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'p> {
    /// Language, colour and width.
    pub(crate) output: &'p Output,
    /// Names and titles.
    pub(crate) catalog: &'p Catalog,
    /// Ids of the person's roles.
    pub(crate) roles: &'p [String],
    /// The device's time, milliseconds since 1970.
    pub(crate) now_ms: i64,
    /// Minutes from UTC.
    pub(crate) utc_offset_min: i16,
}

impl Page<'_> {
    /// The title in the reader's language.
    pub(crate) const fn title<'t>(&self, title: &'t Title) -> &'t str {
        self.output.pick(title.zh.as_str(), title.en.as_str())
    }

    /// The sentence in the reader's language.
    pub(crate) fn sentence<'t>(&self, sentence: &'t Sentence) -> &'t str {
        self.output.lang().of(sentence)
    }

    /// A person's name, or the id where the organisation is not known here.
    pub(crate) fn person(&self, user: &UserId) -> String {
        if user.as_str() == SERVER_USER {
            return self.output.pick("分公司服务器", "branch server").to_owned();
        }
        self.catalog.user(user).map_or_else(|| user.to_string(), |known| known.name.clone())
    }

    /// A project or the branch by its name.
    pub(crate) fn project(&self, id: &str) -> String {
        if let Some(project) = self.catalog.project(id) {
            return self.title(&project.title).to_owned();
        }
        let branch = self.catalog.organisation().map(|organisation| &organisation.branch);
        branch.filter(|branch| branch.id == id).map_or(id, |branch| self.title(&branch.title)).to_owned()
    }

    /// A role by its name.
    pub(crate) fn role(&self, id: &str) -> String {
        self.catalog.role(id).map_or(id, |role| self.title(&role.title)).to_owned()
    }

    /// The name behind an id of the organisation or the definitions; `None` for any other text.
    pub(crate) fn name_of(&self, id: &str) -> Option<String> {
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
    pub(crate) fn definition_title(&self, reference: &DefinitionRef) -> Option<&str> {
        let checklist = self.catalog.checklist(reference).map(|checklist| &checklist.title);
        checklist
            .or_else(|| self.catalog.ledger(reference).map(|ledger| &ledger.title))
            .map(|t| self.title(t))
    }

    /// The name of a state of a record.
    pub(crate) fn state(&self, reference: &DefinitionRef, id: &str) -> String {
        if let Some(ledger) = self.catalog.ledger(reference) {
            return ledger.state(id).map_or(id, |state| self.title(&state.title)).to_owned();
        }
        let states = [InspectionState::Open, InspectionState::Completed, InspectionState::Reviewed];
        let known = states.into_iter().find(|state| state.id() == id);
        known.map_or_else(|| id.to_owned(), |state| self.title(&state.title()).to_owned())
    }

    /// What a line of a history is about, in words: an event or the name of what was filled in.
    pub(crate) fn what(&self, reference: &DefinitionRef, line: &HistoryLine) -> String {
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
        Some(self.output.pick(zh, en).to_owned())
    }

    /// A field by its name, or the id where it has none.
    pub(crate) fn label<'t>(&self, id: &'t str, field: Option<&'t Field>) -> &'t str {
        field.and_then(|field| field.title.as_ref()).map_or(id, |title| self.title(title))
    }

    /// The name of what a key holds: a field, an item, a checkpoint.
    pub(crate) fn key_name(&self, reference: &DefinitionRef, key: &str) -> Option<String> {
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
                return Some(self.output.pick("临时号", "temporary number").to_owned());
            }
            Some(self.label(id, Some(field?)).to_owned())
        };
        match Key::parse(key)? {
            Key::Item(id) => item(id),
            Key::Note(id) => Some(format!("{} {}", item(id)?, self.output.pick("(说明)", "(note)"))),
            Key::Photo(id, _) => Some(format!("{} {}", item(id)?, self.output.pick("(照片)", "(photo)"))),
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
            Key::Signoff(_) => Some(self.output.pick("签字", "sign-off").to_owned()),
        }
    }

    /// Local time to the minute.
    pub(crate) fn clock(&self, at_ms: i64) -> String {
        civil(at_ms, self.utc_offset_min).strftime("%H:%M").to_string()
    }

    /// Local date and time to the minute.
    pub(crate) fn time(&self, at_ms: i64) -> String {
        civil(at_ms, self.utc_offset_min).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// The device's local day, `YYYY-MM-DD`.
    pub(crate) fn today(&self) -> String {
        civil(self.now_ms, self.utc_offset_min).date().to_string()
    }

    /// RFC 3339 with the device's offset.
    pub(crate) fn stamp(&self, at_ms: i64) -> Json {
        json!(rfc3339(at_ms, self.utc_offset_min))
    }

    /// A value as text; times and truth in words.
    pub(crate) fn value(&self, value: &Value) -> String {
        match value {
            Value::Null => self.output.pick("(已撤回)", "(withdrawn)").to_owned(),
            Value::Bool(true) => self.output.pick("是", "yes").to_owned(),
            Value::Bool(false) => self.output.pick("否", "no").to_owned(),
            Value::Int(number) if *number >= EARLIEST_MS => self.time(*number),
            Value::Int(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => self.name_of(text).unwrap_or_else(|| text.clone()),
        }
    }

    /// A value of a field: an option by its name.
    pub(crate) fn field_value(&self, field: Option<&Field>, value: &Value) -> String {
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
    pub(crate) fn key_value(&self, reference: &DefinitionRef, key: &str, value: &Value) -> String {
        let checklist = self.catalog.checklist(reference);
        let header = |id: &str| checklist?.header_fields.iter().find(|field| field.id == id);
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
    pub(crate) fn event_data(&self, reference: &DefinitionRef, data: &BTreeMap<String, Value>) -> String {
        let ledger = self.catalog.ledger(reference);
        let one = |(name, given): (&String, &Value)| {
            let field = ledger.and_then(|ledger| ledger.field(name));
            let own = match name.as_str() {
                "note" => self.output.pick("说明", "note"),
                "slot" => self.output.pick("时段", "slot"),
                keys::DATA_REASON => self.output.pick("原因", "reason"),
                keys::DATA_KEY => self.output.pick("冲突", "conflict"),
                other => other,
            };
            let about = given.as_text().filter(|_| name == keys::DATA_KEY);
            let value = about.and_then(|key| self.key_name(reference, key));
            format!("{}: {}", self.label(own, field), value.unwrap_or_else(|| self.field_value(field, given)))
        };
        data.iter().map(one).collect::<Vec<_>>().join("  ")
    }

    /// `value, who, when` of one of several values under a key.
    pub(crate) fn signed_value(&self, reference: &DefinitionRef, key: &str, stamped: &Stamped) -> String {
        format!(
            "{} {}",
            self.key_value(reference, key, &stamped.value),
            self.faint(&format!("({} {})", self.person(&stamped.by), self.time(stamped.at_ms)))
        )
    }

    /// Less important text.
    pub(crate) fn faint(&self, text: &str) -> String {
        self.output.tone(Tone::Faint, text)
    }

    /// A value with author and time, for programs.
    pub(crate) fn stamped_json(&self, stamped: &Stamped) -> Json {
        json!({
            "value": value_json(&stamped.value),
            "by": stamped.by.as_str(),
            "at": self.stamp(stamped.at_ms),
        })
    }
}

/// A value for programs.
pub(crate) fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Number(number) => json!(number),
        Value::Text(text) => json!(text),
    }
}

/// The start of a document id: enough to name it.
pub(crate) fn short(document: DocumentId) -> String {
    document.to_string().chars().take(SHORT_ID).collect()
}

/// A title in both languages.
pub(crate) fn title_json(title: &Title) -> Json {
    json!({ "zh": title.zh, "en": title.en })
}

/// A definition version.
pub(crate) fn definition_json(reference: &DefinitionRef) -> Json {
    json!({ "id": reference.id, "version": reference.version, "hash": reference.hash.to_string() })
}
