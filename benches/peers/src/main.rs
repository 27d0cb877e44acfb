//! What a no-op task costs in orch and beside it, in one run: `cargo run --release`.
//!
//! Each round measures every engine once, in turn, so that a machine whose speed drifts drifts for all. Graphs are built
//! outside of the measured time, and what is shown is the median over the rounds, in nanoseconds a task, with its ratio to
//! `async_dag`. async_dag passes outputs as arguments, so a task has at most three parents there: its fan-in joins three.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use benches::Shape;
use orch_core::{Engine, Inline, Plan, PlanOptions, RunOptions, TaskContext};
use tokio::{runtime::Runtime, task::JoinSet};

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Copy, PartialEq)]
enum Work {
    Nothing,
    Yield,
}

impl Work {
    async fn run(self) {
        if self == Self::Yield {
            tokio::task::yield_now().await;
        }
    }
}

struct Rows {
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
}

impl Rows {
    fn new(shape: &Shape) -> Self {
        let mut rows = Self { parents: vec![vec![]; shape.tasks as usize], children: vec![vec![]; shape.tasks as usize] };
        for &(from, to) in &shape.edges {
            rows.parents[to as usize].push(from as usize);
            rows.children[from as usize].push(to as usize);
        }
        rows
    }

    fn levels(&self) -> Vec<Vec<usize>> {
        let mut level = vec![0; self.parents.len()];
        for at in 0..level.len() {
            level[at] = self.parents[at].iter().map(|&parent| level[parent] + 1).max().unwrap_or(0);
        }
        let mut levels = vec![vec![]; level.iter().max().map_or(0, |max| max + 1)];
        level.iter().enumerate().for_each(|(at, &level)| levels[level].push(at));
        levels
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn orch(runtime: &Runtime, plan: &Plan, work: Work, inline: Inline) -> Duration {
    let engine = Engine::builder().executor(move |_: TaskContext| work.run()).build().expect("an engine");
    let options = RunOptions { inline, max_parallel: 1_000_000, ..RunOptions::default() };
    time(|| {
        let report = runtime.block_on(engine.run(plan, options)).expect("a report");
        assert_eq!(report.counts().succeeded as usize, plan.graph().len());
    })
}

fn async_dag(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    let mut graph = async_dag::Graph::new();
    let mut nodes = Vec::with_capacity(rows.parents.len());
    for parents in &rows.parents {
        let node = match parents.len() {
            0 => graph.add_task(move || work.run()),
            1 => graph.add_task(move |_: ()| work.run()),
            2 => graph.add_task(move |_: (), _: ()| work.run()),
            _ => graph.add_task(move |_: (), _: (), _: ()| work.run()),
        };
        for (at, &parent) in parents.iter().take(3).enumerate() {
            graph.update_dependency(nodes[parent], node, at as u8).expect("no cycle");
        }
        nodes.push(node);
    }
    time(|| runtime.block_on(graph.run()))
}

/// The limit: counters and a boxed call, in order, nothing else.
fn kahn(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    let make: Box<dyn Fn(usize) -> Boxed> = Box::new(move |_| Box::pin(work.run()));
    time(|| {
        runtime.block_on(async {
            let mut waiting: Vec<usize> = rows.parents.iter().map(Vec::len).collect();
            let mut ready: Vec<usize> = (0..waiting.len()).filter(|&at| waiting[at] == 0).collect();
            while let Some(at) = ready.pop() {
                make(at).await;
                for &child in &rows.children[at] {
                    waiting[child] -= 1;
                    if waiting[child] == 0 {
                        ready.push(child);
                    }
                }
            }
        })
    })
}

fn level_barrier(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    let levels = rows.levels();
    time(|| {
        runtime.block_on(async {
            for level in &levels {
                futures::future::join_all(level.iter().map(|_| Box::pin(work.run()) as Boxed)).await;
            }
        })
    })
}

fn join_set(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    time(|| {
        runtime.block_on(async {
            let mut waiting: Vec<usize> = rows.parents.iter().map(Vec::len).collect();
            let mut set = JoinSet::new();
            let spawn = |set: &mut JoinSet<usize>, at| {
                set.spawn(async move {
                    work.run().await;
                    at
                });
            };
            (0..waiting.len()).filter(|&at| waiting[at] == 0).for_each(|at| spawn(&mut set, at));
            while let Some(done) = set.join_next().await {
                for &child in &rows.children[done.expect("no panic")] {
                    waiting[child] -= 1;
                    if waiting[child] == 0 {
                        spawn(&mut set, child);
                    }
                }
            }
        })
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(21, |rounds| rounds.parse().expect("a number of rounds"));
    let runtime = Runtime::new().expect("a runtime");
    let engines = ["orch", "orch, spawned", "async_dag", "level barrier", "JoinSet", "Kahn loop (limit)"];
    println!("Nanoseconds a task, median of {rounds} rounds; in brackets the ratio to async_dag.\n");
    println!("| shape | tasks | {} |", engines.join(" | "));
    println!("|---|---|{}", "---|".repeat(engines.len()));
    for (work, label) in [(Work::Nothing, ""), (Work::Yield, ", suspends once")] {
        for shape in Shape::all() {
            let rows = Rows::new(&shape);
            let plan = Plan::new(&shape.graph(), &PlanOptions::default()).expect("a plan");
            let mut times = vec![Vec::new(); engines.len()];
            for _ in 0..=rounds {
                times[0].push(orch(&runtime, &plan, work, Inline::Auto));
                times[1].push(orch(&runtime, &plan, work, Inline::Never));
                times[2].push(async_dag(&runtime, &rows, work));
                times[3].push(level_barrier(&runtime, &rows, work));
                times[4].push(join_set(&runtime, &rows, work));
                times[5].push(kahn(&runtime, &rows, work));
            }
            // The first round warms up.
            let medians: Vec<f64> = times
                .into_iter()
                .map(|times| median(times[1..].to_vec()).as_nanos() as f64 / f64::from(shape.tasks))
                .collect();
            let cells: Vec<String> = medians.iter().map(|ns| format!("{ns:.0} ({:.2})", ns / medians[2])).collect();
            println!("| {}{label} | {} | {} |", shape.name, shape.tasks, cells.join(" | "));
        }
    }
}
