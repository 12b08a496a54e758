//! (三)6 to (四), people: sp.30 and sp.34 to sp.36.

use serde_json::{Value as Json, json};
use xunyuan_core::duty::Status;
use xunyuan_core::id::DocumentId;
use xunyuan_core::report::html;
use xunyuan_tests::people::photo;

use super::stage::{Stage, rows, shown, time, values};

const LANYUAN: &str = "pj.lanyuan";
const STAR: &str = "led.star";
const SUBMIT: &str = "rule.star_submit";
const QUARTER: &str = "rule.star_quarter";

/// 处罚: proposed with basis and fact, approved, carried out; read by few, and the person may object.
#[test]
fn sp_30_discipline_is_read_by_few_and_can_be_appealed() {
    let mut stage = Stage::open();
    for user in ["u.pm01", "u.hr01", "u.gm01", "u.csl01", "u.fd01", "u.pt01", "u.bcs01"] {
        stage.of(user);
    }
    let proposal = json!({
        "subject": "秩序维护部夜班岗", "basis": "《员工手册》第 12 条", "fact": "三次未按时反馈派单处理情况",
        "measure": "书面警告,扣当月绩效 5%",
    });
    let record = stage.enter("u.pm01", "led.discipline", LANYUAN, proposal.clone());
    stage.meet();
    for user in ["u.hr01", "u.gm01"] {
        assert_eq!(stage.list(user, "led.discipline"), [record], "{user} decides on it");
    }
    for user in ["u.csl01", "u.fd01", "u.pt01", "u.bcs01"] {
        assert_eq!(stage.list(user, "led.discipline"), [], "{user} does not even hold it");
        let found = stage.act(user, |replica, _| replica.search("书面警告", 5));
        assert!(found.is_empty(), "{user}");
        let code = stage.enter_refused(user, "led.discipline", LANYUAN, proposal.clone());
        assert_eq!(code, "scope_not_granted");
    }
    // Human resources carry out what others approved; who may revoke it does not carry it out.
    assert_eq!(stage.step_refused("u.hr01", record, "approve", json!({})), "role_not_allowed");
    stage.step("u.pm01", record, "approve", json!({}));
    stage.sync(&["u.pm01", "u.hr01", "u.gm01"]);
    assert_eq!(stage.step_refused("u.gm01", record, "execute", json!({})), "role_not_allowed");
    // The objection is written down beside it, and nobody takes it away or changes who it is about.
    let objection = json!({ "at": time("2026-11-23T11:00"), "note": "当晚对讲机故障,有维修单" });
    let view = stage.line("u.hr01", record, "appeal", objection);
    assert_eq!(shown(&view, "appeal"), "1");
    let (line, silence) =
        (stage.lines("u.hr01", record, "appeal")[0].id.clone(), values(json!({ "note": "" })));
    let code = stage.refused("u.hr01", |replica, moment| {
        replica.edit_entry_line(record, "appeal", &line, silence, moment)
    });
    assert_eq!(code, "write_once");
    assert_eq!(stage.edit_refused("u.pm01", record, json!({ "subject": "他人" })), "write_once");
    // The objection is right: the general manager revokes it, with the reason.
    stage.sync(&["u.hr01", "u.gm01"]);
    assert_eq!(stage.step_refused("u.gm01", record, "revoke", json!({})), "requirement_missing");
    stage.step("u.gm01", record, "revoke", json!({ "reason": "设备故障属实" }));
    stage.meet();
    let view = stage.view("u.hr01", record);
    assert_eq!((view.state.as_str(), view.is_final, shown(&view, "appeal").as_str()), ("revoked", true, "1"));
    let standing = stage.enter("u.pm01", "led.discipline", LANYUAN, proposal);
    stage.step("u.pm01", standing, "approve", json!({}));
    stage.sync(&["u.pm01", "u.hr01"]);
    stage.step("u.hr01", standing, "execute", json!({}));
    stage.meet();
    assert_eq!(stage.view("u.gm01", standing).state, "executed");
}

/// 服务新项目: an idea out of what owners ask for, approved, run, with its income month by month.
#[test]
fn sp_34_a_new_service_grows_from_an_idea_to_income() {
    let mut stage = Stage::open();
    for user in ["u.csl01", "u.pm01", "u.gm01", "u.bcm01", "u.fd01"] {
        stage.of(user);
    }
    let idea = json!({ "kind": "car_wash", "demand": "问卷 120 份,七成业主愿意使用地库洗车" });
    assert_eq!(stage.enter_refused("u.fd01", "led.new_service", LANYUAN, idea.clone()), "scope_not_granted");
    let service = stage.enter("u.csl01", "led.new_service", LANYUAN, idea);
    stage.step("u.csl01", service, "survey", json!({ "plan": "引入一家洗车公司,分成三成" }));
    stage.meet();
    assert_eq!(stage.step_refused("u.csl01", service, "approve", json!({})), "role_not_allowed");
    stage.step("u.gm01", service, "approve", json!({}));
    stage.sync(&["u.gm01", "u.pm01"]);
    stage.step("u.pm01", service, "run", json!({}));
    for (month, amount) in [("2026-11", 2600), ("2026-12", 3150)] {
        stage.line("u.pm01", service, "income", json!({ "month": month, "amount": amount, "note": "分成" }));
    }
    stage.meet();
    let view = stage.view("u.bcm01", service);
    assert_eq!((view.state.as_str(), shown(&view, "income").as_str()), ("running", "2"));
    assert_eq!(view.number.as_deref(), Some("XM-LY-01"));
    let found = stage.act("u.bcm01", |replica, _| replica.search("地库洗车", 5));
    assert_eq!(found.len(), 1);
    let month = json!({ "month": "2026-13", "amount": 1 });
    assert_eq!(stage.line_refused("u.pm01", service, "income", month), "wrong_type", "no thirteenth month");
    stage.step("u.gm01", service, "stop", json!({}));
    assert!(stage.view("u.gm01", service).is_final);
}

/// 员工活动: planned by the branch, people put themselves down, photos and participants stay.
#[test]
fn sp_35_staff_activities_are_planned_and_recorded() {
    let mut stage = Stage::open();
    for user in ["u.hr01", "u.fd01", "u.pt01", "u.bcm01"] {
        stage.of(user);
    }
    let plan = json!({ "name": "冬至包饺子", "held_on": "2026-12-21", "participants": "u.bcm01" });
    let activity = stage.enter("u.hr01", "led.activity", "br.hz", plan);
    stage.meet();
    // Two people of two projects' phones put themselves down without knowing of each other.
    for user in ["u.fd01", "u.pt01"] {
        stage.edit(user, activity, json!({ "participants": user }));
    }
    stage.meet();
    assert_eq!(shown(&stage.view("u.hr01", activity), "participants"), "u.bcm01 u.fd01 u.pt01");
    assert_eq!(stage.step_refused("u.pt01", activity, "hold", json!({})), "role_not_allowed");
    stage.at("2026-12-21T16:00");
    stage.attach("u.hr01", activity, "photos", &[photo(3)]);
    stage.step("u.hr01", activity, "hold", json!({}));
    stage.meet();
    let view = stage.view("u.fd01", activity);
    assert_eq!((view.state.as_str(), view.number.as_deref()), ("held", Some("HD-2026-01")));
    assert_eq!(shown(&view, "photos").split(' ').count(), 1);
}

/// A nomination with its form, field by field.
fn form(nominee: &str, facts: &str) -> Json {
    json!({
        "period": "2026-11", "nominee": nominee, "form.project": LANYUAN, "form.nominee": nominee,
        "form.post": "前台客服", "form.hired_on": "2023-03-01", "form.period": "2026-11", "form.facts": facts,
        "form.attendance": "yes", "form.complaints": 0, "form.training_score": 92,
    })
}

/// From the project's form to the branch's praise.
fn nominated(stage: &mut Stage, nominee: &str) -> DocumentId {
    let star =
        stage.enter("u.pm01", STAR, LANYUAN, form(nominee, "暴雨夜协助十二户转移车辆,次日回访全部满意"));
    // His opinion comes last; what stood on the form before stays. What no form can hold is told at once.
    let opinion = json!({ "form.satisfaction": 98.5, "form.pm_opinion": "同意推荐", "form.pm_sign": "已签" });
    stage.edit("u.pm01", star, opinion);
    let wrong = json!({ "form.hired_on": "三年前" });
    assert_eq!(stage.edit_refused("u.pm01", star, wrong), "wrong_type");
    assert_eq!(stage.edit_refused("u.pm01", star, json!({ "form": "见附件" })), "wrong_type");
    stage.step("u.pm01", star, "submit", json!({}));
    star
}

/// 服务之星: forms by the last Wednesday of each month, chosen once a quarter, made known, rewarded.
#[test]
fn sp_36_stars_are_nominated_monthly_and_chosen_quarterly() {
    let mut stage = Stage::open();
    for user in ["u.pm01", "u.pm02", "u.hr01", "u.bcm01", "u.gm01", "u.fd01"] {
        stage.of(user);
    }
    // Two days before the last Wednesday it is urgent; of the months before the branch began nothing is owed.
    assert_eq!(stage.owes("u.pm01", SUBMIT), [Status::AtRisk]);
    let month = |stage: &Stage, period: &str| {
        let duties = stage.duties(SUBMIT).into_iter().filter(|view| view.duty.period == period);
        duties.map(|view| (view.duty.unit, view.status)).collect::<Vec<_>>()
    };
    // The last Wednesday of November is the 25th. Lanyuan's manager signs at five, without signal.
    stage.at("2026-11-25T17:00");
    let star = nominated(&mut stage, "u.fd01");
    stage.at("2026-11-25T18:00");
    assert_eq!(month(&stage, "2026-11")[0], (LANYUAN.to_owned(), Status::Unknown), "he may have done it");
    stage.at("2026-11-26T09:00");
    stage.sync(&["u.pm01", "u.pm02", "u.hr01"]);
    let standing = month(&stage, "2026-11");
    assert_eq!(standing[0], (LANYUAN.to_owned(), Status::MetSyncedLate));
    assert_eq!(standing[1], ("pj.xiyuan".to_owned(), Status::Breached), "{standing:?}");
    assert_eq!(standing.iter().filter(|(_, status)| *status == Status::Breached).count(), 1);
    // Human resources are told of the project that sent none.
    let notes = stage.act("u.hr01", |replica, _| replica.search("服务之星推荐表", 10));
    assert_eq!(notes.len(), 1, "{notes:?}");

    // A front desk nominates nobody: that is the project's.
    let own = form("u.fd02", "自荐");
    assert_eq!(stage.enter_refused("u.fd01", STAR, LANYUAN, own), "role_not_allowed");
    // Front desk and project have no say in what follows; each step is its own people's.
    stage.meet();
    assert_eq!(stage.step_refused("u.fd01", star, "review", json!({})), "role_not_allowed");
    assert_eq!(
        stage.step_refused("u.pm01", star, "decide", json!({ "decision": "selected" })),
        "transition_not_allowed"
    );
    stage.at("2026-12-28T10:00");
    stage.step("u.hr01", star, "review", json!({}));
    stage.sync(&["u.hr01", "u.gm01", "u.pm01"]);
    assert_eq!(stage.step_refused("u.hr01", star, "decide", json!({})), "role_not_allowed");
    stage.step("u.gm01", star, "decide", json!({ "decision": "selected", "reward": "奖金 300 元" }));
    stage.sync(&["u.gm01", "u.hr01"]);
    let quarter = |stage: &Stage| {
        let duties = stage.duties(QUARTER).into_iter().find(|view| view.duty.period == "2026Q4");
        duties.map(|view| view.status)
    };
    assert_ne!(quarter(&stage), Some(Status::Met), "chosen, and nobody knows of it yet");
    stage.step("u.hr01", star, "publish", json!({}));
    stage.meet();
    assert_eq!(quarter(&stage), Some(Status::Met));

    // The bulletin for everybody, the same on the star's own phone; the form as the office signs it.
    let bulletin = stage.report("rep.star", None, "2026Q4");
    assert_eq!(
        rows(&bulletin)[0],
        ["前台壬", "澜园", "前台客服", "暴雨夜协助十二户转移车辆,次日回访全部满意", "奖金 300 元"]
    );
    assert_eq!(rows(&stage.report_of("u.fd01", "rep.star", "2026Q4")), rows(&bulletin));
    let paper = html(&bulletin);
    for text in ["<h1>服务之星推荐表</h1>", "同意推荐", "98.5", "<span>分公司总经理:</span>"]
    {
        assert!(paper.contains(text), "{text} is not on the form");
    }
    // What was made known is final; the person and the month never change.
    assert!(stage.view("u.pm01", star).is_final);
    assert_eq!(stage.edit_refused("u.pm01", star, json!({ "nominee": "u.fd02" })), "write_once");
    // A quarter in which nothing is made known is told to the general manager, fifteen days after it ended.
    stage.at("2027-04-20T09:00");
    stage.meet();
    stage.at("2027-04-21T09:00");
    let first = stage.duties(QUARTER).into_iter().find(|view| view.duty.period == "2027Q1").unwrap();
    assert_eq!((first.status, first.steps), (Status::Breached, 1));
}
