//! What a task does, whatever it is called and however it is run.

use std::fmt;

use super::Task;

/// A digest of [what a task does](Task::work): BLAKE3, 32 bytes, shown as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkHash([u8; 32]);

impl fmt::Display for WorkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for WorkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Task {
    /// A digest of what the task does: its agent, description, parameters and prompt prefix, what it reads and makes. Its
    /// name, its place in the graph, limits, retries and conditions do not count.
    ///
    /// `None` where the definition says neither agent, description nor parameters: then what it does is known only to the
    /// executor.
    ///
    /// ```
    /// use orch_core::Task;
    ///
    /// let lint = Task::new("lint").agent("linter").retries(2);
    /// assert_eq!(lint.work(), Task::new("lint again").after("lint").agent("linter").work());
    /// assert_ne!(lint.work(), Task::new("lint").agent("reviewer").work());
    /// assert_eq!(Task::new("lint").work(), None);
    /// ```
    pub fn work(&self) -> Option<WorkHash> {
        let it = self.options();
        if it.agent.is_none() && it.description.is_empty() && it.params.is_null() {
            return None;
        }
        let work = (&it.agent, &it.description, &it.params, &it.inputs, &it.outputs, &it.prefix, &it.sources);
        // Serialising plain data to a buffer cannot fail; a map with other than text keys cannot occur here.
        Some(WorkHash(*blake3::hash(&serde_json::to_vec(&work).ok()?).as_bytes()))
    }
}
