//! A cache as text, and back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    content::{Content, ContentHash},
    entry::{Draft, Extras, Slot, nanos},
    listen::Gone,
    memory::TtlCache,
    options::{Admission, CacheOptions, Origin},
    value::CacheValue,
};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::{Cost, duration},
};

/// The version of the form that is written, and the only one that is read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    /// Whoever would go first comes first, so that an import into a smaller cache keeps the best.
    entries: Vec<Entry>,
    values: BTreeMap<ContentHash, Payload>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    value: ContentHash,
    /// By the time of day, so that it means the same in another process.
    fresh_until: WallTime,
    #[serde(rename = "ttl_ms", with = "duration")]
    ttl: Duration,
    #[serde(default, rename = "stale_ms", with = "duration", skip_serializing_if = "Duration::is_zero")]
    stale: Duration,
    #[serde(default, skip_serializing_if = "is_zero")]
    hits: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    derived_from: Vec<Origin>,
    #[serde(default, skip_serializing_if = "Cost::is_nothing")]
    cost: Cost,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Payload {
    Json(Arc<Value>),
    /// Bytes as hexadecimal digits.
    Hex(String),
}

/// What became of the entries of an [import](TtlCache::import).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Imported {
    /// They are in, unless a later one took their room.
    pub kept: u64,
    /// Their time was over.
    pub expired: u64,
    /// Alone they took more than the cache has.
    pub too_large: u64,
    /// They were made from values that are others here.
    pub outdated: u64,
}

impl TtlCache {
    /// What was set here, as JSON, without what only parents have and without what has no JSON form. Times are those of the day, so another process that
    /// [imports](TtlCache::import) it later lets each entry end when it would have ended here.
    ///
    /// The form: `{"version": 1, "entries": [{"key", "value", "fresh_until", "ttl_ms", ..}], "values": {..}}`. An entry names its
    /// value by its [content hash](ContentHash), under which `values` has it as `{"json": ..}` or, for bytes, `{"hex": ".."}`.
    /// `fresh_until` is in milliseconds since 1970. `stale_ms`, `hits`, `tags`, `derived_from` and `cost` may be missing.
    pub fn export(&self) -> String {
        let shared = &self.0.shared;
        let mut gone = Gone::new(&self.0.shared);
        let mut book = shared.book();
        let (now, WallTime(wall)) = (shared.time.now(), shared.time.wall());
        book.end(now, &mut gone);
        let mut slots: Vec<Arc<Slot>> = book
            .slots
            .iter()
            .filter(|slot| slot.scope == self.0.id && slot.content.value.can_leave())
            .cloned()
            .collect();
        slots.sort_by_cached_key(|slot| slot.rank(shared.options.eviction));
        // Which values they are is known here; where they are read, other ones may be there.
        let origin = |origin: &Origin| {
            let present = || book.source(self.0.id, &origin.key.as_str().into()).and_then(|(_, hash)| hash);
            Origin { key: origin.key.clone(), hash: origin.hash.or_else(present) }
        };
        let origins: Vec<Vec<Origin>> =
            slots.iter().map(|slot| slot.derived_from().iter().map(origin).collect()).collect();
        drop(book);
        gone.tell(shared);
        let payload = |slot: &Arc<Slot>| Some((slot.content.hash(), Payload::of(&slot.content.value)?));
        let values = slots.iter().filter_map(payload).collect();
        // Rounded down, so that nothing ends later there than here.
        let millis = |nanos: u64| nanos / 1_000_000;
        let entries = slots.iter().zip(origins).map(|(slot, derived_from)| Entry {
            key: (*slot.key).into(),
            value: slot.content.hash(),
            fresh_until: WallTime(match slot.fresh_until.checked_sub(now) {
                Some(left) => wall.saturating_add(millis(left)),
                None => wall.saturating_sub(millis(now - slot.fresh_until) + 1),
            }),
            ttl: slot.ttl,
            stale: slot.extras.as_ref().map_or(Duration::ZERO, |extras| extras.stale),
            hits: slot.former_hits.saturating_add(slot.hits()),
            tags: slot.tags().to_vec(),
            derived_from,
            cost: slot.cost().cloned().unwrap_or_default(),
        });
        let form = Form { version: VERSION, entries: entries.collect(), values };
        // Texts, numbers, and maps with texts for keys: there is nothing that JSON does not have.
        serde_json::to_string(&form).unwrap_or_default()
    }

    /// Sets what another cache [exported](TtlCache::export), in place of what has the same keys here. An entry whose time has
    /// come in the meantime is left out; none is good for longer than its time to live from now, even if the time of day
    /// went back.
    ///
    /// # Errors
    ///
    /// If the text is not what an export says: not JSON or not of that form ([`InvalidFormat`](ErrorKind::InvalidFormat)); of
    /// another version, a value that is missing or is not what its hash says, a key twice, or a time beyond 100 years
    /// ([`InvalidValue`](ErrorKind::InvalidValue)). The cache is then as it was.
    pub fn import(&self, text: &str) -> Result<Imported> {
        let form: Form = serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::InvalidFormat, "the export of a cache cannot be read").caused_by(error)
        })?;
        let contents = contents(&form, self)?;
        let shared = &self.0.shared;
        let mut gone = Gone::new(&self.0.shared);
        let mut book = shared.book();
        let (now, wall) = (shared.time.now(), shared.time.wall());
        let mut imported = Imported::default();
        let mut places = Vec::new();
        for entry in form.entries {
            // It is there: `contents` has looked.
            let Some(content) = contents.get(&entry.value) else { continue };
            let draft = entry.draft(content.clone(), now, wall);
            let (kept, place) = book.place((self.0.id, &self.0.table), draft, false, now, &mut gone);
            match kept {
                Admission::TooLarge { .. } | Admission::Crowded => imported.too_large += 1,
                Admission::Expired => imported.expired += 1,
                Admission::Kept | Admission::Outdated => imported.kept += 1,
            }
            places.extend(place);
        }
        // Only now is everything there that something may have been made from.
        places.iter().for_each(|place| book.link(*place));
        let outdated: usize = places.iter().map(|place| book.drop_outdated(*place, &mut gone)).sum();
        imported.outdated = outdated as u64;
        imported.kept -= imported.outdated.min(imported.kept);
        drop(book);
        gone.tell(&self.0.shared);
        Ok(imported)
    }
}

/// The values by hash, after everything that could be wrong was looked for.
fn contents(form: &Form, cache: &TtlCache) -> Result<BTreeMap<ContentHash, Arc<Content>>> {
    let refuse = |message: String| Err(Error::new(ErrorKind::InvalidValue, message));
    if form.version != VERSION {
        return refuse(format!(
            "the export of a cache has version {}; this build reads version {VERSION}",
            form.version
        ));
    }
    let mut keys = BTreeSet::new();
    for Entry { key, value, ttl, stale, .. } in &form.entries {
        let shown = Printable(key);
        if !keys.insert(key) {
            return refuse(format!("the export of a cache has the key `{shown}` twice"));
        }
        if !form.values.contains_key(value) {
            return refuse(format!("the export of a cache has no value for the key `{shown}`"));
        }
        if *ttl > CacheOptions::MAX_TTL || *stale > CacheOptions::MAX_TTL {
            return refuse(format!("the key `{shown}` in the export of a cache has a time of more than 100 years"));
        }
    }
    let mut contents = BTreeMap::new();
    for (hash, payload) in &form.values {
        let Some(value) = payload.value() else {
            return refuse(format!("the value {hash} in the export of a cache is no hexadecimal text"));
        };
        let content = Content::new(value, &cache.0.shared.hasher);
        if content.hash() != *hash {
            return refuse(format!("the value {hash} in the export of a cache is not what its hash says"));
        }
        contents.insert(*hash, Arc::new(content));
    }
    Ok(contents)
}

impl Entry {
    fn draft(self, content: Arc<Content>, now: u64, WallTime(wall): WallTime) -> Draft {
        let Self { key, fresh_until: WallTime(fresh_until), ttl, stale, hits, tags, derived_from, cost, .. } = self;
        let millis = |millis: u64| millis.saturating_mul(1_000_000);
        let fresh_until = match fresh_until.checked_sub(wall) {
            Some(left) => now.saturating_add(millis(left).min(nanos(ttl))),
            None => now.saturating_sub(millis(wall - fresh_until)),
        };
        let kept_until = fresh_until.saturating_add(nanos(stale));
        let extras = Extras { tags, derived_from, cost, stale };
        Draft { key: key.into(), content, ttl, fresh_until, kept_until, former_hits: hits, extras: extras.boxed() }
    }
}

impl Payload {
    fn of(value: &CacheValue) -> Option<Self> {
        Some(match value {
            CacheValue::Json(value) => Self::Json(value.clone()),
            CacheValue::Bytes(bytes) => Self::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
            CacheValue::Held(held) => Self::Json(Arc::new(held.json()?.clone())),
        })
    }

    fn value(&self) -> Option<CacheValue> {
        let text = match self {
            Self::Json(value) => return Some(value.clone().into()),
            Self::Hex(text) => text,
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        bytes.collect::<Option<Vec<u8>>>().map(CacheValue::from)
    }
}
