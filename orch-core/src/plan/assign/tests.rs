//! Whoever is chosen is as good as anybody, by the formula read again.

use proptest::prelude::*;

use super::*;
use crate::{Task, testing::graphs::graphs};

const SKILLS: [&str; 3] = ["read", "write code", "Write-Docs"];

prop_compose! {
    fn candidate()(
        name in "[a-e]",
        skills in prop::collection::vec(prop::sample::select(&SKILLS[..]), 0..3),
        at_once in prop::option::of(1_u32..3),
        (succeeded, failed) in (0_u32..5, 0_u32..5),
        median in prop::option::of(0_u64..5_000),
        cost in prop::option::of(0_i64..3),
    ) -> Candidate {
        let (median, cost) = (median.map(Duration::from_millis), cost.map(Usd::from_nanos));
        let capabilities = skills.into_iter().map(str::to_owned).collect();
        Candidate { name, capabilities, at_once, past: Performance { succeeded, failed, median, cost } }
    }
}

/// The formula in decimal fractions.
fn seconds(one: &Candidate, load: usize, estimate: Option<Duration>) -> f64 {
    let turns = one.at_once.map_or(1.0, |at_once| ((load + 1) as f64 / f64::from(at_once)).ceil());
    let chance = f64::from(one.past.succeeded + 1) / f64::from(one.past.succeeded + one.past.failed + 2);
    turns * one.past.median.or(estimate).unwrap_or(Duration::from_secs(60)).as_secs_f64() / chance
}

fn depth(graph: &Graph, ix: TaskIx) -> usize {
    graph.parents(ix).map(|parent| depth(graph, parent) + 1).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn whoever_is_chosen_is_as_good_as_anybody(
        graph in graphs(12),
        wishes in prop::collection::vec(prop::option::of(prop::sample::select(vec!["read", "WRITE", "code write", "docs"])), 12),
        mut candidates in prop::collection::vec(candidate(), 0..5),
        had in prop::option::of("[a-e]"),
    ) {
        candidates.sort_by(|one, other| one.name.cmp(&other.name));
        candidates.dedup_by(|one, other| one.name == other.name);
        let mut wishes = wishes.into_iter();
        let wishing = |task: Task| match wishes.next().flatten() {
            Some(wish) => task.with(|options| (options.agent, options.capability) = (None, Some(wish.to_owned()))),
            None => task,
        };
        let graph = graph.to_builder().each_task(wishing).build().unwrap();
        let before: BTreeMap<TaskId, String> =
            had.iter().flat_map(|had| graph.tasks().iter().map(|task| (task.id().clone(), had.clone()))).collect();
        let able = |wish: &str| -> Vec<&Candidate> {
            let words: Vec<String> = wish.split(' ').map(str::to_lowercase).collect();
            let has = |skill: &String| {
                words.iter().all(|word| skill.to_lowercase().split([' ', '-']).any(|own| own == word))
            };
            candidates.iter().filter(|one| one.capabilities.iter().any(has)).collect()
        };
        let wish = |ix: TaskIx| graph.task(ix).options().capability.clone().filter(|_| graph.task(ix).options().agent.is_none());
        let nobody = graph.indices().filter_map(wish).filter(|wish| able(wish).is_empty()).count();
        let answer = assign(&graph, &candidates, &before);
        if nobody > 0 {
            prop_assert_eq!(answer.unwrap_err().problems().len(), nobody);
            return Ok(());
        }
        let (made, assigned) = answer.unwrap();
        let mut given: Vec<(usize, String)> = Vec::new();
        let mut told = assigned.iter();
        for ix in graph.topological() {
            let agent = made.task(ix).options().agent.as_deref();
            let Some(wish) = wish(ix) else {
                prop_assert_eq!(agent, graph.task(ix).options().agent.as_deref());
                continue;
            };
            let (agent, told) = (agent.unwrap(), told.next().unwrap());
            prop_assert_eq!((&told.task, told.agent.as_str()), (graph.id(ix), agent));
            let level = depth(&graph, ix);
            let load = |name: &str| given.iter().filter(|(at, who)| *at == level && who == name).count();
            let score = |one: &Candidate| seconds(one, load(&one.name), graph.task(ix).estimated());
            let able = able(&wish);
            let chosen = *able.iter().find(|one| one.name == agent).unwrap();
            prop_assert_eq!(told.load as usize, load(agent));
            prop_assert!((told.expected.as_secs_f64() - score(chosen)).abs() < 1e-3);
            if able.iter().any(|one| Some(&one.name) == had.as_ref()) {
                prop_assert_eq!((Some(&agent.to_owned()), told.again), (had.as_ref(), true));
            } else {
                prop_assert!(able.iter().all(|one| score(chosen) <= score(one) + 1e-9));
                prop_assert!(!told.again);
            }
            prop_assert_eq!(told.others.len() + 1, able.len());
            given.push((level, agent.to_owned()));
        }
        candidates.reverse();
        prop_assert_eq!(assign(&graph, &candidates, &before).unwrap().1, assigned);
    }
}
