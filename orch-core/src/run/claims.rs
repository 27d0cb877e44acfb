//! What tasks claim: they ask before each attempt, wait without a place, and give back at its end.
//!
//! Who gets what is not decided here: resources may be shared by many runs, so whoever carries out the actions answers. What is
//! decided here is that a task asks when its turn has come, that what is given back is offered before anything else begins,
//! and that a task which has what it claims gets the next place.

use super::{
    machine::{Machine, Phase},
    message::Actions,
};
use crate::{
    event::{Failure, FailureKind},
    id::{ResourceId, TaskIx},
};

#[expect(clippy::indexing_slicing, reason = "places of the graph are below its length, the length of `rows`")]
impl Machine {
    /// Asks for what the task claims. `false`: it claims nothing.
    pub(super) fn claims(&mut self, task: TaskIx, actions: &mut Actions) -> bool {
        if self.graph().task(task).options().claims.is_empty() {
            return false;
        }
        self.rows[task.index()].phase = Phase::Claiming;
        actions.claim.push(task);
        true
    }

    pub(super) fn granted(&mut self, task: TaskIx, actions: &mut Actions) {
        match self.rows.get_mut(task.index()) {
            Some(row) if row.phase == Phase::Claiming => {
                row.phase = Phase::Granted;
                self.granted.insert(row.rank);
            }
            _ => self.undo_granted(task, actions),
        }
    }

    /// The attempt does not begin, and has failed.
    pub(super) fn refused(&mut self, task: TaskIx, failure: Box<Failure>, actions: &mut Actions) {
        match self.rows.get_mut(task.index()) {
            Some(row) if row.phase == Phase::Claiming => {
                row.attempt += 1;
                let attempt = row.attempt;
                *self.refused.entry(task.0).or_default() += 1;
                self.attempt_failed(task, attempt, failure, None, actions);
                self.admit_unblocked(actions);
            }
            _ => self.undo_refused(task, failure, actions),
        }
    }

    /// Whether an attempt of the task has begun by now.
    pub(super) fn has_begun(&self, task: TaskIx) -> bool {
        let refused = self.refused.get(&task.0).copied().unwrap_or_default();
        self.rows[task.index()].attempt > refused
    }

    /// What the task holds may be somebody else's by now.
    pub(super) fn lease_expired(&mut self, task: TaskIx, resource: &ResourceId, actions: &mut Actions) {
        match self.rows.get(task.index()).map(|row| row.phase) {
            Some(Phase::Running) => {
                let message = self.lease_message(task, resource);
                self.stop_attempt(task, FailureKind::LeaseExpired, message, actions);
            }
            // It has waited too long for a place. Its turn comes again.
            Some(Phase::Granted) => {
                self.unclaim(task, actions);
                let rank = self.rows[task.index()].rank;
                self.ready.push(rank);
            }
            _ => self.undo_lease_expired(task, resource, actions),
        }
    }

    pub(super) fn lease_message(&self, task: TaskIx, resource: &ResourceId) -> String {
        let claims = &self.graph().task(task).options().claims;
        let leases = claims.iter().filter(|claim| claim.resource == *resource).filter_map(|claim| claim.lease);
        format!("held `{resource}` longer than its lease of {:?}", leases.min().unwrap_or_default())
    }

    /// A task that asks, or was granted what it claims, and has not begun, does so no longer: it is only ready.
    pub(super) fn unclaim(&mut self, task: TaskIx, actions: &mut Actions) {
        let row = &mut self.rows[task.index()];
        if matches!(row.phase, Phase::Claiming | Phase::Granted) {
            row.phase = Phase::Ready;
            self.granted.remove(&row.rank);
            actions.release.push(task);
        }
    }

    /// Gives back all that the task was granted.
    pub(super) fn gives_back(&self, task: TaskIx, actions: &mut Actions) {
        if !self.graph().task(task).options().claims.is_empty() {
            actions.release.push(task);
        }
    }
}

#[cfg(test)]
mod tests;
