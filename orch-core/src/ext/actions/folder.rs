//! Workflow files on the disk.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{audit::WorkflowFile, yaml::MAX_BYTES};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// The workflow files of a folder.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where they are.
    pub path: PathBuf,
    /// The files that GitHub runs, by name.
    pub files: Vec<WorkflowFile>,
    /// Other files that are there, such as `tests.yml.disabled`.
    pub disabled: BTreeSet<String>,
    /// The names of the files at the root of the repository, where the folder is in one.
    pub repository: BTreeSet<String>,
    /// What stands before the names of the files, seen from the root of the repository: `.github/workflows/`, or nothing.
    pub prefix: String,
}

/// More entries than any repository has.
const MAX_FILES: usize = 20_000;

impl Folder {
    /// Reads a folder of workflows, a repository with `.github/workflows`, or one workflow file. Folders below are not looked at, as
    /// GitHub does not.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is no such folder, or no workflow in it; [`Io`](ErrorKind::Io) where it or a file cannot be read;
    /// [`TooLarge`](ErrorKind::TooLarge) above 20,000 entries.
    pub fn read(path: &Path) -> Result<Self> {
        // Without the `.` of `.`, which a person did not write.
        let path: &Path = &path.components().collect::<PathBuf>();
        let inside = path.join(".github/workflows");
        // Other YAML files lie at the root of many a repository.
        if !inside.is_dir() && path.join(".git").exists() {
            return Err(no_workflow(path));
        }
        let path = if inside.is_dir() { inside } else { path.to_owned() };
        if path.is_file() {
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut one = Self::read_folder(folder)?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            one.files.retain(|file| file.name == name);
            if one.files.is_empty() {
                let message =
                    format!("`{}` is no `.yml` or `.yaml` file, so GitHub runs nothing of it", Printable(&name));
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            return Ok(one);
        }
        let all = Self::read_folder(&path)?;
        if all.files.is_empty() { Err(no_workflow(&path)) } else { Ok(all) }
    }

    fn read_folder(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, format!("there is no folder `{}`", Printable(&shown)))
            }
            _ => Error::new(ErrorKind::Io, format!("could not read `{}`", Printable(&shown))).caused_by(error),
        };
        let mut names = Vec::new();
        let mut disabled = BTreeSet::new();
        for (nth, entry) in fs::read_dir(path).map_err(failed)?.enumerate() {
            if nth >= MAX_FILES {
                let message = format!("`{}` has more than {MAX_FILES} entries", Printable(&shown));
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.path().is_file() {
                continue;
            }
            if WorkflowFile::is_active(&name) {
                names.push(name);
            } else {
                disabled.insert(name);
            }
        }
        names.sort();
        let files = names.into_iter().map(|name| read(path, name)).collect::<Result<_>>()?;
        let root = root_of(path);
        let prefix = if root.is_some() { ".github/workflows/".to_owned() } else { String::new() };
        let entries = root.and_then(|root| fs::read_dir(root).ok()).into_iter().flatten();
        let repository =
            entries.take(MAX_FILES).flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        Ok(Self { path: path.to_owned(), files, disabled, repository, prefix })
    }

    /// Puts a new text in place of a file, at once: a reader sees the old one or the new one. Its permissions stay.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) where the file is not what it was when it was read; [`Io`](ErrorKind::Io) where it
    /// cannot be written.
    pub fn write(&self, file: &WorkflowFile, text: &str) -> Result<()> {
        // A link stays a link, to what is new.
        let path = self.path.join(&file.name);
        let path = fs::canonicalize(&path).unwrap_or(path);
        if read(&self.path, file.name.clone())? != *file {
            let message = format!("`{}` has changed since it was read; nothing was written", Printable(&file.name));
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        replace(&path, text)
    }
}

fn no_workflow(path: &Path) -> Error {
    let message = format!(
        "there is no workflow in `{}`; name a repository that has `.github/workflows`, a folder of workflows, or one of their files",
        Printable(&path.display().to_string())
    );
    Error::new(ErrorKind::NotFound, message)
}

/// The repository of a folder that is its `.github/workflows`.
fn root_of(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let github = path.parent().filter(|_| path.ends_with(".github/workflows"))?;
    github.parent().map(Path::to_owned)
}

fn read(folder: &Path, name: String) -> Result<WorkflowFile> {
    let path = folder.join(&name);
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("could not read `{}`", Printable(&path.display().to_string())))
            .caused_by(error)
    };
    let mut bytes = Vec::new();
    // One byte more than the reader takes: it then says that the file is too large.
    File::open(&path).map_err(failed)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(WorkflowFile { name, text: String::from_utf8(bytes).ok() })
}

/// Writes a file beside the old one, and gives it the old one's name.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("could not write `{}`", Printable(&shown))).caused_by(error)
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.orch-{}", std::process::id()));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).open(&beside)?;
        file.write_all(text.as_bytes())?;
        if let Ok(metadata) = fs::metadata(path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_folders_and_files_are_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(".github/workflows");
        fs::create_dir_all(folder.join("below.yml")).unwrap();
        for (name, text) in [("b.yml", "b"), ("a.YAML", "a"), ("c.yml.disabled", "c"), ("d.yml", "\u{feff}d")] {
            fs::write(folder.join(name), text).unwrap();
        }
        fs::write(folder.join("e.yml"), b"\xff").unwrap();
        fs::write(root.path().join("Cargo.lock"), "").unwrap();
        let read = Folder::read(root.path()).unwrap();
        assert_eq!(
            read.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
            ["a.YAML", "b.yml", "d.yml", "e.yml"]
        );
        assert_eq!((read.files[2].text.as_deref(), read.files[3].text.as_deref()), (Some("\u{feff}d"), None));
        assert!(read.disabled.contains("c.yml.disabled") && read.repository.contains("Cargo.lock"));
        assert_eq!(read.prefix, ".github/workflows/");
        assert_eq!(Folder::read(&folder.join("b.yml")).unwrap().files.len(), 1);
        assert_eq!(Folder::read(&root.path().join("no")).unwrap_err().kind(), ErrorKind::NotFound);
        fs::remove_dir_all(root.path().join(".github")).unwrap();
        assert_eq!(Folder::read(root.path()).unwrap_err().kind(), ErrorKind::NotFound);
        fs::write(root.path().join("compose.yml"), "").unwrap();
        assert_eq!(Folder::read(root.path()).unwrap().files.len(), 1);
        // Of a repository only what GitHub would run.
        fs::create_dir(root.path().join(".git")).unwrap();
        assert_eq!(Folder::read(root.path()).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn files_are_replaced_whole_or_not() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.yml"), "one").unwrap();
        let folder = Folder::read(root.path()).unwrap();
        folder.write(&folder.files[0], "two").unwrap();
        assert_eq!(fs::read_to_string(root.path().join("a.yml")).unwrap(), "two");
        assert_eq!(folder.write(&folder.files[0], "three").unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
