//! Commands, conditions and expansions as vectors.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::{failed, ms, read, wrong};
use crate::{
    Command, Expand, Graph, GraphOptions, Plan, PlanOptions, Result,
    definition::{command::Expression, expand},
};

/// A definition, as a value or as text, to its problems, its graph and what the plan says of that.
pub(super) fn command(input: Value) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        definition: Option<Value>,
        text: Option<String>,
        #[serde(default)]
        options: GraphOptions,
    }
    let Input { definition, text, options } = read(input)?;
    let command = match (definition, text) {
        (Some(definition), None) => Command::from_value(definition),
        (None, Some(text)) => match Command::parse(&text) {
            Ok(command) => command,
            Err(error) => return Ok(failed(&error)),
        },
        _ => return Err(wrong("it has either `definition` or `text`")),
    };
    understood(&command, &options)
}

/// A definition whose agents may have no ids to the same.
pub(super) fn inferred(input: Value) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        definition: Value,
        #[serde(default)]
        options: GraphOptions,
    }
    let Input { definition, options } = read(input)?;
    understood(&Command::inferred(definition), &options)
}

fn understood(command: &Command, options: &GraphOptions) -> Result<Value> {
    let mut want = Map::from_iter([("problems".to_owned(), json!(command.problems(options)))]);
    if let Ok(graph) = command.graph(options) {
        let plan = Plan::new(&graph, &PlanOptions::default())?;
        let plan = json!({
            "levels": plan.levels(),
            "widest": plan.widest(),
            "serial_ms": ms(plan.serial()),
            "critical_path_ms": ms(plan.critical()),
        });
        want.insert("plan".to_owned(), plan);
        want.insert("graph".to_owned(), json!(graph));
    }
    if !command.inputs().is_empty() {
        want.insert("inputs".to_owned(), json!(command.inputs()));
    }
    Ok(Value::Object(want))
}

/// An expression to what it reads, and its answer in each scope.
pub(super) fn condition(input: Value) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        source: String,
        #[serde(default)]
        scopes: Vec<Value>,
    }
    let Input { source, scopes } = read(input)?;
    Ok(match Expression::parse(&source) {
        Ok(expression) => json!({
            "references": expression.references(),
            "holds": scopes.iter().map(|scope| expression.evaluate(scope)).collect::<Vec<bool>>(),
        }),
        Err(error) => failed(&error),
    })
}

/// A task's output to the new tasks, or to all its problems, and the graph with them.
pub(super) fn expansion(input: Value) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        spec: Expand,
        output: Value,
        graph: Graph,
    }
    let Input { spec, output, graph } = read(input)?;
    Ok(match expand(&spec, &output, &graph) {
        Ok(tasks) => match graph.extended(tasks, &spec.before) {
            Ok(graph) => json!({"graph": graph}),
            Err(error) => failed(&error),
        },
        Err(problems) => json!({"problems": problems}),
    })
}
