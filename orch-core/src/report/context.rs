//! What the shared context of a run saved.

use std::{fmt, sync::Arc};

use super::{Report, Short};
use crate::{
    event::TaskState,
    units::{Cost, Usage},
};

/// A shared value that a task read when it began.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextRead {
    /// Its key.
    pub key: Arc<str>,
    /// What it cost to make; `None`: it was not there any more.
    pub saved: Option<Box<Cost>>,
}

/// What the shared context of a run was good for. All of it is measured: each value knows what it really cost to make.
///
/// A *hit* is a task that found a shared value when it began, and so need not make it itself: it avoids what the value cost to
/// make. A task that was not run, since what it would make was known, avoids what that cost. Against both stands what the run
/// spent to make shared values: the [difference](ContextUse::net_seconds) is what sharing gained.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContextUse {
    /// Shared values that tasks of this run made.
    pub made: usize,
    /// What those tasks cost.
    pub spent: Cost,
    /// Reads that found their value.
    pub hits: usize,
    /// Reads that did not.
    pub misses: usize,
    /// Tasks that were not run, since what they would make was known.
    pub known: usize,
    /// What the hits and the known tasks would have cost to make.
    pub avoided: Cost,
}

impl ContextUse {
    /// Whether nothing was shared.
    pub fn is_empty(&self) -> bool {
        self.made + self.hits + self.misses + self.known == 0
    }

    /// What was avoided, less what was spent on it, in seconds; negative while the making has not paid yet.
    pub fn net_seconds(&self) -> f64 {
        self.avoided.time.as_secs_f64() - self.spent.time.as_secs_f64()
    }

    /// The same in US dollars, where a price is known for both or nothing had to be spent.
    pub fn net_usd(&self) -> Option<f64> {
        let avoided = self.avoided.money?.dollars();
        match self.spent.money {
            Some(spent) => Some(avoided - spent.dollars()),
            None => self.spent.usage.is_empty().then_some(avoided),
        }
    }

    /// In a line: `1 shared value made (12.0 s, $0.04), 5 hits avoided 1 min 00 s, $0.20`.
    pub fn headline(&self) -> String {
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut parts = Vec::new();
        if self.made > 0 {
            parts.push(format!("{} made ({})", count(self.made, "shared value"), ShortCost(&self.spent)));
        }
        let mut found = Vec::new();
        if self.hits > 0 {
            found.push(count(self.hits, "hit"));
        }
        if self.known > 0 {
            found.push(format!("{} known already", count(self.known, "task")));
        }
        if !found.is_empty() {
            parts.push(format!("{} avoided {}", found.join(" and "), ShortCost(&self.avoided)));
        }
        if self.misses > 0 {
            parts.push(format!("{} found nothing", count(self.misses, "read")));
        }
        parts.join(", ")
    }
}

impl Report {
    /// What the shared context of the run was good for.
    pub fn context(&self) -> ContextUse {
        let mut sum = ContextUse::default();
        for task in self.tasks() {
            for read in task.reads() {
                match &read.saved {
                    Some(saved) => {
                        sum.hits += 1;
                        sum.avoided.add(saved);
                    }
                    None => sum.misses += 1,
                }
            }
            if let Some(saved) = task.saved() {
                sum.known += 1;
                sum.avoided.add(saved);
            } else if task.state() == TaskState::Succeeded
                && task.task().options().shares()
                && !task.output().is_nothing()
            {
                let shared = |output: &&crate::definition::OutputSpec| output.ttl.is_some_and(|ttl| !ttl.is_zero());
                sum.made += task.task().options().outputs.iter().filter(shared).count();
                let usage = task.usage().cloned().unwrap_or_else(Usage::default);
                sum.spent.add(&Cost { time: task.duration(), usage, money: task.cost() });
            }
        }
        sum
    }
}

/// A cost as a person reads it: its time, and tokens and money where there are any.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Cost, Usage, Usd, report::ShortCost};
///
/// let cost = Cost { time: Duration::from_secs(60), usage: Usage::tokens("sonnet", 20_000, 4_000), money: Some(Usd::from_cents(20)) };
/// assert_eq!(ShortCost(&cost).to_string(), "1 min 00 s, 24000 tokens, $0.2000");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ShortCost<'a>(pub &'a Cost);

impl fmt::Display for ShortCost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(cost) = self;
        write!(f, "{}", Short(cost.time))?;
        if !cost.usage.is_empty() {
            write!(f, ", {} tokens", cost.usage.total_tokens())?;
        }
        match cost.money {
            Some(money) => write!(f, ", {money}"),
            None => Ok(()),
        }
    }
}
