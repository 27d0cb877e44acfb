//! `orch actions report`: what runs were and cost.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::{
    Clock, WallTime,
    cli::{args_actions::Report, exit::Exit, streams::Console},
    error::{Error, ErrorKind, Result},
    ext::actions::{Dashboard, read_runs},
    id::Printable,
    session,
};

const FIELDS: &str = "databaseId,workflowName,event,headBranch,status,conclusion,createdAt,startedAt,updatedAt";
const MONTH: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn main(args: &Report, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let now = Clock::system().wall();
    let to = args.to.unwrap_or(now);
    let month = u64::try_from(MONTH.as_millis()).unwrap_or(u64::MAX);
    let from = args.from.unwrap_or(WallTime(to.0.saturating_sub(month)));
    let texts = match args.files.as_slice() {
        [] => vec![ask(from, here)?],
        files => files.iter().map(|file| session::load_text(&here.join(file))).collect::<Result<_>>()?,
    };
    let board = Dashboard::new(&read_runs(&texts)?, from, to)?;
    if args.json {
        console.json(&board.json(now));
    } else {
        console.result(&board.text());
    }
    if let Some(path) = &args.html {
        let path = here.join(path);
        let shown = path.display().to_string();
        fs::write(&path, board.html()).map_err(|error| {
            Error::new(ErrorKind::Io, format!("could not write `{}`", Printable(&shown))).caused_by(error)
        })?;
    }
    Ok(Exit::Done)
}

/// The runs since then, from `gh`.
fn ask(from: WallTime, here: &Path) -> Result<String> {
    let since = format!(">={}", from.to_string().split('T').next().unwrap_or_default());
    let output = Command::new("gh")
        .args(["run", "list", "--limit", "1000", "--created", &since, "--json", FIELDS])
        .current_dir(here)
        .output()
        .map_err(|error| {
            let message = "`gh` did not run; install it, or name files with what `gh run list --json` says";
            Error::new(ErrorKind::NotFound, message).caused_by(error)
        })?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(ErrorKind::Io, format!("`gh run list` failed: {}", Printable(&why))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
