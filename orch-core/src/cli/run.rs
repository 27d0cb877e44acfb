//! `orch run`: a definition becomes a run, a view of it, and a report.

pub(super) mod agents;
mod inputs;
mod kept;
mod money;
mod prompt;
mod results;
pub(super) mod signals;
mod undo;

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{runtime, time};

use self::{
    prompt::Prompt,
    results::Results,
    signals::{Signals, Stop},
};
use super::{
    args,
    config::Config,
    exit::Exit,
    notify, otel,
    source::{self, Refusal},
    store,
    streams::Console,
    view::{TICK, View},
    worktree,
};
use crate::{
    AgentExecutor, Clock, Command, DryRun, Engine, Error, ErrorKind, Event, EventSink as _, FailureKind, FailurePolicy,
    Graph, Plan, PlanOptions, Printable, ProcessExecutor, ProcessOptions, Report, Result, RunId, RunOptions, RunState,
    SkipReason, TaskResult, TaskState, TtlCache,
    executor::models::Models,
    locks::Locks,
    plan::select,
    report::render,
    session::{StoreCache, StoreCacheOptions, StoreLocks, StoreLocksOptions, cache_options, deal},
    store::{Store, sqlite::head_commit},
};

/// How many tasks run at once when nobody says: more than any command in use has side by side, and few enough for a
/// definition that is a million tasks wide.
pub(super) const MAX_PARALLEL: u32 = 32;

/// Runs `orch run`.
pub(super) fn main(args: &args::Run, config: &Config, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    if args.json && args.events.as_deref() == Some(Path::new("-")) {
        return Err(Error::new(ErrorKind::InvalidValue, "`--json` and `--events -` both want stdout; give one a file"));
    }
    let given = inputs::given(args)?;
    let loaded = source::load(&args.source, &config.run, given.keys().cloned().collect());
    let Some(graph) = &loaded.graph else {
        if args.json {
            console.json(&Refusal::from(&loaded));
        }
        loaded.complain(console);
        return Ok(Exit::Bad);
    };
    loaded.problems.iter().for_each(|problem| console.note(source::line(problem, console.paint_err())));
    let graph = if args.targets.is_empty() { graph.clone() } else { select(graph, &args.targets)? };
    let max_parallel = args.max_parallel.or(config.run.max_parallel).unwrap_or(MAX_PARALLEL);
    let inputs_are_given = !given.is_empty();
    let inputs = inputs::complete(given, loaded.command.as_ref(), args.dry_run || args.resume.is_some())?;
    if args.notify && !args.dry_run {
        notify::check()?;
        if args.store.is_none() && args.resume.is_none() {
            let message = "what is to be told waits in a store until it is sent: give `--notify` a `--store`";
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
    }
    let kept = kept::open(args, here)?;
    let resumes = kept::resumes(args, kept.as_ref())?;
    let known = if args.dry_run { None } else { Some(agents::known(args, config)?) };
    let graph = match &known {
        Some(known) => {
            let (store, able) = (kept.as_ref().map(|store| store as &dyn Store), known.agents.candidates());
            let (graph, assigned) = deal(&graph, able, store, resumes, &config.prices)?;
            assigned.iter().for_each(|one| console.note(one));
            agents::claim_models(graph, &known.agents, &known.models)?
        }
        None => graph,
    };
    let wanted = inputs_are_given.then_some(&inputs);
    let goes_on = kept.as_ref().zip(resumes);
    let goes_on = goes_on.map(|(store, run)| kept::resume(run, store, &graph, wanted, here, console));
    let resume = goes_on.transpose()?;
    let graph = resume.as_ref().map_or(graph, |resume| resume.graph().clone());
    known.as_ref().map(|known| agents::check(known, args, config, &graph)).transpose()?;
    let history = kept.as_ref().map(|kept| store::history(kept, &args.source.file, config)).transpose()?;
    let plan = Plan::new(&graph, &PlanOptions { workers: Some(max_parallel), history, ..PlanOptions::default() })?;
    let telemetry = if args.otel { Some(otel::of_run(config.prices.clone())?) } else { None };
    let trace = telemetry.as_ref().map(|(trace, _)| trace.clone());
    let mut notices = None;
    let mut prompt = None;
    let engine = if let Some(agents::Known { agents, models, .. }) = known {
        let options = ProcessOptions { cwd: Some(here.to_owned()), trace, ..ProcessOptions::default() };
        let policy = loaded.command.as_ref().map(Command::cache_policy).unwrap_or_default();
        let executor = AgentExecutor::new(ProcessExecutor::new(agents, options), Models::new(models));
        let builder = match args.worktrees {
            // What a task did there are commits, and no cache gives those back.
            Some(max) => {
                let max = Some(max).filter(|max| *max > 0);
                Engine::builder().executor(worktree::pool(executor, max, config, args.yes, here)?)
            }
            None => Engine::builder().executor(executor).cache(TtlCache::new(cache_options(policy))),
        };
        let builder = builder.prices(config.prices.clone());
        let budget = money::budget(args, config, kept.as_ref(), here)?;
        if let Some(store) = kept.as_ref().filter(|_| args.notify) {
            let ledger = budget.as_ref().map(|budget| budget.ledger.clone());
            notices = Some(Arc::new(notify::of_run(Arc::new(store.clone()), ledger)?));
        }
        let builder = match budget {
            Some(mut budget) => {
                prompt = Prompt::of(&mut budget);
                builder.budget(budget)
            }
            None => builder,
        };
        let builder = match notices.clone() {
            Some(notices) => builder.sink(move |graph: &Graph, events: &[Event]| notices.hear(graph, events)),
            None => builder,
        };
        let builder = match &telemetry {
            Some((_, telemetry)) => {
                let telemetry = telemetry.clone();
                builder.sink(move |graph: &Graph, events: &[Event]| telemetry.hear(graph, events))
            }
            None => builder,
        };
        match &kept {
            Some(store) => {
                let shared: Arc<dyn Store> = Arc::new(store.clone());
                let options = StoreCacheOptions { commit: head_commit(here), ..StoreCacheOptions::default() };
                let cache = StoreCache::new(shared.clone(), options);
                // What tasks claim, those of other processes with this store do not have meanwhile.
                let locks = Locks::new(StoreLocks::new(shared.clone(), StoreLocksOptions::default()));
                let builder = builder.store_shared(shared).locks(locks);
                if args.worktrees.is_some() { builder.build()? } else { builder.cache_behind(cache).build()? }
            }
            None => builder.build()?,
        }
    } else {
        Engine::builder().executor(DryRun).build()?
    };
    let results = Results::open(args, &plan)?;
    let options = RunOptions {
        max_parallel,
        on_failure: on_failure(args, config),
        undo: !args.no_undo,
        deadline: args.timeout.or(config.run.timeout).or(loaded.command.as_ref().and_then(Command::deadline)),
        inputs,
        run: kept.is_some().then(|| RunId::new(&Clock::system())),
        source: store::source(&args.source.file),
        seed: args.seed,
        directory: Some(here.to_owned()),
        approve_commands: args.yes,
        ..kept::resumed(resume, args.dry_run)
    };
    kept::note(kept.as_ref().filter(|_| !args.dry_run), &options, console);
    let in_worktrees = args.worktrees.is_some() && !args.dry_run;
    let bring_in = |report: &Report| in_worktrees.then(|| worktree::how_to_bring_in(report, config, here)).flatten();
    let exit = run(args, &engine, &plan, options, (results, prompt), &bring_in, console);
    drop(engine);
    if let Some(notices) = notices {
        notify::complain(notices.finish(), console);
    }
    if let Some(telemetry) = telemetry.and_then(|(_, telemetry)| Arc::into_inner(telemetry)) {
        otel::complain(&telemetry.finish(), console);
    }
    exit
}

fn on_failure(args: &args::Run, config: &Config) -> FailurePolicy {
    if args.keep_going || (config.run.keep_going && !args.fail_fast) {
        FailurePolicy::Continue
    } else {
        FailurePolicy::FailFast
    }
}

fn run(
    args: &args::Run,
    engine: &Engine,
    plan: &Plan,
    options: RunOptions,
    (mut results, prompt): (Results, Option<Prompt>),
    bring_in: &dyn Fn(&Report) -> Option<String>,
    console: &mut Console<'_>,
) -> Result<Exit> {
    // One thread: programs do the work, and a thread less is a quicker start.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, "could not start the runtime").caused_by(error))?;
    let stdout_is_taken = results.take_stdout();
    let mut view = View::new(plan, console);
    let ended = runtime.block_on(follow(engine, plan, options, &mut view, (&mut results, prompt), console));
    view.end();
    // What tasks made for other runs is kept in the background, and this process is about to end.
    if let Ok(Ended::Report(..)) = &ended
        && let Err(error) = runtime.block_on(engine.settle())
    {
        console.note(format_args!("not everything is shared with later runs: {error}"));
    }
    // The last Ctrl-C does not wait for anything that is left.
    runtime.shutdown_timeout(Duration::from_millis(100));
    let (report, stop) = match ended {
        Ok(Ended::Report(report, stop)) => (report, stop),
        Ok(Ended::Aborted(stop, asked)) => {
            let often = if asked == 2 { "twice" } else { "three times" };
            console.error(format_args!("{} {often}; there is no report", stop.reason()));
            return Ok(stop.exit());
        }
        Err(error) => {
            if args.json {
                console.json(&Refusal::from(&error));
            }
            console.error(error);
            return Ok(Exit::Failed);
        }
    };
    if args.json {
        console.result(&render::json(&report));
    } else if stdout_is_taken {
        console.note(render::text(&report, console.width_err()).trim_end());
    } else {
        console.result(&outputs(&report));
        console.result(&render::text(&report, console.width_out()));
        if args.dry_run {
            console.result(&undo::preview(&report));
        }
    }
    results::tell_github(&report, console);
    let unwritten = results.close(&report);
    unwritten.iter().for_each(|error| console.error(error));
    advise(&report, args, console);
    if let Some(how) = bring_in(&report) {
        console.note(format_args!("what its tasks did is on branches of their own; {how} brings it in"));
    }
    Ok(match (report.state(), stop) {
        (RunState::Succeeded, _) if unwritten.is_empty() => Exit::Done,
        (RunState::Cancelled, Some(stop)) => stop.exit(),
        _ => Exit::Failed,
    })
}

/// What the run was for: the outputs of the tasks that no other task waits for. The JSON form has all of them in full.
fn outputs(report: &Report) -> String {
    const TASKS: usize = 4;
    const LINES: usize = 40;
    let mut text = String::new();
    let last = report.tasks().filter(|task| report.graph().children(task.ix()).len() == 0);
    for task in last.filter(|task| !task.output().is_nothing()).take(TASKS) {
        let output = match task.output().json() {
            Some(Value::String(text)) => text.clone(),
            Some(value) => render::pretty_json(value),
            None => continue,
        };
        text += &format!("output of {}\n", task.id());
        let (shown, left) = (output.lines().take(LINES), output.lines().count().saturating_sub(LINES));
        shown.for_each(|line| text += &format!("  {}\n", Printable(line)));
        if left > 0 {
            text += &format!("  and {left} more lines; `--json` has them\n");
        }
        text.push('\n');
    }
    text
}

enum Ended {
    Report(Box<Report>, Option<Stop>),
    /// By which request, and how many there were.
    Aborted(Stop, u32),
}

/// Shows the run while it goes on, until it has ended or the user would not wait.
async fn follow(
    engine: &Engine,
    plan: &Plan,
    options: RunOptions,
    view: &mut View,
    (results, mut prompt): (&mut Results, Option<Prompt>),
    console: &mut Console<'_>,
) -> Result<Ended> {
    let mut signals =
        Signals::listen().map_err(|error| Error::new(ErrorKind::Io, "could not listen for Ctrl-C").caused_by(error))?;
    let clock = Clock::system();
    let may_undo = options.undo;
    let mut run = engine.start(plan, options);
    let mut tick = time::interval(TICK);
    tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let can_undo = plan.graph().tasks().iter().any(|task| task.options().undo.is_some()) && may_undo;
    let (mut stop, mut asked) = (None, 0);
    loop {
        tokio::select! {
            biased;
            next = signals.next() => {
                asked += 1;
                let note = match (asked, can_undo) {
                    (1, false) => "stopping the running programs; once more ends at once",
                    (1, true) => "stopping the running programs, then undoing what is done; once more leaves that out",
                    (2, true) => "leaving what is done as it is; once more ends at once",
                    _ => return Ok(Ended::Aborted(next, asked)),
                };
                stop.get_or_insert(next);
                run.cancel(next.reason());
                view.above(console, |console| console.note(note));
            }
            _ = tick.tick() => {
                view.tick(clock.elapsed(), console);
                results.flush();
            }
            said = Prompt::next(&mut prompt) => {
                if let Some(prompt) = &mut prompt {
                    view.above(console, |console| prompt.hear(said, console));
                }
            }
            event = run.next_event() => match event {
                Some(event) => {
                    view.on(&event, console);
                    results.on(&event, view.graph(), console);
                }
                None => break,
            }
        }
    }
    Ok(Ended::Report(Box::new(run.report().await?), stop))
}

/// What to do next after a failure.
fn advise(report: &Report, args: &args::Run, console: &mut Console<'_>) {
    let Some(failed) = report.tasks().find(|task| task.state() == TaskState::Failed) else { return };
    if report.state() != RunState::Failed {
        return;
    }
    // A hint is copied into a shell; a name from a file must not bring quotes or more with it.
    let is_plain = |char: char| char.is_alphanumeric() || "-_.:/@".contains(char);
    if failed.id().as_str().chars().all(is_plain) {
        console.note(format_args!("hint: `--target {}` runs only this task and what it needs", failed.id()));
    }
    let held_up = |task: TaskResult<'_>| {
        let stopped = task.failure().is_some_and(|failure| failure.kind == FailureKind::Cancelled);
        stopped || task.skip_reason() == Some(&SkipReason::Stopped)
    };
    undo::advise(report, console);
    if !args.keep_going && report.tasks().any(held_up) {
        console.note("hint: `--keep-going` also runs what does not need a failed task");
    }
}
