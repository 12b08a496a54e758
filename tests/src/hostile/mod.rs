//! Hostile bytes: what a modified app, a broken network or a bad disk may hand to the product.
//!
//! Receives honest changes, messages and files; hands on damaged ones and a judgement of what the product
//! did with them. Nothing here is random but by a [`Seed`](crate::seed::Seed), so every finding can be
//! played again. The functions of [`targets`] take any bytes and panic where a law is broken: fuzzers
//! and the ordinary tests call the same ones.

pub mod chunk;
pub mod corpus;
pub mod door;
pub mod judge;
pub mod mutate;
pub mod operations;
pub mod quiet;
pub mod stores;
pub mod targets;
