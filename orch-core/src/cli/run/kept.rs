//! Runs that are kept, and go on.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{
    Graph, Result, Resume, RunId, RunOptions,
    cli::{
        args::{self, Sync},
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

/// The run that the command line names to go on with.
pub(super) fn resumes(args: &args::Run, store: Option<&SqliteStore>) -> Result<Option<RunId>> {
    let (Some(named), Some(store)) = (&args.resume, store) else { return Ok(None) };
    Ok(Some(find(store, named, Some(&store::source(&args.source.file)))?.run))
}

/// How that run goes on.
pub(super) fn resume(
    run: RunId,
    store: &SqliteStore,
    graph: &Graph,
    inputs: Option<&Map<String, Value>>,
    here: &Path,
    console: &mut Console<'_>,
) -> Result<Resume> {
    let resume = Resume::load(store, run, Some(graph), inputs, Some(here))?;
    let (kept, again) = (resume.restore().len(), resume.again().len());
    console.note(format_args!("goes on with the run {run}: {kept} tasks are kept, {again} are run"));
    Ok(resume)
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
