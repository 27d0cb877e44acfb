//! Adds up commits and facts. Pure.

use std::collections::{BTreeMap, HashMap};

use super::{
    aggregate::{Aggregate, AuthorUse, Measured, MetricsOptions, Part, WorktreeUse},
    facts::{Facts, RunFact},
    model::Count,
    months::{Months, date, monday},
    policy::{Judge, Policy, Rules, is_ours},
};
use crate::{WallTime, error::Result, git::LogEntry, session::CommitRecord};

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
