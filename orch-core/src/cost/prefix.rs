//! When it pays to let one of several tasks with the same prompt prefix go first.

use std::{collections::BTreeMap, time::Duration};

use super::price::PriceSource;
use crate::{
    clock::WallTime,
    definition::{Graph, Prefix, PrefixKept},
    units::{ModelUsage, Usd},
};

/// How a run lets one task read a shared [`Prefix`] first, so that the others find it in the provider's cache.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{RunOptions, Usd, cost::Warming};
///
/// // At most half a minute, and an hour of waiting is worth two dollars.
/// let warming = Warming { wait: Duration::from_secs(30), hour: Usd::from_dollars(2.0) };
/// let options = RunOptions { warm: Some(warming), ..RunOptions::default() };
/// # assert!(options.warm.is_some());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warming {
    /// The longest that a task is held for it. Default: 60 s.
    pub wait: Duration,
    /// What an hour of waiting is worth. The whole [`wait`](Warming::wait) at this price must be less than what is saved, as the
    /// run may become that much longer. Default: nothing.
    pub hour: Usd,
}

impl Default for Warming {
    fn default() -> Self {
        Self { wait: Duration::from_secs(60), hour: Usd::ZERO }
    }
}

impl Warming {
    /// For each prefix of the graph whose price is known, from how many tasks on it pays that one goes first. Prefixes for
    /// which it never does are left out.
    pub fn least(&self, graph: &Graph, prices: &dyn PriceSource, at: WallTime) -> BTreeMap<(String, String), u32> {
        let mut shortest: BTreeMap<(String, String), Prefix> = BTreeMap::new();
        for prefix in graph.tasks().iter().filter_map(|task| task.options().prefix.as_ref()) {
            let known = shortest.entry(prefix.id()).or_insert_with(|| prefix.clone());
            known.tokens = known.tokens.min(prefix.tokens);
            // The dearer way to write decides, the shorter time to keep follows from each task itself.
            if prefix.kept == PrefixKept::Hour {
                known.kept = PrefixKept::Hour;
            }
        }
        let worth = worth(self.hour, self.wait);
        let least = |(id, prefix): (_, Prefix)| Some((id, PrefixPrices::of(prices, &prefix, at)?.pays_from(worth)?));
        shortest.into_iter().filter_map(least).collect()
    }
}

fn worth(hour: Usd, wait: Duration) -> Usd {
    let nanos =
        i128::from(hour.nanos()).saturating_mul(i128::try_from(wait.as_millis()).unwrap_or(i128::MAX)) / 3_600_000;
    Usd::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// What it costs to read one prefix.
///
/// If nobody goes first, `n` tasks that begin at once all miss the provider's cache and pay at least the plain price each. If one
/// goes first, it pays the price of writing and the others that of a read from the cache. So what is saved is at least
///
/// ```text
/// n × plain − (write + (n − 1) × read)
/// ```
///
/// (the tasks that all miss may pay for writing too, and then more is saved). Anthropic's prices, for example, are 1.25 × plain for
/// writing for five minutes, 2 × plain for an hour, and 0.1 × plain for reading (docs.claude.com, "Prompt caching", pricing):
/// for five minutes it pays from two tasks on, for an hour from three.
///
/// ```
/// use orch_core::{Rates, PriceTable, Usd, WallTime, cost::PrefixPrices, definition::Prefix};
///
/// let rates = Rates {
///     cache_read: Some(Usd::from_cents(30)),
///     cache_write: Some(Usd::from_cents(375)),
///     ..Rates::new(Usd::from_cents(300), Usd::from_cents(1500))
/// };
/// let table = PriceTable::default().with("m", rates);
/// let prices = PrefixPrices::of(&table, &Prefix::new("k", "m", 1_000_000), WallTime(0)).unwrap();
/// // 5 × $3 − ($3.75 + 4 × $0.30)
/// assert_eq!(prices.saving(5), Usd::from_cents(1005));
/// assert_eq!(prices.pays_from(Usd::ZERO), Some(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixPrices {
    /// Read without a cache.
    pub plain: Usd,
    /// Read and written to the cache.
    pub write: Usd,
    /// Read from the cache.
    pub read: Usd,
}

impl PrefixPrices {
    /// The prices at that time; `None` if the model is not known.
    pub fn of(source: &dyn PriceSource, prefix: &Prefix, at: WallTime) -> Option<Self> {
        let tokens = prefix.tokens;
        let price = |change: fn(&mut ModelUsage, u64)| {
            let mut usage =
                ModelUsage { model: prefix.model.clone(), input: tokens, requests: 1, ..ModelUsage::default() };
            change(&mut usage, tokens);
            source.price(&usage, at)
        };
        Some(Self {
            plain: price(|_, _| ())?,
            write: match prefix.kept {
                PrefixKept::FiveMinutes => price(|usage, tokens| usage.cache_write = tokens)?,
                PrefixKept::Hour => price(|usage, tokens| usage.cache_write_1h = tokens)?,
            },
            read: price(|usage, tokens| usage.cache_read = tokens)?,
        })
    }

    /// What is saved if one of so many goes first; negative where that costs more.
    pub fn saving(&self, tasks: u32) -> Usd {
        let nanos = self.saved(tasks);
        Usd::from_nanos(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }

    fn saved(&self, tasks: u32) -> i128 {
        let [plain, write, read] = [self.plain, self.write, self.read].map(|price| i128::from(price.nanos()));
        let tasks = i128::from(tasks);
        tasks * plain - (write + (tasks - 1) * read)
    }

    /// From how many tasks on more than `worth` is saved, at least 2; `None` if never.
    pub fn pays_from(&self, worth: Usd) -> Option<u32> {
        let each = i128::from(self.plain.nanos()) - i128::from(self.read.nanos());
        if each <= 0 {
            return None;
        }
        // saved(n) = saved(0) + n × each, and more than `worth` is wanted.
        let missing = i128::from(worth.nanos()) - self.saved(0);
        let least = missing.div_euclid(each).saturating_add(1).max(2);
        u32::try_from(least).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Rates, Task, cost::PriceTable};

    fn prices(plain: i64, write: i64, read: i64) -> PrefixPrices {
        let [plain, write, read] = [plain, write, read].map(Usd::from_nanos);
        PrefixPrices { plain, write, read }
    }

    #[test]
    fn published_ratios_pay_from_two_and_from_three() {
        assert_eq!(prices(100, 125, 10).pays_from(Usd::ZERO), Some(2));
        assert_eq!(prices(100, 200, 10).pays_from(Usd::ZERO), Some(3));
        // A provider that caches by itself, at no price of writing.
        assert_eq!(prices(100, 100, 50).pays_from(Usd::ZERO), Some(2));
        assert_eq!(prices(100, 100, 100).pays_from(Usd::ZERO), None, "reading is no cheaper");
        assert_eq!(prices(0, 0, 0).pays_from(Usd::ZERO), None);
        let [max, min] = [i64::MAX, i64::MIN];
        assert_eq!(prices(max, max, min).pays_from(Usd::from_nanos(max)), Some(2));
        assert_eq!(prices(1, max, 0).pays_from(Usd::from_nanos(max)), None, "more tasks than there can be");
    }

    #[test]
    fn the_time_of_people_is_weighed_against_it() {
        let hour = Usd::from_dollars(36.0);
        assert_eq!(worth(hour, Duration::from_secs(10)), Usd::from_cents(10));
        assert_eq!(worth(Usd::from_nanos(i64::MAX), Duration::MAX), Usd::from_nanos(i64::MAX));
        // 65 are saved by two, 90 more by each that follows.
        let at = |worth| prices(100, 125, 10).pays_from(Usd::from_nanos(worth));
        assert_eq!([at(64), at(65), at(154), at(155)], [Some(2), Some(3), Some(3), Some(4)]);
    }

    #[test]
    fn tasks_that_disagree_count_by_the_careful_one() {
        let rates = Rates {
            cache_read: Some(Usd::from_cents(10)),
            cache_write: Some(Usd::from_cents(125)),
            cache_write_1h: Some(Usd::from_cents(200)),
            ..Rates::new(Usd::from_cents(100), Usd::ZERO)
        };
        let table = PriceTable::default().with("m", rates);
        let graph = |prefixes: [Prefix; 2]| {
            let tasks = prefixes.into_iter().zip(["a", "b"]).map(|(prefix, id)| Task::new(id).prefix(prefix));
            Graph::builder("g").tasks(tasks).build().unwrap()
        };
        let least = |one: Prefix, other: Prefix| {
            Warming::default().least(&graph([one, other]), &table, WallTime(0)).into_values().collect::<Vec<_>>()
        };
        let short = Prefix::new("k", "m", 10_000);
        let hour = Prefix { kept: PrefixKept::Hour, ..short.clone() };
        assert_eq!(least(short.clone(), short.clone()), [2]);
        assert_eq!(least(hour, short.clone()), [3]);
        assert!(least(Prefix { tokens: 0, ..short.clone() }, short.clone()).is_empty());
        assert!(least(Prefix::new("k", "unheard of", 9), Prefix::new("k", "nobody's", 9)).is_empty());
    }

    proptest! {
        #[test]
        fn it_pays_from_the_first_number_that_saves_more(
            plain in 0i64..1000, write in 0i64..3000, read in 0i64..1000, worth in 0i64..5000,
        ) {
            let prices = prices(plain, write, read);
            let first = (2..20_000u32).find(|&tasks| prices.saving(tasks) > Usd::from_nanos(worth));
            // With a price of reading above the plain one, the fewest may pay and more of them not: never held.
            let expected = first.filter(|_| plain > read);
            prop_assert_eq!(prices.pays_from(Usd::from_nanos(worth)), expected);
        }
    }
}
