//! Locks on files: what the system lets go of when a process dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::error::{Error, ErrorKind, Result};

/// A lock that is held until it is dropped, or its process has ended in whatever way. Among processes and in one process alike.
#[derive(Debug)]
pub(super) struct FileLock(File);

impl FileLock {
    /// Takes it now, or not at all.
    pub(super) fn try_take(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        for _ in 0..LOOKERS {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self(file))),
                Err(TryLockError::Error(error)) => return Err(failed(path, error)),
                Err(TryLockError::WouldBlock) => {}
            }
            // Somebody who only looks shares it for a moment; who has it does not.
            match file.try_lock_shared() {
                Ok(()) => drop(file.unlock()),
                Err(_) => return Ok(None),
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(None)
    }

    /// Takes it, after at most that long.
    pub(super) fn take(path: &Path, patience: Duration) -> Result<Self> {
        if let Some(lock) = Self::try_take(path)? {
            return Ok(lock);
        }
        let (sender, receiver) = mpsc::channel();
        let file = open(path)?;
        // The system wakes who waits, in turn; it knows no time limit, so the waiting is done by a thread. If nobody listens any more when
        // it gets the lock, it lets go of it at once.
        let wait = move || drop(sender.send(file.lock().map(|()| file)));
        thread::Builder::new().spawn(wait).map_err(|error| failed(path, error))?;
        match receiver.recv_timeout(patience) {
            Ok(locked) => locked.map(Self).map_err(|error| failed(path, error)),
            Err(_) => {
                let message = format!("the worktrees of this repository were busy for {patience:?}; try again");
                Err(Error::new(ErrorKind::LockTimeout, message).with("lock", path.display().to_string()))
            }
        }
    }

    /// Whether somebody holds it.
    pub(super) fn is_held(path: &Path) -> bool {
        // Without making the file: who only looks leaves no traces.
        let Ok(file) = File::open(path) else { return false };
        let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        drop(file.unlock());
        held
    }

    /// Writes into the file who holds it.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.0.rewind()?;
        self.0.set_len(0)?;
        self.0.write_all(text.as_bytes())
    }

    /// What who holds it, or held it last, wrote.
    pub(super) fn said(path: &Path) -> Option<String> {
        let mut text = String::new();
        File::open(path).ok()?.take(64 * 1024).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Not only by closing it: a program that is being started at this moment has a copy until it runs, and the lock would last as long.
        drop(self.0.unlock());
    }
}

/// How often a lock that others only look at is tried.
const LOOKERS: u32 = 50;

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        private_folder(folder)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not lock `{}`", path.display())).caused_by(error)
}

/// Makes the folder, for its owner alone; one that is there stays as it is.
pub(super) fn private_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| Error::new(ErrorKind::Io, format!("could not make `{}`", folder.display())).caused_by(error))
}

/// Writes a file as a whole, or not at all.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.new", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let write = std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, path));
    write.map_err(|error| Error::new(ErrorKind::Io, format!("could not write `{}`", path.display())).caused_by(error))
}
