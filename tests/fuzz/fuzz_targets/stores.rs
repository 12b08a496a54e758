//! A device file with damaged pages and values.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xunyuan_tests::hostile::stores::damaged_device;
use xunyuan_tests::hostile::targets::fuzzed;

fuzz_target!(|data: &[u8]| fuzzed(damaged_device, data));
