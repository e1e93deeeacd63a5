#![no_main]
//! See `tests/properties/mod.rs`.

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::run("lease", input));
