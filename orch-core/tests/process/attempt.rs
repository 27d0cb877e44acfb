//! One attempt of a task. What is unit-tested beside the code is not repeated here.

use std::{collections::BTreeMap, fs, time::Duration};

use orch_core::{
    Agent, Agents, Executor, ExitMeaning, Failure, FailureKind, Graph, Outcome, ProcessExecutor, ProcessOptions,
    Stream, Task, TaskContext, TaskIx,
    executor::{Controls, Inputs, OutputForm, StdinForm},
};
use serde_json::{Value, json};

use crate::{all_end, runs, sh};

fn quick() -> ProcessOptions {
    ProcessOptions { grace: Duration::from_millis(300), drain: Duration::from_millis(200), ..ProcessOptions::default() }
}

/// One attempt of the task `review`, whose agent is `agent`.
struct Attempt {
    context: TaskContext,
    controls: Controls,
    executor: ProcessExecutor,
}

impl Attempt {
    fn new(agent: Agent, options: ProcessOptions, inputs: Inputs) -> Self {
        let task =
            Task::new("review").agent("reviewer").with(|options| options.description = "look closely".to_owned());
        let graph = Graph::builder("g").task(task).build().unwrap();
        let (context, controls) = TaskContext::detached(&graph, TaskIx::from(0), inputs);
        let executor = ProcessExecutor::new(Agents::default().with_agent("reviewer", agent), options);
        Self { context, controls, executor }
    }

    async fn end(&self) -> Outcome {
        // Far above all that a test may take: a body that never ends should fail the test, not hang it.
        tokio::time::timeout(Duration::from_secs(30), self.executor.run(self.context.clone())).await.expect("it ends")
    }
}

async fn run(agent: Agent) -> Outcome {
    Attempt::new(agent, quick(), Inputs::default()).end().await
}

async fn output(agent: Agent) -> Value {
    run(agent).await.result.unwrap().json().cloned().unwrap_or(Value::Null)
}

async fn failure(agent: Agent) -> Failure {
    *run(agent).await.result.unwrap_err()
}

#[tokio::test]
async fn output_is_text_or_json() {
    assert_eq!(output(sh("echo hello; echo world")).await, json!("hello\nworld"));
    assert_eq!(output(sh("echo '{\"findings\": 3}'")).await, json!({"findings": 3}));
    assert_eq!(output(Agent::new(["true"])).await, Value::Null);
    assert_eq!(output(sh(r"printf 'caf\303\251 \377'")).await, json!("café \u{fffd}"));
    let form = |output, script| Agent { output, ..sh(script) };
    assert_eq!(output(form(OutputForm::Text, "echo 3")).await, json!("3"));
    assert_eq!(output(form(OutputForm::LastLine, "echo log; echo '[1]'; echo")).await, json!([1]));
    let refused = failure(form(OutputForm::Json, "echo three")).await;
    assert_eq!(
        refused.message,
        "`sh` should have answered JSON, and its output is none: expected ident at line 1 column 2"
    );
}

#[tokio::test]
async fn values_reach_the_program() {
    let inputs = Inputs::default().with_value("pull-request", json!(7)).with_output("scan", "clean".into());
    let agent = sh(
        r#"cat; echo; echo "$ORCH_TASK_ID $ORCH_AGENT $ORCH_ATTEMPT $ORCH_TASK $ORCH_INPUT_PULL_REQUEST $EXTRA" >&2"#,
    );
    let agent = Agent { env: BTreeMap::from([("EXTRA".to_owned(), "more".to_owned())]), ..agent };
    let mut attempt = Attempt::new(agent, quick(), inputs);
    let outcome = attempt.end().await;
    let output = outcome.result.unwrap();
    let output = output.json().unwrap();
    assert_eq!((&output["task"], &output["inputs"]["pull-request"]), (&json!("review"), &json!(7)));
    assert_eq!(output["outputs"], json!({"scan": "clean"}));
    let said: Vec<_> = attempt.controls.lines().into_iter().filter(|(stream, _)| *stream == Stream::Stderr).collect();
    assert_eq!(said, [(Stream::Stderr, "review reviewer 1 look closely 7 more".into())]);
}

#[tokio::test]
async fn only_named_variables_are_inherited_when_asked() {
    let options = ProcessOptions { inherit: Some(vec!["PATH".to_owned()]), ..quick() };
    let outcome = Attempt::new(sh("echo \"${HOME-none} ${PATH:+path}\""), options, Inputs::default()).end().await;
    assert_eq!(outcome.result.unwrap().json(), Some(&json!("none path")));
}

/// This test runs itself as a program, with variables as an outer run sets them.
#[tokio::test]
async fn values_of_an_outer_run_stay_there() {
    const INNER: &str = "ORCH_TEST_IS_INNER";
    if std::env::var_os(INNER).is_some() {
        let said = output(sh("echo \"${ORCH_INPUT_OUTER-none} ${ORCH_OMITTED-none} $ORCH_AGENT\"")).await;
        assert_eq!(said, json!("none none reviewer"));
        return;
    }
    let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "attempt::values_of_an_outer_run_stay_there"]);
    inner.envs([(INNER, "1"), ("ORCH_INPUT_OUTER", "outer"), ("ORCH_OMITTED", "outer"), ("ORCH_AGENT", "outer")]);
    let ended = inner.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"));
}

#[tokio::test]
async fn programs_run_where_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("api")).unwrap();
    let options = ProcessOptions { cwd: Some(folder.path().to_owned()), ..quick() };
    let agent = Agent { cwd: Some("api".into()), ..sh("pwd -P") };
    let outcome = Attempt::new(agent, options.clone(), Inputs::default()).end().await;
    let expected = fs::canonicalize(folder.path()).unwrap().join("api");
    assert_eq!(outcome.result.unwrap().json(), Some(&json!(expected)));
    let lost = Agent { cwd: Some("nowhere".into()), ..sh("pwd") };
    let failure = *Attempt::new(lost, options, Inputs::default()).end().await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Fatal);
    assert!(failure.message.ends_with("/nowhere`, which is no folder"), "{failure}");
}

#[tokio::test]
async fn exit_codes_mean_what_the_policy_says() {
    assert_eq!(
        failure(sh("echo first >&2; echo 'disk full' >&2; exit 3")).await,
        Failure::error("`sh` ended with exit code 3: disk full")
    );
    let codes = BTreeMap::from([(3, ExitMeaning::Nothing), (4, ExitMeaning::Fatal), (0, ExitMeaning::Failed)]);
    let agent = |script| Agent { exit_codes: codes.clone(), ..sh(script) };
    assert_eq!(output(agent("echo ignored; exit 3")).await, Value::Null);
    assert_eq!(failure(agent("exit 4")).await, Failure::fatal("`sh` ended with exit code 4"));
    assert_eq!(failure(agent("exit 0")).await, Failure::error("`sh` ended with exit code 0"));
    let options = ProcessOptions { exit_codes: BTreeMap::from([(9, ExitMeaning::Done)]), ..quick() };
    let outcome = Attempt::new(sh("echo yes; exit 9"), options, Inputs::default()).end().await;
    assert_eq!(outcome.result.unwrap().json(), Some(&json!("yes")));
}

#[tokio::test]
async fn a_signal_is_named() {
    assert_eq!(failure(sh("kill -SEGV $$")).await.message, "`sh` was ended by SIGSEGV");
    assert!(failure(sh("echo words >&2; kill -KILL $$")).await.message.ends_with("ran out of memory: words"));
}

#[tokio::test]
async fn what_cannot_start_says_why_and_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, script) = (folder.path().join("plain"), folder.path().join("script"));
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let programs = ["no-such-program-anywhere", "./no/such/program", plain.to_str().unwrap(), script.to_str().unwrap()];
    let mut messages = Vec::new();
    for program in programs {
        let failure = failure(Agent::new([program])).await;
        assert_eq!(failure.kind, FailureKind::Fatal);
        messages.push(failure.message.replace(folder.path().to_str().unwrap(), "[folder]"));
    }
    let long = Agent::new(["true".to_owned(), "x".repeat(3_000_000)]);
    messages.push(failure(long).await.message);
    insta::assert_snapshot!(messages.join("\n"), @r"
    the program `no-such-program-anywhere` was not found in any folder of PATH; install it, or give its full path in the agent's argv
    there is no program `./no/such/program`; correct the path in the agent's argv
    `[folder]/plain` may not be executed; make it executable (`chmod +x`), or name its interpreter in the agent's argv
    `[folder]/script` exists, but the interpreter that its first line names does not; install it, or name it in the agent's argv
    the arguments of `true` are too long for the system; let it read its values from standard input
    ");
}

#[tokio::test]
async fn lines_are_said_as_they_come() {
    // The program waits for this file, so the first line must be out before its end.
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let script = "echo first; until [ -e \"$GO\" ]; do sleep 0.01; done; echo second >&2";
    let agent = Agent { env: BTreeMap::from([("GO".to_owned(), go.to_str().unwrap().to_owned())]), ..sh(script) };
    let Attempt { context, mut controls, executor } = Attempt::new(agent, quick(), Inputs::default());
    let body = tokio::spawn(executor.run(context));
    assert_eq!(controls.next_line().await, (Stream::Stdout, "first".into()));
    fs::write(go, "").unwrap();
    assert_eq!(controls.next_line().await, (Stream::Stderr, "second".into()));
    assert!(body.await.unwrap().is_done());
}

#[tokio::test]
async fn secrets_are_neither_said_nor_kept() {
    let env = BTreeMap::from([("SITE_PASSWORD".to_owned(), "open-sesame".to_owned())]);
    let agent = Agent {
        env,
        ..sh("echo \"password $SITE_PASSWORD\"; echo 'https://me:pw@host/' >&2; echo $SITE_PASSWORD >&2; exit 1")
    };
    let mut attempt = Attempt::new(agent, quick(), Inputs::default());
    assert_eq!(attempt.end().await.result.unwrap_err().message, "`sh` ended with exit code 1: [redacted]");
    let mut said: Vec<String> = attempt.controls.lines().into_iter().map(|(_, line)| line.to_string()).collect();
    said.sort_unstable();
    assert_eq!(said, ["[redacted]", "https://[redacted]@host/", "password [redacted]"]);
}

#[tokio::test]
async fn output_is_bounded() {
    let options = ProcessOptions { max_output: 1000, max_lines: 10, ..quick() };
    let agent = sh("i=0; while [ $i -lt 5000 ]; do echo line-$i; i=$((i+1)); done");
    let mut attempt = Attempt::new(agent, options, Inputs::default());
    let output = attempt.end().await.result.unwrap();
    let text = output.json().unwrap().as_str().unwrap();
    assert!(text.len() < 1100 && text.starts_with("line-0\n") && text.ends_with("line-4999"), "{text}");
    assert!(text.contains("bytes cut …\n"), "{text}");
    let said = attempt.controls.lines();
    assert_eq!(said.len(), 10);
    assert_eq!(&*said[9].1, "… more than 9 lines; the rest is not shown");
}

#[tokio::test]
async fn a_program_that_does_not_read_is_no_failure() {
    let inputs = Inputs::default().with_value("huge", json!("x".repeat(2_000_000)));
    let outcome = Attempt::new(sh("exec 0<&-; echo done"), quick(), inputs).end().await;
    assert_eq!(outcome.result.unwrap().json(), Some(&json!("done")));
    let nothing = Agent { stdin: StdinForm::Nothing, ..Agent::new(["cat"]) };
    assert_eq!(output(nothing).await, Value::Null);
    let prompt = Agent { stdin: StdinForm::Prompt, ..Agent::new(["cat"]) };
    assert_eq!(output(prompt).await, json!("look closely"));
}

/// Starts a program that says process ids on its first line, and gives those.
async fn start(script: &str, options: ProcessOptions) -> (tokio::task::JoinHandle<Outcome>, Controls, Vec<String>) {
    let Attempt { context, mut controls, executor } = Attempt::new(sh(script), options, Inputs::default());
    let body = tokio::spawn(executor.run(context));
    let (_, line) = controls.next_line().await;
    (body, controls, line.split(' ').map(str::to_owned).collect())
}

#[tokio::test]
async fn cancellation_ends_grandchildren_too() {
    let script = "sleep 100 & a=$!; sh -c 'sleep 100 & echo '$$' '$a' $! $$; wait' & wait";
    let (body, controls, pids) = start(script, quick()).await;
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|pid| runs(pid)));
    controls.cancel();
    let failure = *body.await.unwrap().result.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Cancelled, "`sh` was told to stop"));
    all_end(&pids).await;
}

#[tokio::test]
async fn who_does_not_listen_is_killed_after_the_grace_period() {
    let script = "trap '' TERM; sh -c 'echo '$$' $$; while :; do sleep 1; done' & wait; while :; do sleep 1; done";
    let (body, controls, pids) = start(script, quick()).await;
    controls.cancel();
    assert_eq!(body.await.unwrap().result.unwrap_err().kind, FailureKind::Cancelled);
    all_end(&pids).await;
}

#[tokio::test]
async fn who_listens_may_put_things_in_order() {
    // The shell ends at SIGTERM; its child still has something to say. A long grace period shows that nobody waits for it.
    let script = "sh -c 'exec 2>/dev/null; trap \"sleep 0.1; echo tidy; exit\" TERM; echo $$; while :; do sleep 0.01; done' & wait";
    let options = ProcessOptions { grace: Duration::from_secs(20), ..quick() };
    let (body, mut controls, pids) = start(script, options).await;
    controls.cancel();
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), controls.next_line()).await.unwrap().1.as_ref(), "tidy");
    assert!(
        !tokio::time::timeout(Duration::from_secs(10), body).await.expect("no full grace period").unwrap().is_done()
    );
    all_end(&pids).await;
}

#[tokio::test]
async fn a_dropped_body_ends_its_group() {
    let (body, _controls, pids) = start("sleep 100 & echo $$ $!; wait", quick()).await;
    body.abort();
    assert!(body.await.unwrap_err().is_cancelled());
    all_end(&pids).await;
}

#[tokio::test]
async fn an_agent_has_its_own_timeout() {
    let agent = Agent { timeout: Some(Duration::from_millis(50)), ..sh("sleep 100") };
    let failure = failure(agent).await;
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.message, "`sh` took longer than its agent's timeout of 50ms");
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_is_not_waited_for() {
    let attempt = Attempt::new(sh("sleep 100 & echo $!"), quick(), Inputs::default());
    let output = attempt.end().await.result.unwrap();
    all_end(&[output.json().unwrap().to_string()]).await;
}

#[tokio::test]
async fn one_that_left_the_group_and_holds_the_pipes_is_not_waited_for() {
    // It writes for ever, so silence alone would not end the task.
    for work in ["exec sleep 100", "while :; do echo noise; sleep 0.01; done"] {
        let script = format!("setsid sh -c 'echo $$ >\"$PID\"; {work}' & until [ -s \"$PID\" ]; do sleep 0.01; done");
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let agent =
            Agent { env: BTreeMap::from([("PID".to_owned(), pid.to_str().unwrap().to_owned())]), ..sh(&script) };
        assert!(run(agent).await.is_done());
        let pid = fs::read_to_string(pid).unwrap();
        assert!(runs(pid.trim()), "it is its own master");
        std::process::Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap();
    }
}

#[tokio::test]
async fn what_a_slow_listener_has_not_heard_is_not_lost() {
    let script =
        "i=0; while [ $i -lt 3000 ]; do echo 'a line of output that fills the pipe well'; i=$((i+1)); done; echo last";
    let options = ProcessOptions { drain: Duration::ZERO, ..quick() };
    let outcome = Attempt::new(sh(script), options, Inputs::default()).end().await;
    assert!(outcome.result.unwrap().json().unwrap().as_str().unwrap().ends_with("\nlast"));
}

#[tokio::test]
async fn claude_tells_its_usage_also_when_it_fails() {
    let message = |is_error| {
        json!({"type": "result", "subtype": "success", "is_error": is_error, "result": "{\"findings\": 3}",
               "total_cost_usd": 0.25, "modelUsage": {"m": {"inputTokens": 5, "costUSD": 0.25}}})
    };
    let script = |is_error, code| sh(&format!("echo '{}'; exit {code}", message(is_error)));
    let done = run(script(false, 0)).await;
    assert_eq!(done.result.unwrap().json(), Some(&json!({"findings": 3})));
    assert_eq!(done.usage.unwrap().models()[0].input, 5);
    for failed in [run(script(true, 0)).await, run(script(true, 1)).await] {
        assert_eq!(failed.result.unwrap_err().message, "the agent reports `success`: {\"findings\": 3}");
        assert_eq!(failed.usage.unwrap().models()[0].input, 5);
    }
}

#[test]
fn children_are_reaped_in_any_runtime() {
    let runtimes = [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()];
    for mut runtime in runtimes {
        let outcome = runtime.enable_all().build().unwrap().block_on(run(Agent::new(["true"])));
        assert!(outcome.is_done());
    }
}

#[tokio::test]
async fn many_programs_run_at_once() {
    let attempts: Vec<_> =
        (0..50).map(|nth| tokio::spawn(async move { (nth, output(sh(&format!("echo {nth}"))).await) })).collect();
    for attempt in attempts {
        let (nth, output) = attempt.await.unwrap();
        assert_eq!(output, json!(nth));
    }
}
