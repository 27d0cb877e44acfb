//! What a million tasks with three million dependencies hold in memory: `cargo bench --bench memory`.
//!
//! Counted are the bytes that orch asks the allocator for, above those that were asked for before it began. Before it
//! began, there were the names (the text of each, not what points to it) and the list of dependencies that this program
//! feeds to the builder. Tasks make no outputs, and the actions of a step, with their events, are emptied in the next.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt::Write as _,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use benches::{Shape, numbers};
use orch_core::{
    Graph, Outcome, Plan, PlanOptions, RunId, RunState, Task, TaskId,
    run::{Actions, Machine, Message, Rules},
};

/// What graph, plan and machine may take together at any moment.
const LIMIT: f64 = 400.0;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    PEAK.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

fn gave(bytes: usize) {
    NOW.fetch_sub(bytes, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; beside it only numbers are added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Large blocks move without a copy, so both are never there at once.
        if size > layout.size() {
            took(size - layout.size());
        } else {
            gave(layout.size() - size);
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes above the baseline: at the highest since the last look, and now.
struct Look {
    what: &'static str,
    peak: usize,
    held: usize,
}

fn look(what: &'static str, baseline: usize) -> Look {
    let held = NOW.load(Relaxed);
    let peak = PEAK.swap(held, Relaxed);
    Look { what, peak: peak.saturating_sub(baseline), held: held.saturating_sub(baseline) }
}

/// Every task succeeds in the step after its start; batches as small as the driver's.
fn run(mut machine: Machine) {
    let (mut messages, mut actions) = (Vec::new(), Actions::default());
    while machine.state() == RunState::Running {
        actions.clear();
        machine.step(Duration::ZERO, &mut messages, &mut actions);
        messages.extend(actions.start.iter().map(|attempt| Message::Finished {
            task: attempt.task,
            attempt: attempt.number,
            outcome: Outcome::done(()),
        }));
    }
    assert_eq!(machine.state(), RunState::Succeeded);
}

fn main() {
    let shape = Shape::layered(1000, 1000);
    let names: Vec<TaskId> = (0..shape.tasks).map(|ix| TaskId::from(format!("t{ix}"))).collect();
    let baseline = NOW.load(Relaxed);
    PEAK.store(baseline, Relaxed);
    let mut looks = Vec::with_capacity(8);

    let mut builder = Graph::builder("memory");
    for name in &names {
        builder.add(Task::new(name));
    }
    shape.edges.iter().for_each(|&(from, to)| builder.link(from.into(), to.into()));
    looks.push(look("builder, filled", baseline));
    let graph = builder.build().expect("a graph");
    looks.push(look("graph", baseline));
    let plan = Plan::new(&graph, &PlanOptions::default()).expect("a plan");
    looks.push(look("graph and plan", baseline));
    let rules = Rules { batch: 16, ..Rules::default() };
    let machine = Machine::new(&plan, RunId::from_parts(0, 0), rules).expect("a machine");
    looks.push(look("graph, plan and machine", baseline));
    run(machine);
    looks.push(look("the run", baseline));

    let each = |bytes: usize| bytes as f64 / f64::from(shape.tasks);
    let (tasks, edges) = (numbers::grouped(shape.tasks.into()), numbers::grouped(shape.edges.len() as u64));
    let mut text = format!(
        "Memory of {tasks} tasks with {edges} dependencies: bytes a task that orch asked the allocator for, above the names.\n\n\
         | after | at the highest on the way there | held |\n|---|--:|--:|"
    );
    for Look { what, peak, held } in &looks {
        write!(text, "\n| {what} | {:.0} | {:.0} |", each(*peak), each(*held)).expect("text");
    }
    let highest = looks.iter().map(|look| each(look.peak)).fold(0.0, f64::max);
    let verdict = if highest <= LIMIT { "it holds" } else { "it does not hold" };
    write!(text, "\n\nAsked for: at most {LIMIT:.0} at any moment. The highest is {highest:.0}: {verdict}.")
        .expect("text");
    numbers::publish("memory", &text);
}
