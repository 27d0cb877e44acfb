//! Which programs a run may start.

use crate::{
    Agents, Error, Graph, Result,
    cli::{
        args,
        config::{self, Config},
        source::shown,
        trust,
    },
};

/// The programs of all agents of the graph: those of `--agent` before those of `--agents`, and those before the settings.
pub(super) fn choose(args: &args::Run, config: &Config, graph: &Graph) -> Result<Agents> {
    let held_back = !config.agents.is_empty() && !args.yes && !trust::is_trusted(config);
    let mut agents = if held_back { Agents::default() } else { config.agents.clone() };
    if let Some(path) = &args.agents {
        for (name, agent) in config::load_agents(path)?.iter() {
            agents = agents.with_agent(name, agent.clone());
        }
    }
    for flag in &args.agent {
        agents = agents.with_flag(flag)?;
    }
    let mut problems = agents.problems(graph);
    if args.no_undo {
        problems.retain(|problem| !problem.path.ends_with(".undo"));
    }
    if problems.is_empty() {
        return Ok(agents);
    }
    let path = config.path.as_deref().map(shown).unwrap_or_default();
    let message = if held_back {
        format!(
            "`{path}` names programs that nobody approved: see and allow them with `orch trust`, or run with `--yes`"
        )
    } else {
        "some tasks have no program; `--dry-run` needs none".to_owned()
    };
    Err(Error::invalid_definition(message, problems))
}
