//! Agents that are models: tasks done by a call, or by a pipeline of calls; all others by their programs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    ask::{Ask, PipelineStep},
    call::{Models, Watch},
};
use crate::{
    event::{Failure, FailureKind, Outcome, Output},
    executor::{Body, Executor, ProcessExecutor, TaskContext, process::prompt},
    units::Usage,
};

/// Runs the agents of tasks: those that are [models](crate::Agent::models) or [pipelines](crate::Agent::steps) of them by HTTP, all
/// others as programs.
#[derive(Debug, Clone)]
pub struct AgentExecutor {
    programs: ProcessExecutor,
    models: Models,
}

impl AgentExecutor {
    /// With these programs, and these models.
    pub fn new(programs: ProcessExecutor, models: Models) -> Self {
        Self { programs, models }
    }
}

impl Executor for AgentExecutor {
    fn run(&self, context: TaskContext) -> Body {
        let agent = self.programs.agents().find(context.agent().as_deref()).ok();
        let Some(agent) = agent.filter(|agent| agent.is_model()).cloned() else { return self.programs.run(context) };
        let models = self.models.clone();
        Box::pin(async move {
            let steps = if agent.steps.is_empty() {
                vec![PipelineStep { name: "answer".to_owned(), models: agent.models, ask: Ask::new("{task}") }]
            } else {
                agent.steps
            };
            attempt(models, steps, agent.timeout, context).await
        })
    }

    fn grace(&self) -> Duration {
        self.programs.grace()
    }
}

/// Tells the thread that nobody waits any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

async fn attempt(
    models: Models,
    mut steps: Vec<PipelineStep>,
    limit: Option<Duration>,
    context: TaskContext,
) -> Outcome {
    if let Some(cheaper) = context.cheaper() {
        // Its name among the endpoints, or what it is there.
        let found = models.endpoints().iter().find(|(name, endpoint)| *name == cheaper || endpoint.model == cheaper);
        match found {
            Some((name, _)) => steps.iter_mut().for_each(|step| step.models = vec![name.to_owned()]),
            None => {
                let cheaper = crate::id::Printable(&cheaper);
                let message = format!("its budget wants the model `{cheaper}`, and there is no `[models]` for it");
                return Failure::fatal(message).into();
            }
        }
    }
    let stop = Stop(Arc::default());
    let (flag, watched, prompt) = (stop.0.clone(), context.clone(), prompt(&context));
    let call = tokio::task::spawn_blocking(move || {
        let used = |usage: &Usage| watched.used(usage).map_err(|failure| failure.message);
        let watch = Watch { stop: &|| flag.load(Ordering::Acquire), used: &used };
        models.pipeline_watched(&steps, &prompt, &watch)
    });
    let late = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    // A call that is left alone ends by its own timeout; what it costs is what was reserved for it.
    let done = tokio::select! {
        biased;
        done = call => done,
        () = context.cancelled() => return stopped(FailureKind::Cancelled, "it was told to stop"),
        () = late => return stopped(FailureKind::Timeout, "it took longer than its agent's timeout"),
    };
    let Ok(done) = done else { return Failure::error("the call of the model broke off").into() };
    for (step, said) in &done.steps {
        for (name, why) in &said.failed {
            let line = format!("{step}: `{name}` did not answer ({why}); `{}` did", said.by);
            context.say(crate::event::Stream::Stderr, line).await;
        }
    }
    let outcome = match (&done.failed, &done.steps[..]) {
        (Some((_, why)), _) => {
            let failure = if done.is_final { Failure::fatal(why.clone()) } else { Failure::error(why.clone()) };
            Outcome::from(failure)
        }
        (None, [(_, only)]) => Outcome::done(text_or_json(&only.text)),
        (None, steps) => {
            let answers: BTreeMap<&str, Value> =
                steps.iter().map(|(name, said)| (name.as_str(), Value::from(said.text.as_str()))).collect();
            Outcome::done(Output::from(json!(answers)))
        }
    };
    if done.usage.is_empty() { outcome } else { outcome.used(done.usage) }
}

fn text_or_json(text: &str) -> Output {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.into(), Output::from)
}

fn stopped(kind: FailureKind, why: &str) -> Outcome {
    Failure { kind, message: why.to_owned() }.into()
}
