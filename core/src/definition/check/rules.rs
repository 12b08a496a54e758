//! Deadline rules: what they apply to, what they wait for and whom they tell.

use std::sync::Arc;

use super::super::catalogues::ReturnVisit;
use super::super::deadline::{Deadline, EventName, Lookup, MonthlyBy, Span};
use super::super::field::{FieldType, Target};
use super::super::ledger::{BY_RULE, Ledger};
use super::super::rulebook::{Applies, ESCALATION, Rule, RuleBook};
use super::faults::{Faults, Noun};
use super::fulfil;
use super::guard;
use super::known::{Known, ROLE, STATE};

/// Events of an inspection that a rule may wait for.
const INSPECTION_EVENTS: [&str; 4] = ["start", "complete", "review", "amend"];
/// People that a rule may tell besides roles and fields of the ledger.
const PEOPLE: [&str; 2] = ["assignee", "device_user"];

const EVENT: Noun = Noun("事件", "event");

/// Checks all rules.
pub(crate) fn check(book: &RuleBook, known: &Known, faults: &mut Faults) {
    if jiff::tz::TimeZone::get(&book.timezone).is_err() {
        let noun = Noun("时区", "time zone");
        faults.refers("/timezone", noun, &book.timezone, ["Asia/Shanghai"]);
    }
    faults.unique("/calendars", book.calendars.iter().map(|calendar| calendar.id.as_str()));
    faults.unique("/rules", book.rules.iter().map(|rule| rule.id.as_str()));
    for (at, rule) in book.rules.iter().enumerate() {
        let pointer = format!("/rules/{at}");
        faults.dotted_id(format!("{pointer}/id"), &rule.id);
        let ledger = rule.applies_to.ledger.as_ref().and_then(|id| known.ledgers.get(id));
        applies(&format!("{pointer}/applies_to"), &rule.applies_to, ledger, known, faults);
        deadline(&format!("{pointer}/deadline"), rule, book, ledger, known, faults);
        told(&pointer, rule, ledger, known, faults);
        if let Some(satisfied) = &rule.satisfied_by {
            fulfil::check(&format!("{pointer}/satisfied_by"), satisfied, rule, ledger, known, faults);
        }
    }
    if let Some(notes) = &book.notes {
        fulfil::notes("/notes", notes, known, faults);
    }
}

fn applies(
    pointer: &str,
    applies: &Applies,
    ledger: Option<&Arc<Ledger>>,
    known: &Known,
    faults: &mut Faults,
) {
    let subjects = [
        applies.ledger.is_some(),
        applies.template.is_some(),
        applies.report.is_some(),
        applies.schedule.is_some(),
        applies.object.is_some(),
    ];
    if subjects.iter().filter(|named| **named).count() != 1 {
        faults.say(
            pointer,
            "须且只须写 ledger、template、report、schedule、object 之一",
            "exactly one of ledger, template, report, schedule and object is named",
        );
    }
    if let Some(id) = &applies.ledger {
        known.ledger(faults, format!("{pointer}/ledger"), id);
    }
    if let Some(id) = &applies.template {
        known.checklist(faults, format!("{pointer}/template"), id);
    }
    if let Some(id) = &applies.report {
        Known::among(faults, format!("{pointer}/report"), Noun("报表", "report"), id, &known.reports);
    }
    if let Some(id) = &applies.schedule {
        known.schedule(faults, format!("{pointer}/schedule"), id);
    }
    let ledger_only = !applies.states.is_empty() || applies.filter.is_some() || applies.field.is_some();
    if ledger_only && applies.ledger.is_none() {
        faults.say(pointer, "states、filter、field 只用于台账", "states, filter and field are for ledgers");
    }
    let Some(ledger) = ledger else { return };
    for (at, state) in applies.states.iter().enumerate() {
        let states = ledger.states.iter().map(|state| state.id.as_str());
        faults.refers(format!("{pointer}/states/{at}"), STATE, state, states);
    }
    if let Some(filter) = &applies.filter {
        guard::check(&format!("{pointer}/filter"), filter, ledger, known, faults);
    }
    if let Some(field) = &applies.field {
        field_of(&format!("{pointer}/field"), field, ledger, |_| true, faults);
    }
}

fn deadline(
    pointer: &str,
    rule: &Rule,
    book: &RuleBook,
    ledger: Option<&Arc<Ledger>>,
    known: &Known,
    faults: &mut Faults,
) {
    if let Some(event) = &rule.applies_to.event {
        let place = pointer.replace("/deadline", "/applies_to/event");
        event_of(&place, &EventName { event: event.clone(), value: None }, rule, ledger, faults);
    }
    match &rule.deadline {
        Deadline::DailyAt { param, calendar, default } => {
            known.project_param(faults, format!("{pointer}/param"), param);
            if let Some(default) = default {
                faults.time_of_day(format!("{pointer}/default"), default);
            }
            if let Some(calendar) = calendar {
                let calendars = book.calendars.iter().map(|calendar| calendar.id.as_str());
                faults.refers(format!("{pointer}/calendar"), Noun("日历", "calendar"), calendar, calendars);
            }
        }
        Deadline::AfterEvent { event, span } => {
            event_of(&format!("{pointer}/event"), event, rule, ledger, faults);
            span_of(pointer, span, ledger, faults);
        }
        Deadline::FieldDate { field } => {
            if let Some(ledger) = ledger {
                let dated = |kind: &FieldType| matches!(kind, FieldType::Date | FieldType::DeviceTime);
                field_of(&format!("{pointer}/field"), field, ledger, dated, faults);
            }
        }
        Deadline::LineDate(dated) => fulfil::dated_lines(pointer, dated, ledger, faults),
        Deadline::TaskDate => {
            let checklist = rule.applies_to.template.as_ref().and_then(|id| known.checklists.get(id));
            if !checklist.is_some_and(|checklist| checklist.items().any(|item| item.task.is_some())) {
                let zh = "task_date 只用于条目写明责任岗位和日期的检查表";
                faults.say(pointer, zh, "task_date is for checklists whose items have owners and days");
            }
        }
        Deadline::Monthly(MonthlyBy::LastWeekday { time, .. }) => {
            faults.time_of_day(format!("{pointer}/time"), time);
        }
        Deadline::Guard { requires } => {
            for (at, condition) in requires.iter().enumerate() {
                if let Some(ledger) = ledger {
                    guard::check(&format!("{pointer}/requires/{at}"), condition, ledger, known, faults);
                }
            }
        }
        Deadline::ScheduleWindow if rule.applies_to.schedule.is_none() => {
            faults.say(pointer, "时间窗只用于排程", "a window is for schedules");
        }
        Deadline::Invariant { no_overlap: Some(lines), .. } => {
            fulfil::lines(&format!("{pointer}/no_overlap/lines"), &lines.lines, ledger, faults);
        }
        Deadline::Retain { longer, .. } => {
            for (at, kept) in longer.iter().enumerate() {
                let place = format!("{pointer}/longer/{at}");
                known.ledger(faults, format!("{place}/ledger"), &kept.ledger);
                if let Some(ledger) = known.ledgers.get(&kept.ledger) {
                    guard::check(&format!("{place}/filter"), &kept.filter, ledger, known, faults);
                }
            }
        }
        Deadline::Monthly(MonthlyBy::DayOfNextMonth(_))
        | Deadline::Yearly { .. }
        | Deadline::CountPerPeriod { .. }
        | Deadline::Invariant { no_overlap: None, .. }
        | Deadline::ScheduleWindow
        | Deadline::MaxSilence { .. } => {}
    }
}

/// An event must be one of the ledger's, or of an inspection's.
pub(super) fn event_of(
    pointer: &str,
    event: &EventName,
    rule: &Rule,
    ledger: Option<&Arc<Ledger>>,
    faults: &mut Faults,
) {
    let name = event.event.as_str();
    let Some(ledger) = ledger else {
        if rule.applies_to.template.is_some() {
            faults.refers(pointer, EVENT, name, INSPECTION_EVENTS);
        }
        return;
    };
    if name != ESCALATION && ledger.event_kind(name).is_none() {
        let steps = ledger.transitions.iter().map(|step| step.id.as_str());
        faults.refers(pointer, EVENT, name, steps.chain([ledger.create_event.as_str()]));
    }
    if let Some(value) = &event.value {
        let options = ledger.fields.iter().flat_map(|field| &field.options);
        faults.refers(pointer, guard::OPTION, value, options.map(|option| option.id.as_str()));
    }
}

fn span_of(pointer: &str, span: &Span, ledger: Option<&Arc<Ledger>>, faults: &mut Faults) {
    match span {
        Span::Hours(hours) => faults.not_negative(format!("{pointer}/hours"), Some(*hours)),
        Span::HoursFrom(lookup) => lookup_of(&format!("{pointer}/hours_from"), lookup, ledger, faults),
        Span::WorkdaysFrom(lookup) => lookup_of(&format!("{pointer}/workdays_from"), lookup, ledger, faults),
        Span::HoursByPolicy(policies) => {
            let known = [ReturnVisit::All, ReturnVisit::Sample30, ReturnVisit::None].map(ReturnVisit::as_str);
            for policy in policies.keys() {
                let noun = Noun("回访策略", "return-visit policy");
                faults.refers(format!("{pointer}/hours_by_policy/{policy}"), noun, policy, known);
            }
        }
        Span::Days(_) | Span::Workdays(_) => {}
    }
}

fn lookup_of(pointer: &str, lookup: &Lookup, ledger: Option<&Arc<Ledger>>, faults: &mut Faults) {
    if let Some(ledger) = ledger {
        field_of(pointer, &lookup.of, ledger, |_| true, faults);
    }
}

fn field_of(
    pointer: &str,
    id: &str,
    ledger: &Ledger,
    fits: impl Fn(&FieldType) -> bool,
    faults: &mut Faults,
) {
    let fields = ledger.fields.iter().filter(|field| fits(&field.kind)).map(|field| field.id.as_str());
    faults.refers(pointer, Noun("字段", "field"), id, fields);
}

fn told(pointer: &str, rule: &Rule, ledger: Option<&Arc<Ledger>>, known: &Known, faults: &mut Faults) {
    people(&format!("{pointer}/owes"), &rule.owes, ledger, known, faults);
    for (at, reminder) in rule.remind.iter().enumerate() {
        let place = format!("{pointer}/remind/{at}");
        let times = [reminder.before_min.is_some(), reminder.before_days.is_some(), reminder.on.is_some()];
        if times.iter().filter(|named| **named).count() != 1 {
            faults.say(
                &place,
                "须且只须写 before_min、before_days、on 之一",
                "exactly one of before_min, before_days and on is named",
            );
        }
        if let Some(on) = &reminder.on {
            faults.refers(format!("{place}/on"), Noun("提醒时机", "occasion"), on, ["state_change"]);
        }
        people(&format!("{place}/to"), &reminder.to, ledger, known, faults);
    }
    for (at, escalation) in rule.escalate.iter().enumerate() {
        let place = format!("{pointer}/escalate/{at}");
        let times =
            [escalation.after_min.is_some(), escalation.after_days.is_some(), escalation.on.is_some()];
        if times.iter().filter(|named| **named).count() != 1 {
            faults.say(
                &place,
                "须且只须写 after_min、after_days、on 之一",
                "exactly one of after_min, after_days and on is named",
            );
        }
        if let Some(on) = &escalation.on {
            faults.refers(format!("{place}/on"), Noun("上报时机", "occasion"), on, ["arrival"]);
        }
        if let Some(event) = &escalation.event {
            let steps = ledger.into_iter().flat_map(|ledger| &ledger.transitions);
            let by_rule = steps.filter(|step| step.to.is_none() && step.by.iter().any(|by| by == BY_RULE));
            let noun = Noun("规则可登记的事件", "event that rules may record:");
            faults.refers(format!("{place}/event"), noun, event, by_rule.map(|step| step.id.as_str()));
        }
        people(&format!("{place}/to"), &escalation.to, ledger, known, faults);
    }
}

fn people(pointer: &str, ids: &[String], ledger: Option<&Arc<Ledger>>, known: &Known, faults: &mut Faults) {
    let fields = || {
        let all = ledger.map_or([].as_slice(), |ledger| &ledger.fields);
        all.iter().filter(|field| field.kind == FieldType::Ref(Target::User)).map(|field| field.id.as_str())
    };
    for (at, id) in ids.iter().enumerate() {
        let allowed = PEOPLE.into_iter().chain(fields()).chain(known.roles.keys().map(String::as_str));
        faults.refers(format!("{pointer}/{at}"), ROLE, id, allowed);
    }
}
