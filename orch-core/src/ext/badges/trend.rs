//! A badge with a small curve in it. The style is orch's own: shields has none. Pure.

use std::fmt::Write as _;

use super::{
    badge::{Badge, Color, NO_DATA},
    svg::{Theme, opened, text_group},
    width::{Font, width},
};
use crate::report::render::escape_markup;

/// The most points that are drawn: the last ones.
const MOST: usize = 26;
/// Pixels between two points.
const STEP: f64 = 4.0;
const HIGH: f64 = 20.0;

/// A badge in the flat style whose right side is a curve, with what it ends at beside it. With fewer than two points it says that there is no data. Points that are no
/// numbers count as 0.
///
/// ```
/// use orch_core::ext::badges::{Badge, Color, Theme, trend};
///
/// let picture = trend(&Badge::new("Savings a week", "$3.60", Color::Blue), &[0.0, 1.2, 3.6], Theme::Light);
/// assert!(picture.contains("<polyline") && picture.contains("Savings a week: $3.60, trend of 3"));
/// assert!(trend(&Badge::new("Savings a week", "$3.60", Color::Blue), &[1.0], Theme::Light).contains("no data"));
/// ```
pub fn trend(badge: &Badge, points: &[f64], theme: Theme) -> String {
    let last: Vec<f64> =
        points.iter().rev().take(MOST).rev().map(|point| if point.is_finite() { *point } else { 0.0 }).collect();
    if last.len() < 2 {
        let nothing = Badge { message: NO_DATA.to_owned(), color: Color::LightGrey, ..badge.clone() };
        return super::svg::svg(&nothing, super::svg::Style::Flat, theme);
    }
    let (label, message) = (badge.label.trim(), badge.message.trim());
    let text_wide = |text: &str| width(text, Font::Normal11).ceil();
    let curve = STEP * (last.len() - 1) as f64;
    let (label_wide, message_wide) = (text_wide(label), text_wide(message));
    let left = label_wide + 12.0;
    let whole = left + message_wide + curve + 20.0;
    let spoken = format!("{message}, trend of {}", last.len());
    let mut out = opened(label, &spoken, whole, 20);
    let (lowest, highest) =
        last.iter().fold((0.0_f64, 0.0_f64), |(low, high), point| (low.min(*point), high.max(*point)));
    let range = if highest > lowest { highest - lowest } else { 1.0 };
    let (x, y) = (
        |nth: usize| left + message_wide + 14.0 + STEP * nth as f64,
        |point: f64| HIGH - 4.0 - (point - lowest) / range * (HIGH - 8.0),
    );
    let (dark, side) = match theme {
        Theme::Light => ("#555", "#24292f"),
        Theme::Dark => ("#6e7681", "#30363d"),
    };
    // Writing to a String cannot fail.
    _ = write!(out, r#"<clipPath id="r"><rect width="{whole}" height="20" rx="3"/></clipPath><g clip-path="url(#r)">"#);
    _ = write!(
        out,
        r#"<rect width="{left}" height="20" fill="{dark}"/><rect x="{left}" width="{}" height="20" fill="{side}"/></g>"#,
        whole - left
    );
    let line: Vec<String> =
        last.iter().enumerate().map(|(nth, point)| format!("{:.1},{:.1}", x(nth), y(*point))).collect();
    let stroke = badge.color.bright();
    _ = write!(
        out,
        r#"<polyline points="{}" fill="none" stroke="{stroke}" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round"/>"#,
        line.join(" ")
    );
    if let Some(end) = last.last() {
        _ = write!(out, r#"<circle cx="{:.1}" cy="{:.1}" r="2" fill="{stroke}"/>"#, x(last.len() - 1), y(*end));
    }
    out += &text_group(110);
    for (text, from, wide) in [(label, 6.0, label_wide), (message, left + 6.0, message_wide)] {
        let (x, length) = (10.0 * (from + wide / 2.0), 10.0 * wide);
        _ = write!(
            out,
            r#"<text x="{x}" y="140" transform="scale(.1)" textLength="{length}">{}</text>"#,
            escape_markup(text)
        );
    }
    out + "</g></svg>\n"
}

impl Color {
    /// Bright enough for a line on dark ground.
    fn bright(self) -> &'static str {
        match self {
            Self::BrightGreen | Self::Green => "#7ee787",
            Self::YellowGreen | Self::Yellow => "#e3b341",
            Self::Orange => "#ffa657",
            Self::Red => "#ff7b72",
            Self::Blue => "#79c0ff",
            Self::LightGrey => "#c9d1d9",
        }
    }
}
