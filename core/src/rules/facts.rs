//! The facts that guards of transitions ask for, read from an entry and the event at hand.

use super::entry;
use super::keys;
use super::value::{Shape, is_given, merged, plain, shape};
use crate::definition::{Catalog, Fact, Field, FieldType, Guard, Ledger, MergePolicy, ReturnVisit};
use crate::document::model::{Event, Model, Stamped, Value};
use crate::id::{UserId, hash_parts};

/// An entry and the event that is about to be recorded on it.
pub(crate) struct Situation<'s> {
    pub(crate) catalog: &'s Catalog,
    pub(crate) ledger: &'s Ledger,
    /// The entry with everything that the event's change writes.
    pub(crate) model: &'s Model,
    pub(crate) event: &'s Event,
    /// The author's roles on the scope.
    pub(crate) roles: &'s [String],
    /// True for a shared text that the event's change writes, whatever the text.
    pub(crate) is_written: &'s dyn Fn(&str) -> bool,
}

impl Situation<'_> {
    /// Answers a guard's question: what the event carries goes before what fields hold.
    pub(crate) fn fact(&self, name: &str) -> Fact {
        match name {
            "by" => return Fact::Many(self.roles.to_vec()),
            "verifier" => return Fact::Text(self.event.by.as_str().to_owned()),
            _ => {}
        }
        if let Some(value) = self.event.data.get(name).filter(|value| is_given(value)) {
            return of_value(value);
        }
        match name {
            "action_owners" => Fact::Many(self.subfields("actions", "owner")),
            "all_actions_done" => {
                let lines = entry::lines(self.model, "actions");
                Fact::Bool(lines.iter().all(|line| line.fields.contains_key("done_at")))
            }
            "return_visit_done_or_not_required" => Fact::Bool(self.is_visited()),
            "state" => Fact::Text(entry::state(self.ledger, self.model).to_owned()),
            _ if (self.is_written)(name) => Fact::Bool(true),
            _ => self
                .ledger
                .field(name)
                .map_or(Fact::Absent, |field| of_field(self.catalog, field, self.model)),
        }
    }

    fn subfields(&self, field: &str, subfield: &str) -> Vec<String> {
        let lines = entry::lines(self.model, field);
        lines
            .iter()
            .filter_map(|line| line.fields.get(subfield))
            .map(|stamped| plain(&stamped.value))
            .collect()
    }

    /// True after a return visit, or where the category asks for none.
    fn is_visited(&self) -> bool {
        let visited = self.model.events.iter().any(|event| event.data.contains_key("satisfaction"));
        if visited {
            return true;
        }
        !is_visit_asked(self.catalog, self.model)
    }
}

/// True where the category of an entry asks for a return visit.
///
/// A sampled share is drawn from the document's id, so that every device draws the same.
pub(crate) fn is_visit_asked(catalog: &Catalog, model: &Model) -> bool {
    let category = model.text(&keys::field("category")).and_then(|id| catalog.category(id));
    match category.and_then(|category| category.return_visit) {
        Some(ReturnVisit::All) => true,
        Some(ReturnVisit::Sample30) => draw(model) < 30,
        Some(ReturnVisit::None) | None => false,
    }
}

/// Facts that are computed from the entry as a whole.
const COMPUTED: [&str; 4] =
    ["action_owners", "all_actions_done", "return_visit_done_or_not_required", "state"];

/// Whether a guard holds before anyone acts; `None` where it asks for the author, or for something that
/// only the event will bring.
pub(crate) fn foreseen(catalog: &Catalog, ledger: &Ledger, model: &Model, guard: &Guard) -> Option<bool> {
    let is_known = |name: &&str| {
        let is_own = ledger.field(name).is_some_and(|field| shape(field) != Shape::Derived);
        COMPUTED.contains(name) || is_own
    };
    if !guard.names().iter().all(is_known) {
        return None;
    }
    let nobody = Event {
        id: String::new(),
        kind: String::new(),
        by: UserId::new(""),
        at_ms: 0,
        from: String::new(),
        after: Vec::new(),
        data: std::collections::BTreeMap::new(),
    };
    let situation = Situation { catalog, ledger, model, event: &nobody, roles: &[], is_written: &|_| false };
    Some(guard.holds(&|name| situation.fact(name)))
}

/// A number from 0 to 99 that belongs to the document for ever.
pub(crate) fn draw(model: &Model) -> u8 {
    let hash = hash_parts("xunyuan/sample/1", &[model.document.as_bytes()]);
    let drawn = u16::from_be_bytes([hash[0], hash[1]]) % 100;
    u8::try_from(drawn).unwrap_or(0)
}

pub(crate) fn of_value(value: &Value) -> Fact {
    match value {
        Value::Null => Fact::Absent,
        Value::Bool(flag) => Fact::Bool(*flag),
        #[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
        Value::Int(number) => Fact::Number(*number as f64),
        Value::Number(number) => Fact::Number(*number),
        Value::Text(text) => Fact::Text(text.clone()),
    }
}

/// What a field holds, as a fact.
pub(crate) fn of_field(catalog: &Catalog, field: &Field, model: &Model) -> Fact {
    match shape(field) {
        Shape::Elements => {
            Fact::Many(model.elements(&format!("set/{}/", field.id)).map(str::to_owned).collect())
        }
        Shape::Lines => Fact::Many(entry::lines(model, &field.id).into_iter().map(|l| l.id).collect()),
        Shape::SharedText => match model.texts.get(&field.id) {
            Some(text) => Fact::Text(text.trim().to_owned()),
            None if holds_text(model, &field.id) => Fact::Bool(true),
            None => Fact::Absent,
        },
        Shape::Derived => {
            last_visit(catalog, field, model).first().map_or(Fact::Absent, |stamped| of_value(&stamped.value))
        }
        Shape::Single => {
            let register = model.register(&keys::field(&field.id));
            register.map_or(Fact::Absent, |register| of_value(&merged(field, register).shown.value))
        }
    }
}

/// What the last visit said: the value of the latest events that carry the field's id, the worst of
/// several concurrent ones first.
pub(crate) fn last_visit(catalog: &Catalog, field: &Field, model: &Model) -> Vec<Stamped> {
    let score = |value: &Value| {
        let FieldType::Choice(Some(set)) = &field.kind else { return None };
        let set = catalog.response_set(set)?;
        set.options.iter().find(|option| value.as_text() == Some(&option.id))?.score
    };
    let carries = |event: &Event| event.data.get(&field.id).is_some_and(is_given);
    let mut values: Vec<Stamped> = entry::latest(model, carries)
        .into_iter()
        .map(|event| Stamped {
            value: event.data[&field.id].clone(),
            by: event.by.clone(),
            at_ms: event.at_ms,
        })
        .collect();
    values.sort_by(|a, b| score(&a.value).unwrap_or(1.0).total_cmp(&score(&b.value).unwrap_or(1.0)));
    values
}

/// True when the entry itself holds what a transition asks for.
///
/// What only events carry (a reason, a note, the satisfaction of a visit) has to come with the event.
pub(crate) fn is_held(ledger: &Ledger, model: &Model, name: &str) -> bool {
    let Some(field) = ledger.field(name) else { return false };
    match shape(field) {
        Shape::Elements => model.elements(&format!("set/{name}/")).next().is_some(),
        Shape::Lines => !entry::lines(model, name).is_empty(),
        Shape::SharedText => holds_text(model, name),
        Shape::Single | Shape::Derived => model.value(&keys::field(name)).is_some_and(is_given),
    }
}

/// True when a shared text says something.
///
/// A model that was moved on by edits read back from a change does not know the text itself; the mark
/// that its author left beside it says whether there is one.
fn holds_text(model: &Model, name: &str) -> bool {
    match model.texts.get(name) {
        Some(text) => !text.trim().is_empty(),
        None => model.value(&keys::field(name)) == Some(&Value::Bool(true)),
    }
}

/// The first required field that a new entry lacks; sets, lines and what the branch or events fill in
/// may come later. `is_written` is true for shared texts that the change at hand writes.
pub(crate) fn lacking<'l>(
    ledger: &'l Ledger,
    model: &Model,
    is_written: &dyn Fn(&str) -> bool,
) -> Option<&'l Field> {
    let is_asked = |field: &&Field| {
        let is_later = matches!(
            field.merge(),
            MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit | MergePolicy::AppendOnly
        );
        field.required && !field.retired && !is_later && !field.kind.is_many()
    };
    let mut asked = ledger.fields.iter().filter(is_asked);
    asked.find(|field| !is_held(ledger, model, &field.id) && !is_written(&field.id))
}
