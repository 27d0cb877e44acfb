//! Programs that benchmarks start: git, and orch itself.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs git there, in nobody's name.
///
/// # Panics
///
/// If it fails.
pub fn git(folder: &Path, arguments: &[&str], stdin: Stdio) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"]).args(arguments);
    assert!(git.current_dir(folder).stdin(stdin).status().expect("git").success(), "git {arguments:?}");
}

/// `orch` beside the program that asks, made by `cargo build --profile bench -p orch-core --features cli --bin orch`, or what `ORCH_PROGRAM` names; `None`
/// where there is none.
pub fn orch() -> Option<PathBuf> {
    let beside = || Some(env::current_exe().ok()?.parent()?.parent()?.join("orch"));
    env::var_os("ORCH_PROGRAM").map(PathBuf::from).or_else(beside).filter(|path| path.is_file())
}
