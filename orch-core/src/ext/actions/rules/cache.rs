//! Downloads that a cache would spare: `setup-*` actions that have one, where there is a lock file that names what is in it.

use super::{
    super::{
        audit::{Basis, Findings, Looked},
        workflow::{Job, Step, Workflow},
        yaml::View,
    },
    Rule,
};

/// A step whose action could keep what it downloads.
#[derive(Debug)]
pub(in super::super) struct Setup<'a> {
    pub(in super::super) job: &'a Job<'a>,
    pub(in super::super) step: Step<'a>,
    /// Which of the job's steps that is, from 0.
    pub(in super::super) nth: usize,
    /// What to write behind `cache:`.
    pub(in super::super) value: &'static str,
    /// The lock file that says what is kept.
    pub(in super::super) lock: &'static str,
}

/// Which action keeps what, by which file.
const KNOWN: [(&str, &str, &str); 12] = [
    ("actions/setup-node", "pnpm", "pnpm-lock.yaml"),
    ("actions/setup-node", "yarn", "yarn.lock"),
    ("actions/setup-node", "npm", "package-lock.json"),
    ("actions/setup-node", "npm", "npm-shrinkwrap.json"),
    ("actions/setup-python", "poetry", "poetry.lock"),
    ("actions/setup-python", "pipenv", "Pipfile.lock"),
    ("actions/setup-python", "pip", "requirements.txt"),
    ("actions/setup-python", "pip", "pyproject.toml"),
    ("actions/setup-java", "gradle", "build.gradle"),
    ("actions/setup-java", "gradle", "build.gradle.kts"),
    ("actions/setup-java", "maven", "pom.xml"),
    ("actions/setup-java", "sbt", "build.sbt"),
];

/// The steps without a cache for which the repository has a lock file.
pub(in super::super) fn setups<'a>(
    workflow: &'a Workflow<'a>,
    repository: &std::collections::BTreeSet<String>,
) -> Vec<Setup<'a>> {
    let mut found = Vec::new();
    for job in &workflow.jobs {
        // Another step of the job keeps something; whether it is the same, only a person can say.
        let kept = job.steps.iter().any(|step| {
            step.action().is_some_and(|action| action.starts_with("actions/cache") || action.contains("rust-cache"))
        });
        // A cache is of one folder; where steps work elsewhere, its lock file may be elsewhere too.
        let elsewhere = job.node.get("defaults").is_some() || workflow.root.get("defaults").is_some();
        if kept || elsewhere {
            continue;
        }
        for (nth, step) in job.steps.iter().enumerate() {
            let Some(action) = step.action() else { continue };
            let lacks = step.with("cache").is_none() && step.with("package-manager-cache").is_none();
            if let Some(&(_, value, lock)) =
                KNOWN.iter().find(|known| known.0 == action && repository.contains(known.2))
                && lacks
            {
                found.push(Setup { job, step: *step, nth, value, lock });
            }
        }
    }
    found
}

pub(in super::super) fn check(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    for setup in setups(looked.workflow, &looked.options.repository) {
        let place = setup.step.uses().map_or((1, 1), |(_, node)| View::place(node));
        let (runs, _) = looked.costs.all_runs();
        let minutes = runs * setup.job.copies() as f64 * looked.options.assumptions.cache_minutes;
        let reason = format!(
            "what `{}` names is downloaded in every run; add `cache: {}` under `with`",
            setup.lock, setup.value
        );
        findings.add(Rule::MissingCache, place, reason, looked.costs.of_job(setup.job, minutes, Basis::Assumed));
    }
}
