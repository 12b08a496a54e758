//! Work that the log took in before its author lost the right to write: the reply was lost, and the
//! device offers it again. It is no attempt and is answered as what it is, a duplicate.

use xunyuan_core::document::RawChange;
use xunyuan_core::error::{Error, Refusal};
use xunyuan_core::wire::run;

use super::{Candidate, Stop};
use crate::hub::store;
use crate::hub::writer::Writer;

impl Candidate<'_> {
    /// What a run comes to that may not be written any more: a duplicate where the log has all of it, else
    /// refused from the first change that the log does not have.
    pub(super) fn taken_before(&self, writer: &Writer, refusal: Refusal) -> Result<Stop, Error> {
        let document = self.pushed.document;
        let row = store::document::find(&writer.conn, document)?;
        let is_own = row.is_some_and(|row| row.scope == self.pushed.scope)
            && store::document::actors(&writer.conn, document)?
                .get(&self.pushed.run.actor)
                .is_some_and(|actor| actor.device == self.device.id);
        if !is_own {
            return Ok(Stop::Refused(refusal, 0));
        }
        let mut known = 0;
        let chunks = run::unpack(&self.pushed.run.changes, self.pushed.run.actor).unwrap_or_default();
        let count = chunks.len();
        for chunk in chunks {
            let Ok(change) = RawChange::parse(chunk) else { break };
            let Some(seq) = store::log::seq_of_change(&writer.conn, document, &change.hash)? else { break };
            known += 1;
            if known == count && change.hash == self.pushed.run.last_hash {
                return Ok(Stop::Duplicate(seq));
            }
        }
        Ok(Stop::Refused(refusal, known))
    }
}
