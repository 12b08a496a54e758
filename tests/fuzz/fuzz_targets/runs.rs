//! Packed runs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xunyuan_tests::hostile::targets::{fuzzed, runs};

fuzz_target!(|data: &[u8]| fuzzed(runs, data));
