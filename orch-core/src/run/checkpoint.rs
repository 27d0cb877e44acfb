//! Named moments of a run, and the way back to one.

use std::{collections::HashMap, sync::Arc};

use super::{
    machine::{Machine, Phase},
    message::Actions,
};
use crate::{
    definition::nearest,
    event::{EventKind, Failure, FailureKind, RunState, TaskState},
    id::{Printable, TaskIx},
    recovery::{checkpoint::Restored, saga::End},
};

/// How many names a warning lists.
const NAMED: usize = 8;

impl Machine {
    /// Takes over what is as it was, before anything starts.
    pub(super) fn restore(&mut self, actions: &mut Actions) {
        let restored = std::mem::take(&mut self.rules.restore);
        for Restored { task, .. } in &restored {
            // Not waiting: else the end of what comes before it would make it ready, and it would be run all the same.
            if let Some(row) = self.rows.get_mut(task.index()) {
                row.phase = Phase::Looking;
            }
        }
        let mut checkpoints = Known::new(std::mem::take(&mut self.rules.checkpoints));
        self.know(checkpoints.after(None), actions);
        for Restored { task, state, output } in restored {
            if self.rows.get(task.index()).is_none_or(|row| row.phase == Phase::Satisfied) {
                continue;
            }
            if state == TaskState::Failed {
                self.quorum_forgives(task);
            }
            self.keep_output(task, &output);
            self.say(actions, EventKind::TaskRestored { task, state, output });
            // Where the run that did it is over: this one undoes what it did itself.
            let how = if self.rules.resumed && state == TaskState::Succeeded { End::Done } else { End::Passed };
            self.ended(task, how);
            self.satisfy(task);
            self.know(checkpoints.after(Some(task)), actions);
        }
    }

    /// Takes over checkpoints of an earlier process.
    fn know(&mut self, checkpoints: Vec<Made>, actions: &mut Actions) {
        for (name, tasks) in checkpoints {
            self.saga.get_or_insert_default().mark(name.clone());
            self.say(actions, EventKind::CheckpointMade { name, tasks });
        }
    }

    /// Makes a checkpoint: what has ended by now, and may be built on, is before it.
    pub(super) fn make_checkpoint(&mut self, name: Arc<str>, actions: &mut Actions) {
        if self.open == 0 || self.stopping.is_some() {
            let message = format!("the checkpoint `{}` was not made: the run ends already", Printable(&name));
            return self.say(actions, EventKind::Warning { task: None, message });
        }
        let satisfied = self.rows.iter().zip(self.graph().indices()).filter(|(row, _)| row.phase == Phase::Satisfied);
        let tasks = satisfied.map(|(_, task)| task).collect();
        // Also where nothing can be undone: then its name is known.
        self.saga.get_or_insert_default().mark(name.clone());
        self.say(actions, EventKind::CheckpointMade { name, tasks });
    }

    /// Stops the run and undoes what ended after that checkpoint, and only that.
    pub(super) fn back_to(&mut self, name: &str, actions: &mut Actions) {
        let shown = Printable(name);
        let saga = self.saga.get_or_insert_default();
        let problem = match saga.find_mark(name) {
            _ if self.open == 0 || self.stopping.is_some() => Some("the run ends already".to_owned()),
            Some(ended) => {
                let reason = format!("back to the checkpoint `{shown}`");
                saga.go_back(ended, Failure { kind: FailureKind::Cancelled, message: reason.clone() });
                self.cancels += 1;
                self.stop(RunState::Cancelled, reason, actions);
                None
            }
            None => {
                let near = nearest(name, saga.marks()).map(|near| format!("; did you mean `{}`?", Printable(near)));
                let made: Vec<String> = saga.marks().take(NAMED).map(|name| format!("`{}`", Printable(name))).collect();
                let made =
                    if made.is_empty() { "none was made".to_owned() } else { format!("there is {}", made.join(", ")) };
                Some(format!("there is no such checkpoint, so the run goes on ({made}){}", near.unwrap_or_default()))
            }
        };
        if let Some(problem) = problem {
            let message = format!("asked to go back to the checkpoint `{shown}`: {problem}");
            self.say(actions, EventKind::Warning { task: None, message });
        }
    }
}

/// The name of a checkpoint, and what had ended by then.
type Made = (Arc<str>, Arc<[TaskIx]>);

/// Checkpoints that wait for their tasks to be restored.
struct Known {
    checkpoints: Vec<Option<Made>>,
    /// By checkpoint: how many of its tasks are not restored yet.
    left: Vec<usize>,
    of_task: HashMap<TaskIx, Vec<usize>>,
}

impl Known {
    fn new(checkpoints: Vec<Made>) -> Self {
        let mut of_task = HashMap::<TaskIx, Vec<usize>>::new();
        for (at, (_, tasks)) in checkpoints.iter().enumerate() {
            tasks.iter().for_each(|task| of_task.entry(*task).or_default().push(at));
        }
        let left = checkpoints.iter().map(|(_, tasks)| tasks.len()).collect();
        Self { checkpoints: checkpoints.into_iter().map(Some).collect(), left, of_task }
    }

    /// Those that are whole when that task is restored; `None`: before any is.
    fn after(&mut self, task: Option<TaskIx>) -> Vec<Made> {
        let about = match task {
            None => (0..self.left.len()).collect(),
            Some(task) => self.of_task.remove(&task).unwrap_or_default(),
        };
        let mut whole = Vec::new();
        for at in about {
            let Some(left) = self.left.get_mut(at) else { continue };
            *left = left.saturating_sub(usize::from(task.is_some()));
            if *left == 0 {
                whole.extend(self.checkpoints.get_mut(at).and_then(Option::take));
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests;
