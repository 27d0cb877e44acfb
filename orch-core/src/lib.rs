//! Runs graphs of tasks in parallel, as early as their dependencies allow, and says what happened.
//!
//! # Ten minutes
//!
//! | Noun | Is | Made by |
//! |---|---|---|
//! | [`Task`] | one unit of work: a name, what it waits for, retries, timeout, conditions | code, or a [`Command`] |
//! | [`Command`] | a definition in a file, in one of several dialects | [`Command::parse`] |
//! | [`Graph`] | tasks, checked: names are unique, dependencies exist, no cycle | [`Graph::builder`], [`Command::graph`] |
//! | [`Plan`] | what follows from a graph alone: levels, critical path, the order of starts | [`Plan::new`] |
//! | [`Executor`] | who does the work: any async function, a program, your own type | you |
//! | [`Engine`] | an executor and those who listen; runs any number of plans | [`Engine::builder`] |
//! | [`Run`] | one execution of a plan | [`Engine::start`] |
//! | [`Event`] | one thing that happened; the only thing that a run says | the run |
//! | [`Report`], [`Progress`] | what the events mean | folds over events |
//!
//! ```
//! use std::time::Duration;
//!
//! use orch_core::{Engine, EventKind, Graph, Plan, PlanOptions, Result, RunOptions, Task, TaskContext};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! // 1. Definition: plain data. Nothing runs.
//! let graph = Graph::builder("release-notes")
//!     .task(Task::new("collect").retries(2).timeout(Duration::from_secs(30)))
//!     .task(Task::new("draft").after("collect").estimate(Duration::from_secs(90)))
//!     .task(Task::new("check-links").after("collect"))
//!     .task(Task::new("publish").after("draft").after("check-links"))
//!     .build()?; // one error that lists every problem, not only the first
//!
//! // 2. Plan: a pure function of the graph. The same graph gives the same plan.
//! let plan = Plan::new(&graph, &PlanOptions::default())?;
//! assert_eq!((plan.levels(), plan.widest()), (3, 2));
//!
//! // 3. Engine: any async function from a task to an answer is an executor.
//! let engine = Engine::builder().executor(async |task: TaskContext| format!("{} finished", task.id())).build()?;
//!
//! // 4. Run: events are the only thing that it says. (`engine.run(..)` if you need none.)
//! let mut run = engine.start(&plan, RunOptions { max_parallel: 8, ..RunOptions::default() });
//! while let Some(event) = run.next_event().await {
//!     if let EventKind::TaskFinished { task, .. } = &event.kind {
//!         println!("#{} {}", event.seq, graph.id(*task));
//!     }
//! }
//!
//! // 5. Report: a fold over those events.
//! let report = run.report().await?; // Err: the engine could not do its work
//! println!("{report}");
//! report.into_result() // Err: some task failed
//! # }
//! ```
//!
//! Without a runtime of your own, [`blocking::run`] does the same. Where to read on: [`definition`] and its
//! [commands](definition::command), [`plan`], [`engine`], [`report`]; then [`run`] and [`session`], how it works inside. The
//! [`guide`] holds the architecture, the glossary and the decisions.
//!
//! # Features
//!
//! None is on by default; the core then has a handful of dependencies.
//!
//! | Feature | Adds |
//! |---|---|
//! | `markdown` | conversion of version 1 commands, written in Markdown |
//! | `process` | programs as tasks |
//! | `html` | the report as one HTML file |
//! | `prices` | what tokens cost, from the data of genai-prices |
//! | `sqlite` | the [`store`] on disk, one file |
//! | `budget-files` | the budget files of the scripts that orch replaces |
//! | `zones` | time zones by name, for the days and months of budgets |
//! | `notify` | [`ext::notify`]: notices to Discord, Slack and webhooks |
//! | `agents` | [`executor::models`]: models over HTTP as agents, one after the other where one does not answer |
//! | `hooks` | [`ext::hooks`]: hooks that keep interactive agents within the budgets, and those of git |
//! | `otel` | [`ext::otel`]: runs as spans and metrics of OpenTelemetry |
//! | `git` | [`git`]: the only caller of the `git` program |
//! | `worktrees` | [`ext::worktree`]: a checkout of its own for each task |
//! | `serve` | [`ext::serve`]: a local page of runs, live |
//! | `metrics` | [`ext::metrics`]: what orchestration costs and saves |
//! | `badges` | [`ext::badges`]: figures for a README |
//! | `actions` | [`ext::actions`]: what workflows of GitHub Actions waste, and safe edits of them |
//! | `full` | all of the above |
//! | `testing` | aids for tests: random graphs for proptest |
//! | `vectors` | what answers the conformance vectors |
//! | `cli` | the command line, `orch` |

pub mod cache;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod cost;
pub mod definition;
pub mod engine;
pub mod error;
pub mod event;
pub mod executor;
#[cfg(any(
    feature = "actions",
    feature = "badges",
    feature = "budget-files",
    feature = "hooks",
    feature = "metrics",
    feature = "notify",
    feature = "otel",
    feature = "serve",
    feature = "worktrees"
))]
pub mod ext;
#[cfg(test)]
mod fixtures;
#[cfg(feature = "git")]
pub mod git;
pub mod guide;
pub mod id;
pub mod locks;
pub mod plan;
pub mod recovery;
pub mod report;
pub mod run;
pub mod session;
pub mod store;
mod sync;
#[cfg(any(test, feature = "testing", feature = "vectors"))]
pub mod testing;
pub mod units;

pub use cache::{
    Admission, CacheEntry, CacheOptions, CacheStats, CacheValue, ContentHash, Eviction, Imported, Keep, Made, Origin,
    Pattern, TtlCache,
};
pub use clock::{Clock, Hand, WallTime};
pub use cost::{Price, PriceSource, PriceTable, Rates};
pub use definition::{
    Backoff, BreakerOptions, Change, Claim, ClaimMode, Command, Edit, Expand, Graph, GraphBuilder, GraphHash,
    GraphOptions, Input, Optimized, OutputSpec, PhaseOrder, RedundantEdge, RedundantEdges, Resource, ResourceKind,
    Retry, Rollback, Task, TaskOptions, Undo, UndoOn, UndoScope, WhenOpen, WorkHash,
};
pub use engine::{Engine, EngineBuilder, Inline, Run, RunOptions, blocking};
pub use error::{Error, ErrorKind, Problem, Result, Severity};
pub use event::{
    BreakerState, Event, EventKind, EventSink, Failure, FailureKind, IntoOutcome, Kept, Outcome, Output, RunState,
    SkipReason, Stream, TaskState,
};
#[cfg(feature = "agents")]
pub use executor::AgentExecutor;
#[cfg(feature = "process")]
pub use executor::{Agent, Agents, ExitMeaning, ProcessExecutor, ProcessOptions};
pub use executor::{Body, DryRun, Executor, Inputs, Redactor, TaskContext, ToUndo};
pub use id::{Printable, ResourceId, RunId, TaskId, TaskIx};
pub use plan::{History, Learned, LearnedBy, LearnedCost, Plan, PlanOptions, Sample, Step};
pub use report::{Progress, Report, TaskResult};
pub use run::FailurePolicy;
pub use session::Resume;
pub use units::{Cost, ModelUsage, Usage, Usd};

/// The version of the engine, for example `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
