//! Tests of the rules over the shipped definitions.

mod check_entry;
mod check_sheet;
mod drafts;
mod views;
