//! Papers and tables of the organisation: the nonconformity model, training, forms.

use serde::Deserialize;

use super::field::Field;
use super::label::{Named, Provenance, SeedRef, Title, first_version};

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
    /// The weak points that ask for it: ids of categories, sections and items of checklists, clauses; each with
    /// everything below it.
    #[serde(default)]
    pub weak: Vec<String>,
}

impl Topic {
    /// True where the topic is about this category, item or clause.
    #[must_use]
    pub fn is_about(&self, id: &str) -> bool {
        self.weak.iter().any(|above| is_within(id, above))
    }
}

/// True for an id that is `above`, or lies below it by its dots.
pub(crate) fn is_within(id: &str, above: &str) -> bool {
    id.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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
