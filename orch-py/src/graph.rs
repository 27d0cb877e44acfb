//! Graphs: checked by the core, addressed by place.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use orch_core::{
    BreakerOptions, GraphOptions, Resource, Task, TaskOptions,
    definition::export::{dot, mermaid},
    plan::History,
    session::{self, Definition},
};
use pyo3::{prelude::*, types::PyList};

use crate::{
    convert::{self, Text},
    error::Raised,
    money::Prices,
    plan::Plan,
    store::Store,
};

/// How many past runs a plan learns from, as on the command line.
const RUNS: usize = History::KEPT;

/// Tasks and their dependencies, checked. Immutable.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Graph(pub(crate) orch_core::Graph);

/// What a task is made of: its name, what it waits for, its estimate in seconds, its options where it has any.
pub(crate) type Parts<'py> = (Text, Vec<Text>, Option<f64>, Option<Bound<'py, PyAny>>);

pub(crate) fn task((id, after, estimate, options): Parts<'_>) -> PyResult<Task> {
    let mut task = after.into_iter().fold(Task::new(id.0), |task, after| task.after(after.0));
    if let Some(seconds) = estimate {
        task = task.estimate(Duration::try_from_secs_f64(seconds)?);
    }
    if let Some(options) = options {
        let what = format!("the options of task `{}`", task.id());
        let options: TaskOptions = convert::read(&options, &what)?;
        task = task.with(|own| *own = options);
    }
    Ok(task)
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    resources: Vec<Resource>,
    quorums: BTreeMap<String, u32>,
    breakers: BTreeMap<String, BreakerOptions>,
}

#[pymethods]
impl Graph {
    #[new]
    fn new(py: Python<'_>, name: Text, tasks: Vec<Parts<'_>>, settings: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut builder = orch_core::Graph::builder(name.0);
        for parts in tasks {
            builder.add(task(parts)?);
        }
        if let Some(settings) = settings {
            let Settings { resources, quorums, breakers } = convert::read(&settings, "the settings of the graph")?;
            builder = resources.into_iter().fold(builder, orch_core::GraphBuilder::resource);
            builder = quorums.into_iter().fold(builder, |builder, (group, least)| builder.quorum(group, least));
            builder = breakers.into_iter().fold(builder, |builder, (name, options)| builder.breaker(name, options));
        }
        Ok(Self(py.detach(|| builder.build()).raised(py)?))
    }

    /// The graph of a definition's text, and the inputs that the definition declares.
    #[staticmethod]
    fn parse<'py>(
        py: Python<'py>,
        text: Text,
        file: Option<PathBuf>,
        options: &Bound<'py, PyAny>,
    ) -> PyResult<(Self, Bound<'py, PyAny>)> {
        let definition = Definition::parse(&text.0, file.as_deref()).raised(py)?;
        let options: GraphOptions = convert::read(options, "the options of the graph")?;
        let graph = definition.graph(&options).raised(py)?;
        let inputs = definition.command().map(|command| command.inputs());
        Ok((Self(graph), convert::shown(py, &inputs)?))
    }

    /// The graph that [`json`](Self::json) wrote.
    #[staticmethod]
    fn of_json(py: Python<'_>, text: Text) -> PyResult<Self> {
        let graph = serde_json::from_str(&text.0);
        let graph =
            graph.map_err(|error| orch_core::Error::new(orch_core::ErrorKind::InvalidFormat, error.to_string()));
        graph.raised(py).map(Self)
    }

    /// The same graph, where what each task does is the function with that hash, by place.
    fn with_functions(&self, py: Python<'_>, functions: Vec<Text>) -> Self {
        py.detach(|| Self(self.0.with_functions(functions.into_iter().map(|hash| hash.0))))
    }

    /// The text of a file, at most 64 MiB.
    #[staticmethod]
    fn text_of(py: Python<'_>, path: PathBuf) -> PyResult<String> {
        session::load_text(&path).raised(py)
    }

    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    #[getter]
    fn hash(&self) -> String {
        self.0.hash().to_string()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.tasks().iter().map(|task| task.id().as_str()))
    }

    /// The agent of each task, where it has one.
    fn agents(&self) -> Vec<Option<&str>> {
        self.0.tasks().iter().map(|task| task.options().agent.as_deref()).collect()
    }

    /// Whether a task asks for a capability, and names no agent.
    #[getter]
    fn asks(&self) -> bool {
        self.0.tasks().iter().any(|task| task.options().agent.is_none() && task.options().capability.is_some())
    }

    /// The places of what that task waits for.
    fn parents(&self, ix: u32) -> Vec<usize> {
        self.0.parents(ix.into()).map(|parent| parent.index()).collect()
    }

    /// One task as data.
    fn task<'py>(&self, py: Python<'py>, ix: u32) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, self.0.task(ix.into()))
    }

    /// Whether anything of the graph reads what tasks make as JSON: then outputs have to cross.
    #[getter]
    fn reads_values(&self) -> bool {
        self.0.tasks().iter().map(|task| task.options()).any(|options| {
            !options.conditions.is_empty()
                || !options.inputs.is_empty()
                || !options.outputs.is_empty()
                || options.expand.is_some()
        })
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings().iter().map(ToString::to_string).collect()
    }

    fn mermaid(&self) -> String {
        mermaid(&self.0, &[])
    }

    fn dot(&self) -> String {
        dot(&self.0, &[])
    }

    fn json(&self, py: Python<'_>) -> PyResult<String> {
        let text = serde_json::to_string(&self.0);
        text.map_err(|error| orch_core::Error::new(orch_core::ErrorKind::InvalidValue, error.to_string())).raised(py)
    }

    #[pyo3(signature = (default_estimate=None, workers=None, past=None))]
    fn plan(
        &self,
        py: Python<'_>,
        default_estimate: Option<f64>,
        workers: Option<u32>,
        past: Option<(PyRef<'_, Store>, Text, PyRef<'_, Prices>)>,
    ) -> PyResult<Plan> {
        let past = past.map(|(store, source, prices)| (store.native.clone(), source.0, prices.0.clone()));
        let learn =
            || past.map(|(store, source, prices)| session::history(&store, &source, RUNS, &*prices)).transpose();
        let history = py.detach(learn).raised(py)?;
        Plan::of(py, &self.0, default_estimate, workers, history.map(Arc::new))
    }
}
