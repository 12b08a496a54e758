//! The ledgers marked thin run as pure data: under another name they go the same way.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use xunyuan_core::definition::{
    Definition, Element, Field, FieldType, Ledger, MergePolicy, STEP_BACK, Target, Tier, embedded,
};
use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::rules::entry::TransitionView;

use super::stage::Stage;

const PROJECT: &str = "pj.lanyuan";
/// One person who holds every role: what is tested is the ledger, not who may.
const USER: &str = "u.bcm01";

/// A copy of a ledger that no rule and no report knows.
fn renamed(shipped: &Definition, id: &str) -> Definition {
    let mut json: Json = serde_json::from_slice(&shipped.json).unwrap();
    json["id"] = Json::from(id);
    json["rules"] = Json::Array(Vec::new());
    Definition::parse(&serde_json::to_vec(&json).unwrap()).unwrap()
}

/// Something that fits a field.
fn value(field: &Field) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    match &field.kind {
        FieldType::Bool => Value::Bool(true),
        FieldType::Int | FieldType::Number => Value::Int(3),
        FieldType::DeviceTime => Value::Int(1_795_395_600_000),
        FieldType::Date => text("2026-12-01"),
        FieldType::Month => text("2026-12"),
        FieldType::Time => text("09:30"),
        FieldType::Choice(None) => text(&field.options[0].id),
        FieldType::Ref(Target::User) | FieldType::Set(Element::Ref(Target::User)) => text("u.fd01"),
        FieldType::Ref(Target::Project) | FieldType::Set(Element::Ref(Target::Project)) => text(PROJECT),
        FieldType::Ref(Target::Form(_)) => text("{}"),
        FieldType::Photos => text(&"ab".repeat(32)),
        FieldType::Choice(Some(_))
        | FieldType::Ref(_)
        | FieldType::Set(_)
        | FieldType::HumanNo(_)
        | FieldType::Text
        | FieldType::Phone
        | FieldType::Signature
        | FieldType::Entries
        | FieldType::Events => text("如实填写"),
    }
}

/// Begins an entry with what its ledger asks for, a line in each field of lines included.
fn begin(stage: &mut Stage, ledger: &Ledger) -> DocumentId {
    let is_asked = |field: &&Field| {
        let is_given = ["project_id", "created_by", "created_at"].contains(&field.id.as_str());
        let is_later = matches!(field.merge(), MergePolicy::ServerAssigned | MergePolicy::AppendOnly);
        field.required && !is_given && !is_later && field.kind != FieldType::Entries
    };
    let fields: BTreeMap<String, Value> =
        ledger.fields.iter().filter(is_asked).map(|field| (field.id.clone(), value(field))).collect();
    let id = ledger.id.clone();
    let entry = stage.act(USER, |replica, moment| replica.create_entry(&id, PROJECT, fields, moment));
    for field in ledger.fields.iter().filter(|field| field.kind == FieldType::Entries) {
        let of =
            |sub: &Field| (sub.id.clone(), if sub.own { Value::Text(USER.to_owned()) } else { value(sub) });
        let line = field.entry_fields.iter().map(of).collect();
        stage.act(USER, |replica, moment| replica.add_entry_line(entry, &field.id, line, moment));
    }
    entry
}

/// Takes every step that leads on, to the end; the states on the way.
fn run(stage: &mut Stage, ledger: &Ledger) -> Vec<String> {
    let entry = begin(stage, ledger);
    let mut states = vec![stage.view(USER, entry).state];
    while !stage.view(USER, entry).is_final {
        let view = stage.view(USER, entry);
        let leads_on = |step: &&TransitionView| {
            step.id != STEP_BACK && step.guard_holds != Some(false) && step.to.is_some()
        };
        let step = view.transitions.iter().find(leads_on).unwrap().clone();
        let given = |name: &String| {
            let held = ledger.field(name).map_or(Value::Text("按要求".to_owned()), value);
            (name.clone(), held)
        };
        let data = step.missing.iter().map(given).collect();
        let view = stage.act(USER, |replica, moment| replica.record_event(entry, &step.id, data, moment));
        states.push(view.state);
        assert!(states.len() < 10, "{} does not come to an end: {states:?}", ledger.id);
    }
    stage.meet();
    assert!(stage.view(USER, entry).number.is_some(), "{}: the branch takes and numbers it", ledger.id);
    states
}

#[test]
fn a_thin_ledger_under_another_name_goes_the_same_way() {
    let mut stage = Stage::open();
    stage.publish("org.hz", |org| {
        let users = org["users"].as_array_mut().unwrap();
        let user = users.iter_mut().find(|user| user["id"] == USER).unwrap();
        user["project"] = Json::from(PROJECT);
        user["more_roles"] =
            json!(["role.gm", "role.hr", "role.branch_cs_staff", "role.project_manager", "role.cs_lead"]);
    });
    let mut thin: Vec<(Definition, Definition)> = Vec::new();
    let catalog = stage.world.hub.catalog();
    for ledger in catalog.ledgers().filter(|ledger| ledger.tier == Tier::Thin) {
        let shipped = embedded().iter().find(|one| one.reference == ledger.reference).unwrap().clone();
        let copy = renamed(&shipped, &format!("led.other_{}", thin.len()));
        thin.push((shipped, copy));
    }
    assert_eq!(thin.len(), 13);
    let copies: Vec<Definition> = thin.iter().map(|(_, copy)| copy.clone()).collect();
    stage.world.publish(&copies);
    let catalog = stage.world.hub.catalog();
    for (shipped, copy) in &thin {
        let [shipped, copy] = [shipped, copy].map(|one| catalog.ledger(&one.reference).unwrap().clone());
        let (known, unknown) = (run(&mut stage, &shipped), run(&mut stage, &copy));
        assert_eq!(known, unknown, "{}", shipped.id);
        assert!(known.len() > 1, "{}", shipped.id);
    }
}
