//! What SQLite says, in the words of the engine.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::{
    error::{Error, ErrorKind},
    id::Printable,
};

/// Says what went wrong with the store at that path.
#[derive(Clone, Copy)]
pub(super) struct Fault<'a>(pub(super) &'a Path);

impl Fault<'_> {
    fn error(self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("the store `{}` {what}", Printable(&self.0.display().to_string())))
    }

    /// A value in the file is not what was written.
    pub(super) fn damaged(self, what: &str) -> Error {
        let advice = format!("is damaged: {what}; `orch store check` lists all, a copy from before is safest");
        self.error(ErrorKind::Corrupt, &advice)
    }

    pub(super) fn foreign(self, what: &str) -> Error {
        self.error(ErrorKind::InvalidFormat, what)
    }

    pub(super) fn misuse(self, what: &str) -> Error {
        self.error(ErrorKind::Misuse, what)
    }

    pub(super) fn io(self, what: &str, error: std::io::Error) -> Error {
        self.error(ErrorKind::Io, what).caused_by(error)
    }

    /// An error of SQLite.
    pub(super) fn of(self, error: rusqlite::Error) -> Error {
        let (kind, what) = match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                (ErrorKind::InvalidFormat, "is no store, but a file of another program; it was left as it is")
            }
            Some(ErrorCode::DatabaseCorrupt) => (
                ErrorKind::Corrupt,
                "is damaged, or its disk cannot be read; `orch store check` lists what is, and `orch store export` saves \
                 what can be read",
            ),
            Some(ErrorCode::DiskFull) => (ErrorKind::Io, "could not be written: the disk is full"),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                (ErrorKind::Io, "could not be written: you may only read it")
            }
            Some(ErrorCode::CannotOpen) => {
                (ErrorKind::Io, "could not be opened: its folder is not there, or not to be written by you")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (ErrorKind::Io, "is being written by another process for longer than one waits")
            }
            Some(ErrorCode::SystemIoFailure) => (ErrorKind::Io, "could not be read or written"),
            // A value of another type than was written.
            None => (ErrorKind::Corrupt, "is damaged: a row is not as it was written"),
            Some(_) => (ErrorKind::Io, "did not do what it was asked"),
        };
        self.error(kind, what).caused_by(error)
    }
}
