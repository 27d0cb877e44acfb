//! The four forms.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    WallTime,
    cost::budget::{Column, Labels, Limit, Period},
    error::{Error, ErrorKind, Result},
    session::Charge,
    units::Usd,
};

/// One of the files.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BudgetFile {
    /// `token_budget.json`: fifteen dollars a month.
    Monthly(Monthly),
    /// `token_budget.json`: an amount for a first sprint, then one a day.
    Sprint(Sprint),
    /// `cumulative_budget.json`: gates at which somebody has to authorise more.
    Cumulative(Cumulative),
    /// `budget-DATE.json`: an amount a day.
    Daily(Daily),
}

/// A month of the first form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Monthly {
    /// `1.0`.
    pub version: String,
    /// `2026-02`, in UTC.
    pub current_month: String,
    /// What the month has cost so far.
    #[serde(with = "dollars")]
    pub total_spent: Usd,
    /// How many executions it had.
    pub executions: u64,
    /// How many pull requests they made.
    pub prs_generated: u64,
    /// What they used.
    pub tokens_used: TokensUsed,
    /// The milestones that were told, in dollars.
    #[serde(with = "dollars::list")]
    pub milestones_reached: Vec<Usd>,
    /// When the month began for the file.
    pub last_reset: String,
    /// The months before.
    #[serde(default)]
    pub history: Vec<Month>,
    /// What else the file has.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// What the two models of the first form used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokensUsed {
    /// Input tokens of the analysis.
    pub claude_input: u64,
    /// Output tokens of the analysis.
    pub claude_output: u64,
    /// Input tokens of the coding.
    pub openai_input: u64,
    /// Output tokens of the coding.
    pub openai_output: u64,
}

/// A month that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Month {
    /// `2026-01`.
    pub month: String,
    /// What it cost.
    #[serde(with = "dollars")]
    pub total_spent: Usd,
    /// How many pull requests it had.
    pub prs_generated: u64,
    /// How many executions it had.
    pub executions: u64,
    /// The milestones that were told.
    #[serde(with = "dollars::list")]
    pub milestones_reached: Vec<Usd>,
    /// What else it has.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// The second form of `token_budget.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sprint {
    /// For the first sprint.
    #[serde(with = "dollars")]
    pub upfront_budget: Usd,
    /// For each day after it.
    #[serde(with = "dollars")]
    pub daily_budget: Usd,
    /// What the sprint has cost.
    #[serde(with = "dollars")]
    pub spent_upfront: Usd,
    /// What the day has cost.
    #[serde(with = "dollars")]
    pub spent_today: Usd,
    /// What all has cost.
    #[serde(with = "dollars")]
    pub total_spent: Usd,
    /// All tokens.
    pub tokens_used: u64,
    /// How many pull requests there were.
    pub prs_generated: u64,
    /// `initial_sprint` or `ongoing`.
    pub phase: String,
    /// When the sprint began.
    pub sprint_start_date: String,
    /// When the day began for the file.
    pub last_reset_date: String,
    /// How many tasks were done.
    pub tasks_completed: u64,
    /// What else the file has.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// `cumulative_budget.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cumulative {
    /// What all has cost.
    #[serde(with = "dollars")]
    pub total_spent: Usd,
    /// How many pull requests there were.
    pub total_prs_generated: u64,
    /// All tokens.
    pub total_tokens_used: u64,
    /// What was authorised, and when.
    pub authorization_blocks: Vec<Block>,
    /// From when on somebody has to authorise more.
    #[serde(with = "dollars")]
    pub next_authorization_gate: Usd,
    /// `PAUSED` or `RUNNING`.
    pub workflow_status: String,
    /// When the file was written.
    pub last_updated: String,
    /// What else the file has.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// An authorisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The gate that was passed by it.
    #[serde(with = "dollars")]
    pub gate_amount: Usd,
    /// When.
    pub authorized_at: String,
    /// What had been spent then.
    #[serde(with = "dollars")]
    pub spent_at_authorization: Usd,
    /// What else it has.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// `budget-DATE.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Daily {
    /// `2026-02-16`, in UTC.
    pub date: String,
    /// What the day has cost.
    #[serde(with = "dollars")]
    pub spent: Usd,
    /// What it may cost.
    #[serde(with = "dollars")]
    pub limit: Usd,
    /// What was done.
    pub tasks: Vec<Value>,
    /// How often the schedule ran.
    pub cycles: u64,
    /// What else the file has.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl BudgetFile {
    /// Reads one, whichever it is.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) for text that is no JSON object, has the marks of a merge conflict, lacks a key of its form,
    /// or has an amount below zero; [`InvalidFormat`](ErrorKind::InvalidFormat) for JSON of another form.
    pub fn parse(text: &str) -> Result<Self> {
        if text.lines().any(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")) {
            return Err(corrupt(
                "it has the marks of a merge conflict; decide which side holds, and it stays as it is until then",
            ));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| corrupt("it is no JSON").caused_by(error))?;
        let has = |key: &str| value.get(key).is_some();
        if has("current_month") {
            read(value).map(Self::Monthly)
        } else if has("upfront_budget") {
            read(value).map(Self::Sprint)
        } else if has("next_authorization_gate") {
            read(value).map(Self::Cumulative)
        } else if has("date") && has("limit") {
            read(value).map(Self::Daily)
        } else {
            let message = "it is no budget file: it has none of `current_month`, `upfront_budget`, `next_authorization_gate`, `limit`";
            Err(Error::new(ErrorKind::InvalidFormat, message))
        }
    }

    /// `monthly`, `sprint`, `cumulative` or `daily`.
    pub fn form(&self) -> &'static str {
        match self {
            Self::Monthly(_) => "monthly",
            Self::Sprint(_) => "sprint",
            Self::Cumulative(_) => "cumulative",
            Self::Daily(_) => "daily",
        }
    }

    /// What its present period has cost: the month, the sprint or the day, or all.
    pub fn spent(&self) -> Usd {
        match self {
            Self::Monthly(file) => file.total_spent,
            Self::Sprint(file) if file.phase == "initial_sprint" => file.spent_upfront,
            Self::Sprint(file) => file.spent_today,
            Self::Cumulative(file) => file.total_spent,
            Self::Daily(file) => file.spent,
        }
    }

    /// What may be spent by it. The monthly form does not say: `monthly` is for that, the scripts had fifteen dollars. Milestones are
    /// those of the scripts: 5, 10 and 15 dollars a month, every five dollars up to the next gate.
    pub fn limits(&self, monthly: Usd) -> Vec<Limit> {
        let five =
            |up_to: Usd| (1..).map(|nth| Usd::from_cents(nth * 500)).take_while(move |usd| *usd <= up_to).take(1000);
        match self {
            Self::Monthly(_) => {
                let milestones = [500, 1000, 1500].map(Usd::from_cents).to_vec();
                vec![Limit { per: Period::Month, milestones, ..Limit::new("month", monthly) }]
            }
            Self::Sprint(file) if file.phase == "initial_sprint" => vec![Limit::new("sprint", file.upfront_budget)],
            Self::Sprint(file) => vec![Limit { per: Period::Day, ..Limit::new("day", file.daily_budget) }],
            Self::Cumulative(file) => {
                let gate = file.next_authorization_gate;
                vec![Limit { milestones: five(gate).collect(), ..Limit::new("gate", gate) }]
            }
            Self::Daily(file) => vec![Limit { per: Period::Day, ..Limit::new("day", file.limit) }],
        }
    }

    /// What was spent, for a [ledger](crate::session::Ledger::import): one charge for each period that the file knows, at its
    /// beginning. Periods without cost have none.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) for a month or day that is not in the calendar.
    pub fn charges(&self) -> Result<Vec<Charge>> {
        let charge = |at: &str, usd: Usd| {
            let at: WallTime =
                at.parse().map_err(|error: Error| corrupt("it names a time that is none").caused_by(error))?;
            let who = Labels::default().with(Column::Task, format!("{} budget file", self.form()));
            Ok(Charge { at, ..Charge::new(who, usd) })
        };
        let periods = match self {
            Self::Monthly(file) => {
                let past = file.history.iter().map(|month| (format!("{}-01", month.month), month.total_spent));
                past.chain([(format!("{}-01", file.current_month), file.total_spent)]).collect()
            }
            Self::Sprint(file) => {
                let before = file.total_spent - file.spent_today;
                vec![(file.sprint_start_date.clone(), before), (file.last_reset_date.clone(), file.spent_today)]
            }
            Self::Cumulative(file) => vec![(file.last_updated.clone(), file.total_spent)],
            Self::Daily(file) => vec![(file.date.clone(), file.spent)],
        };
        periods.iter().filter(|(_, usd)| *usd > Usd::ZERO).map(|(at, usd)| charge(at, *usd)).collect()
    }

    /// The file in its own form: JSON with two spaces, its keys in their order, then what else it had.
    pub fn render(&self) -> String {
        let text = match self {
            Self::Monthly(file) => serde_json::to_string_pretty(file),
            Self::Sprint(file) => serde_json::to_string_pretty(file),
            Self::Cumulative(file) => serde_json::to_string_pretty(file),
            Self::Daily(file) => serde_json::to_string_pretty(file),
        };
        text.unwrap_or_default() + "\n"
    }
}

/// `monthly, $5.00 spent`.
impl fmt::Display for BudgetFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ${} spent", self.form(), self.spent().to_decimal())
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| corrupt("it does not have what its form needs").caused_by(error))
}

pub(super) fn corrupt(why: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the budget file cannot be used, and was left as it is: {why}"))
}

/// Dollars as the scripts wrote them: a number.
pub(super) mod dollars {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::units::Usd;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `with` asks for this shape")]
    pub(in super::super) fn serialize<S: Serializer>(usd: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(usd.dollars())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        // The sums of the scripts carry the noise of floats: rounded to the nano-dollar it is gone.
        if (0.0..1e9).contains(&dollars) {
            Ok(Usd::from_dollars(dollars))
        } else {
            Err(D::Error::custom(format!("`{dollars}` is no amount")))
        }
    }

    pub(in super::super) mod list {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        use crate::units::Usd;

        #[derive(Serialize, Deserialize)]
        struct One(#[serde(with = "super")] Usd);

        #[expect(clippy::ptr_arg, reason = "serde's `with` asks for this shape")]
        pub(in super::super::super) fn serialize<S: Serializer>(
            list: &Vec<Usd>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(list.iter().map(|usd| One(*usd)))
        }

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Vec<Usd>, D::Error> {
            Ok(Vec::<One>::deserialize(deserializer)?.into_iter().map(|one| one.0).collect())
        }
    }
}

#[cfg(test)]
mod tests;
