//! Which names a provider or a model has.

use serde_json::Value;

use super::{pattern::Pattern, read, when};

/// A rule for names. Names and what is compared with them are in small letters; patterns are as they were written.
#[derive(Debug)]
pub(super) enum Rule {
    All(Box<[Self]>),
    Any(Box<[Self]>),
    Contains(Box<str>),
    Ends(Box<str>),
    Equals(Box<str>),
    Matches(Pattern),
    Begins(Box<str>),
}

const KINDS: [&str; 7] = ["and", "or", "contains", "ends_with", "equals", "regex", "starts_with"];

impl Rule {
    /// The rule in that JSON.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        read::fields(value, "a rule")?;
        let mut found = KINDS.iter().filter_map(|kind| Some((*kind, read::get(value, kind)?)));
        let (Some((kind, argument)), None) = (found.next(), found.next()) else {
            return Err(
                "a rule has exactly one of `and`, `or`, `contains`, `ends_with`, `equals`, `regex` and `starts_with`"
                    .to_owned(),
            );
        };
        if let "and" | "or" = kind {
            let rules = argument.as_array().ok_or_else(|| format!("`{kind}` is no list"))?;
            let rules = rules.iter().map(Self::read).collect::<Result<_, _>>()?;
            return Ok(if kind == "and" { Self::All(rules) } else { Self::Any(rules) });
        }
        let text = argument.as_str().ok_or_else(|| format!("`{kind}` is no text"))?;
        let small = || text.to_lowercase().into();
        Ok(match kind {
            "contains" => Self::Contains(small()),
            "ends_with" => Self::Ends(small()),
            "equals" => Self::Equals(small()),
            "starts_with" => Self::Begins(small()),
            _ => Self::Matches(Pattern::new(text)?),
        })
    }

    /// Whether that name, in small letters, is one of these; `None` if a pattern takes too long to say.
    pub(super) fn holds(&self, name: &str) -> Option<bool> {
        Some(match self {
            Self::All(rules) => {
                for rule in rules {
                    if !rule.holds(name)? {
                        return Some(false);
                    }
                }
                true
            }
            Self::Any(rules) => {
                for rule in rules {
                    if rule.holds(name)? {
                        return Some(true);
                    }
                }
                false
            }
            Self::Contains(part) => name.contains(&**part),
            Self::Ends(part) => name.ends_with(&**part),
            Self::Equals(whole) => *name == **whole,
            Self::Begins(part) => name.starts_with(&**part),
            Self::Matches(pattern) => return pattern.matches(name),
        })
    }
}

/// A name with days written as `-2025-12-11` in place of `-20251211`; `None` if it has no such day. Routers write the one, lists
/// the other.
pub(super) fn with_long_days(name: &str) -> Option<String> {
    let (mut long, mut rest) = (String::new(), name);
    while let Some((before, after)) = rest.split_once('-') {
        long.extend([before, "-"]);
        let is_end = matches!(after.as_bytes().get(8), None | Some(b'-' | b':'));
        let parts = (after.get(..4), after.get(4..6), after.get(6..8));
        rest = match parts {
            (Some(year), Some(month), Some(day))
                if is_end && year.starts_with("20") && when::day(year, month, day).is_some() =>
            {
                long.extend([year, "-", month, "-", day]);
                after.get(8..).unwrap_or_default()
            }
            _ => after,
        };
    }
    long.push_str(rest);
    (long != name).then_some(long)
}
