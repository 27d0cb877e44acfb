//! A report as JSON, and JSON that is safe to show.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    definition::GraphHash,
    event::{CostForm, FailureKind, Kept, Miss, RunState, SkipReason, TaskState},
    id::{RunId, TaskId, is_unprintable},
    report::{
        AgentCost, ContextUse, Earlier, LockWait, MadeCheckpoint, PathStep, Report, TaskResult, UndoReport, UndoState,
        UndoStep,
    },
    units::{Millis, Usage, Usd},
};

/// The form is that of [`json`].
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.counts();
        Form {
            version: 1,
            run: self.run(),
            graph: self.graph().name(),
            graph_hash: self.graph().hash(),
            state: self.state(),
            stopped: self.stopped(),
            max_parallel: self.max_parallel(),
            peak: self.peak(),
            makespan_ms: Millis(self.makespan()),
            serial_ms: Millis(self.serial()),
            lower_bound_ms: Millis(self.lower_bound()),
            over_lower_bound: self.over_lower_bound().map(four_decimals),
            speedup: self.speedup().map(four_decimals),
            utilisation: self.utilisation().map(four_decimals),
            counts: CountsForm {
                total: counts.total(),
                succeeded: counts.succeeded,
                failed: counts.failed,
                skipped: counts.skipped,
                cancelled: counts.cancelled,
                undone: counts.undone,
                running: counts.running,
                pending: counts.pending,
            },
            critical_path: self.critical_path().iter().map(|step| StepForm::new(self, step)).collect(),
            tokens: self.usage().total_tokens(),
            usage: self.usage(),
            cost_usd: self.cost().map(|cost| cost.dollars()),
            unpriced: self.unpriced(),
            agents: self.agents().iter().map(AgentForm::new).collect(),
            earlier: self.earlier().map(EarlierForm::new),
            context: ContextForm::new(&self.context()),
            warnings: self
                .warnings()
                .iter()
                .map(|warning| WarningForm {
                    at_ms: Millis(warning.at),
                    task: warning.task.and_then(|ix| self.graph().tasks().get(ix.index())).map(|task| task.id()),
                    message: &warning.message,
                })
                .collect(),
            warnings_left_out: self.warnings_left_out(),
            checkpoints: self.checkpoints().iter().map(|made| CheckpointForm::new(self, made)).collect(),
            undo: self.undo().map(|undo| UndoForm::new(self, undo)),
            tasks: Tasks(self),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct Form<'a> {
    version: u8,
    run: Option<RunId>,
    graph: &'a str,
    graph_hash: GraphHash,
    state: RunState,
    stopped: Option<&'a str>,
    max_parallel: Option<u32>,
    peak: usize,
    makespan_ms: Millis,
    serial_ms: Millis,
    lower_bound_ms: Millis,
    over_lower_bound: Option<f64>,
    speedup: Option<f64>,
    utilisation: Option<f64>,
    counts: CountsForm,
    critical_path: Vec<StepForm<'a>>,
    tokens: u64,
    usage: &'a Usage,
    cost_usd: Option<f64>,
    unpriced: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    agents: Vec<AgentForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier: Option<EarlierForm<'a>>,
    context: ContextForm,
    warnings: Vec<WarningForm<'a>>,
    warnings_left_out: usize,
    checkpoints: Vec<CheckpointForm<'a>>,
    undo: Option<UndoForm<'a>>,
    tasks: Tasks<'a>,
}

/// What an agent was expected to cost, and what it did.
#[derive(Serialize)]
struct AgentForm<'a> {
    agent: Option<&'a str>,
    tasks: usize,
    estimated_usd: Option<f64>,
    learned: usize,
    cost_usd: Option<f64>,
    tokens: u64,
}

impl<'a> AgentForm<'a> {
    fn new(of: &'a AgentCost) -> Self {
        let AgentCost { agent, tasks, estimated, learned, real, tokens } = of;
        let usd = |usd: &Option<Usd>| usd.map(Usd::dollars);
        let (estimated_usd, cost_usd) = (usd(estimated), usd(real));
        Self { agent: agent.as_deref(), tasks: *tasks, estimated_usd, learned: *learned, cost_usd, tokens: *tokens }
    }
}

#[derive(Serialize)]
struct EarlierForm<'a> {
    parts: u32,
    time_ms: Millis,
    tokens: u64,
    usage: &'a Usage,
    cost_usd: Option<f64>,
}

impl<'a> EarlierForm<'a> {
    fn new(earlier: &'a Earlier) -> Self {
        let Earlier { parts, cost } = earlier;
        let cost_usd = cost.money.map(|cost| cost.dollars());
        Self {
            parts: *parts,
            time_ms: Millis(cost.time),
            tokens: cost.usage.total_tokens(),
            usage: &cost.usage,
            cost_usd,
        }
    }
}

#[derive(Serialize)]
struct CheckpointForm<'a> {
    name: &'a str,
    at_ms: Millis,
    tasks: Vec<&'a TaskId>,
}

impl<'a> CheckpointForm<'a> {
    fn new(report: &'a Report, made: &'a MadeCheckpoint) -> Self {
        let tasks = made.tasks.iter().map(|&task| report.graph().id(task)).collect();
        Self { name: &made.name, at_ms: Millis(made.at), tasks }
    }
}

#[derive(Serialize)]
struct UndoForm<'a> {
    began_ms: Millis,
    steps: Vec<UndoStepForm<'a>>,
    kept: Vec<KeptForm<'a>>,
}

#[derive(Serialize)]
struct UndoStepForm<'a> {
    id: &'a TaskId,
    state: UndoState,
    attempts: u32,
    started_ms: Option<Millis>,
    finished_ms: Option<Millis>,
    error: Option<&'a str>,
    error_kind: Option<&'static str>,
    output: Option<&'a Value>,
}

#[derive(Serialize)]
struct KeptForm<'a> {
    id: &'a TaskId,
    why: Kept,
}

impl<'a> UndoForm<'a> {
    fn new(report: &'a Report, undo: &'a UndoReport) -> Self {
        let step = |step: &'a UndoStep| UndoStepForm {
            id: report.graph().id(step.task),
            state: step.state,
            attempts: step.attempts,
            started_ms: step.started.map(Millis),
            finished_ms: step.finished.map(Millis),
            error: step.failure.as_ref().map(|failure| failure.message.as_str()),
            error_kind: step.failure.as_ref().map(|failure| failure.kind.name()),
            output: step.output.json(),
        };
        Self {
            began_ms: Millis(undo.began),
            steps: undo.steps.iter().map(step).collect(),
            kept: undo.kept.iter().map(|&(task, why)| KeptForm { id: report.graph().id(task), why }).collect(),
        }
    }
}

#[derive(Serialize)]
struct CountsForm {
    total: usize,
    succeeded: usize,
    failed: usize,
    skipped: usize,
    cancelled: usize,
    undone: usize,
    running: usize,
    pending: usize,
}

#[derive(Serialize)]
struct StepForm<'a> {
    id: &'a TaskId,
    waited_ms: Millis,
    started_ms: Millis,
    finished_ms: Millis,
    worked_ms: Millis,
}

impl<'a> StepForm<'a> {
    fn new(report: &'a Report, step: &PathStep) -> Self {
        Self {
            id: report.graph().id(step.task),
            waited_ms: Millis(step.waited),
            started_ms: Millis(step.started),
            finished_ms: Millis(step.finished),
            worked_ms: Millis(step.worked),
        }
    }
}

#[derive(Serialize)]
struct WarningForm<'a> {
    at_ms: Millis,
    task: Option<&'a TaskId>,
    message: &'a str,
}

/// Written one by one: a million tasks need no second copy of themselves.
struct Tasks<'a>(&'a Report);

impl Serialize for Tasks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.tasks())
    }
}

#[derive(Serialize)]
struct TaskForm<'a> {
    id: &'a TaskId,
    state: TaskState,
    attempts: u32,
    ready_ms: Option<Millis>,
    queued_ms: Millis,
    started_ms: Option<Millis>,
    finished_ms: Option<Millis>,
    duration_ms: Millis,
    restored: bool,
    cached: bool,
    saved: Option<CostForm>,
    missed: Option<&'a Miss>,
    reads: Vec<ReadForm<'a>>,
    waits: Vec<WaitForm<'a>>,
    error: Option<&'a str>,
    error_kind: Option<&'static str>,
    skipped: Option<&'a str>,
    undo: Option<UndoState>,
    output: Option<&'a Value>,
    usage: Option<&'a Usage>,
    cost_usd: Option<f64>,
}

#[derive(Serialize)]
struct ReadForm<'a> {
    key: &'a str,
    saved: Option<CostForm>,
}

#[derive(Serialize)]
struct WaitForm<'a> {
    resource: &'a str,
    holder: Option<&'a str>,
    since_ms: Millis,
    waited_ms: Option<Millis>,
}

impl<'a> From<&'a LockWait> for WaitForm<'a> {
    fn from(wait: &'a LockWait) -> Self {
        Self {
            resource: wait.resource.as_str(),
            holder: wait.holder.as_deref(),
            since_ms: Millis(wait.since),
            waited_ms: wait.waited.map(Millis),
        }
    }
}

#[derive(Serialize)]
struct ContextForm {
    made: usize,
    spent: CostForm,
    hits: usize,
    misses: usize,
    known: usize,
    avoided: CostForm,
    net_ms: f64,
    net_usd: Option<f64>,
}

impl ContextForm {
    fn new(context: &ContextUse) -> Self {
        Self {
            made: context.made,
            spent: CostForm::from(&context.spent),
            hits: context.hits,
            misses: context.misses,
            known: context.known,
            avoided: CostForm::from(&context.avoided),
            net_ms: (context.net_seconds() * 1e6).round() / 1e3,
            net_usd: context.net_usd(),
        }
    }
}

/// As an entry of `tasks` in the report's JSON.
impl Serialize for TaskResult<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TaskForm {
            id: self.id(),
            state: self.state(),
            attempts: self.attempts(),
            ready_ms: self.ready().map(Millis),
            queued_ms: Millis(self.queued()),
            started_ms: self.started().map(Millis),
            finished_ms: self.finished().map(Millis),
            duration_ms: Millis(self.duration()),
            restored: self.is_restored(),
            cached: self.saved().is_some(),
            saved: self.saved().map(CostForm::from),
            missed: self.missed(),
            reads: self
                .reads()
                .iter()
                .map(|read| ReadForm { key: &read.key, saved: read.saved.as_deref().map(CostForm::from) })
                .collect(),
            waits: self.waits().iter().map(WaitForm::from).collect(),
            error: self.error().as_deref(),
            error_kind: error_kind(self),
            skipped: match self.skip_reason() {
                Some(SkipReason::Condition(message)) => Some(message),
                _ => None,
            },
            undo: self.undo().map(|step| step.state),
            output: self.output().json(),
            usage: self.usage(),
            cost_usd: self.cost().map(|cost| cost.dollars()),
        }
        .serialize(serializer)
    }
}

fn error_kind(task: &TaskResult<'_>) -> Option<&'static str> {
    match (task.failure(), task.skip_reason()) {
        (Some(failure), _) => Some(FailureKind::name(failure.kind)),
        (None, Some(SkipReason::Upstream(_))) => Some("upstream"),
        (None, Some(SkipReason::Stopped)) => Some("stopped"),
        (None, Some(SkipReason::Condition(_)) | None) => None,
    }
}

fn four_decimals(ratio: f64) -> f64 {
    (ratio * 1e4).round() / 1e4
}

/// The report as JSON on several lines, with a line break at the end.
///
/// The form is version 1. Times are numbers of [milliseconds](Millis) since the start of the run, durations too; money is in US dollars. New
/// fields may be added without a new version.
///
/// | Field | |
/// |---|---|
/// | `version` | 1 |
/// | `run` | the run's name; null before it began |
/// | `graph`, `graph_hash` | name and content hash of the graph, with the tasks that the run added |
/// | `state` | `running`, `succeeded`, `failed`, `cancelled` |
/// | `stopped` | why it ended before its time, or null |
/// | `max_parallel`, `peak` | how many tasks might run at once (null: no limit), and did |
/// | `makespan_ms`, `serial_ms`, `lower_bound_ms` | how long it took; the sum of all durations; the best any order could reach |
/// | `over_lower_bound`, `speedup`, `utilisation` | ratios, four decimals; null when nothing took time |
/// | `counts` | tasks by state |
/// | `critical_path` | `[{id, waited_ms, started_ms, finished_ms, worked_ms}]`: the chain that decided how long it took |
/// | `tokens`, `usage` | tokens used in all, and by model |
/// | `cost_usd`, `unpriced` | the cost, or null; tasks whose usage has no price |
/// | `earlier` | only of a resumed run: `{parts, time_ms, tokens, usage, cost_usd}`, what its earlier parts took; all else is of this part |
/// | `context` | `{made, spent, hits, misses, known, avoided, net_ms, net_usd}`: shared values that the run made and what they cost; reads that found and did not find theirs; tasks that were not run; what those and the hits would have cost; the difference |
/// | `warnings`, `warnings_left_out` | `[{at_ms, task, message}]`, and how many more there were |
/// | `checkpoints` | `[{name, at_ms, tasks}]`: the moments to which one can go back, and what had ended by then |
/// | `undo` | null if there was nothing to undo, else `{began_ms, steps: [{id, state, attempts, started_ms, finished_ms, error, error_kind, output}], kept: [{id, why}]}`, steps in the order in which they are undone |
/// | `tasks` | `[{id, state, attempts, ready_ms, queued_ms, started_ms, finished_ms, duration_ms, restored, cached, saved, missed, reads, waits, error, error_kind, skipped, undo, output, usage, cost_usd}]`, in the order of definition |
///
/// Of a task: `ready_ms`, `started_ms` are null if it never started, `finished_ms` until it ended; `duration_ms` is the time
/// inside its attempts; `error` and `error_kind` (`error`, `fatal`, `timeout`, `idle`, `panic`, `cancelled`, `upstream`,
/// `stopped`, `validation`, `circuit_open`, `lock_timeout`, `lease_expired`) say why it failed or was cancelled; `undo` (`pending`, `running`, `undone`, `failed`,
/// `left`) what became of its undo; `skipped` says which condition did not hold; `restored`: it was not run, but taken over
/// from a checkpoint; `cached`: it was not run, since what it would make was known, and `saved` is what that had cost; `missed`
/// says why it had to be run although it shares what it makes, as in the event `task_missed`; `reads` are the shared values that it read,
/// `[{key, saved}]`, where null means that the value was not there any more; `waits` are its waits for what it claims,
/// `[{resource, holder, since_ms, waited_ms}]`, part of `queued_ms`. What does not apply is null.
///
/// A cost is `{time_ms, tokens, cost_usd}`, the last one null where no price is known.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, report::render};
///
/// let report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
/// assert!(render::json(&report).starts_with("{\n  \"version\": 1,\n  \"run\": null,"));
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn json(report: &Report) -> String {
    pretty_json(report)
}

/// Any value as JSON on one line, without a line break. Characters that could move a terminal's cursor or reorder text are
/// written as `\u....`, so that the text is as safe to show as to parse.
///
/// A value that JSON cannot hold (a map with keys that are no text) gives `null`; no type of this crate is one.
pub fn json_line<T: Serialize + ?Sized>(value: &T) -> String {
    visible(plain_line(value))
}

/// Any value as JSON on several lines, with a line break at the end; else as [`json_line`].
pub fn pretty_json<T: Serialize + ?Sized>(value: &T) -> String {
    visible(serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned())) + "\n"
}

/// One line in which terminals may still find something to act on.
pub(super) fn plain_line<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// JSON with every character written so that a terminal shows it.
pub(super) fn visible(json: String) -> String {
    // Outside of its strings, JSON has no such character but the line breaks between its lines.
    let hidden = |char| char != '\n' && is_unprintable(char);
    if !json.contains(hidden) {
        return json;
    }
    let mut text = String::with_capacity(json.len() + 16);
    for char in json.chars() {
        if hidden(char) {
            // All of them are below U+10000: one unit.
            text.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            text.push(char);
        }
    }
    text
}

#[cfg(test)]
mod tests;
