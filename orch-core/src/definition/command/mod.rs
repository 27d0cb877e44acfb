//! Command definitions: the files that describe a graph of agents.
//!
//! Reads every dialect into one [`Command`] and keeps what it does not know. It opens no file and runs nothing.
//!
//! ```
//! use orch_core::definition::command::Command;
//! use serde_json::json;
//!
//! let command = Command::from_value(json!({"name": "/review", "phases": [{"agents": [{"id": "scan"}]}]}));
//! assert_eq!(command.name(), "/review");
//! assert_eq!(command.phases().len(), 1);
//! ```

mod argv;
mod check;
pub mod condition;
mod graph;
mod json;
mod lines;
mod model;
mod order;
mod read;

pub use condition::{Condition, Expression, Scope, Test, camel_case, member};
pub use graph::{GraphOptions, PhaseOrder};
pub use model::{Agent, Command, Dynamic, Phase, Placed, ResourceUse};

#[cfg(test)]
mod tests;
