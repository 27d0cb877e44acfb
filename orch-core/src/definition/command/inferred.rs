//! The first form of definitions: agents without ids, ordered by what they read and make.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::model::Command;

/// In larger commands an agent may be told to wait for what it waits for already: to find that out costs a search an agent.
const MAX_SEARCHED: usize = 2_000;

impl Command {
    /// Reads a definition in which agents may have no `id`: the form of the orchestrator's first prototype, where a phase has
    /// a `number`, a `name` and `dependencies` (names of phases), and an agent a `name`, `inputs` and `outputs` (keys).
    ///
    /// Such an agent is called by its name, of several with one name the later ones `{name}-2`, `{name}-3` and so on. It
    /// waits for those before it that make what it reads, else for the first after it, and for the agents of the phases that
    /// its phase depends on; but for nobody whom it waits for already by way of others. It never waits for itself, although it
    /// may make anew what it reads. What nobody makes is a `MISSING_CONTEXT_INPUT`, an error for
    /// [`strict`](super::GraphOptions::strict); a phase that does not exist, a `MISSING_REFERENCE`.
    ///
    /// [`as_value`](Command::as_value) is the definition with all that, in the published form. Agents with an `id` stay as they
    /// are.
    ///
    /// ```
    /// use orch_core::{Command, GraphOptions};
    ///
    /// let command = Command::inferred(serde_json::json!({
    ///     "name": "/notes", "description": "writes notes", "phases": [
    ///         {"number": 1, "name": "Read", "dependencies": [], "agents": [{"name": "reader", "inputs": [], "outputs": ["commits"]}]},
    ///         {"number": 2, "name": "Write", "dependencies": ["Read"], "agents": [{"name": "writer", "inputs": ["commits"], "outputs": []}]},
    ///     ],
    /// }));
    /// let graph = command.graph(&GraphOptions { strict: true, ..GraphOptions::default() })?;
    /// assert_eq!((graph.len(), graph.edges()), (2, 1), "the order of the phases is in the values already");
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn inferred(mut raw: Value) -> Self {
        let found = agents(&raw);
        if found.iter().any(|agent| agent.first_form) {
            let waits = waits(&raw, &found);
            complete(&mut raw, &found, &waits);
        }
        Self::from_value(raw)
    }
}

/// An agent, as far as its order depends on it.
struct Found {
    phase: usize,
    place: usize,
    id: String,
    name: String,
    first_form: bool,
    reads: Vec<String>,
    makes: Vec<String>,
    after: Vec<String>,
}

fn phases(raw: &Value) -> &[Value] {
    raw.get("phases").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let key = |item: &Value| item.as_str().or_else(|| item.get("key")?.as_str()).map(str::to_owned);
    value.and_then(Value::as_array).map_or_else(Vec::new, |list| list.iter().filter_map(key).collect())
}

fn agents(raw: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    let listed = phases(raw).iter().enumerate().flat_map(|(phase, value)| {
        let agents = value.get("agents").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        agents.iter().enumerate().map(move |(place, agent)| (phase, place, agent))
    });
    for (phase, place, agent) in listed {
        let text = |key: &str| agent.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let first_form = agent.is_object() && agent.get("id").is_none_or(Value::is_null) && !text("name").is_empty();
        let context = agent.get("context");
        let of = |key: &str| match first_form {
            true => texts(agent.get(key)),
            false => texts(context.and_then(|context| context.get(key))),
        };
        found.push(Found {
            phase,
            place,
            id: text("id"),
            name: text("name"),
            first_form,
            reads: of("inputs"),
            makes: of("outputs"),
            after: texts(agent.get("dependencies")),
        });
    }
    let mut taken: HashSet<String> =
        found.iter().filter(|agent| !agent.first_form).map(|agent| agent.id.clone()).collect();
    for agent in found.iter_mut().filter(|agent| agent.first_form) {
        let mut id = agent.name.clone();
        let mut nth = 1;
        while !taken.insert(id.clone()) {
            nth += 1;
            id = format!("{}-{nth}", agent.name);
        }
        agent.id = id;
    }
    found
}

/// For each agent, by place, the names that it waits for.
fn waits(raw: &Value, agents: &[Found]) -> Vec<Vec<String>> {
    let mut makers: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for (at, agent) in agents.iter().enumerate() {
        by_id.insert(&agent.id, at);
        agent.makes.iter().for_each(|key| makers.entry(key).or_default().push(at));
    }
    let mut order = Waits { rows: vec![Vec::new(); agents.len()], searches: agents.len() <= MAX_SEARCHED };
    for (at, agent) in agents.iter().enumerate() {
        let known = agent.after.iter().filter_map(|id| by_id.get(id.as_str()).copied());
        known.for_each(|parent| order.push(at, parent));
    }
    let ordered = || agents.iter().enumerate().filter(|(_, agent)| agent.first_form);
    for (at, agent) in ordered() {
        for makers in agent.reads.iter().filter_map(|key| makers.get(key.as_str())) {
            let earlier: Vec<usize> = makers.iter().copied().filter(|&maker| maker < at).collect();
            let later = makers.iter().copied().find(|&maker| maker > at);
            let chosen = if earlier.is_empty() { later.into_iter().collect() } else { earlier };
            order.add(at, chosen);
        }
    }
    let mut unknown: Vec<Vec<String>> = vec![Vec::new(); agents.len()];
    for (at, agent) in ordered() {
        let phase = phases(raw).get(agent.phase);
        for wanted in phase.and_then(|phase| phase.get("dependencies")).and_then(Value::as_array).into_iter().flatten()
        {
            let named = |phase: &Value| ["name", "id", "number"].iter().any(|key| phase.get(key) == Some(wanted));
            let mut members = Vec::new();
            let mut is_known = false;
            for (nth, _) in phases(raw).iter().enumerate().filter(|(_, phase)| named(phase)) {
                is_known = true;
                members.extend(agents.iter().enumerate().filter(|(_, agent)| agent.phase == nth).map(|(at, _)| at));
            }
            order.add(at, members);
            if let (false, Some(list)) = (is_known, unknown.get_mut(at)) {
                list.push(wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned));
            }
        }
    }
    let name = |&at: &usize| agents.get(at).map(|agent| agent.id.clone());
    let rows = order.rows.iter().zip(unknown);
    rows.map(|(row, unknown)| row.iter().filter_map(name).chain(unknown).collect()).collect()
}

/// Who waits for whom, by place.
struct Waits {
    rows: Vec<Vec<usize>>,
    searches: bool,
}

impl Waits {
    fn push(&mut self, at: usize, parent: usize) {
        if let Some(row) = self.rows.get_mut(at)
            && !row.contains(&parent)
        {
            row.push(parent);
        }
    }

    /// Waits for these too, the later ones first, since they may wait for the earlier ones.
    fn add(&mut self, at: usize, mut parents: Vec<usize>) {
        parents.sort_unstable();
        for parent in parents.into_iter().rev() {
            if !self.searches || !self.reaches(at, parent) {
                self.push(at, parent);
            }
        }
    }

    /// Whether `at` waits for `wanted` already, directly or not.
    fn reaches(&self, at: usize, wanted: usize) -> bool {
        let mut seen = vec![false; self.rows.len()];
        let mut open = vec![at];
        while let Some(next) = open.pop() {
            for &parent in self.rows.get(next).into_iter().flatten() {
                if parent == wanted {
                    return true;
                }
                if let Some(seen) = seen.get_mut(parent).filter(|seen| !**seen) {
                    *seen = true;
                    open.push(parent);
                }
            }
        }
        false
    }
}

fn complete(raw: &mut Value, agents: &[Found], waits: &[Vec<String>]) {
    if let Some(root) = raw.as_object_mut() {
        root.entry("version").or_insert_with(|| json!("2.0.0"));
    }
    let Some(phases) = raw.get_mut("phases").and_then(Value::as_array_mut) else { return };
    for (agent, waits) in agents.iter().zip(waits).filter(|(agent, _)| agent.first_form) {
        let list = phases.get_mut(agent.phase).and_then(|phase| phase.get_mut("agents")?.as_array_mut());
        if let Some(fields) = list.and_then(|list| list.get_mut(agent.place)?.as_object_mut()) {
            fill(fields, agent, waits);
        }
    }
}

fn fill(fields: &mut Map<String, Value>, agent: &Found, waits: &[String]) {
    fields.insert("id".to_owned(), json!(agent.id));
    fields.entry("agentId").or_insert_with(|| json!(agent.name));
    if !fields.contains_key("description") {
        fields.entry("task").or_insert_with(|| json!(agent.name));
    }
    let mut dependencies = agent.after.clone();
    dependencies.extend(waits.iter().filter(|id| !agent.after.contains(id)).cloned());
    fields.insert("dependencies".to_owned(), json!(dependencies));
    let (reads, makes) = (fields.remove("inputs"), fields.remove("outputs"));
    let context = fields.entry("context").or_insert_with(|| json!({}));
    if let Some(context) = context.as_object_mut() {
        context.entry("inputs").or_insert_with(|| reads.unwrap_or_else(|| json!([])));
        context.entry("outputs").or_insert_with(|| makes.unwrap_or_else(|| json!([])));
    }
}
