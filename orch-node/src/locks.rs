//! Locks: the core's table, asked by callers in JavaScript, who wait by promises.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use napi::{
    bindgen_prelude::Function,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use orch_core::{
    Clock, Error, ErrorKind, Resource, ResourceKind,
    clock::Hand,
    locks::{
        Acquire, Ear, Locks, MemoryLocks,
        table::{Ask, Asked, Asker, Deadlock, Refusal, Word},
    },
};
use serde_json::json;

use crate::{
    convert::{self, duration, millis},
    error::Raised,
};

/// Weak: it does not keep the process alive.
type Call = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

/// What waits to be heard by JavaScript: requests by their numbers.
struct Words {
    heard: Mutex<Vec<(u64, Word)>>,
    wake: Call,
}

impl Ear for Words {
    fn told(&self, key: u64, word: Word) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push((key, word));
        let first = heard.len() == 1;
        drop(heard);
        if first {
            // When the loop is gone, nobody is left to be woken.
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// What became of a request.
#[napi(object, object_from_js = false)]
pub struct LockAnswer {
    /// The number of the request.
    pub request: u32,
    /// `granted`, `waits`, `refused`, `expired`, `deadlock`.
    pub word: &'static str,
    /// The id of the lock.
    pub lock: Option<String>,
    /// The fencing token of a grant.
    pub fence: Option<f64>,
    /// Why it was refused: the code of the error.
    pub code: Option<&'static str>,
    /// The same in words.
    pub message: Option<String>,
}

/// The locks of one program.
#[napi]
pub struct NativeLocks {
    pub(crate) locks: Locks,
    words: Arc<Words>,
    hand: Option<Hand>,
    /// Deadlocks that were told, by number.
    found: BTreeMap<u32, Deadlock>,
    next: u32,
}

#[napi]
impl NativeLocks {
    /// `wake` is called when there is something to [hear](Self::hear); `manual` is a clock that only `advance` moves. Deadlocks
    /// are told and not ended.
    #[napi(constructor)]
    pub fn new(wake: Function<(), ()>, manual: bool) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function().weak::<true>().build()?;
        let (clock, hand) = if manual {
            let (clock, hand) = Clock::manual();
            (clock, Some(hand))
        } else {
            (Clock::system(), None)
        };
        let locks = Locks::new(MemoryLocks::new(clock).report_deadlocks());
        let words = Arc::new(Words { heard: Mutex::default(), wake });
        Ok(Self { locks, words, hand, found: BTreeMap::new(), next: 0 })
    }

    /// Declares a resource.
    #[napi]
    pub fn register(&self, name: String, kind: String, capacity: Option<u32>) -> napi::Result<()> {
        let kind: ResourceKind = serde_json::from_value(kind.to_ascii_lowercase().into())
            .map_err(|_| {
                let message = format!("`{kind}` is no type of a resource; give agent, file, database, api or custom");
                Error::new(ErrorKind::InvalidValue, message)
            })
            .raised()?;
        let resource = Resource { capacity, ..Resource::new(name).kind(kind) };
        self.locks.register(&resource).raised()
    }

    /// Asks for a resource; times in milliseconds, without one as long as it takes.
    #[napi]
    pub fn ask(
        &self,
        request: u32,
        resource: String,
        owner: String,
        priority: i32,
        wait_ms: Option<f64>,
        lease_ms: Option<f64>,
    ) -> napi::Result<LockAnswer> {
        let wait = wait_ms.map(duration).transpose()?;
        let lease = lease_ms.map(duration).transpose()?;
        let claim = self.locks.claim(resource, Acquire { priority, wait, lease, ..Acquire::default() }).raised()?;
        let claims = [claim];
        let ask = Ask { asker: Asker::Named(&owner), scope: 0, claims: &claims, rank: 0, wait };
        let mut ear = || (self.words.clone() as Arc<dyn Ear>, u64::from(request));
        Ok(match self.locks.table().ask(&ask, &mut ear) {
            Asked::Granted(grant) => {
                LockAnswer { lock: Some(grant.ticket.to_string()), ..granted(request, grant.fence) }
            }
            Asked::Waits(waits) => LockAnswer { lock: Some(waits.ticket.to_string()), ..plain(request, "waits") },
            Asked::Refused(refusal) => refused(request, refusal),
        })
    }

    /// What was told since the last call.
    #[napi]
    pub fn hear(&self) -> Vec<LockAnswer> {
        let heard = std::mem::take(&mut *self.words.heard.lock().unwrap_or_else(PoisonError::into_inner));
        heard
            .into_iter()
            .filter_map(|(key, word)| {
                let request = key as u32;
                Some(match word {
                    Word::Granted { fence } => granted(request, fence),
                    Word::Refused(refusal) => refused(request, refusal),
                    Word::Expired { .. } => plain(request, "expired"),
                    Word::Deadlock(_) => plain(request, "deadlock"),
                    Word::Upgraded { .. } | Word::Look => return None,
                })
            })
            .collect()
    }

    /// Does what is due, and answers in how many milliseconds there is more to do.
    #[napi]
    pub fn turn(&self) -> Option<f64> {
        self.locks.table().turn().map(|wait: Duration| millis(wait))
    }

    /// Gives a lock back, or withdraws a request. `false`: it is over.
    ///
    /// # Errors
    ///
    /// `NotOwner` if an owner is given and another holds it.
    #[napi]
    pub fn release(&self, lock: String, owner: Option<String>) -> napi::Result<bool> {
        let ticket = lock.parse().raised()?;
        match owner {
            Some(owner) => self.locks.release(ticket, &owner).raised(),
            None => Ok(self.locks.table().release(ticket)),
        }
    }

    /// Gives back everything of an owner.
    #[napi]
    pub fn release_all(&self, owner: String) -> u32 {
        self.locks.release_all(&owner) as u32
    }

    /// How a resource stands, as JSON.
    #[napi]
    pub fn stats(&self, resource: String) -> napi::Result<Option<String>> {
        let Some(stats) = self.locks.stats(&resource) else { return Ok(None) };
        let shown = json!({
            "capacity": stats.capacity,
            "used": stats.used,
            "holders": stats.holders,
            "exclusive": stats.exclusive,
            "waiting": stats.waiting,
            "granted": stats.granted,
            "refused": stats.refused,
            "expired": stats.expired,
            "waited_ms": millis(stats.waited),
            "longest_wait_ms": millis(stats.longest_wait),
        });
        convert::shown(&shown).map(Some)
    }

    /// The deadlocks that there are, as JSON: `[{number, cycle: [{owner, resource}], victim, message}]`.
    #[napi]
    pub fn deadlocks(&mut self) -> napi::Result<String> {
        let mut shown = Vec::new();
        let now = self.locks.detect_deadlock();
        self.found.retain(|_, known| now.contains(known));
        for deadlock in now {
            let known = self.found.iter().find(|(_, known)| **known == deadlock).map(|(number, _)| *number);
            let number = known.unwrap_or_else(|| {
                self.next += 1;
                self.next
            });
            let cycle: Vec<_> = deadlock
                .cycle
                .iter()
                .map(|link| json!({"owner": &*link.owner, "resource": link.resource.as_str()}))
                .collect();
            let victim = deadlock.victim().map(|link| link.owner.to_string());
            let message = deadlock.to_string();
            shown.push(json!({"number": number, "cycle": cycle, "victim": victim, "message": message}));
            self.found.insert(number, deadlock);
        }
        convert::shown(&shown)
    }

    /// Ends a deadlock by refusing its victim. `false`: it is over already.
    #[napi]
    pub fn end_deadlock(&mut self, number: u32) -> bool {
        self.found.remove(&number).is_some_and(|deadlock| self.locks.resolve_deadlock(&deadlock))
    }

    /// Moves the time of locks with a manual clock.
    #[napi]
    pub fn advance(&self, ms: f64) -> napi::Result<()> {
        if let Some(hand) = &self.hand {
            hand.advance(duration(ms)?);
        }
        Ok(())
    }
}

fn plain(request: u32, word: &'static str) -> LockAnswer {
    LockAnswer { request, word, lock: None, fence: None, code: None, message: None }
}

fn granted(request: u32, fence: u64) -> LockAnswer {
    LockAnswer { fence: Some(fence as f64), ..plain(request, "granted") }
}

fn refused(request: u32, refusal: Refusal) -> LockAnswer {
    let error = Error::from(refusal);
    LockAnswer { code: Some(error.kind().code()), message: Some(error.to_string()), ..plain(request, "refused") }
}
