//! The device side outside the core, the same for every face: the terminal and the apps of phones.
//!
//! Receives what the platform gives (a clock, randomness, a network, a directory) and brings it to
//! [`xunyuan_core`]; carries the core's bytes to the branch and back. What may be done and what it
//! means is decided by the core; how it is shown, by the faces.
//!
//! With the feature `uniffi` there is `facade`, the face for other languages: Kotlin, Swift, Python.

pub mod clock;
pub mod export;
#[cfg(feature = "uniffi")]
pub mod facade;
pub mod failure;
pub mod files;
pub mod forms;
pub mod held;
pub mod net;
pub mod place;
#[cfg(feature = "uniffi")]
pub mod screens;
pub mod sync;
pub mod words;

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("xunyuan");
