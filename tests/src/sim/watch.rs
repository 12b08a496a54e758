//! The laws of a run: after every step all of them, for the branch and for whoever the step touched; at the end
//! once more for everybody and from zero.

use xunyuan_core::replica::Progress;

use super::play::Run;
use super::view::View;
use crate::laws;
use crate::world::EXCHANGES_MAX;

/// Time that an app may wait by itself before it asks again, milliseconds.
const PATIENCE_MS: i64 = 10 * 60_000;

impl Run {
    /// What a device took from a reply.
    pub(super) fn heard(&mut self, device: usize, progress: &Progress) {
        self.trace.say(format!(
            "  {device} hears: {} acknowledged, {} refused, {} received, {} renewed, {} given back, {} reset, {} repaired, {} left{}",
            progress.acknowledged,
            progress.refused.len(),
            progress.received,
            progress.renewed,
            progress.given_back,
            progress.reset.len(),
            progress.repaired,
            progress.left.len(),
            if progress.wiped { ", wiped" } else { "" }
        ));
        self.has_moved |= progress.acknowledged
            + progress.received
            + progress.renewed
            + progress.given_back
            + progress.repaired
            > 0
            || !(progress.refused.is_empty() && progress.reset.is_empty())
            || progress.more;
        if progress.wiped {
            self.wiped(device);
        }
    }

    /// A revoked device has erased what it held; what it had waiting is kept at the branch as evidence.
    fn wiped(&mut self, device: usize) {
        let id = self.world.replica(device).identity().device;
        let records = self.world.replica(device).export().expect("the replica exports");
        assert!(records.is_empty(), "law 8: device {device} was erased and still holds records");
        let refused = self.world.hub.refusals(10_000).expect("the branch lists what it refused");
        for document in self.ledger.end(device) {
            let is_kept = refused.iter().any(|run| run.device == id && run.document == document);
            let is_there = self.ledger.is_at_branch(&self.world, document);
            assert!(
                is_kept || is_there,
                "law 7: the branch has no evidence of what device {device} had waiting"
            );
        }
        self.world.lose(device);
    }

    /// The laws after a step, for the branch and for whoever the step touched.
    pub(super) fn watch(&mut self) {
        self.log.follow(&self.world);
        self.log.rows_follow(&self.world, &self.rows);
        for standing in self.world.hub.standings().expect("the branch knows how its logs stand") {
            self.trace.note(&standing.chain);
        }
        for device in std::mem::take(&mut self.touched) {
            if !self.world.devices[device].is_lost {
                self.check_device(device);
            }
        }
    }

    /// All laws of one device, where it is not what it was.
    fn check_device(&mut self, device: usize) {
        let view = View::of(&mut self.world, device);
        for (document, holding) in &view.documents {
            self.trace.note(document.as_bytes());
            self.trace.note(&holding.shape);
        }
        self.ledger.check(&self.world, device, &view);
        self.devices.check(&mut self.world, device, &view, &self.log, &self.rows);
    }

    /// Everything about one device, after something happened to its file.
    pub(super) fn check_anew(&mut self, device: usize) {
        self.devices.forget(device);
        self.touched.insert(device);
    }

    /// Everything about the branch, after something happened to its file.
    pub(super) fn check_branch(&mut self) {
        laws::log_verifies(&self.world);
        self.log.forget_rows();
    }

    /// A branch whose disk failed is started again, one without room gets some.
    pub(super) fn mend_branch(&mut self) {
        self.world.branch_closed(|_| ());
        self.check_branch();
    }

    /// Faults have ended: all come to rest within a bounded number of exchanges, and then all laws hold.
    pub(super) fn come_to_rest(&mut self) {
        self.trace.say("faults end".to_owned());
        self.calm();
        self.everybody_asks_by_itself();
        let mut rounds = 0;
        loop {
            let mut moved = false;
            for device in self.world.live() {
                moved |= self.rest(device);
            }
            rounds += 1;
            if !moved {
                break;
            }
            assert!(rounds <= 12, "law 9: the world does not come to rest");
        }
        self.trace.say(format!("at rest after {rounds} rounds"));
        self.log.forget_rows();
        for device in self.world.live() {
            self.check_anew(device);
        }
        self.watch();
        for device in self.world.live() {
            if self.sides[device].is_stranded {
                self.world.lose(device);
            }
        }
        self.log.is_unchanged(&self.world);
        laws::check_settled(&mut self.world);
        self.ledger.check_settled(&mut self.world);
    }

    /// Law 9: no app needs its person to ask again; it waits for a bounded time only.
    fn everybody_asks_by_itself(&mut self) {
        self.world.pass(PATIENCE_MS);
        for device in self.world.live() {
            self.world.replica(device).wake();
            let body = self.world.request(device);
            assert!(body.is_some(), "law 9: device {device} does not ask by itself");
            let moment = self.world.moment(device);
            self.world.replica(device).handle_failure(&xunyuan_core::replica::Failure::Unreachable, &moment);
        }
    }

    /// Exchanges until a device has nothing more to ask; true when anything moved.
    fn rest(&mut self, device: usize) -> bool {
        let mut moved = false;
        for exchange in 0.. {
            assert!(exchange <= EXCHANGES_MAX, "law 9: device {device} does not come to rest");
            if self.world.devices[device].is_lost {
                break;
            }
            self.has_moved = false;
            self.ask(device);
            self.carry(i64::MAX);
            if !self.has_moved {
                break;
            }
            moved = true;
        }
        moved
    }
}
