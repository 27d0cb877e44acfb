//! Tasks whose result is known already, and what tasks read of the shared context.

use std::sync::Arc;

use super::{
    machine::{Machine, Phase},
    message::{Actions, Found},
};
use crate::{
    event::{EventKind, Miss, Output},
    id::TaskIx,
    recovery::saga::End,
};

#[expect(clippy::indexing_slicing, reason = "places of the graph are below its length, the length of `rows`")]
impl Machine {
    /// The conditions of the task hold. It is ready, unless its result may be known: then that is asked first.
    pub(super) fn look(&mut self, task: TaskIx, actions: &mut Actions) {
        if !self.rules.look || self.unconditional || !self.graph().task(task).options().shares() {
            return self.make_ready(task);
        }
        self.rows[task.index()].phase = Phase::Looking;
        actions.look.push(task);
    }

    /// The answer: what the task would make, or that it has to be run.
    pub(super) fn looked(&mut self, task: TaskIx, found: Option<Box<Found>>, actions: &mut Actions) {
        if self.rows.get(task.index()).is_none_or(|row| row.phase != Phase::Looking) {
            return;
        }
        match found {
            None => self.make_ready(task),
            // What was made then does not fit this graph: let it be made anew.
            Some(found) if self.expand(task, &found.output, actions).is_err() => self.make_ready(task),
            Some(found) => {
                let Found { output, saved } = *found;
                self.keep_output(task, &output);
                self.say(actions, EventKind::TaskCached { task, output, saved: Box::new(saved) });
                self.ended(task, End::Passed);
                self.satisfy(task);
            }
        }
        self.admit_unblocked(actions);
    }

    /// Nobody knows what it would make: said only while it is asked for.
    pub(super) fn missed(&mut self, task: TaskIx, key: Arc<str>, why: Box<Miss>, actions: &mut Actions) {
        if self.rows.get(task.index()).is_some_and(|row| row.phase == Phase::Looking) {
            self.say(actions, EventKind::TaskMissed { task, key, why });
        }
    }

    #[inline]
    pub(super) fn keep_output(&mut self, task: TaskIx, output: &Output) {
        if !output.is_nothing() {
            if self.outputs.is_empty() {
                self.outputs.resize(self.rows.len(), Output::NOTHING);
            }
            self.outputs[task.index()] = output.clone();
        }
    }
}
