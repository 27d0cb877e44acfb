//! From a command to its problems and its graph.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    check,
    model::{Agent, Command, Declared, Phase, ResourceUse},
    order::Order,
    problems::Problems,
};
use crate::{
    definition::{Claim, ClaimMode, Expand, Graph, GraphBuilder, Resource, Task},
    error::{Error, Problem, Result, Severity},
    id::{Printable, TaskId},
};

/// How a command is read as a graph. The default follows the declared dependencies alone and only warns of values that may
/// be missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphOptions {
    /// What phases mean for the order of tasks. Default: nothing.
    pub phase_order: PhaseOrder,
    /// Refuses what may go wrong while the run goes on: an input that no task makes, and conditions and inputs that read the
    /// value of a task without depending on it. Default: no, since commands in use do so.
    pub strict: bool,
    /// Names of inputs that the run will be given beside those that the command declares.
    pub inputs: Vec<String>,
}

/// What phases mean for the order of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseOrder {
    /// Nothing: a task starts when its own dependencies are done.
    #[default]
    Dag,
    /// Every phase waits for the whole phase before it, and in a phase that is not parallel one agent runs at a time, in the
    /// order of their dependencies, else of the file.
    Barrier,
}

impl Command {
    /// Everything that is wrong with the command, in the order of its text; from a value, fields first. Empty: nothing. Above
    /// 10,000 problems, the last one says how many more there are.
    ///
    /// The codes are listed [in the module](super).
    pub fn problems(&self, options: &GraphOptions) -> Vec<Problem> {
        self.examine(options).1
    }

    /// The graph of the command: one task an agent, in the order of the file. Its [warnings](Graph::warnings) are the
    /// problems that do not stop it.
    ///
    /// The resources of the graph are those that the command declares, with their `maxConcurrent`, and for each phase with a
    /// `maxParallelism` that matters a resource `phase:<id>`, without an id `phase:<number from 1>`.
    ///
    /// # Errors
    ///
    /// [`InvalidDefinition`](crate::ErrorKind::InvalidDefinition) with *every* problem, warnings included, if one of them is
    /// an error.
    pub fn graph(&self, options: &GraphOptions) -> Result<Graph> {
        let (order, problems) = self.examine(options);
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        if errors > 0 {
            let plural = if errors == 1 { "" } else { "s" };
            let message = format!("the command `{}` has {errors} error{plural}", Printable(self.name()));
            return Err(Error::invalid_definition(message, problems));
        }
        self.build(&order).warnings(problems).build()
    }

    fn examine(&self, options: &GraphOptions) -> (Order<'_>, Vec<Problem>) {
        let mut problems = self.reading().problems.clone();
        let order = Order::new(self, options.phase_order, &mut problems);
        self.check_dynamic(&order, &mut problems);
        self.check_resources(&mut problems);
        // Without an order there is no before: whatever was said of it would only bury the cause.
        if order.sound {
            check::flow(self, options, &order, &mut problems);
        }
        (order, problems.into_list(self.source(), options.strict))
    }

    /// The source of a dynamic phase is a task of the command, and each task grows one phase.
    fn check_dynamic(&self, order: &Order<'_>, problems: &mut Problems) {
        let mut sources = HashSet::new();
        for phase in self.phases() {
            let Some(dynamic) = &phase.dynamic else { continue };
            let at = format!("phases[{}].dynamicAgents.source", phase.place);
            let shown = dynamic.source.join(".");
            match source_of(phase, order) {
                None => {
                    let message = format!(
                        "`{}` names no agent of this command; write `context.`, the agent's id in camelCase, and its output",
                        Printable(&shown)
                    );
                    problems.push(Problem::error("MISSING_REFERENCE", message).at(at));
                }
                Some(ix) if !sources.insert(ix) => {
                    let message = "this agent already fills another phase; one output fills one phase";
                    problems.push(Problem::error("INVALID_VALUE", message).at(at));
                }
                Some(_) => {}
            }
        }
    }

    fn check_resources(&self, problems: &mut Problems) {
        let declared = self.declared();
        let mut named = HashSet::new();
        for used in self.phases().iter().flat_map(|phase| &phase.agents).flat_map(|agent| &agent.resources) {
            let name = used.value.name.as_str();
            if !declared.contains_key(name) && named.insert(name) {
                let limit = match claim(&used.value, &declared).mode {
                    ClaimMode::Exclusive => "one task at a time uses it",
                    ClaimMode::Upgradable => "one task at a time may upgrade it",
                    ClaimMode::Shared => "nothing limits it",
                };
                let message = format!("the resource `{}` is declared nowhere; {limit}", Printable(name));
                problems.push(Problem::warning("UNDECLARED_RESOURCE", message).at(&used.path));
            }
        }
    }

    fn declared(&self) -> HashMap<&str, &Declared> {
        self.reading().resources.iter().map(|declared| (declared.resource.name.as_str(), declared)).collect()
    }

    fn build(&self, order: &Order<'_>) -> GraphBuilder {
        let declared = self.declared();
        let resources = self.reading().resources.iter().map(|declared| declared.resource.clone());
        let mut builder = resources.fold(Graph::builder(self.name()), GraphBuilder::resource);
        for (name, options) in &self.reading().breakers {
            builder = builder.breaker(name, options.clone());
        }
        let mut expands = self.expands(order);
        let mut ix = 0u32;
        for phase in self.phases() {
            let place = phase_place(phase);
            if let (Some(claim), Some(limit)) = (&place, phase.max_parallel) {
                builder = builder.resource(Resource::new(&claim.resource).capacity(limit).per_run());
            }
            for agent in &phase.agents {
                let mut task = task(agent, phase);
                let claims = agent.resources.iter().map(|used| claim(&used.value, &declared));
                for claim in place.iter().cloned().chain(claims) {
                    task = task.claim(claim);
                }
                if let Some(expand) = expands.remove(&ix) {
                    task = task.with(|options| options.expand = Some(expand));
                }
                builder.add(task);
                for &parent in order.parents.row(ix) {
                    builder.link(parent.into(), ix.into());
                }
                ix += 1;
            }
        }
        builder
    }

    /// For each task that fills a dynamic phase, how. What depends on the phase's own agents waits for the new ones too;
    /// where there are none, the next phase does.
    fn expands(&self, order: &Order<'_>) -> HashMap<u32, Expand> {
        let mut expands = HashMap::new();
        if self.phases().iter().all(|phase| phase.dynamic.is_none()) {
            return expands;
        }
        let children = order.parents.reversed();
        let phase_of = |ix: u32| order.agents.get(ix as usize).map(|agent| agent.phase);
        let mut start = 0;
        for phase in self.phases() {
            let members = start..start + phase.agents.len() as u32;
            start = members.end;
            let (Some(dynamic), Some(source)) = (&phase.dynamic, source_of(phase, order)) else { continue };
            let mut before: Vec<u32> = if members.is_empty() {
                (start..).take_while(|&ix| phase_of(ix) == Some(phase.place + 1)).collect()
            } else {
                let waiting = members.flat_map(|ix| children.row(ix)).copied();
                waiting.filter(|&ix| phase_of(ix).is_some_and(|place| place > phase.place)).collect()
            };
            before.sort_unstable();
            before.dedup();
            let mut spec = dynamic.spec.clone();
            spec.path = dynamic.source.get(2..).unwrap_or_default().to_vec();
            spec.before = before
                .into_iter()
                .filter_map(|ix| order.agents.get(ix as usize))
                .map(|agent| TaskId::from(agent.id.as_str()))
                .collect();
            spec.claims = phase_place(phase).into_iter().collect();
            expands.insert(source, spec);
        }
        expands
    }
}

/// The task whose output fills the phase: `context.<its id in camelCase>`.
fn source_of(phase: &Phase, order: &Order<'_>) -> Option<u32> {
    let source = &phase.dynamic.as_ref()?.source;
    let [first, name, ..] = source.as_slice() else { return None };
    order.by_name.get(name).copied().filter(|_| first == "context")
}

/// One of the places of a phase, where it has a limit that can matter.
fn phase_place(phase: &Phase) -> Option<Claim> {
    let limit = phase.max_parallel?;
    if phase.dynamic.is_none() && phase.agents.len() <= limit as usize {
        return None;
    }
    let name = phase.id.as_ref().map_or_else(|| format!("phase:{}", phase.place + 1), |id| format!("phase:{id}"));
    Some(Claim::shared(name))
}

/// What an agent's use of a resource claims.
fn claim(used: &ResourceUse, declared: &HashMap<&str, &Declared>) -> Claim {
    let known = declared.get(used.name.as_str());
    let counted = known.is_some_and(|known| known.resource.capacity.is_some());
    let mode = used.mode.unwrap_or(if used.lock && !counted { ClaimMode::Exclusive } else { ClaimMode::Shared });
    let priority = used.priority.or_else(|| known.map(|known| known.priority)).unwrap_or_default();
    Claim { wait: used.wait, ..Claim::new(used.name.as_str(), mode).priority(priority) }
}

fn task(agent: &Agent, phase: &Phase) -> Task {
    let mut task = Task::new(agent.id.as_str());
    if let Some(estimate) = agent.estimate {
        task = task.estimate(estimate);
    }
    task.with(|options| {
        options.agent.clone_from(&agent.agent);
        options.capability.clone_from(&agent.capability);
        options.description.clone_from(&agent.task);
        options.phase = Some(phase.name.clone());
        options.priority = agent.priority;
        options.timeout = agent.timeout;
        options.retry.clone_from(&agent.retry);
        options.allow_failure = phase.continue_on_error;
        options.critical = phase.critical;
        options.undo.clone_from(&agent.undo);
        options.rollback.clone_from(&agent.rollback);
        options.breaker.clone_from(&agent.breaker);
        options.sources.clone_from(&agent.sources);
        options.expects.clone_from(&agent.expects);
        options.inputs = agent.inputs.iter().map(|placed| placed.value.clone()).collect();
        options.outputs = agent.outputs.iter().map(|placed| placed.value.clone()).collect();
        for condition in phase.conditions.iter().chain(&agent.conditions) {
            // Shipped definitions repeat the condition of a phase on its agents.
            if !options.conditions.iter().any(|known| known.test == condition.value.test) {
                options.conditions.push(condition.value.clone());
            }
        }
        if !agent.params.is_empty() {
            options.params = Value::Object(agent.params.clone());
        }
    })
}
