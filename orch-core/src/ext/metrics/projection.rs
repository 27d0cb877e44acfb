//! What a year would save, if it went on so. Pure.

use serde::Serialize;

use super::{
    aggregate::{Aggregate, Measured},
    model::Count,
    months::{date, day, monday},
    policy::Policy,
};

/// The most weeks that are looked at: a quarter of a year.
const WEEKS: i64 = 13;
/// The fewest from which anything is projected.
const FEWEST: i64 = 2;
/// Weeks of a mean year of the Gregorian calendar: 365.2425 days.
const A_YEAR: f64 = 365.2425 / 7.0;

/// What a year would save, if it went on as in the last whole weeks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Projection {
    /// How many weeks it stands on, at most 13: the last whole ones.
    pub weeks: i64,
    /// The Monday of the first of them.
    pub from: String,
    /// The Monday after the last of them.
    pub to: String,
    /// Dollars a year, by the model.
    pub modelled_usd: f64,
    /// Dollars a year, as the hits of the cache saved them; `None`: nothing was measured in those weeks.
    pub measured_usd: Option<f64>,
}

impl Projection {
    /// How much, in a few words: what is modelled and what is measured.
    pub fn text(&self) -> String {
        let measured = self
            .measured_usd
            .map_or_else(|| "nothing was measured in those weeks".to_owned(), |usd| format!("${usd:.2} as measured"));
        format!("${:.2} as modelled, {measured}", self.modelled_usd)
    }

    /// On what it stands, in a sentence.
    pub fn assumption(&self) -> String {
        format!("if every week went as the last {} whole ones, {} to {}", self.weeks, self.from, self.to)
    }
}

impl Aggregate {
    /// What a year would save; `None` where there were fewer than two whole weeks since the first commit or fact.
    pub fn projection(&self) -> Option<Projection> {
        let to = monday(&self.options.zone, self.options.at);
        let first = day(self.weeks.keys().next()?);
        let from = (to - WEEKS * 7).max(first);
        let weeks = (to - from) / 7;
        if weeks < FEWEST {
            return None;
        }
        let (mut commits, mut measured) = (Count::default(), Measured::default());
        for (_, week) in self.weeks.iter().filter(|(name, _)| (from..to).contains(&day(name))) {
            commits.total += week.commits.total;
            commits.orchestrated += week.commits.orchestrated;
            measured.add(&week.measured);
        }
        let a_year = |usd: f64| usd / weeks as f64 * A_YEAR;
        let measured_usd = (!measured.is_nothing()).then(|| a_year(measured.saved.dollars()));
        let modelled_usd = a_year(self.options.model.of(commits, Policy::Message).saved_usd);
        Some(Projection { weeks, from: date(from), to: date(to), modelled_usd, measured_usd })
    }
}
