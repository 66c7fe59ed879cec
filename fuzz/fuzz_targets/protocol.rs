//! Bytes from libFuzzer in, nothing out: see `avro_testing::fuzz::protocol`.
#![no_main]

use avro_testing::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::protocol(bytes));
