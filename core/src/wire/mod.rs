//! The wire: messages, framing, signed runs, chain and digest.

pub mod message;
