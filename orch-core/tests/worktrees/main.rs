//! Worktrees against real repositories, in folders of their own.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(feature = "worktrees")]
#![cfg(unix)]

mod crowd;
mod keep;
mod look;
mod make;
mod named;
mod pool;
mod real;
mod run;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use orch_core::ext::worktree::{Known, New, WorktreeOptions, Worktrees};

/// A repository with a commit on `main`, in a folder that goes with it.
struct Repository {
    _folder: tempfile::TempDir,
    root: PathBuf,
    main: PathBuf,
}

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let main = root.join("app");
        fs::create_dir(&main).unwrap();
        let repository = Self { _folder: folder, root, main };
        git(&repository.main, &["init", "-q", "-b", "main"]);
        repository.write("a.txt", "one\n");
        repository.write("b.txt", "one\n");
        repository.write(".gitignore", "*.ignored\nnode_modules/\n.env\n");
        git(&repository.main, &["add", "-A"]);
        commit(&repository.main, "first");
        repository
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.main, name, text);
    }

    fn worktrees(&self) -> Worktrees {
        self.worktrees_with(WorktreeOptions::default())
    }

    fn worktrees_with(&self, options: WorktreeOptions) -> Worktrees {
        Worktrees::open(&self.main, options).unwrap()
    }

    /// Where the worktree of that name is made.
    fn at(&self, name: &str) -> PathBuf {
        self.root.join("app.worktrees").join(name)
    }
}

fn named(name: &str) -> New {
    New { name: name.to_owned(), ..New::default() }
}

fn make(worktrees: &Worktrees, name: &str) -> Known {
    worktrees.create(&named(name)).unwrap();
    worktrees.find(name).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// As a person would call it.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn commit(folder: &Path, message: &str) {
    git(folder, &["commit", "-q", "-m", message]);
}
