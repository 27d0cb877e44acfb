//! `orch runs` and `orch report`: the runs that a store has.

use std::{path::Path, time::Duration};

use super::{
    args::{self, ReportForm, RunsCommand},
    exit::Exit,
    store::{self, ago, find},
    streams::Console,
};
use crate::{
    clock::{Clock, WallTime},
    error::{ErrorKind, Result},
    id::Printable,
    report::render,
    session::{RunForm, StoredRun, leave_wish},
    store::{RunRow, Store, Wish},
};

/// Runs `orch runs`.
pub(super) fn main(args: &args::Runs, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let store = store::open_present(args.place.store.as_deref(), here)?;
    let (run, wish) = match &args.command {
        None => {
            let rows = store.runs(None, args.limit)?;
            if args.json {
                console.json(&serde_json::json!({"version": 1, "runs": forms(&store, &rows)?}));
            } else {
                let forms = forms(&store, &rows)?;
                console.result(&list(&rows, &forms, Clock::system().wall()));
            }
            return Ok(Exit::Done);
        }
        Some(RunsCommand::Show { run, json }) => {
            let stored = StoredRun::load(&store, find(&store, run, None)?.run)?;
            show(&stored, *json, console);
            return Ok(Exit::Done);
        }
        Some(RunsCommand::Cancel { run }) => {
            (run, Wish::Cancel { reason: "cancelled by `orch runs cancel`".to_owned() })
        }
        Some(RunsCommand::Pause { run }) => (run, Wish::Pause),
        Some(RunsCommand::Unpause { run }) => (run, Wish::Resume),
    };
    let row = find(&store, run, None)?;
    match leave_wish(&store, &row, &wish) {
        Err(error) if error.kind() == ErrorKind::Misuse => {
            console.error(error);
            return Ok(Exit::Failed);
        }
        left => left?,
    }
    console.note(format_args!("left word for the owner of the run `{}`", row.run));
    Ok(Exit::Done)
}

fn forms<'a>(store: &dyn Store, rows: &'a [RunRow]) -> Result<Vec<RunForm<'a>>> {
    rows.iter().map(|row| RunForm::of(store, row)).collect()
}

/// A line a run.
fn list(rows: &[RunRow], forms: &[RunForm<'_>], now: WallTime) -> String {
    let mut text = String::new();
    for (row, form) in rows.iter().zip(forms) {
        let since = Duration::from_millis(now.0.saturating_sub(row.updated.0));
        text += &format!("{}  {:<11}  {:<12}  {}", row.run, form.standing(), ago(since), Printable(&row.name));
        if !row.source.is_empty() {
            text += &format!("  {}", Printable(&row.source));
        }
        text.push('\n');
    }
    if rows.is_empty() {
        text += "no runs\n";
    }
    text
}

/// The events of the latest part of a run.
fn show(stored: &StoredRun, json: bool, console: &mut Console<'_>) {
    if json {
        console.json(&stored.form());
        return;
    }
    let mut text = format!("run {}\n", stored.row.run);
    for (what, value) in [
        ("of", stored.row.source.clone()),
        ("began", stored.row.created.to_string()),
        ("last event", stored.row.updated.to_string()),
        ("events", stored.row.events.to_string()),
    ] {
        if !value.is_empty() {
            text += &format!("  {what:<10}  {}\n", Printable(&value));
        }
    }
    text.push('\n');
    console.result(&text);
    console.result(&render::text(&stored.report, console.width_out()));
}

/// Runs `orch report`.
pub(super) fn report(args: &args::Report, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let store = store::open_present(args.place.store.as_deref(), here)?;
    let stored = StoredRun::load(&store, find(&store, &args.run, None)?.run)?;
    let report = &stored.report;
    let text = match if args.json { ReportForm::Json } else { args.format } {
        ReportForm::Text => render::text(report, console.width_out()),
        ReportForm::Json => render::json(report),
        ReportForm::Html => render::html::report(report),
        ReportForm::Junit => render::junit(report),
        ReportForm::Trace => render::chrome_trace(report),
    };
    console.result(&text);
    Ok(Exit::Done)
}
