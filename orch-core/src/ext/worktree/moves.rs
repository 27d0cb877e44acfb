//! Moves folders without following links.

use std::{fs, path::Path};

use crate::error::{Error, ErrorKind, Result};

/// What tells a folder from one that somebody put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// Which folder is at that path now; links are not followed.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    let about = fs::symlink_metadata(path).ok()?;
    if !about.is_dir() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some(Identity(about.dev(), about.ino()))
    }
    #[cfg(not(unix))]
    Some(Identity(0, 0))
}

/// Moves the folder `from`, only if it still is that one, to `to`, where nothing may be. No folder on the way to `from` may be a link.
///
/// # Errors
///
/// [`Conflict`](ErrorKind::Conflict) if something else is there; [`Io`](ErrorKind::Io).
pub(super) fn move_folder(from: &Path, is: Identity, to: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        let message = format!("could not move `{}` to `{}`", from.display(), to.display());
        Error::new(ErrorKind::Io, message).caused_by(error)
    };
    let changed = || Error::new(ErrorKind::Conflict, format!("something else is at `{}` by now", from.display()));
    if fs::symlink_metadata(to).is_ok() {
        return Err(Error::new(ErrorKind::Conflict, format!("there is something at `{}` already", to.display())));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        use rustix::fs::{CWD, Mode, openat, renameat};
        let (parent, name) = from.parent().zip(from.file_name()).ok_or_else(changed)?;
        // From the root on, folder by folder: what is a link by now is not entered.
        let parent = opened(parent).map_err(|error| failed(error.into()))?;
        let folder = openat(&parent, name, FLAGS, Mode::empty()).map_err(|_| changed())?;
        let about = fs::File::from(folder).metadata().map_err(failed)?;
        if Identity(about.dev(), about.ino()) != is {
            return Err(changed());
        }
        renameat(&parent, name, CWD, to).map_err(|error| failed(error.into()))
    }
    #[cfg(not(unix))]
    {
        if identity(from) != Some(is) {
            return Err(changed());
        }
        fs::rename(from, to).map_err(failed)
    }
}

/// Folders only, and no links.
#[cfg(unix)]
const FLAGS: rustix::fs::OFlags = rustix::fs::OFlags::DIRECTORY
    .union(rustix::fs::OFlags::NOFOLLOW)
    .union(rustix::fs::OFlags::CLOEXEC)
    .union(rustix::fs::OFlags::RDONLY);

#[cfg(unix)]
fn opened(path: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    use rustix::fs::{CWD, Mode, openat};
    let mut folder = openat(CWD, "/", FLAGS, Mode::empty())?;
    for part in path.components() {
        if let std::path::Component::Normal(name) = part {
            folder = openat(&folder, name, FLAGS, Mode::empty())?;
        }
    }
    Ok(folder)
}
