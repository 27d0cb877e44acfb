//! Text inside XML and HTML.

use std::fmt;

/// Text that cannot become markup: in the content, or in a quoted attribute, of XML and of HTML. What XML 1.0 forbids is left out; whoever wants such
/// characters seen gives a [`Printable`](crate::Printable).
///
/// ```
/// use orch_core::{Printable, report::render::escape_markup};
///
/// assert_eq!(escape_markup("'a' & <b>\0"), "&apos;a&apos; &amp; &lt;b&gt;");
/// assert_eq!(escape_markup(Printable("<\0>")), "&lt;\\u{0}&gt;");
/// ```
pub fn escape_markup(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            // Also keeps `]]>` out of content.
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Known in HTML too since its version 5, and what shields writes.
            '\'' => escaped.push_str("&apos;"),
            '\t' | '\n' | '\r' => escaped.push(char),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}
