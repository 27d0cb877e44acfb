//! Command definitions: the files that describe a graph of agents.

mod argv;
pub mod condition;
mod json;
mod model;
mod read;

pub use condition::{Condition, Expression, Scope, Test};
pub use model::{Agent, Command, Dynamic, Phase, Placed};
