//! The network, as thin as it gets: bytes to the branch and back, and pokes from it.
//!
//! Receives addresses, tokens and bytes, hands on bytes or a [`CarryFailure`]. Knows nothing of what
//! the bytes mean and opens no replica.

mod backoff;
mod http;
mod parcel;
mod pokes;
mod sse;
mod tls;

pub use backoff::Backoff;
pub use http::{Carrier, CarryFailure, Letter};
pub use parcel::{Parcel, Receipt};
pub use pokes::Pokes;
pub use ureq::http::Method;
