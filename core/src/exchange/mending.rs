//! Where the repair of each scope stands: pure state, bounded, kept in memory only. What is forgotten with
//! the process is found again, because a scope that is not whole cannot be proven.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Difference;
use crate::id::ScopeId;

/// Comparisons of a scope in a row before it is fetched from its beginning.
const TRIES_MAX: u32 = 3;
/// Frames of one comparison before it is given up: each halves what is unknown many times over.
const FRAMES_MAX: u32 = 64;
/// Most places that are remembered on either side of a comparison; the next one finds the rest.
const PLACES_MAX: usize = 20_000;

/// The repair of one scope.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The last row that is compared.
    pub up_to: u64,
    /// Rows that are here but damaged: they count as missing.
    pub bad: BTreeSet<u64>,
    /// The frame to send next; `None` once the comparison is over.
    pub frame: Option<Vec<u8>>,
    /// Rows that are wanted from the server.
    pub need: BTreeSet<u64>,
    /// Rows that the server lacks.
    pub give: BTreeSet<u64>,
    frames: u32,
}

impl Session {
    /// A repair whose comparison begins with `frame`.
    #[must_use]
    pub fn new(up_to: u64, bad: BTreeSet<u64>, frame: Vec<u8>) -> Self {
        Self { up_to, bad, frame: Some(frame), ..Self::default() }
    }

    /// Takes in what an answer of the server tells. Places beyond what is compared are nobody's business.
    pub fn told(&mut self, difference: Difference) {
        self.frames += 1;
        let room = |set: &BTreeSet<u64>| PLACES_MAX.saturating_sub(set.len());
        let (lacking, extra) = (room(&self.need), room(&self.give));
        let up_to = self.up_to;
        let is_place = |seq: &u64| (1..=up_to).contains(seq);
        self.need.extend(difference.lacking.into_iter().filter(is_place).take(lacking));
        self.give.extend(difference.extra.into_iter().filter(is_place).take(extra));
        self.frame = difference.next.filter(|_| self.frames < FRAMES_MAX);
    }

    /// True when nothing is left to ask, to fetch or to give.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.frame.is_none() && self.need.is_empty() && self.give.is_empty()
    }
}

/// The repairs of one replica.
#[derive(Clone, Debug, Default)]
pub struct Mending {
    /// Those under way.
    pub sessions: BTreeMap<ScopeId, Session>,
    /// Scopes of which the server is to be shown the last head that it signed.
    pub proofs_due: BTreeSet<ScopeId>,
    /// Scopes of which it was shown.
    proofs_shown: BTreeSet<ScopeId>,
    /// Scopes of which something could not be read here.
    pub suspects: BTreeSet<ScopeId>,
    /// True once the rows were counted since the store was opened.
    pub is_counted: bool,
    tries: BTreeMap<ScopeId, u32>,
    wishes: BTreeMap<ScopeId, u64>,
}

impl Mending {
    /// True while another comparison of a scope may help; counts it.
    pub fn try_again(&mut self, scope: &ScopeId) -> bool {
        let tries = self.tries.entry(scope.clone()).or_default();
        *tries += 1;
        if *tries <= TRIES_MAX {
            return true;
        }
        self.tries.remove(scope);
        self.sessions.remove(scope);
        false
    }

    /// A signed head fits the scope: all is well with it.
    pub fn proven(&mut self, scope: &ScopeId) {
        self.tries.remove(scope);
        self.proofs_shown.remove(scope);
    }

    /// Plans to show the last signed head of a scope; false when it was shown already.
    pub fn show_proof(&mut self, scope: &ScopeId) -> bool {
        let is_first = self.proofs_shown.insert(scope.clone());
        if is_first {
            self.proofs_due.insert(scope.clone());
        }
        is_first
    }

    /// True when the server wishes for a comparison that it has not had yet; notes it.
    pub fn is_new_wish(&mut self, scope: &ScopeId, wish: u64) -> bool {
        self.wishes.insert(scope.clone(), wish) != Some(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_bounded_whatever_the_server_says() {
        let mut session = Session::new(9, BTreeSet::new(), vec![1]);
        session.told(Difference { lacking: vec![0, 3, 10, u64::MAX], extra: vec![12, 9], next: None });
        assert_eq!((session.need.clone(), session.give.clone()), ([3].into(), [9].into()));
        assert!(!session.is_over());
        session.need.clear();
        session.give.clear();
        assert!(session.is_over());
        let mut endless = Session::new(u64::MAX, BTreeSet::new(), vec![1]);
        let mut answers = 0;
        while endless.frame.is_some() {
            let lacking = (0..1_000).map(|n| answers * 1_000 + n + 1).collect();
            endless.told(Difference { lacking, extra: Vec::new(), next: Some(vec![1]) });
            answers += 1;
            assert!(answers < 1_000, "no end");
        }
        assert!(endless.need.len() <= PLACES_MAX);
    }

    #[test]
    fn tries_end_and_wishes_are_heard_once() {
        let (mut mending, scope) = (Mending::default(), ScopeId::new("pj.a/desk"));
        assert!((0..TRIES_MAX).all(|_| mending.try_again(&scope)));
        assert!(!mending.try_again(&scope));
        assert!(mending.try_again(&scope), "a new round after the fetch from the beginning");
        mending.proven(&scope);
        assert!(mending.is_new_wish(&scope, 1));
        assert!(!mending.is_new_wish(&scope, 1));
        assert!(mending.is_new_wish(&scope, 2));
        assert!(mending.show_proof(&scope));
        assert!(!mending.show_proof(&scope));
        mending.proven(&scope);
        assert!(mending.show_proof(&scope));
    }
}
