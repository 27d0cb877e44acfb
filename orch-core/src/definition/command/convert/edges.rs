//! What each step waits for.

use std::collections::BTreeSet;

use super::{Account, assemble::Node};
use crate::definition::command::markdown::{Draft, Form, Ref};

/// The dependencies of each step by place, and what was named and is no step.
pub(super) struct Edges {
    pub(super) parents: Vec<Vec<usize>>,
    pub(super) missing: Vec<Vec<String>>,
}

/// INVARIANT: a step never waits for itself by inference; what the text itself says is kept, wrong or not.
#[expect(
    clippy::indexing_slicing,
    reason = "places come from enumerating `nodes`, and every list has one entry a node"
)]
pub(super) fn edges(draft: &Draft, nodes: &[Node<'_>], account: &mut Account) -> Edges {
    // Whoever names phases only still leaves the order to them.
    let names_step = |after: &Ref| !matches!(after, Ref::Phase(_));
    let declared = nodes.iter().any(|node| node.step.after.iter().any(names_step));
    let mut parents = vec![Vec::new(); nodes.len()];
    let mut missing = vec![Vec::new(); nodes.len()];
    let mut by_phase = false;
    let mut by_value = false;
    for (place, node) in nodes.iter().enumerate() {
        let mut wanted = BTreeSet::new();
        for after in &node.step.after {
            match resolve(after, place, nodes) {
                Ok(places) => wanted.extend(places),
                Err(name) => missing[place].push(name),
            }
        }
        let before = wanted.len();
        wanted.extend(node.step.inputs.iter().filter_map(|key| producer(key, place, nodes)));
        by_value |= wanted.len() > before;
        let closing = draft.closing == Some(node.step.line);
        if closing {
            wanted.extend(0..place);
        } else if !declared && wanted.is_empty() && node.phase > 0 {
            wanted
                .extend(nodes.iter().enumerate().filter(|(_, other)| other.phase + 1 == node.phase).map(|(at, _)| at));
            by_phase = true;
        } else if declared && wanted.is_empty() && node.phase > 0 {
            let message = format!("what `{}` waits for: others say it, and this one starts at once", node.id);
            account.cannot(node.step.line, message);
        }
        parents[place] = wanted.into_iter().collect();
    }
    let topics = nodes.iter().all(|node| node.step.is_topic);
    let one_list = draft.form == Form::Steps && draft.phases.len() == 1 && nodes.len() > 1;
    if one_list && !declared && !by_value && !topics {
        (1..nodes.len()).for_each(|place| parents[place] = vec![place - 1]);
        account.infer(
            None,
            "no step says what it depends on, so each waits for the one before it, as the list is numbered",
        );
        account.cannot(None, "which steps could run side by side; write `(depends on 1)` to say so");
    } else if by_phase {
        account.infer(
            None,
            "no step says what it depends on, so each phase waits for the one before it and the steps of a phase run side by \
             side",
        );
        account.cannot(None, "whether a step needs the result of another in its phase; add a dependency where it does");
    } else if draft.form == Form::Steps && !declared && topics {
        account.infer(None, "the numbered items are topics without an order, so they run side by side");
        account.cannot(None, "whether a topic needs the result of another; add a dependency where it does");
    }
    if by_value {
        account.infer(None, "a step that takes a value as its input waits for the step that makes it");
    }
    Edges { parents, missing }
}

/// The steps that a reference means, or its text if there is none.
fn resolve(after: &Ref, place: usize, nodes: &[Node<'_>]) -> Result<Vec<usize>, String> {
    let here = nodes.get(place).map_or(0, |node| node.phase);
    match after {
        Ref::Number(number) => numbered(*number, place, nodes).map(|at| vec![at]).ok_or_else(|| number.to_string()),
        Ref::Range(first, last) => {
            let inside = |node: &Node<'_>| (*first..=*last).contains(&node.step.number);
            let found: Vec<usize> =
                nodes.iter().enumerate().filter(|(at, node)| *at != place && inside(node)).map(|(at, _)| at).collect();
            if found.is_empty() { Err(format!("{first}-{last}")) } else { Ok(found) }
        }
        Ref::Name(name) => {
            let named = |node: &Node<'_>| node.id == *name || node.step.agent.as_deref() == Some(name);
            // The agent may do several steps; the last before this one is meant.
            let earlier = nodes.get(..place).and_then(|nodes| nodes.iter().rposition(named));
            let found = earlier.or_else(|| nodes.iter().position(named));
            found.map(|at| vec![at]).ok_or_else(|| name.clone())
        }
        Ref::Phase(number) => {
            let phase = nodes.iter().find(|node| node.phase_number == Some(*number)).map(|node| node.phase);
            let phase = phase.filter(|phase| *phase != here).ok_or_else(|| format!("phase {number}"))?;
            Ok(nodes.iter().enumerate().filter(|(_, node)| node.phase == phase).map(|(at, _)| at).collect())
        }
        Ref::Previous => place.checked_sub(1).map(|at| vec![at]).ok_or_else(|| "the previous step".into()),
        Ref::All => Ok((0..place).collect()),
    }
}

/// The step with that number: of the same phase where numbers begin anew, else the nearest before, else the first after.
fn numbered(number: u32, place: usize, nodes: &[Node<'_>]) -> Option<usize> {
    let here = nodes.get(place)?.phase;
    let same = |node: &Node<'_>| node.step.number == number;
    nodes
        .iter()
        .position(|node| same(node) && node.phase == here)
        .or_else(|| nodes.get(..place)?.iter().rposition(same))
        .or_else(|| nodes.iter().position(same))
}

/// The last step before that makes the value, else the first after.
fn producer(key: &String, place: usize, nodes: &[Node<'_>]) -> Option<usize> {
    let makes = |node: &Node<'_>| node.step.outputs.contains(key);
    let earlier = nodes.get(..place)?.iter().rposition(makes);
    earlier.or_else(|| Some(place + 1 + nodes.get(place + 1..)?.iter().position(makes)?))
}
