//! `orch actions due`: what the dispatcher asks, and how it starts what is due.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    Clock, WallTime,
    cli::{args_actions, exit::Exit, streams::Console},
    error::{Error, ErrorKind, Result},
    ext::actions::{Answered, Due, Table, due},
    id::Printable,
    session,
};

pub(super) fn main(args: &args_actions::Due, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let table = Table::parse(&session::load_text(&here.join(&args.table))?)?;
    let state = args.state.as_ref().map(|state| here.join(state));
    let mut answered = state.as_deref().map(load).transpose()?.unwrap_or_default();
    if args.dispatch {
        learn(&table, &mut answered);
    }
    let now = args.now.unwrap_or_else(|| Clock::system().wall());
    let found = due(now, &table, &answered)?;
    let mut failed = false;
    let mut started = Vec::new();
    for one in &found {
        if !args.dispatch {
            continue;
        }
        match start(one, args.branch.as_deref()) {
            Ok(()) => {
                answered.insert(one.slot.clone(), one.scheduled);
                started.push(one.slot.clone());
                // At once: what was started must be known if the next one fails.
                if let Some(state) = &state {
                    save(state, &answered)?;
                }
            }
            Err(error) => {
                failed = true;
                console.error(error);
            }
        }
    }
    if args.json {
        console.json(&json!({"version": 1, "now": now.to_string(), "due": found, "started": started}));
    } else {
        for one in &found {
            console.result(&format!("{}\n", Printable(&one.file)));
            let more = if one.times > 1 { format!(", for {} times", one.times) } else { String::new() };
            console.note(format_args!("{} was due at {}{more}", Printable(&one.slot), one.scheduled));
        }
    }
    if let Some(state) = state.filter(|_| args.dispatch) {
        save(&state, &answered)?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

fn load(path: &Path) -> Result<Answered> {
    if !path.exists() {
        return Ok(Answered::new());
    }
    let text = session::load_text(path)?;
    let wrong = || {
        Error::new(ErrorKind::InvalidFormat, "the state is no JSON object of slots and times; remove it to begin anew")
    };
    let times: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|error| wrong().caused_by(error))?;
    times.into_iter().map(|(slot, time)| Ok((slot, time.parse::<WallTime>()?))).collect()
}

fn save(path: &Path, answered: &Answered) -> Result<()> {
    let times: BTreeMap<&str, String> = answered.iter().map(|(slot, time)| (slot.as_str(), time.to_string())).collect();
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("could not write `{}`", Printable(&path.display().to_string())))
            .caused_by(error)
    };
    let beside: PathBuf = path.with_extension("new");
    fs::write(&beside, json!(times).to_string()).and_then(|()| fs::rename(&beside, path)).map_err(failed)
}

/// Where the state was lost, what GitHub says was started last by a dispatcher.
fn learn(table: &Table, answered: &mut Answered) {
    for slot in table.slots.iter().filter(|slot| !answered.contains_key(&slot.id)).collect::<Vec<_>>() {
        let arguments = [
            "run",
            "list",
            "--workflow",
            &slot.file,
            "--event",
            "workflow_dispatch",
            "--limit",
            "1",
            "--json",
            "createdAt",
            "--jq",
            ".[0].createdAt",
        ];
        let Ok(output) = Command::new("gh").args(arguments).output() else { return };
        if let Ok(time) = String::from_utf8_lossy(&output.stdout).trim().parse() {
            answered.insert(slot.id.clone(), time);
        }
    }
}

fn start(one: &Due, branch: Option<&str>) -> Result<()> {
    let mut command = Command::new("gh");
    command.args(["workflow", "run", &one.file]);
    if let Some(branch) = branch {
        command.args(["--ref", branch]);
    }
    let failed = |why: String| {
        Error::new(ErrorKind::Io, format!("could not start `{}`: {}", Printable(&one.file), Printable(why.trim())))
    };
    let output = command.output().map_err(|error| failed(format!("`gh` did not run: {error}")))?;
    if output.status.success() { Ok(()) } else { Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())) }
}
