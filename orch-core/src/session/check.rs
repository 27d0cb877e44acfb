//! Answers the questions that a machine cannot: is there a file, does a program succeed.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use super::io;
use crate::{
    definition::command::Test,
    executor::{Note, RunShared},
    run::Check,
};

/// Finds the answer in the background and tells it to the session's next step.
pub(super) fn answer(check: Check, run: Arc<RunShared>, directory: Option<PathBuf>, approved: bool) {
    let Check { task, test } = check;
    let tell = move |(holds, warning): (bool, Option<String>)| {
        let note = Note::Checked { task, holds, warning };
        run.news.answers.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        run.news.ring();
    };
    match (test, io::runtime()) {
        (Test::FileExists(path), Some(runtime)) => {
            let path = directory.unwrap_or_default().join(path);
            runtime.spawn_blocking(move || tell((path.exists(), None)));
        }
        (Test::CommandSucceeds(argv), Some(runtime)) if approved => {
            runtime.spawn(async move { tell(succeeds(&argv, directory.as_deref()).await) });
        }
        (Test::CommandSucceeds(argv), Some(_)) => {
            let program = crate::Printable(&argv.join(" ")).to_string();
            tell((false, Some(format!("`{program}` was not run: programs in conditions need approval (`--yes`)"))));
        }
        (Test::Expression(_), _) | (_, None) => tell((false, Some("the condition could not be asked".into()))),
    }
}

#[cfg(feature = "process")]
async fn succeeds(argv: &[String], directory: Option<&Path>) -> (bool, Option<String>) {
    use std::{process::Stdio, time::Duration};

    /// A condition is a question, not work.
    const PATIENCE: Duration = Duration::from_secs(60);

    let Some((program, arguments)) = argv.split_first() else {
        return (false, Some("the condition names no program".into()));
    };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let shown = crate::Printable(program);
    match tokio::time::timeout(PATIENCE, command.status()).await {
        Ok(Ok(status)) => (status.success(), None),
        Ok(Err(error)) => (false, Some(format!("`{shown}` could not be run: {error}"))),
        Err(_) => (false, Some(format!("`{shown}` took longer than {PATIENCE:?} and was ended"))),
    }
}

#[cfg(not(feature = "process"))]
#[expect(clippy::unused_async, reason = "the same shape as with feature `process`")]
async fn succeeds(argv: &[String], _: Option<&Path>) -> (bool, Option<String>) {
    (false, Some(format!("`{}` was not run: this build has no feature `process`", argv.join(" "))))
}
