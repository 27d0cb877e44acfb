//! Targets, and when they are missed. Pure.

use serde::{Deserialize, Serialize};

use super::{aggregate::Aggregate, policy::Policy};

/// What should be reached in a month. Public fields and `Default`: no targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Targets {
    /// Orchestrated commits, in percent of all.
    pub rate: Option<f64>,
    /// Modelled savings, in percent of what it would have cost.
    pub savings: Option<f64>,
    /// Measured savings of the month, in dollars.
    pub saved_usd: Option<f64>,
    /// Commits that a month must have before its rates say anything. Default: 10 where it is 0.
    pub commits: u64,
}

const ENOUGH: u64 = 10;

/// A target that was missed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missed {
    /// Which: `rate`, `savings` or `saved_usd`.
    pub target: &'static str,
    /// The month.
    pub month: String,
    /// What should be.
    pub wanted: f64,
    /// What is.
    pub is: f64,
    /// In a sentence, with what the figure stands on.
    pub text: String,
}

impl Missed {
    /// By which it is told once a month.
    pub fn key(&self) -> String {
        format!("metrics/{}/{}", self.target, self.month)
    }
}

impl Targets {
    /// Why no target of the current month is judged; `None`: they are. With few commits a rate says nothing: one commit would be none or all.
    pub fn unjudged(&self, aggregate: &Aggregate) -> Option<String> {
        let enough = if self.commits == 0 { ENOUGH } else { self.commits };
        let (total, month) = (aggregate.month().commits.total, aggregate.current());
        let few = (total > 0 && total < enough).then(|| {
            format!("{month} has {total} commits, and targets are for {enough} and more (`commits` of the targets)")
        });
        aggregate.unknown().or(few)
    }

    /// Those that the current month misses, where they are [judged](Targets::unjudged).
    pub fn missed(&self, aggregate: &Aggregate) -> Vec<Missed> {
        let (part, month, options) = (aggregate.month(), aggregate.current().to_owned(), &aggregate.options);
        if self.unjudged(aggregate).is_some() {
            return Vec::new();
        }
        let modelled = options.model.of(part.commits, options.policy);
        let by = match options.policy {
            Policy::Recorded => "as hooks recorded them",
            Policy::Message => "by their messages",
            Policy::Compat => "by the rule of the scripts",
        };
        let saved = part.measured.saved.dollars();
        let all = [
            (
                "rate",
                self.rate,
                part.commits.rate(),
                format!("{:.1}% of {} commits were orchestrated, {by}", part.commits.rate(), part.commits.total),
            ),
            (
                "savings",
                self.savings,
                modelled.savings_percentage,
                format!("{:.1}% were saved, which is modelled", modelled.savings_percentage),
            ),
            ("saved_usd", self.saved_usd, saved, format!("${saved:.2} were saved, which is measured")),
        ];
        all.into_iter()
            .filter_map(|(target, wanted, is, text)| {
                let wanted = wanted.filter(|wanted| is < *wanted)?;
                let text = format!("{month}: {text}; the target is {wanted}");
                Some(Missed { target, month: month.clone(), wanted, is, text })
            })
            .collect()
    }
}
