//! What a no-op task costs in orch and beside it, in one run: `cargo run --release`.
//!
//! Each round measures every engine once, in turn, so that a machine whose speed drifts drifts for all. Graphs are built
//! outside of the measured time, and what is shown is the median over the rounds, in nanoseconds a task, with its ratio to
//! `async_dag`. What one engine frees stays with the process: else it would decide how many page faults the next one has, and
//! engines that take their memory while their graph is built have none in the measured time. async_dag and dagx pass outputs as arguments, so a task has at most three parents there: their fan-in joins
//! three. orch does everything that it always does: events, report, limit, cancellation.

use std::{
    env,
    fmt::Write as _,
    process::{Command, exit},
    time::Duration,
};

use benches::{Shape, numbers};
use orch_core::{Inline, Plan, PlanOptions};
use tokio::runtime::Runtime;

mod engines;

use engines::{Rows, Work};

const NAMES: [&str; 8] =
    ["orch", "orch, spawned", "async_dag", "dagx", "dag-runner", "JoinSet", "level barrier", "Kahn loop (limit)"];
const ORCH: usize = 0;
const ASYNC_DAG: usize = 2;

/// How long each engine took, in the order of the names; `None` for one that is left out.
fn round(runtime: &Runtime, plan: &Plan, rows: &Rows, work: Work) -> [Option<Duration>; NAMES.len()] {
    // These look at the whole graph for each dependency that is added, or at names: a million would take minutes.
    let small = plan.graph().len() <= 100_000;
    [
        Some(engines::orch(runtime, plan, work, Inline::Auto)),
        Some(engines::orch(runtime, plan, work, Inline::Never)),
        small.then(|| engines::async_dag(runtime, rows, work)),
        small.then(|| engines::dagx(runtime, rows, work)),
        small.then(|| engines::dag_runner(runtime, rows, work)),
        Some(engines::join_set(runtime, rows, work)),
        Some(engines::level_barrier(runtime, rows, work)),
        Some(engines::kahn(runtime, rows, work)),
    ]
}

/// The medians in nanoseconds a task.
fn measure(runtime: &Runtime, shape: &Shape, work: Work, rounds: usize) -> [Option<f64>; NAMES.len()] {
    let rows = Rows::new(shape);
    let plan = Plan::new(&shape.graph(), &PlanOptions::default()).expect("a plan");
    // The first round warms up.
    let times: Vec<_> = (0..=rounds).map(|_| round(runtime, &plan, &rows, work)).skip(1).collect();
    std::array::from_fn(|engine| {
        let times: Option<Vec<Duration>> = times.iter().map(|round| round[engine]).collect();
        times.map(|times| numbers::nanos_each(numbers::median(&times), shape.tasks))
    })
}

/// What is asked for: how many times as long as async_dag, or how many nanoseconds, and whether it holds.
fn verdict(shape: &Shape, work: Work, medians: &[Option<f64>; NAMES.len()]) -> Option<String> {
    let own = medians[ORCH]?;
    let Some(peer) = medians[ASYNC_DAG] else {
        return Some(if own <= 250.0 {
            "at most 250 ns: holds".into()
        } else {
            "at most 250 ns: does not hold".into()
        });
    };
    let limit = if shape.name == "chain" || work == Work::Yield { 1.5 } else { 1.0 };
    let word = if own / peer <= limit { "holds" } else { "does not hold" };
    Some(format!("at most {limit:.1} × async_dag: {word}"))
}

/// Settings of glibc's allocator, which reads them when the process begins: nothing goes back to the kernel.
const KEEPS_MEMORY: [(&str, &str); 2] =
    [("MALLOC_TRIM_THRESHOLD_", "1000000000"), ("MALLOC_MMAP_THRESHOLD_", "1000000000")];

fn main() {
    let keeps = KEEPS_MEMORY.iter().all(|(name, value)| env::var(name).is_ok_and(|it| it == *value));
    if !keeps {
        let this = env::current_exe().expect("a path of this program");
        let ended = Command::new(this).args(env::args_os().skip(1)).envs(KEEPS_MEMORY).status().expect("it begins");
        exit(ended.code().unwrap_or(1));
    }
    let rounds: usize = env::args().nth(1).map_or(15, |rounds| rounds.parse().expect("a number of rounds"));
    let runtime = Runtime::new().expect("a runtime");
    let mut text = format!(
        "Nanoseconds a no-op task, median of {rounds} rounds in which each engine runs once; in brackets the ratio to async_dag. \
         The allocator gives nothing back to the kernel meanwhile.\n\n\
         | shape | tasks | {} | asked for |\n|---|--:|{}---|",
        NAMES.join(" | "),
        "--:|".repeat(NAMES.len())
    );
    let mut rows: Vec<(Shape, Work, usize)> = Vec::new();
    for work in [Work::Nothing, Work::Yield] {
        rows.extend(Shape::all().map(|shape| (shape, work, rounds)));
    }
    rows.push((Shape::layered(1000, 1000), Work::Nothing, rounds.min(5)));
    for (shape, work, rounds) in rows {
        let medians = measure(&runtime, &shape, work, rounds);
        let label = if work == Work::Yield { ", suspends once" } else { "" };
        write!(text, "\n| {}{label} | {} |", shape.name, numbers::grouped(shape.tasks.into())).expect("text");
        for median in medians {
            match (median, medians[ASYNC_DAG]) {
                (Some(own), Some(peer)) => write!(text, " {own:.0} ({:.2}) |", own / peer),
                (Some(own), None) => write!(text, " {own:.0} |"),
                (None, _) => write!(text, " – |"),
            }
            .expect("text");
        }
        write!(text, " {} |", verdict(&shape, work, &medians).unwrap_or_default()).expect("text");
    }
    text += "\n\nLeft out, because each brings 56 to 174 crates: dagrs, takeln, taskflow-rs.";
    numbers::publish("peers", &text);
    numbers::publish("machine", &numbers::machine());
}
