//! `orch worktree route`: says which worktree a task belongs to, and why.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    cli::{exit::Exit, streams::Console},
    error::Result,
    ext::worktree::{RouteQuery, Routes},
    git::{Git, GitOptions},
    id::Printable,
};

pub(super) fn main(
    query: &RouteQuery,
    files: &[PathBuf],
    directory: &Path,
    as_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit> {
    let found: Vec<PathBuf> = if files.is_empty() {
        let top = Git::new(directory, GitOptions::default()).top().unwrap_or_else(|_| directory.to_owned());
        Routes::files(&top)
    } else {
        files.to_vec()
    };
    let routed = Routes::load(&found)?.route(query);
    if as_json {
        let configs: Vec<String> = found.iter().map(|file| file.display().to_string()).collect();
        console.json(&json!({"version": 1, "configs": configs, "route": routed.form()}));
    } else {
        console.result(&format!("{}\n", Printable(&routed.to_string())));
    }
    Ok(Exit::Done)
}
