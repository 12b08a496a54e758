//! Documents: the only place that names Automerge.

pub mod model;
