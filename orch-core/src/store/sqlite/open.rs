//! Opening: only what is a store, and may be one, is touched.

use std::{fs, io, path::Path, thread, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{SqliteOptions, Synchronous, fault::Fault, place, schema};
use crate::error::Result;

/// The WAL file is cut back to this size after a checkpoint.
const WAL_BYTES: i64 = 16 * 1024 * 1024;

/// Opens or makes the store.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Connection> {
    let fault = Fault(path);
    if let Some(kind) = place::network_file_system(path) {
        let what =
            format!("lies on a network file system ({kind}), where processes cannot share it; name another place");
        return Err(fault.misuse(&what));
    }
    match fs::symlink_metadata(path) {
        Ok(_) => look(path, options)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(fault.io("could not be looked at", error)),
    }
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options)?;
    let say = |error| fault.of(error);
    schema::judge(&connection, fault)?;
    let mode = write_ahead(&connection, options.patience).map_err(say)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(fault.misuse("lies on a file system without shared memory, so that processes cannot share it"));
    }
    let synchronous = match options.synchronous {
        Synchronous::Normal => "NORMAL",
        Synchronous::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous).map_err(say)?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES, |_| Ok(())).map_err(say)?;
    // A page that is not as it should be is found when it is read, not when it is used.
    connection.pragma_update(None, "cell_size_check", true).map_err(say)?;
    // What a schema of another maker may ask for.
    connection.pragma_update(None, "trusted_schema", false).map_err(say)?;
    schema::migrate(&mut connection, fault)?;
    Ok(connection)
}

/// Switches to WAL; answers the mode that the file has then. SQLite itself does not wait for another process that does the same: two
/// that both read and want to write would wait for each other.
fn write_ahead(connection: &Connection, patience: Duration) -> rusqlite::Result<String> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut left = patience;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && !left.is_zero() => {
                left = left.saturating_sub(PAUSE);
                thread::sleep(PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Looks at a file that is there, without writing.
fn look(path: &Path, options: &SqliteOptions) -> Result<()> {
    let fault = Fault(path);
    let about = fs::metadata(path).map_err(|error| fault.io("could not be looked at", error))?;
    if !about.is_file() {
        return Err(fault.foreign("is no file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        if about.permissions().mode() & 0o022 != 0 {
            return Err(fault.misuse("may be written by others than its owner; `chmod 600` it if it is yours"));
        }
        // What the process may do is said by the owner of its own entry, where the system has such.
        if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != about.uid() && own.uid() != 0) {
            return Err(fault.misuse("belongs to somebody else"));
        }
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options)?;
    let version = connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0));
    if let Err(error) = &version
        && error.sqlite_error_code() == Some(ErrorCode::ReadOnly)
    {
        // Its last writer died in the middle, and only who may write can take that back. Then it is judged.
        return Ok(());
    }
    version.map_err(|error| fault.of(error))?;
    schema::judge(&connection, fault).map(drop)
}

fn connect(path: &Path, flags: OpenFlags, options: &SqliteOptions) -> Result<Connection> {
    let say = |error| Fault(path).of(error);
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(say)?;
    connection.busy_timeout(options.patience).map_err(say)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes an empty file that only its owner reads. SQLite gives the files beside it the same permissions.
fn make(path: &Path) -> Result<()> {
    let fault = Fault(path);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        place::private_folder(folder).map_err(|error| fault.io("could not be made: no folder", error))?;
    }
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fault.io("could not be made", error)),
        _ => Ok(()),
    }
}
