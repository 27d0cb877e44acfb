//! Reads single fields and says what is wrong with them.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Map, Value};

use crate::{
    definition::{
        breaker::BreakerOptions,
        command::{model::Placed, problems::Problems},
    },
    error::{Problem, Severity},
    id::{Printable, TaskId},
};

pub(super) type Fields<'a> = &'a Map<String, Value>;

/// Whole milliseconds, as a factor of milliseconds.
pub(super) const MILLIS: f64 = 1.0;
pub(super) const SECONDS: f64 = 1000.0;
pub(super) const MINUTES: f64 = 60_000.0;

/// The longest time that a definition may name: a year. What is longer was written in the wrong unit.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A place in the JSON. Becomes text only when there is a problem, since large definitions have many places.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        At::Key(self, key)
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        At::Index(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => Ok(()),
            At::Key(At::Root, key) => f.write_str(key),
            At::Key(outer, key) => write!(f, "{outer}.{key}"),
            At::Index(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Problems,
    /// How many agents were read.
    pub(super) agents: usize,
    /// How circuit breakers behave, by name.
    pub(super) breakers: BTreeMap<String, BreakerOptions>,
}

impl Reader {
    pub(super) fn error(&mut self, code: &'static str, message: impl Into<String>, at: At<'_>) {
        if self.problems.is_full() {
            self.problems.count(code, Severity::Error);
            return;
        }
        self.problems.push(Problem::error(code, message).at(at.to_string()));
    }

    pub(super) fn warn(&mut self, code: &'static str, message: impl Into<String>, at: At<'_>) {
        if self.problems.is_full() {
            self.problems.count(code, Severity::Warning);
            return;
        }
        self.problems.push(Problem::warning(code, message).at(at.to_string()));
    }

    fn wrong_type(&mut self, value: &Value, wanted: &str, at: At<'_>) {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.error("INVALID_TYPE", format!("{wanted} is needed, not {found}"), at);
    }

    pub(super) fn object<'a>(&mut self, value: &'a Value, at: &At<'_>) -> Option<Fields<'a>> {
        let object = value.as_object();
        if object.is_none() {
            self.wrong_type(value, "an object", *at);
        }
        object
    }

    /// A member that is neither absent nor null: in a definition null says "none".
    fn given<'a>(fields: Fields<'a>, key: &str) -> Option<&'a Value> {
        fields.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn member<'a>(&mut self, fields: Fields<'a>, key: &str, at: &At<'_>) -> Option<Fields<'a>> {
        let value = Self::given(fields, key)?;
        self.object(value, &at.key(key))
    }

    pub(super) fn list<'a>(&mut self, fields: Fields<'a>, key: &str, at: &At<'_>) -> Option<&'a [Value]> {
        let value = Self::given(fields, key)?;
        if let Value::Array(list) = value {
            return Some(list);
        }
        self.wrong_type(value, "an array", at.key(key));
        None
    }

    pub(super) fn text(&mut self, fields: Fields<'_>, key: &str, at: &At<'_>) -> Option<String> {
        let value = Self::given(fields, key)?;
        if let Value::String(text) = value {
            return Some(text.clone());
        }
        self.wrong_type(value, "a text", at.key(key));
        None
    }

    pub(super) fn texts(&mut self, fields: Fields<'_>, key: &str, at: &At<'_>) -> Vec<Placed<String>> {
        let list = self.list(fields, key, at).unwrap_or_default();
        let at = at.key(key);
        let mut texts = Vec::with_capacity(list.len());
        for (place, value) in list.iter().enumerate() {
            match value {
                Value::String(text) => {
                    texts.push(Placed { path: at.index(place).to_string(), value: text.clone() });
                }
                other => self.wrong_type(other, "a text", at.index(place)),
            }
        }
        texts
    }

    pub(super) fn flag(&mut self, fields: Fields<'_>, key: &str, at: &At<'_>) -> Option<bool> {
        let value = Self::given(fields, key)?;
        if let Value::Bool(flag) = value {
            return Some(*flag);
        }
        self.wrong_type(value, "true or false", at.key(key));
        None
    }

    fn number(&mut self, fields: Fields<'_>, key: &str, at: &At<'_>) -> Option<f64> {
        let value = Self::given(fields, key)?;
        let number = value.as_f64();
        if number.is_none() {
            self.wrong_type(value, "a number", at.key(key));
        }
        number
    }

    /// A whole number from 1.
    pub(super) fn count(&mut self, fields: Fields<'_>, key: &str, at: &At<'_>) -> Option<u32> {
        let number = self.number(fields, key, at)?;
        if number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number) {
            return Some(number as u32);
        }
        self.error("INVALID_VALUE", format!("a whole number from 1 is needed, not {}", Plain(number)), at.key(key));
        None
    }

    /// A whole number that fits 32 bits.
    pub(super) fn integer(&mut self, fields: Fields<'_>, key: &str, at: &At<'_>) -> Option<i32> {
        let number = self.number(fields, key, at)?;
        if number.fract() == 0.0 && (f64::from(i32::MIN) + 1.0..=f64::from(i32::MAX)).contains(&number) {
            return Some(number as i32);
        }
        let message = format!("a whole number from {} to {} is needed, not {}", i32::MIN + 1, i32::MAX, Plain(number));
        self.error("INVALID_VALUE", message, at.key(key));
        None
    }

    /// A factor from 1.
    pub(super) fn factor(&mut self, fields: Fields<'_>, key: &str, at: &At<'_>) -> Option<f64> {
        let number = self.number(fields, key, at)?;
        if (1.0..=1e6).contains(&number) {
            return Some(number);
        }
        self.error(
            "INVALID_VALUE",
            format!("a number from 1 to 1000000 is needed, not {}", Plain(number)),
            at.key(key),
        );
        None
    }

    /// A time in that unit; 0 is a time.
    pub(super) fn time(&mut self, fields: Fields<'_>, key: &str, unit: f64, at: &At<'_>) -> Option<Duration> {
        let number = self.number(fields, key, at)?;
        let millis = number * unit;
        let shown = Plain(number);
        let named = if unit == MILLIS {
            "milliseconds"
        } else if unit == SECONDS {
            "seconds"
        } else {
            "minutes"
        };
        if millis < 0.0 {
            let message = format!("a time of {shown} {named} is negative; give 0 or more");
            self.error("INVALID_VALUE", message, at.key(key));
            return None;
        }
        if millis > LONGEST.as_millis() as f64 {
            let message = format!("a time of {shown} {named} is longer than a year; this field counts {named}");
            self.error("INVALID_VALUE", message, at.key(key));
            return None;
        }
        Some(Duration::from_nanos((millis * 1e6).round() as u64))
    }

    /// A time in that unit, which is not 0: nothing could be done in it.
    pub(super) fn limit(&mut self, fields: Fields<'_>, key: &str, unit: f64, at: &At<'_>) -> Option<Duration> {
        let time = self.time(fields, key, unit, at)?;
        if time.is_zero() {
            self.error(
                "INVALID_VALUE",
                "a limit of 0 would end it before it starts; leave it out for none",
                at.key(key),
            );
            return None;
        }
        Some(time)
    }

    /// Names that no task can have are errors, names outside the published pattern warnings.
    pub(super) fn check_id(&mut self, id: &str, at: At<'_>) {
        let shown = Printable(id);
        if id.is_empty() {
            self.error("INVALID_NAME", "a name needs at least one character", at);
        } else if id.len() > TaskId::MAX_BYTES {
            let message = format!("a name has at most {} bytes, this one has {}", TaskId::MAX_BYTES, id.len());
            self.error("INVALID_NAME", message, at);
        } else if id.chars().any(char::is_control) {
            self.error("INVALID_NAME", format!("`{shown}` holds a control character; use a-z, 0-9 and `-`"), at);
        } else if !is_kebab(id) {
            let message =
                format!("`{shown}` is an unusual name; the published form is a letter a-z, then a-z, 0-9 and `-`");
            self.warn("INVALID_NAME", message, at);
        }
    }
}

/// A number as a person would write it: 1e300 has not three hundred digits.
struct Plain(f64);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        if *number == 0.0 || (1e-6..1e15).contains(&number.abs()) {
            write!(f, "{number}")
        } else {
            write!(f, "{number:e}")
        }
    }
}

fn is_kebab(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
}
