//! What must hold after every event of every run that could be: random graphs, names, outcomes and interleavings.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Counts, Progress, Report, render,
    script::Script,
    todo::{TodoMode, TodoStatus, task_list, todo_list},
    xml,
};
use crate::{
    definition::{Graph, Task},
    event::{BreakerState, EventKind, FailureKind, Kept, RunState, SkipReason, TaskState},
    id::{TaskIx, is_unprintable},
};

/// A run as a driver could have had it, with the states that tasks had after each event.
#[derive(Debug)]
struct Story {
    script: Script,
    limit: Option<u32>,
    states: Vec<Vec<TaskState>>,
}

/// Names that try to leave their place, made distinct by their number.
const NAMES: [&str; 10] = [
    "plain",
    "../../x",
    "\u{1b}[2J\u{9b}31m",
    "</script><b>",
    "\"]]>&amp;'",
    "a|b`*_$x$",
    "::error::%0A,",
    "\u{202e}\u{2066}\u{feff}",
    "日本語🦀",
    "\0\r\n\t\u{fffe}\u{7f}",
];

/// Draws numbers below a bound from bytes that proptest can shrink; all zero when they are used up.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.next().map_or(0, |byte| byte as usize % bound)
    }
}

fn graph(dice: &mut Dice) -> Graph {
    let mut builder = Graph::builder(NAMES[dice.below(NAMES.len())]);
    let tasks = 1 + dice.below(9);
    for n in 0..tasks {
        let mut task = Task::new(format!("{}{n}", NAMES[dice.below(NAMES.len())]));
        if dice.below(2) == 0 {
            task = task.estimate(Duration::from_millis(dice.below(50) as u64));
        }
        if dice.below(3) == 0 {
            task = task.agent(NAMES[dice.below(3)]);
        }
        builder.add(task);
    }
    for child in 1..tasks as u32 {
        for parent in 0..child {
            if dice.below(3) == 0 {
                builder.link(TaskIx(parent), TaskIx(child));
            }
        }
    }
    builder.build().unwrap()
}

fn story(choices: Vec<u8>) -> Story {
    let mut dice = Dice(choices.into_iter());
    let graph = graph(&mut dice);
    let limit = [None, Some(1), Some(2), Some(3)][dice.below(4)];
    let mut script = Script::new(&graph, limit);
    let mut now = vec![TaskState::Pending; graph.len()];
    let mut attempts = vec![0u32; graph.len()];
    let mut states = vec![now.clone()];
    let mut at = 0;
    // While anything is open: a task whose parents are over starts or is skipped, or one that runs ends.
    loop {
        at += dice.below(4) as u64;
        let over = |ix: TaskIx, now: &[TaskState]| now[ix.index()].is_final();
        let running: Vec<TaskIx> = graph.indices().filter(|ix| now[ix.index()] == TaskState::Running).collect();
        let ready: Vec<TaskIx> = graph
            .indices()
            .filter(|&ix| now[ix.index()] == TaskState::Pending && graph.parents(ix).all(|parent| over(parent, &now)))
            .collect();
        if running.is_empty() && ready.is_empty() {
            break;
        }
        let may_start = !ready.is_empty() && limit.is_none_or(|limit| running.len() < limit as usize);
        let kind = if may_start && (running.is_empty() || dice.below(2) == 0) {
            let task = ready[dice.below(ready.len())];
            let needs = graph
                .parents(task)
                .find(|parent| matches!(now[parent.index()], TaskState::Failed | TaskState::Cancelled));
            match (needs, dice.below(6)) {
                (Some(parent), _) => EventKind::TaskSkipped { task, reason: SkipReason::Upstream(parent) },
                (None, 0) if attempts[task.index()] == 0 => {
                    EventKind::TaskSkipped { task, reason: SkipReason::Condition("inputs.\u{1b}".into()) }
                }
                _ => {
                    attempts[task.index()] += 1;
                    EventKind::TaskStarted { task, attempt: attempts[task.index()], queued: Duration::ZERO }
                }
            }
        } else {
            let task = running[dice.below(running.len())];
            let attempt = attempts[task.index()];
            let kinds = [FailureKind::Error, FailureKind::Timeout, FailureKind::Cancelled];
            let failure =
                || crate::event::Failure { kind: kinds[attempt as usize % 3], message: "no\u{1b}[2J\n]]>|`".into() };
            match dice.below(4) {
                0 => EventKind::TaskFinished { task, attempt, result: Err(Box::new(failure())), usage: None },
                1 if attempt < 3 => EventKind::TaskRetrying {
                    task,
                    attempt,
                    failure: Box::new(failure()),
                    delay: Duration::ZERO,
                    usage: None,
                },
                _ => EventKind::TaskFinished { task, attempt, result: Ok(().into()), usage: None },
            }
        };
        let (EventKind::TaskStarted { task, .. }
        | EventKind::TaskFinished { task, .. }
        | EventKind::TaskRetrying { task, .. }
        | EventKind::TaskSkipped { task, .. }) = &kind
        else {
            unreachable!()
        };
        now[task.index()] = kind.task_state().unwrap();
        script = script.push(at, kind);
        states.push(now.clone());
    }
    let failed = now.iter().any(|state| matches!(state, TaskState::Failed | TaskState::Cancelled));
    if failed && dice.below(2) == 0 {
        let order: Vec<TaskIx> =
            graph.topological().rev().filter(|ix| now[ix.index()] == TaskState::Succeeded).collect();
        script = script.push(at, EventKind::UndoPlanned { order: order.clone().into(), kept: [].into() });
        states.push(now.clone());
        for task in order {
            let good = dice.below(3) > 0;
            script = script.push(at, EventKind::UndoStarted { task, attempt: 1 });
            states.push(now.clone());
            at += dice.below(4) as u64;
            if good {
                now[task.index()] = TaskState::Undone;
            }
            let failure = crate::event::Failure::error("no\u{1b}[2J\n]]>|`");
            let result = if good { Ok(().into()) } else { Err(Box::new(failure)) };
            script = script.push(at, EventKind::UndoFinished { task, attempt: 1, result, usage: None });
            states.push(now.clone());
        }
    }
    script = script.end(at, if failed { RunState::Failed } else { RunState::Succeeded });
    states.push(now);
    Story { script, limit, states }
}

fn counted(states: &[TaskState]) -> Counts {
    let mut counts = Counts::default();
    states.iter().for_each(|&state| counts.add(state));
    counts
}

/// No line has anything that a terminal acts on.
fn assert_calm(text: &str) {
    for line in text.lines() {
        assert!(!line.contains(is_unprintable), "{line:?}");
    }
}

/// Any event at any time, of tasks that are there and of some that are not.
fn any_event() -> impl Strategy<Value = (u64, EventKind)> {
    let task = || (0u32..6).prop_map(TaskIx);
    let attempt = || prop_oneof![0u32..4, Just(u32::MAX)];
    let wait = || prop_oneof![(0u64..50).prop_map(Duration::from_millis), Just(Duration::MAX)];
    let failure = || Box::new(crate::event::Failure { kind: FailureKind::Panic, message: "\n\u{1b}".into() });
    let kind = prop_oneof![
        (task(), attempt(), wait()).prop_map(|(task, attempt, queued)| EventKind::TaskStarted {
            task,
            attempt,
            queued
        }),
        (task(), attempt(), any::<bool>()).prop_map(move |(task, attempt, good)| EventKind::TaskFinished {
            task,
            attempt,
            result: if good { Ok("x".into()) } else { Err(failure()) },
            usage: Some(Box::new(crate::units::Usage::tokens("m", u64::MAX, 1))),
        }),
        (task(), attempt(), wait()).prop_map(move |(task, attempt, delay)| EventKind::TaskRetrying {
            task,
            attempt,
            failure: failure(),
            delay,
            usage: None,
        }),
        (task(), task()).prop_map(|(task, by)| EventKind::TaskSkipped { task, reason: SkipReason::Upstream(by) }),
        task().prop_map(|by| EventKind::TasksAdded {
            by,
            tasks: [Task::new(format!("new {}", by.0)).after("a").after("nobody")].into(),
            before: ["b".into()].into(),
        }),
        task().prop_map(|by| EventKind::TasksAdded {
            by,
            tasks: [Task::new(format!("new {}", by.0)).after("a")].into(),
            before: ["b".into()].into(),
        }),
        task().prop_map(|task| EventKind::Warning { task: Some(task), message: "odd".into() }),
        task().prop_map(|task| EventKind::Heartbeat { task }),
        Just(EventKind::RunFinished { state: RunState::Failed }),
        (task(), task())
            .prop_map(|(a, b)| EventKind::UndoPlanned { order: [a, b].into(), kept: [(b, Kept::On)].into() }),
        (task(), attempt()).prop_map(|(task, attempt)| EventKind::UndoStarted { task, attempt }),
        (task(), attempt(), wait()).prop_map(move |(task, attempt, delay)| EventKind::UndoRetrying {
            task,
            attempt,
            failure: failure(),
            delay,
            usage: None,
        }),
        (task(), attempt(), any::<bool>()).prop_map(move |(task, attempt, good)| EventKind::UndoFinished {
            task,
            attempt,
            result: if good { Ok("x".into()) } else { Err(failure()) },
            usage: Some(Box::new(crate::units::Usage::tokens("m", 1, 1))),
        }),
        Just(EventKind::BreakerChanged {
            breaker: "\u{1b}".into(),
            state: BreakerState::Open,
            why: None,
            probe_in: None,
        }),
        task().prop_map(|task| EventKind::TaskRestored { task, state: TaskState::Skipped, output: "x".into() }),
        (task(), task()).prop_map(|(a, b)| EventKind::CheckpointMade { name: "\u{1b}".into(), tasks: [a, b].into() }),
    ];
    (prop_oneof![0u64..100, Just(u64::MAX)], kind)
}

proptest! {
    #[test]
    fn after_every_event_the_numbers_add_up(choices in proptest::collection::vec(any::<u8>(), 0..200)) {
        let Story { script, limit, states } = story(choices);
        let mut report = Report::new(&script.plan);
        let mut progress = Progress::new(&script.plan);
        let mut percent = 0.0;
        for (event, states) in script.events.iter().zip(&states) {
            report.on(event);
            progress.on(event);
            let seen: Vec<TaskState> = report.tasks().map(|task| task.state()).collect();
            prop_assert_eq!(&seen, states);
            prop_assert_eq!(report.counts(), counted(states));
            prop_assert_eq!(progress.counts(), counted(states));
            prop_assert!(progress.percent() >= percent && progress.percent() <= 100.0);
            percent = progress.percent();
            prop_assert!((0.0..=100.0).contains(&progress.percent_of_work(event.at)));
            prop_assert_eq!(progress.running(event.at).len(), counted(states).running);
            prop_assert_eq!(report.serial(), report.tasks().map(|task| task.duration()).sum::<Duration>());
            // No run is faster than its lower bound, or keeps more workers busy than it has.
            prop_assert!(report.lower_bound() <= report.makespan());
            prop_assert!(report.utilisation().is_none_or(|share| share <= 1.0 + 1e-9));
            prop_assert!(limit.is_none_or(|limit| report.peak() <= limit as usize));
        }
        prop_assert_eq!(percent, 100.0);
        prop_assert_eq!(progress.rest(report.makespan()), Duration::ZERO);
    }

    #[test]
    fn the_critical_path_fills_the_run(choices in proptest::collection::vec(any::<u8>(), 0..200)) {
        let report = story(choices).script.report();
        let path = report.critical_path();
        let ran = report.tasks().filter(|task| task.started().is_some());
        let end = ran.filter_map(|task| task.finished()).max();
        prop_assert_eq!(path.last().map(|step| step.finished), end);
        let filled: Duration = path.iter().map(|step| step.waited + (step.finished - step.started)).sum();
        prop_assert_eq!(filled, end.unwrap_or_default());
        prop_assert!(path.iter().all(|step| step.worked <= step.finished - step.started));
    }

    #[test]
    fn attempts_of_one_row_never_overlap(choices in proptest::collection::vec(any::<u8>(), 0..200)) {
        let report = story(choices).script.report();
        let (slices, lanes) = render::slices(&report);
        prop_assert_eq!(slices.len(), report.tasks().map(|task| task.attempts() as usize).sum::<usize>());
        prop_assert!(lanes as usize <= report.peak());
        for lane in 0..lanes {
            let row: Vec<_> = slices.iter().filter(|slice| slice.lane == lane).collect();
            prop_assert!(!row.is_empty());
            prop_assert!(row.windows(2).all(|pair| pair[0].to <= pair[1].from));
        }
    }

    #[test]
    fn every_form_holds_every_name(choices in proptest::collection::vec(any::<u8>(), 0..200)) {
        let story = story(choices);
        let report = story.script.report();
        xml::check(&render::junit(&report));
        let names: Vec<&str> = report.tasks().map(|task| task.id().as_str()).collect();
        let json: serde_json::Value = serde_json::from_str(&render::json(&report)).unwrap();
        let told: Vec<&str> = json["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
        prop_assert_eq!(&told, &names);
        let trace: serde_json::Value = serde_json::from_str(&render::chrome_trace(&report)).unwrap();
        prop_assert!(trace["traceEvents"].as_array().unwrap().len() > 1);
        for event in &story.script.events {
            let line = render::json_line(&event.named(report.graph()));
            prop_assert!(!line.contains('\n'));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
            assert_calm(&line);
        }
        let annotations = render::github_annotations(&report);
        let commands = ["::error title=", "::warning title=", "::notice title="];
        prop_assert!(annotations.lines().all(|line| commands.iter().any(|command| line.starts_with(command))));
        let summary = render::github_summary(&report);
        prop_assert!(!summary.contains("<b>") && !summary.contains("</script>"), "{}", summary);
        let rows = summary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
        prop_assert_eq!(rows.count(), names.len());
        for text in [
            report.to_string(),
            render::text(&report, 60),
            render::text(&report, 120),
            render::json(&report),
            render::junit(&report),
            render::chrome_trace(&report),
            annotations,
            summary,
        ] {
            assert_calm(&text);
        }
    }

    #[test]
    fn lists_follow_the_run(choices in proptest::collection::vec(any::<u8>(), 0..200)) {
        let story = story(choices);
        let mut report = Report::new(&story.script.plan);
        for event in &story.script.events {
            report.on(event);
            let strict = todo_list(&report, TodoMode::Strict);
            let under_way = strict.todos.iter().filter(|todo| todo.status == TodoStatus::InProgress).count();
            prop_assert!(under_way <= 1);
            let parallel = todo_list(&report, TodoMode::Parallel);
            prop_assert_eq!(parallel.todos.len(), strict.todos.len());
            let agents = parallel.todos.iter().filter(|todo| todo.content.starts_with("  └─ "));
            let done = agents.filter(|todo| todo.status == TodoStatus::Completed).count();
            prop_assert_eq!(done, report.counts().succeeded + report.counts().skipped);
            let list = task_list(&report);
            for item in &list.tasks {
                for id in &item.blocks {
                    let other = &list.tasks[id.parse::<usize>().unwrap() - 1];
                    prop_assert!(other.blocked_by.contains(&item.id));
                }
            }
        }
        let ended = todo_list(&report, TodoMode::Parallel);
        let says_done = ended.todos.iter().any(|todo| todo.content.starts_with('✅'));
        prop_assert_eq!(says_done, report.state() == RunState::Succeeded);
    }

    #[test]
    fn events_that_no_run_says_do_no_harm(events in proptest::collection::vec(any_event(), 0..60)) {
        let graph = Graph::builder("g").task(Task::new("a")).task(Task::new("b").after("a")).task(Task::new("c"));
        let mut script = Script::new(&graph.build().unwrap(), Some(0));
        for (at, kind) in events {
            script = script.push(at, kind);
        }
        let mut progress = Progress::new(&script.plan);
        for event in &script.events {
            progress.on(event);
            progress.rest(event.at);
            progress.percent_of_work(event.at);
        }
        let report = script.report();
        prop_assert_eq!(report.counts(), progress.counts());
        prop_assert_eq!(report.counts().total(), report.graph().len());
        xml::check(&render::junit(&report));
        for json in [render::json(&report), render::chrome_trace(&report)] {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        }
        #[cfg(feature = "html")]
        render::html::report(&report);
        render::text(&report, 80);
        render::github_summary(&report);
        render::github_annotations(&report);
        todo_list(&report, TodoMode::Strict);
        task_list(&report);
        prop_assert!(report.lower_bound() <= report.makespan().max(report.serial()));
    }
}
