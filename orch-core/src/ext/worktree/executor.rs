//! Runs each task in a worktree of its own.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep};

use super::{
    create::Base,
    lease::{Holder, Lease},
    merge::{Candidate, Gate, How},
    name::{branch_name, folder_name},
    named::Named,
    pool::{Left, Pool, Wanted},
    setup::env,
};
use crate::{
    definition::Graph,
    error::{Error, ErrorKind, Result},
    event::{Failure, FailureKind, Outcome},
    executor::{Body, Executor, Place, TaskContext},
    git::{BranchName, Oid},
    id::{Printable, RunId, TaskId, TaskIx},
};

/// The agent of a task that brings the results of the tasks before it into a branch.
pub const GATE_AGENT: &str = "orch:merge";

/// How often worktrees that other processes have are asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How tasks use worktrees. Public fields and `Default`.
#[derive(Debug, Clone)]
pub struct InWorktreesOptions {
    /// The branch of a task, by a [template](branch_name) of `{run}`, `{task}` and `{agent}`. Default: `orch/{run}/{task}`.
    pub branch: String,
    /// Where a run begins: what its first tasks stand on. Looked up once a run.
    pub base: String,
    /// The folder inside the worktree that tasks work in. Default: its top.
    pub subfolder: PathBuf,
    /// Whether what a task leaves and did not commit is committed when it worked. Else it is kept under `refs/orch/left`. Default: yes.
    pub commit: bool,
    /// Whether commands that a definition names, to check merges, may be run. Default: no.
    pub approved: bool,
}

impl Default for InWorktreesOptions {
    fn default() -> Self {
        Self {
            branch: "orch/{run}/{task}".to_owned(),
            base: "HEAD".to_owned(),
            subfolder: PathBuf::new(),
            commit: true,
            approved: false,
        }
    }
}

impl InWorktreesOptions {
    /// The branch of a task of that run.
    ///
    /// # Errors
    ///
    /// Where the [template](InWorktreesOptions::branch) makes no name of a branch.
    pub fn branch_of(&self, run: RunId, task: &str, agent: &str) -> Result<BranchName> {
        let run = run.to_string();
        // The end of a run's name tells runs apart; the beginning is the time.
        let short = run.get(run.len().saturating_sub(12)..).unwrap_or(&run);
        branch_name(&self.branch, &[("run", short), ("task", task), ("agent", agent)])
    }
}

/// An executor that runs each task of another one in a worktree.
///
/// A task begins at the result of the tasks that it waits for: at their commit, or at a merge of their commits. Where these conflict it fails, and
/// says where. When it has worked, what it did is a commit on its branch, and is what its dependants begin at. A task that does not
/// get its worktree fails; it never runs in the main one.
///
/// A task with a parameter `worktree` runs in the worktree of that name, which is made if need be, on its branch as it stands; two such tasks wait for
/// each other. A task whose agent is [`GATE_AGENT`] runs no program: it is a [gate](super::Worktrees::gate) for the results of those before it, with the
/// parameters `into`, `how` (`ff`, `squash`, `merge`), `check` (a program and its arguments) and `all` (fail unless all come in).
#[derive(Debug)]
pub struct InWorktrees<E> {
    inner: E,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pool: Pool,
    options: InWorktreesOptions,
    /// As many as the pool has worktrees: so that those of this process wait in turn and do not ask again and again.
    free: Arc<Semaphore>,
}

impl<E: Executor> InWorktrees<E> {
    /// Runs what `inner` runs in the worktrees of that pool.
    pub fn new(inner: E, pool: Pool, options: InWorktreesOptions) -> Self {
        let free = Arc::new(Semaphore::new(pool.max() as usize));
        Self { inner, shared: Arc::new(Shared { pool, options, free }) }
    }
}

impl<E: Executor + Clone> Executor for InWorktrees<E> {
    fn run(&self, context: TaskContext) -> Body {
        let (inner, shared) = (self.inner.clone(), self.shared.clone());
        Box::pin(async move { attempt(inner, shared, context).await.unwrap_or_else(Outcome::from) })
    }

    /// That of the executor inside, and a while to keep what the task did.
    fn grace(&self) -> Duration {
        self.inner.grace().saturating_add(Duration::from_secs(30))
    }
}

async fn attempt<E: Executor>(inner: E, shared: Arc<Shared>, context: TaskContext) -> Result<Outcome, Failure> {
    if context.agent().as_deref() == Some(GATE_AGENT) {
        return blocking(move || shared.gate(&context)).await;
    }
    let named = shared.named(&context)?;
    // Waits in turn; a worktree by name is none of the pool.
    let _permit = match &named {
        Some(_) => None,
        None => tokio::select! {
            biased;
            () = context.cancelled() => return Err(cancelled()),
            permit = shared.free.clone().acquire_owned() => Some(permit.map_err(|_| Failure::error("the pool is closed"))?),
        },
    };
    let lease = loop {
        let (shared, context, named) = (shared.clone(), context.clone(), named.clone());
        let asked = context.clone();
        match blocking(move || shared.lend(&asked, named.as_deref())).await? {
            Some(lease) => break lease,
            None if context.is_cancelled() => return Err(cancelled()),
            None => sleep(ASK_AGAIN).await,
        }
    };
    let place = shared.place(&lease)?;
    let outcome = inner.run(context.clone().at(place)).await;
    blocking(move || shared.end(&context, lease, named.is_some(), outcome)).await
}

/// Calls of git block; they have threads of their own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|_| Failure::error("the work on a worktree was broken off"))?
}

fn cancelled() -> Failure {
    Failure { kind: FailureKind::Cancelled, message: "stopped while it waited for a worktree".to_owned() }
}

/// A worktree that one does not get is a failure of the task, which another try may mend where waiting may.
fn failure(error: &Error) -> Failure {
    let message = format!("no worktree for the task: {error}");
    if error.is_retryable() { Failure::error(message) } else { Failure::fatal(message) }
}

/// The reference to what a task of a run made.
fn result_name(run: &str, task: &str) -> Result<String> {
    Ok(format!("refs/orch/runs/{run}/{}", folder_name(task)?))
}

impl Shared {
    fn named(&self, context: &TaskContext) -> Result<Option<String>, Failure> {
        match context.graph().task(context.ix()).options().params.get("worktree") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) if !name.is_empty() => Ok(Some(name.clone())),
            Some(_) => Err(Failure::fatal("the parameter `worktree` must be the name of one")),
        }
    }

    fn holder(context: &TaskContext) -> Holder {
        let task = Some(context.id().as_str().to_owned());
        Holder { run: Some(context.run().to_string()), task, agent: context.agent(), ..Holder::default() }
    }

    fn lend(&self, context: &TaskContext, named: Option<&str>) -> Result<Option<Lease>, Failure> {
        let base = self.base(context)?;
        let lend = || match named {
            Some(name) => self.lend_named(context, name, &base),
            None => {
                let branch = self.branch(context)?;
                self.pool.lend(&Wanted { base: base.clone(), branch, holder: Self::holder(context) })
            }
        };
        lend().map_err(|error| failure(&error))
    }

    fn lend_named(&self, context: &TaskContext, name: &str, base: &Oid) -> Result<Option<Lease>> {
        let worktrees = self.pool.worktrees();
        // A path or a branch may name one that is there, too.
        let name = match worktrees.find(name) {
            Ok(known) => known.name(),
            Err(error) if error.kind() == ErrorKind::NotFound => name.to_owned(),
            Err(error) => return Err(error),
        };
        let (base, holder) = (Base::Commit(base.clone()), Self::holder(context));
        let taken = worktrees.take(&Named { name, base, holder, ..Named::default() })?;
        Ok(taken.map(|taken| taken.lease))
    }

    fn branch(&self, context: &TaskContext) -> Result<BranchName> {
        let (task, agent) = (context.id(), context.agent().unwrap_or_default());
        let undo = if context.undo().is_some() { format!("undo {}", task.as_str()) } else { task.as_str().to_owned() };
        self.options.branch_of(context.run(), &undo, &agent)
    }

    /// The commit that the task begins at.
    fn base(&self, context: &TaskContext) -> Result<Oid, Failure> {
        let run = context.run().to_string();
        let graph = context.graph();
        let start = self.start(&run).map_err(|error| failure(&error))?;
        let mut results = Vec::new();
        if context.undo().is_some() {
            // What there is to undo is what the task itself made.
            results.extend(self.result(&run, &graph, context.ix()).map_err(|error| failure(&error))?);
        } else {
            self.before(&run, &graph, context.ix(), &mut BTreeSet::new(), &mut results)
                .map_err(|error| failure(&error))?;
        }
        self.join(&start, results, &context.id()).map_err(|error| match error {
            Joined::Failed(error) => failure(&error),
            Joined::Conflict(message) => Failure::fatal(message),
        })
    }

    /// Where the run begins, which is the same for all its tasks and when it goes on.
    fn start(&self, run: &str) -> Result<Oid> {
        let git = self.pool.worktrees().git();
        // No task's name becomes this one.
        let name = format!("refs/orch/runs/{run}/@base");
        if let Some(there) = git.reference(&name)? {
            return Ok(there);
        }
        let base = git.commit(&self.options.base)?;
        match git.set_reference(&name, &base, None) {
            Err(error) if error.kind() == ErrorKind::Conflict => git.reference(&name)?.ok_or(error),
            set => set.map(|()| base),
        }
    }

    fn result(&self, run: &str, graph: &Graph, task: TaskIx) -> Result<Option<(String, Oid)>> {
        let id = graph.id(task).as_str();
        let found = self.pool.worktrees().git().reference(&result_name(run, id)?)?;
        Ok(found.map(|commit| (id.to_owned(), commit)))
    }

    /// The results of the tasks that one waits for; where one of them has none, because it was skipped, of those before it.
    fn before(
        &self,
        run: &str,
        graph: &Graph,
        task: TaskIx,
        seen: &mut BTreeSet<TaskIx>,
        out: &mut Vec<(String, Oid)>,
    ) -> Result<()> {
        let mut next: Vec<TaskIx> = graph.parents(task).collect();
        while let Some(parent) = next.pop() {
            if !seen.insert(parent) {
                continue;
            }
            match self.result(run, graph, parent)? {
                Some(result) => out.push(result),
                None => next.extend(graph.parents(parent)),
            }
        }
        out.sort();
        Ok(())
    }

    /// One commit with all of these.
    fn join(&self, start: &Oid, results: Vec<(String, Oid)>, task: &TaskId) -> Result<Oid, Joined> {
        let git = self.pool.worktrees().git();
        let mut all: Option<(String, Oid)> = None;
        for (name, commit) in results {
            let Some((names, so_far)) = all.take() else {
                all = Some((name, commit));
                continue;
            };
            let joined = if git.is_ancestor(&commit, &so_far)? {
                so_far
            } else if git.is_ancestor(&so_far, &commit)? {
                commit
            } else {
                let merged = git.merge(&so_far, &commit)?;
                if !merged.conflicts.is_empty() {
                    let paths = merged.conflicts.join(", ");
                    let message = format!(
                        "the results that it builds on conflict: `{}` with what came before it ({}), in {}",
                        Printable(&name),
                        Printable(&names),
                        Printable(&paths)
                    );
                    return Err(Joined::Conflict(message));
                }
                git.commit_tree(&merged.tree, &[&so_far, &commit], &format!("Join {names}, {name} for {task}\n"))?
            };
            all = Some((format!("{names}, {name}"), joined));
        }
        Ok(all.map_or_else(|| start.clone(), |(_, commit)| commit))
    }

    fn place(&self, lease: &Lease) -> Result<Place, Failure> {
        let directory = lease.path.join(&self.options.subfolder);
        if !directory.is_dir() {
            let message = format!("there is no folder `{}` where the task begins", self.options.subfolder.display());
            return Err(Failure::fatal(message));
        }
        let record = lease.record();
        let (path, port) = (lease.path.display().to_string(), record.ports.map(|(first, _)| first.to_string()));
        let mut values = vec![("name", record.name.as_str()), ("path", &path)];
        values.extend(port.as_deref().map(|port| ("port", port)));
        let mut env = env(&values);
        env.insert("ORCH_WORKTREE".to_owned(), path.clone());
        Ok(Place { directory, env })
    }

    /// Keeps what the task did, and gives the worktree back.
    fn end(&self, context: &TaskContext, lease: Lease, named: bool, outcome: Outcome) -> Result<Outcome, Failure> {
        match self.kept(context, &lease, &outcome) {
            Ok(left) => {
                if !named {
                    // Where it cannot be cleaned, who has it next does that. The task's work is kept.
                    drop(self.pool.give_back(lease, &left));
                }
                Ok(outcome)
            }
            Err(error) => {
                // It stays as it is, and who has it next keeps what is there.
                let message = format!("what the task did could not be kept: {error}");
                Ok(Outcome { usage: outcome.usage, ..Outcome::from(Failure::error(message)) })
            }
        }
    }

    fn kept(&self, context: &TaskContext, lease: &Lease, outcome: &Outcome) -> Result<Left> {
        let git = self.pool.worktrees().git();
        let (run, id) = (context.run().to_string(), context.id());
        let message = self.message(context, &lease.record().name);
        let mut left = self.pool.look(lease, &message)?;
        if !outcome.is_done() || context.undo().is_some() && !self.options.commit {
            if lease.record().base.as_ref() != Some(&left.all) {
                self.pool.keep(&left.all, &format!("left/{run}/{}", folder_name(id.as_str())?))?;
            }
            return Ok(left);
        }
        if left.all != left.head {
            if self.options.commit {
                let here = git.at(&lease.path);
                let on = here.call(["symbolic-ref", "--quiet", "HEAD"]).answer()?.text();
                if let Some(branch) = Some(on.trim_end()).filter(|on| on.starts_with("refs/heads/")) {
                    git.set_reference(branch, &left.all, Some(&left.head))?;
                    // The index follows the branch; the files are as they were.
                    here.call(["reset", "--quiet", "--mixed"]).patient().run()?;
                }
                left.head = left.all.clone();
            } else {
                self.pool.keep(&left.all, &format!("left/{run}/{}", folder_name(id.as_str())?))?;
            }
        }
        if context.undo().is_none() {
            let name = result_name(&run, id.as_str())?;
            let was = git.reference(&name)?;
            git.set_reference(&name, &left.head, was.as_ref())?;
        }
        Ok(left)
    }

    fn message(&self, context: &TaskContext, worktree: &str) -> String {
        let graph = context.graph();
        let description = graph.task(context.ix()).options().description.clone();
        let subject = if description.is_empty() { String::new() } else { format!(": {}", first_line(&description)) };
        format!(
            "{}{subject}\n\nTask: {}\nRun: {}\nTask-Worktree: {worktree}\n",
            context.id(),
            context.id(),
            context.run()
        )
    }

    /// The task is a gate.
    fn gate(&self, context: &TaskContext) -> Result<Outcome, Failure> {
        let graph = context.graph();
        let params = &graph.task(context.ix()).options().params;
        let text = |key: &str| params.get(key).and_then(Value::as_str);
        let how = match text("how") {
            None | Some("merge") => How::Merge,
            Some("squash") => How::Squash,
            Some("ff") => How::Ff,
            Some(other) => {
                return Err(Failure::fatal(format!("`how` is `{}`; it must be ff, squash or merge", Printable(other))));
            }
        };
        let check: Vec<String> = match params.get("check") {
            None | Some(Value::Null) => Vec::new(),
            Some(check) => serde_json::from_value(check.clone())
                .map_err(|_| Failure::fatal("`check` must be a program and its arguments, as a list of texts"))?,
        };
        if !check.is_empty() && !self.options.approved {
            return Err(Failure::fatal("nobody approved the command that checks merges; run with `--yes`"));
        }
        let into = text("into").map(BranchName::new).transpose().map_err(|error| Failure::fatal(error.to_string()))?;
        let run = context.run().to_string();
        let mut results = Vec::new();
        self.before(&run, &graph, context.ix(), &mut BTreeSet::new(), &mut results).map_err(|error| failure(&error))?;
        // In the order of the definition: of equals the first comes in first.
        let place = |name: &str| graph.find(name).map_or(usize::MAX, TaskIx::index);
        results.sort_by_key(|(name, _)| place(name));
        let candidates: Vec<Candidate> = results.into_iter().map(|(name, commit)| Candidate { name, commit }).collect();
        let gate = Gate { into, how, check, ..Gate::default() };
        let report = self.pool.worktrees().gate(&candidates, &gate).map_err(|error| {
            let message = format!("the results could not be merged: {error}");
            if error.is_retryable() || error.kind() == ErrorKind::Conflict {
                Failure::error(message)
            } else {
                Failure::fatal(message)
            }
        })?;
        if params.get("all").and_then(Value::as_bool) == Some(true)
            && let Some(stayed) = report.refused.first()
        {
            let message = format!("{} did not come in: {}", Printable(&stayed.name), stayed.why);
            return Err(Failure::validation(message));
        }
        let git = self.pool.worktrees().git();
        let keep = || {
            let name = result_name(&run, context.id().as_str())?;
            git.set_reference(&name, &report.after, git.reference(&name)?.as_ref())
        };
        keep().map_err(|error| failure(&error))?;
        Ok(Outcome::done(serde_json::to_value(&report).unwrap_or_default()))
    }
}

enum Joined {
    Failed(Error),
    Conflict(String),
}

impl From<Error> for Joined {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(72).collect();
    Printable(&short).to_string()
}
