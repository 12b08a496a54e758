//! The acceptance scenarios of `tests/data/sync-scenarios.json`, each a test named by its id.
//!
//! A and B are devices without signal, S is the branch; what a test asserts is the `expect_zh` of its
//! scenario.

mod entries;
mod exchange;
mod forgotten;
mod photos;
mod power;
mod restore;
mod revoked;
mod sealed;
mod sheets;
