//! Published prices against numbers that others computed.

#![cfg(feature = "prices")]

use serde_json::Value;

use super::{PriceSource, PriceTable, Rates, price};
use crate::{
    clock::WallTime,
    fixtures,
    units::{ModelUsage, Usage, Usd},
};

/// 2025-10-09; before it, the models of this file had no other prices.
const AUTUMN_2025: WallTime = WallTime(1_760_000_000_000);

fn execution(model_in: u64, model_out: u64, review_in: u64, review_out: u64) -> Usage {
    let mut usage = Usage::tokens("claude-3-5-sonnet-20241022", model_in, model_out);
    usage.add(&Usage::tokens("gpt-4o-mini", review_in, review_out));
    usage
}

fn nanos(usage: &Usage) -> i64 {
    price(&PriceTable::bundled(), usage, AUTUMN_2025).complete().unwrap().nanos()
}

#[test]
fn the_monthly_budget_of_an_older_system_holds_479_executions() {
    let execution = nanos(&execution(2000, 1500, 2500, 4000));
    assert_eq!(execution, 31_275_000);
    assert_eq!(Usd::from_nanos(479 * execution).nanos(), 14_980_725_000);
    let reaches = |dollars: i64| (1..).find(|count| count * execution >= dollars * 1_000_000_000).unwrap();
    assert_eq!([reaches(5), reaches(10), reaches(15)], [160, 320, 480]);
}

#[test]
fn a_recorded_run_has_its_price() {
    assert_eq!(nanos(&execution(16, 60, 60, 54)), 989_400);
}

#[test]
fn sums_of_many_requests_stay_in_the_tier_of_one() {
    let usage =
        |requests, input| ModelUsage { model: "claude-sonnet-4-5".into(), input, requests, ..ModelUsage::default() };
    let price = |usage| PriceTable::bundled().price(&usage, AUTUMN_2025).unwrap();
    assert_eq!(price(usage(1, 200_000)), Usd::from_cents(60));
    assert_eq!(price(usage(1, 300_000)), Usd::from_cents(180), "the higher tier is for all of it");
    assert_eq!(price(usage(3, 300_000)), Usd::from_cents(90));
}

#[test]
fn cached_tokens_are_part_of_the_input() {
    let usage = ModelUsage {
        model: "claude-sonnet-4-5-20250929[1m]".into(),
        input: 1000,
        cache_read: 100,
        cache_write: 200,
        cache_write_1h: 300,
        output: 10,
        requests: 1,
        ..ModelUsage::default()
    };
    // 400 × 3 + 100 × 0.3 + 200 × 3.75 + 300 × 6 + 10 × 15, in millionths.
    assert_eq!(PriceTable::bundled().price(&usage, AUTUMN_2025), Some(Usd::from_nanos(3_930_000)));
    let beside = ModelUsage { input: 0, ..usage };
    assert_eq!(PriceTable::bundled().price(&beside, AUTUMN_2025), Some(Usd::from_nanos(2_730_000)));
}

/// 37.5 nano-dollars a token: every odd count is a half, and floats land on either side of it.
#[test]
fn noise_of_floats_does_not_decide_how_halves_are_rounded() {
    let rates = Rates::new(Usd::from_dollars(0.0375), Usd::from_dollars(0.15));
    for tokens in 0..20_000 {
        let usage = Usage::tokens("cohere/command-r7b", tokens, 0);
        let exact = rates.price(&usage.models()[0]).nanos();
        assert_eq!(nanos(&usage), exact, "{tokens} tokens");
    }
}

#[test]
fn models_are_found_by_provider_or_not_at_all() {
    let of = |model: &str| price(&PriceTable::bundled(), &Usage::tokens(model, 1_000_000, 0), AUTUMN_2025).complete();
    assert_eq!(of("openai/gpt-4o-mini"), Some(Usd::from_cents(15)));
    assert_eq!(of("GPT-4o-mini"), Some(Usd::from_cents(15)));
    for unknown in ["", "sonnet", "no-such-model", "openai/no-such-model", "claude-99", "a/b/c", "\0", "[1m]"] {
        assert_eq!(of(unknown), None, "{unknown}");
    }
}

/// The corpus holds the usage of real responses and what the reference implementation, in decimal arithmetic, makes of
/// them. It was priced at times before any of the prices that came later, and not in anybody's cheap hours.
#[test]
fn prices_agree_with_the_reference_to_the_nano_dollar() {
    const MIDSUMMER_2025_AT_NOON: WallTime = WallTime(1_750_507_200_000);
    /// The classes that a usage has fields for. `cache_write_5m_tokens` are those that are not for an hour.
    const FIELDS: [&str; 6] = [
        "input_tokens",
        "output_tokens",
        "output_reasoning_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_5m_tokens",
    ];
    let Some(file) = fixtures::path("genai-prices/usages-half.json") else { return };
    let corpus: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let table = PriceTable::bundled();
    let (mut compared, mut different) = (0, Vec::new());
    let of_model = |response: &Value| Some((response["model"].as_str()?.to_owned(), response["extracted"].clone()));
    for (model, extracted) in corpus.iter().filter_map(of_model) {
        for extracted in extracted.as_array().unwrap() {
            let counts = extracted["usage"].as_object().unwrap();
            let count = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or(0);
            for extractor in extracted["extractors"].as_array().unwrap() {
                let dollars = |key: &str| extractor[key].as_str().map(|price| price.parse::<f64>().unwrap());
                let Some(input) = dollars("input_price") else { continue };
                let others = counts.keys().filter(|key| !FIELDS.contains(&key.as_str()));
                let usage = ModelUsage {
                    model: format!("{}/{model}", extractor["provider_id"].as_str().unwrap()),
                    items: others.map(|key| (key.clone(), count(key))).collect(),
                    reasoning: count("output_reasoning_tokens"),
                    input: count("input_tokens"),
                    output: count("output_tokens"),
                    cache_read: count("cache_read_tokens"),
                    cache_write: count("cache_write_tokens"),
                    requests: 1,
                    ..ModelUsage::default()
                };
                compared += 1;
                let output = dollars("output_price").unwrap_or(0.0);
                let total = dollars("total_price").unwrap_or(input + output);
                let theirs = [total, input, output].map(|part| Some(Usd::from_dollars(part)));
                let ours = table.quote(&usage, MIDSUMMER_2025_AT_NOON);
                let ours = ours.map(|quote| [Some(quote.total), quote.input, quote.output]);
                if ours != Some(theirs) {
                    different.push(format!("{} with {} tokens: {ours:?}", usage.model, usage.input));
                }
            }
        }
    }
    // The one is no deviation: the corpus is older than the tier above 200,000 tokens of that provider.
    let [newer] = &different[..] else { panic!("{different:#?}") };
    assert!(newer.starts_with("google/claude-sonnet-4-5-20250929 with 401468 tokens: "), "{newer}");
    assert_eq!(compared, 1731, "every row that has a price");
}
