//! Reports: tables over the rows of the projection, by definitions and nothing else.
//!
//! Receives a connection, the catalog and a [`Request`]; hands on one neutral [`Table`] of typed cells, and
//! writes it as text, JSON, CSV, a workbook or printable sheets. The same code serves device and branch.
//! Forbidden here: documents, clocks and files; any id of a particular report, ledger or checklist.

mod csv;
mod datum;
mod fill;
mod form;
mod format;
mod html;
mod json;
mod lines;
mod make;
mod names;
mod note;
mod order;
mod period;
mod problem;
mod read;
mod record;
mod sheet;
mod table;
mod tally;
mod text;
#[cfg(feature = "xlsx")]
mod xlsx;

pub use csv::csv;
pub use fill::{Filling, Mark, fill};
pub use format::Format;
pub use html::html;
pub use json::json;
pub use lines::DeviceStanding;
pub use make::{Request, make};
pub use names::Names;
pub use period::{Period, Zone};
pub use table::{Block, BoxedText, Cell, Column, LocalTime, PhotoPlace, Sheet, Table};
pub use text::{Screen, text};
#[cfg(feature = "xlsx")]
pub use xlsx::xlsx;
