//! The shell's half of the exchange: carries the core's bytes until there is nothing more to say.
//!
//! Receives open replicas and the network, hands on what each exchange brought. What is asked, pushed
//! and believed is decided by the core's state machine; here are only sockets, waiting and words.

mod session;
mod watch;

pub(crate) use session::Session;
pub(crate) use watch::watch;
