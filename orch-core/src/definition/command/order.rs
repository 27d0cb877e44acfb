//! Who waits for whom: the declared dependencies by place, and phase barriers where they are asked for.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use super::{
    condition::camel_case,
    graph::PhaseOrder,
    model::{Agent, Command, Phase},
    problems::Problems,
};
use crate::{
    definition::{check, csr::Csr},
    error::Problem,
    id::Printable,
};

/// The most dependencies that phase barriers may add: a wide phase before a wide phase makes their product.
const MAX_BARRIER_EDGES: usize = 10_000_000;

/// How many names a search for a slip of the pen may be compared with in all.
const MAX_COMPARISONS: usize = 500_000;

/// The agents of a command by place, and their order.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) agents: Vec<&'a Agent>,
    pub(super) index: HashMap<&'a str, u32>,
    /// Agents by the name that conditions call them; of several the last, as in a run.
    pub(super) by_name: HashMap<String, u32>,
    pub(super) parents: Csr,
    /// How many agents must be done one after the other before each.
    pub(super) levels: Vec<u32>,
    /// Whether there is an order at all: no cycle, no unknown name.
    pub(super) sound: bool,
}

impl<'a> Order<'a> {
    pub(super) fn new(command: &'a Command, phase_order: PhaseOrder, problems: &mut Problems) -> Self {
        let phases = command.phases();
        let agents: Vec<&Agent> = phases.iter().flat_map(|phase| &phase.agents).collect();
        let before = problems.errors();
        let index = index(&agents, problems);
        let mut rows = declared(&agents, &index, phases, problems);
        let mut parents = csr(&rows);
        let mut levels = levels(&agents, &parents, problems);
        let mut sound = problems.errors() == before;
        if sound && phase_order == PhaseOrder::Barrier {
            add_barriers(phases, &agents, &mut rows, problems);
            sound = problems.errors() == before;
            parents = csr(&rows);
            if sound {
                levels = self::levels(&agents, &parents, problems);
            }
        }
        let mut by_name = HashMap::with_capacity(agents.len());
        for (ix, agent) in (0..).zip(&agents) {
            by_name.insert(camel_case(&agent.id), ix);
        }
        Self { agents, index, by_name, parents, levels, sound }
    }

    /// Which of `targets` are not sure to be done before `task`. None once the budget is spent.
    #[expect(clippy::indexing_slicing, reason = "places are below the number of agents, the length of every list here")]
    pub(super) fn not_before(&self, task: u32, targets: &[u32], seen: &mut Seen) -> Vec<u32> {
        let parents = self.parents.row(task);
        if !seen.spend((parents.len() + 1).saturating_mul(targets.len())) {
            return Vec::new();
        }
        let mut open: Vec<u32> = targets.iter().copied().filter(|target| !parents.contains(target)).collect();
        let Some(lowest) = open.iter().map(|&target| self.levels[target as usize]).min() else { return open };
        seen.round += 1;
        let mut stack = vec![task];
        while let Some(ix) = stack.pop() {
            for &parent in self.parents.row(ix) {
                if !seen.spend(1) {
                    return Vec::new();
                }
                // Nothing above the lowest target can lead down to it.
                if self.levels[parent as usize] < lowest || seen.rounds[parent as usize] == seen.round {
                    continue;
                }
                seen.rounds[parent as usize] = seen.round;
                open.retain(|&target| target != parent);
                if open.is_empty() {
                    return open;
                }
                stack.push(parent);
            }
        }
        open
    }
}

/// What searches for ancestors share.
pub(super) struct Seen {
    rounds: Vec<u32>,
    round: u32,
    budget: usize,
}

impl Seen {
    /// For so many agents. All searches together take at most 10 million steps: a fraction of a second.
    pub(super) fn new(agents: usize) -> Self {
        Self { rounds: vec![0; agents], round: 0, budget: 10_000_000 }
    }

    /// Answers whether there were so many steps left.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        self.budget = self.budget.saturating_sub(steps);
        self.budget > 0
    }

    pub(super) fn exhausted(&self) -> bool {
        self.budget == 0
    }
}

/// Where an agent is in the JSON.
pub(super) fn path(agent: &Agent) -> String {
    format!("phases[{}].agents[{}]", agent.phase, agent.place)
}

fn index<'a>(agents: &[&'a Agent], problems: &mut Problems) -> HashMap<&'a str, u32> {
    let mut index: HashMap<&str, u32> = HashMap::with_capacity(agents.len());
    for (ix, agent) in (0..).zip(agents) {
        // A missing id was already named, once for each agent that lacks one.
        if agent.id.is_empty() {
            continue;
        }
        if let Some(earlier) = index.get(agent.id.as_str()).and_then(|&ix: &u32| agents.get(ix as usize)) {
            let message = format!(
                "`{}` is already the id of {}; ids are unique in the whole command",
                Printable(&agent.id),
                path(earlier)
            );
            problems.push(Problem::error("DUPLICATE_ID", message).at(format!("{}.id", path(agent))));
        } else {
            index.insert(&agent.id, ix);
        }
    }
    index
}

/// The declared dependencies, each once. Unknown names and tasks that wait for themselves become problems.
fn declared(agents: &[&Agent], index: &HashMap<&str, u32>, phases: &[Phase], problems: &mut Problems) -> Vec<Vec<u32>> {
    let mut comparisons = 0;
    let names: HashSet<&str> =
        phases.iter().flat_map(|phase| phase.id.as_deref().into_iter().chain([phase.name.as_str()])).collect();
    let mut rows = Vec::with_capacity(agents.len());
    for (ix, agent) in (0..).zip(agents) {
        let mut row = Vec::with_capacity(agent.dependencies.len());
        for (place, dependency) in agent.dependencies.iter().enumerate() {
            let at = || format!("{}.dependencies[{place}]", path(agent));
            match index.get(dependency.as_str()) {
                Some(&parent) if parent == ix || dependency == &agent.id => {
                    let message = format!("waits for itself: {0} → {0}", Printable(&agent.id));
                    problems.push(Problem::error("CIRCULAR_DEPENDENCY", message).at(at()));
                }
                Some(&parent) => row.push(parent),
                // A dependency that is no text was already named.
                None if dependency.is_empty() => {}
                None => {
                    let mut message =
                        format!("depends on `{}`, which is no agent of this command", Printable(dependency));
                    if names.contains(dependency.as_str()) {
                        message.push_str(" but a phase; name its agents");
                    } else if comparisons < MAX_COMPARISONS {
                        comparisons += agents.len();
                        if let Some(near) = check::nearest(dependency, index.keys().copied()) {
                            message.push_str(&format!("; did you mean `{}`?", Printable(near)));
                        }
                    }
                    problems.push(Problem::error("MISSING_REFERENCE", message).at(at()));
                }
            }
        }
        row.sort_unstable();
        row.dedup();
        rows.push(row);
    }
    rows
}

fn csr(rows: &[Vec<u32>]) -> Csr {
    let mut starts = Vec::with_capacity(rows.len() + 1);
    let mut items = Vec::with_capacity(rows.iter().map(Vec::len).sum());
    starts.push(0);
    for row in rows {
        items.extend_from_slice(row);
        starts.push(items.len() as u32);
    }
    Csr::from_starts(starts, items)
}

/// The level of each place; with a cycle, a problem for each and no levels.
#[expect(clippy::indexing_slicing, reason = "places are below the number of agents, the length of every list here")]
fn levels(agents: &[&Agent], parents: &Csr, problems: &mut Problems) -> Vec<u32> {
    let mut levels = vec![0; agents.len()];
    match check::topological(parents, &parents.reversed()) {
        Ok(order) => {
            for ix in order {
                levels[ix as usize] =
                    parents.row(ix).iter().map(|&parent| levels[parent as usize] + 1).max().unwrap_or_default();
            }
        }
        Err(cycles) => {
            for cycle in cycles {
                let name = |ix: u32| agents.get(ix as usize).map_or("", |agent| agent.id.as_str());
                let message = format!("these agents wait for each other: {}", check::cycle_path(&cycle, name));
                let at = cycle.first().map(|&ix| format!("{}.dependencies", path(agents[ix as usize])));
                problems.push(Problem::error("CIRCULAR_DEPENDENCY", message).at(at.unwrap_or_default()));
            }
        }
    }
    levels
}

/// Every phase waits for the one before it, and in a phase that is not parallel every agent for the one before it.
#[expect(clippy::indexing_slicing, reason = "places are below the number of agents, the length of `rows`")]
fn add_barriers(phases: &[Phase], agents: &[&Agent], rows: &mut [Vec<u32>], problems: &mut Problems) {
    for (ix, agent) in agents.iter().enumerate() {
        for parent in
            rows[ix].iter().filter_map(|&parent| agents.get(parent as usize)).filter(|p| p.phase > agent.phase)
        {
            let message = format!(
                "waits for `{}` of a later phase, which phase barriers do not allow: {} → {0} → {1}",
                Printable(&parent.id),
                Printable(&agent.id)
            );
            problems.push(Problem::error("CIRCULAR_DEPENDENCY", message).at(format!("{}.dependencies", path(agent))));
        }
    }
    let mut added = 0usize;
    let mut start = 0;
    let mut last: Vec<u32> = Vec::new();
    for phase in phases {
        let members = start..start + phase.agents.len() as u32;
        start = members.end;
        if members.is_empty() {
            continue;
        }
        let (first, ends) = if phase.parallel {
            let mut inner = vec![false; members.len()];
            let mut first = Vec::new();
            for ix in members.clone() {
                let mut within = rows[ix as usize].iter().filter(|parent| members.contains(parent)).peekable();
                if within.peek().is_none() {
                    first.push(ix);
                }
                within.for_each(|parent| inner[(parent - members.start) as usize] = true);
            }
            (first, members.clone().filter(|ix| !inner[(ix - members.start) as usize]).collect::<Vec<_>>())
        } else {
            let chain = one_after_the_other(&members, rows);
            for pair in chain.windows(2) {
                if let &[before, after] = pair
                    && !rows[after as usize].contains(&before)
                {
                    rows[after as usize].push(before);
                }
            }
            (chain.first().copied().into_iter().collect(), chain.last().copied().into_iter().collect())
        };
        added = added.saturating_add(first.len().saturating_mul(last.len()));
        if added > MAX_BARRIER_EDGES {
            let message = format!(
                "phase barriers up to here need more than {MAX_BARRIER_EDGES} dependencies; \
                 use the plain order, or an agent that gathers the phase before"
            );
            problems.push(Problem::error("TOO_LARGE", message).at(format!("phases[{}]", phase.place)));
            return;
        }
        for ix in first {
            rows[ix as usize].extend_from_slice(&last);
            rows[ix as usize].sort_unstable();
            rows[ix as usize].dedup();
        }
        last = ends;
    }
}

/// The members in an order that keeps their dependencies, otherwise as in the file.
#[expect(clippy::indexing_slicing, reason = "members are a range of places below the length of `rows`")]
fn one_after_the_other(members: &std::ops::Range<u32>, rows: &[Vec<u32>]) -> Vec<u32> {
    let within = |ix: u32| rows[ix as usize].iter().copied().filter(|parent| members.contains(parent));
    let mut waiting: Vec<usize> = members.clone().map(|ix| within(ix).count()).collect();
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); members.len()];
    for ix in members.clone() {
        within(ix).for_each(|parent| children[(parent - members.start) as usize].push(ix));
    }
    let mut ready: BinaryHeap<Reverse<u32>> =
        members.clone().filter(|ix| waiting[(ix - members.start) as usize] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(members.len());
    while let Some(Reverse(ix)) = ready.pop() {
        order.push(ix);
        for &child in &children[(ix - members.start) as usize] {
            let left = &mut waiting[(child - members.start) as usize];
            *left -= 1;
            if *left == 0 {
                ready.push(Reverse(child));
            }
        }
    }
    order
}
