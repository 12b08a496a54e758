//! (三)4 and (三)5, handover days and daily guidance: sp.19 to sp.23.

use serde_json::json;
use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::replica::{Answer, Answered};
use xunyuan_core::report::html;
use xunyuan_tests::people::{failing, photo, text};

use super::stage::{Stage, Told, rows, shown, time, values};

const LANYUAN: &str = "pj.lanyuan";
const JIANGWAN: &str = "pj.jiangwan";

/// Ten days before Jiangwan is handed over on the eighteenth of December, with people of its own.
fn before_handover() -> Stage {
    let mut stage = Stage::open();
    stage.publish("org.hz", |org| {
        for (id, name, role, dept) in [
            ("u.pm03", "项目经理午", "role.project_manager", "dept.pm"),
            ("u.csl03", "客服负责人未", "role.cs_lead", "dept.cs"),
            ("u.eng03", "工程主管申", "role.eng_lead", "dept.eng"),
        ] {
            let person = json!({ "id": id, "name": name, "role": role, "project": JIANGWAN, "dept": dept });
            org["users"].as_array_mut().unwrap().push(person);
        }
        let dwelling = json!({ "id": "un.jiangwan.1-1-102", "project": JIANGWAN, "label": "1幢1单元102" });
        org["units"].as_array_mut().unwrap().push(dwelling);
    });
    stage.at("2026-12-08T09:00");
    stage
}

/// The sheet by which a handover is prepared.
fn handover(stage: &mut Stage) -> DocumentId {
    let head = json!({
        "handover_start_date": "2026-12-18", "handover_end_date": "2026-12-20", "units_total": 60, "daily_capacity": 20,
    });
    stage.sheet("u.bcm01", "tpl.handover_event", JIANGWAN, head)
}

fn answer(
    stage: &mut Stage,
    user: &str,
    sheet: DocumentId,
    item: &str,
    option: &str,
    note: &str,
) -> Answered {
    let note = Some(note.to_owned()).filter(|note| !note.is_empty());
    let answer = Answer { value: Some(text(option)), note, photos: Vec::new() };
    stage.act(user, |replica, moment| replica.answer(sheet, item, answer, moment))
}

/// The people of a dwelling are shown round: meters read, what is not in order written down.
fn shown_round(stage: &mut Stage, unit: &str, refuses: bool) -> Vec<DocumentId> {
    let head = json!({ "unit_id": unit, "guide": "u.hg01", "visited_at": time("2026-12-18T09:30") });
    let sheet = stage.sheet("u.hg01", "tpl.handover_unit", JIANGWAN, head);
    for (item, number, shot) in [("hu.meter.01", 3.2, 1), ("hu.meter.02", 15.0, 2), ("hu.meter.03", 0.4, 3)] {
        let read = Answer { value: Some(Value::Number(number)), note: None, photos: vec![photo(shot)] };
        stage.act("u.hg01", |replica, moment| replica.answer(sheet, item, read, moment));
    }
    let mut raised = Vec::new();
    if refuses {
        let wet = failing("主卫墙角渗水,闭水试验不合格", 4);
        raised =
            stage.act("u.hg01", |replica, moment| replica.answer(sheet, "hu.wall.03", wet, moment)).raised;
        let snag = json!({
            "room": "bath", "part": "墙角", "desc": "渗水", "owner_wants_refuse": true,
        });
        let line =
            stage.act("u.hg01", |replica, moment| replica.add_line(sheet, "hu.snags", values(snag), moment));
        stage.attach("u.hg01", sheet, &format!("hu.snags/{line}/photos"), &[photo(5)]);
    } else {
        stage.act("u.hg01", |replica, moment| replica.sign(sheet, "owner_sign", moment));
    }
    stage.act("u.hg01", |replica, moment| replica.sign(sheet, "guide_sign", moment));
    raised
}

/// 交楼流程与应急: contingency plans have their people before the day, what goes wrong on it is followed.
#[test]
fn sp_19_a_handover_has_its_contingency_plans_and_what_goes_wrong_is_followed() {
    let mut stage = before_handover();
    for user in ["u.bcm01", "u.pm03", "u.eng03", "u.hg01", "u.gm01", "u.pt01"] {
        stage.of(user);
    }
    let sheet = handover(&mut stage);
    stage.meet();
    // Manager and project fill in their own parts of the same sheet without signal.
    let note = "停电预案未定负责人";
    let raised = answer(&mut stage, "u.pm03", sheet, "ho.risk.01", "not_done", note).raised;
    answer(&mut stage, "u.bcm01", sheet, "ho.risk.02", "done", "");
    stage.meet();
    let finding = raised[0];
    let view = stage.view("u.gm01", finding);
    assert_eq!((shown(&view, "severity").as_str(), shown(&view, "source").as_str()), ("major", "handover"));
    let report = Told {
        rule: "rule.finding_major_report".to_owned(),
        to: "role.branch_cs_mgr role.gm".to_owned(),
        mark: String::new(),
    };
    assert_eq!(stage.told("u.gm01", finding), [report], "what is grave goes up as soon as it arrives");
    // Put right before the day: the sheet says so, and the finding goes its whole way to be closed.
    answer(&mut stage, "u.pm03", sheet, "ho.risk.01", "done", "五项预案均已到人");
    stage.step("u.pm03", finding, "confirm", json!({}));
    let action = json!({ "desc": "指定停电预案负责人", "owner": "u.eng03", "due": "2026-12-10", "done_at": "2026-12-09" });
    stage.line("u.pm03", finding, "actions", action);
    stage.edit("u.pm03", finding, json!({ "root_cause": "分工表漏项" }));
    stage.attach("u.pm03", finding, "evidence", &[photo(6)]);
    stage.step("u.pm03", finding, "plan", json!({ "due": "2026-12-10" }));
    stage.step("u.pm03", finding, "submit", json!({}));
    stage.meet();
    assert_eq!(stage.step_refused("u.eng03", finding, "verify_ok", json!({})), "role_not_allowed");
    stage.step("u.bcm01", finding, "verify_ok", json!({ "verification": "演练时已核对" }));
    stage.meet();
    assert_eq!(stage.view("u.pm03", finding).state, "closed");

    // The day itself: a guide without signal shows two families round; one refuses.
    stage.at("2026-12-18T09:00");
    let wet = shown_round(&mut stage, "un.jiangwan.1-1-101", true);
    shown_round(&mut stage, "un.jiangwan.1-1-102", false);
    assert_eq!(wet.len(), 1);
    stage.at("2026-12-18T18:00");
    stage.meet();
    assert_eq!(shown(&stage.view("u.eng03", wet[0]), "owner_dept"), "dept.eng");
    let table = stage.report("rep.handover_daily", Some(JIANGWAN), "2026-12-18");
    assert_eq!(rows(&table)[0], ["2026-12-18", "20", "2", "1", "1", "1", "1"]);
    let paper = html(&table);
    for text in ["<h1>交楼进度表</h1>", "群诉、拥挤、医疗、停电、极端天气预案到岗到人", "2026-12-15"]
    {
        assert!(paper.contains(text), "{text}: contingency plans stand on the progress sheet");
    }
    // Preparing a handover is no guide's business, and a patrol officer of another project sees none of it.
    let refused = stage.refused("u.hg01", |replica, moment| {
        replica.start_inspection("tpl.handover_event", JIANGWAN, moment)
    });
    assert_eq!(refused, "role_not_allowed");
    assert!(stage.list("u.pt01", "tpl.handover_unit").is_empty());
}

/// 人员调配与演练: people are lent for the days, trained and rehearsed; without a rehearsal nothing is ready.
#[test]
fn sp_20_people_are_lent_trained_and_rehearsed_before_the_day() {
    let mut stage = before_handover();
    for user in ["u.bcm01", "u.pm03", "u.csl03", "u.hg01", "u.fd01", "u.pt01"] {
        stage.of(user);
    }
    let sheet = handover(&mut stage);
    let order = stage.enter("u.pm03", "led.dispatch", JIANGWAN, json!({ "event": "handover" }));
    let need = json!({ "post": "前台", "count": 1, "from": "2026-12-18", "to": "2026-12-20" });
    stage.line("u.pm03", order, "need", need);
    stage.meet();
    assert_eq!(stage.step_refused("u.pm03", order, "approve", json!({})), "role_not_allowed");
    let lent = json!({
        "user": "u.fd01", "from_project": LANYUAN, "arrive_at": time("2026-12-18T08:00"),
        "leave_at": time("2026-12-20T18:00"),
    });
    stage.line("u.bcm01", order, "assigned", lent);
    stage.step("u.bcm01", order, "approve", json!({}));

    // The rehearsal: planned, everybody signs in on the own phone, judged afterwards.
    let rehearsal = stage.enter("u.bcm01", "led.training", JIANGWAN, json!({
        "topic": "tr.handover", "kind": "rehearsal", "held_at": time("2026-12-15T14:00"), "trainer": "客服经理乙",
        "attendees": "u.csl03",
    }));
    stage.meet();
    stage.at("2026-12-15T14:00");
    for user in ["u.hg01", "u.pm03"] {
        stage.edit(user, rehearsal, json!({ "attendees": user }));
    }
    // Before it was held, the preparation fails; a missing rehearsal is critical.
    answer(&mut stage, "u.bcm01", sheet, "ho.staff.03", "not_done", "定于 15 日下午");
    let view = stage.act("u.bcm01", |replica, _| replica.inspection(sheet));
    assert_eq!(view.score.critical_failed, 1);
    stage.meet();
    stage.at("2026-12-15T17:00");
    assert_eq!(stage.step_refused("u.hg01", rehearsal, "hold", json!({})), "role_not_allowed");
    stage.step("u.bcm01", rehearsal, "hold", json!({}));
    let judged = json!({ "score_avg": 91, "effect": "叫号环节改为双通道" });
    stage.step("u.bcm01", rehearsal, "evaluate", judged);
    answer(&mut stage, "u.bcm01", sheet, "ho.staff.03", "done", "");
    answer(&mut stage, "u.csl03", sheet, "ho.staff.02", "done", "");
    stage.meet();
    let view = stage.act("u.pm03", |replica, _| replica.inspection(sheet));
    assert_eq!(view.score.critical_failed, 0);
    assert!(stage.list("u.fd01", "led.training").is_empty(), "no record of another project");

    // A rehearsal is no central training, but its people count as trained.
    let quarter = rows(&stage.report("rep.training", Some(JIANGWAN), "2026Q4"));
    assert_eq!(quarter[0][..4], ["2026Q4", "0", "交楼培训与模拟演练", "3"]);
    assert_eq!(quarter[0][5], "91");
    stage.at("2026-12-18T08:05");
    stage.step("u.bcm01", order, "arrive", json!({}));
    stage.at("2026-12-20T18:10");
    stage.step("u.bcm01", order, "return", json!({ "feedback": "到岗准时" }));
    stage.step("u.bcm01", order, "close", json!({}));
    stage.meet();
    assert_eq!(stage.view("u.pm03", order).state, "closed");
    assert!(
        stage.duties("rule.dispatch_double").iter().all(|view| view.steps == 0),
        "nobody is booked twice"
    );
}

/// 日常指导: the branch comes regularly, looks how people work, guides on the spot, takes problems along.
#[test]
fn sp_21_the_branch_guides_daily_work_on_its_visits() {
    let mut stage = Stage::open();
    for user in ["u.bcm01", "u.bcs01", "u.csl01", "u.pm01", "u.fd01"] {
        stage.of(user);
    }
    // The month's visit stands in the schedule; whoever of the branch opens it opens the same sheet.
    stage.at("2026-12-02T09:00");
    let slots = stage.act("u.bcm01", |replica, moment| replica.slots(moment));
    let slot = slots
        .into_iter()
        .find(|view| view.slot.key.starts_with("sch.visit@") && view.slot.project == LANYUAN);
    let key = slot.expect("this month's visit").slot.key;
    let sheet = stage.act("u.bcm01", |replica, moment| replica.start_slot(&key, Some(LANYUAN), moment));
    for (item, option) in [("bv.talk.03", "c"), ("bv.talk.04", "a")] {
        answer(&mut stage, "u.bcm01", sheet, item, option, "派单后未口头确认,已当场示范");
    }
    answer(&mut stage, "u.bcm01", sheet, "bv.talk.02", "希望增加雨具", "");
    let problem = json!({
        "desc": "前台交接班无书面记录", "class": "within_function", "root_cause": "无交接表", "proposal": "下发交接表并培训",
    });
    stage.act("u.bcm01", |replica, moment| replica.add_line(sheet, "bv.issues", values(problem), moment));
    stage.meet();
    // The problem is an entry of its own, in the function's own hands.
    let issues = stage.list("u.csl01", "led.project_issue");
    assert_eq!(issues.len(), 1);
    let view = stage.view("u.csl01", issues[0]);
    assert_eq!((shown(&view, "class").as_str(), view.state.as_str()), ("within_function", "logged"));
    let device = stage.of("u.bcm01");
    let done = stage.world.finish_sheet(device, sheet);
    assert!(done.completed.is_some());
    stage.meet();
    let table = rows(&stage.report("rep.project_issue", Some(LANYUAN), "2026-12"));
    assert_eq!(table[0][..3], ["澜园", "职能内", "前台交接班无书面记录"]);
    // The visit is not visited by those whom it is about.
    for user in ["u.csl01", "u.pm01"] {
        let code = stage
            .refused(user, |replica, moment| replica.start_inspection("tpl.branch_visit", LANYUAN, moment));
        assert_eq!(code, "role_not_allowed", "{user}");
    }
    let code = stage
        .refused("u.fd01", |replica, moment| replica.start_inspection("tpl.branch_visit", LANYUAN, moment));
    assert_eq!(code, "scope_not_granted");
}

/// 协议规约熟记: the whole department is trained and asked; who does not know the promises is a finding.
#[test]
fn sp_22_everybody_knows_agreement_and_covenant_by_heart() {
    let mut stage = Stage::open();
    for user in ["u.csl01", "u.fd01", "u.fd02", "u.bcs01", "u.bcm01", "u.pt01"] {
        stage.of(user);
    }
    let session = |day: &str, attendees: &str| json!({ "topic": "tr.contract", "kind": "project", "held_at": time(day), "attendees": attendees, "trainer": "客服负责人辛" });
    let first =
        stage.enter("u.csl01", "led.training", LANYUAN, session("2026-11-24T18:00", "u.csl01 u.fd01"));
    stage.at("2026-11-24T19:00");
    stage.step("u.csl01", first, "hold", json!({}));
    // Ten questions each; the results stay by name, the mean is what the quarter's table shows.
    for (user, right) in [("u.fd01", 9), ("u.csl01", 10)] {
        stage.line("u.csl01", first, "results", json!({ "user": user, "asked": 10, "right": right }));
    }
    stage.step("u.csl01", first, "evaluate", json!({ "score_avg": 95, "effect": "人人答得出服务承诺" }));
    stage.meet();
    let lanyuan = |stage: &Stage| rows(&stage.report("rep.training", Some(LANYUAN), "2026Q4"))[0].clone();
    // Customer service of Lanyuan: the lead, two at the desk, one patrol officer.
    assert_eq!(lanyuan(&stage)[3..6], ["2", "50%", "95"]);
    let second =
        stage.enter("u.csl01", "led.training", LANYUAN, session("2026-11-26T18:00", "u.fd02 u.pt01"));
    stage.at("2026-11-26T19:00");
    stage.step("u.csl01", second, "hold", json!({}));
    stage.line("u.csl01", second, "results", json!({ "user": "u.fd02", "asked": 10, "right": 6 }));
    assert_eq!(
        stage.step_refused("u.csl01", second, "evaluate", json!({ "score_avg": 75 })),
        "requirement_missing"
    );
    stage.step("u.csl01", second, "evaluate", json!({ "score_avg": 75, "effect": "停车收费标准须再练" }));
    stage.meet();
    assert_eq!(lanyuan(&stage)[3..6], ["4", "100%", "85"], "everybody, and the mean of both");
    assert_eq!(shown(&stage.view("u.fd01", first), "results"), "2");
    assert_eq!(stage.step_refused("u.fd01", second, "archive", json!({})), "role_not_allowed");

    // The branch asks on its implementation check: who does not know the fees is a finding with a date.
    let plan = stage.enter("u.csl01", "led.guanbiao_plan", LANYUAN, json!({ "year": 2026 }));
    stage.meet();
    let head = json!({ "plan_id": plan.to_string() });
    let sheet = stage.sheet("u.bcs01", "tpl.guanbiao_check", LANYUAN, head);
    let raised =
        answer(&mut stage, "u.bcs01", sheet, "gb.exec.06", "fail", "前台癸答不出停车收费标准").raised;
    stage.meet();
    let finding = stage.view("u.csl01", raised[0]);
    assert_eq!(shown(&finding, "source"), "guanbiao");
    assert!(
        shown(&finding, "statement").contains("前台癸答不出停车收费标准"),
        "{}",
        shown(&finding, "statement")
    );
    assert!(finding.due.is_some());
    let code = stage
        .refused("u.fd01", |replica, moment| replica.start_inspection("tpl.guanbiao_check", LANYUAN, moment));
    assert_eq!(code, "scope_not_granted");
}

/// 老人儿童关怀: who needs care is written down with every visit, and their places are patrolled.
#[test]
fn sp_23_old_people_and_children_are_cared_for() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.fd02", "u.csl01", "u.pt01"] {
        stage.of(user);
    }
    let care = json!({ "group": "elder_alone", "unit_id": "un.lanyuan.3-1-502", "need": "独居,行动不便,每周电话问候" });
    let entry = stage.enter("u.fd01", "led.care_visit", LANYUAN, care.clone());
    stage.meet();
    // Two colleagues visit on the same day without knowing of each other: both visits stay.
    for (user, note) in [("u.fd01", "代取药品"), ("u.fd02", "更换门厅灯泡")] {
        stage.line(user, entry, "visit_note", json!({ "at": time("2026-11-23T10:00"), "note": note }));
    }
    stage.meet();
    assert_eq!(shown(&stage.view("u.csl01", entry), "visit_note"), "2");
    assert_eq!(stage.view("u.csl01", entry).number.as_deref(), Some("GH-LY-001"));
    let found = stage.act("u.csl01", |replica, _| replica.search("每周电话问候", 5));
    assert_eq!(found.len(), 1);
    // Where somebody lives alone is on no patrol phone; care ends by the lead's word alone.
    assert!(stage.list("u.pt01", "led.care_visit").is_empty());
    assert_eq!(stage.enter_refused("u.pt01", "led.care_visit", LANYUAN, care), "scope_not_granted");
    assert_eq!(stage.step_refused("u.fd01", entry, "close", json!({})), "role_not_allowed");

    // The old people's corner and the playground are patrolled, and what is broken there is put right.
    let device = stage.of("u.pt01");
    let sheet = stage.world.start_patrol(device);
    let raised = stage.world.fail(device, sheet, "pp.play.01", "秋千链条锈蚀", 7);
    stage.meet();
    assert_eq!(raised.len(), 1);
    assert!(shown(&stage.view("u.csl01", raised[0]), "statement").contains("秋千链条锈蚀"));
    stage.step("u.csl01", entry, "close", json!({}));
    stage.meet();
    assert!(stage.view("u.fd01", entry).is_final);
}
