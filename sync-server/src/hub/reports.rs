//! Reports over what the branch holds, with the standing of its devices.

use xunyuan_core::error::Error;
use xunyuan_core::projection::{self, Row};
use xunyuan_core::report::{self, DeviceStanding, Request, Table};

use super::Hub;
use super::devices::DeviceStatus;

impl Hub {
    /// Works a report out, in one reading transaction. `seen` hears how many records were looked at.
    ///
    /// # Errors
    /// As [`report::make`]; `Storage` or `Corrupt` when reading fails.
    pub fn report(&self, request: &Request, seen: &mut dyn FnMut(u64)) -> Result<Table, Error> {
        let devices: Vec<DeviceStanding> = self
            .devices()?
            .into_iter()
            .filter(|device| device.revoked_at_ms.is_none() && !device.is_console)
            .map(standing)
            .collect();
        let catalog = self.catalog();
        self.inner.shared.read(|conn| report::make(conn, &catalog, request, &devices, seen))
    }

    /// Records that a number, temporary or official, or the start of an id may mean.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn find(&self, text: &str) -> Result<Vec<Row>, Error> {
        self.inner.shared.read(|conn| projection::find(conn, text))
    }
}

fn standing(device: DeviceStatus) -> DeviceStanding {
    DeviceStanding {
        code: device.code,
        user: device.user,
        app: device.app,
        last_contact_ms: device.last_seen_ms,
        pending_changes: device.health.pending_changes,
        pending_photos: device.health.pending_photos,
        conflicts: device.health.conflicts,
        skew_ms: device.last_seen_ms.is_some().then_some(device.skew_ms),
    }
}
