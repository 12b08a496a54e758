//! Rules: what records mean and what may be written into them.
//!
//! Receives a [`Model`](crate::document::model::Model) and the
//! [`Catalog`](crate::definition::Catalog); hands on views (what people see), refusals (what may not be
//! written) and drafts (what follows from an answer or a day). Pure functions: the same code runs on a
//! device and at the branch. Forbids clocks, stores, the wire, and knowledge of any particular ledger or
//! checklist: whatever happens to one of them happens because its definition says so.
//!
//! Conventions that every writer of records keeps: an event names in `from` the state that its author
//! saw (empty for the first event) and in `after` at least [`latest_events`]; the first change of a
//! record holds its creation event and its project; a `resolve` stands in one change with the value it
//! decides for; keys are built by [`keys`].
//!
//! [`latest_events`]: crate::document::model::Model::latest_events

pub mod check;
pub mod clash;
pub mod codes;
pub mod entry;
pub(crate) mod facts;
pub mod file;
pub mod finding;
pub mod form;
pub mod inspection;
pub mod keys;
mod lifecycle;
pub mod missing;
pub mod number;
pub mod schedule;
mod score;
pub mod sheet;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod title;
pub mod upgrade;
pub mod value;

pub use check::{Author, check, check_between};
pub use clash::{Clash, conflicts};
pub use lifecycle::Contest;
