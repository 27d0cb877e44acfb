//! Spans, from the events of a run.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};

use super::{export::attributes, metrics::Metrics};
use crate::{
    clock::WallTime,
    cost::PriceSource,
    definition::Graph,
    event::{Event, EventKind, Failure},
    executor::Trace,
    id::TaskIx,
    units::{ModelUsage, Usage},
};

/// A run as it goes on.
pub(super) struct Spans {
    trace: Trace,
    latest: bool,
    /// When the run began, in wall time.
    began: WallTime,
    begun: HashMap<(TaskIx, bool), Duration>,
    notes: Vec<Value>,
    run: String,
    tasks: u64,
    pub(super) metrics: Metrics,
}

/// How an attempt ended.
struct Ended<'a> {
    task: TaskIx,
    attempt: u32,
    failure: Option<&'a Failure>,
    usage: Option<&'a Usage>,
    undo: bool,
}

const INTERNAL: u32 = 1;
const CLIENT: u32 = 3;

impl Spans {
    pub(super) fn new(trace: Trace, latest: bool) -> Self {
        let (began, begun, notes, run, tasks) = (WallTime(0), HashMap::new(), Vec::new(), String::new(), 0);
        Self { trace, latest, began, begun, notes, run, tasks, metrics: Metrics::new(latest) }
    }

    /// Nanoseconds since 1970, as text.
    fn time(&self, at: Duration) -> String {
        (u128::from(self.began.0) * 1_000_000 + at.as_nanos()).to_string()
    }

    pub(super) fn began(&self) -> WallTime {
        self.began
    }

    /// The spans that end with this event.
    pub(super) fn hear(&mut self, graph: &Graph, event: &Event, now: WallTime, prices: &dyn PriceSource) -> Vec<Value> {
        match &event.kind {
            EventKind::RunStarted { run, .. } => {
                self.began = WallTime(now.0.saturating_sub(event.at.as_millis().try_into().unwrap_or(0)));
                self.run = run.to_string();
                Vec::new()
            }
            EventKind::TaskStarted { task, .. } => {
                self.begun.insert((*task, false), event.at);
                Vec::new()
            }
            EventKind::UndoStarted { task, .. } => {
                self.begun.insert((*task, true), event.at);
                Vec::new()
            }
            EventKind::TaskFinished { task, attempt, result, usage } => {
                let failure = result.as_ref().err().map(|failure| &**failure);
                self.tasks += 1;
                let ended = Ended { task: *task, attempt: *attempt, failure, usage: usage.as_deref(), undo: false };
                self.attempt(graph, event.at, &ended, prices)
            }
            EventKind::TaskRetrying { task, attempt, failure, usage, .. } => {
                let ended = Ended {
                    task: *task,
                    attempt: *attempt,
                    failure: Some(failure),
                    usage: usage.as_deref(),
                    undo: false,
                };
                self.attempt(graph, event.at, &ended, prices)
            }
            EventKind::UndoFinished { task, attempt, result, usage } => {
                let failure = result.as_ref().err().map(|failure| &**failure);
                let ended = Ended { task: *task, attempt: *attempt, failure, usage: usage.as_deref(), undo: true };
                self.attempt(graph, event.at, &ended, prices)
            }
            EventKind::UndoRetrying { task, attempt, failure, usage, .. } => {
                let ended = Ended {
                    task: *task,
                    attempt: *attempt,
                    failure: Some(failure),
                    usage: usage.as_deref(),
                    undo: true,
                };
                self.attempt(graph, event.at, &ended, prices)
            }
            EventKind::TaskCached { task, .. } => self.note("orch.task.cached", graph, *task, event.at),
            EventKind::TaskRestored { task, .. } => self.note("orch.task.restored", graph, *task, event.at),
            EventKind::TaskSkipped { task, .. } => self.note("orch.task.skipped", graph, *task, event.at),
            EventKind::RunFinished { state } => {
                let failed = (state.name() != "succeeded").then(|| state.name());
                let own = [
                    ("gen_ai.operation.name", "invoke_workflow".into()),
                    ("gen_ai.workflow.name", graph.name().into()),
                    ("orch.run.id", self.run.as_str().into()),
                    ("orch.run.state", state.name().into()),
                    ("orch.tasks", self.tasks.into()),
                    ("error.type", failed.into()),
                ];
                let mut span =
                    self.span(self.trace.run(), self.trace.parent(), INTERNAL, (Duration::ZERO, event.at), &own);
                set(&mut span, "name", format!("invoke_workflow {}", graph.name()));
                set(&mut span, "events", std::mem::take(&mut self.notes));
                self.metrics.took("invoke_workflow", graph.name(), event.at, failed);
                vec![span]
            }
            _ => Vec::new(),
        }
    }

    fn note(&mut self, name: &str, graph: &Graph, task: TaskIx, at: Duration) -> Vec<Value> {
        // As many as a run that is looked at has; collectors cut them off at 128 by default.
        if self.notes.len() < 128 {
            let own = attributes(&[("orch.task.id", graph.id(task).as_str().into())]);
            self.notes.push(json!({"timeUnixNano": self.time(at), "name": name, "attributes": own}));
        }
        Vec::new()
    }

    fn span(
        &self,
        id: [u8; 8],
        parent: Option<String>,
        kind: u32,
        (begins, ends): (Duration, Duration),
        own: &[(&str, Value)],
    ) -> Value {
        let failed = own.iter().any(|(key, value)| *key == "error.type" && !value.is_null());
        json!({
            "traceId": self.trace.id(),
            "spanId": hex(id),
            "parentSpanId": parent.unwrap_or_default(),
            "kind": kind,
            "startTimeUnixNano": self.time(begins),
            "endTimeUnixNano": self.time(ends),
            "attributes": attributes(own),
            "status": {"code": if failed { 2 } else { 0 }},
            "flags": u32::from(self.trace.is_sampled()),
        })
    }

    fn attempt(&mut self, graph: &Graph, at: Duration, ended: &Ended<'_>, prices: &dyn PriceSource) -> Vec<Value> {
        let Ended { task, attempt, failure, usage, undo } = *ended;
        let begins = self.begun.remove(&(task, undo)).unwrap_or(at);
        let (id, options) = (graph.id(task), graph.task(task).options());
        let error = failure.map(|failure| failure.kind.name());
        let agent = options.agent.as_deref().filter(|_| !undo);
        let span_id = self.trace.attempt(id.as_str(), attempt, undo);
        let sum = |count: fn(&ModelUsage) -> u64| usage.map(|usage| usage.models().iter().map(count).sum::<u64>());
        let own = [
            ("gen_ai.operation.name", agent.map(|_| "invoke_agent").into()),
            ("gen_ai.agent.name", agent.into()),
            ("orch.task.id", id.as_str().into()),
            ("orch.task.attempt", attempt.into()),
            ("gen_ai.usage.input_tokens", sum(|used| used.input).into()),
            ("gen_ai.usage.output_tokens", sum(|used| used.output).into()),
            ("error.type", error.into()),
        ];
        let mut span = self.span(span_id, Some(hex(self.trace.run())), INTERNAL, (begins, at), &own);
        let name = match (undo, agent) {
            (true, _) => format!("undo {id}"),
            (false, Some(agent)) => format!("invoke_agent {agent}"),
            (false, None) => format!("task {id}"),
        };
        set(&mut span, "name", name);
        if let Some(agent) = agent {
            self.metrics.took("invoke_agent", agent, at.saturating_sub(begins), error);
        }
        let mut spans = vec![span];
        let models = usage.map(Usage::models).unwrap_or_default();
        for (used, nth) in models.iter().zip(0u32..) {
            let chat = self.trace.span("chat", &format!("{id}/{attempt}/{undo}"), nth);
            spans.push(self.chat(chat, span_id, (begins, at), used, prices));
        }
        spans
    }

    fn chat(
        &mut self,
        id: [u8; 8],
        parent: [u8; 8],
        when: (Duration, Duration),
        used: &ModelUsage,
        prices: &dyn PriceSource,
    ) -> Value {
        let quote =
            prices.quote(used, WallTime(self.began.0.saturating_add(when.1.as_millis().try_into().unwrap_or(0))));
        let listed =
            quote.as_ref().and_then(|quote| quote.model.split_once('/')).map(|(provider, _)| provider.to_owned());
        let named = used.model.split_once('/').map(|(provider, _)| provider.to_owned());
        let (name, provider) = (used.model.as_str(), provider(listed.or(named).as_deref()));
        let (usd, source) = match (used.billed, quote) {
            (Some(billed), _) => (Some(billed), "provider"),
            (None, quote) => (quote.map(|quote| quote.total), "local"),
        };
        let some = |count: u64| if count > 0 { Value::from(count) } else { Value::Null };
        let cost = usd.filter(|_| self.latest);
        let own = [
            ("gen_ai.operation.name", "chat".into()),
            ("gen_ai.provider.name", provider.into()),
            ("gen_ai.request.model", name.into()),
            ("gen_ai.usage.input_tokens", used.input.into()),
            ("gen_ai.usage.output_tokens", used.output.into()),
            ("gen_ai.usage.cache_read.input_tokens", some(used.cache_read)),
            ("gen_ai.usage.cache_creation.input_tokens", some(used.cache_write.saturating_add(used.cache_write_1h))),
            ("gen_ai.usage.reasoning.output_tokens", some(used.reasoning)),
            ("orch.requests", used.requests.into()),
            ("gen_ai.usage.cost.amount", cost.map(|usd| usd.dollars()).into()),
            ("gen_ai.usage.cost.currency", cost.map(|_| "USD").into()),
            ("gen_ai.usage.cost.source", cost.map(|_| source).into()),
        ];
        let mut span = self.span(id, Some(hex(parent)), CLIENT, when, &own);
        set(&mut span, "name", format!("chat {name}"));
        self.metrics.used(provider, used, usd);
        span
    }
}

fn set(span: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(span) = span.as_object_mut() {
        span.insert(key.to_owned(), value.into());
    }
}

fn hex(id: [u8; 8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The provider as the conventions call it.
fn provider(listed: Option<&str>) -> &'static str {
    const NAMES: [(&str, &str); 14] = [
        ("anthropic", "anthropic"),
        ("openai", "openai"),
        ("aws", "aws.bedrock"),
        ("bedrock", "aws.bedrock"),
        ("azure", "azure.ai.openai"),
        ("google", "gcp.gemini"),
        ("google-vertex", "gcp.vertex_ai"),
        ("mistral", "mistral_ai"),
        ("groq", "groq"),
        ("deepseek", "deepseek"),
        ("x-ai", "x_ai"),
        ("cohere", "cohere"),
        ("perplexity", "perplexity"),
        ("openrouter", "openrouter"),
    ];
    let found = NAMES.iter().find(|(name, _)| Some(*name) == listed);
    found.map_or("_OTHER", |(_, name)| name)
}
