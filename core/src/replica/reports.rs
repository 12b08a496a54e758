//! Reports over what this device holds, with or without signal.

use super::Replica;
use crate::error::{Error, Sentence};
use crate::report::{self, DeviceStanding, Request, Table};

impl Replica {
    /// Works a report out over the scopes that this device holds. Rows that still wait to be written are
    /// written first. `app` names this app as the branch sees it; `seen` hears how many records were
    /// looked at.
    ///
    /// # Errors
    /// As [`report::make`]; storage errors.
    pub fn report(
        &mut self,
        request: &Request,
        app: &str,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Table, Error> {
        while self.write_rows()? {}
        let status = self.status()?;
        let own = DeviceStanding {
            code: self.identity.device_code.clone(),
            user: self.identity.user.clone(),
            app: app.to_owned(),
            last_contact_ms: status.last_exchange_ms,
            pending_changes: status.pending_changes,
            pending_photos: status.pending_files,
            conflicts: status.conflicts,
            skew_ms: status.clock_offset_ms.map(|offset_ms| -offset_ms),
        };
        let mut table = report::make(self.store.reader(), &self.catalog, request, &[own], seen)?;
        table.notes.push(Sentence::new(
            "只含本机所持范围内的记录;本机尚未取回的内容不在其中",
            "only records of the scopes that this device holds, as far as it has fetched them",
        ));
        Ok(table)
    }
}
