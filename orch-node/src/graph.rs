//! Graphs: checked by the core, addressed by place.

use std::{collections::BTreeMap, path::Path};

use napi_derive::napi;
use orch_core::{
    BreakerOptions, Error, ErrorKind, GraphOptions, Resource, Task, TaskIx, TaskOptions,
    definition::export::{dot, mermaid},
    session::{self, Definition},
};
use serde::Deserialize;

use crate::{convert, error::Raised, plan::Plan};

/// Tasks and their dependencies, checked. Immutable.
#[napi]
pub struct Graph(pub(crate) orch_core::Graph);

/// What few tasks or graphs have.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Extras {
    /// Tasks whose dependency is not there: place, name.
    missing: Vec<(usize, String)>,
    estimates: Vec<(usize, f64)>,
    options: Vec<(usize, TaskOptions)>,
    resources: Vec<Resource>,
    quorums: BTreeMap<String, u32>,
    breakers: BTreeMap<String, BreakerOptions>,
}

/// As `split` does, which takes longer for short parts with one byte between them.
fn parts<'a>(text: &'a str, between: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = match between.as_bytes() {
            [one] => text.bytes().position(|byte| byte == *one),
            _ => text.find(between),
        };
        let part = end.and_then(|end| Some((text.get(..end)?, text.get(end + between.len()..)?)));
        rest = part.map(|(_, rest)| rest);
        Some(part.map_or(text, |(part, _)| part))
    })
}

#[napi]
impl Graph {
    /// `ids` are the names, `between` between them. `links` holds what each task waits for: how many, and their places. Nothing: there are
    /// more names than that, since a name has in it what is between them.
    #[napi]
    pub fn build(
        name: String,
        ids: String,
        between: String,
        links: &[u32],
        extras: Option<String>,
    ) -> napi::Result<Option<Graph>> {
        let mut builder = orch_core::Graph::builder(name);
        let extras = extras.map(|text| convert::read(&text, "the options of tasks")).transpose()?;
        let Extras { missing, estimates, options, resources, quorums, breakers } = extras.unwrap_or_default();
        let (mut missing, mut estimates, mut options) =
            (missing.into_iter().peekable(), estimates.into_iter().peekable(), options.into_iter().peekable());
        // No more room is made than what is said takes already.
        let tasks = (ids.bytes().filter(|&byte| byte == b'\n').count() + 1).min(links.len());
        builder.reserve(tasks, links.len() - tasks);
        let mut links = links.iter();
        for (place, id) in parts(&ids, &between).enumerate() {
            let Some(count) = links.next() else {
                // A graph without tasks has no name in the text, which still splits in one.
                if place > 0 {
                    return Ok(None);
                }
                break;
            };
            let mut task = Task::new(id);
            while let Some((_, id)) = missing.next_if(|(at, _)| *at == place) {
                task = task.after(id);
            }
            while let Some((_, estimate)) = estimates.next_if(|(at, _)| *at == place) {
                task = task.estimate(convert::duration(estimate)?);
            }
            while let Some((_, options)) = options.next_if(|(at, _)| *at == place) {
                task = task.with(|own| *own = options);
            }
            let ix = builder.add(task);
            for from in links.by_ref().take(*count as usize) {
                builder.link(TaskIx::from(*from), ix);
            }
        }
        builder = resources.into_iter().fold(builder, orch_core::GraphBuilder::resource);
        builder = quorums.into_iter().fold(builder, |builder, (group, least)| builder.quorum(group, least));
        builder = breakers.into_iter().fold(builder, |builder, (name, options)| builder.breaker(name, options));
        builder.build().raised().map(|graph| Some(Self(graph)))
    }

    /// The same graph, where what each task does is a function with one of these hashes: which, by place.
    #[napi]
    pub fn with_functions(&self, hashes: Vec<String>, places: &[u32]) -> Self {
        let hash = |&place: &u32| hashes.get(place as usize).cloned().unwrap_or_default();
        Self(self.0.with_functions(places.iter().map(hash)))
    }

    /// The graph of a definition's text.
    #[napi(factory)]
    pub fn parse(text: String, file: Option<String>, options: String) -> napi::Result<Self> {
        let definition = Definition::parse(&text, file.as_deref().map(Path::new)).raised()?;
        let options: GraphOptions = convert::read(&options, "the options of the graph")?;
        definition.graph(&options).raised().map(Self)
    }

    /// The graph that [`json`](Self::json) wrote.
    #[napi(factory)]
    pub fn of_json(text: String) -> napi::Result<Self> {
        let graph = serde_json::from_str(&text);
        graph.map_err(|error| Error::new(ErrorKind::InvalidFormat, error.to_string())).raised().map(Self)
    }

    /// The text of a file, at most 64 MiB.
    #[napi]
    pub fn text_of(path: String) -> napi::Result<String> {
        session::load_text(Path::new(&path)).raised()
    }

    /// Whether a task asks for a capability, and names no agent.
    #[napi(getter)]
    pub fn asks(&self) -> bool {
        self.0.tasks().iter().any(|task| task.options().agent.is_none() && task.options().capability.is_some())
    }

    /// The name of the graph.
    #[napi(getter)]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The content hash.
    #[napi(getter)]
    pub fn hash(&self) -> String {
        self.0.hash().to_string()
    }

    /// How many tasks it has.
    #[napi(getter)]
    pub fn size(&self) -> u32 {
        self.0.len() as u32
    }

    /// The names of the tasks.
    #[napi]
    pub fn ids(&self) -> Vec<&str> {
        self.0.tasks().iter().map(|task| task.id().as_str()).collect()
    }

    /// The places of what that task waits for.
    #[napi]
    pub fn parents(&self, place: u32) -> Vec<u32> {
        self.0.parents(place.into()).map(|parent| parent.index() as u32).collect()
    }

    /// The options of each task, as JSON.
    #[napi]
    pub fn options(&self) -> napi::Result<String> {
        convert::shown(&self.0.tasks().iter().map(Task::options).collect::<Vec<_>>())
    }

    /// Whether anything of the graph reads what tasks make as JSON: then outputs have to cross.
    #[napi(getter)]
    pub fn reads_values(&self) -> bool {
        self.0.tasks().iter().map(Task::options).any(|options| {
            !options.conditions.is_empty()
                || !options.inputs.is_empty()
                || !options.outputs.is_empty()
                || options.expand.is_some()
        })
    }

    /// Whether a run of it may have to wait for something that other threads or other runs say.
    #[napi(getter)]
    pub fn hears_others(&self) -> bool {
        self.0.tasks().iter().map(Task::options).any(|options| {
            !options.conditions.is_empty()
                || !options.claims.is_empty()
                || !options.inputs.is_empty()
                || options.breaker.is_some()
                || options.expand.is_some()
                || options.shares()
        })
    }

    /// What is odd about it.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.0.warnings().iter().map(ToString::to_string).collect()
    }

    /// As a Mermaid flowchart.
    #[napi]
    pub fn mermaid(&self) -> String {
        mermaid(&self.0, &[])
    }

    /// As DOT.
    #[napi]
    pub fn dot(&self) -> String {
        dot(&self.0, &[])
    }

    /// As JSON.
    #[napi]
    pub fn json(&self) -> napi::Result<String> {
        convert::shown(&self.0)
    }

    /// How it would run.
    #[napi]
    pub fn plan(&self, default_estimate_ms: Option<f64>, workers: Option<u32>) -> napi::Result<Plan> {
        Plan::of(&self.0, default_estimate_ms, workers)
    }
}
