//! Addresses of badges, and their Markdown. Pure.

use super::{badge::Badge, svg::Style};
use crate::{id::Printable, report::render::escape_markup};

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
    format!("[![{}]({})]({})", alt_text(alt), address(picture), address(link))
}

/// A picture for light pages and one for dark ones that are a link: in HTML, since Markdown has no form for it and holds it as it is.
///
/// ```
/// use orch_core::ext::badges::picture;
///
/// let html = picture("MTD Cost", "badges/mtd-cost.svg", "badges/mtd-cost-dark.svg", "./reports/");
/// let dark = r#"<source media="(prefers-color-scheme: dark)" srcset="badges/mtd-cost-dark.svg">"#;
/// assert_eq!(html, format!(r#"<a href="./reports/"><picture>{dark}<img alt="MTD Cost" src="badges/mtd-cost.svg"></picture></a>"#));
/// // In `srcset` a comma would end the address.
/// assert!(picture("x", "a,b.svg", "c,d.svg", "./").contains(r#"srcset="c%2Cd.svg"><img alt="x" src="a,b.svg">"#));
/// ```
pub fn picture(alt: &str, light: &str, dark: &str, link: &str) -> String {
    let [light, dark, link] = [light, dark, link].map(|text| escape_markup(address(text)));
    let dark = dark.replace(',', "%2C");
    let alt = escape_markup(Printable(alt));
    format!(
        "<a href=\"{link}\"><picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"{dark}\"><img alt=\"{alt}\" src=\"{light}\"></picture></a>"
    )
}

fn address(text: &str) -> String {
    escaped(text, |byte| b":/?#@$&=+,;%~".contains(&byte))
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
