//! How vectors are read, and the words that the answers of all areas share.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Error, ErrorKind, Result};

/// The input of a vector; unknown fields are refused.
pub(super) fn read<T: DeserializeOwned>(input: Value) -> Result<T> {
    serde_json::from_value(input).map_err(|error| wrong(error.to_string()))
}

/// The vector itself makes no sense: no behaviour is judged by it.
pub(super) fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidValue, format!("the vector is wrong: {}", why.into()))
}

/// That the engine answered this error is what the vector may want.
pub(super) fn failed(error: &Error) -> Value {
    json!({"error": {"code": error.kind().code(), "message": error.to_string()}})
}

/// Whole milliseconds, as vectors count time.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
