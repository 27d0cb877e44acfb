//! What all models of the list cost, beside what the crate makes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, UNIX_EPOCH},
};

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};
use serde_json::{Value, json};

use super::super::{
    DATA, LOADED,
    model::Model,
    rates::{Counts, Sums, cover},
    units::UNITS,
};
use crate::{
    clock::WallTime,
    units::{ModelUsage, Usd},
};

/// What the crate is told of a usage: the mean of a request, as the tier goes by one.
fn counts(usage: &ModelUsage) -> Usage {
    let requests = usage.requests.max(1) as f64;
    let cached = usage.cache_read + usage.cache_write + usage.cache_write_1h;
    let mean = |tokens: u64| tokens as f64 / requests;
    let mut counts = Usage::from([
        (UsageKey::INPUT_TOKENS, mean(usage.input.max(cached))),
        (UsageKey::OUTPUT_TOKENS, mean(usage.output)),
    ]);
    for (key, tokens) in [
        (UsageKey::CACHE_READ_TOKENS, usage.cache_read),
        (UsageKey::CACHE_WRITE_TOKENS, usage.cache_write + usage.cache_write_1h),
        (UsageKey::CACHE_WRITE_1H_TOKENS, usage.cache_write_1h),
        (UsageKey::OUTPUT_REASONING_TOKENS, usage.reasoning.min(usage.output)),
    ] {
        if tokens > 0 {
            counts.insert(key, mean(tokens));
        }
    }
    for (item, count) in usage.items.iter().filter(|(_, count)| **count > 0) {
        counts.insert(item.as_str(), mean(*count));
    }
    counts
}

/// Total, input and output in dollars, as the crate says.
pub(super) fn theirs(
    calculator: &Calculator,
    provider: Option<&str>,
    name: &str,
    usage: &ModelUsage,
    at: WallTime,
) -> Option<[f64; 3]> {
    let counts = counts(usage);
    let request = PriceRequest::new(name, &counts).with_timestamp(UNIX_EPOCH + Duration::from_millis(at.0));
    let request = provider.into_iter().fold(request, PriceRequest::with_provider_id);
    let request = usage.terms.iter().fold(request, |request, (term, value)| request.with_price_context(term, value));
    let found = calculator.calculate(&request).ok()?;
    let of = |dollars: f64| dollars * usage.requests.max(1) as f64;
    let sums = [of(found.total_price), of(found.input_price), of(found.output_price)];
    found.warnings.is_empty().then_some(sums)
}

/// Whether that is the nano-dollar nearest to the float. The noise of floats is cut off at the pico-dollar first, as it must not
/// decide which way half a nano-dollar goes. So what is truly up to half a pico-dollar below the half (prices by the second have such
/// sums) is rounded up there, and here, exactly, down: the only difference that may be.
fn is_same(ours: Usd, dollars: f64) -> bool {
    let picos = (dollars * 1e12).round();
    let nanos = (picos / 1e3).round() as i64;
    let noise = 0.000_6 + dollars.abs() * 1e9 * 1e-14;
    ours.nanos() == nanos || ((dollars * 1e9 - ours.nanos() as f64).abs() - 0.5).abs() <= noise
}

pub(super) fn compare(ours: Option<Sums>, theirs: Option<[f64; 3]>, what: &dyn Fn() -> String) {
    let Some((sums, theirs)) = ours.zip(theirs) else {
        assert!(ours.is_none() && theirs.is_none(), "{ours:?} {theirs:?} {}", what());
        return;
    };
    for (ours, theirs) in [sums.total, sums.input, sums.output].into_iter().zip(theirs) {
        assert!(is_same(ours, theirs), "{ours:?} {theirs:?} {sums:?} {}", what());
    }
}

/// A model alone, here and in the crate.
pub(super) struct Alone {
    model: Model,
    calculator: Calculator,
}

impl Alone {
    /// `None` if neither takes it.
    pub(super) fn new(model: &Value) -> Option<Self> {
        let mut model = model.clone();
        model["match"] = json!({"contains": ""});
        let list = json!([{"id": "p", "name": "p", "api_pattern": "p", "models": [model]}]).to_string();
        let (ours, theirs) = (Model::read(&model), Calculator::from_json(list));
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?} {model}", ours.err(), theirs.err());
        Some(Self { model: ours.ok()?, calculator: theirs.ok()? })
    }

    pub(super) fn ours(&self, usage: &ModelUsage, at: WallTime) -> Option<Sums> {
        Counts::new(usage)?.sums(&self.model.rates(&usage.terms, at, true)?)
    }

    /// What it costs, if there is a price for all of it.
    pub(super) fn compare(&self, usage: &ModelUsage, at: WallTime) -> Option<Sums> {
        let rates = self.model.rates(&usage.terms, at, true);
        let ours = self.ours(usage, at);
        let what = || format!("{} at {at} for {usage:?}", self.model.id);
        compare(ours, theirs(&self.calculator, Some("p"), "any", usage, at), &what);
        ours.filter(|_| rates.is_some_and(|rates| cover(&rates, usage)))
    }
}

/// What prices of a model go by.
#[derive(Default)]
struct Edges {
    times: Vec<WallTime>,
    tiers: BTreeSet<u64>,
    keys: BTreeSet<String>,
    terms: Vec<BTreeMap<String, String>>,
}

impl Edges {
    fn walk(&mut self, value: &Value) {
        let Value::Object(object) = value else {
            return value.as_array().into_iter().flatten().for_each(|value| self.walk(value));
        };
        for (key, value) in object {
            match (key.as_str(), value) {
                ("start_date", Value::String(day)) => self.edge(format!("{day}T00:00:00Z").parse().unwrap()),
                // In the list all are UTC; other zones are in the random lists.
                ("start_time" | "end_time", Value::String(time)) => {
                    self.edge(format!("2026-11-20T{time}").parse().unwrap())
                }
                ("start", start) => drop(self.tiers.insert(start.as_u64().unwrap())),
                ("when", when) => self.terms.push(serde_json::from_value(when.clone()).unwrap()),
                _ => {
                    if UNITS.iter().any(|unit| unit.price == key) {
                        self.keys.insert(key.clone());
                    }
                    self.walk(value);
                }
            }
        }
    }

    fn edge(&mut self, at: WallTime) {
        self.times.extend([WallTime(at.0 - 1), at]);
    }

    /// Each class of tokens and each unit by itself and all of them together, at the ends of tiers.
    fn usages(&self) -> Vec<ModelUsage> {
        let usage = |input, output, cache_read, cache_write, cache_write_1h, requests| ModelUsage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            requests,
            ..ModelUsage::default()
        };
        let whole = usage(1_000_003, 500_077, 101, 203, 307, 1);
        let mut usages =
            vec![usage(1, 0, 0, 0, 0, 1), usage(0, 1, 0, 0, 0, 1), usage(0, 0, 0, 0, 0, 0), usage(5, 7, 11, 0, 13, 1)];
        usages.push(ModelUsage { reasoning: 70_007, requests: 3, ..whole.clone() });
        usages.push(whole.clone());
        usages.extend(self.tiers.iter().flat_map(|&tier| {
            [
                usage(tier, 1, 0, 0, 0, 1),
                usage(tier + 1, 3, tier / 2, 5, 7, 1),
                usage(tier * 3, 1, 1, 0, 7, 3),
                usage(tier * 3 + 1, 1, 1, 0, tier, 3),
            ]
        }));
        let with = |items: &[(&str, u64)], requests| ModelUsage {
            items: items.iter().map(|(item, count)| ((*item).to_owned(), *count)).collect(),
            requests,
            ..whole.clone()
        };
        let priced: Vec<&str> =
            UNITS.iter().filter(|unit| self.keys.contains(unit.price)).map(|unit| unit.usage).collect();
        usages.extend(
            priced
                .iter()
                .flat_map(|item| [with(&[(item, 7)], 1), with(&[(item, 1_234)], 3), with(&[(item, 3_000_000)], 1)]),
        );
        let all: Vec<(&str, u64)> = priced.iter().enumerate().map(|(nth, item)| (*item, 31 + nth as u64)).collect();
        let apart: Vec<(&str, u64)> = all
            .iter()
            .filter(|(item, _)| !["input_tokens", "output_tokens", "requests"].contains(item))
            .copied()
            .collect();
        usages.extend([with(&all, 1), with(&apart, 1), with(&apart, 7)]);
        usages.extend(
            ["web_searches", "input_audio_tokens", "audio_seconds", "nobody_knows", "requests"]
                .map(|item| with(&[(item, 9)], 1)),
        );
        usages
    }
}

/// Every model, at the edges of its dates, times of day and tiers, for each thing that it bills, on each of its terms and on others.
#[test]
fn all_that_a_list_can_bill_costs_what_the_crate_says() {
    let list: Value = serde_json::from_str(&DATA).unwrap();
    let (mut priced, mut on_terms, mut of_items, mut by_day, mut without) = (0, 0, 0, 0, 0);
    for model in list.as_array().unwrap().iter().flat_map(|provider| provider["models"].as_array().unwrap()) {
        let mut edges = Edges::default();
        edges.walk(model);
        let alone = Alone::new(model).unwrap();
        edges.times.push(WallTime(1_790_000_000_000));
        edges.times.sort();
        edges.times.dedup();
        let batch = BTreeMap::from([("processing".to_owned(), "batch".to_owned())]);
        let joined = edges.terms.iter().flatten().map(|(term, value)| (term.clone(), value.clone())).collect();
        let mut terms = vec![BTreeMap::new(), batch, joined];
        terms.append(&mut edges.terms);
        terms.sort();
        terms.dedup();
        for usage in edges.usages() {
            for at in &edges.times {
                for terms in &terms {
                    let usage = ModelUsage { terms: terms.clone(), ..usage.clone() };
                    let is_priced = alone.compare(&usage, *at).is_some();
                    priced += usize::from(is_priced);
                    on_terms += usize::from(is_priced && !terms.is_empty());
                    of_items += usize::from(is_priced && !usage.items.is_empty());
                    by_day += usize::from(is_priced && edges.times.len() > 1);
                    without += usize::from(!is_priced);
                }
            }
        }
    }
    let counts = [priced, on_terms, of_items, by_day, without];
    assert!(
        counts.iter().zip([100_000, 50_000, 50_000, 50_000, 10_000]).all(|(count, least)| *count > least),
        "{counts:?}"
    );
}

/// By their names in the whole list: with providers that take models from others, whose terms then do not hold, and with those that
/// bill a least.
#[test]
fn names_cost_what_the_crate_says() {
    let terms = [("processing".to_owned(), "batch".to_owned())];
    let usage = |items: &[(&str, u64)], requests, terms: &[(String, String)]| ModelUsage {
        input: 1_000_003,
        output: 5_077,
        items: items.iter().map(|(item, count)| ((*item).to_owned(), *count)).collect(),
        terms: terms.iter().cloned().collect(),
        requests,
        ..ModelUsage::default()
    };
    let mut usages = vec![
        usage(&[], 1, &[]),
        usage(&[], 2, &terms),
        usage(&[("audio_seconds", 3)], 1, &[]),
        usage(&[("audio_seconds", 29)], 3, &[]),
        usage(&[("input_audio_seconds", 31)], 3, &[]),
        usage(&[("audio_seconds", 30), ("input_audio_seconds", 20)], 2, &[]),
    ];
    // What is billed by the second has no price for tokens.
    usages.extend(usages.clone().into_iter().map(|usage| ModelUsage { input: 0, output: 0, ..usage }));
    let mut names = Vec::new();
    for provider in Calculator::bundled().providers() {
        let step = if ["azure", "google", "groq", "openai", "anthropic"].contains(&provider.id()) { 1 } else { 9 };
        names.extend(provider.models().step_by(step).map(|model| (provider.id(), model.id().to_owned())));
    }
    for other in ["openai", "anthropic", "deepseek", "x-ai", "moonshotai"] {
        let others: Vec<String> = names.iter().filter(|(id, _)| *id == other).map(|(_, model)| model.clone()).collect();
        names.extend(others.into_iter().flat_map(|model| [("azure", model.clone()), ("google", model)]));
    }
    let at = WallTime(1_792_000_000_000);
    let (mut priced, mut least) = (0, 0);
    for (provider, model) in &names {
        let name = format!("{provider}/{model}");
        for usage in &usages {
            let Some(known) = LOADED.index.known(&name) else { continue };
            let theirs = theirs(Calculator::bundled(), Some(provider), model, usage, at);
            let Some(ours) = known.sums(usage, at) else { continue };
            priced += 1;
            least += usize::from(*provider == "groq" && model.contains("whisper") && !usage.items.is_empty());
            compare(Some(ours), theirs, &|| format!("{name} for {usage:?}"));
        }
    }
    assert!(priced > 1_000 && least >= 8, "{priced} {least}");
}
