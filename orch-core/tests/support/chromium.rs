//! Where the machine has a browser.

use std::{env, path::PathBuf, process::Command};

/// The browser: `ORCH_CHROMIUM`, else the first of the usual names that starts. Without one, answers `None` and says so.
pub(crate) fn find() -> Option<PathBuf> {
    let named = env::var_os("ORCH_CHROMIUM").map(PathBuf::from);
    let usual = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map(PathBuf::from);
    let starts = |name: &PathBuf| Command::new(name).arg("--version").output().is_ok_and(|said| said.status.success());
    let found = named.into_iter().chain(usual).find(starts);
    if found.is_none() {
        assert!(
            env::var_os("ORCH_CHROMIUM_REQUIRED").is_none_or(|required| required != "1"),
            "no browser starts, and ORCH_CHROMIUM_REQUIRED=1"
        );
        eprintln!("skipped: no chromium");
    }
    found
}
