//! Definitions as JSON, and the text of guards.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xunyuan_tests::hostile::targets::{definitions, fuzzed};

fuzz_target!(|data: &[u8]| fuzzed(definitions, data));
