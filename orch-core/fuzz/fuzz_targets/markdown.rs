#![no_main]

#[path = "../markdown.rs"]
mod markdown;

libfuzzer_sys::fuzz_target!(|input: &[u8]| markdown::markdown(input));
