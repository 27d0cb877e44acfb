//! The worktrees of one repository, and where they are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    lock::{FileLock, private_folder},
    record::{Record, own_folder_of},
    setup::Setup,
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    git::{BranchName, Git, GitOptions, Worktree},
    id::Printable,
};

/// How worktrees are made and kept. Public fields and `Default`.
#[derive(Debug, Clone)]
pub struct WorktreeOptions {
    /// How git is called. Its hooks are run only for the checkout of a new worktree, and only if it says so.
    pub git: GitOptions,
    /// The folder that new worktrees lie in. Default: beside the main one, `<name>.worktrees`.
    pub root: Option<PathBuf>,
    /// The branch of a new worktree, by a [template](super::branch_name) of `{name}`. Default: `{name}`.
    pub branch: String,
    /// What is done in a new worktree before it is used.
    pub setup: Setup,
    /// The branch that work is brought into. Default: [what the repository says](Git::default_branch).
    pub default_branch: Option<BranchName>,
    /// The longest to wait for others that change the list of worktrees. Default: 2 minutes.
    pub patience: Duration,
    /// Tells the time.
    pub clock: Clock,
}

impl Default for WorktreeOptions {
    fn default() -> Self {
        Self {
            git: GitOptions::default(),
            root: None,
            branch: "{name}".to_owned(),
            setup: Setup::default(),
            default_branch: None,
            patience: Duration::from_secs(120),
            clock: Clock::system(),
        }
    }
}

/// The worktrees of one repository. Every call blocks. Cheap enough to clone.
#[derive(Debug, Clone)]
pub struct Worktrees {
    pub(super) git: Git,
    pub(super) options: WorktreeOptions,
    pub(super) common: PathBuf,
    pub(super) main: PathBuf,
    pub(super) root: PathBuf,
}

/// A worktree: what git knows of it, and what orch knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// What git knows.
    pub git: Worktree,
    /// Git's folder for it; `None` for the main one and for what is not in order.
    pub own: Option<PathBuf>,
    /// What orch knows; `None` where it did not make it.
    pub record: Option<Record>,
    /// Whether it is the main worktree.
    pub is_main: bool,
}

impl Known {
    /// What it is called: by orch, else by its folder.
    pub fn name(&self) -> String {
        let folder = || self.git.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.record.as_ref().map(|record| record.name.clone()).filter(|name| !name.is_empty()).unwrap_or_else(folder)
    }
}

impl Worktrees {
    /// Those of the repository that `directory` lies in.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) outside of repositories; those of [`Call::run`](crate::git::Call::run).
    pub fn open(directory: &Path, options: WorktreeOptions) -> Result<Self> {
        let here = Git::new(directory, GitOptions { hooks: false, ..options.git.clone() });
        let common = here.common_dir()?;
        let first = here.worktrees()?.into_iter().next();
        let main = first.map_or_else(|| common.clone(), |main| main.path);
        let main = fs::canonicalize(&main).unwrap_or(main);
        let root = match &options.root {
            Some(root) => directory.join(root),
            None => {
                let mut name = main.file_name().unwrap_or_default().to_owned();
                name.push(".worktrees");
                main.parent().unwrap_or(&main).join(name)
            }
        };
        let git = here.at(if main.is_dir() { &main } else { &common });
        Ok(Self { git, options, common, main, root })
    }

    /// Git in the main worktree.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// How they are made and kept.
    pub fn options(&self) -> &WorktreeOptions {
        &self.options
    }

    /// The main worktree.
    pub fn main(&self) -> &Path {
        &self.main
    }

    /// The folder that new ones lie in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The branch that work is brought into, where there is one.
    ///
    /// # Errors
    ///
    /// Those of [`Git::default_branch`].
    pub fn default_branch(&self) -> Result<Option<BranchName>> {
        match &self.options.default_branch {
            Some(branch) => Ok(Some(branch.clone())),
            None => self.git.default_branch(),
        }
    }

    /// All of them, the main one first.
    ///
    /// # Errors
    ///
    /// Those of [`Git::worktrees`].
    pub fn all(&self) -> Result<Vec<Known>> {
        let know = |(nth, git): (usize, Worktree)| {
            let own = if nth == 0 { None } else { own_folder_of(&git.path, &self.common) };
            let record = own.as_deref().and_then(Record::read);
            Known { git, own, record, is_main: nth == 0 }
        };
        Ok(self.git.worktrees()?.into_iter().enumerate().map(know).collect())
    }

    /// The one that was named: by its name, its path or its branch.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is none, [`InvalidValue`](ErrorKind::InvalidValue) if there are several.
    pub fn find(&self, named: &str) -> Result<Known> {
        let all = self.all()?;
        let path = fs::canonicalize(named).ok().filter(|_| named.contains(['/', '\\']) || named == ".");
        let is_path = |known: &Known| known.git.path == Path::new(named) || path.as_ref() == Some(&known.git.path);
        let is_branch = |known: &Known| known.git.branch.as_deref() == Some(named);
        let by: [&dyn Fn(&Known) -> bool; 3] = [&is_path, &|known| known.name() == named, &is_branch];
        for is_it in by {
            let mut found: Vec<&Known> = all.iter().filter(|known| is_it(known)).collect();
            match (found.len(), found.pop()) {
                (0, _) => {}
                (1, Some(one)) => return Ok(one.clone()),
                _ => {
                    let message = format!("several worktrees are called `{}`; give the path of one", Printable(named));
                    return Err(Error::new(ErrorKind::InvalidValue, message));
                }
            }
        }
        let message = format!("there is no worktree `{}`; `orch worktree list` shows them", Printable(named));
        Err(Error::new(ErrorKind::NotFound, message))
    }

    /// orch's folder in the common one.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.common.join("orch").join(name)
    }

    /// The lock under which the list of worktrees changes.
    pub(super) fn lock(&self) -> Result<FileLock> {
        FileLock::take(&self.folder("worktrees.lock"), self.options.patience)
    }

    /// The file whose lock says that somebody uses the worktree at that path.
    pub(super) fn lease_file(&self, path: &Path) -> PathBuf {
        let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
        self.folder("leases").join(format!("{}.lock", hash.get(..32).unwrap_or_default()))
    }

    /// Makes the folder for new ones, and answers its real path.
    ///
    /// A link on the way, below the folder that holds the main worktree, may have come with somebody's commit and lead anywhere.
    pub(super) fn real_root(&self) -> Result<PathBuf> {
        let around = self.main.parent().unwrap_or(&self.main);
        let mut way = if self.root.starts_with(around) { around.to_owned() } else { PathBuf::new() };
        let parts = self.root.strip_prefix(&way).unwrap_or(&self.root).to_owned();
        let is_ours = way.as_os_str() != "";
        for part in parts.components() {
            way.push(part);
            let is_link = fs::symlink_metadata(&way).is_ok_and(|about| about.is_symlink());
            if is_link && (is_ours || way == self.root) {
                let message = format!("`{}` is a symbolic link; worktrees are not made behind one", way.display());
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
        }
        if !self.root.exists() {
            private_folder(&self.root)?;
        }
        fs::canonicalize(&self.root).map_err(|error| {
            Error::new(ErrorKind::Io, format!("could not read `{}`", self.root.display())).caused_by(error)
        })
    }
}
