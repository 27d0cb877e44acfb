//! A command definition: the JSON as it was given, and one reading of it for all dialects.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{condition::Condition, problems::Problems, read};
use crate::{
    definition::{
        breaker::BreakerOptions,
        claim::{ClaimMode, Resource},
        sources::Sources,
        task::{Expand, Input, OutputSpec, Retry},
        undo::{Rollback, Undo},
    },
    units::Usage,
};

/// A command definition of version 2: phases of agents, their dependencies, and how they run.
///
/// The JSON is kept as it was given, unknown fields included, and [`as_value`](Command::as_value) and serde write it back
/// unchanged (a whole number beyond 64 bits becomes the nearest float; of two members with one name the last counts). Beside it stands one reading of it, [`phases`](Command::phases), in which the dialects look alike: one name a
/// field, every time a [`Duration`].
///
/// A command may be wrong; it is still a value that can be shown and written. [`problems`](Command::problems) names all that
/// is wrong with it, and [`graph`](Command::graph) refuses to build from a wrong one. Cheap to clone.
///
/// ```
/// use orch_core::{Command, GraphOptions};
///
/// let command = Command::from_value(serde_json::json!({
///     "version": "2.0.0", "name": "/notes", "description": "writes release notes", "owner": "kept as it is",
///     "phases": [{"id": "all", "name": "All", "agents": [
///         {"id": "collect", "agentId": "reader", "task": "collect commits", "dependencies": []},
///         {"id": "draft", "agentId": "writer", "task": "write", "dependencies": ["collect"], "estimatedTime": 90_000},
///     ]}],
/// }));
/// assert_eq!(command.as_value()["owner"], "kept as it is");
/// let graph = command.graph(&GraphOptions::default())?;
/// assert_eq!((graph.len(), graph.edges()), (2, 1));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Command(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    raw: Value,
    source: Source,
    reading: Reading,
}

/// Where `raw` comes from: in it problems find their lines.
#[derive(Debug)]
pub(super) enum Source {
    /// A value, without text.
    Value,
    /// JSON text.
    Json(String),
    /// Markdown text: the line of each agent, by phase.
    #[cfg(feature = "markdown")]
    Markdown(Vec<Vec<u32>>),
}

/// What one pass over the JSON found.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) phases: Vec<Phase>,
    pub(super) inputs: Map<String, Value>,
    pub(super) required_inputs: Vec<String>,
    pub(super) declares_inputs: bool,
    pub(super) resources: Vec<Declared>,
    pub(super) breakers: BTreeMap<String, BreakerOptions>,
    pub(super) deadline: Option<Duration>,
    pub(super) cache: CachePolicy,
    pub(super) problems: Problems,
}

/// How a definition wants the cache of its shared values. `None`: it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// The most bytes that they may take together.
    pub max_bytes: Option<u64>,
    /// Who goes when there is no room: `lru`, `lfu` or `expiry`.
    pub eviction: Option<&'static str>,
}

/// A phase: agents that belong together, and what holds for all of them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Phase {
    /// Its place in `phases`, from 0.
    pub place: usize,
    /// Its id, where the dialect has one.
    pub id: Option<String>,
    /// Its name for people; where there is none, its id.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Whether its agents may run side by side. Default: yes. Only [`PhaseOrder::Barrier`](super::PhaseOrder::Barrier) asks.
    pub parallel: bool,
    /// The most agents of it that run at once. Default: no limit.
    pub max_parallel: Option<u32>,
    /// Failures of its agents do not fail the run.
    pub continue_on_error: bool,
    /// A failure of one of its agents stops the run, also one that goes on after failures (`criticalPhases`).
    pub critical: bool,
    /// Lets its agents run.
    pub conditions: Vec<Placed<Condition>>,
    /// Its agents, in the order of the file.
    pub agents: Vec<Agent>,
    /// Where its further agents come from while the run goes on.
    pub dynamic: Option<Dynamic>,
}

/// One agent of a phase: it becomes one task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Agent {
    /// The place of its phase, from 0.
    pub phase: usize,
    /// Its place in the phase, from 0.
    pub place: usize,
    /// The name of the task. Empty where the definition has none, which is a problem.
    pub id: String,
    /// Who does it (`agentId`, `type` or `name`).
    pub agent: Option<String>,
    /// What who does it must be able to do, where it is not said who (`capability`).
    pub capability: Option<String>,
    /// What to do (`task` or `description`).
    pub task: String,
    /// The ids that it waits for, as given.
    pub dependencies: Vec<String>,
    /// The expected duration.
    pub estimate: Option<Duration>,
    /// The longest an attempt may take. Default: none, since the published default of 300 s is shorter than most estimates.
    pub timeout: Option<Duration>,
    /// Higher starts first. Where the dialect counts from 1 as the most urgent, this is `1 - priority`.
    pub priority: i32,
    /// Whether and when to try again; where the agent says nothing, what `errorHandling.retryPolicy` says.
    pub retry: Option<Retry>,
    /// Its own conditions, without those of the phase.
    pub conditions: Vec<Placed<Condition>>,
    /// Values it reads.
    pub inputs: Vec<Placed<Input>>,
    /// Values it makes.
    pub outputs: Vec<Placed<OutputSpec>>,
    /// Whether its outputs go by their plain keys (`context.outputs`) and not only under its own name (`outputs`).
    pub outputs_by_key: bool,
    /// Resources it uses while it runs.
    pub resources: Vec<Placed<ResourceUse>>,
    /// What takes back what it did (`compensation`).
    pub undo: Option<Undo>,
    /// What its failure undoes (`compensation` of the type `cascade`, or with `rollbackTo`).
    pub rollback: Option<Rollback>,
    /// The circuit breaker that it asks (`circuitBreaker`).
    pub breaker: Option<String>,
    /// What its result depends on that no agent makes (`cacheKey`).
    pub sources: Option<Sources>,
    /// What it will probably use of models (`expects`).
    pub expects: Usage,
    /// Every field that means nothing to the engine, by its own name (`input`, `tools`, `configuration`, `deliverables`, …).
    pub params: Map<String, Value>,
}

/// That an agent uses a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceUse {
    /// The resource.
    pub name: String,
    /// Beside whom, where it says so. Else a lock takes one unit of a resource with a declared capacity and the whole of any
    /// other, and a name alone shares.
    pub mode: Option<ClaimMode>,
    /// Whether it is written as a lock, not as a name alone.
    pub lock: bool,
    /// Higher goes first; where it says nothing, what the resource says.
    pub priority: Option<i32>,
    /// How long to wait at most.
    pub wait: Option<Duration>,
}

/// A value and the field that it was read from, for problems: `phases[0].agents[1].context.inputs[0]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    /// The field.
    pub path: String,
    /// The value.
    pub value: T,
}

/// Where the agents of a dynamic phase come from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Dynamic {
    /// The dotted path to the array, as given: `context.implementationPlanner.tasks`.
    pub source: Vec<String>,
    /// Which fields of an element say what. Its `path` and `before` are found when the graph is built.
    pub spec: Expand,
}

/// A resource that the command declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) resource: Resource,
    /// The priority of claims on it that have none of their own.
    pub(super) priority: i32,
}

impl Command {
    /// The most agents of a command.
    pub const MAX_AGENTS: usize = 1_000_000;

    /// Reads a definition that is already JSON. Never fails: what is wrong with it, [`problems`](Command::problems) tells.
    pub fn from_value(raw: Value) -> Self {
        Self::new(raw, Source::Value)
    }

    pub(super) fn new(raw: Value, source: Source) -> Self {
        let reading = read::read(&raw);
        Self(Arc::new(Inner { raw, source, reading }))
    }

    /// The JSON as it was given.
    pub fn as_value(&self) -> &Value {
        &self.0.raw
    }

    pub(super) fn source(&self) -> &Source {
        &self.0.source
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.0.reading
    }

    /// The name, mostly with a leading slash: `/review-all`.
    pub fn name(&self) -> &str {
        &self.0.reading.name
    }

    /// What it does.
    pub fn description(&self) -> &str {
        &self.0.reading.description
    }

    /// The phases, in the order of the file.
    pub fn phases(&self) -> &[Phase] {
        &self.0.reading.phases
    }

    /// The inputs that a run has when its caller gives none: `inputs.optional.*.default` and `globalContext.initial`.
    pub fn inputs(&self) -> &Map<String, Value> {
        &self.0.reading.inputs
    }

    /// How long a run may take, where the definition says so (`saga.transactionTimeout`, in seconds):
    /// [`RunOptions::deadline`](crate::RunOptions::deadline) takes it.
    pub fn deadline(&self) -> Option<Duration> {
        self.0.reading.deadline
    }

    /// How the definition wants the cache of its shared values.
    pub fn cache_policy(&self) -> CachePolicy {
        self.0.reading.cache
    }

    /// The inputs that the caller of a run has to give: the names in `inputs.required`.
    pub fn required_inputs(&self) -> &[String] {
        &self.0.reading.required_inputs
    }
}

/// Equal if the JSON is.
impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.0.raw == other.0.raw
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_value)
    }
}
