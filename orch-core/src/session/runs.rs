//! What every door asks of the runs that a store has: to find one, to show it, to leave word for its owner.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{kept::StoredRun, resume::Resume};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{Event, RunState},
    id::{Printable, RunId, TaskId, TaskIx},
    store::{RunRow, Store, Wish},
};

/// The fewest letters by which the end of a name is known.
const PART: usize = 4;

/// The run that was named, by its whole name or how it ends; names begin with the time, so that their beginnings are alike.
/// `None`: the latest run of that source, or of all. Blocks.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if there is none; [`InvalidValue`](ErrorKind::InvalidValue) if several end so; those of the
/// store.
pub fn find_run(store: &dyn Store, named: Option<&str>, source: Option<&str>) -> Result<RunRow> {
    let Some(named) = named else {
        return store.runs(source, 1)?.into_iter().next().ok_or_else(|| {
            let of = source.map(|source| format!(" of `{}`", Printable(source))).unwrap_or_default();
            Error::new(ErrorKind::NotFound, format!("the store has no run{of}; `orch runs` lists what it has"))
        });
    };
    if let Ok(run) = named.parse::<RunId>()
        && let Some(row) = store.run(run)?
    {
        return Ok(row);
    }
    let is_part = named.len() >= PART && named.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let mut fits: Vec<RunRow> = Vec::new();
    if is_part {
        let all = store.runs(None, usize::MAX)?;
        fits.extend(all.into_iter().filter(|row| row.run.to_string().ends_with(&named.to_ascii_lowercase())));
    }
    match (fits.pop(), fits.len()) {
        (Some(row), 0) => Ok(row),
        (Some(_), more) => {
            let message = format!("{} runs end with `{}`; say more of the name", more + 1, Printable(named));
            Err(Error::new(ErrorKind::InvalidValue, message))
        }
        (None, _) => {
            let message = format!("there is no run `{}` in the store; `orch runs` lists what it has", Printable(named));
            Err(Error::new(ErrorKind::NotFound, message))
        }
    }
}

/// What a run of that file is found by again: its full path, without links.
pub fn run_source(file: &Path) -> String {
    std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}

/// Leaves word for the owner of a run that still goes on. Blocks.
///
/// # Errors
///
/// [`Misuse`](ErrorKind::Misuse) if the run has ended; those of the store.
pub fn leave_wish(store: &dyn Store, row: &RunRow, wish: &Wish) -> Result<()> {
    if row.state != RunState::Running {
        return Err(Error::new(ErrorKind::Misuse, format!("the run `{}` has ended: {}", row.run, row.state)));
    }
    store.wish(row.run, wish)
}

/// A stored run as lists have it, in its JSON form.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunForm<'a> {
    /// The run.
    pub run: RunId,
    /// How it stood when its owner wrote last.
    pub state: RunState,
    /// Whether it had not ended then, and its owner is gone: it can be resumed. Only [`RunForm::of`] looks.
    pub interrupted: bool,
    /// The name of its graph.
    pub name: &'a str,
    /// What it was made of.
    pub source: &'a str,
    /// How many events its latest part has.
    pub events: u64,
    /// When it was first begun, as `2026-11-22T00:47:09.286Z`.
    pub created: String,
    /// When its owner wrote last.
    pub updated: String,
}

impl<'a> From<&'a RunRow> for RunForm<'a> {
    fn from(row: &'a RunRow) -> Self {
        let RunRow { run, state, name, source, events, created, updated, .. } = row;
        let (created, updated) = (created.to_string(), updated.to_string());
        Self { run: *run, state: *state, interrupted: false, name, source, events: *events, created, updated }
    }
}

impl<'a> RunForm<'a> {
    /// A run of that store, and whether it is [interrupted](RunForm::interrupted). Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn of(store: &dyn Store, row: &'a RunRow) -> Result<Self> {
        let interrupted = row.state == RunState::Running && store.holder(&lease_of(row.run))?.is_none();
        Ok(Self { interrupted, ..Self::from(row) })
    }

    /// How it stands, in one word.
    pub fn standing(&self) -> &'static str {
        if self.interrupted { "interrupted" } else { self.state.name() }
    }
}

/// The name of the lease on a run.
pub(super) fn lease_of(run: RunId) -> String {
    format!("run/{run}")
}

/// A stored run with its events, in its JSON form.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StoredForm<'a> {
    /// Of this form: 1.
    pub version: u32,
    /// What lists show.
    pub run: RunForm<'a>,
    /// The inputs of the run.
    pub inputs: &'a Map<String, Value>,
    /// The events of its latest part, with the names of tasks.
    pub events: Vec<Value>,
}

/// How a run would go on, in its JSON form.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ResumeForm {
    /// Of this form: 1.
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// The tasks that are kept, in the order in which they ended.
    pub kept: Vec<TaskId>,
    /// The tasks that are run.
    pub again: Vec<AgainForm>,
}

/// A task that is run when its run goes on.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct AgainForm {
    /// Its name.
    pub task: TaskId,
    /// Why, for a person.
    pub why: String,
}

impl Resume {
    /// Its JSON form: what is kept, and what is run, and why.
    pub fn form(&self) -> ResumeForm {
        let id = |ix: TaskIx| self.graph().id(ix).clone();
        ResumeForm {
            version: 1,
            run: self.run(),
            kept: self.restore().iter().map(|restored| id(restored.task)).collect(),
            again: self.again().iter().map(|(ix, why)| AgainForm { task: id(*ix), why: why.to_string() }).collect(),
        }
    }
}

impl StoredRun {
    /// Its JSON form, with its events.
    pub fn form(&self) -> StoredForm<'_> {
        let graph = self.report.graph();
        // Plain data; writing it to memory cannot fail.
        let told = |event: &Event| serde_json::to_value(event.named(graph)).unwrap_or_default();
        let (run, inputs) = (RunForm::from(&self.row), &self.inputs);
        StoredForm { version: 1, run, inputs, events: self.events.iter().map(told).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Append, MemoryStore, RunHeader};

    /// A store with two runs whose names end differently, the second one ended.
    fn store() -> (MemoryStore, [RunId; 2]) {
        let store = MemoryStore::default();
        let runs = [RunId::from_parts(1, 0xaaaa_1111), RunId::from_parts(2, 0xbbbb_1111)];
        for (run, state) in runs.into_iter().zip([RunState::Running, RunState::Succeeded]) {
            let fence = store.lock(&format!("run/{run}"), "me", std::time::Duration::from_secs(9)).unwrap();
            let fence = fence.granted().unwrap().fence;
            let header = RunHeader { run, fence, source: format!("{state}"), ..RunHeader::default() };
            let append = Append { run, fence, events: 1, body: b"{}", state, ..Append::default() };
            store.open_run(&header, Some(&append)).unwrap();
        }
        (store, runs)
    }

    #[test]
    fn a_run_is_found_by_its_name_by_how_that_ends_and_by_its_source() {
        let (store, [first, second]) = store();
        let find = |named: Option<&str>, source: Option<&str>| find_run(&store, named, source).map(|row| row.run);
        assert_eq!(find(Some(&first.to_string()), None).unwrap(), first);
        let end = &second.to_string()[28..];
        assert_eq!(find(Some(&end.to_uppercase()), None).unwrap(), second);
        assert_eq!(find(None, Some("running")).unwrap(), first);
        for (named, source, kind) in [
            (Some("1111"), None, ErrorKind::InvalidValue),
            (Some("111"), None, ErrorKind::NotFound),
            (Some("no such"), None, ErrorKind::NotFound),
            (None, Some("elsewhere"), ErrorKind::NotFound),
        ] {
            assert_eq!(find(named, source).unwrap_err().kind(), kind, "{named:?}");
        }
    }

    #[test]
    fn a_run_whose_owner_is_gone_is_interrupted() {
        let (clock, hand) = crate::Clock::manual();
        let store = MemoryStore::new(clock);
        let rows = [RunState::Running, RunState::Failed].map(|state| {
            let run = RunId::from_parts(3, state as u128);
            let lasts = std::time::Duration::from_secs(9);
            let fence = store.lock(&lease_of(run), "me", lasts).unwrap().granted().unwrap().fence;
            let append = Append { run, fence, events: 1, body: b"{}", state, ..Append::default() };
            store.open_run(&RunHeader { run, fence, ..RunHeader::default() }, Some(&append)).unwrap();
            store.run(run).unwrap().unwrap()
        });
        let stands = || rows.each_ref().map(|row| RunForm::of(&store, row).unwrap().standing());
        assert_eq!(stands(), ["running", "failed"]);
        assert_eq!(store.holder(&lease_of(rows[0].run)).unwrap().as_deref(), Some("me"));
        hand.advance(std::time::Duration::from_secs(10));
        assert_eq!(stands(), ["interrupted", "failed"]);
    }

    #[test]
    fn word_is_left_for_runs_that_go_on() {
        let (store, runs) = store();
        let [going, ended] = runs.map(|run| store.run(run).unwrap().unwrap());
        leave_wish(&store, &going, &Wish::Pause).unwrap();
        assert_eq!(store.take_wishes(going.run).unwrap(), [Wish::Pause]);
        assert_eq!(leave_wish(&store, &ended, &Wish::Pause).unwrap_err().kind(), ErrorKind::Misuse);
    }
}
