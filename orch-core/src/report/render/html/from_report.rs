//! The scene of a run.

use std::{borrow::Cow, time::Duration};

use super::{
    lanes::Span,
    scene::{Attempt, Fact, MOST_ROWS, Mark, Row, Scene, Trouble, Undone, UndoneStep, common_start},
    text,
};
use crate::{
    definition::Graph,
    event::{Output, RunState, SkipReason, TaskState},
    id::TaskIx,
    plan::Plan,
    report::{AgentCost, PathStep, Report, Short, ShortCost, TaskResult, UndoState, UndoStep, model::nanos},
    units::{Cost, Usage, Usd},
};

/// The most failures, and warnings, at the top of the page.
const MOST_TROUBLES: usize = 12;
/// The longest text of an output that is looked at; the page shows less.
const MOST_OUTPUT: usize = 8_192;

pub(super) fn scene(report: &Report) -> Scene<'_> {
    let graph = report.graph();
    let levels = levels(report.plan(), graph);
    let steps = report.critical_path();
    let path: Vec<usize> = steps.iter().map(|step| step.task.index()).collect();
    let (failures, failures_left_out) = failures(report);
    let (warnings, warnings_left_out) = warnings(report);
    Scene {
        graph,
        start: common_start(graph),
        is_plan: false,
        state: match report.state() {
            RunState::Running => Mark::Running,
            RunState::Succeeded => Mark::Succeeded,
            RunState::Failed => Mark::Failed,
            RunState::Cancelled => Mark::Cancelled,
        },
        headline: headline(report),
        about: about(report),
        facts: facts(report),
        failures,
        failures_left_out,
        warnings,
        warnings_left_out,
        marks: report.tasks().map(|task| task.state().into()).collect(),
        attempts: report.tasks().flat_map(|task| attempts(report, task)).collect(),
        total: nanos(report.makespan()),
        path_note: path_note(report, &steps),
        path,
        rows: rows(report, &levels),
        undone: undone(report),
        costs: costs(report),
        levels,
    }
}

/// Tasks that the run added are not in its plan, so they are planned now.
fn levels(plan: &Plan, graph: &Graph) -> Vec<usize> {
    let grown = (plan.graph().len() != graph.len()).then(|| Plan::new(graph, plan.options()).ok()).flatten();
    let plan = grown.as_ref().unwrap_or(plan);
    plan.graph().indices().map(|ix| plan.step(ix).level as usize).collect()
}

/// The most checkpoints that are named.
const MOST_CHECKPOINTS: usize = 8;

fn headline(report: &Report) -> String {
    let counts = report.counts();
    let time = text::unbroken(Short(report.makespan()));
    let all = text::counted(counts.total() as u64, "task");
    let not_run = report.tasks().filter(|task| task.state() == TaskState::Cancelled && task.attempts() == 0).count();
    let mut said = match report.state() {
        RunState::Running => {
            format!("Still running after {time}: {} of {all} done", text::count(counts.finished() as u64))
        }
        RunState::Succeeded if counts.failed > 0 => {
            format!("Succeeded in {time}, with {} of {all} failed and allowed to", text::count(counts.failed as u64))
        }
        RunState::Succeeded => format!("All {all} done in {time}"),
        RunState::Failed | RunState::Cancelled => {
            let verb = if report.state() == RunState::Failed { "Failed" } else { "Cancelled" };
            format!("{verb} after {time}: {} of {all} failed", text::count(counts.failed as u64))
        }
    };
    if counts.skipped > 0 {
        said += &format!(", {} skipped by a condition", text::count(counts.skipped as u64));
    }
    if not_run > 0 {
        said += &format!(", {} never started", text::count(not_run as u64));
    }
    if let Some(undo) = report.undo_summary() {
        said += &format!("; {undo}");
    }
    if let Some(reason) = report.stopped() {
        said += &format!(". The run was stopped: {}", text::line(reason, 400));
    }
    said + "."
}

fn about(report: &Report) -> Vec<String> {
    let mut about = vec![match report.max_parallel() {
        Some(limit) => format!("at most {limit} at once"),
        None => "no limit on parallel tasks".to_owned(),
    }];
    if let Some(run) = report.run() {
        // To the second, as a person says it: the rest of the RFC 3339 form is for programs.
        let began = run.wall().to_string().replace('T', " ");
        about.push(format!("began {} UTC", began.split('.').next().unwrap_or_default()));
        about.push(format!("run {run}"));
    }
    // Where something was undone they stand beside it.
    if report.undo().is_none() {
        about.extend(report.checkpoints().iter().take(MOST_CHECKPOINTS).map(|made| format!("checkpoint {made}")));
    }
    about
}

fn facts(report: &Report) -> Vec<Fact> {
    let mut facts = vec![Fact {
        label: "Time",
        value: Short(report.makespan()).to_string(),
        note: match report.makespan().saturating_sub(report.worked()) {
            undo if undo.is_zero() => format!("{} of work", text::unbroken(Short(report.serial()))),
            undo => format!(
                "{} of work, then {} of undo",
                text::unbroken(Short(report.serial())),
                text::unbroken(Short(undo))
            ),
        },
    }];
    if let Some(speedup) = report.speedup() {
        let note = "against one after the other".to_owned();
        facts.push(Fact { label: "Speed-up", value: format!("{speedup:.1} ×"), note });
    }
    if let Some(share) = report.utilisation() {
        let workers = report.max_parallel().map_or(report.peak() as u64, u64::from);
        let note = format!("of {}, at most {} busy", text::counted(workers, "worker"), report.peak());
        facts.push(Fact { label: "Utilisation", value: format!("{:.0} %", 100.0 * share), note });
    }
    if let Some(ratio) = report.over_lower_bound() {
        let note = format!("no order could beat {}", text::unbroken(Short(report.lower_bound())));
        facts.push(Fact { label: "Over the lower bound", value: format!("{ratio:.2} ×"), note });
    }
    if !report.usage().is_empty() {
        let models = report.usage().models();
        let note = match models {
            [one] => text::line(&one.model, 60),
            _ => text::counted(models.len() as u64, "model"),
        };
        facts.push(Fact { label: "Tokens", value: text::count(report.usage().total_tokens()), note });
    }
    if let Some(cost) = report.cost() {
        let note = match report.unpriced() {
            0 => "by the price list".to_owned(),
            some => format!("without {} that no price is known for", text::counted(some as u64, "task")),
        };
        facts.push(Fact { label: "Cost", value: cost.to_string(), note });
    }
    facts.extend(shared(report));
    facts
}

/// What the shared context was good for.
fn shared(report: &Report) -> Option<Fact> {
    let context = report.context();
    let value = match (context.hits as u64, context.known as u64) {
        (0, 0) => return None,
        (hits, 0) => text::counted(hits, "hit"),
        (0, known) => format!("{} known", text::counted(known, "task")),
        (hits, known) => format!("{}, {} known", text::counted(hits, "hit"), text::counted(known, "task")),
    };
    // Tokens stand where there is no price.
    let brief = |cost: &Cost| {
        let usage = if cost.money.is_some() { Usage::default() } else { cost.usage.clone() };
        text::unbroken(ShortCost(&Cost { usage, ..cost.clone() }))
    };
    let made = if context.made == 0 { String::new() } else { format!(", made for {}", brief(&context.spent)) };
    Some(Fact { label: "Shared context", value, note: format!("avoided {}{made}", brief(&context.avoided)) })
}

fn failures(report: &Report) -> (Vec<Trouble>, usize) {
    let failed = || report.tasks().filter(|task| task.state() == TaskState::Failed);
    let mut held_up = vec![0u64; report.graph().len()];
    for task in report.tasks() {
        if let Some(SkipReason::Upstream(cause)) = task.skip_reason()
            && let Some(count) = held_up.get_mut(root_cause(report, *cause).index())
        {
            *count += 1;
        }
    }
    let listed = failed().take(MOST_TROUBLES).map(|task| {
        let kind = task.failure().map_or("failed", |failure| failure.kind.name());
        let mut about = match kind {
            "error" | "fatal" => "failed".to_owned(),
            kind => kind.to_owned(),
        };
        if task.attempts() > 1 {
            about += &format!(", {} attempts", task.attempts());
        }
        if task.task().options().allow_failure {
            about += ", allowed to";
        }
        if let Some(&count) = held_up.get(task.ix().index())
            && count > 0
        {
            about += &format!(", held up {}", text::counted(count, "other task"));
        }
        let message = task.error().unwrap_or(Cow::Borrowed("it gave no reason")).into_owned();
        Trouble { task: Some(task.ix().index()), about, message }
    });
    (listed.collect(), failed().count().saturating_sub(MOST_TROUBLES))
}

/// What each agent was expected to cost beside what it did, where anything was expected.
fn costs(report: &Report) -> Vec<[String; 4]> {
    if report.agents().iter().all(|agent| agent.estimated.is_none()) {
        return Vec::new();
    }
    let money = |usd: Option<Usd>| usd.map_or_else(|| "–".to_owned(), |usd| usd.to_fixed(4));
    let row = |of: &AgentCost| {
        let name = of.agent.clone().unwrap_or_else(|| "no agent".to_owned());
        let over = of.over_percent().map(|over| format!("{over:+} %")).unwrap_or_default();
        [text::line(&name, 60), money(of.estimated), money(of.real), over]
    };
    report.agents().iter().take(MOST_TROUBLES).map(row).collect()
}

fn undone(report: &Report) -> Option<Undone> {
    let undo = report.undo()?;
    let step = |step: &UndoStep| {
        let options = report.graph().task(step.task).options();
        let agent = options.undo.as_ref().and_then(|undo| undo.agent.as_ref()).or(options.agent.as_ref());
        let mark = match step.state {
            UndoState::Undone => Mark::Undone,
            UndoState::Failed => Mark::Failed,
            UndoState::Running => Mark::Running,
            UndoState::Pending | UndoState::Left => Mark::Pending,
        };
        let mut about = match step.state {
            UndoState::Failed => "could not be undone".to_owned(),
            UndoState::Left => "left as it is".to_owned(),
            state => state.name().to_owned(),
        };
        if let Some(agent) = agent.filter(|_| step.attempts > 0) {
            about += &format!(" by {agent}");
        }
        if let (Some(from), Some(to)) = (step.started, step.finished) {
            about += &format!(" in {}", text::unbroken(Short(to.saturating_sub(from))));
        }
        if step.attempts > 1 {
            about += &format!(", {} attempts", step.attempts);
        }
        let task = step.task.index();
        let mut attempts: Vec<Attempt> = step
            .failed_attempts
            .iter()
            .map(|attempt| Attempt {
                task,
                number: attempt.number,
                span: span(attempt.started, attempt.finished),
                mark: Mark::Retried,
            })
            .collect();
        if let Some(from) = step.last_started.filter(|_| step.attempts as usize > attempts.len()) {
            let to = step.finished.unwrap_or(report.makespan());
            attempts.push(Attempt { task, number: step.attempts, span: span(from, to), mark });
        }
        UndoneStep {
            task,
            mark,
            about,
            what: options.undo.as_ref().map(|undo| undo.description.clone()).unwrap_or_default(),
            message: step.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default(),
            attempts,
        }
    };
    Some(Undone {
        summary: report.undo_summary().unwrap_or_default(),
        began: nanos(undo.began),
        steps: undo.steps.iter().map(step).collect(),
        checkpoints: report.checkpoints().iter().map(ToString::to_string).collect(),
        kept: undo.kept.iter().map(|&(task, why)| (task.index(), report.why_kept(task, why))).collect(),
    })
}

/// A task that never started because of another may itself have been that other's reason.
fn root_cause(report: &Report, mut cause: TaskIx) -> TaskIx {
    // A task waits only for others before it, so this ends; the bound is for events that were tampered with.
    for _ in 0..report.graph().len() {
        if cause.index() >= report.graph().len() {
            break;
        }
        match report.task(cause).skip_reason() {
            Some(&SkipReason::Upstream(earlier)) => cause = earlier,
            _ => break,
        }
    }
    cause
}

fn warnings(report: &Report) -> (Vec<Trouble>, usize) {
    let of_graph = report.graph().warnings().iter().map(|problem| Trouble {
        task: None,
        about: problem.path.clone(),
        message: problem.message.clone(),
    });
    let of_run = report.warnings().iter().map(|warning| Trouble {
        task: warning.task.map(TaskIx::index).filter(|&ix| ix < report.graph().len()),
        about: format!("after {}", Short(warning.at)),
        message: warning.message.clone(),
    });
    let listed: Vec<Trouble> = of_graph.chain(of_run).take(MOST_TROUBLES).collect();
    let all = report.graph().warnings().len() + report.warnings().len() + report.warnings_left_out();
    let left_out = all - listed.len();
    (listed, left_out)
}

fn attempts<'a>(report: &Report, task: TaskResult<'a>) -> impl Iterator<Item = Attempt> + use<'a> {
    let ix = task.ix().index();
    let failed = task.failed_attempts();
    let repeated = failed.iter().map(move |attempt| Attempt {
        task: ix,
        number: attempt.number,
        span: span(attempt.started, attempt.finished),
        mark: Mark::Retried,
    });
    // Between two attempts a pending task has none under way.
    let last = (task.attempts() as usize > failed.len()).then(|| {
        let end = task.finished().unwrap_or(report.makespan());
        let before = failed.iter().map(|attempt| attempt.finished.saturating_sub(attempt.started)).sum();
        let start = end.saturating_sub(task.duration().saturating_sub(before));
        Attempt { task: ix, number: task.attempts(), span: span(start, end), mark: task.state().into() }
    });
    repeated.chain(last)
}

fn span(start: Duration, end: Duration) -> Span {
    Span { start: nanos(start), end: nanos(end.max(start)) }
}

fn path_note(report: &Report, steps: &[PathStep]) -> String {
    let waited: Duration = steps.iter().map(|step| step.waited).sum();
    let (took, shown) = (report.worked(), Short(report.worked()));
    let ran = took.saturating_sub(waited);
    match steps {
        [] => String::new(),
        _ if waited * 100 < took => format!("decided the {shown} of this run"),
        _ => format!("decided when this run ended: {} of running, {} of waiting between", Short(ran), Short(waited)),
    }
}

/// Failed tasks first, then by start; of more tasks than a page lists, also the repeated ones come first.
fn rows<'a>(report: &'a Report, levels: &[usize]) -> Vec<Row<'a>> {
    let crowded = report.graph().len() > MOST_ROWS;
    let mut order: Vec<TaskResult<'a>> = report.tasks().collect();
    order.sort_by_key(|task| {
        let first = match task.state() {
            TaskState::Failed => 0,
            TaskState::Running => 1,
            _ if crowded && task.attempts() > 1 => 2,
            _ => 3,
        };
        (first, task.started().is_none(), task.started(), task.ix())
    });
    order.truncate(MOST_ROWS);
    order.into_iter().map(|task| row(report, task, levels)).collect()
}

fn row<'a>(report: &'a Report, task: TaskResult<'a>, levels: &[usize]) -> Row<'a> {
    let ran = task.attempts() > 0;
    let end = task.finished().unwrap_or(report.makespan());
    let mut more = Vec::new();
    let mut say = |label, value: Option<String>| more.extend(value.map(|value| (label, value)));
    say("Level", levels.get(task.ix().index()).map(|level| (level + 1).to_string()));
    say("Agent", task.task().options().agent.clone());
    say("Undo", task.undo().map(|step| step.state.name().to_owned()));
    say("Tokens", task.usage().map(|usage| text::count(usage.total_tokens())));
    say("Cost", task.cost().map(|cost| cost.to_string()));
    say("Known already", task.saved().map(|saved| format!("not run, saves {}", ShortCost(saved))));
    for wait in task.waits().iter().take(12) {
        say("Waited", Some(wait.to_string()));
    }
    say("Restored", task.is_restored().then(|| "not run, but taken over from a checkpoint".to_owned()));
    say("Not known", task.missed().map(|why| text::line(&why.to_string(), 240)));
    for read in task.reads().iter().take(12) {
        let key = text::line(&read.key, 60);
        say(
            "Read",
            Some(match &read.saved {
                Some(saved) => format!("{key}, saves {}", ShortCost(saved)),
                None => format!("{key}, which was not there any more"),
            }),
        );
    }
    for attempt in task.failed_attempts().iter().take(3) {
        let lasted = Short(attempt.finished.saturating_sub(attempt.started));
        let first = start(attempt.failure.message.trim().lines().next().unwrap_or_default(), MOST_OUTPUT);
        say("Repeated", Some(format!("attempt {} failed after {lasted}: {first}", attempt.number)));
    }
    Row {
        task: task.ix().index(),
        attempts: task.attempts(),
        queued: ran.then(|| nanos(task.queued())),
        start: task.started().map(nanos),
        duration: ran.then(|| nanos(task.duration())),
        span: task.started().map(|start| span(start, end)),
        error: task.remark().unwrap_or_default(),
        output: output(task.output()),
        more,
    }
}

/// The beginning of an output: text as it is, other JSON laid out.
fn output(output: &Output) -> Cow<'_, str> {
    match output.json() {
        None if output.is_nothing() => Cow::Borrowed(""),
        None => Cow::Borrowed("a value of the program's own, which has no text"),
        Some(serde_json::Value::String(text)) => Cow::Borrowed(start(text, MOST_OUTPUT)),
        Some(value) => {
            let compact = value.to_string();
            let laid_out = if compact.len() < 80 { compact } else { format!("{value:#}") };
            Cow::Owned(start(&laid_out, MOST_OUTPUT).to_owned())
        }
    }
}

fn start(text: &str, most: usize) -> &str {
    let end = text.char_indices().map(|(at, _)| at).take_while(|&at| at <= most).last().unwrap_or(0);
    if text.len() <= most { text } else { text.get(..end).unwrap_or_default() }
}
