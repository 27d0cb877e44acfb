//! Writes `aggregated_metrics.json`, as the scripts that orch replaces have it, and more. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    aggregate::{Aggregate, Measured, Part},
    months::local,
    policy::Policy,
};
use crate::units::Usd;

/// The version of the form. Files of the scripts have none, which counts as 1.
pub const SCHEMA: u64 = 2;

impl Aggregate {
    /// The file `aggregated_metrics.json`: the fields of the scripts that orch replaces, which are modelled, then `measured` beside them in each month
    /// and for all time, `schema`, `policy`, `zone`, and `model` with what is assumed and which fields stand on it.
    pub fn file_form(&self) -> Value {
        let months: Map<String, Value> =
            self.months.iter().map(|(name, part)| (name.clone(), self.month_form(name, part))).collect();
        let (all, options) = (self.all(), &self.options);
        let modelled = options.model.of(all.commits, options.policy);
        let saved = if options.policy == Policy::Compat {
            // As the scripts add up: month by month, in floats.
            self.months.values().map(|part| options.model.of(part.commits, options.policy).saved_usd).sum()
        } else {
            modelled.saved_usd
        };
        json!({
            "schema": SCHEMA,
            "policy": options.policy.name(),
            "zone": options.zone.to_string(),
            "last_updated": local(&options.zone, options.at),
            "monthly_data": months,
            "all_time_savings": {
                "tokens_saved": modelled.saved_tokens,
                "cost_saved_usd": saved,
                "months_tracked": self.months.len(),
                "commits_with_orchestration": all.commits.orchestrated,
                "commits_without_orchestration": all.commits.traditional(),
            },
            "current_month": self.month_form(self.current(), &self.month()),
            "measured": measured_form(&all.measured),
            "model": {
                "assumed_for": ["tokens", "costs", "efficiency", "all_time_savings"],
                "tokens_per_commit_traditional": options.model.tokens_traditional,
                "tokens_per_commit_orchestrated": options.model.tokens_orchestrated,
                "usd_per_1k_tokens": options.model.per_1k_tokens.dollars(),
            },
        })
    }

    fn month_form(&self, name: &str, part: &Part) -> Value {
        let (model, count) = (&self.options.model, part.commits);
        let of = model.of(count, self.options.policy);
        json!({
            "month": name,
            "commits": {
                "total": count.total,
                "orchestrated": count.orchestrated,
                "traditional": count.traditional(),
                "orchestration_rate": count.rate(),
            },
            "tokens": {"baseline": of.baseline_tokens, "actual": of.actual_tokens, "saved": of.saved_tokens},
            "costs": {
                "baseline_usd": of.baseline_usd,
                "actual_usd": of.actual_usd,
                "saved_usd": of.saved_usd,
                "savings_percentage": of.savings_percentage,
            },
            "efficiency": {
                "tokens_per_commit_traditional": model.tokens_traditional,
                "tokens_per_commit_orchestrated": model.tokens_orchestrated,
                "reduction_percentage": whole(model.reduction_percentage()),
            },
            "measured": measured_form(&part.measured),
        })
    }

    /// The text of that file: keys sorted, so that the same input gives the same bytes.
    pub fn file_text(&self) -> String {
        canonical(&self.file_form())
    }

    /// Everything, for `orch metrics --json`; the authors only where somebody asked for them.
    pub fn form(&self, with_authors: bool) -> Value {
        let weeks = self.weeks.iter().map(|(name, week)| {
            let of = self.options.model.of(week.commits, Policy::Message);
            json!({
                "week": name,
                "commits": {"total": week.commits.total, "orchestrated": week.commits.orchestrated},
                "modelled": {"saved_usd": of.saved_usd},
                "measured": measured_form(&week.measured),
            })
        });
        let mut form = json!({
            "version": 1,
            "aggregated": self.file_form(),
            "weeks": weeks.collect::<Vec<_>>(),
            "worktrees": self.worktrees,
            "runs": self.runs,
            "unread_runs": self.unread,
            "records": self.records,
            "projection": self.projection(),
        });
        if let (true, Some(form)) = (with_authors, form.as_object_mut()) {
            form.insert("authors".to_owned(), json!(self.authors));
        }
        form
    }
}

/// A number without a fraction where it has none.
fn whole(number: f64) -> Value {
    let is_whole = number.fract() == 0.0 && number.abs() < 1e15;
    if is_whole { json!(number as i64) } else { json!(number) }
}

fn measured_form(measured: &Measured) -> Value {
    json!(MeasuredForm::from(*measured))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct MeasuredForm {
    charges: u64,
    assumed_charges: u64,
    cost_usd: f64,
    tokens: u64,
    runs: u64,
    runs_succeeded: u64,
    cache_hits: u64,
    cache_misses: u64,
    saved_usd: f64,
    saved_tokens: u64,
    saved_ms: u64,
}

impl From<Measured> for MeasuredForm {
    fn from(it: Measured) -> Self {
        Self {
            charges: it.charges,
            assumed_charges: it.assumed,
            cost_usd: it.usd.dollars(),
            tokens: it.tokens,
            runs: it.runs,
            runs_succeeded: it.succeeded,
            cache_hits: it.hits,
            cache_misses: it.misses,
            saved_usd: it.saved.dollars(),
            saved_tokens: it.saved_tokens,
            saved_ms: it.saved_ms,
        }
    }
}

impl From<MeasuredForm> for Measured {
    fn from(it: MeasuredForm) -> Self {
        Self {
            charges: it.charges,
            assumed: it.assumed_charges,
            usd: Usd::from_dollars(it.cost_usd),
            tokens: it.tokens,
            runs: it.runs,
            succeeded: it.runs_succeeded,
            hits: it.cache_hits,
            misses: it.cache_misses,
            saved: Usd::from_dollars(it.saved_usd),
            saved_tokens: it.saved_tokens,
            saved_ms: it.saved_ms,
        }
    }
}

/// JSON with its keys in order, indented by two, with a line break at its end: the same value has the same text.
pub(super) fn canonical(value: &Value) -> String {
    let mut text = format!("{:#}", sorted(value));
    text.push('\n');
    text
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: BTreeMap<&String, &Value> = map.iter().collect();
            Value::Object(by_key.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
