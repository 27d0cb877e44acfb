//! Text from outside, made ready for a page: cut to a budget, without marks that hide or reorder.

use std::fmt::Write as _;

use serde::Serialize;

use crate::id::Printable;

/// One line: every control and direction character shown as an escape.
///
/// `budget` bounds what the text costs in the finished file, where `<` and its like take six bytes; a cut ends in `…`.
pub(super) fn line(text: &str, budget: usize) -> String {
    // Escaping makes text longer, never shorter, so more than `budget` characters cannot be needed.
    let start: String = text.chars().take(budget.saturating_add(1)).collect();
    cut(&Printable(&start).to_string(), budget)
}

/// Several lines: as [`line()`], but line ends and tabs stay.
pub(super) fn block(text: &str, budget: usize) -> String {
    let start: String = text.chars().take(budget.saturating_add(1)).collect();
    let mut shown = String::with_capacity(start.len());
    for (nth, row) in start.trim_end().split('\n').enumerate() {
        if nth > 0 {
            shown.push('\n');
        }
        for (nth, cell) in row.trim_end_matches('\r').split('\t').enumerate() {
            if nth > 0 {
                shown.push('\t');
            }
            // Writing to a string cannot fail.
            let _ = write!(shown, "{}", Printable(cell));
        }
    }
    cut(&shown, budget)
}

fn cut(text: &str, budget: usize) -> String {
    if cost(text) <= budget {
        return text.to_owned();
    }
    let mut left = budget.saturating_sub(3);
    let mut kept = String::new();
    for char in text.chars() {
        let Some(rest) = left.checked_sub(char_cost(char)) else { break };
        left = rest;
        kept.push(char);
    }
    kept.push('…');
    kept
}

fn cost(text: &str) -> usize {
    text.chars().map(char_cost).sum()
}

/// The most bytes that a character takes, as an HTML entity or as a JSON escape.
fn char_cost(char: char) -> usize {
    match char {
        '<' | '>' | '&' | '\'' | '"' | '/' => 6,
        '\\' | '\n' | '\t' => 2,
        other => other.len_utf8(),
    }
}

/// About how many columns of a monospaced font the text takes; wide letters and emoji count twice.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

fn column(char: char) -> usize {
    if matches!(char, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}')
    {
        2
    } else {
        1
    }
}

/// A label of at most `most` columns; the middle goes, since names of tasks differ at both ends.
pub(super) fn label(text: &str, most: usize) -> String {
    let shown = line(text, 512);
    if columns(&shown) <= most {
        return shown;
    }
    let keep = most.saturating_sub(1);
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let mut kept = Vec::new();
        for char in chars {
            used += column(char);
            if used > room {
                break;
            }
            kept.push(char);
        }
        kept
    };
    let head = take(&mut shown.chars(), keep - keep / 2);
    let mut tail = take(&mut shown.chars().rev(), keep / 2);
    tail.reverse();
    head.into_iter().chain(['…']).chain(tail).collect()
}

/// What all names begin with, up to the last `.`, `:`, `/`, `-` or `_` in it, if leaving it out makes pictures clearer.
pub(super) fn common_start<'a>(mut names: impl Iterator<Item = &'a str> + Clone) -> &'a str {
    let Some(first) = names.next() else { return "" };
    let mut shared = first.len();
    let mut count = 1;
    for name in names {
        count += 1;
        shared = shared.min(first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count());
        if shared < SHORTEST_START {
            return "";
        }
    }
    // The signs are ASCII, so that the cut is between characters whatever the names are.
    let end = first.bytes().take(shared).rposition(|byte| b".:/-_".contains(&byte)).map_or(0, |at| at + 1);
    if count > 2 && end >= SHORTEST_START { first.get(..end).unwrap_or_default() } else { "" }
}

/// The shortest start that is worth to be left out.
const SHORTEST_START: usize = 8;

/// Spaces between numbers and units that a line does not break at.
pub(super) fn unbroken(said: impl std::fmt::Display) -> String {
    said.to_string().replace(' ', "\u{a0}")
}

/// A whole number in groups of three: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 task`, `2 tasks`, `12,000 tasks`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// JSON that may stand inside a `<script>` element: nothing in it can end the element or begin a comment.
pub(super) fn script_json(value: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    let mut safe = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            // Outside of strings JSON has none of these, and inside of strings an escape means the same.
            '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(safe, "\\u{:04x}", u32::from(char));
            }
            other => safe.push(other),
        }
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_show_what_would_hide() {
        assert_eq!(line("a\u{202e}b\u{1b}[2J\nc", 100), r"a\u{202e}b\u{1b}[2J\nc");
        assert_eq!(line("<<<<", 15), "<<…");
        assert_eq!(block("one\r\ntwo\tthree\u{7}\n\n", 100), "one\ntwo\tthree\\u{7}");
    }

    #[test]
    fn labels_keep_both_ends() {
        assert_eq!(label("review-security-of-the-payment-service-eu", 20), "review-sec…ervice-eu");
        assert_eq!(columns(&label("漢字漢字漢字漢字漢字", 9)), 9);
        assert_eq!(label("short", 20), "short");
    }

    #[test]
    fn common_starts_end_at_a_sign() {
        let start = |names: &[&'static str]| common_start(names.iter().copied());
        assert_eq!(start(&["nf-core.mag.fastp", "nf-core.mag.fastqc", "nf-core.mag.spades"]), "nf-core.mag.");
        assert_eq!(start(&["task-00001", "task-00002", "task-00003"]), "", "too short to matter");
        assert_eq!(start(&["nf-core.mag.fastp", "nf-core.mag.fastqc"]), "", "too few to see what is common");
        assert_eq!(start(&["größer-größer-ä", "größer-größer-ö", "größer-größer-ü"]), "größer-größer-");
        assert_eq!(start(&[]), "");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "task"), "1 task");
    }

    #[test]
    fn script_json_cannot_leave_its_element() {
        let json = script_json(&"</script><!--<script>\u{2028}'&").unwrap();
        assert_eq!(json, r#""\u003c/script\u003e\u003c!--\u003cscript\u003e\u2028\u0027\u0026""#);
    }

    proptest! {
        #[test]
        fn cut_text_stays_in_its_budget(text in any::<String>(), budget in 3usize..80) {
            prop_assert!(cost(&line(&text, budget)) <= budget);
            prop_assert!(cost(&block(&text, budget)) <= budget);
        }

        #[test]
        fn script_json_means_the_same(text in any::<String>()) {
            let json = script_json(&text).unwrap();
            prop_assert!(!json.contains(['<', '>', '&']));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
