//! The vectors of `tests/vectors`: one JSON corpus that judges every language the same way.
//!
//! A vector is a file `{version, note, input, want}` in the folder of its area; a runner of that area makes of `input` what
//! must equal `want`. `UPDATE_VECTORS=1 cargo test -p orch-core --test conformance` rewrites `want`; a person reads the
//! diff.

// It is always true here; it tells the lints that these lines are test code.
#![cfg(test)]

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use orch_core::{
    Command, Error, Expand, Graph, GraphOptions, Plan, PlanOptions, Result,
    definition::{command::Expression, expand},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[path = "conformance/cache.rs"]
mod cache;
#[path = "conformance/locks.rs"]
mod locks;
#[path = "conformance/recovery.rs"]
mod recovery;
#[path = "conformance/run.rs"]
mod run;

/// Makes of `input` what must equal `want`.
type Runner = fn(Value) -> Value;

/// Every area and its runner. A folder without one fails `every_area_has_a_runner`.
const AREAS: [(&str, Runner); 7] = [
    ("cache", cache::cache),
    ("command", command),
    ("condition", condition),
    ("expand", expansion),
    ("locks", locks::run),
    ("recovery", recovery::run),
    ("run", run::run),
];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    version: u32,
    note: String,
    input: Value,
    want: Value,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"))
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn check(area: &str) {
    let (_, run) = AREAS.iter().find(|(name, _)| *name == area).unwrap();
    let update = env::var_os("UPDATE_VECTORS").is_some_and(|update| update == "1");
    let files = names(folder().join(area));
    let mut failures = Vec::new();
    for name in &files {
        assert!(
            name.ends_with(".json"),
            "`{area}/{name}` is no vector, and a skipped file would look like a passed one"
        );
        let file = folder().join(area).join(name);
        let text = fs::read_to_string(&file).unwrap();
        let mut vector: Vector = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{area}/{name}: {error}"));
        assert_eq!(vector.version, 1, "{area}/{name}");
        assert!(!vector.note.is_empty(), "{area}/{name} says what it is for");
        let got = run(vector.input.clone());
        if update {
            vector.want = got;
            fs::write(&file, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
        } else if got != vector.want {
            failures.push(format!("{area}/{name}: {}\n  got  {got}\n  want {}", vector.note, vector.want));
        }
    }
    assert!(!files.is_empty(), "no vector in `{area}`");
    assert!(failures.is_empty(), "{} of {} failed\n{}", failures.len(), files.len(), failures.join("\n"));
}

#[test]
fn every_area_has_a_runner() {
    let known: BTreeSet<String> = AREAS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(folder()), known);
}

#[test]
fn caches() {
    check("cache");
}

#[test]
fn commands() {
    check("command");
}

#[test]
fn conditions() {
    check("condition");
}

#[test]
fn expansions() {
    check("expand");
}

#[test]
fn locks() {
    check("locks");
}

#[test]
fn recoveries() {
    check("recovery");
}

#[test]
fn runs() {
    check("run");
}

fn read<T: DeserializeOwned>(input: Value) -> T {
    serde_json::from_value(input.clone()).unwrap_or_else(|error| panic!("{error}: {input}"))
}

fn failed(error: &Error) -> Value {
    json!({"error": {"code": error.kind().code(), "message": error.to_string()}})
}

/// A definition, as a value or as text, to its problems, its graph and what the plan says of that.
fn command(input: Value) -> Value {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        definition: Option<Value>,
        text: Option<String>,
        #[serde(default)]
        options: GraphOptions,
    }
    let Input { definition, text, options } = read(input);
    let command = match (definition, text) {
        (Some(definition), None) => Command::from_value(definition),
        (None, Some(text)) => match Command::parse(&text) {
            Ok(command) => command,
            Err(error) => return failed(&error),
        },
        _ => panic!("a vector has either `definition` or `text`"),
    };
    let mut want = json!({"problems": command.problems(&options)});
    if let Ok(graph) = command.graph(&options) {
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        want["plan"] = json!({
            "levels": plan.levels(),
            "widest": plan.widest(),
            "serial_ms": plan.serial().as_millis() as u64,
            "critical_path_ms": plan.critical().as_millis() as u64,
        });
        want["graph"] = serde_json::to_value(&graph).unwrap();
    }
    if !command.inputs().is_empty() {
        want["inputs"] = json!(command.inputs());
    }
    want
}

/// An expression to what it reads, and its answer in each scope.
fn condition(input: Value) -> Value {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        source: String,
        #[serde(default)]
        scopes: Vec<Value>,
    }
    let Input { source, scopes } = read(input);
    match Expression::parse(&source) {
        Ok(expression) => json!({
            "references": expression.references(),
            "holds": scopes.iter().map(|scope| expression.evaluate(scope)).collect::<Vec<bool>>(),
        }),
        Err(error) => failed(&error),
    }
}

/// A task's output to the new tasks, or to all its problems, and the graph with them.
fn expansion(input: Value) -> Value {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        spec: Expand,
        output: Value,
        graph: Graph,
    }
    let Input { spec, output, graph } = read(input);
    let extended = |tasks| -> Result<Graph> { graph.extended(tasks, &spec.before) };
    match expand(&spec, &output, &graph) {
        Ok(tasks) => match extended(tasks) {
            Ok(graph) => json!({"graph": graph}),
            Err(error) => failed(&error),
        },
        Err(problems) => json!({"problems": problems}),
    }
}
