//! Edits that are safe, each proved before it is kept.

use std::collections::HashSet;

use super::{
    audit::{AuditOptions, WorkflowFile},
    cost::Costs,
    cron::Cron,
    diff::unified_diff,
    edit::{self, Edit},
    prove::prove,
    rules::{self, Cancels, Fixing, Ignored, Rule},
    workflow::{On, Workflow},
    yaml::{Fault, View, Yaml},
};

/// What is to be fixed, and with which knowledge.
#[derive(Debug, Clone)]
pub struct FixOptions {
    /// What the audit knows: runs for timeouts, files for caches.
    pub audit: AuditOptions,
    /// Which rules; where none is named, those whose fix is safe and leaves `on` as it is.
    pub rules: Vec<Rule>,
    /// The branch that `double-run` leaves to `push`.
    pub branch: String,
}

impl Default for FixOptions {
    fn default() -> Self {
        Self { audit: AuditOptions::default(), rules: Vec::new(), branch: "main".to_owned() }
    }
}

/// An edit that was made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Repair {
    /// Which rule asked for it.
    pub rule: Rule,
    /// The line of the old text that it is about.
    pub line: usize,
    /// What was written, by its path: `jobs.test.timeout-minutes`.
    pub path: String,
}

/// Something that was left alone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// Which rule; nothing where the whole file is left alone.
    pub rule: Option<Rule>,
    /// Its line.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// Its name.
    pub file: String,
    /// Its new text; nothing where that is the old one.
    pub text: Option<String>,
    /// What was edited.
    pub repairs: Vec<Repair>,
    /// What was left alone, and why.
    pub refused: Vec<Refusal>,
    /// Old and new as a unified diff.
    pub diff: String,
}

/// The most edits of one file.
const MAX_EDITS: usize = 2_000;

/// Fixes one file, in memory.
///
/// Each edit adds lines or replaces one word. After each the text is parsed again, and it is kept only where the one intended key is the only
/// difference and no comment is lost; triggers, permissions and the graph of jobs therefore stay as they are. A second call changes nothing.
///
/// ```
/// use orch_core::ext::actions::{FixOptions, WorkflowFile, fix};
///
/// let text = "on: push # keep\njobs:\n  test:\n    runs-on: ubuntu-latest # keep\n    steps: [{run: cargo test}]\n";
/// let fixed = fix(&WorkflowFile::new("tests.yml", text), &FixOptions::default());
/// assert_eq!(fixed.repairs[0].path, "jobs.test.timeout-minutes");
/// assert!(fixed.text.unwrap().contains("runs-on: ubuntu-latest # keep\n    timeout-minutes: 30 # a guess\n"));
/// ```
pub fn fix(file: &WorkflowFile, options: &FixOptions) -> Fixed {
    let mut fixed =
        Fixed { file: file.name.clone(), text: None, repairs: Vec::new(), refused: Vec::new(), diff: String::new() };
    let whole = |line: usize, why: String| Refusal { rule: None, line, why };
    let Some(old) = file.text.as_deref() else {
        fixed.refused.push(whole(1, "it is not UTF-8".to_owned()));
        return fixed;
    };
    if let Err(fault) = readable(old) {
        fixed.refused.push(whole(fault.line, fault.message));
        return fixed;
    }
    let mut text = old.to_owned();
    let mut settled: HashSet<(Rule, Vec<String>)> = HashSet::new();
    for _ in 0..MAX_EDITS {
        let Ok(yaml) = Yaml::parse(&text) else { break };
        let Ok(workflow) = Workflow::read(&yaml) else { break };
        let next = candidates(file, &text, &workflow, options)
            .into_iter()
            .find(|one| !settled.contains(&(one.rule, one.path.clone())));
        let Some(Candidate { rule, path, line, edit }) = next else { break };
        settled.insert((rule, path.clone()));
        let done = edit.and_then(|edit| {
            let new = edit.apply(&text);
            let after = Yaml::parse(&new).map_err(|fault| format!("it would be no YAML: {}", fault.message))?;
            prove(&yaml, &after, &edit.intended)?;
            Ok(new)
        });
        match done {
            Ok(new) => {
                fixed.repairs.push(Repair { rule, line: line_of_old(old, &text, line), path: path.join(".") });
                text = new;
            }
            Err(why) => fixed.refused.push(Refusal { rule: Some(rule), line: line_of_old(old, &text, line), why }),
        }
    }
    if text != old {
        fixed.diff = unified_diff(&file.name, old, &text);
        fixed.text = Some(text);
    }
    fixed
}

/// Whether anything of the file may be edited.
fn readable(text: &str) -> Result<(), Fault> {
    let yaml = Yaml::parse(text)?;
    let at = |message: &str| Fault { line: 1, column: 1, message: message.to_owned() };
    if let Some(why) = edit::hindrance(&yaml) {
        return Err(at(why));
    }
    let workflow = Workflow::read(&yaml)?;
    if workflow.on != On::Written {
        return Err(at("nothing starts it; repair `on` first"));
    }
    Ok(())
}

/// The line of the old text, where edits above it have only added lines.
fn line_of_old(old: &str, new: &str, line: usize) -> usize {
    let target = new.lines().nth(line - 1);
    let before = new.lines().take(line - 1).filter(|other| Some(*other) == target).count();
    let same = old.lines().enumerate().filter(|(_, other)| Some(*other) == target).nth(before);
    same.map_or(line, |(nth, _)| nth + 1)
}

struct Candidate {
    rule: Rule,
    path: Vec<String>,
    line: usize,
    edit: Result<Edit, String>,
}

fn candidates(file: &WorkflowFile, text: &str, workflow: &Workflow<'_>, options: &FixOptions) -> Vec<Candidate> {
    let ignored = Ignored::read(text);
    let wanted = |rule: Rule, line: usize| {
        let named = options.rules.contains(&rule);
        let chosen = named || options.rules.is_empty() && rule.fixing() == Fixing::Safe;
        chosen && !ignored.has(rule, line)
    };
    let yaml = workflow.root.yaml();
    let mut found = Vec::new();
    let mut add = |rule: Rule, path: &[&str], line: usize, make: &dyn Fn() -> Result<Edit, String>| {
        if wanted(rule, line) {
            let path = path.iter().map(|&part| part.to_owned()).collect();
            found.push(Candidate { rule, path, line, edit: make() });
        }
    };
    let line = |view: Option<View<'_>>| view.map_or(1, |view| view.place().0);

    let entry = workflow.root.entry("concurrency");
    let in_jobs = workflow.jobs.iter().any(|job| job.node.get("concurrency").is_some());
    if rules::safe_to_cancel(workflow).is_ok() {
        match rules::cancels(entry.map(|(_, value)| value)) {
            Cancels::None if !in_jobs => {
                add(Rule::MissingConcurrency, &["concurrency"], line(workflow.on_at), &|| edit::concurrency(yaml));
            }
            Cancels::Waits => {
                let path = ["concurrency", "cancel-in-progress"];
                add(Rule::CancelInProgress, &path, line(entry.map(|(key, _)| key)), &|| edit::cancel(yaml));
            }
            _ => {}
        }
    }
    let costs = Costs::new(&file.name, workflow, &options.audit);
    for job in workflow.jobs.iter().filter(|job| rules::lacks_timeout(job)) {
        let p95 = costs.measured().and_then(|measured| measured.job_p95(job.name()));
        let (minutes, known) = rules::timeout_of(p95);
        let path = ["jobs", job.id, "timeout-minutes"];
        add(Rule::MissingTimeout, &path, line(Some(job.key)), &|| {
            edit::timeout(yaml, job.id, job.node, minutes, known)
        });
    }
    for setup in rules::setups(workflow, &options.audit.repository) {
        let (id, nth) = (setup.job.id, setup.nth);
        let at = nth.to_string();
        let path = ["jobs", id, "steps", &at, "with", "cache"];
        let place = line(setup.step.uses().map(|(_, node)| node));
        add(Rule::MissingCache, &path, place, &|| edit::cache(yaml, id, nth, setup.step.node, setup.value));
    }
    for (nth, written) in workflow.crons.iter().enumerate() {
        let Ok(cron) = written.text.parse::<Cron>() else { continue };
        if cron.crowded().is_none() {
            continue;
        }
        let at = nth.to_string();
        add(Rule::CronOnTheHour, &["on", "schedule", &at, "cron"], line(Some(written.at)), &|| {
            let new = rules::quiet_minute(&file.name, &cron, written.text);
            edit::cron(yaml, nth, written.at, &new.ok_or("no other minute keeps its hours")?)
        });
    }
    if let Some(push) = workflow.trigger("push")
        && workflow.trigger("pull_request").is_some()
        && ["branches", "branches-ignore", "tags", "tags-ignore"].iter().all(|key| !push.has(key))
    {
        add(Rule::DoubleRun, &["on", "push", "branches"], line(Some(push.at)), &|| {
            edit::branches(yaml, &options.branch)
        });
    }
    found
}

#[cfg(test)]
pub(super) mod tests;
