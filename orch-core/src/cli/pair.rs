//! `KEY=VALUE` on the command line.

use std::{convert::Infallible, str::FromStr};

use serde_json::Value;

use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// What was given to `--agent` or `--input`. Read late, so that the message can say which option it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair(String);

impl FromStr for Pair {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Pair {
    /// The key and the text after the first `=`.
    pub(super) fn split(&self, option: &str) -> Result<(&str, &str)> {
        match self.0.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim(), value)),
            _ => Err(Error::new(
                ErrorKind::InvalidValue,
                format!("`{option} {}` needs a name, `=` and a value", Printable(&self.0)),
            )),
        }
    }

    /// The key and the value: JSON where the text is JSON, else the text itself.
    pub(super) fn value(&self, option: &str) -> Result<(String, Value)> {
        let (key, text) = self.split(option)?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        Ok((key.to_owned(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<(String, Value)> {
        Pair(text.to_owned()).value("--input")
    }

    #[test]
    fn values_are_json_or_text() {
        assert_eq!(value("a=3").unwrap(), ("a".into(), 3.into()));
        assert_eq!(value("a=x=y").unwrap(), ("a".into(), "x=y".into()));
        assert_eq!(value("a=").unwrap(), ("a".into(), "".into()));
        assert_eq!(value("a=[1,\"b\"]").unwrap().1, serde_json::json!([1, "b"]));
    }

    #[test]
    fn a_key_is_needed() {
        for text in ["", "a", "=b", " =b"] {
            assert_eq!(value(text).unwrap_err().kind(), ErrorKind::InvalidValue, "{text}");
        }
    }
}
