//! Values as JSON text, one function each way: the quickest that crosses.

use orch_core::{Error, ErrorKind};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::Raised;

/// A plain type of the core. `what` says in an error what was read.
pub(crate) fn read<T: DeserializeOwned>(text: &str, what: &str) -> napi::Result<T> {
    serde_json::from_str(text).map_err(|error| Error::new(ErrorKind::InvalidValue, format!("{what}: {error}"))).raised()
}

/// Anything that has a JSON form, as text.
pub(crate) fn shown<T: Serialize + ?Sized>(value: &T) -> napi::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::InvalidValue, "there is no JSON form").caused_by(error))
        .raised()
}

/// Milliseconds of JavaScript.
///
/// # Errors
///
/// `InvalidValue` for what is no time.
pub(crate) fn duration(millis: f64) -> napi::Result<std::time::Duration> {
    std::time::Duration::try_from_secs_f64(millis / 1000.0)
        .map_err(|error| Error::new(ErrorKind::InvalidValue, format!("`{millis}` milliseconds: {error}")))
        .raised()
}

/// A time as milliseconds, cut to microseconds as in the JSON forms of the core.
pub(crate) fn millis(time: std::time::Duration) -> f64 {
    // In two parts: there is no quick way from 128 bits, which a duration in microseconds may need.
    time.as_secs() as f64 * 1000.0 + f64::from(time.subsec_micros()) / 1000.0
}
