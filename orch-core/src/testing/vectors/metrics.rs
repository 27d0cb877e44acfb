//! What orchestration saves, as vectors.

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{failed, read};
use crate::{
    Result, WallTime,
    cost::budget::Zone,
    ext::metrics::{
        AggregatedFile, CommitMetrics, Facts, MetricsOptions, Model, Paid, Policy, Rotation, Rules, RunFact, Tally,
        Targets,
    },
    git::LogEntry,
    session::CommitRecord,
};

/// One of the questions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Counted(Box<Counted>),
    Rotated(Rotated),
    File(File),
    Record(Record),
}

/// Commits and facts, added up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    rules: Rules,
    #[serde(default)]
    zone: Option<String>,
    /// Times are texts.
    at: String,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    model: Model,
    commits: Vec<Committed>,
    #[serde(default)]
    recorded: Vec<CommitRecord>,
    #[serde(default)]
    paid: Vec<Paid>,
    #[serde(default)]
    runs: Vec<RunFact>,
    /// Times of commits of any branch that touch paths of worktrees.
    #[serde(default)]
    touching: Vec<String>,
    #[serde(default)]
    targets: Option<Targets>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Committed {
    at: String,
    hash: String,
    parents: usize,
    author: String,
    email: String,
    message: String,
}

/// Which records go where.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotated {
    names: Vec<String>,
    archives: Vec<String>,
    month: String,
}

/// An `aggregated_metrics.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    file: String,
}

/// A `commit_metrics_*.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    record: String,
}

pub(super) fn run(input: Value) -> Result<Value> {
    Ok(match read(input)? {
        Input::Counted(it) => counted(*it).unwrap_or_else(|error| failed(&error)),
        Input::Rotated(it) => json!(Rotation::of(&it.names, &it.archives, &it.month)),
        Input::File(it) => match AggregatedFile::parse(&it.file) {
            Ok(file) => json!({
                "schema": file.schema,
                "months": file.monthly_data.iter().map(|(name, month)| json!({
                    "month": name, "commits": month.commits, "saved_usd": month.costs.saved_usd, "measured": month.measured(),
                })).collect::<Vec<_>>(),
                "all_time": {
                    "tokens_saved": file.all_time_savings.tokens_saved,
                    "cost_saved_usd": file.all_time_savings.cost_saved_usd,
                    "months_tracked": file.all_time_savings.months_tracked,
                    "with": file.all_time_savings.commits_with_orchestration,
                    "without": file.all_time_savings.commits_without_orchestration,
                },
            }),
            Err(error) => failed(&error),
        },
        Input::Record(it) => match CommitMetrics::parse(&it.record) {
            Ok(record) => json!({"record": record}),
            Err(error) => failed(&error),
        },
    })
}

fn counted(input: Counted) -> Result<Value> {
    let time = |text: &Option<String>| text.as_deref().map(str::parse::<WallTime>).transpose();
    let options = MetricsOptions {
        policy: input.policy,
        rules: input.rules,
        zone: input.zone.as_deref().unwrap_or("UTC").parse::<Zone>()?,
        since: time(&input.since)?,
        until: time(&input.until)?,
        model: input.model,
        ..MetricsOptions::at(input.at.parse()?)
    };
    let facts = Facts { commits: input.recorded, paid: input.paid, runs: input.runs, unread: 0 };
    let mut tally = Tally::new(options, &facts)?;
    for Committed { at, hash, parents, author, email, message } in input.commits {
        let (hash, author, email, message) = (hash.into(), author.into(), email.into(), message.into());
        tally.add(&LogEntry { hash, parents, at: at.parse()?, author, email, message });
    }
    for at in &input.touching {
        tally.add_touching(at.parse()?);
    }
    let aggregate = tally.finish();
    let missed = input.targets.map(|targets| targets.missed(&aggregate));
    let mut form = aggregate.form(true);
    if let (Some(missed), Some(form)) = (missed, form.as_object_mut()) {
        form.insert("missed".to_owned(), json!(missed));
    }
    Ok(form)
}
