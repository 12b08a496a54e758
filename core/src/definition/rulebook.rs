//! Deadline rules: what is due when, who is reminded and who hears of it next.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::guard::Guard;
use super::label::{Fault, Provenance, ProvenanceKind, Title, first_version};

/// The rules of the organisation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBook {
    /// Stable id.
    #[serde(default = "rules_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// IANA time zone in which days are counted.
    pub timezone: String,
    /// Calendars that deadlines may name.
    #[serde(default)]
    pub calendars: Vec<Calendar>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// The id of a rule file that names none.
pub(crate) fn rules_id() -> String {
    "set.rules".to_owned()
}

/// A calendar of working days.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Stable id.
    pub id: String,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
}

/// Where a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// On the device, as a hint.
    DeviceHint,
    /// At the branch, as the truth.
    ServerAuthoritative,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// Where it comes from.
    pub source: Provenance,
    /// What it is about.
    pub applies_to: Applies,
    /// When something is due.
    pub deadline: Deadline,
    /// Who is reminded before.
    #[serde(default)]
    pub remind: Vec<Reminder>,
    /// Who hears of it after.
    #[serde(default)]
    pub escalate: Vec<Escalation>,
    /// Where it is evaluated.
    pub evaluate_on: Vec<Evaluation>,
    /// What fulfils it before its time, besides leaving the states it applies to.
    pub satisfied_by: Option<Satisfaction>,
    /// Examples with the expected outcome, in the rule's own words.
    #[serde(default)]
    pub test_cases: Vec<serde_json::Value>,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
    /// What holds without signal, Chinese.
    pub offline_note_zh: Option<String>,
}

/// Which units a report rule runs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportScope {
    /// Once for the branch.
    Branch,
    /// Once for each project.
    Project,
}

/// What an object rule watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchedObject {
    /// Each enrolled device.
    Device,
    /// The records of all ledgers.
    AllLedgers,
}

/// What a rule is about. Exactly one of ledger, template, report, schedule and object is named.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applies {
    /// Entries of this ledger.
    pub ledger: Option<String>,
    /// ... while they are in one of these states; empty: in any.
    #[serde(default)]
    pub states: Vec<String>,
    /// ... for which this holds.
    pub filter: Option<Guard>,
    /// ... about this event.
    pub event: Option<String>,
    /// ... about this field.
    pub field: Option<String>,
    /// Inspections of this checklist.
    pub template: Option<String>,
    /// This report.
    pub report: Option<String>,
    /// ... once for each of these.
    pub scope: Option<ReportScope>,
    /// Slots of this schedule.
    pub schedule: Option<String>,
    /// Something else that is watched.
    pub object: Option<WatchedObject>,
}

/// A reminder before a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// Minutes before.
    pub before_min: Option<u32>,
    /// Days before.
    pub before_days: Option<u32>,
    /// At an event instead of a time: `state_change`.
    pub on: Option<String>,
    /// Role ids, fields that hold a person, or `assignee`, `device_user`.
    pub to: Vec<String>,
}

/// Who hears of a missed deadline.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// Minutes after.
    pub after_min: Option<u32>,
    /// Days after.
    pub after_days: Option<u32>,
    /// Role ids.
    pub to: Vec<String>,
    /// A mark that the record shows.
    pub mark: Option<String>,
}

/// The event that fulfils a rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Satisfaction {
    /// The event's name.
    pub event: String,
    /// It must be of the same local day.
    #[serde(default)]
    pub same_local_day: bool,
}

/// An event, with the value it must carry where one is named: `classify:major`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    /// The event's name.
    pub event: String,
    /// The value that one of the entry's choices must have after it.
    pub value: Option<String>,
}

/// A number to look up at the entry's category, level or severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// `category`, `level` or `severity`.
    pub of: String,
    /// The attribute, e.g. `resolve_h`.
    pub attribute: String,
}

/// How long after an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// Hours.
    Hours(f64),
    /// Calendar days.
    Days(u32),
    /// Working days.
    Workdays(u32),
    /// Hours, looked up.
    HoursFrom(Lookup),
    /// Working days, looked up.
    WorkdaysFrom(Lookup),
    /// Hours by the category's return-visit policy; `None` asks for nothing.
    HoursByPolicy(BTreeMap<String, Option<f64>>),
}

/// Which day of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonthlyBy {
    /// This day of the month after.
    DayOfNextMonth(u8),
    /// The last such weekday of the month.
    LastWeekday {
        /// `mon` to `sun`.
        weekday: String,
        /// How "the last" is read where there are readings.
        variant: Option<String>,
        /// Local time, `HH:MM`.
        time: String,
    },
}

/// When something is due.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenDeadline")]
pub enum Deadline {
    /// Every day at the time in a project parameter (named without the `project.` prefix).
    DailyAt {
        /// Parameter of the project.
        param: String,
        /// Calendar id.
        calendar: Option<String>,
    },
    /// Some time after an event.
    AfterEvent {
        /// The event.
        event: EventName,
        /// How long after.
        span: Span,
    },
    /// At the end of the day in a field.
    FieldDate {
        /// Field id.
        field: String,
    },
    /// Every month.
    Monthly(MonthlyBy),
    /// Every year.
    Yearly {
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
    },
    /// At least so many in a period.
    CountPerPeriod {
        /// `month`, `quarter` or `year`.
        period: String,
        /// At least.
        min: u32,
    },
    /// Not a time: these must hold before the entry is finished.
    Guard {
        /// Conditions.
        requires: Vec<Guard>,
    },
    /// Not a time: something that always holds, in words.
    Invariant {
        /// The words.
        rule: String,
    },
    /// At the end of a slot's window.
    ScheduleWindow,
    /// After so many days of silence.
    MaxSilence {
        /// Days.
        days: u32,
    },
    /// How long records are kept.
    Retain {
        /// Years at the branch.
        years: u32,
        /// Years for major complaints.
        major_complaint_years: Option<u32>,
        /// Days on devices after closing.
        device_keep_days: Option<u32>,
    },
}

/// The kinds of deadlines that exist.
const DEADLINE_KINDS: [&str; 11] = [
    "daily_at",
    "after_event",
    "field_date",
    "monthly",
    "yearly",
    "count_per_period",
    "guard",
    "invariant",
    "schedule_window",
    "max_silence",
    "retain",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDeadline {
    kind: String,
    param: Option<String>,
    calendar: Option<String>,
    event: Option<String>,
    hours: Option<f64>,
    days: Option<u32>,
    workdays: Option<u32>,
    hours_from: Option<String>,
    workdays_from: Option<String>,
    hours_by_policy: Option<BTreeMap<String, Option<f64>>>,
    field: Option<String>,
    by: Option<String>,
    weekday: Option<String>,
    variant: Option<String>,
    time: Option<String>,
    day: Option<u8>,
    month: Option<u8>,
    period: Option<String>,
    min: Option<u32>,
    requires: Option<Vec<Guard>>,
    rule: Option<String>,
    years: Option<u32>,
    major_complaint_years: Option<u32>,
    device_keep_days: Option<u32>,
    /// Whether the numbers are a default; carried for people, not for the engine.
    #[serde(rename = "source")]
    _source: Option<ProvenanceKind>,
}

impl TryFrom<WrittenDeadline> for Deadline {
    type Error = Fault;

    fn try_from(written: WrittenDeadline) -> Result<Self, Fault> {
        let kind = written.kind.clone();
        Ok(match kind.as_str() {
            "daily_at" => Self::DailyAt {
                param: needed(written.param, &kind, "param")?.trim_start_matches("project.").to_owned(),
                calendar: written.calendar,
            },
            "after_event" => Self::AfterEvent {
                event: EventName::parse(&needed(written.event.clone(), &kind, "event")?),
                span: written.span()?,
            },
            "field_date" => Self::FieldDate { field: needed(written.field, &kind, "field")? },
            "monthly" => Self::Monthly(written.monthly()?),
            "yearly" => Self::Yearly {
                month: within(needed(written.month, &kind, "month")?, 12, "month")?,
                day: within(needed(written.day, &kind, "day")?, 31, "day")?,
            },
            "count_per_period" => Self::CountPerPeriod {
                period: one_of(needed(written.period, &kind, "period")?, &["month", "quarter", "year"])?,
                min: needed(written.min, &kind, "min")?,
            },
            "guard" => Self::Guard { requires: needed(written.requires, &kind, "requires")? },
            "invariant" => Self::Invariant { rule: needed(written.rule, &kind, "rule")? },
            "schedule_window" => Self::ScheduleWindow,
            "max_silence" => Self::MaxSilence { days: needed(written.days, &kind, "days")? },
            "retain" => Self::Retain {
                years: needed(written.years, &kind, "years")?,
                major_complaint_years: written.major_complaint_years,
                device_keep_days: written.device_keep_days,
            },
            _ => {
                return Err(Fault::new(
                    format!("未知的期限类型“{kind}”"),
                    format!("unknown kind of deadline \"{kind}\""),
                )
                .allowing(DEADLINE_KINDS));
            }
        })
    }
}

impl WrittenDeadline {
    fn span(self) -> Result<Span, Fault> {
        let spans = [
            self.hours.map(Span::Hours),
            self.days.map(Span::Days),
            self.workdays.map(Span::Workdays),
            self.hours_from.as_deref().map(Lookup::parse).transpose()?.map(Span::HoursFrom),
            self.workdays_from.as_deref().map(Lookup::parse).transpose()?.map(Span::WorkdaysFrom),
            self.hours_by_policy.map(Span::HoursByPolicy),
        ];
        let mut named = spans.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(span), None) => Ok(span),
            (None, _) | (Some(_), Some(_)) => Err(Fault::new(
                "事件后的期限须且只须写一个时长",
                "a deadline after an event names exactly one span",
            )
            .allowing([
                "hours",
                "days",
                "workdays",
                "hours_from",
                "workdays_from",
                "hours_by_policy",
            ])),
        }
    }

    fn monthly(self) -> Result<MonthlyBy, Fault> {
        let by = needed(self.by, "monthly", "by")?;
        match by.as_str() {
            "day_of_next_month" => {
                Ok(MonthlyBy::DayOfNextMonth(within(needed(self.day, "monthly", "day")?, 28, "day")?))
            }
            "last_weekday" => Ok(MonthlyBy::LastWeekday {
                weekday: one_of(
                    needed(self.weekday, "monthly", "weekday")?,
                    &["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
                )?,
                variant: self.variant,
                time: needed(self.time, "monthly", "time")?,
            }),
            _ => one_of(by, &["day_of_next_month", "last_weekday"]).map(|_| MonthlyBy::DayOfNextMonth(1)),
        }
    }
}

impl EventName {
    fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some((event, value)) => Self { event: event.to_owned(), value: Some(value.to_owned()) },
            None => Self { event: text.to_owned(), value: None },
        }
    }
}

impl Lookup {
    fn parse(text: &str) -> Result<Self, Fault> {
        let allowed = [
            "category.response_h",
            "category.resolve_h",
            "level.first_reply_h",
            "level.resolve_h",
            "severity.plan_workdays",
            "severity.close_days",
        ];
        one_of(text.to_owned(), &allowed)?;
        let (of, attribute) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { of: of.to_owned(), attribute: attribute.to_owned() })
    }
}

fn needed<T>(value: Option<T>, kind: &str, key: &str) -> Result<T, Fault> {
    value.ok_or_else(|| {
        Fault::new(
            format!("期限类型“{kind}”缺少“{key}”"),
            format!("a deadline of kind \"{kind}\" needs \"{key}\""),
        )
        .allowing([key])
    })
}

fn one_of(text: String, allowed: &[&str]) -> Result<String, Fault> {
    if allowed.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(Fault::new(format!("不认识“{text}”"), format!("\"{text}\" is not known here"))
        .allowing(allowed.iter().copied()))
}

fn within(number: u8, max: u8, key: &str) -> Result<u8, Fault> {
    if (1..=max).contains(&number) {
        return Ok(number);
    }
    Err(Fault::new(format!("{key} 应在 1 到 {max} 之间"), format!("{key} must be from 1 to {max}")))
}
