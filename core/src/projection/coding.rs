//! Values and histories as JSON text inside a column, and back.
//!
//! Whole numbers and measured numbers keep their kind: `5` and `5.0`.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::row::{HistoryLine, LineKind};
use crate::document::model::Value;
use crate::error::{Error, ErrorKind};
use crate::id::UserId;

/// JSON text of one value.
pub(crate) fn value_text(value: &Value) -> String {
    text(&Scalar(value))
}

/// The value that [`value_text`] wrote.
pub(crate) fn value_of(text: &str) -> Result<Value, Error> {
    let json: Json = serde_json::from_str(text).map_err(|_| damaged())?;
    value(json)
}

/// JSON array of a history's lines, as the table's comment describes them.
pub(crate) fn lines_text(lines: &[HistoryLine]) -> String {
    let lines: Vec<Line<'_>> = lines.iter().map(Line::of).collect();
    text(&lines)
}

/// The lines that [`lines_text`] wrote.
pub(crate) fn lines_of(text: &str) -> Result<Vec<HistoryLine>, Error> {
    let lines: Vec<Vec<Json>> = serde_json::from_str(text).map_err(|_| damaged())?;
    lines.into_iter().map(|line| line_of(line).ok_or_else(damaged)?).collect()
}

/// The error for a row that this code cannot have written.
pub(crate) fn damaged() -> Error {
    Error::new(
        ErrorKind::Damaged,
        "列表数据已损坏;请重建列表",
        "the rows for lists are damaged; rebuild them from the documents",
    )
}

/// One line as it is coded.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'l> {
    /// Kind, id, author, device time, state after it, contested, data.
    Event(&'l str, &'l str, &'l str, i64, &'l str, u8, Data<'l>),
    /// Key, author, device time, value.
    Value(&'l str, &'l str, i64, Option<Scalar<'l>>),
}

impl<'l> Line<'l> {
    fn of(line: &'l HistoryLine) -> Self {
        let (what, by) = (line.what.as_str(), line.by.as_str());
        match line.kind {
            LineKind::Event => {
                let contested = u8::from(line.contested);
                Self::Event(what, &line.event, by, line.at_ms, &line.state, contested, Data(&line.data))
            }
            LineKind::Value => Self::Value(what, by, line.at_ms, line.data.get(VALUE).map(Scalar)),
        }
    }
}

/// What a line of a value carries it under.
const VALUE: &str = "value";

struct Scalar<'v>(&'v Value);

impl Serialize for Scalar<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(yes) => serializer.serialize_bool(*yes),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
        }
    }
}

struct Data<'d>(&'d BTreeMap<String, Value>);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, &Scalar(value))?;
        }
        map.end()
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("scalars, arrays and maps with text keys have a JSON form")
}

fn line_of(line: Vec<Json>) -> Option<Result<HistoryLine, Error>> {
    let is_event = line.len() == 7;
    if !is_event && line.len() != 4 {
        return None;
    }
    let mut parts = line.into_iter();
    let what = string(parts.next()?)?;
    let event = if is_event { string(parts.next()?)? } else { String::new() };
    let by = UserId(string(parts.next()?)?);
    let at_ms = parts.next()?.as_i64()?;
    let (kind, state, contested) = if is_event {
        (LineKind::Event, string(parts.next()?)?, parts.next()?.as_i64()? == 1)
    } else {
        (LineKind::Value, String::new(), false)
    };
    let last = parts.next()?;
    let data = if is_event {
        let Json::Object(object) = last else { return None };
        data(object)
    } else {
        value(last).map(|value| BTreeMap::from([(VALUE.to_owned(), value)]))
    };
    Some(data.map(|data| HistoryLine { kind, what, event, by, at_ms, state, contested, data }))
}

fn data(object: Map<String, Json>) -> Result<BTreeMap<String, Value>, Error> {
    object.into_iter().map(|(key, json)| Ok((key, value(json)?))).collect()
}

fn string(json: Json) -> Option<String> {
    if let Json::String(text) = json { Some(text) } else { None }
}

fn value(json: Json) -> Result<Value, Error> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Bool(yes),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Number(number.as_f64().ok_or_else(damaged)?),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(_) | Json::Object(_) => return Err(damaged()),
    })
}
