//! `orch worktree route`: says which worktree a task belongs to, and why.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    cli::{exit::Exit, streams::Console},
    error::{Error, ErrorKind, Result},
    ext::worktree::{RouteQuery, Routes},
    git::{Git, GitOptions},
    id::Printable,
};

/// Where the scripts that orch replaces look for them, from the top of the repository.
pub(in crate::cli) const FILES: [&str; 4] = [
    ".worktree_orchestration_config.json",
    ".worktree_config.json",
    "config/.worktree_config.json",
    ".claude/worktree-config.json",
];

pub(super) fn main(
    query: &RouteQuery,
    files: &[PathBuf],
    directory: &Path,
    as_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit> {
    let found: Vec<PathBuf> = if files.is_empty() {
        let top = Git::new(directory, GitOptions::default()).top().unwrap_or_else(|_| directory.to_owned());
        FILES.iter().map(|file| top.join(file)).filter(|file| file.is_file()).collect()
    } else {
        files.to_vec()
    };
    let routes = found.iter().try_fold(Routes::default(), |routes, file| Ok::<_, Error>(routes.and(load(file)?)))?;
    let routed = routes.route(query);
    if as_json {
        let configs: Vec<String> = found.iter().map(|file| file.display().to_string()).collect();
        console.json(&json!({"version": 1, "configs": configs, "route": routed.form()}));
    } else {
        console.result(&format!("{}\n", Printable(&routed.to_string())));
    }
    Ok(Exit::Done)
}

fn load(file: &Path) -> Result<Routes> {
    let text = fs::read_to_string(file).map_err(|error| {
        let message = format!("could not read `{}`", Printable(&file.display().to_string()));
        Error::new(ErrorKind::Io, message).caused_by(error)
    })?;
    Routes::parse(&text).map_err(|error| error.with("file", file.display().to_string()))
}
