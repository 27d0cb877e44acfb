//! Tasks that a task's output adds to the running graph.

use std::{collections::HashMap, time::Duration};

use serde_json::{Map, Value};

use super::{Claim, Expand, Graph, Task, check::nearest, command::member};
use crate::{
    error::Problem,
    id::{Printable, TaskId},
};

/// How many tasks one output may add where [`Expand::max_tasks`] is 0.
const DEFAULT_MAX: usize = 1_000;

/// How many dependencies all new tasks may have together, for each that may be added.
const DEPENDENCIES_EACH: usize = 100;

/// The new tasks that `output` asks for, by the fields that `spec` names. Each has the whole element as its
/// [`params`](crate::TaskOptions::params). They are not part of `graph` yet: [`Graph::extended`] takes them, and refuses a
/// cycle with its path.
///
/// ```
/// use orch_core::{Expand, Graph, Task, definition::expand};
/// use serde_json::json;
///
/// let graph = Graph::builder("build").task(Task::new("plan")).task(Task::new("report").after("plan")).build()?;
/// let spec = Expand { path: vec!["tasks".into()], before: vec!["report".into()], ..Expand::default() };
/// let output = json!({"tasks": [{"id": "api"}, {"id": "ui", "dependencies": ["api"]}]});
///
/// let tasks = expand(&spec, &output, &graph).unwrap();
/// let extended = graph.extended(tasks, &spec.before)?;
/// assert_eq!((extended.len(), extended.edges()), (4, 4), "`report` now waits for the new ones too");
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// Every problem at once, each at its place in the output (`output.tasks[3].id`): no array there, too many elements, an
/// element without a name, names that are taken, unknown dependencies, values of the wrong sort.
pub fn expand(spec: &Expand, output: &Value, graph: &Graph) -> Result<Vec<Task>, Vec<Problem>> {
    let place = spec.path.iter().fold("output".to_owned(), |place, name| format!("{place}.{name}"));
    let refuse = |code, message: String| Err(vec![Problem::error(code, message).at(place.clone())]);
    let Some(elements) = elements(spec, output) else {
        return refuse("INVALID_TYPE", "an array of tasks is needed here".to_owned());
    };
    let max = if spec.max_tasks == 0 { DEFAULT_MAX } else { spec.max_tasks };
    if elements.len() > max {
        return refuse("TOO_LARGE", format!("{} tasks are too many; one output may add {max}", elements.len()));
    }
    let mut reader = Reader { spec, graph, place, new: HashMap::new(), problems: Vec::new() };
    let names: Vec<Option<TaskId>> =
        elements.iter().enumerate().map(|(at, element)| reader.name(at, element)).collect();
    let mut left = max.saturating_mul(DEPENDENCIES_EACH);
    let mut tasks = Vec::with_capacity(elements.len());
    for (at, (element, name)) in elements.iter().zip(names).enumerate() {
        if let (Some(fields), Some(name)) = (element.as_object(), name) {
            tasks.push(reader.task(at, fields, name, &mut left));
        }
    }
    if reader.problems.is_empty() { Ok(tasks) } else { Err(reader.problems) }
}

/// The array at the path. An output with one declared key may also be that array itself.
fn elements<'v>(spec: &Expand, output: &'v Value) -> Option<&'v [Value]> {
    match (member(output, &spec.path), output) {
        (Some(Value::Array(elements)), _) => Some(elements),
        (None, Value::Array(elements)) if spec.path.len() == 1 => Some(elements),
        _ => None,
    }
}

struct Reader<'a> {
    spec: &'a Expand,
    graph: &'a Graph,
    place: String,
    /// The names of the new tasks, and which element has each.
    new: HashMap<TaskId, usize>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn error(&mut self, code: &'static str, message: impl Into<String>, at: usize, field: &str) {
        let dot = if field.is_empty() { "" } else { "." };
        self.problems.push(Problem::error(code, message).at(format!("{}[{at}]{dot}{field}", self.place)));
    }

    fn name(&mut self, at: usize, element: &Value) -> Option<TaskId> {
        let spec = self.spec;
        let field = or(&spec.id, "id");
        let Some(fields) = element.as_object() else {
            self.error("INVALID_TYPE", "a new task is an object", at, "");
            return None;
        };
        // Planners like to number their tasks.
        let name = match find(fields, field) {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => {
                self.error("MISSING_FIELD", format!("a new task needs a name in `{}`", Printable(field)), at, field);
                return None;
            }
        };
        let shown = Printable(&name);
        if name.is_empty() || name.len() > TaskId::MAX_BYTES || name.chars().any(char::is_control) {
            let message = format!("a name has 1 to {} bytes and no control character", TaskId::MAX_BYTES);
            self.error("INVALID_NAME", message, at, field);
            return None;
        }
        if self.graph.find(&name).is_some() {
            self.error("DUPLICATE_ID", format!("`{shown}` is already a task of the graph"), at, field);
            return None;
        }
        let id = TaskId::from(name.as_str());
        if let Some(earlier) = self.new.insert(id.clone(), at) {
            self.new.insert(id, earlier);
            self.error("DUPLICATE_ID", format!("`{shown}` is already the name of element {earlier}"), at, field);
            return None;
        }
        Some(id)
    }

    fn task(&mut self, at: usize, fields: &Map<String, Value>, name: TaskId, left: &mut usize) -> Task {
        let spec = self.spec;
        let agent = self.text(at, fields, or(&spec.agent, "agent"));
        let description = self.text(at, fields, or(&spec.description, "description")).unwrap_or_default();
        let resources = self.texts(at, fields, or(&spec.resources, "resources"));
        let estimate = self.estimate(at, fields, or(&spec.estimate_ms, "estimate_ms"));
        let mut task = Task::new(name.clone());
        let field = or(&spec.dependencies, "dependencies");
        for dependency in self.texts(at, fields, field) {
            let Some(rest) = left.checked_sub(1) else {
                self.error("TOO_LARGE", "the new tasks have too many dependencies", at, field);
                break;
            };
            *left = rest;
            if dependency == name.as_str() {
                let message = format!("waits for itself: {name} → {name}");
                self.error("CIRCULAR_DEPENDENCY", message, at, field);
            } else if self.new.contains_key(dependency.as_str()) || self.graph.find(&dependency).is_some() {
                task = task.after(dependency);
            } else {
                let mut message = format!("depends on `{}`, which is no task", Printable(&dependency));
                let few = self.new.len() <= DEFAULT_MAX && self.problems.len() < DEFAULT_MAX;
                if let Some(near) = few.then(|| nearest(&dependency, self.new.keys().map(TaskId::as_str))).flatten() {
                    message = format!("{message}; did you mean `{}`?", Printable(near));
                }
                self.error("MISSING_REFERENCE", message, at, field);
            }
        }
        if let Some(estimate) = estimate {
            task = task.estimate(estimate);
        }
        task.with(|options| {
            options.agent = agent;
            options.description = description;
            options.phase.clone_from(&spec.phase);
            options.claims.clone_from(&spec.claims);
            options.claims.extend(resources.into_iter().map(Claim::shared));
            options.params = Value::Object(fields.clone());
        })
    }

    fn text(&mut self, at: usize, fields: &Map<String, Value>, field: &str) -> Option<String> {
        match find(fields, field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.error("INVALID_TYPE", "a text is needed", at, field);
                None
            }
        }
    }

    fn texts(&mut self, at: usize, fields: &Map<String, Value>, field: &str) -> Vec<String> {
        let list = match find(fields, field) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(list)) => list.as_slice(),
            Some(_) => {
                self.error("INVALID_TYPE", "an array of names is needed", at, field);
                return Vec::new();
            }
        };
        let mut texts = Vec::with_capacity(list.len());
        for value in list {
            match value {
                Value::String(text) => texts.push(text.clone()),
                Value::Number(number) => texts.push(number.to_string()),
                _ => self.error("INVALID_TYPE", "an array of names is needed", at, field),
            }
        }
        texts
    }

    fn estimate(&mut self, at: usize, fields: &Map<String, Value>, field: &str) -> Option<Duration> {
        const YEAR_MS: f64 = 366.0 * 86_400_000.0;
        let value = find(fields, field).filter(|value| !value.is_null())?;
        match value.as_f64() {
            Some(millis) if (0.0..=YEAR_MS).contains(&millis) => Some(Duration::from_nanos((millis * 1e6) as u64)),
            _ => {
                self.error("INVALID_VALUE", "milliseconds from 0 to a year are needed", at, field);
                None
            }
        }
    }
}

fn or<'t>(field: &'t str, default: &'t str) -> &'t str {
    if field.is_empty() { default } else { field }
}

/// The value at a dotted path inside an element.
fn find<'v>(fields: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = fields.get(first)?;
    match rest {
        None => Some(value),
        Some(rest) => rest.split('.').try_fold(value, |value, name| value.as_object()?.get(name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graph() -> Graph {
        let tasks = [Task::new("plan"), Task::new("build").after("plan"), Task::new("report").after("build")];
        Graph::builder("g").tasks(tasks).build().unwrap()
    }

    #[track_caller]
    fn refused(spec: &Expand, output: &Value) -> Vec<String> {
        expand(spec, output, &graph()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let spec = Expand {
            path: vec!["plan".into(), "tasks".into()],
            id: "key".into(),
            agent: "who.name".into(),
            description: "what".into(),
            estimate_ms: "ms".into(),
            resources: "locks".into(),
            phase: Some("Execution".into()),
            claims: vec![Claim::exclusive("phase:6")],
            ..Expand::default()
        };
        let element = json!({"key": 7, "who": {"name": "coder"}, "what": "do it", "ms": 1500.5, "locks": ["db"], "dependencies": ["plan", 8], "x": 1});
        let output = json!({"plan": {"tasks": [element, {"key": "8"}]}});
        let tasks = expand(&spec, &output, &graph()).unwrap();
        let options = tasks[0].options();
        assert_eq!(tasks[0].id().as_str(), "7");
        assert_eq!(tasks[0].dependencies().iter().map(TaskId::as_str).collect::<Vec<_>>(), ["plan", "8"]);
        assert_eq!(tasks[0].estimated(), Some(Duration::from_micros(1_500_500)));
        assert_eq!((options.agent.as_deref(), options.description.as_str()), (Some("coder"), "do it"));
        assert_eq!(
            (options.phase.as_deref(), options.claims.as_slice()),
            (Some("Execution"), [Claim::exclusive("phase:6"), Claim::shared("db")].as_slice())
        );
        assert_eq!(options.params, element);
        assert_eq!(tasks[1].estimated(), None);
    }

    #[test]
    fn nothing_may_be_added() {
        let spec = Expand { path: vec!["tasks".into()], ..Expand::default() };
        assert!(expand(&spec, &json!({"tasks": []}), &graph()).unwrap().is_empty());
        // The output with one key may be the value itself.
        assert_eq!(expand(&spec, &json!([{"id": "a"}]), &graph()).unwrap().len(), 1);
        assert_eq!(expand(&Expand::default(), &json!([{"id": "a"}]), &graph()).unwrap().len(), 1);
    }

    #[test]
    fn every_problem_is_named() {
        let spec = Expand { path: vec!["tasks".into()], ..Expand::default() };
        let output = json!({"tasks": [
            {"id": "plan"}, {"id": "a", "dependencies": ["a", "bulid", "b"]}, {"id": "a"}, {}, 7,
            {"id": "bulit", "agent": 1, "estimate_ms": -5, "dependencies": "a", "resources": [null]}, {"id": "\u{1b}[2J"},
        ]});
        insta::assert_snapshot!(refused(&spec, &output).join("\n"), @r"
        error[DUPLICATE_ID] output.tasks[0].id: `plan` is already a task of the graph
        error[DUPLICATE_ID] output.tasks[2].id: `a` is already the name of element 1
        error[MISSING_FIELD] output.tasks[3].id: a new task needs a name in `id`
        error[INVALID_TYPE] output.tasks[4]: a new task is an object
        error[INVALID_NAME] output.tasks[6].id: a name has 1 to 512 bytes and no control character
        error[CIRCULAR_DEPENDENCY] output.tasks[1].dependencies: waits for itself: a → a
        error[MISSING_REFERENCE] output.tasks[1].dependencies: depends on `bulid`, which is no task; did you mean `bulit`?
        error[MISSING_REFERENCE] output.tasks[1].dependencies: depends on `b`, which is no task
        error[INVALID_TYPE] output.tasks[5].agent: a text is needed
        error[INVALID_TYPE] output.tasks[5].resources: an array of names is needed
        error[INVALID_VALUE] output.tasks[5].estimate_ms: milliseconds from 0 to a year are needed
        error[INVALID_TYPE] output.tasks[5].dependencies: an array of names is needed
        ");
        assert_eq!(
            refused(&spec, &json!({"tasks": 1})),
            ["error[INVALID_TYPE] output.tasks: an array of tasks is needed here"]
        );
        assert_eq!(refused(&spec, &json!(null)).len(), 1);
    }

    #[test]
    fn the_number_of_tasks_is_bounded() {
        let spec = Expand { max_tasks: 2, ..Expand::default() };
        assert_eq!(expand(&spec, &json!([{"id": "a"}, {"id": "b"}]), &graph()).unwrap().len(), 2);
        let many = json!([{"id": "a"}, {"id": "b"}, {"id": "c"}]);
        assert_eq!(refused(&spec, &many), ["error[TOO_LARGE] output: 3 tasks are too many; one output may add 2"]);
        let waits: Vec<usize> = (0..300).collect();
        let output = json!([{"id": "a", "dependencies": waits}]);
        assert!(refused(&spec, &output).last().unwrap().contains("too many dependencies"));
        let numbered: Vec<Value> = (0..=DEFAULT_MAX).map(|id| json!({"id": id})).collect();
        assert_eq!(expand(&Expand::default(), &Value::Array(numbered), &graph()).unwrap_err()[0].code, "TOO_LARGE");
    }

    #[test]
    fn a_cycle_of_new_tasks_is_refused_with_its_path() {
        let spec = Expand { before: vec!["report".into()], ..Expand::default() };
        let output = json!([{"id": "a", "dependencies": ["b"]}, {"id": "b", "dependencies": ["a"]}]);
        let tasks = expand(&spec, &output, &graph()).unwrap();
        let error = graph().extended(tasks, &spec.before).unwrap_err();
        assert!(error.problems()[0].message.ends_with("a → b → a"), "{error}");
        // Also through a task that waits for the new ones.
        let tasks = expand(&spec, &json!([{"id": "a", "dependencies": ["report"]}]), &graph()).unwrap();
        assert!(
            graph().extended(tasks, &spec.before).unwrap_err().problems()[0].message.ends_with("report → a → report")
        );
    }
}
