//! Who holds leases, and whether he still lives.

use std::{
    fs::{self, File, TryLockError},
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
};

use super::{fault::Fault, place};
use crate::error::Result;

/// A process that holds leases. While it lives it holds a lock of the operating system on a file of its own.
#[derive(Debug)]
pub(super) struct Owner {
    id: String,
    path: PathBuf,
    /// Locked. The system unlocks it when the process dies.
    _file: File,
}

fn folder(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push("-owners");
    store.with_file_name(name)
}

impl Owner {
    pub(super) fn new(store: &Path) -> Result<Self> {
        let say = |error| Fault(store).io("could not be given an owner's file", error);
        let folder = folder(store);
        place::private_folder(&folder).map_err(say)?;
        let random = RandomState::new().hash_one(std::process::id());
        let id = format!("{}-{random:016x}", std::process::id());
        let path = folder.join(&id);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(say)?;
        file.lock().map_err(say)?;
        Ok(Self { id, path, _file: file })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A file that stays is found to be nobody's by its lock.
        drop(fs::remove_file(&self.path));
    }
}

/// Whether that owner is known to have died, or to have let go of the store.
pub(super) fn is_gone(store: &Path, id: &str) -> bool {
    // An id is part of a path; one from a damaged file must not lead out of the folder.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return false;
    }
    let path = folder(store).join(id);
    match File::open(&path) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(file) => match file.try_lock() {
            Ok(()) => {
                drop(fs::remove_file(&path));
                true
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
    }
}
