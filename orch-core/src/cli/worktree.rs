//! `orch worktree`: makes, shows, removes and merges worktrees.

mod cells;
#[cfg(test)]
mod fixtures;
mod notices;
mod overviews;
#[cfg(unix)]
mod picture;
mod prune;
mod route;
mod said;
mod settings;
mod spend;
mod table;
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use self::{
    notices::Notices,
    spend::{Spending, with_spent},
    watch::Watched,
};
pub(super) use self::{
    overviews::Overviews,
    settings::{Settings, how_to_bring_in, parse, pool},
};
use super::{
    args_worktree::{Worktree, WorktreeCommand},
    config::Config,
    exit::Exit,
    notify,
    store::ago,
    streams::Console,
};
use crate::{
    Clock, Printable,
    error::{Error, ErrorKind, Result},
    ext::worktree::{
        Base, Candidate, Gate, Hindrance, Known, Look, New, Remove, Removed, RouteQuery, Trashed, Worktrees,
    },
    git::BranchName,
};

/// Runs `orch worktree`.
pub(super) fn main(args: &Worktree, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    use WorktreeCommand as C;
    let directory = args.directory.as_ref().map_or_else(|| here.to_owned(), |directory| here.join(directory));
    if let C::Route { text, config, kind, branch, turn, json } = &args.command {
        let (kind, text) = (kind.clone(), text.clone());
        let query = RouteQuery { kind, text, branch: branch.clone(), turn: *turn };
        let files: Vec<PathBuf> = config.iter().map(|file| here.join(file)).collect();
        return route::main(&query, &files, &directory, *json, console);
    }
    let config = Config::load(None, &directory)?;
    let (yes, hooks) = match &args.command {
        C::New { yes, hooks, .. } => (*yes, *hooks),
        _ => (false, false),
    };
    let worktrees = Worktrees::open(&directory, settings::options(&config, yes, hooks))?;
    match &args.command {
        C::New { name, branch, base, detach, purpose, no_setup, json, .. } => {
            let new = New {
                name: name.clone(),
                branch: branch.as_deref().map(BranchName::new).transpose()?,
                detached: *detach,
                base: base.clone().map_or(Base::Head, Base::Named),
                purpose: purpose.clone(),
                slot: None,
                bare: *no_setup,
            };
            let made = worktrees.create(&new)?;
            if *json {
                console.json(&json!({"version": 1, "path": shown(&made.path), "branch": made.branch, "commit": made.head, "record": made.record}));
            } else {
                console.result(&format!("{}\n", Printable(&shown(&made.path))));
                let on = made.branch.map_or_else(|| "detached".to_owned(), |branch| format!("on {branch}"));
                console.note(format_args!("made {}, {on} at {}", made.record.name, made.head.short()));
            }
            Ok(Exit::Done)
        }
        C::List { size, conflicts, stale_after, json, place } => {
            let look = Look { size: *size, conflicts: conflicts.then_some(true), stale_after: *stale_after };
            let overview = worktrees.look(&look)?;
            let spent = Spending::new(place.store.as_deref(), &directory)?.of(&overview).unwrap_or_else(|error| {
                console.warning(format_args!("what was spent is not known: {error}"));
                Vec::new()
            });
            if *json {
                console.json(&with_spent(overview.json(), &spent));
            } else {
                let room = console.room_out();
                let text = table::overview(&overview, &spent, room.is_some(), console.paint_out(), room);
                console.result(&text);
            }
            Ok(Exit::Done)
        }
        C::Watch { interval, conflicts, stale_after, notify, output, json, place } => {
            let look = Look { conflicts: conflicts.then_some(true), stale_after: *stale_after, ..Look::default() };
            let notices = notify.then(|| Notices::new(place.store.as_deref(), &directory)).transpose()?;
            let spending = Spending::new(place.store.as_deref(), &directory)?;
            let (interval, json) = (*interval, *json);
            let output = output.as_ref().map(|output| here.join(output));
            watch::main(Watched { worktrees, look, spending, notices, interval, output, json }, console)
        }
        C::Sync { names, json } => sync(&worktrees, names, *json, console),
        C::Remove { names, force, branch, json } => {
            let how = Remove { force: *force, branch: *branch, here: Some(here.to_owned()) };
            remove(&worktrees, names, &how, *json, console)
        }
        C::Restore { name, prune, json } => match (name, prune) {
            (Some(name), _) => {
                let known = worktrees.restore(name)?;
                if *json {
                    console.json(&json!({"version": 1, "name": known.name(), "path": shown(&known.git.path), "branch": known.git.branch}));
                } else {
                    console.result(&format!("{}\n", Printable(&shown(&known.git.path))));
                }
                Ok(Exit::Done)
            }
            (None, Some(older)) => {
                let gone = worktrees.prune_trash(*older)?;
                trash(&gone, "gone", *json, console);
                Ok(Exit::Done)
            }
            (None, None) => {
                trash(&worktrees.trash()?, "trash", *json, console);
                Ok(Exit::Done)
            }
        },
        C::Report { output, stale_after, notify, json, place } => {
            let mut notices = notify.then(|| Notices::new(place.store.as_deref(), &directory)).transpose()?;
            let overview = worktrees.look(&Look { stale_after: *stale_after, ..Look::default() })?;
            let health = overview.health();
            if let Some(output) = output {
                keep_report(&here.join(output), &health)?;
            }
            if *json {
                console.json(&health);
            } else {
                console.result(&said::health(&health, console.paint_out()));
            }
            if let Some(notices) = &mut notices {
                notify::complain(notices.post(&overview).and_then(|()| notices.deliver()), console);
            }
            Ok(Exit::Done)
        }
        C::Merge { names, into, how, check, dry_run, json } => {
            let words = |check: &String| {
                let split = shlex::split(check).filter(|words| !words.is_empty());
                split
                    .ok_or_else(|| Error::new(ErrorKind::InvalidValue, format!("`{}` is no command", Printable(check))))
            };
            let gate = Gate {
                into: into.as_deref().map(BranchName::new).transpose()?,
                how: (*how).into(),
                check: check.as_ref().map(words).transpose()?.unwrap_or_default(),
                dry: *dry_run,
                ..Gate::default()
            };
            let report = worktrees.gate(&candidates(&worktrees, names)?, &gate)?;
            if *json {
                console.json(&json!({"version": 1, "dry_run": dry_run, "report": report}));
            } else {
                console.result(&said::gate(&report, *dry_run, console.paint_out()));
            }
            Ok(if report.refused.is_empty() { Exit::Done } else { Exit::Failed })
        }
        // Answered above: it needs no repository.
        C::Route { .. } => Ok(Exit::Done),
        C::Lock { name, reason } => worktrees.keep(&worktrees.find(name)?, reason).map(|()| Exit::Done),
        C::Unlock { name } => worktrees.let_go(&worktrees.find(name)?).map(|()| Exit::Done),
        C::Move { name, to } => {
            let known = worktrees.move_to(&worktrees.find(name)?, &here.join(to))?;
            console.result(&format!("{}\n", Printable(&shown(&known.git.path))));
            Ok(Exit::Done)
        }
        C::Prune { older_than, json, place } => {
            let runs = prune::runs(&worktrees, place.store.as_deref(), &directory, *older_than)?;
            let pruned = worktrees.prune()?;
            prune::show(&pruned, &runs, *json, console);
            pruned.left.iter().for_each(|(known, why)| refused(known, why, console));
            Ok(if pruned.left.is_empty() { Exit::Done } else { Exit::Failed })
        }
        C::Repair { moved } => {
            let moved: Vec<PathBuf> = moved.iter().map(|path| here.join(path)).collect();
            let repaired = worktrees.repair(&moved.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
            repaired.mended.iter().for_each(|line| console.note(Printable(line)));
            for half in &repaired.half_made {
                console.note(format_args!("{} was never finished; it is in the trash", Printable(&half.name)));
            }
            Ok(Exit::Done)
        }
    }
}

/// Writes `worktree_health.json`, as a whole or not at all: others may read it while it is written again.
fn keep_report(path: &Path, health: &Value) -> Result<()> {
    let mut beside = path.file_name().unwrap_or_default().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&beside, format!("{health:#}\n"))?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        drop(fs::remove_file(&beside));
        Error::new(ErrorKind::Io, format!("could not write `{}`", Printable(&shown(path)))).caused_by(error)
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn candidates(worktrees: &Worktrees, names: &[String]) -> Result<Vec<Candidate>> {
    let candidate = |name: &String| {
        let commit = match worktrees.find(name) {
            Ok(Known { git, .. }) => git.head.ok_or_else(|| {
                let message = format!("`{}` has no commit yet; commit something there", Printable(name));
                Error::new(ErrorKind::NotFound, message)
            })?,
            Err(_) => worktrees.git().commit(name)?,
        };
        Ok(Candidate { name: name.clone(), commit })
    };
    names.iter().map(candidate).collect()
}

fn sync(worktrees: &Worktrees, names: &[String], json: bool, console: &mut Console<'_>) -> Result<Exit> {
    let known = match names {
        [] => worktrees.all()?,
        names => names.iter().map(|name| worktrees.find(name)).collect::<Result<_>>()?,
    };
    let synced = worktrees.sync(&known)?;
    if json {
        console.json(&json!({"version": 1, "worktrees": synced}));
        return Ok(Exit::Done);
    }
    let paint = console.paint_out();
    let mut text = String::new();
    for one in &synced {
        let target = one.target.as_deref().unwrap_or_default();
        let what = match &one.why {
            Some(why) => paint.warn(format!("stays: {}", Printable(why))),
            None if one.before != one.after => {
                let short = |oid: &Option<crate::git::Oid>| oid.as_ref().map_or("", |oid| oid.short()).to_owned();
                paint.good(format!("moved on {} → {} ({})", short(&one.before), short(&one.after), Printable(target)))
            }
            None => paint.dim("up to date"),
        };
        text += &format!("{:<24}  {what}\n", Printable(&one.name));
    }
    console.result(&text);
    Ok(Exit::Done)
}

fn remove(
    worktrees: &Worktrees,
    names: &[String],
    how: &Remove,
    json: bool,
    console: &mut Console<'_>,
) -> Result<Exit> {
    let known: Vec<Known> = names.iter().map(|name| worktrees.find(name)).collect::<Result<_>>()?;
    let mut rows = Vec::new();
    let mut exit = Exit::Done;
    for known in &known {
        let removed = worktrees.remove(known, how)?;
        let name = known.name();
        match &removed {
            Removed::Done(trashed) => {
                rows.push(json!({"name": name, "path": shown(&known.git.path), "removed": true, "trash": trashed.id, "dropped_branch": trashed.dropped_branch}));
                if !json {
                    console.note(format_args!(
                        "removed {}; `orch worktree restore {}` brings it back",
                        Printable(&name),
                        Printable(&trashed.id)
                    ));
                }
            }
            Removed::Refused(why) => {
                exit = Exit::Failed;
                let texts: Vec<String> = why.iter().map(Hindrance::to_string).collect();
                rows.push(json!({"name": name, "path": shown(&known.git.path), "removed": false, "hindrances": why, "messages": texts}));
                if !json {
                    refused(known, why, console);
                }
            }
        }
    }
    if json {
        console.json(&json!({"version": 1, "worktrees": rows}));
    }
    Ok(exit)
}

fn refused(known: &Known, why: &[Hindrance], console: &mut Console<'_>) {
    console.error(format_args!("{} stays:", Printable(&known.name())));
    why.iter().for_each(|hindrance| console.plain(format_args!("  {hindrance}")));
    if !why.iter().any(Hindrance::is_final) {
        console.note("hint: `--force` puts it into the trash all the same, from where it can be restored");
    }
}

fn trash(trashed: &[Trashed], key: &str, json: bool, console: &mut Console<'_>) {
    if json {
        console.json(&json!({"version": 1, key: trashed}));
        return;
    }
    let now = Clock::system().wall();
    let mut text = String::new();
    for one in trashed {
        let since = std::time::Duration::from_millis(now.0.saturating_sub(one.at.0));
        let branch = one.branch.as_deref().unwrap_or("(detached)");
        text += &format!(
            "{:<44}  {:<12}  {:<24}  {}\n",
            Printable(&one.id),
            ago(since),
            Printable(branch),
            Printable(&one.why)
        );
    }
    if trashed.is_empty() {
        text += if key == "trash" { "the trash is empty\n" } else { "nothing\n" };
    }
    console.result(&text);
}
