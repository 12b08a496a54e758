//! What a document says, free of Automerge: the material for rules and rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{DefinitionRef, DocumentId, UserId};

/// A single value of an answer, a field or an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: the value was withdrawn.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number, a time in milliseconds since 1970, or a count.
    Int(i64),
    /// A measured number.
    Number(f64),
    /// Text, an option id, a reference, a date `YYYY-MM-DD`.
    Text(String),
}

impl Value {
    /// The text inside, where it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Number(_) => None,
        }
    }

    /// The number inside, where it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
            Self::Int(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            Self::Null | Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Int(number) => (*number).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
        }
    }

    /// True for [`Value::Null`].
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// A value with who wrote it and when by their clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped {
    /// What was written.
    pub value: Value,
    /// Who wrote it.
    pub by: UserId,
    /// Device time of writing, milliseconds since 1970.
    pub at_ms: i64,
}

/// The current content of one key: the winner, and whatever was written concurrently.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// The value that Automerge picks, the same on every replica.
    pub winner: Stamped,
    /// Values written concurrently with the winner, in a fixed order; usually none.
    pub others: Vec<Stamped>,
}

impl Register {
    /// All current values, winner first.
    pub fn all(&self) -> impl Iterator<Item = &Stamped> {
        std::iter::once(&self.winner).chain(&self.others)
    }

    /// True when two people wrote different values without knowing of each other.
    ///
    /// Equal values from two people are no clash.
    #[must_use]
    pub fn clashes(&self) -> bool {
        self.others.iter().any(|other| other.value != self.winner.value)
    }
}

/// One event of a record's history: creation, a transition of its lifecycle, completion, review.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique in the document; derived from actor and sequence, never chosen.
    pub id: String,
    /// `create`, a transition id of the ledger, or one of the built-in kinds of `rules`.
    pub kind: String,
    /// Who recorded it.
    pub by: UserId,
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
    /// The lifecycle state that the author saw; empty for the first event.
    pub from: String,
    /// Ids of the latest events that the author had seen: events outside this ancestry are concurrent.
    pub after: Vec<String>,
    /// What the event carries: reason, note, satisfaction, the resolved key.
    pub data: BTreeMap<String, Value>,
}

/// One document, read: its registers by key, its shared texts and its events in causal order.
///
/// Keys are paths. Inspections: `header/<field>`, `item/<item>`, `note/<item>`,
/// `photo/<item>/<sha256>`, `scan/<checkpoint>`, `group/<group>/<line>/<field>`,
/// `signoff/<signoff>`. Ledger entries: `field/<field>`, `set/<field>/<element>`,
/// `line/<field>/<line>/<subfield>`. A withdrawn set element or line holds [`Value::Null`].
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Which document.
    pub document: DocumentId,
    /// The definition that its genesis pins.
    pub definition: DefinitionRef,
    /// Registers by key.
    pub registers: BTreeMap<String, Register>,
    /// Shared texts by field or item id.
    pub texts: BTreeMap<String, String>,
    /// Events in Automerge's operation order (Lamport counter, then actor): causes come first.
    pub events: Vec<Event>,
}

impl Model {
    /// The content of a document that only has its genesis.
    #[must_use]
    pub const fn empty(document: DocumentId, definition: DefinitionRef) -> Self {
        Self { document, definition, registers: BTreeMap::new(), texts: BTreeMap::new(), events: Vec::new() }
    }

    /// The register under `key`.
    #[must_use]
    pub fn register(&self, key: &str) -> Option<&Register> {
        self.registers.get(key)
    }

    /// The winning value under `key`; `None` when absent or withdrawn.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.registers.get(key).map(|r| &r.winner.value).filter(|value| !value.is_null())
    }

    /// The winning text under `key`.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.value(key).and_then(Value::as_text)
    }

    /// Registers whose key starts with `prefix`, with the rest of the key.
    pub fn under<'m>(&'m self, prefix: &'m str) -> impl Iterator<Item = (&'m str, &'m Register)> + 'm {
        self.registers
            .range(prefix.to_owned()..)
            .map_while(move |(key, register)| Some((key.strip_prefix(prefix)?, register)))
    }

    /// Elements of a set or photos of an item: keys below `prefix` that are not withdrawn.
    pub fn elements<'m>(&'m self, prefix: &'m str) -> impl Iterator<Item = &'m str> + 'm {
        self.under(prefix)
            .filter(|(_, register)| register.all().any(|stamped| !stamped.value.is_null()))
            .map(|(rest, _)| rest)
    }

    /// Moves the model on by one edit whose author has seen everything in it.
    ///
    /// A text edit that was read back from operations carries no text and leaves the text as it is.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Put { key, stamped } => {
                let register = Register { winner: stamped.clone(), others: Vec::new() };
                self.registers.insert(key.clone(), register);
            }
            Edit::Text { key, to: Some(to) } => {
                self.texts.insert(key.clone(), to.clone());
            }
            Edit::Text { to: None, .. } => {}
            Edit::Event(event) => self.events.push(event.clone()),
        }
    }

    /// Ids of the events that no other event has seen: what the next event comes `after`.
    #[must_use]
    pub fn latest_events(&self) -> Vec<String> {
        let seen: BTreeSet<&str> =
            self.events.iter().flat_map(|e| e.after.iter().map(String::as_str)).collect();
        let mut latest: Vec<String> =
            self.events.iter().map(|e| e.id.clone()).filter(|id| !seen.contains(id.as_str())).collect();
        latest.sort();
        latest
    }
}

/// One meaningful part of a change, read back from its operations or about to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Writes a register. An equal value written again is a confirmation and still leaves a change.
    Put {
        /// The key, as described at [`Model`].
        key: String,
        /// The value with its author and device time.
        stamped: Stamped,
    },
    /// Makes a shared text read `to`; concurrent edits merge by character.
    Text {
        /// Field or item id.
        key: String,
        /// The whole text after the edit; `None` when read back from operations.
        to: Option<String>,
    },
    /// Appends an event.
    Event(Event),
}
