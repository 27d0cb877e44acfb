//! Tasks that begin their prompts alike: one goes first, and the others find the beginning in the provider's cache.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    machine::{Machine, TimerKind},
    message::Actions,
};
use crate::{event::EventKind, id::TaskIx};

/// How a run lets one task read a shared [`Prefix`](crate::definition::Prefix) first. What pays is reckoned elsewhere; see
/// [`cost::Warming`](crate::cost::Warming).
#[derive(Debug, Clone, Default)]
pub struct Warm {
    /// The longest that a task is held. A task is held once at most.
    pub wait: Duration,
    /// By model and key: from how many tasks on it pays. A prefix that is not here holds nobody.
    pub least: BTreeMap<(String, String), u32>,
}

/// The tasks of one prefix.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    members: Vec<u32>,
    state: State,
    /// Ranks that wait for the first. INVARIANT: only while somebody goes first and the others are held for it.
    held: BTreeSet<u32>,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// Nobody has read it, or long ago.
    #[default]
    Cold,
    /// That attempt reads it and has not given a sign of life.
    First { task: u32, attempt: u32, until: u64, holds: bool },
    /// The provider has it, until then.
    Warm(u64),
}

impl Machine {
    /// A new task, whose prefix others may share.
    pub(super) fn joins_siblings(&mut self, task: TaskIx) {
        if let Some(prefix) = &self.plan.graph().task(task).options().prefix {
            self.siblings.entry(prefix.id()).or_default().members.push(task.0);
        }
    }

    /// Whether a task that is ready waits until another has read their prefix.
    pub(super) fn is_held(&mut self, task: TaskIx, rank: u32, actions: &mut Actions) -> bool {
        let Some(siblings) = self.siblings_of(task) else { return false };
        let State::First { task: by, until, holds: true, .. } = siblings.state else { return false };
        if !self.once_held.insert(task.0) {
            return false;
        }
        if let Some(siblings) = self.siblings_of(task) {
            siblings.held.insert(rank);
        }
        let at_most = Duration::from_nanos(until.saturating_sub(self.now));
        self.say(actions, EventKind::TaskHeld { task, by: TaskIx(by), at_most });
        true
    }

    /// An attempt begins: it may be the first to read its prefix.
    pub(super) fn reads_prefix(&mut self, task: TaskIx, attempt: u32) {
        let Some(warm) = &self.rules.warm else { return };
        let wait = warm.wait;
        let Some(prefix) = self.plan.graph().task(task).options().prefix.as_ref() else { return };
        let Some(&least) = warm.least.get(&prefix.id()) else { return };
        let (id, kept) = (prefix.id(), nanos(prefix.kept.duration()));
        let (now, rows) = (self.now, &self.rows);
        let Some(siblings) = self.siblings.get_mut(&id) else { return };
        match siblings.state {
            State::First { .. } => {}
            State::Warm(until) if now < until => siblings.state = State::Warm(now.saturating_add(kept).max(until)),
            State::Warm(_) | State::Cold => {
                let ready = siblings.members.iter().filter_map(|&member| rows.get(member as usize));
                // Itself, and who would begin now. Who is ready later has the provider's cache, or is held then.
                let together = 1 + ready.filter(|row| row.phase == super::machine::Phase::Ready).count();
                let holds = together >= least as usize && !wait.is_zero();
                let until = now.saturating_add(nanos(wait));
                siblings.state = State::First { task: task.0, attempt, until, holds };
                if holds {
                    self.set_timer(wait, task, attempt, TimerKind::Warm);
                }
            }
        }
    }

    /// An attempt gave a sign of life, or ended: `worked` says whether the provider has read its prompt.
    pub(super) fn has_read_prefix(&mut self, task: TaskIx, worked: bool) {
        let now = self.now;
        let Some(prefix) = self.plan.graph().task(task).options().prefix.as_ref() else { return };
        let kept = nanos(prefix.kept.duration());
        let Some(siblings) = self.siblings_of(task) else { return };
        if let State::First { task: first, .. } = siblings.state
            && first == task.0
        {
            siblings.state = if worked { State::Warm(now.saturating_add(kept)) } else { State::Cold };
            let held = std::mem::take(&mut siblings.held);
            held.into_iter().for_each(|rank| self.ready.push(rank));
        }
    }

    /// The first has taken too long: nobody is held for it any more.
    pub(super) fn hold_no_longer(&mut self, task: TaskIx) {
        let Some(siblings) = self.siblings_of(task) else { return };
        if let State::First { holds, .. } = &mut siblings.state {
            *holds = false;
            let held = std::mem::take(&mut siblings.held);
            held.into_iter().for_each(|rank| self.ready.push(rank));
        }
    }

    /// Whether tasks are held for that attempt.
    pub(super) fn holds_others(&self, task: TaskIx, attempt: u32) -> bool {
        let prefix = self.plan.graph().tasks().get(task.index()).and_then(|task| task.options().prefix.as_ref());
        let state = prefix.and_then(|prefix| self.siblings.get(&prefix.id())).map(|siblings| siblings.state);
        matches!(state, Some(State::First { task: first, attempt: its, holds: true, .. })
            if first == task.0 && its == attempt)
    }

    /// Ranks have changed, and who is ready is put into the queue again.
    pub(super) fn forget_held(&mut self) {
        for siblings in self.siblings.values_mut() {
            siblings.held.clear();
        }
    }

    /// Changes what pays: for tasks that were added.
    pub fn set_warm(&mut self, least: BTreeMap<(String, String), u32>) {
        if let Some(warm) = &mut self.rules.warm {
            warm.least = least;
        }
    }

    fn siblings_of(&mut self, task: TaskIx) -> Option<&mut Siblings> {
        self.rules.warm.as_ref()?;
        let prefix = self.plan.graph().task(task).options().prefix.as_ref()?;
        self.siblings.get_mut(&prefix.id())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
