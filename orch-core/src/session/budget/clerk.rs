//! Asks the ledger for a run: in order, and on a thread that may wait where the ledger is on a disk.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::super::{
    io,
    ledger::{Allowed, Answer, Charge, Ledger, Part, Question},
};
use crate::{
    cost::budget::Settled,
    error::Result,
    executor::RunShared,
    id::TaskIx,
    sync::{Mutex, lock},
};

/// What the clerk is to do.
pub(super) enum Job {
    Reserve { task: TaskIx, nth: u64, parts: Vec<Part>, allowed: BTreeSet<String> },
    Settle { task: TaskIx, id: String, charges: Option<Vec<Charge>> },
    Charge { task: TaskIx, charges: Vec<Charge> },
    Ask { task: TaskIx, nth: u64, question: Box<Question> },
    Withdraw { id: String },
}

/// What came of it.
pub(super) enum Done {
    Answered { task: TaskIx, nth: u64, answer: Result<Answer> },
    Settled { task: TaskIx, settled: Result<Settled> },
    Said { task: TaskIx, nth: u64, said: Result<Option<(Allowed, String)>> },
    Withdrawn,
}

/// Does one job after the other.
pub(super) struct Clerk {
    pub(super) ledger: Ledger,
    pub(super) run: Arc<RunShared>,
    pub(super) desk: Mutex<Desk>,
}

#[derive(Default)]
pub(super) struct Desk {
    todo: VecDeque<Job>,
    pub(super) done: Vec<Done>,
    busy: bool,
    /// How many jobs were given and not heard of.
    pub(super) open: usize,
    /// The run is gone: nothing is reserved for it any more.
    pub(super) closed: bool,
    /// Somebody said something: who waits for an answer may look again.
    pub(super) stirred: bool,
}

impl Clerk {
    pub(super) fn give(self: &Arc<Self>, job: Job) {
        let mut desk = lock(&self.desk);
        desk.open += 1;
        desk.todo.push_back(job);
        if std::mem::replace(&mut desk.busy, true) {
            return;
        }
        drop(desk);
        let runtime = if self.ledger.is_quick() { None } else { io::own() };
        match runtime {
            Some(runtime) => {
                let clerk = self.clone();
                drop(runtime.spawn_blocking(move || clerk.work()));
            }
            None => self.work(),
        }
    }

    fn work(&self) {
        loop {
            let job = {
                let mut desk = lock(&self.desk);
                let Some(job) = desk.todo.pop_front() else {
                    desk.busy = false;
                    break;
                };
                job
            };
            let done = match job {
                Job::Reserve { .. } if lock(&self.desk).closed => continue,
                Job::Reserve { task, nth, parts, allowed } => {
                    let answer = self.ledger.reserve_parts(&parts, &allowed);
                    if let (Ok(Answer::Granted(booked)), true) = (&answer, lock(&self.desk).closed) {
                        // Nobody is there to settle it. If it cannot be given back, it is in flight for people to see.
                        drop(self.ledger.settle(&booked.id, Vec::new()));
                    }
                    Done::Answered { task, nth, answer }
                }
                Job::Settle { task, id, charges } => {
                    let settled = match charges {
                        Some(charges) => self.ledger.settle(&id, charges),
                        None => self.ledger.assume(&id),
                    };
                    Done::Settled { task, settled }
                }
                Job::Ask { task, nth, question } => Done::Said { task, nth, said: self.ledger.ask(&question) },
                Job::Withdraw { id } => {
                    // A question that nobody waits for is in nobody's way.
                    drop(self.ledger.withdraw(&id));
                    Done::Withdrawn
                }
                Job::Charge { task, charges } => Done::Settled { task, settled: self.ledger.charge(&charges) },
            };
            lock(&self.desk).done.push(done);
            self.run.news.ring();
        }
    }
}
