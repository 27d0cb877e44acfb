//! The dashboard as one HTML page, without scripts and without anything from elsewhere. Pure.

use std::fmt::Write as _;

use super::{Dashboard, WorkflowStats, duration, money, percent};
use crate::{ext::actions::form::day, id::Printable, report::render::escape_markup};

const STYLE: &str = concat!(include_str!("../../../report/render/html/theme.css"), include_str!("page.css"));

/// The share of runs below which a workflow is marked as one that fails.
const FAILING: f64 = 0.8;

impl Dashboard {
    /// The dashboard as one page, light or dark as the reader has it.
    pub fn html(&self) -> String {
        let most = self.workflows.first().map_or(1, |stats| stats.usd.nanos().max(1));
        let rows: String = self.workflows.iter().map(|stats| self.row(stats, most)).collect();
        let total = &self.total;
        let mut facts = String::new();
        for (name, value) in [
            ("Runs", total.runs.to_string()),
            ("Ended well", percent(total.success_rate().map(|rate| rate * 100.0), "")),
            ("Half took at most", duration(total.p50)),
            ("Billed minutes", total.minutes.to_string()),
            ("Cost", money(total, total.usd)),
            ("In 30 days", money(total, self.projected(total.usd))),
            ("Trend", percent(total.trend(), "+")),
        ] {
            // Writing to a String cannot fail.
            _ = write!(facts, "<div><dt>{name}</dt><dd><b>{}</b></dd></div>", escape_markup(value));
        }
        let notes: String = self.notes().iter().map(|note| format!("<p>{}</p>\n", escape_markup(note))).collect();
        let table = match self.workflows.as_slice() {
            [] => String::new(),
            _ => format!(
                "<h2>Workflows, the most expensive first</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Workflows\"><table>\n\
                 <thead><tr><th scope=\"col\">Workflow</th>{HEADS}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
            ),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>GitHub Actions, {from} to {to}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>GitHub Actions</h1>\n\
             <p class=\"headline soft\">{from} to {to}, {days:.1} days</p>\n<dl class=\"facts\">{facts}</dl>\n{table}\
             <footer>{notes}</footer>\n</main>\n</body>\n</html>\n",
            from = day(self.from),
            to = day(self.to),
            days = self.days(),
        )
    }

    fn row(&self, stats: &WorkflowStats, most: i64) -> String {
        let part = stats.usd.nanos() as f64 / most as f64 * 100.0;
        let success = percent(stats.success_rate().map(|rate| rate * 100.0), "");
        let success = match stats.success_rate().is_some_and(|rate| rate < FAILING) {
            true => format!("<td class=\"number bad\">{success}</td>"),
            false => format!("<td class=\"number\">{success}</td>"),
        };
        let mut row = format!("<tr><th scope=\"row\">{}</th>", escape_markup(Printable(&stats.name)));
        let cell = |value: String| format!("<td class=\"number\">{}</td>", escape_markup(value));
        _ = write!(
            row,
            "<td class=\"number cost\"><i style=\"width:{part:.1}%\"></i><span>{}</span></td>",
            escape_markup(money(stats, stats.usd))
        );
        row += &cell(money(stats, self.projected(stats.usd)));
        row += &cell(stats.minutes.to_string());
        row += &cell(stats.runs.to_string());
        row += &success;
        row += &cell(duration(stats.p50));
        row += &cell(duration(stats.p95));
        row += &cell(percent(stats.trend(), "+"));
        row + "</tr>\n"
    }
}

/// The money first: on a phone the rest is beside the screen.
const HEADS: &str = "<th scope=\"col\" class=\"number\">Cost</th><th scope=\"col\" class=\"number\">30 days</th>\
    <th scope=\"col\" class=\"number\">Minutes</th><th scope=\"col\" class=\"number\">Runs</th>\
    <th scope=\"col\" class=\"number\">Ended well</th>\
    <th scope=\"col\" class=\"number\"><abbr title=\"half of the runs took no longer\">p50</abbr></th>\
    <th scope=\"col\" class=\"number\"><abbr title=\"95 of 100 runs took no longer\">p95</abbr></th>\
    <th scope=\"col\" class=\"number\"><abbr title=\"minutes of the second half of the window against the first\">Trend</abbr></th>";
