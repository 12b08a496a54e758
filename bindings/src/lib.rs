//! The device side outside the core, the same for every face: the terminal and the apps of phones.
//!
//! Receives what the platform gives (a clock, randomness, a network, a directory) and brings it to
//! [`xunyuan_core`]; carries the core's bytes to the branch and back. What may be done and what it
//! means is decided by the core; how it is shown, by the faces.

pub mod clock;
pub mod failure;
pub mod net;
pub mod place;
pub mod sync;
