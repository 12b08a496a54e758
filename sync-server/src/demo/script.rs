//! The day's play as data: who, with what device, does what in which act.
//!
//! The script names people, checklists, items and texts of the definitions, so that no Rust source
//! has to. Unknown keys are refused: a misspelt step must not silently be skipped.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xunyuan_core::document::model::Value;
use xunyuan_core::error::{Error, ErrorKind};

use crate::command::output::Lang;

/// The play that ships with the server.
const DAY: &str = include_str!("../../demo/day.json");

/// One day at the branch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Day {
    /// When it begins, RFC 3339.
    pub(super) clock: String,
    /// Offset of local time, minutes.
    pub(super) utc_offset_min: i16,
    /// Who plays.
    pub(super) people: Vec<Person>,
    /// Who may sign in to the console afterwards.
    pub(super) console: Vec<String>,
    /// What happens, in order.
    pub(super) acts: Vec<Act>,
}

/// A person with a device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    /// How the script calls the device.
    pub(super) key: String,
    /// The person's id in the organisation.
    pub(super) user: String,
    /// How the audience calls the device.
    pub(super) title: Words,
}

/// A text in both languages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    zh: String,
    en: String,
}

impl Words {
    /// The text of a language.
    pub(super) fn of(&self, lang: Lang) -> &str {
        lang.pick(&self.zh, &self.en)
    }
}

/// One act: devices that work at the same time, or one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    pub(super) title: Words,
    pub(super) tell: Words,
    /// How much time passes with it.
    pub(super) minutes: i64,
    /// At the same time.
    #[serde(default)]
    pub(super) lanes: Vec<Lane>,
    /// One after the other.
    #[serde(default)]
    pub(super) order: Vec<Lane>,
    /// In a process that is killed.
    #[serde(default)]
    pub(super) killed: Option<Killed>,
    /// Clashes that a device must show when the act begins.
    #[serde(default)]
    pub(super) expect_conflicts: Option<Expected>,
}

/// What one device does in an act.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lane {
    pub(super) device: String,
    pub(super) steps: Vec<Step>,
}

/// Work in a child process that dies after some saved actions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Killed {
    pub(super) device: String,
    /// Actions that it has announced as saved when the signal is sent.
    pub(super) after: usize,
    pub(super) steps: Vec<Step>,
}

/// Clashes that a device must show, after its first sync of the act.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) device: String,
    pub(super) at_least: usize,
}

/// A value as the script writes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Plain {
    Number(f64),
    Text(String),
}

impl Plain {
    /// The value as a document holds it.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text.clone()),
        }
    }
}

/// Values by field.
pub(super) type Fields = BTreeMap<String, Plain>;

/// What one person does. Documents go by names that the script gives them with `as`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    /// Exchanges until nothing is left to say.
    Sync,
    /// Exchanges once; the server takes the push, the reply is lost.
    SyncLosingReply,
    /// Opens the sheet of today's slot of a checklist that is open now.
    StartSlot {
        checklist: String,
        #[serde(rename = "as")]
        name: String,
    },
    /// Opens a sheet without a schedule.
    Start {
        checklist: String,
        project: String,
        #[serde(rename = "as")]
        name: String,
    },
    /// Fills in the head of a sheet.
    Header { doc: String, field: String, value: Plain },
    /// Reads the tag of a checkpoint.
    Scan { doc: String, code: String },
    /// Gives the same answer to some items.
    Answer {
        doc: String,
        value: Plain,
        items: Vec<String>,
        #[serde(default)]
        note: Option<String>,
        #[serde(default)]
        photo: Option<String>,
    },
    /// Adds a line to a repeated group.
    Line { doc: String, group: String, fields: Fields },
    /// Signs a sheet.
    Sign { doc: String, signoff: String },
    /// Completes a sheet.
    Complete { doc: String },
    /// Takes a new entry into a ledger.
    Create {
        ledger: String,
        project: String,
        #[serde(rename = "as")]
        name: String,
        fields: Fields,
    },
    /// Edits fields of an entry.
    Edit { doc: String, fields: Fields },
    /// Moves an entry along its lifecycle.
    Event { doc: String, event: String, data: Fields },
    /// Decides a clash on an item.
    Resolve { doc: String, item: String, value: Plain },
}

impl Step {
    /// True for what goes over the network; everything else is saved on the device alone.
    pub(super) const fn is_exchange(&self) -> bool {
        matches!(self, Self::Sync | Self::SyncLosingReply)
    }
}

impl Day {
    /// The play that ships with the server.
    ///
    /// # Errors
    /// `Invalid` when the data file is not a play.
    pub(super) fn shipped() -> Result<Self, Error> {
        serde_json::from_str(DAY).map_err(|e| {
            Error::new(ErrorKind::Invalid, "演示脚本有误", "the script of the demonstration is not valid")
                .caused_by(e)
        })
    }
}

/// The steps as single actions: one answer each, one commit each.
pub(super) fn actions(steps: &[Step]) -> Vec<Step> {
    steps
        .iter()
        .flat_map(|step| {
            let Step::Answer { doc, value, items, note, photo } = step else { return vec![step.clone()] };
            let single = |item: &String| Step::Answer {
                doc: doc.clone(),
                value: value.clone(),
                items: vec![item.clone()],
                note: note.clone(),
                photo: photo.clone(),
            };
            items.iter().map(single).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_shipped_day_is_played_by_the_people_it_names() {
        let day = Day::shipped().unwrap();
        let keys: BTreeSet<&str> = day.people.iter().map(|person| person.key.as_str()).collect();
        assert_eq!(keys.len(), day.people.len());
        for act in &day.acts {
            let killed = act.killed.iter().map(|killed| killed.device.as_str());
            let lanes = act.lanes.iter().chain(&act.order).map(|lane| lane.device.as_str());
            for device in lanes.chain(killed) {
                assert!(keys.contains(device), "{device}");
            }
        }
    }

    #[test]
    fn both_sheets_are_answered_in_full_by_two_people() {
        let day = Day::shipped().unwrap();
        let mut answered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let lanes =
            day.acts.iter().flat_map(|act| act.lanes.iter().chain(&act.order).map(|lane| &lane.steps));
        let killed = day.acts.iter().filter_map(|act| act.killed.as_ref()).map(|killed| &killed.steps);
        for step in lanes.chain(killed).flat_map(|steps| actions(steps)) {
            if let Step::Answer { doc, items, .. } = step {
                answered.entry(doc).or_default().extend(items);
            }
        }
        // One of the 43 patrol items appears only when another one failed.
        let counts: Vec<usize> = answered.values().map(BTreeSet::len).collect();
        assert_eq!(counts, [36, 42]);
    }

    #[test]
    fn an_unknown_step_or_key_is_refused() {
        assert!(serde_json::from_str::<Step>(r#"{"do":"dance"}"#).is_err());
        assert!(serde_json::from_str::<Step>(r#"{"do":"complete","doc":"a","when":"now"}"#).is_err());
        let step: Step =
            serde_json::from_str(r#"{"do":"answer","doc":"a","value":0.5,"items":["x","y"]}"#).unwrap();
        assert_eq!(actions(&[step]).len(), 2);
    }
}
