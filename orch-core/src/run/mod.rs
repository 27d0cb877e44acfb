//! DECIDE: one run as a pure, synchronous state machine.
//!
//! [`Machine`] owns the whole state of a run. It is told what happened and when ([`Message`]) and answers what to do
//! ([`Actions`]): start these attempts, ask these conditions, stop those. It reads no clock, does no I/O, starts no
//! thread and knows no async; the same messages always give the same actions and events. The session and its drivers
//! carry the actions out; [`simulate`] and the tests drive the same machine on a virtual clock.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Graph, Outcome, Plan, PlanOptions, RunId, RunState, Task};
//! use orch_core::run::{Actions, Machine, Message, Rules};
//!
//! let graph = Graph::builder("g").task(Task::new("a")).task(Task::new("b").after("a")).build()?;
//! let plan = Plan::new(&graph, &PlanOptions::default())?;
//! let mut machine = Machine::new(&plan, RunId::from_parts(0, 0), Rules::default())?;
//!
//! let mut actions = Actions::default();
//! machine.step(Duration::ZERO, &mut Vec::new(), &mut actions);
//! let [first] = actions.start[..] else { panic!("`b` waits for `a`") };
//! assert_eq!(graph.id(first.task).as_str(), "a");
//!
//! let done = Message::Finished { task: first.task, attempt: 1, outcome: Outcome::done(()) };
//! actions.clear();
//! machine.step(Duration::from_secs(1), &mut vec![done], &mut actions);
//! assert_eq!(graph.id(actions.start[0].task).as_str(), "b");
//! assert_eq!(machine.state(), RunState::Running);
//! # Ok::<(), orch_core::Error>(())
//! ```

mod checkpoint;
mod claims;
mod context;
mod machine;
mod message;
#[cfg(test)]
mod properties;
mod ready;
mod resources;
mod scope;
mod settle;
mod simulate;
mod start;
#[cfg(test)]
mod tests;
mod undo;
mod warm;

pub use machine::Machine;
pub(crate) use message::push_with;
pub use message::{Actions, Attempt, Check, FailurePolicy, Found, Message, Rules};
pub use resources::Resources;
pub(crate) use resources::{message as lock_message, refused};
pub use simulate::{Forecast, simulate};
pub use warm::Warm;
