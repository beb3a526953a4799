//! Does it match the model: one cache and a sequence of operations, each compared with a naive map.
//!
//! The model, the operations and the comparison are those of the properties in tests/model.rs; here libFuzzer
//! chooses, guided by what the code does.

#![no_main]

mod decode;
#[path = "../../tests/model/ops.rs"]
mod ops;
#[path = "../../tests/model/reference.rs"]
mod reference;
#[path = "../../tests/model/run.rs"]
mod run;

use decode::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|program: Program| run::run(&program.setting, &program.ops, program.door));
