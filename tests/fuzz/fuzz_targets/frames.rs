//! Message frames: zstd and CBOR.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xunyuan_tests::hostile::targets::{frames, fuzzed};

fuzz_target!(|data: &[u8]| fuzzed(frames, data));
