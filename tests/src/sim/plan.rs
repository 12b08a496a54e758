//! What is going to happen in a run: a list of steps, made from the seed before anything happens.
//!
//! Each step carries a number of its own for everything random in it, so that leaving one out leaves the
//! others what they are: a failing plan can be made smaller.

use std::fmt;

use crate::disk::Fault;
use crate::network::Weather;
use crate::seed::Seed;
use crate::world::{DAY_MS, HOUR_MS};

/// Ten years, milliseconds.
const DECADE_MS: i64 = 3_652 * DAY_MS;
/// Most writes that still succeed before an armed fault strikes.
const WRITES_MAX: usize = 90;

/// Everything that happens in a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub number: u64,
    /// Places of its people among those that every run may have.
    pub people: Vec<usize>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Where everything random in it comes from.
    pub number: u64,
    /// The device it is about, counted round the devices that there are.
    pub device: usize,
    /// What happens.
    pub act: Act,
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Somebody works.
    Work,
    /// A device sends a request, if it is not away; what is on its way arrives.
    Talk,
    /// Time goes by, milliseconds.
    Pass(i64),
    /// The network changes.
    Weather(Weather),
    /// A device goes away from the network, or comes back to it.
    Away,
    /// An app is closed and opened.
    Restart,
    /// Something goes wrong with a device's disk during the next steps.
    Disk(Fault),
    /// A device's clock jumps to so far ahead of the right time, milliseconds.
    Clock(i64),
    /// A phone is cloned.
    Clone,
    /// A copy of a device's file is put aside.
    Keep,
    /// The copy is put back: what came after it is lost there.
    Rollback,
    /// A phone is lost; its owner gets another.
    Lose,
    /// A person decides what becomes of refused work.
    Draft,
    /// A device's app turns from the previous version to this one, or back.
    Version,
    /// The branch is stopped and started.
    BranchRestart,
    /// Something goes wrong with the branch's disk during the next steps.
    BranchDisk(Fault),
    /// The branch's clock jumps.
    BranchClock(i64),
    /// The branch makes a backup.
    Backup,
    /// The branch is put back to its backup.
    Restore,
    /// A copy of the branch's file is put aside, as a copied disk is.
    Image,
    /// The copied file is put back, and nobody tells the branch.
    Forget,
    /// A person's role is changed: narrowed, widened, moved or given back.
    Role,
    /// A new version of the patrol checklist or of a ledger comes into force.
    Definition,
    /// The device is revoked.
    Revoke,
    /// Somebody gets one more device.
    Enrol,
}

/// The kinds of trouble, of which every run has some: together they would hide each other.
const TROUBLES: [fn(&mut Seed) -> Act; 22] = [
    |seed| Act::Weather(*seed.pick(&[Weather::BASEMENT, Weather::LIFT, Weather::CLEAR])),
    |seed| Act::Weather(*seed.pick(&[Weather::LIFT, Weather::CLEAR])),
    |_| Act::Away,
    |seed| Act::Pass(DAY_MS * whole(seed.below(40))),
    |_| Act::Restart,
    |seed| Act::Disk(Fault::Kill { after: writes(seed) }),
    |seed| Act::Disk(Fault::Power { after: writes(seed) }),
    |seed| Act::Disk(Fault::Full { after: writes(seed) }),
    |seed| Act::Clock(jump(seed)),
    |_| Act::Clone,
    |seed| *seed.pick(&[Act::Keep, Act::Rollback]),
    |_| Act::Lose,
    |_| Act::Version,
    |_| Act::BranchRestart,
    |seed| Act::BranchDisk(Fault::Kill { after: writes(seed) }),
    |seed| Act::BranchDisk(Fault::Power { after: writes(seed) }),
    |seed| Act::BranchDisk(Fault::Full { after: writes(seed) }),
    |seed| Act::BranchClock(jump(seed)),
    |seed| *seed.pick(&[Act::Backup, Act::Restore]),
    |seed| *seed.pick(&[Act::Image, Act::Forget]),
    |seed| *seed.pick(&[Act::Role, Act::Role, Act::Role, Act::Revoke]),
    |seed| *seed.pick(&[Act::Definition, Act::Definition, Act::Enrol]),
];

impl Plan {
    /// The plan of a seed: mostly short, one in a hundred long.
    #[must_use]
    pub fn of(number: u64, people: usize) -> Self {
        let mut seed = Seed::of(number);
        let mut everyone: Vec<usize> = (0..people).collect();
        seed.shuffle(&mut everyone);
        everyone.truncate(2 + seed.below(3));
        let length = if seed.chance(1) { 100 + seed.below(80) } else { 10 + seed.below(24) };
        let share = *seed.pick(&[10, 25, 40]);
        let troubles: Vec<_> = TROUBLES.iter().filter(|_| seed.chance(30)).collect();
        let mut steps = Vec::with_capacity(length);
        for _ in 0..length {
            let act = if !troubles.is_empty() && seed.chance(share) {
                (seed.pick(&troubles))(&mut seed)
            } else {
                match seed.below(20) {
                    0..=11 => Act::Work,
                    12..=17 => Act::Talk,
                    18 => Act::Draft,
                    _ => Act::Pass(60_000 * whole(seed.below(600))),
                }
            };
            let [a, b, c, d, e, f, g, h, ..] = seed.bytes();
            let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            steps.push(Step { number, device: seed.below(64), act });
        }
        Self { number, people: everyone, steps }
    }

    /// The plan without some of its steps.
    #[must_use]
    pub fn without(&self, from: usize, count: usize) -> Self {
        let mut plan = self.clone();
        plan.steps.drain(from..(from + count).min(self.steps.len()));
        plan
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.act, self.device)
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(0)
}

fn writes(seed: &mut Seed) -> u32 {
    // Small transactions are the most common ones.
    let most = *seed.pick(&[6, 20, WRITES_MAX]);
    u32::try_from(seed.below(most)).unwrap_or(0)
}

fn jump(seed: &mut Seed) -> i64 {
    *seed.pick(&[0, 2 * HOUR_MS, -2 * HOUR_MS, DAY_MS, -DAY_MS, DECADE_MS, -DECADE_MS])
}
