//! What a definition says of failures: compensation, sagas, critical phases, circuit breakers.

use std::{collections::HashSet, time::Duration};

use serde_json::{Map, Value};

use super::{
    fields::{At, Fields, MILLIS, Reader, SECONDS},
    retry,
    root::Shared,
};
use crate::{
    definition::{
        breaker::BreakerOptions,
        command::model::{Agent, Placed},
        task::Retry,
        undo::{Rollback, Undo, UndoOn, UndoScope},
    },
    id::{Printable, TaskId},
};

/// What the root says of undoing.
#[derive(Default)]
pub(super) struct Saga {
    /// Nothing is undone.
    pub(super) off: bool,
    /// Only agents of these phases, by id or name, are undone.
    pub(super) phases: Option<HashSet<String>>,
    /// How long the run may take.
    pub(super) deadline: Option<Duration>,
}

impl Saga {
    /// Whether agents of that phase are undone.
    pub(super) fn covers(&self, id: Option<&str>, name: &str) -> bool {
        let named = |phases: &HashSet<String>| phases.contains(name) || id.is_some_and(|id| phases.contains(id));
        !self.off && self.phases.as_ref().is_none_or(named)
    }
}

/// The fields of a compensation that are read; every other goes to the `params` of the undo.
const READ: [&str; 15] = [
    "action",
    "agentId",
    "compensateOn",
    "description",
    "enabled",
    "itself",
    "priority",
    "retry",
    "retryPolicy",
    "rollbackSteps",
    "rollbackTo",
    "task",
    "timeout",
    "type",
    "agent",
];

/// The types of a compensation.
enum Kind {
    Nothing,
    Retry,
    /// A step that takes back what the agent did; the types differ only in who mostly does it.
    Step,
    /// No step of its own: its failure undoes others.
    Cascade,
}

impl Reader {
    /// `saga` and `sagaCompensation`.
    pub(super) fn saga(&mut self, root: Fields<'_>) -> Saga {
        let at = At::Root;
        let mut saga = Saga::default();
        for (outer, order) in [("saga", "compensationOrder"), ("sagaCompensation", "rollbackStrategy")] {
            let Some(fields) = self.member(root, outer, &at) else { continue };
            let at = at.key(outer);
            saga.off |= self.flag(fields, "enabled", &at) == Some(false);
            if let Some(order) = self.text(fields, order, &at).filter(|order| !order.starts_with("reverse")) {
                let message = format!(
                    "`{}` is kept, but not applied: undo goes back from the latest to the first",
                    Printable(&order)
                );
                self.warn("NOT_APPLIED", message, at);
            }
            saga.deadline = self.limit(fields, "transactionTimeout", SECONDS, &at).or(saga.deadline);
            if fields.get("compensationPhases").is_some_and(|phases| !phases.is_null()) {
                let names = self.texts(fields, "compensationPhases", &at);
                self.check_phase_names(root, &names);
                saga.phases = Some(names.into_iter().map(|placed| placed.value).collect());
            }
        }
        saga
    }

    /// The `circuitBreakers` of the root, by name.
    pub(super) fn breakers(&mut self, root: Fields<'_>) {
        let at = At::Root;
        let Some(list) = self.member(root, "circuitBreakers", &at) else { return };
        let at = at.key("circuitBreakers");
        for (name, value) in list {
            let at = at.key(name);
            if let Some(fields) = self.object(value, &at) {
                let options = self.breaker_options(fields, &at);
                self.breakers.insert(name.clone(), options);
            }
        }
    }

    fn breaker_options(&mut self, fields: Fields<'_>, at: &At<'_>) -> BreakerOptions {
        let default = BreakerOptions::default();
        let reset = ["resetTimeout", "timeout"].iter().find_map(|key| self.time(fields, key, MILLIS, at));
        let mut options = BreakerOptions {
            failure_threshold: self.count(fields, "failureThreshold", at).unwrap_or(default.failure_threshold),
            success_threshold: self.count(fields, "successThreshold", at).unwrap_or(default.success_threshold),
            reset_timeout: reset.unwrap_or(default.reset_timeout),
            monitoring_period: self.limit(fields, "monitoringPeriod", MILLIS, at).unwrap_or(default.monitoring_period),
            probes: self.count(fields, "probes", at).unwrap_or(default.probes),
            on: self.texts(fields, "errors", at).into_iter().map(|placed| placed.value).collect(),
            when_open: default.when_open,
        };
        if let Some(name) = self.text(fields, "whenOpen", at) {
            match serde_json::from_value(Value::String(name.clone())) {
                Ok(when_open) => options.when_open = when_open,
                Err(_) => {
                    let message = format!("`{}` is neither `wait` nor `fail`", Printable(&name));
                    self.error("INVALID_VALUE", message, at.key("whenOpen"));
                }
            }
        }
        options
    }

    /// The breaker of an agent: a name, or how its own one behaves.
    pub(super) fn breaker(&mut self, fields: Fields<'_>, id: &str, at: &At<'_>) -> Option<String> {
        let at = at.key("circuitBreaker");
        let given = fields.get("circuitBreaker").filter(|given| !given.is_null())?;
        match given {
            Value::String(name) => Some(name.clone()),
            other => {
                let fields = self.object(other, &at)?;
                if self.flag(fields, "enabled", &at) == Some(false) {
                    return None;
                }
                let name = self.text(fields, "name", &at).unwrap_or_else(|| id.to_owned());
                if fields.keys().any(|key| key != "name" && key != "enabled") {
                    let options = self.breaker_options(fields, &at);
                    self.breakers.insert(name.clone(), options);
                }
                Some(name)
            }
        }
    }

    /// The `compensation` of an agent: how it is undone, what its failure undoes, or that it is tried again.
    pub(super) fn compensation(&mut self, fields: Fields<'_>, at: &At<'_>, shared: &Shared, agent: &mut Agent) {
        let Some(fields) = self.member(fields, "compensation", at) else { return };
        let at = at.key("compensation");
        if self.flag(fields, "enabled", &at) == Some(false) {
            return;
        }
        let kind = self.compensation_kind(fields, &at);
        let cascades = fields.get("type").and_then(Value::as_str) == Some("cascade");
        let on = self.compensate_on(fields, &at);
        let scope = match self.text(fields, "rollbackTo", &at) {
            Some(target) => Some(UndoScope::To(TaskId::from(target))),
            None => cascades.then_some(UndoScope::Cascade),
        };
        match kind {
            Kind::Nothing => return,
            Kind::Retry => {
                let names = on.iter().filter(|on| **on != UndoOn::Cancel).map(|on| on.name().to_owned());
                let again = Retry { max_delay: Duration::from_secs(60), on: names.collect(), ..Retry::default() };
                agent.retry.get_or_insert(again);
                return;
            }
            Kind::Cascade => {}
            Kind::Step => agent.undo = Some(self.undo(fields, &at, shared, on.clone())),
        }
        agent.rollback = scope.map(|scope| Rollback { scope, on });
    }

    fn compensation_kind(&mut self, fields: Fields<'_>, at: &At<'_>) -> Kind {
        let has = |keys: &[&str]| keys.iter().any(|key| fields.get(*key).is_some_and(|value| !value.is_null()));
        match self.text(fields, "type", at).as_deref() {
            Some("none") => Kind::Nothing,
            Some("retry") => Kind::Retry,
            // Its description says what sets it off; a step of its own has an agent or a task.
            Some("cascade") if !has(&["agentId", "agent", "task"]) => Kind::Cascade,
            // Only a `rollbackTo`.
            None if !has(&["agentId", "agent", "task", "description", "action", "rollbackSteps"]) => Kind::Cascade,
            None | Some("rollback" | "custom" | "cascade") => Kind::Step,
            Some(other) => {
                let message = format!(
                    "`{}` is no type of compensation; give none, retry, rollback, custom or cascade",
                    Printable(other)
                );
                self.error("INVALID_VALUE", message, at.key("type"));
                Kind::Nothing
            }
        }
    }

    fn compensate_on(&mut self, fields: Fields<'_>, at: &At<'_>) -> Vec<UndoOn> {
        let mut on = Vec::new();
        for Placed { path, value } in self.texts(fields, "compensateOn", at) {
            match serde_json::from_value::<UndoOn>(Value::String(value.clone())) {
                Ok(known) if !on.contains(&known) => on.push(known),
                Ok(_) => {}
                Err(_) => {
                    let message = format!(
                        "`{}` is no reason to compensate; give error, timeout, validation or cancel",
                        Printable(&value)
                    );
                    self.problems.push(crate::error::Problem::error("INVALID_VALUE", message).at(path));
                }
            }
        }
        on
    }

    fn undo(&mut self, fields: Fields<'_>, at: &At<'_>, shared: &Shared, on: Vec<UndoOn>) -> Undo {
        let mut description =
            ["task", "description", "action"].iter().find_map(|key| self.text(fields, key, at)).unwrap_or_default();
        if description.trim().is_empty() {
            let message = "a compensation needs `task` or `description`, the words that say what to do";
            self.warn("MISSING_FIELD", message, at.key("task"));
        }
        for (nth, step) in self.texts(fields, "rollbackSteps", at).into_iter().enumerate() {
            description.push_str(&format!("\n{}. {}", nth + 1, step.value));
        }
        let policy = ["retryPolicy", "retry"].iter().find_map(|key| {
            let policy = self.member(fields, key, at)?;
            Some(retry(self, policy, &at.key(key)))
        });
        let priority = self.integer(fields, "priority", at);
        Undo {
            agent: ["agentId", "agent"].iter().find_map(|key| self.text(fields, key, at)),
            description,
            params: params(fields),
            on,
            retry: policy,
            timeout: self.limit(fields, "timeout", MILLIS, at),
            itself: self.flag(fields, "itself", at).unwrap_or(false),
            priority: priority.map_or(0, |priority| shared.priority(priority)),
        }
    }
}

fn params(fields: Fields<'_>) -> Value {
    let others = fields.iter().filter(|(key, _)| !READ.contains(&key.as_str()));
    let params: Map<String, Value> = others.map(|(key, value)| (key.clone(), value.clone())).collect();
    if params.is_empty() { Value::Null } else { Value::Object(params) }
}
