//! What the runs of some days were and cost: by dates, not by count.

mod page;

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use super::{form::day, history::quantile, price::PRICES_CHECKED, runs::WorkflowRun};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::Usd,
};

/// The runs of one workflow in the window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowStats {
    /// Its name.
    pub name: String,
    /// All runs.
    pub runs: u64,
    /// Runs that a schedule started.
    pub scheduled: u64,
    /// Runs that ended well.
    pub succeeded: u64,
    /// Runs that ended badly. Cancelled and skipped ones are neither.
    pub failed: u64,
    /// Half of the runs that are over took no longer, in seconds.
    pub p50: Option<u64>,
    /// 95 of 100 took no longer.
    pub p95: Option<u64>,
    /// The mean of the seconds of those that ended well.
    pub mean: Option<f64>,
    /// Billed minutes.
    pub minutes: u64,
    /// What those of them cost whose price is known.
    pub usd: Usd,
    /// Minutes whose price is not known.
    pub unpriced: u64,
    /// Runs of which the jobs, or their machines, were not told: see [`Bill::rough`](super::Bill::rough).
    pub rough: u64,
    /// Minutes of the first and of the second half of the window.
    pub halves: [u64; 2],
}

impl WorkflowStats {
    /// The share of runs that ended well among those that ended well or badly.
    pub fn success_rate(&self) -> Option<f64> {
        let all = self.succeeded + self.failed;
        (all > 0).then(|| self.succeeded as f64 / all as f64)
    }

    /// What is to be said of the money: nothing where the price of no minute is known.
    pub fn known_usd(&self) -> Option<Usd> {
        (self.unpriced == 0 || self.usd > Usd::ZERO).then_some(self.usd)
    }

    /// By how many of 100 the minutes of the second half are more than those of the first.
    pub fn trend(&self) -> Option<f64> {
        let [first, second] = self.halves;
        (first > 0).then(|| (second as f64 / first as f64 - 1.0) * 100.0)
    }

    fn add(&mut self, run: &WorkflowRun, later: bool) {
        let bill = run.bill();
        self.runs += 1;
        self.scheduled += u64::from(run.event == "schedule");
        match run.conclusion.as_str() {
            "success" => self.succeeded += 1,
            "failure" | "timed_out" | "startup_failure" => self.failed += 1,
            _ => {}
        }
        self.minutes += bill.minutes;
        self.usd += bill.usd;
        self.unpriced += bill.unpriced;
        self.rough += u64::from(bill.rough);
        let [first, second] = &mut self.halves;
        *(if later { second } else { first }) += bill.minutes;
    }
}

/// The runs of all workflows in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Dashboard {
    /// The window begins then.
    pub from: WallTime,
    /// And ends before then.
    pub to: WallTime,
    /// The most expensive first.
    pub workflows: Vec<WorkflowStats>,
    /// All together.
    pub total: WorkflowStats,
    /// Runs on the last day of the window.
    pub today: u64,
}

impl Dashboard {
    /// What the runs that were asked for in the window were and cost.
    ///
    /// ```
    /// use orch_core::ext::actions::{Dashboard, read_runs};
    ///
    /// let list = r#"[{"databaseId": 7, "workflowName": "CI", "event": "push", "status": "completed", "conclusion": "success",
    ///     "createdAt": "2026-11-01T10:00:00Z", "startedAt": "2026-11-01T10:00:05Z", "updatedAt": "2026-11-01T10:02:06Z"}]"#;
    /// let board = Dashboard::new(&read_runs(&[list])?, "2026-11-01".parse()?, "2026-11-08".parse()?)?;
    /// assert_eq!((board.total.minutes, board.total.success_rate()), (3, Some(1.0)));
    /// assert_eq!(board.projected(board.total.usd).to_string(), "$0.0771"); // 30 days, by the 7 of the window
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for a window that ends before it begins.
    pub fn new(runs: &[WorkflowRun], from: WallTime, to: WallTime) -> Result<Self> {
        if from >= to {
            return Err(Error::new(ErrorKind::InvalidValue, format!("the window from {from} to {to} is empty")));
        }
        let middle = from.0 + (to.0 - from.0) / 2;
        let mut groups: BTreeMap<&str, (WorkflowStats, Vec<u64>, Vec<u64>)> = BTreeMap::new();
        let mut total = (WorkflowStats { name: "all".to_owned(), ..WorkflowStats::default() }, Vec::new(), Vec::new());
        let last_day = to.0.saturating_sub(86_400_000);
        let mut today = 0;
        for run in runs.iter().filter(|run| run.created >= from && run.created < to) {
            let group = groups.entry(&run.workflow).or_default();
            group.0.name.clone_from(&run.workflow);
            today += u64::from(run.created.0 >= last_day);
            for (stats, times, good) in [group, &mut total] {
                stats.add(run, run.created.0 >= middle);
                if let Some(seconds) = run.seconds().filter(|_| run.is_over() && run.conclusion != "skipped") {
                    times.push(seconds);
                    if run.conclusion == "success" {
                        good.push(seconds);
                    }
                }
            }
        }
        let finish = |(mut stats, times, good): (WorkflowStats, Vec<u64>, Vec<u64>)| {
            stats.p50 = quantile(&times, 50);
            stats.p95 = quantile(&times, 95);
            stats.mean = (!good.is_empty()).then(|| good.iter().sum::<u64>() as f64 / good.len() as f64);
            stats
        };
        let mut workflows: Vec<WorkflowStats> = groups.into_values().map(finish).collect();
        workflows.sort_by(|one, other| {
            (other.usd, other.minutes).cmp(&(one.usd, one.minutes)).then(one.name.cmp(&other.name))
        });
        Ok(Self { from, to, workflows, total: finish(total), today })
    }

    /// How many days the window has.
    pub fn days(&self) -> f64 {
        (self.to.0 - self.from.0) as f64 / 86_400_000.0
    }

    /// What that would be in 30 days, if they were like the window.
    pub fn projected(&self, usd: Usd) -> Usd {
        Usd::from_dollars(usd.dollars() * 30.0 / self.days())
    }

    /// The JSON form, version 1: what both dashboards that this replaces had, under their names, and more.
    pub fn json(&self, generated: WallTime) -> Value {
        let days = self.days();
        let costs: serde_json::Map<String, Value> = self
            .workflows
            .iter()
            .map(|stats| {
                let mean = stats.mean.map(|seconds| seconds / 60.0);
                (stats.name.clone(), json!({"runs": stats.runs, "total_minutes": stats.minutes, "total_cost": stats.known_usd().map(Usd::dollars), "avg_duration": mean}))
            })
            .collect();
        let workflows: serde_json::Map<String, Value> =
            self.workflows.iter().map(|stats| (stats.name.clone(), self.stats(stats))).collect();
        let most: Vec<&str> = self.workflows.iter().take(5).map(|stats| stats.name.as_str()).collect();
        let total = self.total.known_usd();
        let projected = total.map(|usd| self.projected(usd).dollars());
        json!({
            "version": 1,
            "generated": generated.to_string(),
            "timestamp": generated.to_string(),
            "from": self.from.to_string(),
            "to": self.to.to_string(),
            "period_days": days,
            "run_count": self.total.runs,
            "costs": {
                "total_cost": total.map(Usd::dollars),
                "total_minutes": self.total.minutes,
                "total_runs": self.total.runs,
                "workflow_costs": costs,
                "projected_monthly_cost": projected,
            },
            "workflows": workflows,
            "total": self.stats(&self.total),
            "total_runs_today": self.today,
            "total_minutes_used": self.total.minutes,
            "estimated_monthly_cost": projected,
            "most_expensive": most,
            "prices_checked": PRICES_CHECKED,
        })
    }

    fn stats(&self, stats: &WorkflowStats) -> Value {
        json!({
            "total_runs": stats.runs,
            "scheduled_runs": stats.scheduled,
            "success_rate": stats.success_rate(),
            "avg_duration_seconds": stats.mean,
            "p50_seconds": stats.p50,
            "p95_seconds": stats.p95,
            "minutes": stats.minutes,
            "usd": stats.known_usd().map(Usd::dollars),
            "unpriced_minutes": stats.unpriced,
            "rough_runs": stats.rough,
            "trend_percent": stats.trend(),
            "estimated_monthly_runs": stats.runs as f64 * 30.0 / self.days(),
            "projected_monthly_usd": stats.known_usd().map(|usd| self.projected(usd).dollars()),
        })
    }

    /// The dashboard for a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{} to {}, {:.1} days\n\n", day(self.from), day(self.to), self.days());
        let width =
            self.workflows.iter().map(|stats| Printable(&stats.name).to_string().chars().count()).max().unwrap_or(0);
        let width = width.clamp(8, 40);
        let _ = writeln!(
            text,
            "{:<width$}  {:>6} {:>8} {:>7} {:>7} {:>8} {:>10} {:>10} {:>7}",
            "workflow", "runs", "success", "p50", "p95", "minutes", "cost", "30 days", "trend"
        );
        for stats in self.workflows.iter().chain([&self.total]) {
            let name: String = Printable(&stats.name).to_string().chars().take(width).collect();
            let _ = writeln!(
                text,
                "{name:<width$}  {:>6} {:>8} {:>7} {:>7} {:>8} {:>10} {:>10} {:>7}",
                stats.runs,
                percent(stats.success_rate().map(|rate| rate * 100.0), ""),
                duration(stats.p50),
                duration(stats.p95),
                stats.minutes,
                money(stats, stats.usd),
                money(stats, self.projected(stats.usd)),
                percent(stats.trend(), "+"),
            );
        }
        text.push('\n');
        for note in self.notes() {
            let _ = writeln!(text, "{note}");
        }
        text
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.total.runs == 0 {
            notes.push("no run began in this window; --from and --to name another".to_owned());
        }
        notes.push(format!(
            "prices of private repositories by the day of each run, checked {PRICES_CHECKED}; each job rounded up to a minute; in public \
             repositories standard machines are free"
        ));
        if self.total.rough > 0 {
            notes.push(format!(
                "of {} runs the jobs or their machines were not told: one job on Linux for the time of the whole run stands for them",
                self.total.rough
            ));
        }
        if self.total.unpriced > 0 {
            notes.push(format!(
                "?: {} minutes are on machines whose price is not known, and not in the cost",
                self.total.unpriced
            ));
        }
        notes
    }
}

/// An amount, and whether it is without minutes whose price is not known.
fn money(stats: &WorkflowStats, usd: Usd) -> String {
    match (stats.known_usd(), stats.unpriced) {
        (None, _) => "?".to_owned(),
        (Some(_), 0) => usd.to_string(),
        (Some(_), _) => format!("{usd} + ?"),
    }
}

fn percent(value: Option<f64>, sign: &str) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if sign == "+" => format!("{value:+.0} %"),
        Some(value) => format!("{value:.0} %"),
    }
}

fn duration(seconds: Option<u64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(seconds) if seconds < 60 => format!("{seconds} s"),
        Some(seconds) if seconds < 3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        Some(seconds) => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext::actions::read_runs;

    fn run(id: u64, name: &str, day: u32, conclusion: &str, minutes: u32) -> String {
        format!(
            r#"{{"databaseId": {id}, "workflowName": "{name}", "event": "schedule", "status": "completed", "conclusion": "{conclusion}",
                "createdAt": "2026-11-{day:02}T10:00:00Z", "startedAt": "2026-11-{day:02}T10:00:00Z", "updatedAt": "2026-11-{day:02}T10:{minutes:02}:00Z"}}"#
        )
    }

    fn board() -> Dashboard {
        let runs = [
            run(1, "CI", 1, "success", 4),
            run(2, "CI", 2, "failure", 2),
            run(3, "CI", 9, "success", 12),
            run(4, "<u>&", 3, "cancelled", 1),
            run(5, "CI", 11, "success", 50),
        ];
        let runs = read_runs(&[format!("[{}]", runs.join(","))]).unwrap();
        Dashboard::new(&runs, "2026-11-01".parse().unwrap(), "2026-11-11".parse().unwrap()).unwrap()
    }

    #[test]
    fn windows_are_dates_and_projections_their_days() {
        let board = board();
        let ci = &board.workflows[0];
        assert_eq!((ci.runs, ci.minutes, ci.succeeded, ci.failed, ci.scheduled), (3, 18, 2, 1, 3));
        assert_eq!((ci.p50, ci.p95, ci.mean), (Some(240), Some(720), Some(480.0)));
        assert_eq!((ci.halves, ci.trend()), ([6, 12], Some(100.0)));
        assert_eq!((board.total.runs, board.total.success_rate()), (4, Some(2.0 / 3.0)));
        // It begins with its first moment, and ends before its last.
        let runs = read_runs(&[run(1, "CI", 1, "success", 4)]).unwrap();
        let (noon, later) = ("2026-11-01T10:00:00Z".parse().unwrap(), "2026-11-01T10:00:01Z".parse().unwrap());
        let count = |from, to| Dashboard::new(&runs, from, to).unwrap().total.runs;
        assert_eq!((count(noon, later), count(WallTime(0), noon), count(later, WallTime(later.0 + 1))), (1, 0, 0));
        // 19 minutes in 10 days are 57 in 30.
        assert_eq!(board.projected(board.total.usd), Usd::from_nanos(57 * 6_000_000));
        let json = board.json("2026-11-11".parse().unwrap());
        assert_eq!(json["workflows"]["CI"]["estimated_monthly_runs"], 9.0);
        assert_eq!(json["costs"]["workflow_costs"]["CI"]["avg_duration"], 8.0);
        assert!(Dashboard::new(&[], WallTime(1), WallTime(1)).is_err());
    }

    #[test]
    fn what_has_no_price_is_not_said_to_be_free() {
        let job = r#"{"jobs": [{"id": 1, "run_id": 4, "name": "a", "conclusion": "success", "labels": ["ours"],
            "started_at": "2026-11-03T10:00:00Z", "completed_at": "2026-11-03T10:02:00Z"}]}"#;
        let list = format!("[{},{}]", run(4, "odd", 3, "success", 4), run(5, "CI", 4, "success", 4));
        let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-11".parse().unwrap());
        let board = Dashboard::new(&read_runs(&[list.as_str(), job]).unwrap(), from, to).unwrap();
        let json = board.json(to);
        assert_eq!(json["workflows"]["odd"]["usd"], Value::Null);
        assert_eq!(json["costs"]["workflow_costs"]["odd"]["total_cost"], Value::Null);
        assert_eq!((&json["total"]["usd"], &json["total"]["unpriced_minutes"]), (&json!(0.024), &json!(2)));
        let text = board.text();
        let odd = text.lines().find(|line| line.starts_with("odd")).unwrap();
        assert!(odd.contains(" ? ") && !odd.contains('$'), "{odd}");
        assert!(text.contains("$0.0240 + ?"), "{text}");
    }

    #[test]
    fn names_are_no_markup() {
        let html = board().html();
        assert!(html.contains("&lt;u&gt;&amp;") && !html.contains("<u>"));
        assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("url("), "nothing is loaded");
        assert!(board().text().contains("CI"));
    }
}
