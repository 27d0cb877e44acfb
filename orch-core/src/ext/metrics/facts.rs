//! What the store knows: commits that hooks recorded, what was spent, and what runs did.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Clock, WallTime,
    cost::{
        PriceSource,
        budget::{Column, Limits},
    },
    error::Result,
    session::{self, Charge, CommitRecord, Ledger, StoredRun},
    store::{RunRow, Store},
    units::Usd,
};

/// Something that was paid for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paid {
    /// When.
    pub at: WallTime,
    /// How much. In JSON in nano-dollars.
    pub usd: Usd,
    /// How many tokens it took, in and out.
    pub tokens: u64,
    /// The worktree in which it was spent, where that is known.
    pub worktree: Option<String>,
    /// The run for which it was spent.
    pub run: Option<String>,
    /// Whether nobody knows what it really cost: it is what had been reserved.
    pub assumed: bool,
}

impl From<&Charge> for Paid {
    fn from(charge: &Charge) -> Self {
        let of = |column| charge.who.get(column).map(str::to_owned);
        let tokens = charge.usage.as_ref().map_or(0, |usage| usage.input.saturating_add(usage.output));
        let (worktree, run) = (of(Column::Worktree), of(Column::Run));
        Self { at: charge.at, usd: charge.usd, tokens, worktree, run, assumed: charge.assumed }
    }
}

/// A run, and what its cache saved: for each hit what its value really cost to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunFact {
    /// The run.
    pub run: String,
    /// The graph's name.
    pub name: String,
    /// When it was begun.
    pub at: WallTime,
    /// How it stood when its owner wrote last.
    pub state: String,
    /// How many tasks it has.
    pub tasks: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What its tasks cost, as far as prices are known. In JSON in nano-dollars.
    pub usd: Option<Usd>,
    /// Tokens that its tasks took, in and out.
    pub tokens: u64,
    /// Values that were found, and need not be made.
    pub hits: u64,
    /// Values that were looked for, and were not there.
    pub misses: u64,
    /// What the hits saved, as far as prices are known. In JSON in nano-dollars.
    pub saved_usd: Option<Usd>,
    /// Tokens that the hits saved.
    pub saved_tokens: u64,
    /// Work that the hits saved, in milliseconds.
    pub saved_ms: u64,
}

impl RunFact {
    fn of(row: &RunRow, stored: Option<&mut StoredRun>, prices: &dyn PriceSource) -> Self {
        let mut fact = Self {
            run: row.run.to_string(),
            name: row.name.clone(),
            at: row.created,
            state: row.state.name().to_owned(),
            ..Self::default()
        };
        let Some(stored) = stored else { return fact };
        stored.report.price_with(|usage| crate::cost::price(prices, usage, row.created).complete());
        let (report, context) = (&stored.report, stored.report.context());
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        fact.tasks = report.counts().total() as u64;
        fact.took_ms = millis(report.makespan());
        fact.usd = report.cost();
        fact.tokens = report.usage().total_tokens();
        fact.hits = (context.hits + context.known) as u64;
        fact.misses = (context.misses + context.made) as u64;
        fact.saved_usd = context.avoided.money;
        fact.saved_tokens = context.avoided.usage.total_tokens();
        fact.saved_ms = millis(context.avoided.time);
        fact
    }
}

/// All that a store knows of a time. Public fields and `Default`: nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Commits that hooks recorded.
    pub commits: Vec<CommitRecord>,
    /// What was paid for.
    pub paid: Vec<Paid>,
    /// The runs, the latest first.
    pub runs: Vec<RunFact>,
    /// Runs that could not be read: they are counted, and what they saved is not known.
    pub unread: u64,
}

impl Facts {
    /// What the store knows from that time on and before that other; no time: no bound. What it knows of commits is not bounded: a hook may have
    /// seen one later than it was made. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn load(
        store: &Arc<dyn Store>,
        prices: &dyn PriceSource,
        from: Option<WallTime>,
        to: Option<WallTime>,
    ) -> Result<Self> {
        let ledger = Ledger::new(Arc::clone(store), Limits::default(), Clock::system());
        let paid = ledger.charges(from, to)?.iter().map(Paid::from).collect();
        let mut facts = Self { commits: session::commits(store.as_ref(), None, None)?, paid, ..Self::default() };
        let within = |at: WallTime| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to);
        for row in store.runs(None, usize::MAX)?.iter().filter(|row| within(row.created)) {
            let mut stored = StoredRun::load(store.as_ref(), row.run).ok();
            facts.unread += u64::from(stored.is_none());
            facts.runs.push(RunFact::of(row, stored.as_mut(), prices));
        }
        Ok(facts)
    }

    /// The records by the commit. Of several that hooks made of one, that which says the most of its work.
    pub(super) fn by_commit(&self) -> HashMap<&str, &CommitRecord> {
        let mut known: HashMap<&str, &CommitRecord> = HashMap::with_capacity(self.commits.len());
        for record in &self.commits {
            let kept = known.entry(&record.commit).or_insert(record);
            if says(record) > says(kept) {
                *kept = record;
            }
        }
        known
    }
}

fn says(record: &CommitRecord) -> usize {
    let knows = [record.managed, record.run.is_some(), record.task.is_some(), record.nanos.is_some()];
    knows.into_iter().filter(|knows| *knows).count()
}
