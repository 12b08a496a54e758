//! The duties of one record as a whole: by a time after an event, a day in a field, every working day, a
//! condition.

use jiff::civil::Date;
use std::collections::BTreeMap;

use super::days::after;
use super::record::Stretch;
use super::{Days, Deed, Duty, Outcome, Owner, Record, Subject, key, owners};
use crate::definition::{
    Deadline, ESCALATION, EventName, Fact, Lookup, ReturnVisit, Rule, Satisfaction, Span,
};
use crate::document::model::Value;
use crate::id::UserId;
use crate::rules::{facts, keys};

const HOUR_MS: f64 = 3_600_000.0;
/// Most days of one daily rule that are looked at.
const DAYS_MAX: u32 = 400;
/// The field whose day extensions move.
const DUE: &str = "due";
/// What carries the day of an extension.
const NEW_DUE: &str = "new_due";

/// The duties that a rule makes of a record; none where it does not apply.
///
/// Of a daily rule those that fall due after `since_ms`, up to the first one at or after `now_ms`. What
/// fulfils a duty from another ledger is added by [`settle`](super::settle).
#[must_use]
pub fn of_record(days: &Days<'_>, rule: &Rule, record: &Record, since_ms: i64, now_ms: i64) -> Vec<Duty> {
    let applies = &rule.applies_to;
    let is_subject = match (&applies.ledger, &applies.template) {
        (Some(id), _) | (None, Some(id)) => *id == record.row.definition.id,
        (None, None) => false,
    };
    if !is_subject || is_withdrawn(days, record) || !record.fits(days.catalog, applies.filter.as_ref()) {
        return Vec::new();
    }
    let case = Case { days, rule, record };
    match &rule.deadline {
        Deadline::AfterEvent { event, span } => case.after_event(event, span),
        Deadline::FieldDate { field } => case.field_date(field),
        Deadline::LineDate(dated) => case.of_lines(dated),
        Deadline::TaskDate => case.of_tasks(),
        Deadline::DailyAt { param, calendar, default } => {
            let due = |day| days.off_duty(day, &record.row.project, param, default.as_deref());
            case.daily(calendar.as_deref(), &due, since_ms, now_ms)
        }
        Deadline::Guard { requires } => {
            let ledger = record.ledger(days.catalog);
            let holds = ledger.is_some_and(|ledger| {
                requires.iter().all(|guard| guard.holds(&|name| record.fact(days.catalog, ledger, name)))
            });
            case.condition(holds)
        }
        Deadline::Invariant { no_overlap: None, .. } => case.clash(),
        Deadline::Invariant { .. }
        | Deadline::Monthly(_)
        | Deadline::Yearly { .. }
        | Deadline::CountPerPeriod { .. }
        | Deadline::ScheduleWindow
        | Deadline::MaxSilence { .. }
        | Deadline::Retain { .. } => Vec::new(),
    }
}

/// True for a record that was called off: in a final state behind the first one of its ledger.
fn is_withdrawn(days: &Days<'_>, record: &Record) -> bool {
    let Some(ledger) = record.ledger(days.catalog) else { return false };
    let mut ends = ledger.states.iter().filter(|state| state.terminal).map(|state| state.id.as_str());
    ends.next() != Some(&record.row.state) && ends.any(|state| state == record.row.state)
}

/// A rule and a record that it applies to.
pub(super) struct Case<'a> {
    pub(super) days: &'a Days<'a>,
    pub(super) rule: &'a Rule,
    pub(super) record: &'a Record,
}

impl Case<'_> {
    fn after_event(&self, event: &EventName, span: &Span) -> Vec<Duty> {
        let triggers = self.places(&event.event);
        let has_value = event.value.as_deref().is_none_or(|value| self.holds_option(value));
        if !has_value {
            return Vec::new();
        }
        // An event that begins the record happens once; others may come again, each with a duty of its own.
        let mut duties = Vec::new();
        for (nth, place) in triggers.iter().enumerate() {
            let opens_ms = self.record.at_ms(*place);
            let Some(due_ms) = self.due_after(opens_ms, span) else { continue };
            let until = triggers.get(nth + 1).copied();
            let instance = if *place == 0 { "" } else { &self.record.model.events[*place].id };
            match self.rule.satisfied_by.as_ref().filter(|by| by.each.is_some()) {
                Some(by) => duties.extend(self.for_each(by, instance, opens_ms, due_ms)),
                None => {
                    let outcome = self.outcome(*place, until);
                    duties.push(self.duty(instance, opens_ms, Some(due_ms), outcome));
                }
            }
        }
        duties
    }

    /// Places of the events of a kind, as the rule writes it.
    fn places(&self, event: &str) -> Vec<usize> {
        let ledger = self.record.ledger(self.days.catalog);
        let kind = ledger.and_then(|ledger| ledger.event_kind(event)).unwrap_or(event);
        let all = self.record.model.events.iter().enumerate();
        all.filter(|(_, event)| event.kind == kind).map(|(place, _)| place).collect()
    }

    /// True when one of the entry's own choices stands at this option.
    fn holds_option(&self, option: &str) -> bool {
        let fields = self.record.ledger(self.days.catalog).map_or([].as_slice(), |ledger| &ledger.fields);
        let has = |id: &str| fields.iter().any(|f| f.id == id && f.options.iter().any(|o| o.id == option));
        fields
            .iter()
            .filter(|field| has(&field.id))
            .any(|field| self.choice(&field.id).as_deref() == Some(option))
    }

    /// What stands in a choice, by the field's merge policy.
    fn choice(&self, field: &str) -> Option<String> {
        let ledger = self.record.ledger(self.days.catalog)?;
        match self.record.fact(self.days.catalog, ledger, field) {
            Fact::Text(text) => Some(text),
            Fact::Absent | Fact::Bool(_) | Fact::Number(_) | Fact::Many(_) => None,
        }
    }

    fn due_after(&self, at_ms: i64, span: &Span) -> Option<i64> {
        let day = self.days.day(at_ms);
        let hours = |hours: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "hours of a deadline are far below 2^53 ms")]
            let ms = (hours * HOUR_MS) as i64;
            at_ms.saturating_add(ms)
        };
        let workdays =
            |count: u32| self.days.end_of(self.days.workdays_after(day, count, &self.record.row.project));
        match span {
            Span::Hours(count) => Some(hours(*count)),
            Span::Days(count) => Some(self.days.end_of(after(day, *count))),
            Span::Workdays(count) => Some(workdays(*count)),
            Span::HoursFrom(lookup) => self.hours_from(lookup).map(hours),
            Span::WorkdaysFrom(lookup) => self.days_from(lookup).map(workdays),
            Span::HoursByPolicy(policies) => {
                let category = self.days.catalog.category(self.record.text("category")?)?;
                let policy = category.return_visit.unwrap_or(ReturnVisit::None);
                let is_drawn = policy != ReturnVisit::Sample30 || facts::draw(&self.record.model) < 30;
                policies.get(policy.as_str()).copied().flatten().filter(|_| is_drawn).map(hours)
            }
        }
    }

    fn hours_from(&self, lookup: &Lookup) -> Option<f64> {
        let catalog = self.days.catalog;
        let named = self.choice(&lookup.of).or_else(|| self.record.text(&lookup.of).map(str::to_owned))?;
        match (lookup.of.as_str(), lookup.attribute.as_str()) {
            ("category", "response_h") => catalog.category(&named)?.response_h,
            ("category", "resolve_h") => catalog.category(&named)?.resolve_h,
            ("level", "first_reply_h") => {
                catalog.level(&self.record.row.definition.id, &named)?.first_reply_h
            }
            ("level", "resolve_h") => catalog.level(&self.record.row.definition.id, &named)?.resolve_h,
            _ => None,
        }
    }

    fn days_from(&self, lookup: &Lookup) -> Option<u32> {
        let severity = self.days.catalog.severity(&self.choice(&lookup.of)?)?;
        match lookup.attribute.as_str() {
            "plan_workdays" => severity.plan_workdays,
            "close_days" => Some(severity.close_days),
            _ => None,
        }
    }

    /// How the duty that the event at `place` opened ended; the next such event closes it at the latest.
    fn outcome(&self, place: usize, until: Option<usize>) -> Outcome {
        let by_event = self.rule.satisfied_by.as_ref().filter(|by| by.ledger.is_none());
        let done = by_event.and_then(|by| self.first_event(by, place));
        let done = done.or_else(|| self.left(place));
        match done.or(until.filter(|_| !self.rule.applies_to.states.is_empty())) {
            Some(at) => Outcome::Done(self.deed(at)),
            None => Outcome::Waiting,
        }
    }

    /// The first event after `place` that the rule names as its fulfilment.
    fn first_event(&self, by: &Satisfaction, place: usize) -> Option<usize> {
        let name = by.event.as_deref()?;
        let is_own = |at: &usize| {
            let event = &self.record.model.events[*at];
            name != ESCALATION
                || event.data.get(keys::DATA_RULE).and_then(Value::as_text) == Some(&self.rule.id)
        };
        self.places(name).into_iter().filter(|at| *at > place).find(is_own)
    }

    /// The first event after `place` by which the record left the states that the rule is about.
    fn left(&self, place: usize) -> Option<usize> {
        if self.rule.applies_to.states.is_empty() {
            return None;
        }
        let stretches = self.record.stretches(self.days.catalog, &self.rule.applies_to.states);
        stretches.iter().filter_map(|stretch| stretch.to).find(|to| *to > place)
    }

    pub(super) fn deed(&self, place: usize) -> Deed {
        let event = &self.record.model.events[place];
        Deed {
            event: event.id.clone(),
            at_ms: self.record.at_ms(place),
            received_ms: self.record.received_ms(&event.id),
            is_suspicious: self.record.is_suspicious(event),
        }
    }

    /// One duty for each project that a field names, fulfilled by a line of one of its people.
    fn for_each(&self, by: &Satisfaction, instance: &str, opens_ms: i64, due_ms: i64) -> Vec<Duty> {
        let (Some(each), Some(lines)) = (&by.each, &by.lines) else { return Vec::new() };
        let who = by.who.as_deref().unwrap_or("user");
        let ended = self.left(0).map(|place| self.deed(place));
        let mut duties = Vec::new();
        for project in self.record.model.elements(&format!("set/{each}/")) {
            let mut duty = self.duty(instance, opens_ms, Some(due_ms), Outcome::Waiting);
            duty.key = key(&self.rule.id, &duty.subject.id(), &format!("{instance}{project}"));
            duty.period = project.to_owned();
            duty.unit = project.to_owned();
            duty.owners = owners::owes(self.days.catalog, self.rule, project, Some(self.record));
            let is_theirs = |user: &str| {
                self.days.catalog.user(&UserId::new(user)).and_then(|user| user.project.as_deref())
                    == Some(project)
            };
            let signed = self.record.lines(lines).into_iter().filter_map(|line| {
                let stamped = line.fields.get(who)?;
                stamped.value.as_text().filter(|user| is_theirs(user))?;
                Some(self.record.deed_of_line(&line.id, stamped))
            });
            let first = signed.min_by_key(|deed| deed.at_ms).or_else(|| ended.clone());
            duty.outcome = first.map_or(Outcome::Waiting, Outcome::Done);
            duties.push(duty);
        }
        duties
    }

    fn field_date(&self, field: &str) -> Vec<Duty> {
        let Some((day, is_put_off)) = self.date_in(field) else { return Vec::new() };
        let stretches = self.record.stretches(self.days.catalog, &self.rule.applies_to.states);
        let duty = |stretch: &Stretch| {
            let opens_ms = self.record.at_ms(stretch.from);
            let outcome = stretch.to.map_or(Outcome::Waiting, |place| Outcome::Done(self.deed(place)));
            let own = if stretch.from == 0 { "" } else { &self.record.model.events[stretch.from].id };
            // What was put off is owed anew, and escalated anew.
            let instance = if is_put_off { format!("{own}@{day}") } else { own.to_owned() };
            self.duty(&instance, opens_ms, Some(self.days.end_of(day)), outcome)
        };
        stretches.iter().map(duty).collect()
    }

    /// The day in a field, extensions included, and whether one of them put it off.
    fn date_in(&self, field: &str) -> Option<(Date, bool)> {
        let written: Date = match self.record.model.value(&keys::field(field))? {
            Value::Text(text) => text.parse().ok()?,
            Value::Int(at_ms) => self.days.day(*at_ms),
            Value::Null | Value::Bool(_) | Value::Number(_) => return None,
        };
        let moved = self.record.model.events.iter().filter_map(|event| event.data.get(NEW_DUE)?.as_text());
        let moved = moved.filter_map(|day| day.parse().ok()).filter(|_| field == DUE);
        let day = moved.chain([written]).max()?;
        Some((day, day > written))
    }

    /// One duty for each working day at whose end the record is, or would have been, in the rule's states.
    fn daily(
        &self,
        calendar: Option<&str>,
        due_of: &dyn Fn(Date) -> i64,
        since_ms: i64,
        now_ms: i64,
    ) -> Vec<Duty> {
        let mut by_day: BTreeMap<Date, Duty> = BTreeMap::new();
        for stretch in self.record.stretches(self.days.catalog, &self.rule.applies_to.states) {
            let entered_ms = self.record.at_ms(stretch.from);
            let left = stretch.to.map(|place| self.deed(place));
            let end_ms = left.as_ref().map_or(now_ms, |deed| deed.at_ms);
            let mut day = self.days.day(entered_ms.max(since_ms));
            for _ in 0..DAYS_MAX {
                let due_ms = due_of(day);
                let is_working = self.days.is_workday(day, calendar, &self.record.row.project);
                if is_working && due_ms > entered_ms && due_ms > since_ms {
                    let outcome = self.fed_back(day, entered_ms, left.as_ref());
                    let opens_ms = entered_ms.max(self.days.start_of(day));
                    let mut duty = self.duty(&day.to_string(), opens_ms, Some(due_ms), outcome);
                    duty.period = day.to_string();
                    by_day.insert(day, duty);
                    if due_ms >= end_ms {
                        break;
                    }
                }
                day = after(day, 1);
            }
        }
        by_day.into_values().collect()
    }

    /// What fulfils a day: its event on that day, or that the record left before its end.
    fn fed_back(&self, day: Date, entered_ms: i64, left: Option<&Deed>) -> Outcome {
        let by = self.rule.satisfied_by.as_ref();
        let name = by.and_then(|by| by.event.as_deref()).unwrap_or_default();
        let same_day = by.is_some_and(|by| by.same_local_day);
        let said = self.places(name).into_iter().filter(|place| {
            // Which day it was is what the device says; whether that is evidence is judged by its arrival.
            let said_ms = self.record.model.events[*place].at_ms;
            let at_ms = self.record.at_ms(*place);
            at_ms >= entered_ms && (!same_day || self.days.day(at_ms) == day || self.days.day(said_ms) == day)
        });
        let said = said.map(|place| self.deed(place)).min_by_key(|deed| deed.at_ms);
        let gone = left.filter(|deed| self.days.day(deed.at_ms) <= day).cloned();
        match said.into_iter().chain(gone).min_by_key(|deed| deed.at_ms) {
            Some(deed) => Outcome::Done(deed),
            None => Outcome::Waiting,
        }
    }

    /// A condition that must hold when the record ends.
    fn condition(&self, holds: bool) -> Vec<Duty> {
        let Some(last) = self.record.model.events.len().checked_sub(1) else { return Vec::new() };
        let end = self.record.stretches(self.days.catalog, &[]).last().and_then(|stretch| stretch.to);
        let outcome = match (self.record.row.terminal, holds) {
            (true, true) => Outcome::Done(self.deed(end.unwrap_or(last))),
            (true, false) => Outcome::Broken { at_ms: self.record.at_ms(end.unwrap_or(last)) },
            (false, _) => Outcome::Waiting,
        };
        vec![self.duty("", self.record.at_ms(0), None, outcome)]
    }

    /// A field that was to be written once and holds two values.
    fn clash(&self) -> Vec<Duty> {
        let field = self.rule.applies_to.field.as_deref();
        let register = field.and_then(|field| self.record.model.register(&keys::field(field)));
        let Some(register) = register.filter(|register| register.clashes()) else { return Vec::new() };
        let at_ms = register.all().map(|stamped| stamped.at_ms).max().unwrap_or(0);
        vec![self.duty("", at_ms, None, Outcome::Broken { at_ms })]
    }

    pub(super) fn duty(&self, instance: &str, opens_ms: i64, due_ms: Option<i64>, outcome: Outcome) -> Duty {
        let subject = Subject::Record(self.record.row.document);
        let unit = self.record.row.project.clone();
        let owners: Vec<Owner> = owners::owes(self.days.catalog, self.rule, &unit, Some(self.record));
        Duty {
            key: key(&self.rule.id, &subject.id(), instance),
            rule: self.rule.id.clone(),
            title: self.rule.title.clone(),
            unit,
            subject,
            owners,
            period: String::new(),
            opens_ms,
            due_ms,
            outcome,
        }
    }
}
