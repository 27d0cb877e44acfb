//! Breakers by name.

use std::{collections::BTreeMap, time::Duration};

use super::{Ask, Breaker, Ticket, Verdict};
use crate::{
    definition::BreakerOptions,
    event::{BreakerState, Failure, FailureKind},
    id::Printable,
    report::Short,
};

/// Circuit breakers by name, and why those are open that are. Times are passed in, since any fixed start.
///
/// A breaker comes into being, closed, when somebody first asks it; it behaves as who asked last declares it, unless it was
/// [set](BreakerTable::set).
///
/// ```
/// use std::time::Duration;
/// use orch_core::{BreakerOptions, BreakerState, Failure};
/// use orch_core::recovery::breaker::{Ask, BreakerTable};
///
/// let declared = BreakerOptions { failure_threshold: 1, ..BreakerOptions::default() };
/// let mut table = BreakerTable::default();
/// let Ask::Begin(ticket) = table.ask("crm", &declared, Duration::ZERO) else { panic!("it is closed") };
/// table.end("crm", ticket, Duration::from_secs(1), Err(&Failure::error("503")));
///
/// let status = table.status("crm", Duration::from_secs(11)).unwrap();
/// assert_eq!((status.state, status.probe_in), (BreakerState::Open, Some(Duration::from_secs(50))));
/// assert_eq!(
///     status.refusal().message,
///     "circuit breaker `crm` is open, since an attempt failed (503); it lets a probe through in 50.0 s"
/// );
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct BreakerTable(BTreeMap<String, Row>);

#[derive(Debug, Clone)]
struct Row {
    breaker: Breaker,
    /// The failure that opened it last.
    why: Option<Failure>,
    /// Its options were set, so that what graphs declare does not count.
    set: bool,
}

/// How a breaker stands.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BreakerStatus {
    /// Its name. As given: show it through [`Printable`].
    pub name: String,
    /// How it stands.
    pub state: BreakerState,
    /// The failure that opened it, while it is not closed.
    pub why: Option<Failure>,
    /// While it is open: how long until it lets a probe through; zero when the next to ask is one.
    pub probe_in: Option<Duration>,
    /// How it behaves.
    pub options: BreakerOptions,
}

impl BreakerStatus {
    /// What an attempt is told that may not begin.
    pub fn refusal(&self) -> Failure {
        let name = Printable(&self.name);
        let state = if self.state == BreakerState::HalfOpen { "half open" } else { "open" };
        let why = self.why.as_ref().map(|why| format!(", since an attempt failed ({why})")).unwrap_or_default();
        let then = match self.probe_in {
            Some(wait) => format!("it lets a probe through in {}", Short(wait)),
            None => "as many probes as it lets through are under way".to_owned(),
        };
        Failure { kind: FailureKind::CircuitOpen, message: format!("circuit breaker `{name}` is {state}{why}; {then}") }
    }
}

impl BreakerTable {
    /// Says how that breaker behaves, from now on, whatever graphs declare. What it counted stays.
    pub fn set(&mut self, name: &str, options: BreakerOptions) {
        let row = self.row(name, &options);
        row.breaker.options = options;
        row.set = true;
    }

    /// When to ask again, if no attempt may begin now of a graph that declares the breaker so.
    pub fn later(&mut self, name: &str, declared: &BreakerOptions, now: Duration) -> Option<Duration> {
        self.declared(name, declared).breaker.later(now)
    }

    /// Whether an attempt may begin, of a graph that declares the breaker so.
    pub fn ask(&mut self, name: &str, declared: &BreakerOptions, now: Duration) -> Ask {
        self.declared(name, declared).breaker.ask(now)
    }

    /// Whether what the attempt with that ticket says is still heard: the breaker has not changed since it was let through.
    pub fn hears(&self, name: &str, ticket: Ticket) -> bool {
        self.0.get(name).is_some_and(|row| row.breaker.hears(ticket))
    }

    /// Says how the attempt with that ticket ended, once. Answers whether somebody who had to wait may get through now, or
    /// the breaker stands differently.
    pub fn end(&mut self, name: &str, ticket: Ticket, now: Duration, result: Result<(), &Failure>) -> bool {
        let Some(row) = self.0.get_mut(name) else { return false };
        let verdict = row.breaker.verdict(result.err());
        let before = row.breaker.state();
        row.breaker.end(ticket, now, verdict);
        let after = row.breaker.state();
        if verdict == Verdict::Failure && before != after {
            row.why = result.err().cloned();
        }
        before != BreakerState::Closed || before != after
    }

    /// Says that the attempt with that ticket says nothing of what it called: it never began, or nobody knows how it ended.
    /// Answers as [`end`](BreakerTable::end) does.
    pub fn give_back(&mut self, name: &str, ticket: Ticket, now: Duration) -> bool {
        let nothing = Failure { kind: FailureKind::Cancelled, message: String::new() };
        self.end(name, ticket, now, Err(&nothing))
    }

    /// Closes that breaker by hand. Answers whether there is one.
    pub fn reset(&mut self, name: &str) -> bool {
        let row = self.0.get_mut(name);
        row.map(|row| row.breaker.close()).is_some()
    }

    /// How that breaker stands; `None`: nobody asked it yet.
    pub fn status(&self, name: &str, now: Duration) -> Option<BreakerStatus> {
        self.0.get_key_value(name).map(|(name, row)| row.status(name, now))
    }

    /// How all stand, by name.
    pub fn list(&self, now: Duration) -> Vec<BreakerStatus> {
        self.0.iter().map(|(name, row)| row.status(name, now)).collect()
    }

    fn declared(&mut self, name: &str, declared: &BreakerOptions) -> &mut Row {
        let row = self.row(name, declared);
        if !row.set && row.breaker.options != *declared {
            row.breaker.options = declared.clone();
        }
        row
    }

    fn row(&mut self, name: &str, options: &BreakerOptions) -> &mut Row {
        self.0.entry(name.to_owned()).or_insert_with(|| Row {
            breaker: Breaker::new(options.clone()),
            why: None,
            set: false,
        })
    }
}

impl Row {
    fn status(&self, name: &str, now: Duration) -> BreakerStatus {
        let state = self.breaker.state();
        BreakerStatus {
            name: name.to_owned(),
            state,
            why: self.why.clone().filter(|_| state != BreakerState::Closed),
            probe_in: self.breaker.probe_at().map(|at| at.saturating_sub(now)),
            options: self.breaker.options.clone(),
        }
    }
}
