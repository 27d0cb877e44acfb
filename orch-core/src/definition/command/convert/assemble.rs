//! From the draft of a text to the JSON of a definition.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    ANYONE, Account, DEFAULT_TIME,
    edges::{Edges, edges},
    names::{Names, slug},
};
use crate::definition::command::{
    markdown::{Draft, DraftPhase, Step, Time, plain},
    model::{Command, Source},
};

/// A step with its name, its place and its time.
pub(super) struct Node<'d> {
    pub(super) id: String,
    pub(super) phase: usize,
    /// `2` of `Phase 2`.
    pub(super) phase_number: Option<u32>,
    pub(super) step: &'d Step,
    estimate: Duration,
}

/// Everything that the definition says, as places.
pub(super) struct Assembly<'d> {
    name: String,
    description: String,
    phases: Vec<(String, String)>,
    nodes: Vec<Node<'d>>,
    edges: Edges,
}

impl<'d> Assembly<'d> {
    pub(super) fn new(draft: &'d Draft, file_name: Option<&str>, account: &mut Account) -> Self {
        let name = command_name(draft, file_name, account);
        let description = description(draft, &name, account);
        let estimates = estimates(&draft.phases, account);
        let mut ids = Names::default();
        // Names that the text gives go first, so that no other step takes them.
        let given = draft.phases.iter().flat_map(|phase| &phase.steps).filter_map(|step| step.id.as_deref());
        given.for_each(|id| drop(ids.take([slug(id)])));
        let mut nodes: Vec<Node<'d>> = Vec::new();
        for (phase, drafted) in draft.phases.iter().enumerate() {
            for step in &drafted.steps {
                let id =
                    step.id.as_deref().map(slug).filter(|id| !id.is_empty()).unwrap_or_else(|| step_id(step, &mut ids));
                let estimate = estimates.get(nodes.len()).copied().unwrap_or(DEFAULT_TIME);
                nodes.push(Node { id, phase, phase_number: drafted.number, step, estimate });
            }
        }
        account.of_steps(&nodes);
        let edges = edges(draft, &nodes, account);
        Self { name, description, phases: phase_names(draft), nodes, edges }
    }

    pub(super) fn serial(&self) -> Duration {
        self.nodes.iter().map(|node| node.estimate).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// The longest chain; `None` if steps wait for each other.
    #[expect(clippy::indexing_slicing, reason = "every list has one entry a node, and parents are places of nodes")]
    pub(super) fn parallel(&self) -> Option<Duration> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        let mut waiting: Vec<usize> = self.edges.parents.iter().map(Vec::len).collect();
        for (place, parents) in self.edges.parents.iter().enumerate() {
            parents.iter().for_each(|&parent| children[parent].push(place));
        }
        let mut ready: Vec<usize> = (0..self.nodes.len()).filter(|&place| waiting[place] == 0).collect();
        let mut starts = vec![Duration::ZERO; self.nodes.len()];
        let (mut done, mut end) = (0, Duration::ZERO);
        while let Some(place) = ready.pop() {
            done += 1;
            let finish = starts[place].saturating_add(self.nodes[place].estimate);
            end = end.max(finish);
            for &child in &children[place] {
                starts[child] = starts[child].max(finish);
                waiting[child] -= 1;
                if waiting[child] == 0 {
                    ready.push(child);
                }
            }
        }
        (done == self.nodes.len()).then_some(end)
    }

    pub(super) fn into_command(self) -> Command {
        let mut agents: Vec<Vec<Value>> = vec![Vec::new(); self.phases.len()];
        let mut lines: Vec<Vec<u32>> = vec![Vec::new(); self.phases.len()];
        for ((node, parents), missing) in self.nodes.iter().zip(&self.edges.parents).zip(&self.edges.missing) {
            let ids = parents.iter().filter_map(|&parent| self.nodes.get(parent)).map(|parent| parent.id.clone());
            let dependencies = ids.chain(missing.iter().cloned()).collect();
            if let (Some(agents), Some(lines)) = (agents.get_mut(node.phase), lines.get_mut(node.phase)) {
                agents.push(agent(node, dependencies));
                lines.push(node.step.line);
            }
        }
        let phases: Vec<Value> = self
            .phases
            .into_iter()
            .zip(agents)
            .map(|((id, name), agents)| json!({ "id": id, "name": name, "agents": agents }))
            .collect();
        let raw = json!({
            "version": "2.0.0",
            "name": self.name,
            "description": self.description,
            "phases": phases,
        });
        Command::new(raw, Source::Markdown(lines))
    }
}

fn agent(node: &Node<'_>, dependencies: Vec<String>) -> Value {
    let step = node.step;
    let task = step.full_task();
    let mut agent = Map::new();
    agent.insert("id".into(), json!(node.id));
    agent.insert("agentId".into(), json!(step.agent.as_deref().unwrap_or(ANYONE)));
    agent.insert("task".into(), json!(if task.is_empty() { &node.id } else { &task }));
    agent.insert("dependencies".into(), json!(dependencies));
    agent.insert("estimatedTime".into(), json!(u64::try_from(node.estimate.as_millis()).unwrap_or(u64::MAX)));
    if let Some(rollback) = &step.rollback {
        agent.insert("compensation".into(), json!({ "type": "rollback", "description": rollback }));
    }
    let mut context = Map::new();
    for (field, keys) in [("inputs", &step.inputs), ("outputs", &step.outputs)] {
        if !keys.is_empty() {
            // A key that is named twice is meant once.
            let keys: BTreeSet<&String> = keys.iter().collect();
            context.insert(field.into(), keys.iter().map(|key| json!({ "key": key })).collect());
        }
    }
    if !context.is_empty() {
        agent.insert("context".into(), Value::Object(context));
    }
    Value::Object(agent)
}

impl Account {
    fn of_steps(&mut self, nodes: &[Node<'_>]) {
        let nobody: Vec<&Node<'_>> = nodes.iter().filter(|node| node.step.agent.is_none()).collect();
        if let Some(first) = nobody.first() {
            let who = match nobody.len() {
                1 => "one step names no agent".to_owned(),
                count if count == nodes.len() => "no step names an agent".to_owned(),
                count => format!("{count} steps name no agent"),
            };
            self.infer(first.step.line, format!("{who}; `{ANYONE}` does it"));
        }
        for node in nodes {
            let lower = node.step.task.to_lowercase();
            if ["if ", "when ", "unless ", "only if "].iter().any(|word| lower.starts_with(word)) {
                self.cannot(
                    node.step.line,
                    format!("the condition of `{}` is in words; write it as a `skipCondition`", node.id),
                );
            }
            if node.step.rollback.is_some() {
                self.cannot(
                    node.step.line,
                    format!("how `{}` is rolled back; its `compensation` only says that it is", node.id),
                );
            }
        }
    }
}

/// The name is the title where that is one, else the file's, else made of the title.
fn command_name(draft: &Draft, file_name: Option<&str>, account: &mut Account) -> String {
    let titled = draft
        .title
        .as_deref()
        .and_then(|title| title.strip_prefix('/'))
        .map(|title| slug(title.split_whitespace().next().unwrap_or_default()));
    if let Some(name) = titled.filter(|name| !name.is_empty()) {
        return format!("/{name}");
    }
    let (name, source) = match (file_name.map(slug), draft.title.as_deref().map(slug)) {
        (Some(name), _) if !name.is_empty() => (name, "its file"),
        (_, Some(name)) if !name.is_empty() => (name, "the title"),
        _ => ("command".into(), "nothing: neither a title nor a file gives one"),
    };
    account.infer(None, format!("the name `/{name}` comes from {source}"));
    format!("/{name}")
}

/// The text without markup, and without the end of a lonely sentence.
fn sentence(text: &str) -> String {
    let text = plain(text);
    let one_sentence = !text.trim_end_matches(['.', ':']).contains(". ");
    if one_sentence { text.trim_end_matches(['.', ':']).trim_end().to_owned() } else { text }
}

/// Version 2 allows 200 characters.
fn description(draft: &Draft, name: &str, account: &mut Account) -> String {
    const LONGEST: usize = 200;
    // A paragraph of nothing but `:` says as little as none.
    let mut candidates = [&draft.description, &draft.title].into_iter().flatten().map(|text| sentence(text));
    let Some(text) = candidates.find(|text| !text.is_empty()) else {
        account.infer(None, "there is no description, so the name stands for it");
        return name.to_owned();
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    account.infer(None, format!("the description is cut to {LONGEST} characters"));
    let cut: String = text.chars().take(LONGEST - 1).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(cut, _)| cut);
    format!("{}…", cut.trim_end_matches([',', ';', '.', ':', ' ']))
}

/// Ids and names; a phase without a heading is the main one.
fn phase_names(draft: &Draft) -> Vec<(String, String)> {
    const LONGEST: usize = 50;
    let mut ids = Names::default();
    (1..)
        .zip(&draft.phases)
        .map(|(nth, phase)| {
            let name: String = phase.name.chars().take(LONGEST).collect();
            let name = if name.is_empty() { "Main".to_owned() } else { name };
            let id = ids.take([slug(&name), format!("phase-{nth}")]);
            (id, name)
        })
        .collect()
}

/// An agent that is named once gives its step the name; else the task does, with the number.
fn step_id(step: &Step, ids: &mut Names) -> String {
    match &step.agent {
        Some(agent) if !step.is_topic => ids.take([agent.clone(), format!("{agent}-{}", step.number)]),
        _ => {
            let task = slug(&step.task);
            ids.take([format!("{}-{}", if task.is_empty() { "step" } else { &task }, step.number)])
        }
    }
}

/// The time of each step: its own; else its share of the phase's; else the default.
fn estimates(phases: &[DraftPhase], account: &mut Account) -> Vec<Duration> {
    let windows = are_windows(phases);
    let mut estimates = Vec::new();
    let (mut shared, mut defaults) = (false, 0usize);
    for phase in phases {
        let whole = phase.time.map(|time| match time.from {
            Some(from) if windows => time.to.saturating_sub(from),
            _ => time.to,
        });
        let own: Duration = phase.steps.iter().filter_map(|step| step.time).map(|time| time.to).sum();
        let without = phase.steps.iter().filter(|step| step.time.is_none()).count();
        // What the steps with a time leave over; a phase that is shorter than them says nothing of the others.
        let left = whole.and_then(|whole| whole.checked_sub(own)).filter(|left| !left.is_zero());
        let share = left.map(|left| left / u32::try_from(without.max(1)).unwrap_or(u32::MAX));
        for step in &phase.steps {
            shared |= step.time.is_none() && share.is_some();
            defaults += usize::from(step.time.is_none() && share.is_none());
            estimates.push(step.time.map_or_else(|| share.unwrap_or(DEFAULT_TIME), |time| time.to));
        }
    }
    if shared {
        let which = if windows { "the minutes of a phase (`20-40`) are its place on a clock, and " } else { "" };
        account.infer(None, format!("{which}the time of a phase is divided evenly among its steps"));
    }
    if !windows && phases.iter().any(|phase| phase.time.is_some_and(|time| time.from.is_some())) {
        account.infer(None, "of a range of times the longer is taken");
    }
    if defaults > 0 {
        let which = if defaults == 1 {
            "1 step gives no time; it is"
        } else {
            &format!("{defaults} steps give no time; each is")
        };
        account.infer(None, format!("{which} taken to need {} s", DEFAULT_TIME.as_secs()));
    }
    // A definition counts in milliseconds and wants at least 100 of them.
    estimates.iter_mut().for_each(|estimate| {
        let millis = u64::try_from(estimate.as_millis()).unwrap_or(u64::MAX).max(100);
        *estimate = Duration::from_millis(millis);
    });
    estimates
}

/// Whether the ranges of the phases follow each other from zero: `(0-20 mins)`, `(20-40 mins)`.
fn are_windows(phases: &[DraftPhase]) -> bool {
    let mut expected = Duration::ZERO;
    let mut any = false;
    for Time { from, to } in phases.iter().filter_map(|phase| phase.time) {
        if from != Some(expected) {
            return false;
        }
        expected = to;
        any = true;
    }
    any
}
