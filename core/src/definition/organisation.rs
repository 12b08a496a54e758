//! Who works where: roles with their streams, and the organisation with its projects, people,
//! checkpoints and schedules.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use super::label::{Fault, Named, Provenance, Title, first_version};

/// Roles, departments and the rules for devices.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleBook {
    /// Stable id.
    #[serde(default = "roles_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Levels of the organisation.
    #[serde(default)]
    pub org_levels: Vec<Named>,
    /// How the levels work together, in the founding paper's words.
    pub management_mode: Option<Quote>,
    /// Departments.
    pub departments: Vec<Named>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Rules for devices.
    pub device_policy: DevicePolicy,
}

fn roles_id() -> String {
    "set.roles".to_owned()
}

/// Words of the founding paper.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// The words.
    pub quote: String,
    /// Their lines, from 1.
    #[serde(default)]
    pub lines: Vec<u32>,
}

/// Where a role's grants reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleScope {
    /// Every project and the branch itself.
    Branch,
    /// Every project and the branch itself, to audit.
    Audit,
    /// The person's project.
    Project,
    /// The person's project, for the time of an event.
    Event,
    /// Nobody's device: signs on someone else's.
    External,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// Where it reaches.
    pub scope: RoleScope,
    /// Abilities, `verb:what`.
    #[serde(default)]
    pub can: Vec<String>,
    /// Constraints, e.g. `not_own_work`.
    #[serde(default)]
    pub constraints: Vec<String>,
    /// The role that it answers to.
    pub reports_to: Option<String>,
    /// Streams whose scopes it holds.
    #[serde(default)]
    pub streams: Vec<String>,
}

/// Rules for devices.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevicePolicy {
    /// People may share a device.
    pub one_device_many_users: bool,
    /// Days that a device works without the branch.
    pub offline_session_max_days: u32,
    /// A PIN is required.
    pub pin_required: bool,
    /// What revoking does, Chinese.
    pub revoke_effect_zh: String,
    /// Days of silence before the person is told.
    pub stale_device_warn_days: u32,
    /// Days of silence before the branch is told.
    pub stale_device_alert_days: u32,
    /// What devices do with photos.
    #[serde(default)]
    pub photos: PhotoPolicy,
}

/// Whether a file keeps where it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// As the camera wrote it.
    #[default]
    Keep,
    /// Blanked at capture.
    Strip,
}

/// What devices do with photos.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhotoPolicy {
    /// Longer side to which a larger picture is made smaller at capture, pixels; 0 keeps it as taken.
    pub edge_max: u32,
    /// Quality of such a picture, percent.
    pub quality: u8,
    /// Where it was taken.
    pub place: Place,
    /// Thumbnails of others' photos are fetched for records of so many days; 0 for none.
    pub thumbnail_days: u32,
    /// What originals may take on a device, MB: beyond it those leave that the branch has, oldest first.
    pub originals_mb_max: u32,
}

impl Default for PhotoPolicy {
    fn default() -> Self {
        Self { edge_max: 0, quality: 85, place: Place::Keep, thumbnail_days: 30, originals_mb_max: 1_024 }
    }
}

/// A branch with its projects and people.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Stable id.
    #[serde(default = "organisation_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
    /// The branch.
    pub branch: Named,
    /// Districts.
    #[serde(default)]
    pub districts: Vec<Named>,
    /// Projects (estates).
    pub projects: Vec<Project>,
    /// People.
    pub users: Vec<User>,
    /// Dwellings.
    #[serde(default)]
    pub units: Vec<Unit>,
    /// Checkpoints.
    #[serde(default)]
    pub checkpoints: Vec<Checkpoint>,
    /// Schedules.
    #[serde(default)]
    pub schedules: Vec<Schedule>,
}

fn organisation_id() -> String {
    "org.branch".to_owned()
}

/// A parameter of a project.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub enum Param {
    /// A number.
    Number(f64),
    /// Text, e.g. a time of day.
    Text(String),
}

impl TryFrom<Value> for Param {
    type Error = Fault;

    fn try_from(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
        .ok_or_else(|| {
            Fault::new("项目参数应为数字或文本", "a project parameter is a number or a text")
                .allowing(["1.5", "\"17:30\""])
        })
    }
}

/// A project: one estate.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Stable id.
    pub id: String,
    /// Short code in numbers, e.g. `LY`.
    pub code: Option<String>,
    /// Its district.
    pub district: Option<String>,
    /// Its name.
    pub title: Title,
    /// Households.
    #[serde(default)]
    pub households: u32,
    /// Buildings.
    #[serde(default)]
    pub buildings: u32,
    /// `high`, `mid` or `low`.
    pub fee_level: Option<String>,
    /// The day it was handed over.
    pub delivered_on: Option<String>,
    /// What it has, for conditional items.
    #[serde(default)]
    pub attrs: BTreeMap<String, bool>,
    /// Its own numbers and times.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// No longer served.
    #[serde(default)]
    pub retired: bool,
}

impl Project {
    /// The short code for numbers: as written, or the id's last part in capitals.
    #[must_use]
    pub fn number_code(&self) -> String {
        self.code
            .clone()
            .unwrap_or_else(|| self.id.rsplit('.').next().unwrap_or(&self.id).to_ascii_uppercase())
    }

    /// A number among its parameters.
    #[must_use]
    pub fn number_param(&self, name: &str) -> Option<f64> {
        match self.params.get(name)? {
            Param::Number(number) => Some(*number),
            Param::Text(_) => None,
        }
    }

    /// A text among its parameters.
    #[must_use]
    pub fn text_param(&self, name: &str) -> Option<&str> {
        match self.params.get(name)? {
            Param::Text(text) => Some(text),
            Param::Number(_) => None,
        }
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Stable id.
    pub id: String,
    /// The name shown.
    pub name: String,
    /// Main role.
    pub role: String,
    /// Further roles.
    #[serde(default)]
    pub more_roles: Vec<String>,
    /// The person's project; `None` at the branch.
    pub project: Option<String>,
    /// Department.
    pub dept: Option<String>,
    /// Where the person helps besides: named while it lasts.
    #[serde(default)]
    pub lent: Vec<Posting>,
    /// No longer here: holds no grants.
    #[serde(default)]
    pub retired: bool,
}

/// A person sent to another project for a time, in a role of that project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// The project.
    pub project: String,
    /// The role there.
    pub role: String,
}

impl User {
    /// Ids of all roles, main role first.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.role.as_str()).chain(self.more_roles.iter().map(String::as_str))
    }

    /// Ids of the roles of a project that the person holds there: the own ones at home, a lent one elsewhere.
    pub fn roles_at<'u>(&'u self, project: &'u str) -> impl Iterator<Item = &'u str> {
        let own = self.roles().filter(move |_| self.project.as_deref() == Some(project));
        let lent = self.lent.iter().filter(move |posting| posting.project == project);
        own.chain(lent.map(|posting| posting.role.as_str()))
    }
}

/// A dwelling.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Stable id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// As people write it.
    pub label: String,
    /// No longer used.
    #[serde(default)]
    pub retired: bool,
}

/// How a checkpoint is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagKind {
    /// A tag to touch.
    Nfc,
    /// A code to photograph.
    Qr,
}

/// The tag at a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its technique.
    pub kind: TagKind,
    /// Its code, unique in the branch.
    pub code: String,
}

/// How good the signal is at a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Usable.
    Good,
    /// Unreliable.
    Weak,
    /// None.
    None,
}

/// A place that a patrol must have been at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Stable id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// Its name.
    pub title: Title,
    /// Its tag.
    pub tag: Tag,
    /// The signal there.
    pub signal: Option<Signal>,
    /// Sections of checklists that are answered there.
    #[serde(default)]
    pub sections: Vec<String>,
    /// No longer there.
    #[serde(default)]
    pub retired: bool,
}

/// Whether one or all of the people assigned must do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignMode {
    /// Any one of them.
    AnyOne,
    /// Every one of them, on one sheet.
    All,
}

/// Who a slot is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The role.
    pub role: String,
    /// One or all.
    pub mode: AssignMode,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Every day at the given times.
    Daily,
    /// Every month.
    Monthly,
    /// Every year.
    Yearly,
}

/// Lines of ledger entries that name months. A project that has such an entry, beyond its first state, has
/// slots in these months of its year alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthPlan {
    /// The ledger.
    pub ledger: String,
    /// Its field with the lines.
    pub lines: String,
    /// The subfield with the month.
    pub month: String,
}

/// When slots come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recurrence {
    /// How often.
    pub freq: Frequency,
    /// Local times of day, `HH:MM`.
    #[serde(default)]
    pub times: Vec<String>,
    /// What else sets the days, e.g. `project_plan`.
    pub by: Option<String>,
    /// Monthly: where each project plans the months for itself.
    pub plan: Option<MonthPlan>,
    /// How many slots in a period.
    pub count: Option<u32>,
    /// The month of a yearly slot, 1 to 12.
    pub month: Option<u8>,
}

/// Minutes around a slot's start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// It opens so long before.
    pub open_before: u32,
    /// It is late so long after.
    pub late_after: u32,
    /// It is missed so long after.
    pub missed_after: u32,
}

/// A schedule of inspections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Stable id.
    pub id: String,
    /// The checklist.
    pub template: String,
    /// For whom.
    pub assign: Assignment,
    /// When.
    pub recur: Recurrence,
    /// Minutes around the start.
    pub window_min: Window,
    /// `all`, or one project.
    pub project_scope: String,
    /// Where it comes from.
    pub source: Option<Provenance>,
    /// No longer run.
    #[serde(default)]
    pub retired: bool,
}

impl Schedule {
    /// True when the schedule makes slots in this project.
    #[must_use]
    pub fn covers(&self, project: &str) -> bool {
        self.project_scope == "all" || self.project_scope == project
    }
}
