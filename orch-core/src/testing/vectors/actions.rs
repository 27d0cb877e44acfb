//! Workflows of GitHub Actions: crons, what is due, audits and repairs of texts, as vectors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::{failed, read, wrong};
use crate::{
    Result,
    ext::actions::{
        Answered, Assumptions, AuditOptions, Cron, FixOptions, ScheduleOptions, Table, WorkflowFile, audit, due, fix,
        schedule,
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Crons: each is read and its fires are counted.
    #[serde(default)]
    crons: Vec<String>,
    /// Workflow files, by name.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// What to do with the files: `audit`, `fix` or `schedule`.
    #[serde(default)]
    with_files: Vec<String>,
    /// Rules to repair by name.
    #[serde(default)]
    rules: Vec<String>,
    /// Names of files at the root of the repository.
    #[serde(default)]
    repository: Vec<String>,
    #[serde(default)]
    assumptions: Assumptions,
    /// A table of schedules.
    #[serde(default)]
    table: Option<Value>,
    /// Times at which to ask what is due; what is due counts as started.
    #[serde(default)]
    ticks: Vec<String>,
}

pub(super) fn run(input: Value) -> Result<Value> {
    let input: Input = read(input)?;
    let mut out = Map::new();
    if !input.crons.is_empty() {
        out.insert("crons".to_owned(), input.crons.iter().map(|cron| cron_form(cron)).collect());
    }
    let files: Vec<WorkflowFile> = input.files.iter().map(|(name, text)| WorkflowFile::new(name, text)).collect();
    let options = AuditOptions {
        assumptions: input.assumptions,
        repository: input.repository.into_iter().collect(),
        ..AuditOptions::default()
    };
    for what in &input.with_files {
        let answer = match what.as_str() {
            "audit" => audit(&files, &options).json(),
            "fix" => {
                let rules = input.rules.iter().map(|rule| rule.parse()).collect::<Result<_>>()?;
                let options = FixOptions { audit: options.clone(), rules, ..FixOptions::default() };
                let fixed = files.iter().map(|file| {
                    let fixed = fix(file, &options);
                    json!({"file": fixed.file, "text": fixed.text, "repairs": fixed.repairs, "refused": fixed.refused})
                });
                fixed.collect()
            }
            "schedule" => match schedule(&files, &ScheduleOptions::default()) {
                Ok(made) => json!({
                    "table": made.table,
                    "taken": made.taken,
                    "left": made.left,
                    "before": made.before,
                    "after": made.after,
                    "started": made.started,
                }),
                Err(error) => failed(&error),
            },
            other => return Err(wrong(format!("nothing is done by `{other}`"))),
        };
        out.insert(what.clone(), answer);
    }
    if let Some(table) = input.table {
        let answer = ticks(&table, &input.ticks).unwrap_or_else(|error| failed(&error));
        out.insert("due".to_owned(), answer);
    }
    Ok(out.into())
}

fn cron_form(text: &str) -> Value {
    match text.parse::<Cron>() {
        Ok(cron) => json!({
            "per_day": cron.per_day(),
            "least_gap": cron.least_gap(),
            "fires_per_30_days": cron.fires(AuditOptions::default().window, 30),
            "words": cron.to_string(),
        }),
        Err(error) => failed(&error),
    }
}

fn ticks(table: &Value, ticks: &[String]) -> Result<Value> {
    let table = Table::parse(&table.to_string())?;
    let mut answered = Answered::new();
    let mut out = Vec::new();
    for tick in ticks {
        let found = due(tick.parse()?, &table, &answered)?;
        for one in &found {
            answered.insert(one.slot.clone(), one.scheduled);
        }
        out.push(json!({"tick": tick, "due": found}));
    }
    Ok(out.into())
}
