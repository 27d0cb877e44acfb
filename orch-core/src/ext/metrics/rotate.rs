//! Moves the records of past months into an archive: nothing is lost, wherever it is interrupted.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::json;

use super::{
    files::{cannot, sync_folder, write_whole},
    form::canonical,
    legacy::record_month,
    months::{is_month, local, next},
};
use crate::{
    WallTime,
    cost::budget::{Period, Zone},
    error::Result,
};

/// The folder of archives, in that of the records.
const ARCHIVE: &str = "archive";
/// What is being dropped is called so first: half of a month is never taken for all of it.
const GOING: &str = ".dropped-";
const SUMMARY: &str = "last_rotation.json";
/// Calendar months whose archives stay, beside the current one.
const KEPT: i64 = 3;

/// One step of a rotation. Each is safe to be done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A record goes into the archive of its own month.
    Archive {
        /// The name of the file.
        record: String,
        /// The month.
        month: String,
    },
    /// An archive of before the kept months goes. It was there before this rotation.
    Drop {
        /// The month.
        month: String,
    },
    /// What an interrupted rotation left of an archive that went.
    Sweep {
        /// The name of the folder.
        folder: String,
    },
    /// The archive is ignored by git.
    Ignore,
}

impl Step {
    fn month(&self) -> Option<&str> {
        match self {
            Self::Archive { month, .. } | Self::Drop { month } => Some(month),
            Self::Sweep { .. } | Self::Ignore => None,
        }
    }
}

/// What is to be done. Pure: it follows from the names of files and the month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Files that look like records and have no date of the calendar: they stay.
    pub odd: Vec<String>,
}

impl Rotation {
    /// Whether there is anything to do.
    pub fn is_due(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Ignore))
    }

    /// What follows from the files of the folder, those of its archive, and the current month, `2025-07`.
    ///
    /// ```
    /// use orch_core::ext::metrics::{Rotation, Step};
    ///
    /// let names = ["commit_metrics_20250531_090000.json", "commit_metrics_20250801_090000.json", "README.md"].map(str::to_owned);
    /// let archives = ["2025-04", "2025-05"].map(str::to_owned);
    /// let rotation = Rotation::of(&names, &archives, "2025-08");
    /// let record = "commit_metrics_20250531_090000.json".to_owned();
    /// assert_eq!(rotation.steps, [Step::Archive { record, month: "2025-05".into() }, Step::Drop { month: "2025-04".into() }]);
    /// ```
    pub fn of(names: &[String], archives: &[String], current: &str) -> Self {
        let mut rotation = Self::default();
        for name in names.iter().collect::<BTreeSet<_>>() {
            match record_month(name) {
                Some(month) if month.as_str() < current => {
                    rotation.steps.push(Step::Archive { record: name.clone(), month });
                }
                Some(_) => {}
                None if name.starts_with("commit_metrics_") => rotation.odd.push(name.clone()),
                None => {}
            }
        }
        let first_kept = next(current, -KEPT);
        // What has just come stays until the next rotation.
        let filled: BTreeSet<String> = rotation.steps.iter().filter_map(Step::month).map(str::to_owned).collect();
        for name in archives.iter().collect::<BTreeSet<_>>() {
            if name.starts_with(GOING) {
                rotation.steps.push(Step::Sweep { folder: name.clone() });
            } else if is_month(name) && name.as_str() < first_kept.as_str() && !filled.contains(name) {
                rotation.steps.push(Step::Drop { month: name.clone() });
            }
        }
        rotation
    }
}

/// The records of a repository. Public fields.
#[derive(Debug, Clone)]
pub struct Records {
    /// The top of the repository, where `.gitignore` is.
    pub top: PathBuf,
    /// The folder of the records, seen from there.
    pub folder: String,
}

/// What a rotation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// Records that went into the archive.
    pub archived: usize,
    /// Archives that went.
    pub dropped: usize,
}

impl Records {
    fn place(&self) -> PathBuf {
        self.top.join(&self.folder)
    }

    fn archive(&self) -> PathBuf {
        self.place().join(ARCHIVE)
    }

    fn pattern(&self) -> String {
        format!("{}/{ARCHIVE}/", self.folder.trim_end_matches('/'))
    }

    /// What is to be done at that time, there. An archive that does not exist is made, and git ignores it.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::ErrorKind::Io) where a folder cannot be read.
    pub fn look(&self, zone: &Zone, at: WallTime) -> Result<Rotation> {
        let (names, archives) = (names(&self.place(), false)?, names(&self.archive(), true)?);
        let mut rotation = Rotation::of(&names, &archives, &Period::Month.span(zone, at).name);
        if !rotation.steps.is_empty() && !self.is_ignored()? {
            // Before anything is moved there.
            rotation.steps.insert(0, Step::Ignore);
        }
        Ok(rotation)
    }

    /// Does it, and writes `last_rotation.json` at the end; without anything to do only where `force` says so.
    ///
    /// It may be interrupted anywhere and done again, also by two at once: a record is moved as a whole, or is still there; a record is never written over
    /// another one; an archive goes only if it was one before the rotation began, and is renamed before its files go.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::ErrorKind::Io), with the path.
    pub fn rotate(&self, rotation: &Rotation, force: bool, zone: &Zone, at: WallTime) -> Result<Rotated> {
        let mut done = Rotated::default();
        if !rotation.is_due() && !force {
            return Ok(done);
        }
        for step in &rotation.steps {
            self.step(step, &mut done)?;
        }
        let month = Period::Month.span(zone, at).name;
        let summary = json!({
            "schema": 2,
            "rotation_date": local(zone, at),
            "previous_month": next(&month, -1),
            "files_archived": done.archived,
            "old_archives_removed": done.dropped,
            "archive_location": self.pattern(),
        });
        write_whole(&self.place().join(SUMMARY), canonical(&summary).as_bytes())?;
        Ok(done)
    }

    /// Does one step.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::ErrorKind::Io), with the path.
    pub fn step(&self, step: &Step, done: &mut Rotated) -> Result<()> {
        match step {
            Step::Ignore => self.ignore(),
            Step::Archive { record, month } => {
                let (from, folder) = (self.place().join(record), self.archive().join(month));
                if archive(&from, &folder).map_err(|error| cannot("archive", &from, error))? {
                    done.archived += 1;
                }
                Ok(())
            }
            Step::Drop { month } => {
                let (from, going) = (self.archive().join(month), self.archive().join(format!("{GOING}{month}")));
                let drop = || match fs::rename(&from, &going) {
                    Ok(()) => remove_folder(&going).map(|()| true),
                    // Somebody else was quicker.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                    // Its name is taken by what another rotation left.
                    Err(_) => remove_folder(&going)
                        .and_then(|()| fs::rename(&from, &going))
                        .and_then(|()| remove_folder(&going))
                        .map(|()| true),
                };
                done.dropped += usize::from(drop().map_err(|error| cannot("remove", &from, error))?);
                Ok(())
            }
            Step::Sweep { folder } => {
                let going = self.archive().join(folder);
                remove_folder(&going).map_err(|error| cannot("remove", &going, error))
            }
        }
    }

    fn is_ignored(&self) -> Result<bool> {
        let (path, pattern) = (self.top.join(".gitignore"), self.pattern());
        match fs::read(&path) {
            Ok(text) => {
                let wanted = pattern.trim_end_matches('/');
                let is_it = |line: &str| line.trim().trim_start_matches('/').trim_end_matches('/') == wanted;
                Ok(String::from_utf8_lossy(&text).lines().any(is_it))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(cannot("read", &path, error)),
        }
    }

    fn ignore(&self) -> Result<()> {
        if self.is_ignored()? {
            return Ok(());
        }
        let path = self.top.join(".gitignore");
        let mut text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(cannot("read", &path, error)),
        };
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(format!("{}\n", self.pattern()).as_bytes());
        write_whole(&path, &text)
    }
}

/// Moves a file into a folder, under a name of its own; `false`: somebody else has moved it already.
fn archive(from: &Path, folder: &Path) -> io::Result<bool> {
    fs::create_dir_all(folder)?;
    let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for nth in 1_u32.. {
        let to = folder.join(if nth == 1 { name.clone() } else { format!("{name}.{nth}") });
        // A link and not a renaming, which would write over what is there.
        match fs::hard_link(from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match (fs::read(from), fs::read(&to)) {
                    // An interrupted rotation had come so far.
                    (Ok(one), Ok(other)) if one == other => {}
                    (Err(error), _) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                    _ => continue,
                }
            }
            // Where there are no links.
            Err(_) if !to.exists() => {
                fs::rename(from, &to)?;
                return sync_folder(folder).map(|()| true);
            }
            Err(error) => return Err(error),
        }
        // It is in the archive, also after a loss of power, before it goes here.
        sync_folder(folder)?;
        return match fs::remove_file(from) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
    }
    Ok(false)
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn names(folder: &Path, folders: bool) -> Result<Vec<String>> {
    let list = match fs::read_dir(folder) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot("read", folder, error)),
    };
    let mut names = Vec::new();
    for entry in list {
        let entry = entry.map_err(|error| cannot("read", folder, error))?;
        // A link to a folder or a file is neither: it is somebody's own.
        let is_it = entry.file_type().is_ok_and(|kind| if folders { kind.is_dir() } else { kind.is_file() });
        if let (true, Ok(name)) = (is_it, entry.file_name().into_string()) {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
