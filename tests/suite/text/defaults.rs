//! Values that the text leaves open: documented, and changed by publishing a version of one's own.

use serde_json::{Value as Json, json};
use std::path::Path;
use xunyuan_core::definition::shipped_files;
use xunyuan_core::duty::Status;

use super::stage::Stage;

/// Ids of the shipped set whose values are defaults, with the numbers that people read.
fn defaults() -> Vec<(String, Vec<i64>)> {
    let mut found = Vec::new();
    for file in shipped_files() {
        let json: Json = serde_json::from_slice(&file.bytes).unwrap();
        for rule in json["rules"].as_array().into_iter().flatten().filter(|rule| is_default(rule)) {
            let deadline = &rule["deadline"];
            let numbers =
                ["hours", "days", "workdays", "day"].iter().filter_map(|key| deadline[*key].as_i64());
            let policies = deadline["hours_by_policy"].as_object().into_iter().flatten();
            let numbers = numbers.chain(policies.filter_map(|(_, hours)| hours.as_i64())).collect();
            found.push((rule["id"].as_str().unwrap().to_owned(), numbers));
        }
        for key in ["severities", "levels"] {
            if json[key].as_array().into_iter().flatten().any(is_default) {
                found.push((json["id"].as_str().unwrap().to_owned(), Vec::new()));
            }
        }
        let schedules = json["schedules"].as_array().into_iter().flatten().filter(|one| is_default(one));
        found.extend(schedules.map(|one| (one["id"].as_str().unwrap().to_owned(), Vec::new())));
    }
    found
}

fn is_default(value: &Json) -> bool {
    let marked = |source: &Json| source == "domain_default" || source["kind"] == "domain_default";
    marked(&value["source"]) || marked(&value["deadline"]["source"])
}

#[test]
fn every_default_stands_in_both_readmes_with_its_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let defaults = defaults();
    assert!(defaults.len() >= 20, "{defaults:?}");
    for readme in ["README.md", "README.zh-CN.md"] {
        let text = std::fs::read_to_string(root.join(readme)).unwrap();
        for (id, numbers) in &defaults {
            let row = text.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{id}`")));
            let row = row.unwrap_or_else(|| panic!("{readme} does not say what {id} is"));
            let said: Vec<i64> =
                row.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
            assert!(
                numbers.iter().all(|number| said.contains(number)),
                "{readme}: {id} is {numbers:?}: {row}"
            );
        }
    }
}

#[test]
fn a_branch_publishes_its_own_value_and_what_is_owed_follows() {
    const ACK: &str = "rule.notice_ack";
    let mut stage = Stage::open();
    for user in ["u.bcm01", "u.csl01"] {
        stage.of(user);
    }
    let text = json!({ "direction": "down", "title_text": "防冻检查", "body": "周五前完成", "targets": "pj.lanyuan" });
    let notice = stage.enter("u.bcm01", "led.notice", "br.hz", text);
    stage.step("u.bcm01", notice, "publish", json!({}));
    stage.meet();
    let due = |stage: &Stage| stage.day(stage.duties_on(ACK, notice)[0].duty.due_ms.unwrap());
    assert_eq!(due(&stage), "2026-11-24");
    // This branch gives its projects three days.
    stage.publish("set.rules", |rules| {
        let all = rules["rules"].as_array_mut().unwrap();
        let rule = all.iter_mut().find(|rule| rule["id"] == ACK).unwrap();
        rule["deadline"]["hours"] = json!(72);
    });
    assert_eq!(due(&stage), "2026-11-26");
    stage.at("2026-11-25T09:00");
    stage.meet();
    assert_eq!(stage.duties_on(ACK, notice)[0].status, Status::Open, "a day is no longer too late");
    assert_eq!(stage.owes_on("u.csl01", ACK, notice), [Status::Open], "devices follow");
    assert!(stage.told("u.bcm01", notice).is_empty());
    stage.at("2026-11-26T10:00");
    stage.meet();
    assert_eq!(stage.duties_on(ACK, notice)[0].status, Status::Breached);
}

#[test]
fn hours_of_a_category_are_the_branchs_as_well() {
    const RESPONSE: &str = "rule.fd_response";
    let mut stage = Stage::open();
    let leak = json!({
        "channel": "phone", "category": "fd.repair.leak", "content": "卫生间滴水", "first_contact": "u.fd01",
        "urgency": "normal", "owner_dept": "dept.eng",
    });
    let entry = stage.enter("u.fd01", "led.front_desk", "pj.lanyuan", leak);
    stage.meet();
    let allowed_min = |stage: &Stage| {
        let duty = stage.duties_on(RESPONSE, entry).remove(0).duty;
        (duty.due_ms.unwrap() - duty.opens_ms) / 60_000
    };
    assert_eq!(allowed_min(&stage), 30);
    stage.publish("cat.front_desk", |categories| {
        let all = categories["categories"].as_array_mut().unwrap();
        all.iter_mut().find(|one| one["id"] == "fd.repair").unwrap()["response_h"] = json!(4);
    });
    assert_eq!(allowed_min(&stage), 240, "what is owed is judged anew");
}
