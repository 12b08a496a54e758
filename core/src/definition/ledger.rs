//! Ledgers: fields, states and transitions of the records people keep.

use serde::de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

use super::field::{Field, MergePolicy};
use super::guard::Guard;
use super::label::{Fault, SeedRef, Title, first_version};
use super::linear;
use super::number::NumberPattern;
use super::unset_reference;
use crate::id::DefinitionRef;

/// The performer of transitions that deadline rules carry out by themselves.
pub const BY_RULE: &str = "rule";

/// The id of the transition that takes a linear ledger one state back.
pub const STEP_BACK: &str = "step_back";

/// How much of the product a ledger needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// A ledger the product is built around.
    Core,
    /// A ledger that is nothing but its definition.
    Thin,
    /// A product of the engine itself (reports only).
    Engine,
}

/// A state of the lifecycle. The first of the list is where an entry starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// The entry is finished here.
    #[serde(default)]
    pub terminal: bool,
    /// Linear ledgers: the verb of the step that leads here; the state's id where absent.
    pub event: Option<String>,
    /// Linear ledgers: this state may be skipped.
    #[serde(default)]
    pub optional: bool,
    /// Linear ledgers: who may take the step that leads here, as in [`Transition::by`].
    #[serde(default)]
    pub by: Vec<String>,
    /// Linear ledgers: what must hold for the step that leads here.
    pub guard: Option<Guard>,
    /// Linear ledgers: what must be there for the step that leads here, as in [`Transition::requires`].
    #[serde(default)]
    pub requires: Vec<String>,
}

/// A step of the lifecycle, recorded as an event of the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The event's name. Unique per ledger and state it starts from.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// States it may start from.
    pub from: Vec<String>,
    /// The state it leads to; `None` stays where it is.
    pub to: Option<String>,
    /// Role ids, or [`BY_RULE`]; empty: every role that holds the ledger's stream.
    pub by: Vec<String>,
    /// What must hold.
    pub guard: Option<Guard>,
    /// Fields or event data that must be there: a field id of the ledger or one of [`EVENT_DATA`].
    pub requires: Vec<String>,
}

impl Transition {
    /// True when someone with these roles may take the step.
    pub fn allows<'r>(&self, roles: impl IntoIterator<Item = &'r str>) -> bool {
        self.by.is_empty() || roles.into_iter().any(|role| self.by.iter().any(|by| by == role))
    }
}

/// What an event may carry besides fields of its ledger.
pub const EVENT_DATA: [&str; 6] = ["note", "reason", "satisfaction", "channel", "new_due", "verification"];

/// Small findings that are corrected on the spot: a shorter way through the lifecycle.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FastPath {
    /// Options of the field `source` that it is for.
    pub for_sources: Vec<String>,
    /// Its name, Chinese.
    pub title_zh: String,
    /// Its name, English.
    pub title_en: Option<String>,
    /// What must hold.
    pub enabled_when: Guard,
    /// The event's name; with `from` and `to` the path becomes a transition.
    pub event: Option<String>,
    /// States it may start from.
    #[serde(default)]
    pub from: Vec<String>,
    /// The state it leads to.
    pub to: Option<String>,
    /// Roles that may take it.
    #[serde(default)]
    pub by: Vec<String>,
    /// What must be there.
    #[serde(default)]
    pub requires: Vec<String>,
}

/// A ledger version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "LedgerSource")]
pub struct Ledger {
    /// Id, version and hash of this very text.
    pub reference: DefinitionRef,
    /// Stable id.
    pub id: String,
    /// Version, from 1.
    pub version: u32,
    /// How much of the product it needs.
    pub tier: Tier,
    /// The stream whose scope holds its entries.
    pub stream: String,
    /// Its name.
    pub title: Title,
    /// The official number of an entry.
    pub number: NumberPattern,
    /// Codes for the options of the choice field named in the number pattern.
    pub number_codes: BTreeMap<String, String>,
    /// Where the founding paper asks for it.
    pub seed_ref: Option<SeedRef>,
    /// Roles that may begin an entry; empty: every role that writes the ledger.
    pub who: Vec<String>,
    /// Its fields in order.
    pub fields: Vec<Field>,
    /// Its states; the first is where an entry starts.
    pub states: Vec<State>,
    /// Its steps, spelled out for linear ledgers too.
    pub transitions: Vec<Transition>,
    /// True when the file says no more than `linear`.
    pub linear: bool,
    /// Deadline rules that apply.
    pub rules: Vec<String>,
    /// The short way, where there is one.
    pub fast_path: Option<FastPath>,
    /// The name of the event that begins an entry.
    pub create_event: String,
}

impl Ledger {
    /// True where one of the roles may begin an entry, of those that write the ledger at all.
    #[must_use]
    pub fn is_open_to(&self, roles: &[String]) -> bool {
        self.who.is_empty() || self.who.iter().any(|role| roles.contains(role))
    }

    /// The field that says how grave an entry is: a choice of which the highest counts.
    #[must_use]
    pub fn grade(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.is_choice() && field.merge() == MergePolicy::Max)
    }

    /// The field with this id.
    #[must_use]
    pub fn field(&self, id: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// The state with this id.
    #[must_use]
    pub fn state(&self, id: &str) -> Option<&State> {
        self.states.iter().find(|state| state.id == id)
    }

    /// Where an entry starts.
    #[must_use]
    pub fn initial_state(&self) -> &State {
        self.states.first().expect("a ledger without states does not parse")
    }

    /// The step with this name that starts from this state.
    #[must_use]
    pub fn transition(&self, id: &str, from: &str) -> Option<&Transition> {
        self.transitions.iter().find(|t| t.id == id && t.from.iter().any(|state| state == from))
    }

    /// All steps with this name; more than one only where the target depends on the state.
    pub fn transitions_named<'l>(&'l self, id: &'l str) -> impl Iterator<Item = &'l Transition> {
        self.transitions.iter().filter(move |transition| transition.id == id)
    }

    /// The steps that start from this state.
    pub fn transitions_from<'l>(&'l self, state: &'l str) -> impl Iterator<Item = &'l Transition> {
        self.transitions.iter().filter(move |t| t.from.iter().any(|from| from == state))
    }

    /// True for the kind of an event that this ledger records.
    #[must_use]
    pub fn knows_event(&self, kind: &str) -> bool {
        kind == self.create_event || self.transitions.iter().any(|transition| transition.id == kind)
    }

    /// The kind under which an event named by a rule is recorded; `None` when the ledger has no such event.
    ///
    /// A state without a verb of its own also answers to the beginning of its id: `approve` names the
    /// step to `approved`, and `raise` the beginning of an entry that starts as `raised`.
    #[must_use]
    pub fn event_kind(&self, event: &str) -> Option<&str> {
        let create = Some(self.create_event.as_str());
        let step =
            |fits: &dyn Fn(&str) -> bool| self.transitions.iter().map(|t| t.id.as_str()).find(|id| fits(id));
        if event == self.create_event {
            return create;
        }
        step(&|id| id == event)
            .or_else(|| step(&|id| self.linear && !event.is_empty() && id.starts_with(event)))
            .or_else(|| create.filter(|_| !event.is_empty() && self.initial_state().id.starts_with(event)))
    }

    /// Sorted ids of the fields whose text merges character by character.
    #[must_use]
    pub fn text_fields(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .fields
            .iter()
            .filter(|field| field.merge() == MergePolicy::TextCrdt)
            .map(|field| field.id.clone())
            .collect();
        ids.sort();
        ids
    }
}

/// A ledger as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerSource {
    pub(crate) id: String,
    #[serde(default = "first_version")]
    pub(crate) version: u32,
    pub(crate) tier: Tier,
    pub(crate) stream: String,
    pub(crate) title: Title,
    pub(crate) number_pattern: NumberPattern,
    #[serde(default)]
    pub(crate) number_codes: BTreeMap<String, String>,
    pub(crate) seed_ref: Option<SeedRef>,
    #[serde(default)]
    pub(crate) who: Vec<String>,
    pub(crate) fields: Vec<Field>,
    pub(crate) states: Vec<State>,
    pub(crate) transitions: Steps,
    #[serde(default)]
    pub(crate) rules: Vec<String>,
    pub(crate) fast_path: Option<FastPath>,
    #[serde(default = "create")]
    pub(crate) create_event: String,
}

fn create() -> String {
    "create".to_owned()
}

/// Steps as written: the word `linear`, or a list.
#[derive(Clone, Debug)]
pub(crate) enum Steps {
    Linear,
    Listed(Vec<WrittenTransition>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenTransition {
    pub(crate) id: String,
    title_zh: String,
    title_en: Option<String>,
    pub(crate) from: Vec<String>,
    pub(crate) to: Option<String>,
    #[serde(default)]
    pub(crate) by: Vec<String>,
    pub(crate) guard: Option<Guard>,
    #[serde(default)]
    pub(crate) requires: Vec<String>,
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = Steps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"linear\" or a list of transitions")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Steps, E> {
                if word == "linear" {
                    return Ok(Steps::Linear);
                }
                let fault = Fault::new(
                    format!("未知的流转方式“{word}”"),
                    format!("unknown way of transitions \"{word}\""),
                );
                Err(E::custom(fault.allowing(["linear", "[ .. ]"])))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Steps, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Steps::Listed)
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}

impl TryFrom<LedgerSource> for Ledger {
    type Error = Fault;

    fn try_from(source: LedgerSource) -> Result<Self, Fault> {
        if source.states.is_empty() {
            return Err(Fault::new("台账至少要有一个状态", "a ledger needs at least one state"));
        }
        let linear = matches!(source.transitions, Steps::Linear);
        let mut transitions = match source.transitions {
            Steps::Linear => linear::expand(&source.states),
            Steps::Listed(written) => written.into_iter().map(Transition::from).collect(),
        };
        transitions.extend(source.fast_path.as_ref().and_then(FastPath::transition));
        Ok(Self {
            reference: unset_reference(),
            id: source.id,
            version: source.version,
            tier: source.tier,
            stream: source.stream,
            title: source.title,
            number: source.number_pattern,
            number_codes: source.number_codes,
            seed_ref: source.seed_ref,
            who: source.who,
            fields: source.fields,
            states: source.states,
            transitions,
            linear,
            rules: source.rules,
            fast_path: source.fast_path,
            create_event: source.create_event,
        })
    }
}

impl From<WrittenTransition> for Transition {
    fn from(written: WrittenTransition) -> Self {
        let en = written.title_en.unwrap_or_else(|| written.id.replace('_', " "));
        Self {
            title: Title { zh: written.title_zh, en },
            id: written.id,
            from: written.from,
            to: written.to,
            by: written.by,
            guard: written.guard,
            requires: written.requires,
        }
    }
}

impl FastPath {
    /// The path as an ordinary step: its sources become part of the guard.
    fn transition(&self) -> Option<Transition> {
        let (event, to) = (self.event.clone()?, self.to.clone()?);
        let for_source = Guard::InList("source".to_owned(), self.for_sources.clone());
        Some(Transition {
            title: Title {
                zh: self.title_zh.clone(),
                en: self.title_en.clone().unwrap_or_else(|| event.replace('_', " ")),
            },
            id: event,
            from: self.from.clone(),
            to: Some(to),
            by: self.by.clone(),
            guard: Some(Guard::And(vec![for_source, self.enabled_when.clone()])),
            requires: self.requires.clone(),
        })
    }
}
