//! `orch actions`: what workflows of GitHub Actions waste, and edits that are safe.

mod due;
mod gh;
mod report;
mod schedule;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    args_actions::{Actions, ActionsCommand, Audit, Fix, Looking},
    exit::Exit,
    streams::Console,
};
use crate::{
    Clock,
    error::{Error, ErrorKind, Result},
    ext::actions::{
        Assumptions, AuditOptions, FixOptions, Fixing, Folder, History, Level, Rule, WorkflowRun, audit, fix,
        read_runs, template,
    },
    id::Printable,
    session,
};

/// Runs `orch actions`.
pub(super) fn main(args: &Actions, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    match &args.command {
        ActionsCommand::Audit(args) => audit_main(args, here, console),
        ActionsCommand::Fix(args) => fix_main(args, here, console),
        ActionsCommand::Schedule(args) => schedule::main(args, here, console),
        ActionsCommand::Due(args) => due::main(args, here, console),
        ActionsCommand::Report(args) => report::main(args, here, console),
        ActionsCommand::Template { path, branch } => {
            let path: PathBuf = here.join(path).components().collect();
            let entries = fs::read_dir(&path).map_err(|error| {
                let message = format!("could not read `{}`", Printable(&path.display().to_string()));
                Error::new(ErrorKind::Io, message).caused_by(error)
            })?;
            let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            let text = template(&names, branch).ok_or_else(|| {
                let message = format!(
                    "there is no Cargo.toml, package.json, pyproject.toml, requirements.txt, setup.py or go.mod in `{}`; name the folder of a \
                     repository that has one",
                    Printable(&path.display().to_string())
                );
                Error::new(ErrorKind::NotFound, message)
            })?;
            console.result(&text);
            Ok(Exit::Done)
        }
        ActionsCommand::Rules { json } => {
            rules(*json, console);
            Ok(Exit::Done)
        }
    }
}

/// Writes a file as a whole or not at all.
fn put(path: &Path, text: &str) -> Result<()> {
    let mut beside = path.file_name().unwrap_or_default().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        drop(fs::remove_file(&beside));
        let message = format!("could not write `{}`", Printable(&path.display().to_string()));
        Error::new(ErrorKind::Io, message).caused_by(error)
    })
}

/// The runs of files, all together.
fn load_runs(files: &[PathBuf], here: &Path) -> Result<Vec<WorkflowRun>> {
    let mut texts = Vec::new();
    for file in files {
        let text = session::load_text(&here.join(file))?;
        // Alone, so that what is wrong has a name.
        read_runs(&[&text]).map_err(|error| {
            let message = format!("`{}`: {}", Printable(&file.display().to_string()), error.message());
            Error::new(error.kind(), message).caused_by(error)
        })?;
        texts.push(text);
    }
    read_runs(&texts)
}

/// The folder, and what is known of it.
fn look(args: &Looking, here: &Path) -> Result<(Folder, AuditOptions)> {
    let folder = Folder::read(&here.join(&args.path))?;
    let history = if args.runs.is_empty() { None } else { Some(History::of(&load_runs(&args.runs, here)?)?) };
    let defaults = AuditOptions::default();
    let options = AuditOptions {
        at: args.at.unwrap_or_else(|| Clock::system().wall()),
        window: args.from.unwrap_or(defaults.window),
        assumptions: assumptions(&args.assume)?,
        history,
        required: args.required.clone(),
        repository: folder.repository.clone(),
        disabled: folder.disabled.clone(),
    };
    Ok((folder, options))
}

fn assumptions(given: &[String]) -> Result<Assumptions> {
    let mut form = json!(Assumptions::default());
    for pair in given {
        let wrong = |why: &str| Error::new(ErrorKind::InvalidValue, format!("`--assume {}` {why}", Printable(pair)));
        let (name, number) = pair.split_once('=').ok_or_else(|| wrong("is not NAME=NUMBER"))?;
        let number: serde_json::Number = number.parse().map_err(|_| wrong("has no number"))?;
        if number.as_f64().is_none_or(|number| number < 0.0) {
            return Err(wrong("is below zero"));
        }
        let known = form.get_mut(name).ok_or_else(|| wrong("names nothing that is assumed; see `--help`"))?;
        *known = number.into();
    }
    serde_json::from_value(form).map_err(|error| {
        Error::new(ErrorKind::InvalidValue, "pushes and pull_requests are whole numbers").caused_by(error)
    })
}

fn audit_main(args: &Audit, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let (folder, options) = look(&args.looking, here)?;
    let found = audit(&folder.files, &options);
    if args.json {
        console.json(&found.json());
    } else if args.sarif {
        console.json(&found.sarif(&folder.prefix));
    } else if args.annotations {
        console.result(&found.annotations(&folder.prefix));
    } else {
        let paint = console.paint_out();
        console.result(&found.text(|level, text| match level {
            Level::Error => paint.bad(text),
            Level::Warning => paint.warn(text),
            Level::Note => paint.dim(text),
        }));
    }
    let failed = args.fail_on.level().is_some_and(|level| found.at_least(level) > 0);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

fn fix_main(args: &Fix, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    if let Some(rule) = args.rules.iter().find(|rule| rule.fixing() == Fixing::Suggested) {
        let able = Rule::ALL.iter().filter(|rule| rule.fixing() != Fixing::Suggested).map(|rule| rule.id());
        let message = format!(
            "`{}` is nothing that can be repaired without a person; these are: {}",
            rule.id(),
            able.collect::<Vec<_>>().join(", ")
        );
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let (folder, audit) = look(&args.looking, here)?;
    let options = FixOptions { audit, rules: args.rules.clone(), branch: args.branch.clone() };
    let mut files = Vec::new();
    let (mut failed, mut repaired) = (false, 0);
    for file in &folder.files {
        let fixed = fix(file, &options);
        let mut written = false;
        repaired += fixed.repairs.len();
        if let Some(text) = fixed.text.as_deref().filter(|_| args.write) {
            match folder.write(file, text) {
                Ok(()) => written = true,
                Err(error) => {
                    failed = true;
                    console.error(error);
                }
            }
        }
        if !args.json {
            if !args.write {
                console.result(&fixed.diff);
            }
            let name = Printable(&fixed.file);
            if !fixed.repairs.is_empty() {
                let what = match (written, args.write) {
                    (true, _) => "wrote",
                    (false, false) => "would write",
                    (false, true) => "did not write",
                };
                let paths: Vec<&str> = fixed.repairs.iter().map(|repair| repair.path.as_str()).collect();
                console.note(format_args!("{name}: {what} {}", Printable(&paths.join(", "))));
            }
            for refusal in &fixed.refused {
                let rule = refusal.rule.map_or(String::new(), |rule| format!(" {}", rule.id()));
                console.note(format_args!("{name}:{}:{rule} left alone: {}", refusal.line, Printable(&refusal.why)));
            }
        }
        if !fixed.repairs.is_empty() || !fixed.refused.is_empty() {
            files.push(json!({"file": fixed.file, "written": written, "repairs": fixed.repairs, "refused": fixed.refused, "diff": fixed.diff}));
        }
    }
    if args.json {
        console.json(&json!({"version": 1, "write": args.write, "looked_at": folder.files.len(), "files": files}));
    } else if repaired == 0 {
        console.note(format_args!("there is nothing to repair in {} files", folder.files.len()));
    } else if !args.write {
        console.note("nothing is written; `--write` does it");
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

fn rules(as_json: bool, console: &mut Console<'_>) {
    if as_json {
        let rules: Vec<_> = Rule::ALL
            .iter()
            .map(|rule| json!({"rule": rule, "severity": rule.level(), "fix": rule.fixing(), "what": rule.what()}))
            .collect();
        console.json(&json!({"version": 1, "rules": rules}));
        return;
    }
    let mut text = String::new();
    for rule in Rule::ALL {
        let fix = match rule.fixing() {
            Fixing::Safe => "fix",
            Fixing::Named => "fix --rule",
            Fixing::Suggested => "",
        };
        text += &format!("{:<20} {:<8} {:<11} {}\n", rule.id(), rule.level().name(), fix, rule.what());
    }
    console.result(&text);
}
