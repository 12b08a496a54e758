//! What a change may say on a ledger entry.

use std::collections::BTreeSet;

use super::{Change, author, reason_given, role_refused, server_only, unknown_event, unknown_key, value};
use crate::definition::{BY_RULE, Field, FieldType, Ledger, MergePolicy, Transition};
use crate::document::model::{Edit, Event, Model, Value};
use crate::error::Refusal;
use crate::limits::NOTE_CHARS_MAX;
use crate::rules::codes;
use crate::rules::entry;
use crate::rules::facts::{self, Situation};
use crate::rules::keys::{self, Key};
use crate::rules::missing::named;
use crate::rules::value::{is_given, lowers};

/// Checks a change of a ledger entry.
pub(super) fn check(change: &Change<'_>, ledger: &Ledger) -> Result<(), Refusal> {
    if !change.author.is_server && !author::writes(change.catalog, &change.roles) {
        return Err(role_refused());
    }
    change.creation(&ledger.create_event, &keys::field(keys::PROJECT))?;
    let entry = EntryChange { change, ledger, resolved: change.resolved() };
    if change.before.events.is_empty() {
        entry.begins()?;
        entry.required()?;
    }
    change.each_event(
        |model| entry::state(ledger, model).to_owned(),
        |model, event| entry.event(model, event),
    )?;
    for edit in change.edits {
        match edit {
            Edit::Put { key, stamped } => entry.put(key, &stamped.value)?,
            Edit::Text { key, to } => entry.text(key, to.as_deref())?,
            Edit::Event(_) => {}
        }
    }
    entry.not_final()
}

struct EntryChange<'c> {
    change: &'c Change<'c>,
    ledger: &'c Ledger,
    resolved: BTreeSet<&'c str>,
}

impl EntryChange<'_> {
    /// Whoever begins an entry is of a role that may; what a rule begins, the branch begins.
    fn begins(&self) -> Result<(), Refusal> {
        if self.ledger.who.is_empty() || self.change.holds_role(&self.ledger.who) {
            return Ok(());
        }
        Err(role_refused())
    }

    /// A field of the ledger that the author may write.
    fn writable(&self, id: &str) -> Result<&Field, Refusal> {
        let field = self.ledger.field(id).ok_or_else(unknown_key)?;
        if field.by.is_empty() || self.change.holds_role(&field.by) {
            return Ok(field);
        }
        let (zh, en) = named(field.title.as_ref(), &field.id);
        Err(Refusal::new(
            codes::ROLE_NOT_ALLOWED,
            format!("您的岗位不能填写“{zh}”;请由有权限的同事办理"),
            format!("your role may not fill in \"{en}\"; ask a colleague whose role may"),
        ))
    }

    fn event(&self, model: &Model, event: &Event) -> Result<(), Refusal> {
        match event.kind.as_str() {
            kind if kind == self.ledger.create_event => Ok(()),
            keys::RESOLVE => self.change.resolve(model, event),
            keys::LATE_EDIT | keys::ESCALATION => server_only(self.change.author),
            kind if !self.ledger.knows_event(kind) => Err(unknown_event()),
            kind => match self.ledger.transition(kind, &event.from) {
                Some(step) => self.step(step, event),
                None if self.ledger.state(&event.from).is_some_and(|state| state.terminal) => {
                    Err(final_state())
                }
                None => Err(Refusal::new(
                    codes::TRANSITION_NOT_ALLOWED,
                    "记录现在的状态不能做这一步;请刷新后查看可做的操作",
                    "the entry's state does not allow this step; refresh and look at what it allows",
                )),
            },
        }
    }

    fn step(&self, step: &Transition, event: &Event) -> Result<(), Refusal> {
        let is_by_rule = self.change.author.is_server && step.by.iter().any(|by| by == BY_RULE);
        let is_allowed = if self.change.author.is_server {
            is_by_rule || step.by.is_empty()
        } else {
            step.allows(self.change.roles.iter().map(String::as_str))
        };
        if !is_allowed {
            return Err(role_refused());
        }
        for name in &step.requires {
            if name == keys::DATA_REASON {
                reason_given(event)?;
            }
            if !self.has(event, name) {
                let (zh, en) = named(self.ledger.field(name).and_then(|field| field.title.as_ref()), name);
                return Err(Refusal::new(
                    codes::REQUIREMENT_MISSING,
                    format!("“{}”须先填写“{zh}”", step.title.zh),
                    format!("\"{}\" needs \"{en}\" to be filled in first", step.title.en),
                ));
            }
        }
        let situation = Situation {
            catalog: self.change.catalog,
            ledger: self.ledger,
            model: self.change.after,
            event,
            roles: &self.change.roles,
            is_written: &|field| self.writes_text(field),
        };
        if step.guard.as_ref().is_none_or(|guard| guard.holds(&|name| situation.fact(name))) {
            return Ok(());
        }
        Err(Refusal::new(
            codes::GUARD_FAILED,
            format!("“{}”的条件未满足;请先补齐要求的内容", step.title.zh),
            format!("the condition of \"{}\" does not hold; complete what it asks for first", step.title.en),
        ))
    }

    /// True when the event carries it, a field holds it, or this very change writes it.
    fn has(&self, event: &Event, name: &str) -> bool {
        event.data.get(name).is_some_and(is_given)
            || facts::is_held(self.ledger, self.change.after, name)
            || self.writes_text(name)
    }

    /// True when the change edits the shared text: read back from operations, the edit does not carry
    /// the text itself.
    fn writes_text(&self, field: &str) -> bool {
        self.change.edits.iter().any(|edit| match edit {
            Edit::Text { key, to } => key == field && to.as_ref().is_none_or(|text| !text.trim().is_empty()),
            Edit::Put { .. } | Edit::Event(_) => false,
        })
    }

    fn put(&self, key: &str, new: &Value) -> Result<(), Refusal> {
        match Key::parse(key).ok_or_else(unknown_key)? {
            Key::Field(keys::TEMPORARY_NUMBER) if self.ledger.field(keys::TEMPORARY_NUMBER).is_none() => {
                self.write_once(key, new, keys::TEMPORARY_NUMBER, keys::TEMPORARY_NUMBER)?;
                value::length(new.as_text().ok_or_else(unknown_key)?, 40, "临时编号", "temporary number")
            }
            Key::Field(id) => self.field(key, self.writable(id)?, new),
            Key::Set(id, element) => self.element(self.writable(id)?, element, new),
            Key::Line(id, line, subfield) => {
                let field = self.writable(id)?;
                if field.kind != FieldType::Entries || !keys::is_name(line) {
                    return Err(unknown_key());
                }
                if field.merge() == MergePolicy::AppendOnly {
                    let (zh, en) = named(field.title.as_ref(), &field.id);
                    self.write_once(key, new, zh, en)?;
                }
                value::subfield(self.change, field, subfield, new)
            }
            Key::Header(_)
            | Key::HeaderElement(..)
            | Key::Item(_)
            | Key::Note(_)
            | Key::Photo(..)
            | Key::Scan(_)
            | Key::Group(..)
            | Key::GroupPhoto(..)
            | Key::Signoff(_) => Err(unknown_key()),
        }
    }

    fn field(&self, key: &str, field: &Field, new: &Value) -> Result<(), Refusal> {
        let (zh, en) = named(field.title.as_ref(), &field.id);
        match field.merge() {
            MergePolicy::ServerAssigned => server_only(self.change.author)?,
            MergePolicy::DerivedFromLastVisit => {
                return Err(Refusal::new(
                    codes::DERIVED,
                    format!("“{zh}”由最近一次回访得出,不能直接填写;请登记回访"),
                    format!("\"{en}\" follows from the last visit and is never written; record a visit"),
                ));
            }
            MergePolicy::WriteOnce => self.write_once(key, new, zh, en)?,
            MergePolicy::Max => self.lowered(key, field, new)?,
            MergePolicy::TextCrdt if matches!(new, Value::Bool(_)) => return Ok(()),
            MergePolicy::TextCrdt => return Err(unknown_key()),
            MergePolicy::Lww
            | MergePolicy::LwwFlag
            | MergePolicy::SetUnion
            | MergePolicy::AppendOnly
            | MergePolicy::Min => {}
        }
        if field.kind.is_many() {
            return Err(unknown_key());
        }
        let is_current =
            self.change.before.register(key).is_some_and(|r| r.all().any(|stamped| stamped.value == *new));
        value::field(self.change, field, new, is_current)
    }

    /// A grade that stands is lowered by those alone whom its option names.
    fn lowered(&self, key: &str, field: &Field, new: &Value) -> Result<(), Refusal> {
        let register = self.change.before.register(key);
        let Some(stands) = register.and_then(|register| lowers(field, register, new)) else { return Ok(()) };
        if stands.lowered_by.is_empty() || self.change.holds_role(&stands.lowered_by) {
            return Ok(());
        }
        let (zh, en) = named(stands.title.as_ref(), &stands.id);
        Err(Refusal::new(
            codes::ROLE_NOT_ALLOWED,
            format!("您的岗位不能把“{zh}”调低;请由有权限的同事办理"),
            format!("your role may not lower \"{en}\"; ask a colleague whose role may"),
        ))
    }

    /// A value that was set stays; repeating it is fine, and so is deciding between two of them.
    fn write_once(&self, key: &str, new: &Value, zh: &str, en: &str) -> Result<(), Refusal> {
        let Some(register) = self.change.before.register(key) else { return Ok(()) };
        let mut set = register.all().filter(|stamped| is_given(&stamped.value)).peekable();
        let is_blank = set.peek().is_none();
        let is_decision = self.resolved.contains(key);
        let is_repeat = register.all().any(|stamped| stamped.value == *new);
        if is_blank || (is_repeat && (is_decision || !register.clashes())) {
            return Ok(());
        }
        Err(Refusal::new(
            codes::WRITE_ONCE,
            format!("“{zh}”已经填写,不能再改"),
            format!("\"{en}\" was already written and stays as it is"),
        ))
    }

    fn element(&self, field: &Field, element: &str, new: &Value) -> Result<(), Refusal> {
        let (zh, en) = named(field.title.as_ref(), &field.id);
        if !matches!(field.kind, FieldType::Set(_) | FieldType::Photos) {
            return Err(unknown_key());
        }
        if field.merge() == MergePolicy::AppendOnly && new.is_null() {
            return Err(Refusal::new(
                codes::WRITE_ONCE,
                format!("“{zh}”只能追加,不能撤回"),
                format!("\"{en}\" is only added to; nothing is taken back"),
            ));
        }
        value::field(self.change, field, &Value::Text(element.to_owned()), true)?;
        let prefix = format!("set/{}/", field.id);
        let count = u32::try_from(self.change.after.elements(&prefix).count()).unwrap_or(u32::MAX);
        if !new.is_null() && field.max.is_some_and(|max| f64::from(count) > max) {
            return Err(Refusal::new(
                codes::TOO_MANY,
                format!("“{zh}”已达到数量上限"),
                format!("\"{en}\" holds as many as it may"),
            ));
        }
        Ok(())
    }

    fn text(&self, id: &str, to: Option<&str>) -> Result<(), Refusal> {
        let field = Some(self.writable(id)?).filter(|field| field.merge() == MergePolicy::TextCrdt);
        let field = field.ok_or_else(unknown_key)?;
        let (zh, en) = named(field.title.as_ref(), &field.id);
        let most = field.max_len.and_then(|max| usize::try_from(max).ok()).unwrap_or(NOTE_CHARS_MAX);
        value::length(to.unwrap_or_default(), most.min(NOTE_CHARS_MAX), zh, en)
    }

    /// A new entry holds every required field; sets, lines and what follows later may come later.
    fn required(&self) -> Result<(), Refusal> {
        let lacking = facts::lacking(self.ledger, self.change.after, &|field| self.writes_text(field));
        let Some(field) = lacking else { return Ok(()) };
        let (zh, en) = named(field.title.as_ref(), &field.id);
        Err(Refusal::new(
            codes::FIELD_REQUIRED,
            format!("登记时须填写“{zh}”"),
            format!("\"{en}\" must be filled in when the entry is recorded"),
        ))
    }

    /// In a final state that its author saw, content changes only by reopening or by a decision.
    fn not_final(&self) -> Result<(), Refusal> {
        let state = entry::state(self.ledger, self.change.before);
        let is_final = self.ledger.state(state).is_some_and(|state| state.terminal);
        let leaves = |event: &Event| {
            let step = self.ledger.transition(&event.kind, &event.from);
            step.and_then(|step| step.to.as_deref()).is_some_and(|to| to != state)
        };
        if !is_final || self.change.author.is_server || self.change.events().any(leaves) {
            return Ok(());
        }
        let is_decision = |edit: &Edit| match edit {
            Edit::Put { key, .. } => self.resolved.contains(key.as_str()),
            Edit::Text { .. } => false,
            Edit::Event(_) => true,
        };
        if self.change.edits.iter().all(is_decision) { Ok(()) } else { Err(final_state()) }
    }
}

fn final_state() -> Refusal {
    Refusal::new(
        codes::FINAL_STATE,
        "记录已办结,不能直接修改;请先重开",
        "the entry is in a final state and cannot be changed; reopen it first",
    )
}
