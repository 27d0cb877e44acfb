//! Text inside XML and HTML.

/// Text that cannot become markup, in content or in a quoted attribute. Expects printable text: of what XML 1.0 forbids,
/// only the two noncharacters can be left in it, and are dropped.
pub(super) fn escape(printable: &str) -> String {
    let mut escaped = String::with_capacity(printable.len() + 16);
    for char in printable.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            // Also keeps `]]>` out of content.
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}
