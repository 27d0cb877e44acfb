//! How tasks come to start: conditions, then a place.

use std::time::Duration;

use super::{
    machine::{Machine, Phase, TimerKind},
    message::{Actions, Attempt, Check},
};
use crate::{
    definition::command::Test,
    event::{EventKind, SkipReason},
    id::TaskIx,
    recovery::saga::End,
};

#[expect(clippy::indexing_slicing, reason = "places of the graph are below its length, the length of `rows`")]
impl Machine {
    /// Looks at the tasks whose dependencies are satisfied: skips, asks, or makes them ready.
    pub(super) fn admit_unblocked(&mut self, actions: &mut Actions) {
        while let Some(ix) = self.unblocked.pop() {
            if self.rows[ix as usize].phase == Phase::Waiting {
                self.ask(TaskIx(ix), 0, actions);
            }
        }
    }

    /// Asks the task's conditions from `nth` on; when all hold, the task is ready.
    fn ask(&mut self, task: TaskIx, nth: usize, actions: &mut Actions) {
        let graph = self.graph().clone();
        let conditions = &graph.task(task).options().conditions;
        let asked = if self.unconditional { 0 } else { conditions.len() };
        for (nth, condition) in conditions.iter().take(asked).enumerate().skip(nth) {
            match &condition.test {
                Test::Expression(expression) => {
                    if self.with_scope(|scope| expression.evaluate(scope)) != condition.run_when {
                        return self.skip(task, nth, actions);
                    }
                }
                test => {
                    self.rows[task.index()].phase = Phase::Checking;
                    self.asked.insert(task.0, nth);
                    return actions.check.push(Check { task, test: test.clone() });
                }
            }
        }
        self.look(task, actions);
    }

    /// Goes on with a task when the answer to its check is there.
    pub(super) fn checked(&mut self, task: TaskIx, holds: bool, actions: &mut Actions) {
        let nth = self.asked.remove(&task.0).unwrap_or_default();
        let wanted = self.graph().task(task).options().conditions.get(nth).is_none_or(|it| it.run_when == holds);
        if wanted {
            self.ask(task, nth + 1, actions);
        } else {
            self.skip(task, nth, actions);
        }
        self.admit_unblocked(actions);
    }

    fn skip(&mut self, task: TaskIx, nth: usize, actions: &mut Actions) {
        let reason = match self.graph().task(task).options().conditions.get(nth) {
            None => String::new(),
            Some(condition) => condition.message.clone().unwrap_or_else(|| match &condition.test {
                Test::Expression(expression) if condition.run_when => format!("not {}", expression.source()),
                Test::Expression(expression) => expression.source().to_owned(),
                Test::FileExists(path) if condition.run_when => format!("no file `{path}`"),
                Test::FileExists(path) => format!("file `{path}` exists"),
                Test::CommandSucceeds(argv) if condition.run_when => format!("`{}` did not succeed", argv.join(" ")),
                Test::CommandSucceeds(argv) => format!("`{}` succeeded", argv.join(" ")),
            }),
        };
        self.say(actions, EventKind::TaskSkipped { task, reason: SkipReason::Condition(reason) });
        self.ended(task, End::Passed);
        self.satisfy(task);
    }

    pub(super) fn make_ready(&mut self, task: TaskIx) {
        let row = &mut self.rows[task.index()];
        row.phase = Phase::Ready;
        row.ready_at = self.now;
        let rank = row.rank;
        self.enqueue(rank);
    }

    #[inline]
    fn enqueue(&mut self, rank: u32) {
        if self.more {
            self.next.push(rank);
        } else {
            self.ready.push(rank);
        }
    }

    /// The task is final and its dependents may go on.
    #[inline]
    pub(super) fn satisfy(&mut self, task: TaskIx) {
        let Self { plan, rows, ready, next, unblocked, more, now, open, .. } = self;
        rows[task.index()].phase = Phase::Satisfied;
        *open -= 1;
        for child in plan.graph().children(task) {
            let row = &mut rows[child.index()];
            row.waiting = row.waiting.saturating_sub(1);
            if row.waiting > 0 || row.phase != Phase::Waiting {
            } else if row.special {
                unblocked.push(child.0);
            } else {
                row.phase = Phase::Ready;
                row.ready_at = *now;
                if *more {
                    next.push(row.rank);
                } else {
                    ready.push(row.rank);
                }
            }
        }
    }

    /// Starts what is ready, most critical first, as far as the limits allow.
    #[inline]
    pub(super) fn dispatch(&mut self, actions: &mut Actions) {
        if !actions.release.is_empty() {
            // Who waits for what is given back may be the next to begin.
            actions.more = true;
            return;
        }
        if self.ready.is_empty() || self.running >= self.rules.max_parallel {
            self.merge();
        }
        while self.running < self.rules.max_parallel
            && actions.start.len() < self.rules.batch
            && let Some(rank) = self.granted.pop_first()
        {
            let task = self.plan.ranked(rank);
            self.begin_attempt(task, true, actions);
        }
        // Who asks may have the place a moment later.
        while (self.running as usize + actions.claim.len()) < self.rules.max_parallel as usize
            && actions.start.len() + actions.claim.len() < self.rules.batch
        {
            let Some(rank) = self.ready.pop() else { break };
            let task = self.plan.ranked(rank);
            let special = self.rows[task.index()].special;
            if special && (self.is_held(task, rank, actions) || self.claims(task, actions)) {
                continue;
            }
            self.begin_attempt(task, special, actions);
        }
        if self.running >= self.rules.max_parallel {
            // Places are scarce: now the most critical of all goes first.
            self.merge();
        }
        let waits = !self.ready.is_empty() || !self.next.is_empty() || !self.granted.is_empty();
        self.more = waits && self.running < self.rules.max_parallel;
        actions.more = self.more;
    }

    #[inline]
    fn begin_attempt(&mut self, task: TaskIx, special: bool, actions: &mut Actions) {
        self.running += 1;
        let row = &mut self.rows[task.index()];
        row.phase = Phase::Running;
        row.attempt += 1;
        let (number, queued) = (row.attempt, self.now - row.ready_at);
        if special {
            self.watch(task, number);
        }
        // Most tasks start in the step that makes them ready: spare them a division.
        let queued = if queued == 0 { Duration::ZERO } else { Duration::from_nanos(queued) };
        self.say_with(actions, || EventKind::TaskStarted { task, attempt: number, queued });
        actions.start.push(Attempt { task, number, undo: false });
    }

    #[inline]
    fn merge(&mut self) {
        self.more = false;
        self.next.drain(..).for_each(|rank| self.ready.push(rank));
    }

    fn watch(&mut self, task: TaskIx, attempt: u32) {
        self.reads_prefix(task, attempt);
        let options = self.plan.graph().task(task).options();
        let (timeout, idle) = (options.timeout, options.idle_timeout);
        if let Some(timeout) = timeout {
            self.set_timer(timeout, task, attempt, TimerKind::Timeout);
        }
        if let Some(idle) = idle {
            self.signs.insert(task.0, self.now);
            self.set_timer(idle, task, attempt, TimerKind::Idle);
        }
    }
}
