//! What was spent where: the worktrees of an overview beside the ledger of a store.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    Clock,
    cli::store,
    cost::budget::{Column, Labels, Limits},
    error::Result,
    ext::worktree::{Overview, Row},
    session::{Charge, Ledger},
    store::{SqliteOptions, SqliteStore},
    units::Usd,
};

/// Asks the ledger, if there is one.
#[derive(Debug)]
pub(in crate::cli) struct Spending {
    path: PathBuf,
    ledger: Option<Ledger>,
}

impl Spending {
    /// By that store; without a name, that of the repository. It need not be there, and may come later.
    pub(in crate::cli) fn new(named: Option<&Path>, here: &Path) -> Result<Self> {
        Ok(Self { path: store::path(named, here)?, ledger: None })
    }

    /// What each worktree has cost, in the order of the overview; `None`: nothing was booked for it.
    ///
    /// That is what was booked for the task that it has or had last, else what was booked in the worktree of that name for nobody else's task.
    pub(in crate::cli) fn of(&mut self, overview: &Overview) -> Result<Vec<Option<Usd>>> {
        if self.ledger.is_none() && self.path.exists() {
            let store = SqliteStore::open(self.path.clone(), SqliteOptions::default())?;
            self.ledger = Some(Ledger::new(Arc::new(store), Limits::default(), Clock::system()));
        }
        let Some(ledger) = &self.ledger else { return Ok(vec![None; overview.rows.len()]) };
        let whose: Vec<Whose> = overview.rows.iter().map(Whose::of).collect();
        Ok(add_up(&whose, &ledger.charges(None, None)?))
    }
}

/// Adds to the form of each worktree what it cost, as decimal text.
pub(in crate::cli) fn with_spent(mut form: Value, spent: &[Option<Usd>]) -> Value {
    let items = form.get_mut("items").and_then(Value::as_array_mut);
    for (item, usd) in items.into_iter().flatten().zip(spent) {
        if let Some(orch) = item.get_mut("orch").and_then(Value::as_object_mut) {
            orch.insert("usd".to_owned(), usd.map(Usd::to_decimal).into());
        }
    }
    form
}

/// By what charges belong to a worktree.
#[derive(Debug)]
struct Whose {
    /// Run and task.
    task: Option<(String, String)>,
    /// What the ledger calls the worktree: the name of its folder.
    folder: String,
}

impl Whose {
    fn of(row: &Row) -> Self {
        let both = |run: &Option<String>, task: &Option<String>| Some((run.clone()?, task.clone()?));
        let held = row.holder.as_ref().and_then(|it| both(&it.run, &it.task));
        let noted = || row.known.record.as_ref().and_then(|it| both(&it.run, &it.task));
        let folder = row.known.git.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { task: held.or_else(noted), folder }
    }

    fn did(&self, who: &Labels) -> bool {
        self.task.as_ref().is_some_and(|(run, task)| {
            who.get(Column::Run) == Some(run.as_str()) && who.get(Column::Task) == Some(task.as_str())
        })
    }
}

/// Each charge counts once: for whose task it is, else for the worktree that it names.
fn add_up(whose: &[Whose], charges: &[Charge]) -> Vec<Option<Usd>> {
    let mut sums = vec![None; whose.len()];
    for charge in charges {
        let in_it = |one: &Whose| one.task.is_none() && charge.who.get(Column::Worktree) == Some(one.folder.as_str());
        let place = whose.iter().position(|one| one.did(&charge.who)).or_else(|| whose.iter().position(in_it));
        if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
            *sum = Some(sum.unwrap_or(Usd::ZERO) + charge.usd);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_counts_once_and_for_whose_task_it_is() {
        let whose = |task: Option<(&str, &str)>, folder: &str| Whose {
            task: task.map(|(run, task)| (run.to_owned(), task.to_owned())),
            folder: folder.to_owned(),
        };
        let charge = |cents: i64, labels: &[(Column, &str)]| {
            let who = labels.iter().fold(Labels::default(), |who, (column, value)| who.with(*column, *value));
            Charge::new(who, Usd::from_cents(cents))
        };
        use Column::{Run, Task, Worktree};
        let whose = [whose(None, "app"), whose(Some(("r", "a")), "pool-1"), whose(None, "login"), whose(None, "docs")];
        let charges = [
            // The run was started in the main worktree; its task has one of its own.
            charge(1, &[(Worktree, "app"), (Run, "r"), (Task, "a")]),
            charge(2, &[(Worktree, "app"), (Run, "r"), (Task, "b")]),
            charge(4, &[(Worktree, "login")]),
            charge(8, &[(Worktree, "login"), (Run, "session")]),
            // What another task had spent there before is not what this one cost.
            charge(16, &[(Worktree, "pool-1"), (Run, "r"), (Task, "before")]),
            charge(32, &[(Worktree, "gone")]),
            charge(64, &[(Run, "r"), (Task, "a")]),
        ];
        let cents = |cents| Some(Usd::from_cents(cents));
        assert_eq!(add_up(&whose, &charges), [cents(2), cents(65), cents(12), None]);
    }
}
