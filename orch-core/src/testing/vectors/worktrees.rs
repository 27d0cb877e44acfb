//! Where tasks belong, and what those of a batch cost, as vectors.

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{failed, read};
use crate::{
    Result,
    ext::worktree::{RouteQuery, Routes},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Configuration files: as values, or as the text that is in them.
    #[serde(default)]
    configs: Vec<Value>,
    tasks: Vec<RouteQuery>,
    /// The turn of the first task; each of the others has that which the one before it answered.
    #[serde(default)]
    turn: Option<u64>,
}

pub(super) fn run(input: Value) -> Result<Value> {
    #[cfg(feature = "budget-files")]
    if input.get("tasks").is_none() {
        return super::batches::run(input);
    }
    let Input { configs, tasks, mut turn } = read(input)?;
    let parsed = configs.iter().map(|config| match config {
        Value::String(text) => Routes::parse(text),
        value => Routes::of_value(value),
    });
    let routes = parsed.collect::<Result<Vec<Routes>>>();
    let routes = match routes {
        Ok(routes) => routes.into_iter().fold(Routes::default(), Routes::and),
        Err(error) => return Ok(failed(&error)),
    };
    let mut routed = Vec::new();
    for task in tasks {
        let answer = routes.route(&RouteQuery { turn: task.turn.or(turn), ..task });
        turn = answer.next_turn;
        routed.push(answer.form());
    }
    Ok(json!({"routed": routed}))
}
