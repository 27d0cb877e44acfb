//! The machine on a virtual clock: what a plan will take.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::{
    machine::Machine,
    message::{Actions, Message, Rules},
    resources::Resources,
};
use crate::{
    error::Result,
    event::Outcome,
    id::{RunId, TaskIx},
    plan::Plan,
};

/// What a simulated run took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// From the first start to the last end.
    pub makespan: Duration,
    /// The sum of all durations.
    pub work: Duration,
    /// The most attempts that ran at once.
    pub widest: u32,
}

impl Forecast {
    /// How much of the time `workers` workers were busy, from 0 to 1.
    pub fn utilisation(&self, workers: u32) -> f64 {
        let available = self.makespan.as_secs_f64() * f64::from(workers.max(1));
        if available > 0.0 { (self.work.as_secs_f64() / available).min(1.0) } else { 0.0 }
    }
}

/// Runs the plan on a virtual clock: every task runs (conditions are taken to let it), succeeds at its first attempt and
/// takes what `durations` says. The same machine decides as in a real run.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Graph, Plan, PlanOptions, Task, run::{Rules, simulate}};
///
/// let graph = Graph::builder("g").tasks(["a", "b", "c"].map(Task::new)).build()?;
/// let plan = Plan::new(&graph, &PlanOptions::default())?;
/// let two = Rules { max_parallel: 2, ..Rules::default() };
/// let forecast = simulate(&plan, two, |task| plan.step(task).estimate)?;
/// assert_eq!(forecast.makespan, Duration::from_secs(120), "three tasks of 60 s on two workers");
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Machine::new`].
pub fn simulate(plan: &Plan, rules: Rules, durations: impl Fn(TaskIx) -> Duration) -> Result<Forecast> {
    let mut machine = Machine::new(plan, RunId::from_parts(0, 0), rules)?;
    machine.unconditional = true;
    let mut forecast = Forecast { makespan: Duration::ZERO, work: Duration::ZERO, widest: 0 };
    let mut ends: BinaryHeap<Reverse<(Duration, TaskIx, u32)>> = BinaryHeap::new();
    let (mut messages, mut actions) = (Vec::new(), Actions::default());
    let mut resources = Resources::new(plan.graph())?.patient();
    let mut now = Duration::ZERO;
    loop {
        actions.clear();
        machine.step(now, &mut messages, &mut actions);
        while resources.answer(now, &machine, &mut actions, &mut messages) {
            machine.step(now, &mut messages, &mut actions);
        }
        forecast.widest = forecast.widest.max(machine.running());
        for start in &actions.start {
            let duration = durations(start.task);
            forecast.work = forecast.work.saturating_add(duration);
            ends.push(Reverse((now.saturating_add(duration), start.task, start.number)));
        }
        if actions.more {
            continue;
        }
        let end = ends.peek().map(|&Reverse((end, ..))| end);
        match [end, resources.wake_at()].into_iter().flatten().min() {
            Some(next) => now = next,
            None => return Ok(forecast),
        }
        resources.turn(now, &mut messages);
        while let Some(&Reverse((end, task, attempt))) = ends.peek()
            && end == now
        {
            ends.pop();
            messages.push(Message::Finished { task, attempt, outcome: Outcome::done(()) });
        }
        forecast.makespan = now.max(forecast.makespan);
    }
}
