//! One computation per key, however many ask: `cargo bench --bench flight`.
//!
//! In each round a thousand callers want the value of one key at once; the program ends with an error unless exactly one of
//! them computed it. In every tenth round the first computation fails, and exactly one other follows. `ORCH_ROUNDS` says how
//! many rounds; default 10,000. The other rows are what a flight costs when nobody else wants its key.

use std::{
    env,
    hint::black_box,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
};

use benches::numbers;
use orch_core::{Clock, cache::Flights};

const CALLERS: u32 = 1000;
/// Of each thread, where nobody else wants the same key.
const ALONE: u32 = 1_000_000;

/// What the callers of one round share.
#[derive(Default)]
struct Round {
    stored: OnceLock<u32>,
    computed: AtomicU32,
}

async fn call(flights: Flights<u32, u32>, round: Arc<Round>, key: u32, failures: u32) -> Result<u32, u32> {
    let compute = || async {
        let nth = round.computed.fetch_add(1, SeqCst);
        // The others arrive meanwhile.
        tokio::task::yield_now().await;
        if nth < failures {
            return Err(nth);
        }
        round.stored.set(key).map_err(|_| u32::MAX)?;
        Ok(key)
    };
    flights.get(key, || round.stored.get().copied(), compute).await.map(|got| got.into_value())
}

async fn rounds(count: u32) -> u64 {
    let flights = Flights::default();
    let mut computations = 0;
    for nth in 0..count {
        let (round, failures) = (Arc::new(Round::default()), u32::from(nth % 10 == 9));
        let callers: Vec<_> =
            (0..CALLERS).map(|_| tokio::spawn(call(flights.clone(), round.clone(), nth, failures))).collect();
        let mut failed = 0;
        for caller in callers {
            match caller.await.expect("no caller panics") {
                Ok(value) => assert_eq!(value, nth),
                Err(_) => failed += 1,
            }
        }
        let computed = round.computed.load(SeqCst);
        assert_eq!((failed, computed), (failures, failures + 1), "round {nth}");
        assert!(flights.is_empty(), "round {nth} left a flight");
        computations += u64::from(computed);
    }
    computations
}

/// Nanoseconds of a flight that nobody follows, with so many threads on keys of their own.
fn alone(threads: u32) -> f64 {
    let flights = Flights::<u32, u32>::default();
    let clock = Clock::system();
    thread::scope(|scope| {
        for thread in 0..threads {
            let flights = flights.clone();
            scope.spawn(move || {
                for nth in 0..ALONE {
                    let leader = flights.try_lead(black_box(nth * threads + thread)).expect("keys of its own");
                    leader.land(nth);
                }
            });
        }
    });
    numbers::nanos_each(clock.elapsed(), ALONE * threads)
}

fn main() {
    let count = env::var("ORCH_ROUNDS").map_or(10_000, |count| count.parse().expect("ORCH_ROUNDS is a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let clock = Clock::system();
    let computations = runtime.block_on(rounds(count));
    let taken = clock.elapsed();
    let each = taken / count.max(1);
    let [one, two] = [1, 2].map(|threads| numbers::median(&[(); 5].map(|()| alone(threads))));
    let (rounds, microseconds) = (numbers::grouped(count.into()), each.as_secs_f64() * 1e6);
    numbers::publish(
        "flight",
        &format!(
            "{rounds} rounds of {CALLERS} callers: {} computations, one in each round and one more in each of the {} whose \
             first one failed; {microseconds:.0} µs a round, spawning included.\n\n\
             A flight that nobody follows: {one:.0} ns, with two threads {two:.0} ns.\n",
            numbers::grouped(computations),
            numbers::grouped(u64::from(count / 10)),
        ),
    );
}
