//! Where tests find real files of the systems that orch replaces. The files are not part of the project.

use std::{env, path::PathBuf};

/// The fixture with that path inside the fixtures folder, for example `commands/v2/review-all.json`.
///
/// The folder is `ORCH_FIXTURES`, else `shared/fixtures` beside the repository. Without it, answers `None` and says so, and
/// the test should return; with `ORCH_FIXTURES_REQUIRED=1`, which continuous integration sets, it panics instead, so that a
/// missing folder cannot pass for green tests.
pub(crate) fn path(relative: &str) -> Option<PathBuf> {
    let folder = env::var_os("ORCH_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures")), PathBuf::from);
    if !folder.is_dir() {
        assert!(
            env::var_os("ORCH_FIXTURES_REQUIRED").is_none_or(|required| required != "1"),
            "`{}` is no folder, and ORCH_FIXTURES_REQUIRED=1",
            folder.display()
        );
        eprintln!("skipped: no fixtures");
        return None;
    }
    let file = folder.join(relative);
    // A wrong name must not look like a machine without fixtures.
    assert!(file.exists(), "no fixture `{relative}` in `{}`", folder.display());
    Some(file)
}
