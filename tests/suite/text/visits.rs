//! (三)2: visits to the projects, their difficulties and needs: sp.12 to sp.14.

use serde_json::json;
use xunyuan_core::duty::Status;
use xunyuan_core::id::DocumentId;

use super::stage::{Stage, Told, rows, shown, values};

const SYSTEM: &str = "rule.issue_system_level";

/// A visit to Lanyuan, made without signal: what was said, and two difficulties.
fn visit(stage: &mut Stage) -> DocumentId {
    let visit = stage.sheet("u.bcs01", "tpl.branch_visit", "pj.lanyuan", json!({}));
    for (item, said) in [("bv.talk.01", "维修资金审批慢"), ("bv.talk.02", "前台希望增加轮岗培训")]
    {
        let answer = xunyuan_core::replica::Answer {
            value: Some(xunyuan_core::document::model::Value::Text(said.to_owned())),
            ..xunyuan_core::replica::Answer::default()
        };
        stage.act("u.bcs01", |replica, moment| replica.answer(visit, item, answer, moment));
    }
    for line in [
        json!({ "desc": "前台接诉话术不统一", "class": "within_function", "root_cause": "新人未培训", "proposal": "集中培训投诉处理" }),
        json!({ "desc": "维修资金审批需四级", "class": "system_level", "root_cause": "授权额度低", "proposal": "给项目五千元授权" }),
    ] {
        stage.act("u.bcs01", |replica, moment| replica.add_line(visit, "bv.issues", values(line), moment));
    }
    stage.fill("u.bcs01", visit);
    stage.complete("u.bcs01", visit);
    stage.meet();
    visit
}

/// The difficulty of this class.
fn issue(stage: &mut Stage, class: &str) -> DocumentId {
    let all = stage.list("u.bcm01", "led.project_issue");
    all.into_iter().find(|one| shown(&stage.view("u.bcm01", *one), "class") == class).unwrap()
}

fn open() -> Stage {
    let mut stage = Stage::open();
    for user in ["u.bcs01", "u.bcm01", "u.gm01", "u.csl01", "u.pm01"] {
        stage.of(user);
    }
    stage
}

/// 下项目走访: each month to every project; difficulties and needs are collected, classified and summed up.
#[test]
fn sp_12_a_visit_collects_difficulties_and_sorts_them() {
    let mut stage = open();
    stage.at("2026-12-02T09:00");
    let due = stage.act("u.bcm01", |replica, moment| replica.slots(moment));
    let due: Vec<&str> =
        due.iter().filter(|v| v.slot.schedule == "sch.visit").map(|v| v.slot.project.as_str()).collect();
    assert!(
        ["pj.lanyuan", "pj.xiyuan", "pj.jiangwan"].iter().all(|project| due.contains(project)),
        "{due:?}"
    );
    let sheet = visit(&mut stage);
    assert_eq!(stage.list("u.bcm01", "tpl.branch_visit"), [sheet]);
    // Each difficulty is an entry of its own, with cause and proposal, also for the project to see.
    let within = issue(&mut stage, "within_function");
    let view = stage.view("u.csl01", within);
    assert_eq!(shown(&view, "root_cause"), "新人未培训");
    assert_eq!(shown(&view, "plan"), "集中培训投诉处理");
    assert!(view.number.as_deref().unwrap().starts_with("XQ-LY-"));
    let report = rows(&stage.report("rep.project_issue", None, "2026-12"));
    let classes: Vec<&str> = report.iter().map(|row| row[1].as_str()).collect();
    assert!(classes.contains(&"职能内") && classes.contains(&"体系层面"), "{report:?}");
    // A project cannot visit itself.
    let own = stage.refused("u.csl01", |replica, moment| {
        replica.start_inspection("tpl.branch_visit", "pj.lanyuan", moment)
    });
    assert_eq!(own, "role_not_allowed");
}

/// 职能内整改: the branch's function corrects by training, supervision and a second look.
#[test]
fn sp_13_what_lies_within_the_function_is_corrected_by_training_and_checks() {
    let mut stage = open();
    visit(&mut stage);
    let within = issue(&mut stage, "within_function");
    assert_eq!(stage.step_refused("u.csl01", within, "analyse", json!({})), "role_not_allowed");
    stage.step("u.bcs01", within, "analyse", json!({ "owner": "u.csl01" }));
    stage.meet();
    assert!(stage.standing(SYSTEM).is_empty(), "it goes to nobody above");
    stage.step("u.csl01", within, "start", json!({}));
    assert_eq!(stage.step_refused("u.bcm01", within, "escalate", json!({})), "transition_not_allowed");
    stage.meet();
    assert_eq!(stage.step_refused("u.bcm01", within, "escalate", json!({})), "guard_failed");

    stage.at("2026-12-02T14:00");
    let training = stage.enter(
        "u.bcs01",
        "led.training",
        "pj.lanyuan",
        json!({
            "topic": "tr.complaint", "kind": "project", "held_at": super::stage::time("2026-12-02T14:00"),
            "attendees": "u.fd01 u.fd02",
        }),
    );
    stage.step("u.bcs01", training, "hold", json!({}));
    // The second look finds one point that is still open, as a finding with a due day.
    let finding = stage.enter(
        "u.bcs01",
        "led.finding",
        "pj.lanyuan",
        json!({
            "source": "manual", "statement": "抽听两通来电,一通未登记首问", "severity": "minor",
            "owner_dept": "dept.cs", "responsible": "u.csl01", "due": "2026-12-10",
        }),
    );
    stage.meet();
    assert_eq!(stage.view("u.csl01", finding).state, "raised");
    stage.step("u.bcm01", within, "close", json!({ "note": "培训与复查完成" }));
    stage.meet();
    assert!(stage.view("u.csl01", within).is_final);
    assert_eq!(
        stage.step_refused("u.csl01", within, "step_back", json!({ "reason": "x" })),
        "role_not_allowed"
    );
}

/// 体制问题上报: what the company's system causes goes to its leadership within five days, and is answered.
#[test]
fn sp_14_what_the_system_causes_goes_up_and_is_answered() {
    let mut stage = open();
    visit(&mut stage);
    let system = issue(&mut stage, "system_level");
    stage.at("2026-11-24T10:00");
    stage.step("u.bcs01", system, "analyse", json!({}));
    stage.meet();
    let duty = stage.duties(SYSTEM).remove(0);
    assert_eq!((duty.status, stage.day(duty.duty.due_ms.unwrap())), (Status::Open, "2026-11-29".to_owned()));
    assert_eq!(duty.duty.owners[0].id(), "role.branch_cs_mgr");
    // Five days later nobody has: the general manager hears of it.
    stage.at("2026-11-30T08:00");
    stage.meet();
    assert_eq!(stage.standing(SYSTEM)[0].1, Status::Breached);
    let told = Told { rule: SYSTEM.into(), to: "role.gm".into(), mark: String::new() };
    assert_eq!(stage.told("u.gm01", system), [told]);
    stage.step("u.bcm01", system, "start", json!({}));
    stage.step("u.bcm01", system, "escalate", json!({}));
    stage.meet();
    assert_eq!(stage.standing(SYSTEM)[0].1, Status::Breached, "late stays late");
    // It is closed once it is answered, and the project reads the answer.
    assert_eq!(stage.step_refused("u.bcm01", system, "close", json!({})), "guard_failed");
    assert_eq!(stage.edit_refused("u.pm01", system, json!({ "answer": "同意" })), "role_not_allowed");
    stage.edit("u.gm01", system, json!({ "answer": "同意项目五千元以内自行审批,自 2027 年 1 月起" }));
    stage.step("u.gm01", system, "close", json!({}));
    stage.meet();
    let view = stage.view("u.pm01", system);
    assert!(view.is_final && shown(&view, "answer").contains("五千元"));
    let report = rows(&stage.report("rep.project_issue", Some("pj.lanyuan"), "2026-11"));
    assert!(report.iter().any(|row| row[1] == "体系层面" && row[5] == "关闭"), "{report:?}");
}
