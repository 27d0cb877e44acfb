//! What is told, whoever hears it.

use serde::{Deserialize, Serialize};

use crate::{
    clock::WallTime,
    session::{News, NewsKind},
    units::Usd,
};

/// Something to tell. Its texts, colours and fields are those of the scripts that orch replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The headline.
    pub title: String,
    /// A text below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A line outside of the card, which some targets read aloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The colour of the card, as 0xRRGGBB.
    pub color: u32,
    /// Facts, in order.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// When it happened.
    pub at: WallTime,
}

/// One fact of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What it is.
    pub name: String,
    /// How it stands.
    pub value: String,
    /// It needs little room: several may stand beside each other.
    pub inline: bool,
}

const GREEN: u32 = 0x00FF00;
const AMBER: u32 = 0xFFAA00;
const RED: u32 = 0xFF0000;
const BLUE: u32 = 0x0099FF;
const PURPLE: u32 = 0x9B_59_B6;

/// How many cells a progress bar has.
const CELLS: i64 = 20;

impl Notice {
    /// A notice of that title and colour, with nothing else.
    pub fn new(title: impl Into<String>, color: u32, at: WallTime) -> Self {
        Self { title: title.into(), description: None, content: None, color, fields: Vec::new(), at }
    }

    /// With a short fact.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<String>) -> Self {
        self.field(name, value, true)
    }

    fn field(mut self, name: &str, value: impl Into<String>, inline: bool) -> Self {
        self.fields.push(Field { name: name.to_owned(), value: value.into(), inline });
        self
    }

    /// With a text below the title.
    #[must_use]
    pub fn described(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// An execution begins: its number, and what is left of the budget.
    pub fn execution_started(number: u64, remaining: Usd, at: WallTime) -> Self {
        Self::new("🚀 AI Orchestration - Execution Started", GREEN, at)
            .with("Execution #", number.to_string())
            .with("Budget Remaining", remaining.to_fixed(2))
    }

    /// An execution is over: what it cost, the pull request that it made, if any, and what is left of the budget.
    pub fn execution_completed(number: u64, cost: Usd, pr: Option<u64>, remaining: Usd, at: WallTime) -> Self {
        Self::new("✅ AI Orchestration - Execution Complete", BLUE, at)
            .with("Execution #", number.to_string())
            .with("Cost", cost.to_fixed(4))
            .with("PR Status", pr.map_or_else(|| "No PR created".to_owned(), |number| format!("PR #{number}")))
            .with("Budget Remaining", remaining.to_fixed(2))
    }

    /// So much of the budget is spent, for the first time in its period. The first two milestones of the scripts that orch
    /// replaces, 5 and 10 dollars, have colours and texts of their own.
    pub fn milestone(milestone: Usd, spent: Usd, prs: u64, executions: u64, budget: Usd, at: WallTime) -> Self {
        let (sign, color) = Self::stage(milestone);
        let how_far = match milestone.nanos() / 1_000_000_000 {
            5 => "1/3 Complete!",
            10 => "2/3 Complete!",
            _ => "Month Complete!",
        };
        Self::new(format!("{sign} {} Milestone Reached!", milestone.to_fixed(0)), color, at)
            .described(format!("{prs} PRs Generated - {how_far}"))
            .with("💰 Total Spent", spent.to_fixed(2))
            .with("📊 PRs Generated", prs.to_string())
            .with("🔄 Executions", executions.to_string())
            .with("💵 Cost per PR", per(spent, prs))
            .field("📈 Progress", progress(spent, budget), false)
    }

    /// The budget is spent.
    pub fn exhausted(spent: Usd, prs: u64, at: WallTime) -> Self {
        let mut notice = Self::new("⛔ Monthly Budget Exhausted", RED, at)
            .with("Total Spent", spent.to_fixed(2))
            .with("PRs Generated", prs.to_string())
            .with("⏳ Next Reset", "Start of next month");
        notice.content = Some("@here Budget Limit Reached!".to_owned());
        notice
    }

    /// What a month brought, named as `YYYY-MM`.
    pub fn recap(
        month: &str,
        spent: Usd,
        budget: Usd,
        prs: u64,
        executions: u64,
        milestones: usize,
        at: WallTime,
    ) -> Self {
        Self::new("📊 Monthly Recap - AI Orchestration", PURPLE, at)
            .described(format!("Summary for {month}"))
            .with("Total Spent", format!("{} / {}", spent.to_fixed(2), budget.to_fixed(2)))
            .with("PRs", prs.to_string())
            .with("Executions", executions.to_string())
            .with("💵 Avg Cost per PR", per(spent, prs))
            .with("🎯 Milestones Reached", milestones.to_string())
    }

    /// What happened to a budget: as the scripts that orch replaces say it, but for pull requests, of which a budget does not know.
    pub fn of_news(news: &News) -> Self {
        let News { at, limit, period, is_month, usd, spent, charges, what, .. } = news;
        let period = if period.is_empty() { String::new() } else { format!(", {period}") };
        let which = format!("Budget {limit}{period}");
        match what {
            NewsKind::Milestone(milestone) => {
                let (sign, color) = Self::stage(*milestone);
                Self::new(format!("{sign} {} Milestone Reached!", milestone.to_fixed(0)), color, *at)
                    .described(which)
                    .with("💰 Total Spent", spent.to_fixed(2))
                    .with("🔄 Executions", charges.to_string())
                    .field("📈 Progress", progress(*spent, *usd), false)
            }
            NewsKind::Exhausted(until) => {
                let title = if *is_month { "⛔ Monthly Budget Exhausted" } else { "⛔ Budget Exhausted" };
                let reset = match until {
                    Some(_) if *is_month => "Start of next month".to_owned(),
                    Some(until) => until.to_string(),
                    None => "–".to_owned(),
                };
                let mut notice = Self::new(title, RED, *at)
                    .described(which)
                    .with("Total Spent", format!("{} / {}", spent.to_fixed(2), usd.to_fixed(2)))
                    .with("⏳ Next Reset", reset);
                notice.content = Some("@here Budget Limit Reached!".to_owned());
                notice
            }
            NewsKind::Recap(milestones) => Self::new("📊 Monthly Recap - AI Orchestration", PURPLE, *at)
                .described(format!("Summary for {}", news.period))
                .with("Total Spent", format!("{} / {}", spent.to_fixed(2), usd.to_fixed(2)))
                .with("Executions", charges.to_string())
                .with("🎯 Milestones Reached", milestones.to_string()),
        }
    }

    fn stage(milestone: Usd) -> (&'static str, u32) {
        match milestone.nanos() / 1_000_000_000 {
            5 => ("🚀", GREEN),
            10 => ("⚡", AMBER),
            _ => ("✅", RED),
        }
    }

    /// Something failed; the number of the execution, where it has one.
    pub fn error(message: &str, number: Option<u64>, at: WallTime) -> Self {
        let notice = Self::new("❌ Execution Error", RED, at).described(message);
        match number {
            Some(number) => notice.with("Execution #", number.to_string()),
            None => notice,
        }
    }
}

fn per(spent: Usd, prs: u64) -> String {
    let each = i64::try_from(prs).ok().and_then(|prs| spent.nanos().checked_div(prs));
    Usd::from_nanos(each.unwrap_or_default()).to_fixed(4)
}

/// `[████░░…] 33.3%`: never more than full, though the number may be.
fn progress(spent: Usd, budget: Usd) -> String {
    let (spent, budget) = (i128::from(spent.nanos().max(0)), i128::from(budget.nanos().max(1)));
    let cells = usize::try_from((spent * i128::from(CELLS) / budget).min(CELLS.into())).unwrap_or_default();
    let permille = (spent * 1000 + budget / 2) / budget;
    let bar = "█".repeat(cells) + &"░".repeat(CELLS.unsigned_abs() as usize - cells);
    format!("[{bar}] {}.{}%", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_twenty_cells_wide() {
        let bar = |cents| progress(Usd::from_cents(cents), Usd::from_cents(1500));
        assert_eq!(bar(0), "[░░░░░░░░░░░░░░░░░░░░] 0.0%");
        assert_eq!(bar(1499), "[███████████████████░] 99.9%");
        assert_eq!(bar(3000), "[████████████████████] 200.0%");
        assert_eq!(progress(Usd::from_cents(1), Usd::ZERO).chars().filter(|&cell| cell == '█').count(), 20);
    }

    #[test]
    fn milestones_have_their_colours_and_words() {
        let of = |dollars: i64| {
            let it =
                Notice::milestone(Usd::from_cents(dollars * 100), Usd::ZERO, 0, 1, Usd::from_cents(1500), WallTime(0));
            (it.title, it.color, it.description.unwrap())
        };
        assert_eq!(of(5), ("🚀 $5 Milestone Reached!".into(), 0x00FF00, "0 PRs Generated - 1/3 Complete!".into()));
        assert_eq!(of(10), ("⚡ $10 Milestone Reached!".into(), 0xFFAA00, "0 PRs Generated - 2/3 Complete!".into()));
        assert_eq!(of(15), ("✅ $15 Milestone Reached!".into(), 0xFF0000, "0 PRs Generated - Month Complete!".into()));
    }
}
