//! What tasks gained by running side by side, as the scripts that orch replaces said it.

use serde_json::{Value, json};

/// How long tasks took: one after the other, and as they ran. Seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BatchTimes {
    /// How many there were.
    pub tasks: usize,
    /// What all of them took together.
    pub sequential: f64,
    /// From when the first began to when the last ended.
    pub parallel: f64,
    /// How many ran at once, at most.
    pub at_once: usize,
}

impl BatchTimes {
    /// Of tasks by when each began and ended, in seconds of any clock. One that ended before it began took no time; what is no number is left out.
    ///
    /// ```
    /// use orch_core::ext::budget_file::BatchTimes;
    ///
    /// let times = BatchTimes::of(&[(0.0, 2.0), (1.0, 2.0), (2.0, 3.0)]);
    /// assert_eq!((times.sequential, times.parallel, times.at_once), (4.0, 3.0, 2));
    /// assert_eq!(times.form()["cost_reduction"], "25.0%");
    /// ```
    pub fn of(spans: &[(f64, f64)]) -> Self {
        let is_number = |(began, ended): &&(f64, f64)| began.is_finite() && ended.is_finite();
        let spans: Vec<(f64, f64)> =
            spans.iter().filter(is_number).map(|(began, ended)| (*began, ended.max(*began))).collect();
        let first = spans.iter().map(|(began, _)| *began).reduce(f64::min);
        let last = spans.iter().map(|(_, ended)| *ended).reduce(f64::max);
        // Whoever ends makes room for who begins at that moment.
        let is_in = |at: f64, (began, ended): (f64, f64)| began <= at && (at < ended || at <= began);
        let running = |at: f64| spans.iter().filter(|span| is_in(at, **span)).count();
        Self {
            tasks: spans.len(),
            sequential: spans.iter().map(|(began, ended)| ended - began).sum(),
            parallel: last.zip(first).map_or(0.0, |(last, first)| last - first),
            at_once: spans.iter().map(|(began, _)| running(*began)).max().unwrap_or(0),
        }
    }

    /// How many times as long they would have taken one after the other; 1 where they took no time.
    pub fn speedup(&self) -> f64 {
        if self.parallel > 0.0 { self.sequential / self.parallel } else { 1.0 }
    }

    /// As the scripts said it, in words with two decimals. Where they told how many cores were used, by counting tasks, it is how many tasks ran at once.
    /// Of no tasks: a `message`.
    pub fn form(&self) -> Value {
        let Self { tasks, sequential, parallel, at_once } = self;
        if *tasks == 0 {
            return json!({"message": "No completed tasks to analyze"});
        }
        let saved = if *sequential > 0.0 { (1.0 - parallel / sequential) * 100.0 } else { 0.0 };
        json!({
            "sequential_time": format!("{sequential:.2} seconds"),
            "parallel_time": format!("{parallel:.2} seconds"),
            "time_saved": format!("{:.2} seconds", sequential - parallel),
            "speedup": format!("{:.2}x", self.speedup()),
            "cost_reduction": format!("{saved:.1}%"),
            "cpu_utilization": format!("{at_once} at once"),
        })
    }
}
