//! How close an order of starts comes to the shortest possible time, on real workflows: `cargo bench --bench makespan`.
//!
//! Everything happens on a virtual clock, so the numbers are the same on every machine. orch's own machine decides in its
//! columns, by a plan for that many workers; first in, first out, last in, first out and level barriers are written below.
//! All are divided by the lower bound max(critical path, work / workers).

use std::{cmp::Reverse, collections::BinaryHeap, fmt::Write as _, fs, time::Duration};

use benches::{numbers, random::Random};
use orch_core::{
    Graph, Plan, PlanOptions, TaskIx,
    definition::export,
    run::{Rules, simulate},
};

const WORKERS: u32 = 6;

/// How far off noisy estimates are: by a factor of e to the power of a normal number of this deviation.
const SIGMA: f64 = 0.5;

const SEEDS: u64 = 101;

/// How much longer than with the critical path and exact estimates a run may take.
const TOLERANCE: f64 = 1.02;

/// Looked into by the critical path alone, before a plan knew its workers: in all but one of these workflows the work, not the
/// critical path, sets the bound, and no worker is idle until the last few tasks. On epigenomics-chameleon-ilmn-1seq-100k-001
/// (critical path 143 s, bound 430 s) all are busy until 415 s; the tail then leaves 420 worker-seconds idle, that of first in,
/// first out 310. On srasearch-chameleon-20a-001 a task of 1352 s starts last. With exact estimates a plan for six workers
/// finds the better order; with noisy ones it cannot know.
const WHY: &str = "It does not hold where the end is a matter of packing: every worker is busy until the last few tasks, \
    and which long one starts last decides; estimates that are off cannot tell. It does not hold here:";

/// Which of the ready tasks starts first in a scheduler of this file.
#[derive(Clone, Copy)]
enum Order {
    FirstIn,
    LastIn,
    /// Longest way to the end first: what orch does without other knowledge, written again to check it.
    Critical,
}

/// The tasks that are in `within`, none before its parents in there, never more than the workers at once.
fn list_schedule(plan: &Plan, order: Order, within: impl Fn(TaskIx) -> bool, began: Duration) -> Duration {
    let graph = plan.graph();
    let mut waiting: Vec<usize> =
        graph.indices().map(|ix| graph.parents(ix).filter(|&parent| within(parent)).count()).collect();
    let mut ready: BinaryHeap<Reverse<(i128, TaskIx)>> = BinaryHeap::new();
    let mut arrived = 0;
    let mut arrive = |ready: &mut BinaryHeap<_>, ix| {
        arrived += 1;
        let turn = match order {
            Order::FirstIn => arrived,
            Order::LastIn => -arrived,
            Order::Critical => -(plan.step(ix).remaining.as_nanos() as i128),
        };
        ready.push(Reverse((turn, ix)));
    };
    graph.indices().filter(|&ix| within(ix) && waiting[ix.index()] == 0).for_each(|ix| arrive(&mut ready, ix));
    let mut running: BinaryHeap<Reverse<(Duration, TaskIx)>> = BinaryHeap::new();
    let mut now = began;
    loop {
        while running.len() < WORKERS as usize
            && let Some(Reverse((_, ix))) = ready.pop()
        {
            running.push(Reverse((now + plan.step(ix).estimate, ix)));
        }
        let Some(&Reverse((end, _))) = running.peek() else { return now };
        now = end;
        while let Some(&Reverse((end, ix))) = running.peek()
            && end == now
        {
            running.pop();
            for child in graph.children(ix).filter(|&child| within(child)) {
                waiting[child.index()] -= 1;
                if waiting[child.index()] == 0 {
                    arrive(&mut ready, child);
                }
            }
        }
    }
}

/// The tasks of a level start when the level before is done, in the order of definition.
fn level_barrier(plan: &Plan) -> Duration {
    let end_of = |began, level| list_schedule(plan, Order::FirstIn, |ix| plan.step(ix).level == level, began);
    (0..plan.levels()).fold(Duration::ZERO, end_of)
}

/// The same graph with other estimates.
fn estimated(graph: &Graph, mut estimate: impl FnMut(TaskIx) -> Duration) -> Graph {
    let mut builder = Graph::builder(graph.name());
    for ix in graph.indices() {
        builder.add(graph.task(ix).clone().estimate(estimate(ix)));
    }
    for ix in graph.indices() {
        graph.parents(ix).for_each(|parent| builder.link(parent, ix));
    }
    builder.build().expect("the graph was good before")
}

fn planned(graph: &Graph) -> Plan {
    Plan::new(graph, &PlanOptions { workers: Some(WORKERS), ..PlanOptions::default() }).expect("a plan")
}

/// What orch needs when it knows no better than `plan` and tasks take what `exact` says.
fn orch(plan: &Plan, exact: &Plan) -> Duration {
    let rules = Rules { max_parallel: WORKERS, ..Rules::default() };
    simulate(plan, rules, |ix| exact.step(ix).estimate).expect("a run").makespan
}

/// The ratios to the lower bound of one workflow.
struct Row {
    name: String,
    tasks: usize,
    bound: Duration,
    longest: Duration,
    exact: f64,
    /// One for each seed, rising.
    noisy: Vec<f64>,
    others: [(&'static str, f64); 3],
}

impl Row {
    fn of(name: String, graph: &Graph) -> Self {
        // The format allows tasks without a runtime; they take no time here.
        let exact = planned(&estimated(graph, |ix| graph.task(ix).estimated().unwrap_or_default()));
        let bound = exact.lower_bound(Some(WORKERS));
        let ratio = |makespan: Duration| makespan.as_secs_f64() / bound.as_secs_f64();
        let by_orch = orch(&exact, &exact);
        assert!(by_orch <= list_schedule(&exact, Order::Critical, |_| true, Duration::ZERO), "{name}");
        let noisy = (0..SEEDS).map(|seed| {
            let mut random = Random::new(seed);
            let guess = |ix| exact.step(ix).estimate.mul_f64(random.lognormal(SIGMA));
            ratio(orch(&planned(&estimated(graph, guess)), &exact))
        });
        let mut noisy: Vec<f64> = noisy.collect();
        noisy.sort_by(f64::total_cmp);
        let all = |order| list_schedule(&exact, order, |_| true, Duration::ZERO);
        let others = [
            ("first in, first out", ratio(all(Order::FirstIn))),
            ("last in, first out", ratio(all(Order::LastIn))),
            ("level barrier", ratio(level_barrier(&exact))),
        ];
        let longest = graph.indices().map(|ix| exact.step(ix).estimate).max().unwrap_or_default();
        Self { name, tasks: graph.len(), bound, longest, exact: ratio(by_orch), noisy, others }
    }

    fn typical(&self) -> f64 {
        self.noisy[self.noisy.len() / 2]
    }

    fn worst(&self) -> f64 {
        self.noisy[self.noisy.len() - 1]
    }

    /// By how much one ratio is above the other, and how long the longest task takes, which is the grain of it.
    fn by(&self, one: f64, other: f64) -> String {
        let [bound, longest] = [self.bound, self.longest].map(|time| time.as_secs_f64());
        let (percent, seconds) = ((one / other - 1.0) * 100.0, (one - other) * bound);
        format!("{percent:.2} % ({seconds:.1} s, the longest task takes {longest:.1} s)")
    }

    /// Where the requirement does not hold.
    fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let beyond = |what, ratio: f64| {
            (ratio > self.exact * TOLERANCE)
                .then(|| format!("{what} takes {} longer than with exact ones", self.by(ratio, self.exact)))
        };
        misses.extend(beyond("the median of noisy estimates", self.typical()));
        if self.typical() <= self.exact * TOLERANCE {
            misses.extend(beyond("the worst of noisy estimates", self.worst()));
        }
        for (other, ratio) in self.others {
            for (what, own) in [("exact", self.exact), ("the median of noisy", self.typical())] {
                // The bound is a whole number of nanoseconds: what differs by less than a millionth is the same.
                if own > ratio * (1.0 + 1e-6) {
                    misses.push(format!("with {what} estimates {} behind {other}", self.by(own, ratio)));
                }
            }
        }
        misses
    }
}

fn main() {
    let Some(folder) = numbers::fixture("wfinstances") else {
        return println!("skipped: no fixtures; set ORCH_FIXTURES");
    };
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let rows: Vec<Row> = files
        .iter()
        .map(|file| {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let graph = export::from_wfformat(&fs::read_to_string(file).expect("a file")).expect("a workflow");
            Row::of(name, &graph)
        })
        .collect();

    let mut text = format!(
        "Makespan over the lower bound max(critical path, work / {WORKERS}) with {WORKERS} workers, on {} recorded workflows.\n\
         Noisy estimates are off by a lognormal factor of σ {SIGMA}, {SEEDS} seeds.\n\n\
         | workflow | tasks | bound, s | orch, exact | orch, noisy: median | worst |",
        rows.len()
    );
    let others = || rows.iter().take(1).flat_map(|row| row.others);
    others().for_each(|(name, _)| write!(text, " {name} |").expect("text"));
    write!(text, "\n|---|--:|--:|--:|--:|--:|{}", "--:|".repeat(others().count())).expect("text");
    for row in &rows {
        let (tasks, bound) = (row.tasks, row.bound.as_secs_f64());
        let mut ratios = vec![row.exact, row.typical(), row.worst()];
        ratios.extend(row.others.map(|(_, ratio)| ratio));
        let ratios: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.4}")).collect();
        write!(text, "\n| {} | {tasks} | {bound:.1} | {} |", row.name, ratios.join(" | ")).expect("text");
    }
    let misses: Vec<String> = rows
        .iter()
        .flat_map(|row| row.misses().into_iter().map(move |miss| format!("- {}: {miss}", row.name)))
        .collect();
    text += "\n\nAsked for: within 2 % of exact estimates also with noisy ones, and never behind another order. ";
    text += &match misses.len() {
        0 => "It holds everywhere.".to_owned(),
        _ => format!("{WHY}\n\n{}", misses.join("\n")),
    };
    numbers::publish("makespan", &text);
}
