//! Interleaved operations of leases: tokens and tickets used in any order, twice, too late, beside writes and loads. The
//! account of flights that they are compared with is that of tests/model.rs; two bytes are an operation.

#![no_main]

#[path = "../../tests/model/leases.rs"]
mod leases;

use leases::Op;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|ops: Vec<[u8; 2]>| leases::run(ops.into_iter().map(Op::of)));
