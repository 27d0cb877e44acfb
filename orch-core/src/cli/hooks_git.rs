//! `orch hooks .. git` and `orch hook git`: hooks of git.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    args_hooks::{HookGit, InstallGit, StatusGit, UninstallGit, WhichGit},
    config::Config,
    exit::Exit,
    store,
    streams::Console,
};
use crate::{
    Clock,
    error::{Error, ErrorKind, Result},
    ext::{
        hooks::{Action, GitHook, GitHooks, GitPlace, GitPolicy, GitWorker, HookState, HookStatus},
        worktree::Routes,
    },
    id::Printable,
    session,
    store::{SqliteOptions, SqliteStore},
};

/// The longest that a commit waits for a store in which somebody else writes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs `orch hook git`. What goes wrong never stops the commit.
pub(super) fn hook(args: &HookGit, here: &Path, console: &mut Console<'_>) -> Exit {
    let done = match args.which {
        WhichGit::PreCommit => judge(here, console),
        // A squash makes no commit; the one that follows is recorded.
        WhichGit::PostMerge if args.more.first().is_some_and(|squash| squash == "1") => Ok(Exit::Done),
        WhichGit::PostCommit => record(args, GitHook::PostCommit, here),
        WhichGit::PostMerge => record(args, GitHook::PostMerge, here),
    };
    done.unwrap_or_else(|error| {
        let what = if args.which == WhichGit::PreCommit { "the commit was not judged" } else { "it was not recorded" };
        console.plain(format_args!("orch: {what}: {error}"));
        Exit::Done
    })
}

fn worker() -> GitWorker {
    let said = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    let [run, task, agent, kind] = ["ORCH_RUN_ID", "ORCH_TASK_ID", "ORCH_AGENT", "ORCH_TASK_TYPE"].map(said);
    GitWorker { run, task, agent, kind }
}

fn judge(here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let mut policy = Config::load(None, here)?.git_policy;
    // Which rules are whose: those of orch.toml go first, then those of the scripts' files.
    let mut whose = vec![("`hooks.git` in orch.toml", policy.rule.len())];
    for file in Routes::FILES {
        let Ok(text) = std::fs::read_to_string(here.join(file)) else { continue };
        match GitPolicy::of_scripts(&text) {
            Ok(scripts) => {
                whose.push((file, scripts.rule.len()));
                policy.rule.extend(scripts.rule);
            }
            Err(error) => console.plain(format_args!("orch: {file} was passed over: {error}")),
        }
    }
    if policy.rule.is_empty() {
        return Ok(Exit::Done);
    }
    let place = GitPlace::look(here, worker())?;
    let Some(told) = policy.judge(&place.judged())? else { return Ok(Exit::Done) };
    let is_blocked = told.action == Action::Block;
    let what = if is_blocked { "the commit was refused" } else { "warning" };
    let (mut rule, mut of) = (told.rule, "");
    for (name, many) in whose {
        of = name;
        if rule <= many {
            break;
        }
        rule -= many;
    }
    console.plain(format_args!("orch: {what}, {} (rule {rule} of {of})", told.why));
    console.plain(format_args!("orch: run instead: {}", Printable(&told.run)));
    Ok(if is_blocked { Exit::Refused } else { Exit::Done })
}

fn record(args: &HookGit, hook: GitHook, here: &Path) -> Result<Exit> {
    let place = GitPlace::look(here, worker())?;
    let Some((commit, begun)) = place.record(hook, Clock::system().wall()) else { return Ok(Exit::Done) };
    let path = store::path(args.place.store.as_deref(), here)?;
    let store = SqliteStore::open(path, SqliteOptions { patience: PATIENCE, ..SqliteOptions::default() })?;
    session::record_commit(&store, &commit, begun)?;
    drop(store);
    super::badges::refresh(here, &place.common)?;
    Ok(Exit::Done)
}

/// Runs `orch hooks install git`.
pub(super) fn install(args: &InstallGit, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let hooks = GitHooks::find(here)?;
    let program = program(args.program.as_deref(), here)?;
    let written = hooks.install(&program, args.force)?;
    let status = hooks.status()?;
    if args.json {
        console.json(&form(&hooks, &status, json!({"changed": names(&written)})));
    } else if written.is_empty() {
        console.result(&format!("the hooks are in {} already\n", Printable(&shown(hooks.folder()))));
    } else {
        let (list, calls) = (names(&written).join(", "), shown(&program));
        let folder = shown(hooks.folder());
        console.result(&format!("{list} in {}; each calls `{}`\n", Printable(&folder), Printable(&calls)));
        for one in status.iter().filter(|one| one.earlier.is_some()) {
            console.note(format_args!("the {} that was there is kept and runs first", one.hook));
        }
    }
    if hooks.is_in_tree() {
        console.warning("the hooks lie in the working tree, by `core.hooksPath`: do not commit them, they name a program of this machine");
    }
    Ok(Exit::Done)
}

/// Runs `orch hooks uninstall git`.
pub(super) fn uninstall(args: &UninstallGit, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let hooks = GitHooks::find(here)?;
    let gone = hooks.uninstall(args.force)?;
    let status = hooks.status()?;
    if args.json {
        console.json(&form(&hooks, &status, json!({"changed": names(&gone)})));
    } else if gone.is_empty() {
        console.result(&format!("there are no hooks of orch in {}\n", Printable(&shown(hooks.folder()))));
    } else {
        let (list, folder) = (names(&gone).join(", "), shown(hooks.folder()));
        console.result(&format!("taken out of {}: {list}\n", Printable(&folder)));
    }
    for one in status.iter().filter(|one| one.earlier.is_some()) {
        let kept = format!("{}.before-orch", one.hook);
        console.warning(format_args!(
            "another {} has come in the place of that of orch; `{kept}` stays beside it",
            one.hook
        ));
    }
    Ok(Exit::Done)
}

/// Runs `orch hooks status git`.
pub(super) fn status(args: &StatusGit, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let hooks = GitHooks::find(here)?;
    let status = hooks.status()?;
    if args.json {
        console.json(&form(&hooks, &status, json!({})));
        return Ok(Exit::Done);
    }
    let mut text = format!("{}\n", Printable(&shown(hooks.folder())));
    for one in &status {
        let mut says = match one.state {
            HookState::Absent => "none".to_owned(),
            HookState::Other => "not of orch".to_owned(),
            HookState::Installed | HookState::Changed => {
                let program = one.program.clone().unwrap_or_default();
                let mut says = format!("calls `{}`", Printable(&program));
                if !Path::new(&program).is_file() {
                    says += ", which is gone: it does nothing";
                }
                if one.state == HookState::Changed {
                    says += "; somebody has changed it";
                }
                says
            }
        };
        if one.earlier.is_some() {
            let how = if one.program.is_some() {
                "runs the one that was there before first"
            } else {
                "one from before orch is beside it"
            };
            says += &format!("; {how}");
        }
        text += &format!("  {:<12} {says}\n", one.hook);
    }
    console.result(&text);
    if let Some(why) = hooks.foreign() {
        console.note(format_args!("{why}: `orch hooks install git` does not write there"));
    }
    Ok(Exit::Done)
}

fn form(hooks: &GitHooks, status: &[HookStatus], more: Value) -> Value {
    let rows = status.iter().map(|one| {
        let found = one.program.as_ref().map(|program| Path::new(program).is_file());
        let earlier = one.earlier.as_deref().map(shown);
        json!({"hook": one.hook, "state": one.state, "program": one.program, "program_found": found, "earlier": earlier})
    });
    let mut form = json!({
        "version": 1, "folder": shown(hooks.folder()), "foreign": hooks.foreign(), "in_tree": hooks.is_in_tree(),
        "hooks": rows.collect::<Vec<_>>(),
    });
    if let (Value::Object(form), Value::Object(more)) = (&mut form, more) {
        form.extend(more);
    }
    form
}

fn names(hooks: &[GitHook]) -> Vec<&'static str> {
    hooks.iter().map(|hook| hook.name()).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The program that hooks call, by its whole path: what was named, else this one, else `orch` of the `PATH`.
fn program(named: Option<&Path>, here: &Path) -> Result<PathBuf> {
    let found = match named {
        Some(named) => Some(here.join(named)),
        None => {
            env::current_exe().ok().filter(|path| path.file_stem().is_some_and(|name| name == "orch")).or_else(|| {
                // Started by another language, whose program this is.
                let path = env::var_os("PATH").unwrap_or_default();
                env::split_paths(&path)
                    .map(|folder| folder.join("orch"))
                    .find(|path| path.is_absolute() && path.is_file())
            })
        }
    };
    match found {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => {
            let message =
                format!("there is no program `{}`; --program takes the path of orch", Printable(&shown(&path)));
            Err(Error::new(ErrorKind::NotFound, message))
        }
        None => {
            Err(Error::new(ErrorKind::NotFound, "there is no `orch` on the PATH; give its whole path with --program"))
        }
    }
}
