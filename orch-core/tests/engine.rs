//! The tokio driver, through the public API.
#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use orch_core::{
    Engine, EventKind, FailureKind, FailurePolicy, Graph, Inline, Outcome, Output, Plan, PlanOptions, PriceTable,
    Rates, RunOptions, RunState, Task, TaskContext, TaskState, Usd, blocking, cost::Warming,
};
use tokio::time::{Instant, sleep};

fn plan(graph: Graph) -> Plan {
    Plan::new(&graph, &PlanOptions::default()).unwrap()
}

/// `width` tasks and one that waits for all.
fn fan(width: usize) -> Plan {
    let names: Vec<String> = (0..width).map(|at| format!("t{at}")).collect();
    let last = names.iter().fold(Task::new("last"), |task, name| task.after(name.as_str()));
    plan(Graph::builder("fan").tasks(names.into_iter().map(Task::new)).task(last).build().unwrap())
}

fn everywhere() -> [RunOptions; 3] {
    [Inline::Auto, Inline::Always, Inline::Never].map(|inline| RunOptions { inline, ..RunOptions::default() })
}

#[tokio::test]
async fn outputs_reach_those_who_wait_for_them() {
    let plan = plan(
        Graph::builder("g")
            .tasks(["a", "b"].map(Task::new))
            .task(Task::new("sum").after("a").after("b"))
            .build()
            .unwrap(),
    );
    let engine = Engine::builder()
        .executor(async |task: TaskContext| match task.id().as_str() {
            "a" => Output::typed(20u32),
            "b" => Output::typed(22u32),
            _ => {
                let sum: u32 = task.inputs().outputs().filter_map(|(_, output)| output.downcast::<u32>()).sum();
                Output::from(serde_json::json!(sum))
            }
        })
        .build()
        .unwrap();
    for options in everywhere() {
        let report = engine.run(&plan, options).await.unwrap();
        assert_eq!(report.find("sum").unwrap().output().json(), Some(&serde_json::json!(42)));
    }
}

#[tokio::test]
async fn a_panic_is_a_failed_task_with_its_message() {
    let plan = fan(3);
    let engine = Engine::builder()
        .executor(async |task: TaskContext| {
            assert!(task.id().as_str() != "t1", "t1 is broken");
        })
        .build()
        .unwrap();
    for options in everywhere() {
        let report = engine.run(&plan, options).await.unwrap();
        let failure = report.find("t1").unwrap().failure().unwrap().clone();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Panic, "the task panicked: t1 is broken"));
        assert_eq!(report.state(), RunState::Failed);
        assert!(report.into_result().is_err());
    }
}

#[tokio::test]
async fn an_executor_that_panics_before_it_answers_is_a_failed_task() {
    struct Broken;
    impl orch_core::Executor for Broken {
        fn run(&self, _: TaskContext) -> orch_core::Body {
            panic!("no body");
        }
    }
    let engine = Engine::builder().executor(Broken).build().unwrap();
    for options in everywhere() {
        let report = engine.run(&fan(1), options).await.unwrap();
        assert_eq!(report.find("t0").unwrap().failure().unwrap().kind, FailureKind::Panic);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_an_attempt_and_a_retry_follows() {
    let task = Task::new("a").timeout(Duration::from_secs(10)).retries(1);
    let plan = plan(Graph::builder("g").task(task).build().unwrap());
    let engine = Engine::builder()
        .executor(async |task: TaskContext| {
            if task.attempt() == 1 {
                sleep(Duration::from_secs(3600)).await;
            }
        })
        .build()
        .unwrap();
    for options in everywhere() {
        let began = Instant::now();
        let report = engine.run(&plan, options).await.unwrap();
        let a = report.find("a").unwrap();
        assert_eq!((a.state(), a.attempts()), (TaskState::Succeeded, 2));
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(10) && took <= Duration::from_millis(11_100), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn never_more_at_once_than_allowed() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, max) = (running.clone(), most.clone());
    let engine = Engine::builder()
        .executor(move |_: TaskContext| {
            let (now, max) = (now.clone(), max.clone());
            async move {
                max.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                sleep(Duration::from_millis(50)).await;
                now.fetch_sub(1, SeqCst);
            }
        })
        .build()
        .unwrap();
    for options in everywhere() {
        most.store(0, SeqCst);
        let report = engine.run(&fan(100), RunOptions { max_parallel: 6, ..options }).await.unwrap();
        assert_eq!(report.counts().succeeded, 101);
        assert_eq!(most.load(SeqCst), 6);
        // 17 rounds of 6 for the 100, and one for the last. Tokio's timers are exact to a millisecond.
        let ideal = Duration::from_millis(18 * 50);
        assert!(
            report.makespan() >= ideal && report.makespan() <= ideal + Duration::from_millis(40),
            "{:?}",
            report.makespan()
        );
    }
}

/// Counts what is alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn sleepers(alive: &Arc<AtomicUsize>) -> Engine {
    let alive = alive.clone();
    Engine::builder()
        .executor(move |_: TaskContext| {
            let alive = Alive::new(&alive);
            async move {
                sleep(Duration::from_secs(3600)).await;
                drop(alive);
            }
        })
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn cancelling_reaches_what_runs_and_skips_the_rest() {
    let alive = Arc::new(AtomicUsize::new(0));
    for options in everywhere() {
        let mut run = sleepers(&alive).start(&fan(10), RunOptions { max_parallel: 4, ..options });
        let mut started = 0;
        while started < 4 {
            started += usize::from(matches!(run.next_event().await.unwrap().kind, EventKind::TaskStarted { .. }));
        }
        run.cancel("enough");
        run.cancel("more than once is as once");
        let report = run.report().await.unwrap();
        assert_eq!(alive.load(SeqCst), 0, "nothing of the run stays");
        assert_eq!(report.state(), RunState::Cancelled);
        assert_eq!(report.stopped(), Some("enough"));
        assert_eq!(report.counts().cancelled, 11);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_or_the_future_cancels() {
    let alive = Arc::new(AtomicUsize::new(0));
    for options in everywhere() {
        let mut run = sleepers(&alive).start(&fan(10), options.clone());
        while alive.load(SeqCst) < 10 {
            run.next_event().await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(run);
        let engine = sleepers(&alive);
        let plan = fan(10);
        let run = tokio::time::timeout(Duration::from_secs(1), engine.run(&plan, options)).await;
        assert!(run.is_err());
        // A spawned body is gone when its worker has noticed.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(alive.load(SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_listens_may_end_by_itself_within_the_grace() {
    struct Polite;
    impl orch_core::Executor for Polite {
        fn run(&self, task: TaskContext) -> orch_core::Body {
            Box::pin(async move {
                task.cancelled().await;
                sleep(Duration::from_secs(2)).await;
                Outcome::done("saved what there was")
            })
        }

        fn grace(&self) -> Duration {
            Duration::from_secs(5)
        }
    }
    let plan = plan(Graph::builder("g").task(Task::new("a").timeout(Duration::from_secs(1))).build().unwrap());
    let engine = Engine::builder().executor(Polite).build().unwrap();
    for options in everywhere() {
        let report = engine.run(&plan, options).await.unwrap();
        assert_eq!(report.find("a").unwrap().state(), TaskState::Succeeded, "it worked after all");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_late_slows_the_run_but_loses_nothing() {
    let engine = Engine::builder().executor(async |_: TaskContext| tokio::task::yield_now().await).build().unwrap();
    let mut run = engine.start(&fan(20_000), RunOptions { max_parallel: 3, ..RunOptions::default() });
    sleep(Duration::from_secs(1)).await;
    let mut next = 0;
    while let Some(event) = run.next_event().await {
        assert_eq!(event.seq, next);
        next += 1;
    }
    assert_eq!(next, 2 + 2 * 20_001);
    assert_eq!(run.report().await.unwrap().counts().succeeded, 20_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_bodies_run_on_workers() {
    let engine = Engine::builder()
        .executor(async |_: TaskContext| {
            let mut hash = 1u64;
            for _ in 0..200_000 {
                hash = std::hint::black_box(hash.wrapping_mul(31).wrapping_add(7));
            }
            format!("{:?}", std::thread::current().id())
        })
        .build()
        .unwrap();
    let report = engine.run(&fan(500), RunOptions { inline: Inline::Auto, ..RunOptions::default() }).await.unwrap();
    let threads: std::collections::BTreeSet<String> =
        report.tasks().filter_map(|task| task.output().json().map(ToString::to_string)).collect();
    assert!(threads.len() >= 2, "long polls go to the workers: {threads:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_among_the_workers_still_ends_with_its_future() {
    let alive = Arc::new(AtomicUsize::new(0));
    let begun = Arc::new(AtomicUsize::new(0));
    let (count, seen) = (alive.clone(), begun.clone());
    struct Leaves(Arc<AtomicUsize>);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let engine = Engine::builder()
        .executor(move |task: TaskContext| {
            let (count, seen) = (count.clone(), seen.clone());
            async move {
                count.fetch_add(1, SeqCst);
                let _leaves = Leaves(count);
                let began = std::time::Instant::now();
                while began.elapsed() < Duration::from_millis(2) {
                    std::hint::spin_loop();
                }
                seen.fetch_add(1, SeqCst);
                // The first ones show the driver that bodies compute; the others wait for ever.
                if task.ix().index() > 600 {
                    std::future::pending::<()>().await;
                }
            }
        })
        .build()
        .unwrap();
    let plan = fan(700);
    let run = tokio::spawn(async move { engine.run(&plan, RunOptions::default()).await });
    while begun.load(SeqCst) < 690 {
        sleep(Duration::from_millis(1)).await;
    }
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    let gone = async {
        while alive.load(SeqCst) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    // Without an end to the wait a run that goes on for ever would hang the test instead of failing it.
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the bodies end with the run");
}

#[test]
fn without_a_runtime_there_is_a_way_and_a_clear_error() {
    let engine =
        Engine::builder().executor(async |_: TaskContext| sleep(Duration::from_millis(1)).await).build().unwrap();
    let report = blocking::run(&engine, &fan(5), RunOptions::default()).unwrap();
    assert_eq!(report.counts().succeeded, 6);

    let run = engine.start(&fan(5), RunOptions::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(run.report()).unwrap_err();
    assert!(error.to_string().starts_with("a run needs a tokio runtime: use `blocking::run`"), "{error}");

    let error = runtime.block_on(async { blocking::run(&engine, &fan(5), RunOptions::default()) }).unwrap_err();
    assert_eq!(error.kind().code(), "MISUSE");
}

#[tokio::test]
async fn an_empty_graph_and_a_bad_limit() {
    let engine = Engine::builder().executor(async |_: TaskContext| ()).build().unwrap();
    let empty = plan(Graph::builder("empty").build().unwrap());
    assert_eq!(engine.run(&empty, RunOptions::default()).await.unwrap().state(), RunState::Succeeded);
    let error = engine.run(&fan(1), RunOptions { max_parallel: 0, ..RunOptions::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), "`max_parallel` must be at least 1");
    assert_eq!(Engine::builder().build().unwrap_err().kind().code(), "MISUSE");
}

#[tokio::test]
async fn what_a_few_tasks_take_is_seen_in_each_of_them() {
    let nap = Duration::from_millis(3);
    let chain = (1..5).fold(Graph::builder("chain").task(Task::new("t0")), |builder, at| {
        builder.task(Task::new(format!("t{at}")).after(format!("t{}", at - 1)))
    });
    let plan = plan(chain.build().unwrap());
    let engine =
        Engine::builder().executor(move |_: TaskContext| async move { std::thread::sleep(nap) }).build().unwrap();
    for options in everywhere() {
        let report = engine.run(&plan, options).await.unwrap();
        assert!(report.makespan() >= 5 * nap, "{:?}", report.makespan());
        assert!(report.tasks().all(|task| task.duration() >= nap), "{report}");
    }
}

#[tokio::test]
async fn a_run_that_is_never_idle_still_drops_what_outlives_its_grace() {
    struct Stubborn;
    impl orch_core::Executor for Stubborn {
        fn run(&self, task: TaskContext) -> orch_core::Body {
            if task.id().as_str() == "stubborn" {
                return Box::pin(std::future::pending::<Outcome>());
            }
            Box::pin(async { Outcome::done(()) })
        }

        fn grace(&self) -> Duration {
            Duration::from_millis(1)
        }
    }
    let mut builder = Graph::builder("busy").task(Task::new("stubborn").timeout(Duration::from_millis(1)));
    let mut last = builder.add(Task::new("t0"));
    for at in 1..200_000 {
        let next = builder.add(Task::new(format!("t{at}")));
        builder.link(last, next);
        last = next;
    }
    let plan = plan(builder.build().unwrap());
    let engine = Engine::builder().executor(Stubborn).build().unwrap();
    let on_failure = FailurePolicy::Continue;
    let report = engine.run(&plan, RunOptions { on_failure, ..RunOptions::default() }).await.unwrap();
    let stubborn = report.find("stubborn").unwrap();
    assert_eq!(stubborn.failure().unwrap().kind, FailureKind::Timeout);
    assert!(stubborn.finished() < report.task(last).finished(), "dropped while the chain went on");
}

/// A helper that a body left behind waits for a cancellation that never comes.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_cancellation_of_an_attempt_that_is_over() {
    let plan = plan(Graph::builder("g").tasks(["leaves", "waits"].map(Task::new)).build().unwrap());
    for options in everywhere() {
        let left = Arc::new(tokio::sync::Mutex::new(None));
        let engine = Engine::builder()
            .executor(move |task: TaskContext| {
                let left = left.clone();
                async move {
                    if task.id().as_str() == "leaves" {
                        let helper = task.clone();
                        *left.lock().await = Some(tokio::spawn(async move { helper.cancelled().await }));
                        sleep(Duration::from_secs(1)).await;
                    } else {
                        // In a place of its own, so that the other's is not used again.
                        sleep(Duration::from_millis(500)).await;
                        let helper = left.lock().await.take().unwrap();
                        helper.await.unwrap();
                    }
                }
            })
            .build()
            .unwrap();
        let run = tokio::time::timeout(Duration::from_secs(60), engine.run(&plan, options)).await;
        run.expect("the helper ends with its attempt").unwrap().into_result().unwrap();
    }
}

/// Two reviewers of one text: the second begins when the first has said something, if that saves money.
#[tokio::test(start_paused = true)]
async fn of_prompts_that_begin_alike_one_is_read_first_where_it_pays() {
    let prefix = orch_core::definition::Prefix::new("codebase", "m", 100_000);
    let reviewers = ["a", "b"].map(|id| Task::new(id).prefix(prefix.clone()));
    let plan = plan(Graph::builder("g").tasks(reviewers).build().unwrap());
    let [dollar, cent] = [100, 1].map(Usd::from_cents);
    let table = |cache_read| PriceTable::default().with("m", Rates { cache_read, ..Rates::new(dollar, dollar) });
    let warm = |wait| RunOptions { warm: Some(Warming { wait, ..Warming::default() }), ..RunOptions::default() };
    let [minute, second] = [60, 1].map(Duration::from_secs);
    for (cheap, options, begins) in [
        (Some(cent), warm(minute), 5),
        (Some(cent), warm(second), 1),
        (Some(cent), RunOptions::default(), 0),
        (None, warm(minute), 0),
    ] {
        let began = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (at, start) = (began.clone(), Instant::now());
        let engine = Engine::builder()
            .executor(move |task: TaskContext| {
                at.lock().unwrap().push(start.elapsed().as_secs());
                async move {
                    sleep(Duration::from_secs(5)).await;
                    task.heartbeat();
                    sleep(Duration::from_secs(5)).await;
                }
            })
            .prices(table(cheap))
            .build()
            .unwrap();
        let mut run = engine.start(&plan, options);
        let mut held = 0;
        while let Some(event) = run.next_event().await {
            held += u32::from(matches!(event.kind, EventKind::TaskHeld { .. }));
        }
        run.report().await.unwrap().into_result().unwrap();
        assert_eq!((began.lock().unwrap().as_slice(), held), (&[0, begins][..], u32::from(begins > 0)));
    }
}

/// Messages and events that hold something are dropped, and not only forgotten.
#[tokio::test]
async fn what_tasks_make_is_gone_with_the_report() {
    let made = Arc::new(());
    let gives = made.clone();
    let engine = Engine::builder()
        .executor(move |_: TaskContext| {
            let made = gives.clone();
            async move { Output::typed(made) }
        })
        .build()
        .unwrap();
    let graph = Graph::builder("g").task(Task::new("a")).task(Task::new("b").after("a")).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let report = engine.run(&plan, RunOptions::default()).await.unwrap();
    assert_eq!(Arc::strong_count(&made), 2 + 2, "one in the executor, and one for each task in the report");
    drop((report, engine));
    assert_eq!(Arc::strong_count(&made), 1);
}
