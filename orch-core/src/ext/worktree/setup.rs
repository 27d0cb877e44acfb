//! What is done in a new worktree before it is used.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind as IoKind,
    net::{Ipv4Addr, TcpListener},
    path::{Component, Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::command::{self, Ran};
use crate::{
    error::{Error, ErrorKind, Result},
    git::Git,
    id::Printable,
};

/// What is done in a new worktree, in this order. Public fields and `Default`: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// Files and folders of the main worktree that git ignores, and that are copied: `node_modules`, `.venv`. Where the file system can, the
    /// copies share their bytes with the originals. What is tracked, is not there, or lies behind a symbolic link is not copied.
    pub copy: Vec<String>,
    /// Files that are written: what they hold, by path. `{name}`, `{branch}`, `{path}`, `{port}` stand for values.
    pub env: BTreeMap<String, String>,
    /// How many ports the worktree has for its own, from a place that follows from its name. 0: none.
    pub ports: u16,
    /// Programs with their arguments, run there one after the other; no shell. They are run only if [`approved`](Setup::approved) says so.
    pub commands: Vec<Vec<String>>,
    /// The [hash](Setup::hash) of the commands that somebody looked at and allowed.
    pub approved: Option<String>,
    /// The longest that one command may take, in seconds. 0 stands for 600.
    pub timeout: u64,
}

/// The range of ports that worktrees have: above those of well-known services and below those that systems give out themselves.
const PORTS: (u16, u16) = (20_000, 30_000);

impl Setup {
    /// A hash of the commands, for [`approved`](Setup::approved). Another program, argument or order is another hash.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for command in &self.commands {
            hasher.update(&(command.len() as u64).to_le_bytes());
            for word in command {
                hasher.update(&(word.len() as u64).to_le_bytes());
                hasher.update(word.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Whether its commands may be run.
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) if nobody approved them.
    pub(super) fn check(&self) -> Result<()> {
        if self.commands.is_empty() || self.approved.as_deref() == Some(&self.hash()) {
            return Ok(());
        }
        let shown: Vec<String> = self.commands.iter().map(|command| format!("{command:?}")).collect();
        let message = format!(
            "nobody approved the commands that set up a worktree, or they changed since: {}",
            Printable(&shown.join(", "))
        );
        Err(Error::new(ErrorKind::Misuse, message).with("hash", self.hash()))
    }

    /// Does it.
    pub(super) fn run(&self, from: &Path, to: &Path, scratch: &Path, git: &Git, values: &[(&str, &str)]) -> Result<()> {
        self.check()?;
        for path in &self.copy {
            copy(from, to, plain(path)?, git)?;
        }
        for (path, text) in &self.env {
            write(to, plain(path)?, &filled(text, values))?;
        }
        for argv in &self.commands {
            let timeout = Duration::from_secs(if self.timeout == 0 { 600 } else { self.timeout });
            let Ran { code, said } = command::run(argv, to, scratch, &env(values), timeout)?;
            if code != Some(0) {
                let named = argv.first().map_or("", String::as_str);
                let said = said.lines().last().unwrap_or_default().to_owned();
                let message = format!("`{}` did not set up the worktree: {}", Printable(named), Printable(&said));
                return Err(Error::new(ErrorKind::Io, message));
            }
        }
        Ok(())
    }

    /// The first of its ports: by the hash of `key`, then the next range that is `free` of other worktrees and of programs that listen now.
    pub(super) fn first_port(&self, key: &str, taken: &[(u16, u16)]) -> Result<Option<(u16, u16)>> {
        if self.ports == 0 {
            return Ok(None);
        }
        let (low, high) = PORTS;
        let places = u64::from((high - low) / self.ports.min(high - low));
        let hash = blake3::hash(key.as_bytes());
        let seed = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let range = |nth: u64| {
            low.saturating_add(
                u16::try_from((seed.wrapping_add(nth)) % places.max(1)).unwrap_or(0).saturating_mul(self.ports),
            )
        };
        let apart = |first: u16| {
            taken
                .iter()
                .all(|(other, many)| first >= other.saturating_add(*many) || *other >= first.saturating_add(self.ports))
        };
        let silent = |first: u16| {
            let all = first..first.saturating_add(self.ports);
            all.into_iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        };
        let found = (0..places).map(range).find(|&first| apart(first) && silent(first));
        let none = || Error::new(ErrorKind::TooLarge, format!("no {} ports are left for another worktree", self.ports));
        found.map(|first| Some((first, self.ports))).ok_or_else(none)
    }
}

/// Values for programs: `ORCH_WORKTREE_NAME` and so on.
pub(super) fn env(values: &[(&str, &str)]) -> BTreeMap<String, String> {
    values
        .iter()
        .map(|(name, value)| (format!("ORCH_WORKTREE_{}", name.to_ascii_uppercase()), (*value).to_owned()))
        .collect()
}

fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// A path that stays inside.
fn plain(path: &str) -> Result<&Path> {
    let is_plain = !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if is_plain && !Path::new(path).starts_with(".git") {
        return Ok(Path::new(path));
    }
    Err(Error::new(ErrorKind::InvalidValue, format!("`{}` leads out of the worktree", Printable(path))))
}

/// Whether a folder on the way to `path` below `root` is a link, or no folder.
fn is_behind_link(root: &Path, path: &Path) -> bool {
    let mut way = root.to_owned();
    let parents = path.parent().into_iter().flat_map(Path::components);
    parents.into_iter().any(|part| {
        way.push(part);
        fs::symlink_metadata(&way).is_ok_and(|about| !about.is_dir())
    })
}

fn write(to: &Path, path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::new(ErrorKind::Io, format!("could not write `{}`", path.display())).caused_by(error);
    let target = to.join(path);
    let is_link = fs::symlink_metadata(&target).is_ok_and(|about| about.is_symlink());
    if is_behind_link(to, path) || is_link {
        let message = format!("`{}` lies behind a symbolic link and is not written", path.display());
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&target, text)).map_err(failed)
}

fn copy(from: &Path, to: &Path, path: &Path, git: &Git) -> Result<()> {
    let (source, target) = (from.join(path), to.join(path));
    if is_behind_link(from, path) || is_behind_link(to, path) || fs::symlink_metadata(&source).is_err() {
        return Ok(());
    }
    // Tracked files come by the checkout, and what is not ignored is somebody's work in progress.
    let ignored = git.at(from).call(["check-ignore", "--quiet", "--"]).arg(path).answer()?.code == 0;
    if !ignored {
        return Ok(());
    }
    let parents = target.parent().map_or(Ok(()), fs::create_dir_all);
    let failed = |error| Error::new(ErrorKind::Io, format!("could not copy `{}`", path.display())).caused_by(error);
    parents.and_then(|()| copy_all(&source, &target)).map_err(failed)
}

/// Copies a file, a link as a link, or a folder with all in it. What is there already stays. `fs::copy` shares the bytes where the file
/// system can (on Linux by `copy_file_range`, on macOS by `clonefile`).
fn copy_all(source: &PathBuf, target: &PathBuf) -> std::io::Result<()> {
    let about = fs::symlink_metadata(source)?;
    if about.is_dir() {
        match fs::create_dir(target) {
            Err(error) if error.kind() != IoKind::AlreadyExists => return Err(error),
            _ if fs::symlink_metadata(target)?.is_symlink() => return Ok(()),
            _ => {}
        }
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            copy_all(&entry.path(), &target.join(entry.file_name()))?;
        }
        return fs::set_permissions(target, about.permissions());
    }
    if fs::symlink_metadata(target).is_ok() {
        return Ok(());
    }
    if about.is_symlink() {
        #[cfg(unix)]
        return std::os::unix::fs::symlink(fs::read_link(source)?, target);
        #[cfg(not(unix))]
        return Ok(());
    }
    // Sockets and the like are nobody's dependencies.
    if about.is_file() { fs::copy(source, target).map(drop) } else { Ok(()) }
}
