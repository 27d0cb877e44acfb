use std::time::Duration;

use proptest::prelude::*;

use super::{Admission, CacheOptions, Eviction, Keep, Origin, Pattern, TtlCache};
use crate::clock::{Clock, Hand};

mod bad_input;
mod export;
mod listen;
mod make;
mod model;

use model::{Key, Model, SECOND, Set};

const KEYS: [Key; 5] = ["a", "b", "ab", "c", "dd"];
const VALUES: [&str; 4] = ["", "one", "two", "a value that is longer than all the others together are"];
const TAGS: [Key; 2] = ["x", "yy"];

#[derive(Debug, Clone)]
enum Step {
    Set(usize, Set),
    Get(usize, Key),
    Invalidate(usize, Key),
    Prefix(usize, Key),
    Pattern(usize, &'static str),
    Tag(usize, Key),
    Clear(usize),
    Child(usize),
    Close(usize),
    Wait(u64),
    WallForward(u64),
    WallBack(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let scope = || 0..4usize;
    let key = || prop::sample::select(&KEYS[..]);
    let set = (
        (key(), prop::sample::select(&VALUES[..])),
        (prop::sample::select(vec![0, 1, 2, 5, 60]), prop::sample::select(vec![0, 0, 0, 3])),
        prop::option::weighted(0.2, prop::sample::select(&TAGS[..])),
        (prop::option::weighted(0.4, key()), any::<bool>()),
    );
    let set = set.prop_map(|((key, value), (ttl, stale), tag, (from, pinned))| Set {
        key,
        value,
        ttl: ttl * SECOND,
        stale: stale * SECOND,
        tag,
        from,
        pinned,
    });
    let step = prop_oneof![
        8 => (scope(), set).prop_map(|(scope, set)| Step::Set(scope, set)),
        6 => (scope(), key()).prop_map(|(scope, key)| Step::Get(scope, key)),
        1 => (scope(), key()).prop_map(|(scope, key)| Step::Invalidate(scope, key)),
        1 => (scope(), key()).prop_map(|(scope, key)| Step::Prefix(scope, key)),
        1 => (scope(), prop::sample::select(vec!["*", "?", "a*", "*b", "??"])).prop_map(|(scope, text)| Step::Pattern(scope, text)),
        1 => (scope(), prop::sample::select(&TAGS[..])).prop_map(|(scope, tag)| Step::Tag(scope, tag)),
        1 => scope().prop_map(Step::Clear),
        1 => scope().prop_map(Step::Child),
        1 => scope().prop_map(Step::Close),
        3 => (0..6u64).prop_map(|halves| Step::Wait(halves * SECOND / 2)),
        1 => (1..3u64).prop_map(|seconds| Step::WallForward(2 * seconds * SECOND)),
        1 => (1..3u64).prop_map(|seconds| Step::WallBack(2 * seconds * SECOND)),
    ];
    prop::collection::vec(step, 1..60)
}

/// The cache beside its model.
struct Both {
    scopes: Vec<Option<TtlCache>>,
    model: Model,
    hand: Hand,
    /// How far the time of day is ahead of the other clock, in seconds, and how far it was at most.
    ahead: (i64, i64),
}

impl Both {
    fn new(options: CacheOptions) -> Self {
        let (clock, hand) = Clock::manual();
        let cache = TtlCache::with_clock(options, clock);
        Self { scopes: vec![Some(cache)], model: Model::new(options), hand, ahead: (0, 0) }
    }

    /// A scope that is there.
    fn pick(&self, scope: usize) -> (usize, TtlCache) {
        let scope = scope % self.scopes.len();
        self.scopes[scope].clone().map_or_else(|| self.pick(0), |cache| (scope, cache))
    }

    fn set(&mut self, scope: usize, set: Set) {
        let (scope, cache) = self.pick(scope);
        let saw = |key: Key| cache.peek(key).filter(|_| set.pinned);
        let origin = |key: Key| saw(key).map_or_else(|| Origin::from(key), |entry| (&entry).into());
        let keep = Keep {
            ttl: Some(Duration::from_nanos(set.ttl)),
            stale: Duration::from_nanos(set.stale),
            tags: set.tag.iter().map(|tag| (*tag).to_owned()).collect(),
            derived_from: set.from.iter().map(|key| origin(key)).collect(),
            ..Keep::default()
        };
        let kept = match cache.set_with(set.key, set.value, keep) {
            Admission::Kept => "kept",
            Admission::TooLarge { .. } => "too large",
            Admission::Expired => "expired",
            Admission::Outdated => "outdated",
            Admission::Crowded => "crowded",
        };
        assert_eq!(kept, self.model.set(scope, set));
    }

    fn pass(&mut self, time: u64) {
        self.hand.advance(Duration::from_nanos(time));
        self.model.now += time;
        self.model.end();
    }

    fn turn_wall(&mut self, seconds: i64) {
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds > 0 {
            self.hand.wall_forward(by)
        } else {
            self.hand.wall_back(by)
        }
        self.ahead.0 += seconds;
        // A second is not believed.
        if self.ahead.0 - self.ahead.1 > 1 {
            self.model.now += (self.ahead.0 - self.ahead.1).unsigned_abs() * SECOND;
            self.ahead.1 = self.ahead.0;
        }
        // A jump is noticed within ten milliseconds.
        self.pass(10_000_000);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Set(scope, set) => self.set(scope, set),
            Step::Get(scope, key) => {
                let (scope, cache) = self.pick(scope);
                let found = cache.get(key);
                let found = found.as_ref().map(|entry| entry.json().unwrap().as_str().unwrap());
                assert_eq!(found, self.model.get(scope, key));
            }
            Step::Invalidate(scope, key) => {
                let (scope, cache) = self.pick(scope);
                let dropped = self.model.invalidate(scope, |set| set.key == key, &[key]);
                assert_eq!(cache.invalidate(key) as u64, dropped);
            }
            Step::Prefix(scope, prefix) => {
                let (scope, cache) = self.pick(scope);
                let keys: Vec<Key> = KEYS.into_iter().filter(|key| key.starts_with(prefix)).collect();
                let dropped = self.model.invalidate(scope, |set| keys.contains(&set.key), &keys);
                assert_eq!(cache.invalidate_prefix(prefix) as u64, dropped);
            }
            Step::Pattern(scope, text) => {
                let (scope, cache) = self.pick(scope);
                let pattern: Pattern = text.parse().unwrap();
                let keys: Vec<Key> = KEYS.into_iter().filter(|key| pattern.matches(key)).collect();
                let dropped = self.model.invalidate(scope, |set| keys.contains(&set.key), &keys);
                assert_eq!(cache.invalidate_matching(&pattern) as u64, dropped);
            }
            Step::Tag(scope, tag) => {
                let (scope, cache) = self.pick(scope);
                let dropped = self.model.invalidate(scope, |set| set.tag == Some(tag), &[]);
                assert_eq!(cache.invalidate_tag(tag) as u64, dropped);
            }
            Step::Clear(scope) => {
                let (scope, cache) = self.pick(scope);
                assert_eq!(cache.clear() as u64, self.model.clear(scope, &KEYS));
            }
            Step::Child(parent) => {
                let (parent, cache) = self.pick(parent);
                self.scopes.push(Some(cache.child()));
                self.model.child(parent);
            }
            Step::Close(scope) => {
                let (scope, cache) = self.pick(scope);
                drop(cache);
                // The root stays, and whoever has children.
                if scope > 0 && !self.has_children(scope) {
                    self.scopes[scope] = None;
                    self.model.close(scope);
                }
            }
            Step::Wait(time) => self.pass(time),
            Step::WallForward(time) => self.turn_wall((time / SECOND) as i64),
            Step::WallBack(time) => self.turn_wall(-((time / SECOND) as i64)),
        }
    }

    fn has_children(&self, scope: usize) -> bool {
        let alive = self.scopes.iter().zip(&self.model.parents).filter(|(cache, _)| cache.is_some());
        alive.into_iter().any(|(_, parent)| *parent == Some(scope))
    }

    fn compare(&self) {
        for (scope, cache) in self.scopes.iter().enumerate() {
            let Some(cache) = cache else { continue };
            let seen = |key: &Key| cache.peek(key).map(|entry| entry.json().unwrap().as_str().unwrap().to_owned());
            let found: Vec<_> = KEYS.iter().map(seen).collect();
            let expected = KEYS.iter().map(|key| self.model.see(scope, key).map(|(_, value)| value.to_owned()));
            assert_eq!(found, expected.collect::<Vec<_>>(), "as scope {scope} sees it");
            let mut keys: Vec<Key> = KEYS.into_iter().filter(|key| self.model.see(scope, key).is_some()).collect();
            keys.sort_unstable();
            assert_eq!(cache.keys().iter().map(|key| &**key).collect::<Vec<_>>(), keys);
        }
        let stats = self.scopes[0].as_ref().unwrap().stats();
        assert!(stats.bytes <= self.scopes[0].as_ref().unwrap().options().max_bytes);
        assert_eq!(stats, self.model.stats());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(
        steps in steps(),
        room in prop::sample::select(vec![0, 600, 1_300, 2_000, 4_000, 1 << 20]),
        eviction in prop::sample::select(vec![Eviction::Lru, Eviction::Lfu, Eviction::Expiry]),
    ) {
        let mut both = Both::new(CacheOptions { max_bytes: room, eviction, ..CacheOptions::default() });
        for step in steps {
            both.step(step);
            both.compare();
        }
    }
}

#[test]
fn who_keeps_a_value_nearer_by_knows_for_how_long_and_says_how_often_it_was_used() {
    let (clock, hand) = Clock::manual();
    // Room for two.
    let cache = TtlCache::with_clock(CacheOptions { max_bytes: 1_300, ..CacheOptions::default() }, clock);
    cache.set_with("a", 1, Keep::ttl(Duration::from_secs(9)));
    hand.advance(Duration::from_secs(2));
    cache.set("b", 2);
    assert_eq!((cache.rest("a"), cache.rest("c")), (Some(Duration::from_secs(7)), None));
    hand.advance(Duration::from_secs(1));
    assert!(cache.used("a", 5) && !cache.used("c", 5));
    cache.set("c", 3);
    assert!(cache.peek("b").is_none(), "`a` was used later");
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (5, 0));
    hand.advance(Duration::from_secs(6));
    assert_eq!((cache.rest("a"), cache.used("a", 1)), (None, false));
}
