//! Mistakes made in the shipped files, one at a time, and what the check says to each.

use serde_json::{Value, json};

use super::super::{DefinitionKind, Problem, SourceFile, embedded, sample_organisation, shipped_files};
use super::{parse_files, parse_files_onto};

/// The shipped files with one of them changed.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> Vec<SourceFile> {
    let mut files = shipped_files();
    let file = files.iter_mut().find(|file| file.name == name).expect("a shipped file");
    let mut value: Value = serde_json::from_slice(&file.bytes).unwrap();
    change(&mut value);
    file.bytes = serde_json::to_vec(&value).unwrap();
    files
}

fn problems(files: &[SourceFile]) -> Vec<Problem> {
    parse_files(files).err().unwrap_or_default()
}

fn show(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn the_shipped_set_has_no_problems() {
    let found = problems(&shipped_files());
    assert!(found.is_empty(), "{}", show(&found));
    let parsed = parse_files(&shipped_files()).unwrap();
    assert_eq!(parsed.len(), embedded().len() + 1);
    for definition in embedded().iter().chain([sample_organisation()]) {
        assert!(parsed.contains(definition));
    }
    assert_eq!(parsed.iter().filter(|d| d.kind == DefinitionKind::Ledger).count(), 16);
    assert_eq!(parsed.iter().filter(|d| d.kind == DefinitionKind::Checklist).count(), 7);
}

/// Puts `value` at `pointer` of a file; the check must name `expected` and talk of `about`.
pub(super) fn mistake(file: &str, pointer: &str, value: &Value, expected: &str, about: &str) {
    let files = changed(file, |root| set(root, pointer, value.clone()));
    let found = problems(&files);
    let named = found.iter().any(|problem| {
        problem.file == file && problem.pointer == expected && problem.sentence.en.contains(about)
    });
    assert!(named, "{file} {pointer} -> {expected} \"{about}\":\n{}", show(&found));
    assert!(
        found.iter().all(|problem| !problem.sentence.zh.is_empty() && !format!("{problem}").contains('\n'))
    );
}

fn set(root: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match root.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")) {
        Value::Object(object) => drop(object.insert(key.to_owned(), value)),
        Value::Array(list) => match key.parse::<usize>() {
            Ok(at) if at < list.len() => list[at] = value,
            _ => list.push(value),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => panic!("no parent"),
    }
}

#[test]
fn mistakes_of_shape_are_reported_with_their_pointer() {
    let patrol = "template-park-patrol.json";
    let item = "/sections/0/items/0";
    for (file, pointer, value, about) in [
        (patrol, "/colour", json!("red"), "unknown key \"colour\""),
        (patrol, &*format!("{item}/colour"), json!(1), "unknown key \"colour\""),
        (
            patrol,
            &format!("{item}/weight"),
            json!("two"),
            "wrong type: a number was expected, a text is there",
        ),
        (patrol, &format!("{item}/type"), json!("slider"), "unknown value \"slider\""),
        (patrol, &format!("{item}/title/fr"), json!("x"), "unknown key \"fr\""),
        (patrol, "/header_fields/0/type", json!("ref:planet"), "unknown field type"),
        (patrol, "/version", json!(0), "versions count from 1"),
        (patrol, "/schema", json!("xy/poem@1"), "unknown schema"),
        ("ledgers.json", "/ledgers/2/transitions/2/guard", json!("a and or b"), "position 7"),
        ("ledgers.json", "/ledgers/0/fields/5/merge", json!("newest"), "unknown value \"newest\""),
        ("ledgers.json", "/ledgers/0/number_pattern", json!("QT-{planet9}"), "unknown placeholder"),
        ("ledgers.json", "/ledgers/3/transitions", json!("circular"), "unknown way of transitions"),
        ("ledgers.json", "/colour", json!(1), "unknown key \"colour\""),
        ("rules.json", "/rules/0/deadline", json!({"kind": "someday"}), "unknown kind of deadline"),
        ("rules.json", "/rules/1/applies_to/filter", json!("kind ="), "value expected at position 7"),
        ("sample-org.json", "/users/0/role", json!(7), "wrong type"),
        ("00-manifest.json", "/merge_policies/newest", json!("x"), "no merge policy \"newest\""),
    ] {
        mistake(file, pointer, &value, pointer, about);
    }
    let nested =
        json!({"op": "and", "args": [{"op": "not", "arg": {"op": "attr_true", "attr": "project.none"}}]});
    let place = format!("{item}/visible_if/args/0/arg/attr");
    mistake(patrol, &format!("{item}/visible_if"), &nested, &place, "no project attribute \"none\"");
    let op = json!({"op": "xor", "args": []});
    mistake(
        patrol,
        &format!("{item}/visible_if"),
        &op,
        &format!("{item}/visible_if"),
        "unknown expression operator",
    );
}

#[test]
fn a_missing_key_is_reported_where_it_is_missing() {
    let files = changed("template-park-patrol.json", |root| {
        root["sections"][1]["items"][2].as_object_mut().unwrap().remove("title");
    });
    let found = problems(&files);
    assert_eq!(found.len(), 1, "{}", show(&found));
    assert_eq!(found[0].pointer, "/sections/1/items/2");
    assert_eq!(found[0].sentence.en, "\"title\" is missing");
}

#[test]
fn references_to_nothing_are_reported_with_what_exists() {
    let patrol = "template-park-patrol.json";
    let item = "/sections/0/items/0";
    let finding = format!("{item}/on_fail/create_finding");
    for (file, pointer, value, about) in [
        (patrol, "/who/0", json!("role.pilot"), "no role \"role.pilot\""),
        (patrol, "/stream", json!("gossip"), "no stream"),
        (patrol, "/default_schedule", json!("sch.never"), "no schedule"),
        (patrol, "/finding_source", json!("dream"), "no option \"dream\""),
        (patrol, "/signoff/0/role", json!("role.pilot"), "no role"),
        (patrol, &*format!("{item}/response_set"), json!("rs.none"), "no response set"),
        (patrol, &format!("{finding}/default_owner_dept"), json!("dept.space"), "no department"),
        (patrol, &format!("{finding}/default_severity"), json!("fatal"), "no severity"),
        (
            "template-ims-audit.json",
            "/sections/0/items/0/clauses/0",
            json!({"std": "q9_2015", "clause": "99"}),
            "no clause",
        ),
        ("template-branch-visit.json", "/repeat_groups/0/creates_entry", json!("led.none"), "no ledger"),
        (
            "template-handover-event.json",
            "/sections/0/items/0/task/anchor",
            json!("units_total"),
            "header field with a day",
        ),
        ("ledgers.json", "/ledgers/0/rules/0", json!("rule.none"), "no rule"),
        ("ledgers.json", "/ledgers/0/fields/6/type", json!("ref:category:cat.none"), "no category set"),
        ("ledgers.json", "/ledgers/1/fields/5/type", json!("ref:led.none"), "no ledger"),
        ("ledgers.json", "/ledgers/0/transitions/0/to", json!("lost"), "no state \"lost\""),
        ("ledgers.json", "/ledgers/0/transitions/0/from/0", json!("lost"), "no state \"lost\""),
        ("ledgers.json", "/ledgers/0/transitions/0/by/0", json!("role.pilot"), "no role"),
        ("ledgers.json", "/ledgers/0/transitions/0/requires/0", json!("blood"), "no field or event data"),
        ("ledgers.json", "/ledgers/2/transitions/2/guard", json!("mood"), "no fact for a guard: \"mood\""),
        ("ledgers.json", "/ledgers/2/transitions/2/guard", json!("severity=huge"), "no option \"huge\""),
        (
            "ledgers.json",
            "/ledgers/0/transitions/0/guard",
            json!("by in [role.pilot]"),
            "no role \"role.pilot\"",
        ),
        ("rules.json", "/rules/0/applies_to/ledger", json!("led.none"), "no ledger"),
        ("rules.json", "/rules/0/applies_to/states/0", json!("lost"), "no state"),
        ("rules.json", "/rules/2/applies_to/event", json!("fly"), "no event \"fly\""),
        ("rules.json", "/rules/0/remind/0/to/0", json!("nobody"), "no role"),
        ("rules.json", "/rules/0/deadline/calendar", json!("lunar"), "no calendar"),
        ("rules.json", "/timezone", json!("Mars/Olympus"), "no time zone"),
        ("front-desk-categories.json", "/used_by", json!("led.none"), "no ledger"),
        ("front-desk-categories.json", "/categories/0/default_dept", json!("dept.space"), "no department"),
        ("nonconformity-model.json", "/ledger", json!("led.none"), "no ledger"),
        ("reports.json", "/reports/0/from/0", json!("led.none"), "no source of a report"),
        ("service-star.json", "/flow/1/deadline_rule", json!("rule.none"), "no rule"),
        ("training.json", "/plan_sample/0/topic", json!("tr.none"), "no training topic"),
        ("sample-org.json", "/users/6/project", json!("pj.none"), "no project"),
        ("sample-org.json", "/users/6/project", json!(null), "needs a project"),
        ("sample-org.json", "/checkpoints/0/sections/0", json!("pp.none"), "no section"),
        ("sample-org.json", "/schedules/0/template", json!("tpl.none"), "no checklist"),
        ("sample-org.json", "/schedules/0/assign/role", json!("role.gm"), "no role that fills in"),
        ("00-manifest.json", "/files/0", json!("lost.json"), "no file \"lost.json\""),
    ] {
        mistake(file, pointer, &value, pointer, about);
    }
    let found = problems(&changed(patrol, |root| root["who"][0] = json!("role.pilot")));
    let who = found.iter().find(|problem| problem.pointer == "/who/0").unwrap();
    assert!(who.allowed.contains(&"role.patrol".to_owned()));
}

#[test]
fn tiles_count_what_there_is() {
    for (pointer, value, about) in [
        ("/tiles/0/show/slots/rule", json!("rule.none"), "no rule"),
        ("/tiles/1/id", json!("tile.patrols"), "used twice"),
        ("/tiles/2/show/ages/of", json!("led.none"), "no ledger"),
        ("/tiles/2/show/ages/days", json!([3, 3]), "must rise"),
        ("/tiles/6/show/trend/weeks", json!(0), "1 to 400"),
        ("/tiles/9/show/matrix/rows", json!("mood"), "no field \"mood\""),
        ("/tiles/10/show/coverage/of", json!("tpl.none"), "no checklist"),
    ] {
        mistake("tiles.json", pointer, &value, pointer, about);
    }
}

#[test]
fn conditions_must_name_options_and_items_before_them() {
    let file = "template-park-patrol.json";
    let lift = |root: &Value| {
        let section = root["sections"].as_array().unwrap().iter().position(|s| s["id"] == "pp.lift").unwrap();
        format!("/sections/{section}/items/2/visible_if")
    };
    let root: Value =
        serde_json::from_slice(&shipped_files().iter().find(|f| f.name == file).unwrap().bytes).unwrap();
    let place = lift(&root);
    assert_eq!(root.pointer(&place).unwrap()["item"], "pp.lift.02");
    mistake(
        file,
        &format!("{place}/option"),
        &json!("maybe"),
        &format!("{place}/option"),
        "no option \"maybe\"",
    );
    mistake(
        file,
        &format!("{place}/item"),
        &json!("pp.none"),
        &format!("{place}/item"),
        "no item \"pp.none\"",
    );
    mistake(
        file,
        &format!("{place}/item"),
        &json!("pp.sec.01"),
        &format!("{place}/item"),
        "not before this item",
    );
}

#[test]
fn numbers_out_of_range_and_ids_used_twice_are_reported() {
    let patrol = "template-park-patrol.json";
    let item = "/sections/0/items/0";
    for (file, pointer, value, expected, about) in [
        (patrol, &*format!("{item}/weight"), json!(-1), &*format!("{item}/weight"), "negative"),
        (patrol, "/repeat_groups/0/min", json!(99), "/repeat_groups/0/min", "above the upper limit"),
        (
            patrol,
            "/scoring/pass_threshold_percent",
            json!(101),
            "/scoring/pass_threshold_percent",
            "0 to 100",
        ),
        (patrol, "/sections/0/items/1/id", json!("pp.green.01"), "/sections/0/items/1/id", "used twice"),
        (patrol, "/sections/0/id", json!("Green"), "/sections/0/id", "does not fit the pattern"),
        (patrol, "/id", json!("tpl.branch_visit"), "/id", "already defined in"),
        ("ledgers.json", "/ledgers/0/id", json!("led.complaint"), "/ledgers/1/id", "already defined in"),
        ("ledgers.json", "/ledgers/0/fields/1/id", json!("no"), "/ledgers/0/fields/1/id", "used twice"),
        ("ledgers.json", "/ledgers/0/states/1/id", json!("received"), "/ledgers/0/states/1/id", "used twice"),
        (
            "ledgers.json",
            "/ledgers/0/fields/5/merge",
            json!("text_crdt"),
            "/ledgers/0/fields/5/merge",
            "merge policy for this type",
        ),
        (
            "ledgers.json",
            "/ledgers/4/fields/2/id",
            json!("author"),
            "/ledgers/4/fields",
            "needs the field \"created_by\"",
        ),
        ("ledgers.json", "/ledgers/4/states/1/event", json!("resolve"), "/ledgers/4/states", "for itself"),
        ("rules.json", "/rules/1/id", json!("rule.daily_feedback"), "/rules/1/id", "used twice"),
        ("response-sets.json", "/sets/0/options/0/score", json!(2), "/sets/0/options/0/score", "0 to 1"),
        ("response-sets.json", "/sets/0/options/1/id", json!("pass"), "/sets/0/options/1/id", "used twice"),
        ("sample-org.json", "/projects/1/code", json!("LY"), "/projects/1/code", "same code"),
        (
            "sample-org.json",
            "/checkpoints/1/tag/code",
            json!("LY0001"),
            "/checkpoints/1/tag/code",
            "used twice",
        ),
        (
            "sample-org.json",
            "/schedules/0/recur/times/0",
            json!("9 am"),
            "/schedules/0/recur/times/0",
            "not a time of day",
        ),
        (
            "clause-catalog.json",
            "/standards/0/clauses/0/clause",
            json!("4.9"),
            "/standards/0/clauses/0/id",
            "id for this clause",
        ),
    ] {
        mistake(file, pointer, &value, expected, about);
    }
}

#[test]
fn states_that_nothing_leads_to_or_that_lead_nowhere_are_reported() {
    let new = json!({"id": "limbo", "title": {"zh-CN": "悬置", "en": "Limbo"}});
    mistake("ledgers.json", "/ledgers/0/states/-", &new, "/ledgers/0/states/7", "cannot be reached");
    let files = changed("ledgers.json", |root| {
        root["ledgers"][0]["states"].as_array_mut().unwrap().push(new);
        root["ledgers"][0]["transitions"][2]["to"] = json!("limbo");
    });
    let found = problems(&files);
    assert_eq!(found.len(), 1, "{}", show(&found));
    assert!(found[0].sentence.en.contains("no terminal state can be reached from \"limbo\""));
}

#[test]
fn all_problems_are_reported_and_one_mistake_is_one_problem() {
    let mut files = changed("template-park-patrol.json", |root| {
        root["colour"] = json!(1);
        root["sections"][0]["items"][0]["weight"] = json!("two");
        root["sections"][0]["items"][2]["shape"] = json!("round");
        root["sections"][0]["items"][3]["type"] = json!("slider");
        root["who"][0] = json!("role.pilot");
    });
    let ledgers = files.iter_mut().find(|file| file.name == "ledgers.json").unwrap();
    ledgers.bytes.push(b'}');
    let found = problems(&files);
    let pointers: Vec<&str> =
        found.iter().filter(|p| p.file.starts_with("template-park")).map(|p| &*p.pointer).collect();
    for expected in [
        "/colour",
        "/sections/0/items/0/weight",
        "/sections/0/items/2/shape",
        "/sections/0/items/3/type",
        "/who/0",
    ] {
        assert!(pointers.contains(&expected), "{expected} of {pointers:?}");
    }
    assert_eq!(pointers.len(), 5, "{}", show(&found));
}

#[test]
fn an_item_that_cannot_be_read_is_not_reported_again_where_it_is_referred_to() {
    let files = changed("template-park-patrol.json", |root| {
        let sections = root["sections"].as_array_mut().unwrap();
        let lift = sections.iter_mut().find(|section| section["id"] == "pp.lift").unwrap();
        lift["items"][1]["type"] = json!("slider");
        lift["items"][3]["response_set"] = json!("rs.none");
    });
    let found = problems(&files);
    let places: Vec<&str> = found.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(places, ["/sections/4/items/1/type", "/sections/4/items/3/response_set"], "{}", show(&found));
}

#[test]
fn broken_json_names_file_line_and_column() {
    let mut files = shipped_files();
    let rules = files.iter_mut().find(|file| file.name == "rules.json").unwrap();
    rules.bytes = b"{\n \"schema\": \"xy/rules@1\",\n \"rules\": [}\n}".to_vec();
    let found = problems(&files);
    let broken = found.iter().find(|problem| problem.file == "rules.json").unwrap();
    assert!(broken.sentence.en.contains("line 3, column 12"), "{broken}");
}

#[test]
fn files_beside_the_definitions_are_left_out_and_large_ones_refused() {
    let mut files = shipped_files();
    let sample = r#"{"schema": "xy/sample-records@1", "anything": [1]}"#;
    files.push(SourceFile { name: "sample-records.json".into(), bytes: sample.into() });
    assert!(problems(&files).is_empty());
    let note = "长".repeat(400_000);
    let large = changed("training.json", |root| root["weak_item_selection_zh"] = json!(note));
    assert!(show(&problems(&large)).contains("larger than the limit of 1048576 bytes"));
}

#[test]
fn one_file_may_lean_on_what_is_published() {
    let mut published = embedded().to_vec();
    published.push(sample_organisation().clone());
    let file = shipped_files().into_iter().find(|file| file.name == "template-newsee-check.json").unwrap();
    assert!(!problems(std::slice::from_ref(&file)).is_empty());
    let onto = parse_files_onto(&published, &[file]).unwrap();
    assert_eq!(onto.unwrap().len(), 1);
}

#[test]
fn files_that_say_no_more_than_they_must_are_sound_too() {
    let drop_keys = |value: &mut Value, keys: &[&str]| {
        value.as_object_mut().unwrap().retain(|key, _| !keys.contains(&key.as_str()));
    };
    let files = changed("ledgers.json", |root| {
        for ledger in root["ledgers"].as_array_mut().unwrap() {
            drop_keys(ledger, &["version", "number_codes", "create_event"]);
            for state in ledger["states"].as_array_mut().unwrap() {
                drop_keys(state, &["event", "optional"]);
            }
            if let Some(path) = ledger.get_mut("fast_path") {
                drop_keys(path, &["event", "from", "to", "by", "requires"]);
            }
        }
    });
    let found = problems(&files);
    assert!(found.is_empty(), "{}", show(&found));
}
