//! The hash and the size of a value. Pure.

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    str::FromStr,
    sync::OnceLock,
};

use hashbrown::DefaultHashBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::value::CacheValue;
use crate::{
    error::{Error, ErrorKind},
    id::Printable,
};

/// The content hash of a value: BLAKE3, 32 bytes, shown as hexadecimal.
///
/// Two JSON values have the same hash exactly if they are equal: the order of an object's members does not matter, that of an
/// array's elements does; 1 and 1.0 differ, as do bytes and text.
///
/// What is hashed is, for each value: a letter for its type, then its content. `n`, `t` and `f` stand for themselves; `i` is
/// followed by a whole number as eight bytes of an i64, `u` by one that only fits a u64, `d` by a float as the bits of an
/// f64; `s` and `x` by a length and the text in UTF-8 or the bytes; `a` by a length and the elements; `o` by a length and
/// the members in the order of their names' bytes, each the name as a text and then the value. All numbers and lengths have
/// eight bytes, the lowest first. A [value held as itself](super::Held) is hashed by its JSON form; without one its hash is that
/// of `h` and a number, which means something in this process only.
///
/// ```
/// use orch_core::ContentHash;
/// use serde_json::json;
///
/// let hash = ContentHash::of(&json!({"a": 1, "b": [true, null]}));
/// assert_eq!(hash, ContentHash::of(&json!({"b": [true, null], "a": 1})));
/// assert_ne!(hash, ContentHash::of(&json!({"a": 1, "b": [null, true]})));
/// assert_eq!(hash.to_string().parse::<ContentHash>()?, hash);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of a JSON value.
    pub fn of(value: &Value) -> Self {
        let mut form = Hashed::default();
        json(value, &mut form);
        form.finish()
    }

    /// The hash of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut form = Hashed::default();
        text(b'x', bytes, &mut form);
        form.finish()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ContentHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| {
            Error::new(
                ErrorKind::InvalidValue,
                format!("`{}` is no content hash of 64 hexadecimal digits", Printable(text)),
            )
        })
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A value, and what is known of it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) value: CacheValue,
    /// See [`CacheOptions::max_bytes`](super::CacheOptions::max_bytes).
    pub(super) bytes: u64,
    /// The same for equal values of one process, and seldom the same for others.
    pub(super) print: u64,
    hash: OnceLock<ContentHash>,
}

impl Content {
    /// Walks over the value once. The content hash waits until somebody asks: it takes much longer than all else that happens
    /// to a value, and without a second value of the same print there is nothing to tell apart.
    pub(super) fn new(value: CacheValue, hasher: &DefaultHashBuilder) -> Self {
        let mut print = hasher.build_hasher();
        let bytes = match &value {
            CacheValue::Json(value) => json(value, &mut print),
            CacheValue::Bytes(bytes) => {
                text(b'x', bytes, &mut print);
                bytes.len() as u64
            }
            // Never taken for another one: it is kept as itself.
            CacheValue::Held(held) => {
                number(b'h', held.id(), &mut print);
                let form = held.json().map_or(0, |value| json(value, &mut print));
                form.saturating_add(held.bytes())
            }
        };
        Self { value, bytes, print: print.finish(), hash: OnceLock::new() }
    }

    /// The content hash, computed once.
    pub(super) fn hash(&self) -> ContentHash {
        *self.hash.get_or_init(|| match &self.value {
            CacheValue::Json(value) => ContentHash::of(value),
            CacheValue::Bytes(bytes) => ContentHash::of_bytes(bytes),
            CacheValue::Held(held) => held.json().map_or_else(
                || {
                    let mut form = Hashed::default();
                    number(b'h', held.id(), &mut form);
                    form.finish()
                },
                ContentHash::of,
            ),
        })
    }

    pub(super) fn is_hashed(&self) -> bool {
        self.hash.get().is_some()
    }
}

/// What a JSON value takes beside its text, in bytes, as counted; on a machine of 64 bits about what it takes.
const NODE: u64 = 80;

/// Takes the form of a value, piece by piece. The pieces are the same for equal values.
trait Sink {
    fn put(&mut self, piece: &[u8]);
}

impl<H: Hasher> Sink for H {
    fn put(&mut self, piece: &[u8]) {
        self.write(piece);
    }
}

/// Gathers pieces and hashes them together: the hash is fast for many bytes at once only.
#[derive(Default)]
struct Hashed {
    pending: Vec<u8>,
    /// Only for what is long.
    hasher: Option<Box<blake3::Hasher>>,
}

/// So much is gathered before it is hashed: enough for all lanes of the hash.
const PENDING: usize = 64 * 1024;

impl Hashed {
    fn finish(self) -> ContentHash {
        let hash = match self.hasher {
            None => blake3::hash(&self.pending),
            Some(mut hasher) => hasher.update(&self.pending).finalize(),
        };
        ContentHash(*hash.as_bytes())
    }
}

impl Sink for Hashed {
    fn put(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
        if self.pending.len() > PENDING {
            self.hasher.get_or_insert_default().update(&self.pending);
            self.pending.clear();
        }
    }
}

fn number(kind: u8, number: u64, sink: &mut impl Sink) {
    let mut piece = [kind; 9];
    if let Some(digits) = piece.last_chunk_mut() {
        *digits = number.to_le_bytes();
    }
    sink.put(&piece);
}

fn text(kind: u8, text: &[u8], sink: &mut impl Sink) {
    number(kind, text.len() as u64, sink);
    sink.put(text);
}

/// A value whose parts are not all done.
enum Open<'a> {
    Array(std::slice::Iter<'a, Value>),
    Object(std::vec::IntoIter<(&'a String, &'a Value)>),
}

/// Puts the form of a value into `sink`, and answers how many bytes it takes. Without recursion: a value may be nested deeper
/// than a thread's stack allows.
fn json(value: &Value, sink: &mut impl Sink) -> u64 {
    let (mut open, mut bytes) = (Vec::new(), 0);
    let mut next = Some(value);
    loop {
        if let Some(value) = next {
            bytes += NODE + value.as_str().map_or(0, str::len) as u64;
            open.extend(begin(value, sink));
        }
        next = match open.last_mut() {
            None => return bytes,
            Some(Open::Array(elements)) => elements.next(),
            Some(Open::Object(members)) => members.next().map(|(name, value)| {
                bytes += NODE + name.len() as u64;
                text(b's', name.as_bytes(), sink);
                value
            }),
        };
        if next.is_none() {
            open.pop();
        }
    }
}

fn begin<'a>(value: &'a Value, sink: &mut impl Sink) -> Option<Open<'a>> {
    match value {
        Value::Null => sink.put(b"n"),
        Value::Bool(truth) => sink.put(if *truth { b"t" } else { b"f" }),
        Value::Number(value) => match (value.as_i64(), value.as_u64()) {
            (Some(whole), _) => number(b'i', whole.cast_unsigned(), sink),
            (None, Some(whole)) => number(b'u', whole, sink),
            (None, None) => number(b'd', value.as_f64().unwrap_or_default().to_bits(), sink),
        },
        Value::String(value) => text(b's', value.as_bytes(), sink),
        Value::Array(elements) => {
            number(b'a', elements.len() as u64, sink);
            return Some(Open::Array(elements.iter()));
        }
        Value::Object(members) => {
            number(b'o', members.len() as u64, sink);
            return Some(Open::Object(sorted(members).into_iter()));
        }
    }
    None
}

fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-2i64..3).prop_map(Value::from),
            prop::sample::select(vec![json!(0.0), json!(-0.0), json!(1.0), json!(1e300), json!(u64::MAX)]),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[a-c]{0,2}", inner), 0..3)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    /// Equal, with -0.0 told from 0.0: their texts differ.
    fn same(one: &Value, other: &Value) -> bool {
        let text = |value: &Value| {
            let mut value = value.clone();
            value.sort_all_objects();
            value.to_string()
        };
        text(one) == text(other)
    }

    fn reversed(value: &Value) -> Value {
        match value {
            Value::Array(elements) => elements.iter().map(reversed).collect(),
            Value::Object(members) => {
                members.iter().rev().map(|(name, value)| (name.clone(), reversed(value))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    #[test]
    fn the_form_is_as_documented() {
        let number = |kind: u8, number: u64| [&[kind][..], &number.to_le_bytes()].concat();
        let form = [
            number(b'o', 2),
            [number(b's', 1), vec![b'a'], number(b'd', 0.5f64.to_bits())].concat(),
            [number(b's', 1), vec![b'b'], number(b'a', 3), b"nt".to_vec(), number(b'i', u64::MAX)].concat(),
        ];
        let hash = ContentHash::of(&json!({"b": [null, true, -1], "a": 0.5}));
        assert_eq!(hash.as_bytes(), blake3::hash(&form.concat()).as_bytes());
        assert_eq!(
            ContentHash::of_bytes(b"ab").as_bytes(),
            blake3::hash(&[number(b'x', 2), b"ab".to_vec()].concat()).as_bytes()
        );
    }

    #[test]
    fn long_values_are_hashed_in_parts() {
        let long = vec!["x".repeat(PENDING - 9), "y".repeat(PENDING), "z".repeat(3 * PENDING)];
        let mut form = [&b"a"[..], &3u64.to_le_bytes()].concat();
        for text in &long {
            form.extend([&b"s"[..], &(text.len() as u64).to_le_bytes(), text.as_bytes()].concat());
        }
        assert_eq!(ContentHash::of(&json!(long)).as_bytes(), blake3::hash(&form).as_bytes());
    }

    #[test]
    fn deep_values_need_no_deep_stack() {
        let mut value = json!(1);
        for _ in 0..20_000 {
            value = Value::Array(vec![value]);
        }
        assert_eq!(json(&value, &mut Hashed::default()), 20_001 * NODE);
        // Dropping it by recursion does need one.
        while let Some(inner) = value.get_mut(0).map(Value::take) {
            value = inner;
        }
    }

    #[test]
    fn hashes_are_read_as_they_are_shown() {
        for text in ["", "0", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            assert!(text.parse::<ContentHash>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn equal_hashes_are_equal_values(one in any_json(), other in any_json()) {
            prop_assert_eq!(ContentHash::of(&one) == ContentHash::of(&other), same(&one, &other));
        }

        #[test]
        fn the_order_of_members_does_not_matter(value in any_json()) {
            let hasher = DefaultHashBuilder::default();
            let [one, other] = [value.clone(), reversed(&value)].map(|value| Content::new(value.into(), &hasher));
            prop_assert_eq!((one.hash(), one.print, one.bytes), (other.hash(), other.print, other.bytes));
        }
    }
}
