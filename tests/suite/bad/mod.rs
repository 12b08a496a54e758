//! Bad input: each with a clear error, and nothing lost.

mod bodies;
mod files;
mod runs;
