//! What a model's prices of tokens are by date and by tier, in whole numbers: the common case.

use serde_json::{Map, Value};

use crate::{
    clock::WallTime,
    units::{ModelUsage, Usd},
};

/// The rates from a day on. The last that has begun holds.
#[derive(Debug)]
pub(super) struct Period {
    pub(super) from: WallTime,
    pub(super) rates: Rates,
}

/// What a million tokens cost, by class.
#[derive(Debug)]
pub(super) struct Rates {
    has_input: bool,
    has_output: bool,
    /// What kinds of searches have a price; `None`: the list says that all of it is free.
    searches: Option<Box<[Box<str>]>>,
    /// Input, output, read from a cache, written to it, written to it for an hour; `None`: something here is of another kind.
    classes: Option<[Option<Rate>; 5]>,
}

/// A rate, and those that hold for a request with more input than that.
#[derive(Debug, Clone)]
struct Rate {
    base: Usd,
    tiers: Box<[(u64, Usd)]>,
}

/// A price and its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) total: Usd,
    pub(super) input: Usd,
    pub(super) output: Usd,
}

const CLASSES: [&str; 5] = ["input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"];

/// Prices of what is billed by a count of its own: nothing, where that is not used.
const OTHERS: [&str; 10] = [
    "web_searches_kcount",
    "storage_searches_kcount",
    "input_audio_mtok",
    "output_audio_mtok",
    "cache_audio_read_mtok",
    "input_image_mtok",
    "output_image_mtok",
    "cache_image_read_mtok",
    "input_video_mtok",
    "output_video_mtok",
];

impl Rates {
    /// Whether there is a price for input, for output and for searches, where there are any. To leave one out would be to call it
    /// free, which a list says by having no price at all.
    pub(super) fn cover(&self, usage: &ModelUsage) -> bool {
        let Some(searches) = &self.searches else { return true };
        let is_covered = |item: &str| {
            let stem = item.strip_suffix("_searches");
            stem.is_none() || searches.iter().any(|key| key.strip_suffix("_searches_kcount") == stem)
        };
        (self.has_input || usage.input == 0)
            && (self.has_output || usage.output == 0)
            && usage.items.iter().all(|(item, count)| *count == 0 || is_covered(item))
    }

    /// What that costs: summed exactly, then rounded once; `None` where the crate has to say it.
    pub(super) fn sums(&self, usage: &ModelUsage) -> Option<Sums> {
        let classes = self.classes.as_ref()?;
        if !usage.terms.is_empty() || usage.items.values().any(|count| *count > 0) {
            return None;
        }
        let [input, output, read, write, hour] = classes;
        let ModelUsage { cache_read, cache_write, cache_write_1h, .. } = *usage;
        let whole = i128::from(usage.input.max(cache_read.saturating_add(cache_write).saturating_add(cache_write_1h)));
        let per_request = |start: u64| i128::from(start) * i128::from(usage.requests.max(1));
        // A class without a rate of its own is billed as the one that it is a part of.
        let (mut rest, mut written) = (whole, i128::from(cache_write) + i128::from(cache_write_1h));
        let millionths = |rate: &Option<Rate>, tokens: i128| {
            let Some(rate) = rate.as_ref().filter(|_| tokens > 0) else { return 0 };
            let tier = rate.tiers.iter().rev().find(|(start, _)| whole > per_request(*start));
            tokens * i128::from(tier.map_or(rate.base, |(_, price)| *price).nanos())
        };
        let mut sum = 0;
        if hour.is_some() {
            sum += millionths(hour, i128::from(cache_write_1h));
            (rest, written) = (rest - i128::from(cache_write_1h), written - i128::from(cache_write_1h));
        }
        if write.is_some() {
            sum += millionths(write, written);
            rest -= written;
        }
        if read.is_some() {
            sum += millionths(read, i128::from(cache_read));
            rest -= i128::from(cache_read);
        }
        let input = sum + millionths(input, rest);
        let output = millionths(output, i128::from(usage.output));
        Some(Sums { total: nanos(input + output), input: nanos(input), output: nanos(output) })
    }
}

/// Halves up. Saturates.
fn nanos(millionths: i128) -> Usd {
    Usd::from_nanos(i64::try_from(millionths.saturating_add(500_000).div_euclid(1_000_000)).unwrap_or(i64::MAX))
}

/// The prices of a model by date, the first first; `None` where they go by more than dates.
pub(super) fn periods(prices: &Value) -> Option<Vec<Period>> {
    let whole = |prices: &Map<String, Value>, from| Period { from, rates: rates(prices) };
    match prices {
        Value::Object(prices) => Some(vec![whole(prices, WallTime(0))]),
        Value::Array(conditional) => {
            let mut periods = Vec::new();
            for one in conditional {
                let from = match one.get("constraint") {
                    None => WallTime(0),
                    Some(constraint) => {
                        let date = constraint.get("start_date")?.as_str()?;
                        format!("{date}T00:00:00Z").parse().ok()?
                    }
                };
                periods.push(whole(one.get("prices")?.as_object()?, from));
            }
            // The crate takes the last in the list that has begun; the one without a date is the first here.
            Some(periods).filter(|periods| periods.first().is_some_and(|first| first.from == WallTime(0)))
        }
        _ => None,
    }
}

fn rates(prices: &Map<String, Value>) -> Rates {
    let is_known = |key: &String| CLASSES.contains(&key.as_str()) || OTHERS.contains(&key.as_str());
    let mut classes = prices.keys().all(is_known).then_some([const { None }; 5]);
    for (at, class) in CLASSES.iter().enumerate() {
        let Some(value) = prices.get(*class) else { continue };
        classes = classes.and_then(|mut classes| {
            *classes.get_mut(at)? = Some(rate(value)?);
            Some(classes)
        });
    }
    // A price of a part is one of the whole for whom it is billed as: audio, pictures, pages.
    let any = |part: &str| prices.keys().any(|key| key.contains(part));
    let searches = prices.keys().filter(|key| key.ends_with("_searches_kcount")).map(|key| key.as_str().into());
    let searches = (!prices.is_empty()).then(|| searches.collect());
    Rates { has_input: any("input"), has_output: any("output"), searches, classes }
}

fn rate(value: &Value) -> Option<Rate> {
    if let Some(rate) = value.as_f64() {
        return Some(Rate { base: exact(rate)?, tiers: Box::default() });
    }
    let mut tiers = Vec::new();
    for tier in value.get("tiers")?.as_array()? {
        tiers.push((tier.get("start")?.as_u64()?, exact(tier.get("price")?.as_f64()?)?));
    }
    tiers.sort_by_key(|(start, _)| *start);
    Some(Rate { base: exact(value.get("base")?.as_f64()?)?, tiers: tiers.into() })
}

/// The rate in whole nano-dollars a million, but for the noise of floats.
fn exact(dollars: f64) -> Option<Usd> {
    let rate = Usd::from_dollars(dollars);
    ((rate.dollars() - dollars).abs() <= dollars.abs() * 1e-12).then_some(rate)
}
