//! sc.01, sc.02, sc.04, sc.08, sc.18: several people and one sheet.

use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::{Filter, LineKind};
use xunyuan_core::replica::Answer;
use xunyuan_core::rules::sheet::{InspectionState, InspectionView};
use xunyuan_tests::laws::check_settled;
use xunyuan_tests::people::{chosen, failing, photo};
use xunyuan_tests::revisions::patrol_version_2;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::{HOUR_MS, World};

/// A world in which A and B both hold the morning patrol.
fn shared_sheet(seed: Seed) -> (World, usize, usize, DocumentId) {
    let mut world = World::new(seed);
    let (a, b) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let sheet = world.start_patrol(a);
    world.settle();
    (world, a, b, sheet)
}

fn items_of(view: &InspectionView, section: &str) -> Vec<String> {
    let found = view.sections.iter().find(|known| known.id == section).unwrap();
    found.items.iter().filter(|item| item.is_visible).map(|item| item.id.clone()).collect()
}

fn answer_all(world: &mut World, device: usize, sheet: DocumentId, sections: &[&str]) -> usize {
    let view = world.sheet(device, sheet);
    let items: Vec<_> = sections.iter().flat_map(|section| items_of(&view, section)).collect();
    for item in &items {
        let is_number = view
            .sections
            .iter()
            .flat_map(|section| &section.items)
            .any(|known| known.id == *item && known.response_set.is_none());
        let answer = if is_number {
            Answer { value: Some(Value::Number(0.2)), ..Answer::default() }
        } else {
            chosen("pass")
        };
        world.act(device, |replica, moment| replica.answer(sheet, item, answer, moment));
    }
    items.len()
}

#[test]
fn sc_01() {
    let number = Seed::or(1).number();
    let mut outcomes = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let (mut world, a, b, sheet) = shared_sheet(Seed::of(number));
        let answered = answer_all(&mut world, a, sheet, &["pp.green", "pp.clean"])
            + answer_all(&mut world, b, sheet, &["pp.fire", "pp.lift"]);
        for device in order {
            world.sync(device);
        }
        world.settle();
        check_settled(&mut world);
        let view = world.sheet(a, sheet);
        assert_eq!(view, world.sheet(b, sheet));
        let held: u32 = view.sections.iter().map(|section| section.answered).sum();
        assert_eq!(usize::try_from(held).unwrap(), answered, "no answer is lost");
        assert!(world.replica(a).conflicts().unwrap().is_empty());
        let row = world.replica(a).record(sheet).unwrap();
        let heads = world.replica(b).model(sheet).unwrap();
        outcomes.push((view, row, heads));
    }
    assert_eq!(outcomes[0], outcomes[1], "both orders give the same, score and row included");
}

#[test]
fn sc_02() {
    let (mut world, a, b, sheet) = shared_sheet(Seed::or(2));
    world.choose(a, sheet, "pp.fire.02", "pass");
    world.fail(b, sheet, "pp.fire.02", "通道堵塞", 9);
    world.settle();
    for device in [a, b] {
        let view = world.sheet(device, sheet);
        let item = view.sections.iter().flat_map(|section| &section.items);
        let item = item.clone().find(|item| item.id == "pp.fire.02").unwrap();
        assert!(item.is_clash && item.is_fail, "a clash counts as fail");
        let mut said: Vec<(&str, &str)> =
            item.answers.iter().map(|s| (s.by.as_str(), s.value.as_text().unwrap())).collect();
        said.sort_unstable();
        assert_eq!(said, [("u.pt01", "pass"), ("u.pt02", "fail")]);
        assert!(item.answers.iter().all(|stamped| stamped.at_ms > 0));
        assert_eq!(item.photos, [photo(9).hash.to_string()]);
        let clashes = world.replica(device).conflicts().unwrap();
        let clash = clashes.iter().find(|clash| clash.document == sheet).unwrap();
        assert_eq!((clash.key.as_str(), clash.choices.len()), ("item/pp.fire.02", 2));
    }
    // The decision is an event of the record's history, and the photo stays.
    let clashes = world.replica(a).conflicts().unwrap();
    let place =
        clashes[0].choices.iter().position(|choice| choice.value == Value::Text("fail".into())).unwrap();
    world.act(a, |replica, moment| replica.resolve(sheet, "item/pp.fire.02", place, moment));
    world.settle();
    check_settled(&mut world);
    let history = world.replica(b).history(sheet).unwrap();
    let decided = history.iter().find(|line| line.kind == LineKind::Event && line.what == "resolve").unwrap();
    assert_eq!(decided.by.as_str(), "u.pt01");
    let view = world.sheet(b, sheet);
    let item = view.sections.iter().flat_map(|section| &section.items).find(|item| item.id == "pp.fire.02");
    let item = item.unwrap();
    assert!(!item.is_clash && item.is_fail);
    assert_eq!(item.photos, [photo(9).hash.to_string()]);
    assert!(!world.replica(b).conflicts().unwrap().iter().any(|clash| clash.document == sheet));
}

#[test]
fn sc_04() {
    let (mut world, a, b, sheet) = shared_sheet(Seed::or(4));
    let by_a = world.fail(a, sheet, "pp.green.02", "南门香樟断枝悬挂", 1);
    let by_b = world.fail(b, sheet, "pp.green.02", "高约四米,未设警戒", 2);
    assert_eq!(by_a, by_b, "both devices raise the same entry");
    world.settle();
    check_settled(&mut world);
    for device in [a, b] {
        let findings = Filter { definition: Some("led.finding".to_owned()), ..Filter::default() };
        let rows = world.replica(device).list(&findings).unwrap();
        assert_eq!(rows.len(), 1, "one finding, not two");
        let model = world.replica(device).model(rows[0].document).unwrap();
        let photos: Vec<&str> = model.elements("set/evidence/").collect();
        assert_eq!(photos, [photo(1).hash.to_string(), photo(2).hash.to_string()]);
        let statement = &model.texts["statement"];
        assert!(statement.contains("南门香樟断枝悬挂") && statement.contains("高约四米"), "{statement}");
        assert!(rows[0].number.is_some());
    }
}

#[test]
fn sc_08() {
    let (mut world, a, b, sheet) = shared_sheet(Seed::or(8));
    let draft =
        world.act(b, |replica, moment| replica.start_inspection("tpl.park_patrol", "pj.lanyuan", moment));
    world.act(b, |replica, moment| replica.answer(draft, "pp.green.01", failing("裸露两平方米", 3), moment));
    world.choose(b, draft, "pp.green.03", "pass");
    world.publish(&[patrol_version_2()]);

    // A is out without signal, finishes version 1 and synchronises.
    world.finish_sheet(a, sheet);
    world.settle();
    for device in [a, b] {
        let view = world.sheet(device, sheet);
        assert_eq!((view.state, view.checklist.version), (InspectionState::Completed, 1));
        assert!(items_of(&view, "pp.green").contains(&"pp.green.01".to_owned()));
        assert!(view.orphans.is_empty());
    }
    // What A opens now is version 2.
    world.pass(6 * HOUR_MS);
    let next = world.act(a, |replica, moment| {
        replica.start_slot("sch.patrol_daily@2026-11-23T15:00", Some("pj.lanyuan"), moment)
    });
    assert_eq!(world.sheet(a, next).checklist.version, 2);
    // B may move the draft: answers stay, the one to the removed item is attached.
    assert_eq!(world.sheet(b, draft).checklist.version, 1);
    world.act(b, |replica, moment| replica.upgrade_sheet(draft, moment));
    world.settle();
    check_settled(&mut world);
    let view = world.sheet(a, draft);
    assert_eq!(view.checklist.version, 2);
    assert!(!items_of(&view, "pp.green").contains(&"pp.green.01".to_owned()));
    let orphans: Vec<&str> = view.orphans.iter().map(|orphan| orphan.key.as_str()).collect();
    assert!(orphans.contains(&"item/pp.green.01"), "{orphans:?}");
    let kept = view.sections.iter().flat_map(|section| &section.items).find(|item| item.id == "pp.green.03");
    assert_eq!(kept.unwrap().answer(), Some(&Value::Text("pass".into())));
}

#[test]
fn sc_18() {
    let mut world = World::new(Seed::or(18));
    let (a, b) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let by_a = world.start_patrol(a);
    let by_b = world.start_patrol(b);
    assert_eq!(by_a, by_b, "the slot names the document");
    world.choose(a, by_a, "pp.green.01", "pass");
    world.choose(b, by_b, "pp.clean.01", "pass");
    world.settle();
    check_settled(&mut world);
    let patrols = Filter { definition: Some("tpl.park_patrol".to_owned()), ..Filter::default() };
    for device in [a, b] {
        assert_eq!(world.replica(device).list(&patrols).unwrap().len(), 1);
        let view = world.sheet(device, by_a);
        let answered: u32 = view.sections.iter().map(|section| section.answered).sum();
        assert_eq!(answered, 2, "neither side covers the other's answer");
        let events = world.replica(device).history(by_a).unwrap();
        assert_eq!(events.iter().filter(|line| line.what == "create").count(), 2);
    }
}
