//! Whether tasks that compute use every core: `cargo bench --bench parallel`.
//!
//! 10,000 tasks of about 100 µs of computing, under `Inline::Auto`. How long a task takes alone is measured beside each run
//! (all of them one after the other, on one thread), so that a machine that changes its speed changes both. Threads that
//! divide the tasks among themselves beforehand show what the machine gives at best: on a busy one, less than its cores.

use std::{
    fmt::Write as _,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use benches::{
    Shape, numbers,
    work::{compute, turns_in},
};
use orch_core::{Engine, Plan, PlanOptions, RunOptions, TaskContext};
use tokio::runtime::Runtime;

const WORK: Duration = Duration::from_micros(100);
const ROUNDS: usize = 5;
const WANTED: f64 = 0.9;

fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Each core does its share of the tasks, without asking anybody.
fn divided(cores: usize, tasks: u32, turns: u64) {
    std::thread::scope(|scope| {
        for core in 0..cores {
            scope.spawn(move || (core..tasks as usize).step_by(cores).for_each(|_| compute(turns)));
        }
    });
}

fn main() {
    let cores = available_parallelism().map_or(1, usize::from);
    let runtime = Runtime::new().expect("a runtime");
    let turns = turns_in(WORK);
    let work = move |_: TaskContext| async move { compute(turns) };
    let engine = Engine::builder().executor(work).build().expect("an engine");
    let mut text = format!(
        "10,000 tasks that compute for {} µs each, on {cores} cores, median of {ROUNDS} rounds.\n\n\
         | shape | one after the other | divided by hand | orch | use of the cores, by hand | orch |\n|---|--:|--:|--:|--:|--:|",
        WORK.as_micros()
    );
    let mut holds = true;
    for shape in [Shape::fan(10_000), Shape::layered(100, 100)] {
        let plan = Plan::new(&shape.graph(), &PlanOptions::default()).expect("a plan");
        let rounds: Vec<[f64; 5]> = (0..ROUNDS)
            .map(|_| {
                let alone = time(|| (0..shape.tasks).for_each(|_| compute(turns)));
                let by_hand = time(|| divided(cores, shape.tasks, turns));
                let orch = time(|| drop(runtime.block_on(engine.run(&plan, RunOptions::default())).expect("a report")));
                let [alone, by_hand, orch] = [alone, by_hand, orch].map(|time| time.as_secs_f64());
                let use_of = |wall: f64| alone / (wall * cores as f64);
                [alone, by_hand, orch, use_of(by_hand), use_of(orch)]
            })
            .collect();
        let [alone, by_hand, orch, most, used] = std::array::from_fn(|column| {
            numbers::median(&rounds.iter().map(|round| round[column]).collect::<Vec<_>>())
        });
        holds &= used >= WANTED;
        let (most, used) = (most * 100.0, used * 100.0);
        write!(text, "\n| {} | {alone:.3} s | {by_hand:.3} s | {orch:.3} s | {most:.1} % | {used:.1} % |", shape.name)
            .expect("text");
    }
    let verdict = if holds { "it holds" } else { "it does not hold" };
    write!(text, "\n\nAsked for: at least {:.0} %: {verdict}.", WANTED * 100.0).expect("text");
    numbers::publish("parallel", &text);
}
