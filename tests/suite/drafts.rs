//! What the branch does not take is not lost: stores that were copied, roles that were narrowed, work
//! that a rule refuses.

use xunyuan_core::document::model::{Model, Value};
use xunyuan_core::id::DocumentId;
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::people::fields;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

fn model(world: &mut World, device: usize, document: DocumentId) -> Model {
    world.replica(device).model(document).unwrap()
}

fn kinds(model: &Model) -> Vec<&str> {
    model.events.iter().map(|event| event.kind.as_str()).collect()
}

fn visit(world: &mut World, device: usize, entry: DocumentId, note: &str) {
    world.record(device, entry, "visit", &[("channel", "phone"), ("satisfaction", "s4"), ("note", note)]);
}

fn edit(world: &mut World, device: usize, entry: DocumentId, values: &[(&str, &str)]) {
    world.act(device, |replica, moment| replica.edit_entry(entry, fields(values), moment));
}

#[test]
fn a_cloned_phone_and_its_original_both_converge() {
    let mut world = World::new(Seed::or(301));
    let (original, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let entry = world.take_call(original, "咨询物业费");
    world.settle();
    // Some work waits when the phone is cloned: both have it.
    world.record(original, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.record(original, entry, "handle", &[("result", "已当面说明")]);
    let unsent = world.take_call(original, "报修门禁");
    let clone = world.copy(original);

    visit(&mut world, original, entry, "原机登记");
    edit(&mut world, original, entry, &[("content", "咨询物业费,原机补充")]);
    edit(&mut world, original, unsent, &[("urgency", "urgent")]);
    visit(&mut world, clone, entry, "克隆机登记");
    edit(&mut world, clone, entry, &[("content", "克隆机补充:咨询物业费"), ("handler", "u.eng01")]);
    edit(&mut world, clone, unsent, &[("handler", "u.sec01")]);
    let own = world.take_call(clone, "克隆机新登记");

    world.sync(original);
    let progress = world.sync(clone);
    assert!(progress.iter().all(|step| step.refused.is_empty()), "nothing is put before the person");
    assert!(progress.iter().map(|step| step.renewed).sum::<u32>() >= 3);
    // Both go on, again under what was one author id.
    visit(&mut world, original, entry, "原机再次登记");
    visit(&mut world, clone, entry, "克隆机再次登记");
    world.settle();
    check_settled(&mut world);
    for device in [original, clone, other] {
        let merged = model(&mut world, device, entry);
        assert_eq!(
            kinds(&merged),
            ["create", "assign", "handle", "visit", "visit", "visit", "visit"],
            "each step once"
        );
        let notes: std::collections::BTreeSet<_> = merged
            .events
            .iter()
            .filter_map(|event| event.data.get("note").and_then(Value::as_text))
            .collect();
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert_eq!(merged.texts["content"], "克隆机补充:咨询物业费,原机补充");
        assert_eq!(merged.text("field/handler"), Some("u.eng01"));
        let merged = model(&mut world, device, unsent);
        assert_eq!(kinds(&merged), ["create"]);
        assert_eq!(
            (merged.text("field/urgency"), merged.text("field/handler")),
            (Some("urgent"), Some("u.sec01"))
        );
        assert_eq!(kinds(&model(&mut world, device, own)), ["create"]);
        assert_eq!(status(&mut world, device).refused_changes, 0);
    }
}

#[test]
fn a_store_restored_from_an_old_copy_goes_on_where_it_stands() {
    let mut world = World::new(Seed::or(302));
    let (phone, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let entry = world.take_call(phone, "咨询停车");
    world.settle();
    let old = world.copy(phone);
    world.record(phone, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.record(phone, entry, "handle", &[("result", "已办理")]);
    edit(&mut world, phone, entry, &[("content", "咨询停车月卡")]);
    world.sync(phone);
    // The phone is lost; its old copy does not know of the last steps and takes others, before and after
    // it hears of them.
    edit(&mut world, old, entry, &[("handler", "u.eng01")]);
    world.restart(old);
    world.sync(old);
    visit(&mut world, old, entry, "已联系");
    world.settle();
    check_settled(&mut world);
    for device in [old, other] {
        let merged = model(&mut world, device, entry);
        assert_eq!(kinds(&merged), ["create", "assign", "handle", "visit"]);
        assert_eq!(merged.texts["content"], "咨询停车月卡");
        assert_eq!(merged.text("field/handler"), Some("u.eng01"));
    }
}
