//! What no cache should be given.

use super::*;
use crate::CacheValue;

fn cache(options: CacheOptions) -> (TtlCache, Hand) {
    let (clock, hand) = Clock::manual();
    (TtlCache::with_clock(options, clock), hand)
}

#[test]
fn a_cache_without_room_keeps_nothing() {
    let (cache, _) = cache(CacheOptions { max_bytes: 0, ..CacheOptions::default() });
    let kept = cache.set("a", "b");
    assert_eq!(kept.to_string(), "not kept: takes 582 bytes, more than the 0 of `max_bytes`");
    assert!(cache.get("a").is_none());
}

#[test]
fn a_value_that_is_too_large_takes_the_former_one_with_it_and_nothing_else() {
    let (cache, _) = cache(CacheOptions { max_bytes: 2_000, ..CacheOptions::default() });
    cache.set("a", "small");
    cache.set("b", "small");
    assert!(matches!(cache.set("a", vec![0; 2_000]), Admission::TooLarge { bytes: 2_501, max_bytes: 2_000 }));
    assert_eq!((cache.get("a").is_some(), cache.get("b").is_some()), (false, true));
    assert_eq!(cache.set("a", vec![0; 1_499]), Admission::Kept, "exactly what there is");
    assert_eq!((cache.stats().bytes, cache.stats().evictions), (2_000, 1));
}

#[test]
fn times_to_live_have_limits() {
    let (cache, hand) = cache(CacheOptions { ttl: Duration::MAX, ..CacheOptions::default() });
    assert_eq!(cache.set_with("none", 1, Keep::ttl(Duration::ZERO)), Admission::Expired);
    for (key, ttl) in [("default", None), ("longest", Some(Duration::MAX))] {
        assert_eq!(cache.set_with(key, 1, Keep { ttl, stale: Duration::MAX, ..Keep::default() }), Admission::Kept);
        assert_eq!(cache.get(key).unwrap().ttl(), CacheOptions::MAX_TTL);
    }
    hand.advance(CacheOptions::MAX_TTL - Duration::from_nanos(1));
    assert!(cache.get("longest").is_some());
    hand.advance(Duration::from_nanos(1));
    assert!(cache.get("longest").is_none());
    hand.advance(Duration::MAX);
    assert_eq!(cache.set("late", 1), Admission::Expired, "at the end of time nothing is good for long");
    assert_eq!(cache.stats().entries, 0);
}

#[test]
fn negative_times_are_refused_at_the_border() {
    for text in
        [r#"{"ttl_ms": -1}"#, r#"{"ttl_ms": "1"}"#, r#"{"ttl_ms": 1e300}"#, r#"{"max_bytes": -1}"#, r#"{"ttl": 1}"#]
    {
        assert!(serde_json::from_str::<CacheOptions>(text).is_err(), "{text}");
    }
    for text in [r#"{"ttl_ms": -1}"#, r#"{"stale_ms": -0.5}"#, r#"{"derived_from": [{"kee": "a"}]}"#] {
        assert!(serde_json::from_str::<Keep>(text).is_err(), "{text}");
    }
    let keep: Keep = serde_json::from_str(r#"{"ttl_ms": 1500.5, "derived_from": ["a", {"key": "b"}]}"#).unwrap();
    assert_eq!(keep.ttl, Some(Duration::from_micros(1_500_500)));
    assert_eq!(keep.derived_from, ["a".into(), "b".into()]);
}

#[test]
fn keys_are_only_texts() {
    let (cache, _) = cache(CacheOptions::default());
    let keys = [
        "",
        "../../etc/passwd",
        "/",
        "C:\\x",
        "a\0b",
        "\u{1b}[2J",
        "\n",
        "\u{202e}gpj",
        "*",
        "a?b",
        "$(rm)",
        "é",
        "e\u{301}",
    ];
    for (nth, key) in keys.into_iter().enumerate() {
        assert_eq!(cache.set(key, nth as u64), Admission::Kept);
    }
    for (nth, key) in keys.into_iter().enumerate() {
        assert_eq!(cache.get(key).unwrap().json().unwrap().as_u64(), Some(nth as u64), "{key:?}");
    }
    assert_eq!(cache.invalidate("*"), 1);
    assert_eq!(cache.stats().entries, keys.len() as u64 - 1);
}

#[test]
fn null_false_zero_and_the_empty_text_are_values() {
    let (cache, _) = cache(CacheOptions::default());
    for value in [serde_json::Value::Null, false.into(), 0.into(), "".into()] {
        cache.set("k", value.clone());
        assert_eq!(cache.get("k").unwrap().json(), Some(&value));
    }
    cache.set("k", Vec::<u8>::new());
    assert_eq!(cache.get("k").unwrap().bytes(), Some(&[][..]));
    cache.set("k", f64::NAN);
    assert_eq!(cache.get("k").unwrap().json(), Some(&serde_json::Value::Null));
}

#[test]
fn a_day_forward_or_back_serves_nothing_that_is_over() {
    let day = Duration::from_secs(86_400);
    let hour = Keep::ttl(Duration::from_secs(3_600));
    let moment = Duration::from_millis(10);

    let (slept, hand) = cache(CacheOptions::default());
    slept.set_with("a", 1, hour.clone());
    hand.wall_forward(day);
    hand.advance(moment);
    assert!(slept.get("a").is_none(), "the computer slept");
    slept.set_with("a", 2, hour.clone());
    hand.wall_back(day);
    hand.advance(moment);
    assert!(slept.get("a").is_some(), "the time of day was wrong for a while");
    hand.advance(Duration::from_secs(3_600) - moment);
    assert!(slept.get("a").is_none());

    let (turned_back, hand) = cache(CacheOptions::default());
    turned_back.set_with("a", 1, hour);
    hand.wall_back(day);
    hand.advance(Duration::from_secs(3_600) - Duration::from_nanos(1));
    assert!(turned_back.get("a").is_some());
    hand.advance(Duration::from_nanos(1));
    assert!(turned_back.get("a").is_none());
}

#[test]
fn equal_values_take_room_once() {
    let (cache, _) = cache(CacheOptions::default());
    let text = "x".repeat(10_000);
    cache.set("a", text.clone());
    let one = cache.stats().bytes;
    cache.set("b", text.clone());
    assert_eq!(cache.stats().bytes, one + 501);
    let (a, b) = (cache.get("a").unwrap(), cache.get("b").unwrap());
    assert!(std::ptr::eq(a.json().unwrap(), b.json().unwrap()));
    assert_eq!(a.hash(), b.hash());

    cache.set("c", serde_json::json!({"a": 1, "b": 2}));
    cache.set("d", serde_json::json!({"b": 2, "a": 1}));
    let (c, d) = (cache.get("c").unwrap(), cache.get("d").unwrap());
    assert!(std::ptr::eq(c.json().unwrap(), d.json().unwrap()));
    cache.set("e", serde_json::json!({"a": 1.0, "b": 2}));
    assert!(!std::ptr::eq(c.json().unwrap(), cache.get("e").unwrap().json().unwrap()));

    cache.invalidate("a");
    assert_eq!(cache.get("b").unwrap().json().unwrap().as_str(), Some(&*text));
    cache.invalidate("b");
    let before = cache.stats().bytes;
    cache.set("a", text);
    assert_eq!(cache.stats().bytes, before + one, "the last one took the value with it");
}

#[test]
fn an_entry_outlives_its_place_in_the_cache() {
    let (cache, _) = cache(CacheOptions::default());
    cache.set("a", CacheValue::of(&[1, 2, 3]).unwrap());
    let entry = cache.get("a").unwrap();
    cache.clear();
    drop(cache);
    assert_eq!(entry.json().unwrap()[2], 3);
    let odd = std::collections::HashMap::from([((1, 2), 3)]);
    assert_eq!(CacheValue::of(&odd).unwrap_err().kind(), crate::ErrorKind::InvalidValue);
}

#[test]
fn memory_for_what_is_gone_does_not_pile_up() {
    let (cache, hand) = cache(CacheOptions::default());
    let child = cache.child();
    for nth in 0..10_000u64 {
        cache.set("a", nth);
        child.invalidate("a");
        cache.get("a");
        hand.advance(Duration::from_millis(1));
    }
    let book = cache.0.shared.book();
    assert!(book.remembers() < 500, "{} places for one entry", book.remembers());
}

#[test]
fn threads_may_do_anything_at_once() {
    let cache = TtlCache::new(CacheOptions { max_bytes: 20_000, ..CacheOptions::default() });
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let cache = &cache;
            scope.spawn(move || {
                let child = cache.child();
                for nth in 0..5_000u64 {
                    let key = format!("{}", (nth * 7 + thread) % 50);
                    match nth % 8 {
                        0 => _ = cache.set(key.as_str(), nth % 5),
                        1 => {
                            _ = child.set_with(
                                key.as_str(),
                                nth,
                                Keep { derived_from: vec!["1".into()], ..Keep::default() },
                            )
                        }
                        2 => _ = cache.invalidate(&key),
                        3 => _ = child.invalidate_prefix(&key),
                        4 => _ = cache.stats(),
                        _ => _ = child.get(&key),
                    }
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.hits + stats.misses, 4 * 5_000 * 3 / 8);
    assert!(stats.bytes <= 20_000);
    assert_eq!(cache.clear() as u64, stats.entries);
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
}

#[test]
fn a_hit_of_an_entry_that_went_meanwhile_is_counted_with_what_it_saved() {
    let cache = TtlCache::new(CacheOptions::default());
    let second = Duration::from_secs(1);
    let cost = crate::Cost { time: second, ..crate::Cost::default() };
    for at in 0..2 {
        cache.set_with("a", at, Keep { cost: cost.clone(), ..Keep::default() });
        let found = cache.peek("a").unwrap();
        if at == 0 {
            cache.invalidate("a");
        } else {
            cache.set("a", "another value");
        }
        cache.0.shared.hit(&found.0, 1, 0);
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.saved.time), (2, 0, second * 2));
}
