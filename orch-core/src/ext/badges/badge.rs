//! What a badge says. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Usd;

/// A colour, by the names of shields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// All is well.
    BrightGreen,
    /// Well.
    Green,
    /// Between green and yellow.
    YellowGreen,
    /// Take note.
    Yellow,
    /// Little.
    Orange,
    /// Bad.
    Red,
    /// Only a fact.
    Blue,
    /// Nothing is known, or there is nothing.
    LightGrey,
}

impl Color {
    /// The name that shields has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BrightGreen => "brightgreen",
            Self::Green => "green",
            Self::YellowGreen => "yellowgreen",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Blue => "blue",
            Self::LightGrey => "lightgrey",
        }
    }

    /// By how much is saved, in percent: the thresholds of the scripts that orch replaces.
    pub fn of_savings(percent: f64) -> Self {
        match percent {
            at_least if at_least >= 50.0 => Self::BrightGreen,
            at_least if at_least >= 30.0 => Self::Green,
            at_least if at_least >= 10.0 => Self::Yellow,
            more if more > 0.0 => Self::Orange,
            _ => Self::LightGrey,
        }
    }
}

/// On what a figure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// It was measured.
    Measured,
    /// It was computed from assumptions; the badge says so.
    Modelled,
}

/// A label, a message and a colour. The texts may be any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Badge {
    /// What it is about, on the left. May be empty.
    pub label: String,
    /// How that stands, on the right. Not empty.
    pub message: String,
    /// Of the right side.
    pub color: Color,
}

/// What a badge says where nothing is known. It never invents.
pub const NO_DATA: &str = "no data";

impl Badge {
    /// One of these texts.
    pub fn new(label: impl Into<String>, message: impl Into<String>, color: Color) -> Self {
        Self { label: label.into(), message: message.into(), color }
    }

    fn no_data(label: &str) -> Self {
        Self::new(label, NO_DATA, Color::LightGrey)
    }

    /// What the month cost to date, in dollars: green under 50, else yellow, as the scripts have it.
    ///
    /// ```
    /// use orch_core::ext::badges::{Badge, Basis, Color};
    ///
    /// assert_eq!(Badge::mtd_cost(Some((68.9, Basis::Measured))), Badge::new("MTD Cost", "$68.90", Color::Yellow));
    /// assert_eq!(Badge::mtd_cost(Some((68.9, Basis::Modelled))).message, "$68.90 modelled");
    /// assert_eq!(Badge::mtd_cost(None), Badge::new("MTD Cost", "no data", Color::LightGrey));
    /// ```
    pub fn mtd_cost(usd: Option<(f64, Basis)>) -> Self {
        let Some((usd, basis)) = usd else { return Self::no_data("MTD Cost") };
        let color = if usd < 50.0 { Color::Green } else { Color::Yellow };
        Self::new("MTD Cost", marked(dollars(usd), basis), color)
    }

    /// What orchestration saved in the month to date: dollars, and percent of what it would have cost.
    pub fn savings(saved: Option<(f64, f64, Basis)>) -> Self {
        let Some((usd, percent, basis)) = saved else { return Self::no_data("Orchestration Savings") };
        let message = marked(format!("{} {percent:.0}%", dollars(usd)), basis);
        Self::new("Orchestration Savings", message, Color::of_savings(percent))
    }

    /// What orchestration saved in the latest week, in dollars: what a [curve](super::trend) ends at.
    pub fn weekly_savings(saved: Option<(f64, Basis)>) -> Self {
        let Some((usd, basis)) = saved else { return Self::no_data("Savings per Week") };
        let color = if usd > 0.0 { Color::Blue } else { Color::LightGrey };
        Self::new("Savings per Week", marked(dollars(usd), basis), color)
    }

    /// How many percent of the commits were orchestrated.
    pub fn rate(percent: Option<f64>) -> Self {
        Self::percent("Orchestration Rate", percent)
    }

    /// How many percent of what runs looked for was known already.
    pub fn hit_rate(percent: Option<f64>) -> Self {
        Self::percent("Cache Hits", percent)
    }

    fn percent(label: &str, percent: Option<f64>) -> Self {
        let badge = |percent: f64| Self::new(label, format!("{percent:.1}%"), Color::of_savings(percent));
        percent.map_or_else(|| Self::no_data(label), badge)
    }

    /// What is left of a budget, and of how much: green from a half on, yellow from a tenth, red where nothing is left.
    pub fn budget_left(budget: Option<(Usd, Usd)>) -> Self {
        let Some((left, of)) = budget else { return Self::no_data("Budget Left") };
        let share = if of > Usd::ZERO { left.dollars() / of.dollars() } else { 0.0 };
        let color = match share {
            half if half >= 0.5 => Color::Green,
            tenth if tenth >= 0.1 => Color::Yellow,
            some if some > 0.0 => Color::Orange,
            _ => Color::Red,
        };
        Self::new("Budget Left", format!("{} of {}", dollars(left.dollars()), dollars(of.dollars())), color)
    }

    /// How many runs there were, and how many succeeded.
    pub fn runs(runs: Option<(u64, u64)>) -> Self {
        let Some((all, succeeded)) = runs.filter(|(all, _)| *all > 0) else { return Self::no_data("Runs") };
        let color = if succeeded == all {
            Color::BrightGreen
        } else if succeeded == 0 {
            Color::Red
        } else {
            Color::Blue
        };
        Self::new("Runs", format!("{succeeded} of {all} succeeded"), color)
    }

    /// What somebody who cannot see it is told.
    pub fn spoken(&self) -> String {
        if self.label.is_empty() { self.message.clone() } else { format!("{}: {}", self.label, self.message) }
    }
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spoken())
    }
}

fn dollars(usd: f64) -> String {
    let text = format!("{usd:.2}");
    // Also what is rounded to nothing has no sign.
    match text.strip_prefix('-') {
        Some("0.00") => "$0.00".to_owned(),
        Some(less) => format!("-${less}"),
        None => format!("${text}"),
    }
}

fn marked(text: String, basis: Basis) -> String {
    match basis {
        Basis::Measured => text,
        Basis::Modelled => text + " modelled",
    }
}
