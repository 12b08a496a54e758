//! Catalogues that other definitions point into: response sets, categories and clauses.

use serde::Deserialize;

use super::label::{Provenance, SeedRef, Title, first_version};

/// All response sets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseSets {
    /// Stable id.
    #[serde(default = "response_sets_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// The sets.
    pub sets: Vec<ResponseSet>,
}

fn response_sets_id() -> String {
    "set.response_sets".to_owned()
}

/// The options that an item or a field may be answered with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseSet {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// The options in order.
    pub options: Vec<ResponseOption>,
}

impl ResponseSet {
    /// The option with this id, retired ones included.
    #[must_use]
    pub fn option(&self, id: &str) -> Option<&ResponseOption> {
        self.options.iter().find(|option| option.id == id)
    }
}

/// One option of a response set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseOption {
    /// Stable id, never reused.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// Share of the item's weight, 0 to 1; `None` where it does not count.
    pub score: Option<f64>,
    /// Answering so is failing.
    pub fail: bool,
    /// The item leaves the score, as "not applicable" does.
    #[serde(default)]
    pub excluded_from_score: bool,
    /// The severity of the finding that it raises.
    pub finding_severity: Option<String>,
    /// Kept for old sheets, no longer offered.
    #[serde(default)]
    pub retired: bool,
}

/// A tree of categories, with levels where its ledger grades entries.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategorySet {
    /// Stable id.
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// The ledger that uses it.
    pub used_by: String,
    /// Where the founding paper asks for it.
    pub seed_ref: Option<SeedRef>,
    /// A remark on the hours, Chinese.
    pub default_sla_note_zh: Option<String>,
    /// Levels, lowest first.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// The tree.
    pub categories: Vec<CategoryNode>,
}

/// A level of gravity.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Stable id: an option of the ledger's level field.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// Hours to the first reply.
    pub first_reply_h: Option<f64>,
    /// Hours to the solution; `None`: no fixed time.
    pub resolve_h: Option<f64>,
    /// Roles that hear of it at once.
    #[serde(default)]
    pub notify: Vec<String>,
    /// The branch must help.
    #[serde(default)]
    pub branch_must_assist: bool,
    /// Where the numbers come from.
    pub source: Option<Provenance>,
    /// What makes an entry this level, Chinese.
    #[serde(default)]
    pub triggers_zh: Vec<String>,
    /// A remark on the triggers, Chinese.
    pub trigger_note_zh: Option<String>,
}

/// When a return visit is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnVisit {
    /// Always.
    All,
    /// For a sample of 30 percent.
    #[serde(rename = "sample_30")]
    Sample30,
    /// Never.
    None,
}

impl ReturnVisit {
    /// The spelling in definitions, e.g. as key of `hours_by_policy`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Sample30 => "sample_30",
            Self::None => "none",
        }
    }
}

/// A node of the category tree; children inherit what they do not say.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryNode {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// Finer categories.
    #[serde(default)]
    pub children: Vec<Self>,
    /// The department that usually handles it.
    pub default_dept: Option<String>,
    /// Hours to the first response.
    pub response_h: Option<f64>,
    /// Hours to the solution.
    pub resolve_h: Option<f64>,
    /// When a return visit is due.
    pub return_visit: Option<ReturnVisit>,
    /// The ledger that takes such entries over.
    pub creates: Option<String>,
    /// Kept for old entries, no longer offered.
    #[serde(default)]
    pub retired: bool,
}

/// A category with everything it inherits.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    /// Stable id.
    pub id: String,
    /// The category set it belongs to.
    pub set: String,
    /// The category above it.
    pub parent: Option<String>,
    /// Its name.
    pub title: Title,
    /// The department that usually handles it.
    pub default_dept: Option<String>,
    /// Hours to the first response.
    pub response_h: Option<f64>,
    /// Hours to the solution.
    pub resolve_h: Option<f64>,
    /// When a return visit is due.
    pub return_visit: Option<ReturnVisit>,
    /// The ledger that takes such entries over.
    pub creates: Option<String>,
    /// No longer offered.
    pub retired: bool,
}

impl CategorySet {
    /// Every category of the tree, parents before children, with what it inherits.
    #[must_use]
    pub fn flatten(&self) -> Vec<Category> {
        let mut all = Vec::new();
        for node in &self.categories {
            self.collect(node, None, &mut all);
        }
        all
    }

    fn collect(&self, node: &CategoryNode, parent: Option<&Category>, all: &mut Vec<Category>) {
        let category = Category {
            id: node.id.clone(),
            set: self.id.clone(),
            parent: parent.map(|above| above.id.clone()),
            title: node.title.clone(),
            default_dept: node.default_dept.clone().or_else(|| parent?.default_dept.clone()),
            response_h: node.response_h.or_else(|| parent?.response_h),
            resolve_h: node.resolve_h.or_else(|| parent?.resolve_h),
            return_visit: node.return_visit.or_else(|| parent?.return_visit),
            creates: node.creates.clone().or_else(|| parent?.creates.clone()),
            retired: node.retired || parent.is_some_and(|above| above.retired),
        };
        all.push(category.clone());
        for child in &node.children {
            self.collect(child, Some(&category), all);
        }
    }
}

/// The standards and their clauses.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseCatalogue {
    /// Stable id.
    #[serde(default = "clauses_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
    /// The standards; a new edition is a new standard.
    pub standards: Vec<Standard>,
}

fn clauses_id() -> String {
    "set.clauses".to_owned()
}

/// One edition of a standard.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// Stable id.
    pub id: String,
    /// Its international name.
    pub name: String,
    /// Its national name.
    pub national: Option<String>,
    /// `quality`, `environment` or `ohs`.
    pub domain: String,
    /// Whether it is in use.
    pub status: String,
    /// A remark on the status.
    pub status_note: Option<String>,
    /// The edition that follows it.
    pub superseded_by: Option<String>,
    /// Its clauses.
    pub clauses: Vec<Clause>,
}

/// One clause.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// `<standard>.<clause>`.
    pub id: String,
    /// The number as printed.
    pub clause: String,
    /// A short title for picking, Chinese.
    pub title_zh: String,
}
