//! The report in Markdown: the sections of the scripts that orch replaces, and what they had planned. Pure.

use std::fmt::Write as _;

use super::{
    aggregate::{Aggregate, Measured, Part},
    policy::Policy,
};

/// What a month of budget is in the original report, in dollars.
const BUDGET: f64 = 50.0;

/// The report, `reports/orchestration/README.md`. What is modelled stands in the sections that the scripts had, and each says so; what was measured has its own.
/// The leaderboard is there only where `with_authors`.
pub fn report_markdown(aggregate: &Aggregate, with_authors: bool) -> String {
    let (month, all, options) = (aggregate.month(), aggregate.all(), &aggregate.options);
    let of = options.model.of(month.commits, options.policy);
    let ever = options.model.of(all.commits, options.policy);
    let mut out = String::from(
        "# 📊 Worktree Orchestration Savings Report\n\n## 💰 Month-to-Date Savings\n\n| Metric | Value |\n|--------|-------|\n",
    );
    // Writing to a String cannot fail.
    _ = write!(
        out,
        "| **Actual Cost** | ${:.2} |\n| **Baseline Cost (without orchestration)** | ${:.2} |\n| **Amount Saved** | ${:.2} |\n\
         | **Savings Percentage** | {:.1}% |\n| **Orchestration Rate** | {:.1}% of commits |\n\n",
        of.actual_usd,
        of.baseline_usd,
        of.saved_usd,
        of.savings_percentage,
        month.commits.rate()
    );
    let how = match options.policy {
        Policy::Recorded => "a hook of git recorded it in a worktree that orch made, or from a run (policy `recorded`)",
        Policy::Message => "its message says `worktree` (policy `message`)",
        Policy::Compat => "the scripts that orch replaces would count it (policy `compat`)",
    };
    _ = write!(
        out,
        "*Modelled, not measured: {} commits of {} ({}), {} of them orchestrated; a commit counts as that where {how}.*\n\n",
        month.commits.total,
        aggregate.current(),
        options.zone,
        month.commits.orchestrated
    );
    if let Some(why) = aggregate.unknown() {
        _ = write!(out, "*Little of this is known: {why}.*\n\n");
    }
    measured(&mut out, aggregate, &month, &all);
    _ = write!(
        out,
        "## 🚀 Efficiency Metrics\n\n*Assumptions, which can be set in `orch.toml`:*\n\n- **Traditional Method**: ~{} tokens per commit\n- **With Orchestration**: ~{} tokens per commit  \n\
         - **Token Reduction**: {:.0}% per orchestrated commit\n- **Price**: {} per 1,000 tokens\n\n",
        grouped(options.model.tokens_traditional),
        grouped(options.model.tokens_orchestrated),
        options.model.reduction_percentage(),
        options.model.per_1k_tokens
    );
    _ = write!(
        out,
        "## 📈 All-Time Impact\n\n- **Total Saved**: ${:.2} (modelled)\n- **Equivalent to**: {} months of budget\n",
        ever.saved_usd,
        (ever.saved_usd / BUDGET).trunc(),
    );
    if !all.measured.is_nothing() {
        let (saved, spent) = (all.measured.saved, all.measured.usd);
        _ = writeln!(out, "- **Measured**: {saved} saved by values that runs found, {spent} spent");
    }
    if let Some(projection) = aggregate.projection() {
        _ = writeln!(out, "- **Projected for a year**: {}, {}", projection.text(), projection.assumption());
    }
    out.push('\n');
    months(&mut out, aggregate);
    worktrees(&mut out, aggregate);
    if with_authors {
        authors(&mut out, aggregate);
    }
    out.push_str(
        "## 🎯 How Orchestration Saves Money\n\n1. **Parallel Execution**: tasks that do not wait for each other run side by side\n\
         2. **Context Isolation**: each worktree has a checkout of its own\n3. **No Redundancy**: what is known already is found and not made again\n\n",
    );
    out + "---\n*Report generated automatically by orchestration metrics system*\n"
}

fn measured(out: &mut String, aggregate: &Aggregate, month: &Part, all: &Part) {
    out.push_str("## 🔬 Measured\n\n");
    if all.measured.is_nothing() {
        out.push_str("Nothing was measured: no store knows of runs or charges of this time. `orch run FILE --store` keeps them.\n\n");
        return;
    }
    out.push_str("| Metric | This month | All time |\n|--------|-----------:|---------:|\n");
    let (one, ever) = (&month.measured, &all.measured);
    let spent = |it: &Measured| if it.charges > 0 { it.usd.to_string() } else { "–".to_owned() };
    let rate = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}%"));
    _ = write!(
        out,
        "| **Spent** | {} | {} |\n| **Tokens** | {} | {} |\n| **Charges** | {} | {} |\n| **Runs** | {} | {} |\n| **Cache Hit Rate** | {} | {} |\n\
         | **Saved by hits** | {} | {} |\n| **Tokens saved by hits** | {} | {} |\n\n",
        spent(one),
        spent(ever),
        grouped(one.tokens),
        grouped(ever.tokens),
        one.charges,
        ever.charges,
        one.runs,
        ever.runs,
        rate(one.hit_rate()),
        rate(ever.hit_rate()),
        one.saved,
        ever.saved,
        grouped(one.saved_tokens),
        grouped(ever.saved_tokens)
    );
    if ever.assumed > 0 {
        _ = write!(
            out,
            "*Of the charges, {} are what had been reserved: nobody knows what they cost.*\n\n",
            ever.assumed
        );
    }
    if aggregate.unread > 0 {
        _ = write!(out, "*{} runs could not be read; what they saved is missing.*\n\n", aggregate.unread);
    }
}

fn months(out: &mut String, aggregate: &Aggregate) {
    out.push_str("## 🗓️ Months\n\n| Month | Commits | Orchestrated | Rate | Saved (modelled) | Spent (measured) | Saved (measured) |\n|---|---:|---:|---:|---:|---:|---:|\n");
    for (name, part) in aggregate.months.iter().rev() {
        let saved = aggregate.options.model.of(part.commits, aggregate.options.policy).saved_usd;
        _ = writeln!(
            out,
            "| {name} | {} | {} | {:.1}% | ${saved:.2} | {} | {} |",
            part.commits.total,
            part.commits.orchestrated,
            part.commits.rate(),
            part.measured.usd,
            part.measured.saved
        );
    }
    out.push('\n');
}

fn worktrees(out: &mut String, aggregate: &Aggregate) {
    if aggregate.worktrees.is_empty() {
        return;
    }
    out.push_str("## 🌳 Worktrees\n\n| Worktree | Commits | Cost known of | Cost | Cost per commit |\n|---|---:|---:|---:|---:|\n");
    for tree in &aggregate.worktrees {
        let each = per(tree.usd.dollars(), tree.priced);
        _ = writeln!(out, "| {} | {} | {} | {} | {each} |", cell(&tree.worktree), tree.commits, tree.priced, tree.usd);
    }
    out.push_str("\n*Measured: by the commits that hooks recorded.*\n\n");
}

fn authors(out: &mut String, aggregate: &Aggregate) {
    out.push_str("## 🏆 Leaderboard\n\n| Author | Orchestrated | Commits | Rate |\n|---|---:|---:|---:|\n");
    for author in &aggregate.authors {
        let commits = author.commits;
        _ = writeln!(
            out,
            "| {} | {} | {} | {:.1}% |",
            cell(&author.author),
            commits.orchestrated,
            commits.total,
            commits.rate()
        );
    }
    out.push('\n');
}

/// What one of so many costs; a dash where there are none.
pub(super) fn per(usd: f64, count: u64) -> String {
    if count == 0 { "–".to_owned() } else { format!("${:.4}", usd / count as f64) }
}

/// `50,000`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Text that stays in its cell, and becomes no markup.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars().map(|char| if char.is_control() { ' ' } else { char }) {
        if "\\`*_[]<>|!#&".contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}
