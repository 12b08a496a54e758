//! Definitions as they change over time: a checklist's second version, a reorganised branch.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use xunyuan_core::definition::{Definition, DefinitionKind, embedded, sample_organisation};

/// Id of the patrol checklist.
pub const CHECKLIST: &str = "tpl.park_patrol";

/// The patrol checklist as version 2: one item more, one less, and one with other options.
///
/// # Panics
/// When the embedded checklist is not the one that this was written for.
#[must_use]
pub fn patrol_version_2() -> Definition {
    let first = embedded()
        .iter()
        .find(|known| known.kind == DefinitionKind::Checklist && known.reference.id == CHECKLIST)
        .expect("the patrol checklist is embedded");
    let mut json = read(first);
    json["version"] = 2.into();
    let items = json["sections"][0]["items"].as_array_mut().expect("a section has items");
    assert_eq!(items[0]["id"], "pp.green.01");
    items.remove(0);
    items[0]["response_set"] = "rs.yes_no".into();
    let mut added = items[1].clone();
    added["id"] = "pp.green.99".into();
    items.push(added);
    written(&json)
}

/// The patrol checklist as a later version, with one item more.
///
/// # Panics
/// When the embedded checklist is not the one that this was written for.
#[must_use]
pub fn patrol_version(version: u32) -> Definition {
    let mut json = read(&patrol_version_2());
    json["version"] = version.into();
    let items = json["sections"][0]["items"].as_array_mut().expect("a section has items");
    let mut added = items[1].clone();
    added["id"] = format!("pp.green.{}", 100 + version).into();
    items.push(added);
    written(&json)
}

/// A ledger as a later version: a shared text or a plain field more, another option of its first choice, and the
/// last option retired.
///
/// # Panics
/// When no such ledger is embedded.
#[must_use]
pub fn ledger_version(id: &str, version: u32) -> Definition {
    let first = embedded().iter().find(|known| known.reference.id == id).expect("the ledger is embedded");
    let mut json = read(first);
    json["version"] = version.into();
    let fields = json["fields"].as_array_mut().expect("a ledger has fields");
    let merge = if version.is_multiple_of(2) { "text_crdt" } else { "lww" };
    fields.push(json!({
        "id": format!("extra{version}"),
        "title": { "zh-CN": "补充", "en": "Extra" },
        "type": "text",
        "required": false,
        "merge": merge,
    }));
    let options = fields.iter_mut().find_map(|field| field.get_mut("options")?.as_array_mut());
    let options = options.expect("a ledger has a choice");
    let mut added = options[0].clone();
    added["id"] = format!("option{version}").into();
    options.last_mut().expect("a choice has options")["retired"] = true.into();
    options.push(added);
    written(&json)
}

/// The sample organisation as a later version, with some people in other roles.
///
/// # Panics
/// When the sample organisation does not know one of them.
#[must_use]
pub fn organisation_version(version: u32, roles: &BTreeMap<String, &str>) -> Definition {
    let mut json = read(sample_organisation());
    json["version"] = version.into();
    let users = json["users"].as_array_mut().expect("an organisation has users");
    for (person, role) in roles {
        let user = users.iter_mut().find(|user| user["id"] == person.as_str()).expect("the person is known");
        user["role"] = (*role).into();
    }
    written(&json)
}

/// The sample organisation as version 2: a front-desk person has become a patrol officer, and the
/// project has drained its pond and its roof tanks.
///
/// # Panics
/// When the sample organisation is not the one that this was written for.
#[must_use]
pub fn organisation_version_2(person: &str) -> Definition {
    let mut json = read(sample_organisation());
    json["version"] = 2.into();
    let users = json["users"].as_array_mut().expect("an organisation has users");
    let user = users.iter_mut().find(|user| user["id"] == person).expect("the person is known");
    user["role"] = "role.patrol".into();
    json["projects"][0]["attrs"]["has_water_feature"] = false.into();
    json["projects"][0]["params"]["min_hydrant_pressure_mpa"] = 0.25.into();
    written(&json)
}

fn read(definition: &Definition) -> Json {
    serde_json::from_slice(&definition.json).expect("an embedded definition is JSON")
}

fn written(json: &Json) -> Definition {
    let bytes = serde_json::to_vec(json).expect("JSON can be written");
    Definition::parse(&bytes).expect("the revision is a definition")
}
