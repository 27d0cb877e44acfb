//! Runs as vectors: a graph, rules, and what each attempt does and takes, in virtual milliseconds.

use std::{cmp::Reverse, collections::BTreeMap, collections::BinaryHeap, time::Duration};

use orch_core::{
    EventKind, FailurePolicy, Graph, Outcome, Plan, PlanOptions, Report, RunId, RunState, SkipReason, Usage,
    run::{Actions, Machine, Message, Resources, Rules},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    graph: Graph,
    #[serde(default)]
    max_parallel: Option<u32>,
    #[serde(default)]
    on_failure: FailurePolicy,
    #[serde(default)]
    deadline_ms: Option<u64>,
    #[serde(default)]
    inputs: Map<String, Value>,
    /// What the attempts of a task do, in order; the last one is repeated. A task without a script takes 1,000 ms and works.
    #[serde(default)]
    script: BTreeMap<String, Vec<Attempt>>,
    /// When the run is cancelled from outside.
    #[serde(default)]
    cancel_at_ms: Option<u64>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Attempt {
    ms: u64,
    #[serde(default)]
    output: Value,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
}

/// Plays the script; the events of each task, and the report.
pub(crate) fn run(input: Value) -> Value {
    let input: Input = serde_json::from_value(input.clone()).unwrap_or_else(|error| panic!("{error}: {input}"));
    let plan = Plan::new(&input.graph, &PlanOptions::default()).unwrap();
    let rules = Rules {
        max_parallel: input.max_parallel.unwrap_or(Rules::UNLIMITED),
        on_failure: input.on_failure,
        deadline: input.deadline_ms.map(Duration::from_millis),
        inputs: input.inputs.clone(),
        ..Rules::default()
    };
    let mut machine = Machine::new(&plan, RunId::from_parts(0, 0), rules).unwrap();
    let mut resources = Resources::new(&input.graph).unwrap();
    let mut report = Report::new(&plan);
    let mut stories: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut ends: BinaryHeap<Reverse<(Duration, u32, u32)>> = BinaryHeap::new();
    let mut cancel_at = input.cancel_at_ms.map(Duration::from_millis);
    let (mut now, mut messages, mut actions) = (Duration::ZERO, Vec::new(), Actions::default());
    loop {
        actions.clear();
        resources.turn(now, &mut messages);
        machine.step(now, &mut messages, &mut actions);
        while resources.answer(now, &machine, &mut actions, &mut messages) {
            machine.step(now, &mut messages, &mut actions);
        }
        for event in &actions.events {
            report.on(event);
            if let Some((task, word)) = tell(&event.kind) {
                let at = u64::try_from(event.at.as_millis()).unwrap();
                stories.entry(machine.graph().id(task).to_string()).or_default().push(json!([at, word]));
            }
        }
        for start in &actions.start {
            let ends_at = now + Duration::from_millis(attempt(&input, &machine, start.task, start.number).ms);
            ends.push(Reverse((ends_at, start.task.index() as u32, start.number)));
        }
        for stop in &actions.cancel {
            // A body that is told to stop stops at once.
            ends.retain(|Reverse((_, task, _))| *task != stop.task.index() as u32);
            let outcome = Outcome::failed("stopped");
            messages.push(Message::Finished { task: stop.task, attempt: stop.number, outcome });
        }
        if machine.state() != RunState::Running {
            break;
        }
        if actions.more || !messages.is_empty() {
            continue;
        }
        let next = [ends.peek().map(|Reverse((at, ..))| *at), actions.wake_at, resources.wake_at(), cancel_at]
            .into_iter()
            .flatten()
            .min();
        now = next.expect("a run that waits for nothing would never end");
        while let Some(&Reverse((at, task, number))) = ends.peek()
            && at == now
        {
            ends.pop();
            let attempt = attempt(&input, &machine, task.into(), number);
            let mut outcome = match attempt.error {
                Some(error) => Outcome::failed(error),
                None => Outcome::done(attempt.output),
            };
            if let Some(usage) = attempt.usage {
                outcome = outcome.used(usage);
            }
            messages.push(Message::Finished { task: task.into(), attempt: number, outcome });
        }
        if cancel_at == Some(now) {
            cancel_at = None;
            messages.push(Message::Cancel { reason: "cancelled by the vector".into() });
        }
    }
    let counts = report.counts();
    json!({
        "tasks": stories,
        "report": {
            "state": report.state(),
            "stopped": report.stopped(),
            "makespan_ms": u64::try_from(report.makespan().as_millis()).unwrap(),
            "serial_ms": u64::try_from(report.serial().as_millis()).unwrap(),
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "cancelled": counts.cancelled,
            "tokens": report.usage().total_tokens(),
            "warnings": report.warnings().iter().map(|warning| warning.message.clone()).collect::<Vec<_>>(),
        },
    })
}

fn attempt(input: &Input, machine: &Machine, task: orch_core::TaskIx, number: u32) -> Attempt {
    let plain = Attempt { ms: 1_000, output: Value::Null, error: None, usage: None };
    let Some(script) = input.script.get(machine.graph().id(task).as_str()) else { return plain };
    script.get(number as usize - 1).or(script.last()).cloned().unwrap_or(plain)
}

fn tell(kind: &EventKind) -> Option<(orch_core::TaskIx, Value)> {
    Some(match kind {
        EventKind::TaskStarted { task, attempt, .. } => (*task, json!({"started": attempt})),
        EventKind::TaskRetrying { task, failure, delay, .. } => {
            let delay = u64::try_from(delay.as_millis()).unwrap();
            (*task, json!({"retrying": {"in_ms": delay, "kind": failure.kind, "error": failure.message}}))
        }
        EventKind::TaskFinished { task, result: Ok(output), .. } => (*task, json!({"done": output.json()})),
        EventKind::TaskFinished { task, result: Err(failure), .. } => {
            (*task, json!({"failed": {"kind": failure.kind, "error": failure.message}}))
        }
        EventKind::TaskSkipped { task, reason } => {
            let reason = match reason {
                SkipReason::Condition(why) => json!({"condition": why}),
                SkipReason::Upstream(root) => json!({"upstream": root.index()}),
                SkipReason::Stopped => json!("stopped"),
            };
            (*task, json!({"skipped": reason}))
        }
        _ => return None,
    })
}
