//! Records made from the words of a case.

use serde_json::Value as Json;
use std::collections::BTreeMap;

use crate::document::model::Value;
use crate::duty::{Arrival, Record};
use crate::id::{DocumentId, ScopeId, UserId};
use crate::projection::{HistoryLine, LineKind, Row, RowKind};
use crate::rules::testing::catalog;

/// Milliseconds since 1970 of a time with its offset, seconds or not.
pub(super) fn ms(text: &str) -> i64 {
    let text = if text.matches(':').count() == 2 { text.replacen('+', ":00+", 1) } else { text.to_owned() };
    text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_millisecond()
}

pub(super) fn time(case: &Json, key: &str) -> Option<i64> {
    case[key].as_str().map(ms)
}

/// The record of a case; `ledger` where the case names none.
pub(super) fn record(case: &Json, definition: &str, id: u8) -> Record {
    let definition = case["ledger"].as_str().unwrap_or(definition);
    let project = case["project"].as_str().unwrap_or("pj.lanyuan");
    let (events, arrivals) = history(case);
    let mut lines = values(case, &events);
    let reference = catalog().reference_of(definition).unwrap().clone();
    let state = events.last().map_or(String::new(), |event| event.state.clone());
    let ledger = catalog().ledger(&reference);
    let first = events.first().map_or(0, |event| event.at_ms);
    let row = Row {
        document: DocumentId([id; 16]),
        scope: ScopeId::of(project, catalog().stream_of(&reference).unwrap()),
        kind: if ledger.is_some() { RowKind::Entry } else { RowKind::Inspection },
        terminal: ledger.is_some_and(|ledger| ledger.state(&state).is_some_and(|state| state.terminal)),
        definition: reference,
        project: project.to_owned(),
        state,
        title: String::new(),
        summary: String::new(),
        number: None,
        temp_number: None,
        created_by: None,
        created_at_ms: first,
        updated_at_ms: events.last().map_or(first, |event| event.at_ms),
        listed_at_ms: first,
        due_ms: None,
        handler: None,
        first_contact: None,
        owner_dept: None,
        grade: None,
        ended_at_ms: None,
        people: Vec::new(),
        score: None,
        result: None,
        clashes: 0,
        contested: 0,
    };
    lines.extend(events);
    Record::of(row, &lines).with_arrivals(arrivals)
}

fn history(case: &Json) -> (Vec<HistoryLine>, BTreeMap<String, Arrival>) {
    let (mut lines, mut arrivals) = (Vec::new(), BTreeMap::new());
    for (place, said) in case["history"].as_array().into_iter().flatten().enumerate() {
        let event = format!("e{place}");
        if let Some(received_ms) = time(said, "received") {
            let skew_ms = said["skew_min"].as_i64().unwrap_or(0) * 60_000;
            arrivals.insert(event.clone(), Arrival { received_ms, skew_ms });
        }
        let data = said["data"].as_object().into_iter().flatten();
        lines.push(HistoryLine {
            kind: LineKind::Event,
            what: said["event"].as_str().unwrap().to_owned(),
            event,
            by: UserId::new(said["by"].as_str().unwrap_or("u.fd01")),
            at_ms: ms(said["at"].as_str().unwrap()),
            state: said["state"].as_str().unwrap().to_owned(),
            contested: false,
            data: data
                .map(|(key, value)| (key.clone(), Value::Text(value.as_str().unwrap().to_owned())))
                .collect(),
        });
    }
    (lines, arrivals)
}

fn values(case: &Json, events: &[HistoryLine]) -> Vec<HistoryLine> {
    let first = events.first().map_or(0, |event| event.at_ms);
    let line = |what: &str, by: &str, at_ms: i64, value: Value| HistoryLine {
        kind: LineKind::Value,
        what: what.to_owned(),
        event: String::new(),
        by: UserId::new(by),
        at_ms,
        state: String::new(),
        contested: false,
        data: BTreeMap::from([("value".to_owned(), value)]),
    };
    let mut lines = Vec::new();
    for (key, value) in case["values"].as_object().into_iter().flatten() {
        let at_ms = time(&case["stamps"], key).unwrap_or(first);
        let value = value.as_str().map_or(Value::Bool(true), |text| Value::Text(text.to_owned()));
        lines.push(line(key, "u.fd01", at_ms, value));
    }
    for pair in case["number"].as_array().into_iter().flatten() {
        lines.push(line(
            pair[0].as_str().unwrap(),
            "u.fd01",
            first,
            Value::Int(ms(pair[1].as_str().unwrap())),
        ));
    }
    for key in case["flags"].as_array().into_iter().flatten() {
        lines.push(line(key.as_str().unwrap(), "u.fd01", first, Value::Bool(true)));
    }
    for (key, both) in case["clash"].as_object().into_iter().flatten() {
        for value in both.as_array().unwrap() {
            let user = value.as_str().unwrap();
            lines.push(line(key, user, first, Value::Text(user.to_owned())));
        }
    }
    lines
}
