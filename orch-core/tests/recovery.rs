//! Going back and going on in real runs: checkpoints and circuit breakers.
#![cfg(test)]

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use orch_core::{
    Backoff, BreakerOptions, BreakerState, Claim, Engine, EventKind, FailureKind, FailurePolicy, Graph, Inline,
    Outcome, Plan, PlanOptions, Report, Retry, Rollback, RunOptions, RunState, Task, TaskContext, TaskState, UndoScope,
    WhenOpen,
    recovery::{checkpoint::Checkpoint, saga},
    report::render,
};
use tokio::time::{Instant, sleep};

fn plan(graph: &Graph) -> Plan {
    Plan::new(graph, &PlanOptions::default()).unwrap()
}

/// build → publish → announce; all can be undone.
fn release() -> Graph {
    let tasks = [Task::new("build"), Task::new("publish").after("build"), Task::new("announce").after("publish")];
    let undoable = tasks.map(|task| {
        task.undo("x").with(|options| {
            options.rollback = Some(Rollback { scope: UndoScope::ToCheckpoint("built".into()), ..Rollback::default() });
        })
    });
    Graph::builder("release").tasks(undoable).build().unwrap()
}

/// What was done, in order.
#[derive(Default)]
struct Done(Mutex<Vec<String>>);

impl Done {
    fn add(&self, task: &TaskContext) {
        let undo = if task.undo().is_some() { "undo " } else { "" };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{undo}{}", task.id()));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn states(report: &Report) -> Vec<TaskState> {
    report.tasks().map(|task| task.state()).collect()
}

#[tokio::test]
async fn a_task_makes_a_checkpoint_and_a_failure_goes_back_to_it() {
    let done = Arc::new(Done::default());
    let log = done.clone();
    let work = move |task: TaskContext| {
        let log = log.clone();
        async move {
            log.add(&task);
            match (task.id().as_str(), task.undo()) {
                ("publish", None) => task.checkpoint("built"),
                ("announce", None) => return Outcome::failed("no network"),
                _ => {}
            }
            Outcome::done(())
        }
    };
    let engine = Engine::builder().executor(work).build().unwrap();
    let report = engine.run(&plan(&release()), RunOptions::default()).await.unwrap();
    assert_eq!(done.take(), ["build", "publish", "announce", "undo publish"], "`build` was before the checkpoint");
    assert_eq!(states(&report), [TaskState::Succeeded, TaskState::Undone, TaskState::Failed]);
    let text = render::text(&report, 80);
    assert!(text.contains("checkpoints:\n  built after ") && text.contains("1 task done"), "{text}");
    assert!(text.contains("kept: build: the run does not go back that far"), "{text}");
    #[cfg(feature = "html")]
    {
        let page = render::html::report(&report);
        assert!(page.contains("<b>Checkpoints</b> <span>built after "), "beside the order of the undo");
    }
}

/// The caller makes a checkpoint, goes back to it, and a second run continues from there.
#[tokio::test]
async fn a_caller_goes_back_and_goes_on_in_another_run() {
    let done = Arc::new(Done::default());
    let log = done.clone();
    let work = move |task: TaskContext| {
        let log = log.clone();
        async move {
            log.add(&task);
            let first_run = task.inputs().values().contains_key("first");
            if task.id().as_str() == "announce" && task.undo().is_none() && first_run {
                std::future::pending::<()>().await;
            }
            Outcome::done(format!("{} is done", task.id()))
        }
    };
    let engine = Engine::builder().executor(work).build().unwrap();
    let graph = release();
    let inputs = [("first".to_owned(), true.into())].into_iter().collect();
    let mut run = engine.start(&plan(&graph), RunOptions { inputs, ..RunOptions::default() });
    let mut made = 0;
    while let Some(event) = run.next_event().await {
        match &event.kind {
            EventKind::TaskStarted { task, .. } if graph.id(*task).as_str() == "announce" => {
                run.checkpoint("published")
            }
            EventKind::CheckpointMade { name, tasks } => {
                made += 1;
                assert_eq!((&**name, tasks.len()), ("published", 2));
                run.back_to("published");
            }
            _ => {}
        }
    }
    let report = run.report().await.unwrap();
    assert_eq!((made, report.state()), (1, RunState::Cancelled));
    assert_eq!(done.take(), ["build", "publish", "announce"], "`announce` did not end, so there is nothing to undo");

    let checkpoint = Checkpoint::of(&report, "published").unwrap();
    // As it would be kept in a file.
    let checkpoint: Checkpoint = serde_json::from_str(&serde_json::to_string(&checkpoint).unwrap()).unwrap();
    let back = checkpoint.back(&graph, &saga::standing(&report)).unwrap();
    let report =
        engine.run(&plan(&graph), RunOptions { restore: back.restore, ..RunOptions::default() }).await.unwrap();
    assert_eq!((report.state(), done.take()), (RunState::Succeeded, vec!["announce".to_owned()]));
    let build = report.find("build").unwrap();
    assert!(build.is_restored() && build.attempts() == 0);
    assert_eq!(build.output().json().unwrap(), "build is done");
}

/// A service that is down, or not, and how many calls it has had.
#[derive(Clone, Default)]
struct Service(Arc<(AtomicBool, AtomicUsize)>);

impl Service {
    fn down() -> Self {
        let service = Self::default();
        service.0.0.store(true, SeqCst);
        service
    }

    fn mend(&self) {
        self.0.0.store(false, SeqCst);
    }

    fn calls(&self) -> usize {
        self.0.1.load(SeqCst)
    }

    /// An engine whose tasks call it for a second each.
    fn engine(&self) -> Engine {
        let service = self.clone();
        let work = move |_: TaskContext| {
            let service = service.clone();
            async move {
                service.0.1.fetch_add(1, SeqCst);
                sleep(Duration::from_secs(1)).await;
                if service.0.0.load(SeqCst) { Outcome::failed("503") } else { Outcome::done(()) }
            }
        };
        Engine::builder().executor(work).build().unwrap()
    }
}

fn opens_after(failures: u32, when_open: WhenOpen) -> BreakerOptions {
    BreakerOptions { failure_threshold: failures, when_open, ..BreakerOptions::default() }
}

/// So many tasks, one after the other or side by side, that call the service.
fn calls(count: usize, options: BreakerOptions, change: impl Fn(Task) -> Task) -> Plan {
    let tasks = (0..count).map(|nth| change(Task::new(format!("call{nth}")).breaker("api")));
    plan(&Graph::builder("calls").breaker("api", options).tasks(tasks).build().unwrap())
}

fn going_on(max_parallel: u32) -> RunOptions {
    RunOptions { max_parallel, on_failure: FailurePolicy::Continue, ..RunOptions::default() }
}

/// The events of a run, what it told of breakers, in seconds since its start, and its report.
async fn told(mut run: orch_core::Run) -> (Vec<(u64, BreakerState)>, Report) {
    let mut told = Vec::new();
    let mut over = false;
    while let Some(event) = run.next_event().await {
        assert!(!over, "after the last: {event:?}");
        over = matches!(event.kind, EventKind::RunFinished { .. });
        if let EventKind::BreakerChanged { breaker, state, why, probe_in } = &event.kind {
            assert_eq!(&**breaker, "api");
            assert_eq!(why.as_ref().map(|why| why.message.as_str()), (*state != BreakerState::Closed).then_some("503"));
            assert_eq!(*probe_in, (*state == BreakerState::Open).then_some(Duration::from_secs(60)));
            told.push((event.at.as_secs(), *state));
        }
    }
    (told, run.report().await.unwrap())
}

/// Opens after three failures; the rest waits a minute, then two probes work one after the other, and it is closed.
#[tokio::test(start_paused = true)]
async fn a_breaker_opens_probes_and_closes() {
    for inline in [Inline::Always, Inline::Never] {
        let service = Service::down();
        let engine = service.engine();
        let plan = calls(10, opens_after(3, WhenOpen::Wait), |task| task);
        let run = engine.start(&plan, RunOptions { inline, ..going_on(1) });
        let mended = service.clone();
        let mend = tokio::spawn(async move {
            sleep(Duration::from_secs(30)).await;
            mended.mend();
        });
        let (told, report) = told(run).await;
        mend.await.unwrap();
        use BreakerState::{Closed, HalfOpen, Open};
        assert_eq!(told, [(3, Open), (63, HalfOpen), (65, Closed)]);
        let counts = report.counts();
        assert_eq!((counts.failed, counts.succeeded, service.calls()), (3, 7, 10));
        assert_eq!(report.makespan(), Duration::from_secs(70), "three, a minute, and seven");
    }
}

/// What began before it opened ends; of the others none begins, also of those that were let through and wait for a place.
#[tokio::test(start_paused = true)]
async fn nothing_begins_while_it_is_open() {
    for (places, begun) in [(1, 3), (4, 4), (RunOptions::UNLIMITED, 20)] {
        let service = Service::down();
        let engine = service.engine();
        let plan = calls(20, opens_after(3, WhenOpen::Wait), |task| task);
        let run = engine.start(&plan, going_on(places));
        sleep(Duration::from_secs(30)).await;
        assert_eq!(service.calls(), begun, "{places} at once");
        assert_eq!(engine.breakers().find("api").unwrap().state, BreakerState::Open);
        drop(run);
    }
}

/// Closed by hand it lets all through that wait, but there is one place: the first fails, and none of the others begins.
#[tokio::test(start_paused = true)]
async fn who_was_let_through_and_waits_for_a_place_asks_again() {
    let service = Service::down();
    let engine = service.engine();
    let plan = calls(5, opens_after(1, WhenOpen::Wait), |task| task);
    let run = engine.start(&plan, going_on(1));
    sleep(Duration::from_secs(10)).await;
    assert!(engine.breakers().reset("api"));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(service.calls(), 2);
    service.mend();
    let (told, report) = told(run).await;
    use BreakerState::{Closed, HalfOpen, Open};
    assert_eq!(told, [(1, Open), (10, Closed), (11, Open), (71, HalfOpen), (73, Closed)]);
    assert_eq!((report.counts().succeeded, service.calls()), (3, 5));
}

/// All wait for the same lock when it opens. Who gets the lock then asks the breaker, and gives the lock back.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_lock_does_not_begin_behind_its_back() {
    let service = Service::down();
    let engine = service.engine();
    let plan = calls(10, opens_after(3, WhenOpen::Wait), |task| task.claim(Claim::exclusive("connection")));
    let run = engine.start(&plan, going_on(RunOptions::UNLIMITED));
    sleep(Duration::from_secs(30)).await;
    assert_eq!((service.calls(), engine.locks().stats("connection").unwrap().used), (3, 0));
    service.mend();
    let (told, report) = told(run).await;
    assert_eq!(told.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [3, 63, 65]);
    assert_eq!((report.counts().succeeded, service.calls()), (7, 10));
}

/// Who is not to wait fails, and its retries begin when a probe may: one of them is it.
#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_who_is_not_to_wait() {
    let service = Service::down();
    let engine = service.engine();
    let plan = calls(3, opens_after(1, WhenOpen::Fail), |task| {
        let last = task.id().as_str() == "call2";
        let retry = Retry {
            max_attempts: 2,
            strategy: Backoff::Immediate,
            on: vec!["circuit_open".into()],
            ..Retry::default()
        };
        task.with(|options| options.retry = last.then_some(retry))
    });
    let run = engine.start(&plan, going_on(1));
    sleep(Duration::from_secs(30)).await;
    service.mend();
    let (_, report) = told(run).await;
    let failure = report.find("call1").unwrap().failure().unwrap();
    assert_eq!(failure.kind, FailureKind::CircuitOpen);
    assert_eq!(
        failure.message,
        "circuit breaker `api` is open, since an attempt failed (503); it lets a probe through in 1 min 00 s"
    );
    let last = report.find("call2").unwrap();
    assert_eq!((last.state(), last.started()), (TaskState::Succeeded, Some(Duration::from_secs(61))));
    assert_eq!(service.calls(), 2, "the refused ones called nothing");
}

/// The last task opens it when the run is over: nobody is told, and the engine knows.
#[tokio::test(start_paused = true)]
async fn what_the_last_task_changes_is_known_to_the_engine() {
    let engine = Service::down().engine();
    let (told, report) = told(engine.start(&calls(2, opens_after(2, WhenOpen::Wait), |task| task), going_on(1))).await;
    assert_eq!((told, report.counts().failed), (vec![], 2));
    assert_eq!(engine.breakers().find("api").unwrap().state, BreakerState::Open);
}

/// Two runs of an engine, and one breaker: what one run finds out holds for the other, and so does a hand.
#[tokio::test(start_paused = true)]
async fn runs_of_an_engine_share_their_breakers() {
    let service = Service::down();
    let engine = service.engine();
    let first = engine.run(&calls(3, opens_after(3, WhenOpen::Wait), |task| task), going_on(1)).await.unwrap();
    assert_eq!(first.counts().failed, 3);
    let began = Instant::now();
    let second = engine.start(&calls(2, opens_after(3, WhenOpen::Wait), |task| task), going_on(1));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(service.calls(), 3);
    service.mend();
    assert!(engine.breakers().reset("api"));
    let (told, report) = told(second).await;
    assert_eq!(told.iter().map(|(_, state)| *state).collect::<Vec<_>>(), [BreakerState::Open, BreakerState::Closed]);
    assert_eq!((report.counts().succeeded, began.elapsed().as_secs()), (2, 12), "woken at once, not after the minute");
}

/// The run that has the probe is dropped: the other one, which waits, probes at once.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_frees_its_place() {
    for cancelled in [true, false] {
        let service = Service::down();
        let engine = service.engine();
        let plan = calls(1, opens_after(1, WhenOpen::Wait), |task| task);
        engine.run(&plan, going_on(1)).await.unwrap();
        let probes = engine.start(&plan, going_on(1));
        sleep(Duration::from_millis(60_500)).await;
        let waits = engine.start(&plan, going_on(1));
        sleep(Duration::from_millis(100)).await;
        assert_eq!(service.calls(), 2, "one probe, and the other waits");
        service.mend();
        let began = Instant::now();
        if cancelled {
            probes.cancel("enough")
        } else {
            drop(probes)
        }
        let report = waits.report().await.unwrap();
        assert_eq!((report.counts().succeeded, began.elapsed().as_millis()), (1, 1_000));
        let status = engine.breakers().find("api").unwrap();
        assert_eq!(
            status.state,
            BreakerState::HalfOpen,
            "one probe worked, two have to; the cancelled one says nothing"
        );
    }
}
