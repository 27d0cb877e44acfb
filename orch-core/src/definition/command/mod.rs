//! Command definitions: the files that describe a graph of agents.
//!
//! [`Command`] reads the published form of version 2.0.0 and the dialects in use, keeps the JSON as it was given, and makes a
//! [`Graph`](crate::Graph) of it. Text comes in as text: nothing here opens a file, runs a condition's program or knows
//! which agents exist.
//!
//! ```
//! use orch_core::{Command, GraphOptions, Severity};
//!
//! let command = Command::parse(r#"{
//!   "version": "2.0.0", "name": "/notes", "description": "writes notes",
//!   "phases": [{"id": "all", "name": "All", "agents": [
//!     {"id": "draft", "agentId": "writer", "task": "write", "dependencies": ["colect"], "estimatedTime": -5},
//!     {"id": "collect", "agentId": "reader", "task": "read", "dependencies": []}
//!   ]}]
//! }"#)?;
//! let problems = command.problems(&GraphOptions::default());
//! assert_eq!(problems.len(), 2, "both are told at once");
//! assert_eq!(
//!     problems[1].to_string(),
//!     "error[MISSING_REFERENCE] phases[0].agents[0].dependencies[0] (line 4): depends on `colect`, which is no agent of \
//!      this command; did you mean `collect`?"
//! );
//! # Ok::<(), orch_core::Error>(())
//! ```
//!
//! # Dialects
//!
//! | what | read from |
//! |---|---|
//! | who does it | `agentId`, else `type`, else `name` |
//! | what to do | `task`, else `description` |
//! | expected time | `estimatedTime` in milliseconds, else `estimatedDuration` in minutes |
//! | phase order | `parallel`, else not `sequential`; only [`PhaseOrder::Barrier`] asks |
//! | phase limit | `maxParallelism`, else `parallelism.maxConcurrent` |
//! | condition | `conditional` (true runs; `enabled: false` switches it off) and `skipCondition` (true skips), of agents and phases |
//! | retries | `retryPolicy`, else `retry`, else `errorHandling.retryPolicy` of the root; `maxAttempts` counts every start |
//! | values | `context.inputs` and `context.outputs` as texts or objects (ttl in seconds); `outputs` by name |
//! | cache | `contextSharing.cachePolicy`: `maxSize` in bytes, `eviction` (`LRU`, `LFU`, `TTL`) |
//! | default ttl | `globalContext.cacheTTL` and `context.shared[].ttl` in seconds, `contextSharing.cachePolicy.ttl` in milliseconds |
//! | resources | of an agent `resources[]` (a name shares one unit) or `resources.locks[]` (`type`; without one, one unit of a declared `maxConcurrent`, else exclusive; `timeout` in seconds: the longest wait); declared in `resourceLocking.resources` or `resourceManagement.globalLocks` (`maxConcurrent`; `priority` of claims without their own: a number or `high` 1, `medium` 0, `low` -1) |
//! | priority | higher first; in the dialect of version `2.0` or with `sequential`, 1 is the most urgent |
//! | undo | `compensation` of an agent: its `task`, else `description`, else `action` with `rollbackSteps`, by its `agentId`, else the agent's own; `compensateOn`; `type` `none` undoes nothing, `retry` tries the agent again, `cascade` undoes the chain when the agent fails, `rollbackTo` all that ended after that agent; also `itself`, `timeout`, `retryPolicy`; `enabled: false` switches it off |
//! | sagas | `saga` and `sagaCompensation`: `enabled: false` undoes nothing; only agents of `compensationPhases` are undone; `transactionTimeout` in seconds is [`Command::deadline`] |
//! | cache key | `cacheKey` of an agent: `files` (paths and patterns), `models` (names), `tools` (names with versions), on which its result depends |
//! | circuit breakers | `circuitBreaker` of an agent, a name or `failureThreshold`, `successThreshold`, `resetTimeout`, `monitoringPeriod` (milliseconds), `probes`, `errors`, `whenOpen`; `circuitBreakers` of the root, by name |
//! | failures | a failure in one of `errorHandling.criticalPhases` stops the run; `continueOnError`, else `errorHandling.fallbackStrategy: "continue-with-warnings"` outside `criticalPhases` |
//! | new tasks | `dynamicAgents` of a phase, see [`expand`](crate::definition::expand) |
//!
//! Everything else is kept and written back, but means nothing to the engine; what else an agent has, its executor gets as
//! [`params`](crate::TaskOptions::params).
//!
//! # Codes
//!
//! Every [`Problem`](crate::Problem) has one of these codes. **strict** marks warnings that are errors for
//! [`GraphOptions::strict`].
//!
//! | code | severity | what is wrong |
//! |---|---|---|
//! | `CIRCULAR_DEPENDENCY` | error | agents wait for each other, for themselves, or, with barriers, for a later phase; with the path |
//! | `DUPLICATE_ID` | error; warning for locks of the command | an id of an agent, a phase or a resource is taken |
//! | `DUPLICATE_OUTPUT` | warning | two agents make the same key, without a `merge` |
//! | `EMPTY_LIST` | error | no phase, or a phase without agents that is not dynamic |
//! | `INVALID_CONDITION` | error | a condition that is not of [the language](condition), of no known type, or needs a shell |
//! | `INVALID_NAME` | error; warning for unusual names | empty, too long, with control characters; else not of the published form |
//! | `INVALID_TYPE` | error | a text where a number is needed, and the like |
//! | `INVALID_VALUE` | error | negative and absurd times, counts of 0, unknown strategies |
//! | `INVALID_VERSION` | error; warning for `2.0` | the version is not `2.0.0` |
//! | `LONG_ESTIMATE` | warning | more than an hour for one agent |
//! | `MISSING_CONTEXT_INPUT` | warning, **strict** | a required input that no agent makes and the run does not have |
//! | `MISSING_FIELD` | error; warning for agent, task, description | a field without which it does not run |
//! | `MISSING_REFERENCE` | error | a dependency, phase or source that does not exist |
//! | `MORE_PROBLEMS` | as what it stands for | there are more problems than the 10,000 that are listed |
//! | `NOT_APPLIED` | warning | a field that is kept but does nothing |
//! | `NOT_CHECKED` | warning | the definition is too large to check who reads too early |
//! | `TIMEOUT_BELOW_ESTIMATE` | warning | the timeout ends it before it is expected to be done |
//! | `TOO_LARGE` | error | more than a million agents, or barriers of more than ten million dependencies |
//! | `UNDECLARED_RESOURCE` | warning | a resource without a limit |
//! | `UNKNOWN_VALUE` | warning, **strict** | a condition reads what nobody makes |
//! | `UNORDERED_INPUT` | warning, **strict** | an input is made by an agent that it does not depend on |
//! | `UNORDERED_READ` | warning, **strict** | a condition reads an agent that it does not depend on |

mod argv;
mod check;
pub mod condition;
#[cfg(feature = "markdown")]
mod convert;
mod graph;
mod inferred;
mod json;
mod lines;
#[cfg(feature = "markdown")]
mod markdown;
mod model;
mod order;
mod problems;
mod read;

pub use condition::{Condition, Expression, Scope, Test, camel_case, member};
#[cfg(feature = "markdown")]
pub use convert::{Conversion, Note, convert};
pub use graph::{GraphOptions, PhaseOrder};
pub use model::{Agent, CachePolicy, Command, Dynamic, Phase, Placed, ResourceUse};

#[cfg(test)]
mod tests;
