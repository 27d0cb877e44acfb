//! The audit of a set of workflow files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    cost::{Cost, Costs},
    cron::Cron,
    history::History,
    rules::{self, Fixing, Ignored, Level, Rule},
    workflow::{On, Workflow, written_crons},
    yaml::Yaml,
};
use crate::{clock::WallTime, units::Usd};

/// A workflow file: its name in the folder, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowFile {
    /// For example `tests.yml`.
    pub name: String,
    /// Its text; `None` where it is not UTF-8.
    pub text: Option<String>,
}

impl WorkflowFile {
    /// A file with that text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: Some(text.into()) }
    }

    /// Whether GitHub runs a file of that name.
    pub fn is_active(name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        lower.ends_with(".yml") || lower.ends_with(".yaml")
    }
}

/// What the audit takes for granted where nothing was measured. Every report says it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assumptions {
    /// Pushes in 30 days that are not to a pull request.
    pub pushes: u32,
    /// Times in 30 days that a pull request is opened or pushed to.
    pub pull_requests: u32,
    /// Billed minutes of a job: one is the least that there is.
    pub job_minutes: f64,
    /// Of 100 runs of a pull request, how many a newer commit makes worthless while they run.
    pub superseded_percent: f64,
    /// Of 1,000 jobs, how many hang until their timeout.
    pub hangs_per_thousand: f64,
    /// Of 100 changes, how many touch only what is not tested, such as documentation.
    pub unrelated_percent: f64,
    /// Of 100 runs, how many fail.
    pub failing_percent: f64,
    /// Minutes of a job that a cache spares.
    pub cache_minutes: f64,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            pushes: 100,
            pull_requests: 100,
            job_minutes: 1.0,
            superseded_percent: 10.0,
            hangs_per_thousand: 1.0,
            unrelated_percent: 10.0,
            failing_percent: 10.0,
            cache_minutes: 0.5,
        }
    }
}

/// How the audit looks.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// Whose prices hold.
    pub at: WallTime,
    /// The first of the 30 days for which fires are counted. It is fixed, so that the same files always have the same count.
    pub window: WallTime,
    /// What is taken for granted.
    pub assumptions: Assumptions,
    /// What runs were measured.
    pub history: Option<History>,
    /// The names of checks that a pull request needs.
    pub required: Vec<String>,
    /// Paths of files of the repository, where they are known: lock files say which caches there could be.
    pub repository: BTreeSet<String>,
    /// Names of workflow files that are there and switched off, such as `tests.yml.disabled`.
    pub disabled: BTreeSet<String>,
}

/// 2025-07-01T00:00:00Z.
pub(super) const WINDOW: WallTime = WallTime(1_751_328_000_000);
pub(super) const WINDOW_DAYS: u32 = 30;

impl Default for AuditOptions {
    /// Nothing is known of the repository, and prices are those of the day on which they were checked.
    fn default() -> Self {
        Self {
            at: super::price::PRICES_CHECKED.parse().unwrap_or_default(),
            window: WINDOW,
            assumptions: Assumptions::default(),
            history: None,
            required: Vec::new(),
            repository: BTreeSet::new(),
            disabled: BTreeSet::new(),
        }
    }
}

/// What a number of minutes rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The runs that were given.
    Measured,
    /// The crons of the file, and the least that a job is billed.
    Schedule,
    /// [`Assumptions`].
    Assumed,
}

/// Something that the audit found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Level,
    /// The name of the file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub reason: String,
    /// Billed minutes that it costs in 30 days.
    pub minutes: u64,
    /// The same in money, by the runner of each job; nothing where the price of no minute is known.
    #[serde(serialize_with = "in_dollars")]
    pub usd: Option<Usd>,
    /// Those of the minutes whose price is not known, because they are on machines that the table does not have: `usd` is without them.
    pub unpriced_minutes: u64,
    /// What those numbers rest on.
    pub basis: Basis,
    /// What `orch actions fix` does about it.
    pub fix: Fixing,
}

fn in_dollars<S: serde::Serializer>(amount: &Option<Usd>, serializer: S) -> Result<S::Ok, S::Error> {
    amount.map(Usd::dollars).serialize(serializer)
}

/// Crons that are written, or that fire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Scheduled {
    /// Files with crons.
    pub scheduled: usize,
    /// Their crons.
    pub crons: usize,
    /// How often the valid ones of them fire in the window of 30 days.
    pub fires_per_30_days: u64,
}

/// What the audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// How many files were looked at.
    pub files: usize,
    /// Crons as they are written, also in files that GitHub cannot read.
    pub written: Scheduled,
    /// Crons that GitHub sees.
    pub firing: Scheduled,
    /// Files that have `concurrency`.
    pub with_concurrency: usize,
    /// Files that are no YAML or no workflow.
    pub invalid: Vec<String>,
    /// Files that nothing starts.
    pub dead: Vec<String>,
    /// Findings by file and line, without those that a comment silences.
    pub findings: Vec<Finding>,
    /// How many findings comments silence.
    pub ignored: usize,
    /// What was taken for granted.
    pub assumptions: Assumptions,
    /// Whose prices hold.
    pub at: WallTime,
    /// The first day for which fires are counted.
    pub window: WallTime,
}

/// What the rules see of a file.
pub(super) struct Looked<'a> {
    pub(super) file: &'a str,
    pub(super) workflow: &'a Workflow<'a>,
    pub(super) all: &'a Known,
    pub(super) options: &'a AuditOptions,
    pub(super) costs: Costs<'a>,
}

/// What is known of all files, for rules about more than one.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Each active file, and what is known of it where it can be read.
    pub(super) files: BTreeMap<String, Option<KnownFile>>,
}

#[derive(Debug)]
pub(super) struct KnownFile {
    pub(super) name: Option<String>,
    pub(super) events: BTreeSet<String>,
}

/// Where a rule puts what it found.
pub(super) struct Findings<'a> {
    pub(super) file: &'a str,
    pub(super) out: Vec<Finding>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, rule: Rule, place: (usize, usize), reason: String, cost: Cost) {
        // Never negative; what is too large saturates.
        let [minutes, unpriced_minutes] = [cost.minutes, cost.unpriced].map(|minutes| minutes.round() as u64);
        self.out.push(Finding {
            rule,
            severity: rule.level(),
            file: self.file.to_owned(),
            line: place.0,
            column: place.1,
            reason,
            minutes,
            usd: (cost.usd > Usd::ZERO || unpriced_minutes == 0).then_some(cost.usd),
            unpriced_minutes,
            basis: cost.basis,
            fix: rule.fixing(),
        });
    }

    /// The finding that was added last is one that no repair is sure for, whatever its rule says of others.
    pub(super) fn only_suggested(&mut self) {
        if let Some(last) = self.out.last_mut() {
            last.fix = Fixing::Suggested;
        }
    }

    /// A finding that costs no minutes.
    pub(super) fn note(&mut self, rule: Rule, place: (usize, usize), reason: String) {
        self.add(rule, place, reason, Cost::NONE);
    }
}

/// Audits workflow files.
///
/// ```
/// use orch_core::ext::actions::{AuditOptions, Rule, WorkflowFile, audit};
///
/// let text = "on:\njobs:\n  test:\n    runs-on: ubuntu-latest\n";
/// let audit = audit(&[WorkflowFile::new("tests.yml", text)], &AuditOptions::default());
/// assert_eq!(audit.findings[0].rule, Rule::DeadTriggers);
/// assert_eq!(audit.dead, ["tests.yml"]);
/// ```
pub fn audit(files: &[WorkflowFile], options: &AuditOptions) -> Audit {
    let parsed: Vec<(&WorkflowFile, Option<Result<Yaml<'_>, super::yaml::Fault>>)> =
        files.iter().map(|file| (file, file.text.as_deref().map(Yaml::parse))).collect();
    let known =
        Known { files: parsed.iter().map(|(file, yaml)| (file.name.clone(), yaml.as_ref().and_then(know))).collect() };
    let mut audit = Audit {
        files: files.len(),
        written: Scheduled::default(),
        firing: Scheduled::default(),
        with_concurrency: 0,
        invalid: Vec::new(),
        dead: Vec::new(),
        findings: Vec::new(),
        ignored: 0,
        assumptions: options.assumptions,
        at: options.at,
        window: options.window,
    };
    for (file, yaml) in &parsed {
        audit.look(file, yaml.as_ref(), &known, options);
    }
    audit.findings.sort_by(|one, other| {
        let key = |finding: &Finding| (finding.line, finding.column, finding.rule);
        one.file.cmp(&other.file).then_with(|| key(one).cmp(&key(other)))
    });
    audit
}

fn know(yaml: &Result<Yaml<'_>, super::yaml::Fault>) -> Option<KnownFile> {
    let workflow = Workflow::read(yaml.as_ref().ok()?).ok()?;
    let events = workflow.triggers.iter().map(|trigger| trigger.event.to_owned()).collect();
    Some(KnownFile { name: workflow.name().map(str::to_owned), events })
}

impl Audit {
    fn look(
        &mut self,
        file: &WorkflowFile,
        yaml: Option<&Result<Yaml<'_>, super::yaml::Fault>>,
        known: &Known,
        options: &AuditOptions,
    ) {
        let text = file.text.as_deref().unwrap_or_default();
        let mut findings = Findings { file: &file.name, out: Vec::new() };
        let read = match yaml {
            None => Err((1, 1, "it is not UTF-8".to_owned())),
            Some(Err(fault)) => Err((fault.line, fault.column, fault.message.clone())),
            Some(Ok(yaml)) => Workflow::read(yaml).map_err(|fault| (fault.line, fault.column, fault.message)),
        };
        match &read {
            Err((line, column, message)) => {
                self.invalid.push(file.name.clone());
                let reason = format!("GitHub runs nothing of this file: {message}");
                findings.note(Rule::InvalidYaml, (*line, *column), reason);
                self.count_written(text, options);
                self.with_concurrency += usize::from(text.lines().any(|line| line.starts_with("concurrency:")));
            }
            Ok(workflow) => {
                let dead = workflow.on != On::Written;
                if dead {
                    self.dead.push(file.name.clone());
                    self.count_written(text, options);
                } else {
                    let crons: Vec<&str> = workflow.crons.iter().map(|cron| cron.text).collect();
                    let counted = count(&crons, options);
                    add(&mut self.written, counted);
                    add(&mut self.firing, counted);
                }
                let job_has = workflow.jobs.iter().any(|job| job.node.get("concurrency").is_some());
                self.with_concurrency += usize::from(workflow.root.get("concurrency").is_some() || job_has);
                let costs = Costs::new(&file.name, workflow, options);
                let looked = Looked { file: &file.name, workflow, all: known, options, costs };
                rules::triggers(&looked, &mut findings);
                rules::crons(&looked, &mut findings);
                rules::concurrency(&looked, &mut findings);
                rules::jobs(&looked, &mut findings);
                rules::caches(&looked, &mut findings);
                rules::dispatches(&looked, &mut findings);
            }
        }
        let ignored = Ignored::read(text);
        for (line, name) in &ignored.unknown {
            let reason = format!("there is no rule `{}`; `orch actions rules` lists them", crate::id::Printable(name));
            findings.note(Rule::BadIgnore, (*line, 1), reason);
        }
        let before = findings.out.len();
        findings.out.retain(|finding| !ignored.has(finding.rule, finding.line));
        self.ignored += before - findings.out.len();
        self.findings.append(&mut findings.out);
    }

    fn count_written(&mut self, text: &str, options: &AuditOptions) {
        let crons = written_crons(text);
        let crons: Vec<&str> = crons.iter().map(|(_, cron)| cron.as_str()).collect();
        add(&mut self.written, count(&crons, options));
    }

    /// Minutes and money of all findings. A minute that two findings would save counts twice, so it is the most; of [`unpriced`](Self::unpriced)
    /// minutes the money is not known.
    pub fn totals(&self) -> (u64, Usd) {
        let minutes = self.findings.iter().fold(0_u64, |sum, finding| sum.saturating_add(finding.minutes));
        (minutes, self.findings.iter().filter_map(|finding| finding.usd).sum())
    }

    /// The minutes of all findings whose price is not known.
    pub fn unpriced(&self) -> u64 {
        self.findings.iter().fold(0_u64, |sum, finding| sum.saturating_add(finding.unpriced_minutes))
    }

    /// How many findings are that bad or worse.
    pub fn at_least(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.severity >= level).count()
    }
}

fn count(crons: &[&str], options: &AuditOptions) -> Scheduled {
    let valid = crons.iter().filter_map(|cron| cron.parse::<Cron>().ok());
    Scheduled {
        scheduled: usize::from(!crons.is_empty()),
        crons: crons.len(),
        fires_per_30_days: valid.map(|cron| cron.fires(options.window, WINDOW_DAYS)).sum(),
    }
}

fn add(to: &mut Scheduled, more: Scheduled) {
    to.scheduled += more.scheduled;
    to.crons += more.crons;
    to.fires_per_30_days += more.fires_per_30_days;
}
