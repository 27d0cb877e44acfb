//! Damaged files: opened as they were before, or refused. Never another answer.

use super::*;

/// What a store of [`filled`] answers at most, each record once and in order.
fn expected(appends: u64) -> Vec<Vec<u8>> {
    (0..appends).map(|nth| format!("event {nth}, and another one").into_bytes()).collect()
}

/// What can be read of that file: all records up to some place, or an error.
fn readable(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let store = SqliteStore::open(path, SqliteOptions::default())?;
    Ok(store.read(RUN(), 1, 0)?.into_iter().map(|record| record.body).collect())
}

#[test]
fn a_log_that_was_cut_anywhere_in_its_last_transaction_ends_before_it() {
    const APPENDS: u64 = 4;
    let folder = Folder::new();
    let store = folder.open().unwrap();
    filled(&store, APPENDS - 1);
    let log = folder.0.path().join("orch.db-wal");
    let before = fs::metadata(&log).unwrap().len() as usize;
    let body = expected(APPENDS).pop().unwrap();
    let seq = 2 * (APPENDS - 1);
    store.append(&Append { run: RUN(), fence: 1, seq, events: 2, body: &body, ..Append::default() }).unwrap();
    // A copy while nobody writes, without the shared memory: as after a crash.
    let (base, whole) = (fs::read(folder.path()).unwrap(), fs::read(&log).unwrap());
    drop(store);
    assert!(before < whole.len());
    let copies = Folder::new();
    let (path, copied_log) = (copies.path(), copies.0.path().join("orch.db-wal"));
    // Each byte by `ORCH_FAULTS=all`, which takes minutes; else each seventh, others with each seed, and both ends.
    let all = std::env::var("ORCH_FAULTS").is_ok_and(|text| text == "all");
    let seed = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse::<usize>().ok()).unwrap_or_default();
    let is_tried = |at: &usize| all || (at + seed).is_multiple_of(7) || whole.len() - at < 64 || at - before < 64;
    for length in (before..=whole.len()).filter(is_tried) {
        drop(fs::remove_file(copies.0.path().join("orch.db-shm")));
        fs::write(&path, &base).unwrap();
        private(&path);
        fs::write(&copied_log, whole.get(..length).unwrap()).unwrap();
        let read = readable(&path).unwrap_or_else(|error| panic!("cut at {length}: {error}"));
        let left = if length == whole.len() { APPENDS } else { APPENDS - 1 };
        assert_eq!(read, expected(left), "cut at {length}");
    }
}

/// A damaged end of the log is no end of the world: what stands before it is there, and nothing else is read in its place.
#[test]
fn a_flipped_bit_in_the_log_ends_it_there() {
    const APPENDS: u64 = 5;
    let folder = Folder::new();
    let store = folder.open().unwrap();
    filled(&store, APPENDS);
    let log = folder.0.path().join("orch.db-wal");
    let (base, whole) = (fs::read(folder.path()).unwrap(), fs::read(&log).unwrap());
    drop(store);
    let copies = Folder::new();
    let (path, copied_log) = (copies.path(), copies.0.path().join("orch.db-wal"));
    let (mut whole_left, mut less_left, mut refused) = (0, 0, 0);
    for bit in (0..whole.len() * 8).step_by(1_009) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        drop(fs::remove_file(copies.0.path().join("orch.db-shm")));
        fs::write(&path, &base).unwrap();
        private(&path);
        fs::write(&copied_log, &bytes).unwrap();
        match readable(&path) {
            Ok(read) => {
                assert_eq!(read, expected(read.len() as u64), "bit {bit}");
                if read.len() as u64 == APPENDS { whole_left += 1 } else { less_left += 1 }
            }
            Err(error) => {
                let kinds = [ErrorKind::Corrupt, ErrorKind::InvalidFormat, ErrorKind::Io];
                assert!(kinds.contains(&error.kind()), "bit {bit}: {error}");
                refused += 1;
            }
        }
    }
    // The last transaction is whole only where the bit was in what an earlier one left behind.
    assert!(less_left > 0, "{whole_left} whole, {less_left} shorter, {refused} refused");
}

#[test]
fn a_flipped_bit_is_never_another_answer() {
    const APPENDS: u64 = 6;
    let folder = Folder::new();
    filled(&folder.open().unwrap(), APPENDS);
    // Nobody has it open: everything is in the file itself.
    let whole = fs::read(folder.path()).unwrap();
    let wanted = expected(APPENDS);
    let copies = Folder::new();
    let (mut same, mut refused) = (0, 0);
    // A stride that is prime meets every place of a page, and every bit, over the file.
    for bit in (0..whole.len() * 8).step_by(4_001) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        for beside in ["orch.db-wal", "orch.db-shm"] {
            drop(fs::remove_file(copies.0.path().join(beside)));
        }
        fs::write(copies.path(), &bytes).unwrap();
        private(&copies.path());
        match readable(&copies.path()) {
            Ok(read) => {
                assert_eq!(read, wanted, "bit {bit}");
                same += 1;
            }
            Err(error) => {
                let kinds = [ErrorKind::Corrupt, ErrorKind::InvalidFormat, ErrorKind::Io];
                assert!(kinds.contains(&error.kind()), "bit {bit}: {error}");
                refused += 1;
            }
        }
    }
    assert!(same > 0 && refused > 0, "{same} as before, {refused} refused");
}

/// What was found: a process died while it made the store, which is not in WAL mode before that is done.
#[test]
fn what_a_dying_writer_left_behind_is_taken_back() {
    let folder = Folder::new();
    filled(&folder.open().unwrap(), 3);
    let connection = rusqlite::Connection::open(folder.path()).unwrap();
    let copies = Folder::new();
    let mode = |mode: &str| connection.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).unwrap();
    mode("DELETE");
    connection.pragma_update(None, "cache_size", 4).unwrap();
    connection.execute_batch("BEGIN; UPDATE journal SET body = x'00'; CREATE TABLE more (text TEXT)").unwrap();
    for _ in 0..200 {
        connection.execute("INSERT INTO more VALUES (?1)", ["x".repeat(1_000)]).unwrap();
    }
    for name in ["orch.db", "orch.db-journal"] {
        fs::copy(folder.0.path().join(name), copies.0.path().join(name)).unwrap();
    }
    private(&copies.path());
    connection.execute_batch("ROLLBACK").unwrap();
    assert_ne!(fs::read(copies.path()).unwrap(), fs::read(folder.path()).unwrap(), "it was in the middle");
    assert_eq!(readable(&copies.path()).unwrap(), expected(3));
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    filled(&store, 2);
    // Another process fills what is left: SQLite counts pages as a disk does blocks.
    let body = vec![0; 400_000];
    let append = Append { run: RUN(), fence: 1, seq: 4, events: 1, body: &body, ..Append::default() };
    store.limit_pages(60).unwrap();
    let error = store.append(&append).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert_eq!(store.read(RUN(), 1, 0).unwrap().len(), 2);
    store.limit_pages(u32::MAX - 1).unwrap();
    store.append(&append).unwrap();
    assert!(store.check().unwrap().problems.is_empty());
}

#[test]
fn what_was_changed_by_hand_is_found() {
    for (change, problem) in [
        ("UPDATE journal SET body = x'00' WHERE rowid = (SELECT min(rowid) FROM journal)", "not what was written"),
        ("DELETE FROM journal WHERE rowid = (SELECT min(rowid) FROM journal)", "missing"),
        ("DELETE FROM journal WHERE rowid = (SELECT max(rowid) FROM journal)", "missing"),
        ("DELETE FROM journal", "missing"),
        ("UPDATE runs SET options = '{}'", "not what was written"),
        ("UPDATE runs SET state = 'fine'", "not as it was written"),
        ("UPDATE blobs SET bytes = x'00'", "not what was written"),
    ] {
        let folder = Folder::new();
        filled(&folder.open().unwrap(), 3);
        let connection = rusqlite::Connection::open(folder.path()).unwrap();
        connection.execute_batch(change).unwrap();
        drop(connection);
        let problems = folder.open().unwrap().check().unwrap().problems;
        assert!(problems.iter().any(|it| it.contains(problem)), "{change}: {problems:?}");
    }
}
