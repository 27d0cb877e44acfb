//! The fields of a definition outside its phases.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    fields::{At, Fields, MILLIS, Reader, SECONDS},
    recovery::Saga,
    retry,
};
use crate::{
    definition::{
        claim::{Resource, ResourceKind},
        command::model::{CachePolicy, Declared, Placed},
        task::Retry,
    },
    error::Problem,
    id::Printable,
};

/// What the root says for every agent.
#[derive(Default)]
pub(super) struct Shared {
    /// How long an output stays good when it does not say so itself.
    pub(super) ttl: Option<Duration>,
    pub(super) ttl_by_key: HashMap<String, Duration>,
    pub(super) cache: CachePolicy,
    pub(super) retry: Option<Retry>,
    /// Failures outside the critical phases do not fail the run.
    pub(super) continues: bool,
    /// Ids or names of critical phases.
    pub(super) critical: HashSet<String>,
    /// Whether the dialect counts priorities from 1 as the most urgent.
    pub(super) first_is_urgent: bool,
    pub(super) saga: Saga,
}

impl Shared {
    /// The priority as orch has it: higher first.
    pub(super) fn priority(&self, given: i32) -> i32 {
        if self.first_is_urgent { 1i32.saturating_sub(given) } else { given }
    }
}

#[derive(Default)]
pub(super) struct Inputs {
    pub(super) defaults: Map<String, Value>,
    pub(super) required: Vec<String>,
    pub(super) declared: bool,
}

impl Reader {
    pub(super) fn version(&mut self, root: Fields<'_>) {
        let at = At::Root.key("version");
        match root.get("version") {
            Some(Value::String(version)) if version == "2.0.0" => {}
            Some(Value::String(version)) if version == "2.0" => {
                self.warn("INVALID_VERSION", "the version is written `2.0.0`; `2.0` is read as such", at);
            }
            Some(Value::String(version)) => {
                let message = format!("version `{}` is unknown; this reads `2.0.0`", Printable(version));
                self.error("INVALID_VERSION", message, at);
            }
            Some(Value::Null) | None => {
                self.error("INVALID_VERSION", "a definition needs \"version\": \"2.0.0\"", at);
            }
            Some(_) => self.error("INVALID_VERSION", "the version is a text: \"2.0.0\"", at),
        }
    }

    pub(super) fn name(&mut self, root: Fields<'_>) -> String {
        let at = At::Root.key("name");
        let Some(name) = self.text(root, "name", &At::Root) else {
            if root.get("name").is_none_or(Value::is_null) {
                self.error("INVALID_NAME", "a command needs a name, for example `/review-all`", at);
            }
            return String::new();
        };
        let plain = name.strip_prefix('/').unwrap_or(&name);
        let usual = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
        if plain.is_empty() || name.chars().any(char::is_control) {
            let message = format!("`{}` is no name of a command; give one like `/review-all`", Printable(&name));
            self.error("INVALID_NAME", message, at);
        } else if !name.starts_with('/') || !plain.chars().all(usual) {
            let message =
                format!("`{}` is an unusual name; the published form is `/`, then a-z, 0-9 and `-`", Printable(&name));
            self.warn("INVALID_NAME", message, at);
        }
        name
    }

    pub(super) fn shared(&mut self, root: Fields<'_>) -> Shared {
        let at = At::Root;
        let mut shared = Shared { first_is_urgent: counts_from_urgent(root), ..Shared::default() };
        if let Some(global) = self.member(root, "globalContext", &at) {
            shared.ttl = self.limit(global, "cacheTTL", SECONDS, &at.key("globalContext"));
        }
        if let Some(sharing) = self.member(root, "contextSharing", &at) {
            let at = at.key("contextSharing");
            if let Some(policy) = self.member(sharing, "cachePolicy", &at) {
                let at = at.key("cachePolicy");
                shared.ttl = self.limit(policy, "ttl", MILLIS, &at).or(shared.ttl);
                shared.cache.max_bytes = self.count(policy, "maxSize", &at).map(u64::from);
                shared.cache.eviction = self.text(policy, "eviction", &at).and_then(|eviction| {
                    let known = match eviction.to_ascii_lowercase().as_str() {
                        "lru" => "lru",
                        "lfu" => "lfu",
                        "ttl" => "expiry",
                        _ => {
                            let message = format!(
                                "`{}` is no eviction that is known (LRU, LFU, TTL); the least recently used go first",
                                Printable(&eviction)
                            );
                            self.warn("NOT_APPLIED", message, at.key("eviction"));
                            return None;
                        }
                    };
                    Some(known)
                });
            }
        }
        if let Some(context) = self.member(root, "context", &at) {
            let at = at.key("context");
            let list = self.list(context, "shared", &at).unwrap_or_default();
            for (place, value) in list.iter().enumerate() {
                let at = at.key("shared");
                let at = at.index(place);
                if let Some(fields) = value.as_object()
                    && let Some(key) = self.text(fields, "key", &at)
                    && let Some(ttl) = self.limit(fields, "ttl", SECONDS, &at)
                {
                    shared.ttl_by_key.insert(key, ttl);
                }
            }
        }
        // Other dialects hold prose here; only the two fields that have a form are read.
        if let Some(handling) = self.member(root, "errorHandling", &at) {
            let at = at.key("errorHandling");
            if let Some(policy) = self.member(handling, "retryPolicy", &at) {
                shared.retry = Some(retry(self, policy, &at.key("retryPolicy")));
            }
            let fallback = handling.get("fallbackStrategy").and_then(Value::as_str);
            shared.continues = fallback == Some("continue-with-warnings");
            let critical = self.texts(handling, "criticalPhases", &at);
            self.check_phase_names(root, &critical);
            shared.critical = critical.into_iter().map(|placed| placed.value).collect();
        }
        shared.saga = self.saga(root);
        shared
    }

    pub(super) fn check_phase_names(&mut self, root: Fields<'_>, names: &[Placed<String>]) {
        let phases = root.get("phases").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let name_of = |phase, key| Value::get::<&str>(phase, key).and_then(Value::as_str);
        let known: HashSet<&str> =
            phases.iter().flat_map(|phase| [name_of(phase, "id"), name_of(phase, "name")]).flatten().collect();
        for Placed { path, value } in names.iter().filter(|name| !known.contains(name.value.as_str())) {
            let message = format!("names the phase `{}`, which does not exist", Printable(value));
            self.problems.push(Problem::error("MISSING_REFERENCE", message).at(path));
        }
    }

    /// `inputs.required`, `inputs.optional` and `globalContext.initial`.
    pub(super) fn inputs(&mut self, root: Fields<'_>) -> Inputs {
        let at = At::Root;
        let mut inputs = Inputs::default();
        if let Some(declared) = self.member(root, "inputs", &at) {
            let at = at.key("inputs");
            inputs.declared = true;
            if let Some(required) = self.member(declared, "required", &at) {
                inputs.required = required.keys().cloned().collect();
            }
            if let Some(optional) = self.member(declared, "optional", &at) {
                for (name, description) in optional {
                    // An optional input without a default is there all the same: nothing reads it as a missing value.
                    inputs.defaults.insert(name.clone(), description.get("default").cloned().unwrap_or_default());
                }
            }
        }
        if let Some(global) = self.member(root, "globalContext", &at)
            && let Some(initial) = self.member(global, "initial", &at.key("globalContext"))
        {
            inputs.defaults.extend(initial.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        inputs
    }

    /// `resourceLocking.resources` and `resourceManagement.globalLocks`. The `resources.locks` of the published form belong to
    /// the command as a whole and limit no task.
    pub(super) fn resources(&mut self, root: Fields<'_>) -> Vec<Declared> {
        let at = At::Root;
        let mut resources = Vec::new();
        let mut names = HashSet::new();
        for (outer, list, id) in
            [("resourceLocking", "resources", "id"), ("resourceManagement", "globalLocks", "resourceId")]
        {
            let Some(fields) = self.member(root, outer, &at) else { continue };
            let at = at.key(outer);
            if self.flag(fields, "enabled", &at) == Some(false) {
                continue;
            }
            let values = self.list(fields, list, &at).unwrap_or_default();
            let at = at.key(list);
            for (place, value) in values.iter().enumerate() {
                let at = at.index(place);
                let Some(fields) = self.object(value, &at) else { continue };
                let Some(name) = self.text(fields, id, &at) else {
                    self.error("MISSING_FIELD", format!("a resource needs `{id}`"), at.key(id));
                    continue;
                };
                if !names.insert(name.clone()) {
                    let message = format!("the resource `{}` is declared twice", Printable(&name));
                    self.error("DUPLICATE_ID", message, at.key(id));
                    continue;
                }
                // What is called a lock has one holder unless it says otherwise.
                let capacity =
                    self.count(fields, "maxConcurrent", &at).or((outer == "resourceManagement").then_some(1));
                let kind = self.text(fields, "type", &at).map(|kind| kind_of(&kind)).unwrap_or_default();
                let priority = self.resource_priority(fields, &at);
                resources
                    .push(Declared { resource: Resource { capacity, ..Resource::new(name).kind(kind) }, priority });
            }
        }
        self.command_locks(root);
        resources
    }

    /// A number, or `high`, `medium`, `low`.
    fn resource_priority(&mut self, fields: Fields<'_>, at: &At<'_>) -> i32 {
        match fields.get("priority").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            None => self.integer(fields, "priority", at).unwrap_or_default(),
            Some("high") => 1,
            Some("medium") => 0,
            Some("low") => -1,
            Some(other) => {
                let message = format!(
                    "`{}` is kept, but not applied: a priority is high, medium, low or a number",
                    Printable(other)
                );
                self.warn("NOT_APPLIED", message, at.key("priority"));
                0
            }
        }
    }

    fn command_locks(&mut self, root: Fields<'_>) {
        let at = At::Root;
        let Some(fields) = self.member(root, "resources", &at) else { return };
        let at = at.key("resources");
        self.time(fields, "maxWaitTime", MILLIS, &at);
        let list = self.list(fields, "locks", &at).unwrap_or_default();
        let at = at.key("locks");
        let mut seen = HashSet::new();
        for (place, value) in list.iter().enumerate() {
            if let Some(name) = value.get("resource").and_then(Value::as_str)
                && !seen.insert(name)
            {
                let message = format!("the lock `{}` is listed twice", Printable(name));
                self.warn("DUPLICATE_ID", message, at.index(place));
            }
        }
    }
}

/// The kinds that the published form knows; dialects write others, which mean nothing here.
fn kind_of(name: &str) -> ResourceKind {
    serde_json::from_value(Value::String(name.to_ascii_lowercase())).unwrap_or_default()
}

/// The dialect that writes version `2.0` and `sequential` calls priority 1 the most urgent; the published form and the others
/// start the highest first.
fn counts_from_urgent(root: Fields<'_>) -> bool {
    let phases = root.get("phases").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    root.get("version").and_then(Value::as_str) == Some("2.0")
        || phases.iter().any(|phase| phase.get("sequential").is_some())
}
