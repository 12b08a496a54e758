//! What each kind of step does.

use std::path::PathBuf;

use xunyuan_core::definition::Definition;
use xunyuan_core::error::ErrorKind;
use xunyuan_core::id::ActorId;
use xunyuan_core::wire::key::Key;

use super::plan::Act;
use super::play::{Run, Side};
use crate::day::try_something;
use crate::disk::{Disk, Fault};
use crate::revisions::{CHECKLIST, ledger_version, organisation_version, patrol_version};

/// Roles that a person may be given; `None` is the one of the sample organisation.
const ROLES: [Option<&str>; 5] = [
    None,
    Some("role.patrol"),
    Some("role.front_desk"),
    Some("role.project_manager"),
    Some("role.handover_guide"),
];
/// Definitions of which new versions are published while records of them are open: findings are raised by
/// sheets, the other ledgers written by hand.
const CHANGED: [&str; 5] = [CHECKLIST, "led.front_desk", "led.complaint", "led.care_visit", "led.finding"];
/// Things that somebody tries to do in one step: rules refuse some.
const TRIES_MAX: u32 = 8;
/// Most devices of a run.
const DEVICES_MAX: usize = 7;

impl Run {
    pub(super) fn act(&mut self, act: Act, device: usize) {
        match act {
            Act::Work => self.work(device),
            Act::Talk => self.ask(device),
            Act::Pass(ms) => self.world.pass(ms),
            Act::Weather(weather) => self.world.network.weather = weather,
            Act::Away => self.sides[device].is_away ^= true,
            Act::Restart => {
                self.world.restart(device);
                self.touched.insert(device);
            }
            Act::Disk(fault) => arm(&self.world.devices[device].disk, fault),
            Act::Clock(ahead_ms) => self.world.devices[device].ahead_ms = ahead_ms,
            Act::Clone => self.clone_phone(device),
            Act::Keep => self.keep(device),
            Act::Rollback => self.roll_back(device),
            Act::Lose => self.lose(device),
            Act::Draft => self.decide(device),
            Act::Version => {
                let side = &mut self.sides[device];
                (side.is_previous, side.is_next) = (side.is_next, !side.is_previous && !side.is_next);
            }
            Act::BranchRestart => self.world.branch_closed(|_| ()),
            Act::BranchDisk(fault) => arm(&self.world.branch_disk, fault),
            Act::BranchClock(ahead_ms) => self.world.branch_ahead_ms = ahead_ms,
            Act::Backup => self.back_up(),
            Act::Restore => self.restore_or(Self::back_up, self.backup.clone()),
            Act::Image => self.image(),
            Act::Forget => self.restore_or(Self::image, self.image.clone()),
            Act::Role => self.change_role(device),
            Act::Definition => self.change_definition(),
            Act::Revoke => self.revoke(device),
            Act::Enrol => {
                let user = self.world.devices[device].user.as_str().to_owned();
                self.enrol(&user);
            }
        }
    }

    /// Somebody does a few things; each is saved when it returns.
    fn work(&mut self, device: usize) {
        self.touched.insert(device);
        let (mut wanted, mut tries) = (1 + self.world.seed.below(4), 0);
        while wanted > 0 && tries < TRIES_MAX {
            tries += 1;
            let had_struck = self.world.devices[device].disk.has_struck();
            match try_something(&mut self.world, device) {
                Ok(()) => {
                    let disk = &self.world.devices[device].disk;
                    let is_dead = had_struck && !matches!(disk.armed(), Some(Fault::Full { .. }));
                    assert!(!is_dead, "device {device} says saved, and its disk is dead");
                    wanted -= 1;
                }
                // A device that has not heard from the branch yet knows no ledgers.
                Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::NotFound) => {}
                Err(error) => {
                    self.device_failed(device, error.kind(), &error.to_string());
                    return;
                }
            }
        }
    }

    fn clone_phone(&mut self, device: usize) {
        if self.sides.len() >= DEVICES_MAX || self.sides[device].is_revoked {
            return;
        }
        let copy = self.world.copy(device);
        self.sides.push(Side { kept: None, ..self.sides[device].clone() });
        self.ledger.start(&mut self.world, copy);
        self.check_anew(copy);
    }

    fn keep(&mut self, device: usize) {
        let name = format!("kept-{}", self.world.seed.below(usize::MAX));
        let copy = self.world.dir().join(name);
        self.world.closed(device, |file| std::fs::copy(file, &copy)).expect("the file can be copied");
        self.sides[device].kept = Some(copy);
        self.touched.insert(device);
    }

    fn roll_back(&mut self, device: usize) {
        let Some(copy) = self.sides[device].kept.clone() else { return };
        if self.sides[device].is_revoked {
            return;
        }
        self.world.closed(device, |file| std::fs::copy(copy, file)).expect("the copy can be put back");
        self.ledger.start(&mut self.world, device);
        self.check_anew(device);
    }

    fn lose(&mut self, device: usize) {
        // Somebody must be left to tell the story.
        if self.working().len() < 2 {
            return;
        }
        let user = self.world.devices[device].user.as_str().to_owned();
        self.world.lose(device);
        self.ledger.end(device);
        self.enrol(&user);
    }

    /// A person looks at refused work: applies it again, gives it up or takes it out as a file.
    fn decide(&mut self, device: usize) {
        let drafts = self.world.replica(device).drafts().expect("drafts can be listed");
        if drafts.is_empty() {
            return;
        }
        self.touched.insert(device);
        let draft = self.world.seed.pick(&drafts).clone();
        let id: ActorId = draft.id;
        let before = self.ledger.of_draft(self.world.replica(device), draft.document);
        let file = self.world.replica(device).export_draft(id).expect("a draft can be taken out");
        self.trace.note(&file);
        let (outcome, applied) = match self.world.seed.below(5) {
            0..=1 => (self.world.attempt(device, |replica, moment| replica.apply_draft(id, moment)), true),
            2 => (self.world.attempt(device, |replica, moment| replica.discard_draft(id, moment)), false),
            _ => return,
        };
        match outcome {
            Ok(_) => {
                let after = self.ledger.of_draft(self.world.replica(device), draft.document);
                let gone = before.difference(&after).cloned().collect();
                if applied {
                    self.ledger.applied(&mut self.world, device, &gone);
                } else {
                    self.ledger.give_up(device, &gone);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid) => {}
            Err(error) => self.device_failed(device, error.kind(), &error.to_string()),
        }
    }

    fn back_up(&mut self) {
        if self.world.branch_disk.armed().is_some() {
            return;
        }
        let name = format!("backup-{}", self.world.seed.below(usize::MAX));
        let path = self.world.dir().join(name);
        self.world.hub.backup(&path, |_| ()).expect("the branch makes a backup");
        self.backup = Some((path, self.world.devices.len()));
    }

    fn image(&mut self) {
        if self.world.branch_disk.armed().is_some() {
            return;
        }
        let name = format!("image-{}", self.world.seed.below(usize::MAX));
        let copy = self.world.dir().join(name);
        self.world.branch_closed(|file| {
            std::fs::copy(file, &copy).expect("the file can be copied");
        });
        self.image = Some((copy, self.world.devices.len()));
    }

    /// Puts the branch back to a copy of its file; where there is none yet, one is made for the next time.
    fn restore_or(&mut self, make: impl FnOnce(&mut Self), copy: Option<(PathBuf, usize)>) {
        match copy {
            Some(copy) => self.put_back(copy),
            None => make(self),
        }
    }

    fn put_back(&mut self, (file, enrolled): (PathBuf, usize)) {
        self.world.restore(&file);
        self.log.put_back(&self.world);
        // The administrator still has the files that were published since.
        for definition in self.published.clone() {
            self.publish(&definition);
        }
        for side in &mut self.sides {
            side.is_stranded |= side.enrolled >= enrolled;
        }
        self.check_branch();
    }

    fn change_role(&mut self, device: usize) {
        let user = self.world.devices[device].user.as_str().to_owned();
        match *self.world.seed.pick(&ROLES) {
            Some(role) => self.roles.insert(user, role),
            None => self.roles.remove(&user),
        };
        let version = self.next_version("organisation");
        let definition = organisation_version(version, &self.roles);
        self.publish(&definition);
        self.published.push(definition);
    }

    /// A new version of something that people have open comes into force.
    fn change_definition(&mut self) {
        let id = *self.world.seed.pick(&CHANGED);
        let version = self.next_version(id);
        let definition = if id == CHECKLIST { patrol_version(version) } else { ledger_version(id, version) };
        self.publish(&definition);
        self.published.push(definition);
    }

    /// The next version number of a definition that has changed; the embedded one is version 1.
    fn next_version(&mut self, name: &'static str) -> u32 {
        let version = self.versions.entry(name).or_insert(1);
        *version += 1;
        *version
    }

    /// Publishes, once more where the branch's disk fails in the middle.
    fn publish(&mut self, definition: &Definition) {
        let publish = |run: &mut Self| {
            let now_ms = run.world.branch_ms();
            run.world.hub.publish(std::slice::from_ref(definition), now_ms)
        };
        if let Err(error) = publish(self) {
            assert!(self.world.branch_disk.has_struck(), "the branch does not publish: {error}");
            self.mend_branch();
            publish(self).expect("the branch publishes once its disk is whole");
        }
        self.world.note_grants();
    }

    fn revoke(&mut self, device: usize) {
        if self.sides[device].is_stranded || self.sides[device].is_revoked || self.working().len() < 3 {
            return;
        }
        let id = self.world.replica(device).identity().device;
        let now_ms = self.world.branch_ms();
        if let Err(error) = self.world.hub.revoke(id, now_ms) {
            assert!(self.world.branch_disk.has_struck(), "the branch does not revoke: {error}");
            self.mend_branch();
            self.world.hub.revoke(id, now_ms).expect("the branch revokes once its disk is whole");
        }
        for other in self.world.live() {
            // A clone is the same device to the branch.
            if self.world.replica(other).identity().device == id {
                self.sides[other].is_revoked = true;
            }
        }
    }

    fn enrol(&mut self, user: &str) {
        if self.sides.len() >= DEVICES_MAX {
            return;
        }
        if self.world.branch_disk.armed().is_some() {
            self.mend_branch();
        }
        let device = self.world.enroll_only(user);
        let seed = self.world.replica(device).identity().seed;
        self.log.note_key(Key::from_seed(&seed).public());
        self.sides.push(Side { enrolled: device, ..Side::default() });
        self.ledger.start(&mut self.world, device);
    }
}

fn arm(disk: &Disk, fault: Fault) {
    if disk.armed().is_none() {
        disk.arm(fault);
    }
}
