//! `orch hook` and `orch hooks`: hooks of interactive agents; those of git are in [`hooks_git`].

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    args_hooks::{Hook, HookClaude, Hooks, Install, InstallClaude, Scope, Status, Tasks, Uninstall},
    config::Config,
    exit::Exit,
    hooks_git, store,
    streams::Console,
};
use crate::{
    Clock, PriceTable,
    cost::budget::{Column, Limit, Limits},
    error::{Error, ErrorKind, Result},
    ext::hooks::{Claude, HookInput, Settings},
    id::Printable,
    session::{self, Ledger},
    store::Synchronous,
};

/// Runs `orch hook`. What goes wrong never stops the session, unless it is to.
pub(super) fn hook(hook: &Hook, here: &Path, console: &mut Console<'_>) -> Exit {
    let args = match hook {
        Hook::Claude(args) => args,
        Hook::Git(args) => return hooks_git::hook(args, here, console),
    };
    let input = session::read_text(std::io::stdin(), "stdin").and_then(|text| HookInput::read(&text));
    let answer = match &input {
        Ok(input) => answer(args, input, here),
        Err(error) => Err(Error::new(error.kind(), error.to_string())),
    };
    match answer {
        Ok(None) => Exit::Done,
        Ok(Some(answer)) => {
            console.result(&format!("{answer}\n"));
            Exit::Done
        }
        Err(error) => {
            console.error(&error);
            if args.fail_closed {
                console.result(&format!("{}\n", Claude::refusal(input.as_ref().ok(), &error.to_string())));
                return Exit::Done;
            }
            Exit::Failed
        }
    }
}

fn answer(args: &HookClaude, input: &HookInput, here: &Path) -> Result<Option<Value>> {
    // An agent goes from folder to folder; the project stays.
    let project = env::var_os("CLAUDE_PROJECT_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let cwd = input.cwd().filter(|path| path.is_absolute() && path.is_dir());
    let place = project.as_deref().or(cwd).unwrap_or(here);
    let config = if args.no_config { Config::nothing()? } else { Config::load(args.config.as_deref(), place)? };
    let mut limits: Vec<Limit> = config.budget.iter().cloned().collect();
    limits.extend(args.budget.map(|usd| Limit::new("each session", usd).each(Column::Run)));
    let store = store::open(args.place.store.as_deref(), Synchronous::Normal, place)?;
    let ledger = Ledger::new(Arc::new(store), Limits::new(limits)?, Clock::system());
    Claude::new(ledger, config.prices).answer(input)
}

/// Runs `orch hooks`.
pub(super) fn main(args: &Hooks, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    match args {
        Hooks::Install(Install::Claude(args)) => install(args, here, console),
        Hooks::Uninstall(Uninstall::Claude(args)) => {
            let path = file(&args.scope, here)?;
            let settings = Settings::load(&path)?;
            let count = settings.installed().len();
            let changed = path.exists() && settings.uninstall().save(&path)?;
            let shown = path.display().to_string();
            if args.json {
                console.json(&json!({"version": 1, "file": shown, "changed": changed, "hooks": count}));
            } else if changed {
                console.result(&format!("{count} hooks were taken out of {}\n", Printable(&shown)));
            } else {
                console.result(&format!("there are no hooks of orch in {}\n", Printable(&shown)));
            }
            Ok(Exit::Done)
        }
        Hooks::Status(Status::Claude(args)) => status(args.json, here, console),
        Hooks::Install(Install::Git(args)) => hooks_git::install(args, here, console),
        Hooks::Uninstall(Uninstall::Git(args)) => hooks_git::uninstall(args, here, console),
        Hooks::Status(Status::Git(args)) => hooks_git::status(args, here, console),
        Hooks::Tasks(args) => tasks(args, here, console),
    }
}

fn install(args: &InstallClaude, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let mut more = Vec::new();
    more.extend(args.budget.map(|usd| ["--budget".to_owned(), usd.to_decimal()]).into_iter().flatten());
    more.extend(args.fail_closed.then(|| "--fail-closed".to_owned()));
    if let Some(store) = &args.store {
        more.extend(["--store".to_owned(), here.join(store).display().to_string()]);
    }
    let path = file(&args.scope, here)?;
    let settings = Settings::load(&path)?.install(&args.program, &more)?;
    let changed = settings.save(&path)?;
    let (shown, events) = (path.display().to_string(), settings.installed().len());
    if args.json {
        console.json(&json!({"version": 1, "file": shown, "changed": changed, "hooks": settings.installed()}));
    } else if changed {
        let call = settings.installed().first().map(|one| format!("{} {}", one.program, one.args.join(" ")));
        console.result(&format!(
            "{events} hooks are in {}; each calls `{}`\n",
            Printable(&shown),
            Printable(&call.unwrap_or_default())
        ));
    } else {
        console.result(&format!("the hooks are in {} already\n", Printable(&shown)));
    }
    if settings.is_disabled() {
        console.warning("the settings say `disableAllHooks`, so none is called");
    }
    if !is_found(&args.program) {
        console.warning(format_args!(
            "there is no program `{}` on the PATH; give its whole path with --program",
            Printable(&args.program)
        ));
    }
    if args.budget.is_none() && Config::load(None, here).is_ok_and(|config| config.budget.iter().next().is_none()) {
        console.note("there is no budget yet: write `[[budget]]` and `usd = 15` into orch.toml; what is spent is counted from now on");
    }
    Ok(Exit::Done)
}

fn status(json: bool, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let mut rows = Vec::new();
    let mut text = String::new();
    for (scope, name) in [
        (Scope { user: true, project: false, local: false }, "user"),
        (Scope { user: false, project: true, local: false }, "project"),
        (Scope { user: false, project: false, local: true }, "local"),
    ] {
        let Ok(path) = file(&scope, here) else { continue };
        let shown = path.display().to_string();
        let settings = match Settings::load(&path) {
            Ok(settings) => settings,
            Err(error) => {
                text += &format!("{name:<8} {}\n         {error}\n", Printable(&shown));
                rows.push(json!({"scope": name, "file": shown, "error": error.to_string()}));
                continue;
            }
        };
        let installed = settings.installed();
        let missing: Vec<&str> =
            Settings::events().filter(|event| !installed.iter().any(|one| one.event == *event)).collect();
        let says = match installed.first() {
            None => "no hooks of orch".to_owned(),
            Some(first) => {
                let mut says = format!("{} hooks call `{} {}`", installed.len(), first.program, first.args.join(" "));
                if !missing.is_empty() {
                    says += &format!("; missing: {}", missing.join(", "));
                }
                if !is_found(&first.program) {
                    says += "; that program is not found";
                }
                if settings.is_disabled() {
                    says += "; all hooks are switched off (`disableAllHooks`)";
                }
                says
            }
        };
        text += &format!("{name:<8} {}\n         {}\n", Printable(&shown), Printable(&says));
        let found = installed.first().map(|first| is_found(&first.program));
        rows.push(json!({
            "scope": name, "file": shown, "hooks": installed, "missing": if installed.is_empty() { Vec::new() } else { missing },
            "program_found": found, "disabled": settings.is_disabled(),
        }));
    }
    if json {
        console.json(&json!({"version": 1, "settings": rows}));
    } else {
        console.result(&text);
    }
    Ok(Exit::Done)
}

fn tasks(args: &Tasks, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let store = store::open_present(args.place.store.as_deref(), here)?;
    let ledger = Ledger::new(Arc::new(store), Limits::default(), Clock::system());
    let mut lists = Claude::new(ledger, PriceTable::default()).task_lists()?;
    lists.truncate(args.limit);
    if args.json {
        console.json(&json!({"version": 1, "sessions": lists}));
        return Ok(Exit::Done);
    }
    for list in &lists {
        let done = list.tasks.iter().filter(|task| task.status == "completed").count();
        let mut text = format!(
            "{}  {} of {} done, {}\n",
            Printable(&list.session),
            done,
            list.tasks.len(),
            store::ago(std::time::Duration::from_millis(Clock::system().wall().0.saturating_sub(list.updated.0)))
        );
        if !list.cwd.is_empty() {
            text += &format!("  in {}\n", Printable(&list.cwd));
        }
        for task in &list.tasks {
            let mark = match task.status.as_str() {
                "completed" => "✓",
                "in_progress" => "▶",
                _ => "·",
            };
            let owner = task.owner.as_ref().map(|owner| format!("  ({})", Printable(owner))).unwrap_or_default();
            let after = if task.blocked_by.is_empty() {
                String::new()
            } else {
                format!("  after {}", Printable(&task.blocked_by.join(", ")))
            };
            text += &format!("  {mark} {}{owner}{after}\n", Printable(&task.subject));
        }
        console.result(&text);
    }
    if lists.is_empty() {
        console.note("no session has told of tasks yet; `orch hooks install claude` lets them");
    }
    Ok(Exit::Done)
}

/// The settings file.
fn file(scope: &Scope, here: &Path) -> Result<PathBuf> {
    if scope.user {
        let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let claude = folder("CLAUDE_CONFIG_DIR").or_else(|| folder("HOME").map(|home| home.join(".claude")));
        return claude.map(|claude| claude.join("settings.json")).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "there is no home folder; HOME or CLAUDE_CONFIG_DIR says where it is")
        });
    }
    let name = if scope.project { "settings.json" } else { "settings.local.json" };
    // Claude Code takes the settings of the folder in which it is started: the project's.
    let project = here.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(here);
    Ok(project.join(".claude").join(name))
}

/// Whether that program can be started.
fn is_found(program: &str) -> bool {
    if program.contains(['/', '\\']) {
        return Path::new(program).is_file();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .any(|folder| folder.join(program).is_file() || folder.join(format!("{program}.exe")).is_file())
}
