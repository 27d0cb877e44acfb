//! What the driver in Python tells a session: how to run, and what ended.

use std::{path::PathBuf, time::Duration};

use orch_core::{
    Error, ErrorKind, Failure, FailureKind, FailurePolicy, Outcome, Output, Stream, TaskIx,
    run::{Message, Rules},
    session::SessionOptions,
};
use pyo3::{
    prelude::*,
    types::{PyInt, PyTuple},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{convert, error::Raised};

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
}

impl Default for Options {
    fn default() -> Self {
        let Rules { on_failure, undo, inputs, seed, .. } = Rules::default();
        let (max_parallel, deadline, directory) = Default::default();
        Self { max_parallel, on_failure, undo, deadline, inputs, seed, directory, approve_commands: false }
    }
}

impl Options {
    /// From a mapping; `None`: the defaults.
    pub(crate) fn read(told: Option<&Bound<'_, PyAny>>) -> PyResult<SessionOptions> {
        let told: Self =
            told.map(|told| convert::read(told, "the options of the run")).transpose()?.unwrap_or_default();
        let rules = Rules {
            max_parallel: told.max_parallel.unwrap_or(Rules::UNLIMITED),
            on_failure: told.on_failure,
            undo: told.undo,
            deadline: told.deadline.map(Duration::try_from_secs_f64).transpose()?,
            inputs: told.inputs,
            seed: told.seed,
            ..Rules::default()
        };
        let (directory, approve_commands) = (told.directory, told.approve_commands);
        Ok(SessionOptions { rules, directory, approve_commands, ..SessionOptions::default() })
    }
}

/// A place says that the first attempt of that task worked and that its output stays in Python; else it is a tuple.
pub(crate) fn heard(item: &Bound<'_, PyAny>) -> PyResult<Message> {
    match item.cast::<PyInt>() {
        Ok(place) => Ok(worked(place.extract::<u32>()?.into(), 1, Output::NOTHING)),
        Err(_) => message(item.cast::<PyTuple>()?),
    }
}

fn worked(task: TaskIx, attempt: u32, output: Output) -> Message {
    Message::Finished { task, attempt, outcome: Outcome { result: Ok(output), usage: None } }
}

/// What is told otherwise than plainly: `(place, attempt, kind, value)`. Kind `done` is a result that crosses where it has a JSON
/// form, `json` one that has to; `heartbeat` and `stdout` are signs of life; else it is the kind of a failure, with its message.
fn message(told: &Bound<'_, PyTuple>) -> PyResult<Message> {
    let (task, attempt, kind, value): (u32, u32, String, Bound<'_, PyAny>) = told.extract()?;
    let task = TaskIx::from(task);
    let finished = |outcome| Message::Finished { task, attempt, outcome };
    Ok(match kind.as_str() {
        "heartbeat" => Message::Heartbeat { task },
        "stdout" => Message::Line { task, stream: Stream::Stdout, text: value.extract::<String>()?.into() },
        "done" => worked(task, attempt, convert::to_json(&value).map(Output::from).unwrap_or_default()),
        "json" => match convert::to_json(&value) {
            Ok(value) => worked(task, attempt, Output::from(value)),
            Err(error) => {
                finished(Failure::fatal(format!("the result cannot be shared: {}", error.value(told.py()))).into())
            }
        },
        _ => {
            let kind: FailureKind = serde_json::from_value(Value::String(kind))
                .map_err(|error| Error::new(ErrorKind::InvalidValue, "no kind of failure").caused_by(error))
                .raised(told.py())?;
            finished(Failure { kind, message: value.extract()? }.into())
        }
    })
}
