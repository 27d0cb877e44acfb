//! What a hit and an insert cost in orch's cache and beside it, in one run: `cargo run --release --bin cache`.
//!
//! Each round measures every cache once, in turn, so that a machine whose speed drifts drifts for all; what is shown is the
//! median over the rounds, in nanoseconds an operation (of all threads together), with its ratio to moka.
//!
//! Everybody has the same keys, values, time to live and number of bytes, made before. A value is 1 KiB, shared, no two the
//! same. What they do for it differs: orch also looks for equal values, counts each hit for its entry, and evicts exactly;
//! dashmap has no time and no bound, and quick_cache no time of its own: beside it stands one whose values carry it, which reads
//! the clock for each hit as the others do.

use std::{fmt::Write as _, hint::black_box, time::Duration};

use benches::numbers;
use orch_core::Clock;

mod caches;

use caches::{Contender, Data};

/// How many keys are hot, and how often each thread reads one.
const HOT: usize = 1_000;
const READS: usize = 1_000_000;
const INSERTS: usize = 100_000;
/// Room for all, however it is counted; and for half of them.
const ROOM: u64 = 1 << 30;
const HALF: u64 = 50_000 * (1_024 + 524);

/// Runs `work` on that many threads at once, and answers how long it took.
fn timed(threads: usize, work: impl Fn(usize) + Sync) -> Duration {
    let clock = Clock::system();
    if threads == 1 {
        work(0);
    } else {
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let work = &work;
                scope.spawn(move || work(thread));
            }
        });
    }
    clock.elapsed()
}

/// Reads hot keys, in an order that looks random.
fn hits<C: Contender>(data: &Data, threads: usize) -> f64 {
    let cache = C::new(ROOM, HOT);
    data.entries().take(HOT).for_each(|(key, value)| cache.insert(key, value));
    let reads = READS / threads;
    let time = timed(threads, |thread| {
        let mut at = thread * 7_919;
        for _ in 0..reads {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = &data.keys[(at >> 33) % HOT];
            black_box(cache.read(key).expect("a hot key"));
        }
    });
    numbers::nanos_each(time, u32::try_from(reads * threads).expect("a count"))
}

fn inserts<C: Contender>(data: &Data, threads: usize, room: u64) -> f64 {
    let cache = C::new(room, INSERTS);
    let each = INSERTS / threads;
    let time = timed(threads, |thread| {
        data.entries().skip(thread * each).take(each).for_each(|(key, value)| cache.insert(key, value));
    });
    numbers::nanos_each(time, u32::try_from(INSERTS).expect("a count"))
}

type Measure = fn(&Data, usize) -> f64;

/// The columns.
fn contenders(what: What) -> [(&'static str, Measure); 5] {
    fn of<C: Contender>(what: What) -> Measure {
        match what {
            What::Hits => hits::<C>,
            What::Inserts => |data, threads| inserts::<C>(data, threads, ROOM),
            What::Evictions => |data, threads| inserts::<C>(data, threads, HALF),
        }
    }
    [
        ("orch", of::<caches::Orch>(what)),
        ("moka", of::<caches::Moka>(what)),
        ("quick_cache", of::<caches::Quick>(what)),
        ("quick_cache + time", of::<caches::QuickWithTime>(what)),
        ("dashmap", of::<caches::Dash>(what)),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Hits,
    Inserts,
    Evictions,
}

const ORCH: usize = 0;
const MOKA: usize = 1;
const QUICK: usize = 2;
const QUICK_WITH_TIME: usize = 3;

fn verdict(what: What, medians: &[f64]) -> String {
    let own = medians[ORCH];
    let word = |limit: f64| if own <= limit { "holds" } else { "does not hold" };
    match what {
        What::Hits => format!(
            "faster than moka: {}; at most 2 × quick_cache with time: {}; without: {}",
            word(medians[MOKA]),
            word(2.0 * medians[QUICK_WITH_TIME]),
            word(2.0 * medians[QUICK])
        ),
        What::Inserts => format!("at most 1.5 × moka: {}", word(1.5 * medians[MOKA])),
        What::Evictions => String::new(),
    }
}

fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(11, |rounds| rounds.parse().expect("a number of rounds"));
    let data = Data::new(INSERTS);
    let names: Vec<&str> = contenders(What::Hits).iter().map(|(name, _)| *name).collect();
    let mut text = format!(
        "Nanoseconds an operation of a cache, median of {rounds} rounds in which each runs once; in brackets the ratio to moka. \
         {HOT} hot keys; {} values of 1 KiB.\n\n| what | threads | {} | asked for |\n|---|--:|{}---|",
        numbers::grouped(INSERTS as u64),
        names.join(" | "),
        "--:|".repeat(names.len()),
    );
    for (what, name) in
        [(What::Hits, "hit"), (What::Inserts, "insert"), (What::Evictions, "insert, with room for half of them")]
    {
        for threads in [1, 2] {
            // The first round warms up.
            let round = |_| contenders(what).map(|(_, measure)| measure(&data, threads));
            let rounds: Vec<[f64; 5]> = (0..=rounds).map(round).skip(1).collect();
            let medians: Vec<f64> = (0..names.len())
                .map(|nth| numbers::median(&rounds.iter().map(|round| round[nth]).collect::<Vec<_>>()))
                .collect();
            write!(text, "\n| {name} | {threads} |").expect("text");
            for median in &medians {
                write!(text, " {median:.0} ({:.2}) |", median / medians[MOKA]).expect("text");
            }
            write!(text, " {} |", verdict(what, &medians)).expect("text");
        }
    }
    numbers::publish("cache", &text);
}
