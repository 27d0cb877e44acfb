//! Where a store may be, and what is left as it is.

use super::*;

#[test]
fn files_of_other_programs_are_left_as_they_are() {
    let folder = Folder::new();
    fs::write(folder.path(), "a letter, much longer than the header of a database would be".repeat(20)).unwrap();
    private(&folder.path());
    let before = contents(folder.0.path());
    assert_eq!(kind(&folder.path()), ErrorKind::InvalidFormat);
    assert!(contents(folder.0.path()) == before);

    let other = folder.0.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE letters (text TEXT)").unwrap();
    drop(connection);
    private(&other);
    let before = contents(folder.0.path());
    assert_eq!(kind(&other), ErrorKind::InvalidFormat);
    assert!(contents(folder.0.path()) == before);
}

#[test]
fn a_store_from_the_future_is_left_as_it_is() {
    let folder = Folder::new();
    filled(&folder.open().unwrap(), 1);
    let connection = rusqlite::Connection::open(folder.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = fs::read(folder.path()).unwrap();
    let error = folder.open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFormat);
    assert!(error.to_string().contains("use a newer orch"), "{error}");
    assert!(fs::read(folder.path()).unwrap() == before);
}

#[test]
fn an_empty_file_becomes_a_store() {
    let folder = Folder::new();
    fs::write(folder.path(), "").unwrap();
    private(&folder.path());
    filled(&folder.open().unwrap(), 1);
    assert_eq!(folder.open().unwrap().read(RUN(), 1, 0).unwrap().len(), 1);
}

#[test]
fn many_open_a_new_store_at_once() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let folder = &folder;
            scope.spawn(move || {
                let store = folder.open().unwrap();
                let run = RunId::from_parts(1, number);
                store.open_run(&RunHeader { run, fence: 1, ..RunHeader::default() }, None).unwrap();
            });
        }
    });
    assert_eq!(folder.open().unwrap().runs(None, 99).unwrap().len(), 8);
}

#[test]
fn a_folder_is_no_store() {
    let folder = Folder::new();
    fs::create_dir(folder.path()).unwrap();
    assert_eq!(kind(&folder.path()), ErrorKind::InvalidFormat);
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/orch");
    let store = SqliteStore::open(folder.join("orch.db"), SqliteOptions::default()).unwrap();
    filled(&store, 1);
    store.lock("a", "me", Duration::from_secs(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("orch.db-owners"))), (0o700, 0o700));
    for file in ["orch.db", "orch.db-wal", "orch.db-shm"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    drop(store);
    fs::set_permissions(folder.join("orch.db"), fs::Permissions::from_mode(0o660)).unwrap();
    let error = SqliteStore::open(folder.join("orch.db"), SqliteOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
}
