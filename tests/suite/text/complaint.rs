//! (三)6, complaints: sp.31 to sp.33.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use xunyuan_core::duty::Status;
use xunyuan_core::id::DocumentId;
use xunyuan_core::report::html;

use super::stage::{Stage, Told, rows, shown, time};

const LANYUAN: &str = "pj.lanyuan";
const COMPLAINT: &str = "led.complaint";
const NOTICE: &str = "led.notice";
const MONTHLY: &str = "rule.complaint_monthly";
const ANALYSIS: &str = "rule.complaint_analysis";
const FIRST_REPLY: &str = "rule.complaint_first_reply";
const TO_GM: &str = "rule.major_to_gm";

fn complaint(category: &str, content: &str) -> Json {
    json!({
        "category": category, "level": "general", "content": content, "first_contact": "u.fd01",
        "owner_dept": "dept.cs", "unit_id": "un.lanyuan.7-2-1801", "complainant": "李先生",
    })
}

/// What a report handed up says: which, for which period.
fn handed_up(report: &str, period: &str) -> Json {
    json!({
        "direction": "up", "title_text": "投诉汇总", "body": "见附表", "targets": LANYUAN,
        "report_id": report, "period": period,
    })
}

/// Graded, handled and answered by the project's lead.
fn answered(stage: &mut Stage, complaint: DocumentId, solution: &str) {
    stage.step("u.csl01", complaint, "classify", json!({}));
    stage.step("u.csl01", complaint, "start", json!({}));
    stage.step("u.csl01", complaint, "reply", json!({ "solution": solution, "cause_class": "process" }));
}

/// 投诉月度汇总: the project's lead sums the month up and hands it to the branch by the third.
#[test]
fn sp_31_the_project_sums_up_its_complaints_every_month() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.csl01", "u.pm01", "u.bcm01", "u.pt01"] {
        stage.of(user);
    }
    let slow = stage.enter("u.fd01", COMPLAINT, LANYUAN, complaint("cp.eng.slow", "门禁报修三天未修"));
    stage.sync(&["u.fd01", "u.csl01"]);
    assert_eq!(stage.step_refused("u.fd01", slow, "classify", json!({})), "role_not_allowed");
    // A general complaint is answered within a day: this one is.
    assert_eq!(stage.standing(FIRST_REPLY), [(LANYUAN.to_owned(), Status::Open)]);
    stage.at("2026-11-23T15:00");
    answered(&mut stage, slow, "已更换门禁,公示报修时限");
    stage.sync(&["u.csl01"]);
    assert_eq!(stage.standing(FIRST_REPLY)[0].1, Status::Met);
    // The last evening of the month, without signal; nobody answers this one in time.
    stage.at("2026-11-30T23:50");
    let noise = stage.enter("u.fd01", COMPLAINT, LANYUAN, complaint("cp.sec.noise", "深夜施工扰民"));
    stage.at("2026-12-01T09:00");
    stage.sync(&["u.fd01", "u.csl01", "u.bcm01", "u.pm01"]);
    stage.at("2026-12-02T08:00");
    stage.sync(&["u.csl01", "u.pm01"]);
    assert_eq!(stage.duties_on(FIRST_REPLY, noise)[0].status, Status::Breached);
    let manager =
        Told { rule: FIRST_REPLY.to_owned(), to: "role.project_manager".to_owned(), mark: String::new() };
    assert_eq!(stage.told("u.pm01", noise), [manager]);

    // Her device says what she owes, on the day before it is due as urgent, and of no month before the branch
    // began; it makes the paper without signal.
    assert_eq!(stage.owes("u.csl01", MONTHLY), [Status::AtRisk]);
    assert_eq!(stage.owes("u.fd01", MONTHLY), []);
    let table = stage.report_of("u.csl01", "rep.complaint_monthly", "2026-11");
    let lines = rows(&table);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!((lines[0][8].as_str(), lines[0][12].as_str()), ("已更换门禁,公示报修时限", "已答复"));
    assert_eq!((lines[1][2].as_str(), lines[1][9].as_str()), ("2026-11-30 23:50", ""));
    let paper = html(&table);
    assert!(paper.contains("<h1>投诉月度汇总表</h1>") && paper.contains("<span>项目客服负责人:</span>"));
    assert_eq!(rows(&stage.report("rep.complaint_monthly", Some(LANYUAN), "2026-11")), lines);

    // Handed up on the second: owed by the one project that has such a lead, and met.
    assert_eq!(stage.standing(MONTHLY).iter().filter(|(_, s)| *s == Status::AtRisk).count(), 1);
    let own = handed_up("rep.complaint_monthly", "2026-11");
    assert_eq!(stage.enter_refused("u.fd01", NOTICE, LANYUAN, own), "role_not_allowed");
    let up = stage.enter("u.csl01", NOTICE, LANYUAN, handed_up("rep.complaint_monthly", "2026-11"));
    stage.step("u.csl01", up, "publish", json!({}));
    stage.meet();
    let november = |stage: &Stage| {
        let duties = stage.duties(MONTHLY).into_iter();
        duties.filter(|view| view.duty.period == "2026-11").map(|view| view.status).collect::<Vec<_>>()
    };
    assert_eq!(november(&stage), [Status::Met]);
    assert_eq!(stage.owes("u.csl01", MONTHLY), []);
    assert!(stage.list("u.bcm01", NOTICE).contains(&up), "the branch has it");

    // December is not handed up: at the end of the third the branch's manager is told, once.
    stage.at("2027-01-04T09:00");
    stage.sync(&["u.csl01", "u.bcm01"]);
    stage.at("2027-01-05T09:00");
    stage.sync(&["u.bcm01"]);
    let december = stage.duties(MONTHLY).into_iter().find(|view| view.duty.period == "2026-12").unwrap();
    assert_eq!((december.status, december.steps), (Status::Breached, 1));
    let found = stage.act("u.bcm01", |replica, _| replica.search("项目每月汇总投诉", 10));
    assert_eq!(found.len(), 1, "one note of the branch: {found:?}");
    assert!(stage.list("u.pt01", COMPLAINT).is_empty());
}

/// One complaint of November, answered in time, and its owner is content.
fn content_in_november(stage: &mut Stage, complaint: Json) {
    let first = stage.enter("u.fd01", COMPLAINT, LANYUAN, complaint);
    stage.sync(&["u.fd01", "u.csl01"]);
    answered(stage, first, "增加值班");
    stage.sync(&["u.csl01", "u.fd01"]);
    stage.step("u.fd01", first, "visit", json!({ "satisfaction": "s4" }));
    stage.sync(&["u.fd01"]);
}

/// 投诉分析与升级: the branch's manager finds the causes by the eighth; what is grave reaches the general
/// manager within two hours.
#[test]
fn sp_32_the_branch_analyses_complaints_and_reports_grave_ones_at_once() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.csl01", "u.bcm01", "u.gm01", "u.pm02"] {
        stage.of(user);
    }
    let monthly = complaint("cp.cs.slow", "来电无人回复");
    content_in_november(&mut stage, monthly.clone());

    // December: three, one of them grave and graded in a basement, four hours before there is signal.
    stage.at("2026-12-02T09:00");
    let (again, lift) = (
        stage.enter("u.fd01", COMPLAINT, LANYUAN, monthly),
        stage.enter("u.fd01", COMPLAINT, LANYUAN, complaint("cp.eng.lift", "电梯困人四十分钟,五户联名")),
    );
    stage.sync(&["u.fd01", "u.csl01"]);
    stage.at("2026-12-02T10:00");
    stage.step("u.csl01", lift, "classify", json!({ "level": "major", "owner_dept": "dept.eng" }));
    assert_eq!(stage.standing(TO_GM), [], "the branch has not heard of it");
    let hint = stage.act("u.csl01", |replica, moment| replica.duties_of(lift, moment));
    assert!(hint.iter().any(|view| view.duty.rule == TO_GM), "her device knows: {hint:?}");
    stage.at("2026-12-02T14:00");
    stage.sync(&["u.csl01", "u.gm01", "u.bcm01"]);
    // It is reported as soon as it arrives, by the branch itself, and that it came late stays marked; nobody had
    // answered within two hours either, of which the project's manager hears.
    let view = stage.view("u.gm01", lift);
    let by_branch = view.events.iter().filter(|event| event.event.by.as_str() == "sys.server");
    let kinds: BTreeSet<&str> = by_branch.map(|event| event.event.kind.as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["escalate_gm", "escalation"]));
    let told = stage.told("u.gm01", lift);
    let told: BTreeSet<_> =
        told.iter().map(|one| [&one.rule, &one.to, &one.mark].map(String::as_str)).collect();
    let (gm, late) = ("role.gm", "major_reported_late");
    let expected = [[TO_GM, gm, ""], [TO_GM, gm, late], [FIRST_REPLY, "role.project_manager", ""]];
    assert_eq!(told, BTreeSet::from(expected));
    assert!(view.marks.contains(&"major_reported_late".to_owned()), "{:?}", view.marks);
    assert_eq!(view.state, "classified", "reporting does not take it out of anybody's hands");
    assert_eq!(stage.duties(TO_GM)[0].status, Status::Breached, "after two hours");
    // The project does not make it less grave by writing so, and the general manager may answer it.
    assert_eq!(stage.edit_refused("u.csl01", lift, json!({ "level": "general" })), "role_not_allowed");
    stage.step("u.bcm01", lift, "start", json!({}));
    stage.sync(&["u.bcm01", "u.gm01", "u.csl01"]);
    stage.step(
        "u.gm01",
        lift,
        "reply",
        json!({ "solution": "当日更换抱闸,总经理登门致歉", "cause_class": "equipment" }),
    );
    stage.at("2026-12-04T09:00");
    answered(&mut stage, again, "建立回复时限台帐");
    stage.meet();

    // January: the analysis is owed by the eighth, the last day of which the general manager hears at last.
    stage.at("2027-01-05T09:00");
    stage.meet();
    assert_eq!(stage.owes("u.bcm01", ANALYSIS), [Status::Breached, Status::AtRisk]);
    let table = rows(&stage.report("rep.complaint_analysis", None, "2026-12"));
    let lanyuan = table.iter().find(|row| row[0] == "澜园").unwrap();
    assert_eq!(lanyuan[1..3], ["2", "100%"], "two against one in November");
    assert!(lanyuan[3].contains("客户服务类 1") && lanyuan[3].contains("工程维修类 1"), "{lanyuan:?}");
    assert!(lanyuan[4].contains("流程 1") && lanyuan[4].contains("设备 1"), "{lanyuan:?}");
    // Of two answers none came in time: two days instead of one, hours instead of two.
    assert_eq!(lanyuan[5..8], ["0%", "0%", ""]);
    assert!(lanyuan[8].starts_with("TS-LY-202612-"), "the grave one by number: {lanyuan:?}");
    let november = rows(&stage.report("rep.complaint_analysis", None, "2026-11"));
    assert_eq!(november[0][5..8], ["100%", "100%", "100%"]);

    let analysis = stage.enter("u.bcm01", NOTICE, "br.hz", json!({
        "direction": "up", "title_text": "十二月投诉分析", "body": "主因:回复流程;措施:时限台帐", "targets": LANYUAN,
        "report_id": "rep.complaint_analysis", "period": "2026-12",
    }));
    stage.step("u.bcm01", analysis, "publish", json!({}));
    stage.meet();
    let december = stage.duties(ANALYSIS).into_iter().find(|view| view.duty.period == "2026-12").unwrap();
    assert_eq!(december.status, Status::Met);
    // November's was never handed up: the general manager was told two days after the eighth of December.
    let november = stage.duties(ANALYSIS).into_iter().find(|view| view.duty.period == "2026-11").unwrap();
    assert_eq!((november.status, november.steps), (Status::Breached, 1));
    assert!(stage.list("u.pm02", COMPLAINT).is_empty(), "another project's complaints stay there");
}

/// 重大投诉闭环: the branch helps, and nothing is archived before record, visit and solution are there.
#[test]
fn sp_33_a_grave_complaint_is_archived_only_when_all_of_it_is_there() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.csl01", "u.bcm01", "u.gm01"] {
        stage.of(user);
    }
    let grave = stage.enter("u.fd01", COMPLAINT, LANYUAN, complaint("cp.sec.throw", "高空抛物砸伤行人"));
    stage.sync(&["u.fd01", "u.csl01"]);
    stage.step("u.csl01", grave, "classify", json!({ "level": "major", "owner_dept": "dept.sec" }));
    stage.sync(&["u.csl01", "u.bcm01", "u.gm01"]);
    assert_eq!(stage.standing(TO_GM)[0].1, Status::Met, "reported at once");
    // The branch names who helps; both work on the text of the solution without signal.
    stage.edit("u.bcm01", grave, json!({ "branch_owner": "u.bcs01" }));
    stage.step("u.csl01", grave, "start", json!({}));
    stage.sync(&["u.csl01", "u.bcm01"]);
    assert_eq!(stage.step_refused("u.csl01", grave, "reply", json!({})), "requirement_missing");
    stage.edit("u.csl01", grave, json!({ "cause": "阳台花盆坠落", "cause_class": "people" }));
    stage.step("u.csl01", grave, "reply", json!({ "solution": "垫付医药费,加装防坠网" }));
    stage.sync(&["u.csl01", "u.bcm01", "u.fd01"]);
    assert_eq!(stage.step_refused("u.csl01", grave, "close", json!({})), "transition_not_allowed");
    stage.step("u.fd01", grave, "visit", json!({ "satisfaction": "s4" }));
    stage.sync(&["u.fd01", "u.csl01", "u.bcm01"]);
    // The project does not close a grave one by itself, and nobody archives it before it is closed.
    assert_eq!(stage.step_refused("u.csl01", grave, "close", json!({})), "guard_failed");
    assert_eq!(stage.step_refused("u.bcm01", grave, "archive", json!({})), "transition_not_allowed");
    stage.step("u.bcm01", grave, "close", json!({}));
    stage.sync(&["u.bcm01", "u.csl01"]);
    let open = stage.duties("rule.major_archive");
    assert_eq!(open[0].status, Status::Open, "{open:?}");
    assert_eq!(stage.step_refused("u.csl01", grave, "archive", json!({})), "guard_failed");
    stage.edit("u.csl01", grave, json!({ "archived_at": time("2026-11-23T10:00") }));
    stage.step("u.csl01", grave, "archive", json!({}));
    stage.meet();
    let view = stage.view("u.gm01", grave);
    assert_eq!((view.state.as_str(), view.is_final), ("archived", true));
    assert_eq!(shown(&view, "branch_owner"), "u.bcs01");
    let done = stage.duties("rule.major_archive");
    assert!(done.iter().all(|view| view.status == Status::Met), "{done:?}");
    // What is archived does not change any more.
    assert_eq!(stage.edit_refused("u.csl01", grave, json!({ "cause_class": "other" })), "final_state");

    // An ordinary complaint needs none of that: its own lead closes and archives it.
    let plain = stage.enter("u.fd01", COMPLAINT, LANYUAN, complaint("cp.env.smell", "垃圾房异味"));
    stage.sync(&["u.fd01", "u.csl01"]);
    answered(&mut stage, plain, "加密清洗");
    stage.sync(&["u.csl01", "u.fd01"]);
    stage.step("u.fd01", plain, "visit", json!({ "satisfaction": "s5" }));
    stage.sync(&["u.fd01", "u.csl01"]);
    stage.step("u.csl01", plain, "close", json!({ "cause": "清运延迟" }));
    stage.step("u.csl01", plain, "archive", json!({}));
    stage.meet();
    assert_eq!(stage.view("u.bcm01", plain).state, "archived");
}
