//! What a task costs: no-op tasks on the four shapes, with events, report, limit and cancellation on.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use orch_core::{Engine, Plan, PlanOptions, RunOptions, TaskContext};
use tokio::runtime::Runtime;

fn dispatch(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let noop = Engine::builder().executor(async |_: TaskContext| ()).build().expect("an engine");
    let suspends =
        Engine::builder().executor(async |_: TaskContext| tokio::task::yield_now().await).build().expect("an engine");
    for shape in benches::Shape::all() {
        let plan = Plan::new(&shape.graph(), &PlanOptions::default()).expect("a plan");
        let options = RunOptions { max_parallel: 1_000_000, ..RunOptions::default() };
        let mut group = criterion.benchmark_group(format!("dispatch/{}", shape.name));
        group.throughput(Throughput::Elements(u64::from(shape.tasks)));
        for (name, engine) in [("no-op", &noop), ("suspends once", &suspends)] {
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    || options.clone(),
                    |options| runtime.block_on(engine.run(&plan, options)),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
