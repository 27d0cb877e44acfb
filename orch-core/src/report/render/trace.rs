//! A report as a Chrome trace.

use std::{borrow::Cow, time::Duration};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::json::{plain_line, visible};
use crate::{
    event::TaskState,
    id::{Printable, TaskIx},
    report::{
        Report, TaskResult, UndoState,
        lanes::{Span, assign},
        model::nanos,
    },
    units::{Millis, Usd},
};

/// The most dependencies that are drawn as arrows: above, viewers show nothing but arrows.
const MOST_FLOWS: usize = 50_000;
const PROCESS: u32 = 1;
/// The thread of the run as a whole; workers follow.
const RUN: u32 = 0;

/// The run as a Chrome trace (JSON), which Perfetto and `chrome://tracing` open: one row a worker with a slice for each
/// attempt, a row for what was undone, arrows along the dependencies, a counter of the tasks that run, and marks for skipped tasks and warnings.
///
/// A run does not say which worker ran which task. Each attempt is given to the first row that is free, so that slices of
/// one row never overlap and the number of rows is the most attempts that ran at once. At most 50,000 arrows are drawn.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, report::render};
///
/// let report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
/// assert!(render::chrome_trace(&report).starts_with(r#"{"traceEvents":[{"name":"process_name","#));
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn chrome_trace(report: &Report) -> String {
    with_flows(report, MOST_FLOWS)
}

fn with_flows(report: &Report, most: usize) -> String {
    let mut trace = Trace::default();
    let (slices, lanes) = slices(report);
    trace.name_threads(report, lanes);
    trace.push(&TraceEvent {
        dur: Some(Micros(report.makespan())),
        args: Some(Args::Other(json!({"state": report.state(), "tasks": report.counts().total()}))),
        ..TraceEvent::new(Printable(report.graph().name()).to_string(), "X", Duration::ZERO, RUN)
    });
    for slice in &slices {
        trace.slice(&report.task(slice.task), slice);
    }
    // Arrows come after the slices that they join: a viewer binds them to what it has already read.
    trace.flows(report, &slices, most);
    trace.undo(report, lanes + 1);
    trace.marks(report);
    trace.running(&slices);
    let other = json!({
        "run": report.run(),
        "graph": report.graph().name(),
        "state": report.state(),
        "flows_left_out": trace.flows_left_out,
        "engine": concat!("orch ", env!("CARGO_PKG_VERSION")),
    });
    visible(format!(
        r#"{{"traceEvents":[{}],"displayTimeUnit":"ms","otherData":{}}}"#,
        trace.events,
        plain_line(&other)
    ))
}

/// One attempt on its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) task: TaskIx,
    pub(crate) attempt: u32,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// The row, from 0.
    pub(crate) lane: u32,
}

/// Every attempt in the order of their starts, each on the first row that is free; and how many rows that makes.
pub(crate) fn slices(report: &Report) -> (Vec<Slice>, u32) {
    let mut slices = Vec::new();
    for task in report.tasks() {
        let slice = |attempt, from, to| Slice { task: task.ix(), attempt, from, to, lane: 0 };
        let repeated = task.failed_attempts();
        slices.extend(repeated.iter().map(|attempt| slice(attempt.number, attempt.started, attempt.finished)));
        // While a task waits for its next attempt, the latest one is among those that failed.
        if let Some(from) = task.last_started().filter(|_| task.attempts() as usize > repeated.len()) {
            slices.push(slice(task.attempts(), from, task.finished().unwrap_or(report.makespan()).max(from)));
        }
    }
    slices.sort_by_key(|slice| (slice.from, slice.to, slice.task));
    let spans: Vec<Span> = slices.iter().map(|slice| Span { start: nanos(slice.from), end: nanos(slice.to) }).collect();
    let (lanes, count) = assign(&spans);
    for (slice, lane) in slices.iter_mut().zip(lanes) {
        slice.lane = lane;
    }
    (slices, count)
}

/// Events as they are written.
#[derive(Default)]
struct Trace {
    events: String,
    flows_left_out: usize,
}

impl Trace {
    fn push(&mut self, event: &TraceEvent<'_>) {
        if !self.events.is_empty() {
            self.events.push_str(",\n");
        }
        self.events.push_str(&plain_line(event));
    }

    fn name_threads(&mut self, report: &Report, lanes: u32) {
        let mut name = |what: &'static str, thread: u32, args: Value| {
            self.push(&TraceEvent {
                args: Some(Args::Other(args)),
                ..TraceEvent::new(what, "M", Duration::ZERO, thread)
            });
        };
        name("process_name", RUN, json!({"name": format!("orch: {}", Printable(report.graph().name()))}));
        for thread in 0..=lanes {
            let called = if thread == RUN { "run".to_owned() } else { format!("worker {thread}") };
            name("thread_name", thread, json!({"name": called}));
            name("thread_sort_index", thread, json!({"sort_index": thread}));
        }
    }

    fn slice(&mut self, task: &TaskResult<'_>, slice: &Slice) {
        let last = slice.attempt == task.attempts();
        let failure = task.failed_attempts().iter().find(|attempt| attempt.number == slice.attempt);
        let error = match failure {
            Some(attempt) => Some(Cow::Borrowed(attempt.failure.message.as_str())),
            None => task.error(),
        };
        self.push(&TraceEvent {
            cat: Some("task"),
            dur: Some(Micros(slice.to - slice.from)),
            args: Some(Args::Slice {
                state: if last { task.state() } else { TaskState::Failed },
                attempt: slice.attempt,
                queued_ms: Millis(task.queued()),
                error: error.as_deref(),
                tokens: task.usage().filter(|_| last).map(|usage| usage.total_tokens()),
                cost_usd: task.cost().filter(|_| last).map(Usd::dollars),
            }),
            ..TraceEvent::new(task.id().to_string(), "X", slice.from, slice.lane + 1)
        });
    }

    /// From the last attempt of a task to the first of each that waited for it.
    fn flows(&mut self, report: &Report, slices: &[Slice], most: usize) {
        let none = usize::MAX;
        let (mut first, mut last) = (vec![none; report.graph().len()], vec![none; report.graph().len()]);
        for (nth, slice) in slices.iter().enumerate() {
            let at = slice.task.index();
            if let (Some(first), Some(last)) = (first.get_mut(at), last.get_mut(at)) {
                *first = (*first).min(nth);
                *last = nth;
            }
        }
        let slice_of = |list: &[usize], ix: TaskIx| list.get(ix.index()).and_then(|&nth| slices.get(nth)).copied();
        let mut id = 0;
        for child in report.graph().indices() {
            let Some(to) = slice_of(&first, child) else { continue };
            for from in report.graph().parents(child).filter_map(|parent| slice_of(&last, parent)) {
                if id == most {
                    self.flows_left_out += 1;
                    continue;
                }
                id += 1;
                // An arrow belongs to the slice around its time: a nanosecond before the end is still inside.
                let leaves = from.to.saturating_sub(Duration::from_nanos(1)).max(from.from);
                for (phase, at, lane, bind) in [("s", leaves, from.lane, None), ("f", to.from, to.lane, Some("e"))] {
                    self.push(&TraceEvent {
                        cat: Some("dependency"),
                        id: Some(id),
                        bp: bind,
                        ..TraceEvent::new("needs", phase, at, lane + 1)
                    });
                }
            }
        }
    }

    /// What took no time: skipped and cancelled tasks, and warnings.
    fn marks(&mut self, report: &Report) {
        for task in report.tasks().filter(|task| task.started().is_none() && task.state() != TaskState::Pending) {
            self.push(&TraceEvent {
                s: Some("t"),
                args: task.remark().map(|remark| Args::Other(json!({"why": remark}))),
                ..TraceEvent::new(
                    format!("{} {}", task.state(), task.id()),
                    "I",
                    task.finished().unwrap_or_default(),
                    RUN,
                )
            });
        }
        for warning in report.warnings() {
            self.push(&TraceEvent {
                s: Some("t"),
                args: Some(Args::Other(json!({"message": warning.message}))),
                ..TraceEvent::new("warning", "I", warning.at, RUN)
            });
        }
    }

    /// The attempts to undo, on a row of their own: they run one after the other, when nothing else does.
    fn undo(&mut self, report: &Report, thread: u32) {
        let Some(undo) = report.undo() else { return };
        for (what, args) in
            [("thread_name", json!({"name": "undo"})), ("thread_sort_index", json!({"sort_index": thread}))]
        {
            let args = Some(Args::Other(args));
            self.push(&TraceEvent { args, ..TraceEvent::new(what, "M", Duration::ZERO, thread) });
        }
        for step in &undo.steps {
            let repeated = step.failed_attempts.len();
            let last = step.last_started.filter(|_| step.attempts as usize > repeated);
            let last = last.map(|from| {
                (step.attempts, from, step.finished.unwrap_or(report.makespan()).max(from), step.failure.as_ref())
            });
            let failed = step
                .failed_attempts
                .iter()
                .map(|attempt| (attempt.number, attempt.started, attempt.finished, Some(&attempt.failure)));
            for (attempt, from, to, failure) in failed.chain(last) {
                let state = if failure.is_some() { UndoState::Failed } else { step.state };
                let error = failure.map(|failure| failure.message.as_str());
                self.push(&TraceEvent {
                    cat: Some("undo"),
                    dur: Some(Micros(to.saturating_sub(from))),
                    args: Some(Args::Other(json!({"state": state, "attempt": attempt, "error": error}))),
                    ..TraceEvent::new(format!("undo {}", report.graph().id(step.task)), "X", from, thread)
                });
            }
        }
    }

    /// How many attempts ran at each moment.
    fn running(&mut self, slices: &[Slice]) {
        let mut changes: Vec<(Duration, i64)> =
            slices.iter().flat_map(|slice| [(slice.from, 1), (slice.to, -1)]).collect();
        changes.sort();
        let mut running = 0;
        for moment in changes.chunk_by(|a, b| a.0 == b.0) {
            running += moment.iter().map(|(_, change)| change).sum::<i64>();
            let Some(&(at, _)) = moment.first() else { continue };
            let args = Some(Args::Running { tasks: running });
            self.push(&TraceEvent { args, ..TraceEvent::new("running", "C", at, RUN) });
        }
    }
}

#[derive(Serialize)]
struct TraceEvent<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    ph: &'static str,
    ts: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<Micros>,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Args<'a>>,
}

/// What a viewer shows of an event. Those of which there may be millions are written without a map.
#[derive(Serialize)]
#[serde(untagged)]
enum Args<'a> {
    Slice {
        state: TaskState,
        attempt: u32,
        queued_ms: Millis,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tokens: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
    },
    Running {
        tasks: i64,
    },
    Other(Value),
}

impl<'a> TraceEvent<'a> {
    fn new(name: impl Into<Cow<'a, str>>, ph: &'static str, ts: Duration, tid: u32) -> Self {
        let (name, ts) = (name.into(), Micros(ts));
        Self { name, cat: None, ph, ts, dur: None, pid: PROCESS, tid, id: None, bp: None, s: None, args: None }
    }
}

/// A time in microseconds, to the nanosecond.
#[derive(Clone, Copy)]
struct Micros(Duration);

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        if nanos.is_multiple_of(1_000) {
            serializer.serialize_u64(nanos / 1_000)
        } else {
            serializer.serialize_f64(nanos as f64 / 1e3)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        definition::{Graph, Task},
        event::{EventKind, FailureKind, RunState, SkipReason},
        report::script::Script,
    };

    fn script() -> Script {
        let graph = Graph::builder("g\u{1b}")
            .task(Task::new("a"))
            .task(Task::new("b\"\u{202e}").after("a"))
            .task(Task::new("c").after("a"))
            .task(Task::new("d").after("c"))
            .build()
            .unwrap();
        Script::new(&graph, Some(2))
            .start(0, "a")
            .done(10, "a")
            .start(10, "b\"\u{202e}")
            .start(10, "c")
            .push(11, EventKind::Warning { task: None, message: "odd".into() })
            .retry(12, "c", "first\ntry", None)
            .start_after(20, "c", 2, 3)
            .done(25, "b\"\u{202e}")
            .fail(30, "c", FailureKind::Error, "second try")
            .skip(30, "d", SkipReason::Upstream(TaskIx(2)))
            .end(31, RunState::Failed)
    }

    #[test]
    fn a_trace_has_slices_arrows_marks_and_a_counter() {
        insta::assert_snapshot!(chrome_trace(&script().report()), @r#"
        {"traceEvents":[{"name":"process_name","ph":"M","ts":0,"pid":1,"tid":0,"args":{"name":"orch: g\\u{1b}"}},
        {"name":"thread_name","ph":"M","ts":0,"pid":1,"tid":0,"args":{"name":"run"}},
        {"name":"thread_sort_index","ph":"M","ts":0,"pid":1,"tid":0,"args":{"sort_index":0}},
        {"name":"thread_name","ph":"M","ts":0,"pid":1,"tid":1,"args":{"name":"worker 1"}},
        {"name":"thread_sort_index","ph":"M","ts":0,"pid":1,"tid":1,"args":{"sort_index":1}},
        {"name":"thread_name","ph":"M","ts":0,"pid":1,"tid":2,"args":{"name":"worker 2"}},
        {"name":"thread_sort_index","ph":"M","ts":0,"pid":1,"tid":2,"args":{"sort_index":2}},
        {"name":"g\\u{1b}","ph":"X","ts":0,"dur":31000,"pid":1,"tid":0,"args":{"state":"failed","tasks":4}},
        {"name":"a","cat":"task","ph":"X","ts":0,"dur":10000,"pid":1,"tid":1,"args":{"state":"succeeded","attempt":1,"queued_ms":0}},
        {"name":"c","cat":"task","ph":"X","ts":10000,"dur":2000,"pid":1,"tid":1,"args":{"state":"failed","attempt":1,"queued_ms":3,"error":"first\ntry"}},
        {"name":"b\"\\u{202e}","cat":"task","ph":"X","ts":10000,"dur":15000,"pid":1,"tid":2,"args":{"state":"succeeded","attempt":1,"queued_ms":0}},
        {"name":"c","cat":"task","ph":"X","ts":20000,"dur":10000,"pid":1,"tid":1,"args":{"state":"failed","attempt":2,"queued_ms":3,"error":"second try"}},
        {"name":"needs","cat":"dependency","ph":"s","ts":9999.999,"pid":1,"tid":1,"id":1},
        {"name":"needs","cat":"dependency","ph":"f","ts":10000,"pid":1,"tid":2,"id":1,"bp":"e"},
        {"name":"needs","cat":"dependency","ph":"s","ts":9999.999,"pid":1,"tid":1,"id":2},
        {"name":"needs","cat":"dependency","ph":"f","ts":10000,"pid":1,"tid":1,"id":2,"bp":"e"},
        {"name":"cancelled d","ph":"I","ts":30000,"pid":1,"tid":0,"s":"t","args":{"why":"`c` did not succeed"}},
        {"name":"warning","ph":"I","ts":11000,"pid":1,"tid":0,"s":"t","args":{"message":"odd"}},
        {"name":"running","ph":"C","ts":0,"pid":1,"tid":0,"args":{"tasks":1}},
        {"name":"running","ph":"C","ts":10000,"pid":1,"tid":0,"args":{"tasks":2}},
        {"name":"running","ph":"C","ts":12000,"pid":1,"tid":0,"args":{"tasks":1}},
        {"name":"running","ph":"C","ts":20000,"pid":1,"tid":0,"args":{"tasks":2}},
        {"name":"running","ph":"C","ts":25000,"pid":1,"tid":0,"args":{"tasks":1}},
        {"name":"running","ph":"C","ts":30000,"pid":1,"tid":0,"args":{"tasks":0}}],"displayTimeUnit":"ms","otherData":{"run":"00000000-0001-7000-8000-000000000002","graph":"g\u001b","state":"failed","flows_left_out":0,"engine":"orch 0.1.0"}}
        "#);
    }

    #[test]
    fn attempts_take_the_first_free_row() {
        let (slices, lanes) = slices(&script().report());
        let rows: Vec<_> = slices.iter().map(|slice| (slice.task.index(), slice.attempt, slice.lane)).collect();
        assert_eq!(rows, [(0, 1, 0), (2, 1, 0), (1, 1, 1), (2, 2, 0)]);
        assert_eq!(lanes, 2);
    }

    #[test]
    fn a_task_between_two_attempts_has_one_slice() {
        let graph = Graph::builder("g").task(Task::new("a")).build().unwrap();
        let report = Script::new(&graph, None).start(0, "a").retry(5, "a", "no", None).report();
        assert_eq!(slices(&report).0.len(), 1);
        let under_way = Script::new(&graph, None).start(1, "a").push(9, EventKind::Heartbeat { task: TaskIx(0) });
        let (slices, _) = slices(&under_way.report());
        assert_eq!((slices[0].from, slices[0].to), (Duration::from_millis(1), Duration::from_millis(9)));
    }

    #[test]
    fn arrows_are_bounded() {
        let mut builder = Graph::builder("dense");
        let parents: Vec<_> = (0..20).map(|n| builder.add(Task::new(format!("p{n}")))).collect();
        for n in 0..10 {
            let child = builder.add(Task::new(format!("c{n}")));
            parents.iter().for_each(|&parent| builder.link(parent, child));
        }
        let graph = builder.build().unwrap();
        let mut script = Script::new(&graph, None);
        for task in graph.tasks() {
            let at = u64::from(task.id().as_str().starts_with('c'));
            script = script.start(at, task.id().as_str()).done(at + 1, task.id().as_str());
        }
        let trace: Value = serde_json::from_str(&with_flows(&script.report(), 60)).unwrap();
        assert_eq!(trace["otherData"]["flows_left_out"], 20 * 10 - 60);
        let arrows = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "s");
        assert_eq!(arrows.count(), 60);
    }
}
