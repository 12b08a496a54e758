//! The order to erase: the last unsent work reaches the branch as evidence first.
//!
//! Everything that the branch has not seen is offered, in this exchange or the next ones; each is
//! refused and kept there. Only when all of it has been answered for does the replica erase itself. Killed
//! in between, it goes on at the next contact, where the branch repeats the order.

use std::collections::BTreeSet;

use super::sync::Progress;
use super::{Replica, load_catalog};
use crate::error::{Error, Sentence};
use crate::exchange::Asked;
use crate::id::ChangeHash;
use crate::projection;
use crate::store::{documents, erase, identity, outbox};
use crate::wire::key::Key;

/// Name of the number that is there once the rest of the work is being offered.
const UNDER_WAY: &str = "erasing";

impl Replica {
    /// Follows the order as far as it can be followed now.
    pub(super) fn wipe(
        &mut self,
        asked: &Asked,
        sentence: &Sentence,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        progress.notices.push(sentence.clone());
        if self.offer_last(asked)? {
            progress.more = true;
            return Ok(());
        }
        progress.wiped = true;
        self.loaded.clear();
        self.store.write_erasing(|connection| {
            for row in documents::all(connection)? {
                projection::remove(connection, row.document)?;
            }
            projection::forget_removed(connection)?;
            erase(connection)
        })?;
        self.store.fold_in_after();
        self.catalog = load_catalog(self.store.reader())?;
        self.identity = identity::load(self.store.reader())?;
        self.key = Key::from_seed(&self.identity.seed);
        Ok(())
    }

    /// True once the branch had this replica erased: nothing is asked or written any more.
    #[must_use]
    pub const fn is_erased(&self) -> bool {
        self.identity.token.is_empty()
    }

    /// Lets everything that the branch has not seen be offered; false when there is nothing left.
    ///
    /// What was refused together with something else may never have been sent: it counts as unseen.
    fn offer_last(&mut self, asked: &Asked) -> Result<bool, Error> {
        let own = asked.runs.iter().filter(|sent| sent.back_to.is_none());
        let sent: BTreeSet<ChangeHash> = own.flat_map(|sent| sent.hashes.iter().copied()).collect();
        self.store.write(|connection| {
            if identity::number(connection, UNDER_WAY)?.is_some() {
                return Ok(outbox::pending_count(connection)? > 0);
            }
            let mut unseen = outbox::unanswered(connection)?;
            unseen.retain(|hash| !sent.contains(hash));
            for hash in &unseen {
                outbox::offer_again(connection, *hash)?;
            }
            if !unseen.is_empty() {
                identity::set_number(connection, UNDER_WAY, 1)?;
            }
            Ok(!unseen.is_empty())
        })
    }
}
