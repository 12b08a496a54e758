//! What a change may say: the policy that devices and the branch apply alike.
//!
//! Receives one change as edits with the document at its causal past; hands on yes or a refusal with a
//! stable code and a sentence that says what to do. Forbids looking at anything else: what the author
//! had not seen cannot make the change wrong, it is settled by merging.

mod author;
mod entry;
mod sheet;
mod value;

use std::collections::BTreeSet;

use super::codes;
use super::keys;
use crate::definition::Catalog;
use crate::document::model::{Edit, Event, Model, Stamped, Value};
use crate::error::Refusal;
use crate::id::{ScopeId, UserId};
use crate::limits::NOTE_CHARS_MAX;

pub use author::{roles_on, writes};

/// Who wrote a change.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The person, or the branch server itself.
    pub user: &'a UserId,
    /// True for the branch server: no grant and no role is asked of it.
    pub is_server: bool,
}

/// Checks one change at its causal past.
///
/// # Errors
/// The refusal that the author and the branch get to see. The first fault found is reported.
pub fn check(
    catalog: &Catalog,
    scope: &ScopeId,
    author: &Author<'_>,
    before: &Model,
    edits: &[Edit],
) -> Result<(), Refusal> {
    let mut after = before.clone();
    edits.iter().for_each(|edit| after.apply(edit));
    check_between(catalog, scope, author, (before, &after), edits)
}

/// As [`check`], for a caller that has the document after the change too: `before` with every edit
/// applied. Whoever checks a whole run moves both on instead of copying the document per change.
///
/// # Errors
/// As [`check`].
pub fn check_between(
    catalog: &Catalog,
    scope: &ScopeId,
    author: &Author<'_>,
    (before, after): (&Model, &Model),
    edits: &[Edit],
) -> Result<(), Refusal> {
    let Some(stream) = catalog.stream_of(&before.definition) else {
        return Err(Refusal::new(
            codes::UNKNOWN_DEFINITION,
            "这条记录所依据的表单版本在此处不存在;请先同步定义",
            "the definition version of this record is not held here; synchronise definitions first",
        ));
    };
    if scope.stream() != stream {
        return Err(Refusal::new(
            codes::WRONG_STREAM,
            "这类记录不属于该数据范围",
            "records of this kind do not belong into this scope",
        ));
    }
    let roles = author::authorise(catalog, scope, author)?;
    stamps(author, edits)?;
    lengths(edits)?;
    let change = Change { catalog, scope, author, roles, before, after, edits };
    if let Some(checklist) = catalog.checklist(&before.definition) {
        sheet::check(&change, checklist)
    } else if let Some(ledger) = catalog.ledger(&before.definition) {
        entry::check(&change, ledger)
    } else {
        Err(Refusal::new(
            codes::UNKNOWN_DEFINITION,
            "这个定义不能用来记录",
            "records cannot be kept of this definition",
        ))
    }
}

/// A change with everything that its check asks for.
struct Change<'c> {
    catalog: &'c Catalog,
    scope: &'c ScopeId,
    author: &'c Author<'c>,
    /// The author's roles on the scope; empty for the server.
    roles: Vec<String>,
    before: &'c Model,
    /// The document with the change's own edits, and nothing that its author had not seen.
    after: &'c Model,
    edits: &'c [Edit],
}

impl Change<'_> {
    fn puts(&self) -> impl Iterator<Item = (&str, &Stamped)> {
        self.edits.iter().filter_map(|edit| match edit {
            Edit::Put { key, stamped } => Some((key.as_str(), stamped)),
            Edit::Text { .. } | Edit::Event(_) => None,
        })
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.edits.iter().filter_map(|edit| match edit {
            Edit::Event(event) => Some(event),
            Edit::Put { .. } | Edit::Text { .. } => None,
        })
    }

    /// Keys that a `resolve` event of this change decides.
    fn resolved(&self) -> BTreeSet<&str> {
        let resolves = self.events().filter(|event| event.kind == keys::RESOLVE);
        resolves.filter_map(|event| event.data.get(keys::DATA_KEY).and_then(Value::as_text)).collect()
    }

    fn holds_role(&self, roles: &[String]) -> bool {
        self.author.is_server || self.roles.iter().any(|role| roles.contains(role))
    }

    /// A record begins once, with the project of its scope.
    fn creation(&self, create_event: &str, project_key: &str) -> Result<(), Refusal> {
        let creations = self.events().filter(|event| event.kind == create_event).count();
        let wanted = usize::from(self.before.events.is_empty());
        let first = self.events().next();
        let opens = wanted == 0 || first.is_some_and(|event| event.kind == create_event);
        if creations != wanted || !opens {
            return Err(Refusal::new(
                codes::CREATION,
                "一条记录须以一次登记开始,且只登记一次",
                "a record begins with its creation event, and has only one",
            ));
        }
        if self.after.text(project_key) != Some(self.scope.unit()) {
            return Err(Refusal::new(
                codes::WRONG_PROJECT,
                "记录的项目须与所在数据范围一致;请检查项目字段",
                "the record must name the project of its scope; check the project field",
            ));
        }
        Ok(())
    }

    /// Walks the events in order: each names the state and the events that its author had seen.
    fn each_event(
        &self,
        state: impl Fn(&Model) -> String,
        mut visit: impl FnMut(&Model, &Event) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if self.events().next().is_none() {
            return Ok(());
        }
        let mut model = self.before.clone();
        for event in self.events() {
            let is_first = model.events.is_empty();
            ancestry(&model, event)?;
            let expected = if is_first { String::new() } else { state(&model) };
            if event.from != expected {
                return Err(Refusal::new(
                    codes::STATE_MISMATCH,
                    "事件所写的原状态与记录的状态不符;请刷新后重试",
                    "the event names another state than the record is in; refresh and try again",
                ));
            }
            data(event)?;
            visit(&model, event)?;
            model.events.push(event.clone());
        }
        Ok(())
    }

    /// A `resolve` names a register that clashes, to which this change writes one of the values, or an
    /// earlier event.
    fn resolve(&self, model: &Model, event: &Event) -> Result<(), Refusal> {
        let key = event.data.get(keys::DATA_KEY).and_then(Value::as_text).unwrap_or_default();
        let is_decided = match key.strip_prefix("event/") {
            Some(id) => model.events.iter().any(|earlier| earlier.id == id),
            None => self.before.register(key).filter(|register| register.clashes()).is_some_and(|register| {
                let chosen = |stamped: &Stamped| register.all().any(|one| one.value == stamped.value);
                self.puts().any(|(put, stamped)| put == key && chosen(stamped))
            }),
        };
        if is_decided {
            return Ok(());
        }
        Err(Refusal::new(
            codes::RESOLVE_TARGET,
            "裁决须指明有分歧的内容,并写入所选的值",
            "a decision must name what is in dispute and write the chosen value",
        ))
    }
}

/// The server's own kinds of events.
fn server_only(author: &Author<'_>) -> Result<(), Refusal> {
    if author.is_server {
        return Ok(());
    }
    Err(Refusal::new(
        codes::SERVER_ONLY,
        "这项内容由分公司服务器写入,不能手工填写",
        "only the branch server writes this; it cannot be filled in by hand",
    ))
}

/// Everything that a change writes carries its author's name.
fn stamps(author: &Author<'_>, edits: &[Edit]) -> Result<(), Refusal> {
    let is_own = |edit: &Edit| match edit {
        Edit::Put { stamped, .. } => stamped.by == *author.user,
        Edit::Event(event) => event.by == *author.user,
        Edit::Text { .. } => true,
    };
    if edits.iter().all(is_own) {
        return Ok(());
    }
    Err(Refusal::new(
        codes::FOREIGN_AUTHOR,
        "变更中有以他人名义填写的内容;请由本人填写",
        "the change writes in another person's name; that person must write it",
    ))
}

/// No value is longer than the longest text.
fn lengths(edits: &[Edit]) -> Result<(), Refusal> {
    let is_long = |edit: &Edit| match edit {
        Edit::Put { stamped, .. } => {
            stamped.value.as_text().is_some_and(|text| text.chars().count() > NOTE_CHARS_MAX)
        }
        Edit::Text { .. } | Edit::Event(_) => false,
    };
    if !edits.iter().any(is_long) {
        return Ok(());
    }
    Err(Refusal::new(
        codes::TEXT_TOO_LONG,
        format!("文字太长,最多 {NOTE_CHARS_MAX} 字"),
        format!("the text is too long; it may have {NOTE_CHARS_MAX} characters"),
    ))
}

fn ancestry(model: &Model, event: &Event) -> Result<(), Refusal> {
    let is_known = |id: &String| model.events.iter().any(|earlier| earlier.id == *id);
    let is_new = model.events.iter().all(|earlier| earlier.id != event.id);
    let is_whole = model.latest_events().iter().all(|id| event.after.contains(id));
    if is_new && is_whole && event.after.iter().all(is_known) {
        return Ok(());
    }
    Err(Refusal::new(
        codes::EVENT_ANCESTRY,
        "事件没有如实写明作者已看到的前序事件;请更新应用后重试",
        "the event does not name the events that its author had seen; update the app and try again",
    ))
}

/// Most values that one event carries.
const EVENT_DATA_MAX: usize = 32;

fn data(event: &Event) -> Result<(), Refusal> {
    let is_sound = |(name, value): (&String, &Value)| {
        keys::is_name(name) && value.as_text().is_none_or(|text| text.chars().count() <= NOTE_CHARS_MAX)
    };
    if event.data.len() <= EVENT_DATA_MAX && event.data.iter().all(is_sound) && keys::is_name(&event.id) {
        return Ok(());
    }
    Err(Refusal::new(
        codes::TEXT_TOO_LONG,
        format!("事件所带内容过多,每项文字不超过 {NOTE_CHARS_MAX} 字"),
        format!("the event carries too much; a text may have {NOTE_CHARS_MAX} characters"),
    ))
}

fn role_refused() -> Refusal {
    Refusal::new(
        codes::ROLE_NOT_ALLOWED,
        "您的岗位不能做这项操作;请由有权限的同事办理",
        "your role may not do this; ask a colleague whose role may",
    )
}

fn unknown_key() -> Refusal {
    Refusal::new(
        codes::UNKNOWN_KEY,
        "变更写入了表单没有的内容;请更新应用后重试",
        "the change writes something that the definition does not have; update the app and try again",
    )
}

fn unknown_event() -> Refusal {
    Refusal::new(
        codes::UNKNOWN_EVENT,
        "这类记录没有这种事件;请更新应用后重试",
        "records of this kind know no such event; update the app and try again",
    )
}

fn reason_given(event: &Event) -> Result<(), Refusal> {
    let reason = event.data.get(keys::DATA_REASON).and_then(Value::as_text);
    if reason.is_some_and(|reason| !reason.trim().is_empty()) {
        return Ok(());
    }
    Err(Refusal::new(codes::REQUIREMENT_MISSING, "请写明原因", "give the reason"))
}
