//! Reads files to know whether they have changed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::paths::{Places, Sought};
use crate::{
    cache::{ContentHash, FileState},
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// How much is read to know what files hold. `FileLimits::default()`: 64 MiB a file, 1 GiB in all, 20,000 files among 200,000
/// names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// The most bytes of one file.
    pub max_file: u64,
    /// The most bytes of all files together.
    pub max_total: u64,
    /// The most files, also those that are not there.
    pub max_files: usize,
    /// The most names of files and folders that patterns look at.
    pub max_names: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { max_file: 64 << 20, max_total: 1 << 30, max_files: 20_000, max_names: 200_000 }
    }
}

/// What each of these files holds, by the bytes that lie there now, committed or not, by the name that a
/// [key](crate::cache::KeyParts::file) gives it: relative to `root`, with `/`. They are written as
/// [`Sources::files`](crate::definition::Sources::files) says. A path that is no pattern and names nothing is
/// [absent](FileState::Absent); a pattern that fits nothing names nothing. Nothing outside of `root` is read, also not through
/// a link. It blocks while it reads.
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for a path that is absolute, has `..`, leads out of `root`, is not UTF-8, or names
/// something that is no file; [`TooLarge`](ErrorKind::TooLarge) beyond `limits`; [`NotFound`](ErrorKind::NotFound) if `root` is
/// not there; [`Io`](ErrorKind::Io) for the rest.
///
/// ```
/// use orch_core::{cache::KeyParts, session::{FileLimits, file_states}};
///
/// let root = env!("CARGO_MANIFEST_DIR").as_ref();
/// let files = file_states(root, ["Cargo.toml", "src/cache/**/*.rs"], &FileLimits::default())?;
/// assert!(files.contains_key("src/cache/key/history.rs"));
/// let parts = files.iter().fold(KeyParts::new(), |parts, (name, state)| parts.file(name, state));
/// assert_eq!(parts.len(), files.len());
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn file_states<P: AsRef<str>>(
    root: &Path,
    files: impl IntoIterator<Item = P>,
    limits: &FileLimits,
) -> Result<BTreeMap<String, FileState>> {
    let root = root.canonicalize().map_err(|error| failed(error, "could not open the folder", root))?;
    let mut reader =
        Reader { root: &root, limits, left: limits.max_total, names: limits.max_names, states: BTreeMap::new() };
    for file in files {
        let sought: Sought = file.as_ref().parse()?;
        match sought.path() {
            Some(name) => reader.read(name, root.join(name))?,
            None => reader.walk(&sought)?,
        }
    }
    Ok(reader.states)
}

struct Reader<'a> {
    /// Without links.
    root: &'a Path,
    limits: &'a FileLimits,
    /// Bytes that may still be read.
    left: u64,
    /// Names that may still be looked at.
    names: usize,
    states: BTreeMap<String, FileState>,
}

/// A folder to look into.
struct Folder {
    /// Without links.
    real: PathBuf,
    /// As a key names it, with a slash at its end; empty for the root.
    name: String,
    places: Places,
    /// The folders in which links were followed to come here: a link back to one of them goes in circles.
    behind: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Reads every file that a pattern fits.
    fn walk(&mut self, sought: &Sought) -> Result<()> {
        let start =
            Folder { real: self.root.to_owned(), name: String::new(), places: sought.start(), behind: Vec::new() };
        let mut folders = vec![start];
        while let Some(folder) = folders.pop() {
            let could_not = |error| failed(error, "could not look into", &folder.real);
            for entry in fs::read_dir(&folder.real).map_err(could_not)? {
                let entry = entry.map_err(could_not)?;
                self.names = self.names.checked_sub(1).ok_or_else(|| {
                    let most = self.limits.max_names;
                    let message =
                        format!("`{sought}` looks at more than {most} names; give a path with fewer below it");
                    Error::new(ErrorKind::TooLarge, message)
                })?;
                let name = entry.file_name();
                let (fits, places) = sought.step(folder.places, &name.to_string_lossy());
                if fits || !places.is_empty() {
                    let path = folder.real.join(&name);
                    let name = name.to_str().ok_or_else(|| invalid(&path, "is not UTF-8"))?;
                    folders.extend(self.visit(&folder, name, path, fits, places)?);
                }
            }
        }
        Ok(())
    }

    /// Reads the file, or answers the folder to look into.
    fn visit(&mut self, at: &Folder, name: &str, path: PathBuf, fits: bool, places: Places) -> Result<Option<Folder>> {
        let name = format!("{}{name}", at.name);
        let kind = fs::symlink_metadata(&path).map_err(|error| failed(error, "could not open", &path))?;
        let (real, behind) = if kind.is_symlink() {
            match self.resolve(&path)? {
                Some(real) => (real, at.behind.iter().chain([&at.real]).cloned().collect()),
                None if fits => return self.keep(name, FileState::Absent).map(|()| None),
                None => return Ok(None),
            }
        } else {
            (path, at.behind.clone())
        };
        if fs::metadata(&real).is_ok_and(|metadata| metadata.is_dir()) {
            let circle = kind.is_symlink() && behind.iter().any(|behind| behind.starts_with(&real));
            let folder = Folder { real, name: name + "/", places, behind };
            return Ok((!circle && !folder.places.is_empty()).then_some(folder));
        }
        if fits {
            self.read(&name, real)?;
        }
        Ok(None)
    }

    /// Where a path leads; `None` if nothing is there.
    fn resolve(&self, path: &Path) -> Result<Option<PathBuf>> {
        let real = match path.canonicalize() {
            // Also where a folder of the path is a file.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            other => other.map_err(|error| failed(error, "could not open", path))?,
        };
        if !real.starts_with(self.root) {
            return Err(invalid(path, "leads out of the folder"));
        }
        Ok(Some(real))
    }

    fn read(&mut self, name: &str, path: PathBuf) -> Result<()> {
        if self.states.contains_key(name) {
            return Ok(());
        }
        let Some(real) = self.resolve(&path)? else { return self.keep(name.to_owned(), FileState::Absent) };
        // Before it is opened: that would wait at a pipe for somebody who writes.
        let metadata = fs::metadata(&real).map_err(|error| failed(error, "could not open", &path))?;
        if metadata.is_dir() {
            return Err(invalid(&path, "is a folder; name what is in it, with `/**` at the end"));
        }
        if !metadata.is_file() {
            return Err(invalid(&path, "is no file"));
        }
        let file = File::open(&real).map_err(|error| failed(error, "could not open", &path))?;
        let most = self.limits.max_file.min(self.left);
        let mut bytes = Vec::new();
        // One byte more than allowed tells a full file from one that is too large.
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| failed(error, "could not read", &path))?;
        let length = bytes.len() as u64;
        if length > most {
            let path = path.display().to_string();
            let message = format!("`{}` has more than the {most} bytes that may still be read", Printable(&path));
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.left -= length;
        self.keep(name.to_owned(), FileState::Content(ContentHash::of_bytes(&bytes)))
    }

    fn keep(&mut self, name: String, state: FileState) -> Result<()> {
        if self.states.len() >= self.limits.max_files {
            let message = format!("more than {} files are named", self.limits.max_files);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.states.insert(name, state);
        Ok(())
    }
}

fn invalid(path: &Path, why: &str) -> Error {
    let path = path.display().to_string();
    Error::new(ErrorKind::InvalidValue, format!("`{}` {why}", Printable(&path)))
}

fn failed(error: io::Error, what: &str, path: &Path) -> Error {
    let kind = if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
    let path = path.display().to_string();
    Error::new(kind, format!("{what} `{}`", Printable(&path))).caused_by(error)
}

#[cfg(test)]
mod tests;
