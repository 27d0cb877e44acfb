//! Caches as vectors: what is done to a cache and its children, at virtual milliseconds, and what they answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Admission, CacheEntry, CacheOptions, CacheValue, Clock, ContentHash, Keep, Pattern, Result, Task, TtlCache,
    cache::{FileState, KeyHistory, KeyParts},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::{failed, read, wrong};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    options: Map<String, Value>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Since the beginning, never less than before.
    #[serde(default)]
    at_ms: u64,
    /// Where: the name of a child, or nothing for the cache itself.
    #[serde(default, rename = "in")]
    place: String,
    #[serde(rename = "do")]
    action: Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Action {
    Set {
        key: String,
        #[serde(default)]
        value: Value,
        bytes: Option<Vec<u8>>,
        #[serde(default)]
        keep: Keep,
    },
    /// Makes the value if there is none; it takes that long.
    GetOrMake {
        key: String,
        value: Value,
        takes_ms: u64,
        #[serde(default)]
        keep: Keep,
    },
    Get(String),
    Peek(String),
    Invalidate(String),
    InvalidatePrefix(String),
    InvalidateMatching(String),
    InvalidateTag(String),
    Clear,
    Keys,
    Stats,
    HitRate,
    /// Opens a child with that name.
    Child(String),
    /// Drops the child.
    Close,
    /// Moves the time of day alone.
    WallForwardMs(u64),
    WallBackMs(u64),
    Import(Value),
    /// Into a new cache, whose clocks stand at the beginning; what can be seen there.
    ExportAndImport,
    HashOf(Value),
    /// What listeners heard since the beginning or the last time: event and key.
    Heard,
    /// A task's result has to be made: by which key it is not known, and why.
    Missed {
        name: String,
        task: Box<Task>,
        /// The text of each file; null where there is none.
        #[serde(default)]
        files: BTreeMap<String, Option<String>>,
    },
}

/// Plays the steps; what each of them answered.
pub(super) fn run(input: Value) -> Result<Value> {
    let Input { options, steps } = read(input)?;
    let options: CacheOptions = match serde_json::from_value(options.into()) {
        Ok(options) => options,
        // Options that no cache can have are part of the vectors.
        Err(error) => return Ok(json!({"refused": error.to_string()})),
    };
    let (clock, hand) = Clock::manual();
    let whole = TtlCache::with_clock(options, clock);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    whole.listen(move |event| {
        ear.lock().unwrap_or_else(PoisonError::into_inner).push(json!([event.kind, event.key]));
    });
    let mut caches = BTreeMap::from([(String::new(), whole)]);
    let (mut now, mut history) = (0, KeyHistory::default());
    let mut answers = Vec::new();
    for Step { at_ms, place, action } in steps {
        let later = at_ms.checked_sub(now).ok_or_else(|| wrong(format!("time goes back from {now} to {at_ms} ms")))?;
        hand.advance(Duration::from_millis(later));
        now = at_ms;
        let cache = caches.get(&place).ok_or_else(|| wrong(format!("no cache `{place}`")))?.clone();
        answers.push(match action {
            Action::Set { key, value, bytes, keep } => {
                let value = bytes.map_or_else(|| CacheValue::from(value), CacheValue::from);
                admission(cache.set_with(key, value, keep))
            }
            Action::GetOrMake { key, value, takes_ms, keep } => {
                let make = || {
                    hand.advance(Duration::from_millis(takes_ms));
                    now += takes_ms;
                    Ok::<_, ()>(value)
                };
                entry(cache.get_or_make_blocking(key, keep, make).ok())
            }
            Action::Get(key) => entry(cache.get(&key)),
            Action::Peek(key) => entry(cache.peek(&key)),
            Action::Invalidate(key) => json!(cache.invalidate(&key)),
            Action::InvalidatePrefix(prefix) => json!(cache.invalidate_prefix(&prefix)),
            Action::InvalidateMatching(pattern) => match pattern.parse::<Pattern>() {
                Ok(pattern) => json!(cache.invalidate_matching(&pattern)),
                Err(error) => failed(&error),
            },
            Action::InvalidateTag(tag) => json!(cache.invalidate_tag(&tag)),
            Action::Clear => json!(cache.clear()),
            Action::Keys => json!(cache.keys()),
            Action::Stats => json!(cache.stats()),
            Action::HitRate => json!(cache.stats().hit_rate()),
            Action::Child(name) => {
                caches.insert(name, cache.child());
                Value::Null
            }
            Action::Close => {
                drop(cache);
                caches.remove(&place);
                Value::Null
            }
            Action::WallForwardMs(by) => {
                hand.wall_forward(Duration::from_millis(by));
                Value::Null
            }
            Action::WallBackMs(by) => {
                hand.wall_back(Duration::from_millis(by));
                Value::Null
            }
            Action::Import(export) => match cache.import(&export.to_string()) {
                Ok(imported) => json!(imported),
                Err(error) => failed(&error),
            },
            Action::ExportAndImport => {
                let other = TtlCache::with_clock(options, Clock::manual().0);
                let imported = other.import(&cache.export())?;
                let seen = other.keys().iter().map(|key| ((**key).to_owned(), entry(other.peek(key)))).collect();
                json!({"imported": imported, "seen": Value::Object(seen)})
            }
            Action::Heard => json!(std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner))),
            Action::HashOf(value) => json!(ContentHash::of(&value)),
            Action::Missed { name, task, files } => {
                let state = |text: &Option<String>| {
                    let content = |text: &String| FileState::Content(ContentHash::of_bytes(text.as_bytes()));
                    text.as_ref().map_or(FileState::Absent, content)
                };
                let parts = files
                    .iter()
                    .fold(KeyParts::of_task(&task), |parts, (file, text)| parts.file(file.as_str(), &state(text)));
                let key = parts.key(&name);
                let why = history.missed(&name, parts);
                json!({"key": key, "why": why, "says": why.to_string()})
            }
        });
    }
    Ok(json!({"answers": answers}))
}

fn admission(admission: Admission) -> Value {
    match admission {
        Admission::Kept => json!("kept"),
        Admission::TooLarge { bytes, max_bytes } => json!({"too_large": {"bytes": bytes, "max_bytes": max_bytes}}),
        Admission::Expired => json!("expired"),
        Admission::Outdated => json!("outdated"),
        Admission::Crowded => json!("crowded"),
    }
}

fn entry(entry: Option<CacheEntry>) -> Value {
    match entry.as_ref().map(CacheEntry::value) {
        None => json!("miss"),
        Some(CacheValue::Json(value)) => json!({"value": value}),
        Some(CacheValue::Bytes(bytes)) => json!({"bytes": bytes}),
        Some(CacheValue::Held(_)) => json!("held"),
    }
}
