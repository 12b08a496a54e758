//! How a held replica stands: what waits, what the exchange is doing, why it does not get through.

use xunyuan_core::replica::Status;

use super::{Held, locked};
use crate::failure::{Failure, FailureKind};

/// What the exchange with the branch is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing; the next one comes by itself.
    Resting,
    /// An exchange is under way.
    Exchanging,
    /// The branch was not reached, or did not do its part; it is tried again by itself.
    Waiting,
    /// Only a person's wish starts an exchange: no network, one that costs, or an app in the background.
    Paused,
    /// The branch shut this device out and its data was erased.
    Erased,
}

/// How a held replica stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What the exchange is doing.
    pub activity: Activity,
    /// Why the last exchange ended early.
    pub failure: Option<Failure>,
    /// What waits and how far it is.
    pub status: Status,
}

impl PartialEq for Standing {
    fn eq(&self, other: &Self) -> bool {
        let code = |standing: &Self| standing.failure.as_ref().map(|failure| failure.code().to_owned());
        (self.activity, code(self)) == (other.activity, code(other)) && self.status == other.status
    }
}

impl Held {
    /// How the replica stands now.
    ///
    /// # Errors
    /// `Closed`, storage errors.
    pub fn standing(&self) -> Result<Standing, Failure> {
        let (status, is_erased) = self.lend(|replica| Ok((replica.status()?, replica.is_erased())))?;
        let (activity, failure) = locked(&self.wishes).standing();
        let is_shut_out = |failure: &Failure| failure.kind() == FailureKind::Erased;
        let is_erased = is_erased || failure.as_ref().is_some_and(is_shut_out);
        Ok(Standing { activity: if is_erased { Activity::Erased } else { activity }, failure, status })
    }
}
