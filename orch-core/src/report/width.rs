//! How much room text takes, and how to make it take less.

/// The columns of `text`, which has no control characters: 2 for East Asian wide characters and emoji, 0 for combining
/// marks, else 1. An approximation of UAX #11: terminals differ on the rest, and a table survives a column's error.
pub(super) fn columns(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char_columns).sum() }
}

fn char_columns(char: char) -> usize {
    match char {
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{231a}'..='\u{231b}'
        | '\u{23e9}'..='\u{23ec}'
        | '\u{2705}'
        | '\u{2728}'
        | '\u{274c}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{33ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{a000}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{1fa70}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// `text`, cut with `…` to at most that many columns.
pub(super) fn cut(text: String, most: usize) -> String {
    if columns(&text) <= most {
        return text;
    }
    let mut used = 0;
    let mut kept = String::with_capacity(most);
    for char in text.chars() {
        used += char_columns(char);
        if used >= most {
            break;
        }
        kept.push(char);
    }
    if most > 0 {
        kept.push('…');
    }
    kept
}

/// `text`, cut with `…` to at most that many characters.
pub(super) fn cut_chars(mut text: String, most: usize) -> String {
    if let Some((last, _)) = text.char_indices().nth(most.saturating_sub(1))
        && text.chars().nth(most).is_some()
    {
        text.truncate(last);
        text.push('…');
    }
    text
}

/// The first line that says something.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("")
}

/// Adds spaces up to that many columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(columns(text)))
}

/// Adds spaces in front up to that many columns.
pub(super) fn pad_left(text: &str, width: usize) -> String {
    format!("{:1$}{text}", "", width.saturating_sub(columns(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_measured_in_columns() {
        for (text, want) in [("", 0), ("abc", 3), ("日本", 4), ("e\u{301}", 1), ("✅ ok", 5), ("→ é", 3), ("🦀", 2)]
        {
            assert_eq!(columns(text), want, "{text}");
        }
    }

    #[test]
    fn cutting_never_passes_the_width() {
        for text in ["", "a", "abcdef", "日本語日本語", "a日b本", "e\u{301}e\u{301}e\u{301}"] {
            for most in 0..8 {
                let cut = cut(text.to_owned(), most);
                assert!(columns(&cut) <= most, "{text} to {most}: {cut}");
                assert_eq!(cut == text, columns(text) <= most, "{text} to {most}: {cut}");
            }
        }
        assert_eq!(cut("abcdef".to_owned(), 4), "abc…");
        assert_eq!((cut_chars("日本語".into(), 2), cut_chars("日本語".into(), 3)), ("日…".into(), "日本語".into()));
        assert_eq!((pad("日", 4), pad_left("日", 4)), ("日  ".to_owned(), "  日".to_owned()));
    }
}
