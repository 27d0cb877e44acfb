//! Addresses of badges, and their Markdown. Pure.

use super::{badge::Badge, svg::Style};

const SHIELDS: &str = "https://img.shields.io";

/// The address of a static badge: `-` and `_` are doubled, a space is `_`, and whatever else means something in addresses or in Markdown is escaped.
///
/// ```
/// use orch_core::ext::badges::{Badge, Basis, Color, Style, badge_url};
///
/// let cost = Badge::mtd_cost(Some((68.9, Basis::Measured)));
/// assert_eq!(badge_url(&cost, Style::ForTheBadge), "https://img.shields.io/badge/MTD_Cost-$68.90-yellow?style=for-the-badge");
/// let odd = Badge::new("a_b-c/d", "7% (of 9)", Color::Blue);
/// assert_eq!(badge_url(&odd, Style::Flat), "https://img.shields.io/badge/a__b--c%2Fd-7%25_%28of_9%29-blue?style=flat");
/// ```
pub fn badge_url(badge: &Badge, style: Style) -> String {
    let (message, color) = (part(&badge.message), badge.color.name());
    let label = if badge.label.is_empty() { String::new() } else { format!("{}-", part(&badge.label)) };
    format!("{SHIELDS}/badge/{label}{message}-{color}?style={}", style.name())
}

/// The address of a badge whose JSON lies at that other address.
pub fn endpoint_url(address: &str, style: Style) -> String {
    format!("{SHIELDS}/endpoint?url={}&style={}", escaped(address, |_| false), style.name())
}

/// A picture that is a link, in Markdown.
pub fn markdown(alt: &str, picture: &str, link: &str) -> String {
    let address = |text: &str| escaped(text, |byte| b":/?#@$&=+,;%~".contains(&byte));
    format!("[![{}]({})]({})", alt_text(alt), address(picture), address(link))
}

fn part(text: &str) -> String {
    let doubled = text.replace('_', "__").replace('-', "--").replace(' ', "_");
    // It stands for itself in a path, and the scripts that orch replaces left it as it is.
    escaped(&doubled, |byte| byte == b'$')
}

/// Percent-encoded, but for what RFC 3986 calls unreserved and for what `stays`.
fn escaped(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || stays(byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

fn alt_text(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars().map(|char| if char.is_control() { ' ' } else { char }) {
        if "\\[]`*_<>!&".contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}
