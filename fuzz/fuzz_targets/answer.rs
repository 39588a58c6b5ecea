//! libFuzzer's entry to the target of this name.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hex_token_exporter_fuzz::run("answer", input));
