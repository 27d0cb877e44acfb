//! The report as one HTML page, without scripts and without anything from elsewhere. Pure.

use std::fmt::Write as _;

use super::{
    aggregate::{Aggregate, Part},
    chart::Chart,
    facts::RunFact,
    policy::Policy,
    report::{grouped, per},
};
use crate::{id::Printable, report::render::escape_markup, units::Usd};

const STYLE: &str = include_str!("page.css");
/// Weeks and months that are drawn at most: the last ones.
const WEEKS: usize = 26;
const MONTHS: usize = 24;
/// Runs of a month that are listed at most: the latest ones.
const RUNS: usize = 200;

/// The report: trends by week and by month, worktrees, what a year would save, and the runs of each month; the leaderboard only where `with_authors`. `name`: of the
/// repository.
pub fn report_html(aggregate: &Aggregate, name: &str, with_authors: bool) -> String {
    let options = &aggregate.options;
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"referrer\" content=\"no-referrer\"><title>Orchestration of {0}</title><style>{STYLE}</style></head><body><main>\
         <h1>Orchestration of {0}</h1>",
        escape_markup(Printable(name))
    );
    // Writing to a String cannot fail.
    _ = write!(
        out,
        "<p class=\"soft\">{}, at {}; policy <b>{}</b>, days of {}</p>",
        escape_markup(aggregate.current()),
        options.at,
        options.policy,
        escape_markup(&options.zone)
    );
    facts(&mut out, aggregate);
    trends(&mut out, aggregate);
    projection(&mut out, aggregate);
    worktrees(&mut out, aggregate);
    if with_authors {
        authors(&mut out, aggregate);
    }
    runs(&mut out, aggregate);
    assumptions(&mut out, aggregate);
    out + "</main></body></html>\n"
}

fn list(out: &mut String, title: &str, facts: &[(&str, String)]) {
    _ = write!(out, "<h2>{title}</h2><dl class=\"facts\">");
    for (name, value) in facts {
        _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape_markup(value));
    }
    *out += "</dl>";
}

fn facts(out: &mut String, aggregate: &Aggregate) {
    let (month, options) = (aggregate.month(), &aggregate.options);
    let (of, is) = (options.model.of(month.commits, options.policy), month.measured);
    let known = |known: bool, text: String| if known { text } else { "no data".to_owned() };
    let measured = [
        ("Spent", known(is.charges > 0, is.usd.to_string())),
        ("Saved by hits", known(is.hits + is.misses > 0, is.saved.to_string())),
        ("Cache hit rate", is.hit_rate().map_or_else(|| "no data".to_owned(), |rate| format!("{rate:.1}\u{a0}%"))),
        ("Runs", known(is.runs > 0, is.runs.to_string())),
        ("Tokens", known(is.charges > 0, grouped(is.tokens))),
    ];
    list(out, "This month, measured", &measured);
    let orchestrated = format!("{} ({:.1}\u{a0}%)", month.commits.orchestrated, month.commits.rate());
    let modelled = [
        ("Commits", month.commits.total.to_string()),
        ("Orchestrated", known(aggregate.knows(), orchestrated)),
        ("Actual cost", format!("${:.2}", of.actual_usd)),
        ("Baseline", format!("${:.2}", of.baseline_usd)),
        ("Saved", format!("${:.2} ({:.1}\u{a0}%)", of.saved_usd, of.savings_percentage)),
    ];
    list(out, "This month, modelled", &modelled);
}

fn trends(out: &mut String, aggregate: &Aggregate) {
    let (model, policy) = (&aggregate.options.model, aggregate.options.policy);
    let last = |parts: &std::collections::BTreeMap<String, Part>, most: usize| -> Vec<(String, Part)> {
        let skip = parts.len().saturating_sub(most);
        parts.iter().skip(skip).map(|(name, part)| (name.clone(), *part)).collect()
    };
    for (title, parts, policy) in [
        ("By week", last(&aggregate.weeks, WEEKS), Policy::Message),
        ("By month", last(&aggregate.months, MONTHS), policy),
    ] {
        let rows = |values: &dyn Fn(&Part) -> Vec<f64>| {
            parts.iter().map(|(name, part)| (name.clone(), values(part))).collect()
        };
        _ = write!(out, "<h2>{title}</h2>");
        let commits = |part: &Part| vec![part.commits.orchestrated as f64, part.commits.traditional() as f64];
        let series = [("orchestrated", "s1"), ("other", "s2")];
        *out += &Chart { title: "Commits", unit: "", series: &series, rows: rows(&commits) }.html();
        let saved = |part: &Part| vec![model.of(part.commits, policy).saved_usd];
        *out += &Chart { title: "Saved, modelled", unit: "$", series: &[("dollars", "s2")], rows: rows(&saved) }.html();
        let saved = |part: &Part| vec![part.measured.saved.dollars()];
        let any = parts.iter().any(|(_, part)| !part.measured.is_nothing());
        let measured = |values: &dyn Fn(&Part) -> Vec<f64>| if any { rows(values) } else { Vec::new() };
        *out += &Chart {
            title: "Saved by hits, measured",
            unit: "$",
            series: &[("dollars", "s3")],
            rows: measured(&saved),
        }
        .html();
        let spent = |part: &Part| vec![part.measured.usd.dollars()];
        *out +=
            &Chart { title: "Spent, measured", unit: "$", series: &[("dollars", "s1")], rows: measured(&spent) }.html();
    }
}

fn projection(out: &mut String, aggregate: &Aggregate) {
    *out += "<h2>In a year</h2>";
    match aggregate.projection() {
        Some(it) => {
            _ = write!(out, "<p><b>{}</b>, {}.</p>", escape_markup(it.text()), escape_markup(it.assumption()));
        }
        None => *out += "<p class=\"none\">Nothing is projected from less than two whole weeks.</p>",
    }
}

fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    *out += "<div class=\"wide\"><table><thead><tr>";
    for head in heads {
        _ = write!(out, "<th scope=\"col\">{head}</th>");
    }
    *out += "</tr></thead><tbody>";
    for row in rows {
        *out += "<tr>";
        for cell in row {
            _ = write!(out, "<td>{cell}</td>");
        }
        *out += "</tr>";
    }
    *out += "</tbody></table></div>";
}

fn worktrees(out: &mut String, aggregate: &Aggregate) {
    *out += "<h2>Worktrees, measured</h2>";
    if aggregate.worktrees.is_empty() {
        *out += "<p class=\"none\">No hook has recorded commits; <code>orch hooks install git</code> puts them in.</p>";
        return;
    }
    let rows = aggregate.worktrees.iter().map(|tree| {
        let each = per(tree.usd.dollars(), tree.priced);
        let ours = if tree.orchestrated { "yes" } else { "no" };
        vec![
            escape_markup(Printable(&tree.worktree)),
            ours.to_owned(),
            tree.commits.to_string(),
            tree.priced.to_string(),
            tree.usd.to_string(),
            each,
            grouped(tree.tokens),
        ]
    });
    table(out, &["Worktree", "Orchestrated", "Commits", "Cost known of", "Cost", "A commit", "Tokens"], rows);
}

fn authors(out: &mut String, aggregate: &Aggregate) {
    *out += "<h2>Leaderboard</h2>";
    let rows = aggregate.authors.iter().map(|it| {
        let commits = it.commits;
        vec![
            escape_markup(Printable(&it.author)),
            commits.orchestrated.to_string(),
            commits.total.to_string(),
            format!("{:.1} %", commits.rate()),
        ]
    });
    table(out, &["Author", "Orchestrated", "Commits", "Rate"], rows);
}

fn runs(out: &mut String, aggregate: &Aggregate) {
    *out += "<h2>Runs, measured</h2>";
    if aggregate.runs.is_empty() {
        *out += "<p class=\"none\">No runs were kept; <code>orch run FILE --store</code> keeps them.</p>";
    }
    let mut months: Vec<(String, Vec<&RunFact>)> = Vec::new();
    for run in &aggregate.runs {
        let month = crate::cost::budget::Period::Month.span(&aggregate.options.zone, run.at).name;
        match months.iter_mut().find(|(name, _)| *name == month) {
            Some((_, runs)) => runs.push(run),
            None => months.push((month, vec![run])),
        }
    }
    for (month, runs) in months {
        let saved: Usd = runs.iter().filter_map(|run| run.saved_usd).sum();
        let open = if month == aggregate.current() { " open" } else { "" };
        _ = write!(
            out,
            "<details{open}><summary>{}: {} runs, {saved} saved by hits</summary>",
            escape_markup(&month),
            runs.len()
        );
        let rows = runs.iter().take(RUNS).map(|run| {
            let money = |usd: Option<Usd>| usd.map_or_else(|| "–".to_owned(), |usd| usd.to_string());
            vec![
                escape_markup(Printable(&run.name)),
                escape_markup(&run.state),
                run.at.to_string(),
                format!("{:.1} s", run.took_ms as f64 / 1000.0),
                run.tasks.to_string(),
                money(run.usd),
                grouped(run.tokens),
                run.hits.to_string(),
                money(run.saved_usd),
                format!("<code>orch report {}</code>", escape_markup(&run.run)),
            ]
        });
        table(out, &["Run", "State", "Begun", "Took", "Tasks", "Cost", "Tokens", "Hits", "Saved", "More"], rows);
        if runs.len() > RUNS {
            _ = write!(out, "<p class=\"soft\">And {} more, which the JSON has.</p>", runs.len() - RUNS);
        }
        *out += "</details>";
    }
    if aggregate.unread > 0 {
        _ = write!(
            out,
            "<p class=\"soft\">{} runs could not be read; what they saved is missing.</p>",
            aggregate.unread
        );
    }
}

fn assumptions(out: &mut String, aggregate: &Aggregate) {
    let model = &aggregate.options.model;
    _ = write!(
        out,
        "<h2>What is assumed</h2><p>Whatever is called modelled stands on these: a commit takes {} tokens, an orchestrated one {}, and a thousand tokens cost {}. \
         Whatever is called measured was booked in the ledger, or is what a value that a run found had really cost to make.</p>",
        grouped(model.tokens_traditional),
        grouped(model.tokens_orchestrated),
        model.per_1k_tokens
    );
}
