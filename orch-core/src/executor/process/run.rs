//! Runs one program from start to end.

use std::{
    ffi::OsString,
    future::pending,
    io,
    path::Path,
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    agents::{Agent, Agents},
    capture::{Capture, Lines},
    group::{self, Group},
    launch::{Launch, speaks_of_a_task},
    options::ProcessOptions,
    outcome::Ended,
    watch::UsageWatch,
};
use crate::{
    event::{Failure, FailureKind, Outcome, Stream},
    executor::{Body, Executor, Redactor, TaskContext},
    id::Printable,
};

/// After SIGKILL, how long the system may take to end a program, and how much longer than the grace period a body may
/// therefore live.
const KILL_TIME: Duration = Duration::from_secs(1);

/// How often the rest of a group is looked at while it may still end by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long a pipe of a group that is over is still waited for.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// More than a pipe holds (Linux: 64 KiB, at most 1 MiB).
const LARGEST_PIPE: usize = 1024 * 1024;

/// Runs the program of a task's agent. See the [module](super) for what programs are given and what becomes of them.
///
/// Bodies need a tokio runtime with I/O and time enabled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProcessExecutor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    agents: Agents,
    options: ProcessOptions,
    redactor: Redactor,
    /// Variables that speak of another task: this process is itself one, of an outer run.
    foreign: Vec<String>,
}

impl ProcessExecutor {
    /// Runs the programs of `agents`.
    ///
    /// Reads the environment of this process once: programs inherit it, so its secrets are what they may print.
    pub fn new(agents: Agents, options: ProcessOptions) -> Self {
        let readable =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let inherited: Vec<(String, String)> = std::env::vars_os().filter_map(readable).collect();
        let set = agents.iter().flat_map(|(_, agent)| &agent.env).chain(&options.env);
        let secrets = inherited.iter().map(|(name, value)| (name, value)).chain(set);
        let redactor = options.redactor.clone().with_variables(secrets);
        let foreign = inherited.into_iter().map(|(name, _)| name).filter(|name| speaks_of_a_task(name)).collect();
        Self(Arc::new(Shared { agents, options, redactor, foreign }))
    }

    /// The agents, for [`Agents::problems`] before a run.
    pub fn agents(&self) -> &Agents {
        &self.0.agents
    }
}

impl Executor for ProcessExecutor {
    fn run(&self, context: TaskContext) -> Body {
        let shared = self.0.clone();
        Box::pin(async move { shared.attempt(&context).await.unwrap_or_else(Outcome::from) })
    }

    /// The grace period of programs, and a second for the system to end what did not listen.
    fn grace(&self) -> Duration {
        self.0.options.grace.saturating_add(2 * KILL_TIME)
    }
}

impl Shared {
    async fn attempt(&self, context: &TaskContext) -> Result<Outcome, Failure> {
        let name = context.agent();
        let agent = self.agents.find(name.as_deref()).map_err(|error| Failure::fatal(error.message()))?;
        let agent = &agent.written_out();
        let watch = UsageWatch::of(agent, context.model()).map_err(|error| Failure::fatal(error.message()))?;
        let mut meter = Metered { watch, over: None };
        let launch = Launch::new(context, agent, &self.options)?;
        let program = &launch.program;
        if context.is_cancelled() {
            return Err(stopped(program, FailureKind::Cancelled, agent));
        }
        let mut child = self.spawn(&launch)?;
        // From here on the group ends when this is dropped, on whatever way out.
        let group = Group::of(&child);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut out, mut err) = (Capture::new(self.options.max_output), Capture::new(self.options.max_output));
        let (over, is_over) = watch::channel(false);
        let (spent, is_spent) = watch::channel(false);
        let end = {
            let talk = async {
                tokio::join!(
                    feed(stdin, launch.stdin.as_deref(), is_over.clone()),
                    self.listen(
                        stdout,
                        Stream::Stdout,
                        context,
                        (&mut out, Some((&mut meter, &spent))),
                        is_over.clone()
                    ),
                    self.listen(stderr, Stream::Stderr, context, (&mut err, None), is_over.clone()),
                );
            };
            self.supervise(child, group, (over, is_spent), talk, context, agent.timeout).await
        };
        let (stdout, stderr) = (out.finish(&self.redactor), err.finish(&self.redactor));
        let used = meter.watch.usage().clone();
        let failure = match end {
            Ok(End::Exited(status)) => {
                return Ok(Ended { program, status, stdout, stderr, used }.outcome(agent, &self.options));
            }
            Ok(End::Spent) => meter.over.unwrap_or_else(|| stopped(program, FailureKind::Fatal, agent)),
            Ok(End::Stopped(kind)) => stopped(program, kind, agent),
            Err(error) => Failure::error(format!("waiting for `{}` failed: {error}", Printable(program))),
        };
        let outcome = Outcome::from(failure);
        Ok(if used.is_empty() { outcome } else { outcome.used(used) })
    }

    fn spawn(&self, launch: &Launch) -> Result<Child, Failure> {
        let mut command = Command::new(&launch.program);
        if let Some(names) = &self.options.inherit {
            command.env_clear();
            command.envs(names.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        }
        for name in &self.foreign {
            command.env_remove(name);
        }
        command.args(&launch.arguments).envs(&launch.env).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if launch.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        if let Some(cwd) = &launch.cwd {
            command.current_dir(cwd);
        }
        group::isolate(&mut command);
        command.spawn().map_err(|error| not_started(launch, &error))
    }

    /// Waits for the program's end or ends it. When this is done, nothing of the group lives.
    async fn supervise(
        &self,
        mut child: Child,
        mut group: Group,
        (over, mut is_spent): (watch::Sender<bool>, watch::Receiver<bool>),
        talk: impl Future<Output = ()>,
        context: &TaskContext,
        limit: Option<Duration>,
    ) -> io::Result<End> {
        let mut talk = pin!(talk);
        let mut is_talking = true;
        let end = {
            let mut late = pin!(async {
                match limit {
                    Some(limit) => sleep(limit).await,
                    None => pending().await,
                }
            });
            loop {
                tokio::select! {
                    // What has ended by itself in time is not late.
                    biased;
                    status = child.wait() => break End::Exited(status?),
                    () = context.cancelled() => break End::Stopped(FailureKind::Cancelled),
                    () = &mut late => break End::Stopped(FailureKind::Timeout),
                    Ok(_) = is_spent.wait_for(|spent| *spent) => break End::Spent,
                    () = &mut talk, if is_talking => is_talking = false,
                }
            }
        };
        match end {
            End::Exited(_) if is_talking => is_talking = timeout(self.options.drain, &mut talk).await.is_err(),
            End::Exited(_) => {}
            End::Stopped(_) | End::Spent => {
                group.ask_to_end();
                let mut gone = pin!(timeout(self.options.grace, async {
                    drop(child.wait().await);
                    // A shell ends at once and leaves behind the program that is still putting its things in order.
                    while group.is_alive() {
                        sleep(LOOK_AGAIN).await;
                    }
                }));
                loop {
                    tokio::select! {
                        biased;
                        _ = &mut gone => break,
                        () = &mut talk, if is_talking => is_talking = false,
                    }
                }
            }
        }
        group.end();
        over.send_replace(true);
        let rest = async {
            if is_talking {
                talk.await;
            }
        };
        match end {
            // The pipes hold only what was written before. Who is slow to listen may take the time.
            End::Exited(_) => tokio::select! {
                () = rest => {}
                () = context.cancelled() => {}
            },
            End::Stopped(_) | End::Spent => {
                // Where there are no groups, this ends the program itself.
                drop(child.start_kill());
                drop(timeout(KILL_TIME, async { tokio::join!(child.wait(), rest) }).await);
            }
        }
        Ok(end)
    }

    /// Says and keeps what comes out of that pipe, up to its end.
    ///
    /// A process that left the group may hold the pipe open for ever. So once the group is over and a moment has passed, an
    /// empty pipe is taken as closed, and so is one that gave more than pipes can have held.
    async fn listen(
        &self,
        pipe: Option<impl AsyncRead + Unpin>,
        stream: Stream,
        context: &TaskContext,
        (kept, mut meter): (&mut Capture, Option<(&mut Metered, &watch::Sender<bool>)>),
        is_over: watch::Receiver<bool>,
    ) {
        let Some(mut pipe) = pipe else { return };
        let mut lines = Lines::default();
        let mut left = self.options.max_lines;
        let mut held = LARGEST_PIPE;
        let mut buffer = vec![0; 16 * 1024];
        let mut given_up = pin!(async {
            drop(is_over.clone().wait_for(|over| *over).await);
            sleep(LAST_WORDS).await;
        });
        while held > 0 {
            let size = tokio::select! {
                // What is there is read, whatever the time.
                biased;
                size = pipe.read(&mut buffer) => size.unwrap_or(0),
                () = &mut given_up => 0,
            };
            let Some(bytes @ [_, ..]) = buffer.get(..size) else { break };
            if *is_over.borrow() {
                held = held.saturating_sub(size);
            }
            kept.push(bytes);
            if let Some((meter, spent)) = &mut meter
                && meter.watch.push(bytes)
            {
                meter.tell(context, spent).await;
            }
            let mut fresh = Vec::new();
            lines.push(bytes, &self.redactor, |line| fresh.push(line));
            self.say(fresh, &mut left, stream, context).await;
        }
        if let Some((meter, spent)) = &mut meter
            && meter.watch.finish()
        {
            meter.tell(context, spent).await;
        }
        self.say(lines.finish(&self.redactor), &mut left, stream, context).await;
    }

    /// Says lines while some are left; any output shows that the program is alive.
    async fn say(
        &self,
        lines: impl IntoIterator<Item = String>,
        left: &mut u32,
        stream: Stream,
        context: &TaskContext,
    ) {
        for line in lines {
            match *left {
                0 => break,
                1 => {
                    context
                        .say(stream, format!("… more than {} lines; the rest is not shown", self.options.max_lines - 1))
                        .await
                }
                _ => context.say(stream, line).await,
            }
            *left -= 1;
        }
        context.heartbeat();
    }
}

/// Gives a program its input. That it does not want all of it is its own affair.
async fn feed(pipe: Option<ChildStdin>, bytes: Option<&[u8]>, mut is_over: watch::Receiver<bool>) {
    if let (Some(mut pipe), Some(bytes)) = (pipe, bytes) {
        tokio::select! {
            written = pipe.write_all(bytes) => drop(written),
            over = is_over.wait_for(|over| *over) => drop(over),
        }
    }
}

/// Why a program is over.
enum End {
    Exited(ExitStatus),
    Stopped(FailureKind),
    /// It may spend no more.
    Spent,
}

/// What a program has used, and whether it may use more.
struct Metered {
    watch: UsageWatch,
    over: Option<Failure>,
}

impl Metered {
    /// Tells the budget what is used so far.
    async fn tell(&mut self, context: &TaskContext, spent: &watch::Sender<bool>) {
        if self.over.is_some() {
            return;
        }
        let (context, usage) = (context.clone(), self.watch.usage().clone());
        // The ledger may be on a disk.
        let said = tokio::task::spawn_blocking(move || context.used(&usage)).await;
        if let Ok(Err(failure)) = said {
            self.over = Some(failure);
            spent.send_replace(true);
        }
    }
}

fn stopped(program: &str, kind: FailureKind, agent: &Agent) -> Failure {
    let program = Printable(program);
    let message = match (kind, agent.timeout) {
        (FailureKind::Timeout, Some(limit)) => format!("`{program}` took longer than its agent's timeout of {limit:?}"),
        _ => format!("`{program}` was told to stop"),
    };
    Failure { kind, message }
}

/// Names what was missing, and what to do about it.
fn not_started(launch: &Launch, error: &io::Error) -> Failure {
    let program = Printable(&launch.program);
    if let Some(cwd) = launch.cwd.as_deref().filter(|cwd| !cwd.is_dir()) {
        let cwd = cwd.to_string_lossy();
        let message = format!("`{program}` cannot run in `{}`, which is no folder", Printable(&cwd));
        return Failure::fatal(message);
    }
    match error.kind() {
        io::ErrorKind::NotFound if !launch.program.contains('/') => Failure::fatal(format!(
            "the program `{program}` was not found in any folder of PATH; install it, or give its full path in the agent's argv"
        )),
        io::ErrorKind::NotFound if Path::new(&launch.program).is_file() => Failure::fatal(format!(
            "`{program}` exists, but the interpreter that its first line names does not; install it, or name it in the \
             agent's argv"
        )),
        io::ErrorKind::NotFound => {
            Failure::fatal(format!("there is no program `{program}`; correct the path in the agent's argv"))
        }
        io::ErrorKind::PermissionDenied => Failure::fatal(format!(
            "`{program}` may not be executed; make it executable (`chmod +x`), or name its interpreter in the agent's argv"
        )),
        io::ErrorKind::ArgumentListTooLong => Failure::fatal(format!(
            "the arguments of `{program}` are too long for the system; let it read its values from standard input"
        )),
        // Out of processes, memory or file descriptors: that passes.
        _ => Failure::error(format!("`{program}` could not be started: {error}")),
    }
}
