//! What orchestration is assumed to save, in numbers that anybody may change. Pure.

use serde::{Deserialize, Serialize};

use super::policy::Policy;
use crate::units::Usd;

/// The constants of the scripts that orch replaces: assumptions, not measurements. Whatever is computed with them is called *modelled*, and is
/// never added to what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Tokens that a commit is assumed to take without orchestration. Default: 50,000.
    pub tokens_traditional: u64,
    /// Tokens that an orchestrated commit is assumed to take. Default: 20,000.
    pub tokens_orchestrated: u64,
    /// What a thousand tokens are assumed to cost. Default: $0.01. In JSON in nano-dollars.
    #[serde(rename = "nanos_per_1k_tokens")]
    pub per_1k_tokens: Usd,
}

impl Default for Model {
    fn default() -> Self {
        Self { tokens_traditional: 50_000, tokens_orchestrated: 20_000, per_1k_tokens: Usd::from_cents(1) }
    }
}

/// Commits, all and orchestrated ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// All that count.
    pub total: u64,
    /// Those of them that were orchestrated. By [`Policy::Compat`] they may be more: it counts them on all branches.
    pub orchestrated: u64,
}

impl Count {
    /// Orchestrated ones in percent of all; 0 where there are none.
    pub fn rate(self) -> f64 {
        if self.total == 0 { 0.0 } else { self.orchestrated as f64 / self.total as f64 * 100.0 }
    }

    /// The others; negative where there are more orchestrated ones than all.
    pub fn traditional(self) -> i64 {
        signed(self.total) - signed(self.orchestrated)
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What the [`Model`] says of some commits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Modelled {
    /// Tokens that all of them would have taken without orchestration.
    pub baseline_tokens: i64,
    /// Tokens that they took, by the model.
    pub actual_tokens: i64,
    /// The difference.
    pub saved_tokens: i64,
    /// The same in dollars.
    pub baseline_usd: f64,
    /// The same in dollars.
    pub actual_usd: f64,
    /// The same in dollars.
    pub saved_usd: f64,
    /// The savings in percent of the baseline; 0 where that is nothing.
    pub savings_percentage: f64,
}

impl Model {
    /// What it says of that many commits. By [`Policy::Compat`] it is computed as the scripts did, in floats, to their last digit; else exactly,
    /// and rounded once.
    ///
    /// ```
    /// use orch_core::ext::metrics::{Count, Model, Policy};
    ///
    /// let july = Model::default().of(Count { total: 145, orchestrated: 12 }, Policy::Compat);
    /// assert_eq!((july.actual_usd, july.saved_usd, july.savings_percentage), (68.9, 3.5999999999999943, 4.9655172413793025));
    /// let exact = Model::default().of(Count { total: 186, orchestrated: 12 }, Policy::Message);
    /// assert_eq!((exact.saved_usd, exact.savings_percentage), (3.6, 3.870967741935484));
    /// ```
    pub fn of(&self, count: Count, policy: Policy) -> Modelled {
        let times = |count: i64, tokens: u64| count.saturating_mul(signed(tokens));
        let baseline_tokens = times(signed(count.total), self.tokens_traditional);
        let actual_tokens = times(count.traditional(), self.tokens_traditional)
            .saturating_add(times(signed(count.orchestrated), self.tokens_orchestrated));
        let saved_tokens = baseline_tokens.saturating_sub(actual_tokens);
        let (baseline_usd, actual_usd, saved_usd) = if policy == Policy::Compat {
            let dollars = |tokens: i64| (tokens as f64 / 1000.0) * self.per_1k_tokens.dollars();
            let (baseline, actual) = (dollars(baseline_tokens), dollars(actual_tokens));
            (baseline, actual, baseline - actual)
        } else {
            let dollars = |tokens: i64| self.usd(tokens).dollars();
            (dollars(baseline_tokens), dollars(actual_tokens), dollars(saved_tokens))
        };
        let savings_percentage = if baseline_usd > 0.0 { saved_usd / baseline_usd * 100.0 } else { 0.0 };
        Modelled {
            baseline_tokens,
            actual_tokens,
            saved_tokens,
            baseline_usd,
            actual_usd,
            saved_usd,
            savings_percentage,
        }
    }

    /// What so many tokens cost by it, to the nano-dollar.
    pub fn usd(&self, tokens: i64) -> Usd {
        let nanos = i128::from(tokens) * i128::from(self.per_1k_tokens.nanos()) / 1000;
        Usd::from_nanos(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }

    /// How many percent fewer tokens an orchestrated commit takes by it.
    pub fn reduction_percentage(&self) -> f64 {
        let (more, less) = (self.tokens_traditional as f64, self.tokens_orchestrated as f64);
        if more > 0.0 { (more - less) * 100.0 / more } else { 0.0 }
    }
}
