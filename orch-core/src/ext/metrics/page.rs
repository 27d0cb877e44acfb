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

const STYLE: &str = concat!(include_str!("../../report/render/html/theme.css"), include_str!("page.css"));
/// Weeks and months that are drawn at most: the last ones.
const WEEKS: usize = 26;
const MONTHS: usize = 24;
/// Runs of a month that are listed at most: the latest ones.
const RUNS: usize = 200;
const NO_DATA: &str = "no data";

/// The report: trends by week and by month, worktrees, what a year would save, and the runs of each month; the leaderboard only where `with_authors`. `name`: of the
/// repository.
pub fn report_html(aggregate: &Aggregate, name: &str, with_authors: bool) -> String {
    let options = &aggregate.options;
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"referrer\" content=\"no-referrer\"><title>Orchestration of {0}</title><style>{STYLE}</style></head><body><main>\
         <p class=\"over\"><b>orch</b> metrics</p><h1>Orchestration of {0}</h1>",
        escape_markup(Printable(name))
    );
    // Writing to a String cannot fail.
    _ = write!(
        out,
        "<p class=\"about\">{}, at {}; policy <b>{}</b>, days of {}</p>",
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

/// Facts: what, how much, and of what that is a part.
fn list(out: &mut String, title: &str, facts: &[(&str, String, String)]) {
    _ = write!(out, "<h2>{title}</h2><dl class=\"facts\">");
    for (name, value, part) in facts {
        let (value, part) = (escape_markup(value), escape_markup(part));
        let part = if part.is_empty() { part } else { format!("<span>{part}</span>") };
        _ = write!(out, "<div><dt>{name}</dt><dd><b>{value}</b>{part}</dd></div>");
    }
    *out += "</dl>";
}

fn facts(out: &mut String, aggregate: &Aggregate) {
    let (month, options) = (aggregate.month(), &aggregate.options);
    let (of, is) = (aggregate.modelled(), month.measured);
    let fact = |name, value: Option<String>| (name, value.unwrap_or_else(|| NO_DATA.to_owned()), String::new());
    let percent = |value: f64, what: &str| format!("{value:.1}\u{a0}% of {what}");
    let measured = [
        fact("Spent", (is.charges > 0).then(|| is.usd.to_string())),
        fact("Saved by hits", is.hit_rate().map(|_| is.saved.to_string())),
        fact("Cache hit rate", is.hit_rate().map(|rate| format!("{rate:.1}\u{a0}%"))),
        fact("Runs", (is.runs > 0).then(|| is.runs.to_string())),
        fact("Tokens", (is.charges > 0).then(|| grouped(is.tokens))),
    ];
    list(out, "This month, measured", &measured);
    let baseline = options.model.of(month.commits, options.policy).baseline_usd;
    let mut modelled = [
        fact("Commits", Some(month.commits.total.to_string())),
        fact("Orchestrated", of.map(|_| month.commits.orchestrated.to_string())),
        fact("Actual cost", of.map(|of| format!("${:.2}", of.actual_usd))),
        fact("Baseline", Some(format!("${baseline:.2}"))),
        fact("Saved", of.map(|of| format!("${:.2}", of.saved_usd))),
    ];
    if let Some(of) = of {
        let [_, orchestrated, _, _, saved] = &mut modelled;
        orchestrated.2 = percent(month.commits.rate(), "commits");
        saved.2 = percent(of.savings_percentage, "the baseline");
    }
    list(out, "This month, modelled", &modelled);
    if let Some(why) = aggregate.unknown() {
        _ = write!(out, "<p class=\"note\">No data: {}.</p>", escape_markup(why));
    }
}

fn trends(out: &mut String, aggregate: &Aggregate) {
    let (model, policy) = (&aggregate.options.model, aggregate.options.policy);
    for (title, parts, policy) in
        [("By week", aggregate.last_weeks(WEEKS), Policy::Message), ("By month", aggregate.last_months(MONTHS), policy)]
    {
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
            _ = write!(out, "<p class=\"note\">And {} more, which the JSON has.</p>", runs.len() - RUNS);
        }
        *out += "</details>";
    }
    if aggregate.unread > 0 {
        _ = write!(
            out,
            "<p class=\"note\">{} runs could not be read; what they saved is missing.</p>",
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
