//! Events as a journal keeps them: one line of JSON each, with the places of tasks.
//!
//! A line is `[at, event]`: nanoseconds since the start of the part, and the event under its [name](EventKind::name). Numbers of
//! events are not written: they have no gaps. Fields may be added; a line with an event that this version does not know is an
//! error, since what follows may build on it.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    missed::Miss,
    model::{BreakerState, Event, EventKind, Kept, RunState, SkipReason, Stream, TaskState},
    outcome::{Failure, Output},
};
use crate::{
    definition::{GraphHash, Task},
    error::{Error, ErrorKind, Result},
    id::{ResourceId, RunId, TaskId, TaskIx},
    units::{Cost, Usage},
};

/// Keeps a large value elsewhere, and answers its name.
pub(crate) type Keep<'a> = &'a mut dyn FnMut(Vec<u8>) -> String;

/// Finds the value of that name.
pub(crate) type Find<'a> = &'a mut dyn FnMut(&str) -> Result<Value>;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    /// An event; its number is its place.
    Event(EventKind, Duration),
    /// Not an event: what the files of a task held when it began, as a hash.
    Files { task: TaskIx, hash: String },
}

/// What a task made.
#[derive(Serialize, Deserialize)]
enum Made<'a> {
    /// The value.
    #[serde(rename = "value")]
    Value(Cow<'a, Value>),
    /// The name of the value.
    #[serde(rename = "blob")]
    Blob(String),
    /// It had no JSON form.
    #[serde(rename = "lost")]
    Lost,
}

/// Stands for an output that was lost on the way through a journal.
pub(crate) struct Lost;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form<'a> {
    RunStarted {
        run: RunId,
        graph: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_parallel: Option<u32>,
    },
    TaskStarted {
        task: u32,
        attempt: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        queued: u64,
    },
    TaskWaits {
        task: u32,
        resource: ResourceId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<Arc<str>>,
    },
    Heartbeat {
        task: u32,
    },
    TaskOutput {
        task: u32,
        stream: Stream,
        text: Arc<str>,
    },
    TaskHeld {
        task: u32,
        by: u32,
        at_most: u64,
    },
    TaskRetrying {
        task: u32,
        attempt: u32,
        failure: Box<Failure>,
        delay: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Box<Usage>>,
    },
    TaskFinished(Finished<'a>),
    TaskCached {
        task: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made: Option<Made<'a>>,
        saved: Box<Cost>,
    },
    TaskRestored {
        task: u32,
        state: TaskState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made: Option<Made<'a>>,
    },
    TaskMissed {
        task: u32,
        key: Arc<str>,
        why: Box<Miss>,
    },
    ContextRead {
        task: u32,
        key: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        saved: Option<Box<Cost>>,
    },
    TaskSkipped {
        task: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upstream: Option<u32>,
    },
    TasksAdded {
        by: u32,
        tasks: Arc<[Task]>,
        before: Arc<[TaskId]>,
    },
    Warning {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<u32>,
        message: String,
    },
    RunStopping {
        reason: String,
    },
    UndoPlanned {
        order: Vec<u32>,
        kept: Vec<(u32, Kept)>,
    },
    UndoStarted {
        task: u32,
        attempt: u32,
    },
    UndoRetrying {
        task: u32,
        attempt: u32,
        failure: Box<Failure>,
        delay: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Box<Usage>>,
    },
    UndoFinished(Finished<'a>),
    BreakerChanged {
        breaker: Arc<str>,
        state: BreakerState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Box<Failure>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe_in: Option<u64>,
    },
    CheckpointMade {
        name: Arc<str>,
        tasks: Vec<u32>,
    },
    RunFinished {
        state: RunState,
    },
    Files {
        task: u32,
        hash: String,
    },
}

/// How an attempt ended for good.
#[derive(Serialize, Deserialize)]
struct Finished<'a> {
    task: u32,
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<Made<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Box<Failure>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Box<Usage>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Values whose text is surely not longer than this many bytes stay in the line.
const SMALL: usize = 2 * 1024;

/// Whether the text of a value is short; looks no further than it must.
fn is_small(value: &Value, left: &mut usize) -> bool {
    let own = match value {
        Value::String(text) => text.len() + 2,
        Value::Object(members) => members.keys().map(|key| key.len() + 4).sum(),
        _ => 20,
    };
    *left = left.saturating_sub(own);
    *left > 0
        && match value {
            Value::Array(elements) => elements.iter().all(|element| is_small(element, left)),
            Value::Object(members) => members.values().all(|member| is_small(member, left)),
            _ => true,
        }
}

fn made<'a>(output: &'a Output, keep: Keep<'_>) -> Option<Made<'a>> {
    if output.is_nothing() {
        return None;
    }
    Some(match output.json() {
        None => Made::Lost,
        Some(value) if is_small(value, &mut { SMALL }) => Made::Value(Cow::Borrowed(value)),
        // A value of plain JSON can always be written.
        Some(value) => Made::Blob(keep(serde_json::to_vec(value).unwrap_or_default())),
    })
}

fn output(made: Option<Made<'_>>, find: Find<'_>) -> Result<Output> {
    Ok(match made {
        None => Output::NOTHING,
        Some(Made::Value(value)) => Output::from(value.into_owned()),
        Some(Made::Blob(name)) => Output::from(find(&name)?),
        Some(Made::Lost) => Output::typed(Lost),
    })
}

/// Writes the line of an event, with its end.
pub(crate) fn write(event: &Event, keep: Keep<'_>, out: &mut Vec<u8>) {
    let form = match &event.kind {
        EventKind::RunStarted { run, graph, max_parallel } => {
            Form::RunStarted { run: *run, graph: graph.to_string(), max_parallel: *max_parallel }
        }
        EventKind::TaskStarted { task, attempt, queued } => {
            Form::TaskStarted { task: task.0, attempt: *attempt, queued: nanos(*queued) }
        }
        EventKind::TaskWaits { task, resource, holder } => {
            Form::TaskWaits { task: task.0, resource: resource.clone(), holder: holder.clone() }
        }
        EventKind::Heartbeat { task } => Form::Heartbeat { task: task.0 },
        EventKind::TaskOutput { task, stream, text } => {
            Form::TaskOutput { task: task.0, stream: *stream, text: text.clone() }
        }
        EventKind::TaskHeld { task, by, at_most } => {
            Form::TaskHeld { task: task.0, by: by.0, at_most: nanos(*at_most) }
        }
        EventKind::TaskRetrying { task, attempt, failure, delay, usage } => Form::TaskRetrying {
            task: task.0,
            attempt: *attempt,
            failure: failure.clone(),
            delay: nanos(*delay),
            usage: usage.clone(),
        },
        EventKind::TaskFinished { task, attempt, result, usage } => {
            Form::TaskFinished(finished(*task, *attempt, result, usage.as_deref(), keep))
        }
        EventKind::UndoFinished { task, attempt, result, usage } => {
            Form::UndoFinished(finished(*task, *attempt, result, usage.as_deref(), keep))
        }
        EventKind::TaskCached { task, output, saved } => {
            Form::TaskCached { task: task.0, made: made(output, keep), saved: saved.clone() }
        }
        EventKind::TaskRestored { task, state, output } => {
            Form::TaskRestored { task: task.0, state: *state, made: made(output, keep) }
        }
        EventKind::TaskMissed { task, key, why } => {
            Form::TaskMissed { task: task.0, key: key.clone(), why: why.clone() }
        }
        EventKind::ContextRead { task, key, saved } => {
            Form::ContextRead { task: task.0, key: key.clone(), saved: saved.clone() }
        }
        EventKind::TaskSkipped { task, reason } => {
            let (condition, upstream) = match reason {
                SkipReason::Condition(message) => (Some(message.clone()), None),
                SkipReason::Upstream(ix) => (None, Some(ix.0)),
                SkipReason::Stopped => (None, None),
            };
            Form::TaskSkipped { task: task.0, condition, upstream }
        }
        EventKind::TasksAdded { by, tasks, before } => {
            Form::TasksAdded { by: by.0, tasks: tasks.clone(), before: before.clone() }
        }
        EventKind::Warning { task, message } => {
            Form::Warning { task: task.map(|task| task.0), message: message.clone() }
        }
        EventKind::RunStopping { reason } => Form::RunStopping { reason: reason.clone() },
        EventKind::UndoPlanned { order, kept } => Form::UndoPlanned {
            order: order.iter().map(|task| task.0).collect(),
            kept: kept.iter().map(|(task, why)| (task.0, *why)).collect(),
        },
        EventKind::UndoStarted { task, attempt } => Form::UndoStarted { task: task.0, attempt: *attempt },
        EventKind::UndoRetrying { task, attempt, failure, delay, usage } => Form::UndoRetrying {
            task: task.0,
            attempt: *attempt,
            failure: failure.clone(),
            delay: nanos(*delay),
            usage: usage.clone(),
        },
        EventKind::BreakerChanged { breaker, state, why, probe_in } => Form::BreakerChanged {
            breaker: breaker.clone(),
            state: *state,
            why: why.clone(),
            probe_in: probe_in.map(nanos),
        },
        EventKind::CheckpointMade { name, tasks } => {
            Form::CheckpointMade { name: name.clone(), tasks: tasks.iter().map(|task| task.0).collect() }
        }
        EventKind::RunFinished { state } => Form::RunFinished { state: *state },
    };
    line(event.at, &form, out);
}

/// Writes the line that says what the files of a task held.
pub(crate) fn write_files(task: TaskIx, hash: String, out: &mut Vec<u8>) {
    line(Duration::ZERO, &Form::Files { task: task.0, hash }, out);
}

fn line(at: Duration, form: &Form<'_>, out: &mut Vec<u8>) {
    // Writing plain data to memory cannot fail.
    drop(serde_json::to_writer(&mut *out, &(nanos(at), form)));
    out.push(b'\n');
}

fn finished<'a>(
    task: TaskIx,
    attempt: u32,
    result: &'a std::result::Result<Output, Box<Failure>>,
    usage: Option<&Usage>,
    keep: Keep<'_>,
) -> Finished<'a> {
    let (made, failure) = match result {
        Ok(output) => (made(output, keep), None),
        Err(failure) => (None, Some(failure.clone())),
    };
    Finished { task: task.0, attempt, made, failure, usage: usage.cloned().map(Box::new) }
}

/// Reads a line, without its end.
///
/// # Errors
///
/// [`Corrupt`](ErrorKind::Corrupt) for one that is none; those of `find`.
pub(crate) fn read(line: &[u8], find: Find<'_>) -> Result<Line> {
    let (at, form): (u64, Form<'static>) = serde_json::from_slice(line).map_err(|error| {
        let message = "a line of a journal cannot be read; a newer orch may have written it";
        Error::new(ErrorKind::Corrupt, message).caused_by(error)
    })?;
    let kind = match form {
        Form::RunStarted { run, graph, max_parallel } => {
            let graph = blake3::Hash::from_hex(graph)
                .map_err(|error| Error::new(ErrorKind::Corrupt, "the hash of a graph is none").caused_by(error))?;
            EventKind::RunStarted { run, graph: Box::new(GraphHash(*graph.as_bytes())), max_parallel }
        }
        Form::TaskStarted { task, attempt, queued } => {
            EventKind::TaskStarted { task: TaskIx(task), attempt, queued: Duration::from_nanos(queued) }
        }
        Form::TaskWaits { task, resource, holder } => EventKind::TaskWaits { task: TaskIx(task), resource, holder },
        Form::Heartbeat { task } => EventKind::Heartbeat { task: TaskIx(task) },
        Form::TaskOutput { task, stream, text } => EventKind::TaskOutput { task: TaskIx(task), stream, text },
        Form::TaskHeld { task, by, at_most } => {
            EventKind::TaskHeld { task: TaskIx(task), by: TaskIx(by), at_most: Duration::from_nanos(at_most) }
        }
        Form::TaskRetrying { task, attempt, failure, delay, usage } => {
            EventKind::TaskRetrying { task: TaskIx(task), attempt, failure, delay: Duration::from_nanos(delay), usage }
        }
        Form::TaskFinished(Finished { task, attempt, made, failure, usage }) => {
            let result = failure.map_or_else(|| output(made, find).map(Ok), |failure| Ok(Err(failure)))?;
            EventKind::TaskFinished { task: TaskIx(task), attempt, result, usage }
        }
        Form::UndoFinished(Finished { task, attempt, made, failure, usage }) => {
            let result = failure.map_or_else(|| output(made, find).map(Ok), |failure| Ok(Err(failure)))?;
            EventKind::UndoFinished { task: TaskIx(task), attempt, result, usage }
        }
        Form::TaskCached { task, made, saved } => {
            EventKind::TaskCached { task: TaskIx(task), output: output(made, find)?, saved }
        }
        Form::TaskRestored { task, state, made } => {
            EventKind::TaskRestored { task: TaskIx(task), state, output: output(made, find)? }
        }
        Form::TaskMissed { task, key, why } => EventKind::TaskMissed { task: TaskIx(task), key, why },
        Form::ContextRead { task, key, saved } => EventKind::ContextRead { task: TaskIx(task), key, saved },
        Form::TaskSkipped { task, condition, upstream } => {
            let reason = match (condition, upstream) {
                (Some(message), _) => SkipReason::Condition(message),
                (None, Some(ix)) => SkipReason::Upstream(TaskIx(ix)),
                (None, None) => SkipReason::Stopped,
            };
            EventKind::TaskSkipped { task: TaskIx(task), reason }
        }
        Form::TasksAdded { by, tasks, before } => EventKind::TasksAdded { by: TaskIx(by), tasks, before },
        Form::Warning { task, message } => EventKind::Warning { task: task.map(TaskIx), message },
        Form::RunStopping { reason } => EventKind::RunStopping { reason },
        Form::UndoPlanned { order, kept } => EventKind::UndoPlanned {
            order: order.into_iter().map(TaskIx).collect(),
            kept: kept.into_iter().map(|(task, why)| (TaskIx(task), why)).collect(),
        },
        Form::UndoStarted { task, attempt } => EventKind::UndoStarted { task: TaskIx(task), attempt },
        Form::UndoRetrying { task, attempt, failure, delay, usage } => {
            EventKind::UndoRetrying { task: TaskIx(task), attempt, failure, delay: Duration::from_nanos(delay), usage }
        }
        Form::BreakerChanged { breaker, state, why, probe_in } => {
            EventKind::BreakerChanged { breaker, state, why, probe_in: probe_in.map(Duration::from_nanos) }
        }
        Form::CheckpointMade { name, tasks } => {
            EventKind::CheckpointMade { name, tasks: tasks.into_iter().map(TaskIx).collect() }
        }
        Form::RunFinished { state } => EventKind::RunFinished { state },
        Form::Files { task, hash } => return Ok(Line::Files { task: TaskIx(task), hash }),
    };
    Ok(Line::Event(kind, Duration::from_nanos(at)))
}

#[cfg(test)]
mod tests;
