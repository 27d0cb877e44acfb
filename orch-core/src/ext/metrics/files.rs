//! Files that are whole at every moment.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// So that no two threads of a process write the same file beside the one that is meant.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Writes a file: whoever reads it, and whatever happens meanwhile, finds the old bytes or the new ones. Makes the folders around it. What is a link stays one:
/// the file behind it is written.
///
/// # Errors
///
/// [`Io`](ErrorKind::Io), with the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    put(path, bytes).map_err(|error| cannot("write", path, error))
}

pub(super) fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("could not {what} `{}`", Printable(&path.display().to_string()));
    Error::new(ErrorKind::Io, message).caused_by(error)
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let new = folder.join(format!(".{name}.{}-{nth}.new", std::process::id()));
    let written = || {
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        if let Ok(about) = fs::metadata(&path) {
            file.set_permissions(about.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&new, &path)?;
        sync_folder(folder)
    };
    let written = written();
    if written.is_err() {
        drop(fs::remove_file(&new));
    }
    written
}

/// What was renamed in a folder is there after a loss of power.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn links_and_permissions_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }
}
