//! The rules of recovery as vectors: waits of retries, scripts of breakers, undo orders, ways back to a checkpoint.

use std::time::Duration;

use crate::{
    BreakerOptions, Failure, FailureKind, Graph, Kept, Result, Retry, TaskIx, UndoOn,
    recovery::{
        breaker::{Ask, Breaker, Ticket, Verdict},
        checkpoint::Checkpoint,
        retry,
        saga::{self, Cause, End, Ended, Mark},
    },
    units::Millis,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{failed, read, wrong};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Input {
    Retry(RetryInput),
    Breaker(BreakerInput),
    Saga(SagaInput),
    Checkpoint(CheckpointInput),
}

/// The waits of a task that fails again and again in the same way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryInput {
    policy: Retry,
    failure: Failure,
    /// Where the jitter comes from: the wait after the first failure, for each seed.
    #[serde(default)]
    seeds: Vec<u64>,
}

/// What happens to a breaker, in order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakerInput {
    options: BreakerOptions,
    script: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Step {
    /// May an attempt begin, at that many milliseconds?
    Ask(u64),
    /// An attempt ends: when, which of those that began (from 0), and how.
    End(u64, usize, Verdict),
    /// An attempt ends with that failure.
    Fail(u64, usize, Failure),
    Open(u64),
    Close,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SagaInput {
    graph: Graph,
    /// In the order in which they ended.
    ended: Vec<(String, End)>,
    causes: Vec<CauseInput>,
    /// Checkpoints, each with how many had ended by then.
    #[serde(default)]
    marks: Vec<(String, usize)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CauseInput {
    #[serde(default)]
    task: Option<String>,
    /// As the failure of a task is called; or, for the run as a whole, what sort of end it was.
    #[serde(default)]
    kind: Option<FailureKind>,
    #[serde(default)]
    on: Option<UndoOn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointInput {
    graph: Graph,
    checkpoint: Checkpoint,
    ended: Vec<(String, End)>,
}

/// What the rule says of it.
pub(super) fn run(input: Value) -> Result<Value> {
    match read(input)? {
        Input::Retry(input) => Ok(waits(&input)),
        Input::Breaker(input) => breaker(input),
        Input::Saga(input) => undo(&input),
        Input::Checkpoint(input) => back(&input),
    }
}

fn millis(duration: Duration) -> Value {
    json!(Millis(duration))
}

fn waits(input: &RetryInput) -> Value {
    let wait = |attempt, seed| retry::next(&input.policy, &input.failure, attempt, seed).map(millis);
    if input.seeds.is_empty() {
        // A policy without an end would make a vector without one.
        json!({"waits_ms": (1..=20).map_while(|attempt| wait(attempt, 0)).collect::<Vec<_>>()})
    } else {
        json!({"waits_ms": input.seeds.iter().map(|&seed| wait(1, seed)).collect::<Vec<_>>()})
    }
}

fn breaker(input: BreakerInput) -> Result<Value> {
    let ms = Duration::from_millis;
    let mut breaker = Breaker::new(input.options);
    let mut tickets: Vec<Ticket> = Vec::new();
    let mut story = Vec::new();
    let begun = |tickets: &[Ticket], which: usize| {
        tickets.get(which).copied().ok_or_else(|| wrong(format!("no attempt {which} began")))
    };
    for step in input.script {
        let mut answer = Value::Null;
        match step {
            Step::Ask(at) => match breaker.ask(ms(at)) {
                Ask::Begin(ticket) => {
                    answer = json!({"begin": tickets.len()});
                    tickets.push(ticket);
                }
                Ask::Later(at) => answer = json!({"later_ms": millis(at)}),
            },
            Step::End(at, which, verdict) => breaker.end(begun(&tickets, which)?, ms(at), verdict),
            Step::Fail(at, which, failure) => {
                let verdict = breaker.verdict(Some(&failure));
                answer = json!(verdict);
                breaker.end(begun(&tickets, which)?, ms(at), verdict);
            }
            Step::Open(at) => breaker.open(ms(at)),
            Step::Close => breaker.close(),
        }
        story.push(json!([breaker.state(), answer]));
    }
    Ok(json!({"story": story}))
}

fn find(graph: &Graph, task: &str) -> Result<TaskIx> {
    graph.find(task).ok_or_else(|| wrong(format!("no task `{task}`")))
}

fn ended(graph: &Graph, ended: &[(String, End)]) -> Result<Vec<Ended>> {
    ended.iter().map(|(task, how)| Ok(Ended { task: find(graph, task)?, how: *how })).collect()
}

fn undo(input: &SagaInput) -> Result<Value> {
    let SagaInput { graph, ended: all, causes, marks } = input;
    let causes: Vec<Cause> = causes
        .iter()
        .map(|cause| {
            let on = cause.kind.map(saga::on).or(cause.on).ok_or_else(|| wrong("a cause has `kind` or `on`"))?;
            Ok(Cause { task: cause.task.as_deref().map(|task| find(graph, task)).transpose()?, on })
        })
        .collect::<Result<_>>()?;
    let marks: Vec<Mark<'_>> = marks.iter().map(|(name, ended)| Mark { name, ended: *ended }).collect();
    let undo = saga::undo(graph, &ended(graph, all)?, &causes, &marks);
    let kept: Vec<(&str, Kept)> = undo.kept.iter().map(|&(task, why)| (graph.id(task).as_str(), why)).collect();
    Ok(json!({"undo": names(graph, &undo.order), "kept": kept}))
}

fn names<'g>(graph: &'g Graph, tasks: &[TaskIx]) -> Vec<&'g str> {
    tasks.iter().map(|&task| graph.id(task).as_str()).collect()
}

fn back(input: &CheckpointInput) -> Result<Value> {
    let CheckpointInput { graph, checkpoint, ended: all } = input;
    Ok(match checkpoint.back(graph, &ended(graph, all)?) {
        Ok(back) => {
            let restore: Vec<Value> = back
                .restore
                .iter()
                .map(|restored| json!([graph.id(restored.task), restored.state, restored.output.json()]))
                .collect();
            json!({"restore": restore, "undo": names(graph, &back.undo), "again": names(graph, &back.again)})
        }
        Err(error) => failed(&error),
    })
}
