//! (三)4 and (三)6, the front desk: sp.24 and sp.27 to sp.29.

use serde_json::{Value as Json, json};
use xunyuan_core::duty::Status;
use xunyuan_core::id::DocumentId;
use xunyuan_server::hub::DutyView;

use super::stage::{Stage, Told, rows, shown};

const LANYUAN: &str = "pj.lanyuan";
const DESK: &str = "led.front_desk";
const FEEDBACK: &str = "rule.daily_feedback";
const VISIT: &str = "rule.return_visit";

/// What the front desk writes down when somebody calls.
fn call(category: &str, dept: &str, content: &str) -> Json {
    json!({
        "channel": "phone", "category": category, "content": content, "first_contact": "u.fd01",
        "urgency": "normal", "owner_dept": dept, "unit_id": "un.lanyuan.3-1-502", "caller_name": "张女士",
    })
}

/// A call that the engineer has in hand since a quarter past nine.
fn in_hand(stage: &mut Stage, content: &str) -> DocumentId {
    let entry = stage.enter("u.fd01", DESK, LANYUAN, call("fd.suggest.facility", "dept.eng", content));
    stage.step("u.fd01", entry, "assign", json!({ "handler": "u.eng01" }));
    stage.sync(&["u.fd01", "u.eng01"]);
    stage.step("u.eng01", entry, "accept", json!({}));
    entry
}

/// 前台台帐与回访: registered without signal, followed to the end, visited; who is not content comes back.
#[test]
fn sp_24_a_call_is_registered_followed_and_visited_before_it_is_closed() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.eng01", "u.csl01", "u.bcm01", "u.pt01"] {
        stage.of(user);
    }
    // The desk's network is down: the entry has a number of the device at once, and is on disk.
    let entry =
        stage.enter("u.fd01", DESK, LANYUAN, call("fd.help.elder", "dept.eng", "独居老人家中跳闸,无法照明"));
    let temporary = stage.view("u.fd01", entry).temporary_number.unwrap();
    assert_eq!(stage.view("u.fd01", entry).number, None);
    stage.step("u.fd01", entry, "assign", json!({ "handler": "u.eng01" }));
    stage.sync(&["u.fd01", "u.eng01"]);
    let view = stage.view("u.fd01", entry);
    assert_eq!(view.number.as_deref(), Some("QT-LY-20261123-0001"));
    for number in [temporary.as_str(), "QT-LY-20261123-0001"] {
        let found = stage.act("u.fd01", |replica, _| replica.search(number, 5));
        assert_eq!(found.len(), 1, "{number} finds it");
    }
    // Six minutes to respond, two hours to resolve: what helps an old person cannot wait.
    assert_eq!(stage.standing("rule.fd_response"), [(LANYUAN.to_owned(), Status::Met)]);
    assert_eq!(stage.standing("rule.fd_resolve"), [(LANYUAN.to_owned(), Status::Open)]);
    stage.step("u.eng01", entry, "accept", json!({}));
    stage.at("2026-11-23T10:40");
    stage.step("u.eng01", entry, "handle", json!({ "result": "更换空开,已恢复照明" }));
    stage.sync(&["u.eng01", "u.fd01"]);
    assert_eq!(stage.standing("rule.fd_resolve")[0].1, Status::Met);

    // Nobody closes what asks for a visit and had none; nobody sends back who is content.
    assert_eq!(stage.step_refused("u.fd01", entry, "close", json!({})), "guard_failed");
    let content = json!({ "satisfaction": "s4", "note": "满意" });
    assert_eq!(stage.step_refused("u.fd01", entry, "visit_bad", content), "guard_failed");
    assert_eq!(stage.owes("u.fd01", VISIT), [Status::Open]);
    stage.at("2026-11-24T09:00");
    let unhappy = json!({ "satisfaction": "s2", "note": "半夜又跳闸" });
    stage.step("u.fd01", entry, "visit_bad", unhappy);
    stage.sync(&["u.fd01", "u.eng01"]);
    assert_eq!(stage.view("u.eng01", entry).state, "in_progress", "it came back to the engineer");
    stage.at("2026-11-24T11:00");
    stage.step("u.eng01", entry, "handle", json!({ "result": "更换老化线路" }));
    stage.sync(&["u.eng01", "u.fd01"]);
    stage.at("2026-11-25T09:00");
    stage.step("u.fd01", entry, "visit", json!({ "channel": "phone", "satisfaction": "s5" }));
    stage.step("u.fd01", entry, "close", json!({}));
    stage.meet();
    let view = stage.view("u.csl01", entry);
    assert_eq!((view.state.as_str(), shown(&view, "satisfaction").as_str()), ("closed", "s5"));
    assert!(stage.standing(VISIT).iter().all(|(_, status)| *status == Status::Met));

    let visits = rows(&stage.report("rep.return_visit", Some(LANYUAN), "2026-11"));
    assert_eq!(visits[0], ["求助", "1", "1", "100%", "100%", "1"]);
    let open = rows(&stage.report("rep.fd_daily", Some(LANYUAN), "2026-11-24"));
    assert_eq!(open.len(), 2, "open at the end of Tuesday: {open:?}");
    assert!(stage.report("rep.fd_daily", Some(LANYUAN), "2026-11-25").rows.is_empty());

    // The desk's people are no business of a patrol officer: nothing comes, nothing goes.
    assert!(stage.list("u.pt01", DESK).is_empty());
    let foreign = call("fd.repair.water", "dept.eng", "漏水");
    assert_eq!(stage.enter_refused("u.pt01", DESK, LANYUAN, foreign), "scope_not_granted");
}

/// 首问责任制: whoever is asked first stays answerable, whoever handles it, and hears of it until it is closed.
#[test]
fn sp_27_whoever_is_asked_first_stays_named_and_is_kept_informed() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.fd02", "u.eng01", "u.csl01"] {
        stage.of(user);
    }
    let entry = in_hand(&mut stage, "单元门闭门器损坏");
    // It is passed on; the one who was asked first does not change, on no device.
    stage.sync(&["u.fd01", "u.fd02", "u.csl01"]);
    stage.edit("u.csl01", entry, json!({ "handler": "u.sec01" }));
    for user in ["u.fd02", "u.eng01", "u.csl01"] {
        assert_eq!(stage.edit_refused(user, entry, json!({ "first_contact": user })), "write_once");
    }
    let heard = |stage: &mut Stage, user: &str| -> Vec<String> {
        let told = stage.act(user, |replica, moment| replica.reminders(moment, 1));
        told.into_iter().map(|one| one.sentence.zh).filter(|text| text.starts_with("首问责任制")).collect()
    };
    assert!(heard(&mut stage, "u.fd01").is_empty(), "she has not heard of the engineer's acceptance yet");
    stage.sync(&["u.eng01", "u.csl01", "u.fd01", "u.fd02"]);
    assert_eq!(heard(&mut stage, "u.fd01"), ["首问责任制:QT-LY-20261123-0001 现在是“处理中”"]);
    assert!(heard(&mut stage, "u.fd02").is_empty(), "it is not hers");
    stage.at("2026-11-23T16:00");
    stage.step("u.eng01", entry, "handle", json!({ "result": "已更换闭门器" }));
    stage.sync(&["u.eng01", "u.fd02"]);
    stage.step("u.fd02", entry, "visit", json!({ "channel": "phone", "satisfaction": "s5" }));
    stage.step("u.fd02", entry, "close", json!({}));
    stage.sync(&["u.fd02"]);
    // A colleague closed it while she was off: back after two days she hears that too, and then it is over.
    stage.at("2026-11-25T09:00");
    stage.meet();
    let news = heard(&mut stage, "u.fd01");
    assert_eq!(news.len(), 4, "{news:?}");
    assert!(news[3].ends_with("“已关闭”"), "{news:?}");
    stage.at("2026-12-01T09:00");
    assert!(heard(&mut stage, "u.fd01").is_empty());
    assert_eq!(shown(&stage.view("u.csl01", entry), "first_contact"), "u.fd01");

    // A complaint that grows out of a call keeps its first contact in the same way.
    let grown = json!({
        "front_desk_ref": entry.to_string(), "category": "cp.cs.slow", "level": "general",
        "content": "报修三天无人回复", "first_contact": "u.fd01", "owner_dept": "dept.cs",
    });
    let complaint = stage.enter("u.fd02", "led.complaint", LANYUAN, grown);
    stage.meet();
    assert_eq!(stage.edit_refused("u.csl01", complaint, json!({ "first_contact": "u.csl01" })), "write_once");
    assert_eq!(shown(&stage.view("u.csl01", complaint), "front_desk_ref"), entry.to_string());
}

/// 下班前反馈: other departments tell the desk before they leave; who does not is asked for, and the lead hears.
#[test]
fn sp_28_departments_report_to_the_desk_before_they_go_home() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.eng01", "u.csl01", "u.pt01"] {
        stage.of(user);
    }
    let told = in_hand(&mut stage, "3 幢走廊灯不亮");
    let silent = in_hand(&mut stage, "7 幢门禁失灵");
    stage.sync(&["u.eng01", "u.fd01", "u.csl01"]);
    assert_eq!(stage.owes("u.eng01", FEEDBACK).len(), 2, "one for each entry in hand");
    let reminders = stage.act("u.eng01", |replica, moment| replica.reminders(moment, 1));
    assert!(reminders.iter().any(|one| one.sentence.zh.contains("期限 2026-11-23 17:30")), "{reminders:?}");

    // Ten past five in the basement, without signal: one of the two.
    stage.at("2026-11-23T17:10");
    assert_eq!(stage.step_refused("u.fd01", told, "feedback", json!({ "note": "在修" })), "role_not_allowed");
    stage.step("u.eng01", told, "feedback", json!({ "note": "已换灯管,明早换镇流器" }));
    stage.at("2026-11-23T17:31");
    let of_day = |view: &DutyView| view.duty.period == "2026-11-23";
    let standing: Vec<Status> =
        stage.duties(FEEDBACK).into_iter().filter(of_day).map(|view| view.status).collect();
    assert_eq!(
        standing,
        [Status::Unknown; 2],
        "nobody is held to have been silent while the device has not been heard of"
    );
    assert_eq!(stage.told("u.fd01", silent), []);

    // Next morning: what was said in time counts, what was not said is marked and goes to the desk.
    stage.at("2026-11-24T08:30");
    stage.sync(&["u.eng01", "u.fd01", "u.csl01"]);
    let monday = |stage: &Stage, entry: DocumentId| {
        let duty = stage.duties_on(FEEDBACK, entry).remove(0);
        assert_eq!(duty.duty.period, "2026-11-23");
        duty.status
    };
    assert_eq!(monday(&stage, told), Status::MetSyncedLate);
    assert_eq!(monday(&stage, silent), Status::Breached);
    let missing = Told {
        rule: FEEDBACK.to_owned(),
        to: "role.front_desk".to_owned(),
        mark: "feedback_missing".to_owned(),
    };
    assert_eq!(stage.told("u.fd01", told), []);
    assert_eq!(stage.told("u.fd01", silent), std::slice::from_ref(&missing));
    assert!(stage.view("u.fd01", silent).marks.contains(&"feedback_missing".to_owned()));
    // From nine o'clock the lead hears of it.
    stage.at("2026-11-24T09:01");
    stage.sync(&["u.csl01"]);
    let lead = Told { to: "role.cs_lead".to_owned(), mark: String::new(), ..missing };
    assert_eq!(stage.told("u.csl01", silent)[1], lead);

    // The list that the desk explains from: open entries with what was said on that day.
    let list = rows(&stage.report_of("u.fd01", "rep.fd_daily", "2026-11-23"));
    let said: Vec<(&str, &str)> = list.iter().map(|row| (row[1].as_str(), row[4].as_str())).collect();
    assert!(said.contains(&("3 幢走廊灯不亮", "已换灯管,明早换镇流器")), "{said:?}");
    assert!(said.contains(&("7 幢门禁失灵", "")), "{said:?}");
    assert_eq!(list.last().unwrap()[0], "共 2 项");
}

/// 跟进与回访: the desk follows up by itself and visits within two days; who forgets is told on.
#[test]
fn sp_29_the_desk_follows_up_and_visits_in_time() {
    let mut stage = Stage::open();
    for user in ["u.fd01", "u.eng01", "u.csl01", "u.bcm01"] {
        stage.of(user);
    }
    let (visited, forgotten) = (in_hand(&mut stage, "水景灯不亮"), in_hand(&mut stage, "儿童秋千异响"));
    stage.at("2026-11-23T15:00");
    for entry in [visited, forgotten] {
        stage.step("u.eng01", entry, "handle", json!({ "result": "已修复" }));
    }
    stage.sync(&["u.eng01", "u.fd01"]);
    assert_eq!(stage.owes("u.fd01", VISIT).len(), 2);
    let reminders = stage.act("u.fd01", |replica, moment| replica.reminders(moment, 3));
    assert!(reminders.iter().any(|one| one.sentence.zh.starts_with("回访:")), "{reminders:?}");
    // The handler does not visit his own work.
    let own = json!({ "channel": "phone", "satisfaction": "s5" });
    assert_eq!(stage.step_refused("u.eng01", visited, "visit", own.clone()), "role_not_allowed");
    assert_eq!(stage.step_refused("u.fd01", visited, "visit", json!({})), "requirement_missing");

    stage.at("2026-11-24T10:00");
    stage.step("u.fd01", visited, "visit", own);
    stage.at("2026-11-25T15:30");
    stage.sync(&["u.fd01", "u.csl01"]);
    assert_eq!(
        stage.standing(VISIT).iter().map(|(_, s)| *s).collect::<Vec<_>>(),
        [Status::MetSyncedLate, Status::Breached],
        "her device says when she called, and had no signal until the time was over"
    );
    assert_eq!(stage.told("u.csl01", forgotten), []);
    stage.at("2026-11-26T15:30");
    stage.sync(&["u.csl01", "u.fd01"]);
    let lead = Told { rule: VISIT.to_owned(), to: "role.cs_lead".to_owned(), mark: String::new() };
    assert_eq!(stage.told("u.csl01", forgotten), [lead]);
    assert_eq!(stage.told("u.csl01", visited), []);
    stage.meet();

    let month = rows(&stage.report("rep.return_visit", None, "2026-11"));
    assert_eq!(month[0], ["建议", "2", "1", "50%", "100%", "0"]);
    assert_eq!(
        rows(&stage.report_of("u.csl01", "rep.return_visit", "2026-11")),
        month,
        "the same on her device"
    );
}
