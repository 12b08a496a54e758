//! When something is due: the kinds of deadlines and what each is made of.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::guard::Guard;
use super::label::{Fault, ProvenanceKind};

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
    /// This day of the month after; its last day where it is shorter.
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

/// Lines of entries that put a person somewhere for a time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOverlap {
    /// The field with the lines.
    pub lines: String,
    /// The subfield with the person.
    pub who: String,
    /// The subfield with the beginning.
    pub from: String,
    /// The subfield with the end; open while it is empty.
    pub to: String,
}

/// Lines of entries that are due one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineDate {
    /// The field with the lines.
    pub lines: String,
    /// The subfield with the day or month at whose end a line is due.
    pub field: String,
    /// The subfield that says it was done.
    pub done: String,
    /// The subfield with the person who owes it: what a rule calls `assignee`.
    pub who: Option<String>,
}

/// Entries that are kept for a time of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retained {
    /// The ledger.
    pub ledger: String,
    /// ... for which this holds.
    pub filter: Guard,
    /// Years at the branch.
    pub years: u32,
}

/// When something is due.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenDeadline")]
pub enum Deadline {
    /// Every day at the time in a project parameter (named without the `project.` prefix).
    DailyAt {
        /// Parameter of the project.
        param: String,
        /// Calendar id; every day is a working day where none is named.
        calendar: Option<String>,
        /// Local time of a project that names none, `HH:MM`.
        default: Option<String>,
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
    /// Each line at the end of its own day.
    LineDate(LineDate),
    /// Each item of a plan at the end of its own day, counted from a day in the sheet's head; its owner is what a
    /// rule calls `assignee`.
    TaskDate,
    /// Every month.
    Monthly(MonthlyBy),
    /// Every year; 29 February is the 28th in a common year.
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
        /// Where it can be counted: nobody is in two lines at the same time.
        no_overlap: Option<NoOverlap>,
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
        /// Entries that are kept for another time.
        longer: Vec<Retained>,
        /// Days on devices after closing.
        device_keep_days: Option<u32>,
    },
}

impl Deadline {
    /// True where lines or items of a record owe one by one.
    #[must_use]
    pub const fn is_of_parts(&self) -> bool {
        matches!(self, Self::LineDate(_) | Self::TaskDate)
    }
}

/// The kinds of deadlines that exist.
const DEADLINE_KINDS: [&str; 13] = [
    "daily_at",
    "after_event",
    "field_date",
    "line_date",
    "task_date",
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
    default: Option<String>,
    no_overlap: Option<NoOverlap>,
    #[serde(default)]
    longer: Vec<Retained>,
    event: Option<String>,
    hours: Option<f64>,
    days: Option<u32>,
    workdays: Option<u32>,
    hours_from: Option<String>,
    workdays_from: Option<String>,
    hours_by_policy: Option<BTreeMap<String, Option<f64>>>,
    field: Option<String>,
    lines: Option<String>,
    done: Option<String>,
    who: Option<String>,
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
                default: written.default,
            },
            "after_event" => Self::AfterEvent {
                event: EventName::parse(&needed(written.event.clone(), &kind, "event")?),
                span: written.span()?,
            },
            "field_date" => Self::FieldDate { field: needed(written.field, &kind, "field")? },
            "line_date" => Self::LineDate(LineDate {
                lines: needed(written.lines, &kind, "lines")?,
                field: needed(written.field, &kind, "field")?,
                done: needed(written.done, &kind, "done")?,
                who: written.who,
            }),
            "task_date" => Self::TaskDate,
            "monthly" => Self::Monthly(written.monthly()?),
            "yearly" => {
                let month = within(needed(written.month, &kind, "month")?, 12, "month")?;
                let day = within(needed(written.day, &kind, "day")?, 31, "day")?;
                possible(month, day)?;
                Self::Yearly { month, day }
            }
            "count_per_period" => Self::CountPerPeriod {
                period: one_of(needed(written.period, &kind, "period")?, &["month", "quarter", "year"])?,
                min: needed(written.min, &kind, "min")?,
            },
            "guard" => Self::Guard { requires: needed(written.requires, &kind, "requires")? },
            "invariant" => {
                Self::Invariant { rule: needed(written.rule, &kind, "rule")?, no_overlap: written.no_overlap }
            }
            "schedule_window" => Self::ScheduleWindow,
            "max_silence" => Self::MaxSilence { days: needed(written.days, &kind, "days")? },
            "retain" => Self::Retain {
                years: needed(written.years, &kind, "years")?,
                major_complaint_years: written.major_complaint_years,
                longer: written.longer,
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
                Ok(MonthlyBy::DayOfNextMonth(within(needed(self.day, "monthly", "day")?, 31, "day")?))
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

/// A day that no year has is no deadline.
fn possible(month: u8, day: u8) -> Result<(), Fault> {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day <= days {
        return Ok(());
    }
    Err(Fault::new(format!("{month} 月没有 {day} 日"), format!("there is no day {day} in month {month}")))
}
