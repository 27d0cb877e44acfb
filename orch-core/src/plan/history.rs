//! What past runs teach about the next one.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    time::Duration,
};

use super::model::nanos;
use crate::{
    definition::{Task, WorkHash},
    id::TaskId,
    units::Usd,
};

/// How long one task took in one run, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The task's name.
    pub task: TaskId,
    /// [What it did](Task::work), where its definition says it.
    pub work: Option<WorkHash>,
    /// How long its attempts ran, added up.
    pub took: Duration,
    /// What it used of models, in money; `None` if nothing, or if no price is known.
    pub cost: Option<Usd>,
}

/// How long tasks took in past runs. [`PlanOptions::history`](super::PlanOptions::history) plans the next run by it.
///
/// Of a task it remembers the latest [`KEPT`](History::KEPT) runs, by what it did and by its name.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use orch_core::{Graph, History, LearnedBy, Plan, PlanOptions, Sample, Task};
///
/// let mut history = History::default();
/// for seconds in [30, 50, 40] {
///     let took = Duration::from_secs(seconds);
///     history.add(Sample { task: "build".into(), work: None, took, cost: None });
/// }
/// let graph = Graph::builder("g").task(Task::new("build").estimate(Duration::from_secs(600))).build()?;
/// let options = PlanOptions { history: Some(Arc::new(history)), ..PlanOptions::default() };
/// let plan = Plan::new(&graph, &options)?;
/// assert_eq!(plan.critical(), Duration::from_secs(40), "what it took, not what somebody thought");
/// let learned = plan.learned(0.into()).unwrap();
/// assert_eq!((learned.runs, learned.by, learned.p90), (3, LearnedBy::Name, Duration::from_secs(50)));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct History {
    by_work: HashMap<WorkHash, Past>,
    by_name: HashMap<TaskId, Past>,
}

/// How long the latest runs took and what they cost, the last one last.
type Past = VecDeque<(Duration, Option<Usd>)>;

/// What past runs say of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// How long it took in half of the runs at most: the middle one, or the mean of the middle two.
    pub median: Duration,
    /// How long it took in nine of ten runs at most, by nearest rank.
    pub p90: Duration,
    /// From how many runs.
    pub runs: u32,
    /// What the runs have in common with the task.
    pub by: LearnedBy,
    /// What it cost in the runs of which that is known; `None` if there is none.
    pub cost: Option<LearnedCost>,
}

/// What a task cost in past runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnedCost {
    /// In half of the runs at most, as [`Learned::median`].
    pub median: Usd,
    /// In nine of ten runs at most, as [`Learned::p90`].
    pub p90: Usd,
}

/// What past runs have in common with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnedBy {
    /// A task did the same there, whatever it was called.
    Work,
    /// A task had the same name there, but did something else, or did not say what.
    Name,
}

impl History {
    /// How many runs of a task count: the latest ones.
    pub const KEPT: usize = 50;

    /// Adds what a later run showed.
    pub fn add(&mut self, sample: Sample) {
        let of_work = sample.work.map(|work| self.by_work.entry(work).or_default());
        for past in of_work.into_iter().chain([self.by_name.entry(sample.task).or_default()]) {
            if past.len() == Self::KEPT {
                past.pop_front();
            }
            past.push_back((sample.took, sample.cost));
        }
    }

    /// What it says of that task: from runs that did the same, else from runs with a task of that name.
    pub fn of(&self, task: &Task) -> Option<Learned> {
        let same = task.work().and_then(|work| self.by_work.get(&work)).map(|past| (past, LearnedBy::Work));
        let (past, by) = same.or_else(|| Some((self.by_name.get(task.id())?, LearnedBy::Name)))?;
        let (median, p90) = middle_and_high(past.iter().map(|(took, _)| nanos(*took)), u64::midpoint)?;
        let cost = middle_and_high(past.iter().filter_map(|(_, cost)| cost.map(Usd::nanos)), i64::midpoint);
        let usd = Usd::from_nanos;
        Some(Learned {
            median: Duration::from_nanos(median),
            p90: Duration::from_nanos(p90),
            runs: past.len() as u32,
            by,
            cost: cost.map(|(median, p90)| LearnedCost { median: usd(median), p90: usd(p90) }),
        })
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} tasks)", self.by_name.len())
    }
}

impl Extend<Sample> for History {
    fn extend<I: IntoIterator<Item = Sample>>(&mut self, samples: I) {
        samples.into_iter().for_each(|sample| self.add(sample));
    }
}

/// The median and the 90th percentile by nearest rank; `None` of nothing.
fn middle_and_high<N: Copy + Ord>(values: impl Iterator<Item = N>, middle: fn(N, N) -> N) -> Option<(N, N)> {
    let mut values: Vec<N> = values.collect();
    values.sort_unstable();
    let at = |rank: usize| values.get(rank).copied();
    let (low, high) = (at(values.len().saturating_sub(1) / 2)?, at(values.len() / 2)?);
    Some((middle(low, high), at((values.len() * 9).div_ceil(10) - 1)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Graph, Plan, PlanOptions, TaskIx};

    fn took(task: &str, seconds: u64) -> Sample {
        Sample { task: task.into(), work: None, took: Duration::from_secs(seconds), cost: None }
    }

    fn learned(history: &History, task: &str) -> Option<(u64, u64, u32)> {
        let learned = history.of(&Task::new(task))?;
        Some((learned.median.as_secs(), learned.p90.as_secs(), learned.runs))
    }

    #[test]
    fn nothing_is_learned_from_nothing() {
        let mut history = History::default();
        assert_eq!(learned(&history, "a"), None);
        history.add(took("a", 7));
        assert_eq!(learned(&history, "a"), Some((7, 7, 1)));
        assert_eq!(learned(&history, "b"), None);
    }

    #[test]
    fn the_latest_runs_count() {
        let mut history = History::default();
        history.extend((0..200).map(|second| took("a", second)));
        assert_eq!(learned(&history, "a"), Some((174, 194, 50)), "of 150 to 199");
    }

    #[test]
    fn what_a_task_does_counts_before_its_name() {
        let work = |agent: &str, name: &str| Task::new(name).agent(agent);
        let mut history = History::default();
        let sample = |task: &Task, seconds| Sample { work: task.work(), ..took(task.id().as_str(), seconds) };
        history.add(sample(&work("linter", "a"), 10));
        history.add(sample(&work("tester", "b"), 20));
        let of = |task: &Task| history.of(task).map(|learned| (learned.by, learned.median.as_secs()));
        assert_eq!(of(&work("linter", "renamed")), Some((LearnedBy::Work, 10)));
        assert_eq!(of(&work("tester", "a")), Some((LearnedBy::Work, 20)), "not what was called `a` then");
        assert_eq!(of(&work("author", "a")), Some((LearnedBy::Name, 10)));
        assert_eq!(of(&work("author", "new")), None);
        assert_eq!(of(&Task::new("a")), Some((LearnedBy::Name, 10)), "it does not say what it does");
    }

    #[test]
    fn costs_are_learned_where_they_are_known() {
        let mut history = History::default();
        history.add(took("a", 1));
        assert_eq!(history.of(&Task::new("a")).unwrap().cost, None);
        for cents in [10, 40, 20] {
            history.add(Sample { cost: Some(Usd::from_cents(cents)), ..took("a", 1) });
        }
        let cost = history.of(&Task::new("a")).unwrap().cost;
        assert_eq!(cost, Some(LearnedCost { median: Usd::from_cents(20), p90: Usd::from_cents(40) }));
    }

    #[test]
    fn the_critical_path_is_where_the_time_was_spent() {
        let graph = Graph::builder("g")
            .task(Task::new("thought long").estimate(Duration::from_secs(600)))
            .task(Task::new("is long").estimate(Duration::from_secs(5)))
            .build()
            .unwrap();
        let path = |history| {
            let plan = Plan::new(&graph, &PlanOptions { history, ..PlanOptions::default() }).unwrap();
            plan.critical_path().to_vec()
        };
        assert_eq!(path(None), [TaskIx::from(0)]);
        let mut history = History::default();
        history.extend([took("thought long", 2), took("is long", 60)]);
        assert_eq!(path(Some(history.into())), [TaskIx::from(1)]);
    }

    proptest! {
        /// Half of the runs took no longer than the median and half no less; nine of ten no longer than the other.
        #[test]
        fn the_middle_is_in_the_middle(values in prop::collection::vec(0u64..50, 1..60)) {
            let mut history = History::default();
            history.extend(values.iter().map(|&seconds| took("a", seconds)));
            let kept = &values[values.len().saturating_sub(History::KEPT)..];
            let learned = history.of(&Task::new("a")).unwrap();
            let count = |test: &dyn Fn(Duration) -> bool| kept.iter().filter(|s| test(Duration::from_secs(**s))).count();
            prop_assert!(count(&|took| took <= learned.median) * 2 >= kept.len());
            prop_assert!(count(&|took| took >= learned.median) * 2 >= kept.len());
            prop_assert!(count(&|took| took <= learned.p90) * 10 >= kept.len() * 9);
            prop_assert!(count(&|took| took < learned.p90) * 10 < kept.len() * 9, "and no larger than need be");
        }
    }
}
