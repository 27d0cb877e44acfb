//! Runs in the JSON that the page reads.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    clock::WallTime,
    cost::{PriceSource, price},
    definition::{Graph, Task},
    event::{Event, EventKind},
    id::TaskId,
    report::Report,
    session::{Follow, RunForm},
    units::{Cost, Millis, Usage},
};

/// An event in its [form](crate::event::Named), with what its usage cost (`cost_usd`, null without a price), and of an output that is
/// too long only how long it is (`output_bytes`).
pub(super) fn event(event: &Event, graph: &Graph, prices: &dyn PriceSource, at: WallTime, most: usize) -> Arc<str> {
    let mut form = serde_json::to_value(event.named(graph)).unwrap_or_default();
    if let Some(form) = form.as_object_mut() {
        if let Some(usage) = usage(&event.kind) {
            let cost = price(prices, usage, at).complete().map(|usd| usd.dollars());
            form.insert("cost_usd".to_owned(), json!(cost));
        }
        let long = form.get("output").map(|output| output.to_string().len()).filter(|bytes| *bytes > most);
        if let Some(bytes) = long {
            form.remove("output");
            form.insert("output_bytes".to_owned(), json!(bytes));
        }
        if let EventKind::TasksAdded { tasks, .. } = &event.kind {
            form.insert("tasks".to_owned(), tasks.iter().map(|one| task(one, graph)).collect());
        }
    }
    form.to_string().into()
}

fn usage(kind: &EventKind) -> Option<&Usage> {
    match kind {
        EventKind::TaskRetrying { usage, .. }
        | EventKind::TaskFinished { usage, .. }
        | EventKind::UndoRetrying { usage, .. }
        | EventKind::UndoFinished { usage, .. } => usage.as_deref(),
        _ => None,
    }
}

/// With what a part begins: its run, and the tasks in order.
pub(super) fn part(follow: &Follow) -> Value {
    let graph = follow.graph();
    let row = follow.row();
    json!({
        "run": row.run, "fence": row.fence, "name": graph.name(),
        "tasks": graph.tasks().iter().map(|one| task(one, graph)).collect::<Vec<_>>(),
    })
}

fn task(task: &Task, graph: &Graph) -> Value {
    let parents = graph.find(task.id().as_str()).into_iter().flat_map(|ix| graph.parents(ix));
    let after: Vec<&TaskId> = parents.map(|parent| graph.id(parent)).collect();
    json!({"id": task.id(), "agent": task.options().agent, "after": after})
}

/// How a run stands: its row, and its report without its tasks. `began_ms` is the time of day when its part began.
pub(super) fn head(run: &RunForm<'_>, report: &Report, began: u64, rest: Option<Duration>) -> Value {
    let (counts, context) = (report.counts(), report.context());
    let usd = |usd: Option<crate::units::Usd>| usd.map(crate::units::Usd::dollars);
    let agents: Vec<Value> = report
        .agents()
        .iter()
        .map(|of| {
            json!({
                "agent": of.agent, "tasks": of.tasks, "estimated_usd": usd(of.estimated), "cost_usd": usd(of.real),
                "tokens": of.tokens,
            })
        })
        .collect();
    json!({
        "run": run,
        "standing": run.standing(),
        "began_ms": began,
        "last_ms": Millis(report.makespan()),
        // In whole seconds: else it would be new at each look.
        "rest_s": rest.map(|rest| rest.as_secs()),
        "stopped": report.stopped(),
        "max_parallel": report.max_parallel(),
        "peak": report.peak(),
        "counts": {
            "total": counts.total(), "pending": counts.pending, "running": counts.running, "succeeded": counts.succeeded,
            "failed": counts.failed, "skipped": counts.skipped, "cancelled": counts.cancelled, "undone": counts.undone,
        },
        "tokens": report.usage().total_tokens(),
        "cost_usd": usd(report.cost()),
        "unpriced": report.unpriced(),
        "agents": agents,
        "context": {
            "made": context.made, "hits": context.hits, "misses": context.misses, "known": context.known,
            "avoided": cost(&context.avoided), "net_usd": context.net_usd(), "net_s": context.net_seconds(),
        },
        "earlier": report.earlier().map(|earlier| json!({"parts": earlier.parts, "cost": cost(&earlier.cost)})),
    })
}

fn cost(of: &Cost) -> Value {
    json!({
        "time_ms": Millis(of.time), "tokens": of.usage.total_tokens(),
        "cost_usd": of.money.map(crate::units::Usd::dollars),
    })
}
