//! Files that records name: what kind their bytes are, and what a device makes of them before it keeps them.
//!
//! Receives bytes and the organisation's policy; hands on a [`Kind`] from the bytes alone, a thumbnail, and
//! the time of taking. Every size that a file claims is checked before memory is taken for it. Forbids files
//! and their names, clocks, stores, and trust in what anybody says about the bytes.

mod drawing;
#[cfg(feature = "pictures")]
mod exif;
mod kind;
#[cfg(feature = "pictures")]
mod pack;
#[cfg(feature = "pictures")]
mod picture;
#[cfg(feature = "pictures")]
mod prepare;

pub use kind::{Class, Kind, of_media_type, sniff};
#[cfg(feature = "pictures")]
pub use pack::{Packer, Packing};
#[cfg(feature = "pictures")]
pub use picture::thumbnail;
#[cfg(feature = "pictures")]
pub use prepare::{Prepared, prepare};
