//! Runs graphs of tasks in parallel.

#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod cost;
pub mod definition;
pub mod engine;
pub mod error;
pub mod event;
pub mod executor;
#[cfg(test)]
mod fixtures;
pub mod guide;
pub mod id;
pub mod plan;
pub mod recovery;
pub mod report;
pub mod run;
pub mod session;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod units;

pub use clock::{Clock, Hand, WallTime};
pub use cost::{Price, PriceSource, PriceTable, Rates};
pub use definition::{
    Backoff, Change, Command, Edit, Expand, Graph, GraphBuilder, GraphHash, GraphOptions, Input, Optimized, OutputSpec,
    PhaseOrder, RedundantEdge, RedundantEdges, Retry, Task, TaskOptions,
};
pub use engine::{Engine, EngineBuilder, Inline, Run, RunOptions, blocking};
pub use error::{Error, ErrorKind, Problem, Result, Severity};
pub use event::{
    Event, EventKind, EventSink, Failure, FailureKind, IntoOutcome, Outcome, Output, RunState, SkipReason, Stream,
    TaskState,
};
#[cfg(feature = "process")]
pub use executor::{Agent, Agents, ExitMeaning, ProcessExecutor, ProcessOptions};
pub use executor::{Body, DryRun, Executor, Inputs, Redactor, TaskContext};
pub use id::{Printable, RunId, TaskId, TaskIx};
pub use plan::{Plan, PlanOptions, Step};
pub use report::{Progress, Report, TaskResult};
pub use run::FailurePolicy;
pub use units::{ModelUsage, Usage, Usd};

/// The version of the engine, for example `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
