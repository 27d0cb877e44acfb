//! What a batch of tasks cost, as the scripts that orch replaces reported it: `cost_report.json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{model::dollars, tracker::TokenFile};
use crate::{
    clock::WallTime,
    cost::UsageQuery,
    error::{Error, ErrorKind, Result},
    units::Usd,
};

/// From this average on tasks are too small to be run alone, in dollars.
const SMALL: f64 = 0.10;

/// More tokens than this are many.
const MANY: u64 = 50_000;

/// Longer than this is long, in seconds.
const LONG: f64 = 300.0;

/// One task of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRan {
    /// Whether it worked.
    pub success: bool,
    /// The tokens that it used itself.
    pub tokens: u64,
}

impl TaskRan {
    /// The tokens that a program says it used, where it says so in a form that is [known](UsageQuery); 0 where it says nothing. Input
    /// and output count, what a cache of prompts had does not.
    ///
    /// ```
    /// use orch_core::ext::budget_file::TaskRan;
    ///
    /// let said = r#"{"type": "result", "result": "done", "usage": {"input_tokens": 100, "output_tokens": 20}}"#;
    /// assert_eq!(TaskRan::tokens_said(said), 120);
    /// assert_eq!(TaskRan::tokens_said("4 passed"), 0);
    /// ```
    pub fn tokens_said(output: &str) -> u64 {
        // Which model it was does not matter: these tokens have one price.
        let query = UsageQuery { model: Some("any".to_owned()), ..UsageQuery::default() };
        query.read(output).map_or(0, |found| found.usage.total_tokens())
    }
}

/// What a batch of tasks cost. In JSON money is a number of dollars, as the scripts wrote it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchCosts {
    /// How many tasks there were.
    pub tasks_executed: u64,
    /// How many of them worked.
    pub successful_tasks: u64,
    /// What they used together.
    pub total_tokens: u64,
    /// What that cost, by the scripts' [prices](TokenFile::cost).
    #[serde(with = "dollars")]
    pub total_cost: Usd,
    /// The same for each task, those that failed among them; nothing where there were none.
    #[serde(with = "dollars")]
    pub average_cost_per_task: Usd,
    /// How long all of it took.
    pub duration_seconds: f64,
}

impl BatchCosts {
    /// What these tasks cost together.
    ///
    /// ```
    /// use std::time::Duration;
    /// use orch_core::ext::budget_file::{BatchCosts, TaskRan};
    ///
    /// let ran = [TaskRan { success: true, tokens: 2_000 }, TaskRan { success: false, tokens: 1_000 }];
    /// let costs = BatchCosts::of(&ran, Duration::from_secs(3));
    /// assert_eq!((costs.total_cost.dollars(), costs.average_cost_per_task.dollars()), (0.135, 0.0675));
    /// ```
    pub fn of(ran: &[TaskRan], duration: Duration) -> Self {
        let count = |ran: usize| u64::try_from(ran).unwrap_or(u64::MAX);
        let tasks_executed = count(ran.len());
        let total_tokens = ran.iter().fold(0u64, |sum, one| sum.saturating_add(one.tokens));
        let total_cost = TokenFile::cost(total_tokens);
        let average = total_cost.nanos().checked_div(i64::try_from(tasks_executed).unwrap_or(i64::MAX));
        Self {
            tasks_executed,
            successful_tasks: count(ran.iter().filter(|one| one.success).count()),
            total_tokens,
            total_cost,
            average_cost_per_task: Usd::from_nanos(average.unwrap_or(0)),
            duration_seconds: duration.as_secs_f64(),
        }
    }

    /// What would make such tasks cheaper or quicker, by the rules of the scripts: an average of more than 0.10 dollars, more than 50,000 tokens, more than 300
    /// seconds. `metrics` is the form of these costs, or one that a script made; without `duration_seconds` nothing is said of that.
    ///
    /// ```
    /// use orch_core::ext::budget_file::BatchCosts;
    ///
    /// let metrics = serde_json::json!({"average_cost_per_task": 0.1, "total_tokens": 50_001});
    /// assert_eq!(BatchCosts::advice(&metrics)?, ["High token usage detected. Consider using more specific prompts"]);
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for metrics without `average_cost_per_task` and `total_tokens`, or with others than numbers there.
    pub fn advice(metrics: &Value) -> Result<Vec<&'static str>> {
        let number = |key: &str| metrics.get(key).filter(|value| !value.is_null());
        let needed = |key: &str| number(key).and_then(Value::as_f64).ok_or_else(|| not_there(key));
        let duration = number("duration_seconds").map(|it| it.as_f64().ok_or_else(|| not_there("duration_seconds")));
        let (average, tokens, duration) =
            (needed("average_cost_per_task")?, needed("total_tokens")?, duration.transpose()?);
        let rules = [
            (average > SMALL, "Consider batching smaller tasks together to reduce overhead"),
            (tokens > MANY as f64, "High token usage detected. Consider using more specific prompts"),
            (duration.is_some_and(|it| it > LONG), "Long execution time. Consider running more tasks in parallel"),
        ];
        Ok(rules.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect())
    }

    /// `cost_report.json`: when, the metrics as they are, and [what follows](BatchCosts::advice) from them.
    ///
    /// # Errors
    ///
    /// Those of [`advice`](BatchCosts::advice).
    pub fn report(metrics: &Value, at: WallTime) -> Result<Value> {
        let recommendations = Self::advice(metrics)?;
        Ok(json!({"timestamp": at.to_string(), "metrics": metrics, "recommendations": recommendations}))
    }
}

fn not_there(key: &str) -> Error {
    Error::new(ErrorKind::InvalidValue, format!("the metrics of a cost report need `{key}`, a number"))
}
