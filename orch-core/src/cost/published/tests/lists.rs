//! What is a list, and what is told of what is none.

use genai_prices::Calculator;
use serde_json::{Value, json};

use super::{
    super::{List, index},
    prices::theirs,
};
use crate::{
    clock::WallTime,
    units::{ModelUsage, Usd},
};

/// A list with something of everything.
fn list() -> Value {
    json!([
        {
            "id": "house", "name": "House", "api_pattern": "house",
            "provider_match": {"or": [{"equals": "home"}, {"starts_with": "hou"}]},
            "model_match": {"and": [{"contains": "h"}, {"regex": "^h"}]},
            "fallback_model_providers": ["other"],
            "models": [
                {
                    "id": "h-1", "match": {"ends_with": "1"},
                    "prices": [
                        {"prices": {"input_mtok": 1, "output_mtok": {"base": 1, "tiers": [{"start": 5, "price": 2}]}, "cache_read_mtok": 0.5}},
                        {"constraint": {"start_date": "2026-01-02"}, "prices": {"input_mtok": 1, "input_audio_mtok": 2}},
                        {"constraint": {"start_time": "01:00:00Z", "end_time": "02:00:00.5+01:00", "type": "time_of_date"}, "prices": {}},
                    ],
                    "price_variants": [{
                        "when": {"processing": "batch"}, "prices": {"input_mtok": 0.5},
                        "constraint": {"type": "start_date", "start_date": "2026-01-02"},
                    }],
                },
                {"id": "h-2", "match": {"equals": "H-2"}, "prices": {"input_mtok": 1}},
            ],
        },
        {"id": "other", "name": "Other", "api_pattern": "other", "models": [{"id": "o", "match": {"contains": ""}}]},
    ])
}

/// The list with each of its values put as something else, left out, or there twice.
fn changed() -> Vec<Value> {
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(object) => {
                object.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), found))
            }
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(nth, value)| pointers(value, &format!("{at}/{nth}"), found))
            }
            _ => {}
        }
    }
    let (whole, mut places) = (list(), Vec::new());
    pointers(&whole, "", &mut places);
    let others = json!([
        null, true, 0, 1, -1, 1.5, -0.5, 1e300, "", "x", "X", " x", "2026-02-29", "2028-02-29", "0000-01-01", "2026-1-01", "24:00:00Z", "23:59:59.123456789-23:59",
        "01:00:00", "01:00:00.Z", "01:00:00.0123456789Z", "01:00:00+1:00", "01:60:00Z", "start_date", "[", "(?!x)y{2}", [], {}, [1], ["x"], [null], {"x": 1}, {"x": "y"}, {"input_mtok": 1, "input_image_mtok": 2, "cache_read_mtok": 1}, {"equals": "x", "regex": "x"}, {"start": 1},
    ]);
    let mut lists = Vec::new();
    for place in &places {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut changed = whole.clone();
            change(changed.pointer_mut(place).unwrap());
            changed
        };
        lists.extend(others.as_array().unwrap().iter().map(|other| with(&|value| *value = other.clone())));
        match whole.pointer(place).unwrap() {
            Value::Object(object) => {
                lists.extend(object.keys().map(|key| with(&|value| drop(value.as_object_mut().unwrap().remove(key)))));
                lists.push(with(&|value| value["more"] = json!(1)));
            }
            Value::Array(list) => {
                lists.extend((0..list.len()).map(|nth| with(&|value| drop(value.as_array_mut().unwrap().remove(nth)))));
                lists.extend(list.iter().map(|one| with(&|value| value.as_array_mut().unwrap().push(one.clone()))));
            }
            _ => {}
        }
    }
    lists
}

#[test]
fn what_is_a_list_is_what_the_crate_takes_for_one() {
    let (mut good, mut bad) = (0, 0);
    let texts = ["", "{", "[", "null", "[{}]", "[null]", "[1]", "[]", "[] []"].map(str::to_owned);
    for text in changed().iter().map(Value::to_string).chain(texts) {
        let (ours, theirs) = (index::check(&text), Calculator::from_json(&text));
        // Addresses are never asked for, so a pattern for them need only be a text. And a new kind of price may have a new form: models
        // that have it have no price, but the list is one.
        let is_ours = |why: &str| {
            why.contains("API pattern")
                || why.contains(" must be a number or tiered-price object") && !why.contains("_mtok must")
        };
        let theirs = theirs.map(drop).or_else(|error| if is_ours(&error.to_string()) { Ok(()) } else { Err(error) });
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?} {text}");
        if ours.is_ok() {
            assert!(List::checked("l".to_owned(), &text).is_ok(), "{text}");
        }
        *if ours.is_ok() { &mut good } else { &mut bad } += 1;
    }
    assert!(good > 300 && bad > 1_000, "{good} {bad}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let model = |change: Value| {
        let mut list = list();
        list[0]["models"][1].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        list.to_string()
    };
    for (text, why) in [
        ("[{".to_owned(), "it is no JSON: EOF while parsing an object at line 1 column 2"),
        ("{}".to_owned(), "it is no list of providers"),
        (
            r#"[{"id": "A", "name": "a", "api_pattern": "a"}]"#.to_owned(),
            "provider `A`: an id is in small letters, without blanks around it",
        ),
        (r#"[{"id": "a", "name": "a"}]"#.to_owned(), "provider `a`: it has no `api_pattern`"),
        (model(json!({"id": "h-1"})), "provider `house`: it has the model `h-1` twice"),
        (
            model(json!({"match": {"regex": "(?<=a)"}})),
            "provider `house`: model `h-2`: the pattern `(?<=a)` has a group of a kind that is not known here (looking behind, names, flags), at character 1",
        ),
        (
            model(json!({"match": {}})),
            "provider `house`: model `h-2`: a rule has exactly one of `and`, `or`, `contains`, `ends_with`, `equals`, `regex` and `starts_with`",
        ),
        (
            model(json!({"prices": {"input_mtok": -1}})),
            "provider `house`: model `h-2`: the price `input_mtok` is no number from zero on",
        ),
        (
            model(json!({"prices": {"cache_read_mtok": 1}})),
            "provider `house`: model `h-2`: there is a price `cache_read_mtok` and none of `input_mtok`",
        ),
        (
            model(json!({"prices": [{"prices": {}, "constraint": {"start_date": "2026-02-29"}}]})),
            "provider `house`: model `h-2`: `2026-02-29` is no day",
        ),
        (
            model(json!({"price_variants": [{"prices": {}}]})),
            "provider `house`: model `h-2`: a variant of its prices has no `when`",
        ),
    ] {
        let error = List::read("l".to_owned(), &text).unwrap_err();
        assert_eq!(error.message(), "`l` is no price list in the second form of genai-prices");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), why);
    }
}

/// A list that was read before is read as far as it is asked for.
#[test]
fn what_was_checked_before_is_wrong_only_where_it_is() {
    let mut list = list();
    list[0]["models"][1]["prices"] = json!({"input_mtok": -1});
    list.as_array_mut().unwrap().push(json!({"name": "no id"}));
    let text = list.to_string();
    assert!(List::read("l".to_owned(), &text).is_err());
    let list = List::checked("l".to_owned(), &text).unwrap();
    let usage = ModelUsage { input: 1, requests: 1, ..ModelUsage::default() };
    let of = |model: &str| list.quote(model, &usage, WallTime(0)).map(|quote| quote.model);
    assert_eq!([of("house/h-1"), of("h-2"), of("other/x")], [None, None, Some("other/o".to_owned())]);
    let rules = text.replace(r#""regex":"^h""#, r#""regex":"(h""#);
    assert!(List::checked("l".to_owned(), &rules).is_err(), "the rules of providers are read");
}

/// A provider that takes models from others has what they had before it, and not on their terms.
#[test]
fn models_of_others_are_found_after_the_own() {
    let list = List::read("l".to_owned(), &list().to_string()).unwrap();
    let usage = ModelUsage { requests: 1, ..ModelUsage::default() };
    let of = |model: &str| list.quote(model, &usage, WallTime(0)).map(|quote| quote.model);
    for (name, found) in [
        ("house/h-2", Some("house/h-2")),
        ("HOME/H-2", Some("house/h-2")),
        ("hx1", Some("house/h-1")),
        ("h-3", Some("house/o")),
        ("litellm/home/h-2", Some("house/h-2")),
        ("litellm/h-2", Some("house/h-2")),
        ("litellm/x", None),
        ("x", None),
        ("nobody/h-2", None),
    ] {
        assert_eq!(of(name).as_deref(), found, "{name}");
    }
}

/// One provider bills transcriptions for ten seconds at least, wherever the model is from; others do not.
#[test]
fn only_one_provider_bills_a_least() {
    let model = json!({"id": "whisper-large-v3", "match": {"contains": "whisper"}, "prices": {"audio_hours": 3.6}});
    let provider = |id: &str, models: &[&Value]| json!({"id": id, "name": id, "api_pattern": id, "models": models, "fallback_model_providers": ["maker"]});
    let text = json!([provider("groq", &[]), provider("maker", &[&model])]).to_string();
    let (list, calculator) = (List::read("l".to_owned(), &text).unwrap(), Calculator::from_json(&text).unwrap());
    let usage = ModelUsage { requests: 2, items: [("audio_seconds".to_owned(), 7)].into(), ..ModelUsage::default() };
    for (provider, cents) in [("groq", 2.0), ("maker", 0.7)] {
        let ours = list.quote(&format!("{provider}/whisper"), &usage, WallTime(0)).unwrap();
        assert_eq!(ours.total, Usd::from_dollars(cents / 100.0));
        let theirs = theirs(&calculator, Some(provider), "whisper", &usage, WallTime(0)).unwrap();
        assert_eq!(ours.total, Usd::from_dollars(theirs[0]));
    }
}
