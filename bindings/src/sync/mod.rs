//! The shell's half of the exchange: carries the core's bytes until there is nothing more to say.
//!
//! Receives a hold on a replica and the network, hands on what each exchange brought. What is asked,
//! pushed and believed is decided by the core's state machine; here are only sockets and waiting.

mod enroll;
mod exchange;
mod outcome;

pub use enroll::{Enrolled, enroll};
pub use exchange::{Hold, Line};
pub use outcome::Outcome;
