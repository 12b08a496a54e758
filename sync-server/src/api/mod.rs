//! The side of the server for devices and programs: one file per noun, translation only.
//!
//! Receives HTTP requests with the caller already known, hands bytes to the hub and its outcome back
//! as a response or a [`Problem`](crate::problem::Problem). Forbidden here: rules, SQL, logging.

pub(crate) mod enroll;
pub(crate) mod exchange;
pub(crate) mod files;
pub(crate) mod pokes;
pub(crate) mod read;
pub(crate) mod readmit;
pub(crate) mod service;
