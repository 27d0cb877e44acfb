//! What the old classes ask of definitions and graphs: text in, JSON out.

use std::path::Path;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use orch_core::{
    Command, Graph, GraphOptions, Plan, PlanOptions, Problem,
    cache::CacheValue,
    definition::export::mermaid,
    session::{Definition, read_text},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{convert, error::Raised};

/// The definition of a file, given its bytes and its name: `{definition}`, in the published form where it was Markdown; for a
/// WfFormat file `{graph}`.
#[napi]
pub fn command_read(bytes: Buffer, file: String) -> napi::Result<String> {
    let text = read_text(bytes.as_ref(), &file).raised()?;
    match Definition::parse(&text, Some(Path::new(&file))).raised()? {
        Definition::Graph(graph) => convert::shown(&json!({"graph": graph})),
        definition => convert::shown(&json!({"definition": definition.command()})),
    }
}

/// What is wrong with a definition, and its graph if nothing stops it: `{definition, problems, graph, inputs, required,
/// deadline_ms}`. Agents without ids are [understood](Command::inferred).
#[napi]
pub fn command_graph(definition: String, options: Option<String>) -> napi::Result<String> {
    let options: GraphOptions =
        options.map(|text| convert::read(&text, "the options of the graph")).transpose()?.unwrap_or_default();
    let command = Command::inferred(convert::read(&definition, "the definition")?);
    convert::shown(&json!({
        "definition": command,
        "problems": command.problems(&options),
        "graph": command.graph(&options).ok(),
        "inputs": command.inputs(),
        "required": command.required_inputs(),
        "deadline_ms": command.deadline().map(convert::millis),
    }))
}

/// What follows from a graph alone.
#[derive(Serialize)]
struct View<'a> {
    hash: String,
    warnings: &'a [Problem],
    levels: Vec<Vec<&'a str>>,
    critical_path: Vec<&'a str>,
    serial_ms: f64,
    critical_ms: f64,
    widest: u32,
    /// From, to.
    edges: Vec<(&'a str, &'a str)>,
    /// Of each task, what is assumed for it where it says nothing.
    estimates_ms: Vec<f64>,
}

/// A graph in its JSON form, looked at: hash, levels, critical path.
///
/// # Errors
///
/// Every problem of a graph that cannot run.
#[napi]
pub fn graph_view(graph: String) -> napi::Result<String> {
    let graph = Graph::parse(&graph).raised()?;
    let plan = Plan::new(&graph, &PlanOptions::default()).raised()?;
    let name = |ix| graph.id(ix).as_str();
    convert::shown(&View {
        hash: graph.hash().to_string(),
        warnings: graph.warnings(),
        levels: plan.by_level().into_iter().map(|level| level.into_iter().map(name).collect()).collect(),
        critical_path: plan.critical_path().iter().copied().map(name).collect(),
        serial_ms: convert::millis(plan.serial()),
        critical_ms: convert::millis(plan.critical()),
        widest: plan.widest(),
        edges: graph.indices().flat_map(|to| graph.parents(to).map(move |from| (name(from), name(to)))).collect(),
        estimates_ms: graph.indices().map(|ix| convert::millis(plan.step(ix).estimate)).collect(),
    })
}

/// The graph with equal tasks as one and without useless dependencies: `{graph, changes}`.
#[napi]
pub fn graph_optimized(graph: String) -> napi::Result<String> {
    let optimized = Graph::parse(&graph).raised()?.optimize().raised()?;
    let changes: Vec<String> = optimized.changes.iter().map(ToString::to_string).collect();
    convert::shown(&json!({"graph": optimized.graph, "changes": changes}))
}

/// A graph as a Mermaid flowchart.
#[napi]
pub fn graph_mermaid(graph: String) -> napi::Result<String> {
    Ok(mermaid(&Graph::parse(&graph).raised()?, &[]))
}

/// The content hash of a JSON value, the same whatever the order of its members.
#[napi]
pub fn content_hash(json: String) -> napi::Result<String> {
    let value: Value = convert::read(&json, "the value")?;
    let entry = orch_core::CacheEntry::new("", CacheValue::from(value), orch_core::Keep::default());
    Ok(entry.hash().to_string())
}
