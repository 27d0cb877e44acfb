//! Paths into JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One or more paths of which the first that is there counts. In JSON a text; see [`Extractor`](super::Extractor).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Paths {
    text: String,
    alternatives: Vec<Path>,
    /// The texts that it must be, where it is compared.
    is: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Path {
    from: From,
    steps: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Record,
    Key,
    Message,
    Earlier,
}

/// Where paths begin.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) record: &'a Value,
    pub(super) key: &'a str,
    pub(super) message: &'a Value,
    pub(super) earlier: &'a [Value],
}

impl std::convert::From<String> for Paths {
    fn from(text: String) -> Self {
        let (paths, is) = text.split_once('=').unwrap_or((&text, ""));
        let split = |list: &str| list.split('|').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let alternatives = split(paths).iter().map(|path| Path::of(path)).collect();
        let is = split(is);
        Self { text, alternatives, is }
    }
}

impl std::convert::From<&str> for Paths {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl std::convert::From<Paths> for String {
    fn from(paths: Paths) -> Self {
        paths.text
    }
}

impl Path {
    fn of(text: &str) -> Self {
        let (from, rest) = match (text, text.strip_prefix("$."), text.strip_prefix('^')) {
            ("@", ..) => (From::Key, ""),
            (_, Some(rest), _) => (From::Message, rest),
            (_, _, Some(rest)) => (From::Earlier, rest),
            _ => (From::Record, text),
        };
        Self { from, steps: rest.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect() }
    }

    fn in_value<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(value, |value, step| value.get(step)).filter(|value| !value.is_null())
    }
}

impl Paths {
    /// Whether there is no path.
    pub fn is_empty(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// The value at the first path that is there.
    pub(super) fn value<'a>(&self, place: Place<'a>) -> Option<&'a Value> {
        let found = self.alternatives.iter().find_map(|path| match path.from {
            From::Record => path.in_value(place.record),
            From::Message => path.in_value(place.message),
            From::Earlier => place.earlier.iter().rev().find_map(|message| path.in_value(message)),
            From::Key => None,
        })?;
        let fits = self.is.is_empty() || found.as_str().is_some_and(|text| self.is.iter().any(|is| is == text));
        fits.then_some(found)
    }

    /// The text at the first path that is there and a text.
    pub(super) fn text<'a>(&self, place: Place<'a>) -> Option<&'a str> {
        if self.alternatives.iter().any(|path| path.from == From::Key) {
            return Some(place.key);
        }
        self.value(place)?.as_str().filter(|text| !text.is_empty())
    }

    /// A count: a whole number, not negative. A float without a fraction is one too.
    pub(super) fn count(&self, place: Place<'_>) -> Option<u64> {
        number(self.value(place)?)
    }

    /// Every value that the paths lead to, `*` standing for all elements, each with the key of the last `*`.
    pub(super) fn all<'a>(&self, message: &'a Value) -> Vec<(&'a str, &'a Value)> {
        if self.alternatives.is_empty() {
            return vec![("", message)];
        }
        let walk = |path: &Path| {
            let mut found: Vec<(&'a str, &'a Value)> = vec![("", message)];
            for step in &path.steps {
                found = found.into_iter().flat_map(|(key, value)| children(key, value, step)).collect();
            }
            found
        };
        self.alternatives.iter().flat_map(walk).collect()
    }
}

fn children<'a>(key: &'a str, value: &'a Value, step: &str) -> Vec<(&'a str, &'a Value)> {
    match (step, value) {
        ("*", Value::Array(values)) => values.iter().map(|value| ("", value)).collect(),
        ("*", Value::Object(values)) => values.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        _ => value.get(step).map(|value| (key, value)).into_iter().collect(),
    }
}

/// A whole number, not negative.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        // 2^53: beyond it a float is no exact count.
        ((0.0..=9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0).then_some(float as u64)
    })
}
