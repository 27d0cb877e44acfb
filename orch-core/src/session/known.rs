//! By what a result is known.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::files::{FileLimits, file_states};
use crate::{
    cache::{ContentHash, FileState, KeyParts, Part, TtlCache},
    error::Result,
    id::TaskIx,
    run::Machine,
};

/// What files hold, by name.
pub(super) type Files = BTreeMap<String, FileState>;

/// By what the result of a task is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) key: String,
    pub(super) parts: KeyParts,
    /// The files that it depends on, where it names some.
    pub(super) files: Option<Arc<Files>>,
}

impl Known {
    /// A hash of what the task is, of all that it reads, and of what it says that it depends on. `None` if something that it
    /// reads has no JSON form, so that nobody can say whether it is the same.
    pub(super) fn of(
        task: TaskIx,
        machine: &mut Machine,
        context: &TtlCache,
        files: Option<Arc<Files>>,
    ) -> Option<Self> {
        let graph = machine.graph().clone();
        let mut parts = KeyParts::of_task(graph.task(task));
        for parent in graph.parents(task) {
            let output = machine.output(parent);
            if !output.is_nothing() {
                parts = parts.with(Part::Output(graph.id(parent).to_string()), ContentHash::of(output.json()?));
            }
        }
        for input in &graph.task(task).options().inputs {
            let value = machine
                .value(&input.key)
                .or_else(|| context.peek(&input.key).and_then(|entry| entry.json().cloned()))
                .or_else(|| input.default.clone());
            parts = parts.input(input.key.as_str(), ContentHash::of(&value.unwrap_or_default()));
        }
        for (name, value) in machine.inputs().as_object().into_iter().flatten() {
            parts = parts.with(Part::RunInput(name.clone()), ContentHash::of(value));
        }
        for (name, state) in files.iter().flat_map(|files| files.iter()) {
            parts = parts.file(name.as_str(), state);
        }
        // Without the task's name: equal tasks make the same.
        Some(Self { key: parts.key("task"), parts, files })
    }
}

/// What the files of a task hold now. It blocks while it reads.
pub(super) fn read(directory: Option<&Path>, files: &[String]) -> Result<Files> {
    file_states(directory.unwrap_or(Path::new(".")), files, &FileLimits::default())
}

/// The first file that is not as it was.
pub(super) fn changed<'a>(before: &'a Files, now: &'a Files) -> Option<&'a str> {
    let differs = |(name, state): &(&'a String, &FileState)| now.get(*name) != Some(*state);
    let gone = before.iter().find(differs).map(|(name, _)| name.as_str());
    gone.or_else(|| now.keys().find(|name| !before.contains_key(*name)).map(String::as_str))
}
