//! The fold of a record's events into its state, with contested marks.
//!
//! Events form a graph by what each author had seen. Only events that nothing later has seen decide;
//! where several do, precedence decides, never the order of arrival: an unseen return or reopening
//! beats forward moves and closing, a voiding loses against any concurrent move that is not voiding,
//! and between forward moves the further state wins. The result is a function of the graph alone.

use std::collections::BTreeMap;

use super::keys;
use crate::document::model::{Event, Value};

/// What an event does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Position of the state it leads to.
    pub(crate) to: usize,
    /// A return, a reopening or an amendment.
    pub(crate) is_return: bool,
    /// Leads to a final state that withdraws the record.
    pub(crate) is_void: bool,
    /// Leads to a final state.
    pub(crate) is_final: bool,
}

/// An event that was allowed where it was written but does not decide after the merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest {
    /// The event that lost.
    pub event: String,
    /// The concurrent event that it lost against.
    pub against: String,
    /// True while nobody who saw both has moved on or resolved it.
    pub is_open: bool,
}

/// The state of a record and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Position of the state.
    pub(crate) state: usize,
    /// The event that decided it; `None` while no event has moved the record.
    pub(crate) decided_by: Option<String>,
    /// Events that lost against concurrent ones.
    pub(crate) contests: Vec<Contest>,
}

/// Folds `events` (causes first); `step` says what an event does to the state.
pub(crate) fn fold(events: &[Event], step: impl Fn(&Event) -> Option<Step>) -> Fold {
    let graph = Graph::of(events, step);
    let latest = graph.latest(|_| true);
    let Some(winner) = graph.winner(&latest) else {
        return Fold { state: 0, decided_by: None, contests: Vec::new() };
    };
    let mut contests: Vec<Contest> = graph
        .moves
        .iter()
        .filter_map(|(&at, mine)| {
            let against = graph.beaten_by(at)?;
            let is_live = latest.contains(&at) && mine.to != graph.moves[&winner].to;
            let is_open = is_live && graph.is_serious(at, winner) && !graph.is_resolved(events, at, winner);
            Some(Contest { event: events[at].id.clone(), against: events[against].id.clone(), is_open })
        })
        .collect();
    contests.sort_by(|a, b| a.event.cmp(&b.event));
    Fold { state: graph.moves[&winner].to, decided_by: Some(events[winner].id.clone()), contests }
}

/// Who had seen what: for each event the set of events in its causal past, itself included.
pub(crate) struct Ancestry {
    words: Vec<Vec<u64>>,
}

impl Ancestry {
    /// Reads the ancestry of `events`, causes first; unknown ids count for nothing.
    pub(crate) fn of(events: &[Event]) -> Self {
        let index: BTreeMap<&str, usize> =
            events.iter().enumerate().map(|(at, event)| (event.id.as_str(), at)).collect();
        let mut words: Vec<Vec<u64>> = Vec::with_capacity(events.len());
        for (at, event) in events.iter().enumerate() {
            let mut seen = vec![0; at / 64 + 1];
            for parent in event.after.iter().filter_map(|id| index.get(id.as_str())) {
                for (mine, theirs) in seen.iter_mut().zip(words.get(*parent).into_iter().flatten()) {
                    *mine |= theirs;
                }
            }
            seen[at / 64] |= 1 << (at % 64);
            words.push(seen);
        }
        Self { words }
    }

    /// True when the author of event `later` had seen event `earlier`, or they are the same.
    pub(crate) fn saw(&self, later: usize, earlier: usize) -> bool {
        self.words[later].get(earlier / 64).is_some_and(|word| word >> (earlier % 64) & 1 == 1)
    }
}

/// The events that move the state, with who had seen what.
struct Graph<'e> {
    ids: Vec<&'e str>,
    past: Ancestry,
    moves: BTreeMap<usize, Step>,
}

impl<'e> Graph<'e> {
    fn of(events: &'e [Event], step: impl Fn(&Event) -> Option<Step>) -> Self {
        Self {
            ids: events.iter().map(|event| event.id.as_str()).collect(),
            past: Ancestry::of(events),
            moves: events.iter().enumerate().filter_map(|(at, event)| Some((at, step(event)?))).collect(),
        }
    }

    /// Moves among those that `keep` admits which no other such move has seen.
    fn latest(&self, keep: impl Fn(usize) -> bool) -> Vec<usize> {
        let kept: Vec<usize> = self.moves.keys().copied().filter(|at| keep(*at)).collect();
        let is_seen = |at: usize| kept.iter().rev().any(|other| *other > at && self.past.saw(*other, at));
        kept.iter().copied().filter(|at| !is_seen(*at)).collect()
    }

    /// The move that decides: voidings step aside while anything else is among the latest.
    fn winner(&self, latest: &[usize]) -> Option<usize> {
        let mut dropped: Vec<usize> = Vec::new();
        let mut latest = latest.to_vec();
        while latest.iter().any(|at| self.moves[at].is_void)
            && latest.iter().any(|at| !self.moves[at].is_void)
        {
            dropped.extend(latest.iter().filter(|at| self.moves[at].is_void));
            latest = self.latest(|at| !dropped.contains(&at));
        }
        let undefeated = |at: &usize| !latest.iter().any(|other| self.sees_more_returns(*other, *at));
        let best: Vec<usize> = latest.iter().copied().filter(undefeated).collect();
        let mut by_returns: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for at in best {
            let place = by_returns.entry(self.returns(at)).or_insert(at);
            if (self.moves[&at].to, self.ids[at]) > (self.moves[place].to, self.ids[*place]) {
                *place = at;
            }
        }
        by_returns.into_values().min_by_key(|at| (self.moves[at].to, self.ids[*at]))
    }

    /// Returns in the past of a move, itself included.
    fn returns(&self, at: usize) -> Vec<usize> {
        self.moves
            .iter()
            .filter(|(other, step)| step.is_return && **other <= at && self.past.saw(at, **other))
            .map(|(other, _)| *other)
            .collect()
    }

    /// True when `one` knows every return that `other` knows, and more.
    fn sees_more_returns(&self, one: usize, other: usize) -> bool {
        let (mine, theirs) = (self.returns(one), self.returns(other));
        mine.len() > theirs.len() && theirs.iter().all(|at| mine.contains(at))
    }

    /// A concurrent move to another state that `at` loses against.
    fn beaten_by(&self, at: usize) -> Option<usize> {
        self.moves
            .keys()
            .copied()
            .filter(|other| *other != at && !self.past.saw(at, *other) && !self.past.saw(*other, at))
            .filter(|other| self.moves[other].to != self.moves[&at].to && self.beats(*other, at))
            .min_by_key(|other| self.ids[*other])
    }

    fn beats(&self, one: usize, other: usize) -> bool {
        let (mine, theirs) = (self.moves[&one], self.moves[&other]);
        if mine.is_void != theirs.is_void {
            return theirs.is_void;
        }
        if self.sees_more_returns(one, other) {
            return true;
        }
        if self.sees_more_returns(other, one) {
            return false;
        }
        if self.returns(one) == self.returns(other) { mine.to > theirs.to } else { mine.to < theirs.to }
    }

    /// False where a plain forward move was merely overtaken by a further one.
    fn is_serious(&self, loser: usize, winner: usize) -> bool {
        let step = self.moves[&loser];
        step.is_void || step.is_final || self.returns(loser) != self.returns(winner)
    }

    /// True when a `resolve` event names the contested event and its author had seen both sides.
    fn is_resolved(&self, events: &[Event], loser: usize, winner: usize) -> bool {
        let key = keys::event(self.ids[loser]);
        events.iter().enumerate().any(|(at, event)| {
            event.kind == keys::RESOLVE
                && event.data.get(keys::DATA_KEY).and_then(Value::as_text) == Some(&key)
                && self.past.saw(at, loser)
                && self.past.saw(at, winner)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::entry;
    use crate::rules::testing::{Record, catalog, text};

    fn fold_of(record: &Record) -> Fold {
        entry::lifecycle(catalog().ledger(&record.model.definition).unwrap(), &record.model)
    }

    fn handled() -> Record {
        let mut entry = Record::desk();
        entry.record("u.fd01", "assign", &[]).unwrap();
        entry.record("u.eng01", "handle", &[("result", text("已修复"))]).unwrap();
        entry
    }

    fn visit_bad(entry: &mut Record) {
        let data = [("satisfaction", text("s1")), ("note", text("又漏了"))];
        entry.record("u.fd02", "visit_bad", &data).unwrap();
    }

    fn visit(entry: &mut Record, satisfaction: &str) {
        let data = [("satisfaction", text(satisfaction)), ("channel", text("phone"))];
        entry.record("u.fd01", "visit", &data).unwrap();
    }

    #[test]
    fn an_unseen_return_beats_closing_and_asks_for_a_decision() {
        let base = {
            let mut base = handled();
            visit(&mut base, "s4");
            base
        };
        let (mut closing, mut returning) = (base.clone(), base.clone());
        closing.record("u.csl01", "close", &[]).unwrap();
        visit_bad(&mut returning);
        for (mut one, two) in [(closing.clone(), returning.clone()), (returning, closing)] {
            one.merge(&base, &two);
            assert_eq!(one.state(), "in_progress");
            let fold = fold_of(&one);
            assert_eq!(fold.contests.len(), 1);
            assert!(fold.contests[0].is_open);
            assert!(fold.contests[0].event.starts_with("u.csl01"));
        }
    }

    #[test]
    fn a_step_by_someone_who_saw_both_settles_the_contest() {
        let base = handled();
        let (mut one, mut two) = (base.clone(), base.clone());
        visit(&mut one, "s5");
        one.record("u.fd01", "close", &[]).unwrap();
        visit_bad(&mut two);
        one.merge(&base, &two);
        assert!(fold_of(&one).contests.iter().any(|contest| contest.is_open));
        one.record("u.eng01", "handle", &[]).unwrap_err(); // result was event data then, not a field
        one.record("u.eng01", "handle", &[("result", text("换管"))]).unwrap();
        let fold = fold_of(&one);
        assert!(fold.contests.iter().all(|contest| !contest.is_open) && !fold.contests.is_empty());
        assert_eq!(one.state(), "handled");
    }

    #[test]
    fn a_resolve_event_settles_the_contest_without_moving_the_state() {
        let base = {
            let mut base = handled();
            visit(&mut base, "s5");
            base
        };
        let (mut one, mut two) = (base.clone(), base.clone());
        one.record("u.fd01", "close", &[]).unwrap();
        visit_bad(&mut two);
        one.merge(&base, &two);
        let key = text(&keys::event(&fold_of(&one).contests[0].event));
        one.record("u.csl01", keys::RESOLVE, &[(keys::DATA_KEY, key)]).unwrap();
        assert!(fold_of(&one).contests.iter().all(|contest| !contest.is_open));
        assert_eq!(one.state(), "in_progress");
    }

    #[test]
    fn voiding_never_hides_what_its_author_had_not_seen() {
        let mut base = Record::desk();
        base.record("u.fd01", "assign", &[]).unwrap();
        let (mut voiding, mut working) = (base.clone(), base.clone());
        voiding.record("u.csl01", "cancel", &[("reason", text("重复"))]).unwrap();
        working.record("u.eng01", "accept", &[]).unwrap();
        voiding.merge(&base, &working);
        assert_eq!(voiding.state(), "in_progress");
        assert!(fold_of(&voiding).contests[0].is_open);
    }

    #[test]
    fn the_further_of_two_forward_moves_wins_without_asking_anyone() {
        let mut base = Record::desk();
        base.record("u.fd01", "assign", &[]).unwrap();
        let (mut one, mut two) = (base.clone(), base.clone());
        one.record("u.eng01", "accept", &[]).unwrap();
        two.record("u.fd02", "handle", &[("result", text("完成"))]).unwrap();
        one.merge(&base, &two);
        assert_eq!(one.state(), "handled");
        let fold = fold_of(&one);
        assert_eq!((fold.contests.len(), fold.contests[0].is_open), (1, false));
        let mut same = base.clone();
        same.record("u.eng01", "accept", &[]).unwrap();
        let mut twice = base.clone();
        twice.record("u.sec01", "accept", &[]).unwrap();
        same.merge(&base, &twice);
        assert!(fold_of(&same).contests.is_empty());
    }

    /// Three people act on copies of one entry, now and then seeing each other's work.
    fn wild_history(choices: &[(usize, usize, bool)]) -> Record {
        let kinds = ["accept", "feedback", "handle", "visit", "visit_bad", "close", "cancel", "reopen"];
        let users = ["u.fd01", "u.eng01", "u.csl01"];
        let mut base = Record::desk();
        base.record("u.fd01", "assign", &[]).unwrap();
        let mut copies = vec![base.clone(), base.clone(), base.clone()];
        for (person, kind, sees) in choices {
            let person = person % 3;
            if *sees {
                let other = copies[(person + 1) % 3].clone();
                copies[person].merge(&base, &other);
            }
            let data = [
                ("satisfaction", text("s1")),
                ("channel", text("phone")),
                ("note", text("说明")),
                ("reason", text("原因")),
                ("result", text("结果")),
            ];
            let _refused = copies[person].record(users[person], kinds[kind % kinds.len()], &data);
        }
        let (two, three) = (copies[1].clone(), copies[2].clone());
        copies[0].merge(&base, &two);
        copies[0].merge(&base, &three);
        copies.swap_remove(0)
    }

    /// Another order of the same events in which causes still come first.
    fn reordered(events: &[Event], keys: &[u32]) -> Vec<Event> {
        let mut left: Vec<&Event> = events.iter().collect();
        let mut order: Vec<Event> = Vec::new();
        while !left.is_empty() {
            let ready = |event: &Event| event.after.iter().all(|id| order.iter().any(|done| done.id == *id));
            let open: Vec<usize> = (0..left.len()).filter(|at| ready(left[*at])).collect();
            let key = usize::try_from(keys[order.len() % keys.len()]).unwrap();
            order.push(left.remove(open[key % open.len()]).clone());
        }
        order
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_fold_does_not_depend_on_the_order_of_concurrent_events(
            choices in proptest::collection::vec((0..3_usize, 0..8_usize, any::<bool>()), 1..14),
            keys in proptest::collection::vec(any::<u32>(), 1..12),
        ) {
            let record = wild_history(&choices);
            let mut other = record.clone();
            other.model.events = reordered(&record.model.events, &keys);
            prop_assert_eq!(fold_of(&record), fold_of(&other));
            let ledger = catalog().ledger(&record.model.definition).unwrap();
            let (one, two) = (entry::view(catalog(), ledger, &record.model), entry::view(catalog(), ledger, &other.model));
            prop_assert_eq!((one.state, one.fields, one.marks, one.due), (two.state, two.fields, two.marks, two.due));
        }
    }
}
