//! Filled forms: a field of an entry that holds what a paper says, by the names of the form's fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::definition::{Catalog, Field, FieldType, Target};
use crate::document::model::Value;

/// True for a field that holds a filled form.
#[must_use]
pub const fn is_form(field: &Field) -> bool {
    matches!(field.kind, FieldType::Ref(Target::Form(_)))
}

/// A field as people fill it in: itself, or of a form its fields, each as `<field>.<field of the form>`.
#[must_use]
pub fn parts(catalog: &Catalog, field: &Field) -> Vec<Field> {
    let Some(form) = catalog.form_of(field) else { return vec![field.clone()] };
    let part = |asked: &Field| {
        let mut part = asked.clone();
        part.id = format!("{}.{}", field.id, asked.id);
        part.by.clone_from(&field.by);
        part
    };
    form.fields.iter().map(part).collect()
}

/// What a filled form says, in the order of its fields; `None` for a text that is no filled form.
#[must_use]
pub fn said<'c>(catalog: &'c Catalog, field: &Field, text: &str) -> Option<Vec<(&'c Field, Vec<Value>)>> {
    let form = read(text)?;
    let asked = catalog.form_of(field).map_or([].as_slice(), |form| &form.fields);
    let values = |said: &Json| {
        said.as_array().map_or_else(|| vec![value(said)], |all| all.iter().map(value).collect())
    };
    Some(asked.iter().filter_map(|asked| Some((asked, values(form.get(&asked.id)?)))).collect())
}

/// A form with some of its fields filled in anew; nothing withdraws one.
#[must_use]
pub fn with(text: &str, said: BTreeMap<String, Value>) -> String {
    let mut form = read(text).unwrap_or_default();
    for (field, value) in said {
        if value.is_null() {
            form.remove(&field);
        } else {
            form.insert(field, value.to_json());
        }
    }
    Json::Object(form).to_string()
}

fn read(text: &str) -> Option<Map<String, Json>> {
    serde_json::from_str(text).ok()
}

fn value(said: &Json) -> Value {
    match said {
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => number.as_f64().map_or(Value::Null, Value::Number),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::catalog;

    #[test]
    fn a_form_is_filled_in_field_by_field() {
        let ledger = catalog().latest_ledger("led.star").unwrap();
        let field = ledger.field("form").unwrap();
        let parts = parts(catalog(), field);
        assert!(parts.iter().any(|part| part.id == "form.facts") && parts.len() > 10);
        assert_eq!(super::parts(catalog(), ledger.field("reward").unwrap()).len(), 1, "itself");
        let text = |value: &str| Value::Text(value.to_owned());
        let first = with(
            "",
            BTreeMap::from([("facts".to_owned(), text("雨夜")), ("complaints".to_owned(), Value::Int(0))]),
        );
        let second = with(
            &first,
            BTreeMap::from([("facts".to_owned(), Value::Null), ("of_old".to_owned(), text("x"))]),
        );
        assert_eq!(second, r#"{"complaints":0,"of_old":"x"}"#, "what is not named stays");
        let said = said(catalog(), field, &second).unwrap();
        assert_eq!(said.len(), 1, "an older form's field is nobody's question: {said:?}");
        assert_eq!((said[0].0.id.as_str(), said[0].1.as_slice()), ("complaints", &[Value::Int(0)][..]));
        assert!(super::said(catalog(), field, "见附件").is_none());
    }
}
