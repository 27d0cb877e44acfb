//! Who in this process says whether more may be spent.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    super::ledger::{Allowed, Question},
    AGAIN, Asking, RunBudget, Stage,
    clerk::Clerk,
    refused,
};
use crate::{
    cost::budget::{Column, Stop},
    error::Result,
    id::{Printable, TaskIx},
    run::{Machine, Message},
    sync::lock,
};

/// What may be spent, or nothing: another one is to say it.
type Says = dyn Fn(&Question) -> Option<Allowed> + Send + Sync;

/// Somebody in this process who is asked where a limit asks: a function from the question to what is said, or `None` where it has
/// nothing to say and others are waited for. It is called once a question, on a thread of its own, so it may take its time; whoever
/// says something first counts.
///
/// ```
/// use orch_core::{Usd, session::{Allowed, Gatekeeper, Question}};
///
/// let careful = Gatekeeper::new("the rule of the house", |question: &Question| {
///     Some(if question.usd <= Usd::from_cents(10) { Allowed::Once } else { Allowed::No })
/// });
/// # let _ = careful;
/// ```
#[derive(Clone)]
pub struct Gatekeeper {
    name: Arc<str>,
    says: Arc<Says>,
}

impl Gatekeeper {
    /// A function that says it, in that name.
    pub fn new(name: impl Into<Arc<str>>, says: impl Fn(&Question) -> Option<Allowed> + Send + Sync + 'static) -> Self {
        Self { name: name.into(), says: Arc::new(says) }
    }

    /// Asks, on a thread, and brings the answer to the ledger.
    pub(super) fn ask(&self, clerk: &Arc<Clerk>, question: &Question) {
        let (gate, clerk, question) = (self.clone(), clerk.clone(), question.clone());
        let ask = move || {
            if let Some(said) = (gate.says)(&question) {
                // Somebody else may have been quicker, or the run be over.
                drop(clerk.ledger.answer(&question.id, said, &gate.name));
                lock(&clerk.desk).stirred = true;
                clerk.run.news.ring();
            }
        };
        // Without a thread somebody else has to say it.
        drop(std::thread::Builder::new().name("orch-gate".into()).spawn(ask));
    }
}

impl fmt::Debug for Gatekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gatekeeper").field(&self.name).finish()
    }
}

impl RunBudget {
    pub(super) fn question(&self, task: TaskIx, stop: Stop, machine: &Machine) -> Question {
        let who = self.who(task, machine);
        // The same after a restart: an answer that was given meanwhile is found.
        let of = serde_json::json!([who.get(Column::Run), who.get(Column::Task), stop.limit]).to_string();
        let id = blake3::hash(of.as_bytes()).to_hex().chars().take(10).collect();
        let at = self.clerk.ledger.now();
        Question { id, at, who, why: stop.to_string(), limit: stop.limit, usd: stop.wanted }
    }

    /// Whether somebody has said whether that task may pass a limit.
    pub(super) fn said(
        &mut self,
        (task, nth): (TaskIx, u64),
        said: Result<Option<(Allowed, String)>>,
        now: Duration,
        machine: &Machine,
        messages: &mut Vec<Message>,
    ) {
        let rank = machine.plan().rank(task);
        if !self.is_asking(rank, task, nth) {
            return;
        }
        let Some(Asking { stage: Stage::Gate { question, .. }, .. }) = self.asking.remove(&rank) else { return };
        let again = |stage| Asking { task, nth, stage };
        match said {
            Ok(None) => {
                let terms = self.terms.entry(task).or_default();
                if terms.told.insert(question.limit.clone()) {
                    let message = format!(
                        "asks whether it may begin: {}; say so with `orch budget answer {} yes`",
                        question.why, question.id
                    );
                    messages.push(Message::Odd { task, message });
                    if let Some(gate) = &self.gate {
                        gate.ask(&self.clerk, &question);
                    }
                }
                self.asking.insert(rank, again(Stage::Gate { question, due: now.saturating_add(AGAIN) }));
            }
            Ok(Some((Allowed::No, by))) => {
                messages.push(refused(task, format!("not begun: `{}` said no: {}", Printable(&by), question.why)));
            }
            Ok(Some((said, by))) => {
                let limit = question.limit.clone();
                let message = format!("may pass the budget `{}`: `{}` said so", Printable(&limit), Printable(&by));
                messages.push(Message::Odd { task, message });
                if said == Allowed::Run {
                    self.allowed.insert(limit.clone());
                }
                let terms = self.terms.entry(task).or_default();
                terms.allowed.insert(limit.clone());
                // Asked once more, it is asked about once more.
                terms.told.remove(&limit);
                self.asking.insert(rank, again(Stage::Fresh));
            }
            Err(error) => {
                messages.push(refused(task, format!("not begun: nobody can be asked whether it may: {error}")));
            }
        }
    }
}
