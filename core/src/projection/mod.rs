//! Rows for lists, search, history and clashes: a function of the documents and nothing else.
//!
//! Receives the model of a document and the catalog of definitions; writes rows with [`write()`] inside
//! the caller's transaction; hands on plain records. The same tables and the same code serve the
//! device and the branch, so that both can compare [`fingerprint()`]s. Forbidden here: documents
//! themselves, clocks (the caller says at which time a record counts as overdue), and anything that
//! cannot be computed again from a document, such as what is still unsent.

mod coding;
pub(crate) mod facts;
mod files;
mod filter;
mod fingerprint;
mod index;
mod project;
mod read;
mod row;
mod schema;
mod search;
mod tally;
#[cfg(test)]
mod tests;
mod timeline;
mod words;

pub use files::{FileUse, files_of, uses_of};
pub use filter::{Filter, Order};
pub use fingerprint::{fingerprint, fingerprint_of};
pub use index::{forget_removed, index_some, is_behind};
pub use project::{project, write};
pub use read::{conflict_count, conflicts, count, count_up_to, fields, find, history, list, row};
pub use row::{Choice, ClashRow, HistoryLine, LineKind, Projected, Row, RowKind, remove};
pub use schema::{FACTS_SCHEMA, FILES_SCHEMA, GRADE_SCHEMA, LEAN_SCHEMA, SCHEMA, SEARCH_SCHEMA, STEPS};
pub use search::search;
pub use tally::{Flow, Within, ages, flows, pairs, scans};
