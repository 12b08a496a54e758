//! Structure: is this a well-formed continuation of the document's history?
//!
//! Columns and chunk headers come first; then each operation is examined, and only what fits is applied
//! to a scratch copy.

use std::collections::HashMap;
use xunyuan_core::document::RawChange;
use xunyuan_core::document::model::Edit;
use xunyuan_core::error::{Error, Refusal};
use xunyuan_core::id::ChangeHash;
use xunyuan_core::limits::{DOCUMENT_ACTORS_MAX, DOCUMENT_CHANGES_MAX};
use xunyuan_core::wire::run;

use super::{Candidate, Stop, op_counter};
use crate::hub::cache::Held;

impl Candidate<'_> {
    /// The run's changes, rebuilt and parsed; the last one has the signed hash, so all are vouched for.
    pub(super) fn unpacked(&self) -> Result<Vec<RawChange>, Stop> {
        let run = &self.pushed.run;
        let chunks = run::unpack_hashed(&run.changes, run.actor).map_err(|error| malformed(&error, 0))?;
        let mut changes = Vec::with_capacity(chunks.len());
        for (place, (chunk, hash)) in chunks.into_iter().enumerate() {
            let change = RawChange::of_rebuilt(chunk, hash).map_err(|error| malformed(&error, place))?;
            if place > 0 && !change.may_follow() {
                return Err(wrong(
                    "change_misplaced",
                    "操作过多的变更须单独成为一次签名的开头",
                    "a change with so many operations must begin its run",
                    place,
                ));
            }
            changes.push(change);
        }
        if changes.last().map(|change| change.hash) == Some(run.last_hash) {
            return Ok(changes);
        }
        Err(wrong("hash_mismatch", "变更内容与签名的哈希不符", "the changes do not have the signed hash", 0))
    }

    /// Every new change stands in its place: seq, deps and operation counters. `known` changes of the run
    /// came before.
    pub(super) fn in_place(&self, held: &Held, fresh: &[RawChange], known: usize) -> Result<(), Stop> {
        self.in_limits(held, fresh)?;
        let mut max_ops: HashMap<ChangeHash, u32> = HashMap::new();
        let max_op = |ops: &HashMap<ChangeHash, u32>, dep: &ChangeHash| {
            ops.get(dep).or_else(|| held.known.get(dep)).copied()
        };
        let mut last_seq = held.actors.get(&self.pushed.run.actor).map_or(0, |row| row.last_seq);
        for (place, change) in fresh.iter().enumerate() {
            let at = known + place;
            if change.seq <= last_seq {
                return Err(Stop::Actor(Refusal::new(
                    "actor_forked",
                    "同一作者标识在两处继续写入;应用将换用新的标识后重新提交",
                    "one actor went on in two places; the app continues under a new one",
                )));
            }
            let missing: Vec<ChangeHash> =
                change.deps.iter().filter(|dep| max_op(&max_ops, dep).is_none()).copied().collect();
            if !missing.is_empty() {
                return Err(Stop::Parked(missing));
            }
            let deps_max = change.deps.iter().filter_map(|dep| max_op(&max_ops, dep)).max();
            let Some(deps_max) = deps_max else {
                return Err(wrong("no_deps", "变更缺少前置变更", "a change builds on nothing", at));
            };
            if change.seq != last_seq + 1 {
                return Err(wrong("seq_gap", "变更序号不连续", "the seqs of the changes have a gap", at));
            }
            if change.start_op != u64::from(deps_max) + 1 || change.max_op > u64::from(u32::MAX) {
                return Err(wrong(
                    "wrong_start_op",
                    "变更操作序号不正确",
                    "a change counts its operations wrongly",
                    at,
                ));
            }
            self.bare(held, change, at)?;
            last_seq = change.seq;
            max_ops.insert(change.hash, op_counter(change));
        }
        Ok(())
    }

    /// The document with the new changes, tried on a copy, and what each of them says.
    pub(super) fn applied(
        &self,
        held: &Held,
        fresh: &[RawChange],
        known: usize,
    ) -> Result<(Held, Vec<Vec<Edit>>), Stop> {
        let mut scratch = held.clone();
        let mut edits: Vec<Vec<Edit>> = Vec::with_capacity(fresh.len());
        // A change that also builds on someone else's work opens a part of its own.
        for part in fresh.chunk_by(|before, after| after.deps == [before.hash]) {
            let done = known + edits.len();
            let said = scratch
                .document
                .examine(part)
                .map_err(|misfit| malformed(&misfit.error, done + misfit.index))?;
            scratch.document.apply(part).map_err(|error| malformed(&error, done))?;
            edits.extend(said);
        }
        Ok((scratch, edits))
    }

    /// Nothing rides along, and only actors of this document are named.
    fn bare(&self, held: &Held, change: &RawChange, at: usize) -> Result<(), Stop> {
        if !change.is_bare {
            return Err(wrong("not_bare", "变更带有多余内容", "a change carries what it must not", at));
        }
        let genesis = xunyuan_core::document::genesis_actor(self.pushed.document, &held.row.definition);
        let is_known =
            change.other_actors.iter().all(|actor| *actor == genesis || held.actors.contains_key(actor));
        if is_known {
            return Ok(());
        }
        Err(wrong("unknown_actor", "变更引用了未知的作者标识", "a change names an unknown actor", at))
    }

    fn in_limits(&self, held: &Held, fresh: &[RawChange]) -> Result<(), Stop> {
        let changes = held.row.changes + fresh.len() as u64;
        let is_new = !held.actors.contains_key(&self.pushed.run.actor);
        let actors = held.actors.len() as u64 + u64::from(is_new);
        if changes <= u64::from(DOCUMENT_CHANGES_MAX) && actors <= u64::from(DOCUMENT_ACTORS_MAX) {
            return Ok(());
        }
        Err(wrong(
            "document_full",
            "该记录已达到变更数上限;请另建一条记录继续",
            "this record has reached its limit of changes; continue in a new record",
            0,
        ))
    }
}

fn malformed(error: &Error, place: usize) -> Stop {
    let sentence = error.sentence().clone();
    Stop::Refused(Refusal { code: "malformed".to_owned(), sentence }, place)
}

fn wrong(code: &str, zh: &str, en: &str, place: usize) -> Stop {
    Stop::Refused(Refusal::new(code, zh, en), place)
}
