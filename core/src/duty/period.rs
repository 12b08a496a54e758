//! Duties of a unit in a period: a report every month, a training every quarter, a plan every year.

use jiff::civil::{Date, Weekday};

use super::days::{after, parse, weekday};
use super::{Days, Deed, Duty, Outcome, Record, Subject, key, owners};
use crate::definition::{Catalog, Deadline, MonthlyBy, ReportScope, Rule};
use crate::document::model::Value;
use crate::rules::keys;

/// Reading of "the last Wednesday": the one of the week in which the month ends.
const WEEK_OF_MONTH_END: &str = "B_week_of_month_end";

/// A month, quarter or year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// `2026-11`, `2026Q4` or `2026`.
    pub label: String,
    /// Its first day.
    pub first: Date,
    /// Its last day.
    pub last: Date,
}

impl Period {
    /// The period around a day: `month`, `quarter`, or a year for any other word.
    #[must_use]
    pub fn around(day: Date, kind: &str) -> Self {
        let quarter = (day.month() - 1) / 3 + 1;
        let (label, from, to) = match kind {
            "month" => (format!("{:04}-{:02}", day.year(), day.month()), day.month(), day.month()),
            "quarter" => (format!("{:04}Q{quarter}", day.year()), quarter * 3 - 2, quarter * 3),
            _ => (format!("{:04}", day.year()), 1, 12),
        };
        let month = |month: i8| Date::constant(day.year(), month, 1);
        Self { label, first: month(from), last: month(to).last_of_month() }
    }

    /// The period after it.
    #[must_use]
    pub fn next(&self, kind: &str) -> Self {
        Self::around(after(self.last, 1), kind)
    }

    /// The period before it.
    #[must_use]
    pub fn previous(&self, kind: &str) -> Self {
        Self::around(self.first.yesterday().unwrap_or(self.first), kind)
    }
}

/// The kind of period that a rule counts in; `None` for a rule that is not about periods.
fn kind_of(rule: &Rule) -> Option<&str> {
    match &rule.deadline {
        Deadline::CountPerPeriod { period, .. } => Some(period),
        Deadline::Monthly(_) => Some("month"),
        Deadline::Yearly { .. } => Some("year"),
        Deadline::DailyAt { .. }
        | Deadline::AfterEvent { .. }
        | Deadline::FieldDate { .. }
        | Deadline::LineDate(_)
        | Deadline::TaskDate
        | Deadline::Guard { .. }
        | Deadline::Invariant { .. }
        | Deadline::ScheduleWindow
        | Deadline::MaxSilence { .. }
        | Deadline::Retain { .. } => None,
    }
}

/// The units that a rule about periods runs for: every project that is served, or the branch.
#[must_use]
pub fn units(catalog: &Catalog, rule: &Rule) -> Vec<String> {
    let Some(organisation) = catalog.organisation() else { return Vec::new() };
    match rule.applies_to.scope.unwrap_or(ReportScope::Branch) {
        ReportScope::Branch => vec![organisation.branch.id.clone()],
        ReportScope::Project => {
            let served = organisation.projects.iter().filter(|project| !project.retired);
            served.map(|project| project.id.clone()).collect()
        }
    }
}

/// The duties of a unit that fall due after `since_ms`, up to the first one at or after `now_ms`.
///
/// None where nobody in the unit could owe them.
#[must_use]
pub fn unit_duties(days: &Days<'_>, rule: &Rule, unit: &str, since_ms: i64, now_ms: i64) -> Vec<Duty> {
    let Some(kind) = kind_of(rule) else { return Vec::new() };
    let owners = owners::owes(days.catalog, rule, unit, None);
    if owners.is_empty() {
        return Vec::new();
    }
    let applies = &rule.applies_to;
    let what = applies.report.as_ref().or(applies.ledger.as_ref()).cloned().unwrap_or_default();
    let mut duties = Vec::new();
    // A month's report falls due in the month after it.
    let mut period = Period::around(days.day(since_ms), kind).previous(kind);
    for _ in 0..MAX_PERIODS {
        let due_ms = due_of(days, rule, &period);
        if due_ms > since_ms {
            duties.push(Duty {
                key: key(&rule.id, unit, &period.label),
                rule: rule.id.clone(),
                title: rule.title.clone(),
                unit: unit.to_owned(),
                subject: Subject::Unit(what.clone()),
                owners: owners.clone(),
                period: period.label.clone(),
                opens_ms: days.start_of(period.first),
                due_ms: Some(due_ms),
                outcome: Outcome::Waiting,
            });
            if due_ms >= now_ms {
                break;
            }
        }
        period = period.next(kind);
    }
    duties
}

/// Most periods that are looked at: a branch that was off for longer begins anew.
const MAX_PERIODS: u32 = 60;

/// When a period's duty is due.
pub(crate) fn due_of(days: &Days<'_>, rule: &Rule, period: &Period) -> i64 {
    match &rule.deadline {
        Deadline::Monthly(MonthlyBy::DayOfNextMonth(day)) => {
            days.end_of(clamped(after(period.last, 1), *day))
        }
        Deadline::Monthly(MonthlyBy::LastWeekday { weekday: name, variant, time }) => {
            let wanted = weekday(name).unwrap_or(Weekday::Friday);
            let day = last_weekday(period.last, wanted, variant.as_deref());
            parse(time).map_or_else(|| days.end_of(day), |time| days.at(day, time))
        }
        Deadline::Yearly { month, day } => {
            let month = i8::try_from(*month).unwrap_or(12).clamp(1, 12);
            days.end_of(clamped(Date::constant(period.first.year(), month, 1), *day))
        }
        Deadline::CountPerPeriod { .. }
        | Deadline::DailyAt { .. }
        | Deadline::AfterEvent { .. }
        | Deadline::FieldDate { .. }
        | Deadline::LineDate(_)
        | Deadline::TaskDate
        | Deadline::Guard { .. }
        | Deadline::Invariant { .. }
        | Deadline::ScheduleWindow
        | Deadline::MaxSilence { .. }
        | Deadline::Retain { .. } => days.end_of(period.last),
    }
}

/// A day of the month of `first`; its last one where the month is shorter.
fn clamped(first: Date, day: u8) -> Date {
    let day = i8::try_from(day).unwrap_or(i8::MAX).clamp(1, first.days_in_month());
    Date::constant(first.year(), first.month(), day)
}

/// The last such weekday of the month that ends on `last`; in the other reading the one of the week, from
/// Monday, in which the month ends, which may lie in the next month.
fn last_weekday(last: Date, wanted: Weekday, variant: Option<&str>) -> Date {
    let of_week = i32::from(last.weekday().to_monday_zero_offset());
    let target = i32::from(wanted.to_monday_zero_offset());
    let mut shift = target - of_week;
    if shift > 0 && variant != Some(WEEK_OF_MONTH_END) {
        shift -= 7;
    }
    last.checked_add(jiff::Span::new().days(shift)).unwrap_or(last)
}

/// What of a duty a record fulfils: the deed, or nothing where it is no such record.
///
/// For a rule about a ledger the record is one of that ledger; for a rule that names another ledger as its
/// fulfilment, one of that.
#[must_use]
pub fn fulfilment(days: &Days<'_>, rule: &Rule, duty: &Duty, record: &Record) -> Option<Deed> {
    let branch = days.catalog.organisation().map(|organisation| organisation.branch.id.as_str());
    let by = rule.satisfied_by.as_ref().filter(|by| by.ledger.is_some());
    let (ledger, event, filter) = match by {
        Some(by) => (by.ledger.as_deref(), by.event.as_deref(), by.filter.as_ref()),
        None => {
            let applies = &rule.applies_to;
            (applies.ledger.as_deref(), applies.event.as_deref(), applies.filter.as_ref())
        }
    };
    let is_here = record.row.project == duty.unit || branch == Some(&duty.unit);
    if ledger != Some(&record.row.definition.id) || !is_here || !record.fits(days.catalog, filter) {
        return None;
    }
    let mut deed = deed_of(days, record, event, rule.applies_to.field.as_deref().filter(|_| by.is_none()))?;
    if let Some(field) = by.and_then(|by| by.period.as_deref()) {
        // The record says which period it is for; when it was made only decides whether that was in time.
        return (record.text(field) == Some(&duty.period)).then_some(deed);
    }
    let Some(kind) = kind_of(rule) else { return (deed.at_ms >= duty.opens_ms).then_some(deed) };
    // What is done after the due time but within the period is done, only late.
    let period = Period::around(days.day(duty.opens_ms), kind);
    let end_ms = days.end_of(period.last).max(duty.due_ms.unwrap_or(i64::MAX));
    if deed.at_ms < duty.opens_ms || deed.at_ms > end_ms {
        return None;
    }
    deed.event = format!("{}/{}", record.row.document, deed.event);
    Some(deed)
}

/// What of a record counts: the event, where one is named, else the record itself; at the time in a field
/// where one is named.
fn deed_of(days: &Days<'_>, record: &Record, event: Option<&str>, field: Option<&str>) -> Option<Deed> {
    let ledger = record.ledger(days.catalog);
    let place = match event {
        Some(name) => {
            let kind = ledger.and_then(|ledger| ledger.event_kind(name)).unwrap_or(name);
            record.model.events.iter().position(|event| event.kind == kind)?
        }
        None => 0,
    };
    let done = record.model.events.get(place)?;
    let at_ms = match field.and_then(|field| record.model.value(&keys::field(field))) {
        Some(Value::Int(at_ms)) => *at_ms,
        Some(Value::Text(day)) => day.parse().map_or_else(|_| record.at_ms(place), |day| days.start_of(day)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => record.at_ms(place),
    };
    Some(Deed {
        event: done.id.clone(),
        at_ms,
        received_ms: record.received_ms(&done.id),
        is_suspicious: record.is_suspicious(done),
    })
}

/// Settles a duty with everything that may fulfil it: as many deeds as the rule asks for, earliest first.
pub fn settle(rule: &Rule, duty: &mut Duty, mut deeds: Vec<Deed>) {
    let least = if let Deadline::CountPerPeriod { min, .. } = rule.deadline {
        usize::try_from(min).unwrap_or(usize::MAX).max(1)
    } else {
        1
    };
    deeds.sort_by(|a, b| (a.at_ms, &a.event).cmp(&(b.at_ms, &b.event)));
    if let Some(deed) = deeds.into_iter().nth(least - 1) {
        duty.outcome = Outcome::Done(deed);
    }
}
