//! Rows follow from records and definitions: where a definition changes, the rows of everything are written again.

use serde_json::Value as Json;
use xunyuan_core::definition::{Definition, embedded};
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

/// The categories of calls in their next version: those that asked for a return visit ask for none, the others for one.
fn visits_turned_round() -> Definition {
    let known = embedded().iter().find(|known| known.reference.id == "cat.front_desk").unwrap();
    let mut json: Json = serde_json::from_slice(&known.json).unwrap();
    json["version"] = 2.into();
    let mut open: Vec<&mut Json> = json["categories"].as_array_mut().unwrap().iter_mut().collect();
    while let Some(category) = open.pop() {
        let turned = if category["return_visit"] == "none" { "all" } else { "none" };
        if category["return_visit"].is_string() {
            category["return_visit"] = turned.into();
        }
        open.extend(category.get_mut("children").and_then(Json::as_array_mut).into_iter().flatten());
    }
    Definition::parse(json.to_string().as_bytes()).unwrap()
}

#[test]
fn rows_on_a_device_follow_new_definitions_whatever_was_written_before() {
    let mut world = World::new(Seed::or(711));
    let desk = world.enroll("u.fd01");
    let calls: Vec<_> = (0..3).map(|number| world.take_call(desk, &format!("咨询车位{number}"))).collect();
    world.settle();
    let rows = |world: &mut World, device: usize| -> Vec<[u8; 32]> {
        calls.iter().map(|call| world.replica(device).fingerprint_of(*call).unwrap()).collect()
    };
    let before = rows(&mut world, desk);
    world.publish(&[visits_turned_round()]);
    world.settle();
    assert_eq!(status(&mut world, desk).unprojected, 0);
    let after = rows(&mut world, desk);
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "every row says otherwise now");
    // Who comes now and was never shown the old version reads the same.
    let fresh = world.enroll("u.fd02");
    world.settle();
    assert_eq!(rows(&mut world, fresh), after);
    check_settled(&mut world);
}
