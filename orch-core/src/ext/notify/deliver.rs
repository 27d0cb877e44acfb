//! Delivers what is in the outbox.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{
    http::{Answer, Courier},
    notice::Notice,
    target::Target,
};
use crate::{
    clock::{Clock, WallTime},
    error::{Error, ErrorKind, Result},
    session::Ledger,
    store::{Delivery, Letter, LetterRow, Store},
};

/// For how long a letter is ours while it is sent: longer than a courier may take.
const OURS: Duration = Duration::from_secs(60);

/// Waits between attempts that nobody asked for: twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_mins(15);

/// Older letters are given up.
const TOO_OLD: Duration = Duration::from_hours(24);

/// Puts notices into the outbox of a store, and delivers them.
pub struct Outbox {
    store: Arc<dyn Store>,
    targets: Vec<Target>,
    clock: Clock,
    /// Until when a target wants nothing, by name.
    busy: Mutex<HashMap<String, WallTime>>,
}

/// What came of the letters that were due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// The other side has them.
    pub sent: u64,
    /// To be tried again.
    pub later: u64,
    /// Given up.
    pub dropped: u64,
    /// Why the last one was not sent, if one was not: the target's name and the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Outbox {
    /// An outbox that tells those targets. `clock` says what the time of day is; the store's should be the same.
    pub fn new(store: Arc<dyn Store>, targets: Vec<Target>, clock: Clock) -> Self {
        Self { store, targets, clock, busy: Mutex::default() }
    }

    /// Whom it tells.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Puts a notice into the outbox for each target that was not told this `key` before, by whatever process. Answers for how
    /// many that is so. Sends nothing.
    ///
    /// # Errors
    ///
    /// Those of the [`Store`].
    pub fn post(&self, key: &str, notice: &Notice) -> Result<usize> {
        let body = serde_json::to_string(notice)
            .map_err(|error| Error::new(ErrorKind::InvalidValue, format!("the notice has no JSON form: {error}")))?;
        let letter = |target: &Target| Letter { key: key.into(), target: target.name().into(), body: body.clone() };
        self.store.post(&self.targets.iter().map(letter).collect::<Vec<_>>())
    }

    /// Puts into the outbox what happened to budgets and nobody has told yet, in whatever process it happened: each once. Answers how
    /// many letters that are. What is older than a day is not told any more.
    ///
    /// # Errors
    ///
    /// Those of the [`Store`]s.
    pub fn post_news(&self, ledger: &Ledger) -> Result<usize> {
        let mut posted = 0;
        for news in ledger.news()? {
            if self.clock.wall() < news.at.after(TOO_OLD) {
                posted += self.post(&format!("budget/{}", news.key), &Notice::of_news(&news))?;
            }
            // If this process ends here it is posted again, under the same key.
            ledger.told(&news)?;
        }
        Ok(posted)
    }

    /// Sends what is due, one letter after the other, until nothing is.
    ///
    /// # Errors
    ///
    /// Those of the [`Store`]. What cannot be sent is no error: it is tried again, or given up, and the answer says so.
    pub fn deliver(&self, courier: &dyn Courier) -> Result<Delivered> {
        let mut all = Delivered::default();
        loop {
            let now = self.clock.wall();
            let targets: Vec<&str> = {
                let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
                let free = |target: &&Target| busy.get(target.name()).is_none_or(|until| *until <= now);
                self.targets.iter().filter(free).map(Target::name).collect()
            };
            let Some(letter) = self.store.take_letters(&targets, 1, OURS)?.into_iter().next() else { return Ok(all) };
            let Some(target) = self.targets.iter().find(|target| target.name() == letter.target) else {
                return Err(Error::new(
                    ErrorKind::Misuse,
                    "the store gave a letter for a target that was not asked for",
                ));
            };
            let how = self.send(&letter, target, courier);
            match &how {
                Delivery::Sent => all.sent += 1,
                Delivery::Later(_, why) => {
                    all.later += 1;
                    all.why = Some(format!("{}: {why}", target.name()));
                }
                Delivery::Dropped(why) => {
                    all.dropped += 1;
                    all.why = Some(format!("{}: {why}", target.name()));
                }
            }
            self.store.delivered(&letter, &how)?;
        }
    }

    /// The same for a caller that would rather wait a little than come again: after busy and dead servers it waits as long as
    /// they ask for with `sleep`, and tries again, as long as all waits together are within `patience`.
    ///
    /// # Errors
    ///
    /// Those of the [`Store`].
    pub fn deliver_within(
        &self,
        courier: &dyn Courier,
        patience: Duration,
        mut sleep: impl FnMut(Duration),
    ) -> Result<Delivered> {
        let mut left = patience;
        let mut all = self.deliver(courier)?;
        while all.later > 0 {
            let now = self.clock.wall();
            let next = {
                let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
                busy.values().filter(|until| **until > now).min().map(|until| Duration::from_millis(until.0 - now.0))
            };
            let Some(wait) = next.filter(|wait| *wait <= left) else { break };
            left -= wait;
            sleep(wait);
            let more = self.deliver(courier)?;
            // What was to be tried again has been, unless it still waits.
            let tried = more.sent + more.dropped + more.later;
            all = Delivered {
                sent: all.sent + more.sent,
                later: all.later.saturating_sub(tried) + more.later,
                dropped: all.dropped + more.dropped,
                why: more.why.or(all.why),
            };
        }
        if all.later + all.dropped == 0 {
            all.why = None;
        }
        Ok(all)
    }

    fn send(&self, letter: &LetterRow, target: &Target, courier: &dyn Courier) -> Delivery {
        let Ok(notice) = serde_json::from_str::<Notice>(&letter.body) else {
            return Delivery::Dropped("it is no notice of this version of orch".to_owned());
        };
        let how = judge(courier.carry(target, &target.kind().payload(&notice)), letter.tries);
        let Delivery::Later(wait, why) = how else { return how };
        let now = self.clock.wall();
        // Whatever else is for it would be refused as well, and counted against us.
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(target.name().to_owned(), now.after(wait));
        if letter.posted.after(TOO_OLD) <= now {
            return Delivery::Dropped(format!("given up after a day: {why}"));
        }
        Delivery::Later(wait, why)
    }
}

/// What an answer means for the next attempt.
fn judge(answer: std::result::Result<Answer, String>, tries: u32) -> Delivery {
    let doubled = FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(MOST_WAIT);
    match answer {
        Err(why) => Delivery::Later(doubled, why),
        Ok(Answer { status, retry_after }) => match status {
            200..=299 => Delivery::Sent,
            300..=399 => Delivery::Dropped(format!("it answered {status}, a redirect, and none is followed")),
            408 | 425 | 429 | 500..=599 => {
                let wait = retry_after.unwrap_or(doubled);
                Delivery::Later(wait, format!("it answered {status}"))
            }
            404 | 410 => Delivery::Dropped(format!("it answered {status}: there is no such webhook any more")),
            _ => Delivery::Dropped(format!("it answered {status}")),
        },
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("targets", &self.targets).finish_non_exhaustive()
    }
}
