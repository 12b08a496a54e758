//! The laws of a run: cheap forms for whoever a step touched, full forms after a fault struck, now and
//! then, and at the end.

use xunyuan_core::replica::Progress;

use super::play::Run;
use crate::laws;
use crate::world::EXCHANGES_MAX;

/// One step in so many is followed by the laws that read everything of a device.
const FULL_CHECK_IN: u8 = 12;
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

    /// The laws after a step.
    pub(super) fn watch(&mut self) {
        for device in std::mem::take(&mut self.touched) {
            if self.world.devices[device].is_lost {
                continue;
            }
            let records = self.world.replica(device).export().expect("the replica exports");
            for record in &records {
                self.trace.note(record.document.as_bytes());
                record.pending.iter().for_each(|change| self.trace.note(change));
            }
            self.ledger.check(&mut self.world, device, &records);
            laws::cursors_cover_their_records(&mut self.world, device);
            laws::nothing_foreign_is_here(&mut self.world, device);
            if self.world.seed.below(usize::from(FULL_CHECK_IN)) == 0 {
                laws::rows_are_a_function_of_documents(&mut self.world, device);
            }
        }
        self.logs_only_grow();
    }

    /// Law 4, the cheap part: no log ends earlier than before, or elsewhere at the same place.
    fn logs_only_grow(&mut self) {
        for standing in self.world.hub.standings().expect("the branch knows how its logs stand") {
            let ends = self.ends.entry(standing.scope.clone()).or_default();
            if let Some((seq, chain)) = ends.last_key_value() {
                let same = standing.seq != *seq || standing.chain == *chain;
                assert!(standing.seq >= *seq && same, "law 4: the log of {} was cut", standing.scope);
            }
            self.trace.note(&standing.chain);
            ends.insert(standing.seq, standing.chain);
        }
    }

    /// Everything about one device, after something happened to its file.
    pub(super) fn check_device(&mut self, device: usize) {
        let records = self.world.replica(device).export().expect("the replica exports");
        self.ledger.check(&mut self.world, device, &records);
        laws::cursors_cover_their_records(&mut self.world, device);
        laws::rows_are_a_function_of_documents(&mut self.world, device);
    }

    /// Everything about the branch, after something happened to its file.
    pub(super) fn check_branch(&mut self) {
        laws::log_verifies(&self.world);
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
        for device in self.world.live() {
            self.touched.insert(device);
            if self.sides[device].is_stranded {
                self.check_device(device);
                self.world.lose(device);
            }
        }
        self.watch();
        self.chains_are_what_they_were();
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

    /// Law 4: every place where a log once ended has the chain that it had then.
    fn chains_are_what_they_were(&self) {
        let mut ends = self.ends.clone();
        let read = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
            let scope = xunyuan_core::id::ScopeId::new(row["scope"].as_str().expect("a scope"));
            let seq = row["seq"].as_u64().expect("a seq");
            if let Some(chain) = ends.get_mut(&scope).and_then(|ends| ends.remove(&seq)) {
                let now = row["chain"].as_str().expect("a chain");
                assert_eq!(data_encoding::HEXLOWER.encode(&chain), now, "law 4: row {seq} of {scope}");
            }
            Ok(())
        };
        self.world.hub.export_records(read).expect("the branch hands out its log");
        let left: Vec<_> = ends.iter().filter(|(_, ends)| ends.keys().any(|seq| *seq > 0)).collect();
        assert!(left.is_empty(), "law 4: rows are gone: {left:?}");
    }
}
