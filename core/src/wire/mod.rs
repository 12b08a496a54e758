//! The wire: messages, framing, signed runs, keys, chain and digest.
//!
//! Receives bytes from the other side of an exchange and hands on messages, raw change chunks and
//! verified hashes. Everything that arrives here is foreign: each decoder has a hard cap, returns an
//! error of kind `Protocol` and never panics. Automerge is not named here: a run is packed and
//! unpacked by its chunk header alone.

pub mod certificate;
mod columns;
pub mod frame;
pub mod key;
pub mod log;
pub mod message;
pub mod offer;
pub mod pin;
pub mod repair;
pub mod rest;
pub mod run;
