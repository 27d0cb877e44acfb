//! One task: what it is called, what it waits for, and how it may behave.

use std::{sync::LazyLock, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    claim::Claim,
    command::condition::Condition,
    prefix::Prefix,
    sources::Sources,
    undo::{Rollback, Undo, UndoScope},
};
use crate::{id::TaskId, units::Usage};

/// One unit of work: a name, the tasks it waits for, and [`TaskOptions`].
///
/// A task is a plain value. It says nothing of how the work is done; that is the
/// [`Executor`](crate::Executor)'s business.
///
/// ```
/// use std::time::Duration;
/// use orch_core::Task;
///
/// let task = Task::new("draft").after("collect").retries(2).timeout(Duration::from_secs(30));
/// assert_eq!(task.id().as_str(), "draft");
/// assert_eq!(task.options().retry.as_ref().unwrap().max_attempts, 3);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub(crate) id: TaskId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) after: Vec<TaskId>,
    #[serde(default, rename = "estimate_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub(crate) estimate: Option<Duration>,
    /// Boxed and optional: a million plain tasks should not pay for what they do not use.
    #[serde(flatten)]
    pub(crate) options: Option<Box<TaskOptions>>,
}

static DEFAULT_OPTIONS: LazyLock<TaskOptions> = LazyLock::new(TaskOptions::default);

impl Task {
    /// A task with that name, no dependencies and default options.
    #[inline]
    pub fn new(id: impl Into<TaskId>) -> Self {
        Self { id: id.into(), after: Vec::new(), estimate: None, options: None }
    }

    /// Waits for that task. Naming a task twice is the same as once.
    #[must_use]
    pub fn after(mut self, dependency: impl Into<TaskId>) -> Self {
        self.after.push(dependency.into());
        self
    }

    /// How long it will probably take. Only order and forecasts depend on it. Default:
    /// [`PlanOptions::default_estimate`](crate::PlanOptions::default_estimate).
    #[must_use]
    pub fn estimate(mut self, duration: Duration) -> Self {
        self.estimate = Some(duration);
        self
    }

    /// Tries again up to `retries` times after a failure, waiting 1 s, 2 s, 4 s … (at most 30 s, with jitter).
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        let retry = Retry { max_attempts: retries.saturating_add(1), ..Retry::default() };
        self.with(|options| options.retry = Some(retry))
    }

    /// Ends an attempt that takes longer, counted from its start. Default: none.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = Some(timeout))
    }

    /// Starts before others that are ready with a lower priority, whatever the critical path says. Default: 0.
    #[must_use]
    pub fn priority(self, priority: i32) -> Self {
        self.with(|options| options.priority = priority)
    }

    /// What it will probably use of a model.
    #[must_use]
    pub fn expects(self, usage: Usage) -> Self {
        self.with(|options| options.expects.add(&usage))
    }

    /// The agent that does it.
    #[must_use]
    pub fn agent(self, agent: impl Into<String>) -> Self {
        let agent = agent.into();
        self.with(|options| options.agent = Some(agent))
    }

    /// Is done by an agent that can do that: [`assign`](crate::plan::assign) says which.
    #[must_use]
    pub fn capability(self, capability: impl Into<String>) -> Self {
        let capability = capability.into();
        self.with(|options| options.capability = Some(capability))
    }

    /// Runs only while that condition holds; else it is skipped, and its dependents go on.
    #[must_use]
    pub fn when(self, condition: Condition) -> Self {
        self.with(|options| options.conditions.push(condition))
    }

    /// Uses a resource while it runs; see [`Claim`].
    #[must_use]
    pub fn claim(self, claim: Claim) -> Self {
        self.with(|options| options.claims.push(claim))
    }

    /// Undoes the task that way when its run does not succeed; a text names the agent that does it.
    #[must_use]
    pub fn undo(self, undo: impl Into<Undo>) -> Self {
        let undo = undo.into();
        self.with(|options| options.undo = Some(undo))
    }

    /// What is undone when this task fails. Default: all that the run did.
    #[must_use]
    pub fn rollback(self, scope: UndoScope) -> Self {
        self.with(|options| options.rollback = Some(Rollback { scope, on: Vec::new() }))
    }

    /// Names the circuit breaker that its attempts ask before they begin; tasks that name the same one share it, also those of
    /// other runs of the same [engine](crate::Engine::breakers). [`GraphBuilder::breaker`](crate::GraphBuilder::breaker) says how
    /// it behaves. What undoes the task does not ask it.
    #[must_use]
    pub fn breaker(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|options| options.breaker = Some(name))
    }

    /// Begins its prompt as the other tasks with that prefix do.
    #[must_use]
    pub fn prefix(self, prefix: Prefix) -> Self {
        self.with(|options| options.prefix = Some(prefix))
    }

    /// Is made of those files, models and tools: another result is to be expected when one of them is another one.
    #[must_use]
    pub fn sources(self, sources: Sources) -> Self {
        self.with(|options| options.sources = Some(sources))
    }

    /// Changes any option: `Task::new("a").with(|options| options.group = Some("reviewers".into()))`.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut TaskOptions)) -> Self {
        change(self.options.get_or_insert_default());
        self
    }

    /// The name.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// The dependencies as given. Empty for a task inside a [`Graph`](crate::Graph): there, ask
    /// [`Graph::parents`](crate::Graph::parents).
    pub fn dependencies(&self) -> &[TaskId] {
        &self.after
    }

    /// The expected duration, where one was given.
    #[inline]
    pub fn estimated(&self) -> Option<Duration> {
        self.estimate
    }

    /// A hash of what of the definition decides what the task makes. Not part of it: its name, what it waits for, how long and
    /// how often it may try, what it claims, how it is shown, ordered and undone.
    pub fn content(&self) -> [u8; 32] {
        let options = self.options();
        let models: Vec<&str> = options.expects.models().iter().map(|usage| usage.model.as_str()).collect();
        let kept = TaskOptions {
            phase: None,
            group: None,
            claims: Vec::new(),
            priority: 0,
            timeout: None,
            idle_timeout: None,
            retry: None,
            allow_failure: false,
            critical: false,
            expects: Usage::default(),
            undo: None,
            rollback: None,
            breaker: None,
            ..options.clone()
        };
        // Plain data; writing it to memory cannot fail.
        let text = serde_json::to_vec(&(kept, models)).unwrap_or_default();
        *blake3::hash(&text).as_bytes()
    }

    /// Everything else about the task.
    #[inline]
    pub fn options(&self) -> &TaskOptions {
        self.options.as_deref().unwrap_or(&DEFAULT_OPTIONS)
    }
}

/// How a task may behave. `TaskOptions::default()` is: no limit, no retry, no condition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskOptions {
    /// Who does it: the key under which an executor looks up a program or a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the agent must be able to do, where the task names none: [`assign`](crate::plan::assign) finds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// What to do, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The phase it was defined in, for showing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The group whose [quorum](crate::GraphBuilder::quorum) it counts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it uses while it runs. Two claims on one resource are as one: the stronger mode, the larger numbers, the shorter
    /// times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// Higher starts first among the ready.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// The longest an attempt may take, from its start.
    #[serde(rename = "timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The longest an attempt may go without a heartbeat or output.
    #[serde(rename = "idle_timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Whether and when to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// All must allow the task to run, else it is skipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Values it reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Values it makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputSpec>,
    /// Its failure does not fail the run, and its dependents go on.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_failure: bool,
    /// Its failure stops the run, also one that goes on after failures.
    #[serde(skip_serializing_if = "is_default")]
    pub critical: bool,
    /// What it will probably use of models.
    #[serde(skip_serializing_if = "Usage::is_empty")]
    pub expects: Usage,
    /// Free values for the executor.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub params: Value,
    /// Its output adds tasks to the running graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expand: Option<Expand>,
    /// What takes back what it did, when its run does not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// What is undone when it fails. Default: all that the run did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// The circuit breaker that its attempts ask before they begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<String>,
    /// How its prompt begins, where other tasks begin theirs alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Prefix>,
    /// What its result depends on beside its definition and the values that it reads. Asked only where it
    /// [shares](TaskOptions::shares) what it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
}

impl TaskOptions {
    /// Whether something that the task makes is to be shared: it says for how long it [stays good](OutputSpec::ttl). Then the
    /// output is kept in the cache of the engine, where it has one, and a task that would make the same is not run.
    ///
    /// A task that can be [undone](TaskOptions::undo) shares nothing: it is run for its effect, and a later run that found its
    /// output would leave out an effect that may have been taken back.
    pub fn shares(&self) -> bool {
        self.undo.is_none() && self.outputs.iter().any(|output| output.ttl.is_some_and(|ttl| !ttl.is_zero()))
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A value that a task reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The key under which another task makes it, or the run's inputs give it.
    pub key: String,
    /// Whether the task cannot do without.
    #[serde(default = "yes")]
    pub required: bool,
    /// Taken when nobody made the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

fn yes() -> bool {
    true
}

/// A value that a task makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Its key. The task's output is an object with this key, or, with one declared key, the value itself.
    pub key: String,
    /// How long it stays good for others than those who depend on the task: it goes to the cache under its key. `None` or zero:
    /// it is data of the run only.
    #[serde(default, rename = "ttl_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

/// Whether and when a failed attempt is repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// How often the task may start in all, the first time included; 1 means never again. Default: 3.
    pub max_attempts: u32,
    /// How the wait grows. Default: exponential.
    pub strategy: Backoff,
    /// The wait before the second attempt. Default: 1 s.
    #[serde(rename = "initial_delay_ms", with = "millis::plain")]
    pub initial_delay: Duration,
    /// The longest wait. Default: 30 s.
    #[serde(rename = "max_delay_ms", with = "millis::plain")]
    pub max_delay: Duration,
    /// What an exponential wait is multiplied by each time. Default: 2.
    pub multiplier: f64,
    /// Draws each wait evenly from zero to its full length, so that many failures do not come back at once. Default: yes.
    pub jitter: bool,
    /// Repeats only errors whose kind or message contains one of these, in any case. Empty: every error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            strategy: Backoff::Exponential,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            multiplier: 2.0,
            jitter: true,
            on: Vec::new(),
        }
    }
}

/// How the wait between attempts grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// No wait.
    Immediate,
    /// 1, 2, 3, 4 … times the first.
    Linear,
    /// 1, m, m², m³ … times the first.
    #[default]
    Exponential,
    /// 1, 1, 2, 3, 5 … times the first.
    Fibonacci,
}

/// How the output of a task becomes tasks of the running graph: [`expand`](super::expand) reads it.
///
/// A field may be a dotted path, `assigned.agent`; an empty one means its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expand {
    /// The path to an array inside the task's output, for example `["tasks"]`; empty for the output itself.
    pub path: Vec<String>,
    /// The field of an element that names the new task. Default: `id`.
    pub id: String,
    /// The field that names its agent. Default: `agent`.
    pub agent: String,
    /// The field that says what to do. Default: `description`.
    pub description: String,
    /// The field that lists the names it waits for, among the new tasks or the graph's. Default: `dependencies`.
    pub dependencies: String,
    /// The field with its expected duration in milliseconds. Default: `estimate_ms`.
    pub estimate_ms: String,
    /// The field that lists the resources that it shares, by name, one unit of each. Default: `resources`.
    pub resources: String,
    /// The phase of the new tasks.
    pub phase: Option<String>,
    /// Claims of every new task.
    pub claims: Vec<Claim>,
    /// Tasks of the graph that wait for the new ones too, where they have not started.
    pub before: Vec<TaskId>,
    /// The most tasks that one output may add. More is refused. 0 means 1,000.
    pub max_tasks: usize,
    /// Whether a bad output (not an array, a cycle, a double name) fails the task that made it; else it is only a warning.
    pub strict: bool,
}

/// Durations as whole milliseconds in JSON.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's `with` asks for this shape")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }

    pub(crate) mod plain {
        use super::{Deserialize, Deserializer, Duration, Serialize, Serializer};

        pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
            u64::try_from(value.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
            u64::deserialize(deserializer).map(Duration::from_millis)
        }
    }
}
