#![no_main]

#[path = "../actions.rs"]
mod actions;

libfuzzer_sys::fuzz_target!(|input: &[u8]| actions::actions(input));
