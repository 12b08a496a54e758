//! (三)3: training, and the patrol that it teaches: sp.15, sp.16.

use serde_json::json;
use xunyuan_core::duty::Status;

use super::stage::{Stage, Told, rows, shown, time};

const QUARTER: &str = "rule.training_quarter";

/// 集中培训: at least once a quarter, on what was weak; planned, signed in, examined, filed.
#[test]
fn sp_15_each_quarter_is_trained_for_what_was_weak() {
    let mut stage = Stage::open();
    for user in ["u.bcm01", "u.gm01", "u.csl01", "u.fd01", "u.pt01"] {
        stage.of(user);
    }
    // The fourth quarter of 2026: three complaints and a finding on patrol.
    for category in ["cp.cs.slow", "cp.cs.slow", "cp.fee.standard"] {
        stage.enter(
            "u.fd01",
            "led.complaint",
            "pj.lanyuan",
            json!({
                "category": category, "level": "general", "content": "业主来电", "first_contact": "u.fd01",
                "owner_dept": "dept.cs",
            }),
        );
    }
    let device = stage.of("u.pt01");
    let sheet = stage.world.start_patrol(device);
    stage.world.fail(device, sheet, "pp.clean.01", "垃圾桶满溢", 1);
    stage.meet();

    // The quarter ends without a central training: the general manager hears of it.
    stage.at("2027-01-05T09:00");
    stage.meet();
    let quarter = |stage: &Stage, name: &str| {
        let duties = stage.duties(QUARTER);
        duties.into_iter().find(|view| view.duty.period == name).map(|view| view.status)
    };
    assert_eq!(quarter(&stage, "2026Q4"), Some(Status::Breached));
    assert_eq!(quarter(&stage, "2027Q1"), Some(Status::Open));
    let notes = stage.list("u.gm01", "led.notice");
    let told: Vec<Told> = notes.into_iter().flat_map(|note| stage.told("u.gm01", note)).collect();
    assert!(told.iter().any(|told| told.rule == QUARTER && told.to == "role.gm"), "{told:?}");

    // What was weak, and what to train: on the branch's own report, and on the manager's device offline.
    let report = rows(&stage.report("rep.training", None, "2027Q1"));
    let (weak, advised) = (&report[0][6], &report[0][7]);
    assert!(weak.starts_with("答复慢/推诿 2"), "{weak}");
    assert!(weak.contains("收费标准 1") && weak.contains("垃圾"), "{weak}");
    assert!(advised.starts_with("投诉处理技巧、服务意识和技巧、"), "{advised}");
    assert_eq!(rows(&stage.report_of("u.bcm01", "rep.training", "2027Q1"))[0], report[0]);

    // Planned is not held: three weeks before the quarter ends it is at risk.
    let training = stage.enter("u.bcm01", "led.training", "br.hz", json!({
        "topic": "tr.complaint", "kind": "central", "held_at": time("2027-03-24T14:00"), "trainer": "客服经理乙",
    }));
    stage.meet();
    stage.at("2027-03-11T09:00");
    assert_eq!(quarter(&stage, "2027Q1"), Some(Status::AtRisk));

    // On the day everybody signs in on their own device, in the same room without signal.
    stage.at("2027-03-24T13:50");
    assert_eq!(stage.step_refused("u.bcm01", training, "hold", json!({})), "requirement_missing");
    for user in ["u.csl01", "u.fd01"] {
        stage.edit(user, training, json!({ "attendees": user }));
    }
    assert_eq!(stage.edit_refused("u.fd01", training, json!({ "score_avg": 100 })), "role_not_allowed");
    stage.meet();
    assert_eq!(shown(&stage.view("u.bcm01", training), "attendees"), "u.csl01 u.fd01");
    stage.step("u.bcm01", training, "hold", json!({}));
    stage.meet();
    assert_eq!(stage.step_refused("u.fd01", training, "evaluate", json!({})), "role_not_allowed");
    let result = json!({ "score_avg": 88.5, "effect": "现场演练两例,均能当场登记首问" });
    stage.step("u.bcm01", training, "evaluate", result);
    stage.step("u.bcm01", training, "archive", json!({}));
    stage.meet();
    assert_eq!(quarter(&stage, "2027Q1"), Some(Status::Met));
    let report = rows(&stage.report("rep.training", None, "2027Q1"));
    assert_eq!(report[0][..4], ["2027Q1", "1", "投诉处理技巧", "2"]);
    assert_eq!(report[0][5], "88.5");
    assert!(stage.view("u.gm01", training).number.unwrap().starts_with("PX-2027Q1-"));
}

/// 园区巡查: by the schedule, from point to point without signal; what fails is corrected on the spot or followed;
/// a round that nobody made is missed once every device was heard of.
#[test]
fn sp_16_the_estate_is_patrolled_and_what_fails_is_followed() {
    const MISSED: &str = "rule.patrol_missed";
    let mut stage = Stage::open();
    for user in ["u.pt01", "u.pt02", "u.csl01", "u.eng01", "u.bcm01"] {
        stage.of(user);
    }
    let mine = stage.act("u.pt01", |replica, moment| replica.slots(moment));
    let rounds: Vec<&str> = mine.iter().map(|view| view.slot.key.as_str()).collect();
    assert!(rounds.contains(&"sch.patrol_daily@2026-11-23T09:00"), "{rounds:?}");
    let device = stage.of("u.pt01");
    let sheet = stage.world.start_patrol(device);
    for code in ["LY0001", "LY0008"] {
        stage.act("u.pt01", |replica, moment| replica.scan(sheet, code, None, moment));
    }
    let puddle = stage.world.fail(device, sheet, "pp.clean.01", "垃圾桶满溢", 1)[0];
    let hydrant = stage.world.fail(device, sheet, "pp.fire.02", "消火栓前堆放杂物", 2)[0];
    // The small one is corrected on the spot, with a photo from before and after.
    let done = json!({ "correction": "当场清运", "evidence": "cd".repeat(32) });
    let view = stage.step("u.pt01", puddle, "fix_on_spot", done);
    assert_eq!(view.state, "submitted");
    let done = stage.world.finish_sheet(device, sheet);
    assert!(done.missing.is_empty());
    stage.meet();
    let note = "次日复看消火栓";
    stage.act("u.csl01", |replica, moment| replica.review(sheet, note, moment));
    stage.meet();

    // The afternoon's round: one device was not heard of since, so nobody says missed; then both were.
    stage.at("2026-11-23T19:01");
    stage.sync(&["u.pt01"]);
    let afternoon = |stage: &Stage| {
        let all = stage.duties(MISSED);
        all.into_iter().find(|view| view.duty.subject.id().ends_with("T15:00")).unwrap().status
    };
    assert_eq!(afternoon(&stage), Status::Unknown);
    stage.sync(&["u.pt02"]);
    assert_eq!(afternoon(&stage), Status::Breached);
    stage.sync(&["u.csl01"]);
    let notes = stage.list("u.csl01", "led.notice");
    assert!(!notes.is_empty() && stage.told("u.csl01", notes[0])[0].rule == MISSED);

    let report = rows(&stage.report("rep.patrol", Some("pj.lanyuan"), "2026-11"));
    assert!(report[0][4].contains("垃圾桶满溢") && report[0][4].contains("消火栓"), "{:?}", report[0]);
    assert!(!report[0][8].is_empty(), "signed");
    let aging = rows(&stage.report("rep.capa_aging", Some("pj.lanyuan"), "2026-W48"));
    let number = stage.view("u.csl01", hydrant).number.unwrap();
    assert!(aging.iter().any(|row| row[0] == number), "{aging:?}");
    // The front desk patrols nothing, and sees nothing of it.
    let desk = stage.refused("u.fd01", |replica, moment| {
        replica.start_inspection("tpl.park_patrol", "pj.lanyuan", moment)
    });
    assert_eq!(desk, "scope_not_granted");
    assert!(stage.list("u.fd01", "tpl.park_patrol").is_empty());
}
