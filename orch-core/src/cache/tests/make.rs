//! Looks that compute where there is nothing.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
};

use serde_json::{Value, json};

use super::*;
use crate::{Cost, Made, Usage};

fn cache() -> (TtlCache, Hand) {
    let (clock, hand) = Clock::manual();
    (TtlCache::with_clock(CacheOptions::default(), clock), hand)
}

fn make(cache: &TtlCache, keep: Keep, value: Result<u64, &str>) -> Result<u64, String> {
    let entry = cache.get_or_make_blocking("k", keep, || value)?;
    Ok(entry.json().unwrap().as_u64().unwrap())
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn many_callers_cause_one_computation() {
    let computed = AtomicU32::new(0);
    for round in 0..200 {
        let cache = TtlCache::new(CacheOptions::default());
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let entry = cache.get_or_make_blocking("k", Keep::default(), || {
                        computed.fetch_add(1, Ordering::Relaxed);
                        Ok::<_, ()>(Value::Null)
                    });
                    assert_eq!(entry.unwrap().json(), Some(&Value::Null));
                });
            }
        });
        assert_eq!(computed.load(Ordering::Relaxed), round + 1);
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.hits), (1, 7));
    }
}

#[test]
fn null_false_zero_and_the_empty_text_are_not_made_again() {
    for value in [Value::Null, json!(false), json!(0), json!("")] {
        let (cache, _) = cache();
        for made in [value.clone(), json!("again")] {
            let entry = cache.get_or_make_blocking("k", Keep::default(), || Ok::<_, ()>(made)).unwrap();
            assert_eq!(entry.json(), Some(&value));
        }
    }
}

#[test]
fn a_leader_that_fails_or_is_dropped_is_followed_by_the_next() {
    let (cache, _) = cache();
    let mut first = Box::pin(cache.get_or_make("k", Keep::default(), pending::<Result<u64, ()>>));
    let mut second = pin!(cache.get_or_make("k", Keep::default(), || async { Err::<u64, _>("no") }));
    let mut third = pin!(cache.get_or_make("k", Keep::default(), || async { Ok::<_, &str>(3) }));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    drop(first);
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Err("no"))));
    let Poll::Ready(Ok(entry)) = poll(third.as_mut()) else { panic!("the third one makes it") };
    assert_eq!(entry.json(), Some(&json!(3)));
    assert_eq!(make(&cache, Keep::default(), Ok(4)), Ok(3));
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.hits), (3, 1));
}

#[test]
fn a_stale_value_is_answered_while_one_makes_another_and_never_later() {
    let (cache, hand) = cache();
    let keep = || Keep { stale: Duration::from_secs(5), ..Keep::ttl(Duration::from_secs(10)) };
    assert_eq!(make(&cache, keep(), Ok(1)), Ok(1));
    hand.advance(Duration::from_secs(10));
    assert!(cache.get("k").is_none(), "who only looks does not get it");

    let mut renews = Box::pin(cache.get_or_make("k", keep(), pending::<Result<u64, ()>>));
    assert!(poll(renews.as_mut()).is_pending());
    assert_eq!(make(&cache, keep(), Ok(2)), Ok(1));
    assert_eq!(make(&cache.child(), keep(), Ok(7)), Ok(7), "a child may make its own");
    drop(renews);
    assert_eq!(make(&cache, keep(), Err("no")), Err("no".to_owned()));
    assert_eq!(make(&cache, keep(), Ok(3)), Ok(3));

    hand.advance(Duration::from_secs(15));
    let mut renews = Box::pin(cache.get_or_make("k", keep(), pending::<Result<u64, ()>>));
    assert!(poll(renews.as_mut()).is_pending());
    let mut waits = pin!(cache.get_or_make("k", keep(), || async { Ok::<_, ()>(4) }));
    assert!(poll(waits.as_mut()).is_pending(), "too old for anybody");
    drop(renews);
    assert!(poll(waits.as_mut()).is_ready());
}

#[test]
fn what_is_not_kept_is_answered_to_all_who_wait() {
    let (clock, _hand) = Clock::manual();
    let cache = TtlCache::with_clock(CacheOptions { max_bytes: 0, ..CacheOptions::default() }, clock);
    let (sender, receiver) = tokio::sync::oneshot::channel::<u64>();
    let mut first = pin!(cache.get_or_make("k", Keep::default(), || receiver));
    let mut second = pin!(cache.get_or_make("k", Keep::default(), || async { Ok::<u64, ()>(2) }));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    sender.send(1).unwrap();
    let Poll::Ready(Ok(first)) = poll(first.as_mut()) else { panic!("it was made") };
    let Poll::Ready(Ok(second)) = poll(second.as_mut()) else { panic!("it was made") };
    assert_eq!((first.json(), second.json()), (Some(&json!(1)), Some(&json!(1))));
    assert_eq!(cache.stats().entries, 0);
    assert_eq!(make(&cache, Keep::default(), Ok(3)), Ok(3), "the next one makes it again");
}

#[test]
fn what_it_cost_is_measured() {
    let (cache, hand) = cache();
    let made = || {
        hand.advance(Duration::from_secs(3));
        let cost = Cost { usage: Usage::tokens("m", 10, 5), ..Cost::default() };
        Ok::<_, ()>(Made { value: 1.into(), cost })
    };
    cache.get_or_make_blocking("k", Keep::default(), made).unwrap();
    cache.get("k").unwrap();
    cache.get("k").unwrap();
    let stats = cache.stats();
    assert_eq!((stats.made.time.as_secs(), stats.made.usage.total_tokens()), (3, 15));
    assert_eq!((stats.saved.time.as_secs(), stats.saved.usage.total_tokens()), (6, 30));
}
