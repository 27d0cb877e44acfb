//! `orch optimize`: what a definition could do without, and why.

use serde::Serialize;

use super::{args_definition::Optimize, config::Config, exit::Exit, plan::count, source, streams::Console};
use crate::{definition::Edit, error::Result, id::TaskId};

/// The JSON form, version 1.
#[derive(Serialize)]
struct Form<'a> {
    version: u8,
    complete: bool,
    tasks_before: usize,
    tasks: usize,
    edges_before: usize,
    edges: usize,
    changes: Vec<ChangeForm<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
enum ChangeForm<'a> {
    DroppedDependency { from: &'a TaskId, to: &'a TaskId, why: &'a str },
    Merged { kept: &'a TaskId, dropped: &'a TaskId, why: &'a str },
}

/// Runs `orch optimize`.
pub(super) fn main(args: &Optimize, config: &Config, console: &mut Console<'_>) -> Result<Exit> {
    let loaded = source::load(&args.source, &config.run, Vec::new());
    let Some(graph) = &loaded.graph else {
        if args.json {
            console.json(&source::Refusal::from(&loaded));
        }
        loaded.complain(console);
        return Ok(Exit::Bad);
    };
    let optimized = graph.optimize()?;
    if args.json {
        let changes = optimized.changes.iter().map(|change| {
            let why = change.why.as_str();
            match &change.edit {
                Edit::DroppedDependency { from, to } => ChangeForm::DroppedDependency { from, to, why },
                Edit::Merged { kept, dropped } => ChangeForm::Merged { kept, dropped, why },
            }
        });
        console.json(&Form {
            version: 1,
            complete: optimized.complete,
            tasks_before: graph.len(),
            tasks: optimized.graph.len(),
            edges_before: graph.edges(),
            edges: optimized.graph.edges(),
            changes: changes.collect(),
        });
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for change in &optimized.changes {
        text += &format!("{change}\n");
    }
    text += &match optimized.changes.len() {
        0 => format!("nothing to do: {} and {}\n", count(graph.len(), "task"), count(graph.edges(), "dependency")),
        _ => format!(
            "{} instead of {}, {} instead of {}\n",
            count(optimized.graph.len(), "task"),
            graph.len(),
            count(optimized.graph.edges(), "dependency"),
            graph.edges()
        ),
    };
    console.result(&text);
    if !optimized.complete {
        console.warning("the graph is very tangled; not every dependency was looked at");
    }
    Ok(Exit::Done)
}
