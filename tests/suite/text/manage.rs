//! (一) How the branch manages: sp.01 to sp.06.

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use xunyuan_core::duty::Status;
use xunyuan_core::replica::Replica;
use xunyuan_core::time::Moment;
use xunyuan_tests::process::{Branch, xunyuan};

use super::stage::{Stage, Told, rows, shown, time, values};

const ACK: &str = "rule.notice_ack";

/// A person of the organisation's file.
fn person<'o>(organisation: &'o mut Json, id: &str) -> &'o mut Json {
    let users = organisation["users"].as_array_mut().unwrap();
    users.iter_mut().find(|user| user["id"] == id).unwrap()
}
const DOUBLE: &str = "rule.dispatch_double";

/// 管理模式: the centre plans as a whole, projects help within theirs, the branch supervises and guides.
#[test]
fn sp_01_the_branch_sees_every_project_and_a_project_sees_itself() {
    let mut stage = Stage::open();
    for user in ["u.gm01", "u.bcm01", "u.csl01", "u.pm02"] {
        stage.of(user);
    }
    let need = |desc: &str| json!({ "class": "within_function", "desc": desc });
    let lanyuan = stage.enter("u.csl01", "led.project_issue", "pj.lanyuan", need("前台人手不足"));
    let xiyuan = stage.enter("u.pm02", "led.project_issue", "pj.xiyuan", need("电梯维保单位更换"));
    stage.meet();
    for user in ["u.gm01", "u.bcm01"] {
        assert_eq!(stage.list(user, "led.project_issue"), [xiyuan, lanyuan], "{user}");
    }
    assert_eq!(stage.list("u.csl01", "led.project_issue"), [lanyuan]);
    assert_eq!(stage.list("u.pm02", "led.project_issue"), [xiyuan]);

    // The branch supervises and guides in both; a project decides nothing for the branch or for another.
    assert_eq!(stage.step_refused("u.csl01", lanyuan, "analyse", json!({})), "role_not_allowed");
    for issue in [lanyuan, xiyuan] {
        stage.step("u.bcm01", issue, "analyse", json!({}));
    }
    stage.meet();
    assert_eq!(stage.view("u.pm02", xiyuan).state, "analysed");
    let foreign = stage.enter_refused("u.csl01", "led.project_issue", "pj.xiyuan", need("代溪苑填写"));
    assert_eq!(foreign, "scope_not_granted");

    // The mode and its levels are data, in the words of the text.
    let roles = stage.world.hub.catalog();
    let book = roles.role_book().unwrap();
    let mode = book.management_mode.as_ref().unwrap();
    assert_eq!(mode.quote, "中心统筹管理,项目分区协助、分公司监督指导");
    let levels: Vec<&str> = book.org_levels.iter().map(|level| level.id.as_str()).collect();
    assert_eq!(levels, ["hq", "branch", "district", "project"]);
}

/// 人员架构: the structure of the branch's customer service, as the branch prints it; a new post takes its
/// duties over.
#[test]
fn sp_02_the_structure_is_printed_and_a_new_person_takes_duties_over() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let shown = branch.command(&["org", "show"]).good().json;
    let people = shown["people"].as_array().unwrap();
    let of = |id: &str| people.iter().find(|one| one["id"] == id).unwrap().clone();
    let service: Vec<&Json> = people.iter().filter(|one| one["department"] == "dept.branch_cs").collect();
    assert_eq!(service.iter().map(|one| &one["id"]).collect::<Vec<_>>(), ["u.bcm01", "u.bcs01", "u.aud01"]);
    assert_eq!(of("u.bcm01")["answers_to"], json!(["u.gm01"]));
    assert_eq!(of("u.bcs01")["answers_to"], json!(["u.bcm01"]));
    assert_eq!(shown["districts"].as_array().unwrap().len(), 2);
    drop(branch);

    let mut stage = Stage::open();
    let text = json!({ "direction": "down", "title_text": "架构调整", "body": "溪苑设客服负责人", "targets": "pj.xiyuan" });
    let notice = stage.enter("u.bcm01", "led.notice", "br.hz", text);
    stage.step("u.bcm01", notice, "publish", json!({}));
    stage.meet();
    assert_eq!(
        stage.duties_on(ACK, notice)[0].duty.owners[0].id(),
        "role.project_manager",
        "nobody leads its service"
    );
    let added = json!({ "id": "u.csl02", "name": "客服负责人午", "role": "role.cs_lead", "project": "pj.xiyuan", "dept": "dept.cs" });
    stage.publish("org.hz", |org| org["users"].as_array_mut().unwrap().push(added));
    assert_eq!(stage.duties_on(ACK, notice)[0].duty.owners[0].id(), "role.cs_lead");
    assert_eq!(stage.owes_on("u.csl02", ACK, notice), [Status::Open]);
    assert!(stage.owes_on("u.pm02", ACK, notice).is_empty());
}

/// 上传下达: the branch sends a notice down, the projects acknowledge it within a day; information comes up.
#[test]
fn sp_03_notices_go_down_and_are_acknowledged_and_information_comes_up() {
    let mut stage = Stage::open();
    for user in ["u.bcm01", "u.csl01", "u.pm02", "u.pt01"] {
        stage.of(user);
    }
    // The branch manager writes it on the way, without signal, and publishes it.
    let text = json!({
        "direction": "down", "title_text": "冬季供水防冻检查", "body": "请各项目周五前完成管线保温检查",
        "targets": "pj.lanyuan pj.xiyuan", "due": "2026-11-27",
    });
    let notice = stage.enter("u.bcm01", "led.notice", "br.hz", text.clone());
    stage.step("u.bcm01", notice, "publish", json!({}));
    assert!(stage.duties_on(ACK, notice).is_empty(), "nobody has heard of it");
    stage.meet();

    // Each project owes its own acknowledgement: its customer-service lead, else its manager.
    let owing: Vec<(String, String)> = stage
        .duties_on(ACK, notice)
        .iter()
        .map(|v| (v.duty.unit.clone(), v.duty.owners[0].id().to_owned()))
        .collect();
    assert_eq!(
        owing,
        [
            ("pj.lanyuan".to_owned(), "role.cs_lead".to_owned()),
            ("pj.xiyuan".to_owned(), "role.project_manager".to_owned()),
        ]
    );
    assert_eq!(stage.owes_on("u.csl01", ACK, notice), [Status::Open]);
    assert!(stage.owes("u.pt01", ACK).is_empty(), "a patrol officer owes none");
    let signed = json!({ "user": "u.csl01", "at": time("2026-11-23T11:00") });
    stage.at("2026-11-23T11:00");
    let view = stage.line("u.csl01", notice, "acks", signed);
    assert_eq!(shown(&view, "acks"), "1");
    stage.meet();
    let of = |stage: &Stage, unit: &str| {
        let duties = stage.duties_on(ACK, notice);
        duties.iter().find(|view| view.duty.unit == unit).unwrap().status
    };
    assert_eq!((of(&stage, "pj.lanyuan"), of(&stage, "pj.xiyuan")), (Status::Met, Status::Open));

    // A day later Xiyuan's manager has not been heard of: not known, and not held against anybody.
    stage.at("2026-11-24T09:30");
    assert_eq!(of(&stage, "pj.xiyuan"), Status::Unknown);
    stage.sync(&["u.pm02", "u.bcm01"]);
    assert_eq!(of(&stage, "pj.xiyuan"), Status::Breached);
    let told = Told { rule: ACK.to_owned(), to: "role.branch_cs_mgr".to_owned(), mark: String::new() };
    assert_eq!(stage.told("u.bcm01", notice), [told]);

    // A late acknowledgement counts as late, and what was said stays said, once.
    let late = json!({ "user": "u.pm02", "at": time("2026-11-24T10:00") });
    stage.at("2026-11-24T10:00");
    stage.line("u.pm02", notice, "acks", late);
    stage.meet();
    stage.at("2026-11-25T10:00");
    assert_eq!((of(&stage, "pj.lanyuan"), of(&stage, "pj.xiyuan")), (Status::Met, Status::Breached));
    assert_eq!(stage.told("u.bcm01", notice).len(), 1);

    // Information comes up from the project, and the branch follows the notice to its end.
    let up = json!({
        "direction": "up", "title_text": "业主建议汇总", "body": "三位业主建议增设晾晒区", "targets": "br.hz",
    });
    let report = stage.enter("u.csl01", "led.notice", "pj.lanyuan", up);
    stage.step("u.csl01", report, "publish", json!({}));
    stage.step("u.bcm01", notice, "complete", json!({}));
    stage.meet();
    assert!(stage.list("u.bcm01", "led.notice").contains(&report));
    assert_eq!(stage.view("u.csl01", notice).state, "done");
    assert!(stage.duties_on(ACK, report).is_empty(), "what goes up is acknowledged by nobody");

    // Who does not lead sends nothing, changes nothing of it, and nobody signs for another.
    assert_eq!(stage.enter_refused("u.pt01", "led.notice", "pj.lanyuan", text), "role_not_allowed");
    let other = json!({ "body": "周末前完成即可" });
    assert_eq!(stage.edit_refused("u.pt01", report, other), "role_not_allowed");
    let forged = json!({ "user": "u.csl01", "at": time("2026-11-25T10:00") });
    assert_eq!(stage.line_refused("u.pt01", report, "acks", forged), "foreign_author");
}

/// 人员统一调度: the branch sends people across projects for a handover; who is sent to two places at once is
/// found, and both orders stay.
#[test]
fn sp_04_people_are_dispatched_across_projects_and_double_booking_is_flagged() {
    let mut stage = Stage::open();
    for user in ["u.bcm01", "u.bcs01", "u.csl01", "u.pt01"] {
        stage.of(user);
    }
    let handover = stage.enter("u.bcs01", "led.dispatch", "pj.jiangwan", json!({ "event": "handover" }));
    let guides = json!({ "post": "陪同验房员", "count": 4, "from": "2026-12-18", "to": "2026-12-20" });
    stage.line("u.bcs01", handover, "need", guides);
    let fair = stage.enter("u.csl01", "led.dispatch", "pj.lanyuan", json!({ "event": "big_event" }));
    let stand = json!({ "post": "咨询台", "count": 1, "from": "2026-12-19", "to": "2026-12-19" });
    stage.line("u.csl01", fair, "need", stand);
    stage.meet();

    // Manager and officer assign the same person to both places, neither knowing of the other.
    let to_handover = json!({
        "user": "u.pt01", "from_project": "pj.lanyuan",
        "arrive_at": time("2026-12-18T08:00"), "leave_at": time("2026-12-20T18:00"),
    });
    let to_fair = json!({
        "user": "u.pt01", "from_project": "pj.lanyuan",
        "arrive_at": time("2026-12-19T09:00"), "leave_at": time("2026-12-19T17:00"),
    });
    stage.line("u.bcm01", handover, "assigned", to_handover);
    stage.line("u.bcs01", fair, "assigned", to_fair);
    assert!(stage.owes("u.bcm01", DOUBLE).is_empty(), "not known yet");
    stage.meet();
    for (user, order) in [("u.bcm01", handover), ("u.bcm01", fair), ("u.csl01", fair)] {
        assert_eq!(shown(&stage.view(user, order), "assigned"), "1", "both orders stand");
        let told =
            Told { rule: DOUBLE.into(), to: "role.branch_cs_mgr".into(), mark: "double_booked".into() };
        assert_eq!(stage.told(user, order), [told]);
        assert!(stage.view(user, order).marks.contains(&"double_booked".to_owned()));
    }
    let mut units: Vec<String> = stage.standing(DOUBLE).into_iter().map(|(unit, _)| unit).collect();
    units.sort();
    assert_eq!(units, ["pj.jiangwan", "pj.lanyuan"]);
    // Without signal, the manager's own device says so as well.
    assert_eq!(stage.owes("u.bcm01", DOUBLE), [Status::Breached; 2]);

    // The manager lets the fair wait for the evening after the handover; nobody is booked twice any more.
    let line = stage.lines("u.bcm01", fair, "assigned").remove(0);
    let later = json!({ "arrive_at": time("2026-12-20T18:00"), "leave_at": time("2026-12-20T21:00") });
    stage.edit_line("u.bcm01", fair, "assigned", &line.id, later);
    stage.meet();
    assert!(stage.standing(DOUBLE).is_empty());
    assert_eq!(stage.told("u.bcm01", fair).len(), 1, "what was flagged stays in the history");

    // The order runs its way.
    stage.step("u.bcm01", handover, "approve", json!({}));
    stage.meet();
    let walk = |replica: &mut Replica, moment: &Moment| {
        let head = values(json!({ "unit_id": "un.jiangwan.1-1-101" }));
        replica.start_inspection_with("tpl.handover_unit", "pj.jiangwan", head, moment)
    };
    assert_eq!(stage.refused("u.pt01", walk), "scope_not_granted", "not yet");
    stage.at("2026-12-18T08:10");
    stage.step("u.bcs01", handover, "arrive", json!({}));
    // While it lasts the organisation lends the person: on the own device, beside the work at home.
    let lent = json!([{ "project": "pj.jiangwan", "role": "role.handover_guide" }]);
    stage.publish("org.hz", |org| person(org, "u.pt01")["lent"] = lent);
    stage.meet();
    let sheet = stage.act("u.pt01", walk);
    stage.meet();
    assert_eq!(stage.list("u.bcm01", "tpl.handover_unit"), [sheet]);
    stage.at("2026-12-20T18:00");
    stage.publish("org.hz", |_| ());
    stage.meet();
    assert!(stage.list("u.pt01", "tpl.handover_unit").is_empty(), "what was lent is given back");
    stage.step("u.bcs01", handover, "return", json!({}));
    assert_eq!(stage.step_refused("u.bcs01", handover, "close", json!({})), "requirement_missing");
    stage.step("u.bcs01", handover, "close", json!({ "feedback": "四人到岗,三日交付 96 户" }));
    stage.meet();
    assert!(stage.view("u.bcm01", handover).is_final);

    // Only the branch assigns, and only who leads asks for people.
    let own = json!({ "user": "u.csl01", "arrive_at": time("2026-12-21T08:00") });
    assert_eq!(stage.line_refused("u.csl01", fair, "assigned", own), "role_not_allowed");
    let asked = stage.enter_refused("u.pt01", "led.dispatch", "pj.lanyuan", json!({ "event": "other" }));
    assert_eq!(asked, "role_not_allowed");
}

/// 人员配备标准: the standard, what is held and what is short, by the worked examples; an event adds people, and
/// the branch sets its own numbers.
#[test]
fn sp_05_staffing_is_measured_by_the_standard_that_the_branch_sets() {
    let mut stage = Stage::open();
    let table = stage.report("rep.staffing", None, "2026-11");
    let of = |table: &[Vec<String>], project: &str, post: &str| {
        table.iter().find(|row| row[0] == project && row[1] == post).map(|row| row[2..].to_vec())
    };
    let lines = rows(&table);
    let row = |values: [&str; 4]| Some(values.map(str::to_owned).to_vec());
    assert_eq!(of(&lines, "澜园", "前台客服"), row(["3", "2", "-1", "否"]), "ceil(1280 / 900 × 1.5)");
    assert_eq!(of(&lines, "澜园", "客服管家"), row(["4", "0", "-4", "否"]), "ceil(1280 / 350)");
    assert_eq!(
        of(&lines, "溪苑", "客服负责人"),
        row(["1", "0", "-1", "是"]),
        "a small project may share one"
    );
    assert_eq!(of(&lines, "江湾里", "前台客服"), row(["4", "0", "-4", "否"]), "ceil(2100 / 900 × 1.5)");
    assert_eq!(of(&lines, "江湾里", "资料员"), row(["1", "0", "-1", "是"]), "floor(2100 / 1500)");
    // A manager's device works it out without signal.
    assert_eq!(rows(&stage.report_of("u.gm01", "rep.staffing", "2026-11")), lines);

    // While Jiangwanli hands over 120 dwellings a day, people are sent: ceil(120 / 12) guides.
    stage.publish("org.hz", |org| {
        let jiangwan = &mut org["projects"][2];
        jiangwan["attrs"]["in_handover"] = json!(true);
        jiangwan["params"]["daily_units"] = json!(120);
    });
    let lines = rows(&stage.report("rep.staffing", Some("pj.jiangwan"), "2026-11"));
    assert_eq!(of(&lines, "江湾里", "陪同验房员(支援)").unwrap()[0], "10");
    assert_eq!(of(&lines, "江湾里", "签约(支援)").unwrap()[0], "2");
    assert_eq!(of(&lines, "澜园", "陪同验房员(支援)"), None);

    // The numbers of the set are examples; the branch publishes its own.
    stage.publish("set.staffing", |staffing| {
        staffing["posts"][1]["formula"]["per_households"] = json!(1280);
        staffing["examples"] = json!([]);
    });
    let lines = rows(&stage.report("rep.staffing", None, "2026-11"));
    assert_eq!(of(&lines, "澜园", "前台客服"), row(["2", "2", "0", "否"]));
}

/// 层级管理: the branch leads the projects' customer-service leads, and they their people.
#[test]
fn sp_06_a_lead_answers_to_the_branch_and_answers_for_the_project() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let lead = branch.enroll("u.csl01", &dir.path().join("lead"));
    let desk = branch.enroll("u.fd01", &dir.path().join("desk"));
    for replica in [&lead, &desk] {
        let _ = xunyuan(replica, &["sync"]).good();
    }
    let known = xunyuan(&lead, &["whoami"]).good().json;
    assert_eq!(known["answers_to"], json!(["u.bcm01"]));
    assert_eq!(known["leads"], json!(["u.fd01", "u.fd02", "u.pt01", "u.pt02"]));
    assert_eq!(xunyuan(&desk, &["whoami"]).good().json["answers_to"], json!(["u.csl01"]));
    // What a lead may, the front desk may not.
    let ask = ["entry", "new", "led.dispatch", "--project", "pj.lanyuan", "event=leave_cover"];
    let refused = xunyuan(&desk, &ask);
    assert_eq!((refused.code, &refused.json["error"]["code"]), (Some(1), &json!("role_not_allowed")));
    let _ = xunyuan(&lead, &ask).good();

    // What the lead owes and leaves undone, the branch's manager hears of.
    let mut stage = Stage::open();
    stage.of("u.csl01");
    stage.at("2026-12-04T09:00");
    stage.sync(&["u.csl01", "u.bcm01"]);
    let monthly = stage.duties("rule.complaint_monthly");
    let lanyuan = monthly.iter().find(|view| view.duty.unit == "pj.lanyuan").unwrap();
    assert_eq!((lanyuan.duty.owners[0].id(), lanyuan.status), ("role.cs_lead", Status::Breached));
    let notes = stage.list("u.bcm01", "led.notice");
    let told: Vec<Told> = notes.into_iter().flat_map(|note| stage.told("u.bcm01", note)).collect();
    assert!(told.iter().any(|told| told.rule == "rule.complaint_monthly" && told.to == "role.branch_cs_mgr"));
}
