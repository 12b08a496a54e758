//! The branch server of Xunyuan (巡园): reconciles what devices wrote offline.
//!
//! `main → command → serve → routes → api, console → auth → app → hub → core`. The hub holds the protocol and
//! the store and knows no HTTP; everything here carries bytes and sentences between it and the outside.
//! What is deliberately absent: rules and SQL outside of the hub, handlers that log, and a second place
//! where an error gets its shape (that is [`problem`]).

pub mod api;
pub mod app;
mod asked;
pub mod auth;
pub mod clock;
pub mod command;
pub mod config;
mod console;
mod courier;
pub mod demo;
pub mod door;
mod hints;
pub mod hub;
mod import;
pub mod metrics;
pub mod problem;
pub mod routes;
pub mod serve;
#[cfg(test)]
mod tests;
pub mod vault;
