//! One call of git.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// What git may find in the environment of what begins with `GIT_`: who commits, and where the user's own settings are. All else of it
/// speaks of another repository, or of a session with a person.
const KEPT: &[&str] = &[
    "GIT_AUTHOR_DATE",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_DATE",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
];

/// How long a lock file of somebody else is waited for, in milliseconds: about 3 seconds in all.
const LOCK_WAITS: [u64; 10] = [10, 30, 100, 250, 500, 500, 500, 500, 500, 500];

/// How git is called. Public fields and `Default`.
#[derive(Debug, Clone)]
pub struct GitOptions {
    /// The program. Default: `git`, looked up in `PATH`.
    pub program: PathBuf,
    /// The longest that one call may take. Default: 2 minutes.
    pub timeout: Duration,
    /// The most that one call may answer, in bytes. Default: 64 MiB.
    pub max_output: usize,
    /// Whether hooks of the repository are run. Default: no, they are programs that somebody else may have put there.
    pub hooks: bool,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self { program: "git".into(), timeout: Duration::from_secs(120), max_output: 64 * 1024 * 1024, hooks: false }
    }
}

/// Git in a folder. Every call blocks until git has answered.
#[derive(Debug, Clone)]
pub struct Git {
    directory: PathBuf,
    pub(super) options: GitOptions,
}

impl Git {
    /// Git in that folder.
    pub fn new(directory: impl Into<PathBuf>, options: GitOptions) -> Self {
        Self { directory: directory.into(), options }
    }

    /// The same git in another folder.
    #[must_use]
    pub fn at(&self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), options: self.options.clone() }
    }

    /// The same, with the hooks of the repository or without them.
    #[must_use]
    pub fn with_hooks(mut self, hooks: bool) -> Self {
        self.options.hooks = hooks;
        self
    }

    /// Where it stands.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A call with these arguments. Those that a person named must be hashes, checked names, or stand behind `--end-of-options`.
    pub fn call<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Call<'_> {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Call { git: self, arguments, env: Vec::new(), stdin: None, writes: false, patient: false }
    }
}

/// One command. Nothing happens before [`run`](Call::run), or what stands on it.
#[derive(Debug, Clone)]
#[must_use]
pub struct Call<'a> {
    pub(super) git: &'a Git,
    arguments: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    stdin: Option<Vec<u8>>,
    writes: bool,
    patient: bool,
}

impl Call<'_> {
    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets a variable for this call.
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// What it reads on standard input. Default: nothing.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Says that it changes something, so that it may take locks. Others leave even the index as it is.
    pub fn writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Says that it changes something and does nothing at all where somebody holds a lock file: then it is tried again, for about
    /// 3 seconds.
    pub fn patient(self) -> Self {
        self.writes().again()
    }

    /// Says that it may meet a worktree of which another process has written only half, which git cannot read then: it is tried again, for about 3
    /// seconds.
    pub fn again(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Its name, for messages.
    pub(super) fn name(&self) -> String {
        let named = self.arguments.iter().take_while(|argument| !argument.as_encoded_bytes().starts_with(b"-")).take(2);
        let words: Vec<_> = named.map(|argument| argument.to_string_lossy().into_owned()).collect();
        format!("git {}", Printable(&words.join(" ")))
    }

    /// Runs it, whatever its exit code.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no git or no such folder; [`TooLarge`](ErrorKind::TooLarge) if it answers more than
    /// [`GitOptions::max_output`]; [`Io`](ErrorKind::Io) if it takes longer than [`GitOptions::timeout`] or ends by a signal.
    pub fn answer(&self) -> Result<Answer> {
        let mut waits = LOCK_WAITS.iter().filter(|_| self.patient);
        loop {
            let answer = self.once()?;
            match waits.next() {
                Some(wait) if answer.met_somebody() => thread::sleep(Duration::from_millis(*wait)),
                _ => return Ok(answer),
            }
        }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// Those of [`answer`](Call::answer), and [`Io`](ErrorKind::Io) with what git said, if its exit code is not 0.
    pub fn run(&self) -> Result<Answer> {
        let answer = self.answer()?;
        if answer.code == 0 { Ok(answer) } else { Err(self.refused(&answer)) }
    }

    /// Runs it, and answers its first line.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Call::run).
    pub fn line(&self) -> Result<String> {
        Ok(self.run()?.text().lines().next().unwrap_or_default().to_owned())
    }

    /// The error of an answer whose exit code is none of those that were expected.
    pub fn refused(&self, answer: &Answer) -> Error {
        let said = answer.stderr.lines().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
        let said = said.or_else(|| answer.stderr.lines().next()).unwrap_or_default();
        Error::new(ErrorKind::Io, format!("`{}` failed: {}", self.name(), Printable(said)))
            .with("exit code", answer.code.to_string())
    }

    fn once(&self) -> Result<Answer> {
        self.talk(|stdout| self.hear(&listen(stdout, self.git.options.max_output)?))
    }

    /// Starts it, lets `hear` read what it says, and reads its exit code; where anything of that goes wrong, ends it with all that it started.
    pub(super) fn talk(&self, hear: impl FnOnce(Option<ChildStdout>) -> Result<Vec<u8>>) -> Result<Answer> {
        let mut child = self.command().spawn().map_err(|error| self.not_started(&error))?;
        let (stdout, stderr) = (child.stdout.take(), listen(child.stderr.take(), 64 * 1024));
        let fed = self.feed(&mut child);
        let heard = fed.and(stderr).and_then(|stderr| Ok((hear(stdout)?, self.hear(&stderr)?)));
        let (stdout, stderr) = heard.map_err(|error| {
            end_group(&child);
            // Reaped, or it would stay as a zombie.
            drop(child.kill().and_then(|()| child.wait()));
            error.with("command", self.name())
        })?;
        let status = child.wait().map_err(|error| self.io("waiting for it failed").caused_by(error))?;
        let code = status.code().ok_or_else(|| self.io("it was ended by a signal"))?;
        Ok(Answer { code, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }

    fn command(&self) -> Command {
        let options = &self.git.options;
        let mut command = Command::new(&options.program);
        for (name, _) in std::env::vars_os() {
            let foreign = name.as_encoded_bytes().starts_with(b"GIT_") && !KEPT.iter().any(|kept| name == *kept);
            if foreign {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").env("LANGUAGE", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", "false");
        if !self.writes {
            command.env("GIT_OPTIONAL_LOCKS", "0");
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.arg("--no-pager").args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "gc.auto=0",
            "-c",
            "maintenance.auto=false",
        ]);
        if !options.hooks {
            command.args(["-c", "core.hooksPath=/dev/null"]);
        }
        command.args(&self.arguments).current_dir(&self.git.directory);
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what git starts (filters, hooks) ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    fn feed(&self, child: &mut Child) -> Result<()> {
        let (Some(mut stdin), Some(bytes)) = (child.stdin.take(), self.stdin.clone()) else { return Ok(()) };
        // In a thread of its own: it may answer before it has read all. A broken pipe says that it did not want to.
        let feed = move || drop(stdin.write_all(&bytes));
        thread::Builder::new()
            .spawn(feed)
            .map(drop)
            .map_err(|error| self.io("there is no thread for it").caused_by(error))
    }

    fn hear(&self, pipe: &Receiver<io::Result<Option<Vec<u8>>>>) -> Result<Vec<u8>> {
        let timeout = self.git.options.timeout;
        match pipe.recv_timeout(timeout) {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => {
                let limit = self.git.options.max_output;
                Err(Error::new(ErrorKind::TooLarge, format!("git answers more than {limit} bytes")))
            }
            Ok(Err(error)) => Err(self.io("reading its answer failed").caused_by(error)),
            Err(_) => Err(self.io(&format!("it took longer than {timeout:?} and was ended"))),
        }
    }

    pub(super) fn io(&self, why: &str) -> Error {
        Error::new(ErrorKind::Io, format!("`{}` did not answer: {why}", self.name()))
    }

    fn not_started(&self, error: &io::Error) -> Error {
        let directory = self.git.directory.display().to_string();
        let directory = Printable(&directory);
        let message = if self.git.directory.is_dir() {
            let program = self.git.options.program.display();
            format!("`{program}` could not be started: {error}; install git, or put its folder into the PATH")
        } else {
            format!("there is no folder `{directory}`")
        };
        let missing = error.kind() == io::ErrorKind::NotFound;
        Error::new(if missing { ErrorKind::NotFound } else { ErrorKind::Io }, message)
    }
}

/// What git answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, for messages only.
    pub stderr: String,
}

impl Answer {
    /// Standard output as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The records of an answer that was asked for with `-z`.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.stdout.split(|&byte| byte == 0).filter(|record| !record.is_empty())
    }

    /// Whether it failed because somebody else holds a lock file, or is just making a worktree. Git has no exit code for it; its words are in
    /// English here.
    fn met_somebody(&self) -> bool {
        let said = |words: &str| self.stderr.contains(words);
        let is_locked = said(".lock': File exists") || said("could not lock config file");
        let is_half = said("failed to read ") && said("/worktrees/");
        self.code != 0 && (is_locked || is_half)
    }
}

fn listen(pipe: Option<impl Read + Send + 'static>, limit: usize) -> Result<Receiver<io::Result<Option<Vec<u8>>>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let read = move || {
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = pipe.map_or(Ok(0), |pipe| pipe.take(most).read_to_end(&mut bytes));
        let whole = read.map(|_| (bytes.len() <= limit).then_some(bytes));
        // Nobody listens any more where the call took too long.
        drop(sender.send(whole));
    };
    let started = thread::Builder::new().spawn(read);
    started.map_err(|error| Error::new(ErrorKind::Io, "there is no thread to read from git").caused_by(error))?;
    Ok(receiver)
}

/// Ends all that a call started, on Unix.
#[cfg_attr(not(unix), expect(unused_variables, reason = "there are no groups of processes"))]
fn end_group(child: &Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // INVARIANT: the child is not reaped yet, so its number is still that of its group.
        _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::*;

    /// A program in place of git.
    fn fake(folder: &Path, script: &str) -> Git {
        let program = folder.join("fake");
        // By another process: were it written here, a program that another test starts meanwhile would hold it open, and nobody can
        // run a file that is open for writing.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"";
        let status = Command::new("sh").args(["-c", write, "sh", script]).arg(&program).status().unwrap();
        assert!(status.success());
        let options = GitOptions { program, timeout: Duration::from_secs(60), max_output: 1000, hooks: false };
        Git::new(folder, options)
    }

    #[test]
    fn arguments_and_environment_are_as_documented() {
        let folder = tempfile::tempdir().unwrap();
        let git = fake(folder.path(), r#"printf '%s\n' "$@"; env | grep -E '^(GIT|LC_ALL)' | sort"#);
        let text = git.call(["status", "a b"]).env("GIT_INDEX_FILE", "here").run().unwrap().text();
        let shown: Vec<&str> =
            text.lines().filter(|line| !KEPT.iter().any(|kept| line.starts_with(&format!("{kept}=")))).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        --no-pager
        -c
        core.fsmonitor=false
        -c
        gc.auto=0
        -c
        maintenance.auto=false
        -c
        core.hooksPath=/dev/null
        status
        a b
        GIT_EDITOR=false
        GIT_INDEX_FILE=here
        GIT_OPTIONAL_LOCKS=0
        GIT_TERMINAL_PROMPT=0
        LC_ALL=C
        ");
        assert!(!git.call(["x"]).writes().run().unwrap().text().contains("OPTIONAL"));
        assert!(!git.with_hooks(true).call(["x"]).run().unwrap().text().contains("hooksPath"));
    }

    #[test]
    fn what_is_refused_says_what_git_said() {
        let folder = tempfile::tempdir().unwrap();
        let git = fake(folder.path(), "echo 'hint: no' >&2; echo 'fatal: bad \u{1b}[2J name' >&2; exit 128");
        let error = git.call(["worktree", "add", "--x"]).run().unwrap_err();
        insta::assert_snapshot!(error, @r"`git worktree add` failed: fatal: bad \u{1b}[2J name (exit code: 128)");
        assert_eq!(git.call(["x"]).answer().unwrap().code, 128);
    }

    #[test]
    fn what_says_too_much_or_takes_too_long_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let git = fake(folder.path(), "yes");
        assert_eq!(git.call(["log"]).run().unwrap_err().kind(), ErrorKind::TooLarge);
        // The second process holds the pipe open after the first has gone.
        let mut git = fake(folder.path(), "sleep 1000 & echo $! > pid; sleep 1000");
        git.options.timeout = Duration::from_millis(300);
        let error = git.call(["log"]).run().unwrap_err();
        assert!(error.to_string().contains("took longer than 300ms"), "{error}");
        assert!(error.is_retryable());
        // It went with the first: gone, or dead and not yet reaped by who adopted it.
        #[cfg(target_os = "linux")]
        {
            let second = fs::read_to_string(folder.path().join("pid")).unwrap();
            let stat = format!("/proc/{}/stat", second.trim());
            let is_dead = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
            let tries =
                (0..6_000).take_while(|_| !is_dead()).inspect(|_| thread::sleep(Duration::from_millis(10))).count();
            assert!(tries < 6_000, "it still runs");
        }
    }

    #[test]
    fn a_lock_of_somebody_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let script = "if test -e tried; then echo done; else touch tried; \
                      echo \"error: could not lock config file .git/config: File exists\" >&2; exit 255; fi";
        let git = fake(folder.path(), script);
        assert_eq!(git.call(["x"]).patient().line().unwrap(), "done");
        fs::remove_file(folder.path().join("tried")).unwrap();
        assert_eq!(git.call(["x"]).writes().answer().unwrap().code, 255, "only where it is said to do nothing then");
        let half = "echo 'fatal: failed to read .git/worktrees/x/commondir: Success' >&2; exit 128";
        let git = fake(folder.path(), &format!("if test -e half; then echo done; else touch half; {half}; fi"));
        assert_eq!(git.call(["x"]).again().line().unwrap(), "done");
    }

    #[test]
    fn no_git_and_no_folder_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::new(folder.path(), GitOptions { program: "no-such-git".into(), ..GitOptions::default() });
        let message = git.call(["x"]).run().unwrap_err().to_string();
        assert!(message.starts_with("`no-such-git` could not be started"), "{message}");
        let message = git.at(folder.path().join("none")).call(["x"]).run().unwrap_err().to_string();
        assert!(message.starts_with("there is no folder `"), "{message}");
    }

    #[test]
    fn standard_input_may_be_left_unread() {
        let folder = tempfile::tempdir().unwrap();
        let git = fake(folder.path(), "echo early");
        assert_eq!(git.call(["x"]).stdin(vec![b'a'; 1_000_000]).line().unwrap(), "early");
        let git = fake(folder.path(), "wc -c");
        assert_eq!(git.call(["x"]).stdin(vec![b'a'; 100_000]).line().unwrap().trim(), "100000");
    }
}
