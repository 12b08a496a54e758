//! One run: its world, what it knows beside it, and the order of a step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use xunyuan_core::definition::Definition;
use xunyuan_core::error::ErrorKind;
use xunyuan_core::replica::Failure;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::{Directive, Reply};
use xunyuan_server::hub::{AuthFailure, Device as Caller, ExchangeFailure};

use super::devices::Devices;
use super::ledger::Ledger;
use super::log::Log;
use super::peer;
use super::plan::Step;
use super::rows::Rows;
use super::trace::Trace;
use crate::disk::Fault;
use crate::network::{Parcel, Silence, Weather};
use crate::seed::Seed;
use crate::world::World;

/// A run under way.
pub(super) struct Run {
    pub(super) world: World,
    pub(super) trace: Trace,
    pub(super) ledger: Ledger,
    pub(super) sides: Vec<Side>,
    /// The newest backup, and how many devices were enrolled when it was made.
    pub(super) backup: Option<(PathBuf, usize)>,
    /// The newest copy of the branch's file, and how many devices were enrolled when it was made.
    pub(super) image: Option<(PathBuf, usize)>,
    /// Version numbers given to changed definitions.
    pub(super) versions: BTreeMap<&'static str, u32>,
    /// Roles that people have now, where they are not those of the sample.
    pub(super) roles: BTreeMap<String, &'static str>,
    /// The logs of the branch, as far as they were read.
    pub(super) log: Log,
    /// What was seen of the devices.
    pub(super) devices: Devices,
    /// Where rows for lists are written as they must be.
    pub(super) rows: Rows,
    /// Devices that did or heard something in this step.
    pub(super) touched: BTreeSet<usize>,
    /// True once an answer brought something.
    pub(super) has_moved: bool,
    /// What the branch has published in this run.
    pub(super) published: Vec<Definition>,
    number: u64,
}

/// What a run knows of a device beside the world.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// True while it cannot reach the branch.
    pub(super) is_away: bool,
    /// True while its app is of the previous version.
    pub(super) is_previous: bool,
    /// True while its app is of a next version.
    pub(super) is_next: bool,
    /// True when the branch does not know it any more: it was enrolled after the backup.
    pub(super) is_stranded: bool,
    /// True once the branch has revoked it.
    pub(super) is_revoked: bool,
    /// A copy of its file that was put aside.
    pub(super) kept: Option<PathBuf>,
    /// Device ids that its file had when it was enrolled: clones share it.
    pub(super) enrolled: usize,
}

impl Run {
    pub(super) fn of(world: World, number: u64, log: Log) -> Self {
        let sides = (0..world.devices.len()).map(|enrolled| Side { enrolled, ..Side::default() }).collect();
        Self {
            world,
            trace: Trace::default(),
            ledger: Ledger::default(),
            sides,
            backup: None,
            image: None,
            versions: BTreeMap::new(),
            roles: BTreeMap::new(),
            log,
            devices: Devices::default(),
            rows: Rows::new(),
            touched: BTreeSet::new(),
            has_moved: false,
            published: Vec::new(),
            number,
        }
    }

    /// Plays all steps, then lets the faults end and everybody come to rest.
    pub(super) fn play(&mut self, steps: &[Step]) {
        for (place, step) in steps.iter().enumerate() {
            let live = self.working();
            let Some(device) = live.get(step.device % live.len().max(1)).copied() else { break };
            self.world.seed = Seed::of(self.number ^ step.number);
            self.trace.say(format!("{place}: {} on {device}", step));
            self.touched.clear();
            self.act(step.act, device);
            self.world.pass(5_000);
            self.carry(self.world.now_ms);
            self.recover();
            self.watch();
        }
        self.world.seed = Seed::of(self.number);
        self.come_to_rest();
    }

    /// Devices that somebody still works with.
    pub(super) fn working(&self) -> Vec<usize> {
        self.world.live()
    }

    /// Sends the request of a device, unless it waits for a reply already or is away.
    pub(super) fn ask(&mut self, device: usize) {
        if self.world.devices[device].waiting_for.is_some() || self.sides[device].is_away {
            return;
        }
        self.touched.insert(device);
        self.world.replica(device).wake_now();
        let Some(mut body) = self.world.request(device) else { return };
        if self.sides[device].is_previous {
            body = peer::previous_request(&body);
        }
        if self.sides[device].is_next {
            body = peer::next_message(&body);
        }
        self.trace.note(&body);
        let world = &mut self.world;
        let ticket = world.network.send_request(&mut world.seed, world.now_ms, device, body);
        world.devices[device].waiting_for = Some(ticket);
    }

    /// Carries everything that arrives until then.
    pub(super) fn carry(&mut self, end_ms: i64) {
        while self.world.network.next_arrival_ms().is_some_and(|at_ms| at_ms <= end_ms) {
            let Some((at_ms, parcel)) = self.world.network.deliver() else { return };
            self.world.now_ms = self.world.now_ms.max(at_ms);
            match parcel {
                Parcel::Request { from, ticket, body, is_cut } => {
                    let reply = self.deliver(from, &body, is_cut);
                    if let Some(ticket) = ticket {
                        let world = &mut self.world;
                        world.network.send_reply(&mut world.seed, world.now_ms, from, ticket, reply);
                    }
                }
                Parcel::Reply { to, ticket, body, is_cut } => self.receive(to, ticket, body, is_cut),
            }
        }
    }

    /// Brings a request to the branch.
    fn deliver(&mut self, device: usize, body: &[u8], is_cut: bool) -> Result<Vec<u8>, Silence> {
        if self.world.devices[device].is_lost {
            return Err(Silence::Timeout);
        }
        let token = self.world.replica(device).identity().token.clone();
        let caller = match self.world.hub.authenticate(&token) {
            Ok(caller) => caller,
            Err(AuthFailure::Revoked(caller)) => *caller,
            Err(AuthFailure::Unknown) => {
                assert!(
                    self.sides[device].is_stranded || self.sides[device].is_revoked,
                    "the branch does not know device {device}"
                );
                return Err(Silence::Refused);
            }
            Err(AuthFailure::Internal(error)) => {
                assert!(self.world.branch_disk.has_struck(), "the branch fails: {error}");
                return Err(Silence::Refused);
            }
        };
        let had_struck = self.world.branch_disk.has_struck();
        let outcome = self.world.hub.exchange(&caller, body, self.world.branch_ms());
        match outcome {
            Ok(reply) => {
                self.trace.note(&reply);
                self.nothing_foreign_leaves(&caller, &reply);
                let side = &self.sides[device];
                let reply = if side.is_previous { peer::previous_reply(&reply) } else { reply };
                Ok(if side.is_next { peer::next_message(&reply) } else { reply })
            }
            Err(ExchangeFailure::Malformed(_)) if is_cut => Err(Silence::Refused),
            Err(failure) if self.world.branch_disk.has_struck() => {
                self.branch_failed(&failure, had_struck);
                Err(Silence::Refused)
            }
            Err(failure) => panic!("the branch refuses an exchange of device {device}: {failure:?}"),
        }
    }

    /// Law 8: the branch hands out what the person holds now, and nothing to a revoked device.
    fn nothing_foreign_leaves(&self, caller: &Caller, reply: &[u8]) {
        let reply: Reply = frame::decode(reply, usize::MAX).expect("the branch's reply can be read");
        let is_revoked = reply.directives.iter().any(|order| matches!(order, Directive::Wipe { .. }));
        let grants = self.world.hub.grants(&caller.user).expect("the branch knows its people");
        for scope in reply.scopes.iter().filter(|scope| !scope.records.is_empty()).map(|page| &page.scope) {
            assert!(!is_revoked && grants.contains(scope), "law 8: {} is sent {scope}", caller.id);
        }
    }

    /// What a branch says whose disk failed: without room it says so, and goes on.
    fn branch_failed(&mut self, failure: &ExchangeFailure, had_struck: bool) {
        self.trace.say(format!("  the branch fails{}", if had_struck { " again" } else { "" }));
        if matches!(self.world.branch_disk.armed(), Some(Fault::Full { .. })) {
            let ExchangeFailure::Internal(error) = failure else {
                panic!("a branch without room says: {failure:?}")
            };
            assert_eq!(error.kind(), ErrorKind::Full, "a branch without room says: {error}");
        }
    }

    /// Hands a reply to a device.
    fn receive(&mut self, device: usize, ticket: u64, body: Result<Vec<u8>, Silence>, is_cut: bool) {
        if self.world.devices[device].is_lost {
            return;
        }
        // One that died meanwhile waits for nothing; one that asked again waits for another reply.
        let is_awaited = self.world.devices[device].waiting_for == Some(ticket);
        let is_idle = self.world.devices[device].waiting_for.is_none();
        if !is_awaited && !is_idle {
            return;
        }
        self.touched.insert(device);
        self.world.devices[device].waiting_for = None;
        let moment = self.world.moment(device);
        let Ok(body) = body else {
            if is_awaited {
                self.world.replica(device).handle_failure(&Failure::Unreachable, &moment);
            }
            return;
        };
        let outcome = self.world.replica(device).handle_reply(&body, &moment);
        match outcome {
            Ok(progress) => {
                assert!(is_awaited, "device {device} takes a reply that it did not ask for");
                self.heard(device, &progress);
            }
            Err(error) if error.kind() == ErrorKind::Protocol && (is_cut || !is_awaited) => {
                self.trace.say(format!("  {device} cannot use the reply"));
            }
            Err(error) => self.device_failed(device, error.kind(), &error.to_string()),
        }
    }

    /// An error on a device is right only where its disk failed.
    pub(super) fn device_failed(&mut self, device: usize, kind: ErrorKind, says: &str) {
        let disk = &self.world.devices[device].disk;
        assert!(disk.has_struck(), "device {device} fails: {says}");
        if matches!(disk.armed(), Some(Fault::Full { .. })) {
            assert_eq!(kind, ErrorKind::Full, "device {device} without room says: {says}");
        }
        self.trace.say(format!("  {device} fails: {kind:?}"));
    }

    /// Whoever died of a disk starts again; what must hold then is checked at once.
    fn recover(&mut self) {
        for device in self.world.live() {
            let disk = &self.world.devices[device].disk;
            if disk.has_struck() {
                let was_full = matches!(disk.armed(), Some(Fault::Full { .. }));
                self.trace.say(format!("  {device} {}", if was_full { "gets room" } else { "starts again" }));
                if was_full {
                    // The app goes on; room is made beside it.
                    let world = &mut self.world;
                    world.devices[device].disk.mend(&mut world.seed);
                } else {
                    self.world.restart(device);
                }
                self.check_anew(device);
            }
        }
        if self.world.branch_disk.has_struck() {
            if matches!(self.world.branch_disk.armed(), Some(Fault::Full { .. })) {
                let world = &mut self.world;
                world.branch_disk.mend(&mut world.seed);
                self.trace.say("  the branch gets room".to_owned());
            } else {
                self.world.branch_closed(|_| ());
                self.trace.say("  the branch starts again".to_owned());
            }
            self.check_branch();
        }
    }

    /// Faults end: disks are whole, everybody is back, what is on its way arrives.
    pub(super) fn calm(&mut self) {
        for device in self.world.live() {
            let disk = self.world.devices[device].disk.clone();
            disk.mend(&mut self.world.seed);
            self.sides[device].is_away = false;
        }
        let disk = self.world.branch_disk.clone();
        disk.mend(&mut self.world.seed);
        self.world.network.weather = Weather::CLEAR;
        self.carry(i64::MAX);
    }
}
