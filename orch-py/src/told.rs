//! What the driver in Python tells a session: how to run, and what ended.

use std::{path::PathBuf, sync::Arc, time::Duration};

use orch_core::{
    Error, ErrorKind, Failure, FailureKind, FailurePolicy, ModelUsage, Outcome, Output, Plan, Stream, Task, TaskIx,
    Usage, Usd,
    recovery::checkpoint::Checkpoint,
    run::{Message, Rules},
    session::SessionOptions,
};
use pyo3::{
    prelude::*,
    types::{PyInt, PyTuple},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    convert::{self, Text},
    error::Raised,
    graph,
};

/// How one run behaves. Times in seconds.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    max_parallel: Option<u32>,
    on_failure: FailurePolicy,
    undo: bool,
    deadline: Option<f64>,
    inputs: Map<String, Value>,
    seed: u64,
    directory: Option<PathBuf>,
    approve_commands: bool,
    restore: Option<Checkpoint>,
    source: String,
}

impl Default for Options {
    fn default() -> Self {
        let Rules { on_failure, undo, inputs, seed, .. } = Rules::default();
        let (max_parallel, deadline, directory, restore, source) = Default::default();
        let approve_commands = false;
        Self { max_parallel, on_failure, undo, deadline, inputs, seed, directory, approve_commands, restore, source }
    }
}

impl Options {
    /// From a mapping; `None`: the defaults.
    pub(crate) fn read(told: Option<&Bound<'_, PyAny>>, plan: &Plan) -> PyResult<SessionOptions> {
        let Some(told) = told else { return Ok(SessionOptions::default()) };
        let py = told.py();
        let told: Self = convert::read(told, "the options of the run")?;
        let restore = told.restore.map(|it| it.restore(plan.graph())).transpose().raised(py)?;
        let rules = Rules {
            max_parallel: told.max_parallel.unwrap_or(Rules::UNLIMITED),
            on_failure: told.on_failure,
            undo: told.undo,
            deadline: told.deadline.map(Duration::try_from_secs_f64).transpose()?,
            inputs: told.inputs,
            seed: told.seed,
            restore: restore.unwrap_or_default(),
            ..Rules::default()
        };
        let Self { directory, approve_commands, source, .. } = told;
        Ok(SessionOptions { rules, directory, approve_commands, source, ..SessionOptions::default() })
    }
}

/// What the driver tells.
pub(crate) enum Told {
    Message(Message),
    /// What an attempt that goes on says that it used.
    Used(TaskIx, u32, Usage),
}

/// What an attempt says while it runs, checked when it says it.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Said(Word);

enum Word {
    Used(Usage),
    Adds(Task),
    Checkpoint(Arc<str>),
}

#[pymethods]
impl Said {
    /// What was used of a model, and what the provider says that it costs, in dollars.
    #[staticmethod]
    fn used(model: &Bound<'_, PyAny>, billed: Option<f64>) -> PyResult<Self> {
        let model: ModelUsage = convert::read(model, "what was used")?;
        Ok(Self(Word::Used(ModelUsage { billed: billed.map(Usd::from_dollars).or(model.billed), ..model }.into())))
    }

    /// A task to add.
    #[staticmethod]
    fn adds(task: graph::Parts<'_>) -> PyResult<Self> {
        graph::task(task).map(|task| Self(Word::Adds(task)))
    }

    /// A checkpoint to make.
    #[staticmethod]
    fn checkpoint(name: Text) -> Self {
        Self(Word::Checkpoint(name.0.into()))
    }
}

/// A place says that the first attempt of that task worked and that its output stays in Python; else it is a tuple.
pub(crate) fn heard(item: &Bound<'_, PyAny>) -> PyResult<Told> {
    match item.cast::<PyInt>() {
        Ok(place) => Ok(Told::Message(worked(place.extract::<u32>()?.into(), 1, Output::NOTHING))),
        Err(_) => told(item.cast::<PyTuple>()?),
    }
}

fn worked(task: TaskIx, attempt: u32, output: Output) -> Message {
    Message::Finished { task, attempt, outcome: Outcome { result: Ok(output), usage: None } }
}

/// What is told otherwise than plainly: `(place, attempt, kind, value)`. Kind `done` is a result that crosses where it has a JSON
/// form, `json` one that has to, as has `kept`, for a store; `heartbeat` and `stdout` are signs of life, `said` has a [`Said`]; else it is the kind of a failure, with its message.
fn told(told: &Bound<'_, PyTuple>) -> PyResult<Told> {
    let (task, attempt, kind, value): (u32, u32, String, Bound<'_, PyAny>) = told.extract()?;
    let task = TaskIx::from(task);
    let finished = |outcome| Message::Finished { task, attempt, outcome };
    Ok(Told::Message(match kind.as_str() {
        "said" => match &value.cast::<Said>()?.get().0 {
            Word::Used(usage) => return Ok(Told::Used(task, attempt, usage.clone())),
            Word::Adds(added) => Message::Adds { task, attempt, added: Box::new(added.clone()) },
            Word::Checkpoint(name) => Message::Checkpoint { name: name.clone() },
        },
        "heartbeat" => Message::Heartbeat { task },
        "stdout" => Message::Line { task, stream: Stream::Stdout, text: value.extract::<convert::Shown>()?.0.into() },
        "done" => worked(task, attempt, convert::to_json(&value).map(Output::from).unwrap_or_default()),
        "json" | "kept" => match convert::to_json(&value) {
            Ok(value) => worked(task, attempt, Output::from(value)),
            Err(error) => {
                let why = error.value(told.py());
                let why = match kind.as_str() {
                    "json" => format!("the result cannot be shared: {why}"),
                    _ => format!("made what its run cannot keep: {why}; or run it without a store"),
                };
                finished(Failure::fatal(why).into())
            }
        },
        _ => {
            let kind: FailureKind = serde_json::from_value(Value::String(kind))
                .map_err(|error| Error::new(ErrorKind::InvalidValue, "no kind of failure").caused_by(error))
                .raised(told.py())?;
            finished(Failure { kind, message: value.extract::<convert::Shown>()?.0 }.into())
        }
    }))
}
