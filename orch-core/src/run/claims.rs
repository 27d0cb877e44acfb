//! What tasks claim: they ask before each attempt, wait without a place, and give back at its end.
//!
//! Who gets what is not decided here: resources may be shared by many runs, so whoever carries out the actions answers. What is
//! decided here is that a task asks when its turn has come, that what is given back is offered before anything else begins,
//! and that a task which has what it claims gets the next place.

use std::time::Duration;

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
    /// Asks for what the task claims, and whether its breaker lets it begin. `false`: it claims nothing and has no breaker.
    pub(super) fn claims(&mut self, task: TaskIx, actions: &mut Actions) -> bool {
        let options = self.graph().task(task).options();
        if options.claims.is_empty() && options.breaker.is_none() && !self.rules.asks {
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

    /// Whether an attempt of the task asks to begin, and not one to undo it.
    pub(crate) fn is_claiming(&self, task: TaskIx) -> bool {
        self.rows.get(task.index()).is_some_and(|row| row.phase == Phase::Claiming)
    }

    /// Whether the task may begin and waits for a place.
    pub(crate) fn is_granted(&self, task: TaskIx) -> bool {
        self.rows.get(task.index()).is_some_and(|row| row.phase == Phase::Granted)
    }

    /// What was granted to a task that has not begun does not hold any more. Its turn comes again.
    pub(super) fn revoked(&mut self, task: TaskIx, actions: &mut Actions) {
        if self.is_granted(task) {
            self.unclaim(task, actions);
            let rank = self.rows[task.index()].rank;
            self.ready.push(rank);
        }
    }

    /// The attempt does not begin, and has failed. Another one waits for at least that long.
    pub(super) fn refused(&mut self, task: TaskIx, failure: Box<Failure>, again_in: Duration, actions: &mut Actions) {
        match self.rows.get_mut(task.index()) {
            Some(row) if row.phase == Phase::Claiming => {
                row.attempt += 1;
                let attempt = row.attempt;
                *self.refused.entry(task.0).or_default() += 1;
                self.attempt_failed(task, attempt, failure, None, again_in, actions);
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
            Some(Phase::Granted) => self.revoked(task, actions),
            _ => self.undo_lease_expired(task, resource, actions),
        }
    }

    pub(super) fn lease_message(&self, task: TaskIx, resource: &ResourceId) -> String {
        let claims = &self.graph().task(task).options().claims;
        let leases = claims.iter().filter(|claim| claim.resource == *resource).filter_map(|claim| claim.lease);
        match leases.min() {
            Some(lease) => format!("held `{resource}` longer than its lease of {lease:?}"),
            // The claim has no limit of its own: the process had a lease on the resource, and was asleep.
            None => format!("lost `{resource}`: its process was not heard of for too long, and another may have it"),
        }
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

    /// Gives back all that the task was granted. Its breaker as well hears of its end before another task begins.
    pub(super) fn gives_back(&self, task: TaskIx, actions: &mut Actions) {
        let options = self.graph().task(task).options();
        if !options.claims.is_empty() || options.breaker.is_some() || self.rules.asks {
            actions.release.push(task);
        }
    }
}

#[cfg(test)]
mod tests;
