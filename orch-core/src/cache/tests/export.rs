//! Exports and imports.

use serde_json::{Value, json};

use super::*;
use crate::{
    Cost, Imported, Usage, Usd,
    cache::{CacheValue, Held},
};

fn cache() -> (TtlCache, Hand) {
    let (clock, hand) = Clock::manual();
    (TtlCache::with_clock(CacheOptions::default(), clock), hand)
}

/// What can be seen, as text.
fn contents(cache: &TtlCache) -> Vec<String> {
    let entry = |key: &std::sync::Arc<str>| {
        let entry = cache.peek(key).unwrap();
        let (tags, from, cost) = (entry.tags(), entry.derived_from().len(), entry.cost());
        format!("{key:?} {:?} {:?} {tags:?} {from} {cost:?}", entry.value(), entry.ttl())
    };
    cache.keys().iter().map(entry).collect()
}

#[test]
fn everything_comes_back() {
    let (cache, hand) = cache();
    let cost =
        Cost { time: Duration::from_millis(1_500), usage: Usage::tokens("m", 3, 4), money: Some(Usd::from_cents(2)) };
    for key in ["", "../x", "a\0b", "\u{1b}[2J", "\"\\\n", "\u{202e}é"] {
        cache.set_with(key, json!({"b": [1, 2.5, null], "a": ""}), Keep { cost: cost.clone(), ..Keep::default() });
    }
    cache.set_with("bytes", vec![0u8, 255, 16], Keep { tags: vec!["t".into()], ..Keep::default() });
    cache.set_with("derived", 0, Keep { derived_from: vec!["".into()], ..Keep::ttl(Duration::from_secs(5)) });
    hand.advance(Duration::from_millis(1_234));
    let text = cache.export();
    let (other, _) = self::cache();
    assert_eq!(other.import(&text).unwrap(), Imported { kept: 8, ..Imported::default() });
    assert_eq!(contents(&other), contents(&cache));
    assert_eq!(other.export(), cache_again(&text), "once more is the same");
    assert_eq!(other.invalidate(""), 2);
}

fn cache_again(text: &str) -> String {
    let (cache, _) = cache();
    cache.import(text).unwrap();
    cache.export()
}

#[test]
fn entries_end_when_they_would_have_ended() {
    let (one, hand) = cache();
    one.set_with("a", 1, Keep::ttl(Duration::from_secs(10)));
    one.set_with("b", 2, Keep { stale: Duration::from_secs(5), ..Keep::ttl(Duration::from_secs(3)) });
    hand.advance(Duration::from_secs(4));
    let text = one.export();

    // Another process, on whose clock 9 seconds have passed.
    let (later, hand) = cache();
    hand.advance(Duration::from_secs(9));
    assert_eq!(later.import(&text).unwrap(), Imported { kept: 1, expired: 1, ..Imported::default() });
    assert!(later.get("a").is_some() && later.get("b").is_none());
    hand.advance(Duration::from_millis(999));
    assert!(later.get("a").is_some());
    hand.advance(Duration::from_millis(1));
    assert!(later.get("a").is_none());

    // One whose clock is a day behind: no longer than its whole time from now.
    let (behind, hand) = cache();
    hand.wall_back(Duration::from_secs(86_400));
    behind.import(&text).unwrap();
    hand.advance(Duration::from_secs(10));
    assert!(behind.get("a").is_none());
}

#[test]
fn an_import_keeps_the_order_of_eviction() {
    for eviction in [Eviction::Lru, Eviction::Lfu, Eviction::Expiry] {
        let (clock, hand) = Clock::manual();
        let one = TtlCache::with_clock(CacheOptions { eviction, ..CacheOptions::default() }, clock);
        for (key, ttl) in [("a", 30), ("b", 10), ("c", 20)] {
            one.set_with(key, key, Keep::ttl(Duration::from_secs(ttl)));
            hand.advance(Duration::from_millis(1));
        }
        for key in ["b", "b", "a"] {
            one.get(key);
            hand.advance(Duration::from_millis(1));
        }
        let (clock, _hand) = Clock::manual();
        let small = TtlCache::with_clock(CacheOptions { eviction, max_bytes: 1_300, ..CacheOptions::default() }, clock);
        small.import(&one.export()).unwrap();
        let kept: Vec<String> = small.keys().iter().map(|key| (**key).to_owned()).collect();
        let expected = match eviction {
            Eviction::Lru | Eviction::Lfu => ["a", "b"],
            Eviction::Expiry => ["a", "c"],
        };
        assert_eq!(kept, expected, "{eviction:?}");
    }
}

#[test]
fn what_was_made_from_another_value_is_left_out() {
    let (one, _) = cache();
    one.set("analysis", "v1");
    one.set_with("summary", "of v1", Keep { derived_from: vec!["analysis".into()], ..Keep::default() });
    one.set_with("title", "of the summary", Keep { derived_from: vec!["summary".into()], ..Keep::default() });
    let whole = one.export();
    one.invalidate_prefix("nothing");
    let mut form: Value = serde_json::from_str(&whole).unwrap();
    form["entries"].as_array_mut().unwrap().retain(|entry| entry["key"] != "analysis");
    let without = form.to_string();

    let (same, _) = cache();
    same.set("analysis", "v1");
    assert_eq!(same.import(&without).unwrap().kept, 2);
    let (other, _) = cache();
    other.set("analysis", "v2");
    assert_eq!(other.import(&without).unwrap(), Imported { outdated: 2, ..Imported::default() });
    let (empty, _) = cache();
    assert_eq!(empty.import(&without).unwrap().kept, 2);
    empty.set("analysis", "v1");
    assert!(empty.get("title").is_some(), "it is the value that it was made from");
    empty.set("analysis", "v2");
    assert!(empty.get("title").is_none());
}

#[test]
fn a_child_exports_what_was_set_there() {
    let (parent, _) = cache();
    parent.set("a", 1);
    let child = parent.child();
    child.set("b", 2);
    let (other, _) = cache();
    other.import(&child.export()).unwrap();
    assert_eq!(other.keys().iter().map(|key| &**key).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn bad_exports_are_refused_and_nothing_is_lost() {
    let (cache, _) = cache();
    cache.set("a", 1);
    cache.set("k\u{1b}", 2);
    let good: Value = serde_json::from_str(&cache.export()).unwrap();
    let before = cache.export();
    let hash = good["entries"][0]["value"].as_str().unwrap().to_owned();
    let check = |change: &dyn Fn(&mut Value), code: &str, message: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let error = cache.import(&bad.to_string()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.kind().code(), code);
        assert_eq!(cache.export(), before);
    };
    let (format, value) = ("INVALID_FORMAT", "INVALID_VALUE");
    let unread = "the export of a cache cannot be read";
    check(&|bad| *bad = json!([]), format, unread);
    check(&|bad| bad["more"] = json!(1), format, unread);
    check(&|bad| bad["entries"][0]["ttl_ms"] = json!(-1), format, unread);
    check(&|bad| bad["entries"][0]["value"] = json!("no hash"), format, unread);
    check(&|bad| bad["version"] = json!(2), value, "the export of a cache has version 2; this build reads version 1");
    check(
        &|bad| bad["entries"][0]["key"] = bad["entries"][1]["key"].clone(),
        value,
        "the export of a cache has the key `k\\u{1b}` twice",
    );
    check(&|bad| bad["values"] = json!({}), value, "the export of a cache has no value for the key `a`");
    check(
        &|bad| bad["entries"][0]["ttl_ms"] = json!(101u64 * 365 * 86_400_000),
        value,
        "the key `a` in the export of a cache has a time of more than 100 years",
    );
    for (payload, message) in [
        (json!({"json": 3}), "is not what its hash says"),
        (json!({"hex": "1"}), "is no hexadecimal text"),
        (json!({"hex": "é"}), "is no hexadecimal text"),
        (json!({"hex": "+1"}), "is no hexadecimal text"),
    ] {
        let message = format!("the value {hash} in the export of a cache {message}");
        check(&|bad| bad["values"][&hash] = payload.clone(), value, &message);
    }
    assert_eq!(cache.import("{").unwrap_err().kind().code(), format);
    assert!(cache.import(&"[".repeat(100_000)).is_err());
}

#[test]
fn what_has_no_json_form_stays_here() {
    let (clock, _hand) = Clock::manual();
    let cache = TtlCache::with_clock(CacheOptions::default(), clock.clone());
    cache.set("with", CacheValue::Held(Held::new('x', Some(json!(1)), 4)));
    cache.set("without", CacheValue::Held(Held::new('y', None, 4)));
    cache.set("same", CacheValue::Held(Held::new('z', Some(json!(1)), 4)));
    let object = |key| cache.get(key).unwrap().value().held::<char>().copied();
    assert_eq!([object("with"), object("without"), object("same")], [Some('x'), Some('y'), Some('z')]);

    let other = TtlCache::with_clock(CacheOptions::default(), clock);
    assert_eq!(other.import(&cache.export()).unwrap().kept, 2);
    assert_eq!(other.get("with").unwrap().json(), Some(&json!(1)));
    assert!(other.get("without").is_none() && other.get("same").unwrap().value().held::<char>().is_none());
}
