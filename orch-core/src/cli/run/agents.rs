//! Which programs a run may start.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    Agents, Claim, Error, Graph, GraphBuilder, Problem, Result, Task, TaskId,
    cli::{
        args,
        config::{self, Config},
        source::shown,
        trust,
    },
    executor::models::{Endpoints, Models},
    ext::worktree::GATE_AGENT,
};

/// The programs of agents, and the models of those that are models.
pub(super) struct Known {
    pub(super) agents: Agents,
    pub(super) models: Endpoints,
    /// The settings have more, which nobody approved.
    held_back: bool,
}

/// All that there are: those of `--agent` before those of `--agents`, and those before the settings.
pub(super) fn known(args: &args::Run, config: &Config) -> Result<Known> {
    // A model is sent what tasks say, and a key: whoever names it wants to be approved as well.
    let names_any = !config.agents.is_empty() || !config.models.is_empty();
    let held_back = names_any && !args.yes && !trust::is_trusted(config);
    let (mut agents, mut models) = match held_back {
        true => (Agents::default(), Endpoints::default()),
        false => (config.agents.clone(), config.models.clone()),
    };
    if let Some(path) = &args.agents {
        (agents, models) = with_file((agents, models), path)?;
    }
    for flag in &args.agent {
        agents = agents.with_flag(flag)?;
    }
    Ok(Known { agents, models, held_back })
}

/// With those of that file, which go first.
pub(in crate::cli) fn with_file((agents, models): (Agents, Endpoints), path: &Path) -> Result<(Agents, Endpoints)> {
    let (more, endpoints) = config::load_agents(path)?;
    let agents = more.iter().fold(agents, |agents, (name, agent)| agents.with_agent(name, agent.clone()));
    Ok((agents, endpoints.iter().fold(models, |models, (name, model)| models.with(name, model.clone()))))
}

/// Whether they are all that the graph needs.
pub(super) fn check(known: &Known, args: &args::Run, config: &Config, graph: &Graph) -> Result<()> {
    let Known { agents, models, held_back } = known;
    let mut problems = agents.problems(graph);
    if args.worktrees.is_some() {
        // That one runs no program.
        let is_gate = |problem: &Problem| problem.message.contains(&format!("agent `{GATE_AGENT}`"));
        problems.retain(|problem| !is_gate(problem));
    }
    if args.no_undo {
        problems.retain(|problem| !problem.path.ends_with(".undo"));
    }
    problems.extend(unknown_models(agents, models, graph));
    if problems.is_empty() {
        return Ok(());
    }
    let path = config.path.as_deref().map(shown).unwrap_or_default();
    let message = if *held_back {
        format!(
            "`{path}` names programs that nobody approved: see and allow them with `orch trust`, or run with `--yes`"
        )
    } else {
        "some tasks have no program; `--dry-run` needs none".to_owned()
    };
    Err(Error::invalid_definition(message, problems))
}

/// What is wrong with the models of the agents that the graph names.
fn unknown_models(agents: &Agents, models: &Endpoints, graph: &Graph) -> Vec<Problem> {
    let models = Models::new(models.clone());
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for task in graph.tasks() {
        let name = task.options().agent.as_deref();
        let Ok(agent) = agents.find(name) else { continue };
        if !agent.is_model() || !seen.insert(name) {
            continue;
        }
        let chains =
            agent.steps.iter().map(|step| &step.models).chain((!agent.models.is_empty()).then_some(&agent.models));
        let wrong = chains.filter_map(|chain| models.check(chain).err());
        let place = format!("tasks.{}", task.id());
        problems.extend(wrong.map(|error| Problem::error("UNKNOWN_MODEL", error.message()).at(place.clone())));
    }
    problems
}

/// The graph in which tasks claim the models that they ask, where these take only so much a minute: a model is a resource like any
/// other, and its limits hold for all tasks together.
pub(in crate::cli) fn claim_models(graph: Graph, agents: &Agents, models: &Endpoints) -> Result<Graph> {
    let mut limited = BTreeMap::new();
    let mut claims: BTreeMap<TaskId, Vec<Claim>> = BTreeMap::new();
    for task in graph.tasks() {
        let Ok(agent) = agents.find(task.options().agent.as_deref()) else { continue };
        let first = agent.models.first().into_iter().chain(agent.steps.iter().filter_map(|step| step.models.first()));
        for name in first {
            let Ok(endpoint) = models.find(name) else { continue };
            let Some(resource) = endpoint.limits() else { continue };
            let expects = task.options().expects.models().iter();
            let tokens = expects.map(|usage| usage.input.saturating_add(usage.output)).fold(0, u64::saturating_add);
            let claim = Claim::shared(resource.name.clone()).tokens(tokens);
            let of_task = claims.entry(task.id().clone()).or_default();
            if !of_task.iter().chain(&task.options().claims).any(|claim| claim.resource == resource.name) {
                of_task.push(claim);
            }
            if !graph.resources().contains_key(&resource.name) {
                limited.insert(resource.name.clone(), resource);
            }
        }
    }
    if claims.values().all(Vec::is_empty) {
        return Ok(graph);
    }
    let builder = limited.into_values().fold(graph.to_builder(), GraphBuilder::resource);
    let claiming = |task: Task| {
        let more = claims.remove(task.id()).unwrap_or_default();
        more.into_iter().fold(task, Task::claim)
    };
    builder.each_task(claiming).build()
}
