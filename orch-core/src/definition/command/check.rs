//! What a whole definition must fulfil, beyond each field by itself: where values come from, and who reads them too early.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    time::Duration,
};

use serde_json::Value;

use super::{
    condition::{Condition, Test},
    graph::GraphOptions,
    model::{Agent, Command, Phase, Placed},
    order::{Order, Seen, path},
    problems::Problems,
};
use crate::{
    definition::{check::nearest, undo::UndoScope},
    error::Problem,
    id::Printable,
};

/// All problems of where values come from. `order` is sound.
pub(super) fn flow(command: &Command, options: &GraphOptions, order: &Order<'_>, problems: &mut Problems) {
    let mut check = Check {
        command,
        options,
        order,
        makers: HashMap::new(),
        made: String::new(),
        comparisons: 500_000,
        seen: Seen::new(order.agents.len()),
        problems,
    };
    check.collect_makers();
    check.list_keys();
    let mut start = 0;
    for phase in command.phases() {
        let members: Vec<u32> = (start..start + phase.agents.len() as u32).collect();
        start += phase.agents.len() as u32;
        for condition in &phase.conditions {
            check.condition(condition, &members, Some(phase));
        }
        for (ix, agent) in members.iter().copied().zip(&phase.agents) {
            check.agent(agent);
            for input in &agent.inputs {
                check.input(ix, agent, input);
            }
            for condition in &agent.conditions {
                check.condition(condition, &[ix], None);
            }
        }
    }
    if check.seen.exhausted() {
        let message = "the definition is too large to check for every value whether it is made before it is read";
        check.problems.push(Problem::warning("NOT_CHECKED", message).at("phases"));
    }
}

struct Check<'a> {
    command: &'a Command,
    options: &'a GraphOptions,
    order: &'a Order<'a>,
    /// Who makes each plain key.
    makers: HashMap<&'a str, Vec<u32>>,
    /// The first of those keys, for messages.
    made: String,
    /// How many names may still be compared in search of a slip of the pen.
    comparisons: usize,
    seen: Seen,
    problems: &'a mut Problems,
}

/// What a path of a condition leads to.
enum Source {
    /// One of these tasks makes it.
    Tasks(Vec<u32>),
    /// The run has it from its start.
    Run,
    Nothing(String),
}

impl<'a> Check<'a> {
    fn warn(&mut self, code: &'static str, message: String, at: &str) {
        self.problems.push(Problem::warning(code, message).at(at));
    }

    fn name(&self, ix: u32) -> &'a str {
        self.order.agents.get(ix as usize).map_or("", |agent| agent.id.as_str())
    }

    /// A key may be made by several; a run takes the value of the last.
    fn collect_makers(&mut self) {
        let mut plain: HashMap<&str, u32> = HashMap::new();
        for (ix, agent) in (0..).zip(&self.order.agents) {
            let merged = merged(self.command, agent);
            for Placed { path, value } in &agent.outputs {
                let makers = self.makers.entry(&value.key).or_default();
                if makers.last() != Some(&ix) {
                    makers.push(ix);
                }
                // Outputs under the name of their agent do not get in each other's way.
                if !agent.outputs_by_key || merged.contains(value.key.as_str()) {
                    continue;
                }
                if let Some(other) = plain.insert(&value.key, ix) {
                    let other = self.order.agents.get(other as usize).map_or("", |agent| agent.id.as_str());
                    let message = format!(
                        "`{}` is also made by `{}`; the later one wins",
                        Printable(&value.key),
                        Printable(other)
                    );
                    self.problems.push(Problem::warning("DUPLICATE_OUTPUT", message).at(path));
                }
            }
        }
    }

    /// The first keys in the order of the alphabet.
    fn list_keys(&mut self) {
        const SHOWN: usize = 8;
        let mut keys: Vec<&str> = self.makers.keys().copied().collect();
        keys.sort_unstable();
        let more = if keys.len() > SHOWN { ", …" } else { "" };
        let keys: Vec<String> = keys.iter().take(SHOWN).map(|key| format!("`{}`", Printable(key))).collect();
        self.made = format!("{}{more}", keys.join(", "));
    }

    fn agent(&mut self, agent: &Agent) {
        if let (Some(timeout), Some(estimate)) = (agent.timeout, agent.estimate)
            && timeout < estimate
        {
            let message = format!("the timeout of {timeout:?} is shorter than the expected {estimate:?}");
            self.warn("TIMEOUT_BELOW_ESTIMATE", message, &format!("{}.timeout", path(agent)));
        }
        if agent.estimate.is_some_and(|estimate| estimate > Duration::from_secs(3600)) {
            let message = "is expected to take longer than an hour; smaller tasks run side by side".to_owned();
            self.warn("LONG_ESTIMATE", message, &path(agent));
        }
        if let Some(UndoScope::To(target)) = agent.rollback.as_ref().map(|rollback| &rollback.scope)
            && !self.order.index.contains_key(target.as_str())
        {
            let message = format!("rolls back to `{target}`, which is no agent of this command");
            let at = format!("{}.compensation.rollbackTo", path(agent));
            self.problems.push(Problem::error("MISSING_REFERENCE", message).at(at));
        }
    }

    /// Whether the run has that value before any task is done.
    fn given(&self, key: &str) -> bool {
        self.command.inputs().contains_key(key)
            || self.command.required_inputs().iter().any(|name| name == key)
            || self.options.inputs.iter().any(|name| name == key)
    }

    fn input(&mut self, ix: u32, agent: &Agent, input: &Placed<crate::Input>) {
        let Placed { path, value } = input;
        if !value.required || value.default.is_some() || self.given(&value.key) {
            return;
        }
        let makers = self.makers.get(value.key.as_str()).map(Vec::as_slice).unwrap_or_default();
        if !self.seen.spend(makers.len()) {
            return;
        }
        let makers: Vec<u32> = makers.iter().copied().filter(|&maker| maker != ix).collect();
        let key = Printable(&value.key);
        if makers.is_empty() {
            let mut message = format!("required input `{key}` of `{}` is made by no task", Printable(&agent.id));
            message.push_str(" and is no input of the run");
            self.suggest_key(&value.key, &mut message);
            self.warn("MISSING_CONTEXT_INPUT", message, path);
            return;
        }
        if self.order.not_before(ix, &makers, &mut self.seen).len() == makers.len() {
            let maker = Printable(self.name(makers.first().copied().unwrap_or_default()));
            let message = format!(
                "`{key}` is made by `{maker}`, which `{}` does not depend on; add `{maker}` to its dependencies",
                Printable(&agent.id)
            );
            self.warn("UNORDERED_INPUT", message, path);
        }
    }

    fn suggest_key(&mut self, key: &str, message: &mut String) {
        let left = self.comparisons.checked_sub(self.makers.len());
        self.comparisons = left.unwrap_or_default();
        if let Some(near) = left.and_then(|_| nearest(key, self.makers.keys().copied())) {
            let _ = write!(message, "; did you mean `{}`?", Printable(near));
        } else if !self.made.is_empty() {
            let _ = write!(message, "; made are {}", self.made);
        }
    }

    /// A condition of one agent, or of a phase and so of all its agents.
    fn condition(&mut self, condition: &Placed<Condition>, members: &[u32], phase: Option<&Phase>) {
        let Test::Expression(expression) = &condition.value.test else { return };
        let mut named: HashSet<u32> = HashSet::new();
        for reference in expression.references() {
            let shown = reference.join(".");
            let shown = Printable(&shown);
            if self.seen.exhausted() {
                return;
            }
            let makers = match self.source(&reference) {
                Source::Run => continue,
                Source::Nothing(why) => {
                    let message = format!("reads `{shown}`, but {why}; while it is undefined, its comparison is false");
                    self.warn("UNKNOWN_VALUE", message, &condition.path);
                    continue;
                }
                Source::Tasks(makers) => makers,
            };
            let Some(&maker) = makers.first() else { continue };
            let mut early = Vec::new();
            for &member in members {
                let open = self.order.not_before(member, &makers, &mut self.seen);
                if open.len() == makers.len() {
                    early.push(member);
                }
            }
            if early.is_empty() || !named.insert(maker) {
                continue;
            }
            let maker = Printable(self.name(maker));
            let message = match (phase, early.as_slice()) {
                (None, _) | (Some(_), [_]) => {
                    let reader = Printable(self.name(early.first().copied().unwrap_or_default()));
                    format!(
                        "reads `{shown}`, but `{reader}` does not depend on `{maker}` and may be asked first; \
                         add `{maker}` to its dependencies"
                    )
                }
                (Some(_), early) => {
                    let readers: Vec<String> =
                        early.iter().take(5).map(|&ix| format!("`{}`", Printable(self.name(ix)))).collect();
                    let more = if early.len() > 5 { format!(" and {} more", early.len() - 5) } else { String::new() };
                    format!(
                        "reads `{shown}`, but {}{more} do not depend on `{maker}` and may be asked first; \
                         add `{maker}` to their dependencies",
                        readers.join(", ")
                    )
                }
            };
            self.warn("UNORDERED_READ", message, &condition.path);
        }
    }

    fn source(&mut self, reference: &[String]) -> Source {
        match reference {
            [first, name, ..] if first == "inputs" => {
                let known = self.given(name) || !self.command.reading().declares_inputs;
                if known { Source::Run } else { Source::Nothing(format!("no input `{}` is declared", Printable(name))) }
            }
            [first, name, rest @ ..] if first == "context" => match self.order.by_name.get(name) {
                Some(&ix) => self.output_of(ix, rest),
                None => self.key(name),
            },
            [first, ..] => self.key(first),
            [] => Source::Run,
        }
    }

    fn output_of(&mut self, ix: u32, rest: &[String]) -> Source {
        let outputs = self.order.agents.get(ix as usize).map(|agent| agent.outputs.as_slice()).unwrap_or_default();
        if !self.seen.spend(outputs.len()) {
            return Source::Run;
        }
        match rest.first() {
            Some(output) if !outputs.is_empty() && !outputs.iter().any(|known| known.value.key == *output) => {
                let task = Printable(self.name(ix));
                Source::Nothing(format!("`{task}` declares no output `{}`", Printable(output)))
            }
            _ => Source::Tasks(vec![ix]),
        }
    }

    fn key(&mut self, key: &str) -> Source {
        if self.given(key) {
            return Source::Run;
        }
        match self.makers.get(key) {
            Some(makers) if !self.seen.spend(makers.len()) => Source::Run,
            Some(makers) => Source::Tasks(makers.clone()),
            None => Source::Nothing(format!("no task and no input of the run makes `{}`", Printable(key))),
        }
    }
}

/// The outputs that are to be joined with what others make (`merge: append` and its like), so that two makers are meant.
fn merged<'a>(command: &'a Command, agent: &Agent) -> HashSet<&'a str> {
    let outputs = command
        .as_value()
        .pointer(&format!("/phases/{}/agents/{}/context/outputs", agent.phase, agent.place))
        .and_then(Value::as_array);
    let text = |output: &'a Value, key| output.get(key).and_then(Value::as_str);
    outputs
        .into_iter()
        .flatten()
        .filter(|output| text(output, "merge").is_some_and(|merge| merge != "replace"))
        .filter_map(|output| text(output, "key"))
        .collect()
}
