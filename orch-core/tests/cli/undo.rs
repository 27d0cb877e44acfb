//! The example that undoes itself, with real programs.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{Folder, orch, process};

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/commands").join(name);
    path.to_str().unwrap().to_owned()
}

/// Runs the example in a folder of its own, which its programs change.
fn deploy(folder: &Folder, more: &[&str]) -> std::process::Output {
    let (file, agents) = (example("deploy-with-undo.json"), example("deploy-with-undo.toml"));
    let mut args = vec!["run", &file, "--agents", &agents];
    args.extend(more);
    process::program(folder).args(args).output().unwrap()
}

fn left(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path("shop"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect()
}

#[test]
fn a_failed_deployment_leaves_no_mess() {
    let folder = Folder::new();
    let done = deploy(&folder, &["--json", "--events", "events"]);
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let undo = ids(&report["undo"]["steps"]);
    assert_eq!(undo[0], "switch-traffic");
    assert_eq!(undo.len(), 3, "{undo:?}");
    assert_eq!(left(&folder), ["saved"], "the copy is kept, all else is as it was");
    let steps = report["undo"]["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["state"] == "undone"), "{steps:?}");
    let output = |id: &str| steps.iter().find(|step| step["id"] == id).unwrap()["output"].clone();
    assert_eq!(output("change-schema"), "back from shop/saved", "an undo has the inputs of its task");
    assert_eq!(output("upload-pictures"), "removed shop/upload-pictures", "and what its task made");
    let why = output("switch-traffic");
    assert!(why.as_str().unwrap().starts_with("old version is live, because: `sh` ended with exit code 4"), "{why}");
    assert_eq!(report["tasks"].as_array().unwrap().iter().filter(|task| task["state"] == "undone").count(), 3);

    let events = folder.read("events");
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |name: &str, task: &str| {
        events.iter().position(|event| event["event"] == name && event["task"] == task).unwrap()
    };
    assert!(at("undo_finished", "switch-traffic") < at("undo_started", "change-schema"));
    assert!(at("task_finished", "check-shop") < at("undo_started", "switch-traffic"));
}

#[test]
fn a_deployment_that_works_is_left_alone() {
    let folder = Folder::new();
    let done = deploy(&folder, &["--json", "--input", "healthy=true"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(left(&folder), ["live", "saved", "schema", "tell-people", "upload-pictures"]);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["undo"], Value::Null);
}

#[test]
fn without_undo_the_report_says_what_stays() {
    let folder = Folder::new();
    let done = deploy(&folder, &["--no-undo"]);
    assert_eq!(left(&folder), ["live", "saved", "schema", "upload-pictures"]);
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(text.contains("kept: switch-traffic: nothing was to be undone"), "{text}");
}

#[test]
fn an_undo_that_cannot_is_told_and_the_others_are_done() {
    let folder = Folder::new();
    let broken = "operator=sh -c 'test -z \"$ORCH_UNDO\" && echo new > shop/live || exit 9'";
    let done = deploy(&folder, &["--json", "--agent", broken]);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let states = report["undo"]["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap());
    assert_eq!(states.collect::<Vec<_>>(), ["failed", "undone", "undone"]);
    assert_eq!(report["undo"]["steps"][0]["attempts"], 3);
    assert_eq!(left(&folder), ["live", "saved"]);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(told.contains("1 of 3 tasks could not be undone; what it did is still there"), "{told}");
}

/// A run of a task that can be undone and then a long one; answers when the long one runs.
fn interrupted(folder: &Folder, undo: &str) -> std::process::Child {
    let definition = json!({"version": "2.0.0", "name": "/x", "description": "x", "phases": [{"id": "all", "name": "All", "agents": [
        {"id": "first", "agentId": "quick", "task": "t", "dependencies": [], "compensation": {"agentId": "undo", "task": "u"}},
        {"id": "long", "agentId": "long", "task": "t", "dependencies": ["first"]},
    ]}]});
    folder.file("x.json", definition.to_string());
    process::started(
        process::program(folder)
            .args(["run", "x.json", "--json", "--events", "events", "--agent", "quick=true"])
            .args(["--agent", "long=sh -c 'echo here; exec sleep 600'", "--agent", undo]),
        folder,
        "here",
    )
}

#[test]
fn ctrl_c_undoes_what_was_done() {
    let folder = Folder::new();
    let child = interrupted(&folder, "undo=sh -c 'echo gone > undone'");
    process::signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["state"], &report["undo"]["steps"][0]["state"]), (&json!("cancelled"), &json!("undone")));
    assert_eq!(folder.read("undone"), "gone\n");
}

#[test]
fn a_second_ctrl_c_leaves_the_rest_and_still_reports() {
    let folder = Folder::new();
    let child = interrupted(&folder, "undo=sh -c 'echo undoing; exec sleep 600'");
    process::signal(&child, "INT");
    process::wait_for(&folder, "undoing");
    process::signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["undo"]["steps"][0]["state"], "failed");
    assert_eq!(report["tasks"][0]["state"], "succeeded", "what it did is still there");
}

#[test]
fn a_dry_run_and_a_plan_show_what_would_be_undone() {
    let file = example("deploy-with-undo.json");
    let dry = orch(["run", &file, "--dry-run"]).exits(0);
    let shown = dry.stdout.split_once("if the run failed at its end, it would undo").unwrap().1;
    assert!(shown.contains("1. switch-traffic by `operator`: Send visitors back to the old version."), "{shown}");
    assert!(shown.contains("by `restorer`: Bring back the schema"), "{shown}");
    let plan = orch(["plan", &file]).exits(0).stdout;
    assert!(plan.contains("can be undone by restorer"), "{plan}");
    let json = orch(["plan", &file, "--json"]).exits(0).json();
    let step = json["steps"].as_array().unwrap().iter().find(|step| step["id"] == "check-shop").unwrap();
    assert_eq!(step["rollback"]["scope"], "cascade");
    let missing = orch(["run", &file, "--agent", "keeper=true", "--agent", "uploader=true"]).exits(2);
    assert!(missing.stderr.contains("tasks.change-schema.undo: no program is known for the agent `restorer`"));
}
