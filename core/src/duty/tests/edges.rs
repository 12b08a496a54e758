//! Edges that no shipped rule happens to have: short months, 29 February, other periods, doubtful lines.

use serde_json::json;

use super::written::{ms, record};
use crate::definition::{Deadline, MonthlyBy, Rule};
use crate::duty::period::due_of;
use crate::duty::{Days, Outcome, Period, Status, of_record, status, unit_duties};
use crate::rules::testing::catalog;

fn rule(id: &str, deadline: Deadline) -> Rule {
    Rule { deadline, ..catalog().rule(id).unwrap().clone() }
}

fn due(deadline: Deadline, first: &str, kind: &str) -> String {
    let days = Days::of(catalog());
    let period = Period::around(first.parse().unwrap(), kind);
    days.day(due_of(&days, &rule("rule.complaint_monthly", deadline), &period)).to_string()
}

#[test]
fn a_day_that_a_month_does_not_have_is_its_last() {
    let monthly = |first: &str| due(Deadline::Monthly(MonthlyBy::DayOfNextMonth(31)), first, "month");
    assert_eq!(monthly("2026-12-01"), "2027-01-31");
    assert_eq!(monthly("2027-01-01"), "2027-02-28");
    assert_eq!(monthly("2028-01-01"), "2028-02-29");
    assert_eq!(monthly("2026-10-01"), "2026-11-30");
    let yearly = |first: &str| due(Deadline::Yearly { month: 2, day: 29 }, first, "year");
    assert_eq!(
        (yearly("2027-06-01"), yearly("2028-06-01")),
        ("2027-02-28".to_owned(), "2028-02-29".to_owned())
    );
}

#[test]
fn periods_meet_at_midnight_of_the_organisation() {
    let days = Days::of(catalog());
    for (kind, labels) in
        [("month", ["2026-12", "2027-01"]), ("quarter", ["2026Q4", "2027Q1"]), ("year", ["2026", "2027"])]
    {
        let deadline = Deadline::CountPerPeriod { period: kind.to_owned(), min: 1 };
        let rule = rule("rule.training_quarter", deadline);
        let now_ms = ms("2027-01-01T00:00+08:00");
        let duties = unit_duties(&days, &rule, "br.hz", ms("2026-12-31T12:00+08:00"), now_ms);
        let found: Vec<&str> = duties.iter().map(|duty| duty.period.as_str()).collect();
        assert_eq!(found, labels, "{kind}");
        assert_eq!(duties[0].due_ms, Some(now_ms - 1));
        assert_eq!(duties[1].opens_ms, now_ms);
    }
}

#[test]
fn a_line_signed_by_a_clock_that_was_put_back_proves_nothing() {
    let days = Days::of(catalog());
    let rule = catalog().rule("rule.notice_ack").unwrap();
    let acknowledged = |skew_min: i64| {
        let case = json!({
            "history": [
                { "event": "create", "state": "draft", "at": "2026-11-23T09:00+08:00", "by": "u.bcm01" },
                { "event": "publish", "state": "published", "at": "2026-11-23T10:00+08:00", "by": "u.bcm01" },
                // A line takes its id from the change that wrote it, as an event does: it arrives with it.
                { "event": "note", "state": "published", "at": "2026-11-24T09:00+08:00", "by": "u.csl01",
                  "received": "2026-11-25T09:00+08:00", "skew_min": skew_min },
            ],
            "values": { "field/direction": "down", "set/targets/pj.lanyuan": true, "line/acks/e2/user": "u.csl01" },
            "stamps": { "line/acks/e2/user": "2026-11-24T09:00+08:00" },
        });
        let now_ms = ms("2026-11-25T10:00+08:00");
        let duty = of_record(&days, rule, &record(&case, "led.notice", 7), 0, now_ms).remove(0);
        let Outcome::Done(deed) = &duty.outcome else { panic!("{duty:?}") };
        (status(&days, rule, &duty, now_ms, i64::MAX), deed.is_suspicious)
    };
    assert_eq!(acknowledged(1), (Status::MetSyncedLate, false), "signed in time, synced a day later");
    assert_eq!(
        acknowledged(-1_440),
        (Status::Unknown, true),
        "a day behind: it may have been signed too late"
    );
}

#[test]
fn what_is_put_off_is_owed_anew() {
    let days = Days::of(catalog());
    let rule = catalog().rule("rule.finding_due").unwrap();
    let due = |extended: bool| {
        let mut case = json!({
            "history": [
                { "event": "raise", "state": "raised", "at": "2026-11-20T09:00+08:00" },
                { "event": "plan", "state": "planned", "at": "2026-11-21T09:00+08:00" },
            ],
            "values": { "field/due": "2026-11-30" },
        });
        if extended {
            let extend = json!({
                "event": "extend", "state": "planned", "at": "2026-12-01T09:00+08:00", "data": { "new_due": "2026-12-15" }
            });
            case["history"].as_array_mut().unwrap().push(extend);
        }
        of_record(&days, rule, &record(&case, "led.finding", 7), 0, ms("2026-12-02T09:00+08:00")).remove(0)
    };
    let (before, after) = (due(false), due(true));
    assert_ne!(before.key, after.key, "its own name: what was escalated before is not what is owed now");
    assert_eq!(days.day(after.due_ms.unwrap()).to_string(), "2026-12-15");
}

#[test]
fn a_reminder_before_there_is_anything_to_do_makes_nothing_urgent() {
    let days = Days::of(catalog());
    let rule = catalog().rule("rule.fd_resolve").unwrap();
    let at = |category: &str, now: &str| {
        let case = json!({
            "history": [
                { "event": "create", "state": "received", "at": "2026-11-23T09:00+08:00" },
                { "event": "assign", "state": "assigned", "at": "2026-11-23T09:01+08:00" },
            ],
            "values": { "field/category": category },
        });
        let duty = of_record(&days, rule, &record(&case, "led.front_desk", 7), 0, ms(now)).remove(0);
        status(&days, rule, &duty, ms(now), i64::MAX)
    };
    // Two hours in all, and a reminder two hours ahead: the last quarter is urgent.
    assert_eq!(at("fd.help.elder", "2026-11-23T09:02+08:00"), Status::Open);
    assert_eq!(at("fd.help.elder", "2026-11-23T10:31+08:00"), Status::AtRisk);
    assert_eq!(at("fd.help.elder", "2026-11-23T11:01+08:00"), Status::Breached);
    // A day in all: from the reminder on.
    assert_eq!(at("fd.repair.water", "2026-11-23T09:02+08:00"), Status::Open);
}
