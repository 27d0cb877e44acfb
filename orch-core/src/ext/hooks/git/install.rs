//! Puts the hooks in, takes them out, and says what there is.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::Serialize;

use super::script::{GitHook, is_plain_shell, ours, script};
use crate::{
    error::{Error, ErrorKind, Result},
    git::{Git, GitOptions},
    id::Printable,
};

/// The hooks of a repository: the folder that git takes them from, and what is in it.
#[derive(Debug, Clone)]
pub struct GitHooks {
    folder: PathBuf,
    /// Why nothing is written there unless somebody insists.
    foreign: Option<String>,
    /// Whether the folder is in the working tree, where its files may be committed, and each worktree has its own.
    in_tree: bool,
}

/// How a hook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// There is none.
    Absent,
    /// There is one, and it is not ours.
    Other,
    /// It is ours.
    Installed,
    /// It is ours, and somebody has changed it.
    Changed,
}

/// A hook, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookStatus {
    /// Its name.
    pub hook: &'static str,
    /// How it stands.
    pub state: HookState,
    /// The program that it calls, if it is ours.
    pub program: Option<String>,
    /// Where the hook is kept that was there before.
    pub earlier: Option<PathBuf>,
}

impl GitHooks {
    /// Those of the repository of that folder, where its settings say that they are (`core.hooksPath`).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) outside of repositories; those of [`Call::run`](crate::git::Call::run).
    pub fn find(here: &Path) -> Result<Self> {
        let git = Git::new(here, GitOptions::default()).with_hooks(true);
        let common = git.common_dir()?;
        // A relative folder is seen from where hooks run: the top of the worktree, or the repository itself where there is none.
        let top = git.top().unwrap_or_else(|_| common.clone());
        let git = git.at(&top);
        let answer = git.call(["config", "--show-scope", "--get", "core.hooksPath"]).answer()?;
        let scope = answer.text().split('\t').next().unwrap_or_default().trim().to_owned();
        let answer = git.call(["rev-parse", "--git-path", "hooks"]).run()?;
        let named = answer.stdout.strip_suffix(b"\n").unwrap_or(&answer.stdout);
        let folder = real(&top.join(String::from_utf8_lossy(named).as_ref()));
        let main = git.worktrees()?.into_iter().next().map(|main| main.path);
        let is_in = |around: &Path| folder.starts_with(around);
        let is_inside = is_in(&common) || is_in(&top) || main.as_deref().map(real).is_some_and(|main| is_in(&main));
        let shown = folder.display().to_string();
        let foreign = if matches!(scope.as_str(), "global" | "system") {
            Some(format!("`{}` is for all repositories, by the {scope} setting `core.hooksPath`", Printable(&shown)))
        } else if is_inside {
            None
        } else {
            Some(format!("`{}` lies outside of the repository", Printable(&shown)))
        };
        let in_tree = is_inside && !is_in(&common);
        Ok(Self { folder, foreign, in_tree })
    }

    /// The folder that git takes hooks from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Why nothing is written there without force: it is not the repository's own.
    pub fn foreign(&self) -> Option<&str> {
        self.foreign.as_deref()
    }

    /// Whether the folder is in the working tree: what is put there may be committed.
    pub fn is_in_tree(&self) -> bool {
        self.in_tree
    }

    /// How each hook stands.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) where one cannot be read.
    pub fn status(&self) -> Result<Vec<HookStatus>> {
        GitHook::ALL.into_iter().map(|hook| self.one(hook)).collect()
    }

    fn one(&self, hook: GitHook) -> Result<HookStatus> {
        let (path, earlier) = (self.folder.join(hook.name()), self.folder.join(hook.earlier()));
        let (state, program) = match (about(&path)?, read(&path)?) {
            (None, _) => (HookState::Absent, None),
            (Some(about), Some(text)) if about.is_file() => match ours(hook, &text) {
                Some((program, false)) => (HookState::Installed, Some(program)),
                Some((program, true)) => (HookState::Changed, Some(program)),
                None => (HookState::Other, None),
            },
            _ => (HookState::Other, None),
        };
        let earlier = about(&earlier)?.map(|_| earlier);
        Ok(HookStatus { hook: hook.name(), state, program, earlier })
    }

    /// Puts the hooks in, which call that program: a whole path. A hook that is there already is kept beside ours, as it is. Answers
    /// which were written.
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) where the folder is not the repository's own, unless `force`, and where it is none;
    /// [`Conflict`](ErrorKind::Conflict) where somebody has changed a hook of ours, unless `force`, or another one has come in its place: then nothing was
    /// written. [`Io`](ErrorKind::Io).
    pub fn install(&self, program: &Path, force: bool) -> Result<Vec<GitHook>> {
        let shown = program.display().to_string();
        let odd = |why: &str| Error::new(ErrorKind::InvalidValue, format!("`{}` {why}", Printable(&shown)));
        let text = program.to_str().filter(|text| !text.chars().any(char::is_control));
        let program = text.filter(|_| program.is_absolute());
        let program = program.ok_or_else(|| odd("is no whole path in plain text, which a hook needs"))?;
        self.owned(force)?;
        let status = self.status()?;
        for one in &status {
            self.may_change(one, force)?;
            if one.state == HookState::Other && one.earlier.is_some() {
                let message = format!(
                    "`{}` was put in the place of a hook of orch, and `{}.before-orch` is still there; take one of both away",
                    one.hook, one.hook
                );
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        }
        fs::create_dir_all(&self.folder).map_err(|error| self.io("could not be made", error))?;
        let mut written = Vec::new();
        for (hook, one) in GitHook::ALL.into_iter().zip(status) {
            let (path, earlier) = (self.folder.join(hook.name()), self.folder.join(hook.earlier()));
            let before = if one.state == HookState::Other { &path } else { &earlier };
            let text = script(hook, program, read(before)?.is_some_and(|text| is_plain_shell(&text)));
            if one.state != HookState::Other && read(&path)?.as_deref() == Some(text.as_bytes()) {
                continue;
            }
            let new = self.folder.join(format!("{}.orch-new", hook.name()));
            let put = || {
                write_program(&new, &text)?;
                if one.state == HookState::Other {
                    fs::rename(&path, &earlier)?;
                }
                fs::rename(&new, &path)
            };
            if let Err(error) = put() {
                drop(fs::remove_file(&new));
                if one.state == HookState::Other && about(&path)?.is_none() {
                    drop(fs::rename(&earlier, &path));
                }
                return Err(self.io("could not be written", error));
            }
            written.push(hook);
        }
        Ok(written)
    }

    /// Takes out what was put in, and puts back what was there before. Hooks of others stay. Answers which were taken out.
    ///
    /// # Errors
    ///
    /// Those of [`install`](GitHooks::install).
    pub fn uninstall(&self, force: bool) -> Result<Vec<GitHook>> {
        let status = self.status()?;
        if status.iter().any(|one| one.program.is_some()) {
            self.owned(force)?;
        }
        status.iter().try_for_each(|one| self.may_change(one, force))?;
        let mut gone = Vec::new();
        for (hook, one) in GitHook::ALL.into_iter().zip(status) {
            if one.program.is_none() {
                continue;
            }
            let path = self.folder.join(hook.name());
            let taken = match &one.earlier {
                Some(earlier) => fs::rename(earlier, &path),
                None => fs::remove_file(&path),
            };
            taken.map_err(|error| self.io("could not be changed", error))?;
            gone.push(hook);
        }
        Ok(gone)
    }

    fn owned(&self, force: bool) -> Result<()> {
        if about(&self.folder)?.is_some_and(|about| !about.is_dir()) {
            let shown = self.folder.display().to_string();
            let message = format!(
                "`{}` is no folder: hooks are switched off by `core.hooksPath`; `git config --unset core.hooksPath` switches them on",
                Printable(&shown)
            );
            return Err(Error::new(ErrorKind::Misuse, message));
        }
        match &self.foreign {
            Some(why) if !force => {
                Err(Error::new(ErrorKind::Misuse, format!("{why}; `--force` writes there all the same")))
            }
            _ => Ok(()),
        }
    }

    fn may_change(&self, one: &HookStatus, force: bool) -> Result<()> {
        if one.state == HookState::Changed && !force {
            let shown = self.folder.join(one.hook).display().to_string();
            let message = format!("somebody has changed `{}`; `--force` drops what was changed", Printable(&shown));
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(())
    }

    fn io(&self, what: &str, error: io::Error) -> Error {
        let shown = self.folder.display().to_string();
        Error::new(ErrorKind::Io, format!("the hooks in `{}` {what}", Printable(&shown))).caused_by(error)
    }
}

/// The file itself, no link followed; `None`: there is none.
fn about(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(about) => Ok(Some(about)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unread(path, error)),
    }
}

/// What is in it, links followed; `None`: there is none, or it is no file, or far too large for a script.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    const MOST: u64 = 1024 * 1024;
    match fs::metadata(path) {
        Ok(about) if about.is_file() && about.len() <= MOST => {
            fs::read(path).map(Some).map_err(|error| unread(path, error))
        }
        _ => Ok(None),
    }
}

fn unread(path: &Path, error: io::Error) -> Error {
    let shown = path.display().to_string();
    Error::new(ErrorKind::Io, format!("`{}` could not be read", Printable(&shown))).caused_by(error)
}

/// Without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        let Ok(real) = fs::canonicalize(there) else { continue };
        let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
        return rest.components().fold(real, |path, part| match part {
            Component::ParentDir => path.parent().map(Path::to_owned).unwrap_or(path),
            Component::Normal(name) => path.join(name),
            _ => path,
        });
    }
    path.to_owned()
}

fn write_program(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o755);
    io::Write::write_all(&mut file.open(path)?, text.as_bytes())
}
