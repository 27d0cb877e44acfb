//! Where a run spends.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::cost::budget::{Column, Labels};

/// The worktree and the branch of that folder, where it is in one: what [`Budget::labels`](crate::session::Budget::labels) are for.
/// Reads what git wrote; asks nobody.
pub fn labels_of(here: &Path) -> Labels {
    let labels = Labels::default();
    let Some((folder, git)) = here.ancestors().find_map(|folder| Some((folder, git_folder(folder)?))) else {
        return labels;
    };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let head = fs::read_to_string(git.join("HEAD")).unwrap_or_default();
    let branch = head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned);
    let known = [(Column::Worktree, name), (Column::Branch, branch)];
    known.into_iter().fold(labels, |labels, (column, value)| match value {
        Some(value) => labels.with(column, value),
        None => labels,
    })
}

/// Where the metadata of the worktree in that folder are: `.git`, or what that file names.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(git).ok()?;
    Some(folder.join(text.trim().strip_prefix("gitdir: ")?))
}
