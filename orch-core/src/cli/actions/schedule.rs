//! `orch actions schedule`: one dispatcher in place of many schedules.

use std::path::Path;

use serde_json::json;

use super::{due::load_table, put};
use crate::{
    Clock,
    cli::{args_actions::Schedule, exit::Exit, streams::Console},
    error::{Error, ErrorKind, Result},
    ext::actions::{Folder, ScheduleOptions, TABLE_PATH, schedule, unified_diff},
    id::Printable,
    report::render,
};

pub(super) fn main(args: &Schedule, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let folder = Folder::read(&here.join(&args.path))?;
    let root = folder.path.parent().and_then(Path::parent).filter(|_| !folder.prefix.is_empty());
    let table = root.map(|root| root.join(TABLE_PATH)).filter(|path| path.exists()).map(|path| load_table(&path));
    let options = ScheduleOptions {
        every: args.every,
        since: Clock::system().wall(),
        install: args.install.clone(),
        seed: folder.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(","),
        table: table.transpose()?,
        ..ScheduleOptions::default()
    };
    let is_new = folder.files.iter().all(|file| file.name != options.file);
    let made = schedule(&folder.files, &options)?;
    if args.json {
        console.json(&json!({
            "version": 1,
            "before": made.before,
            "after": made.after,
            "started": made.started,
            "table": made.table,
            "workflow": made.workflow,
            "taken": made.taken,
            "left": made.left,
            "gone": made.gone,
        }));
    } else if !args.write {
        for taken in &made.taken {
            console.result(&taken.diff);
        }
        if is_new && !made.taken.is_empty() {
            console.result(&unified_diff(&options.file, "", &made.workflow));
        }
    }
    console.note(format_args!(
        "schedules fire {} times in 30 days now, and {} times then; the dispatcher starts {} runs",
        made.before, made.after, made.started
    ));
    for gone in &made.gone {
        console.note(format_args!("{} is started no more: {}", Printable(&gone.file), Printable(&gone.why)));
    }
    for left in &made.left {
        console.note(format_args!("{} keeps its schedule: {}", Printable(&left.file), Printable(&left.why)));
    }
    if made.taken.is_empty() && made.gone.is_empty() {
        console.note("there is no schedule to take over");
        return Ok(Exit::Done);
    }
    if made.after.saturating_add(made.started) > made.before {
        console.warning("that is more than before: let the dispatcher look less often (`--every MINUTES`), or leave these schedules as they are");
    }
    if args.write {
        // First what is new: if something fails half way, a workflow is started twice rather than never.
        let root = root.ok_or_else(|| {
            Error::new(ErrorKind::InvalidValue, "to write, name a repository: the folder is no `.github/workflows`")
        })?;
        put(&root.join(TABLE_PATH), &render::pretty_json(&made.table))?;
        if is_new {
            put(&folder.path.join(&options.file), &made.workflow)?;
        }
        for taken in &made.taken {
            if let Some(file) = folder.files.iter().find(|file| file.name == taken.file) {
                folder.write(file, &taken.text)?;
            }
        }
        let dispatcher = if is_new { format!(", {}", options.file) } else { String::new() };
        console.note(format_args!("wrote {TABLE_PATH}{dispatcher} and {} workflows", made.taken.len()));
        if !is_new {
            console.note(format_args!(
                "{} is there and stays as it is; to have it made anew, remove it first",
                options.file
            ));
        }
    } else {
        console.note("nothing is written; `--write` does it");
    }
    Ok(Exit::Done)
}
