//! sc.09, sc.11, sc.15, sc.22: ledgers kept by several people.

use std::collections::BTreeSet;

use xunyuan_core::document::model::Value;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::{Filter, LineKind};
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::people::fields;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::{DAY_MS, World};

fn events_of(world: &mut World, device: usize, entry: DocumentId) -> Vec<String> {
    let history = world.replica(device).history(entry).unwrap();
    history.into_iter().filter(|line| line.kind == LineKind::Event).map(|line| line.what).collect()
}

/// An entry that was taken, dispatched and handled, known to everyone.
fn handled(world: &mut World, desk: usize, engineer: usize) -> DocumentId {
    let entry = world.take_call(desk, "咨询物业费滞纳金");
    world.record(desk, entry, "assign", &[("owner_dept", "dept.eng")]);
    world.settle();
    world.record(engineer, entry, "accept", &[]);
    world.record(engineer, entry, "handle", &[("result", "已当面说明")]);
    world.settle();
    entry
}

#[test]
fn sc_09() {
    let mut world = World::new(Seed::or(9));
    let (a, b) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let engineer = world.enroll("u.eng01");
    let entry = handled(&mut world, a, engineer);
    world.record(a, entry, "close", &[]);
    let bad = [("satisfaction", "s1"), ("note", "仍有疑问"), ("channel", "phone")];
    world.record(b, entry, "visit_bad", &bad);
    world.settle();
    check_settled(&mut world);
    for device in [a, b, engineer] {
        let events = events_of(&mut world, device, entry);
        assert!(events.contains(&"close".to_owned()) && events.contains(&"visit_bad".to_owned()));
        let view = world.entry(device, entry);
        assert_eq!(view.state, "in_progress", "dissatisfaction goes first");
        assert!(view.needs_decision);
        let clashes = world.replica(device).conflicts().unwrap();
        let clash = clashes.iter().find(|clash| clash.document == entry).unwrap();
        let kinds: BTreeSet<_> = clash.choices.iter().filter_map(|c| c.value.as_text()).collect();
        assert_eq!(kinds, BTreeSet::from(["close", "visit_bad"]));
        let row = world.replica(device).record(entry).unwrap();
        assert_eq!((row.state.as_str(), row.contested), ("in_progress", 1));
    }
    // A decision by someone who has seen both settles it.
    let key = world.replica(a).conflicts().unwrap()[0].key.clone();
    world.act(a, |replica, moment| replica.resolve(entry, &key, 0, moment));
    world.settle();
    assert!(world.replica(b).conflicts().unwrap().is_empty());
    assert_eq!(world.entry(b, entry).state, "in_progress");
}

#[test]
fn sc_11() {
    let mut world = World::new(Seed::or(11));
    let (a, b) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let engineer = world.enroll("u.eng01");
    world.devices[a].ahead_ms = 3 * DAY_MS;
    let first = world.take_call(a, "咨询停车月卡");
    world.record(a, first, "assign", &[("owner_dept", "dept.eng")]);
    world.sync(a);
    let second = world.take_call(b, "咨询装修手续");
    world.settle();
    // The engineer, whose clock is right, answers what the fast clock wrote.
    world.record(engineer, first, "feedback", &[("note", "今日已联系")]);
    world.settle();
    check_settled(&mut world);

    let standing = status(&mut world, a);
    assert!(standing.is_clock_suspicious, "A is told to set the clock");
    assert!(standing.clock_offset_ms.unwrap() <= -3 * DAY_MS + 60_000);
    assert!(!status(&mut world, b).is_clock_suspicious);
    let id = world.replica(a).identity().device;
    let devices = world.hub.devices().unwrap();
    let known = devices.iter().find(|device| device.id == id).unwrap();
    assert!(known.skew_suspicious && known.skew_ms >= 3 * DAY_MS - 60_000, "the branch sees the skew");

    for device in [a, b, engineer] {
        // Events stand in causal order, although the feedback's clock is three days behind.
        assert_eq!(events_of(&mut world, device, first), ["create", "assign", "feedback"]);
        let history = world.replica(device).history(first).unwrap();
        let times: Vec<i64> =
            history.iter().filter(|line| line.kind == LineKind::Event).map(|line| line.at_ms).collect();
        assert!(times[2] < times[1], "device times are shown as they were");
        // The list is not led by the entry from the future.
        let desk = Filter { definition: Some("led.front_desk".to_owned()), ..Filter::default() };
        let rows = world.replica(device).list(&desk).unwrap();
        assert_eq!(rows.iter().map(|row| row.document).collect::<Vec<_>>(), [second, first]);
        assert!(rows[1].listed_at_ms < rows[1].created_at_ms);
    }
}

#[test]
fn sc_15() {
    // After a hundred days the devices that were in touch have let go of the closed entry.
    for days in [30, 100] {
        edit_what_was_closed(days);
    }
}

fn edit_what_was_closed(days: i64) {
    let mut world = World::new(Seed::or(15));
    let (lead, b) = (world.enroll("u.csl01"), world.enroll("u.fd01"));
    let engineer = world.enroll("u.eng01");
    let entry = handled(&mut world, b, engineer);
    // B goes off; the branch closes the entry meanwhile.
    world.record(lead, entry, "close", &[]);
    world.sync(lead);
    let closed_before = world.entry(lead, entry);
    assert!(closed_before.is_final);
    world.pass(days * DAY_MS);
    world.sync(engineer);
    world.sync(lead);
    world.act(b, |replica, moment| {
        replica.edit_entry(entry, fields(&[("content", "补记:业主来电致谢"), ("handler", "u.sec01")]), moment)
    });
    world.settle();
    check_settled(&mut world);
    for device in [lead, b, engineer] {
        let view = world.entry(device, entry);
        assert!(view.is_final, "a closed entry is not silently reopened");
        let events = events_of(&mut world, device, entry);
        assert!(events.contains(&"late_edit".to_owned()), "{events:?}");
        let model = world.replica(device).model(entry).unwrap();
        assert!(model.texts["content"].contains("补记:业主来电致谢"), "the edit is not lost");
        assert_eq!(model.text("field/handler"), Some("u.sec01"));
        let late = model.events.iter().find(|event| event.kind == "late_edit").unwrap();
        let keys = late.data["keys"].as_text().unwrap();
        assert!(keys.contains("field/handler") && keys.contains("field/content"), "{keys}");
    }
}

#[test]
fn sc_22() {
    let mut world = World::new(Seed::or(22));
    let (a, b) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let mut entries = Vec::new();
    for number in 0..3 {
        entries.push(world.take_call(a, &format!("甲登记第{number}条")));
        entries.push(world.take_call(b, &format!("乙登记第{number}条")));
    }
    let mut temporary = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let row = world.replica(index % 2).record(*entry).unwrap();
        assert_eq!(row.number, None);
        temporary.push(row.temp_number.unwrap());
    }
    assert_eq!(temporary.iter().collect::<BTreeSet<_>>().len(), 6, "temporary numbers differ: {temporary:?}");
    world.sync(b);
    world.sync(a);
    world.settle();
    check_settled(&mut world);
    let mut official = BTreeSet::new();
    for (entry, temporary) in entries.iter().zip(&temporary) {
        for device in [a, b] {
            let row = world.replica(device).record(*entry).unwrap();
            assert_eq!(row.temp_number.as_ref(), Some(temporary));
            let number = row.number.unwrap();
            for text in [temporary, &number] {
                let found = world.replica(device).find(text).unwrap();
                assert_eq!(found.iter().map(|row| row.document).collect::<Vec<_>>(), [*entry], "{text}");
                let searched = world.replica(device).search(text, 10).unwrap();
                assert!(searched.iter().any(|row| row.document == *entry), "{text}");
            }
            official.insert(number);
        }
    }
    let expected: BTreeSet<String> = (1..=6).map(|n| format!("QT-LY-20261123-{n:04}")).collect();
    assert_eq!(official, expected, "no number twice, none left out");
    // Nothing that comes later changes a number.
    let later = world.take_call(a, "再登记一条");
    world.settle();
    assert_eq!(world.replica(b).record(later).unwrap().number.as_deref(), Some("QT-LY-20261123-0007"));
    let first = world.replica(b).model(entries[0]).unwrap();
    assert!(matches!(first.value("field/no"), Some(Value::Text(number)) if official.contains(number)));
}
