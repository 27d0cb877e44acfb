//! One agent of a phase.

use std::{collections::HashSet, time::Duration};

use serde_json::{Map, Value};

use super::{
    fields::{At, Fields, MILLIS, MINUTES, Reader, SECONDS},
    retry,
    root::Shared,
};
use crate::{
    definition::{
        claim::ClaimMode,
        command::{
            condition::{Condition, Expression, Test},
            model::{Agent, Placed, ResourceUse},
        },
        sources::{Sources, refusal},
        task::{Input, OutputSpec},
    },
    error::Problem,
    id::Printable,
    units::{ModelUsage, Usage},
};

/// The fields of an agent that are read; every other goes to its `params`.
const READ: [&str; 22] = [
    "agentId",
    "cacheKey",
    "capability",
    "circuitBreaker",
    "compensation",
    "conditional",
    "context",
    "dependencies",
    "description",
    "dynamicDuration",
    "estimatedDuration",
    "estimatedTime",
    "expects",
    "id",
    "name",
    "outputs",
    "priority",
    "resources",
    "retry",
    "retryPolicy",
    "skipCondition",
    "task",
];

impl Reader {
    pub(super) fn agent(
        &mut self,
        fields: Fields<'_>,
        phase: usize,
        place: usize,
        at: &At<'_>,
        shared: &Shared,
    ) -> Agent {
        let id = match self.text(fields, "id", at) {
            Some(id) => {
                self.check_id(&id, at.key("id"));
                id
            }
            None => {
                if fields.get("id").is_none_or(Value::is_null) {
                    self.error("MISSING_FIELD", "an agent needs an `id`", at.key("id"));
                }
                String::new()
            }
        };
        let agent = ["agentId", "type", "name"].iter().find_map(|key| self.text(fields, key, at));
        let capability = self.text(fields, "capability", at);
        if agent.is_none() && capability.is_none() {
            let message = "an agent needs `agentId`, the kind of agent that does the task";
            self.warn("MISSING_FIELD", message, at.key("agentId"));
        }
        let task = ["task", "description"].iter().find_map(|key| self.text(fields, key, at)).unwrap_or_default();
        if task.trim().is_empty() {
            self.warn("MISSING_FIELD", "an agent needs `task`, the words that say what to do", at.key("task"));
        }
        let estimate = match self.time(fields, "estimatedTime", MILLIS, at) {
            Some(estimate) => Some(estimate),
            None => self.time(fields, "estimatedDuration", MINUTES, at),
        };
        let priority = self.integer(fields, "priority", at).map_or(0, |priority| shared.priority(priority));
        let own_retry = ["retryPolicy", "retry"].iter().find_map(|key| {
            let policy = self.member(fields, key, at)?;
            Some(retry(self, policy, &at.key(key)))
        });
        let breaker = self.breaker(fields, &id, at);
        let mut agent = Agent {
            phase,
            place,
            id,
            agent,
            capability,
            task,
            dependencies: self.dependencies(fields, at),
            estimate,
            timeout: self.limit(fields, "timeout", MILLIS, at),
            priority,
            retry: own_retry.or_else(|| shared.retry.clone()),
            conditions: self.conditions(fields, at),
            inputs: Vec::new(),
            outputs: Vec::new(),
            outputs_by_key: false,
            resources: self.used_resources(fields, at, shared),
            undo: None,
            rollback: None,
            breaker,
            sources: self.sources(fields, at),
            expects: self.expects(fields, at),
            params: params(fields),
        };
        self.context(fields, at, shared, &mut agent);
        self.compensation(fields, at, shared, &mut agent);
        agent
    }

    /// `expects: {"model": "…", "input": 2000, "output": 500}`, or a list of them: tokens.
    fn expects(&mut self, fields: Fields<'_>, at: &At<'_>) -> Usage {
        let at = at.key("expects");
        let all: Vec<&Value> = match fields.get("expects") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one) => vec![one],
        };
        let mut usage = Usage::default();
        for value in all {
            match serde_json::from_value::<ModelUsage>(value.clone()) {
                Ok(one) if value.is_object() && !one.model.is_empty() => {
                    usage.add(&ModelUsage { requests: one.requests.max(1), ..one }.into());
                }
                _ => {
                    let message =
                        "what a task expects to use names a `model` and counts of tokens, `input` and `output`";
                    self.error("INVALID_VALUE", message, at);
                }
            }
        }
        usage
    }

    /// The dependencies, every one at its place: a value that is no text leaves an empty name there.
    fn dependencies(&mut self, fields: Fields<'_>, at: &At<'_>) -> Vec<String> {
        let before = self.problems.errors();
        let texts = self.texts(fields, "dependencies", at);
        if self.problems.errors() == before {
            return texts.into_iter().map(|placed| placed.value).collect();
        }
        let list = fields.get("dependencies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
    }

    fn context(&mut self, fields: Fields<'_>, at: &At<'_>, shared: &Shared, agent: &mut Agent) {
        if let Some(context) = self.member(fields, "context", at) {
            let at = at.key("context");
            self.flag(context, "passthrough", &at);
            for (place, value) in self.list(context, "inputs", &at).unwrap_or_default().iter().enumerate() {
                let at = at.key("inputs");
                if let Some(input) = self.input(value, &at.index(place)) {
                    agent.inputs.push(input);
                }
            }
            for (place, value) in self.list(context, "outputs", &at).unwrap_or_default().iter().enumerate() {
                let at = at.key("outputs");
                let at = at.index(place);
                if let Some((key, ttl)) = self.key_of(value, &at) {
                    let ttl = ttl.or_else(|| shared.ttl_by_key.get(&key).copied()).or(shared.ttl);
                    agent.outputs.push(Placed { path: at.to_string(), value: OutputSpec { key, ttl } });
                    agent.outputs_by_key = true;
                }
            }
        }
        if let Some(outputs) = self.member(fields, "outputs", at) {
            let at = at.key("outputs");
            for key in outputs.keys() {
                let spec = OutputSpec { key: key.clone(), ttl: shared.ttl_by_key.get(key).copied().or(shared.ttl) };
                agent.outputs.push(Placed { path: at.key(key).to_string(), value: spec });
            }
        }
    }

    fn input(&mut self, value: &Value, at: &At<'_>) -> Option<Placed<Input>> {
        let (key, _) = self.key_of(value, at)?;
        let mut input = Input { key, required: true, default: None };
        if let Some(fields) = value.as_object() {
            input.required = self.flag(fields, "required", at).unwrap_or(true);
            input.default = fields.get("default").cloned();
            if fields.get("transform").is_some_and(|transform| !transform.is_null()) {
                let message = "`transform` is kept, but not applied: the task gets the value as it is";
                self.warn("NOT_APPLIED", message, at.key("transform"));
            }
        }
        Some(Placed { path: at.to_string(), value: input })
    }

    /// A key, written as a text or as an object with `key` and perhaps a `ttl` in seconds.
    fn key_of(&mut self, value: &Value, at: &At<'_>) -> Option<(String, Option<Duration>)> {
        let (key, ttl) = match value {
            Value::String(key) => (key.clone(), None),
            other => {
                let fields = self.object(other, at)?;
                let Some(key) = self.text(fields, "key", at) else {
                    self.error("MISSING_FIELD", "a context entry needs a `key`", at.key("key"));
                    return None;
                };
                (key, self.limit(fields, "ttl", SECONDS, at))
            }
        };
        if key.is_empty() {
            self.error("INVALID_NAME", "a context key needs at least one character", *at);
            return None;
        }
        Some((key, ttl))
    }

    /// `cacheKey`: what the result depends on that no agent makes.
    fn sources(&mut self, fields: Fields<'_>, at: &At<'_>) -> Option<Sources> {
        let fields = self.member(fields, "cacheKey", at)?;
        let at = at.key("cacheKey");
        let mut sources = Sources::default();
        for Placed { path, value } in self.texts(fields, "files", &at) {
            if let Some(why) = refusal(&value) {
                let message = format!("`{}` {why}", Printable(&value));
                self.problems.push(Problem::error("INVALID_VALUE", message).at(path));
            }
            sources.files.push(value);
        }
        sources.models = self.texts(fields, "models", &at).into_iter().map(|placed| placed.value).collect();
        if let Some(tools) = self.member(fields, "tools", &at) {
            let at = at.key("tools");
            for name in tools.keys() {
                if let Some(version) = self.text(tools, name, &at) {
                    sources.tools.insert(name.clone(), version);
                }
            }
        }
        for key in fields.keys().filter(|key| !["files", "models", "tools"].contains(&key.as_str())) {
            let message = format!("`{}` is kept, but not applied: known are files, models and tools", Printable(key));
            self.warn("NOT_APPLIED", message, at.key(key));
        }
        Some(sources)
    }

    /// `resources: ["a"]`, `resources: [{"resourceId": "a"}]` or `resources: {"locks": [{"resourceId": "a"}]}`.
    fn used_resources(&mut self, fields: Fields<'_>, at: &At<'_>, shared: &Shared) -> Vec<Placed<ResourceUse>> {
        let at = at.key("resources");
        let (list, at) = match fields.get("resources") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(list)) => (list.as_slice(), at),
            Some(other) => {
                let Some(fields) = self.object(other, &at) else { return Vec::new() };
                (self.list(fields, "locks", &at).unwrap_or_default(), At::Key(&at, "locks"))
            }
        };
        let mut uses: Vec<Placed<ResourceUse>> = Vec::with_capacity(list.len());
        let mut names = HashSet::new();
        for (place, value) in list.iter().enumerate() {
            let at = at.index(place);
            let used = match value {
                Value::String(name) => {
                    Some(ResourceUse { name: name.clone(), mode: None, lock: false, priority: None, wait: None })
                }
                other => self.object(other, &at).and_then(|fields| self.lock(fields, &at, shared)),
            };
            if let Some(value) = used
                && names.insert(value.name.clone())
            {
                uses.push(Placed { path: at.to_string(), value });
            }
        }
        uses
    }

    fn lock(&mut self, fields: Fields<'_>, at: &At<'_>, shared: &Shared) -> Option<ResourceUse> {
        let wait = self.time(fields, "timeout", SECONDS, at);
        let mode = self.lock_mode(fields, at);
        let priority = self.integer(fields, "priority", at).map(|priority| shared.priority(priority));
        let name = ["resourceId", "resource", "id"].iter().find_map(|key| self.text(fields, key, at));
        if name.is_none() {
            self.error("MISSING_FIELD", "a resource needs `resourceId`", at.key("resourceId"));
        }
        name.map(|name| ResourceUse { name, mode, lock: true, priority, wait })
    }

    fn lock_mode(&mut self, fields: Fields<'_>, at: &At<'_>) -> Option<ClaimMode> {
        let kind = self.text(fields, "type", at)?;
        match kind.as_str() {
            "exclusive" => Some(ClaimMode::Exclusive),
            "shared" => Some(ClaimMode::Shared),
            "upgrade" | "upgradable" => Some(ClaimMode::Upgradable),
            other => {
                let message =
                    format!("`{}` is kept, but not applied: a lock is exclusive, shared or upgrade", Printable(other));
                self.warn("NOT_APPLIED", message, at.key("type"));
                None
            }
        }
    }

    /// `conditional` (true runs) and `skipCondition` (true skips), of an agent or a phase.
    pub(super) fn conditions(&mut self, fields: Fields<'_>, at: &At<'_>) -> Vec<Placed<Condition>> {
        let mut conditions = Vec::new();
        if let Some(conditional) = self.member(fields, "conditional", at) {
            let at = at.key("conditional");
            let enabled = self.flag(conditional, "enabled", &at).unwrap_or(true);
            let source = self.text(conditional, "condition", &at);
            let message = ["skipMessage", "description"].iter().find_map(|key| self.text(conditional, key, &at));
            let at = at.key("condition");
            match source {
                Some(source) if enabled => {
                    if let Some(expression) = self.expression(&source, at) {
                        let test = Test::Expression(expression);
                        let value = Condition { test, run_when: true, message };
                        conditions.push(Placed { path: at.to_string(), value });
                    }
                }
                None if enabled => self.error("MISSING_FIELD", "`conditional` needs a `condition`", at),
                _ => {}
            }
        }
        if let Some(skip) = self.member(fields, "skipCondition", at) {
            let at = at.key("skipCondition");
            let message = self.text(skip, "skipMessage", &at);
            if let Some(test) = self.skip_test(skip, &at) {
                let value = Condition { test, run_when: false, message };
                conditions.push(Placed { path: at.key("expression").to_string(), value });
            }
        }
        conditions
    }

    fn skip_test(&mut self, skip: Fields<'_>, at: &At<'_>) -> Option<Test> {
        let kind = self.text(skip, "type", at).unwrap_or_else(|| "context".to_owned());
        let at_expression = at.key("expression");
        if kind == "command_success"
            && let Some(Value::Array(_)) = skip.get("expression")
        {
            let argv: Vec<String> = self.texts(skip, "expression", at).into_iter().map(|placed| placed.value).collect();
            if argv.is_empty() {
                self.error("INVALID_CONDITION", "a command needs at least the program's name", at_expression);
                return None;
            }
            return Some(Test::CommandSucceeds(argv));
        }
        let Some(source) = self.text(skip, "expression", at) else {
            if skip.get("expression").is_none_or(Value::is_null) {
                self.error("MISSING_FIELD", "`skipCondition` needs an `expression`", at_expression);
            }
            return None;
        };
        match kind.as_str() {
            "context" | "custom" => self.expression(&source, at_expression).map(Test::Expression),
            "file_exists" if source.trim().is_empty() => {
                self.error("INVALID_CONDITION", "`file_exists` needs the path of a file", at_expression);
                None
            }
            "file_exists" => Some(Test::FileExists(source)),
            "command_success" => match super::super::argv::split(&source) {
                Ok(argv) => Some(Test::CommandSucceeds(argv)),
                Err(reason) => {
                    self.error("INVALID_CONDITION", reason, at_expression);
                    None
                }
            },
            other => {
                let message = format!(
                    "`{}` is no type of condition; give context, file_exists, command_success or custom",
                    Printable(other)
                );
                self.error("INVALID_CONDITION", message, at.key("type"));
                None
            }
        }
    }

    fn expression(&mut self, source: &str, at: At<'_>) -> Option<Expression> {
        match Expression::parse(source) {
            Ok(expression) => Some(expression),
            Err(error) => {
                self.error("INVALID_CONDITION", error.to_string(), at);
                None
            }
        }
    }
}

fn params(fields: Fields<'_>) -> Map<String, Value> {
    let read = |key: &str| key == "type" || key == "timeout" || READ.contains(&key);
    fields.iter().filter(|(key, _)| !read(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}
