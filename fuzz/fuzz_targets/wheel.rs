//! The timer wheel beside a list of deadlines; the harness, src/fuzzing.rs, says what is compared.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| pinyon::fuzzing::wheel(data));
