//! The simulator: a plan made from a seed, played over the real replicas and the real hub, with the laws
//! checked after every step.
//!
//! Receives a seed; hands on the story of the run with its hash, or what law did not hold. Clock, network
//! and disks are simulated ([`World`], [`network`](crate::network), [`disk`](crate::disk)). Forbids
//! everything that could make two runs of a seed differ: unordered maps, the time of day, the order in
//! which threads get their turn.

mod devices;
mod ledger;
mod log;
pub mod peer;
pub mod plan;
mod play;
mod rows;
mod steps;
mod trace;
mod view;
mod watch;

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use trace::Trace;

use xunyuan_core::definition::{Definition, DefinitionKind};
use xunyuan_core::wire::key::Key;

use log::Log;
use plan::Plan;
use play::Run;

use crate::seed::Seed;
use crate::world::{ClosedWorld, World};

/// The people that runs are about.
const PEOPLE: [&str; 6] = ["u.pt01", "u.fd01", "u.pt02", "u.csl01", "u.eng01", "u.fd02"];
/// The checklist and the ledgers that people fill in; reading all of them would be half of a run's work.
const FILLED_IN: [&str; 5] =
    ["tpl.park_patrol", "led.front_desk", "led.complaint", "led.care_visit", "led.finding"];
/// Most plays that making a plan smaller may take.
const SMALLER_PLAYS_MAX: u32 = 120;

/// A branch with people, at the beginning of a day: what every run starts from.
#[derive(Debug)]
pub struct Morning {
    world: ClosedWorld,
    /// Public keys of their devices.
    keys: Vec<[u8; 32]>,
}

/// A run in which a law did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the law says.
    pub message: String,
    /// What happened until then.
    pub trace: Trace,
    /// The plan that was played.
    pub plan: Plan,
}

impl Morning {
    /// The branch and its people, enrolled and up to date.
    #[must_use]
    pub fn dawn() -> Self {
        let is_wanted = |known: &Definition| match known.kind {
            DefinitionKind::Checklist | DefinitionKind::Ledger => {
                FILLED_IN.contains(&known.reference.id.as_str())
            }
            DefinitionKind::Reports | DefinitionKind::Clauses | DefinitionKind::Staffing => false,
            DefinitionKind::Rules
            | DefinitionKind::ResponseSets
            | DefinitionKind::Categories
            | DefinitionKind::Roles
            | DefinitionKind::Nonconformity
            | DefinitionKind::Training
            | DefinitionKind::Form
            | DefinitionKind::Organisation
            | DefinitionKind::Holidays
            | DefinitionKind::Tiles => true,
        };
        let mut world = World::with(Seed::of(0), is_wanted);
        for user in PEOPLE {
            world.enroll(user);
        }
        world.settle();
        let seed = |device| world.replica(device).identity().seed;
        let keys = (0..PEOPLE.len()).map(seed).map(|seed| Key::from_seed(&seed).public()).collect();
        Self { world: world.close(), keys }
    }

    /// Plays the plan of a seed.
    ///
    /// # Errors
    /// The law that did not hold.
    pub fn play(&self, number: u64) -> Result<Trace, Box<Failure>> {
        self.play_plan(Plan::of(number, PEOPLE.len()))
    }

    /// Plays a plan.
    ///
    /// # Errors
    /// The law that did not hold.
    pub fn play_plan(&self, plan: Plan) -> Result<Trace, Box<Failure>> {
        let world = self.world.open(Seed::of(plan.number), &plan.people);
        let mut run = Run::of(world, plan.number, self.log());
        let outcome = catch_unwind(AssertUnwindSafe(|| run.play(&plan.steps)));
        let trace = run.trace.clone();
        // What a failed run leaves behind may fail once more when it is taken down.
        let taken_down = catch_unwind(AssertUnwindSafe(|| drop(run)));
        match outcome.and(taken_down) {
            Ok(()) => Ok(trace),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
                Err(Box::new(Failure { message: text.to_owned(), trace, plan }))
            }
        }
    }

    /// The branch's log as this thread has read it.
    fn log(&self) -> Log {
        thread_local! {
            static READ: OnceCell<Log> = const { OnceCell::new() };
        }
        let read = || {
            let world = self.world.open(Seed::of(0), &[]);
            let mut log = Log::default();
            self.keys.iter().for_each(|public| log.note_key(*public));
            log.follow(&world);
            log
        };
        READ.with(|log| log.get_or_init(read).clone())
    }

    /// Leaves out steps of a failing plan while it goes on failing.
    #[must_use]
    pub fn smaller(&self, failure: Failure) -> Failure {
        let mut best = failure;
        let (mut chunk, mut plays) = (best.plan.steps.len().div_ceil(2), 0);
        while chunk > 0 && plays < SMALLER_PLAYS_MAX {
            let (mut at, mut has_shrunk) = (0, false);
            while at < best.plan.steps.len() && plays < SMALLER_PLAYS_MAX {
                plays += 1;
                match self.play_plan(best.plan.without(at, chunk)) {
                    Err(smaller) => {
                        best = *smaller;
                        has_shrunk = true;
                    }
                    Ok(_) => at += chunk,
                }
            }
            if chunk > 1 || !has_shrunk {
                chunk /= 2;
            }
        }
        best
    }
}
