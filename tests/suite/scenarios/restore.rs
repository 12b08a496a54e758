//! sc.21: the branch is put back to an older backup, and the phones give the rest back.

use std::collections::BTreeSet;

use xunyuan_core::id::DocumentId;
use xunyuan_tests::laws::{check_settled, status};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

fn number(world: &mut World, device: usize, entry: DocumentId) -> String {
    world.replica(device).record(entry).unwrap().number.unwrap()
}

#[test]
fn sc_21() {
    let mut world = World::new(Seed::or(21));
    let (a, b, c) = (world.enroll("u.fd01"), world.enroll("u.fd02"), world.enroll("u.csl01"));
    let kept = world.take_call(a, "备份之前登记");
    world.settle();
    let backup = world.dir().join("yesterday.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();

    // The day that will be lost: entries of two desks, a step on an older one, all with numbers.
    let lost = [world.take_call(a, "丢失的一天,甲"), world.take_call(b, "丢失的一天,乙")];
    world.record(a, kept, "assign", &[]);
    world.settle();
    let given: Vec<String> = lost.iter().map(|entry| number(&mut world, b, *entry)).collect();
    let waiting = world.take_call(a, "断网时登记,还没上传");

    world.restore(&backup);
    assert_eq!(world.hub.verify(|_| {}).unwrap().first_bad, None);
    // Before anybody gives anything back, a new device gets a number that was given already.
    let d = world.enroll("u.fd01");
    let newer = world.take_call(d, "恢复之后登记");
    world.sync(d);
    assert_eq!(number(&mut world, d, newer), given[0]);

    // A stays away: the others hold its signed work and give it back for it.
    let before = (world.devices[b].bytes, world.devices[b].exchanges);
    world.sync(b);
    world.sync(c);
    world.sync(d);
    for entry in [kept, lost[0], lost[1]] {
        assert_eq!(world.entry(d, entry), world.entry(b, entry), "what A wrote is back without A");
    }
    assert!(world.devices[b].exchanges - before.1 <= 6, "going back costs a few exchanges");
    let sent = world.devices[b].bytes.0 - before.0.0;
    assert!(sent < 10_000, "giving back costs what was lost, not what exists: {sent} B");

    // A comes back with its own work; everybody agrees, and no number is there twice.
    world.settle();
    check_settled(&mut world);
    for device in [a, b, c, d] {
        assert_eq!(status(&mut world, device).to_give_back, 0);
    }
    for (entry, known) in lost.iter().zip(&given) {
        assert_eq!(number(&mut world, a, *entry), *known, "numbers that were given stay");
    }
    let all = [kept, lost[0], lost[1], waiting, newer];
    let numbers: BTreeSet<String> = all.iter().map(|entry| number(&mut world, a, *entry)).collect();
    assert_eq!(numbers.len(), all.len(), "no number twice: {numbers:?}");
    let was = world.replica(c).search(&given[0], 10).unwrap();
    assert!(was.iter().any(|row| row.document == lost[0]));
    assert!(world.entry(a, newer).events.iter().any(|event| event.event.data.contains_key("was")));
    assert_eq!(world.hub.verify(|_| {}).unwrap().first_bad, None);
}

#[test]
fn a_second_restore_is_as_harmless_as_the_first() {
    let mut world = World::new(Seed::or(2121));
    let (a, b) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
    let backup = world.dir().join("morning.sqlite3");
    world.hub.backup(&backup, |_| {}).unwrap();
    let sheet = world.start_patrol(a);
    world.choose(a, sheet, "pp.green.01", "pass");
    world.settle();
    for item in ["pp.green.03", "pp.clean.01"] {
        world.restore(&backup);
        world.choose(b, sheet, item, "pass");
        world.settle();
        check_settled(&mut world);
        assert_eq!(world.sheet(a, sheet), world.sheet(b, sheet));
    }
    let view = world.sheet(a, sheet);
    let answered: u32 = view.sections.iter().map(|section| section.answered).sum();
    assert_eq!(answered, 3);
}
