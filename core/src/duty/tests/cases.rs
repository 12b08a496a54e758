//! Every case, of the rule file and of `cases.json`, against the engine.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

use super::written::{ms, record, time};
use crate::definition::{Deadline, MonthlyBy, Rule};
use crate::duty::period::due_of;
use crate::duty::{
    Days, Duty, Period, Record, Status, fulfilment, kept_until, of_record, of_slot, overlaps, settle,
    silence, slots_of, status, stays, unit_duties,
};
use crate::id::{DeviceId, UserId};
use crate::rules::testing::catalog;

/// The cases that no rule file carries along to the phones.
fn own() -> BTreeMap<String, Vec<Json>> {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}

fn rule(id: &str) -> Rule {
    catalog().rule(id).unwrap_or_else(|| panic!("{id}")).clone()
}

#[test]
fn every_case_of_the_rule_file_holds() {
    let mut played = 0;
    for rule in catalog().rules() {
        for case in &rule.test_cases {
            match &rule.deadline {
                Deadline::DailyAt { .. } => fed_back(rule, case),
                Deadline::CountPerPeriod { .. } => trained(rule, case),
                Deadline::Monthly(_) => handed_in(rule, case),
                Deadline::AfterEvent { .. }
                | Deadline::FieldDate { .. }
                | Deadline::LineDate(_)
                | Deadline::TaskDate
                | Deadline::Yearly { .. }
                | Deadline::Guard { .. }
                | Deadline::Invariant { .. }
                | Deadline::ScheduleWindow
                | Deadline::MaxSilence { .. }
                | Deadline::Retain { .. } => panic!("nobody plays the cases of {}", rule.id),
            }
            played += 1;
        }
    }
    assert!(played >= 7, "the rule file lost cases: {played}");
}

#[test]
fn every_case_beside_the_rule_file_holds() {
    for (id, cases) in own() {
        let rule = rule(&id);
        for case in &cases {
            match &rule.deadline {
                Deadline::Monthly(_) if case["month"].is_string() => handed_in(&rule, case),
                Deadline::Monthly(_) | Deadline::Yearly { .. } | Deadline::CountPerPeriod { .. } => {
                    of_unit(&rule, case);
                }
                Deadline::Invariant { no_overlap: Some(_), .. } => booked(&rule, case),
                Deadline::ScheduleWindow => patrolled(&rule, case),
                Deadline::MaxSilence { .. } => silent(&rule, case),
                Deadline::Retain { .. } => kept(case),
                Deadline::DailyAt { .. }
                | Deadline::AfterEvent { .. }
                | Deadline::FieldDate { .. }
                | Deadline::LineDate(_)
                | Deadline::TaskDate
                | Deadline::Guard { .. }
                | Deadline::Invariant { .. } => of_one(&rule, case),
            }
        }
    }
}

#[test]
fn every_rule_has_a_case_and_says_who_owes_it() {
    let own = own();
    for rule in catalog().rules() {
        let cases = rule.test_cases.len() + own.get(&rule.id).map_or(0, Vec::len);
        assert!(cases > 0, "{} has no case", rule.id);
        assert!(!rule.owes.is_empty() || matches!(rule.deadline, Deadline::Retain { .. }), "{}", rule.id);
    }
    assert_eq!(own.keys().filter(|id| catalog().rule(id).is_none()).count(), 0);
}

/// The words of the rule file's own cases.
fn fed_back(rule: &Rule, case: &Json) {
    let mut events = vec![json!({ "event": "create", "state": "received", "at": "2026-11-23T09:00+08:00" })];
    let mut said = |event: &str, key: &str, received: &Json| {
        if let Some(at) = case[key].as_str() {
            events.push(json!({ "event": event, "state": "assigned", "at": at, "received": received }));
        }
    };
    said("assign", "assigned_at", &Json::Null);
    said("feedback", "feedback_at", &case["received_by_server_at"]);
    let expected = match case["expect"].as_str().unwrap() {
        "satisfied_late_sync" => json!({ "2026-11-23": "met_synced_late" }),
        "missing" => json!({ "2026-11-23": "breached" }),
        "not_due_today" => json!({}),
        other => panic!("{other}"),
    };
    let as_of = case["received_by_server_at"].as_str().unwrap_or("2026-11-23T23:00+08:00");
    of_one(rule, &json!({ "history": events, "as_of": as_of, "duties": expected, "only_until": as_of }));
}

fn trained(rule: &Rule, case: &Json) {
    let held = case["held"].as_array().unwrap().iter().map(|day| {
        let at = format!("{}T09:00+08:00", day.as_str().unwrap());
        json!({
            "values": { "field/kind": "central" },
            "number": [["field/held_at", at]],
            "history": [{ "event": "hold", "state": "held", "at": at }],
        })
    });
    let as_of = case["as_of"]
        .as_str()
        .map_or("2026-12-31T12:00+08:00".to_owned(), |day| format!("{day}T12:00+08:00"));
    let quarter = case["quarter"].as_str().unwrap();
    of_unit(
        rule,
        &json!({
            "unit": "br.hz", "since": "2026-10-01T00:00+08:00", "as_of": as_of,
            "records": held.collect::<Vec<_>>(), "duties": { quarter: case["expect"] },
        }),
    );
}

fn handed_in(rule: &Rule, case: &Json) {
    let Deadline::Monthly(MonthlyBy::LastWeekday { weekday, time, .. }) = &rule.deadline else {
        panic!("{}", rule.id)
    };
    let (weekday, time) = (weekday.clone(), time.clone());
    let mut rule = rule.clone();
    let variant = case["variant"].as_str().map(str::to_owned);
    rule.deadline = Deadline::Monthly(MonthlyBy::LastWeekday { weekday, variant, time });
    let days = Days::of(catalog());
    let first = format!("{}-01", case["month"].as_str().unwrap()).parse().unwrap();
    let due = days.local(due_of(&days, &rule, &Period::around(first, "month")));
    assert_eq!(due.to_string(), format!("{}T17:30:00", case["expect"].as_str().unwrap()), "{case}");
}

fn subject(rule: &Rule) -> &str {
    rule.applies_to.ledger.as_deref().or(rule.applies_to.template.as_deref()).unwrap()
}

fn others(case: &Json, definition: &str) -> Vec<Record> {
    let all = case["records"].as_array().into_iter().flatten();
    all.zip(20_u8..).map(|(said, id)| record(said, definition, id)).collect()
}

fn of_one(rule: &Rule, case: &Json) {
    let days = Days::of(catalog());
    let record = record(case, subject(rule), 7);
    let now_ms = time(case, "as_of").unwrap();
    let mut duties = of_record(&days, rule, &record, 0, now_ms);
    for duty in &mut duties {
        let other = rule.satisfied_by.as_ref().and_then(|by| by.ledger.as_deref());
        if let Some(ledger) = other {
            let all = others(case, ledger);
            let deeds = all.iter().filter_map(|other| fulfilment(&days, rule, duty, other)).collect();
            settle(rule, duty, deeds);
        }
    }
    // A daily rule also says what is due next; a case names the days that it means.
    let named = case["duties"].as_object().unwrap();
    if matches!(rule.deadline, Deadline::DailyAt { .. }) {
        let today = days.day(now_ms).to_string();
        duties.retain(|duty| {
            named.contains_key(&duty.period) || duty.period <= today && case["only_until"].is_null()
        });
    }
    compare(&days, rule, case, &duties, now_ms);
}

fn of_unit(rule: &Rule, case: &Json) {
    let days = Days::of(catalog());
    let other = rule.satisfied_by.as_ref().and_then(|by| by.ledger.as_deref());
    let records = others(case, other.unwrap_or_else(|| subject(rule)));
    let now_ms = time(case, "as_of").unwrap();
    let since_ms = time(case, "since").unwrap();
    let mut duties = unit_duties(&days, rule, case["unit"].as_str().unwrap(), since_ms, now_ms);
    for duty in &mut duties {
        let deeds = records.iter().filter_map(|record| fulfilment(&days, rule, duty, record)).collect();
        settle(rule, duty, deeds);
    }
    let named = case["duties"].as_object().unwrap();
    duties.retain(|duty| named.contains_key(&duty.period));
    compare(&days, rule, case, &duties, now_ms);
}

fn compare(days: &Days<'_>, rule: &Rule, case: &Json, duties: &[Duty], now_ms: i64) {
    let known_ms = time(case, "known_until").unwrap_or(i64::MAX);
    let named = case["duties"].as_object().unwrap();
    let found: BTreeMap<String, String> = duties
        .iter()
        .filter(|duty| case["some"] != true || named.contains_key(&duty.period))
        .map(|duty| (duty.period.clone(), status(days, rule, duty, now_ms, known_ms).id().to_owned()))
        .collect();
    let expected: BTreeMap<String, String> = serde_json::from_value(case["duties"].clone()).unwrap();
    assert_eq!(found, expected, "{}: {case:#}", rule.id);
    for (period, due) in case["due"].as_object().into_iter().flatten() {
        let duty = duties.iter().find(|duty| duty.period == *period).unwrap();
        let local = days.local(duty.due_ms.unwrap());
        let due = due.as_str().unwrap();
        let due = if due.len() == 10 { format!("{due}T23:59:59.999") } else { format!("{due}:00") };
        assert_eq!(local.to_string(), due, "{}: {case:#}", rule.id);
    }
    let keys: std::collections::BTreeSet<&str> = duties.iter().map(|duty| duty.key.as_str()).collect();
    assert_eq!(keys.len(), duties.len(), "two duties of one name: {case:#}");
}

fn booked(rule: &Rule, case: &Json) {
    let days = Days::of(catalog());
    let records = others(case, subject(rule));
    let all: Vec<_> = records.iter().flat_map(|record| stays(&days, rule, record)).collect();
    assert_eq!(all.len(), 2, "{case:#}");
    let found: Vec<Vec<Duty>> =
        records.iter().map(|record| overlaps(&days, rule, &stays(&days, rule, record), &all)).collect();
    assert_eq!(found[0], found[1], "both sides see the same duty");
    let wanted = if case["expect"] == "double" { 2 } else { 0 };
    assert_eq!(found[0].len(), wanted, "either record shows it: {case:#}");
    for duty in &found[0] {
        assert_eq!(status(&days, rule, duty, ms("2026-11-24T09:00+08:00"), i64::MAX), Status::Breached);
    }
}

fn patrolled(rule: &Rule, case: &Json) {
    let days = Days::of(catalog());
    let now_ms = time(case, "as_of").unwrap();
    let key = case["slot"].as_str().unwrap();
    let slots = slots_of(&days, rule, case["unit"].as_str().unwrap(), now_ms - 86_400_000, now_ms);
    let slot = slots.iter().find(|slot| slot.key == key).unwrap_or_else(|| panic!("{key} in {slots:?}"));
    let sheet = case["history"].is_array().then(|| record(case, &slot.checklist.id, 7));
    let found = of_slot(&days, rule, slot, sheet.as_ref());
    let known_ms = time(case, "known_until").unwrap_or(i64::MAX);
    let found = found.map_or("none", |duty| status(&days, rule, &duty, now_ms, known_ms).id());
    assert_eq!(found, case["expect"].as_str().unwrap(), "{case:#}");
}

fn silent(rule: &Rule, case: &Json) {
    let days = Days::of(catalog());
    let user = UserId::new(case["device"].as_str().unwrap());
    let duty = silence(&days, rule, DeviceId([3; 16]), &user, time(case, "last").unwrap()).unwrap();
    let found = status(&days, rule, &duty, time(case, "as_of").unwrap(), i64::MAX);
    assert_eq!(found.id(), case["expect"].as_str().unwrap(), "{case:#}");
}

fn kept(case: &Json) {
    let record = record(case, "", 7);
    let until = kept_until(&Days::of(catalog()), &record);
    let until = until.map_or("none".to_owned(), |day| day.to_string());
    assert_eq!(until, case["expect"].as_str().unwrap(), "{case:#}");
}
