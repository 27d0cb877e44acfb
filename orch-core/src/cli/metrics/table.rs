//! Metrics as a person sees them in a terminal.

use console::measure_text_width;

use crate::{
    cli::streams::Paint,
    ext::metrics::{Aggregate, Policy},
    id::Printable,
};

/// Months, latest first; what is measured and what is modelled in tables of their own.
pub(super) fn text(aggregate: &Aggregate, leaderboard: bool, paint: Paint) -> String {
    let options = &aggregate.options;
    let of = |commits| options.model.of(commits, options.policy);
    let mut out = format!("policy {}, months of {}\n\n", options.policy, options.zone);
    let months = aggregate.months.iter().rev();
    let modelled = months.clone().map(|(name, part)| {
        let of = of(part.commits);
        vec![
            name.clone(),
            part.commits.total.to_string(),
            part.commits.orchestrated.to_string(),
            format!("{:.1} %", part.commits.rate()),
            format!("${:.2}", of.baseline_usd),
            format!("${:.2}", of.actual_usd),
            format!("${:.2}", of.saved_usd),
            format!("{:.1} %", of.savings_percentage),
        ]
    });
    out += &table(
        "MODELLED",
        &["COMMITS", "ORCHESTRATED", "RATE", "BASELINE", "ACTUAL", "SAVED", "PERCENT"],
        modelled.collect(),
        paint,
    );
    let measured = months.filter(|(_, part)| !part.measured.is_nothing()).map(|(name, part)| {
        let is = &part.measured;
        vec![
            name.clone(),
            // Runs without charges say nothing of money.
            if is.charges > 0 { is.usd.to_string() } else { "-".to_owned() },
            is.tokens.to_string(),
            is.runs.to_string(),
            is.hit_rate().map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1} %")),
            is.saved.to_string(),
            is.saved_tokens.to_string(),
        ]
    });
    let measured: Vec<_> = measured.collect();
    if measured.is_empty() {
        out += "\nnothing was measured: no store knows of runs or charges of this time; `orch run FILE --store` keeps them\n";
    } else {
        out.push('\n');
        out += &table("MEASURED", &["SPENT", "TOKENS", "RUNS", "HIT RATE", "SAVED", "TOKENS SAVED"], measured, paint);
    }
    if !aggregate.worktrees.is_empty() {
        let rows = aggregate.worktrees.iter().map(|tree| {
            let name = Printable(&tree.worktree).to_string();
            vec![name, tree.commits.to_string(), tree.priced.to_string(), tree.usd.to_string(), tree.tokens.to_string()]
        });
        out.push('\n');
        out += &table("WORKTREE (MEASURED)", &["COMMITS", "COST KNOWN OF", "COST", "TOKENS"], rows.collect(), paint);
    }
    if leaderboard {
        let rows = aggregate.authors.iter().map(|author| {
            let commits = author.commits;
            let name = Printable(&author.author).to_string();
            vec![name, commits.orchestrated.to_string(), commits.total.to_string(), format!("{:.1} %", commits.rate())]
        });
        out.push('\n');
        out += &table("AUTHOR", &["ORCHESTRATED", "COMMITS", "RATE"], rows.collect(), paint);
    }
    if let Some(projection) = aggregate.projection() {
        out += &format!("\na year would save {}, {}\n", projection.text(), projection.assumption());
    }
    if options.policy == Policy::Compat {
        out += "\nmonths begin and end at the time of day at which one asks, as those of the scripts do\n";
    }
    if let Some(why) = aggregate.unknown() {
        out += &format!("\n{why}\n");
    }
    if aggregate.unread > 0 {
        out += &format!("\n{} runs could not be read; what they saved is missing\n", aggregate.unread);
    }
    out
}

/// The first column to the left, the others to the right.
fn table(first: &str, heads: &[&str], rows: Vec<Vec<String>>, paint: Paint) -> String {
    let heads: Vec<String> = std::iter::once(first).chain(heads.iter().copied()).map(str::to_owned).collect();
    let width = |nth: usize| {
        let cells = std::iter::once(&heads).chain(&rows).filter_map(|row| row.get(nth));
        cells.map(|cell| measure_text_width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (nth, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(measure_text_width(cell)));
            line += &if nth == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        line.trim_end().to_owned()
    };
    let mut out = format!("{}\n", paint.dim(line(&heads)));
    for row in &rows {
        out += &line(row);
        out.push('\n');
    }
    out
}
