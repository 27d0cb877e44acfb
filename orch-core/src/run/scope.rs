//! What conditions and inputs read: the values of a run by name.
//!
//! - `inputs.x`: an input of the run.
//! - `context.patternSelector.pattern`: the field `pattern` of the output of the task whose name is `patternSelector` in
//!   camel case (`pattern-selector`).
//! - `coverage`, `context.coverage`: the value under a key that some task declares as its output; of several, the value of
//!   the last defined task that has made one. Else an input of the run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::machine::Machine;
use crate::{
    definition::command::camel_case,
    definition::{Graph, command::Scope},
    id::TaskIx,
};

/// Where names lead.
#[derive(Debug)]
pub(super) struct Names {
    tasks: BTreeMap<String, u32>,
    keys: BTreeMap<String, Vec<u32>>,
}

impl Names {
    fn new(graph: &Graph) -> Self {
        let (mut tasks, mut keys) = (BTreeMap::new(), BTreeMap::<String, Vec<u32>>::new());
        for ix in graph.indices() {
            tasks.insert(camel_case(graph.id(ix).as_str()), ix.0);
            for output in &graph.task(ix).options().outputs {
                keys.entry(output.key.clone()).or_default().push(ix.0);
            }
        }
        Self { tasks, keys }
    }
}

struct RunScope<'a> {
    machine: &'a Machine,
    names: &'a Names,
}

impl Machine {
    pub(super) fn with_scope<T>(&mut self, read: impl FnOnce(&dyn Scope) -> T) -> T {
        let names = match self.names.take() {
            Some(names) => names,
            None => Names::new(self.graph()),
        };
        let answer = read(&RunScope { machine: self, names: &names });
        self.names = Some(names);
        answer
    }

    /// The value under a key: a task's declared output, or an input of the run.
    pub fn value(&mut self, key: &str) -> Option<Value> {
        self.with_scope(|scope| scope.value(&[key.to_owned()]).cloned())
    }

    /// The inputs of the run, an object.
    pub fn inputs(&self) -> &Value {
        &self.inputs
    }

    /// The value that a task made under a key: the field of its output, or, where the task declares this key only and the
    /// output has no such field, the whole output.
    pub(crate) fn made(&self, task: u32, key: &str) -> Option<&Value> {
        let output = self.output(TaskIx(task)).json()?;
        let declared = &self.graph().task(TaskIx(task)).options().outputs;
        match output.get(key) {
            Some(value) => Some(value),
            None => declared.iter().all(|only| only.key == key).then_some(output).filter(|_| !declared.is_empty()),
        }
    }
}

impl RunScope<'_> {
    fn by_key(&self, key: &str) -> Option<&Value> {
        let makers = self.names.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        makers.iter().rev().find_map(|&task| self.machine.made(task, key)).or_else(|| self.machine.inputs.get(key))
    }
}

impl Scope for RunScope<'_> {
    fn value(&self, path: &[String]) -> Option<&Value> {
        match path {
            [] => None,
            [root] if root == "inputs" => Some(&self.machine.inputs),
            [root, rest @ ..] if root == "inputs" => dig(&self.machine.inputs, rest),
            [root, name, rest @ ..] if root == "context" => match (self.names.tasks.get(name), rest) {
                (Some(&task), [field, rest @ ..]) => self.machine.made(task, field).and_then(|value| dig(value, rest)),
                (Some(&task), []) => self.machine.output(TaskIx(task)).json(),
                (None, rest) => self.by_key(name).and_then(|value| dig(value, rest)),
            },
            [key, rest @ ..] => self.by_key(key).and_then(|value| dig(value, rest)),
        }
    }
}

fn dig<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, field| value.get(field))
}
