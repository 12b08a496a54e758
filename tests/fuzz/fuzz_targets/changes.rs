//! Changes sealed with right checksums, through parse, examine, apply, save and load.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xunyuan_tests::hostile::targets::{changes, fuzzed};

fuzz_target!(|data: &[u8]| fuzzed(changes, data));
