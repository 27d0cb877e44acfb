//! Command definitions: the files that describe a graph of agents.

pub mod condition;

pub use condition::{Condition, Expression, Scope, Test};
