//! What graphs cost before anything runs: `cargo bench --bench graph`.
//!
//! Tasks with their names, and the dependencies by place, are there before the clock starts.

use std::{fmt::Write as _, hint::black_box, path::Path, time::Duration};

use benches::{Shape, numbers};
use criterion::{BatchSize, Criterion, Throughput};
use orch_core::{Graph, Plan, PlanOptions};

const BUILD: &str = "build and check";
const PLAN: &str = "plan";
const REDUNDANT: &str = "redundant dependencies";
const CYCLE: &str = "find the cycle of 50,000";

/// Three parents a task, in layers.
fn layered() -> [Shape; 2] {
    [Shape::layered(100, 100), Shape::layered(1000, 1000)]
}

fn group_of(shape: &Shape) -> String {
    format!("graph of {}", shape.tasks)
}

fn build_and_plan(criterion: &mut Criterion) {
    for shape in layered() {
        let mut group = criterion.benchmark_group(group_of(&shape));
        group.throughput(Throughput::Elements(shape.tasks.into()));
        if shape.tasks > 100_000 {
            group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(5));
        }
        let tasks = shape.definitions();
        group.bench_function(BUILD, |bencher| {
            bencher.iter_batched(|| tasks.clone(), |tasks| Shape::build(tasks, &shape.edges), BatchSize::PerIteration);
        });
        drop(tasks);
        let graph = shape.graph();
        group.bench_function(PLAN, |bencher| {
            bencher.iter_with_large_drop(|| Plan::new(&graph, &PlanOptions::default()));
        });
        group.finish();
    }
}

fn analysis(criterion: &mut Criterion) {
    let shape = &layered()[0];
    let graph = shape.graph();
    let mut group = criterion.benchmark_group(group_of(shape));
    group.throughput(Throughput::Elements(shape.tasks.into()));
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
    let found = graph.redundant_edges(Graph::SEARCH_STEPS);
    assert!(found.complete, "the search has enough steps for this graph");
    group.bench_function(REDUNDANT, |bencher| {
        bencher.iter(|| black_box(graph.redundant_edges(Graph::SEARCH_STEPS)));
    });
    group.finish();

    let mut ring = Shape::chain(50_000);
    ring.name = "ring";
    ring.edges.push((ring.tasks - 1, 0));
    let tasks = ring.definitions();
    let mut group = criterion.benchmark_group(group_of(&ring));
    group.throughput(Throughput::Elements(ring.tasks.into()));
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
    group.bench_function(CYCLE, |bencher| {
        let refused = |tasks| Shape::build(tasks, &ring.edges).expect_err("a ring is no graph");
        bencher.iter_batched(|| tasks.clone(), refused, BatchSize::PerIteration);
    });
    group.finish();
}

/// The median that criterion measured, in nanoseconds.
fn measured(folder: &Path, group: &str, function: &str) -> Option<f64> {
    let file = folder.join(group).join(function).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion");
    let mut criterion = Criterion::default().output_directory(&folder).configure_from_args();
    build_and_plan(&mut criterion);
    analysis(&mut criterion);
    criterion.final_summary();

    let [small, large] = layered();
    let mut text =
        "Graphs before the run: layers, three dependencies a task; tasks with their names are there before.\n\n\
                    | what | tasks | whole | ns a task |\n|---|--:|--:|--:|"
            .to_owned();
    let ring = Shape::chain(50_000);
    let rows = [(BUILD, &small), (BUILD, &large), (PLAN, &small), (PLAN, &large), (REDUNDANT, &small), (CYCLE, &ring)];
    for (what, shape) in rows {
        let Some(nanos) = measured(&folder, &group_of(shape), what) else { continue };
        let (tasks, each) = (numbers::grouped(shape.tasks.into()), nanos / f64::from(shape.tasks));
        write!(text, "\n| {what} | {tasks} | {:.2} ms | {each:.0} |", nanos / 1e6).expect("text");
    }
    numbers::publish("graph", &text);
}
