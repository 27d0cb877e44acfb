//! What claims cost: `cargo bench --bench locks`.
//!
//! First a grant and its release where nobody else wants the resource; then whole runs of 10,000 tasks of which each claims
//! one of 100 resources for itself alone, beside the same runs without claims. Who waits for a resource has no place, so that
//! others run meanwhile: as long as there are more resources than places, claims should cost no more than the asking.

use std::{
    fmt::Write as _,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use benches::{
    numbers,
    random::Random,
    work::{compute, turns_in},
};
use orch_core::{
    Claim, Engine, Graph, Plan, PlanOptions, Report, Resource, RunOptions, RunState, Task, TaskContext,
    locks::{
        Acquire, Locks, MemoryLocks, ResourceLocks,
        table::{Ask, Asked, Asker, LockTable},
    },
};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 15;
const GRANTS: u32 = 200_000;
const TASKS: u32 = 10_000;
const RESOURCES: u64 = 100;
/// What a grant with its release may cost, in nanoseconds.
const MOST: f64 = 200.0;
/// What share of the throughput without claims is wanted.
const WANTED: f64 = 0.8;

/// The median of nanoseconds a grant and release.
fn each(mut round: impl FnMut(u32) -> Duration) -> f64 {
    round(GRANTS / 10);
    let rounds: Vec<f64> = (0..ROUNDS).map(|_| numbers::nanos_each(round(GRANTS), GRANTS)).collect();
    numbers::median(&rounds)
}

fn timed(count: u32, mut what: impl FnMut()) -> Duration {
    let began = Instant::now();
    (0..count).for_each(|_| what());
    began.elapsed()
}

/// What a grant and its release cost where nobody else asks.
fn uncontended() -> String {
    let once: Arc<str> = "task".into();
    let one = [Claim::shared("db")];
    let two = [Claim::shared("db"), Claim::exclusive("disk")];
    let ask = Ask { asker: Asker::Once(&once), scope: 0, claims: &one, rank: 0, wait: None };
    let db = Resource::new("db").capacity(1);

    let mut table = LockTable::default();
    table.declare(0, &db).expect("a good resource");
    let in_table = each(|count| {
        timed(count, || {
            let grant = table.try_ask(&ask).expect("nobody else");
            black_box(table.release(Duration::ZERO, grant.ticket));
        })
    });

    let memory = MemoryLocks::default();
    memory.declare(0, &db).expect("a good resource");
    let by = |ask: Ask<'_>| {
        each(|count| {
            timed(count, || {
                let Asked::Granted(grant) = memory.ask(&ask, &mut || unreachable!()) else { unreachable!() };
                black_box(memory.release(grant.ticket));
            })
        })
    };
    let (as_a_run, two_claims) = (by(ask), by(Ask { claims: &two, ..ask }));

    let locks = Locks::default();
    locks.register(&db).expect("a good resource");
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let acquire = each(|count| {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..count {
                drop(locks.acquire("db", "alice", Acquire::default()).await.expect("nobody else"));
            }
            began.elapsed()
        })
    });
    let holds = if as_a_run <= MOST { "holds" } else { "**does not hold**" };
    format!(
        "Grant and release where nobody else asks, nanoseconds, median of {ROUNDS} rounds: {as_a_run:.0} for a claim as a run \
         asks for it, {two_claims:.0} for two at once, {in_table:.0} in the table alone, {acquire:.0} by `Locks::acquire` with a \
         name and a wait limit. Asked for: at most {MOST:.0} ({holds})."
    )
}

fn plan(claims: bool) -> Plan {
    let mut random = Random::new(7);
    let mut graph = Graph::builder("contend");
    for at in 0..TASKS {
        let task = Task::new(format!("t{at}"));
        let resource = random.below(RESOURCES);
        graph = graph.task(if claims { task.claim(Claim::exclusive(format!("r{resource}"))) } else { task });
    }
    Plan::new(&graph.build().expect("a good graph"), &PlanOptions::default()).expect("a plan")
}

#[derive(Clone, Copy)]
enum Body {
    Nothing,
    Computes(u64),
    Sleeps(Duration),
}

async fn work(body: Body) {
    match body {
        Body::Nothing => {}
        Body::Computes(turns) => compute(turns),
        Body::Sleeps(time) => tokio::time::sleep(time).await,
    }
}

fn contended(text: &mut String) -> bool {
    let runtime = Runtime::new().expect("a runtime");
    let computes = |micros| Body::Computes(turns_in(Duration::from_micros(micros)));
    let rows = [
        ("nothing, any number at once", Body::Nothing, RunOptions::default()),
        ("computes for 20 µs, any number at once", computes(20), RunOptions::default()),
        ("computes for 100 µs, any number at once", computes(100), RunOptions::default()),
        ("sleeps for 1 ms, 32 at once", Body::Sleeps(Duration::from_millis(1)), at_once(32)),
        ("sleeps for 5 ms, 64 at once", Body::Sleeps(Duration::from_millis(5)), at_once(64)),
    ];
    let (with, without) = (plan(true), plan(false));
    let mut holds = true;
    for (name, body, options) in rows {
        let engine = Engine::builder().executor(move |_: TaskContext| work(body)).build().expect("an engine");
        let run = |plan: &Plan| {
            let began = Instant::now();
            let report = runtime.block_on(engine.run(plan, options.clone())).expect("a report");
            let took = began.elapsed().as_secs_f64();
            assert_eq!(report.state(), RunState::Succeeded);
            (took, waits(&report))
        };
        run(&with);
        let rounds: Vec<(f64, f64, usize)> = (0..5)
            .map(|_| {
                let (free, _) = run(&without);
                let (took, waited) = run(&with);
                (took, free / took, waited)
            })
            .collect();
        let took = numbers::median(&rounds.iter().map(|round| round.0).collect::<Vec<_>>());
        let share = numbers::median(&rounds.iter().map(|round| round.1).collect::<Vec<_>>());
        let waited = numbers::median(&rounds.iter().map(|round| round.2).collect::<Vec<_>>());
        let each = took * 1e6 / f64::from(TASKS);
        // A task that does nothing takes less than asking for a lock: that is told, and judged by nobody.
        holds &= share >= WANTED || matches!(body, Body::Nothing);
        let waited = numbers::grouped(waited as u64);
        write!(text, "\n| {name} | {each:.2} µs | {waited} | {:.0} % |", share * 100.0).expect("memory");
    }
    holds
}

fn at_once(max_parallel: u32) -> RunOptions {
    RunOptions { max_parallel, ..RunOptions::default() }
}

fn waits(report: &Report) -> usize {
    report.tasks().filter(|task| !task.waits().is_empty()).count()
}

fn main() {
    let mut text = uncontended();
    text.push_str(
        "\n\n10,000 tasks, each claims one of 100 resources for itself alone; median of 5 rounds.\n\n\
         | each task | time a task | had to wait | throughput, of that without claims |\n|---|--:|--:|--:|",
    );
    let holds = contended(&mut text);
    let holds = if holds { "holds" } else { "**does not hold**" };
    write!(text, "\n\nAsked for, where tasks do something: at least {:.0} % ({holds}).", WANTED * 100.0)
        .expect("memory");
    numbers::publish("locks", &text);
}
