//! Values as JSON text inside a column, and back.
//!
//! Whole numbers and measured numbers keep their kind: `5` and `5.0`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::document::model::Value;
use crate::error::{Error, ErrorKind};

/// JSON text of one value.
pub(crate) fn value_text(value: &Value) -> String {
    json(value).to_string()
}

/// JSON object of named values.
pub(crate) fn data_text(data: &BTreeMap<String, Value>) -> String {
    let object: Map<String, Json> = data.iter().map(|(key, value)| (key.clone(), json(value))).collect();
    Json::Object(object).to_string()
}

/// The value that [`value_text`] wrote.
pub(crate) fn value_of(text: &str) -> Result<Value, Error> {
    let json: Json = serde_json::from_str(text).map_err(|_| damaged())?;
    value(&json)
}

/// The values that [`data_text`] wrote.
pub(crate) fn data_of(text: &str) -> Result<BTreeMap<String, Value>, Error> {
    let object: Map<String, Json> = serde_json::from_str(text).map_err(|_| damaged())?;
    object.iter().map(|(key, json)| Ok((key.clone(), value(json)?))).collect()
}

/// The error for a row that this code cannot have written.
pub(crate) fn damaged() -> Error {
    Error::new(
        ErrorKind::Damaged,
        "列表数据已损坏;请重建列表",
        "the rows for lists are damaged; rebuild them from the documents",
    )
}

/// One value as JSON.
pub(crate) fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(yes) => Json::Bool(*yes),
        Value::Int(number) => Json::from(*number),
        Value::Number(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
    }
}

fn value(json: &Json) -> Result<Value, Error> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Bool(*yes),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Number(number.as_f64().ok_or_else(damaged)?),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => return Err(damaged()),
    })
}
