//! `orch plan`: what would run, in which order, for how long.

use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    args::{self, PlanFormat},
    config::Config,
    exit::Exit,
    run::{
        MAX_PARALLEL,
        agents::{claim_models, with_file},
    },
    source::{self, Loaded},
    store,
    streams::{Console, Paint},
};
use crate::{
    clock::Clock,
    cost,
    definition::{Graph, Rollback, Undo, export},
    error::{Problem, Result},
    id::{Printable, TaskId, TaskIx},
    plan::{Assigned, History, Learned, LearnedBy, Plan, PlanOptions},
    report::{Short, render},
    run::{Rules, simulate},
    session::{AgainForm, Resume, ResumeForm, deal},
    store::Store,
    units::Millis,
};

/// How many tasks of a level, and how many levels, the text form names. The JSON form names all.
const SHOWN: usize = 40;

/// Runs `orch plan`.
pub(super) fn main(args: &args::Plan, config: &Config, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let format = if args.json { PlanFormat::Json } else { args.format };
    let max_parallel = args.max_parallel.or(config.run.max_parallel).unwrap_or(MAX_PARALLEL);
    let loaded = source::load(&args.source, &config.run, Vec::new());
    let Loaded { graph: Some(graph), problems, .. } = &loaded else {
        if format == PlanFormat::Json {
            console.json(&Form { problems: &loaded.problems, ..Form::default() });
        }
        loaded.complain(console);
        return Ok(Exit::Bad);
    };
    let known = (config.agents.clone(), config.models.clone());
    let (agents, models) = match &args.agents {
        Some(path) => with_file(known, path)?,
        None => known,
    };
    if let Some(named) = &args.resume {
        let store = store::open_present(args.place.store.as_deref(), here)?;
        let row = store::find(&store, named, Some(&store::source(&args.source.file)))?;
        let (graph, _) = deal(graph, agents.candidates(), Some(&store), Some(row.run), &config.prices)?;
        let graph = claim_models(graph, &agents, &models)?;
        let resume = Resume::load(&store, row.run, Some(&graph), None, Some(here))?;
        if format == PlanFormat::Json {
            console.json(&resume.form());
        } else {
            console.result(&resumed(&resume));
        }
        return Ok(Exit::Done);
    }
    let store = args.place.store.as_deref().map(|named| store::open_present(Some(named), here)).transpose()?;
    let history = store.as_ref().map(|store| store::history(store, &args.source.file, config)).transpose()?;
    let (graph, assigned) = match agents.is_empty() {
        // Nobody to choose from: what the tasks need is shown all the same.
        true => (graph.clone(), Vec::new()),
        false => {
            let past = store.as_ref().map(|store| store as &dyn Store);
            deal(graph, agents.candidates(), past, None, &config.prices)?
        }
    };
    let graph = &claim_models(graph, &agents, &models)?;
    let plan = planned(graph, max_parallel, history)?;
    let forecast = Forecast::new(&plan, max_parallel, config)?;
    match format {
        PlanFormat::Json => console.json(&Form::new(&plan, &forecast, &assigned, problems)),
        PlanFormat::Mermaid => console.result(&export::mermaid(graph, &[])),
        PlanFormat::Dot => console.result(&export::dot(graph, &[])),
        PlanFormat::Html => console.result(&render::html::plan(&plan)),
        PlanFormat::Text => {
            let mut text = text(&plan, &forecast, console.width_out(), console.paint_out());
            assigned.iter().take(SHOWN).for_each(|one| line(&mut text, &one.to_string()));
            console.result(&text);
        }
    }
    if format != PlanFormat::Json {
        problems.iter().for_each(|problem| console.note(source::line(problem, console.paint_err())));
    }
    Ok(Exit::Done)
}

/// How a run would go on, for a person.
fn resumed(resume: &Resume) -> String {
    let ResumeForm { run, kept, again, .. } = resume.form();
    let mut text = format!("run {run}: {} tasks are kept, {} are run\n", kept.len(), again.len());
    for AgainForm { task, why, .. } in again.iter().take(SHOWN) {
        writeln!(text, "  {task}: {why}").ok();
    }
    if let Some(more) = again.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(text, "  and {more} more; `--json` has them").ok();
    }
    text
}

/// The plan for that many workers.
fn planned(graph: &Graph, max_parallel: u32, history: Option<Arc<History>>) -> Result<Plan> {
    Plan::new(graph, &PlanOptions { workers: Some(max_parallel), history, ..PlanOptions::default() })
}

/// What the machine says on a virtual clock.
struct Forecast {
    max_parallel: u32,
    expected: Duration,
    /// With one worker more.
    one_more: Duration,
    /// Whether all workers are busy at some time. If not, one more has nothing to do.
    limited: bool,
    cost: cost::Forecast,
}

impl Forecast {
    fn new(plan: &Plan, max_parallel: u32, config: &Config) -> Result<Self> {
        let take = |max_parallel| {
            let plan = planned(plan.graph(), max_parallel, plan.options().history.clone())?;
            simulate(&plan, Rules { max_parallel, ..Rules::default() }, |task| plan.step(task).estimate)
        };
        let expected = take(max_parallel)?;
        let limited = expected.widest >= max_parallel;
        let one_more = if limited { take(max_parallel.saturating_add(1))? } else { expected };
        let cost = cost::forecast(plan, &config.prices, Clock::system().wall());
        Ok(Self { max_parallel, expected: expected.makespan, one_more: one_more.makespan, limited, cost })
    }
}

/// The JSON form, version 1. Without a graph (`problems` say why) the numbers are null.
#[derive(Default, Serialize)]
struct Form<'a> {
    version: Version,
    name: Option<&'a str>,
    tasks: Option<usize>,
    edges: Option<usize>,
    levels: Option<u32>,
    widest: Option<u32>,
    serial_ms: Option<Millis>,
    critical_path_ms: Option<Millis>,
    critical_path: Vec<&'a TaskId>,
    max_parallel: Option<u32>,
    lower_bound_ms: Option<Millis>,
    expected_ms: Option<Millis>,
    one_more_ms: Option<Millis>,
    cost: Option<CostForm<'a>>,
    steps: Vec<StepForm<'a>>,
    /// Who does the tasks that ask for a capability, and why.
    assigned: &'a [Assigned],
    problems: &'a [Problem],
}

/// The version of the form.
#[derive(Serialize)]
#[serde(transparent)]
struct Version(u8);

impl Default for Version {
    fn default() -> Self {
        Self(1)
    }
}

/// What it will cost, as far as anything is known.
#[derive(Serialize)]
struct CostForm<'a> {
    usd: String,
    p90_usd: String,
    learned: usize,
    expected: usize,
    unpriced: &'a [String],
}

impl<'a> CostForm<'a> {
    fn new(cost: &'a cost::Forecast) -> Self {
        let cost::Forecast { median, p90, learned, expected } = cost;
        let (usd, p90_usd) = (median.known.to_decimal(), p90.to_decimal());
        Self { usd, p90_usd, learned: *learned, expected: *expected, unpriced: &median.unknown }
    }
}

#[derive(Serialize)]
struct StepForm<'a> {
    id: &'a TaskId,
    agent: Option<&'a str>,
    capability: Option<&'a str>,
    after: Vec<&'a TaskId>,
    level: u32,
    estimate_ms: Millis,
    learned: Option<LearnedForm>,
    earliest_ms: Millis,
    slack_ms: Millis,
    undo: Option<&'a Undo>,
    rollback: Option<&'a Rollback>,
}

/// Where an estimate is from, if past runs taught it.
#[derive(Serialize)]
struct LearnedForm {
    runs: u32,
    by: LearnedBy,
    median_ms: Millis,
    p90_ms: Millis,
    cost_usd: Option<f64>,
}

impl From<Learned> for LearnedForm {
    fn from(learned: Learned) -> Self {
        let Learned { median, p90, runs, by, cost } = learned;
        let cost_usd = cost.map(|cost| cost.median.dollars());
        Self { runs, by, median_ms: Millis(median), p90_ms: Millis(p90), cost_usd }
    }
}

impl<'a> Form<'a> {
    fn new(plan: &'a Plan, forecast: &'a Forecast, assigned: &'a [Assigned], problems: &'a [Problem]) -> Self {
        let graph = plan.graph();
        let step = |ix: TaskIx| {
            let step = plan.step(ix);
            StepForm {
                id: graph.id(ix),
                agent: graph.task(ix).options().agent.as_deref(),
                capability: graph.task(ix).options().capability.as_deref(),
                after: graph.parents(ix).map(|parent| graph.id(parent)).collect(),
                level: step.level,
                estimate_ms: Millis(step.estimate),
                learned: plan.learned(ix).map(LearnedForm::from),
                earliest_ms: Millis(step.earliest),
                slack_ms: Millis(step.slack),
                undo: graph.task(ix).options().undo.as_ref(),
                rollback: graph.task(ix).options().rollback.as_ref(),
            }
        };
        Self {
            assigned,
            version: Version::default(),
            name: Some(graph.name()),
            tasks: Some(graph.len()),
            edges: Some(graph.edges()),
            levels: Some(plan.levels()),
            widest: Some(plan.widest()),
            serial_ms: Some(Millis(plan.serial())),
            critical_path_ms: Some(Millis(plan.critical())),
            critical_path: plan.critical_path().iter().map(|&ix| graph.id(ix)).collect(),
            max_parallel: Some(forecast.max_parallel),
            lower_bound_ms: Some(Millis(plan.lower_bound(Some(forecast.max_parallel)))),
            expected_ms: Some(Millis(forecast.expected)),
            one_more_ms: Some(Millis(forecast.one_more)),
            cost: Some(CostForm::new(&forecast.cost)),
            steps: graph.indices().map(step).collect(),
            problems,
        }
    }
}

fn text(plan: &Plan, forecast: &Forecast, width: usize, paint: Paint) -> String {
    let graph = plan.graph();
    let mut text = format!(
        "{}: {}, {}, {}, at most {} side by side\n",
        paint.strong(Printable(graph.name())),
        count(graph.len(), "task"),
        count(graph.edges(), "dependency"),
        count(plan.levels() as usize, "level"),
        plan.widest(),
    );
    let widths = graph.indices().map(|ix| {
        let shown = graph.id(ix).to_string();
        console::measure_text_width(&shown)
    });
    let column = widths.max().unwrap_or(0).min(40);
    let levels = plan.by_level();
    for (level, tasks) in (1..).zip(levels.iter().take(SHOWN)) {
        line(&mut text, &paint.dim(format_args!("\nlevel {level}")));
        for &ix in tasks.iter().take(SHOWN) {
            line(&mut text, task_line(plan, ix, column, paint).trim_end());
        }
        if let Some(more) = tasks.len().checked_sub(SHOWN).filter(|&more| more > 0) {
            line(&mut text, &format!("    and {more} more"));
        }
    }
    if let Some(more) = levels.len().checked_sub(SHOWN).filter(|&more| more > 0) {
        line(&mut text, &format!("\nand {}", count(more, "more level")));
    }
    let row = |name: &str, time: Duration, why: &str| format!("{name:<15}  {:>11}  {why}", Short(time).to_string());
    text.push('\n');
    line(&mut text, &row("one by one", plan.serial(), ""));
    line(&mut text, &row("critical path", plan.critical(), &path(plan, width)));
    let Forecast { max_parallel, expected, one_more, limited, cost } = forecast;
    let faster = if expected.is_zero() { 1.0 } else { plan.serial().as_secs_f64() / expected.as_secs_f64() };
    let speed = format!("{faster:.1} × as fast as one by one");
    line(&mut text, &row(&format!("{max_parallel} at once"), *expected, &speed));
    let saved = expected.saturating_sub(*one_more);
    let why = match (limited, saved.is_zero()) {
        (false, _) => "one more would have nothing to do".to_owned(),
        (true, true) => "one more would not help".to_owned(),
        (true, false) => format!("one more saves {}", Short(saved)),
    };
    line(&mut text, &row(&format!("{} at once", max_parallel.saturating_add(1)), *one_more, &why));
    if cost.learned + cost.expected > 0 {
        let (known, tasks) = (cost.learned + cost.expected, plan.graph().len());
        let why = format!("90% below {}; of {known} of {tasks} tasks, {} by past runs", cost.p90, cost.learned);
        line(&mut text, &format!("{:<15}  {:>11}  {why}", "cost", cost.median.known.to_string()));
        for model in &cost.median.unknown {
            line(&mut text, &format!("{:<15}  {:>11}  no price for `{}`", "", "", Printable(model)));
        }
    }
    text
}

fn task_line(plan: &Plan, ix: TaskIx, column: usize, paint: Paint) -> String {
    let (graph, step) = (plan.graph(), plan.step(ix));
    let name = graph.id(ix).to_string();
    let pad = " ".repeat(column.saturating_sub(console::measure_text_width(&name)));
    let mark = if step.slack.is_zero() { paint.warn('●') } else { " ".to_owned() };
    let mut text = format!("  {mark} {name}{pad}  {:>11}", Short(step.estimate).to_string());
    if !step.slack.is_zero() {
        let _ = write!(text, "{}", paint.dim(format_args!("  {} spare", Short(step.slack))));
    }
    if let Some(learned) = plan.learned(ix) {
        let runs = count(learned.runs as usize, "run");
        let _ = write!(text, "{}", paint.dim(format_args!("  learned from {runs}, p90 {}", Short(learned.p90))));
    }
    let options = graph.task(ix).options();
    if let Some(undo) = &options.undo {
        let agent = undo.agent.as_ref().or(options.agent.as_ref());
        let agent = agent.map(|agent| format!(" by {}", Printable(agent))).unwrap_or_default();
        let _ = write!(text, "{}", paint.dim(format_args!("  can be undone{agent}")));
    }
    text
}

/// The critical path in as many lines as it takes, each below the first.
fn path(plan: &Plan, width: usize) -> String {
    const INDENT: usize = 30;
    let names = plan.critical_path().iter().map(|&ix| plan.graph().id(ix).to_string());
    let more = plan.critical_path().len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("and {more} more"));
    let (mut text, mut column) = (String::new(), INDENT);
    for (nth, name) in names.take(SHOWN).chain(more).enumerate() {
        let name = if nth == 0 { name } else { format!("→ {name}") };
        let wide = console::measure_text_width(&name);
        if nth > 0 && column + 1 + wide > width {
            text += &format!("\n{}", " ".repeat(INDENT));
            column = INDENT;
        } else if nth > 0 {
            text.push(' ');
            column += 1;
        }
        text += &name;
        column += wide;
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// `1 task`, `2 tasks`, `2 dependencies`.
pub(super) fn count(number: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}
