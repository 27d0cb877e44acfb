use genai_prices::Calculator;
use serde_json::Value;

use super::*;

#[test]
fn the_name_of_the_list_is_that_of_the_crate_in_this_build() {
    let lock = include_str!("../../../../Cargo.lock");
    let (_, package) = lock.split_once("name = \"genai-prices\"\nversion = \"").unwrap();
    let version = package.split('"').next().unwrap();
    assert!(BUNDLED.starts_with(&format!("genai-prices {version} (")), "{version}");
}

#[test]
fn the_list_of_this_build_is_that_of_the_crate() {
    let ids = |calculator: &Calculator| {
        let of = |provider: genai_prices::ProviderInfo<'_>| {
            let models: Vec<String> = provider.models().map(|model| model.id().to_owned()).collect();
            (provider.id().to_owned(), models)
        };
        calculator.providers().map(of).collect::<Vec<_>>()
    };
    assert_eq!(ids(&Calculator::from_json(&*DATA).unwrap()), ids(Calculator::bundled()), "run scripts/prices.py");
}

/// The days on which prices of the list change, and its tiers.
fn edges() -> (Vec<WallTime>, Vec<u64>) {
    fn walk(value: &Value, days: &mut Vec<String>, tiers: &mut Vec<u64>) {
        match value {
            Value::Object(object) => {
                days.extend(object.get("start_date").and_then(Value::as_str).map(str::to_owned));
                tiers.extend(object.get("start").and_then(Value::as_u64));
                object.values().for_each(|value| walk(value, days, tiers));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, days, tiers)),
            _ => {}
        }
    }
    let (mut days, mut tiers) = (Vec::new(), Vec::new());
    walk(&serde_json::from_str(&DATA).unwrap(), &mut days, &mut tiers);
    days.sort();
    days.dedup();
    tiers.sort_unstable();
    tiers.dedup();
    (days.iter().map(|day| format!("{day}T00:00:00Z").parse().unwrap()).collect(), tiers)
}

/// Every model, with each class of tokens, at the ends of its tiers, before and after the days on which prices change.
#[test]
fn what_is_computed_here_is_what_the_crate_computes() {
    let (days, tiers) = edges();
    assert!(days.len() > 20 && tiers.len() > 5, "{days:?} {tiers:?}");
    let usage = |input, output, cache_read, cache_write, cache_write_1h, requests| ModelUsage {
        input,
        output,
        cache_read,
        cache_write,
        cache_write_1h,
        requests,
        ..ModelUsage::default()
    };
    let mut usages = vec![usage(1, 0, 0, 0, 0, 1), usage(0, 1, 0, 0, 0, 1), usage(1_003, 77, 101, 203, 307, 1)];
    usages.extend(tiers.iter().flat_map(|&tier| {
        [usage(tier, 1, 0, 0, 0, 1), usage(tier + 1, 3, tier / 2, 5, 7, 1), usage(tier * 3 + 1, 1, 1, 0, tier, 3)]
    }));
    let (mut same, mut by_crate) = (0, 0);
    let models: Vec<String> = Calculator::bundled()
        .providers()
        .flat_map(|provider| provider.models().map(move |model| format!("{}/{}", provider.id(), model.id())))
        .collect();
    for (nth, model) in models.iter().enumerate() {
        let Some(known) = LOADED.index.resolve(model) else { continue };
        // All days for each model would take minutes; a prime number of them meets each model's own in turn.
        let own = days.iter().skip(nth % 28).step_by(28).flat_map(|day| [WallTime(day.0 - 1), *day]);
        for at in own {
            for usage in &usages {
                let Some(sums) = known.rates(at).and_then(|rates| rates.sums(usage)) else {
                    by_crate += 1;
                    continue;
                };
                assert_eq!(Some(sums), calculate(&known, usage, at), "{model} at {at} with {usage:?}");
                same += 1;
            }
        }
    }
    assert!(same > 10 * by_crate, "{same} here, {by_crate} by the crate");
}

/// Whatever the name: the models of one provider alone are found as in the whole list.
#[test]
fn names_are_found_as_in_the_whole_list() {
    let whole = Calculator::bundled();
    let nothing = Usage::new();
    let theirs = |provider: Option<&str>, name: &str| {
        let request = provider.into_iter().fold(PriceRequest::new(name, &nothing), PriceRequest::with_provider_id);
        whole.calculate(&request).ok().map(|found| format!("{}/{}", found.provider_id, found.model_id))
    };
    let mut names: Vec<String> = whole
        .providers()
        .flat_map(|provider| {
            let id = provider.id().to_owned();
            provider.models().flat_map(move |model| [model.id().to_owned(), format!("{id}/{}", model.id())])
        })
        .collect();
    let odd =
        ["", "/", "x/", "/x", "litellm/anthropic/claude-sonnet-4-5", "litellm/gpt-4o", "azure/gpt-4o", "GPT-4O-MINI"];
    names.extend(odd.map(str::to_owned));
    names.extend(names.clone().iter().step_by(5).flat_map(|name| {
        [format!("{name}-20251211"), format!("us.{name}"), format!("{name}:free"), name.chars().skip(1).collect()]
    }));
    let mut found = 0;
    for name in &names {
        let theirs = match name.split_once('/') {
            Some((provider, rest)) => theirs(Some(provider), rest).or_else(|| theirs(None, name)),
            None => theirs(None, name),
        };
        let ours = LOADED.index.resolve(name).map(|known| known.shown().to_owned());
        found += usize::from(ours.is_some());
        assert_eq!(ours, theirs, "{name}");
    }
    assert!(found > 3_000 && found < names.len(), "{found} of {}", names.len());
}

#[test]
fn a_name_that_was_asked_for_is_known() {
    let index = Index::new(DATA.as_str().into()).unwrap();
    let known = index.known("claude-sonnet-4-5").unwrap();
    assert_eq!((known.shown(), known.name()), ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"));
    assert!(Arc::ptr_eq(&known, &index.known("claude-sonnet-4-5").unwrap()));
    assert!(index.known("nobody's").is_none() && index.known("nobody's").is_none());
    assert_eq!(index.kept(), 2);
    // Names without end do not take memory without end.
    (0..5_000).for_each(|name| drop(index.known(&name.to_string())));
    assert!(index.kept() <= 4096 && index.known("claude-sonnet-4-5").is_some());
}

#[test]
fn what_has_no_price_is_not_free() {
    let of = |model: &str, input, output| {
        let usage = ModelUsage { model: model.into(), input, output, requests: 1, ..ModelUsage::default() };
        List::Bundled.quote(model, &usage, WallTime(1_790_000_000_000)).map(|quote| quote.total)
    };
    assert_eq!(of("openai/text-embedding-3-small", 1_000_000, 0), Some(Usd::from_cents(2)));
    assert_eq!(of("openai/text-embedding-3-small", 1_000_000, 1), None, "it has no price for output");
    assert_eq!(of("openrouter/deepseek-r1:free", 1, 1), Some(Usd::ZERO), "that is what the list says");
    let searched = |model: &str| {
        let items = [("web_searches".to_owned(), 2)].into();
        let usage = ModelUsage { model: model.into(), input: 1, requests: 1, items, ..ModelUsage::default() };
        List::Bundled.quote(model, &usage, WallTime(1_790_000_000_000)).map(|quote| quote.total)
    };
    assert_eq!(searched("claude-sonnet-4-5"), Some(Usd::from_nanos(20_003_000)));
    assert_eq!(searched("openai/text-embedding-3-small"), None, "it has no price for searches");
}
