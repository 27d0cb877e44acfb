//! WfFormat 1.5, the format of the WfCommons instances: real executions of scientific workflows, and so the benchmark that
//! schedulers share.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    definition::{Graph, GraphBuilder, Task},
    error::{Error, ErrorKind, Problem, Result},
    id::{Printable, TaskId, TaskIx},
};

/// The one version that is read and written.
const VERSION: &str = "1.5";

/// A longer text is refused.
const MAX_BYTES: usize = 512 << 20;

/// The name of the program that wrote a file, by which it knows its own files again.
const WRITER: &str = "orch";

/// The graph as WfFormat 1.5: a JSON document, ready to be written to a file.
///
/// Identifiers of that format hold only letters, digits, `-`, `_` and `.`, so each task gets one that looks like its name
/// and is unique, and keeps its name in `name`: [`from_wfformat`] gives the names back. Estimates become the runtimes of an
/// execution whose makespan is the critical path and whose date is the start of 1970, since it never happened. Agents
/// become program names. Everything else about a task has no place in the format.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Graph, Task, definition::export};
///
/// let graph = Graph::builder("release")
///     .task(Task::new("run tests").estimate(Duration::from_secs(90)))
///     .task(Task::new("publish").after("run tests"))
///     .build()?;
/// let text = export::wfformat(&graph);
/// assert!(text.contains("\"run_tests\""));
/// let back = export::from_wfformat(&text)?;
/// assert_eq!(back.hash(), graph.hash());
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn wfformat(graph: &Graph) -> String {
    let ids = identifiers(graph);
    let id = |ix: TaskIx| ids.get(ix.index()).cloned().unwrap_or_default();
    let tasks: Vec<Value> = graph
        .indices()
        .map(|ix| {
            json!({
                "name": graph.id(ix).as_str(),
                "id": id(ix),
                "parents": graph.parents(ix).map(id).collect::<Vec<_>>(),
                "children": graph.children(ix).map(id).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut workflow = json!({ "specification": { "tasks": tasks } });
    let executed: Vec<Value> = graph.indices().filter_map(|ix| executed(graph.task(ix), id(ix))).collect();
    if !executed.is_empty()
        && let Some(workflow) = workflow.as_object_mut()
    {
        let execution = json!({
            "makespanInSeconds": longest_chain(graph).as_secs_f64(),
            "executedAt": "1970-01-01T00:00:00Z",
            "tasks": executed,
        });
        workflow.insert("execution".into(), execution);
    }
    let name = if graph.name().is_empty() { "unnamed" } else { graph.name() };
    let document = json!({
        "name": name,
        "description": "Runtimes are estimates; the makespan is the critical path",
        "schemaVersion": VERSION,
        "runtimeSystem": { "name": WRITER, "version": crate::VERSION },
        "workflow": workflow,
    });
    format!("{document:#}\n")
}

/// What the format knows of one execution of a task; `None` if the task has no estimate, which the format asks for.
fn executed(task: &Task, id: String) -> Option<Value> {
    let mut entry = json!({ "id": id, "runtimeInSeconds": task.estimated()?.as_secs_f64() });
    if let (Some(entry), Some(agent)) = (entry.as_object_mut(), task.options().agent.as_deref())
        && !agent.is_empty()
    {
        entry.insert("command".into(), json!({ "program": agent, "arguments": [] }));
    }
    Some(entry)
}

/// The length of the critical path, where tasks without an estimate take no time.
#[expect(clippy::indexing_slicing, reason = "`ends` has one entry a task")]
fn longest_chain(graph: &Graph) -> Duration {
    let mut ends = vec![Duration::ZERO; graph.len()];
    for ix in graph.topological() {
        let start = graph.parents(ix).map(|parent| ends[parent.index()]).max().unwrap_or_default();
        ends[ix.index()] = start.saturating_add(graph.task(ix).estimated().unwrap_or_default());
    }
    ends.into_iter().max().unwrap_or_default()
}

/// An identifier for each task: its name, with `_` for what the format does not allow, and a number if that is taken.
fn identifiers(graph: &Graph) -> Vec<String> {
    // A name that is allowed as it is keeps its identifier, whoever comes first.
    let mut taken: HashSet<String> = graph
        .tasks()
        .iter()
        .map(|task| task.id().as_str())
        .filter(|name| is_allowed(name))
        .map(str::to_owned)
        .collect();
    // Where to go on counting, so that a million equal names do not each count from 2.
    let mut next: HashMap<String, u32> = HashMap::new();
    graph
        .tasks()
        .iter()
        .map(|task| {
            let name = task.id().as_str();
            if is_allowed(name) {
                return name.to_owned();
            }
            let plain: String = name.chars().map(|char| if is_allowed_char(char) { char } else { '_' }).collect();
            if taken.insert(plain.clone()) {
                return plain;
            }
            let number = next.entry(plain.clone()).or_insert(1);
            loop {
                *number += 1;
                let numbered = format!("{plain}.{number}");
                if taken.insert(numbered.clone()) {
                    return numbered;
                }
            }
        })
        .collect()
}

fn is_allowed(name: &str) -> bool {
    name.chars().all(is_allowed_char)
}

/// The published pattern also allows `#` in places; this set is allowed in all.
fn is_allowed_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')
}

/// Reads a graph from WfFormat 1.5.
///
/// Tasks are named by their `id`; files that [`wfformat`] wrote give back the names they were made of. A task's agent is
/// its `name` where that differs from its `id` (one name for many tasks is what kind of task it is), else the program it
/// ran, if that is one word. The measured runtime is the estimate. Dependencies are what `parents` and `children` say
/// together. Files, machines and priorities are not read: priorities of another scheduler would hide our own.
///
/// ```
/// use orch_core::definition::export::from_wfformat;
///
/// let error = from_wfformat(r#"{"name": "x", "schemaVersion": "1.3", "workflow": {"tasks": []}}"#).unwrap_err();
/// assert_eq!(error.to_string(), "this is WfFormat `1.3`; only 1.5 is read");
/// ```
///
/// # Errors
///
/// [`InvalidFormat`](ErrorKind::InvalidFormat) if the text is no WfFormat 1.5, with line and column;
/// [`InvalidDefinition`](ErrorKind::InvalidDefinition) with every unknown task, double identifier, cycle and runtime below
/// zero; [`TooLarge`](ErrorKind::TooLarge) above 512 MiB.
pub fn from_wfformat(text: &str) -> Result<Graph> {
    if text.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, format!("WfFormat is read up to {MAX_BYTES} bytes"))
            .with("bytes", text.len().to_string()));
    }
    if !text.trim_start().starts_with('{') {
        return Err(Error::new(ErrorKind::InvalidFormat, "this is no WfFormat: a JSON object is expected"));
    }
    let version: Versioned = parse(text)?;
    match version.schema_version {
        None => {
            return Err(Error::new(
                ErrorKind::InvalidFormat,
                "no `schemaVersion`: this is no WfFormat; expected a JSON object with \"schemaVersion\": \"1.5\"",
            ));
        }
        Some(version) if version != VERSION => {
            let message = format!("this is WfFormat `{}`; only {VERSION} is read", Printable(&version));
            return Err(Error::new(ErrorKind::InvalidFormat, message));
        }
        Some(_) => {}
    }
    graph_of(parse(text)?)
}

fn parse<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::InvalidFormat, "not valid WfFormat").caused_by(error))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    schema_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'t> {
    name: String,
    #[serde(default)]
    runtime_system: Option<RuntimeSystem>,
    #[serde(borrow)]
    workflow: Workflow<'t>,
}

#[derive(Deserialize)]
struct RuntimeSystem {
    name: String,
}

#[derive(Deserialize)]
struct Workflow<'t> {
    #[serde(borrow)]
    specification: Specification<'t>,
    #[serde(borrow, default)]
    execution: Option<Execution<'t>>,
}

#[derive(Deserialize)]
struct Specification<'t> {
    #[serde(borrow)]
    tasks: Vec<Specified<'t>>,
}

#[derive(Deserialize)]
struct Specified<'t> {
    #[serde(borrow)]
    name: Cow<'t, str>,
    #[serde(borrow)]
    id: Cow<'t, str>,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
}

#[derive(Deserialize)]
struct Execution<'t> {
    #[serde(borrow)]
    tasks: Vec<Executed<'t>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Executed<'t> {
    #[serde(borrow)]
    id: Cow<'t, str>,
    runtime_in_seconds: f64,
    #[serde(borrow, default)]
    command: Option<Command<'t>>,
}

#[derive(Deserialize)]
struct Command<'t> {
    #[serde(borrow, default)]
    program: Option<Cow<'t, str>>,
}

fn graph_of(document: Document<'_>) -> Result<Graph> {
    let Workflow { specification, execution } = document.workflow;
    let ours = document.runtime_system.is_some_and(|system| system.name == WRITER);
    let mut problems = Vec::new();
    let mut places: HashMap<&str, TaskIx> = HashMap::with_capacity(specification.tasks.len());
    let mut tasks: Vec<Task> = Vec::with_capacity(specification.tasks.len());
    for (nth, specified) in (0u32..).zip(&specification.tasks) {
        if places.insert(&specified.id, TaskIx::from(nth)).is_some() {
            let message = format!("`{}` is the id of an earlier task too; ids are unique", Printable(&specified.id));
            problems
                .push(Problem::error("DUPLICATE_ID", message).at(format!("workflow.specification.tasks[{nth}].id")));
        }
        let kind = Some(&specified.name).filter(|name| !ours && **name != specified.id && !name.is_empty());
        let task = Task::new(TaskId::from(if ours { &*specified.name } else { &*specified.id }));
        tasks.push(match kind {
            Some(kind) => task.agent(kind.clone()),
            None => task,
        });
    }
    for (nth, executed) in execution.iter().flat_map(|execution| &execution.tasks).enumerate() {
        let at = |field: &str| format!("workflow.execution.tasks[{nth}].{field}");
        let Some(task) = places.get(&*executed.id).and_then(|ix| tasks.get_mut(ix.index())) else {
            problems.push(unknown(&executed.id).at(at("id")));
            continue;
        };
        match Duration::try_from_secs_f64(executed.runtime_in_seconds) {
            Ok(runtime) => task.estimate = Some(runtime),
            Err(_) => {
                let message = format!("a runtime is zero or more seconds, not `{}`", executed.runtime_in_seconds);
                problems.push(Problem::error("INVALID_VALUE", message).at(at("runtimeInSeconds")));
            }
        }
        let program = executed.command.as_ref().and_then(|command| command.program.as_deref());
        if let Some(program) = program.filter(|program| is_agent(program, ours))
            && task.options().agent.is_none()
        {
            *task = task.clone().agent(program);
        }
    }
    let mut builder = Graph::builder(document.name);
    builder = builder.tasks(tasks);
    link(&mut builder, &specification, &places, &mut problems);
    match (problems.is_empty(), builder.build()) {
        (true, built) => built,
        (false, built) => {
            let more = built.err().map(|error| error.problems().to_vec()).unwrap_or_default();
            // Double identifiers are named above, by their place in the document.
            problems.extend(more.into_iter().filter(|problem| problem.code != "DUPLICATE_ID"));
            let count = problems.len();
            let plural = if count == 1 { "" } else { "s" };
            Err(Error::invalid_definition(format!("the WfFormat document has {count} problem{plural}"), problems))
        }
    }
}

/// Both lists of a task count; they should say the same, and where only one does, it is believed.
fn link(
    builder: &mut GraphBuilder,
    specification: &Specification<'_>,
    places: &HashMap<&str, TaskIx>,
    problems: &mut Vec<Problem>,
) {
    for (nth, specified) in specification.tasks.iter().enumerate() {
        let Some(&this) = places.get(&*specified.id) else { continue };
        for (field, ids) in [("parents", &specified.parents), ("children", &specified.children)] {
            for (at, id) in ids.iter().enumerate() {
                match places.get(id.as_str()) {
                    Some(&other) if field == "parents" => builder.link(other, this),
                    Some(&other) => builder.link(this, other),
                    None => {
                        problems.push(unknown(id).at(format!("workflow.specification.tasks[{nth}].{field}[{at}]")));
                    }
                }
            }
        }
    }
}

fn unknown(id: &str) -> Problem {
    Problem::error("MISSING_REFERENCE", format!("`{}` is the id of no task of the specification", Printable(id)))
}

/// Some systems put a whole script where the program's name should be. Ours puts the agent, whatever it is.
fn is_agent(program: &str, ours: bool) -> bool {
    !program.is_empty()
        && (ours || program.len() <= 128 && !program.contains(|c: char| c.is_whitespace() || c.is_control()))
}

#[cfg(test)]
mod tests;
