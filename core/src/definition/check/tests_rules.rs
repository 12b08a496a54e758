//! Mistakes in rules and holidays, one at a time, and what the check says to each.

use serde_json::json;

use super::tests::mistake;

#[test]
fn what_a_rule_cannot_say_is_reported_where_it_stands() {
    for (pointer, value, expected, about) in [
        ("/rules/0/owes/0", json!("role.pilot"), "/rules/0/owes/0", "no role \"role.pilot\""),
        (
            "/rules/0/deadline/default",
            json!("half past five"),
            "/rules/0/deadline/default",
            "not a time of day",
        ),
        ("/rules/17/deadline/month", json!(2), "/rules/17/deadline", "no day 31 in month 2"),
        ("/rules/17/deadline/day", json!(32), "/rules/17/deadline", "day must be from 1 to 31"),
        ("/rules/17/deadline/month", json!(13), "/rules/17/deadline", "month must be from 1 to 12"),
        ("/rules/4/satisfied_by/ledger", json!("led.none"), "/rules/4/satisfied_by/ledger", "no ledger"),
        ("/rules/4/satisfied_by/event", json!("fly"), "/rules/4/satisfied_by/event", "no event \"fly\""),
        (
            "/rules/4/satisfied_by/filter",
            json!("mood"),
            "/rules/4/satisfied_by/filter",
            "no fact for a guard",
        ),
        ("/rules/4/satisfied_by/period", json!("acks"), "/rules/4/satisfied_by/period", "no field \"acks\""),
        ("/rules/20/satisfied_by/lines", json!("body"), "/rules/20/satisfied_by/lines", "no field \"body\""),
        ("/rules/20/satisfied_by/each", json!("body"), "/rules/20/satisfied_by/each", "no field \"body\""),
        ("/rules/20/satisfied_by", json!({}), "/rules/20/satisfied_by", "event or lines is named"),
        ("/rules/6/escalate/0/on", json!("sunrise"), "/rules/6/escalate/0/on", "no occasion \"sunrise\""),
        ("/rules/6/escalate/0/event", json!("classify"), "/rules/6/escalate/0/event", "rules may record"),
        ("/rules/6/escalate/0/after_min", json!(5), "/rules/6/escalate/0", "exactly one of after_min"),
        (
            "/rules/19/deadline/no_overlap/lines",
            json!("event"),
            "/rules/19/deadline/no_overlap/lines",
            "no field",
        ),
        (
            "/rules/23/deadline/longer/0/filter",
            json!("level=huge"),
            "/rules/23/deadline/longer/0/filter",
            "no option",
        ),
        ("/notes/ledger", json!("led.none"), "/notes/ledger", "no ledger"),
        ("/notes/title", json!("acks"), "/notes/title", "no field \"acks\""),
        ("/notes/fields", json!({}), "/notes/fields", "asks for \"direction\""),
        ("/notes/event", json!("complete"), "/notes/event", "first step"),
    ] {
        mistake("rules.json", pointer, &value, expected, about);
    }
}

#[test]
fn holidays_with_a_gap_or_an_impossible_day_are_reported() {
    for (pointer, value, expected, about) in [
        (
            "/years/1/year",
            json!(2028),
            "/years/1/year",
            "a year is missing: 2027 should follow 2026, not 2028",
        ),
        ("/years/0/off", json!([]), "/years/0/off", "2026 has no holiday at all"),
        ("/years", json!([]), "/years", "name no year"),
        ("/years/0/off/0/from", json!("2026-02-30"), "/years/0/off/0/from", "not a day"),
        ("/years/0/off/0/to", json!("2026-1-3"), "/years/0/off/0/to", "not a day"),
        ("/years/0/off/0/to", json!("2025-12-31"), "/years/0/off/0/to", "before the first"),
        ("/years/0/off/1/from", json!("2026-01-03"), "/years/0/off/1", "already another holiday"),
        ("/years/0/workdays/0", json!("2026-01-05"), "/years/0/workdays/0", "a working day anyway"),
        ("/years/0/workdays/0", json!("2026-04-05"), "/years/0/workdays/0", "a holiday as well"),
        ("/years/0/workdays/1", json!("2026-01-04"), "/years/0/workdays/1", "twice"),
        ("/years/0/workdays/0", json!("2027-01-09"), "/years/0/workdays/0", "not within 2026"),
        ("/years/1/workdays", json!(["2027-02-14"]), "/years/1/workdays", "no make-up days"),
    ] {
        mistake("holidays.json", pointer, &value, expected, about);
    }
}

#[test]
fn what_parts_of_records_owe_must_be_there() {
    for (pointer, value, expected, about) in [
        ("/rules/24/deadline/lines", json!("year"), "/rules/24/deadline/lines", "no field \"year\""),
        ("/rules/24/deadline/field", json!("what"), "/rules/24/deadline/field", "no sub-field \"what\""),
        ("/rules/24/deadline/done", json!("ready"), "/rules/24/deadline/done", "no sub-field \"ready\""),
        ("/rules/24/deadline/who", json!("what"), "/rules/24/deadline/who", "no sub-field \"what\""),
        ("/rules/24/deadline", json!({"kind": "line_date"}), "/rules/24/deadline", "needs \"lines\""),
        ("/rules/25/applies_to/template", json!("tpl.park_patrol"), "/rules/25/deadline", "owners and days"),
    ] {
        mistake("rules.json", pointer, &value, expected, about);
    }
    let event = "template-handover-event.json";
    let owner = "/sections/0/items/0/task/owner_role";
    mistake(event, owner, &json!("role.patrol"), owner, "no role that fills in this checklist");
}

#[test]
fn rights_and_conditions_of_a_ledger_name_what_there_is() {
    for (file, pointer, value, expected, about) in [
        ("ledgers.json", "/ledgers/13/who/0", json!("role.pilot"), "/ledgers/13/who/0", "no role"),
        (
            "ledgers.json",
            "/ledgers/13/fields/6/by/0",
            json!("role.pilot"),
            "/ledgers/13/fields/6/by/0",
            "no role",
        ),
        (
            "ledgers.json",
            "/ledgers/1/fields/7/options/2/lowered_by",
            json!(["role.pilot"]),
            "/ledgers/1/fields/7/options/2/lowered_by/0",
            "no role",
        ),
        (
            "ledgers.json",
            "/ledgers/0/fields/5/options/0/lowered_by",
            json!(["role.gm"]),
            "/ledgers/0/fields/5/options/0/lowered_by",
            "merge by max",
        ),
        ("ledgers.json", "/ledgers/13/fields/6/own", json!(true), "/ledgers/13/fields/6/own", "ref:user"),
        (
            "ledgers.json",
            "/ledgers/5/states/3/guard",
            json!("mood=good"),
            "/ledgers/5/states/3/guard",
            "no fact",
        ),
        (
            "ledgers.json",
            "/ledgers/5/states/3/requires",
            json!(["mood"]),
            "/ledgers/5/states/3/requires/0",
            "field or event data",
        ),
        (
            "ledgers.json",
            "/ledgers/5/states/0/requires",
            json!(["desc"]),
            "/ledgers/5/states/0",
            "later states",
        ),
        ("ledgers.json", "/ledgers/0/states/1/guard", json!("handler"), "/ledgers/0/states/1", "linear"),
    ] {
        mistake(file, pointer, &value, expected, about);
    }
}

#[test]
fn lines_of_command_formulas_and_plans_name_what_there_is() {
    for (file, pointer, value, expected, about) in [
        ("orgs-roles.json", "/roles/0/reports_to", json!("role.none"), "/roles/0/reports_to", "no role"),
        ("orgs-roles.json", "/roles/0/reports_to", json!("role.front_desk"), "/roles/0/reports_to", "circle"),
        ("training.json", "/topics/0/weak/0", json!("cp.none"), "/topics/0/weak/0", "begins with"),
        (
            "staffing.json",
            "/surge/0/formula/guides",
            json!("round(daily_units)"),
            "/surge/0/formula/guides",
            "ceil",
        ),
        (
            "staffing.json",
            "/surge/0/formula/guides",
            json!("ceil(visitors/12)"),
            "/surge/0/formula/guides",
            "no input \"visitors\"",
        ),
        (
            "sample-org.json",
            "/schedules/2/recur/plan/ledger",
            json!("led.none"),
            "/schedules/2/recur/plan/ledger",
            "no ledger",
        ),
        (
            "sample-org.json",
            "/schedules/2/recur/plan/month",
            json!("what"),
            "/schedules/2/recur/plan/month",
            "no sub-field with a month",
        ),
        ("sample-org.json", "/schedules/2/recur/freq", json!("yearly"), "/schedules/2/recur/plan", "monthly"),
        (
            "template-branch-visit.json",
            "/repeat_groups/0/carries",
            json!({"proposal": "none"}),
            "/repeat_groups/0/carries/proposal",
            "no field \"none\"",
        ),
    ] {
        mistake(file, pointer, &value, expected, about);
    }
}
