//! Times as people write them: `5 min`, `0-20 mins`, `3-4 days`, `1 h 30 min`.

use std::time::Duration;

/// A time or a range of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::definition::command) struct Time {
    /// Where the range begins, if it is one.
    pub(in crate::definition::command) from: Option<Duration>,
    /// The time, or where the range ends.
    pub(in crate::definition::command) to: Duration,
}

/// Longer times are taken for a slip.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Words that may stand around a time.
const AROUND: [&str; 11] =
    ["about", "approx", "approx.", "approximately", "around", "ca.", "est.", "estimated", "each", "time", "time:"];

/// Reads a text that is a time and nothing else.
pub(in crate::definition::command) fn time(text: &str) -> Option<Time> {
    let lower = text.to_lowercase();
    let mut tokens = tokens(lower.trim().trim_start_matches("up to "));
    tokens.retain(|token| !matches!(token, Token::Word(word) if AROUND.contains(&word.as_str())));
    let mut sums: Vec<Option<Duration>> = vec![None];
    // A number waits for its unit; the first end of a range may share the unit of the second: "0-20 mins".
    let mut bare: Option<f64> = None;
    let mut bare_first: Option<f64> = None;
    for token in tokens {
        match token {
            Token::Number(number) if bare.is_none() => bare = Some(number),
            Token::Word(word) if bare.is_some() && unit(&word).is_some() => {
                let unit = unit(&word)?;
                let scaled =
                    |number: f64| Duration::try_from_secs_f64(number * unit).ok().filter(|time| *time <= LONGEST);
                if let Some(first) = bare_first.take() {
                    *sums.first_mut()? = Some(scaled(first)?);
                }
                let more = scaled(bare.take()?)?;
                let sum = sums.last_mut()?;
                *sum = Some(sum.unwrap_or_default() + more);
            }
            Token::Dash if sums.len() == 1 => {
                if sums == [None] {
                    bare_first = Some(bare.take()?);
                }
                sums.push(None);
            }
            _ => return None,
        }
    }
    match (bare, bare_first, sums.as_slice()) {
        (None, None, &[Some(to)]) => Some(Time { from: None, to }),
        (None, None, &[Some(from), Some(to)]) if from <= to => Some(Time { from: Some(from), to }),
        _ => None,
    }
}

/// Whether a word is a unit of time.
pub(in crate::definition::command) fn is_unit(word: &str) -> bool {
    unit(&word.to_lowercase()).is_some()
}

/// In seconds.
fn unit(word: &str) -> Option<f64> {
    Some(match word.trim_end_matches('.') {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

#[derive(Debug, PartialEq)]
enum Token {
    Number(f64),
    Word(String),
    Dash,
}

/// `lower` is in lower case.
fn tokens(lower: &str) -> Vec<Token> {
    let mut rest = lower.trim_start_matches(['~', '≈', '<', '≤', ' ']);
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = |same: fn(char) -> bool| rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (taken, token) = if first.is_whitespace() {
            (first.len_utf8(), None)
        } else if matches!(first, '-' | '–' | '—') {
            (first.len_utf8(), Some(Token::Dash))
        } else if first.is_ascii_digit() {
            let taken = length(|c| c.is_ascii_digit() || c == '.');
            let number = rest.get(..taken).and_then(|number| number.trim_end_matches('.').parse().ok());
            (taken, Some(number.map_or_else(|| Token::Word(String::new()), Token::Number)))
        } else if first.is_alphabetic() {
            let taken = length(|c| c.is_alphabetic() || c == '.' || c == ':');
            let word = rest.get(..taken).unwrap_or_default();
            let range = word == "to" && matches!(tokens.last(), Some(Token::Number(_) | Token::Word(_)));
            (taken, Some(if range { Token::Dash } else { Token::Word(word.to_owned()) }))
        } else {
            (first.len_utf8(), Some(Token::Word(first.to_string())))
        };
        tokens.extend(token);
        rest = rest.get(taken..).unwrap_or_default();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let seconds = |from: Option<f64>, to: f64| {
            Some(Time { from: from.map(Duration::from_secs_f64), to: Duration::from_secs_f64(to) })
        };
        for (text, expected) in [
            ("5 min", seconds(None, 300.0)),
            ("5 minutes", seconds(None, 300.0)),
            ("5min", seconds(None, 300.0)),
            ("0-20 mins", seconds(Some(0.0), 1_200.0)),
            ("20–40 mins", seconds(Some(1_200.0), 2_400.0)),
            ("3-4 days", seconds(Some(259_200.0), 345_600.0)),
            ("30 sec - 2 min", seconds(Some(30.0), 120.0)),
            ("30 to 45 minutes", seconds(Some(1_800.0), 2_700.0)),
            ("1 h 30 min", seconds(None, 5_400.0)),
            ("1.5 hours", seconds(None, 5_400.0)),
            ("~10 min each", seconds(None, 600.0)),
            ("up to 2 Hours", seconds(None, 7_200.0)),
            ("500 ms", seconds(None, 0.5)),
            ("5", None),
            ("min", None),
            ("", None),
            ("5 apples", None),
            ("20-10 min", None),
            ("1-2-3 min", None),
            ("-5 min", None),
            ("[X-Y minutes]", None),
            ("5 min of work", None),
            ("999999999999 days", None),
            ("1.2.3 min", None),
            ("R001-R004", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9a-z .:~–-]{0,20}|\\PC{0,20}") {
            if let Some(time) = time(&text) {
                prop_assert!(time.to <= LONGEST + LONGEST && time.from.is_none_or(|from| from <= time.to));
            }
        }
    }
}
