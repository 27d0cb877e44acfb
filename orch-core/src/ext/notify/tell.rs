//! Notices as data: what other languages say that happened.

use serde::{Deserialize, Deserializer, de::Error as _};

use super::notice::{Field, Notice};
use crate::{clock::WallTime, units::Usd};

/// Something that happened, as data: `{"kind": "milestone", "milestone_usd": 5, ..}`. Money is a number of dollars, or text.
///
/// ```
/// use orch_core::{WallTime, ext::notify::Tell};
///
/// let tell: Tell = serde_json::from_str(r#"{"kind": "execution_started", "number": 3, "remaining_usd": "14.90"}"#)?;
/// assert_eq!(tell.notice(WallTime(0)).fields[1].value, "$14.90");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Tell {
    /// [`Notice::execution_started`].
    ExecutionStarted {
        /// Which execution.
        number: u64,
        /// What is left of the budget.
        #[serde(rename = "remaining_usd", deserialize_with = "dollars")]
        remaining: Usd,
    },
    /// [`Notice::execution_completed`].
    ExecutionCompleted {
        /// Which execution.
        number: u64,
        /// What it cost.
        #[serde(rename = "cost_usd", deserialize_with = "dollars")]
        cost: Usd,
        /// Its pull request.
        #[serde(default)]
        pr: Option<u64>,
        /// What is left of the budget.
        #[serde(rename = "remaining_usd", deserialize_with = "dollars")]
        remaining: Usd,
    },
    /// [`Notice::milestone`].
    Milestone {
        /// Which one.
        #[serde(rename = "milestone_usd", deserialize_with = "dollars")]
        milestone: Usd,
        /// What is spent.
        #[serde(rename = "spent_usd", deserialize_with = "dollars")]
        spent: Usd,
        /// How many pull requests there were.
        prs: u64,
        /// How many executions there were.
        executions: u64,
        /// The budget.
        #[serde(rename = "budget_usd", deserialize_with = "dollars")]
        budget: Usd,
    },
    /// [`Notice::exhausted`].
    Exhausted {
        /// What is spent.
        #[serde(rename = "spent_usd", deserialize_with = "dollars")]
        spent: Usd,
        /// How many pull requests there were.
        prs: u64,
    },
    /// [`Notice::recap`].
    Recap {
        /// `2026-02`.
        month: String,
        /// What it cost.
        #[serde(rename = "spent_usd", deserialize_with = "dollars")]
        spent: Usd,
        /// The budget.
        #[serde(rename = "budget_usd", deserialize_with = "dollars")]
        budget: Usd,
        /// How many pull requests it had.
        prs: u64,
        /// How many executions it had.
        executions: u64,
        /// How many milestones were reached.
        milestones: usize,
    },
    /// [`Notice::error`].
    Error {
        /// What went wrong.
        message: String,
        /// Which execution.
        #[serde(default)]
        number: Option<u64>,
    },
    /// A notice of one's own.
    Note {
        /// The headline.
        title: String,
        /// A text below it.
        #[serde(default)]
        description: Option<String>,
        /// A line outside of the card.
        #[serde(default)]
        content: Option<String>,
        /// The colour of the card, as 0xRRGGBB.
        #[serde(default)]
        color: u32,
        /// Facts, in order.
        #[serde(default)]
        fields: Vec<Field>,
    },
}

impl Tell {
    /// What is told of it.
    pub fn notice(&self, at: WallTime) -> Notice {
        match self.clone() {
            Self::ExecutionStarted { number, remaining } => Notice::execution_started(number, remaining, at),
            Self::ExecutionCompleted { number, cost, pr, remaining } => {
                Notice::execution_completed(number, cost, pr, remaining, at)
            }
            Self::Milestone { milestone, spent, prs, executions, budget } => {
                Notice::milestone(milestone, spent, prs, executions, budget, at)
            }
            Self::Exhausted { spent, prs } => Notice::exhausted(spent, prs, at),
            Self::Recap { month, spent, budget, prs, executions, milestones } => {
                Notice::recap(&month, spent, budget, prs, executions, milestones, at)
            }
            Self::Error { message, number } => Notice::error(&message, number, at),
            Self::Note { title, description, content, color, fields } => {
                Notice { title, description, content, color: color & 0xFF_FFFF, fields, at }
            }
        }
    }
}

/// A number of dollars, or text.
fn dollars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Dollars {
        Number(f64),
        Text(String),
    }
    match Dollars::deserialize(deserializer)? {
        Dollars::Number(dollars) if dollars.is_finite() => Ok(Usd::from_dollars(dollars)),
        Dollars::Number(dollars) => Err(D::Error::custom(format!("`{dollars}` is no amount of dollars"))),
        Dollars::Text(text) => text.parse().map_err(D::Error::custom),
    }
}
