//! What happens below SQLite: calls of the system that fail, in a process of its own, and a folder that may not be written to.
//!
//! `fault.c` is loaded into the process and fails its calls on the files of the store, from the n-th on, once or for good. So each
//! call that the store makes is failed in turn. `cargo test` fails some of them, `ORCH_FAULTS=all` all.

use std::{
    env,
    fs::OpenOptions,
    io::Write as _,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    process::{Command, Stdio},
};

use super::*;

/// What a process is told: `what folder`.
const ORDER: &str = "ORCH_BELOW_ORDER";
const APPENDS: u64 = 5;

/// EIO and ENOSPC, as Linux numbers them.
const BROKEN: i32 = 5;
const FULL: i32 = 28;

fn body(nth: u64) -> Vec<u8> {
    // Some appends take more than a page.
    format!("append {nth} {}", "x".repeat(3_000 * (nth as usize % 3))).into_bytes()
}

/// A process whose calls may fail. Without an order it does nothing.
#[test]
#[ignore = "it is started by the others"]
fn process() {
    let Ok(order) = env::var(ORDER) else { return };
    let (what, folder) = order.split_once(' ').unwrap();
    let folder = Path::new(folder);
    let mut log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut say = |line: &str| log.write_all(format!("{line}\n").as_bytes()).unwrap();
    let ended = match what {
        "append" => append_all(&folder.join("kept/orch.db"), &mut say),
        "open" => SqliteStore::open(folder.join("kept/orch.db"), SqliteOptions::default()).map(drop),
        other => panic!("{other}"),
    };
    match ended {
        Ok(()) => say("through"),
        Err(error) => say(&format!("error {} {error}", error.kind().code())),
    }
}

fn append_all(path: &Path, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let options = SqliteOptions { synchronous: Synchronous::Full, ..SqliteOptions::default() };
    let store = SqliteStore::open(path, options)?;
    let first = match store.run(RUN())? {
        Some(row) => row.events,
        None => {
            store.open_run(&RunHeader { run: RUN(), fence: 1, ..RunHeader::default() }, None)?;
            0
        }
    };
    for seq in first..APPENDS {
        let bytes = body(seq);
        let blobs = [Blob::new(vec![seq as u8; 6_000])];
        store.append(&Append {
            run: RUN(),
            fence: 1,
            seq,
            events: 1,
            body: &bytes,
            blobs: &blobs,
            ..Append::default()
        })?;
        say(&format!("stored {seq}"));
        if seq == 2 {
            // Rewrites the file and cuts back the log.
            store.compact(None)?;
        }
    }
    Ok(())
}

/// Builds the layer that fails; whoever built SQLite has a compiler.
fn layer(folder: &Path) -> PathBuf {
    let built = folder.join("fault.so");
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/fault.c");
    let mut build = Command::new(compiler);
    build.args(["-shared", "-fPIC", "-O1", "-w", "-o"]).arg(&built).arg(source).arg("-ldl");
    assert!(build.status().unwrap().success());
    built
}

struct Bench {
    _folder: TempDir,
    path: PathBuf,
    layer: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let layer = layer(&path);
        Self { _folder: folder, path, layer }
    }

    fn store(&self) -> PathBuf {
        self.path.join("kept/orch.db")
    }

    fn fresh(&self) {
        for gone in ["kept", "log", "mark"] {
            let gone = self.path.join(gone);
            drop(fs::remove_dir_all(&gone).or_else(|_| fs::remove_file(&gone)));
        }
    }

    /// Runs a process; all that was said so far.
    fn run(&self, what: &str, fault: &str) -> Vec<String> {
        let ended = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "below::process", "--nocapture"])
            .env(ORDER, format!("{what} {}", self.path.display()))
            .env("LD_PRELOAD", &self.layer)
            .env("ORCH_FAULT", fault)
            .env("ORCH_FAULT_MARK", self.path.join("mark"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{fault}: {}", String::from_utf8_lossy(&ended.stderr));
        fs::read_to_string(self.path.join("log")).unwrap().lines().map(str::to_owned).collect()
    }

    /// What the store holds must be what was stored, and at most the one more whose answer was lost. How many there are.
    fn judge(&self, said: &[String], fault: &str) -> u64 {
        let errors: Vec<&String> = said.iter().filter(|line| line.starts_with("error ")).collect();
        for error in &errors {
            // What cannot be read from the disk is damaged to SQLite.
            let said =
                error.starts_with("error IO ") || fault.starts_with("read") && error.starts_with("error CORRUPT ");
            assert!(said && error.contains(" the store `"), "{fault}: {error}");
        }
        let stored = said.iter().filter(|line| line.starts_with("stored ")).count();
        let store = SqliteStore::open(self.store(), SqliteOptions::default())
            .unwrap_or_else(|error| panic!("{fault}: {error}"));
        let records = store.read(RUN(), 1, 0).unwrap();
        let there = records.len();
        assert!((stored..=stored + errors.len()).contains(&there), "{fault}: {stored} were stored, {there} are there");
        for (seq, record) in (0..).zip(records) {
            assert_eq!((record.seq, record.body), (seq, body(seq)), "{fault}");
        }
        assert_eq!(store.check().unwrap().problems, [""; 0], "{fault}");
        there as u64
    }
}

#[test]
fn whatever_call_of_the_system_fails_nothing_that_was_stored_is_lost() {
    let all = env::var("ORCH_FAULTS").is_ok_and(|text| text == "all");
    let bench = Bench::new();
    for (call, with, times, half, stride) in [
        ("write", BROKEN, 1, 0, 5),
        ("write", FULL, i64::from(i32::MAX), 0, 7),
        // The disk takes half, and then no more.
        ("write", FULL, i64::from(i32::MAX), 1, 7),
        ("sync", BROKEN, 1, 0, 2),
        ("truncate", BROKEN, 1, 0, 1),
        ("read", BROKEN, 1, 0, 7),
        ("read", BROKEN, i64::from(i32::MAX), 0, 11),
    ] {
        let (mut failed, mut errors, mut nth) = (0, 0, 0);
        loop {
            let fault = format!("{call} {nth} {with} {times} {half}");
            bench.fresh();
            let said = bench.run("append", &fault);
            if !bench.path.join("mark").exists() {
                // The process made no such call any more.
                break;
            }
            failed += 1;
            errors += u32::from(said.iter().any(|line| line.starts_with("error ")));
            bench.judge(&said, &fault);
            // When the disk is well again, the next process goes on.
            let said = bench.run("append", "none 0 0 0 0");
            assert_eq!(said.last().unwrap(), "through", "{fault}");
            assert_eq!(bench.judge(&said, &fault), APPENDS, "{fault}");
            nth += if all { 1 } else { stride };
        }
        println!(
            "{call}, error {with}, {times} times, half {half}: {failed} calls failed, {errors} were told as an error"
        );
        assert!(failed > 0 && (errors > 0 || call == "truncate"), "{call}: {failed}, {errors}");
    }
}

/// A folder that may be read only: whoever runs the tests as the administrator, who may do anything, gives that up first.
#[test]
fn a_folder_that_may_only_be_read_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let kept = bench.path.join("kept");
    // The other user may read all of it, and starts a copy that it can reach.
    let copy = bench.path.join("process");
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    for path in [&bench.path, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(bench.path.join("log"), "").unwrap();
    fs::set_permissions(bench.path.join("log"), fs::Permissions::from_mode(0o666)).unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let other = if is_root { 65_534 } else { fs::metadata("/proc/self").unwrap().uid() };
    for (what, wanted) in [("nothing there", "could not be made"), ("a store there", "could not be written")] {
        drop(fs::remove_dir_all(&kept));
        fs::create_dir(&kept).unwrap();
        if what == "a store there" {
            filled(&SqliteStore::open(bench.store(), SqliteOptions::default()).unwrap(), 2);
            if is_root {
                std::os::unix::fs::chown(bench.store(), Some(other), Some(other)).unwrap();
            }
        }
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o555)).unwrap();
        let before = contents(&kept);
        let mut command = Command::new(&copy);
        command.args(["--ignored", "--exact", "below::process", "--nocapture"]);
        command.env(ORDER, format!("open {}", bench.path.display())).stdin(Stdio::null());
        if is_root {
            command.uid(other).gid(other);
        }
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{what}: {}", String::from_utf8_lossy(&ended.stderr));
        let log = fs::read_to_string(bench.path.join("log")).unwrap();
        let said = log.lines().last().unwrap();
        assert!(said.starts_with("error IO the store `") && said.contains(wanted), "{what}: {said}");
        assert!(contents(&kept) == before, "{what}: something was written");
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
