//! What names stand for.

use genai_prices::{Calculator, PriceRequest, Usage};
use proptest::prelude::*;
use serde_json::Value;

use super::super::{DATA, LOADED, rule::with_long_days};

/// What the crate finds, asked as a name is asked here.
fn theirs(name: &str) -> Option<String> {
    let nothing = Usage::new();
    let find = |provider: Option<&str>, name: &str| {
        let request = provider.into_iter().fold(PriceRequest::new(name, &nothing), PriceRequest::with_provider_id);
        let found = Calculator::bundled().calculate(&request).ok()?;
        Some(format!("{}/{}", found.provider_id, found.model_id))
    };
    match name.split_once('/') {
        Some((provider, rest)) => find(Some(provider), rest).or_else(|| find(None, name)),
        None => find(None, name),
    }
}

fn ours(name: &str) -> Option<String> {
    LOADED.index.resolve(name).map(|known| known.shown().to_owned())
}

fn ids() -> impl Iterator<Item = (String, String)> {
    Calculator::bundled()
        .providers()
        .flat_map(|provider| provider.models().map(move |model| (provider.id().to_owned(), model.id().to_owned())))
}

/// All texts of the rules of the list, and of its patterns something that they match, if they are simple.
pub(super) fn of_rules() -> Vec<String> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match value {
                        Value::String(text) if key == "regex" => {
                            let digits = |text: String, count: usize| {
                                text.replace(&format!(r"\d{{{count}}}"), &"20260218"[..count])
                            };
                            let text = [8, 4, 2].into_iter().fold(text.clone(), digits);
                            found.push(text.replace(r"\d", "7").replace(['\\', '^', '$'], "").replace("[-@]", "@"));
                        }
                        Value::String(text) => found.push(text.clone()),
                        _ => walk(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let list: Value = serde_json::from_str(&DATA).unwrap();
    for provider in list.as_array().unwrap() {
        for rule in ["provider_match", "model_match"] {
            walk(&provider[rule], &mut found);
        }
        provider["models"].as_array().unwrap().iter().for_each(|model| walk(&model["match"], &mut found));
    }
    found.sort();
    found.dedup();
    found
}

/// Whatever the name: the models of one provider alone are found as in the whole list.
#[test]
fn names_are_found_as_in_the_whole_list() {
    let mut names: Vec<String> = ids().flat_map(|(provider, model)| [format!("{provider}/{model}"), model]).collect();
    let odd =
        ["", "/", "x/", "/x", "litellm/anthropic/claude-sonnet-4-5", "litellm/gpt-4o", "azure/gpt-4o", "GPT-4O-MINI"];
    names.extend(odd.map(str::to_owned));
    let more =
        ["LiteLLM/ANTHROPIC/claude-haiku-5-5", " litellm/openai/gpt-4o", "litellm//gpt-4o", "litellm/nobody/gpt-4o"];
    names.extend(more.map(str::to_owned));
    names.extend(["mistral-tts-latest", "mistral-small", " OpenAI /gpt-4o", "o1", "o2", "o3-mini"].map(str::to_owned));
    names.extend(names.clone().iter().step_by(5).flat_map(|name| {
        [format!("{name}-20251211"), format!("us.{name}"), format!("{name}:free"), name.chars().skip(1).collect()]
    }));
    names.extend(of_rules());
    let mut found = 0;
    for name in &names {
        let ours = ours(name);
        found += usize::from(ours.is_some());
        assert_eq!(ours, theirs(name), "{name}");
    }
    assert!(found > 3_000 && found < names.len(), "{found} of {}", names.len());
}

/// Pieces of the names and of the rules of the list, put together anew.
fn pieces() -> Vec<String> {
    let mut pieces: Vec<String> = ids()
        .flat_map(|(provider, model)| {
            let parts: Vec<String> = model.split_inclusive(['-', '/', ':', '.']).map(str::to_owned).collect();
            parts.into_iter().chain([provider + "/", model])
        })
        .chain(of_rules())
        .collect();
    let days = ["-20251211", "-20250230", "-2025-12-11", "@20251211", "-20251211:", "-202512110", "-19991231"];
    pieces.extend(days.into_iter().chain(["litellm/", "/", "-tts", "-TTS-", " ", "É"]).map(str::to_owned));
    pieces.sort();
    pieces.dedup();
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn names_of_pieces_are_found_as_the_crate_finds_them(
        pieces in prop::collection::vec(prop::sample::select(pieces()), 1..4),
        day in prop::option::weighted(0.2, "-20[0-9]{2}(0[1-9]|1[0-3])[0-3][0-9]"),
        is_large in prop::bool::weighted(0.1),
    ) {
        let name = pieces.concat() + day.as_deref().unwrap_or_default();
        let name = if is_large { name.to_uppercase() } else { name };
        prop_assert_eq!(ours(&name), theirs(&name), "{}", name);
    }
}

#[test]
fn days_are_written_long() {
    for (name, long) in [
        ("gpt-5.2-20251211", Some("gpt-5.2-2025-12-11")),
        ("m-20251211:free", Some("m-2025-12-11:free")),
        ("a-20251211-20240229", Some("a-2025-12-11-2024-02-29")),
        ("m-20250230", None),
        ("m-202512110", None),
        ("m-2025121", None),
        ("m-19991231", None),
        ("m-2025121é", None),
        ("m", None),
    ] {
        assert_eq!(with_long_days(name).as_deref(), long, "{name}");
    }
}
