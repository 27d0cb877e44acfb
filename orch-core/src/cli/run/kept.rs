//! Runs that are kept, and go on.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use crate::{
    Graph, Result, Resume, RunOptions, TaskId,
    cli::{
        args::{self, Sync},
        assign,
        store::{self, find},
        streams::Console,
    },
    store::{SqliteStore, Synchronous},
};

/// The store, where the run is to be kept or goes on.
pub(super) fn open(args: &args::Run, here: &Path) -> Result<Option<SqliteStore>> {
    let synchronous = match args.sync {
        Sync::Normal => Synchronous::Normal,
        Sync::Full => Synchronous::Full,
    };
    match (&args.store, &args.resume) {
        (None, None) => Ok(None),
        // Its tasks would count as done.
        (Some(_), None) if args.dry_run => Ok(None),
        (place, None) => store::open(place.as_deref(), synchronous, here).map(Some),
        // A run that is to go on is somewhere already.
        (place, Some(_)) => {
            drop(store::open_present(place.as_deref(), here)?);
            store::open(place.as_deref(), synchronous, here).map(Some)
        }
    }
}

/// Who had which task in the run that goes on.
pub(super) fn agents_before(args: &args::Run, store: Option<&SqliteStore>) -> Result<BTreeMap<TaskId, String>> {
    let (Some(named), Some(store)) = (&args.resume, store) else { return Ok(BTreeMap::new()) };
    assign::before(store, find(store, named, Some(&store::source(&args.source.file)))?.run)
}

/// How the run goes on that the command line names.
pub(super) fn resume(
    args: &args::Run,
    store: &SqliteStore,
    graph: &Graph,
    inputs: Option<&Map<String, Value>>,
    here: &Path,
    console: &mut Console<'_>,
) -> Result<Option<Resume>> {
    let Some(named) = &args.resume else { return Ok(None) };
    let row = find(store, named, Some(&store::source(&args.source.file)))?;
    let resume = Resume::load(store, row.run, Some(graph), inputs, Some(here))?;
    let (kept, again) = (resume.restore().len(), resume.again().len());
    console.note(format_args!("goes on with the run {}: {kept} tasks are kept, {again} are run", row.run));
    Ok(Some(resume))
}

/// Options of a run that goes on. A dry run only shows it, and belongs to nobody.
pub(super) fn resumed(resume: Option<Resume>, dry: bool) -> RunOptions {
    match resume {
        Some(resume) if dry => RunOptions { restore: resume.restore().to_vec(), ..RunOptions::default() },
        resume => RunOptions { resume, ..RunOptions::default() },
    }
}

/// Says by which name the run is kept.
pub(super) fn note(store: Option<&SqliteStore>, options: &RunOptions, console: &mut Console<'_>) {
    if let (Some(_), None, Some(run)) = (store, &options.resume, options.run) {
        console.note(format_args!("is kept as the run {run}"));
    }
}
