//! What a person types, read as what the definitions hold.
//!
//! Receives texts, hands on typed values. Which values are allowed is the core's business; here a text
//! only becomes the right type.

mod value;
mod when;

pub(crate) use value::{Reader, assignments, parts};
