//! The machine as a dialogue.

use std::time::Duration;

use super::*;
use crate::{
    Claim, Event, EventKind, Failure, Graph, Outcome, Plan, PlanOptions, Resource, Retry, RunId, RunState, Task,
    TaskIx,
    locks::table::{Ask, Asker, Ticket},
};

/// A machine, its graph and what it said last; times in seconds.
pub(super) struct Dialogue {
    pub(super) machine: Machine,
    pub(super) actions: Actions,
    pub(super) events: Vec<Event>,
    pub(super) resources: Resources,
}

impl Dialogue {
    pub(super) fn new(graph: &Graph, rules: Rules) -> Self {
        let plan = Plan::new(graph, &PlanOptions::default()).unwrap();
        let machine = Machine::new(&plan, RunId::from_parts(0, 0), rules).unwrap();
        let resources = Resources::new(graph).unwrap();
        Self { machine, actions: Actions::default(), events: Vec::new(), resources }
    }

    /// Steps and answers what starts, by name.
    pub(super) fn step(&mut self, at: u64, messages: Vec<Message>) -> Vec<String> {
        let mut messages = messages;
        self.actions.clear();
        let now = Duration::from_secs(at);
        self.resources.turn(now, &mut messages);
        self.machine.step(now, &mut messages, &mut self.actions);
        while self.resources.answer(now, &self.machine, &mut self.actions, &mut messages) {
            self.machine.step(now, &mut messages, &mut self.actions);
        }
        self.events.append(&mut self.actions.events);
        self.names(&self.actions.start)
    }

    pub(super) fn names(&self, attempts: &[Attempt]) -> Vec<String> {
        attempts.iter().map(|attempt| self.machine.graph().id(attempt.task).to_string()).collect()
    }

    pub(super) fn cancelled(&self) -> Vec<String> {
        self.names(&self.actions.cancel)
    }

    pub(super) fn ix(&self, id: &str) -> TaskIx {
        self.machine.graph().find(id).unwrap()
    }

    /// Somebody else takes the whole resource, which is free.
    pub(super) fn hold(&mut self, resource: &str) -> Ticket {
        let claims = [Claim::exclusive(resource)];
        let ask = Ask { asker: Asker::Named("somebody else"), scope: 1, claims: &claims, rank: 0, wait: None };
        self.resources.table().try_ask(&ask).expect("it is free").ticket
    }

    /// They give it back.
    pub(super) fn give_back(&mut self, ticket: Ticket) {
        let now = Duration::from_nanos(self.machine.now);
        assert!(self.resources.table().release(now, ticket));
    }

    /// Why the task failed.
    pub(super) fn failure(&self, id: &str) -> String {
        let failure = self.events.iter().find_map(|event| match &event.kind {
            EventKind::TaskFinished { task, result: Err(failure), .. } if *task == self.ix(id) => Some(failure),
            _ => None,
        });
        failure.expect("it failed").message.clone()
    }

    pub(super) fn done(&self, id: &str) -> Message {
        self.ends(id, 1, Outcome::done(()))
    }

    pub(super) fn ends(&self, id: &str, attempt: u32, outcome: Outcome) -> Message {
        Message::Finished { task: self.ix(id), attempt, outcome }
    }

    /// What was said of the tasks, one word each.
    pub(super) fn story(&self) -> Vec<String> {
        self.events
            .iter()
            .filter_map(|event| {
                let (task, word) = match &event.kind {
                    EventKind::TaskStarted { task, .. } => (task, "starts".to_owned()),
                    EventKind::TaskWaits { task, resource, holder } => {
                        (task, format!("waits for {resource} of {}", holder.as_deref().unwrap_or("nobody")))
                    }
                    EventKind::TaskRetrying { task, delay, .. } => (task, format!("again in {delay:?}")),
                    EventKind::TaskFinished { task, result: Ok(_), .. } => (task, "done".to_owned()),
                    EventKind::TaskFinished { task, result: Err(failure), .. } => {
                        (task, failure.kind.name().to_owned())
                    }
                    EventKind::TaskSkipped { task, .. } => (task, "skipped".to_owned()),
                    EventKind::UndoStarted { task, .. } => (task, "undo starts".to_owned()),
                    EventKind::UndoRetrying { task, delay, .. } => (task, format!("undo again in {delay:?}")),
                    EventKind::UndoFinished { task, result: Ok(_), .. } => (task, "undone".to_owned()),
                    EventKind::UndoFinished { task, attempt: 0, .. } => (task, "left".to_owned()),
                    EventKind::UndoFinished { task, result: Err(failure), .. } => {
                        (task, format!("undo {}", failure.kind.name()))
                    }
                    _ => return None,
                };
                Some(format!("{} {word}", self.machine.graph().id(*task)))
            })
            .collect()
    }
}

fn diamond() -> Graph {
    let [b, c] = ["b", "c"].map(|id| Task::new(id).after("a"));
    Graph::builder("diamond")
        .task(Task::new("a"))
        .task(b)
        .task(c)
        .task(Task::new("d").after("b").after("c"))
        .build()
        .unwrap()
}

#[test]
fn tasks_start_when_their_own_dependencies_are_done() {
    let mut run = Dialogue::new(&diamond(), Rules::default());
    assert_eq!(run.step(0, vec![]), ["a"]);
    assert_eq!(run.step(1, vec![run.done("a")]), ["b", "c"]);
    assert!(run.step(2, vec![run.done("c")]).is_empty());
    assert_eq!(run.step(3, vec![run.done("b")]), ["d"]);
    assert!(run.step(4, vec![run.done("d")]).is_empty());
    assert_eq!(run.machine.state(), RunState::Succeeded);
    assert!(run.events.iter().map(|event| event.seq).eq(0..run.events.len() as u64));
}

#[test]
fn the_most_critical_ready_task_starts_first() {
    let long = Duration::from_secs(600);
    let graph = Graph::builder("g")
        .task(Task::new("short"))
        .task(Task::new("leads-to-long"))
        .task(Task::new("urgent").priority(1))
        .task(Task::new("long").after("leads-to-long").estimate(long))
        .build()
        .unwrap();
    let mut run = Dialogue::new(&graph, Rules { max_parallel: 1, ..Rules::default() });
    assert_eq!(run.step(0, vec![]), ["urgent"]);
    assert_eq!(run.step(1, vec![run.done("urgent")]), ["leads-to-long"]);
    assert_eq!(run.step(2, vec![run.done("leads-to-long")]), ["long"]);
}

#[test]
fn a_failed_attempt_is_repeated_after_its_delay() {
    let retry = Retry { jitter: false, ..Retry::default() };
    let task = Task::new("a").with(|options| options.retry = Some(retry));
    let mut run = Dialogue::new(&Graph::builder("g").task(task).build().unwrap(), Rules::default());
    assert_eq!(run.step(0, vec![]), ["a"]);
    assert!(run.step(5, vec![run.ends("a", 1, Outcome::failed("x"))]).is_empty());
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(6)));
    assert_eq!(run.step(6, vec![]), ["a"]);
    // What is said of an attempt that is over is not heard.
    assert!(run.step(7, vec![run.ends("a", 1, Outcome::failed("late"))]).is_empty());
    run.step(8, vec![run.ends("a", 2, Outcome::done(()))]);
    assert_eq!(run.story(), ["a starts", "a again in 1s", "a starts", "a done"]);
    assert_eq!(run.machine.state(), RunState::Succeeded);
}

#[test]
fn a_timeout_counts_from_the_start_of_the_attempt() {
    let second = Task::new("second").timeout(Duration::from_secs(10));
    let graph = Graph::builder("g").task(Task::new("first").priority(1)).task(second).build().unwrap();
    let mut run = Dialogue::new(&graph, Rules { max_parallel: 1, ..Rules::default() });
    run.step(0, vec![]);
    assert_eq!(run.step(100, vec![run.done("first")]), ["second"]);
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(110)));
    run.step(110, vec![]);
    assert_eq!(run.cancelled(), ["second"]);
    run.step(111, vec![run.ends("second", 1, Outcome::failed("killed"))]);
    assert_eq!(run.story().last().unwrap(), "second timeout");
    assert_eq!(run.machine.state(), RunState::Failed);
}

#[test]
fn an_idle_attempt_is_stopped_unless_it_shows_life() {
    let task = Task::new("a").with(|options| options.idle_timeout = Some(Duration::from_secs(10)));
    let mut run = Dialogue::new(&Graph::builder("g").task(task).build().unwrap(), Rules::default());
    run.step(0, vec![]);
    run.step(8, vec![Message::Heartbeat { task: run.ix("a") }]);
    run.step(10, vec![]);
    assert!(run.cancelled().is_empty());
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(18)));
    run.step(18, vec![]);
    assert_eq!(run.cancelled(), ["a"]);
}

#[test]
fn failing_fast_stops_the_others_and_waits_for_them() {
    let graph = diamond();
    let mut run = Dialogue::new(&graph, Rules::default());
    run.step(0, vec![]);
    run.step(1, vec![run.done("a")]);
    run.step(2, vec![run.ends("b", 1, Outcome::failed("x"))]);
    assert_eq!(run.cancelled(), ["c"]);
    assert_eq!(run.machine.state(), RunState::Running, "`c` has not stopped yet");
    run.step(3, vec![run.ends("c", 1, Failure::error("stopped").into())]);
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(run.story()[2..], ["b starts", "c starts", "b error", "d skipped", "c cancelled"]);
}

#[test]
fn going_on_skips_only_what_needs_the_failed_task() {
    let graph = diamond().to_builder().task(Task::new("e").after("c")).build().unwrap();
    let mut run = Dialogue::new(&graph, Rules { on_failure: FailurePolicy::Continue, ..Rules::default() });
    run.step(0, vec![]);
    run.step(1, vec![run.done("a")]);
    run.step(2, vec![run.ends("b", 1, Outcome::failed("x"))]);
    assert_eq!(run.step(3, vec![run.done("c")]), ["e"]);
    run.step(4, vec![run.done("e")]);
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(run.story()[4..], ["b error", "d skipped", "c done", "e starts", "e done"]);
}

#[test]
fn a_quorum_forgives_what_it_can_spare() {
    let graph = Graph::builder("g")
        .tasks(["r1", "r2", "r3"].map(|id| Task::new(id).with(|options| options.group = Some("reviewers".into()))))
        .task(Task::new("sum").after("r1").after("r2").after("r3"))
        .quorum("reviewers", 2)
        .build()
        .unwrap();
    let run = |failures: &[&str]| {
        let mut run = Dialogue::new(&graph, Rules::default());
        run.step(0, vec![]);
        for id in ["r1", "r2", "r3"] {
            let outcome = if failures.contains(&id) { Outcome::failed("x") } else { Outcome::done(()) };
            run.step(1, vec![run.ends(id, 1, outcome)]);
        }
        let started = run.story().contains(&"sum starts".to_owned());
        (started, run.machine.state())
    };
    assert_eq!(run(&["r2"]), (true, RunState::Running));
    assert_eq!(run(&["r1", "r2"]), (false, RunState::Failed), "one success of two");
}

#[test]
fn a_full_resource_holds_back_only_its_own() {
    let graph = Graph::builder("g")
        .task(Task::new("db1").claim(Claim::shared("db")))
        .task(Task::new("db2").claim(Claim::shared("db")).claim(Claim::shared("api")))
        .task(Task::new("api1").claim(Claim::shared("api")))
        .task(Task::new("free"))
        .resource(Resource::new("db").capacity(1))
        .resource(Resource::new("api").capacity(1))
        .build()
        .unwrap();
    let mut run = Dialogue::new(&graph, Rules::default());
    assert_eq!(run.step(0, vec![]), ["free", "db1", "api1"]);
    assert!(run.step(1, vec![run.done("db1")]).is_empty(), "`db2` needs `api` too");
    assert_eq!(run.step(2, vec![run.done("api1")]), ["db2"]);
}

#[test]
fn a_deadline_and_a_cancellation_end_the_run() {
    let mut run = Dialogue::new(&diamond(), Rules { deadline: Some(Duration::from_secs(5)), ..Rules::default() });
    run.step(0, vec![]);
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(5)));
    run.step(5, vec![]);
    assert_eq!(run.cancelled(), ["a"]);
    run.step(6, vec![run.ends("a", 1, Outcome::failed("stopped"))]);
    assert_eq!(run.machine.state(), RunState::Failed);

    let mut run = Dialogue::new(&diamond(), Rules::default());
    run.step(0, vec![]);
    run.step(1, vec![Message::Cancel { reason: "Ctrl-C".into() }]);
    assert!(run.step(2, vec![run.done("a")]).is_empty());
    assert_eq!(run.machine.state(), RunState::Cancelled);
}

mod values {
    use serde_json::json;

    use super::*;
    use crate::{
        Expand, OutputSpec, SkipReason, TaskId,
        definition::command::{Condition, Expression, Test},
    };

    fn when(source: &str) -> Condition {
        let test = Test::Expression(Expression::parse(source).unwrap());
        Condition { test, run_when: true, message: None }
    }

    /// Whether a task that waits for `pattern-selector` runs under that condition.
    fn runs(condition: &str) -> bool {
        let declares = |options: &mut crate::TaskOptions| {
            options.outputs = vec![OutputSpec { key: "coverage".into(), ttl: None }];
        };
        let graph = Graph::builder("g")
            .task(Task::new("pattern-selector"))
            .task(Task::new("tests").with(declares))
            .task(Task::new("last").after("pattern-selector").after("tests").when(when(condition)))
            .build()
            .unwrap();
        let inputs = json!({"frameworks": ["SOC2"], "level": 3}).as_object().unwrap().clone();
        let mut run = Dialogue::new(&graph, Rules { inputs, ..Rules::default() });
        run.step(0, vec![]);
        let selected = Outcome::done(json!({"pattern": "hierarchical", "risks": [{"score": 8}]}));
        let messages = vec![run.ends("pattern-selector", 1, selected), run.ends("tests", 1, Outcome::done(json!(85)))];
        run.step(1, messages) == ["last"]
    }

    #[test]
    fn conditions_read_inputs_outputs_and_keys() {
        for condition in [
            "inputs.frameworks.length > 0",
            "inputs.level >= 3 && inputs.frameworks.includes('SOC2')",
            "context.patternSelector.pattern === 'hierarchical'",
            "context.patternSelector.risks.some(r => r.score > 7)",
            "coverage >= 85",
            "context.coverage == 85",
        ] {
            assert!(runs(condition), "{condition}");
        }
        for condition in ["inputs.level > 3", "coverage < 85", "context.nobody.pattern !== 'x'", "nothing == 1"] {
            assert!(!runs(condition), "{condition}");
        }
    }

    #[test]
    fn a_skipped_task_satisfies_its_dependents() {
        let graph = Graph::builder("g")
            .task(Task::new("optional").when(when("inputs.wanted")))
            .task(Task::new("after").after("optional"))
            .build()
            .unwrap();
        let mut run = Dialogue::new(&graph, Rules::default());
        assert_eq!(run.step(0, vec![]), ["after"]);
        let skipped = EventKind::TaskSkipped {
            task: run.ix("optional"),
            reason: SkipReason::Condition("not inputs.wanted".into()),
        };
        assert!(run.events.iter().any(|event| event.kind == skipped));
    }

    #[test]
    fn a_check_is_asked_and_its_answer_decides() {
        let exists = Condition { test: Test::FileExists("Cargo.toml".into()), run_when: false, message: None };
        let graph = Graph::builder("g").task(Task::new("init").when(exists)).build().unwrap();
        for (holds, started) in [(true, vec![]), (false, vec!["init".to_owned()])] {
            let mut run = Dialogue::new(&graph, Rules::default());
            assert!(run.step(0, vec![]).is_empty());
            assert_eq!(run.actions.check[0].test, Test::FileExists("Cargo.toml".into()));
            assert_eq!(run.step(1, vec![Message::Checked { task: run.ix("init"), holds, warning: None }]), started);
        }
    }

    /// A planner whose output adds tasks that `report` waits for too.
    fn planner(strict: bool) -> Graph {
        let expand =
            Expand { path: vec!["tasks".into()], before: vec![TaskId::from("report")], strict, ..Expand::default() };
        Graph::builder("g")
            .task(Task::new("plan").with(|options| options.expand = Some(expand)))
            .task(Task::new("report").after("plan"))
            .build()
            .unwrap()
    }

    #[test]
    fn an_output_adds_tasks_to_the_running_graph() {
        let mut run = Dialogue::new(&planner(true), Rules::default());
        run.step(0, vec![]);
        let tasks = json!({"tasks": [{"id": "api"}, {"id": "ui", "dependencies": ["api"]}]});
        assert_eq!(run.step(1, vec![run.ends("plan", 1, Outcome::done(tasks))]), ["api"]);
        assert_eq!(run.step(2, vec![run.done("api")]), ["ui"]);
        assert_eq!(run.step(3, vec![run.done("ui")]), ["report"]);
        run.step(4, vec![run.done("report")]);
        assert_eq!(run.machine.state(), RunState::Succeeded);
        let words: Vec<_> = run.events.iter().map(|event| event.kind.name()).collect();
        assert_eq!(words[1..5], ["task_started", "tasks_added", "task_finished", "task_started"]);
    }

    /// What the running attempt of `task` wants added.
    fn adds(run: &Dialogue, task: &str, attempt: u32, added: Task) -> Message {
        Message::Adds { task: run.ix(task), attempt, added: Box::new(added) }
    }

    #[test]
    fn an_attempt_adds_tasks_when_it_has_worked() {
        let graph = Graph::builder("g")
            .task(Task::new("find").retries(1))
            .task(Task::new("last").after("find"))
            .build()
            .unwrap();
        let mut run = Dialogue::new(&graph, Rules::default());
        run.step(0, vec![]);
        // The first attempt fails, so what it wanted is forgotten, and what it says later is not heard.
        let (lost, late) = (adds(&run, "find", 1, Task::new("lost")), adds(&run, "find", 1, Task::new("late")));
        run.step(1, vec![lost, run.ends("find", 1, Outcome::failed("x"))]);
        assert_eq!(run.step(10_000, vec![]), ["find"]);
        let (api, ui) = (adds(&run, "find", 2, Task::new("api")), adds(&run, "find", 2, Task::new("ui").after("api")));
        let mut begun = run.step(10_001, vec![late, api, ui, run.ends("find", 2, Outcome::done(()))]);
        begun.sort();
        assert_eq!(begun, ["api", "last"]);
        assert_eq!(run.step(10_002, vec![run.done("api"), run.done("last")]), ["ui"]);
        run.step(10_003, vec![run.done("ui")]);
        assert_eq!(run.machine.state(), RunState::Succeeded);
        assert_eq!(run.machine.graph().len(), 4);
    }

    #[test]
    fn what_cannot_be_added_fails_who_adds_it() {
        let graph = Graph::builder("g").task(Task::new("find")).task(Task::new("last").after("find")).build().unwrap();
        let mut run = Dialogue::new(&graph, Rules::default());
        run.step(0, vec![]);
        let taken = adds(&run, "find", 1, Task::new("last"));
        assert!(run.step(1, vec![taken, run.done("find")]).is_empty());
        assert_eq!(run.machine.state(), RunState::Failed);
        let told = format!("{:?}", run.events);
        assert!(told.contains("the added tasks are refused") && told.contains("`last`"), "{told}");
    }

    #[test]
    fn no_output_adds_no_tasks() {
        let mut run = Dialogue::new(&planner(true), Rules::default());
        run.step(0, vec![]);
        assert_eq!(run.step(1, vec![run.done("plan")]), ["report"]);
        run.step(2, vec![run.done("report")]);
        assert_eq!(run.machine.state(), RunState::Succeeded);
    }

    #[test]
    fn a_cycle_among_added_tasks_is_refused_with_its_path() {
        let cycle = json!({"tasks": [{"id": "a", "dependencies": ["b"]}, {"id": "b", "dependencies": ["a"]}]});
        let mut strict = Dialogue::new(&planner(true), Rules::default());
        strict.step(0, vec![]);
        strict.step(1, vec![strict.ends("plan", 1, Outcome::done(cycle.clone()))]);
        assert_eq!(strict.machine.state(), RunState::Failed);
        let told = format!("{:?}", strict.events);
        assert!(told.contains("a → b → a"), "{told}");

        let mut lenient = Dialogue::new(&planner(false), Rules::default());
        lenient.step(0, vec![]);
        assert_eq!(lenient.step(1, vec![lenient.ends("plan", 1, Outcome::done(cycle))]), ["report"]);
        let told = format!("{:?}", lenient.events);
        assert!(told.contains("a → b → a"), "{told}");
    }

    #[test]
    fn a_task_that_is_added_below_a_dead_one_never_runs() {
        let graph = planner(true).to_builder().task(Task::new("dead").priority(1)).build().unwrap();
        let mut run = Dialogue::new(&graph, Rules { on_failure: FailurePolicy::Continue, ..Rules::default() });
        run.step(0, vec![]);
        run.step(1, vec![run.ends("dead", 1, Outcome::failed("x"))]);
        let tasks = json!({"tasks": [{"id": "below", "dependencies": ["dead"]}]});
        run.step(2, vec![run.ends("plan", 1, Outcome::done(tasks))]);
        assert_eq!(run.machine.state(), RunState::Failed);
        assert_eq!(run.story()[3..], ["below skipped", "report skipped", "plan done"]);
    }
}
