//! Actions on an entry of a ledger: begin it, edit its fields, move it along its lifecycle.

use std::collections::BTreeMap;

use super::{Draft, entries};
use crate::definition::{Field, FieldType, Ledger, MergePolicy};
use crate::document::model::Value;
use crate::id::UserId;
use crate::rules::{form, keys};

/// Begins an entry with its first fields; a set field takes its elements separated by spaces, a filled form its
/// fields as `<field>.<field of the form>`.
pub fn begin_entry(
    draft: &mut Draft,
    ledger: &Ledger,
    project: &str,
    temporary_number: Value,
    fields: BTreeMap<String, Value>,
) {
    let (user, at_ms): (UserId, i64) = (draft.pen.user.clone(), draft.pen.at_ms);
    let mut all = with_forms(draft, ledger, fields);
    all.insert(keys::PROJECT.to_owned(), Value::Text(project.to_owned()));
    draft.put(keys::field(keys::CREATED_BY), Value::Text(user.as_str().to_owned()));
    draft.put(keys::field(keys::CREATED_AT), Value::Int(at_ms));
    draft.put(keys::field(keys::TEMPORARY_NUMBER), temporary_number);
    for (field, value) in all {
        put_field(draft, ledger, &field, value);
    }
    draft.event(&ledger.create_event, "", BTreeMap::new());
}

/// Writes fields under their merge policies, in the same form as [`begin_entry`]; what a form says beside the
/// fields given stays.
pub fn edit_fields(draft: &mut Draft, ledger: &Ledger, fields: BTreeMap<String, Value>) {
    for (field, value) in with_forms(draft, ledger, fields) {
        put_field(draft, ledger, &field, value);
    }
}

/// Puts elements into a set field and takes others out; what a set holds beside them stays.
pub fn change_set(draft: &mut Draft, field: &str, added: &[String], removed: &[String]) {
    for element in removed {
        draft.put(keys::set(field, element), Value::Null);
    }
    for element in added {
        draft.put_element(field, element);
    }
}

/// Records an event of the lifecycle. Data that names a field of the ledger is written to the field as well,
/// so that one call assigns, handles or closes.
pub fn record_event(draft: &mut Draft, ledger: &Ledger, event: &str, data: BTreeMap<String, Value>) {
    let from = entries::state(ledger, &draft.model).to_owned();
    for (name, value) in &data {
        if ledger.field(name).is_some_and(is_plain) {
            put_field(draft, ledger, name, value.clone());
        }
    }
    draft.event(event, &from, data);
}

/// Adds a line, such as a corrective action or a return visit, to a field that holds lines.
pub fn add_line(draft: &mut Draft, field: &str, values: BTreeMap<String, Value>) {
    let line = draft.line_id();
    edit_line(draft, field, &line, values);
}

/// Writes into a line that is there: an action's completion date, its evidence.
pub fn edit_line(draft: &mut Draft, field: &str, line: &str, values: BTreeMap<String, Value>) {
    for (subfield, value) in values {
        draft.put(keys::line(field, line, &subfield), value);
    }
}

/// True for a field that an event's data may write: neither derived nor the branch's nor a list.
fn is_plain(field: &Field) -> bool {
    !matches!(field.merge(), MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit)
        && !matches!(field.kind, FieldType::Entries | FieldType::Events)
}

/// What is said of a form's fields one by one becomes one value: the whole form as it then reads.
fn with_forms(
    draft: &Draft,
    ledger: &Ledger,
    mut fields: BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    for id in ledger.fields.iter().filter(|field| form::is_form(field)).map(|field| field.id.as_str()) {
        let prefix = format!("{id}.");
        let of_form = |name: &String, _: &mut Value| name.starts_with(&prefix);
        let said = fields
            .extract_if(.., of_form)
            .filter_map(|(name, value)| name.strip_prefix(&prefix).map(|name| (name.to_owned(), value)));
        let said: BTreeMap<String, Value> = said.collect();
        if said.is_empty() {
            continue;
        }
        let given = fields.get(id).and_then(Value::as_text);
        let held = given.or_else(|| draft.model.text(&keys::field(id))).unwrap_or_default();
        let whole = form::with(held, said);
        fields.insert(id.to_owned(), Value::Text(whole));
    }
    fields
}

/// Writes one field in the form its type and merge policy ask for.
fn put_field(draft: &mut Draft, ledger: &Ledger, id: &str, value: Value) {
    let field = ledger.field(id);
    let is_set = field.is_some_and(|f| matches!(f.kind, FieldType::Set(_) | FieldType::Photos));
    let is_text = field.is_some_and(|f| f.merge() == MergePolicy::TextCrdt);
    match value.as_text() {
        Some(text) if is_text => draft.put_text(id, keys::field(id), text),
        Some(elements) if is_set => {
            for element in elements.split_whitespace() {
                draft.put_element(id, element);
            }
        }
        _ => draft.put(keys::field(id), value),
    }
}
