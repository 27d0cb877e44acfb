//! `orch actions schedule`: one dispatcher in place of many schedules.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    Clock,
    cli::{args_actions::Schedule, exit::Exit, streams::Console},
    error::{Error, ErrorKind, Result},
    ext::actions::{Folder, ScheduleOptions, TABLE_PATH, schedule},
    id::Printable,
    report::render,
};

pub(super) fn main(args: &Schedule, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let folder = Folder::read(&here.join(&args.path))?;
    let options = ScheduleOptions {
        every: args.every,
        since: Clock::system().wall(),
        install: args.install.clone(),
        seed: folder.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(","),
        ..ScheduleOptions::default()
    };
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
        }));
    } else if !args.write {
        for taken in &made.taken {
            console.result(&taken.diff);
        }
        console.result(&format!("--- {}\n{}", options.file, made.workflow));
    }
    console.note(format_args!(
        "schedules fire {} times in 30 days, and {} times then; the dispatcher starts {} runs",
        made.before, made.after, made.started
    ));
    if made.after.saturating_add(made.started) > made.before {
        console.warning("that is more than before: let the dispatcher look less often (`--every MINUTES`), or leave these schedules as they are");
    }
    for left in &made.left {
        console.note(format_args!("{} keeps its schedule: {}", Printable(&left.file), Printable(&left.why)));
    }
    if made.table.slots.is_empty() {
        console.note("there is no schedule to take over");
        return Ok(Exit::Done);
    }
    if args.write {
        // First what is new: if something fails half way, a workflow is started twice rather than never.
        let root =
            folder.path.parent().and_then(Path::parent).filter(|_| !folder.prefix.is_empty()).ok_or_else(|| {
                Error::new(ErrorKind::InvalidValue, "to write, name a repository: the folder is no `.github/workflows`")
            })?;
        write(&root.join(TABLE_PATH), &render::pretty_json(&made.table))?;
        write(&folder.path.join(&options.file), &made.workflow)?;
        for taken in &made.taken {
            if let Some(file) = folder.files.iter().find(|file| file.name == taken.file) {
                folder.write(file, &taken.text)?;
            }
        }
        console.note(format_args!("wrote {TABLE_PATH}, {} and {} workflows", options.file, made.taken.len()));
    }
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let shown = path.display().to_string();
    fs::write(path, text)
        .map_err(|error| Error::new(ErrorKind::Io, format!("could not write `{}`", Printable(&shown))).caused_by(error))
}
