//! Operations through the C ABI beside a map: values copied, adopted and written in place, handles held to the end, conditions,
//! counters, leases, hostile arguments. The map is that of tests/ffi; four bytes are an operation.

#![no_main]

#[path = "../../tests/ffi/model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|ops: Vec<[u8; 4]>| model::run(ops));
