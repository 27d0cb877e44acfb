//! Whether an attempt may begin, by what became of those before it.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{BreakerOptions, BreakerState, recovery::breaker::{Ask, Breaker, Verdict}};
//!
//! let mut breaker = Breaker::new(BreakerOptions { failure_threshold: 2, ..BreakerOptions::default() });
//! let secs = Duration::from_secs;
//! for now in [1, 2] {
//!     let Ask::Begin(ticket) = breaker.ask(secs(now)) else { panic!("it is closed") };
//!     breaker.end(ticket, secs(now), Verdict::Failure);
//! }
//! assert_eq!(breaker.state(), BreakerState::Open);
//! assert_eq!(breaker.ask(secs(3)), Ask::Later(secs(62)), "60 s after it opened");
//! assert!(matches!(breaker.ask(secs(62)), Ask::Begin(_)), "a probe");
//! assert_eq!(breaker.state(), BreakerState::HalfOpen);
//! ```

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use super::named::is_named;
use crate::{
    definition::BreakerOptions,
    event::{BreakerState, Failure, FailureKind},
};

/// A circuit breaker: told how attempts end, it says whether another may begin. Times are passed in, since any fixed start;
/// an earlier time than one before counts as the same.
///
/// | state | becomes | when |
/// |---|---|---|
/// | closed | open | `failure_threshold` failures in a row, the oldest not older than `monitoring_period` |
/// | open | half open | somebody asks, `reset_timeout` after it opened |
/// | half open | closed | `success_threshold` probes in a row worked |
/// | half open | open | a probe failed |
///
/// What an attempt that began in an earlier state says is not heard. A probe that has not ended `reset_timeout` after the
/// latest probe began holds its place no longer, so that a lost one does not keep the breaker half open for ever.
#[derive(Debug, Clone)]
pub struct Breaker {
    options: BreakerOptions,
    inner: Inner,
    /// Rises with every change of state, so that what is over is known by its ticket.
    generation: u64,
    /// The latest time.
    now: Duration,
}

#[derive(Debug, Clone)]
enum Inner {
    /// With the times of the latest failures in a row.
    Closed(VecDeque<Duration>),
    /// Since then.
    Open(Duration),
    HalfOpen {
        /// Probes under way.
        probes: u32,
        /// When the latest began.
        since: Duration,
        /// Probes in a row that worked.
        worked: u32,
    },
}

/// The answer to whether an attempt may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// It may. Say how it ended with this ticket.
    Begin(Ticket),
    /// Not now. Ask again at that time, or when another attempt has ended.
    Later(Duration),
}

/// That an attempt was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// What the end of an attempt says of what it called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing: the attempt was cancelled, or failed with something that the breaker does not count.
    Nothing,
}

impl Breaker {
    /// A closed one. A threshold or a number of probes of 0 counts as 1.
    pub fn new(options: BreakerOptions) -> Self {
        Self { options, inner: Inner::Closed(VecDeque::new()), generation: 0, now: Duration::ZERO }
    }

    /// How it behaves.
    pub fn options(&self) -> &BreakerOptions {
        &self.options
    }

    /// How it stands. An open breaker stays open until somebody asks after its reset time.
    pub fn state(&self) -> BreakerState {
        match self.inner {
            Inner::Closed(_) => BreakerState::Closed,
            Inner::Open(_) => BreakerState::Open,
            Inner::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// While it is open: from when on it lets a probe through.
    pub fn probe_at(&self) -> Option<Duration> {
        match self.inner {
            Inner::Open(since) => Some(since.saturating_add(self.options.reset_timeout)),
            Inner::Closed(_) | Inner::HalfOpen { .. } => None,
        }
    }

    /// When to ask again, if no attempt may begin at that time. Changes nothing: who [asks](Breaker::ask) may be the first to
    /// probe.
    pub fn later(&self, now: Duration) -> Option<Duration> {
        let since = match self.inner {
            Inner::Open(since) => since,
            Inner::HalfOpen { probes, since, .. } if probes >= self.options.probes.max(1) => since,
            Inner::Closed(_) | Inner::HalfOpen { .. } => return None,
        };
        let at = since.saturating_add(self.options.reset_timeout);
        (now.max(self.now) < at).then_some(at)
    }

    /// Whether an attempt may begin.
    pub fn ask(&mut self, now: Duration) -> Ask {
        self.now = now.max(self.now);
        let now = self.now;
        if let Some(at) = self.later(now) {
            return Ask::Later(at);
        }
        match self.inner {
            Inner::Closed(_) => {}
            Inner::Open(_) => self.turn(Inner::HalfOpen { probes: 1, since: now, worked: 0 }),
            // They are lost. What they may still say is not heard.
            Inner::HalfOpen { probes, worked, .. } if probes >= self.options.probes.max(1) => {
                self.turn(Inner::HalfOpen { probes: 1, since: now, worked });
            }
            Inner::HalfOpen { probes, worked, .. } => {
                self.inner = Inner::HalfOpen { probes: probes + 1, since: now, worked };
            }
        }
        Ask::Begin(Ticket(self.generation))
    }

    /// Whether what the attempt with that ticket says is still heard: the breaker has not changed since it was let through.
    pub fn hears(&self, ticket: Ticket) -> bool {
        ticket.0 == self.generation
    }

    /// Says how the attempt with that ticket ended, once.
    pub fn end(&mut self, ticket: Ticket, now: Duration, verdict: Verdict) {
        self.now = now.max(self.now);
        let now = self.now;
        if !self.hears(ticket) {
            return;
        }
        let next = match (&mut self.inner, verdict) {
            (Inner::Closed(failures), Verdict::Success) => {
                failures.clear();
                None
            }
            (Inner::Closed(failures), Verdict::Failure) => {
                failures.push_back(now);
                let period = self.options.monitoring_period;
                while failures.front().is_some_and(|&at| now.saturating_sub(at) > period) {
                    failures.pop_front();
                }
                let opens = failures.len() >= self.options.failure_threshold.max(1) as usize;
                opens.then_some(Inner::Open(now))
            }
            (Inner::HalfOpen { .. }, Verdict::Failure) => Some(Inner::Open(now)),
            (Inner::HalfOpen { probes, worked, .. }, verdict) => {
                *probes = probes.saturating_sub(1);
                *worked += u32::from(verdict == Verdict::Success);
                let closes = *worked >= self.options.success_threshold.max(1);
                closes.then(|| Inner::Closed(VecDeque::new()))
            }
            (Inner::Closed(_), Verdict::Nothing) | (Inner::Open(_), _) => None,
        };
        if let Some(next) = next {
            self.turn(next);
        }
    }

    /// Closes it, whatever became of earlier attempts.
    pub fn close(&mut self) {
        self.turn(Inner::Closed(VecDeque::new()));
    }

    /// Opens it, as if it had failed now.
    pub fn open(&mut self, now: Duration) {
        self.now = now.max(self.now);
        self.turn(Inner::Open(self.now));
    }

    /// What the end of an attempt means to this breaker; `None`: it worked.
    pub fn verdict(&self, failure: Option<&Failure>) -> Verdict {
        match failure {
            None => Verdict::Success,
            Some(failure)
                if matches!(
                    failure.kind,
                    FailureKind::Cancelled | FailureKind::CircuitOpen | FailureKind::LockTimeout
                ) =>
            {
                Verdict::Nothing
            }
            Some(failure) if is_named(&self.options.on, failure) => Verdict::Failure,
            Some(_) => Verdict::Nothing,
        }
    }

    fn turn(&mut self, next: Inner) {
        self.inner = next;
        self.generation += 1;
    }
}

mod table;
#[cfg(test)]
mod tests;

pub use table::{BreakerStatus, BreakerTable};
