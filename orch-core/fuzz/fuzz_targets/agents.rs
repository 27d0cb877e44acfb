#![no_main]

#[path = "../agents.rs"]
mod agents;

libfuzzer_sys::fuzz_target!(|input: &[u8]| agents::agents(input));
