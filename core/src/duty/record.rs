//! A record as rules look at it: its row, what its fields hold, its events with the times that count.

use std::collections::{BTreeMap, BTreeSet};

use super::Deed;
use crate::definition::{Catalog, EVENT_DATA, Fact, FieldType, Guard, Ledger};
use crate::document::model::{Event, Model, Register, Stamped, Value};
use crate::id::UserId;
use crate::limits::CLOCK_SKEW_SUSPICIOUS_MS;
use crate::projection::{HistoryLine, LineKind, Row};
use crate::rules::{entry, facts, keys};

/// When an event reached the branch, and whether the clock it was written by is evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Server clock, milliseconds since 1970.
    pub received_ms: i64,
    /// The device's clock minus the server's, as last said, milliseconds.
    pub skew_ms: i64,
}

impl Arrival {
    /// True when a time that was written with it is no evidence.
    fn doubts(&self, at_ms: i64) -> bool {
        self.skew_ms.saturating_abs() > CLOCK_SKEW_SUSPICIOUS_MS
            || at_ms > self.received_ms.saturating_add(CLOCK_SKEW_SUSPICIOUS_MS)
    }
}

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its row.
    pub row: Row,
    /// Registers and events as the row's history has them; shared texts as marks only.
    pub(crate) model: Model,
    /// The state after each event.
    pub(crate) states: Vec<String>,
    arrivals: BTreeMap<String, Arrival>,
    /// People of whom a device's clock is no evidence.
    doubted: BTreeSet<UserId>,
}

/// A time in which a record was in certain states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Place of the event that began it.
    pub(crate) from: usize,
    /// Place of the event that ended it.
    pub(crate) to: Option<usize>,
}

impl Record {
    /// A record as its projected row and history say.
    #[must_use]
    pub fn of(row: Row, lines: &[HistoryLine]) -> Self {
        let mut model = Model::empty(row.document, row.definition.clone());
        let (mut states, mut before) = (Vec::new(), String::new());
        for line in lines {
            match line.kind {
                LineKind::Event => {
                    model.events.push(event(line, &before));
                    states.push(line.state.clone());
                    before.clone_from(&line.state);
                }
                LineKind::Value => put(&mut model, line),
            }
        }
        Self { row, model, states, arrivals: BTreeMap::new(), doubted: BTreeSet::new() }
    }

    /// The same with what the branch knows of the arrival of its events.
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: BTreeMap<String, Arrival>) -> Self {
        self.arrivals = arrivals;
        self
    }

    /// The same with the people whose clocks the branch doubts.
    #[must_use]
    pub fn with_doubts(mut self, doubted: BTreeSet<UserId>) -> Self {
        self.doubted = doubted;
        self
    }

    /// The ids of its events, causes first.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.model.events.iter().map(|event| event.id.as_str())
    }

    /// True when the branch has noted on it that a duty was not fulfilled.
    #[must_use]
    pub fn is_escalated(&self, duty: &str) -> bool {
        let names = |event: &Event| event.data.get(keys::DATA_DUTY).and_then(Value::as_text) == Some(duty);
        self.model.events.iter().any(|event| event.kind == keys::ESCALATION && names(event))
    }

    /// The ledger version that it pins.
    pub(crate) fn ledger<'c>(&self, catalog: &'c Catalog) -> Option<&'c Ledger> {
        catalog.ledger(&self.row.definition).map(AsRef::as_ref)
    }

    /// When the branch received an event.
    pub(crate) fn received_ms(&self, event: &str) -> Option<i64> {
        self.arrivals.get(event).map(|arrival| arrival.received_ms)
    }

    /// True when the time that an event carries is no evidence: the clock was off, or it lies ahead of its
    /// arrival.
    pub(crate) fn is_suspicious(&self, event: &Event) -> bool {
        self.arrivals.get(&event.id).is_some_and(|arrival| arrival.doubts(event.at_ms))
    }

    /// The deed of a line that was written at once: like an event, by its own clock unless that is no evidence.
    pub(crate) fn deed_of_line(&self, line: &str, stamped: &Stamped) -> Deed {
        let arrival = self.arrivals.get(line);
        let is_suspicious = arrival.is_some_and(|arrival| arrival.doubts(stamped.at_ms));
        let received_ms = arrival.map(|arrival| arrival.received_ms);
        let at_ms = received_ms.filter(|_| is_suspicious).unwrap_or(stamped.at_ms);
        Deed { event: line.to_owned(), at_ms, received_ms, is_suspicious }
    }

    /// The deed that a value says; when it arrived, nobody has written down.
    pub(crate) fn deed_of_value(&self, event: &str, stamped: &Stamped) -> Deed {
        Deed {
            event: event.to_owned(),
            at_ms: stamped.at_ms,
            received_ms: None,
            is_suspicious: self.doubted.contains(&stamped.by),
        }
    }

    /// When an event counts as done: by its own clock, or by its arrival where that clock is no evidence.
    pub(crate) fn at_ms(&self, place: usize) -> i64 {
        let event = &self.model.events[place];
        match self.received_ms(&event.id) {
            Some(received_ms) if self.is_suspicious(event) => received_ms,
            _ => event.at_ms,
        }
    }

    /// A single field's text.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.model.text(&keys::field(field)).or_else(|| self.model.text(&keys::header(field)))
    }

    /// A field's value as a fact; what events carried where no field holds it.
    pub(crate) fn fact(&self, catalog: &Catalog, ledger: &Ledger, name: &str) -> Fact {
        if name == "state" {
            return Fact::Text(self.row.state.clone());
        }
        let Some(field) = ledger.field(name) else { return self.carried(name) };
        let held = facts::of_field(catalog, field, &self.model);
        match &held {
            // A visit recorded as an event is a visit: lines may also stand in what events carry.
            Fact::Many(lines) if lines.is_empty() && field.kind == FieldType::Entries => {
                let typed = field.entry_fields.iter().filter(|sub| sub.kind != FieldType::Text);
                let shared: Vec<&str> =
                    typed.map(|sub| sub.id.as_str()).filter(|id| EVENT_DATA.contains(id)).collect();
                let carries = |event: &&Event| shared.iter().any(|id| event.data.contains_key(*id));
                Fact::Many(self.model.events.iter().filter(carries).map(|event| event.id.clone()).collect())
            }
            Fact::Absent | Fact::Bool(_) | Fact::Number(_) | Fact::Text(_) | Fact::Many(_) => held,
        }
    }

    /// Whether a rule's filter holds; one that needs a ledger never holds for a sheet.
    pub(crate) fn fits(&self, catalog: &Catalog, filter: Option<&Guard>) -> bool {
        let Some(filter) = filter else { return true };
        let Some(ledger) = self.ledger(catalog) else { return false };
        filter.holds(&|name| self.fact(catalog, ledger, name))
    }

    /// The stretches of time in the given states, earliest first; of no states: until the record ends.
    pub(crate) fn stretches(&self, catalog: &Catalog, states: &[String]) -> Vec<Stretch> {
        let is_final = |id: &str| {
            self.ledger(catalog).and_then(|ledger| ledger.state(id)).is_some_and(|state| state.terminal)
        };
        let is_in = |id: &str| if states.is_empty() { !is_final(id) } else { states.iter().any(|s| s == id) };
        let mut stretches: Vec<Stretch> = Vec::new();
        for (place, state) in self.states.iter().enumerate() {
            match (is_in(state), stretches.last_mut().filter(|stretch| stretch.to.is_none())) {
                (true, None) => stretches.push(Stretch { from: place, to: None }),
                (false, Some(open)) => open.to = Some(place),
                (true, Some(_)) | (false, None) => {}
            }
        }
        // Concurrent events may leave the record in another state than the last of them says.
        if let Some(last) = stretches.last_mut() {
            let now_in = is_in(&self.row.state);
            if now_in && last.to.is_some() {
                last.to = None;
            } else if !now_in && last.to.is_none() {
                last.to = Some(self.states.len() - 1).filter(|end| *end > last.from).or(Some(last.from));
            }
        }
        stretches
    }

    /// Lines of a field: each one's subfields.
    pub(crate) fn lines(&self, field: &str) -> Vec<entry::LineView> {
        entry::lines(&self.model, field)
    }

    fn carried(&self, name: &str) -> Fact {
        let value = self.model.events.iter().rev().find_map(|event| event.data.get(name));
        value.map_or(Fact::Absent, facts::of_value)
    }
}

fn event(line: &HistoryLine, before: &str) -> Event {
    Event {
        id: line.event.clone(),
        kind: line.what.clone(),
        by: line.by.clone(),
        at_ms: line.at_ms,
        from: before.to_owned(),
        after: Vec::new(),
        data: line.data.clone(),
    }
}

/// Puts a value into its register: of several the latest counts as the one that stands.
fn put(model: &mut Model, line: &HistoryLine) {
    let value = line.data.get("value").cloned().unwrap_or(Value::Null);
    let stamped = Stamped { value, by: UserId::new(line.by.as_str()), at_ms: line.at_ms };
    match model.registers.get_mut(&line.what) {
        Some(register) => {
            let former = std::mem::replace(&mut register.winner, stamped);
            register.others.push(former);
        }
        None => {
            model.registers.insert(line.what.clone(), Register { winner: stamped, others: Vec::new() });
        }
    }
}
