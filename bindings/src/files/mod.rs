//! Photos and other files of records: kept beside the replica, carried to the branch and from it, let go.
//!
//! Receives bytes at capture and a hold on a replica; writes files durably and tells the core what became of them.
//! What is to be sent, fetched or cleared is decided by the core. Nothing here names a file in a record before its
//! bytes are on disk, and nothing is removed that the core still calls here.

mod capture;
mod courier;
mod fetch;
mod lanes;
mod printed;
mod shelf;
mod upload;
mod way;

pub use capture::{keep, read};
pub use courier::Carried;
pub use printed::Printed;
pub use shelf::Shelf;
