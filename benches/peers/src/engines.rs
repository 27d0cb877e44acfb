//! One function an engine: builds what it needs, then answers how long the run took.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use benches::Shape;
use orch_core::{Engine, Inline, Plan, RunOptions, TaskContext};
use tokio::{runtime::Runtime, task::JoinSet};

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a task does.
#[derive(Clone, Copy, PartialEq)]
pub enum Work {
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

/// A shape by task.
pub struct Rows {
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
}

impl Rows {
    pub fn new(shape: &Shape) -> Self {
        let mut rows =
            Self { parents: vec![vec![]; shape.tasks as usize], children: vec![vec![]; shape.tasks as usize] };
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

    fn waiting(&self) -> (Vec<usize>, Vec<usize>) {
        let waiting: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        let ready = (0..waiting.len()).filter(|&at| waiting[at] == 0).collect();
        (waiting, ready)
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

pub fn orch(runtime: &Runtime, plan: &Plan, work: Work, inline: Inline) -> Duration {
    let engine = Engine::builder().executor(move |_: TaskContext| work.run()).build().expect("an engine");
    let options = RunOptions { inline, max_parallel: 1_000_000, ..RunOptions::default() };
    time(|| {
        let report = runtime.block_on(engine.run(plan, options)).expect("a report");
        assert_eq!(report.counts().succeeded as usize, plan.graph().len());
    })
}

/// Passes outputs as arguments, so a task has at most three parents here.
pub fn async_dag(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
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

mod dagx_tasks {
    use dagx::{Task, task};

    use super::Work;

    pub struct Zero(pub Work);
    pub struct One(pub Work);
    pub struct Two(pub Work);
    pub struct Three(pub Work);

    #[task]
    impl Zero {
        async fn run(&self) -> u8 {
            self.0.run().await;
            0
        }
    }

    #[task]
    impl One {
        async fn run(&self, _one: &u8) -> u8 {
            self.0.run().await;
            0
        }
    }

    #[task]
    impl Two {
        async fn run(&self, _one: &u8, _two: &u8) -> u8 {
            self.0.run().await;
            0
        }
    }

    #[task]
    impl Three {
        async fn run(&self, _one: &u8, _two: &u8, _three: &u8) -> u8 {
            self.0.run().await;
            0
        }
    }
}

/// As with `async_dag`, a task has at most three parents here.
pub fn dagx(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    use dagx_tasks::{One, Three, Two, Zero};
    let dag = dagx::DagRunner::new();
    let mut nodes: Vec<dagx::TaskHandle<u8>> = Vec::with_capacity(rows.parents.len());
    for parents in &rows.parents {
        let node = match parents[..] {
            [] => dag.add_task(Zero(work)).into(),
            [one] => dag.add_task(One(work)).depends_on(&nodes[one]),
            [one, two] => dag.add_task(Two(work)).depends_on((&nodes[one], &nodes[two])),
            [one, two, three, ..] => dag.add_task(Three(work)).depends_on((&nodes[one], &nodes[two], &nodes[three])),
        };
        nodes.push(node);
    }
    let spawn = |task| drop(runtime.spawn(task));
    time(|| runtime.block_on(dag.run(spawn)).expect("a run"))
}

pub fn dag_runner(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    let mut dag = dag_runner::Dag::default();
    let names: Vec<String> = (0..rows.parents.len()).map(|at| format!("t{at}")).collect();
    for (at, parents) in rows.parents.iter().enumerate() {
        dag.add_vertex(&names[at], move || async move {
            work.run().await;
            Ok(())
        });
        parents.iter().for_each(|&parent| dag.add_edge(&names[parent], &names[at]));
    }
    time(|| runtime.block_on(dag.run()).expect("a run"))
}

/// The limit: counters and a boxed call, in order, nothing else.
pub fn kahn(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    let make: Box<dyn Fn(usize) -> Boxed> = Box::new(move |_| Box::pin(work.run()));
    time(|| {
        runtime.block_on(async {
            let (mut waiting, mut ready) = rows.waiting();
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

pub fn level_barrier(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    let levels = rows.levels();
    time(|| {
        runtime.block_on(async {
            for level in &levels {
                futures::future::join_all(level.iter().map(|_| Box::pin(work.run()) as Boxed)).await;
            }
        })
    })
}

pub fn join_set(runtime: &Runtime, rows: &Rows, work: Work) -> Duration {
    time(|| {
        runtime.block_on(async {
            let (mut waiting, ready) = rows.waiting();
            let mut set = JoinSet::new();
            let spawn = |set: &mut JoinSet<usize>, at| {
                set.spawn(async move {
                    work.run().await;
                    at
                });
            };
            ready.into_iter().for_each(|at| spawn(&mut set, at));
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
