//! How long a record is kept at the branch.

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::{Days, Record};
use crate::definition::Deadline;

/// The day until which a record that has ended must be kept; `None` while it is open or no rule says.
#[must_use]
pub fn kept_until(days: &Days<'_>, record: &Record) -> Option<Date> {
    if !record.row.terminal {
        return None;
    }
    let years = days.catalog.rules().find_map(|rule| {
        let Deadline::Retain { years, longer, .. } = &rule.deadline else { return None };
        let own = longer
            .iter()
            .filter(|kept| kept.ledger == record.row.definition.id)
            .filter(|kept| record.fits(days.catalog, Some(&kept.filter)));
        own.map(|kept| kept.years).chain([*years]).max()
    })?;
    days.day(record.row.updated_at_ms).checked_add(i64::from(years).years()).ok()
}
