//! The command line as a script sees it: exit codes, JSON on stdout, messages on stderr.
//!
//! Most tests call [`cli::main`] in this process; what needs a process (signals, closed pipes, the environment) starts the
//! real program.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(feature = "cli")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use orch_core::cli;
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "cli/actions.rs"]
mod actions;
#[cfg(unix)]
#[path = "cli/assign.rs"]
mod assign;
#[cfg(unix)]
#[path = "cli/badges.rs"]
mod badges;
#[path = "cli/hooks.rs"]
mod hooks;
#[cfg(unix)]
#[path = "cli/hooks_git.rs"]
mod hooks_git;
#[cfg(unix)]
#[path = "cli/metrics.rs"]
mod metrics;
#[path = "cli/money.rs"]
mod money;
#[cfg(unix)]
#[path = "cli/notify.rs"]
mod notify;
#[cfg(unix)]
#[path = "cli/otel.rs"]
mod otel;
#[cfg(unix)]
#[path = "cli/prices.rs"]
mod prices;
#[cfg(unix)]
#[path = "cli/process.rs"]
mod process;
#[cfg(unix)]
#[path = "cli/serve.rs"]
mod serve;
#[cfg(unix)]
#[path = "serve/client.rs"]
mod serve_client;
#[cfg(unix)]
#[path = "notify/server.rs"]
mod server;
#[cfg(unix)]
#[path = "cli/store.rs"]
mod store;
#[cfg(unix)]
#[path = "cli/undo.rs"]
mod undo;
#[cfg(unix)]
#[path = "cli/watch.rs"]
mod watch;
#[cfg(all(unix, feature = "worktrees"))]
#[path = "cli/worktree.rs"]
mod worktree;

/// What a call left behind.
struct Done {
    code: ExitCode,
    stdout: String,
    stderr: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    fn exits(self, code: u8) -> Self {
        assert_eq!(self.code, ExitCode::from(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

fn orch<const N: usize>(args: [&str; N]) -> Done {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let code = cli::main(["orch"].into_iter().chain(args), &mut stdout, &mut stderr);
    Done { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

/// A folder with files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file and answers its path.
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.at(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

/// A command of these agents: id, agent, dependencies.
fn command(agents: &[(&str, &str, &[&str])]) -> String {
    let agents: Vec<Value> = agents
        .iter()
        .map(|(id, agent, after)| {
            json!({"id": id, "agentId": agent, "task": "work", "dependencies": after, "estimatedTime": 60_000})
        })
        .collect();
    json!({"version": "2.0.0", "name": "/test", "description": "a test",
           "phases": [{"id": "all", "name": "All", "agents": agents}]})
    .to_string()
}

fn diamond() -> String {
    command(&[("a", "one", &[]), ("b", "two", &["a"]), ("c", "two", &["a"]), ("d", "one", &["b", "c"])])
}

fn review_all() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/commands/review-all.json");
    path.to_str().unwrap().to_owned()
}

#[test]
fn plan_json_has_the_promised_fields() {
    let plan = orch(["plan", &review_all(), "--json"]).exits(0).json();
    for (field, value) in [
        ("version", json!(1)),
        ("tasks", json!(7)),
        ("edges", json!(10)),
        ("levels", json!(3)),
        ("widest", json!(5)),
        ("serial_ms", json!(2_460_000)),
        ("critical_path_ms", json!(1_020_000)),
        ("problems", json!([])),
    ] {
        assert_eq!(plan[field], value, "{field}");
    }
    assert_eq!(plan["critical_path"].as_array().unwrap().len(), 3);
    assert_eq!(plan["steps"].as_array().unwrap().len(), 7);
}

#[test]
fn plan_says_what_one_more_worker_brings() {
    let plan = orch(["plan", &review_all(), "--json", "-j", "4"]).exits(0).json();
    assert_eq!((&plan["expected_ms"], &plan["one_more_ms"]), (&json!(1_380_000), &json!(1_020_000)));
    let text = orch(["plan", &review_all(), "--max-parallel", "4"]).exits(0).stdout;
    assert!(text.contains("one more saves 6 min 00 s"), "{text}");
}

/// Also for a command with a dynamic phase, whose tasks no forecast knows.
#[test]
fn a_forecast_is_never_below_the_critical_path() {
    let folder = Folder::new();
    let file = folder.file(
        "x.json",
        json!({"version": "2.0.0", "name": "/x", "description": "x", "phases": [
            {"id": "one", "name": "One", "agents": [
                {"id": "planner", "agentId": "a", "task": "t", "dependencies": [], "estimatedTime": 1000,
                 "context": {"outputs": [{"key": "tasks"}]}},
                {"id": "end", "agentId": "a", "task": "t", "dependencies": ["planner"], "estimatedTime": 1000}]},
            {"id": "two", "name": "Two", "dynamic": true, "agents": [],
             "dynamicAgents": {"source": "context.planner.tasks", "mapping": {"id": "task.id", "task": "task.text"}}},
        ]})
        .to_string(),
    );
    let plan = orch(["plan", &file, "--json"]).exits(0).json();
    assert_eq!((&plan["critical_path_ms"], &plan["expected_ms"]), (&json!(2000), &json!(2000)));
    orch(["run", &file, "--dry-run"]).exits(0);
}

#[test]
fn plan_in_other_forms() {
    assert!(orch(["plan", &review_all(), "--format", "mermaid"]).exits(0).stdout.contains("flowchart"));
    assert!(orch(["plan", &review_all(), "--format", "html"]).exits(0).stdout.starts_with("<!doctype html>"));
    assert!(orch(["plan", &review_all(), "--format", "dot"]).exits(0).stdout.contains("digraph"));
}

#[test]
fn a_dry_run_reports() {
    let folder = Folder::new();
    let file = folder.file("diamond.json", diamond());
    let done = orch(["run", &file, "--dry-run", "--json"]).exits(0);
    let report = done.json();
    assert_eq!((&report["version"], &report["state"]), (&json!(1), &json!("succeeded")));
    assert!(report["run"].is_string() && report["makespan_ms"].is_number() && report["lower_bound_ms"].is_number());
    let tasks = report["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 4);
    for task in tasks {
        assert_eq!((&task["state"], &task["attempts"]), (&json!("succeeded"), &json!(1)));
        for field in ["id", "started_ms", "duration_ms", "cached", "error"] {
            assert!(task.get(field).is_some(), "{field}");
        }
    }
    assert_eq!(done.stderr.lines().filter(|line| line.starts_with('✓')).count(), 4, "{}", done.stderr);
    assert_eq!(orch(["run", &file, "--dry-run", "--quiet"]).exits(0).stderr, "");
}

#[test]
#[cfg(unix)]
fn programs_run_and_failures_are_told() {
    let folder = Folder::new();
    let file = folder.file("diamond.json", diamond());
    orch(["run", &file, "--agent", "*=true"]).exits(0);

    let two = "two=sh -c 'echo first; echo the disk is full >&2; exit 7'";
    // One at a time: side by side either of the two that fail may be the first.
    let done = orch(["run", &file, "--agent", "*=true", "--agent", two, "-j", "1", "--json"]).exits(1);
    assert_eq!(done.json()["state"], "failed");
    assert!(done.stderr.contains("    | the disk is full"), "{}", done.stderr);
    assert!(done.stderr.contains("`--target b`"), "{}", done.stderr);

    let part = orch(["run", &file, "--agent", "*=true", "--agent", two, "--target", "a", "--json"]).exits(0).json();
    assert_eq!(part["tasks"].as_array().unwrap().len(), 1);
}

#[test]
#[cfg(unix)]
fn keep_going_runs_what_it_can() {
    let folder = Folder::new();
    let file = folder.file("x.json", command(&[("bad", "bad", &[]), ("good", "good", &[]), ("late", "good", &[])]));
    let states = |flag: &str| -> Vec<String> {
        let report = orch(["run", &file, "--agent", "*=true", "--agent", "bad=false", "-j", "1", "--json", flag])
            .exits(1)
            .json();
        let states = report["tasks"].as_array().unwrap().iter().map(|task| task["state"].as_str().unwrap().to_owned());
        states.collect()
    };
    assert_eq!(states("--keep-going"), ["failed", "succeeded", "succeeded"]);
    assert_eq!(states("--fail-fast"), ["failed", "cancelled", "cancelled"]);
}

#[test]
#[cfg(unix)]
fn inputs_reach_programs_and_conditions() {
    let folder = Folder::new();
    let file = folder.file(
        "x.json",
        json!({"version": "2.0.0", "name": "/x", "description": "x",
            "inputs": {"required": {"goal": {"type": "string"}}, "optional": {"deep": {"type": "boolean", "default": false}}},
            "phases": [{"id": "all", "name": "All", "agents": [
                {"id": "show", "agentId": "show", "task": "t", "dependencies": []},
                {"id": "deeper", "agentId": "show", "task": "t", "dependencies": ["show"],
                 "conditional": {"enabled": true, "condition": "inputs.deep === true"}},
            ]}]})
        .to_string(),
    );
    let agent = "*=sh -c 'echo \"$ORCH_INPUT_GOAL\"'";
    let missing = orch(["run", &file, "--agent", agent]).exits(2);
    assert!(missing.stderr.contains("needs the input `goal`"), "{}", missing.stderr);

    let report = orch(["run", &file, "--agent", agent, "--input", "goal=all = well", "--json"]).exits(0).json();
    assert_eq!(report["tasks"][0]["output"], "all = well");
    assert_eq!(report["tasks"][1]["state"], "skipped");

    let inputs = folder.file("inputs.json", r#"{"goal": "from file", "deep": true}"#);
    let report = orch(["run", &file, "--agent", agent, "--inputs", &inputs, "--json"]).exits(0).json();
    assert_eq!(report["tasks"][1]["output"], "from file");
}

#[test]
#[cfg(unix)]
fn a_run_that_takes_too_long_has_failed() {
    let folder = Folder::new();
    let file = folder.file("x.json", command(&[("slow", "slow", &[])]));
    let report = orch(["run", &file, "--agent", "*=sleep 600", "--timeout", "50ms", "--json"]).exits(1).json();
    assert_eq!((&report["state"], &report["tasks"][0]["state"]), (&json!("failed"), &json!("cancelled")));
    assert!(report["stopped"].is_string());
}

#[test]
#[cfg(unix)]
fn hints_bring_nothing_into_a_shell() {
    let folder = Folder::new();
    let file = folder.file("x.json", command(&[("x'; rm -rf ~; '", "bad", &[])]));
    let done = orch(["run", &file, "--agent", "*=false"]).exits(1);
    assert!(!done.stderr.contains("--target"), "{}", done.stderr);
}

#[test]
fn results_go_where_they_are_asked_for() {
    let folder = Folder::new();
    let file = folder.file("diamond.json", diamond());
    orch(["run", &file, "--dry-run", "--events", &folder.at("events"), "--todo", &folder.at("todo")]).exits(0);
    let events: Vec<Value> = folder.read("events").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "run_started");
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    let todo: Value = serde_json::from_str(&folder.read("todo")).unwrap();
    assert!(todo["todos"].as_array().unwrap().iter().all(|todo| todo["status"] == "completed"), "{todo}");

    for (form, key) in [("strict", "todos"), ("parallel", "todos"), ("tasks", "tasks")] {
        orch(["run", &file, "--dry-run", "--todo", &folder.at("todo"), "--todo-form", form]).exits(0);
        let list: Value = serde_json::from_str(&folder.read("todo")).unwrap();
        assert!(list[key].is_array(), "{form}: {list}");
    }
    orch([
        "run",
        &file,
        "--dry-run",
        "--report-html",
        &folder.at("html"),
        "--junit",
        &folder.at("junit"),
        "--trace",
        &folder.at("trace"),
    ])
    .exits(0);
    assert!(folder.read("html").starts_with("<!doctype html>"));
    assert!(folder.read("junit").contains("tests=\"4\""));
    assert!(serde_json::from_str::<Value>(&folder.read("trace")).unwrap()["traceEvents"].is_array());

    let done = orch(["run", &file, "--dry-run", "--events", "-"]).exits(0);
    assert!(done.stdout.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["v"] == 1));
    orch(["run", &file, "--dry-run", "--events", "-", "--json"]).exits(2);

    let nowhere = orch(["run", &file, "--dry-run", "--events", &folder.at("no/such/folder")]).exits(2);
    assert!(nowhere.stderr.contains("could not write"), "{}", nowhere.stderr);
    assert_eq!(nowhere.stdout, "", "nothing ran");
}

#[test]
fn check_lists_every_problem() {
    let folder = Folder::new();
    let good = folder.file("good.json", diamond());
    let bad = folder.file("bad.json", command(&[("a", "x", &["b"]), ("b", "x", &["a"]), ("c", "x", &["nobody"])]));
    orch(["check", &good]).exits(0);
    let checked = orch(["check", &good, &bad, "--json"]).exits(2).json();
    assert_eq!(
        (&checked["ok"], &checked["files"][0]["ok"], &checked["files"][1]["ok"]),
        (&json!(false), &json!(true), &json!(false))
    );
    let codes: Vec<&str> = checked["files"][1]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"CIRCULAR_DEPENDENCY") && codes.contains(&"MISSING_REFERENCE"), "{codes:?}");
}

#[test]
fn optimize_explains() {
    let folder = Folder::new();
    let file = folder.file("x.json", command(&[("a", "x", &[]), ("b", "x", &["a"]), ("c", "x", &["a", "b"])]));
    let done = orch(["optimize", &file]).exits(0);
    assert!(done.stdout.contains("dropped the dependency of `c` on `a`"), "{}", done.stdout);
    assert_eq!(orch(["optimize", &file, "--json"]).exits(0).json()["edges"], 2);
}

#[test]
fn convert_writes_a_definition_and_gives_account() {
    let folder = Folder::new();
    let text = "# /look\n\nLooks around.\n\n1. scout - look (5 min)\n2. writer - note (depends on 1, 10 min)\n";
    let file = folder.file("look.md", text);
    let converted = orch(["convert", &file]).exits(0);
    assert_eq!(converted.json()["version"], "2.0.0");
    assert!(converted.stderr.contains("15 min 00 s one by one"), "{}", converted.stderr);

    let whole = orch(["convert", &file, "--json"]).exits(0).json();
    assert_eq!((&whole["version"], &whole["serial_ms"]), (&json!(1), &json!(900_000)));

    orch(["convert", &file, "-o", &folder.at("look.json")]).exits(0);
    assert_eq!(orch(["plan", &folder.at("look.json"), "--json"]).exits(0).json()["tasks"], 2);
    assert_eq!(orch(["plan", &file, "--json"]).exits(0).json()["edges"], 1, "Markdown runs as it is, too");

    orch(["convert", &file, "-o", &file]).exits(2);
    assert_eq!(folder.read("look.md"), text, "the input is not overwritten");
}

/// Every bad input: an answer in words, the code 2, nothing of a terminal's control, and no panic.
#[test]
fn bad_inputs_are_answered_in_words() {
    let folder = Folder::new();
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let agent = |fields: &str| {
        format!(
            r#"{{"version":"2.0.0","name":"/x","description":"x","phases":[{{"id":"p","name":"P","agents":[{fields}]}}]}}"#
        )
    };
    let chain: Vec<String> = (0..50_000)
        .map(|nth| format!(r#"{{"id":"t{nth}","agentId":"a","task":"t","dependencies":["t{}"]}}"#, (nth + 1) % 50_000))
        .collect();
    let files: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "is empty"),
        ("blank", b" \n ".to_vec(), "is empty"),
        ("text", b"hello".to_vec(), "not JSON"),
        ("empty.md", Vec::new(), "is empty"),
        ("cut", br#"{"version": "2.0.0", "#.to_vec(), "not JSON"),
        ("bytes", vec![0xff, 0xfe, 0x00], "not UTF-8"),
        ("nul", b"{\"a\": \0}".to_vec(), "NUL"),
        ("array", b"[]".to_vec(), "object"),
        ("version", br#"{"version":"9.0","name":"/x","description":"x","phases":[]}"#.to_vec(), "INVALID_VERSION"),
        ("deep", nested.into_bytes(), "nested"),
        ("self", agent(r#"{"id":"a","agentId":"a","task":"t","dependencies":["a"]}"#).into_bytes(), "CIRCULAR_DEPENDENCY"),
        (
            "twice",
            agent(r#"{"id":"a","agentId":"a","task":"t","dependencies":[]},{"id":"a","agentId":"a","task":"t","dependencies":[]}"#)
                .into_bytes(),
            "`a`",
        ),
        ("negative", agent(r#"{"id":"a","agentId":"a","task":"t","dependencies":[],"estimatedTime":-5}"#).into_bytes(), "estimatedTime"),
        ("absurd", agent(r#"{"id":"a","agentId":"a","task":"t","dependencies":[],"timeout":1e300}"#).into_bytes(), "timeout"),
        ("cycle", agent(&chain.join(",")).into_bytes(), "CIRCULAR_DEPENDENCY"),
        ("wfformat", br#"{"schemaVersion": "1.3", "workflow": {}}"#.to_vec(), "1.3"),
    ];
    for (name, bytes, says) in files {
        let file = folder.file(name, bytes);
        for done in [orch(["plan", &file]), orch(["run", &file, "--dry-run"])] {
            let done = done.exits(2);
            assert!(done.stderr.contains(says), "{name}: {}", done.stderr);
            assert!(done.stderr.len() < 20_000, "{name}: {} bytes of messages", done.stderr.len());
            assert_eq!(done.stdout, "", "{name}");
        }
        let problems = orch(["plan", &file, "--json"]).exits(2).json()["problems"].clone();
        assert!(
            problems.as_array().unwrap().iter().any(|problem| problem["severity"] == "error"),
            "{name}: {problems}"
        );
    }
    let missing = orch(["plan", &folder.at("mis\u{1b}[2Jsing"), "--json"]).exits(2);
    assert_eq!(missing.json()["problems"][0]["code"], "FILE_NOT_FOUND");
    assert!(!missing.stderr.contains('\u{1b}'));
    assert!(orch(["plan", &folder.at("")]).exits(2).stderr.contains("is a folder"));
    let refused = orch(["run", &folder.at("nothing"), "--json"]).exits(2).json();
    assert_eq!(refused["version"], 1);
}

#[test]
fn names_that_control_a_terminal_are_escaped() {
    let folder = Folder::new();
    let id = "../../x\u{1b}[2J\u{202e}\n";
    let file = folder.file("x.json", command(&[(id, "agent", &[])]));
    for done in [
        orch(["plan", &file]),
        orch(["plan", &file, "--json"]),
        orch(["plan", &file, "--format", "dot"]),
        orch(["plan", &file, "--format", "mermaid"]),
        orch(["run", &file, "--dry-run"]),
        orch(["run", &file, "--dry-run", "--json"]),
        orch(["run", &file]),
        orch(["check", &file]),
    ] {
        for text in [&done.stdout, &done.stderr] {
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
        }
    }
}

#[test]
fn agents_are_needed_and_must_be_whole() {
    let folder = Folder::new();
    let file = folder.file("diamond.json", diamond());
    let done = orch(["run", &file, "--agent", "one=true"]).exits(2);
    assert!(done.stderr.contains("`two`") && done.stderr.contains("--agent"), "{}", done.stderr);
    for flag in ["one", "=true", "one=", "one='true"] {
        orch(["run", &file, "--agent", flag]).exits(2);
    }
    let agents = folder.file("agents.toml", "[agents.one]\nargv = []");
    assert!(orch(["run", &file, "--agents", &agents]).exits(2).stderr.contains("argv"));
    #[cfg(unix)]
    {
        let agents = folder.file("agents.toml", "[agents.'*']\nargv = ['true']");
        orch(["run", &file, "--agents", &agents]).exits(0);
        orch(["run", &file, "--agents", &agents, "--agent", "two=false"]).exits(1);
        let lost = orch(["run", &file, "--agent", "*=/no/such/program"]).exits(1);
        assert!(lost.stderr.contains("/no/such/program"), "{}", lost.stderr);
    }
}

#[test]
fn a_refusal_is_json_too() {
    let folder = Folder::new();
    let file = folder.file("diamond.json", diamond());
    let refused = orch(["run", &file, "--json", "--agent", "one=true"]).exits(2).json();
    assert_eq!((&refused["version"], &refused["error"]["code"]), (&json!(1), &json!("INVALID_DEFINITION")));
    assert_eq!(refused["problems"][0]["code"], "UNKNOWN_AGENT");
    let bad = folder.file("bad.toml", "[run]\nmax_paralel = 3");
    let refused = orch(["plan", &file, "--json", "--config", &bad]).exits(2).json();
    assert_eq!(refused["error"]["code"], "INVALID_VALUE");
}

#[test]
fn usage_errors_exit_with_2() {
    for args in [&["orch"][..], &["orch", "fly"], &["orch", "run"], &["orch", "run", "x", "--max-parallel", "0"]] {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        assert_eq!(cli::main(args.iter().copied(), &mut stdout, &mut stderr), ExitCode::from(2), "{args:?}");
        assert!(stdout.is_empty() && !stderr.is_empty(), "{args:?}");
    }
    let folder = Folder::new();
    let file = folder.file("diamond.json", diamond());
    assert!(orch(["run", &file, "--dry-run", "--timeout", "soon"]).exits(2).stderr.contains("1h30m"));
    assert!(orch(["run", &file, "--dry-run", "--target", "nobody"]).exits(2).stderr.contains("nobody"));
}

#[test]
fn every_command_has_help_with_examples() {
    for command in ["run", "plan", "check", "convert", "optimize", "trust", "completions"] {
        let help = orch([command, "--help"]).exits(0);
        assert!(help.stdout.contains("Examples:") && help.stderr.is_empty(), "{command}: {}", help.stdout);
    }
    assert!(orch(["--help"]).exits(0).stdout.contains("Exit codes:"));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(orch(["completions", shell]).exits(0).stdout.contains("max-parallel"), "{shell}");
    }
}
