//! The history of a document as one line per event and per value, in the order to show.

use std::collections::BTreeMap;

use super::row::{HistoryLine, LineKind};
use crate::definition::Ledger;
use crate::document::model::{Event, Model};
use crate::rules::entry::EntryView;
use crate::rules::keys;
use crate::rules::sheet::InspectionState;

/// The history of a ledger entry.
pub(crate) fn of_entry(model: &Model, ledger: &Ledger, view: &EntryView) -> Vec<HistoryLine> {
    let start = model.events.first().map(|event| event.id.as_str());
    let lines = view.events.iter().map(|shown| {
        let opening = start == Some(shown.event.id.as_str()) && shown.event.from.is_empty();
        let state = match &shown.to {
            Some(to) => to.clone(),
            None if opening => ledger.initial_state().id.clone(),
            None => shown.event.from.clone(),
        };
        event_line(&shown.event, state, shown.is_contested)
    });
    with_values(model, lines.collect())
}

/// The history of a sheet.
pub(crate) fn of_inspection(model: &Model) -> Vec<HistoryLine> {
    let lines = model.events.iter().map(|event| {
        let state = match event.kind.as_str() {
            keys::COMPLETE | keys::AMEND => InspectionState::Completed.id(),
            keys::REVIEW => InspectionState::Reviewed.id(),
            _ if event.from.is_empty() => InspectionState::Open.id(),
            _ => event.from.as_str(),
        };
        event_line(event, state.to_owned(), false)
    });
    with_values(model, lines.collect())
}

fn event_line(event: &Event, state: String, contested: bool) -> HistoryLine {
    HistoryLine {
        kind: LineKind::Event,
        what: event.kind.clone(),
        event: event.id.clone(),
        by: event.by.clone(),
        at_ms: event.at_ms,
        state,
        contested,
        data: event.data.clone(),
    }
}

/// Puts each value behind the last event, in causal order, whose clock is not later than its own.
///
/// Events stay in causal order whatever the clocks say; values have no causal place among them, and
/// the clock is the best guess.
fn with_values(model: &Model, events: Vec<HistoryLine>) -> Vec<HistoryLine> {
    let mut values: Vec<HistoryLine> = Vec::new();
    for (key, register) in &model.registers {
        for stamped in register.all() {
            values.push(HistoryLine {
                kind: LineKind::Value,
                what: key.clone(),
                event: String::new(),
                by: stamped.by.clone(),
                at_ms: stamped.at_ms,
                state: String::new(),
                contested: false,
                data: BTreeMap::from([("value".to_owned(), stamped.value.clone())]),
            });
        }
    }
    // A stable sort: equal times keep the order of keys and, within a key, winner first.
    values.sort_by_key(|line| line.at_ms);
    let mut after: BTreeMap<usize, Vec<HistoryLine>> = BTreeMap::new();
    for value in values {
        let place = events.iter().rposition(|event| event.at_ms <= value.at_ms).map_or(0, |at| at + 1);
        after.entry(place).or_default().push(value);
    }
    let mut lines = after.remove(&0).unwrap_or_default();
    for (at, event) in events.into_iter().enumerate() {
        lines.push(event);
        lines.extend(after.remove(&(at + 1)).unwrap_or_default());
    }
    lines
}
