//! The program: arguments in, exit code out.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{
    CommandFactory as _, Parser as _,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    actions,
    args::{Cli, Command, Global, NotifyCommand, PlanFormat, RunsCommand, Source, StoreCommand, When},
    args_hooks::{Hooks, Install, Status, Uninstall},
    args_money::Demo,
    badges, budget, check,
    config::Config,
    convert, cost, demo,
    exit::Exit,
    hooks, metrics, notify, optimize, plan, run, runs, serve,
    source::Refusal,
    store,
    streams::{Console, Stream},
    trust, worktree,
};
use crate::{Result, id::Printable};

/// Runs `orch` with these arguments, the first of which is the program's name.
pub fn main<A>(args: impl IntoIterator<Item = A>, stdout: &mut dyn Stream, stderr: &mut dyn Stream) -> ExitCode
where
    A: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let is_hook = args.get(1).is_some_and(|arg| arg == "hook");
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(mut error) => {
            tell_what_store_took(&mut error, &args);
            let exit = usage(&error, stdout, stderr);
            // To whoever calls a hook, 2 says that it is to stop.
            return if is_hook && exit == Exit::Bad { Exit::Failed } else { exit }.into();
        }
    };
    let mut console = Console::new(stdout, stderr, &cli.global);
    let exit = match command(&cli, &mut console) {
        Ok(exit) => exit,
        Err(error) => {
            if wants_json(&cli.command) {
                console.json(&Refusal::from(&error));
            }
            console.error(error);
            Exit::Bad
        }
    };
    match console.failure() {
        Some(error) => {
            console.error(format_args!("could not write to stdout: {error}"));
            Exit::Failed.into()
        }
        None => exit.into(),
    }
}

/// `--store` takes the word after it. Where something is missing that word may have been meant for it.
fn tell_what_store_took(error: &mut clap::Error, args: &[OsString]) {
    let taken = args.array_windows().find(|[option, _]| option == "--store").map(|[_, taken]| Path::new(taken));
    if let Some(taken) = taken
        && error.kind() == ErrorKind::MissingRequiredArgument
    {
        let taken = Printable(&taken.to_string_lossy()).to_string();
        let tip = format!("`--store {taken}` is a store at `{taken}`; for the usual store, put `--store` last");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
}

/// Whether a script waits for JSON, which then also says why there is no result.
fn wants_json(command: &Command) -> bool {
    match command {
        Command::Run(args) => args.json,
        Command::Plan(args) => args.json || args.format == PlanFormat::Json,
        Command::Check(args) => args.json,
        Command::Convert(args) => args.json,
        Command::Optimize(args) => args.json,
        Command::Runs(args) => args.json || matches!(args.command, Some(RunsCommand::Show { json: true, .. })),
        Command::Report(args) => args.json,
        Command::Serve(args) => args.json,
        Command::Notify(args) => match args.command {
            NotifyCommand::Send { json } | NotifyCommand::List { json, .. } | NotifyCommand::Test { json } => json,
        },
        Command::Store(args) => {
            matches!(args.command, StoreCommand::Check { json: true } | StoreCommand::Compact { json: true, .. })
        }
        Command::Cost(args) => args.wants_json(),
        Command::Budget(args) => args.json,
        Command::Demo(Demo::Budget { json }) => *json,
        Command::Worktree(args) => args.wants_json(),
        Command::Metrics(args) => args.json,
        Command::Badges(args) => args.json,
        Command::Actions(args) => args.wants_json(),
        Command::Hooks(Hooks::Install(Install::Claude(args))) => args.json,
        Command::Hooks(Hooks::Uninstall(Uninstall::Claude(args))) => args.json,
        Command::Hooks(Hooks::Status(Status::Claude(args))) => args.json,
        Command::Hooks(Hooks::Install(Install::Git(args))) => args.json,
        Command::Hooks(Hooks::Uninstall(Uninstall::Git(args))) => args.json,
        Command::Hooks(Hooks::Status(Status::Git(args))) => args.json,
        Command::Hooks(Hooks::Tasks(args)) => args.json,
        Command::Hook(_) | Command::Trust(_) | Command::Completions(_) => false,
    }
}

fn command(cli: &Cli, console: &mut Console<'_>) -> Result<Exit> {
    let here = env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let config = |source: &Source| {
        if source.no_config { Config::nothing() } else { Config::load(source.config.as_deref(), &here) }
    };
    match &cli.command {
        Command::Run(args) => run::main(args, &config(&args.source)?, &here, console),
        Command::Plan(args) => plan::main(args, &config(&args.source)?, &here, console),
        Command::Check(args) => check::main(args, console),
        Command::Convert(args) => convert::main(args, console),
        Command::Optimize(args) => optimize::main(args, &config(&args.source)?, console),
        Command::Runs(args) => runs::main(args, &here, console),
        Command::Report(args) => runs::report(args, &here, console),
        Command::Serve(args) => serve::main(args, &here, console),
        Command::Store(args) => store::main(args, &here, console),
        Command::Cost(args) => cost::main(args, &here, console),
        Command::Budget(args) => budget::main(args, &here, console),
        Command::Demo(args) => demo::main(args, console),
        Command::Notify(args) => notify::main(args, &here, console),
        Command::Hooks(args) => hooks::main(args, &here, console),
        Command::Hook(args) => Ok(hooks::hook(args, &here, console)),
        Command::Worktree(args) => worktree::main(args, &here, console),
        Command::Metrics(args) => metrics::main(args, &here, console),
        Command::Badges(args) => badges::main(args, &here, console),
        Command::Actions(args) => actions::main(args, &here, console),
        Command::Trust(args) => trust::main(args, &here, console),
        Command::Completions(args) => {
            let mut text = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "orch", &mut text);
            console.result(&String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
    }
}

/// What clap says of arguments that it refuses, or of `--help` and `--version`.
fn usage(error: &clap::Error, stdout: &mut dyn Stream, stderr: &mut dyn Stream) -> Exit {
    let mut console = Console::new(stdout, stderr, &Global { color: When::Auto, quiet: false });
    let (text, to_stderr) = (error.render(), error.use_stderr());
    let paint = if to_stderr { console.paint_err() } else { console.paint_out() };
    let text = if paint.0 { text.ansi().to_string() } else { text.to_string() };
    if to_stderr {
        console.note(text.trim_end());
        Exit::Bad
    } else {
        console.result(&text);
        Exit::Done
    }
}
