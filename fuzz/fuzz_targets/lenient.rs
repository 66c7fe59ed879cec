//! Bytes from libFuzzer in, nothing out: see `avro_arrow::testing::fuzz::lenient`.
#![no_main]

use avro_arrow::testing::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::lenient(bytes));
