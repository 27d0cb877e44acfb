//! What JSON of a price list says, strictly: what is wrong is told, never passed over. `null` is as good as nothing.

use serde_json::Value;

/// Whether that has fields, or none.
pub(super) fn fields(value: &Value, what: &str) -> Result<(), String> {
    match value {
        Value::Null | Value::Object(_) => Ok(()),
        _ => Err(format!("{what} is no object")),
    }
}

pub(super) fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|value| !value.is_null())
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Result<Option<&'a str>, String> {
    get(value, key).map(|value| value.as_str().ok_or_else(|| format!("`{key}` is no text"))).transpose()
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    get(value, key)
        .map_or(Ok(&[]), |value| value.as_array().map(Vec::as_slice).ok_or_else(|| format!("`{key}` is no list")))
}
