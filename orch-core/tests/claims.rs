//! What tasks claim, in runs of a real engine.
#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use orch_core::{
    Claim, Engine, ErrorKind, Failure, FailureKind, FailurePolicy, Graph, Inline, Output, Plan, PlanOptions, Resource,
    RunOptions, RunState, Task, TaskContext, TaskState,
    locks::{Acquire, Locks, Owner},
};
use tokio::time::{Instant, sleep};

fn plan(graph: Graph) -> Plan {
    Plan::new(&graph, &PlanOptions::default()).unwrap()
}

/// Tasks that claim the same take turns, in one run and across runs; who waits has no place.
#[tokio::test(start_paused = true)]
async fn runs_of_an_engine_respect_each_others_claims() {
    static HOLDERS: AtomicUsize = AtomicUsize::new(0);
    let engine = Engine::builder()
        .executor(async |task: TaskContext| {
            if task.fence().is_some() {
                assert_eq!(HOLDERS.fetch_add(1, SeqCst), 0, "one at a time");
            }
            sleep(Duration::from_millis(100)).await;
            if task.fence().is_some() {
                HOLDERS.fetch_sub(1, SeqCst);
            }
        })
        .build()
        .unwrap();
    let claims = |id: &str| Task::new(id).claim(Claim::exclusive("site"));
    let plan = plan(
        Graph::builder("g")
            .tasks([claims("a").priority(1), claims("b"), Task::new("c"), Task::new("d")])
            .build()
            .unwrap(),
    );
    for inline in [Inline::Auto, Inline::Always, Inline::Never] {
        let options = RunOptions { inline, max_parallel: 2, ..RunOptions::default() };
        let began = Instant::now();
        let (one, two) = tokio::join!(engine.run(&plan, options.clone()), engine.run(&plan, options));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((one.state(), two.state()), (RunState::Succeeded, RunState::Succeeded));
        assert_eq!(began.elapsed(), Duration::from_millis(400), "four claims of 100 ms, one after the other");
        let waits = one.tasks().chain(two.tasks()).map(|task| task.waits().len()).sum::<usize>();
        assert_eq!(waits, 3);
        assert!(one.peak() == 2 && two.peak() == 2);
    }
    assert!(engine.locks().stats("site").unwrap().holders.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_over_stops_the_attempt_and_the_fence_tells() {
    let engine = Engine::builder()
        .executor(async |task: TaskContext| {
            let fence = task.fence().unwrap();
            if task.id().as_str() == "slow" {
                sleep(Duration::from_secs(60)).await;
            }
            Output::from(serde_json::json!(fence))
        })
        .build()
        .unwrap();
    let slow = Task::new("slow").priority(1).claim(Claim::exclusive("site").lease(Duration::from_secs(2)));
    let next = Task::new("next").claim(Claim::exclusive("site").wait(Duration::from_secs(5)));
    let plan = plan(Graph::builder("g").tasks([slow, next]).build().unwrap());
    let began = Instant::now();
    let options = RunOptions { on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    let report = engine.run(&plan, options).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    let failure = report.find("slow").unwrap().failure().unwrap().clone();
    assert_eq!(
        failure,
        Failure { kind: FailureKind::LeaseExpired, message: "held `site` longer than its lease of 2s".into() }
    );
    let next = report.find("next").unwrap();
    assert_eq!(next.waits()[0].to_string(), "2.0 s for `site` of `slow`");
    assert_eq!(next.output().json(), Some(&serde_json::json!(2)), "the second grant of the table");
}

#[tokio::test(start_paused = true)]
async fn a_wait_limit_and_a_rate_limit_hold_in_a_run() {
    let engine =
        Engine::builder().executor(async |_: TaskContext| sleep(Duration::from_secs(1)).await).build().unwrap();
    let calls = (0..5).map(|at| Task::new(format!("call{at}")).claim(Claim::shared("api")));
    let graph = Graph::builder("g").resource(Resource::new("api").requests_per_minute(3)).tasks(calls).build().unwrap();
    let report = engine.run(&plan(graph), RunOptions::default()).await.unwrap();
    assert_eq!(report.state(), RunState::Succeeded);
    // A bucket of three, and another token each 20 s.
    assert_eq!(report.makespan(), Duration::from_secs(41));

    let other = engine.locks().acquire("site", "an operator", Acquire::default()).await.unwrap();
    let impatient = Task::new("deploy").claim(Claim::exclusive("site").wait(Duration::from_secs(30)));
    let graph = Graph::builder("g").task(impatient).build().unwrap();
    let report = engine.run(&plan(graph), RunOptions::default()).await.unwrap();
    let deploy = report.find("deploy").unwrap();
    let error = "lock acquisition timeout for `site` after 30s; held by `an operator`";
    assert_eq!((deploy.error().as_deref(), deploy.attempts()), (Some(error), 0));
    assert_eq!(report.makespan(), Duration::from_secs(30));
    drop(other);
}

/// A run that is dropped gives back what its bodies held as they go, and what it waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_dropped_gives_back_what_it_held() {
    for inline in [Inline::Always, Inline::Never] {
        let engine =
            Engine::builder().executor(async |_: TaskContext| std::future::pending::<()>().await).build().unwrap();
        let claims = |id: &str| Task::new(id).claim(Claim::exclusive("site"));
        let plan = plan(Graph::builder("g").tasks([claims("a"), claims("b")]).build().unwrap());
        let run = engine.start(&plan, RunOptions { inline, ..RunOptions::default() });
        while engine.locks().stats("site").is_none_or(|site| site.waiting == 0 || site.holders.is_empty()) {
            tokio::task::yield_now().await;
        }
        drop(run);
        engine.locks().acquire("site", "the next one", Acquire::default()).await.unwrap().release();
        assert_eq!(engine.locks().stats("site").unwrap().waiting, 0);
    }
}

#[tokio::test]
async fn a_resource_that_is_in_use_keeps_its_limits() {
    let engine = Engine::builder().executor(async |_: TaskContext| ()).build().unwrap();
    let of = |capacity| {
        let resource = Resource::new("db").capacity(capacity);
        plan(Graph::builder("g").resource(resource).task(Task::new("a").claim(Claim::shared("db"))).build().unwrap())
    };
    engine.run(&of(2), RunOptions::default()).await.unwrap();
    let held = engine.locks().acquire("db", "x", Acquire::default()).await.unwrap();
    let error = engine.run(&of(3), RunOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert!(error.to_string().contains("`db` is in use with other limits"), "{error}");
    held.release();
    engine.run(&of(3), RunOptions::default()).await.unwrap();
}

/// A body may ask for more in the name of its attempt: then a deadlock with another is seen, and ended.
#[tokio::test(start_paused = true)]
async fn attempts_that_ask_for_more_are_watched() {
    let locks = Locks::default();
    let shared = locks.clone();
    let engine = Engine::builder()
        .locks(locks)
        .executor(move |task: TaskContext| {
            let locks = shared.clone();
            async move {
                sleep(Duration::from_secs(1)).await;
                let other = if task.id().as_str() == "a" { "y" } else { "x" };
                let owner = Owner::holder(&task.lock().unwrap()).unwrap();
                locks.acquire(other, owner, Acquire::default()).await.map(|guard| guard.fence() > 0).map(|_| ())
            }
        })
        .build()
        .unwrap();
    let tasks = [("a", "x"), ("b", "y")].map(|(id, name)| Task::new(id).claim(Claim::exclusive(name)));
    let plan = plan(Graph::builder("g").tasks(tasks).build().unwrap());
    let options = RunOptions { on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    let report = engine.run(&plan, options).await.unwrap();
    assert_eq!(report.makespan(), Duration::from_secs(1), "nobody waits until the limit");
    let error = report.find("b").unwrap().error().unwrap().into_owned();
    assert!(error.contains("`b` waits for `x` of `a`, `a` waits for `y` of `b`"), "{error}");
    assert_eq!(report.find("a").unwrap().state(), TaskState::Succeeded);
}

/// A body that lets go of its context holds what its task claims all the same.
#[tokio::test(start_paused = true)]
async fn a_claim_lasts_as_long_as_the_body_whatever_becomes_of_its_context() {
    for inline in [Inline::Always, Inline::Never] {
        let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = most.clone();
        let work = move |task: TaskContext| {
            drop(task);
            let (busy, most) = (busy.clone(), most.clone());
            async move {
                most.fetch_max(busy.fetch_add(1, SeqCst) + 1, SeqCst);
                sleep(Duration::from_secs(1)).await;
                busy.fetch_sub(1, SeqCst);
            }
        };
        let tasks = ["a", "b", "c"].map(|name| Task::new(name).claim(Claim::exclusive("site")));
        let plan = plan(Graph::builder("g").tasks(tasks).build().unwrap());
        let engine = Engine::builder().executor(work).build().unwrap();
        let report = engine.run(&plan, RunOptions { inline, ..RunOptions::default() }).await.unwrap();
        assert_eq!((seen.load(SeqCst), report.makespan()), (1, Duration::from_secs(3)));
    }
}

/// Somebody who holds a resource under a lease may be gone: then nobody but who waits for it looks at the time.
#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_the_lease_of_somebody_else_is_over() {
    let engine = Engine::builder().executor(async |_: TaskContext| ()).build().unwrap();
    let lease = Some(Duration::from_secs(2));
    let gone = engine.locks().acquire("site", "gone", Acquire { lease, ..Acquire::default() }).await.unwrap();
    let graph = Graph::builder("g").task(Task::new("deploy").claim(Claim::exclusive("site"))).build().unwrap();
    let report = engine.run(&plan(graph), RunOptions::default()).await.unwrap();
    assert_eq!((report.state(), report.makespan()), (RunState::Succeeded, Duration::from_secs(2)));
    assert!(!gone.is_held());
}
