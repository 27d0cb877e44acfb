//! Files on the disk.

use std::{fs, io::Write as _, path::Path};

use super::model::BudgetFile;
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
    session::load_text,
};

impl BudgetFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](BudgetFile::parse) and of [`load_text`].
    pub fn load(path: &Path) -> Result<Self> {
        Self::parse(&load_text(path)?).map_err(|error| error.with("file", path.display().to_string()))
    }

    /// Writes the file anew, as a whole or not at all: readers find the old one or the new one. What is there is judged first: a file
    /// that cannot be used is not overwritten.
    ///
    /// # Errors
    ///
    /// Those of [`load`](BudgetFile::load) for what is there; [`Io`](ErrorKind::Io).
    pub fn save(&self, path: &Path) -> Result<()> {
        if path.exists() {
            Self::load(path)?;
        }
        replace(path, &self.render())
    }
}

/// Writes a file as a whole or not at all.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let name = path.display().to_string();
    let mut beside = path.file_name().unwrap_or_default().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let write = || {
        let mut file = fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        drop(fs::remove_file(&beside));
        let message = format!("could not write `{}`, which is as it was", Printable(&name));
        Error::new(ErrorKind::Io, message).caused_by(error)
    })
}
