//! Hooks of interactive agents: what Claude Code calls, and what puts the calls in.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use super::*;

/// A project with settings, whose home is beside it.
struct Project(Folder);

impl Project {
    fn new(config: &str) -> Self {
        let folder = Folder::new();
        folder.file("orch.toml", format!("# Budgets.\n{config}"));
        fs::create_dir(folder.path(".git")).unwrap();
        Self(folder)
    }

    fn call(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_orch"))
            .args(args)
            .current_dir(self.0.path(""))
            .env_remove("CLAUDE_PROJECT_DIR")
            .env_remove("CLAUDE_CONFIG_DIR")
            .env_remove("ORCH_STORE")
            .env("HOME", self.0.path("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who refuses the arguments does not read.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        child.wait_with_output().unwrap()
    }

    fn hook(&self, more: &[&str], stdin: &str) -> (i32, String, String) {
        let store = self.0.at("s.db");
        let args: Vec<&str> = ["hook", "claude", "--store", &store].into_iter().chain(more.iter().copied()).collect();
        let done = self.call(&args, stdin);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }

    fn input(&self, event: &str) -> String {
        json!({"hook_event_name": event, "session_id": "s1", "transcript_path": self.0.at("t.jsonl"), "cwd": self.0.at(""), "tool_name": "Bash"})
            .to_string()
    }

    fn says(&self, output: u64) {
        let line = json!({"type": "assistant", "timestamp": "2026-10-20T08:00:00Z", "requestId": "r", "message":
            {"id": "a", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 10, "output_tokens": output}}});
        self.0.file("t.jsonl", format!("{line}\n"));
    }
}

#[test]
fn a_call_is_denied_when_the_budget_is_used_up_and_the_cost_is_known() {
    let project = Project::new("[[budget]]\nname = 'all'\nusd = 1\n");
    assert_eq!(project.hook(&[], &project.input("PreToolUse")), (0, String::new(), String::new()));
    project.says(100_000);
    let (code, stdout, stderr) = project.hook(&[], &project.input("PreToolUse"));
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(answer["hookSpecificOutput"]["permissionDecision"], "deny");
    let reason = answer["hookSpecificOutput"]["permissionDecisionReason"].as_str().unwrap();
    assert!(reason.starts_with("the budget `all` of $1 is used up: $1.50003 is spent."), "{reason}");
    // Once, also in other processes.
    project.hook(&[], &project.input("Stop"));
    let store = project.0.at("s.db");
    let cost = orch(["cost", "--store", &store, "--by", "run,agent", "--json"]).exits(0).json();
    assert_eq!(cost["rows"][0]["usd"], "1.50003", "{cost}");
    assert_eq!(cost["rows"][0]["charges"], 1);
}

#[test]
fn a_session_may_have_a_budget_of_its_own() {
    let project = Project::new("");
    project.says(100_000);
    let (_, stdout, _) = project.hook(&["--budget", "1"], &project.input("PreToolUse"));
    assert!(stdout.contains("the budget `each session` of $1 is used up"), "{stdout}");
}

#[test]
fn what_goes_wrong_does_not_stop_the_session() {
    let project = Project::new("");
    for odd in ["", "{", "[]", "{}", "\0"] {
        let (code, stdout, stderr) = project.hook(&[], odd);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{odd}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains("stdin"), "{stderr}");
    }
    let (code, _, stderr) = project.hook(&["--no-such-option"], "{}");
    assert_eq!(code, 1, "{stderr}");
    project.0.file("orch.toml", "[[budget]]\nusd = 'much'\n");
    let (code, stdout, _) = project.hook(&[], &project.input("PreToolUse"));
    assert_eq!((code, stdout.as_str()), (1, ""));
    // Unless money is more than that.
    let (code, stdout, _) = project.hook(&["--fail-closed"], &project.input("PreToolUse"));
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &answer["hookSpecificOutput"]["permissionDecision"]), (0, &json!("deny")));
    let (code, stdout, _) = project.hook(&["--fail-closed"], "no JSON");
    assert_eq!((code, &serde_json::from_str::<Value>(&stdout).unwrap()["continue"]), (0, &json!(false)));
    project.0.file("orch.toml", "# Nothing.\n");
    fs::write(project.0.path("s.db"), vec![7; 8192]).unwrap();
    assert_eq!(project.hook(&[], &project.input("PreToolUse")).0, 1, "a broken store");
}

#[test]
fn hooks_are_put_in_and_taken_out() {
    let project = Project::new("[[budget]]\nusd = 5\n");
    let theirs = "{\n  \"model\": \"opus\",\n  \"permissions\": {\"allow\": [\"Read\"]}\n}\n";
    fs::create_dir_all(project.0.path("home/.claude")).unwrap();
    fs::write(project.0.path("home/.claude/settings.json"), theirs).unwrap();
    let text = |done: Output| {
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let program = env!("CARGO_BIN_EXE_orch");
    let done = text(project.call(&["hooks", "install", "claude", "--user", "--program", program, "--budget", "2"], ""));
    assert!(done.starts_with("11 hooks are in ") && done.contains("hook claude --budget 2"), "{done}");
    assert!(
        text(project.call(&["hooks", "install", "claude", "--user", "--program", program, "--budget", "2"], ""))
            .contains("already")
    );
    let status: Value =
        serde_json::from_str(&text(project.call(&["hooks", "status", "claude", "--json"], ""))).unwrap();
    assert_eq!(
        (&status["settings"][0]["scope"], &status["settings"][0]["program_found"]),
        (&json!("user"), &json!(true))
    );
    assert_eq!(status["settings"][2]["hooks"], json!([]));
    // What was put in is what answers.
    let written: Value = serde_json::from_str(&project.0.read("home/.claude/settings.json")).unwrap();
    let hook = &written["hooks"]["PreToolUse"][0]["hooks"][0];
    let mut args: Vec<&str> = hook["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let store = project.0.at("s.db");
    args.extend(["--store", &store]);
    assert_eq!((hook["type"].as_str(), hook["command"].as_str()), (Some("command"), Some(program)));
    assert_eq!(text(project.call(&args, &project.input("PreToolUse"))), "");
    assert!(text(project.call(&["hooks", "uninstall", "claude", "--user"], "")).starts_with("11 hooks were taken out"));
    assert_eq!(project.0.read("home/.claude/settings.json"), theirs);
    assert!(text(project.call(&["hooks", "uninstall", "claude"], "")).contains("no hooks of orch"));
    assert!(!project.0.path(".claude").exists(), "nothing is made to take something out");

    fs::create_dir(project.0.path(".claude")).unwrap();
    project.0.file(".claude/settings.local.json", "{ // mine\n}");
    let refused = project.call(&["hooks", "install", "claude"], "");
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(project.0.read(".claude/settings.local.json"), "{ // mine\n}");
}

#[test]
fn the_task_list_stays() {
    let project = Project::new("");
    let todos = json!([{"content": "read", "status": "completed", "activeForm": "reading"}, {"content": "write", "status": "in_progress", "activeForm": "writing"}]);
    let mut input: Value = serde_json::from_str(&project.input("PostToolUse")).unwrap();
    input["tool_name"] = json!("TodoWrite");
    input["tool_input"] = json!({"todos": todos});
    assert_eq!(project.hook(&[], &input.to_string()).0, 0);
    let store = project.0.at("s.db");
    let lists = orch(["hooks", "tasks", "--store", &store, "--json"]).exits(0).json();
    assert_eq!(
        (&lists["sessions"][0]["session"], &lists["sessions"][0]["tasks"][1]["subject"]),
        (&json!("s1"), &json!("write"))
    );
    let text = orch(["hooks", "tasks", "--store", &store]).exits(0).stdout;
    assert!(text.starts_with("s1  1 of 2 done") && text.contains("\n  ▶ write\n"), "{text}");
}

#[test]
fn hooks_that_run_at_once_charge_once() {
    let project = Project::new("[[budget]]\nusd = 5\n");
    project.says(1_000);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(project.hook(&[], &project.input("PreToolUse")).0, 0));
        }
    });
    let store = project.0.at("s.db");
    let charges = orch(["cost", "--store", &store, "--charges", "--json"]).exits(0).json();
    assert_eq!(charges["charges"].as_array().unwrap().len(), 1, "{charges}");
}
