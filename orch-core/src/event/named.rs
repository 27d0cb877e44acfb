//! Events as JSON, with the names of tasks.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{
    missed::Miss,
    model::{BreakerState, Event, EventKind, Kept, RunState, SkipReason, Stream, TaskState},
    outcome::{Failure, FailureKind},
};
use crate::{
    definition::{Graph, GraphHash, Task},
    id::{RunId, TaskId, TaskIx},
    units::{Cost, Millis, Usage},
};

/// An event with the names of its tasks: the JSON form of an [`Event`], which a reader can follow without the graph.
///
/// Every event has `v` (the version of this form, 1), `seq`, `at_ms` (since the start of the run) and `event`, its
/// [name](EventKind::name). Times are numbers of [milliseconds](Millis), at most three decimals. By event:
///
/// | `event` | further fields |
/// |---|---|
/// | `run_started` | `run`, `graph` (content hash), `max_parallel` (null: no limit) |
/// | `task_started` | `task`, `attempt`, `queued_ms` |
/// | `task_waits` | `task`, `resource`, `holder`? |
/// | `heartbeat` | `task` |
/// | `task_output` | `task`, `stream` (`stdout`, `stderr`), `text` |
/// | `task_held` | `task`, `by` (the task that reads their prompt prefix first), `at_most_ms` |
/// | `task_retrying` | `task`, `attempt`, `error`, `error_kind`, `delay_ms`, `usage`? |
/// | `task_finished` | `task`, `attempt`, `state`, `output`?, `error`?, `error_kind`?, `usage`? |
/// | `task_cached` | `task`, `state` (`succeeded`), `output`?, `saved` (`time_ms`, `tokens`, `cost_usd`: null where no price is known) |
/// | `task_restored` | `task`, `state` (as it ended in the run before), `output`? |
/// | `task_missed` | `task`, `key`, `why` (`"first"`, `"gone"`, or `{"changed": [..]}` with one of `changed`, `added`, `removed` each, `{"changed": {"part": "file", "name": "a.rs"}}`) |
/// | `context_read` | `task`, `key`, `saved` (as before; null: the value was not there any more) |
/// | `task_skipped` | `task`, `state` (`skipped`, `cancelled`), `reason` (`condition`, `upstream`, `stopped`), `message`?, `upstream`? |
/// | `tasks_added` | `by`, `tasks` (as in a graph's JSON), `before` |
/// | `warning` | `task`?, `message` |
/// | `run_stopping` | `reason` |
/// | `undo_planned` | `order` (tasks, in the order in which they are undone), `kept` (`[{task, why}]`: `scope`, `on`, `broken`, `off`) |
/// | `undo_started` | `task`, `attempt` |
/// | `undo_retrying` | `task`, `attempt`, `error`, `error_kind`, `delay_ms`, `usage`? |
/// | `undo_finished` | `task`, `attempt` (0: none began), `state` (`undone`, `failed`, `left`), `output`?, `error`?, `error_kind`?, `usage`? |
/// | `breaker_changed` | `breaker`, `state` (`closed`, `open`, `half_open`), `error`?, `error_kind`? (the failure that opened it), `probe_in_ms`? |
/// | `checkpoint_made` | `checkpoint`, `tasks` (those that had ended) |
/// | `run_finished` | `state` |
///
/// Fields with `?` are left out when there is nothing to say. New fields and new events may be added without a new
/// version. A typed output has no JSON form and is left out.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Event, EventKind, Graph, Task, TaskIx};
///
/// let graph = Graph::builder("notes").task(Task::new("draft")).build()?;
/// let event = Event { seq: 3, at: Duration::from_millis(20), kind: EventKind::Heartbeat { task: TaskIx::from(0) } };
/// assert_eq!(
///     serde_json::to_string(&event.named(&graph)).unwrap(),
///     r#"{"v":1,"seq":3,"at_ms":20,"event":"heartbeat","task":"draft"}"#
/// );
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    event: &'a Event,
    graph: &'a Graph,
}

impl Event {
    /// With the names of its tasks, for JSON. `graph` is the graph as it is by now, with the tasks that the run added; a
    /// task that it does not have is `null`.
    pub fn named<'a>(&'a self, graph: &'a Graph) -> Named<'a> {
        Named { event: self, graph }
    }
}

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Event { seq, at, kind } = self.event;
        Form { v: 1, seq: *seq, at_ms: Millis(*at), kind: self.kind(kind) }.serialize(serializer)
    }
}

#[derive(Serialize)]
struct Form<'a> {
    v: u8,
    seq: u64,
    at_ms: Millis,
    #[serde(flatten)]
    kind: Kind<'a>,
}

/// The fields of each event. A name is null when the graph does not have the task.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Kind<'a> {
    RunStarted {
        run: RunId,
        graph: GraphHash,
        max_parallel: Option<u32>,
    },
    TaskStarted {
        task: Option<&'a TaskId>,
        attempt: u32,
        queued_ms: Millis,
    },
    TaskWaits {
        task: Option<&'a TaskId>,
        resource: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        holder: Option<&'a str>,
    },
    Heartbeat {
        task: Option<&'a TaskId>,
    },
    TaskOutput {
        task: Option<&'a TaskId>,
        stream: Stream,
        text: &'a str,
    },
    TaskHeld {
        task: Option<&'a TaskId>,
        by: Option<&'a TaskId>,
        at_most_ms: Millis,
    },
    TaskRetrying {
        task: Option<&'a TaskId>,
        attempt: u32,
        error: &'a str,
        error_kind: FailureKind,
        delay_ms: Millis,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a Usage>,
    },
    TaskFinished {
        task: Option<&'a TaskId>,
        attempt: u32,
        state: TaskState,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_kind: Option<FailureKind>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a Usage>,
    },
    TaskCached {
        task: Option<&'a TaskId>,
        state: TaskState,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<&'a Value>,
        saved: CostForm,
    },
    TaskRestored {
        task: Option<&'a TaskId>,
        state: TaskState,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<&'a Value>,
    },
    TaskMissed {
        task: Option<&'a TaskId>,
        key: &'a str,
        why: &'a Miss,
    },
    ContextRead {
        task: Option<&'a TaskId>,
        key: &'a str,
        saved: Option<CostForm>,
    },
    TaskSkipped {
        task: Option<&'a TaskId>,
        state: TaskState,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        upstream: Option<&'a TaskId>,
    },
    TasksAdded {
        by: Option<&'a TaskId>,
        tasks: &'a [Task],
        before: &'a [TaskId],
    },
    Warning {
        #[serde(skip_serializing_if = "Option::is_none")]
        task: Option<&'a TaskId>,
        message: &'a str,
    },
    RunStopping {
        reason: &'a str,
    },
    UndoPlanned {
        order: Vec<Option<&'a TaskId>>,
        kept: Vec<KeptForm<'a>>,
    },
    UndoStarted {
        task: Option<&'a TaskId>,
        attempt: u32,
    },
    UndoRetrying {
        task: Option<&'a TaskId>,
        attempt: u32,
        error: &'a str,
        error_kind: FailureKind,
        delay_ms: Millis,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a Usage>,
    },
    UndoFinished {
        task: Option<&'a TaskId>,
        attempt: u32,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_kind: Option<FailureKind>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a Usage>,
    },
    BreakerChanged {
        breaker: &'a str,
        state: BreakerState,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_kind: Option<FailureKind>,
        #[serde(skip_serializing_if = "Option::is_none")]
        probe_in_ms: Option<Millis>,
    },
    CheckpointMade {
        checkpoint: &'a str,
        tasks: Vec<Option<&'a TaskId>>,
    },
    RunFinished {
        state: RunState,
    },
}

#[derive(Serialize)]
struct KeptForm<'a> {
    task: Option<&'a TaskId>,
    why: Kept,
}

/// A cost as the forms for people and scripts have it.
#[derive(Debug, Serialize)]
pub(crate) struct CostForm {
    time_ms: Millis,
    tokens: u64,
    cost_usd: Option<f64>,
}

impl From<&Cost> for CostForm {
    fn from(cost: &Cost) -> Self {
        Self {
            time_ms: Millis(cost.time),
            tokens: cost.usage.total_tokens(),
            cost_usd: cost.money.map(|money| money.dollars()),
        }
    }
}

impl<'a> Named<'a> {
    fn name(&self, ix: TaskIx) -> Option<&'a TaskId> {
        self.graph.tasks().get(ix.index()).map(Task::id)
    }

    fn kind(&self, kind: &'a EventKind) -> Kind<'a> {
        match kind {
            EventKind::RunStarted { run, graph, max_parallel } => {
                Kind::RunStarted { run: *run, graph: **graph, max_parallel: *max_parallel }
            }
            EventKind::TaskStarted { task, attempt, queued } => {
                Kind::TaskStarted { task: self.name(*task), attempt: *attempt, queued_ms: Millis(*queued) }
            }
            EventKind::TaskWaits { task, resource, holder } => {
                Kind::TaskWaits { task: self.name(*task), resource: resource.as_str(), holder: holder.as_deref() }
            }
            EventKind::Heartbeat { task } => Kind::Heartbeat { task: self.name(*task) },
            EventKind::TaskOutput { task, stream, text } => {
                Kind::TaskOutput { task: self.name(*task), stream: *stream, text }
            }
            EventKind::TaskHeld { task, by, at_most } => {
                Kind::TaskHeld { task: self.name(*task), by: self.name(*by), at_most_ms: Millis(*at_most) }
            }
            EventKind::TaskRetrying { task, attempt, failure, delay, usage } => Kind::TaskRetrying {
                task: self.name(*task),
                attempt: *attempt,
                error: &failure.message,
                error_kind: failure.kind,
                delay_ms: Millis(*delay),
                usage: usage.as_deref(),
            },
            EventKind::TaskFinished { task, attempt, result, usage } => {
                let failure: Option<&Failure> = result.as_ref().err().map(Box::as_ref);
                Kind::TaskFinished {
                    task: self.name(*task),
                    attempt: *attempt,
                    state: kind.task_state().unwrap_or_default(),
                    output: result.as_ref().ok().and_then(|output| output.json()),
                    error: failure.map(|failure| failure.message.as_str()),
                    error_kind: failure.map(|failure| failure.kind),
                    usage: usage.as_deref(),
                }
            }
            EventKind::TaskCached { task, output, saved } => Kind::TaskCached {
                task: self.name(*task),
                state: TaskState::Succeeded,
                output: output.json(),
                saved: CostForm::from(&**saved),
            },
            EventKind::TaskRestored { task, state, output } => {
                Kind::TaskRestored { task: self.name(*task), state: *state, output: output.json() }
            }
            EventKind::TaskMissed { task, key, why } => Kind::TaskMissed { task: self.name(*task), key, why },
            EventKind::ContextRead { task, key, saved } => {
                Kind::ContextRead { task: self.name(*task), key, saved: saved.as_deref().map(CostForm::from) }
            }
            EventKind::TaskSkipped { task, reason } => {
                let (name, message, upstream) = match reason {
                    SkipReason::Condition(message) => ("condition", Some(message.as_str()), None),
                    SkipReason::Upstream(ix) => ("upstream", None, self.name(*ix)),
                    SkipReason::Stopped => ("stopped", None, None),
                };
                let state = kind.task_state().unwrap_or_default();
                Kind::TaskSkipped { task: self.name(*task), state, reason: name, message, upstream }
            }
            EventKind::TasksAdded { by, tasks, before } => Kind::TasksAdded { by: self.name(*by), tasks, before },
            EventKind::Warning { task, message } => {
                Kind::Warning { task: task.and_then(|task| self.name(task)), message }
            }
            EventKind::RunStopping { reason } => Kind::RunStopping { reason },
            EventKind::UndoPlanned { order, kept } => Kind::UndoPlanned {
                order: order.iter().map(|&task| self.name(task)).collect(),
                kept: kept.iter().map(|&(task, why)| KeptForm { task: self.name(task), why }).collect(),
            },
            EventKind::UndoStarted { task, attempt } => Kind::UndoStarted { task: self.name(*task), attempt: *attempt },
            EventKind::UndoRetrying { task, attempt, failure, delay, usage } => Kind::UndoRetrying {
                task: self.name(*task),
                attempt: *attempt,
                error: &failure.message,
                error_kind: failure.kind,
                delay_ms: Millis(*delay),
                usage: usage.as_deref(),
            },
            EventKind::UndoFinished { task, attempt, result, usage } => {
                let failure: Option<&Failure> = result.as_ref().err().map(Box::as_ref);
                Kind::UndoFinished {
                    task: self.name(*task),
                    attempt: *attempt,
                    state: match (failure, attempt) {
                        (None, _) => "undone",
                        (Some(_), 0) => "left",
                        (Some(_), _) => "failed",
                    },
                    output: result.as_ref().ok().and_then(|output| output.json()),
                    error: failure.map(|failure| failure.message.as_str()),
                    error_kind: failure.map(|failure| failure.kind),
                    usage: usage.as_deref(),
                }
            }
            EventKind::BreakerChanged { breaker, state, why, probe_in } => Kind::BreakerChanged {
                breaker,
                state: *state,
                error: why.as_deref().map(|why| why.message.as_str()),
                error_kind: why.as_deref().map(|why| why.kind),
                probe_in_ms: probe_in.map(Millis),
            },
            EventKind::CheckpointMade { name, tasks } => {
                Kind::CheckpointMade { checkpoint: name, tasks: tasks.iter().map(|&task| self.name(task)).collect() }
            }
            EventKind::RunFinished { state } => Kind::RunFinished { state: *state },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::event::{Change, Output, Part};

    fn check(kind: EventKind, want: Value) {
        let graph = Graph::builder("g").task(Task::new("a\"\u{1b}")).task(Task::new("b")).build().unwrap();
        let event = Event { seq: 7, at: Duration::from_micros(1_500), kind };
        let mut got = serde_json::to_value(event.named(&graph)).unwrap();
        let fields = got.as_object_mut().unwrap();
        assert_eq!(fields.shift_remove("event"), Some(Value::from(event.kind.name())));
        assert_eq!(fields.shift_remove("v"), Some(json!(1)));
        assert_eq!(fields.shift_remove("seq"), Some(json!(7)));
        assert_eq!(fields.shift_remove("at_ms"), Some(json!(1.5)));
        assert_eq!(got, want);
    }

    #[test]
    fn every_event_has_its_form() {
        let (a, b) = (TaskIx(0), TaskIx(1));
        let ms = Duration::from_millis;
        let failure = || Box::new(Failure { kind: FailureKind::Timeout, message: "late\n".into() });
        let usage = || Some(Box::new(Usage::tokens("m", 1, 2)));
        check(
            EventKind::RunStarted {
                run: RunId::from_parts(1, 2),
                graph: Box::new(GraphHash([0xab; 32])),
                max_parallel: None,
            },
            json!({"run": "00000000-0001-7000-8000-000000000002", "graph": "ab".repeat(32), "max_parallel": null}),
        );
        check(
            EventKind::TaskStarted { task: a, attempt: 2, queued: ms(3) },
            json!({"task": "a\"\u{1b}", "attempt": 2, "queued_ms": 3}),
        );
        check(EventKind::Heartbeat { task: TaskIx(9) }, json!({"task": null}));
        check(
            EventKind::TaskOutput { task: b, stream: Stream::Stderr, text: "x".into() },
            json!({"task": "b", "stream": "stderr", "text": "x"}),
        );
        check(
            EventKind::TaskHeld { task: b, by: a, at_most: ms(1_500) },
            json!({"task": "b", "by": "a\"\u{1b}", "at_most_ms": 1500}),
        );
        check(
            EventKind::TaskRetrying { task: b, attempt: 1, failure: failure(), delay: ms(1_000), usage: usage() },
            json!({"task": "b", "attempt": 1, "error": "late\n", "error_kind": "timeout", "delay_ms": 1000,
                "usage": [{"model": "m", "input": 1, "output": 2, "requests": 1}]}),
        );
        check(
            EventKind::TaskFinished { task: b, attempt: 1, result: Ok(Output::from(json!([1]))), usage: None },
            json!({"task": "b", "attempt": 1, "state": "succeeded", "output": [1]}),
        );
        check(
            EventKind::TaskFinished { task: b, attempt: 1, result: Ok(Output::typed(1u8)), usage: None },
            json!({"task": "b", "attempt": 1, "state": "succeeded"}),
        );
        check(
            EventKind::TaskFinished { task: b, attempt: 1, result: Err(failure()), usage: None },
            json!({"task": "b", "attempt": 1, "state": "failed", "error": "late\n", "error_kind": "timeout"}),
        );
        check(
            EventKind::TaskSkipped { task: b, reason: SkipReason::Condition("no".into()) },
            json!({"task": "b", "state": "skipped", "reason": "condition", "message": "no"}),
        );
        check(
            EventKind::TaskSkipped { task: b, reason: SkipReason::Upstream(a) },
            json!({"task": "b", "state": "cancelled", "reason": "upstream", "upstream": "a\"\u{1b}"}),
        );
        check(
            EventKind::TasksAdded { by: a, tasks: [Task::new("c").after("b")].into(), before: [].into() },
            json!({"by": "a\"\u{1b}", "tasks": [{"id": "c", "after": ["b"]}], "before": []}),
        );
        let cost =
            Cost { time: ms(1_500), usage: Usage::tokens("m", 3, 4), money: Some(crate::units::Usd::from_cents(2)) };
        let saved = json!({"time_ms": 1500, "tokens": 7, "cost_usd": 0.02});
        check(
            EventKind::TaskCached { task: b, output: Output::from("map"), saved: Box::new(cost.clone()) },
            json!({"task": "b", "state": "succeeded", "output": "map", "saved": saved}),
        );
        let read = |saved| EventKind::ContextRead { task: b, key: "map".into(), saved };
        check(read(Some(Box::new(cost))), json!({"task": "b", "key": "map", "saved": saved}));
        check(read(None), json!({"task": "b", "key": "map", "saved": null}));
        let missed = |why| EventKind::TaskMissed { task: b, key: "task#1".into(), why: Box::new(why) };
        check(missed(Miss::Gone), json!({"task": "b", "key": "task#1", "why": "gone"}));
        let changes = vec![Change::Changed(Part::File("a.rs".into())), Change::Added(Part::Definition("agent"))];
        let listed =
            json!([{"changed": {"part": "file", "name": "a.rs"}}, {"added": {"part": "definition", "name": "agent"}}]);
        check(missed(Miss::Changed(changes)), json!({"task": "b", "key": "task#1", "why": {"changed": listed}}));
        check(EventKind::Warning { task: None, message: "odd".into() }, json!({"message": "odd"}));
        check(EventKind::RunStopping { reason: "late".into() }, json!({"reason": "late"}));
        check(EventKind::RunFinished { state: RunState::Cancelled }, json!({"state": "cancelled"}));
        check(
            EventKind::UndoPlanned { order: [b, TaskIx(9)].into(), kept: [(a, Kept::On)].into() },
            json!({"order": ["b", null], "kept": [{"task": "a\"\u{1b}", "why": "on"}]}),
        );
        check(EventKind::UndoStarted { task: b, attempt: 1 }, json!({"task": "b", "attempt": 1}));
        check(
            EventKind::UndoRetrying { task: b, attempt: 1, failure: failure(), delay: ms(1_000), usage: None },
            json!({"task": "b", "attempt": 1, "error": "late\n", "error_kind": "timeout", "delay_ms": 1000}),
        );
        let undone = |attempt, result| EventKind::UndoFinished { task: b, attempt, result, usage: None };
        check(
            undone(2, Ok(Output::from(json!("gone")))),
            json!({"task": "b", "attempt": 2, "state": "undone", "output": "gone"}),
        );
        check(
            undone(3, Err(failure())),
            json!({"task": "b", "attempt": 3, "state": "failed", "error": "late\n", "error_kind": "timeout"}),
        );
        check(
            undone(0, Err(failure())),
            json!({"task": "b", "attempt": 0, "state": "left", "error": "late\n", "error_kind": "timeout"}),
        );
        check(
            EventKind::BreakerChanged { breaker: "api".into(), state: BreakerState::Closed, why: None, probe_in: None },
            json!({"breaker": "api", "state": "closed"}),
        );
        let open = EventKind::BreakerChanged {
            breaker: "api".into(),
            state: BreakerState::Open,
            why: Some(failure()),
            probe_in: Some(Duration::from_secs(60)),
        };
        check(
            open,
            json!({"breaker": "api", "state": "open", "error": "late\n", "error_kind": "timeout", "probe_in_ms": 60_000}),
        );
        check(
            EventKind::TaskRestored { task: b, state: TaskState::Succeeded, output: Output::from("map") },
            json!({"task": "b", "state": "succeeded", "output": "map"}),
        );
        check(
            EventKind::CheckpointMade { name: "built".into(), tasks: [b, TaskIx(9)].into() },
            json!({"checkpoint": "built", "tasks": ["b", null]}),
        );
    }
}
