//! One pass over the JSON of a definition, in which all dialects become one reading.
//!
//! What a field means is decided here and nowhere else: which of its names wins, which unit its number has. A wrong field is
//! a problem and then as good as absent, so that one pass finds all of them.

mod agent;
mod fields;
mod recovery;
mod root;

use std::collections::HashMap;

use serde_json::Value;

use super::model::{Command, Dynamic, Phase, Placed, Reading};
use crate::{
    definition::task::{Expand, Retry},
    id::Printable,
};
use fields::{At, Fields, Reader};
use root::Shared;

pub(super) fn read(raw: &Value) -> Reading {
    let mut reader = Reader::default();
    let at = At::Root;
    let Some(root) = reader.object(raw, &at) else {
        return Reading { problems: reader.problems, ..Reading::default() };
    };
    reader.version(root);
    let name = reader.name(root);
    let description = reader.text(root, "description", &at).unwrap_or_default();
    if description.is_empty() && root.get("description").is_none_or(|given| given.is_string() || given.is_null()) {
        reader.warn("MISSING_FIELD", "a command needs a description of 1 to 200 characters", at.key("description"));
    }
    let shared = reader.shared(root);
    let inputs = reader.inputs(root);
    let resources = reader.resources(root);
    reader.breakers(root);
    let phases = reader.phases(root, &shared);
    Reading {
        name,
        description,
        phases,
        inputs: inputs.defaults,
        required_inputs: inputs.required,
        declares_inputs: inputs.declared,
        resources,
        breakers: reader.breakers,
        deadline: shared.saga.deadline,
        cache: shared.cache,
        problems: reader.problems,
    }
}

impl Reader {
    fn phases(&mut self, root: Fields<'_>, shared: &Shared) -> Vec<Phase> {
        let at = At::Root.key("phases");
        let Some(list) = self.list(root, "phases", &At::Root) else {
            if root.get("phases").is_none_or(Value::is_null) {
                self.error("MISSING_FIELD", "a command needs `phases`, an array of at least one phase", at);
            }
            return Vec::new();
        };
        if list.is_empty() {
            self.error("EMPTY_LIST", "a command needs at least one phase", at);
        }
        let mut phases: Vec<Phase> = Vec::with_capacity(list.len());
        let mut ids = HashMap::new();
        for (place, value) in list.iter().enumerate() {
            let at = at.index(place);
            if let Some(fields) = self.object(value, &at) {
                let phase = self.phase(fields, place, &at, shared);
                if let Some(id) = phase.id.clone()
                    && let Some(earlier) = ids.insert(id, place)
                {
                    let message = format!(
                        "`{}` is already the id of phases[{earlier}]",
                        Printable(phase.id.as_deref().unwrap_or_default())
                    );
                    self.error("DUPLICATE_ID", message, at.key("id"));
                }
                phases.push(phase);
            }
        }
        phases
    }

    fn phase(&mut self, fields: Fields<'_>, place: usize, at: &At<'_>, shared: &Shared) -> Phase {
        let id = self.text(fields, "id", at);
        if let Some(id) = &id {
            self.check_id(id, at.key("id"));
        }
        let name = self.text(fields, "name", at);
        if !["id", "name"].iter().any(|key| fields.get(key as &str).is_some_and(|given| !given.is_null())) {
            self.warn("MISSING_FIELD", "a phase needs an `id` or a `name`", *at);
        }
        let name = name.or_else(|| id.clone()).unwrap_or_else(|| format!("phase {}", place + 1));
        let dynamic = self.dynamic(fields, &name, at);
        let critical = id.as_ref().is_some_and(|id| shared.critical.contains(id)) || shared.critical.contains(&name);
        let continues = self.flag(fields, "continueOnError", at);
        let is_undone = shared.saga.covers(id.as_deref(), &name);
        let mut phase = Phase {
            place,
            description: self.text(fields, "description", at).unwrap_or_default(),
            parallel: match self.flag(fields, "parallel", at) {
                Some(parallel) => parallel,
                None => !self.flag(fields, "sequential", at).unwrap_or(false),
            },
            max_parallel: self.max_parallel(fields, at),
            continue_on_error: continues.unwrap_or(shared.continues && !critical),
            conditions: self.conditions(fields, at),
            critical: critical && continues != Some(true),
            agents: self.agents(fields, place, dynamic.is_some(), at, shared),
            dynamic,
            id,
            name,
        };
        if !is_undone {
            for agent in &mut phase.agents {
                (agent.undo, agent.rollback) = (None, None);
            }
        }
        phase
    }

    /// `maxParallelism`, or `parallelism.maxConcurrent` unless it is switched off.
    fn max_parallel(&mut self, fields: Fields<'_>, at: &At<'_>) -> Option<u32> {
        if let Some(limit) = self.count(fields, "maxParallelism", at) {
            return Some(limit);
        }
        let value = fields.get("parallelism").filter(|value| !value.is_null())?;
        let at = at.key("parallelism");
        let parallelism = self.object(value, &at)?;
        let limit = self.count(parallelism, "maxConcurrent", &at);
        if self.flag(parallelism, "enabled", &at) == Some(false) { Some(1) } else { limit }
    }

    fn agents(
        &mut self,
        fields: Fields<'_>,
        phase: usize,
        dynamic: bool,
        at: &At<'_>,
        shared: &Shared,
    ) -> Vec<super::model::Agent> {
        let Some(list) = self.list(fields, "agents", at) else {
            if fields.get("agents").is_none_or(Value::is_null) && !dynamic {
                self.error("MISSING_FIELD", "a phase needs `agents`, an array of at least one agent", at.key("agents"));
            }
            return Vec::new();
        };
        let at = at.key("agents");
        if list.is_empty() && !dynamic {
            self.error("EMPTY_LIST", "a phase needs at least one agent", at);
        }
        let mut agents = Vec::with_capacity(list.len());
        for (place, value) in list.iter().enumerate() {
            let at = at.index(place);
            if self.agents == Command::MAX_AGENTS {
                self.error("TOO_LARGE", format!("a command has at most {} agents", Command::MAX_AGENTS), at);
                break;
            }
            if let Some(fields) = self.object(value, &at) {
                self.agents += 1;
                agents.push(self.agent(fields, phase, place, &at, shared));
            }
        }
        agents
    }

    fn dynamic(&mut self, fields: Fields<'_>, phase: &str, at: &At<'_>) -> Option<Dynamic> {
        let value = fields.get("dynamicAgents").filter(|value| !value.is_null());
        let switched = self.flag(fields, "dynamic", at);
        let Some(value) = value else {
            if switched == Some(true) {
                let message = "a dynamic phase needs `dynamicAgents` with a `source` and a `mapping`";
                self.warn("MISSING_FIELD", message, at.key("dynamicAgents"));
            }
            return None;
        };
        if switched == Some(false) {
            return None;
        }
        let at = at.key("dynamicAgents");
        let dynamic = self.object(value, &at)?;
        let Some(source) = self.text(dynamic, "source", &at).filter(|source| !source.is_empty()) else {
            let message = "`dynamicAgents` needs a `source`, for example `context.planner.tasks`";
            self.error("MISSING_FIELD", message, at.key("source"));
            return None;
        };
        let mapping = match dynamic.get("mapping").filter(|value| !value.is_null()) {
            Some(value) => self.object(value, &at.key("mapping")),
            None => None,
        };
        let at = at.key("mapping");
        let mut field = |keys: &[&str], default: &str| {
            let found = mapping.and_then(|mapping| keys.iter().find_map(|key| self.text(mapping, key, &at)));
            // `task.id` names the field `id` of the element, which the dialect calls `task`.
            found.map_or_else(|| default.to_owned(), |text| text.strip_prefix("task.").unwrap_or(&text).to_owned())
        };
        let spec = Expand {
            path: Vec::new(),
            id: field(&["id"], "id"),
            agent: field(&["agentId", "type", "name"], "agentId"),
            description: field(&["task", "description"], "task"),
            dependencies: field(&["dependencies"], "dependencies"),
            estimate_ms: field(&["estimatedTime"], "estimatedTime"),
            resources: field(&["resources"], "resources"),
            phase: Some(phase.to_owned()),
            claims: Vec::new(),
            before: Vec::new(),
            max_tasks: 0,
            strict: true,
        };
        Some(Dynamic { source: source.split('.').map(str::to_owned).collect(), spec })
    }
}

/// A retry policy: `maxAttempts` counts every start, the first included. Defaults are those of the published schema.
fn retry(reader: &mut Reader, fields: Fields<'_>, at: &At<'_>) -> Retry {
    let default = Retry { max_delay: std::time::Duration::from_secs(60), ..Retry::default() };
    let strategy = match reader.text(fields, "strategy", at) {
        None => default.strategy,
        Some(name) => match serde_json::from_value(Value::String(name.clone())) {
            Ok(strategy) => strategy,
            Err(_) => {
                let message =
                    format!("`{}` is no strategy; give immediate, linear, exponential or fibonacci", Printable(&name));
                reader.error("INVALID_VALUE", message, at.key("strategy"));
                default.strategy
            }
        },
    };
    let initial_delay = reader.time(fields, "initialDelay", fields::MILLIS, at).unwrap_or(default.initial_delay);
    Retry {
        max_attempts: reader.count(fields, "maxAttempts", at).unwrap_or(default.max_attempts),
        strategy,
        initial_delay,
        max_delay: reader.time(fields, "maxDelay", fields::MILLIS, at).unwrap_or(default.max_delay).max(initial_delay),
        multiplier: reader.factor(fields, "backoffMultiplier", at).unwrap_or(default.multiplier),
        jitter: reader.flag(fields, "jitter", at).unwrap_or(default.jitter),
        on: reader.texts(fields, "retryableErrors", at).into_iter().map(|Placed { value, .. }| value).collect(),
    }
}
