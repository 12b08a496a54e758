//! Papers and tables of the organisation: the nonconformity model, staffing, training, forms.

use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

use super::field::Field;
use super::label::{Named, Provenance, SeedRef, Title, first_version};
use super::organisation::Project;

/// Findings: their ledger, severities and rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nonconformity {
    /// Stable id.
    #[serde(default = "nonconformity_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// The ledger that findings are entries of.
    pub ledger: String,
    /// Severities, lowest first.
    pub severities: Vec<Severity>,
    /// Natures of nonconformity.
    #[serde(default)]
    pub classify_by_nature: Vec<Named>,
    /// When a higher severity is suggested.
    #[serde(default)]
    pub auto_upgrade: Vec<Upgrade>,
    /// What closing requires, Chinese.
    #[serde(default)]
    pub closing_requirements_zh: Vec<String>,
    /// Lines of the printed form, Chinese.
    #[serde(default)]
    pub report_form_fields_zh: Vec<String>,
}

fn nonconformity_id() -> String {
    "set.nonconformity".to_owned()
}

impl Nonconformity {
    /// The severity with this id.
    #[must_use]
    pub fn severity(&self, id: &str) -> Option<&Severity> {
        self.severities.iter().find(|severity| severity.id == id)
    }
}

/// A severity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Severity {
    /// Stable id: an option of the finding ledger's severity field.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// What makes a finding this severe, Chinese.
    pub criteria_zh: String,
    /// Corrective action is required.
    pub corrective_action_required: bool,
    /// Working days to the plan.
    pub plan_workdays: Option<u32>,
    /// Days to closing.
    pub close_days: u32,
    /// Roles that hear of it at once.
    #[serde(default)]
    pub notify: Vec<String>,
    /// Where the numbers come from.
    pub source: Option<Provenance>,
}

/// When a higher severity is suggested.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// Stable id.
    pub id: String,
    /// When, Chinese.
    pub when_zh: String,
    /// What is suggested, e.g. `suggest_major`.
    pub then: String,
    /// Roles of which one confirms.
    #[serde(default)]
    pub needs_confirm_by: Vec<String>,
}

/// How many people a project needs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staffing {
    /// Stable id.
    #[serde(default = "staffing_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Where the founding paper asks for it.
    pub seed_ref: Option<SeedRef>,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
    /// Facts of a project that the formulas use.
    pub inputs: Vec<String>,
    /// Posts.
    pub posts: Vec<Post>,
    /// Extra people for events.
    #[serde(default)]
    pub surge: Vec<Surge>,
    /// Examples with the expected numbers.
    #[serde(default)]
    pub examples: Vec<StaffingExample>,
}

fn staffing_id() -> String {
    "set.staffing".to_owned()
}

/// A post.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// How many.
    pub formula: PostFormula,
    /// Whether projects may share a person.
    pub share: Share,
    /// The roles whose people hold it; sets of an older version name none.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Households for each person.
#[derive(Clone, Debug, PartialEq)]
pub enum PerHouseholds {
    /// The same everywhere.
    Flat(f64),
    /// By the project's fee level.
    ByFeeLevel(BTreeMap<String, f64>),
}

/// How a quotient becomes people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Upwards.
    Ceil,
    /// Downwards.
    Floor,
}

/// How many people of a post.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostFormula {
    /// A fixed number.
    pub base: Option<u32>,
    /// Reserved: what the fixed number is per.
    pub per: Option<String>,
    /// At least.
    pub min: Option<u32>,
    /// Households for each person.
    pub per_households: Option<PerHouseholds>,
    /// How the quotient is rounded.
    pub round: Option<Rounding>,
    /// Factor for shifts.
    pub shift_factor: Option<f64>,
}

impl PostFormula {
    /// How many people of the post a project needs; `None` where a fact of the project that the formula
    /// uses is not known.
    #[must_use]
    pub fn people(&self, project: &Project) -> Option<u32> {
        let Some(per_households) = &self.per_households else { return self.base };
        let per = match per_households {
            PerHouseholds::Flat(per) => *per,
            PerHouseholds::ByFeeLevel(levels) => *levels.get(project.fee_level.as_deref()?)?,
        };
        let quotient = f64::from(project.households) / per * self.shift_factor.unwrap_or(1.0);
        let whole = match self.round {
            Some(Rounding::Floor) => quotient.floor(),
            Some(Rounding::Ceil) | None => quotient.ceil(),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "people of one project")]
        let people = whole.clamp(0.0, f64::from(u32::MAX)) as u32;
        Some(self.base.unwrap_or(0) + people.max(self.min.unwrap_or(0)))
    }
}

/// Whether projects may share a person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// They may.
    pub allowed: bool,
    /// Most projects together.
    pub max_projects: Option<u32>,
    /// Most households together.
    pub max_households_total: Option<u32>,
}

/// Extra people for an event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// Stable id.
    pub id: String,
    /// The input that calls for them.
    pub when: String,
    /// How many, Chinese.
    pub add_zh: String,
    /// How many: numbers, or formulas in words.
    pub formula: BTreeMap<String, serde_json::Value>,
    /// Where they come from.
    pub supply: String,
}

/// An example of the formulas.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffingExample {
    /// The project.
    pub project: String,
    /// Its inputs.
    pub input: BTreeMap<String, serde_json::Value>,
    /// People by post.
    pub expect: BTreeMap<String, u32>,
    /// The calculation, Chinese.
    pub calc_zh: Option<String>,
}

/// The training plan.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Stable id.
    #[serde(default = "training_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Where the founding paper asks for it.
    pub seed_ref: Option<SeedRef>,
    /// Topics.
    pub topics: Vec<Topic>,
    /// How weak points become topics, Chinese.
    pub weak_item_selection_zh: Option<String>,
    /// A sample plan.
    #[serde(default)]
    pub plan_sample: Vec<PlannedTraining>,
    /// Sample questions.
    #[serde(default)]
    pub quiz_sample: Vec<QuizQuestion>,
}

fn training_id() -> String {
    "set.training".to_owned()
}

/// A topic of training.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// Words of the founding paper.
    pub seed_quote: Option<String>,
}

/// A planned training.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTraining {
    /// Quarter, e.g. `2026Q4`.
    pub quarter: String,
    /// Topic id.
    pub topic: String,
    /// `central`, `project` or `rehearsal`.
    pub kind: String,
    /// The day.
    pub planned_on: String,
    /// Projects that take part.
    pub target_projects: Vec<String>,
    /// Why, Chinese.
    pub why_zh: Option<String>,
}

/// A question of a quiz.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuizQuestion {
    /// Stable id.
    pub id: String,
    /// Topic id.
    pub topic: String,
    /// The question, Chinese.
    pub q_zh: String,
    /// The answer, Chinese.
    pub a_zh: String,
}

/// A paper form that belongs to a ledger.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Stable id.
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Its name.
    pub title: Title,
    /// The ledger it belongs to.
    pub ledger: String,
    /// Where the founding paper asks for it.
    pub seed_ref: Option<SeedRef>,
    /// Readings that the branch must confirm.
    #[serde(default)]
    pub ambiguities: Vec<Ambiguity>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Who may be named, Chinese.
    #[serde(default)]
    pub eligibility_zh: Vec<String>,
    /// The way of the paper.
    #[serde(default)]
    pub flow: Vec<FlowStep>,
}

/// A reading that the branch must confirm.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ambiguity {
    /// Stable id.
    pub id: String,
    /// The readings, Chinese.
    pub zh: String,
}

/// One step of a paper's way.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowStep {
    /// Its place, from 1.
    pub step: u32,
    /// The role.
    pub who: String,
    /// What the role does, Chinese.
    pub do_zh: String,
    /// The rule with its deadline.
    pub deadline_rule: Option<String>,
}

impl<'de> Deserialize<'de> for PerHouseholds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrTable;

        impl<'de> Visitor<'de> for NumberOrTable {
            type Value = PerHouseholds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a table by fee level")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<PerHouseholds, E> {
                Ok(PerHouseholds::Flat(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "households stay far below 2^53")]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PerHouseholds, E> {
                Ok(PerHouseholds::Flat(number as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PerHouseholds, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(PerHouseholds::ByFeeLevel)
            }
        }

        deserializer.deserialize_any(NumberOrTable)
    }
}
