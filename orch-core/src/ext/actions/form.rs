//! The audit as text, as JSON and as annotations of GitHub.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    audit::{Audit, Basis, Finding},
    price::PRICES_CHECKED,
    rules::{Fixing, Level},
};
use crate::{id::Printable, units::Usd};

impl Audit {
    /// The JSON form, version 1.
    pub fn json(&self) -> Value {
        let (minutes, usd) = self.totals();
        json!({
            "version": 1,
            "files": self.files,
            "scheduled": self.written.scheduled,
            "crons": self.written.crons,
            "fires_per_30_days": self.written.fires_per_30_days,
            "with_concurrency": self.with_concurrency,
            "firing": self.firing,
            "invalid": self.invalid,
            "dead": self.dead,
            "window_from": day(self.window),
            "prices": {"at": day(self.at), "checked": PRICES_CHECKED},
            "assumptions": self.assumptions,
            "totals": {
                "findings": self.findings.len(),
                "errors": self.count(Level::Error),
                "warnings": self.count(Level::Warning),
                "notes": self.count(Level::Note),
                "ignored": self.ignored,
                "minutes": minutes,
                "usd": usd.dollars(),
                "unpriced_minutes": self.unpriced(),
            },
            "findings": self.findings,
        })
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.severity == level).count()
    }

    /// The audit for people: `paint` colours what is of that level.
    pub fn text(&self, paint: impl Fn(Level, &str) -> String) -> String {
        let mut text = String::new();
        let mut file = "";
        for finding in &self.findings {
            if finding.file != file {
                file = &finding.file;
                let _ = writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, Printable(file));
            }
            let level = paint(finding.severity, finding.severity.name());
            let place = format!("{}:{}", finding.line, finding.column);
            let _ = write!(text, "  {place:<7} {level} {}: {}", finding.rule.id(), Printable(&finding.reason));
            if let Some(words) = cost_words(finding) {
                let _ = write!(text, " [{words}]");
            }
            text += &match finding.fix {
                Fixing::Safe => " (fix)\n".to_owned(),
                Fixing::Named => format!(" (fix --rule {})\n", finding.rule.id()),
                Fixing::Suggested => "\n".to_owned(),
            };
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let (minutes, usd) = self.totals();
        let mut text = String::new();
        let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let _ = writeln!(
            text,
            "{}{}, {} of them scheduled with {}: {} fires in 30 days from {}; {} with concurrency",
            if self.findings.is_empty() { "" } else { "\n" },
            plural(self.files, "file"),
            self.written.scheduled,
            plural(self.written.crons, "cron"),
            self.written.fires_per_30_days,
            day(self.window),
            self.with_concurrency,
        );
        if self.firing != self.written {
            let _ = writeln!(
                text,
                "GitHub sees {} of the crons: {} fires",
                self.firing.crons, self.firing.fires_per_30_days
            );
        }
        for (files, what) in [(&self.invalid, "cannot be read"), (&self.dead, "never started")] {
            if !files.is_empty() {
                let _ = writeln!(text, "{what}: {}: {}", files.len(), Printable(&files.join(", ")));
            }
        }
        let _ = writeln!(
            text,
            "{}, {}, {}{}",
            plural(self.count(Level::Error), "error"),
            plural(self.count(Level::Warning), "warning"),
            plural(self.count(Level::Note), "note"),
            if self.ignored == 0 { String::new() } else { format!("; {} silenced by comments", self.ignored) },
        );
        if minutes > 0 {
            let unpriced = match self.unpriced() {
                0 => String::new(),
                minutes => format!(", without {minutes} minutes on machines whose price is not known"),
            };
            let _ = writeln!(
                text,
                "at most {minutes} minutes and {usd} in 30 days{unpriced}, at the prices of {} (checked {PRICES_CHECKED})",
                day(self.at)
            );
        }
        if self.findings.iter().any(|finding| finding.basis == Basis::Assumed && finding.minutes > 0) {
            let assumed = &self.assumptions;
            let _ = writeln!(
                text,
                "assumed where nothing was measured: {} pushes and {} updates of pull requests in 30 days, {} min a job; \
                 give runs with --runs",
                assumed.pushes, assumed.pull_requests, assumed.job_minutes
            );
        }
        text
    }

    /// Annotations of GitHub, at most 10 of a kind and 50 in all, the worst first, and a line that says how many there are beside them.
    /// `folder` stands before the names of the files.
    pub fn annotations(&self, folder: &str) -> String {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), std::cmp::Reverse(finding.usd)));
        let mut text = String::new();
        let mut left = 0;
        for level in [Level::Error, Level::Warning, Level::Note] {
            let of_level = findings.iter().filter(|finding| finding.severity == level);
            for (nth, finding) in of_level.enumerate() {
                // GitHub shows no more of a kind in a step; one notice is kept for the rest.
                if nth >= if level == Level::Note { 9 } else { 10 } {
                    left += 1;
                    continue;
                }
                let kind = if level == Level::Note { "notice" } else { level.name() };
                let file = format!("{folder}{}", finding.file);
                let mut message = finding.reason.clone();
                if let Some(words) = cost_words(finding) {
                    message += &format!(" [{words}]");
                }
                let _ = writeln!(
                    text,
                    "::{kind} file={},line={},col={},title={}::{}",
                    property(&file),
                    finding.line,
                    finding.column,
                    property(finding.rule.id()),
                    data(&message)
                );
            }
        }
        if left > 0 {
            let _ = writeln!(text, "::notice title=orch::{left} more findings; GitHub shows 10 of a kind");
        }
        text
    }
}

/// Nothing where it costs nothing.
fn cost_words(finding: &Finding) -> Option<String> {
    let basis = match finding.basis {
        Basis::Measured => "",
        Basis::Schedule => ", at least",
        Basis::Assumed => ", assumed",
    };
    Some(match (finding.minutes, finding.usd, finding.unpriced_minutes) {
        (0, None | Some(Usd::ZERO), 0) => return None,
        (0, usd, _) => format!("{} a month{basis}", usd.unwrap_or_default()),
        (minutes, Some(usd), 0) => format!("{minutes} min, {usd} a month{basis}"),
        (minutes, Some(usd), unpriced) => {
            format!("{minutes} min a month{basis}; {usd} without {unpriced} min whose price is not known")
        }
        (minutes, None, _) => format!("{minutes} min a month{basis}, at a price that is not known"),
    })
}

/// The day of a time: `2025-07-01`.
pub(super) fn day(time: crate::clock::WallTime) -> String {
    time.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// A message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext::actions::{AuditOptions, WorkflowFile, audit};

    #[test]
    fn annotations_keep_to_the_limits_and_escape() {
        let steps = "      - uses: a/b@v1\n".repeat(30);
        let text = format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}");
        let found = audit(&[WorkflowFile::new("a,b:c.yml", text)], &AuditOptions::default());
        let text = found.annotations(".github/workflows/");
        assert_eq!(text.lines().filter(|line| line.starts_with("::notice")).count(), 10);
        assert!(text.contains("::notice file=.github/workflows/a%2Cb%3Ac.yml,line=1"), "{text}");
        assert!(text.trim_end().ends_with("GitHub shows 10 of a kind"), "{text}");
        assert_eq!(data("50%\nx"), "50%25%0Ax");
    }

    #[test]
    fn the_worst_and_the_dearest_come_first() {
        let text = "on:\n  schedule:\n    - cron: '7,37 2 * * *'\n    - cron: '*/5 * * * *'\n    - cron: '7 2 * *'\njobs: {a: {runs-on: ubuntu-latest}}\n";
        let found = audit(&[WorkflowFile::new("a.yml", text)], &AuditOptions::default());
        let annotations = found.annotations("");
        let lines: Vec<&str> = annotations
            .lines()
            .filter(|line| ["invalid-cron", "aggressive-cron"].iter().any(|rule| line.contains(rule)))
            .filter_map(|line| line.split(',').nth(1))
            .collect();
        assert_eq!(lines, ["line=5", "line=4", "line=3"], "{annotations}");
    }
}
