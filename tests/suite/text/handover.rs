//! (三)4: the handover of an estate: sp.17, sp.18.

use serde_json::json;
use xunyuan_core::duty::Status;
use xunyuan_core::id::DocumentId;
use xunyuan_core::report::{Block, Request};
use xunyuan_tests::world::DAY_MS;

use super::stage::{Stage, Told, values};

const TASK: &str = "rule.handover_task";

/// Jiangwanli before its handover, with people of its own, and the plan of the branch's manager: from
/// 2027-01-18 on, three days, 120 dwellings a day.
fn prepared() -> (Stage, DocumentId) {
    let mut stage = Stage::open();
    let person = |id: &str, name: &str, role: &str, dept: &str| json!({ "id": id, "name": name, "role": role, "project": "pj.jiangwan", "dept": dept });
    let added = [
        person("u.pm03", "项目经理未", "role.project_manager", "dept.pm"),
        person("u.csl03", "客服负责人申", "role.cs_lead", "dept.cs"),
        person("u.sec03", "秩序主管酉", "role.sec_lead", "dept.sec"),
    ];
    stage.publish("org.hz", |org| org["users"].as_array_mut().unwrap().extend(added));
    for user in ["u.bcm01", "u.gm01", "u.pm03", "u.csl03", "u.sec03", "u.hg01"] {
        stage.of(user);
    }
    let head = json!({
        "handover_start_date": "2027-01-18", "handover_end_date": "2027-01-20",
        "units_total": 360, "daily_capacity": 120,
    });
    let plan = stage.sheet("u.bcm01", "tpl.handover_event", "pj.jiangwan", head);
    stage.meet();
    (stage, plan)
}

/// Day, owner and status of an item's duty at the branch.
fn owed(stage: &Stage, item: &str) -> (String, String, Status) {
    let duty = stage.duties(TASK).into_iter().find(|view| view.duty.period == item).unwrap();
    (stage.day(duty.duty.due_ms.unwrap()), duty.duty.owners[0].id().to_owned(), duty.status)
}

fn line(day: &str, owner: &str, status: Status) -> (String, String, Status) {
    (day.to_owned(), owner.to_owned(), status)
}

/// 交楼筹备: the schedule with its owners follows from the day it starts; what is late is told; who puts it off puts
/// every day off.
#[test]
fn sp_17_the_schedule_of_a_handover_follows_from_its_day() {
    let (mut stage, plan) = prepared();
    assert_eq!(stage.duties(TASK).len(), 19);
    assert_eq!(owed(&stage, "ho.plan.01"), line("2026-12-19", "role.branch_cs_mgr", Status::Open));
    assert_eq!(owed(&stage, "ho.plan.03"), line("2026-12-29", "role.project_manager", Status::Open));
    assert_eq!(owed(&stage, "ho.plan.04"), line("2027-01-04", "role.cs_lead", Status::Open));
    assert_eq!(owed(&stage, "ho.site.04"), line("2027-01-17", "role.sec_lead", Status::Open));
    assert_eq!(owed(&stage, "ho.day.04"), line("2027-01-25", "role.branch_cs_mgr", Status::Open));
    let part = stage.duties(TASK)[0].part.clone().unwrap();
    assert_eq!(part.zh, "交楼方案已编制并由分公司批准");
    // Everybody's device says what they owe, and reminds of it two days before.
    let mine = stage.act("u.csl03", |replica, moment| replica.duties(moment));
    let own: Vec<&str> =
        mine.iter().filter(|view| view.duty.rule == TASK).map(|view| view.duty.period.as_str()).collect();
    assert!(
        own.contains(&"ho.plan.04") && own.contains(&"ho.site.01") && !own.contains(&"ho.plan.01"),
        "{own:?}"
    );
    assert!(stage.owes("u.hg01", TASK).is_empty());

    stage.at("2026-12-18T16:00");
    stage.answer("u.bcm01", plan, "ho.plan.01", "done", "");
    stage.meet();
    assert_eq!(owed(&stage, "ho.plan.01").2, Status::Met);
    // The second is half done on its day: late is late, and the manager and then the general manager hear of it.
    stage.at("2026-12-21T16:00");
    stage.answer("u.bcm01", plan, "ho.plan.02", "partial", "客服岗位责任人未定");
    stage.meet();
    stage.at("2026-12-24T09:00");
    stage.meet();
    assert_eq!(owed(&stage, "ho.plan.02"), line("2026-12-21", "role.branch_cs_mgr", Status::Breached));
    let told: Vec<Told> = stage.told_of("u.gm01", plan);
    let told: Vec<(&str, &str)> = told.iter().map(|told| (told.to.as_str(), told.mark.as_str())).collect();
    assert_eq!(told, [("role.branch_cs_mgr", "handover_late"), ("role.gm", "")]);
    let history = stage.act("u.gm01", |replica, _| replica.history(plan));
    let part = history.iter().find_map(|line| line.data.get("part")?.as_text()).unwrap();
    assert!(part.contains("工作安排进度表"), "which item it was: {part}");

    // The developer puts the day off by ten days: every day moves, what was said stays.
    let later = values(json!({ "day": "2027-01-28" })).remove("day").unwrap();
    stage.act("u.bcm01", |replica, moment| replica.set_header(plan, "handover_start_date", later, moment));
    stage.meet();
    assert_eq!(owed(&stage, "ho.plan.02"), line("2026-12-31", "role.branch_cs_mgr", Status::Open));
    assert_eq!(owed(&stage, "ho.plan.01").2, Status::Met);
    assert_eq!(stage.told_of("u.gm01", plan).len(), 2);
    stage.at("2027-01-12T08:00");
    let soon = stage.act("u.csl03", |replica, moment| replica.reminders(moment, 1));
    assert!(soon.iter().any(|one| one.sentence.zh.contains("交楼文件包齐备")), "{soon:?}");

    // The schedule on paper: each item with its owner and its day.
    let request =
        Request { record: Some(plan), period: None, ..stage.asked("rep.handover_daily", None, "2027-01-28") };
    let table = stage.world.hub.report(&request, &mut |_| ()).unwrap();
    assert_eq!(table.sheets[0].title, "交楼进度表");
    let cells: Vec<String> = table.sheets[0]
        .blocks
        .iter()
        .filter_map(|block| if let Block::Grid { rows, .. } = block { Some(rows.concat()) } else { None })
        .flatten()
        .collect();
    for expected in
        ["交楼方案已编制并由分公司批准", "分公司客服经理", "2026-12-29", "秩序维护主管", "2027-01-27"]
    {
        assert!(cells.iter().any(|cell| cell == expected), "{expected} in {cells:?}");
    }
    let guide = stage.refused("u.hg01", |replica, moment| {
        replica.start_inspection("tpl.handover_event", "pj.jiangwan", moment)
    });
    assert_eq!(guide, "role_not_allowed");
}

/// 现场布置: set up the day before, each place by its owner; what is not ready is a finding for the next morning.
#[test]
fn sp_18_the_site_is_set_up_the_day_before() {
    let (mut stage, plan) = prepared();
    stage.at("2027-01-17T15:00");
    stage.meet();
    // Lead and security lead work on the same sheet, both without signal.
    stage.answer("u.csl03", plan, "ho.site.01", "done", "");
    stage.answer("u.csl03", plan, "ho.site.02", "not_done", "钥匙尚缺 12 套");
    stage.answer("u.csl03", plan, "ho.site.03", "done", "");
    stage.answer("u.sec03", plan, "ho.site.04", "done", "");
    stage.meet();
    let statuses: Vec<Status> =
        ["ho.site.01", "ho.site.03", "ho.site.04"].iter().map(|item| owed(&stage, item).2).collect();
    assert_eq!(statuses, [Status::Met; 3]);
    assert_eq!(owed(&stage, "ho.site.02"), line("2027-01-17", "role.cs_lead", Status::AtRisk));
    let findings = stage.list("u.pm03", "led.finding");
    assert_eq!(findings.len(), 1);
    let finding = stage.view("u.pm03", findings[0]);
    let severity = super::stage::shown(&finding, "severity");
    assert_eq!((severity.as_str(), finding.due.as_deref()), ("major", Some("2027-01-18")));

    // The keys arrive in the evening; in time, by the sheet's own clock.
    stage.at("2027-01-17T21:30");
    stage.answer("u.csl03", plan, "ho.site.02", "done", "");
    stage.at("2027-01-18T07:30");
    stage.meet();
    assert_eq!(owed(&stage, "ho.site.02").2, Status::MetSyncedLate);
    let guide = stage.refused("u.hg01", |replica, moment| {
        let done = xunyuan_core::replica::Answer {
            value: Some(xunyuan_core::document::model::Value::Text("done".to_owned())),
            ..xunyuan_core::replica::Answer::default()
        };
        replica.answer(plan, "ho.site.01", done, moment)
    });
    assert_eq!(guide, "role_not_allowed");
}

#[test]
fn a_clock_that_is_off_proves_nothing_and_spoils_nothing_that_was_proven() {
    let (mut stage, plan) = prepared();
    stage.at("2027-01-17T15:00");
    stage.meet();
    stage.answer("u.sec03", plan, "ho.site.04", "done", "");
    stage.meet();
    // Two days later the lead's phone still shows the 17th; the other one has jumped a year ahead.
    stage.at("2027-01-19T15:00");
    let (lead, guard) = (stage.of("u.csl03"), stage.of("u.sec03"));
    stage.world.devices[lead].ahead_ms = -2 * DAY_MS;
    stage.world.devices[guard].ahead_ms = 365 * DAY_MS;
    stage.answer("u.csl03", plan, "ho.site.01", "done", "");
    stage.answer("u.sec03", plan, "ho.risk.03", "done", "");
    stage.meet();
    assert_eq!(owed(&stage, "ho.site.01").2, Status::Unknown, "neither kept nor missed");
    assert_eq!(owed(&stage, "ho.risk.03").2, Status::Unknown);
    assert_eq!(owed(&stage, "ho.site.04").2, Status::Met);
    for device in [lead, guard] {
        stage.world.devices[device].ahead_ms = 0;
    }
    stage.meet();
    assert_eq!(owed(&stage, "ho.site.01").2, Status::Unknown, "what was doubtful stays so");
}
