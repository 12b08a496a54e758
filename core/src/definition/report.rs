//! Reports as data: which records, what is read of each, how they are grouped, added up and printed.
//!
//! A report is a table of columns over the rows of the projection. What a column shows is a [`Reading`] of
//! one record, or a [`Tally`] over a group of them; which records belong is a [`During`] and a [`Test`].

use serde::Deserialize;
use std::collections::BTreeMap;

use super::label::{Title, first_version};
use super::ledger::Tier;

/// Tables that no records make, with their columns: people by post, and devices.
pub const LINE_SOURCES: [(&str, &[&str]); 2] = [
    ("staffing", &["project", "post", "standard", "held", "gap", "shared"]),
    (
        "device",
        &["device", "user", "last_contact", "pending_changes", "pending_photos", "skew", "app", "conflicts"],
    ),
];

/// All reports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// Stable id.
    #[serde(default = "reports_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// The reports.
    pub reports: Vec<Report>,
}

fn reports_id() -> String {
    "set.reports".to_owned()
}

/// One report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// How much of the product it needs.
    pub tier: Tier,
    /// Its period or periods, `|` between them.
    pub period: String,
    /// Ledgers, checklists, or `device`, `staffing`.
    pub from: Vec<String>,
    /// The role that gets it, or `all_branch`.
    pub to: String,
    /// Column headings, Chinese.
    pub columns_zh: Vec<String>,
    /// Lines of the founding paper, from 1.
    #[serde(default)]
    pub source_lines: Vec<u32>,
    /// How its table comes about; sets of an older version have none.
    pub layout: Option<Layout>,
    /// The paper that it is printed as; without one, the table is printed.
    pub paper: Option<Paper>,
}

/// How the table of a report comes about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Which records.
    pub records: Vec<Source>,
    /// One row for each value of these; empty: one row for each record.
    #[serde(default)]
    pub group_by: Vec<Reading>,
    /// Projects without a record have a row too; the first group is the project.
    #[serde(default)]
    pub every_project: bool,
    /// One row over all records, even where there are none; nothing groups them then.
    #[serde(default)]
    pub one_row: bool,
    /// Column ids to sort by, `-` in front for descending; without any, by group or by time.
    #[serde(default)]
    pub sort: Vec<String>,
    /// The columns in order.
    pub columns: Vec<ReportColumn>,
}

/// Records of one ledger or checklist, or another table of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Id of a ledger or checklist, or one of [`LINE_SOURCES`].
    pub of: String,
    /// When a record belongs to the period.
    #[serde(default)]
    pub during: During,
    /// What else must hold.
    pub when: Option<Test>,
    /// What groups its records, where it is not what groups the others.
    pub group_by: Option<Vec<Reading>>,
}

/// When a record belongs to a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum During {
    /// It began in the period.
    #[default]
    Begun,
    /// It was not ended when the period, or the time until now, was over.
    Open,
    /// One of these events happened to it in the period.
    Event(Vec<String>),
    /// A day or time that it holds lies in the period; until it is filled in, when the record began.
    Field(String),
    /// The days from one field to the other touch the period.
    Span(String, String),
    /// Always.
    Always,
}

/// What kind of thing stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Words.
    Text,
    /// A whole number.
    Integer,
    /// A measured number.
    Decimal,
    /// A share, shown as percent.
    Percent,
    /// A day.
    Date,
    /// A moment.
    #[serde(rename = "instant")]
    Time,
    /// A length of time.
    Duration,
}

/// What stands under a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Footing {
    /// Nothing.
    #[default]
    None,
    /// The sum of its numbers.
    Sum,
    /// The mean of its numbers.
    Mean,
    /// How many of its cells say something.
    Count,
    /// In a grouped report: the tally over all records together.
    Tally,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportColumn {
    /// Stable id, unique in the report.
    pub id: String,
    /// The heading.
    pub title: Title,
    /// What kind of thing stands in it.
    #[serde(rename = "type")]
    pub kind: ColumnKind,
    /// What it shows of one record.
    pub show: Option<Reading>,
    /// What it shows of a group.
    pub tally: Option<Tally>,
    /// What stands under it.
    #[serde(default)]
    pub foot: Footing,
}

/// What is read of one record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reading {
    /// Its place in the table, from 1.
    Row,
    /// The official number, or the temporary one, or the start of its id.
    Number,
    /// The project.
    Project,
    /// The ledger's or checklist's name.
    Kind,
    /// The lifecycle state when the period, or the time until now, was over.
    State,
    /// When it began, by the device.
    BegunAt,
    /// Who began it.
    BegunBy,
    /// When it is due.
    DueAt,
    /// The score of a sheet.
    Score,
    /// Pass or fail of a sheet.
    Verdict,
    /// How many photos it holds.
    Photos,
    /// Scores by section of a sheet.
    Sections,
    /// Checkpoints: scanned of those asked for, and the missing ones by name.
    Scans,
    /// As of when the report is.
    AsOf,
    /// The period's name.
    Period,
    /// A field, a header field of a sheet, or a column of another table.
    Field(String),
    /// A part of a paper form that a field holds filled in, as a JSON object.
    Filled(String, String),
    /// The answer to an item of a sheet.
    Answer(String),
    /// The highest category above the one in a field.
    TopCategory(String),
    /// What a level of gravity, named by a field, allows: `first_reply_h` or `resolve_h`.
    Allowed(String, String),
    /// The main role of the person that is read.
    RoleOf(Box<Self>),
    /// The local day of a moment.
    DayOf(Box<Self>),
    /// Every local day from one day to another, as far as it lies in the period.
    DaysOf(Box<(Self, Self)>),
    /// An event.
    Event(EventReading),
    /// Time from one moment to another.
    Elapsed(Box<(Self, Self)>),
    /// Whole local days from one day to another; nothing where there is none between.
    DaysLate(Box<(Self, Self)>),
    /// The first that says something.
    First(Vec<Self>),
    /// All that say something, with a text between them.
    Join(Vec<Self>, String),
    /// Each part of one thing with another, such as clause and department.
    Across(Box<(Self, Self)>),
    /// The people that are read, of these departments alone.
    PeopleOf(Box<Self>, Vec<String>),
    /// The question of the sheet that raised a finding.
    SourceItem,
    /// The training topics that the record asks for: by its category, its clauses, the item that raised it, or
    /// its own failing items.
    Topics,
    /// Words.
    Words(Title),
    /// One thing where a test holds, another where it does not.
    Choose(Box<Choose>),
    /// Lines of an `entries` field or a repeated group: these subfields of each.
    Lines(String, Vec<String>),
    /// Failing items of a sheet: with their notes, or the questions alone.
    Failures {
        /// Only these severities; empty: all.
        #[serde(default)]
        severities: Vec<String>,
        /// With the notes.
        #[serde(default)]
        notes: bool,
    },
    /// How many items of a sheet fail.
    FailureCount(Vec<String>),
    /// How many lines a group or an `entries` field has.
    LineCount(String),
    /// Who signed, and when.
    Signed(String),
    /// A tally over the findings that the record raised.
    Findings(Box<Tally>),
}

/// One thing or the other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choose {
    /// The test.
    pub when: Test,
    /// Where it holds.
    pub then: Reading,
    /// Where it does not.
    pub otherwise: Option<Reading>,
}

/// Which of several events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The first.
    First,
    /// The last.
    #[default]
    Last,
}

/// Something read of an event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventReading {
    /// Its kinds; empty: any.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Which of several.
    #[serde(default)]
    pub which: Which,
    /// `at`, `by`, or the name of what it carries.
    pub take: String,
    /// Only within the period.
    #[serde(default)]
    pub in_period: bool,
}

/// Whether something holds for one record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Test {
    /// Always.
    Always,
    /// Its lifecycle had not ended.
    Open,
    /// Its lifecycle had not ended and it was due before.
    Overdue,
    /// Its category, or the lack of one, asks for a return visit.
    VisitAsked,
    /// All hold.
    All(Vec<Self>),
    /// One holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The id that is read is among these.
    Is(Reading, Vec<String>),
    /// Something is read.
    Given(Reading),
    /// The first moment, day, number or length is not above the second.
    AtMost(Reading, Reading),
    /// An event happened.
    Happened(Happened),
}

/// An event that happened.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happened {
    /// Its kinds; empty: any.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// What it carries: a name, and the values of which one is there.
    #[serde(default)]
    pub with: BTreeMap<String, Vec<String>>,
    /// Only within the period.
    #[serde(default)]
    pub in_period: bool,
}

/// What is worked out over a group of records.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tally {
    /// What the group is grouped by, from 0.
    Key(usize),
    /// The period's name.
    Period,
    /// How many records hold it.
    Count(Test),
    /// The sum of numbers.
    Sum(Reading),
    /// The mean of numbers.
    Mean(Reading),
    /// One tally as a share of another.
    Share(Box<(Self, Self)>),
    /// The change against the period before, as a share of it.
    Change(Box<Self>),
    /// The same tally over the period before.
    Before(Box<Self>),
    /// How often each value occurs, most frequent first.
    Spread(Reading),
    /// So many of the most frequent values, without how often.
    Top(usize, Reading),
    /// Every value once, in the order of the records.
    List(Reading, Test),
    /// How many different values.
    Different(Reading),
    /// The place of the group by another column, the highest first.
    Rank(String),
    /// People of the organisation in these departments, or in any; of the projects asked for.
    People(Vec<String>),
    /// A tally over the records of these ledgers or checklists alone.
    Of(Vec<String>, Box<Self>),
}

/// The paper that a report is printed as.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// The heading; the report's name where it has none.
    pub title: Option<Title>,
    /// A sheet for each record of this ledger or checklist; one sheet for the whole report without it.
    pub per: Option<String>,
    /// What stands on a sheet, from top to bottom.
    pub parts: Vec<Part>,
}

/// A part of a paper.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// Boxes with a name each.
    Boxes(Vec<PaperBox>),
    /// The table of the report.
    Table,
    /// The items of a sheet by section, with answers, notes and photos' places.
    Items,
    /// Lines of an `entries` field or a repeated group, each subfield a column.
    Lines(String),
    /// The findings that the record raised.
    Findings(Vec<ReportColumn>),
    /// A place for each photo of these fields; empty: of the whole record.
    Photos(Vec<String>),
    /// Places to sign.
    Signatures(Vec<PaperBox>),
}

/// A box of a paper, or a place to sign.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperBox {
    /// Its name.
    pub title: Title,
    /// What stands in it; empty: left to be written by hand. On the paper of a whole report: the project.
    pub show: Option<Reading>,
    /// It takes the whole width.
    #[serde(default)]
    pub wide: bool,
}
