//! Tasks that ask for a capability.

use super::*;

const AGENTS: &str = r#"
[agents.steady]
argv = ["sh", "-c", "echo steady"]
capabilities = ["security review", "write docs"]

[agents.flaky]
argv = ["sh", "-c", "exit 3"]
capabilities = ["security review"]

[agents.narrow]
argv = ["sh", "-c", "mkdir busy && sleep 0.05 && rmdir busy && echo narrow"]
capabilities = ["count"]
at_once = 1
"#;

fn asks(tasks: &[(&str, &str)]) -> String {
    let task = |(id, can): &(&str, &str)| json!({"id": id, "capability": can, "task": "work", "estimatedTime": 60_000});
    let agents: Vec<Value> = tasks.iter().map(task).collect();
    json!({"version": "2.0.0", "name": "/test", "description": "a test",
           "phases": [{"id": "all", "name": "All", "agents": agents}]})
    .to_string()
}

#[test]
fn who_failed_before_is_not_asked_again() {
    let folder = Folder::new();
    let (agents, store) = (folder.file("agents.toml", AGENTS), folder.at("orch.db"));
    let file = folder.file("work.json", asks(&[("look", "Security")]));
    let run = |code| {
        let args = ["run", &file, "--agents", &agents, "--store", &store, "--json"];
        let done = orch(args).exits(code);
        let plan = orch(["plan", &file, "--agents", &agents, "--store", &store, "--json"]).exits(0).json();
        (done.stderr, plan["assigned"][0].clone(), plan["steps"][0].clone())
    };
    // Of equals the earlier name.
    let (said, next, _) = run(1);
    assert!(said.contains("look: flaky, which can Security; expected to take 120 s, steady 120 s"), "{said}");
    assert_eq!((&next["agent"], &next["others"][0]["agent"]), (&json!("steady"), &json!("flaky")));
    let (said, next, step) = run(0);
    assert!(said.contains("look: steady"), "{said}");
    assert_eq!(next["agent"], "steady");
    assert_eq!((&step["agent"], &step["capability"]), (&json!("steady"), &json!("Security")));

    // Who goes on keeps its tasks, whatever would be chosen now; nobody has to say again who can what.
    let file_agents = folder.file("other.toml", AGENTS.replace("steady]", "better]"));
    let kept = orch(["plan", &file, "--store", &store, "--json", "--resume"]).exits(0).json();
    assert_eq!((kept["kept"].clone(), kept["again"].clone()), (json!(["look"]), json!([])));
    let edited =
        orch(["plan", &file, "--agents", &file_agents, "--store", &store, "--json", "--resume"]).exits(0).json();
    assert_eq!(edited["again"][0]["why"], "its definition changed");
}

#[test]
fn who_does_one_at_a_time_does_one_at_a_time() {
    let folder = Folder::new();
    let agents = folder.file("agents.toml", AGENTS);
    let file = folder.file("work.json", asks(&[("a", "count"), ("b", "count"), ("c", "count")]));
    // `mkdir` fails where another is at it.
    fs::create_dir(folder.path("here")).unwrap();
    let here = folder.at("here");
    let agents_here = folder.file("here.toml", folder.read("agents.toml").replace("busy", &format!("{here}/busy")));
    let report = orch(["run", &file, "--agents", &agents_here, "--json"]).exits(0).json();
    assert_eq!(report["tasks"].as_array().unwrap().len(), 3);
    let text = orch(["plan", &file, "--agents", &agents]).exits(0).stdout;
    assert!(text.contains("a: narrow, which can count, as nobody else"), "{text}");
}

#[test]
fn who_does_one_at_a_time_does_so_too_when_the_run_goes_on() {
    let folder = Folder::new();
    let (here, store) = (folder.at(""), folder.at("orch.db"));
    let agents = AGENTS.replace("rmdir busy", "rmdir busy && test -e open").replace("busy", &format!("{here}/busy"));
    let agents = folder.file("agents.toml", agents.replace("open", &format!("{here}/open")));
    let file = folder.file("work.json", asks(&[("a", "count"), ("b", "count"), ("c", "count")]));
    orch(["run", &file, "--agents", &agents, "--store", &store, "--keep-going"]).exits(1);
    folder.file("open", "");
    let report = orch(["run", &file, "--agents", &agents, "--store", &store, "--keep-going", "--json", "--resume"])
        .exits(0)
        .json();
    assert_eq!(report["tasks"].as_array().unwrap().len(), 3);
}

#[test]
fn what_nobody_can_do_is_told() {
    let folder = Folder::new();
    let agents = folder.file("agents.toml", AGENTS);
    let file = folder.file("work.json", asks(&[("a", "juggle"), ("b", "docs")]));
    for command in ["run", "plan"] {
        let done = orch([command, &file, "--agents", &agents]).exits(2);
        let words = "no agent can `juggle` (known: `count`, `security review`, `write docs`)";
        assert!(done.stderr.contains("NO_CAPABLE_AGENT") && done.stderr.contains(words), "{}", done.stderr);
    }
    // Who only looks at the graph need not know anybody.
    orch(["plan", &file]).exits(0);
    orch(["run", &file, "--dry-run"]).exits(0);
}
