//! (三)5, the property software: sp.25 and sp.26.

use serde_json::json;
use xunyuan_core::replica::Answer;
use xunyuan_tests::people::text;

use super::stage::{Stage, rows, shown, values};

const LANYUAN: &str = "pj.lanyuan";

/// 新视窗运行检查: the branch looks how the software is used, problems are written down, answered, put right.
#[test]
fn sp_25_the_use_of_the_software_is_checked_and_its_problems_are_followed() {
    let mut stage = Stage::open();
    for user in ["u.bcs01", "u.bcm01", "u.csl01", "u.pm01", "u.pt01"] {
        stage.of(user);
    }
    // In the project's archive room, without signal.
    let sheet = stage.sheet("u.bcs01", "tpl.newsee_check", LANYUAN, json!({ "period": "2026-11" }));
    let account =
        Answer {
            value: Some(text("fail")), note: Some("离职保安账号仍在用".to_owned()), photos: Vec::new()
        };
    let raised =
        stage.act("u.bcs01", |replica, moment| replica.answer(sheet, "nw.use.05", account, moment)).raised;
    assert_eq!(raised.len(), 1, "a failing item raises a finding");
    let problem = json!({ "module": "工单", "desc": "回访节点不能补录", "impact": "slow" });
    stage.act("u.bcs01", |replica, moment| replica.add_line(sheet, "nw.issues", values(problem), moment));
    let device = stage.of("u.bcs01");
    let view = stage.world.finish_sheet(device, sheet);
    assert_eq!(view.score.passed, Some(false), "an account that is not closed is critical");
    stage.meet();

    // The line became an entry of its own, with its number, for the people who answer it.
    let issues = stage.list("u.csl01", "led.newsee_issue");
    assert_eq!(issues.len(), 1, "{issues:?}");
    let issue = issues[0];
    assert_eq!(stage.view("u.csl01", issue).number.as_deref(), Some("NW-2026-001"));
    assert_eq!(shown(&stage.view("u.csl01", issue), "desc"), "回访节点不能补录");
    assert_eq!(stage.step_refused("u.csl01", issue, "answer", json!({})), "role_not_allowed");
    stage.step("u.bcs01", issue, "answer", json!({ "answer": "供应商下月版本支持补录" }));
    // Two people say how bad it is without knowing of each other: the graver stays.
    for (user, impact) in [("u.csl01", "block"), ("u.pm01", "wish")] {
        stage.edit(user, issue, json!({ "impact": impact }));
    }
    stage.meet();
    assert_eq!(shown(&stage.view("u.bcm01", issue), "impact"), "block");
    stage.at("2026-12-15T10:00");
    stage.step("u.bcs01", issue, "fix", json!({}));
    stage.sync(&["u.bcs01", "u.csl01"]);
    stage.step("u.csl01", issue, "close", json!({}));
    stage.meet();
    assert_eq!(stage.view("u.bcm01", issue).state, "closed");

    let ageing = rows(&stage.report("rep.capa_aging", Some(LANYUAN), "2026-W51"));
    assert_eq!(ageing[0][0], "NC-NWS-2026-0001", "{ageing:?}");
    assert!(stage.list("u.pt01", "led.newsee_issue").is_empty());
    let code = stage
        .refused("u.csl01", |replica, moment| replica.start_inspection("tpl.newsee_check", LANYUAN, moment));
    assert_eq!(code, "role_not_allowed", "nobody checks the own use");
}

/// 部门管理会议: called when needed, minutes written together, what was agreed has an owner and a day.
#[test]
fn sp_26_meetings_leave_minutes_and_agreed_actions() {
    let mut stage = Stage::open();
    for user in ["u.bcm01", "u.csl01", "u.eng01", "u.fd01"] {
        stage.of(user);
    }
    let plan = json!({
        "topic": "新视窗上线第一周", "attendees": "u.bcm01 u.csl01 u.eng01", "minutes": "一、报事录入率八成。",
    });
    let record = stage.enter("u.csl01", "led.meeting", LANYUAN, plan);
    stage.meet();
    assert_eq!(stage.step_refused("u.fd01", record, "hold", json!({})), "role_not_allowed");
    stage.step("u.csl01", record, "hold", json!({}));
    stage.sync(&["u.csl01", "u.bcm01", "u.eng01"]);
    // Two people write the minutes at once, without signal: both sentences are there afterwards.
    for (user, minutes) in [
        ("u.csl01", "一、报事录入率八成。二、门岗账号本周补齐。"),
        ("u.bcm01", "会议地点:物业会议室。一、报事录入率八成。"),
    ] {
        stage.edit(user, record, json!({ "minutes": minutes }));
    }
    let agreed = json!({ "what": "补齐门岗账号", "owner": "u.eng01", "due": "2026-11-27" });
    stage.line("u.csl01", record, "actions", agreed);
    stage.meet();
    let view = stage.view("u.eng01", record);
    let minutes = shown(&view, "minutes");
    assert!(minutes.starts_with("会议地点") && minutes.ends_with("门岗账号本周补齐。"), "{minutes}");
    assert_eq!((shown(&view, "actions").as_str(), view.number.as_deref()), ("1", Some("HY-2026-001")));
    // The owner says when it was done; the lead closes the meeting.
    let line = stage.lines("u.eng01", record, "actions")[0].id.clone();
    stage.edit_line("u.eng01", record, "actions", &line, json!({ "done_at": "2026-11-26" }));
    stage.sync(&["u.eng01", "u.csl01"]);
    stage.step("u.csl01", record, "close", json!({}));
    stage.meet();
    assert_eq!(stage.view("u.bcm01", record).state, "closed");
    let found = stage.act("u.fd01", |replica, _| replica.search("门岗账号", 5));
    assert_eq!(found.len(), 1, "everybody of the project reads what was agreed");
}
