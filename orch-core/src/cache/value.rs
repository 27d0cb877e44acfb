//! What a cache keeps.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// A value in a cache: JSON, bytes, or one that is held as itself. Cheap to clone, and never changed: who wants another value sets it anew.
///
/// Null, false, 0 and the empty text are values like others.
///
/// ```
/// use orch_core::CacheValue;
///
/// #[derive(serde::Serialize)]
/// struct Analysis {
///     files: u32,
/// }
///
/// let value = CacheValue::of(&Analysis { files: 3 })?;
/// assert_eq!(value.json().unwrap()["files"], 3);
/// assert_eq!(CacheValue::from(vec![1u8, 2]).bytes(), Some(&[1, 2][..]));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum CacheValue {
    /// Any JSON value.
    Json(Arc<Value>),
    /// Any bytes.
    Bytes(Arc<[u8]>),
    /// A value of the program, as itself.
    Held(Held),
}

/// A value of the program that a cache in memory keeps as itself, such as an object of another language. Only who knows its
/// type gets at it; others see its JSON form, where it has one. Cheap to clone.
///
/// It is equal to its clones only. Without a JSON form it is in no [export](super::TtlCache::export).
///
/// ```
/// use orch_core::{CacheOptions, CacheValue, TtlCache, cache::Held};
/// use serde_json::json;
///
/// let cache = TtlCache::new(CacheOptions::default());
/// cache.set("path", CacheValue::Held(Held::new(std::path::PathBuf::from("src"), Some(json!("src")), 32)));
/// let entry = cache.get("path").unwrap();
/// assert_eq!(entry.json(), Some(&json!("src")));
/// assert_eq!(entry.value().held::<std::path::PathBuf>().unwrap().extension(), None);
/// ```
#[derive(Clone)]
pub struct Held(Arc<Inner>);

struct Inner {
    id: u64,
    json: Option<Value>,
    bytes: u64,
    /// The last field, so that nothing is left to be dropped should dropping it panic.
    object: Box<dyn Any + Send + Sync>,
}

impl Held {
    /// Holds an object. `bytes` is what it takes beside its JSON form.
    pub fn new<T: Any + Send + Sync>(object: T, json: Option<Value>, bytes: u64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner { id, json, bytes, object: Box::new(object) }))
    }

    /// The object, where it is of that type.
    pub fn object<T: Any>(&self) -> Option<&T> {
        self.0.object.downcast_ref()
    }

    /// Its JSON form, where it has one.
    pub fn json(&self) -> Option<&Value> {
        self.0.json.as_ref()
    }

    /// A number that no other one has in this process.
    pub(super) fn id(&self) -> u64 {
        self.0.id
    }

    /// What it takes beside its JSON form.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("json", &self.0.json).field("bytes", &self.0.bytes).finish_non_exhaustive()
    }
}

impl CacheValue {
    /// The JSON form of any value that has one.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) if it has none, such as a map whose keys are no texts.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let json = serde_json::to_value(value)
            .map_err(|error| Error::new(ErrorKind::InvalidValue, "the value has no JSON form").caused_by(error))?;
        Ok(json.into())
    }

    /// The value, where it is JSON or has a JSON form.
    pub fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            Self::Bytes(_) => None,
            Self::Held(held) => held.json(),
        }
    }

    /// The value, where it is bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Json(_) | Self::Held(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }

    /// The value, where it is held as itself and of that type.
    pub fn held<T: Any>(&self) -> Option<&T> {
        match self {
            Self::Held(held) => held.object(),
            Self::Json(_) | Self::Bytes(_) => None,
        }
    }

    /// Whether it means the same in another process.
    pub(super) fn can_leave(&self) -> bool {
        !matches!(self, Self::Held(held) if held.json().is_none())
    }
}

impl From<Value> for CacheValue {
    fn from(value: Value) -> Self {
        Self::Json(Arc::new(value))
    }
}

impl From<Arc<Value>> for CacheValue {
    fn from(value: Arc<Value>) -> Self {
        Self::Json(value)
    }
}

macro_rules! from_scalars {
    ($($scalar:ty),*) => {
        $(impl From<$scalar> for CacheValue {
            fn from(value: $scalar) -> Self {
                Value::from(value).into()
            }
        })*
    };
}

// A float that is no number becomes null, as everywhere in JSON.
from_scalars!(bool, i32, u32, i64, u64, f64);

impl From<&str> for CacheValue {
    fn from(text: &str) -> Self {
        Value::from(text).into()
    }
}

impl From<String> for CacheValue {
    fn from(text: String) -> Self {
        Value::from(text).into()
    }
}

impl From<Arc<[u8]>> for CacheValue {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for CacheValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&[u8]> for CacheValue {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}
