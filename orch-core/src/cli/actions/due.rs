//! `orch actions due`: what the dispatcher asks, and how it starts what is due.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;

use super::{gh::Gh, put};
use crate::{
    Clock, WallTime,
    cli::{args_actions, exit::Exit, streams::Console},
    error::{Error, ErrorKind, Result},
    ext::actions::{Answered, Due, Table, due},
    id::Printable,
    session,
};

pub(super) fn main(args: &args_actions::Due, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let path = here.join(&args.table);
    let table = load_table(&path)?;
    let gh = Gh(here);
    let state = args.state.as_ref().map(|state| here.join(state));
    let mut answered = state.as_deref().map(load).transpose()?.unwrap_or_default();
    if args.dispatch {
        learn(&table, &mut answered, &gh, console);
    }
    let now = args.now.unwrap_or_else(|| Clock::system().wall());
    let found = due(now, &table, &answered)?;
    let mut failed = false;
    let mut started = Vec::new();
    for one in &found {
        if is_gone(&path, &one.file) {
            // Asked for at every tick it would fail at every tick.
            console.warning(format_args!(
                "`{}` is not there any more, so nothing is started; `orch actions schedule --write` takes it out of the table",
                Printable(&one.file)
            ));
            continue;
        }
        if !args.dispatch {
            continue;
        }
        match start(one, args.branch.as_deref(), &gh) {
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

/// The table of a dispatcher.
pub(super) fn load_table(path: &Path) -> Result<Table> {
    let named = |error: Error| {
        let message = format!("`{}`: {}", Printable(&path.display().to_string()), error.message());
        Error::new(error.kind(), message).caused_by(error)
    };
    let text = session::load_text(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let message = format!("{}; `orch actions schedule --write` makes it", error.message());
            Error::new(ErrorKind::NotFound, message)
        }
        _ => error,
    })?;
    Table::parse(&text).map_err(named)
}

fn load(path: &Path) -> Result<Answered> {
    if !path.exists() {
        return Ok(Answered::new());
    }
    let text = session::load_text(path)?;
    let wrong = || {
        let message = format!(
            "the state in `{}` is no JSON object of slots and times; remove it, and what GitHub says was started last counts",
            Printable(&path.display().to_string())
        );
        Error::new(ErrorKind::InvalidFormat, message)
    };
    let times: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|error| wrong().caused_by(error))?;
    let read = |(slot, time): (String, String)| {
        Ok((slot, time.parse::<WallTime>().map_err(|error| wrong().caused_by(error))?))
    };
    times.into_iter().map(read).collect()
}

fn save(path: &Path, answered: &Answered) -> Result<()> {
    let times: BTreeMap<&str, String> = answered.iter().map(|(slot, time)| (slot.as_str(), time.to_string())).collect();
    put(path, &json!(times).to_string())
}

/// Where the state was lost, what GitHub says was started last by a dispatcher.
fn learn(table: &Table, answered: &mut Answered, gh: &Gh<'_>, console: &mut Console<'_>) {
    for slot in &table.slots {
        if answered.contains_key(&slot.id) {
            continue;
        }
        let file = slot.file.as_str();
        let asked = gh.ask(&[
            "run",
            "list",
            "--workflow",
            file,
            "--event",
            "workflow_dispatch",
            "--limit",
            "1",
            "--json",
            "createdAt",
            "--jq",
            ".[0].createdAt",
        ]);
        match asked {
            Ok(time) => answered.extend(time.trim().parse().ok().map(|time| (slot.id.clone(), time))),
            Err(error) => console.warning(format_args!(
                "when `{}` was started last is not known, so it counts since the table was made: {error}",
                Printable(&slot.id)
            )),
        }
    }
}

fn start(one: &Due, branch: Option<&str>, gh: &Gh<'_>) -> Result<()> {
    let mut arguments = vec!["workflow", "run", one.file.as_str()];
    arguments.extend(branch.iter().flat_map(|branch| ["--ref", branch]));
    gh.ask(&arguments).map(drop).map_err(|error| {
        let message = format!("could not start `{}`; the next tick tries again", Printable(&one.file));
        Error::new(error.kind(), message).caused_by(error)
    })
}

/// Whether the workflow is gone from the repository of that table; where the table lies elsewhere, nobody knows.
fn is_gone(table: &Path, file: &str) -> bool {
    let folder = table.parent().map(|folder| folder.join("workflows"));
    folder.is_some_and(|folder| folder.is_dir() && !folder.join(file).exists())
}
