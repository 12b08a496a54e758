//! The core of Xunyuan (巡园): inspection checklists and ledgers as CRDT documents.
//!
//! Pure: no clock, no randomness, no threads, no network. Time and random bytes are arguments
//! ([`time::Moment`]), so that a month offline is tested in milliseconds and the same rules run on a
//! phone and at the branch.

pub mod action;
pub mod definition;
pub mod document;
pub mod duty;
pub mod error;
pub mod exchange;
pub mod id;
pub mod limits;
pub mod media;
pub mod projection;
pub mod replica;
pub mod report;
pub mod rules;
pub mod sqlite;
pub mod store;
pub mod time;
pub mod wire;
