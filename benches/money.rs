//! What a price and a charge cost: `cargo bench --bench money`.
//!
//! A price is looked up by an alias that was asked for before, as a run does it for every attempt. A charge is priced and booked in a
//! ledger in memory: with one limit, with five (day, month, each agent, model and run), and reserved before and settled after.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use benches::numbers;
use orch_core::{
    Clock, ModelUsage, PriceSource, PriceTable, Usage, Usd, WallTime,
    cost::{
        budget::{Column, Labels, Limit, Limits, Period},
        quotes,
    },
    session::{Answer, Charge, Ledger, Priced},
    store::MemoryStore,
};

const ROUNDS: usize = 15;
const LOOKUPS: u32 = 20_000;
const CHARGES: u32 = 2_000;
/// What a look-up after the first may take, in nanoseconds.
const LOOKUP: f64 = 1_000.0;
/// What a charge may take.
const CHARGE: f64 = 5_000.0;
const AT: WallTime = WallTime(1_790_000_000_000);

/// The median of nanoseconds each.
fn each(count: u32, mut round: impl FnMut(u32) -> Duration) -> f64 {
    round(count / 10);
    let rounds: Vec<f64> = (0..ROUNDS).map(|_| numbers::nanos_each(round(count), count)).collect();
    numbers::median(&rounds)
}

fn lookup(prices: &PriceTable, usage: &ModelUsage) -> f64 {
    each(LOOKUPS, |count| {
        let began = Instant::now();
        (0..count).for_each(|_| drop(black_box(prices.quote(black_box(usage), AT).expect("a price"))));
        began.elapsed()
    })
}

/// The first answer for that name, in a process that has decoded the list.
fn first(prices: &PriceTable, names: &[&str]) -> f64 {
    let took = |name: &&str| {
        let usage = ModelUsage { model: (*name).to_owned(), input: 1, requests: 1, ..ModelUsage::default() };
        let began = Instant::now();
        drop(black_box(prices.quote(&usage, AT)));
        began.elapsed().as_nanos() as f64
    };
    numbers::median(&names.iter().map(took).collect::<Vec<_>>())
}

fn charges(prices: &PriceTable, usage: &Usage, who: &Labels) -> Vec<Charge> {
    let of = |(used, quote): (&ModelUsage, Option<orch_core::cost::Quote>)| {
        let quote = quote.expect("a price");
        let who = who.clone().with(Column::Model, &used.model);
        Charge { usage: Some(used.clone()), price: Some(Priced::from(&quote)), ..Charge::new(who, quote.total) }
    };
    quotes(prices, usage, AT).map(of).collect()
}

fn ledger(limits: Vec<Limit>) -> Ledger {
    let limits = Limits::new(limits).expect("good limits");
    Ledger::new(Arc::new(MemoryStore::default()), limits, Clock::system())
}

fn limit(name: &str) -> Limit {
    Limit::new(name, Usd::from_dollars(1_000_000.0))
}

fn main() {
    let prices = PriceTable::bundled().with_alias("sonnet", "claude-sonnet-4-5");
    let began = Instant::now();
    let used = ModelUsage { model: "sonnet".into(), input: 4_000, output: 800, requests: 1, ..ModelUsage::default() };
    drop(black_box(prices.quote(&used, AT)));
    let decode = began.elapsed().as_secs_f64() * 1e3;
    let cached = ModelUsage { cache_read: 2_000, cache_write: 500, cache_write_1h: 100, ..used.clone() };
    let batch = ModelUsage { terms: [("processing".to_owned(), "batch".to_owned())].into(), ..used.clone() };
    let new =
        first(&prices, &["gpt-4o-mini", "openai/gpt-4o", "claude-haiku-4-5", "gemini-2.5-pro", "mistral-large-latest"]);
    let [by_alias, with_cache, of_batch] = [&used, &cached, &batch].map(|usage| lookup(&prices, usage));

    let usage = Usage::from(cached.clone());
    let who = Labels::default().with(Column::Run, "r").with(Column::Task, "t").with(Column::Agent, "a");
    let booked = |limits: Vec<Limit>| {
        each(CHARGES, |count| {
            // A new one, so that none holds more than a run's.
            let ledger = ledger(limits.clone());
            let began = Instant::now();
            for _ in 0..count {
                drop(black_box(ledger.charge(&charges(&prices, &usage, &who)).expect("booked")));
            }
            began.elapsed()
        })
    };
    let (free, one) = (booked(Vec::new()), booked(vec![limit("all")]));
    let per = |name: &str, per| Limit { per, ..limit(name) };
    let five = vec![
        per("day", Period::Day),
        per("month", Period::Month),
        limit("agents").each(Column::Agent),
        limit("models").each(Column::Model),
        limit("runs").each(Column::Run),
    ];
    let many = booked(five);
    let settled = each(CHARGES, |count| {
        let ledger = ledger(vec![limit("all")]);
        let wanted = [(who.clone().with(Column::Model, "sonnet"), Usd::from_cents(10))];
        let began = Instant::now();
        for _ in 0..count {
            let Answer::Granted(booked) = ledger.reserve(&wanted).expect("asked") else { panic!("there is enough") };
            drop(black_box(ledger.settle(&booked.id, charges(&prices, &usage, &who)).expect("settled")));
        }
        began.elapsed()
    });
    let holds = |is: f64, most: f64| if is <= most { "holds" } else { "**does not hold**" };
    numbers::publish(
        "money",
        &format!(
            "Prices and charges, nanoseconds, median of {ROUNDS} rounds. A price by an alias that was asked for before: {by_alias:.0} \
             for input and output, {with_cache:.0} with three classes of cached tokens, {of_batch:.0} of a batch; asked for: at most \
             {LOOKUP:.0} ({}). A name that is new: {new:.0}; the first of a process also decodes the list, in {decode:.0} ms. A charge \
             in memory, priced and booked: {free:.0} without a limit, {one:.0} with one, {many:.0} with five (day, month, each agent, each \
             model, each run); asked for: at most {CHARGE:.0} ({}). Reserved before and settled after, with one limit: {settled:.0}.",
            holds(by_alias.max(with_cache), LOOKUP),
            holds(many, CHARGE)
        ),
    );
}
