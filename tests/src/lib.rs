//! The harness of Xunyuan's tests: a simulated world in which the real replica and the real hub run
//! from one seed, with clock and network replaced.
//!
//! Ordered maps and seeded randomness only, so that a seed plays the same run on every machine.

pub mod bench;
pub mod cutter;
pub mod damage;
pub mod day;
pub mod deeds;
pub mod disk;
pub mod forge;
pub mod fuse;
pub mod hostile;
pub mod laws;
pub mod mutants;
pub mod network;
pub mod oracle;
pub mod people;
pub mod photos;
pub mod process;
pub mod receiver;
pub mod records;
pub mod revisions;
pub mod seed;
pub mod sim;
pub mod skip;
pub mod world;
