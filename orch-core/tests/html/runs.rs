//! Runs on a virtual clock, to draw pages of.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use orch_core::{
    FailurePolicy, Graph, GraphBuilder, Outcome, Plan, PlanOptions, Report, RunId, RunState, Task, TaskIx, Usage,
    definition::command::{Condition, Expression, Test},
    run::{Actions, Machine, Message, Resources, Rules},
};

/// Runs the graph; `work` says what each attempt takes and how it ends.
pub(super) fn play(
    graph: &Graph,
    max_parallel: u32,
    on_failure: FailurePolicy,
    mut work: impl FnMut(TaskIx, u32) -> (Duration, Outcome),
) -> Report {
    let plan = Plan::new(graph, &PlanOptions::default()).unwrap();
    let rules = Rules { max_parallel, on_failure, seed: 7, ..Rules::default() };
    let mut machine = Machine::new(&plan, RunId::from_parts(1_763_716_000_000, 99), rules).unwrap();
    let mut resources = Resources::new(graph).unwrap();
    let mut report = Report::new(&plan);
    let mut ends: BinaryHeap<Reverse<(Duration, TaskIx, u32)>> = BinaryHeap::new();
    let mut outcomes = std::collections::HashMap::new();
    let (mut messages, mut actions, mut now) = (Vec::new(), Actions::default(), Duration::ZERO);
    while machine.state() == RunState::Running {
        actions.clear();
        machine.step(now, &mut messages, &mut actions);
        while resources.answer(now, &machine, &mut actions, &mut messages) {
            machine.step(now, &mut messages, &mut actions);
        }
        actions.events.iter().for_each(|event| report.on(event));
        for attempt in &actions.start {
            let (lasts, outcome) = work(attempt.task, attempt.number);
            ends.push(Reverse((now + lasts, attempt.task, attempt.number)));
            outcomes.insert((attempt.task, attempt.number), outcome);
        }
        for attempt in &actions.cancel {
            ends.retain(|Reverse((_, task, _))| *task != attempt.task);
            ends.push(Reverse((now + Duration::from_millis(40), attempt.task, attempt.number)));
            outcomes.insert((attempt.task, attempt.number), Outcome::failed("stopped"));
        }
        if actions.more {
            continue;
        }
        let next = ends.peek().map(|Reverse((at, ..))| *at);
        let Some(at) = next.into_iter().chain(actions.wake_at).min() else { continue };
        now = now.max(at);
        while let Some(&Reverse((at, task, attempt))) = ends.peek()
            && at <= now
        {
            ends.pop();
            let outcome = outcomes.remove(&(task, attempt)).unwrap();
            messages.push(Message::Finished { task, attempt, outcome });
        }
    }
    report
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A number from 0 to 1 that looks random and is always the same for one `seed`.
fn noise(seed: u64) -> f64 {
    let mixed = (seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 53) as f64
}

/// Seven tasks, all of which work.
pub(super) fn review() -> Report {
    let task = |id: &str, lasts: u64| Task::new(id).estimate(Duration::from_secs(lasts)).agent(format!("{id}-agent"));
    let graph = Graph::builder("/review-all")
        .task(task("collect-changes", 60))
        .task(task("security-review", 420).after("collect-changes"))
        .task(task("performance-review", 360).after("collect-changes"))
        .task(task("style-review", 240).after("collect-changes"))
        .task(task("test-review", 600).after("collect-changes"))
        .task(task("docs-review", 180).after("collect-changes"))
        .task(
            ["security-review", "performance-review", "style-review", "test-review", "docs-review"]
                .iter()
                .fold(task("summary", 120), |task, id| task.after(*id)),
        )
        .build()
        .unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let mut report = play(&graph, 4, FailurePolicy::FailFast, |ix, _| {
        let lasts = plan.step(ix).estimate.mul_f64(0.7 + 0.5 * noise(u64::from(ix.index() as u32)));
        let text = format!("3 findings in {}\n1. src/lib.rs: a lock is held across an await", graph.id(ix));
        (lasts, Outcome::done(text).used(Usage::tokens("claude-sonnet-4-5", 9_400 + 731 * ix.index() as u64, 1_280)))
    });
    report.price_with(|usage| Some(orch_core::Usd::from_nanos(usage.total_tokens() as i64 * 4_100)));
    report
}

/// Twenty-two tasks with failures, repeats and skips.
pub(super) fn deploy() -> Report {
    let task = |id: &str, lasts: u64| Task::new(id).estimate(Duration::from_secs(lasts)).retries(2);
    let condition = Condition {
        test: Test::Expression(Expression::parse("inputs.release == 'yes'").unwrap()),
        run_when: true,
        message: Some("only on release days".to_owned()),
    };
    let names = ["api", "web", "worker", "search"];
    let mut builder: GraphBuilder = Graph::builder("nightly-deploy")
        .task(task("checkout", 20))
        .task(task("plan-release", 45).after("checkout").when(condition));
    for name in names {
        builder = builder
            .task(task(&format!("build-{name}"), 180).after("checkout"))
            .task(task(&format!("unit-tests-{name}"), 120).after(format!("build-{name}").as_str()))
            .task(task(&format!("scan-image-{name}"), 60).after(format!("build-{name}").as_str()))
            .task(
                task(&format!("deploy-{name}"), 90)
                    .after(format!("unit-tests-{name}").as_str())
                    .after(format!("scan-image-{name}").as_str()),
            );
    }
    let last = names.iter().fold(task("smoke-test", 60), |task, name| task.after(format!("deploy-{name}").as_str()));
    let graph = builder
        .task(task("migrate-database", 150).after("build-api"))
        .task(last.after("migrate-database"))
        .task(task("announce", 5).after("smoke-test").after("plan-release"))
        .task(task("clean-up", 10).after("checkout"))
        .build()
        .unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    play(&graph, 5, FailurePolicy::Continue, |ix, attempt| {
        let lasts = plan.step(ix).estimate.mul_f64(0.6 + 0.8 * noise(ix.index() as u64 * 7 + u64::from(attempt)));
        let outcome = match (graph.id(ix).as_str(), attempt) {
            ("unit-tests-search", _) => Outcome::failed(
                "12 of 340 tests failed\n  search::index::rebuild_keeps_order ... FAILED\n  thread 'main' panicked at \
                 src/index.rs:88:9:\n  assertion `left == right` failed\n    left: [3, 1, 2]\n   right: [1, 2, 3]",
            ),
            ("build-web", 1) => Outcome::failed("npm ERR! network timeout at: https://registry.example/left-pad"),
            ("scan-image-worker", 1 | 2) => Outcome::failed("the scanner's database is locked"),
            ("migrate-database", _) => orch_core::Failure::fatal("relation \"orders\" already exists").into(),
            _ => Outcome::done(serde_json::json!({"ok": true, "files": 3 + ix.index()})),
        };
        (lasts, outcome)
    })
}

/// `count` tasks in layers; a few fail.
pub(super) fn layers(count: u64, width: u64, workers: u32) -> Report {
    let mut builder = Graph::builder(format!("layers-{count}"));
    for ix in 0..count {
        let mut task = Task::new(format!("task-{ix:05}")).retries(1);
        for nth in 0..3 {
            if ix >= width {
                let layer = ix / width - 1;
                let pick = layer * width
                    + ((ix % width) + (noise(ix * 5 + nth) * 5.0) as u64).saturating_sub(2).min(width - 1);
                task = task.after(format!("task-{pick:05}"));
            }
        }
        builder = builder.task(task);
    }
    let graph = builder.build().unwrap();
    play(&graph, workers, FailurePolicy::Continue, |ix, attempt| {
        let ix = ix.index() as u64;
        let lasts = seconds(0.4 + 9.0 * noise(ix + 77 * u64::from(attempt)).powi(3));
        let roll = noise(ix * 13 + u64::from(attempt));
        if roll < 0.05 || (ix + 3).is_multiple_of(997) {
            (lasts, Outcome::failed(format!("worker lost after {ix} rows")))
        } else {
            (lasts, Outcome::done(format!("{} rows", 1_000 + ix * 37)))
        }
    })
}

/// Names, errors and outputs that try to be HTML, script, and the end of both.
pub(super) const HOSTILE: [&str; 12] = [
    "<script>document.documentElement.dataset.owned='1'</script>",
    "</script><script>document.documentElement.dataset.owned='2'</script>",
    "<!--<script>",
    "--></style><img src=x onerror=\"document.documentElement.dataset.owned='3'\">",
    "\" onmouseover=\"document.documentElement.dataset.owned='4'\" x=\"",
    "' onfocus='document.documentElement.dataset.owned=5' autofocus='",
    "{{ nonce }}{% raw %}${document.documentElement.dataset.owned=6}",
    "javascript:document.documentElement.dataset.owned=7",
    "\u{202e}txt.exe\u{202c}\u{200b}zero",
    "bell\u{7}escape\u{1b}[2Jnul\u{0}new\nline\u{2028}sep",
    "../../../../etc/passwd",
    "&lt;b&gt;already &amp; escaped\\u003c",
];

/// A run whose every text is hostile.
pub(super) fn hostile() -> Report {
    let mut builder = Graph::builder(HOSTILE[1]);
    for (nth, id) in HOSTILE.iter().enumerate() {
        let mut task = Task::new(*id).agent(HOSTILE[(nth + 1) % HOSTILE.len()]).retries(1);
        if nth > 2 {
            task = task.after(HOSTILE[nth - 3]);
        }
        builder = builder.task(task);
    }
    let graph = builder.build().unwrap();
    play(&graph, 3, FailurePolicy::Continue, |ix, attempt| {
        let text = HOSTILE[(ix.index() + 5) % HOSTILE.len()];
        let fails = ix.index() % 4 == 3 || (attempt == 1 && ix.index() % 3 == 1);
        (seconds(1.5), if fails { Outcome::failed(text) } else { Outcome::done(text).used(Usage::tokens(text, 10, 2)) })
    })
}
