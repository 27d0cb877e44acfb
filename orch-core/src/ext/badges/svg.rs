//! Badges as SVG, in the form that shields gives them. Pure.
//!
//! Geometry and text of the styles are those of badge-maker 6 (MIT or Apache-2.0, see `NOTICE.md` of this crate), byte for byte; logos and links are left
//! out.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{
    badge::{Badge, Color},
    width::{Font, width},
};
use crate::report::render::escape_markup;

/// A style of shields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// The plain one.
    Flat,
    /// Large and in capitals, as the scripts that orch replaces have it.
    #[default]
    ForTheBadge,
}

impl Style {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::ForTheBadge => "for-the-badge",
        }
    }
}

/// For which pages: the left side is lighter or darker, so that it stands out from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// White ones. It is what shields gives.
    #[default]
    Light,
    /// Dark ones. It is what shields gives for `labelColor=6e7681`.
    Dark,
}

impl Theme {
    fn label_color(self) -> &'static str {
        match self {
            Self::Light => "#555",
            Self::Dark => "#6e7681",
        }
    }
}

impl Color {
    /// As SVG has it.
    pub fn hex(self) -> &'static str {
        match self {
            Self::BrightGreen => "#4b0",
            Self::Green => "#67ac09",
            Self::YellowGreen => "#95991a",
            Self::Yellow => "#d8b800",
            Self::Orange => "#ea7233",
            Self::Red => "#dd4343",
            Self::Blue => "#007ec6",
            Self::LightGrey => "#939393",
        }
    }
}

pub(super) const FONT_FAMILY: &str = "Verdana,Geneva,DejaVu Sans,sans-serif";

/// The badge as an SVG file. It needs nothing from elsewhere, has a title and a name for those who cannot see it, and no text can become markup.
///
/// ```
/// use orch_core::ext::badges::{Badge, Style, Theme, svg};
///
/// let picture = svg(&Badge::mtd_cost(None), Style::Flat, Theme::Light);
/// assert!(picture.starts_with(r#"<svg xmlns="http://www.w3.org/2000/svg" width=""#));
/// assert!(picture.contains(r#"role="img" aria-label="MTD Cost: no data"><title>MTD Cost: no data</title>"#));
/// ```
pub fn svg(badge: &Badge, style: Style, theme: Theme) -> String {
    let (label, message) = (trimmed(&badge.label), trimmed(&badge.message));
    match style {
        Style::Flat => flat(&label, &message, badge.color, theme),
        Style::ForTheBadge => for_the_badge(&label, &message, badge.color, theme),
    }
}

fn flat(label: &str, message: &str, color: Color, theme: Theme) -> String {
    let (left, right) = (flat_side(label, theme.label_color()), flat_side(message, color.hex()));
    // Shields gives a badge without a label one only if it was told a colour for it.
    let has_label = !label.is_empty() || theme == Theme::Dark;
    let label_width = if label.is_empty() { 0 } else { left.text };
    let left_width = if has_label { label_width + 10 } else { 0 };
    let right_width = right.text + 10;
    let whole = left_width + right_width;
    let label_color = if has_label { theme.label_color() } else { color.hex() };
    let message_margin = left_width - i64::from(!message.is_empty()) + i64::from(!has_label);
    let mut out = opened(label, message, whole as f64, 20);
    out += r#"<filter id="blur"><feGaussianBlur stdDeviation="16"/></filter>"#;
    out += r##"<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient>"##;
    let hex = color.hex();
    // Writing to a String cannot fail.
    _ = write!(out, r#"<clipPath id="r"><rect width="{whole}" height="20" rx="3"/></clipPath>"#);
    _ = write!(out, r#"<g clip-path="url(#r)"><rect width="{left_width}" height="20" fill="{label_color}"/>"#);
    _ = write!(out, r#"<rect x="{left_width}" width="{right_width}" height="20" fill="{hex}"/>"#);
    _ = write!(out, r#"<rect width="{whole}" height="20" fill="url(#s)"/></g>"#);
    out += &text_group(110);
    out += &left.drawn(1, label);
    out += &right.drawn(message_margin, message);
    out + "</g></svg>"
}

/// One of the two sides of a flat badge.
struct FlatSide {
    /// How wide its text is.
    text: i64,
    on: &'static str,
}

fn flat_side(text: &str, on: &'static str) -> FlatSide {
    let measured = width(text, Font::Normal11) as i64;
    // Odd, so that it falls on whole pixels.
    FlatSide { text: if measured % 2 == 0 { measured + 1 } else { measured }, on }
}

impl FlatSide {
    fn drawn(&self, margin: i64, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let (x, length, text) =
            (10.0 * (margin as f64 + 0.5 * self.text as f64 + 5.0), 10 * self.text, escape_markup(text));
        let (fill, shadow) = inks(self.on);
        format!(
            r#"<g transform="scale(.1)"><g aria-hidden="true" fill="{shadow}"><text x="{x}" y="150" fill-opacity=".8" filter="url(#blur)" textLength="{length}">{text}</text><text x="{x}" y="150" fill-opacity=".3" textLength="{length}">{text}</text></g><text x="{x}" y="140" textLength="{length}"{fill}>{text}</text></g>"#
        )
    }
}

fn for_the_badge(label: &str, message: &str, color: Color, theme: Theme) -> String {
    const SPACING: f64 = 1.25;
    const MARGIN: f64 = 12.0;
    let (label, message) = (label.to_uppercase(), message.to_uppercase());
    // In units of UTF-16, as shields counts.
    let spaced = |text: &str, font| match text.encode_utf16().count() {
        0 => 0.0,
        units => width(text, font).trunc() + SPACING * units as f64,
    };
    let (label_width, message_width) = (spaced(&label, Font::Normal10), spaced(&message, Font::Bold10));
    let right = 2.0 * MARGIN + message_width;
    let (left, message_at) = if label.is_empty() {
        (0.0, MARGIN)
    } else {
        let left = MARGIN + label_width + MARGIN;
        (left, left + MARGIN)
    };
    let mut out = opened(&label, &message, left + right, 28);
    out += r#"<g shape-rendering="crispEdges">"#;
    let (label_color, hex) = (theme.label_color(), color.hex());
    // Writing to a String cannot fail.
    _ = if label.is_empty() {
        write!(out, r#"<rect width="{right}" height="28" fill="{hex}"/></g>"#)
    } else {
        write!(
            out,
            r#"<rect width="{left}" height="28" fill="{label_color}"/><rect x="{left}" width="{right}" height="28" fill="{hex}"/></g>"#
        )
    };
    out += &text_group(100);
    let mut text = |text: &str, from: f64, wide: f64, on: &str, bold: &str| {
        let (x, length, (fill, _)) = (10.0 * (from + 0.5 * wide), 10.0 * wide, inks(on));
        _ = write!(
            out,
            r#"<text transform="scale(.1)" x="{x}" y="175" textLength="{length}"{bold}{fill}>{}</text>"#,
            escape_markup(text)
        );
    };
    if !label.is_empty() {
        text(&label, MARGIN, label_width, label_color, "");
    }
    text(&message, message_at, message_width, hex, r#" font-weight="bold""#);
    out + "</g></svg>"
}

pub(super) fn opened(label: &str, message: &str, width: f64, height: u32) -> String {
    let spoken = if label.is_empty() {
        escape_markup(message)
    } else {
        format!("{}: {}", escape_markup(label), escape_markup(message))
    };
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" aria-label="{spoken}"><title>{spoken}</title>"#
    )
}

pub(super) fn text_group(size: u32) -> String {
    format!(
        r##"<g fill="#fff" text-anchor="middle" font-family="{FONT_FAMILY}" text-rendering="geometricPrecision" font-size="{size}">"##
    )
}

/// How text and its shadow are coloured on that colour: white unless it is bright.
fn inks(on: &str) -> (&'static str, &'static str) {
    if brightness(on) <= 0.69 { ("", "#010101") } else { (r##" fill="#333""##, "#ccc") }
}

/// By the weights of ITU-R BT.601, in hundredths.
fn brightness(hex: &str) -> f64 {
    let digits: Vec<u32> = hex.chars().filter_map(|char| char.to_digit(16)).collect();
    let rgb: Vec<u32> = match digits.as_slice() {
        [r, g, b] => [r, g, b].iter().map(|digit| *digit * 17).collect(),
        six => six.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit)).collect(),
    };
    let weighed: u32 = rgb.iter().zip([299, 587, 114]).map(|(value, weight)| value * weight).sum();
    (f64::from(weighed) / 255_000.0 * 100.0).round() / 100.0
}

fn trimmed(text: &str) -> String {
    // What no XML may hold is left out.
    let kept = text.chars().filter(|char| !char.is_control() && !matches!(char, '\u{fffe}' | '\u{ffff}'));
    kept.collect::<String>().trim_matches(|char: char| char.is_whitespace() || char == '\u{feff}').to_owned()
}
