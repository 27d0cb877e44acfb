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
    match crate::executor::process::succeeds(argv, directory).await {
        Ok(succeeds) => (succeeds, None),
        Err(why) => (false, Some(why)),
    }
}

#[cfg(not(feature = "process"))]
#[expect(clippy::unused_async, reason = "the same shape as with feature `process`")]
async fn succeeds(argv: &[String], _: Option<&Path>) -> (bool, Option<String>) {
    (false, Some(format!("`{}` was not run: this build has no feature `process`", argv.join(" "))))
}
