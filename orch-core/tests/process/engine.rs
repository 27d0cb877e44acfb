//! Programs under an engine: order, timeouts, cancellation, retries.

use std::{fs, path::Path, time::Duration};

use orch_core::{
    Agents, Engine, Error, EventKind, FailureKind, FailurePolicy, Graph, Plan, PlanOptions, ProcessExecutor,
    ProcessOptions, Report, Retry, RunOptions, RunState, Stream, Task, TaskState, Usd, blocking,
    definition::command::{Condition, Test},
};
use serde_json::json;

use crate::{all_end, sh};

/// Every agent of these tests is a script, and the agent's name is the script.
fn engine(graph: &Graph) -> (Engine, Plan) {
    let scripts = graph.tasks().iter().filter_map(|task| task.options().agent.clone());
    let agents = scripts.fold(Agents::default(), |agents, script| agents.with_agent(script.clone(), sh(&script)));
    assert_eq!(agents.problems(graph), []);
    let options = ProcessOptions { grace: Duration::from_millis(300), ..ProcessOptions::default() };
    let engine = Engine::builder().executor(ProcessExecutor::new(agents, options)).build().unwrap();
    (engine, Plan::new(graph, &PlanOptions::default()).unwrap())
}

fn graph(tasks: impl IntoIterator<Item = Task>) -> Graph {
    Graph::builder("programs").tasks(tasks).build().unwrap()
}

async fn run(tasks: impl IntoIterator<Item = Task>) -> Report {
    let (engine, plan) = engine(&graph(tasks));
    engine.run(&plan, RunOptions::default()).await.unwrap()
}

fn task(id: &str, script: &str) -> Task {
    Task::new(id).agent(script)
}

/// Process ids that scripts wrote, one a line.
fn pids(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn outputs_reach_the_programs_that_wait_for_them() {
    let report = run([
        task("scan", "echo '{\"findings\": 3}'"),
        task("test", "echo green"),
        task("sum", "cat").after("scan").after("test"),
    ])
    .await;
    assert_eq!(report.state(), RunState::Succeeded);
    let sum = report.find("sum").unwrap().output().json().unwrap();
    assert_eq!(sum["outputs"], json!({"scan": {"findings": 3}, "test": "green"}));
    assert_eq!(sum["run"], json!(report.run().unwrap()));
}

#[test]
fn no_runtime_is_needed() {
    let (engine, plan) = engine(&graph((0..7).map(|nth| task(&format!("t{nth}"), "true"))));
    let report = blocking::run(&engine, &plan, RunOptions::default()).unwrap();
    assert_eq!(report.tasks().filter(|task| task.state() == TaskState::Succeeded).count(), 7);
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = format!("sleep 100 & echo $! >{0}; echo $$ >>{0}; wait", file.path().display());
    let report = run([task("slow", &script).timeout(Duration::from_secs(1))]).await;
    assert_eq!(report.find("slow").unwrap().failure().unwrap().kind, FailureKind::Timeout);
    all_end(&pids(file.path())).await;
}

#[tokio::test]
async fn only_silence_is_idle() {
    let idle = |task: Task| task.with(|options| options.idle_timeout = Some(Duration::from_millis(1500)));
    let talks = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do printf .; sleep 0.1; done";
    let options = RunOptions { on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    let (engine, plan) = engine(&graph([idle(task("talks", talks)), idle(task("silent", "sleep 100"))]));
    let report = engine.run(&plan, options).await.unwrap();
    assert_eq!(report.find("talks").unwrap().state(), TaskState::Succeeded);
    assert_eq!(report.find("silent").unwrap().failure().unwrap().kind, FailureKind::Idle);
}

#[tokio::test]
async fn a_cancelled_run_leaves_nothing_behind() {
    let (engine, plan) = engine(&graph([task("slow", "sleep 100 & echo $$ $!; wait")]));
    let mut run = engine.start(&plan, RunOptions::default());
    let pids = loop {
        if let EventKind::TaskOutput { text, stream: Stream::Stdout, .. } = run.next_event().await.unwrap().kind {
            break text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        }
    };
    run.cancel("enough");
    let report = run.report().await.unwrap();
    assert_eq!(report.state(), RunState::Cancelled);
    assert_eq!(report.find("slow").unwrap().state(), TaskState::Cancelled);
    all_end(&pids).await;
}

#[tokio::test]
async fn a_run_that_nobody_wants_leaves_nothing_behind() {
    let (engine, plan) = engine(&graph([task("slow", "sleep 100 & echo $$ $!; wait")]));
    let mut run = engine.start(&plan, RunOptions::default());
    let pids = loop {
        if let EventKind::TaskOutput { text, .. } = run.next_event().await.unwrap().kind {
            break text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        }
    };
    drop(run);
    all_end(&pids).await;
}

#[tokio::test]
async fn only_what_may_help_is_tried_again() {
    let at_once = Retry { max_attempts: 3, initial_delay: Duration::ZERO, ..Retry::default() };
    let again = |task: Task| task.with(|options| options.retry = Some(at_once.clone()));
    let works_later = "test $ORCH_ATTEMPT = 2";
    let report = run([again(task("later", works_later))]).await;
    assert_eq!(
        (report.find("later").unwrap().state(), report.find("later").unwrap().attempts()),
        (TaskState::Succeeded, 2)
    );
    let graph = graph([again(Task::new("lost").agent("no-such-program"))]);
    let agents = Agents::default().with("*", ["/no/such/program"]);
    let executor = ProcessExecutor::new(agents, ProcessOptions::default());
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let engine = Engine::builder().executor(executor).build().unwrap();
    let report = engine.run(&plan, RunOptions::default()).await.unwrap();
    let lost = report.find("lost").unwrap();
    assert_eq!((lost.attempts(), lost.failure().unwrap().kind), (1, FailureKind::Fatal));
}

#[tokio::test]
async fn usage_is_added_up() {
    let message = json!({"type": "result", "subtype": "success", "result": "ok",
                         "modelUsage": {"m": {"inputTokens": 5, "outputTokens": 2, "costUSD": 0.25}}});
    let script = format!("echo '{message}'");
    let report = run([task("a", &script), task("b", &script)]).await;
    let [model] = report.usage().models() else { panic!("one model: {:?}", report.usage()) };
    assert_eq!((model.input, model.output, model.billed), (10, 4, Some(Usd::from_cents(50))));
}

#[tokio::test]
async fn conditions_may_ask_programs_when_approved() -> Result<(), Error> {
    let when = |argv: &[&str]| {
        let test = Test::CommandSucceeds(argv.iter().map(|&word| word.to_owned()).collect());
        task(argv.join(" ").as_str(), "true").when(Condition { test, run_when: true, message: None })
    };
    let graph = graph([when(&["true"]), when(&["false"]), when(&["sh", "-c", "exit 3"]), when(&["no-such-program"])]);
    let (engine, plan) = engine(&graph);
    let states = |report: &Report| report.tasks().map(|task| task.state()).collect::<Vec<_>>();
    let approved = RunOptions { approve_commands: true, ..RunOptions::default() };
    use TaskState::{Skipped, Succeeded};
    assert_eq!(states(&engine.run(&plan, approved).await?), [Succeeded, Skipped, Skipped, Skipped]);
    let report = engine.run(&plan, RunOptions::default()).await?;
    assert_eq!(states(&report), [Skipped; 4]);
    assert!(report.warnings()[0].message.contains("approval"), "{:?}", report.warnings());
    Ok(())
}

/// A pipe that the last writer has not closed yet ends without a word; then it is opened again.
///
/// A program that says of each step what it used, as `claude --output-format stream-json` does, and would go on for ever.
const SPENDER: &str = r#"
    i=0
    while true; do
        i=$((i+1))
        echo '{"type":"assistant","session_id":"s","message":{"id":"'$i'","model":"m","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":1000,"output_tokens":0}}}'
        until read step < STEPS; do :; done
    done
"#;

/// The program takes a step only when the test has seen what it said, so that nothing depends on who is quicker.
#[tokio::test]
async fn a_program_is_ended_when_its_budget_is_spent() {
    use orch_core::{
        Clock, PriceTable, Rates, TaskContext, Usage,
        cost::budget::{Limit, Limits},
        session::{Budget, Ledger},
        store::MemoryStore,
    };
    let folder = tempfile::tempdir().unwrap();
    let (steps, ends) = (folder.path().join("steps"), folder.path().join("ends"));
    assert!(std::process::Command::new("mkfifo").arg(&steps).status().unwrap().success());
    let script = SPENDER.replace("STEPS", steps.to_str().unwrap());
    let script = format!("trap 'echo ended > {}; exit 1' TERM\n{script}", ends.display());
    let agents = Agents::default().with("spender", ["sh", "-c", &script]);
    let programs = ProcessExecutor::new(agents, ProcessOptions::default());
    let limits = Limits::new(vec![Limit::new("all", Usd::from_cents(3))]).unwrap();
    let ledger = Ledger::new(std::sync::Arc::new(MemoryStore::default()), limits, Clock::system());
    // A thousand tokens are a cent: the fourth step is too much.
    let prices = PriceTable::default().with("m", Rates::new(Usd::from_cents(1000), Usd::from_cents(1000)));
    let engine = Engine::builder()
        .executor(move |context: TaskContext| {
            use orch_core::Executor as _;
            programs.run(context)
        })
        .prices(prices)
        .budget(Budget::new(ledger.clone()))
        .build()
        .unwrap();
    let plan = Plan::new(&graph([task("a", "spender").expects(Usage::tokens("m", 2000, 0))]), &PlanOptions::default());
    let mut run = engine.start(&plan.unwrap(), RunOptions::default());
    let mut said = 0;
    while let Some(event) = run.next_event().await {
        if matches!(event.kind, EventKind::TaskOutput { stream: Stream::Stdout, .. }) {
            said += 1;
            // Whoever opens a pipe to write waits for somebody who reads; after the fourth step nobody will.
            if said < 4 {
                let steps = steps.clone();
                drop(std::thread::spawn(move || drop(fs::write(steps, "go\n"))));
            }
        }
    }
    let report = run.report().await.unwrap();
    let failure = report.find("a").unwrap().failure().unwrap().clone();
    assert_eq!(failure.kind, FailureKind::Fatal, "to try again would only cost more: {failure}");
    assert!(
        failure.message.contains("stopped at its budget: it has used $0.04, and the budget `all`"),
        "{}",
        failure.message
    );
    assert_eq!(said, 4);
    assert_eq!(fs::read_to_string(ends).unwrap(), "ended\n", "it was asked to end");
    let spent: Usd = ledger.charges(None, None).unwrap().iter().map(|charge| charge.usd).sum();
    assert_eq!((spent, ledger.in_flight().unwrap().len()), (Usd::from_cents(4), 0));
}
