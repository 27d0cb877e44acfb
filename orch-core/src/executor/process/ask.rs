//! Asks a program a question.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::group::{self, Group};
use crate::id::Printable;

/// A condition is a question, not work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether that program, with those arguments and no shell, ends with exit code 0. What it prints is not read, and nothing
/// of its group outlives the answer. A program that is not there, or takes longer than a minute, is told as text.
pub(crate) async fn succeeds(argv: &[String], directory: Option<&Path>) -> Result<bool, String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err("the condition names no program".to_owned());
    };
    let shown = Printable(program);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    group::isolate(&mut command);
    let mut child = command.spawn().map_err(|error| format!("`{shown}` could not be run: {error}"))?;
    let _group = Group::of(&child);
    match timeout(PATIENCE, child.wait()).await {
        Ok(Ok(status)) => Ok(status.success()),
        Ok(Err(error)) => Err(format!("waiting for `{shown}` failed: {error}")),
        Err(_) => Err(format!("`{shown}` took longer than {PATIENCE:?} and was ended")),
    }
}
