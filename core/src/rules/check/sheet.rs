//! What a change may say on a sheet.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Change, reason_given, role_refused, server_only, unknown_event, unknown_key, value};
use crate::definition::{Checklist, ChecklistKind, Field, FieldType, Item, RoleScope, Signoff, SignoffKind};
use crate::document::model::{Edit, Event, Model, Value};
use crate::error::Refusal;
use crate::limits::NOTE_CHARS_MAX;
use crate::rules::codes;
use crate::rules::inspection;
use crate::rules::keys::{self, Key};
use crate::rules::missing::named;
use crate::rules::sheet::InspectionState;
use crate::rules::upgrade;

/// Checks a change of an inspection; `pinned` is the checklist version of its genesis.
pub(super) fn check(change: &Change<'_>, pinned: &Arc<Checklist>) -> Result<(), Refusal> {
    change.creation(keys::CREATE, &keys::header(keys::PROJECT))?;
    let in_force = upgrade::in_force(change.catalog, pinned, change.before);
    let sheet = SheetChange { change, checklist: &in_force };
    sheet.independent()?;
    change.each_event(
        |model| inspection::state(model).id().to_owned(),
        |model, event| sheet.event(model, event),
    )?;
    for edit in change.edits {
        match edit {
            Edit::Put { key, stamped } => sheet.put(key, &stamped.value)?,
            Edit::Text { .. } => return Err(unknown_key()),
            Edit::Event(_) => {}
        }
    }
    sheet.amended()
}

/// The constraint of roles that must not judge their own work.
const NOT_OWN_WORK: &str = "not_own_work";

struct SheetChange<'c> {
    change: &'c Change<'c>,
    checklist: &'c Checklist,
}

impl SheetChange<'_> {
    /// Nobody audits the own project: a role under that constraint does not open the audit's sheet there.
    fn independent(&self) -> Result<(), Refusal> {
        let catalog = self.change.catalog;
        let is_bound = |id: &String| {
            catalog.role(id).is_some_and(|role| role.constraints.iter().any(|c| c == NOT_OWN_WORK))
        };
        let own = catalog.user(self.change.author.user).and_then(|user| user.project.as_deref());
        let is_own = self.checklist.kind == ChecklistKind::Audit && own == Some(self.change.scope.unit());
        let auditing = self.change.roles.iter().filter(|role| self.checklist.who.contains(role));
        if !is_own || auditing.clone().count() == 0 || !auditing.clone().all(is_bound) {
            return Ok(());
        }
        Err(Refusal::new(
            codes::OWN_WORK,
            "内审员不得审核自己所在的项目;请由其他内审员审核",
            "an auditor may not audit the own project; another auditor must",
        ))
    }

    fn event(&self, model: &Model, event: &Event) -> Result<(), Refusal> {
        let state = inspection::state(model);
        let (is_allowed_now, is_role) = match event.kind.as_str() {
            keys::CREATE => (model.events.is_empty(), self.fills_in()),
            keys::COMPLETE => (state == InspectionState::Open, self.fills_in()),
            keys::REVIEW => (state != InspectionState::Open, self.reviews()),
            keys::AMEND => {
                reason_given(event)?;
                (state != InspectionState::Open, self.fills_in())
            }
            keys::UPGRADE => {
                upgrade::known_target(self.change.catalog, self.checklist, event)?;
                (state == InspectionState::Open, self.fills_in())
            }
            keys::RESOLVE => {
                self.change.resolve(model, event)?;
                (true, self.decides())
            }
            keys::LATE_EDIT | keys::ESCALATION => {
                server_only(self.change.author)?;
                (true, true)
            }
            _ => return Err(unknown_event()),
        };
        if !is_role {
            return Err(role_refused());
        }
        if is_allowed_now {
            return Ok(());
        }
        Err(Refusal::new(
            codes::TRANSITION_NOT_ALLOWED,
            "检查表现在的状态不能做这一步;请刷新后查看",
            "the sheet's state does not allow this step; refresh and look again",
        ))
    }

    fn put(&self, key: &str, new: &Value) -> Result<(), Refusal> {
        let parsed = Key::parse(key).ok_or_else(unknown_key)?;
        if let Key::Signoff(id) = parsed {
            return self.sign(id, new);
        }
        let resolves = self.change.resolved().contains(key) && self.decides();
        if !self.fills_in() && !resolves {
            return Err(role_refused());
        }
        match parsed {
            Key::Header(field) => self.header(key, field, new),
            Key::HeaderElement(field, element) => self.header_element(field, element),
            Key::Item(item) => value::answer(self.change, self.item(item)?, new),
            Key::Note(item) => {
                let item = self.item(item)?;
                match new {
                    Value::Null => Ok(()),
                    Value::Text(note) => value::length(note, NOTE_CHARS_MAX, &item.title.zh, &item.title.en),
                    Value::Bool(_) | Value::Int(_) | Value::Number(_) => Err(unknown_key()),
                }
            }
            Key::Photo(item, hash) => {
                self.item(item)?;
                if keys::is_sha256(hash) { Ok(()) } else { Err(unknown_key()) }
            }
            Key::Scan(checkpoint) => self.scan(checkpoint, new),
            Key::Group(group, line, field) => self.line(key, group, line, field, new),
            Key::GroupPhoto(group, line, field, hash) => self.line_photo(group, line, field, hash),
            Key::Signoff(_) | Key::Field(_) | Key::Set(..) | Key::Line(..) => Err(unknown_key()),
        }
    }

    fn item(&self, id: &str) -> Result<&Item, Refusal> {
        match self.checklist.item(id) {
            Some(item) if !item.retired => Ok(item),
            Some(_) => Err(Refusal::new(
                codes::RETIRED,
                "这一项已停用,不再作答",
                "this item is no longer in use and takes no answers",
            )),
            None => Err(Refusal::new(
                codes::UNKNOWN_ITEM,
                "检查表没有这一项;请更新应用后重试",
                "the checklist has no such item; update the app and try again",
            )),
        }
    }

    fn header(&self, key: &str, id: &str, new: &Value) -> Result<(), Refusal> {
        if id == keys::PROJECT {
            return Ok(()); // compared with the scope when the record's beginning is checked
        }
        let field = self.checklist.header_field(id).ok_or_else(unknown_key)?;
        if let FieldType::HumanNo(_) = field.kind {
            server_only(self.change.author)?;
        }
        match (&field.kind, new) {
            (FieldType::Set(_), Value::Text(many)) => {
                many.split(',').try_for_each(|one| self.element(field, one.trim()))
            }
            _ => value::field(self.change, field, new, self.is_current(key, new)),
        }
    }

    fn header_element(&self, id: &str, element: &str) -> Result<(), Refusal> {
        let field = self.checklist.header_field(id).ok_or_else(unknown_key)?;
        if !matches!(field.kind, FieldType::Set(_) | FieldType::Photos) {
            return Err(unknown_key());
        }
        self.element(field, element)
    }

    fn element(&self, field: &Field, element: &str) -> Result<(), Refusal> {
        value::field(self.change, field, &Value::Text(element.to_owned()), false)
    }

    fn is_current(&self, key: &str, new: &Value) -> bool {
        let register = self.change.before.register(key);
        register.is_some_and(|register| register.all().any(|stamped| stamped.value == *new))
    }

    fn scan(&self, checkpoint: &str, new: &Value) -> Result<(), Refusal> {
        let here = self.change.catalog.checkpoint(checkpoint);
        if here.is_none_or(|checkpoint| checkpoint.project != self.change.scope.unit()) {
            return Err(unknown_key());
        }
        match new {
            Value::Null | Value::Bool(true) | Value::Int(_) => Ok(()),
            Value::Text(text) => {
                if text.strip_prefix(keys::BYPASS).is_some_and(|reason| reason.trim().is_empty()) {
                    return Err(Refusal::new(
                        codes::REQUIREMENT_MISSING,
                        "标签无法读取时请写明原因",
                        "say why the tag cannot be read",
                    ));
                }
                value::length(text, NOTE_CHARS_MAX, "点位", "checkpoint")
            }
            Value::Bool(false) | Value::Number(_) => Err(unknown_key()),
        }
    }

    fn line(&self, key: &str, group: &str, line: &str, field: &str, new: &Value) -> Result<(), Refusal> {
        let definition = self.checklist.group(group).ok_or_else(unknown_key)?;
        let field = definition.field(field).ok_or_else(unknown_key)?;
        if !keys::is_name(line) {
            return Err(unknown_key());
        }
        let lines = inspection::group_lines(self.change.after, group).len();
        if lines > usize::try_from(definition.max).unwrap_or(usize::MAX) {
            let (zh, en) = named(Some(&definition.title), group);
            return Err(Refusal::new(
                codes::TOO_MANY,
                format!("“{zh}”最多 {} 条", definition.max),
                format!("\"{en}\" takes at most {} lines", definition.max),
            ));
        }
        value::field(self.change, field, new, self.is_current(key, new))
    }

    fn line_photo(&self, group: &str, line: &str, field: &str, hash: &str) -> Result<(), Refusal> {
        let field =
            self.checklist.group(group).and_then(|group| group.field(field)).ok_or_else(unknown_key)?;
        if field.kind == FieldType::Photos && keys::is_name(line) && keys::is_sha256(hash) {
            return Ok(());
        }
        Err(unknown_key())
    }

    /// A signature is given by its role; those who sign without a device sign on an inspector's.
    fn sign(&self, id: &str, new: &Value) -> Result<(), Refusal> {
        let signoff = self.checklist.signoff(id).ok_or_else(unknown_key)?;
        if signoff.kind == SignoffKind::Review {
            return Err(unknown_key());
        }
        if let Some(text) = new.as_text() {
            value::length(text, NOTE_CHARS_MAX, "签字", "signature")?;
        }
        if self.signs(signoff) { Ok(()) } else { Err(role_refused()) }
    }

    fn signs(&self, signoff: &Signoff) -> bool {
        let is_external =
            self.change.catalog.role(&signoff.role).is_none_or(|role| role.scope == RoleScope::External);
        if is_external {
            self.fills_in()
        } else {
            self.change.holds_role(std::slice::from_ref(&signoff.role))
        }
    }

    fn fills_in(&self) -> bool {
        self.change.holds_role(&self.checklist.who)
    }

    fn reviews(&self) -> bool {
        let reviews = self.checklist.signoff.iter().filter(|signoff| signoff.kind == SignoffKind::Review);
        let roles: Vec<String> = reviews.map(|signoff| signoff.role.clone()).collect();
        self.change.holds_role(&roles) || self.can("review:inspection")
    }

    fn decides(&self) -> bool {
        self.fills_in() || self.reviews() || self.can("resolve:conflict")
    }

    fn can(&self, ability: &str) -> bool {
        let holds = |id: &String| {
            self.change.catalog.role(id).is_some_and(|role| role.can.iter().any(|can| can == ability))
        };
        self.change.roles.iter().any(holds)
    }

    /// After completion, content changes only with an amendment or a decision in the same change;
    /// signatures may still come.
    fn amended(&self) -> Result<(), Refusal> {
        let is_open = inspection::state(self.change.before) == InspectionState::Open;
        let is_amended = self.change.events().any(|event| event.kind == keys::AMEND);
        if is_open || is_amended || self.change.author.is_server {
            return Ok(());
        }
        let resolved: BTreeSet<&str> = self.change.resolved();
        let is_free = |key: &str| resolved.contains(key) || matches!(Key::parse(key), Some(Key::Signoff(_)));
        if self.change.puts().all(|(key, _)| is_free(key)) {
            return Ok(());
        }
        Err(Refusal::new(
            codes::AMENDMENT_NEEDED,
            "检查表已完成;修改须作为更正并写明原因",
            "the sheet is completed; change it by an amendment with a reason",
        ))
    }
}
