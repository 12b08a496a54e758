//! What an exchange brought, added up over its requests.

use xunyuan_core::error::{Refusal, Sentence};
use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::replica::Progress;

use crate::failure::Failure;

/// What an exchange brought.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests sent.
    pub requests: u32,
    /// Bytes of their bodies.
    pub bytes_sent: u64,
    /// Bytes of the answers.
    pub bytes_received: u64,
    /// Own changes that the branch now holds.
    pub acknowledged: u32,
    /// Records received.
    pub received: u32,
    /// Documents that changed through others' work, each once.
    pub touched: Vec<DocumentId>,
    /// Own changes that the branch refused.
    pub refused: Vec<Refusal>,
    /// Own changes that wait at the branch's door for their predecessors.
    pub parked: u32,
    /// Scopes that the person no longer holds and whose records have left this device.
    pub left: Vec<ScopeId>,
    /// Scopes that started again because cursor, chain or digest did not fit.
    pub reset: Vec<ScopeId>,
    /// What the branch says about this program or device.
    pub notices: Vec<Sentence>,
    /// True when the branch had this device erased.
    pub wiped: bool,
    /// How long the branch asked to wait, milliseconds.
    pub retry_after_ms: Option<u64>,
    /// True when everything was said: nothing left to ask, to push or to list.
    pub is_finished: bool,
    /// Why the exchange ended early.
    pub failure: Option<Failure>,
}

impl Outcome {
    /// True when something moved: worth telling a person about.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.acknowledged + self.received > 0
            || !self.refused.is_empty()
            || !self.left.is_empty()
            || !self.reset.is_empty()
            || !self.notices.is_empty()
            || self.wiped
    }

    pub(super) fn add(&mut self, progress: Progress) {
        self.acknowledged += progress.acknowledged;
        self.received += progress.received;
        self.touched.extend(progress.touched);
        self.touched.sort_unstable();
        self.touched.dedup();
        self.refused.extend(progress.refused);
        self.parked = progress.parked;
        self.left.extend(progress.left);
        self.reset.extend(progress.reset);
        self.notices.extend(progress.notices);
        self.wiped |= progress.wiped;
    }
}
