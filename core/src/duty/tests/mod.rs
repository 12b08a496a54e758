//! Rules played: the cases that stand with the rules, and those of `cases.json` beside this file.
//!
//! A case of `cases.json` is a little history with times; the words are those of the records' rows:
//! `history` (events with the state after each, by whom, received when, by a clock how many minutes off),
//! `values`, `number` (times in fields), `flags` (shared texts), `clash`, `as_of`, `known_until` (up to when
//! everything has arrived), and what is expected: `duties` (status by period, line or item; with `some` of
//! those alone) and `due` (day or time).

mod cases;
mod edges;
mod told;
mod written;
