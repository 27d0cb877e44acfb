//! What commits and facts add up to, by month, week, worktree and author. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    facts::{Paid, RunFact},
    model::{Count, Model, Modelled},
    months::{date, day, monday, next},
    policy::{Policy, Rules},
};
use crate::{WallTime, cost::budget::Zone, units::Usd};

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

    pub(super) fn pay(&mut self, paid: &Paid) {
        self.charges += 1;
        self.assumed += u64::from(paid.assumed);
        self.usd += paid.usd;
        self.tokens = self.tokens.saturating_add(paid.tokens);
    }

    pub(super) fn ran(&mut self, run: &RunFact) {
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
    /// By month, `2025-07`: every one that has commits or facts, and the current one. [`last_months`](Aggregate::last_months) leaves none out.
    pub months: BTreeMap<String, Part>,
    /// By week, named by its Monday, `2025-06-30`: every one that has commits or facts. [`last_weeks`](Aggregate::last_weeks) leaves none out.
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
    pub(super) current: String,
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
        part(&self.months, &self.current)
    }

    /// What the model says of the current month; `None`: it has no commits, or it is not [known](Aggregate::knows) which were orchestrated.
    pub fn modelled(&self) -> Option<Modelled> {
        let commits = self.month().commits;
        (commits.total > 0 && self.knows()).then(|| self.options.model.of(commits, self.options.policy))
    }

    /// Why [`modelled`](Aggregate::modelled) has nothing to say, and what to do about it; `None`: it has.
    pub fn unknown(&self) -> Option<String> {
        if self.month().commits.total == 0 {
            Some(format!("there is no commit of {} that counts", self.current))
        } else if self.knows() {
            None
        } else {
            let why = "no hook has recorded a commit, so it is not known which were orchestrated; `orch hooks install git` records them from now on, \
                       and the policy `message` goes by what they say";
            Some(why.to_owned())
        }
    }

    /// The months up to the current one, at most so many, from the first that has commits or facts: also those that have none.
    pub fn last_months(&self, most: usize) -> Vec<(String, Part)> {
        let Some(first) = self.months.keys().next() else { return Vec::new() };
        let back = (0..).map(|nth| next(&self.current, -nth)).take(most).take_while(|name| name >= first);
        let mut months: Vec<_> = back.map(|name| (name.clone(), part(&self.months, &name))).collect();
        months.reverse();
        months
    }

    /// The weeks up to the present one, as [`last_months`](Aggregate::last_months).
    pub fn last_weeks(&self, most: usize) -> Vec<(String, Part)> {
        let Some(first) = self.weeks.keys().next().map(|name| day(name)) else { return Vec::new() };
        let present = monday(&self.options.zone, self.options.at);
        let back = (0..).map(|nth| present - 7 * nth).take(most).take_while(|monday| *monday >= first);
        let mut weeks: Vec<_> = back.map(date).map(|name| (name.clone(), part(&self.weeks, &name))).collect();
        weeks.reverse();
        weeks
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

fn part(parts: &BTreeMap<String, Part>, name: &str) -> Part {
    parts.get(name).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ext::metrics::{Facts, Tally},
        git::LogEntry,
    };

    fn counted(times: &[&str]) -> Aggregate {
        let facts = Facts::default();
        let options = MetricsOptions { policy: Policy::Message, ..MetricsOptions::at("2025-07-20".parse().unwrap()) };
        let mut tally = Tally::new(options, &facts).unwrap();
        for at in times {
            tally.add(&LogEntry { at: at.parse().unwrap(), ..LogEntry::default() });
        }
        tally.finish()
    }

    #[test]
    fn trends_leave_nothing_out() {
        let totals = |parts: Vec<(String, Part)>| {
            let one = |(name, part): (String, Part)| format!("{name} {}", part.commits.total);
            parts.into_iter().map(one).collect::<Vec<_>>()
        };
        // One is of a time that has not come yet.
        let aggregate = counted(&["2025-04-30", "2025-06-29", "2025-07-14", "2025-07-15", "2025-09-01"]);
        assert_eq!(totals(aggregate.last_months(9)), ["2025-04 1", "2025-05 0", "2025-06 1", "2025-07 2"]);
        assert_eq!(totals(aggregate.last_months(2)), ["2025-06 1", "2025-07 2"]);
        assert_eq!(totals(aggregate.last_weeks(4)), ["2025-06-23 1", "2025-06-30 0", "2025-07-07 0", "2025-07-14 2"]);
        assert_eq!(aggregate.last_weeks(99).len(), 12);
        assert_eq!(totals(counted(&[]).last_months(3)), ["2025-07 0"]);
        assert_eq!(counted(&[]).last_weeks(3), []);
    }

    #[test]
    fn what_is_not_known_is_not_modelled() {
        let mut aggregate = counted(&["2025-07-14"]);
        assert!(aggregate.modelled().is_some() && aggregate.unknown().is_none());
        aggregate.options.policy = Policy::Recorded;
        assert!(aggregate.modelled().is_none() && aggregate.unknown().unwrap().contains("orch hooks install git"));
        aggregate.records = 1;
        assert!(aggregate.modelled().is_some() && aggregate.unknown().is_none());
        let before = counted(&["2025-06-14"]);
        assert!(before.modelled().is_none() && before.unknown().unwrap().contains("2025-07"));
    }
}
