//! The frequency sketch beside exact counts; the harness, src/fuzzing.rs, says what is compared.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| pinyon::fuzzing::sketch(data));
