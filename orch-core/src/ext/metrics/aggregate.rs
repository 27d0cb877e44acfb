//! Commits and facts, added up by month, week, worktree and author. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    facts::{Facts, Paid, RunFact},
    model::{Count, Model},
    months::{Months, date, monday},
    policy::{Judge, Policy, Rules, is_ours},
};
use crate::{WallTime, cost::budget::Zone, error::Result, git::LogEntry, session::CommitRecord, units::Usd};

/// What is counted, and how. Public fields; [`MetricsOptions::at`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsOptions {
    /// What "orchestrated" means.
    pub policy: Policy,
    /// Which commits count at all.
    pub rules: Rules,
    /// Whose months and weeks. Default: UTC.
    pub zone: Zone,
    /// The present: which month is the current one.
    pub at: WallTime,
    /// Commits from that time on. Default: all.
    pub since: Option<WallTime>,
    /// Commits before that time. Default: all.
    pub until: Option<WallTime>,
    /// What is assumed.
    pub model: Model,
}

impl MetricsOptions {
    /// The default, at that time.
    pub fn at(at: WallTime) -> Self {
        let (policy, rules, zone, model) = Default::default();
        Self { policy, rules, zone, at, since: None, until: None, model }
    }

    pub(super) fn within(&self, at: WallTime) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// What was really spent and saved. It knows nothing of a [`Model`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// Charges of the ledger.
    pub charges: u64,
    /// Charges whose cost nobody knows: they count with what had been reserved.
    pub assumed: u64,
    /// What was spent.
    #[serde(rename = "cost_nanos")]
    pub usd: Usd,
    /// Tokens of the charges, in and out.
    pub tokens: u64,
    /// Runs that were kept.
    pub runs: u64,
    /// Those of them that succeeded.
    pub succeeded: u64,
    /// Values that runs found in their cache.
    pub hits: u64,
    /// Values that they had to make.
    pub misses: u64,
    /// What the hits saved: for each what its value cost to make, where its price is known.
    #[serde(rename = "saved_nanos")]
    pub saved: Usd,
    /// Tokens that the hits saved.
    pub saved_tokens: u64,
    /// Work that the hits saved, in milliseconds.
    pub saved_ms: u64,
}

impl Measured {
    /// Whether nothing was measured.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Hits in percent of what was looked for; `None`: nothing was.
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        (all > 0).then(|| self.hits as f64 / all as f64 * 100.0)
    }

    fn pay(&mut self, paid: &Paid) {
        self.charges += 1;
        self.assumed += u64::from(paid.assumed);
        self.usd += paid.usd;
        self.tokens = self.tokens.saturating_add(paid.tokens);
    }

    fn ran(&mut self, run: &RunFact) {
        self.runs += 1;
        self.succeeded += u64::from(run.state == "succeeded");
        self.hits += run.hits;
        self.misses += run.misses;
        self.saved += run.saved_usd.unwrap_or_default();
        self.saved_tokens = self.saved_tokens.saturating_add(run.saved_tokens);
        self.saved_ms = self.saved_ms.saturating_add(run.saved_ms);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.charges += other.charges;
        self.assumed += other.assumed;
        self.usd += other.usd;
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.runs += other.runs;
        self.succeeded += other.succeeded;
        self.hits += other.hits;
        self.misses += other.misses;
        self.saved += other.saved;
        self.saved_tokens = self.saved_tokens.saturating_add(other.saved_tokens);
        self.saved_ms = self.saved_ms.saturating_add(other.saved_ms);
    }
}

/// A month or a week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Its commits.
    pub commits: Count,
    /// What was measured in it.
    pub measured: Measured,
}

/// A worktree, by the commits that hooks recorded in it. All of it is measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorktreeUse {
    /// The name of its folder.
    pub worktree: String,
    /// Whether orch made it, or tasks worked in it.
    pub orchestrated: bool,
    /// Its commits that count.
    pub commits: u64,
    /// Those of them of which is known what they cost.
    pub priced: u64,
    /// What those cost.
    #[serde(rename = "cost_nanos")]
    pub usd: Usd,
    /// Tokens that were spent in it, in and out, for commits or not.
    pub tokens: u64,
}

/// What somebody committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuthorUse {
    /// The name.
    pub author: String,
    /// The commits.
    pub commits: Count,
}

/// Everything, added up.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Aggregate {
    /// How it was counted.
    pub options: MetricsOptions,
    /// By month, `2025-07`: every one that has commits or facts, and the current one.
    pub months: BTreeMap<String, Part>,
    /// By week, named by its Monday, `2025-06-30`.
    pub weeks: BTreeMap<String, Part>,
    /// By worktree, the most commits first.
    pub worktrees: Vec<WorktreeUse>,
    /// By author, the most orchestrated commits first.
    pub authors: Vec<AuthorUse>,
    /// The runs, the latest first.
    pub runs: Vec<RunFact>,
    /// Runs that could not be read: what they saved is missing.
    pub unread: u64,
    /// How many commits hooks have recorded, whenever. Without any, [`Policy::Recorded`] knows nothing of the others.
    pub records: usize,
    current: String,
}

impl Aggregate {
    /// The name of the current month.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// Whether it is known of the commits which were orchestrated: without a single record of a hook it is not, by [`Policy::Recorded`].
    pub fn knows(&self) -> bool {
        self.options.policy != Policy::Recorded || self.records > 0
    }

    /// The current month, to date.
    pub fn month(&self) -> Part {
        self.months.get(&self.current).copied().unwrap_or_default()
    }

    /// All months together.
    pub fn all(&self) -> Part {
        let mut all = Part::default();
        for part in self.months.values() {
            all.commits.total += part.commits.total;
            all.commits.orchestrated += part.commits.orchestrated;
            all.measured.add(&part.measured);
        }
        all
    }
}

/// Adds up commits as they come: whoever reads them keeps none.
#[derive(Debug)]
pub struct Tally<'a> {
    options: MetricsOptions,
    facts: &'a Facts,
    known: HashMap<&'a str, &'a CommitRecord>,
    judge: Judge,
    names: Months,
    months: BTreeMap<String, Part>,
    weeks: BTreeMap<i64, Part>,
    touching: BTreeMap<String, u64>,
    worktrees: BTreeMap<&'a str, WorktreeUse>,
    authors: HashMap<String, Count>,
}

impl<'a> Tally<'a> {
    /// Nothing yet, beside what the store knows.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](crate::ErrorKind::InvalidValue) for an author that is no pattern.
    pub fn new(options: MetricsOptions, facts: &'a Facts) -> Result<Self> {
        let rules = if options.policy == Policy::Compat { Rules::default() } else { options.rules.clone() };
        let (judge, known) = (Judge::new(&rules)?, facts.by_commit());
        let names = Months::new(options.policy, &options.zone, options.at);
        let (months, weeks, touching, worktrees, authors) = Default::default();
        Ok(Self { options, facts, known, judge, names, months, weeks, touching, worktrees, authors })
    }

    /// Adds a commit of the history.
    pub fn add(&mut self, commit: &LogEntry<'_>) {
        if !self.options.within(commit.at) || !self.judge.counts(commit) {
            return;
        }
        let record = self.known.get(commit.hash.as_ref()).copied();
        let orchestrated = u64::from(self.options.policy.is_orchestrated(&commit.message, record));
        let count = |count: &mut Count| {
            count.total += 1;
            count.orchestrated += orchestrated;
        };
        let name = self.names.name(commit.at);
        match self.months.get_mut(name) {
            Some(month) => count(&mut month.commits),
            None => count(&mut self.months.entry(name.to_owned()).or_default().commits),
        }
        count(&mut self.weeks.entry(monday(&self.options.zone, commit.at)).or_default().commits);
        match self.authors.get_mut(commit.author.as_ref()) {
            Some(author) => count(author),
            None => count(self.authors.entry(commit.author.clone().into_owned()).or_default()),
        }
        if let Some(record) = record.filter(|record| !record.worktree.is_empty()) {
            let tree = self.worktrees.entry(&record.worktree).or_default();
            tree.orchestrated |= is_ours(record);
            tree.commits += 1;
            tree.priced += u64::from(record.nanos.is_some());
            tree.usd += record.usd().unwrap_or_default();
        }
    }

    /// Adds a commit of any branch that touches a path of worktrees, which only [`Policy::Compat`] asks for.
    pub fn add_touching(&mut self, at: WallTime) {
        if self.options.within(at) {
            *self.touching.entry(self.names.name(at).to_owned()).or_default() += 1;
        }
    }

    /// All of it.
    pub fn finish(mut self) -> Aggregate {
        for (name, more) in std::mem::take(&mut self.touching) {
            let commits = &mut self.months.entry(name).or_default().commits;
            commits.orchestrated = commits.orchestrated.max(more);
        }
        let (options, facts) = (self.options, self.facts);
        // What was measured belongs to the calendar, whatever the window of the commits.
        let mut names = Months::new(Policy::Recorded, &options.zone, options.at);
        let mut part = |at: WallTime, add: &dyn Fn(&mut Measured)| {
            add(&mut self.months.entry(names.name(at).to_owned()).or_default().measured);
            add(&mut self.weeks.entry(monday(&options.zone, at)).or_default().measured);
        };
        facts.paid.iter().filter(|paid| options.within(paid.at)).for_each(|paid| part(paid.at, &|it| it.pay(paid)));
        let runs: Vec<RunFact> = facts.runs.iter().filter(|run| options.within(run.at)).cloned().collect();
        runs.iter().for_each(|run| part(run.at, &|it| it.ran(run)));
        for paid in facts.paid.iter().filter(|paid| options.within(paid.at)) {
            if let Some(tree) = paid.worktree.as_deref().and_then(|name| self.worktrees.get_mut(name)) {
                tree.tokens = tree.tokens.saturating_add(paid.tokens);
            }
        }
        let current = names.name(options.at).to_owned();
        self.months.entry(current.clone()).or_default();
        let named = self.worktrees.into_iter().map(|(name, tree)| WorktreeUse { worktree: name.to_owned(), ..tree });
        let mut worktrees: Vec<WorktreeUse> = named.collect();
        worktrees.sort_by(|a, b| b.commits.cmp(&a.commits).then_with(|| a.worktree.cmp(&b.worktree)));
        let named = self.authors.into_iter().map(|(author, commits)| AuthorUse { author, commits });
        let mut authors: Vec<AuthorUse> = named.collect();
        let order = |it: &AuthorUse| (it.commits.orchestrated, it.commits.total);
        authors.sort_by(|a, b| order(b).cmp(&order(a)).then_with(|| a.author.cmp(&b.author)));
        let weeks = self.weeks.into_iter().map(|(day, week)| (date(day), week)).collect();
        let (records, unread) = (facts.commits.len(), facts.unread);
        Aggregate { options, months: self.months, weeks, worktrees, authors, runs, unread, records, current }
    }
}
