//! What those hear who listen.

use std::sync::{Arc, Mutex};

use super::*;
use crate::cache::CacheEventKind;

type Heard = Arc<Mutex<Vec<(CacheEventKind, String, Option<serde_json::Value>)>>>;

fn listened(options: CacheOptions) -> (TtlCache, Hand, Heard) {
    let (clock, hand) = Clock::manual();
    let (cache, heard) = (TtlCache::with_clock(options, clock), Heard::default());
    let ear = heard.clone();
    cache.listen(move |event| {
        let value = event.entry.map(|entry| entry.json().unwrap().clone());
        ear.lock().unwrap().push((event.kind, event.key.to_owned(), value));
    });
    (cache, hand, heard)
}

/// What was heard since last asked: `hit a=1`.
fn take(heard: &Heard) -> Vec<String> {
    let taken = std::mem::take(&mut *heard.lock().unwrap());
    let said = |value: Option<serde_json::Value>| value.map_or(String::new(), |value| format!("={value}"));
    taken.into_iter().map(|(kind, key, value)| format!("{} {key}{}", kind.name(), said(value))).collect()
}

#[test]
fn everything_is_heard_once_and_in_order() {
    let options = CacheOptions { max_bytes: 2 * 600, ..CacheOptions::default() };
    let (cache, hand, heard) = listened(options);
    assert!(cache.get("a").is_none());
    cache.set("a", 1);
    cache.get("a");
    cache.peek("a");
    assert_eq!(take(&heard), ["miss a", "set a=1", "hit a=1"], "a peek is no look");

    cache.set("a", 2);
    assert_eq!(take(&heard), ["set a=2"], "a value that is replaced does not go");
    cache.set_with("b", 1, Keep::ttl(Duration::from_secs(1)));
    hand.advance(Duration::from_secs(2));
    assert!(cache.get("b").is_none());
    assert_eq!(take(&heard), ["set b=1", "miss b"]);
    cache.set("c", 1);
    assert_eq!(take(&heard), ["expired b=1", "set c=1"], "before what is new");
    cache.set("d", 1);
    assert_eq!(take(&heard), ["set d=1", "evicted a=2"]);
    cache.set_with("d", 2, Keep::ttl(Duration::ZERO));
    assert_eq!(take(&heard), [""; 0], "nothing came, and what there was had no better end");

    cache.invalidate("c");
    cache.set_with("e", 1, Keep { tags: vec!["t".into()], ..Keep::default() });
    cache.invalidate_tag("t");
    cache.set("f", 1);
    cache.clear();
    assert_eq!(take(&heard), ["invalidated c=1", "set e=1", "invalidated e=1", "set f=1", "invalidated f=1"]);
}

#[test]
fn children_and_what_was_derived_are_heard_too() {
    let (cache, _, heard) = listened(CacheOptions::default());
    let child = cache.child();
    cache.set("a", 1);
    child.set_with("b", 2, Keep { derived_from: vec!["a".into()], ..Keep::default() });
    child.get("a");
    assert_eq!(take(&heard), ["set a=1", "set b=2", "hit a=1"]);
    child.invalidate("a");
    let mut told = take(&heard);
    told.sort();
    assert_eq!(told, ["invalidated a=1", "invalidated b=2"], "hidden from the child is gone for the child");
    child.set("c", 3);
    drop(child);
    assert_eq!(take(&heard), ["set c=3"]);
    assert_eq!(cache.import(&cache.export()).unwrap().kept, 1);
    assert_eq!(take(&heard), ["set a=1"], "an import sets");
}

#[test]
fn each_way_to_make_a_value_is_heard() {
    let (cache, hand, heard) = listened(CacheOptions::default());
    let keep = || Keep { ttl: Some(Duration::from_secs(1)), stale: Duration::from_secs(9), ..Keep::default() };
    let make = |value: u64| cache.get_or_make_blocking("a", keep(), || Ok::<_, ()>(value)).unwrap();
    make(1);
    make(2);
    assert_eq!(take(&heard), ["miss a", "set a=1", "hit a=1"]);
    hand.advance(Duration::from_secs(2));
    cache
        .get_or_make_blocking("a", keep(), || {
            make(3);
            Ok::<_, ()>(4)
        })
        .unwrap();
    assert_eq!(take(&heard), ["miss a", "hit a=1", "set a=4"], "the second one gets the stale value");
    assert!(cache.get_or_make_blocking("b", keep(), || Err::<u64, _>("no")).is_err());
    assert_eq!(take(&heard), ["miss b"]);
}

#[test]
fn who_hears_may_use_the_cache() {
    let (cache, _, _) = listened(CacheOptions { max_bytes: 1_200, ..CacheOptions::default() });
    let inner = cache.clone();
    cache.listen(move |event| {
        if event.kind == CacheEventKind::Evicted {
            inner.listen(|_| ());
            inner.set("last evicted", event.key);
            inner.invalidate(event.key);
            inner.stats();
        }
    });
    cache.set("a", 1);
    cache.set("b", 1);
    cache.set("c", 1);
    assert!(cache.get("last evicted").is_some());
}

#[test]
fn what_is_heard_adds_up_to_what_is_counted() {
    let (cache, hand, heard) = listened(CacheOptions { max_bytes: 2_100, ..CacheOptions::default() });
    for nth in 0..500u64 {
        let key = format!("{}", nth * nth % 13);
        match nth % 5 {
            0 | 1 => _ = cache.set_with(key, nth, Keep::ttl(Duration::from_millis(nth % 40))),
            2 => _ = cache.get(&key),
            3 => _ = cache.invalidate(&key),
            _ => hand.advance(Duration::from_millis(1)),
        }
    }
    let stats = cache.stats();
    let told = heard.lock().unwrap();
    let count = |kind| told.iter().filter(|(told, ..)| *told == kind).count() as u64;
    assert_eq!(
        [CacheEventKind::Hit, CacheEventKind::Miss, CacheEventKind::Set].map(count),
        [stats.hits, stats.misses, stats.sets]
    );
    assert_eq!(
        [CacheEventKind::Evicted, CacheEventKind::Expired, CacheEventKind::Invalidated].map(count),
        [stats.evictions, stats.expirations, stats.invalidations]
    );
    assert!([stats.hits, stats.misses, stats.evictions, stats.expirations, stats.invalidations].iter().all(|n| *n > 0));
}
