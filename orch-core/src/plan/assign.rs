//! Who does what, where a task asks for a capability instead of an agent.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    definition::{Claim, Graph, GraphBuilder, Resource, Task, millis},
    error::Problem,
    id::{Printable, ResourceId, TaskId, TaskIx},
    units::Usd,
};

/// Somebody who may be given tasks that ask for a [capability](crate::TaskOptions::capability). `Candidate::default()`: nobody, who can
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Candidate {
    /// The agent.
    pub name: String,
    /// What it can do, in words. It can what is asked for if one of these holds all its words; case, `-` and `_` do not matter.
    pub capabilities: Vec<String>,
    /// How many tasks it does at once; `None`: any number.
    pub at_once: Option<u32>,
    /// How its tasks went.
    pub past: Performance,
}

/// How the tasks of an agent went in past runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Performance {
    /// How many succeeded.
    pub succeeded: u32,
    /// How many failed.
    pub failed: u32,
    /// How long half of those that succeeded took at most.
    #[serde(rename = "median_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub median: Option<Duration>,
    /// What half of those that succeeded cost at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Usd>,
}

/// Who was chosen for a task. `Display` is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assigned {
    /// The task.
    pub task: TaskId,
    /// What it asks for.
    pub capability: String,
    /// Who does it.
    pub agent: String,
    /// How long that is expected to take, with those that are before it and what fails.
    #[serde(rename = "expected_ms", with = "millis::plain")]
    pub expected: Duration,
    /// How many tasks that could run beside it the agent had been given before.
    pub load: u32,
    /// Whether it is who did it before, in an earlier part of the run.
    pub again: bool,
    /// Who else could, the best first, and how long that was expected to take.
    pub others: Vec<Other>,
}

/// Somebody who was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    /// Who.
    pub agent: String,
    /// How long it was expected to take.
    #[serde(rename = "expected_ms", with = "millis::plain")]
    pub expected: Duration,
}

impl fmt::Display for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, capability, agent, expected, load, again, others } = self;
        write!(f, "{task}: {}, which can {}", Printable(agent), Printable(capability))?;
        if *again {
            return f.write_str(" and had it before");
        }
        let Some(next) = others.first() else { return f.write_str(", as nobody else") };
        write!(f, "; expected to take {}", Short(*expected))?;
        if *load > 0 {
            write!(f, " beside {load} it already has")?;
        }
        write!(f, ", {} {}", Printable(&next.agent), Short(next.expected))
    }
}

/// Whole seconds, or milliseconds below.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            seconds => write!(f, "{seconds} s"),
        }
    }
}

/// What is expected where nobody knows how long something takes.
const UNKNOWN: Duration = Duration::from_secs(60);

/// Gives every task that names a capability and no agent to one of those who can do it, and answers the graph in which it stands. `before`
/// names who had tasks in an earlier part of the run: they keep them, if they still can.
///
/// Who is expected to be done with it first gets it:
///
/// ```text
/// ⌈(load + 1) / at once⌉ × typical time ÷ chance of success
/// ```
///
/// The load is how many tasks of the same level, which could run beside it, the agent has been given; the typical time is the median of
/// what its tasks took, else the estimate of the task, else a minute; the chance is `(succeeded + 1) / (succeeded + failed + 2)`,
/// Laplace's rule of succession, so that who has done nothing yet is as good as a coin. Of equally quick ones the cheaper goes first,
/// then the earlier name. Tasks are dealt in the order of the graph: the same question always has the same answer.
///
/// ```
/// use orch_core::{Graph, Task, plan::{Candidate, Performance, assign}};
///
/// let can = |name: &str, succeeded| Candidate {
///     name: name.into(),
///     capabilities: vec!["security review".into()],
///     past: Performance { succeeded, ..Performance::default() },
///     ..Candidate::default()
/// };
/// let graph = Graph::builder("g").task(Task::new("look").capability("security")).build()?;
/// let (graph, assigned) = assign(&graph, &[can("new", 0), can("proven", 9)], &Default::default())?;
/// assert_eq!(graph.task(0.into()).options().agent.as_deref(), Some("proven"));
/// assert_eq!(assigned[0].to_string(), "look: proven, which can security; expected to take 66 s, new 120 s");
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidDefinition`](crate::ErrorKind::InvalidDefinition) with `NO_CAPABLE_AGENT` for every task that nobody can do.
pub fn assign(
    graph: &Graph,
    candidates: &[Candidate],
    before: &BTreeMap<TaskId, String>,
) -> crate::Result<(Graph, Vec<Assigned>)> {
    let wanted = |ix: &TaskIx| {
        let options = graph.task(*ix).options();
        options.agent.is_none() && options.capability.is_some()
    };
    let wanted: Vec<TaskIx> = graph.topological().filter(wanted).collect();
    if wanted.is_empty() {
        return Ok((graph.clone(), Vec::new()));
    }
    let levels = levels(graph);
    let mut candidates: Vec<&Candidate> = candidates.iter().collect();
    candidates.sort_by(|one, other| one.name.cmp(&other.name));
    let mut load: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    let (mut assigned, mut problems) = (Vec::new(), Vec::new());
    for ix in wanted {
        let (task, level) = (graph.task(ix), levels.get(ix.index()).copied().unwrap_or_default());
        let capability = task.options().capability.as_deref().unwrap_or_default();
        let can = candidates.iter().copied().filter(|one| can(one, capability));
        let rate = |one: &Candidate| {
            let load = load.get(&(level, one.name.as_str())).copied().unwrap_or_default();
            expected(one, load, task.estimated())
        };
        let mut able: Vec<(Duration, Option<Usd>, &Candidate)> =
            can.map(|one| (rate(one), one.past.cost, one)).collect();
        // Whose cost nobody knows is not cheap.
        able.sort_by_key(|(expected, cost, one)| (*expected, cost.is_none(), *cost, one.name.as_str()));
        let had = before.get(task.id());
        let again = able.iter().position(|(.., one)| Some(&one.name) == had);
        if let Some(place) = again {
            able.get_mut(..=place).unwrap_or_default().rotate_right(1);
        }
        let mut able = able.into_iter();
        let Some((expected, _, chosen)) = able.next() else {
            problems.push(nobody(task.id(), capability, &candidates));
            continue;
        };
        let others = able.map(|(expected, _, one)| Other { agent: one.name.clone(), expected }).collect();
        let given = load.entry((level, chosen.name.as_str())).or_default();
        let (task, capability) = (task.id().clone(), capability.to_owned());
        let (agent, again) = (chosen.name.clone(), again.is_some());
        assigned.push(Assigned { task, capability, agent, expected, load: *given, again, others });
        *given += 1;
    }
    if !problems.is_empty() {
        return Err(crate::Error::invalid_definition("nobody can do some of the tasks".to_owned(), problems));
    }
    let agents: BTreeMap<&TaskId, &str> = assigned.iter().map(|one| (&one.task, one.agent.as_str())).collect();
    Ok((graph.with_agents(|task| agents.get(task).copied()), assigned))
}

/// Lets no agent do more tasks at once than it says: each of its tasks claims one unit of a resource `agent:NAME`, so that the limit holds
/// for all of them together. What a candidate of the name `*` says holds for each agent that is not there.
///
/// ```
/// use orch_core::{Graph, Task, plan::{Candidate, limit_agents}};
///
/// let graph = Graph::builder("g").task(Task::new("a").agent("careful")).task(Task::new("b").agent("quick")).build()?;
/// let careful = Candidate { name: "careful".into(), at_once: Some(1), ..Candidate::default() };
/// let graph = limit_agents(&graph, &[careful])?;
/// let claims = |id| graph.task(graph.find(id).unwrap()).options().claims.len();
/// assert_eq!((claims("a"), claims("b")), (1, 0));
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`GraphBuilder::build`].
pub fn limit_agents(graph: &Graph, candidates: &[Candidate]) -> crate::Result<Graph> {
    let find = |name: &str| candidates.iter().find(|one| one.name == name);
    let mut limited = BTreeMap::new();
    let mut claims: BTreeMap<&TaskId, ResourceId> = BTreeMap::new();
    for task in graph.tasks() {
        let Some(name) = task.options().agent.as_deref() else { continue };
        let Some(at_once) = find(name).or_else(|| find("*")).and_then(|one| one.at_once) else { continue };
        let resource = ResourceId::from(format!("agent:{name}"));
        if !graph.resources().contains_key(&resource) {
            limited.insert(resource.clone(), Resource::new(resource.clone()).capacity(at_once));
        }
        if !task.options().claims.iter().any(|claim| claim.resource == resource) {
            claims.insert(task.id(), resource);
        }
    }
    if claims.is_empty() {
        return Ok(graph.clone());
    }
    let builder = limited.into_values().fold(graph.to_builder(), GraphBuilder::resource);
    let claiming = |task: Task| match claims.get(task.id()) {
        Some(resource) => task.claim(Claim::shared(resource.clone())),
        None => task,
    };
    builder.each_task(claiming).build()
}

/// How many tasks are before each on the longest way.
fn levels(graph: &Graph) -> Vec<u32> {
    let mut levels = vec![0; graph.len()];
    for ix in graph.topological() {
        let above = graph.parents(ix).filter_map(|parent| levels.get(parent.index()).copied()).max();
        if let Some(level) = levels.get_mut(ix.index()) {
            *level = above.map_or(0, |above: u32| above + 1);
        }
    }
    levels
}

fn can(one: &Candidate, wanted: &str) -> bool {
    let wanted = words(wanted);
    let holds = |capability: &String| {
        let has = words(capability);
        wanted.iter().all(|word| has.contains(word))
    };
    !wanted.is_empty() && one.capabilities.iter().any(holds)
}

fn words(text: &str) -> Vec<String> {
    text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn expected(one: &Candidate, load: u32, estimate: Option<Duration>) -> Duration {
    let Performance { succeeded, failed, median, .. } = one.past;
    let turns = one.at_once.map_or(1, |at_once| (u128::from(load) + 1).div_ceil(u128::from(at_once.max(1))));
    let typical = median.or(estimate).unwrap_or(UNKNOWN).as_nanos();
    let (good, all) = (u128::from(succeeded) + 1, u128::from(succeeded) + u128::from(failed) + 2);
    let nanos = typical.saturating_mul(turns).saturating_mul(all) / good;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn nobody(task: &TaskId, capability: &str, candidates: &[&Candidate]) -> Problem {
    const SHOWN: usize = 10;
    let mut known: Vec<&str> =
        candidates.iter().flat_map(|one| &one.capabilities).map(|capability| capability.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let shown: Vec<String> = known.iter().take(SHOWN).map(|known| format!("`{}`", Printable(known))).collect();
    let more = if known.len() > SHOWN { format!(" and {} more", known.len() - SHOWN) } else { String::new() };
    let known = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") + &more };
    let message = format!(
        "no agent can `{}` (known: {known}); add it to the `capabilities` of an agent, or name the agent",
        Printable(capability)
    );
    Problem::error("NO_CAPABLE_AGENT", message).at(format!("tasks.{task}"))
}

#[cfg(test)]
mod tests;
