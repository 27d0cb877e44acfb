//! Programs of the user, run in a worktree.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ran {
    /// Its exit code; `None`: by a signal.
    pub(super) code: Option<i32>,
    /// The end of what it said, at most 4 KiB.
    pub(super) said: String,
}

/// Runs a program in `directory`, without a shell and without input, at most that long. It is in a process group of its own, which ends with it.
pub(super) fn run(
    argv: &[String],
    directory: &Path,
    scratch: &Path,
    env: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Ran> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::new(ErrorKind::InvalidValue, "a command names no program"));
    };
    let failed = |why: &str| Error::new(ErrorKind::Io, format!("`{}` {why}", Printable(program)));
    let io = |error: std::io::Error| failed("could not be run").caused_by(error);
    let mut out = nameless(scratch).map_err(io)?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).envs(env).stdin(Stdio::null());
    command.stdout(out.try_clone().map_err(io)?).stderr(out.try_clone().map_err(io)?);
    for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(io)?;
    let id = child.id();
    let (sender, ended) = mpsc::channel();
    thread::Builder::new().spawn(move || drop(sender.send(child.wait()))).map_err(io)?;
    let status = ended.recv_timeout(timeout);
    end_group(id);
    let Ok(status) = status else {
        return Err(failed(&format!("took longer than {timeout:?} and was ended")));
    };
    let code = status.map_err(io)?.code();
    let length = out.metadata().map_or(0, |about| about.len());
    let mut said = Vec::new();
    let read =
        out.seek(SeekFrom::Start(length.saturating_sub(4096))).and_then(|_| out.take(4096).read_to_end(&mut said));
    read.map_err(io)?;
    Ok(Ran { code, said: String::from_utf8_lossy(&said).into_owned() })
}

/// A file in that folder that has no name any more.
fn nameless(folder: &Path) -> std::io::Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("orch-{}-{nth}.out", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    drop(std::fs::remove_file(&path));
    Ok(file)
}

#[cfg(unix)]
fn end_group(id: u32) {
    // The leader was reaped a moment ago, or is still there: its number is not given out again while anything of its group lives.
    if let Some(group) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
        _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn end_group(_: u32) {}
