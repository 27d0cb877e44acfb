//! Resources that nobody else uses: for whoever drives a machine alone, as the simulator and tests do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    machine::Machine,
    message::{Actions, Message},
};
use crate::{
    definition::{Claim, Graph},
    error::Result,
    event::{Failure, FailureKind},
    id::TaskIx,
    locks::table::{Ask, Asked, Asker, LockTable, Refusal, Ticket, Word},
};

/// Answers what tasks claim (circuit breakers let every attempt begin), from a [lock table](LockTable) of its own and on the time of the caller.
///
/// ```
/// use std::time::Duration;
/// use orch_core::run::{Actions, Machine, Resources, Rules};
/// use orch_core::{Claim, Graph, Plan, PlanOptions, RunId, Task};
///
/// let task = |id| Task::new(id).claim(Claim::exclusive("site"));
/// let graph = Graph::builder("two").tasks([task("a"), task("b")]).build()?;
/// let plan = Plan::new(&graph, &PlanOptions::default())?;
/// let mut machine = Machine::new(&plan, RunId::from_parts(0, 0), Rules::default())?;
/// let mut resources = Resources::new(&graph)?;
///
/// let (mut messages, mut actions) = (Vec::new(), Actions::default());
/// machine.step(Duration::ZERO, &mut messages, &mut actions);
/// while resources.answer(Duration::ZERO, &machine, &mut actions, &mut messages) {
///     machine.step(Duration::ZERO, &mut messages, &mut actions);
/// }
/// assert_eq!(actions.start.len(), 1, "one has the site and the other waits for it");
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Resources {
    table: LockTable,
    tickets: BTreeMap<TaskIx, Ticket>,
    tasks: BTreeMap<Ticket, TaskIx>,
    /// Waits and leases do not end by time.
    patient: bool,
}

impl Resources {
    /// The resources that the graph declares.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](crate::ErrorKind::InvalidValue) for limits of 0, which a graph that was built has not.
    pub fn new(graph: &Graph) -> Result<Self> {
        let mut table = LockTable::default();
        graph.resources().values().try_for_each(|resource| table.declare(1, resource))?;
        Ok(Self { table, ..Self::default() })
    }

    /// Waits and leases do not end by time: for a forecast, in which every attempt works.
    pub(super) fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Carries out what a step says of claims at that time, and tells `messages` what came of it. Answers whether to step again
    /// at once, without clearing the actions.
    pub fn answer(
        &mut self,
        now: Duration,
        machine: &Machine,
        actions: &mut Actions,
        messages: &mut Vec<Message>,
    ) -> bool {
        let graph = machine.graph();
        let gave_back = !actions.release.is_empty();
        for task in actions.release.drain(..) {
            if let Some(ticket) = self.tickets.remove(&task) {
                self.tasks.remove(&ticket);
                self.table.release(now, ticket);
            }
        }
        for task in actions.claim.drain(..) {
            let claims: Vec<Claim> = graph.task(task).options().claims.iter().map(|claim| self.claim(claim)).collect();
            let name: Arc<str> = graph.id(task).as_str().into();
            let asker = Asker::Once(&name);
            let ask = Ask { asker, scope: 1, claims: &claims, rank: machine.plan().rank(task), wait: None };
            match self.table.ask(now, &ask) {
                Asked::Granted(grant) => {
                    self.keep(task, grant.ticket);
                    messages.push(Message::Granted { task });
                }
                Asked::Waits(waits) => {
                    self.keep(task, waits.ticket);
                    messages.push(Message::Waits { task, resource: waits.resource, holder: waits.holder });
                }
                Asked::Refused(refusal) => messages.push(refused(task, &refusal)),
            }
        }
        self.tell(messages);
        gave_back || !messages.is_empty()
    }

    /// It is `now`: tells what happened by time alone.
    pub fn turn(&mut self, now: Duration, messages: &mut Vec<Message>) {
        self.table.turn(now);
        self.tell(messages);
    }

    /// When [`turn`](Resources::turn) has something to do, if nothing else happens before.
    pub fn wake_at(&mut self) -> Option<Duration> {
        self.table.wake_at()
    }

    /// The table, where others may ask as well.
    #[cfg(test)]
    pub(super) fn table(&mut self) -> &mut LockTable {
        &mut self.table
    }

    fn claim(&self, claim: &Claim) -> Claim {
        let limited = |limit: Option<Duration>| limit.filter(|_| !self.patient);
        Claim { wait: limited(claim.wait), lease: limited(claim.lease), ..claim.clone() }
    }

    fn keep(&mut self, task: TaskIx, ticket: Ticket) {
        self.tickets.insert(task, ticket);
        self.tasks.insert(ticket, task);
    }

    fn tell(&mut self, messages: &mut Vec<Message>) {
        for told in self.table.told() {
            if let Some(&task) = self.tasks.get(&told.ticket) {
                if let Word::Refused(_) = told.word {
                    self.tasks.remove(&told.ticket);
                    self.tickets.remove(&task);
                }
                messages.extend(message(task, told.word));
            }
        }
    }
}

/// What a word of a lock table means for the task that asked.
pub(crate) fn message(task: TaskIx, word: Word) -> Option<Message> {
    match word {
        Word::Granted { .. } => Some(Message::Granted { task }),
        Word::Refused(refusal) => Some(refused(task, &refusal)),
        Word::Expired { resource, .. } => Some(Message::Expired { task, resource }),
        Word::Upgraded { .. } | Word::Look | Word::Deadlock(_) => None,
    }
}

/// What a refusal means for the task that asked.
pub(crate) fn refused(task: TaskIx, refusal: &Refusal) -> Message {
    let kind = match refusal {
        Refusal::Late { .. } => FailureKind::LockTimeout,
        // Nor will there be more the next time.
        Refusal::TooMuch { .. } => FailureKind::Fatal,
        Refusal::Deadlock(_) | Refusal::Gone => FailureKind::Error,
    };
    Message::Refused {
        task,
        failure: Box::new(Failure { kind, message: refusal.to_string() }),
        again_in: Duration::ZERO,
    }
}
