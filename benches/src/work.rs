//! Work that takes the processor, and nothing else, for a known time.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// So many turns of multiplications, each of which waits for the one before. Never inlined: everywhere it must be the same code.
#[inline(never)]
pub fn compute(turns: u64) {
    let mut value = 1u64;
    for turn in 0..turns {
        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn));
    }
    black_box(value);
}

/// How many turns of [`compute`] take that long, by the fastest of 20 measurements.
pub fn turns_in(time: Duration) -> u64 {
    const TURNS: u64 = 1_000_000;
    let measure = || {
        let began = Instant::now();
        compute(TURNS);
        began.elapsed()
    };
    let fastest = (0..20).map(|_| measure()).min().unwrap_or(time);
    (TURNS as f64 * time.as_secs_f64() / fastest.as_secs_f64()) as u64
}
