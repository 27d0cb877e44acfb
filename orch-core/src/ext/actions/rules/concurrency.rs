//! Which runs may end which: only those of a pull request that a newer commit has made worthless.

use super::{
    super::{
        audit::{Findings, Looked},
        workflow::Workflow,
        yaml::View,
    },
    Rule,
};

/// What `concurrency` says of the runs that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Cancels {
    /// There is no `concurrency`.
    None,
    /// A group, and no word about cancelling.
    Waits,
    /// `cancel-in-progress: false`, which somebody meant.
    Never,
    Always,
    /// An expression decides.
    Depends,
}

pub(in super::super) fn cancels(concurrency: Option<View<'_>>) -> Cancels {
    let Some(concurrency) = concurrency else { return Cancels::None };
    match concurrency.get("cancel-in-progress") {
        None => Cancels::Waits,
        Some(cancel) => match cancel.flag() {
            Some(true) => Cancels::Always,
            Some(false) => Cancels::Never,
            None if cancel.text() == Some("${{ true }}") => Cancels::Always,
            None => Cancels::Depends,
        },
    }
}

/// What starts the runs that may be cancelled, and what may stand beside it.
const SAFE: [&str; 4] = ["pull_request", "push", "workflow_dispatch", "merge_group"];

/// Whether runs of pull requests may be cancelled: else why not.
pub(in super::super) fn safe_to_cancel(workflow: &Workflow<'_>) -> Result<(), String> {
    if workflow.trigger("pull_request").is_none() {
        return Err("no pull request starts it".to_owned());
    }
    if let Some(trigger) = workflow.triggers.iter().find(|trigger| !SAFE.contains(&trigger.event)) {
        return Err(format!("`{}` starts it too", crate::id::Printable(trigger.event)));
    }
    match workflow.writes() {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

pub(in super::super) fn check(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let workflow = looked.workflow;
    let entry = workflow.root.entry("concurrency");
    let state = cancels(entry.map(|(_, value)| value));
    let in_jobs = workflow.jobs.iter().filter_map(|job| job.node.get("concurrency")).collect::<Vec<_>>();
    let reason = unsafe_reason(workflow);
    for node in entry.map(|(_, value)| value).into_iter().chain(in_jobs.iter().copied()) {
        if let (Cancels::Always, Some(why), Some((key, _))) =
            (cancels(Some(node)), &reason, node.entry("cancel-in-progress"))
        {
            let reason = format!(
                "a newer run cancels this one wherever it is, and {why}: what it writes may stay half written; write \
                 `cancel-in-progress: false`, or an expression that is false here"
            );
            findings.note(Rule::UnsafeCancel, key.place(), reason);
        }
    }
    let saved = || {
        let share = match looked.costs.measured() {
            Some(measured) => measured.superseded("pull_request"),
            None => looked.options.assumptions.superseded_percent / 100.0,
        };
        let (runs, basis) = looked.costs.runs("pull_request");
        looked.costs.of_runs(runs * share, basis)
    };
    match (state, safe_to_cancel(workflow)) {
        (Cancels::None, Ok(())) if in_jobs.is_empty() => {
            let place = workflow.on_at.map_or((1, 1), View::place);
            let reason = "a newer commit to a pull request does not end the run of the older one; add `concurrency` by \
                          pull request, which cancels for pull requests only";
            findings.add(Rule::MissingConcurrency, place, reason.to_owned(), saved());
        }
        (Cancels::None, Err(why)) if in_jobs.is_empty() && !workflow.triggers.is_empty() => {
            let place = workflow.on_at.map_or((1, 1), View::place);
            let reason = format!(
                "nothing keeps two runs from going on at once; here cancelling is not safe ({why}): a group with \
                 `cancel-in-progress: false` lets them wait for each other"
            );
            findings.note(Rule::MissingConcurrency, place, reason);
            findings.only_suggested();
        }
        (Cancels::Waits, Ok(())) => {
            let place = entry.map_or((1, 1), |(key, _)| key.place());
            let reason = "runs of a pull request wait for each other; with `cancel-in-progress: ${{ github.event_name == \
                          'pull_request' }}` a newer commit ends the run of the older one";
            findings.add(Rule::CancelInProgress, place, reason.to_owned(), saved());
        }
        _ => {}
    }
}

/// Why cancelling may leave something half done.
fn unsafe_reason(workflow: &Workflow<'_>) -> Option<String> {
    if workflow.trigger("workflow_run").is_some() {
        return Some("it follows another workflow, whose runs it would miss".to_owned());
    }
    if let Some(why) = workflow.writes() {
        return Some(why);
    }
    workflow
        .triggers
        .iter()
        .any(|trigger| matches!(trigger.event, "release" | "deployment"))
        .then(|| "it is about releases".to_owned())
}
