//! Which areas there are, and who answers their vectors.

use serde_json::Value;

#[cfg(feature = "actions")]
use super::actions;
#[cfg(feature = "badges")]
use super::badges;
#[cfg(feature = "metrics")]
use super::metrics;
#[cfg(feature = "worktrees")]
use super::worktrees;
use super::{assign, cache, cost, definition, locks, money, recovery, run as runs};
use crate::{Error, ErrorKind, Result};

/// Makes of `input` what must equal `want`.
type Answer = fn(Value) -> Result<Value>;

/// Every area and who answers it.
const ANSWERS: &[(&str, Answer)] = &[
    #[cfg(feature = "actions")]
    ("actions", actions::run),
    ("assign", assign::run),
    #[cfg(feature = "badges")]
    ("badges", badges::run),
    ("cache", cache::run),
    ("command", definition::command),
    ("condition", definition::condition),
    ("cost", cost::run),
    ("expand", definition::expansion),
    ("inferred", definition::inferred),
    ("locks", locks::run),
    #[cfg(feature = "metrics")]
    ("metrics", metrics::run),
    ("money", money::run),
    ("recovery", recovery::run),
    ("run", runs::run),
    #[cfg(feature = "worktrees")]
    ("worktrees", worktrees::run),
];

/// The names of all areas, in order. A language that knows another number of them has skipped one.
pub fn areas() -> impl Iterator<Item = &'static str> {
    ANSWERS.iter().map(|(area, _)| *area)
}

/// What the engine makes of the `input` of a vector of that area; it must equal the vector's `want`.
///
/// # Errors
///
/// `NotFound` if there is no such area; `InvalidValue` if the vector itself makes no sense, for example has an unknown field.
/// An error that the engine answers to a vector is no error here: it is in the value.
pub fn run(area: &str, input: Value) -> Result<Value> {
    let Some((_, answer)) = ANSWERS.iter().find(|(name, _)| *name == area) else {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no area `{area}` of vectors")));
    };
    answer(input)
}
