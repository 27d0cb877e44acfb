//! Runs programs as tasks.
//!
//! A task names an agent; [`Agents`] says which program that is, as an argument vector, and [`ProcessExecutor`] runs it.
//! There is no shell: nothing in a task's values is ever interpreted. Who wants a shell names it, `["sh", "-c", "…"]`, and
//! reads the values from the environment.
//!
//! # What a program is given
//!
//! | Variable | Value |
//! |---|---|
//! | `ORCH_TASK_ID` | the task's name |
//! | `ORCH_RUN_ID` | the run's name |
//! | `ORCH_IDEMPOTENCY_KEY` | the same for every attempt of the task in this run, also after a [resume](crate::TaskContext::idempotency_key) |
//! | `ORCH_ATTEMPT` | the attempt, from 1 |
//! | `ORCH_FENCE` | the fencing token of what the task claims, where it claims something |
//! | `ORCH_AGENT` | the agent's name; not set for a task without one |
//! | `ORCH_TASK` | what to do, in words: the task's description |
//! | `ORCH_INPUT_<KEY>` | an input value: text as it is, all else as JSON; the key in capitals, with `_` for what is no letter or digit |
//! | `ORCH_MODEL` | the model that it should use: the cheaper one that a budget wants, else the first that the task expects to use |
//! | `ORCH_BUDGET_USD` | what it may spend at most, in dollars; not set where there is no limit |
//! | `ORCH_UNDO` | in an attempt to undo, the task's name; else not set |
//! | `ORCH_UNDO_OUTPUT`, `ORCH_UNDO_WHY` | what the task made, text as it is, all else as JSON; why the run is undone |
//! | `ORCH_OMITTED` | the names of those of the above that are not set, separated by spaces: values above 64 KiB, and keys that would share a name |
//!
//! On standard input it finds the same as JSON, unless its [`Agent::stdin`] says otherwise:
//! `{"run", "task", "attempt", "agent", "description", "params", "inputs": {key: value}, "outputs": {task: output}}`, and in an
//! attempt to undo `"undo": {"task", "output", "why": {"kind", "message"}}`.
//!
//! # Undo
//!
//! A task is undone by the agent that its [`Undo`](crate::Undo) names, else by its own. Everything is as for the task itself,
//! inputs included, but agent, description and parameters are those of the undo (the task's own parameters where it has
//! none), and `ORCH_UNDO` says so. An agent may have other arguments for it, [`Agent::undo`]; **without them the same program
//! is started with the same arguments, and must look at `ORCH_UNDO` or at what it is told to do, or it does the work again.**
//!
//! # What becomes of it
//!
//! Each line of output becomes an event at once. When the program ends, its [exit code](ExitMeaning) decides; standard
//! output becomes the task's [output](OutputForm), the last line of standard error the message of a failure. Secrets are
//! [redacted](crate::Redactor) before anything is said or kept. A program that prints Claude's result message has its usage
//! read from there, see [`ClaudeResult`](crate::executor::ClaudeResult).
//!
//! What Claude and Codex, and whoever [says how](Agent::usage), print of their usage is read while they run: it is
//! [said](crate::TaskContext::used) to the budget, and who may spend no more is ended like one that is cancelled, and charged
//! what it had used. Claude's messages say it after each step, Codex only at the end of its turn.
//!
//! A program runs in a process group of its own. On cancellation and timeout the group gets SIGTERM, and SIGKILL after a
//! grace period; whatever the way a program ends, nothing of its group outlives the task. A process that leaves the group
//! (`setsid`) is its own master. A key at the terminal (Ctrl-C) reaches only this process, which must cancel the run; what
//! ends this process at once (SIGKILL) leaves running programs behind. On systems that are not Unix only the program itself is ended.
//!
//! # What it does not do
//!
//! It does not limit how many programs run (that is the engine's business), knows no containers, and does
//! not restrict what a program may do. It needs a tokio runtime with I/O and time enabled (`enable_all`), of any flavour;
//! children are reaped by tokio.
//!
//! ```
//! use orch_core::{Agents, ProcessExecutor, ProcessOptions};
//!
//! let agents = Agents::default()
//!     .with("reviewer", ["claude", "-p", "{prompt}", "--output-format", "json"])
//!     .with_flag("*=sh -c 'echo \"$ORCH_TASK\"'")?;
//! assert_eq!(agents.find(Some("tester"))?.argv, ["sh", "-c", "echo \"$ORCH_TASK\""]);
//! let executor = ProcessExecutor::new(agents, ProcessOptions::default());
//! # let _ = executor;
//! # Ok::<(), orch_core::Error>(())
//! ```

mod agents;
mod ask;
mod capture;
mod doers;
mod group;
mod launch;
mod options;
mod outcome;
mod run;
mod watch;

pub(crate) use ask::succeeds;
#[cfg(feature = "agents")]
pub(in crate::executor) use launch::prompt;

pub use agents::{Agent, Agents, OutputForm, StdinForm};
pub use doers::Doers;
pub use options::{ExitMeaning, ProcessOptions};
pub use run::ProcessExecutor;
pub use watch::UsageForm;
