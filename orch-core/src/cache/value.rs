//! What a cache keeps.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// A value in a cache: JSON or bytes. Cheap to clone, and never changed: who wants another value sets it anew.
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

    /// The value, where it is JSON.
    pub fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            Self::Bytes(_) => None,
        }
    }

    /// The value, where it is bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Json(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
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
