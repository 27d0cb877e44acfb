//! Prices that no list has had yet: of all units, tiers, dates, times of day and terms, beside what the crate makes of them.

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{
    super::{rates::Sums, units::UNITS},
    prices::Alone,
};
use crate::{
    clock::WallTime,
    units::{ModelUsage, Usd},
};

/// 2026-01-01.
const BEGIN: u64 = 1_767_225_600_000;
const HALF_HOUR: u64 = 1_800_000;

fn rate() -> impl Strategy<Value = Value> {
    let dollars = || {
        prop_oneof![
            (0..200_000u32).prop_map(|tenths| f64::from(tenths) / 1e4),
            (0..2_000u32).prop_map(|nanos| f64::from(nanos) / 1e9),
            Just(0.0),
            Just(3.0),
        ]
    };
    let tiers = prop::collection::vec((0..5_000u32, dollars()), 0..4);
    prop_oneof![
        3 => dollars().prop_map(|base| json!(base)),
        1 => (dollars(), tiers).prop_map(|(base, tiers)| {
            let tiers: Vec<Value> = tiers.iter().map(|(start, price)| json!({"start": start, "price": price})).collect();
            json!({"base": base, "tiers": tiers})
        }),
    ]
}

/// Prices of some units, mostly with those that they ask for.
fn prices() -> impl Strategy<Value = Map<String, Value>> {
    let units = prop::collection::vec(0..UNITS.len(), 0..4);
    let rates = prop::collection::vec(rate(), UNITS.len());
    (units, rates, prop::bool::weighted(0.95)).prop_map(|(mut units, rates, is_whole)| {
        // What is added may ask for more.
        for _ in 0..if is_whole { UNITS.len() } else { 0 } {
            let more = |id: &usize| {
                let unit = &UNITS[*id];
                let pairs = || units.iter().flat_map(|one| units.iter().map(move |two| (&UNITS[*one], &UNITS[*two])));
                let is_asked = units.iter().any(|one| UNITS[*one].is_part_of(unit))
                    || pairs().any(|(one, two)| one.is_compatible(two) && unit.is_both(one, two));
                is_asked && !units.contains(id)
            };
            let Some(more) = (0..UNITS.len()).find(more) else { break };
            units.push(more);
        }
        units.into_iter().map(|id| (UNITS[id].price.to_owned(), rates[id].clone())).collect()
    })
}

fn constraint() -> impl Strategy<Value = Value> {
    let time = || {
        let zone = select(vec!["Z", "+00:00", "+01:00", "-01:30", "+05:30", "-23:30"]);
        (0..24u32, select(vec!["00:00", "30:00", "30:00.001", "00:00.5"]), zone)
            .prop_map(|(hour, rest, zone)| format!("{hour:02}:{rest}{zone}"))
    };
    prop_oneof![
        (1..5u32, 1..5u32).prop_map(|(month, day)| json!({"start_date": format!("2026-{month:02}-{day:02}")})),
        (time(), time()).prop_map(|(first, last)| json!({"start_time": first, "end_time": last})),
    ]
}

const TERMS: [(&str, &str); 5] =
    [("processing", "batch"), ("service_tier", "flex"), ("service_tier", "fast"), ("route", "eu"), ("processing", "")];

fn terms(least: usize) -> impl Strategy<Value = Map<String, Value>> {
    let terms = prop::collection::vec(select(TERMS.to_vec()), least..3);
    terms.prop_map(|terms| terms.into_iter().map(|(term, value)| (term.to_owned(), json!(value))).collect())
}

fn model() -> impl Strategy<Value = Value> {
    let conditional = prop::collection::vec((constraint(), prices()), 0..3);
    let new = prop::option::weighted(0.05, Just("new_kind_mtok".to_owned()));
    let variants = prop::collection::vec((terms(1), prices(), prop::option::of(constraint()), new.clone()), 0..3);
    (prices(), conditional, 0..3usize, variants, new).prop_map(|(mut always, conditional, place, variants, new)| {
        always.extend(new.map(|key| (key, json!(1))));
        let mut prices: Vec<Value> = conditional
            .iter()
            .map(|(constraint, prices)| json!({"constraint": constraint, "prices": prices}))
            .collect();
        prices.insert(place.min(prices.len()), json!({"prices": always}));
        let variants: Vec<Value> = variants
            .into_iter()
            .map(|(when, mut prices, constraint, new)| {
                prices.extend(new.map(|key| (key, json!(1))));
                json!({"when": when, "prices": prices, "constraint": constraint})
            })
            .collect();
        json!({"id": "m", "prices": prices, "price_variants": variants})
    })
}

fn usage() -> impl Strategy<Value = ModelUsage> {
    let items = prop::collection::btree_map(
        prop_oneof![20 => select(UNITS.iter().map(|unit| unit.usage).collect::<Vec<_>>()), 1 => Just("new_kind")],
        prop_oneof![4 => 0..40u64, 1 => 0..2_000_000u64],
        0..5,
    );
    let tokens = (
        prop_oneof![Just(0u64), 0..9_000u64, 0..3_000_000u64],
        prop_oneof![Just(0u64), 0..9_000u64],
        0..300u64,
        0..300u64,
        0..300u64,
        0..300u64,
        0..4u64,
    );
    (tokens, items, terms(0)).prop_map(|(tokens, items, terms)| {
        let (input, output, cache_read, cache_write, cache_write_1h, reasoning, requests) = tokens;
        let items = items.into_iter().map(|(item, count)| (item.to_owned(), count)).collect();
        let terms = terms.into_iter().map(|(term, value)| (term, value.as_str().unwrap().to_owned())).collect();
        let cached = |count: u64| if input % 3 == 0 { 0 } else { count };
        ModelUsage {
            input,
            output,
            cache_read: cached(cache_read),
            cache_write: cached(cache_write),
            cache_write_1h: cached(cache_write_1h),
            reasoning,
            requests,
            items,
            terms,
            ..ModelUsage::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_a_list_bills_is_billed_as_the_crate_does(
        model in model(),
        usages in prop::collection::vec(usage(), 12),
        times in prop::collection::vec((0..48 * 150u64, 0..3u64), 4),
    ) {
        let Some(alone) = Alone::new(&model) else { return Ok(()) };
        for usage in &usages {
            for (halves, millis) in &times {
                alone.compare(usage, WallTime(BEGIN + halves * HALF_HOUR + millis - 1));
            }
        }
    }
}

/// Within a day, around it and around midnight, in all zones, to the millisecond.
#[test]
fn times_of_day_hold_as_the_crate_says() {
    let times = ["00:00:00Z", "09:30:00Z", "16:30:00+08:00", "23:30:00.002Z", "00:30:00+01:00", "23:59:59-00:30"];
    let usage = ModelUsage { input: 1_000_000, requests: 1, ..ModelUsage::default() };
    let mut found = [0, 0];
    for (first, last) in times.iter().flat_map(|first| times.map(|last| (first, last))) {
        let prices = json!([
            {"prices": {"input_mtok": 1}},
            {"constraint": {"start_time": first, "end_time": last}, "prices": {"input_mtok": 2}},
        ]);
        let alone = Alone::new(&json!({"id": "m", "prices": prices})).unwrap();
        for at in (0..49).flat_map(|half| (0..5).map(move |millis| WallTime(BEGIN + half * HALF_HOUR + millis - 1))) {
            let sums = alone.compare(&usage, at).unwrap();
            found[usize::from(sums.total == Usd::from_cents(200))] += 1;
        }
        // One second before midnight of another zone.
        let at = WallTime(BEGIN + HALF_HOUR - 1_000);
        for at in [at, WallTime(at.0 - 1)] {
            alone.compare(&usage, at).unwrap();
        }
    }
    assert!(found.iter().all(|count| *count > 2_000), "{found:?}");
}

/// What floats cannot: sums that are half a nano-dollar, and just less.
#[test]
fn sums_are_exact_and_rounded_once() {
    let of = |prices: Value, usage: ModelUsage| -> Option<Sums> {
        Alone::new(&json!({"id": "m", "prices": prices})).unwrap().compare(&usage, WallTime(0))
    };
    let usage = |input, output, items: &[(&str, u64)]| ModelUsage {
        input,
        output,
        requests: 1,
        items: items.iter().map(|(item, count)| ((*item).to_owned(), *count)).collect(),
        ..ModelUsage::default()
    };
    let total = |sums: Option<Sums>| sums.unwrap().total.nanos();
    let tokens = json!({"input_mtok": 0.0005, "output_mtok": 0.000_499_999_999});
    assert_eq!(total(of(tokens.clone(), usage(1, 0, &[]))), 1, "half a nano-dollar is one");
    assert_eq!(total(of(tokens, usage(0, 1, &[]))), 0, "and what is less is none, however little");
    let noisy = json!({"input_mtok": 0.000_499_999_999_999_999_9, "output_mtok": 0.069_999_999_999_999_99});
    assert_eq!(total(of(noisy, usage(1, 100, &[]))), 7_001, "noise in a list is none of its prices");
    let hours = json!({"audio_hours": 0.000_003_6, "requests_kcount": 0});
    assert_eq!(total(of(hours.clone(), usage(0, 0, &[("audio_seconds", 1)]))), 1);
    let sums = of(json!({"input_mtok": 0.0003, "output_mtok": 0.0003}), usage(1, 1, &[])).unwrap();
    assert_eq!(
        [sums.total, sums.input, sums.output].map(Usd::nanos),
        [1, 0, 0],
        "the total is no sum of what was rounded"
    );
    let large = json!({"input_mtok": 1e18, "output_mtok": 1});
    let sums = Alone::new(&json!({"id": "m", "prices": large})).unwrap();
    assert_eq!(total(sums.ours(&usage(u64::MAX, 1, &[]), WallTime(0))), i64::MAX, "more than there is");
}
