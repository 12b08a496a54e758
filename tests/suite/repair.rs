//! Repair: whatever rows branch and devices have lost, everyone ends with the same, as long as anyone
//! holds a row; and it costs what was lost.

use std::collections::BTreeSet;

use xunyuan_core::id::ScopeId;
use xunyuan_tests::damage::{Harm, harm_branch, harm_device};
use xunyuan_tests::laws::check_settled;
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::World;

const MINUTE_MS: i64 = 60_000;

fn desk() -> ScopeId {
    ScopeId::new("pj.lanyuan/desk")
}

/// A branch with calls that two desks and a manager hold.
fn busy(seed: u64, calls: usize) -> (World, Vec<usize>) {
    let mut world = World::new(Seed::or(seed));
    let devices = vec![world.enroll("u.fd01"), world.enroll("u.fd02"), world.enroll("u.fd01")];
    for number in 0..calls {
        let entry = world.take_call(devices[number % 3], &format!("第{number}个来电"));
        world.sync(devices[number % 3]);
        world.record(devices[number % 3], entry, "assign", &[]);
    }
    world.settle();
    (world, devices)
}

fn length(world: &World) -> u64 {
    let standings = world.hub.standings().unwrap();
    standings.iter().find(|standing| standing.scope == desk()).unwrap().seq
}

/// Everybody looks at their store and exchanges until nothing moves.
fn mended(world: &mut World) {
    for _ in 0..4 {
        world.pass(11 * MINUTE_MS);
        for device in 0..world.devices.len() {
            world.replica(device).check_store().unwrap();
        }
        world.settle();
    }
    assert_eq!(world.hub.lost_rows(), 0, "{:?}", world.seed);
    for device in 0..world.devices.len() {
        assert_eq!(world.replica(device).check_store().unwrap(), 0, "device {device}");
    }
    check_settled(world);
}

#[test]
fn a_device_gets_its_lost_and_damaged_rows_back_for_what_they_are() {
    let (mut world, devices) = busy(31, 60);
    let last = length(&world);
    assert!(last > 150);
    let places = (0..10).map(|n| 3 + n * (last / 11));
    let lost: Vec<(u64, Harm)> = places.zip(Harm::ALL.into_iter().cycle()).collect();
    harm_device(&mut world, devices[0], &desk(), &lost);
    let before = (world.devices[devices[0]].bytes, world.devices[devices[0]].exchanges);
    // Rows that are gone are missed by themselves; what is damaged is found when the store is checked.
    assert!(world.replica(devices[0]).check_store().unwrap() >= 10);
    let repaired: u32 = world.sync(devices[0]).iter().map(|progress| progress.repaired).sum();
    assert!(repaired >= 10, "{repaired}");
    let (up, down) = world.devices[devices[0]].bytes;
    let bytes = up + down - before.0.0 - before.0.1;
    assert!(bytes < 10_000, "{bytes} B");
    assert!(world.devices[devices[0]].exchanges - before.1 <= 8);
    mended(&mut world);
}

#[test]
fn missing_rows_are_missed_without_being_asked() {
    let (mut world, devices) = busy(32, 12);
    harm_device(&mut world, devices[1], &desk(), &[(5, Harm::Gone), (6, Harm::Gone)]);
    let repaired: u32 = world.sync(devices[1]).iter().map(|progress| progress.repaired).sum();
    assert_eq!(repaired, 2);
    check_settled(&mut world);
}

#[test]
fn the_branch_gets_its_lost_rows_back_into_their_places() {
    let (mut world, devices) = busy(33, 20);
    let last = length(&world);
    let lost = [(2, Harm::Gone), (3, Harm::Gone), (9, Harm::Gone), (last, Harm::Gone)];
    harm_branch(&mut world, &desk(), &lost);
    assert_eq!(world.hub.lost_rows(), 4, "a count at the start finds them");
    let log_before = world.hub.standings().unwrap();
    // Someone new can be served only up to the first hole.
    let new = world.enroll("u.fd02");
    let repaired: u32 = world.sync(devices[0]).iter().map(|progress| progress.repaired).sum();
    assert!(repaired >= 4, "{repaired}");
    assert_eq!(world.hub.lost_rows(), 0);
    assert_eq!(world.hub.verify(|_| ()).unwrap().first_bad, None);
    assert_eq!(world.hub.standings().unwrap(), log_before, "no row has moved");
    world.sync(new);
    mended(&mut world);
}

#[test]
fn work_on_a_record_with_lost_rows_waits_and_then_goes_through() {
    let (mut world, devices) = busy(34, 3);
    let entry = world.take_call(devices[0], "水管");
    world.settle();
    let last = length(&world);
    world.record(devices[1], entry, "assign", &[]);
    harm_branch(&mut world, &desk(), &[(last - 1, Harm::Gone)]);
    world.settle();
    mended(&mut world);
    assert!(world.entry(devices[2], entry).events.iter().any(|event| event.event.kind == "assign"));
}

#[test]
fn any_damage_ends_with_everybody_holding_everything() {
    let rounds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for seed in 0..rounds {
        let (mut world, devices) = busy(3_400 + seed, 8);
        for _ in 0..2 {
            let last = length(&world);
            // Who loses what: the branch or any device, but never everybody.
            let mut losses: Vec<Vec<(u64, Harm)>> = vec![Vec::new(); devices.len() + 1];
            for seq in 1..=last {
                let losers: BTreeSet<usize> =
                    (0..losses.len()).filter(|_| world.seed.below(5) == 0).collect();
                for loser in losers.into_iter().take(devices.len()) {
                    let harm = Harm::ALL[world.seed.below(4)];
                    losses[loser].push((seq, harm));
                }
            }
            for (device, rows) in losses.iter().enumerate().take(devices.len()) {
                harm_device(&mut world, devices[device], &desk(), rows);
            }
            harm_branch(&mut world, &desk(), &losses[devices.len()]);
            mended(&mut world);
            let entry = world.take_call(devices[0], "其后的来电");
            world.settle();
            assert!(world.entry(devices[1], entry).number.is_some());
        }
    }
}
