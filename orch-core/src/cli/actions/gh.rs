//! What `gh`, GitHub's own program, answers.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// `gh` in a folder, whose repository it asks about.
pub(super) struct Gh<'a>(pub(super) &'a Path);

impl Gh<'_> {
    /// What it writes to stdout.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is no `gh`, [`Io`](ErrorKind::Io) where it fails, with the first lines of what it says.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("gh")
            .args(arguments)
            .current_dir(self.0)
            // It asks nobody anything: there may be nobody.
            .env("GH_PROMPT_DISABLED", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                let message =
                    "`gh` did not run; install it from https://cli.github.com and sign in with `gh auth login`";
                Error::new(ErrorKind::NotFound, message).caused_by(error)
            })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
        let what: Vec<&str> = arguments.iter().copied().take(2).collect();
        let message = format!("`gh {}` failed: {}", Printable(&what.join(" ")), Printable(&said.join("; ")));
        Err(Error::new(ErrorKind::Io, message))
    }
}
