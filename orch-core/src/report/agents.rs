//! What each agent was expected to cost, and what it did.

use std::collections::BTreeMap;

use super::Report;
use crate::units::{Usage, Usd};

/// The cost of the tasks of one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentCost {
    /// The agent; `None`: tasks without one.
    pub agent: Option<String>,
    /// How many tasks it has.
    pub tasks: usize,
    /// What they were expected to cost before the run: the median of past runs where the plan has [learned](crate::Plan::learned) it,
    /// else the price of what their tasks [expect](crate::Task::expects). `None`: nobody knew.
    pub estimated: Option<Usd>,
    /// Of how many of them that was known from past runs.
    pub learned: usize,
    /// What they did cost. `None`: nothing was used, or no price is known for it.
    pub real: Option<Usd>,
    /// How many tokens they used.
    pub tokens: u64,
}

impl Report {
    /// What each agent was expected to cost and what it did, the dearest first: those of which either is known. Empty before
    /// [`price_with`](Report::price_with).
    pub fn agents(&self) -> &[AgentCost] {
        &self.agents
    }

    pub(super) fn price_agents(&mut self, price: &mut impl FnMut(&Usage) -> Option<Usd>) {
        let mut agents: BTreeMap<Option<String>, AgentCost> = BTreeMap::new();
        for task in self.tasks() {
            let options = task.task().options();
            let agent = options.agent.clone();
            let of = agents.entry(agent.clone()).or_insert_with(|| AgentCost { agent, ..AgentCost::default() });
            let is_planned = task.ix().index() < self.plan().graph().len();
            let learned = is_planned.then(|| self.plan().learned(task.ix())).flatten().and_then(|learned| learned.cost);
            let expects = || Some(&options.expects).filter(|expects| !expects.is_empty()).and_then(&mut *price);
            of.tasks += 1;
            of.learned += usize::from(learned.is_some());
            let add = |sum: Option<Usd>, more: Option<Usd>| sum.into_iter().chain(more).reduce(|sum, more| sum + more);
            of.estimated = add(of.estimated, learned.map(|cost| cost.median).or_else(expects));
            of.real = add(of.real, task.cost());
            of.tokens = of.tokens.saturating_add(task.usage().map_or(0, Usage::total_tokens));
        }
        let mut agents: Vec<AgentCost> = agents.into_values().collect();
        agents.retain(|agent| agent.estimated.is_some() || agent.real.is_some());
        agents.sort_by_key(|agent| std::cmp::Reverse(agent.real.max(agent.estimated)));
        self.agents = agents;
    }
}

impl AgentCost {
    /// By how much it cost more than was expected, in whole percent; less is below zero. `None` where one of both is not known or
    /// nothing was expected.
    pub fn over_percent(&self) -> Option<i64> {
        let (estimated, real) = (self.estimated?.nanos(), self.real?.nanos());
        if estimated <= 0 {
            return None;
        }
        let permille = (i128::from(real) - i128::from(estimated)) * 1000 / i128::from(estimated);
        i64::try_from((permille + 5 * permille.signum()) / 10).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{Event, EventKind, Graph, History, Output, Plan, PlanOptions, Sample, Task, report::render};

    /// One agent known from past runs, one from what its tasks expect, one that nobody knew, and one that costs nothing.
    #[test]
    fn what_was_expected_stands_beside_what_it_cost() {
        let usage = |tokens| Usage::tokens("m", tokens, 0);
        let tasks = [
            Task::new("a").agent("known"),
            Task::new("b").agent("known"),
            Task::new("c").agent("guessed").expects(usage(4_000)),
            Task::new("d").agent("new"),
            Task::new("e").agent("free"),
        ];
        let graph = Graph::builder("g").tasks(tasks).build().unwrap();
        let mut history = History::default();
        let took = Duration::from_secs(1);
        for (task, cents) in [("a", 2), ("b", 1)] {
            history.add(Sample { task: task.into(), work: None, took, cost: Some(Usd::from_cents(cents)) });
        }
        let options = PlanOptions { history: Some(Arc::new(history)), ..PlanOptions::default() };
        let mut report = Report::new(&Plan::new(&graph, &options).unwrap());
        for (seq, (task, tokens)) in
            [("a", 2000), ("b", 4000), ("c", 2000), ("d", 1000), ("e", 0)].into_iter().enumerate()
        {
            let task = graph.find(task).unwrap();
            let used = (tokens > 0).then(|| Box::new(usage(tokens)));
            let result = Ok(Output::NOTHING);
            let kind = EventKind::TaskFinished { task, attempt: 1, result, usage: used };
            let started = EventKind::TaskStarted { task, attempt: 1, queued: Duration::ZERO };
            for (nth, kind) in [started, kind].into_iter().enumerate() {
                report.on(&Event { seq: (seq * 2 + nth) as u64, at: took, kind });
            }
        }
        // A thousand tokens are a cent.
        report.price_with(|usage| Some(Usd::from_nanos(usage.total_tokens() as i64 * 10_000)));
        let seen: Vec<_> = report
            .agents()
            .iter()
            .map(|of| {
                let cents = |usd: Usd| usd.nanos() / 10_000_000;
                let name = of.agent.as_deref().unwrap();
                (name, of.estimated.map(cents), of.learned, of.real.map(cents), of.over_percent())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("known", Some(3), 2, Some(6), Some(100)),
                ("guessed", Some(4), 0, Some(2), Some(-50)),
                ("new", None, 0, Some(1), None)
            ]
        );
        let text = render::text(&report, 80);
        let at = text.find("cost by agent").unwrap();
        let lines: Vec<&str> = text[at..].lines().take(5).collect();
        assert_eq!(
            lines,
            [
                "cost by agent  estimated     real",
                "  known          $0.0300  $0.0600  +100 %",
                "  guessed        $0.0400  $0.0200   -50 %",
                "  new                  –  $0.0100",
                "  together       $0.0700  $0.0900",
            ]
        );
    }
}
