//! The scene of a plan: what is to be expected with unlimited workers.

use std::borrow::Cow;

use super::{
    lanes::Span,
    scene::{Attempt, Fact, MOST_ROWS, Mark, Row, Scene, Trouble, common_start},
    text,
};
use crate::{
    error::Severity,
    id::TaskIx,
    plan::{Plan, Step},
    report::{Short, model::nanos},
};

/// The most problems at the top of the page.
const MOST_TROUBLES: usize = 12;

pub(super) fn scene(plan: &Plan) -> Scene<'_> {
    let graph = plan.graph();
    let steps = || graph.indices().map(|ix| plan.step(ix));
    let warnings = graph.warnings();
    Scene {
        graph,
        start: common_start(graph),
        is_plan: true,
        state: Mark::Planned,
        headline: headline(plan),
        about: vec![format!("graph {}", graph.hash().to_string().get(..12).unwrap_or_default())],
        facts: facts(plan),
        failures: Vec::new(),
        failures_left_out: 0,
        warnings: warnings
            .iter()
            .take(MOST_TROUBLES)
            .map(|problem| {
                let severity = if problem.severity == Severity::Error { "error in " } else { "" };
                let about = format!("{severity}{}", problem.path);
                Trouble { task: None, about, message: problem.message.clone() }
            })
            .collect(),
        warnings_left_out: warnings.len().saturating_sub(MOST_TROUBLES),
        marks: vec![Mark::Planned; graph.len()],
        levels: steps().map(|step| step.level as usize).collect(),
        attempts: steps()
            .map(|step| Attempt { task: step.task.index(), number: 1, span: span(&step), mark: Mark::Planned })
            .collect(),
        total: nanos(plan.critical()),
        path: plan.critical_path().iter().map(|ix| ix.index()).collect(),
        path_note: format!("{}: no number of workers makes the run shorter", Short(plan.critical())),
        rows: rows(plan),
        undone: None,
        costs: Vec::new(),
    }
}

fn headline(plan: &Plan) -> String {
    let graph = plan.graph();
    format!(
        "{} with {} on {}. With enough workers they take {}, one after the other {}.",
        text::counted(graph.len() as u64, "task"),
        match graph.edges() {
            1 => "1 dependency".to_owned(),
            edges => format!("{} dependencies", text::count(edges as u64)),
        },
        text::counted(u64::from(plan.levels()), "level"),
        text::unbroken(Short(plan.critical())),
        text::unbroken(Short(plan.serial())),
    )
}

fn facts(plan: &Plan) -> Vec<Fact> {
    let mut facts = vec![
        Fact {
            label: "Critical path",
            value: Short(plan.critical()).to_string(),
            note: text::counted(plan.critical_path().len() as u64, "task"),
        },
        Fact {
            label: "One after the other",
            value: Short(plan.serial()).to_string(),
            note: "the sum of all estimates".to_owned(),
        },
        Fact {
            label: "Widest level",
            value: text::count(u64::from(plan.widest())),
            note: format!("of {}", text::counted(u64::from(plan.levels()), "level")),
        },
    ];
    if !plan.critical().is_zero() {
        let speedup = plan.serial().as_secs_f64() / plan.critical().as_secs_f64();
        facts.push(Fact {
            label: "Best speed-up",
            value: format!("{speedup:.1} ×"),
            note: "with unlimited workers".to_owned(),
        });
    }
    facts
}

fn span(step: &Step) -> Span {
    let start = nanos(step.earliest);
    Span { start, end: start.saturating_add(nanos(step.estimate)) }
}

fn rows(plan: &Plan) -> Vec<Row<'_>> {
    let mut steps: Vec<Step> = plan.graph().indices().map(|ix| plan.step(ix)).collect();
    steps.sort_by_key(|step| (step.earliest, step.task));
    steps.truncate(MOST_ROWS);
    let row = |step: Step| {
        let options = plan.graph().task(step.task).options();
        let mut more = vec![("Level", (step.level + 1).to_string()), ("Turn", (step.rank + 1).to_string())];
        if let Some(agent) = &options.agent {
            more.push(("Agent", agent.clone()));
        }
        if let Some(undo) = &options.undo {
            let agent = undo.agent.as_ref().or(options.agent.as_ref()).map(|agent| format!("by {agent}: "));
            more.push(("Undo", agent.unwrap_or_default() + &undo.description));
        }
        if let Some(retry) = &options.retry {
            more.push(("Attempts", format!("up to {}", retry.max_attempts)));
        }
        let slack =
            if step.slack.is_zero() { "none: it is critical".to_owned() } else { Short(step.slack).to_string() };
        more.push(("Slack", slack));
        Row {
            task: TaskIx::index(step.task),
            attempts: 0,
            queued: Some(nanos(step.slack)),
            start: Some(nanos(step.earliest)),
            duration: Some(nanos(step.estimate)),
            span: Some(span(&step)),
            error: Cow::Borrowed(""),
            output: Cow::Borrowed(&options.description),
            more,
        }
    };
    steps.into_iter().map(row).collect()
}
