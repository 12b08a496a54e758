//! Random days in bad weather: everyone does something, messages are lost, repeated and late, apps are
//! killed, phones cloned, checklists and roles changed; the laws hold after every step, and once the weather clears all come to rest and agree.

use xunyuan_tests::day::do_something;
use xunyuan_tests::laws::{Saved, check_always, check_settled};
use xunyuan_tests::network::Weather;
use xunyuan_tests::revisions::{organisation_version_2, patrol_version_2};
use xunyuan_tests::seed::Seed;
use xunyuan_tests::world::{DAY_MS, HOUR_MS, World};

/// Steps between two checks of the laws that read everything.
const CHECK_EVERY: u32 = 12;

/// When the branch changes something, or a phone is cloned; half of the days have each.
struct Turns {
    checklist: u32,
    organisation: u32,
    clone: u32,
    night: u32,
}

impl Turns {
    fn of(seed: &mut Seed, steps: u32) -> Self {
        let mut turn = || u32::try_from(seed.below(2 * steps as usize)).unwrap();
        Self { checklist: turn(), organisation: turn(), clone: turn(), night: turn() }
    }

    fn take(&self, world: &mut World, step: u32) {
        if step == self.checklist {
            world.publish(&[patrol_version_2()]);
        }
        if step == self.organisation {
            world.publish(&[organisation_version_2("u.fd01")]);
        }
        if step == self.clone {
            let device = world.seed.below(world.devices.len());
            world.copy(device);
        }
        if step == self.night {
            world.pass(DAY_MS);
        }
    }
}

fn play(number: u64, steps: u32) {
    let mut world = World::new(Seed::of(number));
    for user in ["u.pt01", "u.pt02", "u.fd01", "u.eng01", "u.csl01"] {
        world.enroll(user);
    }
    // Clocks are wrong by up to two hours either way.
    for device in 0..world.devices.len() {
        world.devices[device].ahead_ms = i64::try_from(world.seed.below(240)).unwrap() * 60_000 - 2 * HOUR_MS;
    }
    let mut saved = Saved::default();
    let turns = Turns::of(&mut world.seed, steps);
    let mut step = 0;
    world.storm(Weather::BASEMENT, steps, |world, device| {
        turns.take(world, step);
        do_something(world, device);
        if world.seed.chance(5) {
            world.restart(device);
        }
        step += 1;
        saved.check(world);
        if step % CHECK_EVERY == 0 {
            check_always(world);
        }
    });
    saved.check(&mut world);
    world.settle();
    saved.check(&mut world);
    check_settled(&mut world);
}

#[test]
fn the_laws_hold_in_any_weather() {
    let seed = Seed::or(20_261_123);
    let days = if std::env::var_os("SEED").is_some() { 1 } else { 6 };
    for day in 0..days {
        eprintln!("day {day}: SEED={}", seed.number() + day);
        play(seed.number() + day, 60);
    }
}
