//! Patterns of keys. Pure.

use std::{fmt, str::FromStr};

use crate::error::{Error, ErrorKind, Result};

/// A pattern of keys: `*` stands for any characters or none, `/` and line ends included, `?` for exactly one; a backslash
/// takes the next character as it is. Everything else is itself, in the same case.
///
/// Matching takes time in proportion to the length of the key, whatever the pattern: nothing is tried twice.
///
/// ```
/// use orch_core::Pattern;
///
/// let pattern: Pattern = "analysis/*/v?".parse()?;
/// assert!(pattern.matches("analysis/src/lib.rs/v2"));
/// assert!(!pattern.matches("analysis/src/v10"));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// The parts between the stars; the first and the last touch the ends of the key.
    parts: Vec<Part>,
}

/// How many characters a part between two stars may have if one of them is a `?`: one bit each.
const MAX_MARKED: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `None` stands for any character.
    Marked(Vec<Option<char>>),
}

impl Part {
    fn new(chars: &[Option<char>]) -> Self {
        let text: Option<String> = chars.iter().copied().collect();
        text.map_or_else(|| Self::Marked(chars.to_vec()), Self::Text)
    }

    /// What is left of the key after this part, where it begins with it.
    fn strip_from_start<'k>(&self, key: &'k str) -> Option<&'k str> {
        let marks = match self {
            Self::Text(text) => return key.strip_prefix(text.as_str()),
            Self::Marked(marks) => marks,
        };
        let mut rest = key.chars();
        let fits = marks.iter().all(|mark| rest.next().is_some_and(|char| mark.is_none_or(|mark| mark == char)));
        fits.then_some(rest.as_str())
    }

    /// What is left of the key before this part, where it ends with it.
    fn strip_from_end<'k>(&self, key: &'k str) -> Option<&'k str> {
        let marks = match self {
            Self::Text(text) => return key.strip_suffix(text.as_str()),
            Self::Marked(marks) => marks,
        };
        let mut rest = key.chars();
        let fits =
            marks.iter().rev().all(|mark| rest.next_back().is_some_and(|char| mark.is_none_or(|mark| mark == char)));
        fits.then_some(rest.as_str())
    }

    /// What is left of the key after the first place where this part is.
    fn strip_first<'k>(&self, key: &'k str) -> Option<&'k str> {
        let marks = match self {
            Self::Text(text) => return key.split_once(text.as_str()).map(|(_, rest)| rest),
            Self::Marked(marks) => marks,
        };
        // Shift-And (Baeza-Yates, Gonnet 1992): bit n is set while the last n + 1 characters fit the first n + 1 marks.
        let end = 1u64 << (marks.len() - 1);
        let mut fitting = 0u64;
        let mut rest = key.chars();
        while let Some(char) = rest.next() {
            let fits =
                marks.iter().rev().fold(0, |bits, mark| bits << 1 | u64::from(mark.is_none_or(|mark| mark == char)));
            fitting = (fitting << 1 | 1) & fits;
            if fitting & end != 0 {
                return Some(rest.as_str());
            }
        }
        None
    }
}

impl Pattern {
    /// Whether that key fits.
    pub fn matches(&self, key: &str) -> bool {
        let (first, rest) = match self.parts.as_slice() {
            [] => return key.is_empty(),
            [only] => return only.strip_from_start(key) == Some(""),
            [first, rest @ ..] => (first, rest),
        };
        let Some((last, middle)) = rest.split_last() else { return false };
        let ends = first.strip_from_start(key).and_then(|key| last.strip_from_end(key));
        ends.is_some_and(|key| middle.iter().try_fold(key, |key, part| part.strip_first(key)).is_some())
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = vec![Vec::new()];
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let mark = match char {
                '*' => {
                    parts.push(Vec::new());
                    continue;
                }
                '?' => None,
                '\\' => Some(chars.next().ok_or_else(|| {
                    Error::new(ErrorKind::InvalidFormat, "a pattern may not end with a single backslash; write two")
                })?),
                char => Some(char),
            };
            if let Some(part) = parts.last_mut() {
                part.push(mark);
            }
        }
        let last = parts.len() - 1;
        let too_long = |(nth, part): (usize, &Vec<Option<char>>)| {
            (1..last).contains(&nth) && part.len() > MAX_MARKED && part.contains(&None)
        };
        if parts.iter().enumerate().any(too_long) {
            let message =
                format!("between two `*` of a pattern may be at most {MAX_MARKED} characters if one is a `?`");
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        Ok(Self { text: text.to_owned(), parts: parts.iter().map(|part| Part::new(part)).collect() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::id::Printable(&self.text).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, key: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(key)
    }

    /// What the words say, tried in every way.
    fn by_trying(pattern: &[char], key: &[char]) -> bool {
        match pattern {
            [] => key.is_empty(),
            ['*', rest @ ..] => (0..=key.len()).any(|skip| by_trying(rest, &key[skip..])),
            ['?', rest @ ..] => !key.is_empty() && by_trying(rest, &key[1..]),
            ['\\', char, rest @ ..] | [char, rest @ ..] => key.first() == Some(char) && by_trying(rest, &key[1..]),
        }
    }

    #[test]
    fn parts_do_not_overlap() {
        for (pattern, key, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a\n/\u{0}b", true),
            ("a*a", "a", false),
            ("ab*bc", "abc", false),
            ("*ab*ab*", "ab", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*?é", "éé", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"..\\..\\*", r"..\..\etc", true),
            ("*a?c*", "abbabc", true),
            ("*?b?*", "b", false),
        ] {
            assert_eq!(matches(pattern, key), fits, "{pattern} {key:?}");
        }
    }

    #[test]
    fn hard_patterns_are_no_work() {
        let key = "a".repeat(200_000);
        assert!(!matches(&("*a".repeat(1_000) + "*b*"), &key));
        assert!(!matches(&("*a?a".repeat(1_000) + "*b"), &key));
        assert!(!matches(&format!("*{}b*", "a".repeat(100_000)), &key));
        assert!(matches(&format!("*{}?*", "a".repeat(63)), &key));
    }

    #[test]
    fn bad_patterns_are_refused() {
        let error = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
        assert_eq!(error("a\\"), "a pattern may not end with a single backslash; write two");
        let long = format!("*{}?*", "a".repeat(64));
        assert_eq!(error(&long), "between two `*` of a pattern may be at most 64 characters if one is a `?`");
        assert!(long.trim_start_matches('*').parse::<Pattern>().is_ok(), "at an end it is compared once");
    }

    proptest! {
        #[test]
        fn it_finds_what_trying_finds(pattern in r"([ab?*]|\\[*?ab]){0,8}", key in "[ab*?]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &key), by_trying(&chars(&pattern), &chars(&key)));
        }
    }
}
