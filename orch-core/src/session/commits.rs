//! Commits, as git hooks saw them.

use serde::{Deserialize, Serialize};

use crate::{
    clock::WallTime,
    cost::budget::{Column, Labels},
    error::{Error, ErrorKind, Result},
    session::Charge,
    store::{Fact, FactQuery, Store},
    units::Usd,
};

const KIND: &str = "commit";

/// A commit that a hook saw: where it was made, by whom, and what was spent for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitRecord {
    /// When the hook saw it.
    #[serde(skip)]
    pub at: WallTime,
    /// Which hook: `post-commit` or `post-merge`.
    pub hook: String,
    /// Its hash, 40 or 64 hexadecimal digits.
    pub commit: String,
    /// The name of the worktree's folder.
    pub worktree: String,
    /// The worktree's path.
    pub path: String,
    /// Whether orch made the worktree.
    pub managed: bool,
    /// The branch, where `HEAD` was on one.
    pub branch: Option<String>,
    /// The run of the task.
    pub run: Option<String>,
    /// The task that was at work there.
    pub task: Option<String>,
    /// Its agent.
    pub agent: Option<String>,
    /// What was booked for it by then, in nano-dollars; `None`: nobody knows.
    pub nanos: Option<i64>,
    /// From when on what was booked was added up.
    pub since: Option<WallTime>,
}

impl CommitRecord {
    /// What was spent for it, where it is known: by the task, or in the worktree and on the branch, since the commit before.
    pub fn usd(&self) -> Option<Usd> {
        self.nanos.map(Usd::from_nanos)
    }

    /// Whether that money was spent for this commit: by its task, else in its worktree and on its branch.
    pub fn counts(&self, who: &Labels) -> bool {
        let is = |column, value: &Option<String>| value.as_deref().is_some_and(|value| who.get(column) == Some(value));
        if self.run.is_some() && self.task.is_some() {
            return is(Column::Run, &self.run) && is(Column::Task, &self.task);
        }
        let branch = match (who.get(Column::Branch), &self.branch) {
            (Some(charged), Some(branch)) => charged == branch,
            _ => true,
        };
        branch && who.get(Column::Worktree) == Some(&self.worktree)
    }

    fn read(fact: Fact) -> Result<Self> {
        let body: Self = serde_json::from_str(&fact.body).map_err(|error| {
            let message = "the record of a commit is in a form that this orch does not know; use a newer one";
            Error::new(ErrorKind::Corrupt, message).caused_by(error)
        })?;
        Ok(Self { at: fact.at, ..body })
    }
}

/// Keeps what a hook saw, with what was booked for it since the last commit there; `false` if it was known already.
///
/// Where no commit was seen there before, `begun` says from when on money counts; `None`: what it cost is not known. Of a merge it never is.
///
/// # Errors
///
/// Those of the store.
pub fn record_commit(store: &dyn Store, commit: &CommitRecord, begun: Option<WallTime>) -> Result<bool> {
    let mut commit = commit.clone();
    if commit.hook == "post-commit" {
        let query = FactQuery { about: Some(&commit.path), latest: 1, ..FactQuery::of(KIND) };
        let last = store.facts(&query)?.pop().map(|fact| fact.at);
        commit.since = last.into_iter().chain(begun).max();
        if let Some(since) = commit.since {
            let mut spent = Usd::ZERO;
            // What is booked in this moment counts for the next one.
            for row in store.charges(since, commit.at)? {
                let charge = Charge::read(&row)?;
                if commit.counts(&charge.who) {
                    spent += charge.usd;
                }
            }
            commit.nanos = Some(spent.nanos());
        }
    }
    let body = serde_json::to_string(&commit)
        .map_err(|error| Error::new(ErrorKind::Misuse, "the record of a commit is no JSON").caused_by(error))?;
    let key = format!("{} {} {}", commit.hook, commit.commit, commit.path);
    let fact = Fact { at: commit.at, kind: KIND.to_owned(), about: commit.path, key, body };
    Ok(store.keep_facts(&[fact])? > 0)
}

/// The commits that hooks saw from that time on and before that other, in order. No time: no bound.
///
/// ```
/// use orch_core::{WallTime, session::{CommitRecord, commits, record_commit}, store::MemoryStore};
///
/// let store = MemoryStore::default();
/// let commit = CommitRecord { at: WallTime(5), hook: "post-commit".into(), commit: "12ab".into(), ..CommitRecord::default() };
/// assert!(record_commit(&store, &commit, None)?);
/// assert!(!record_commit(&store, &commit, None)?, "it is known");
/// assert_eq!(commits(&store, Some(WallTime(5)), None)?, [commit]);
/// assert_eq!(commits(&store, None, Some(WallTime(5)))?, []);
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// Those of the store; [`Corrupt`](ErrorKind::Corrupt) for records of a form that is not known.
pub fn commits(store: &dyn Store, from: Option<WallTime>, to: Option<WallTime>) -> Result<Vec<CommitRecord>> {
    let query = FactQuery::of(KIND);
    let (from, to) = (from.unwrap_or(query.from), to.unwrap_or(query.to));
    store.facts(&FactQuery { from, to, ..query })?.into_iter().map(CommitRecord::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{ChargeRow, Content, MemoryStore};

    fn spend(store: &MemoryStore, at: u64, cents: i64, who: &[(Column, &str)]) {
        let who = who.iter().fold(Labels::default(), |who, (column, value)| who.with(*column, *value));
        let body = Content::of(Charge::new(who, Usd::ZERO));
        let row = ChargeRow { at: WallTime(at), usd: Usd::from_cents(cents), body };
        store.book(&mut |book| book.charge(&row)).unwrap();
    }

    fn commit(at: u64, commit: &str, task: Option<&str>) -> CommitRecord {
        let some = |text: &str| Some(text.to_owned());
        let (run, task) = (task.and_then(|_| some("r")), task.map(str::to_owned));
        let [hook, name, path] = ["post-commit", "side", "/w/side"].map(str::to_owned);
        let commit = commit.to_owned();
        CommitRecord {
            at: WallTime(at),
            hook,
            commit,
            worktree: name,
            path,
            branch: some("b"),
            run,
            task,
            ..CommitRecord::default()
        }
    }

    #[test]
    fn money_counts_for_the_first_commit_after_it() {
        use Column::{Branch, Run, Task, Worktree};
        let store = MemoryStore::default();
        spend(&store, 5, 1, &[(Worktree, "side")]);
        spend(&store, 12, 2, &[(Worktree, "side"), (Branch, "b")]);
        spend(&store, 13, 4, &[(Worktree, "side"), (Branch, "other")]);
        spend(&store, 14, 8, &[(Worktree, "main"), (Branch, "b")]);
        spend(&store, 20, 16, &[(Worktree, "side"), (Branch, "b")]);
        spend(&store, 32, 32, &[(Worktree, "main"), (Run, "r"), (Task, "t")]);
        spend(&store, 33, 64, &[(Worktree, "side"), (Run, "r"), (Task, "u")]);
        for (commit, begun) in [
            (commit(10, "1", None), None),
            (commit(20, "2", None), Some(0)),
            (commit(30, "3", None), Some(25)),
            (commit(40, "4", Some("t")), None),
            (commit(50, "5", Some("t")), None),
        ] {
            assert!(record_commit(&store, &commit, begun.map(WallTime)).unwrap());
        }
        let merge = CommitRecord { hook: "post-merge".into(), ..commit(60, "5", None) };
        assert!(record_commit(&store, &merge, Some(WallTime(0))).unwrap());
        let usd: Vec<_> = commits(&store, None, None).unwrap().iter().map(CommitRecord::usd).collect();
        let cents = |cents| Some(Usd::from_cents(cents));
        // The third was begun later than the money of its worktree; the fifth has had all of it before.
        assert_eq!(usd, [None, cents(2), cents(0), cents(32), cents(0), None]);
    }
}
