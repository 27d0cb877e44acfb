//! The month of the first form: what an execution costs, which milestones it reaches, and when a new month begins.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::model::{Month, Monthly, TokensUsed, dollars};
use crate::{
    WallTime,
    cost::{
        Rates,
        budget::{Period, Zone},
    },
    units::{ModelUsage, Usd},
};

/// What the scripts of the first form were told by their settings. `MonthlyOptions::default()`: as they came. In JSON money is in
/// dollars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonthlyOptions {
    /// What a month may cost: 15 dollars.
    #[serde(with = "dollars")]
    pub budget: Usd,
    /// What is told when it is spent: 5, 10 and 15 dollars.
    #[serde(with = "dollars::list")]
    pub milestones: Vec<Usd>,
    /// What a million tokens of the analysis cost: 3 and 15 dollars.
    pub claude: Rates,
    /// What a million tokens of the coding cost: 0.15 and 0.60 dollars.
    pub openai: Rates,
    /// What an execution will probably use: 2,000 and 1,500 tokens, then 2,500 and 4,000.
    pub expects: TokensUsed,
}

impl Default for MonthlyOptions {
    fn default() -> Self {
        let rates = |input, output| Rates::new(Usd::from_cents(input), Usd::from_cents(output));
        Self {
            budget: Usd::from_cents(1500),
            milestones: [500, 1000, 1500].map(Usd::from_cents).to_vec(),
            claude: rates(300, 1500),
            openai: rates(15, 60),
            expects: TokensUsed {
                claude_input: 2_000,
                claude_output: 1_500,
                openai_input: 2_500,
                openai_output: 4_000,
            },
        }
    }
}

impl MonthlyOptions {
    /// What those tokens cost: the analysis, and the coding, each rounded once.
    ///
    /// ```
    /// use orch_core::ext::budget_file::MonthlyOptions;
    ///
    /// let options = MonthlyOptions::default();
    /// let (claude, openai) = options.cost(&options.expects);
    /// assert_eq!((claude + openai).to_decimal(), "0.031275");
    /// ```
    pub fn cost(&self, tokens: &TokensUsed) -> (Usd, Usd) {
        let of = |rates: &Rates, input, output| rates.price(&ModelUsage { input, output, ..ModelUsage::default() });
        let TokensUsed { claude_input, claude_output, openai_input, openai_output } = *tokens;
        (of(&self.claude, claude_input, claude_output), of(&self.openai, openai_input, openai_output))
    }

    /// What an execution will probably cost.
    pub fn estimate(&self) -> Usd {
        let (claude, openai) = self.cost(&self.expects);
        claude + openai
    }
}

/// What an execution cost, and how the month stands after it. In JSON money is in dollars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// The analysis.
    #[serde(rename = "claude_cost", with = "dollars")]
    pub claude: Usd,
    /// The coding.
    #[serde(rename = "openai_cost", with = "dollars")]
    pub openai: Usd,
    /// Both.
    #[serde(rename = "total_cost", with = "dollars")]
    pub total: Usd,
    /// What the month has cost.
    #[serde(rename = "total_spent", with = "dollars")]
    pub spent: Usd,
    /// What is left of it; below zero if it was passed.
    #[serde(rename = "remaining_budget", with = "dollars")]
    pub remaining: Usd,
    /// The milestones that this execution reached, in order.
    #[serde(rename = "milestones_crossed", with = "dollars::list")]
    pub milestones: Vec<Usd>,
    /// How many executions the month had.
    pub executions: u64,
    /// How many pull requests they made.
    #[serde(rename = "prs_generated")]
    pub prs: u64,
}

impl Monthly {
    /// A month of which nothing is spent.
    pub fn fresh(at: WallTime) -> Self {
        Self {
            version: "1.0".to_owned(),
            current_month: month_of(at),
            total_spent: Usd::ZERO,
            executions: 0,
            prs_generated: 0,
            tokens_used: TokensUsed::default(),
            milestones_reached: Vec::new(),
            last_reset: at.to_string(),
            history: Vec::new(),
            others: Map::new(),
        }
    }

    /// Begins the month of that time (UTC), if an earlier one is over: that goes into the history, and is the answer. A clock
    /// that was set back begins nothing.
    pub fn turn(&mut self, at: WallTime) -> Option<Month> {
        let month = month_of(at);
        // Years and months have a fixed width, so that their order is that of their texts.
        if self.current_month >= month {
            return None;
        }
        let over = Month {
            month: std::mem::replace(&mut self.current_month, month),
            total_spent: std::mem::take(&mut self.total_spent),
            prs_generated: std::mem::take(&mut self.prs_generated),
            executions: std::mem::take(&mut self.executions),
            milestones_reached: std::mem::take(&mut self.milestones_reached),
            others: Map::new(),
        };
        self.tokens_used = TokensUsed::default();
        self.last_reset = at.to_string();
        self.history.push(over.clone());
        Some(over)
    }

    /// Books an execution. Every milestone that it reaches is told, once a month each, also where it reaches two.
    pub fn record(&mut self, tokens: &TokensUsed, pr: bool, options: &MonthlyOptions) -> Recorded {
        let (claude, openai) = options.cost(tokens);
        let (before, total) = (self.total_spent, claude + openai);
        self.total_spent += total;
        self.executions = self.executions.saturating_add(1);
        self.prs_generated = self.prs_generated.saturating_add(u64::from(pr));
        let used = &mut self.tokens_used;
        for (sum, more) in [
            (&mut used.claude_input, tokens.claude_input),
            (&mut used.claude_output, tokens.claude_output),
            (&mut used.openai_input, tokens.openai_input),
            (&mut used.openai_output, tokens.openai_output),
        ] {
            *sum = sum.saturating_add(more);
        }
        let reached =
            |usd: &&Usd| before < **usd && **usd <= self.total_spent && !self.milestones_reached.contains(usd);
        let mut milestones: Vec<Usd> = options.milestones.iter().filter(reached).copied().collect();
        milestones.sort();
        self.milestones_reached.extend(&milestones);
        Recorded {
            claude,
            openai,
            total,
            spent: self.total_spent,
            remaining: options.budget - self.total_spent,
            milestones,
            executions: self.executions,
            prs: self.prs_generated,
        }
    }
}

fn month_of(at: WallTime) -> String {
    Period::Month.span(&Zone::default(), at).name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        text.parse().unwrap()
    }

    #[test]
    fn the_month_of_fifteen_dollars_ends_at_execution_479() {
        let options = MonthlyOptions::default();
        let mut month = Monthly::fresh(at("2026-02-01"));
        let mut told = Vec::new();
        while options.budget - month.total_spent >= options.estimate() {
            let done = month.record(&options.expects, true, &options);
            told.extend(done.milestones.iter().map(|usd| (usd.to_decimal(), done.executions)));
        }
        assert_eq!((month.executions, month.total_spent.to_decimal().as_str()), (479, "14.980725"));
        assert_eq!(told, [("5".to_owned(), 160), ("10".to_owned(), 320)]);
    }

    #[test]
    fn an_execution_that_reaches_two_milestones_tells_both() {
        let mut month = Monthly::fresh(at("2026-02-01"));
        let tokens = TokensUsed { claude_output: 800_000, ..TokensUsed::default() };
        let done = month.record(&tokens, false, &MonthlyOptions::default());
        assert_eq!(
            (done.spent, done.milestones),
            (Usd::from_cents(1200), vec![Usd::from_cents(500), Usd::from_cents(1000)])
        );
        let done = month.record(&tokens, false, &MonthlyOptions::default());
        assert_eq!((done.remaining, done.milestones), (Usd::from_cents(-900), vec![Usd::from_cents(1500)]));
    }

    #[test]
    fn a_month_turns_once_and_never_back() {
        let mut month = Monthly::fresh(at("2026-02-01"));
        month.record(
            &TokensUsed { claude_input: 1_000_000, ..TokensUsed::default() },
            true,
            &MonthlyOptions::default(),
        );
        assert_eq!(month.turn(at("2026-02-28T23:59:59Z")), None);
        let over = month.turn(at("2026-12-01")).unwrap();
        assert_eq!((over.month.as_str(), over.total_spent, over.executions), ("2026-02", Usd::from_cents(300), 1));
        assert_eq!((month.turn(at("2026-12-31")), month.turn(at("2026-02-01"))), (None, None));
        assert_eq!((month.total_spent, month.executions, month.history.len()), (Usd::ZERO, 0, 1));
        assert_eq!(month.tokens_used, TokensUsed::default());
    }
}
