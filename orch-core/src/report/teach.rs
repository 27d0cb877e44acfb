//! What a run teaches about the next one.

use super::Report;
use crate::{event::TaskState, plan::Sample};

impl Report {
    /// How long the tasks took that this run has run to a good end, for the [`History`](crate::History) of the next plan. What
    /// failed, was stopped, was known already or was taken over from a checkpoint shows nothing.
    ///
    /// A dry run shows nothing either, but looks like a very quick one: leave it out.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        let ran = |task: &super::TaskResult<'_>| task.state() == TaskState::Succeeded && task.attempts() > 0;
        self.tasks().filter(ran).map(|task| Sample {
            task: task.id().clone(),
            work: task.task().work(),
            took: task.duration(),
            cost: task.cost(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use crate::{
        Cost, Event, EventKind, Failure, FailureKind, Graph, History, Output, Plan, PlanOptions, Report, Task, Usage,
        Usd,
    };

    #[test]
    fn what_ran_to_a_good_end_counts() {
        let names = ["done", "fails", "known", "never"];
        let tasks = names.map(|name| Task::new(name).agent(name).estimate(Duration::from_secs(100)));
        let graph = Graph::builder("g").tasks(tasks.to_vec()).build().unwrap();
        let [done, fails, known, never] = names.map(|name| graph.find(name).unwrap());
        let mut report = Report::new(&Plan::new(&graph, &PlanOptions::default()).unwrap());
        let failure = Failure { kind: FailureKind::Error, message: "no".into() };
        let saved = Box::new(Cost { time: Duration::from_secs(9), ..Cost::default() });
        let start = |task, attempt| EventKind::TaskStarted { task, attempt, queued: Duration::ZERO };
        let used = Some(Box::new(Usage::tokens("m", 1, 1)));
        let retry = EventKind::TaskRetrying {
            task: done,
            attempt: 1,
            failure: Box::new(failure.clone()),
            delay: Duration::from_secs(50),
            usage: None,
        };
        let events = [
            (0, start(done, 1)),
            (2, retry),
            (52, start(done, 2)),
            (57, EventKind::TaskFinished { task: done, attempt: 2, result: Ok(Output::NOTHING), usage: used }),
            (57, start(fails, 1)),
            (58, EventKind::TaskFinished { task: fails, attempt: 1, result: Err(Box::new(failure)), usage: None }),
            (58, EventKind::TaskCached { task: known, output: Output::NOTHING, saved }),
        ];
        for (seq, (at, kind)) in (0..).zip(events) {
            report.on(&Event { seq, at: Duration::from_secs(at), kind });
        }
        report.price_with(|_| Some(Usd::from_cents(3)));
        let mut history = History::default();
        history.extend(report.samples());
        let plan =
            Plan::new(&graph, &PlanOptions { history: Some(Arc::new(history)), ..PlanOptions::default() }).unwrap();
        assert_eq!(plan.step(done).estimate, Duration::from_secs(7), "its attempts, not the wait between");
        assert_eq!(plan.learned(done).unwrap().cost.unwrap().median, Usd::from_cents(3));
        for task in [fails, known, never] {
            assert_eq!((plan.learned(task), plan.step(task).estimate), (None, Duration::from_secs(100)));
        }
    }
}
