//! What the person owes, and what the device would remind of.

use crate::device::Device;
use crate::failure::Failure;
use crate::output::Report;
use crate::show::{duties_json, duties_text, reminders_json, reminders_text};

/// The person's duties that are not done.
pub(super) fn duties(device: &mut Device<'_>) -> Result<Report, Failure> {
    let moment = device.moment()?;
    let duties = device.replica.duties(&moment)?;
    let page = device.page();
    Ok(Report::done(duties_json(&page, &duties), duties_text(&page, &duties)))
}

/// The reminders of the next days.
pub(super) fn remind(device: &mut Device<'_>, days: u32) -> Result<Report, Failure> {
    let moment = device.moment()?;
    let reminders = device.replica.reminders(&moment, days)?;
    let page = device.page();
    Ok(Report::done(reminders_json(&page, &reminders), reminders_text(&page, &reminders)))
}
