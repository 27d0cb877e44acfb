//! Runs as vectors: a graph, rules, and what each attempt does and takes, in virtual milliseconds.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

use crate::{
    Cost, EventKind, FailurePolicy, Graph, Outcome, Plan, PlanOptions, Report, Result, RunId, RunState, SkipReason,
    Task, TaskIx, Usage,
    cache::Miss,
    run::{Actions, Found, Machine, Message, Resources, Rules},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::{ms, read, wrong};

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
    /// What is shared with other runs; without it nothing is.
    #[serde(default)]
    context: Option<Context>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    /// What tasks would make, known from elsewhere. Of the others that share what they make nothing is known.
    known: BTreeMap<String, Shared>,
    /// Values that are there from before the run, by key; what tasks of the run share comes to them.
    values: BTreeMap<String, u64>,
    #[serde(skip)]
    started: BTreeMap<usize, Duration>,
    #[serde(skip)]
    read: BTreeSet<(usize, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    output: Value,
    /// What it took to make.
    made_in_ms: u64,
}

/// What reading it saves, or what it took to make.
fn took(ms: u64) -> Cost {
    Cost { time: Duration::from_millis(ms), ..Cost::default() }
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
pub(super) fn run(input: Value) -> Result<Value> {
    let mut input: Input = read(input)?;
    let plan = Plan::new(&input.graph, &PlanOptions::default())?;
    let rules = Rules {
        max_parallel: input.max_parallel.unwrap_or(Rules::UNLIMITED),
        on_failure: input.on_failure,
        deadline: input.deadline_ms.map(Duration::from_millis),
        inputs: input.inputs.clone(),
        look: input.context.is_some(),
        ..Rules::default()
    };
    let mut machine = Machine::new(&plan, RunId::from_parts(0, 0), rules)?;
    let mut resources = Resources::new(&input.graph)?;
    let mut report = Report::new(&plan);
    let mut stories: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut ends: BinaryHeap<Reverse<(Duration, u32, u32)>> = BinaryHeap::new();
    let mut cancel_at = input.cancel_at_ms.map(Duration::from_millis);
    let (mut now, mut messages, mut actions) = (Duration::ZERO, Vec::new(), Actions::default());
    loop {
        actions.clear();
        resources.turn(now, &mut messages);
        machine.step(now, &mut messages, &mut actions);
        loop {
            if let Some(context) = &mut input.context {
                share(context, &machine, &mut actions, &mut messages);
            }
            if !resources.answer(now, &machine, &mut actions, &mut messages) && messages.is_empty() {
                break;
            }
            machine.step(now, &mut messages, &mut actions);
        }
        for event in &actions.events {
            report.on(event);
            if let Some((task, word)) = tell(&event.kind) {
                let at = ms(event.at);
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
        now = next.ok_or_else(|| wrong("the run waits for nothing and would never end"))?;
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
    let mut told = json!({
            "state": report.state(),
            "stopped": report.stopped(),
            "makespan_ms": ms(report.makespan()),
            "serial_ms": ms(report.serial()),
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "cancelled": counts.cancelled,
            "tokens": report.usage().total_tokens(),
            "warnings": report.warnings().iter().map(|warning| warning.message.clone()).collect::<Vec<_>>(),
    });
    if let (Some(told), Some(_)) = (told.as_object_mut(), &input.context) {
        let context = report.context();
        let context = json!({
            "made": context.made, "spent_ms": ms(context.spent.time), "hits": context.hits, "misses": context.misses,
            "known": context.known, "avoided_ms": ms(context.avoided.time), "headline": context.headline(),
        });
        told.insert("context".to_owned(), context);
    }
    Ok(json!({"tasks": stories, "report": told}))
}

/// Answers what the machine asks for, and what the tasks read that begin.
fn share(context: &mut Context, machine: &Machine, actions: &mut Actions, messages: &mut Vec<Message>) {
    let graph = machine.graph();
    for event in &actions.events {
        let (task, took) = match &event.kind {
            EventKind::TaskStarted { task, .. } => {
                context.started.insert(task.index(), event.at);
                continue;
            }
            EventKind::TaskFinished { task, result: Ok(_), .. } => {
                (*task, event.at - context.started.get(&task.index()).copied().unwrap_or_default())
            }
            EventKind::TaskCached { task, saved, .. } => (*task, saved.time),
            _ => continue,
        };
        // What a task shares can be read from its end on.
        let shared = graph.task(task).options().outputs.iter().filter(|output| output.ttl.is_some());
        context.values.extend(shared.map(|output| (output.key.clone(), ms(took))));
    }
    for task in actions.look.drain(..) {
        let known = context.known.get(graph.id(task).as_str());
        let found = known.map(|it| Found { output: it.output.clone().into(), saved: took(it.made_in_ms) });
        if found.is_none() {
            messages.push(Message::Missed { task, key: "k".into(), why: Box::new(Miss::First) });
        }
        messages.push(Message::Looked { task, found: found.map(Box::new) });
    }
    for start in actions.start.iter().filter(|start| start.number == 1) {
        for input in &graph.task(start.task).options().inputs {
            let shares = |task: &Task| {
                task.options().outputs.iter().any(|output| output.key == input.key && output.ttl.is_some())
            };
            let saved = context.values.get(&input.key).map(|ms| Box::new(took(*ms)));
            let read = Message::Read { task: start.task, key: input.key.as_str().into(), saved };
            if (graph.tasks().iter().any(shares) || context.values.contains_key(&input.key))
                && context.read.insert((start.task.index(), input.key.clone()))
            {
                messages.push(read);
            }
        }
    }
}

fn attempt(input: &Input, machine: &Machine, task: TaskIx, number: u32) -> Attempt {
    let plain = Attempt { ms: 1_000, output: Value::Null, error: None, usage: None };
    let Some(script) = input.script.get(machine.graph().id(task).as_str()) else { return plain };
    script.get((number as usize).saturating_sub(1)).or(script.last()).cloned().unwrap_or(plain)
}

fn tell(kind: &EventKind) -> Option<(TaskIx, Value)> {
    Some(match kind {
        EventKind::TaskStarted { task, attempt, .. } => (*task, json!({"started": attempt})),
        EventKind::TaskCached { task, output, saved } => {
            (*task, json!({"cached": {"output": output.json(), "saved_ms": ms(saved.time)}}))
        }
        EventKind::TaskMissed { task, why, .. } => (*task, json!({"missed": why})),
        EventKind::ContextRead { task, key, saved } => {
            (*task, json!({"read": {"key": key, "saved_ms": saved.as_ref().map(|saved| ms(saved.time))}}))
        }
        EventKind::TaskRetrying { task, failure, delay, .. } => {
            let delay = ms(*delay);
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
