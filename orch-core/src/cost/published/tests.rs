//! The crate genai-prices is what all of this is held to: which lists are lists, what names stand for, and what everything costs.

#[path = "tests/lists.rs"]
mod lists;
#[path = "tests/names.rs"]
mod names;
#[path = "tests/patterns.rs"]
mod patterns;
#[path = "tests/prices.rs"]
mod prices;
#[path = "tests/random.rs"]
mod random;

use genai_prices::Calculator;

use super::*;
use crate::units::Usd;

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
    assert_eq!(index::check(&DATA), Ok(()));
}

#[test]
fn a_name_that_was_asked_for_is_known() {
    let index = Index::new(DATA.as_str().into()).unwrap();
    let known = index.known("claude-sonnet-4-5").unwrap();
    assert_eq!(known.shown(), "anthropic/claude-sonnet-4-5");
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
    assert_eq!(searched("deepseek/deepseek-chat"), None, "nor one whose prices go by the time of day");
}
