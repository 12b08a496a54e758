//! The exchange as the terminal shows it: once, or for as long as a person watches.
//!
//! Receives open replicas and the network, hands on words and exit statuses. What is carried and what
//! it means is decided below.

mod session;
mod watch;

pub(crate) use session::{Session, carried_json, carried_lines, exit_status, outcome_json, outcome_lines};
pub(crate) use watch::watch;
