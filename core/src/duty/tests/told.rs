//! Who is reminded, and who hears of it when it is late.

use serde_json::json;

use super::written::{ms, record};
use crate::definition::Rule;
use crate::duty::{
    Days, Duty, Outcome, Owner, Record, Status, next_look_ms, of_record, of_slot, owes, people, reminders,
    silence, slots_of, status, steps,
};
use crate::id::{DeviceId, UserId};
use crate::rules::testing::catalog;

fn rule(id: &str) -> &'static Rule {
    catalog().rule(id).unwrap()
}

/// A front-desk entry of Monday, assigned at ten; `handler` may be nobody.
fn assigned(handler: &str) -> Record {
    record(
        &json!({
            "values": { "field/category": "fd.repair.leak", "field/handler": handler },
            "history": [
                { "event": "create", "state": "received", "at": "2026-11-23T09:00+08:00" },
                { "event": "assign", "state": "assigned", "at": "2026-11-23T10:00+08:00" },
            ],
        }),
        "led.front_desk",
        7,
    )
}

fn daily(record: &Record, now: &str) -> Duty {
    let days = Days::of(catalog());
    of_record(&days, rule("rule.daily_feedback"), record, ms("2026-11-23T00:00+08:00"), ms(now)).remove(0)
}

#[test]
fn the_handler_owes_it_and_where_there_is_none_the_next_in_line() {
    assert_eq!(
        daily(&assigned("u.eng01"), "2026-11-23T12:00+08:00").owners,
        [Owner::User(UserId::new("u.eng01"))]
    );
    let nobody = daily(&assigned("u.gone"), "2026-11-23T12:00+08:00");
    assert_eq!(nobody.owners, [Owner::Role("role.cs_lead".to_owned())], "nobody in Lanyuan is a steward");
    assert_eq!(people(catalog(), &nobody.owners[0], "pj.lanyuan"), [UserId::new("u.csl01")]);
    assert_eq!(owes(catalog(), rule("rule.complaint_monthly"), "pj.jiangwan", None), []);
}

#[test]
fn the_handler_is_reminded_an_hour_before_off_duty_and_nobody_else() {
    let days = Days::of(catalog());
    let entry = assigned("u.eng01");
    let duty = daily(&entry, "2026-11-23T12:00+08:00");
    let told = |user: &str| {
        reminders(&days, rule(&duty.rule), &duty, &UserId::new(user), Some((&entry, "QT-LY-20261123-0001")))
    };
    let reminder = told("u.eng01").remove(0);
    assert_eq!(days.local(reminder.at_ms).to_string(), "2026-11-23T16:30:00");
    assert_eq!(reminder.sentence.zh, "每天下班前反馈事件处理情况:QT-LY-20261123-0001,期限 2026-11-23 17:30");
    assert_eq!(reminder.document, Some(entry.row.document));
    assert!(told("u.fd01").is_empty() && told("u.sec01").is_empty());
    let done = Duty { outcome: Outcome::Broken { at_ms: 0 }, ..duty.clone() };
    assert!(
        reminders(&days, rule(&duty.rule), &done, &UserId::new("u.eng01"), Some((&entry, ""))).is_empty()
    );
}

#[test]
fn days_before_are_told_in_the_morning_and_a_slot_when_it_opens() {
    let days = Days::of(catalog());
    let submit = rule("rule.star_submit");
    let duty = crate::duty::unit_duties(
        &days,
        submit,
        "pj.lanyuan",
        ms("2026-11-20T00:00+08:00"),
        ms("2026-11-20T09:00+08:00"),
    )
    .remove(0);
    let told = reminders(&days, submit, &duty, &UserId::new("u.pm01"), None);
    assert_eq!(days.local(told[0].at_ms).to_string(), "2026-11-22T09:00:00");
    let missed = rule("rule.patrol_missed");
    let now_ms = ms("2026-11-23T08:40+08:00");
    let slot = slots_of(&days, missed, "pj.lanyuan", now_ms, now_ms).pop().unwrap();
    let duty = of_slot(&days, missed, &slot, None).unwrap();
    let told = reminders(&days, missed, &duty, &UserId::new("u.pt02"), None);
    assert_eq!(days.local(told[0].at_ms).to_string(), "2026-11-23T08:30:00");
    assert!(reminders(&days, missed, &duty, &UserId::new("u.fd01"), None).is_empty());
}

#[test]
fn steps_come_one_after_the_other_and_stop_when_it_is_done() {
    let days = Days::of(catalog());
    let rule = rule("rule.daily_feedback");
    let duty = daily(&assigned("u.eng01"), "2026-11-23T12:00+08:00");
    let due = |duty: &Duty, now: &str, known: i64| -> Vec<usize> {
        let now_ms = ms(now);
        let status = status(&days, rule, duty, now_ms, known);
        steps(rule, duty, status, now_ms).iter().map(|step| step.place).collect()
    };
    let next = |now: &str| {
        let status = status(&days, rule, &duty, ms(now), i64::MAX);
        next_look_ms(&days, rule, &duty, status, ms(now)).map(|at_ms| days.local(at_ms).to_string())
    };
    assert_eq!(due(&duty, "2026-11-23T17:00+08:00", i64::MAX), [0_usize; 0]);
    assert_eq!(due(&duty, "2026-11-23T17:31+08:00", i64::MAX), [0]);
    assert_eq!(due(&duty, "2026-11-23T17:31+08:00", ms("2026-11-23T17:00+08:00")), [0_usize; 0], "unknown");
    assert_eq!(due(&duty, "2026-11-24T09:01+08:00", i64::MAX), [0, 1]);
    assert_eq!(next("2026-11-23T12:00+08:00").as_deref(), Some("2026-11-23T16:30:00"));
    assert_eq!(next("2026-11-23T16:40+08:00").as_deref(), Some("2026-11-23T17:30:00.001"));
    assert_eq!(next("2026-11-23T17:31+08:00").as_deref(), Some("2026-11-24T09:00:00.001"));
    assert_eq!(next("2026-11-24T09:01+08:00"), None);
    let late = crate::duty::Deed {
        event: "e9".to_owned(),
        at_ms: ms("2026-11-23T18:00+08:00"),
        received_ms: None,
        is_suspicious: false,
    };
    let late = Duty { outcome: Outcome::Done(late), ..duty.clone() };
    assert_eq!(due(&late, "2026-11-25T09:01+08:00", i64::MAX), [0], "done before the second step");
    let events: Vec<String> =
        steps(rule, &duty, Status::Breached, i64::MAX).into_iter().map(|step| step.event).collect();
    assert_eq!(
        events,
        steps(rule, &duty, Status::Breached, i64::MAX).into_iter().map(|s| s.event).collect::<Vec<_>>()
    );
    assert_ne!(events[0], events[1]);
}

#[test]
fn a_silent_device_is_told_of_once_for_each_silence() {
    let days = Days::of(catalog());
    let rule = rule("rule.device_stale");
    let of = |last: &str| silence(&days, rule, DeviceId([1; 16]), &UserId::new("u.pt01"), ms(last)).unwrap();
    let duty = of("2026-11-23T09:00+08:00");
    assert_eq!(duty.unit, "pj.lanyuan");
    assert_eq!(duty.key, of("2026-11-23T09:00+08:00").key);
    assert_ne!(duty.key, of("2026-11-24T09:00+08:00").key);
    let now_ms = ms("2026-12-01T09:01+08:00");
    assert_eq!(steps(rule, &duty, Status::Breached, now_ms).len(), 2);
}
