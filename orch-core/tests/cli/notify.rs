//! `orch notify` and `orch run --notify`, with a server on this machine.

use std::process::{Command, Output, Stdio};

use super::{
    Folder,
    server::{SECRET, Server, answer},
    worktree::repository,
};

const ONE: &str =
    r#"{"version": "2.0.0", "name": "nightly", "phases": [{"id": "p", "agents": [{"id": "build", "type": "sh"}]}]}"#;

/// The real program: it finds addresses in its environment only. Whatever it says, it does not say them.
fn orch(folder: &Folder, address: Option<&str>, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
    for name in ["DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "ORCH_WEBHOOK_URL", "ORCH_STORE"] {
        command.env_remove(name);
    }
    if let Some(address) = address {
        command.env("DISCORD_WEBHOOK_URL", address).env("ORCH_WEBHOOK_LOCAL", "1");
    }
    let Output { status, stdout, stderr } = command.args(args).current_dir(folder.path("")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{stdout}{stderr}");
    (status.code().unwrap(), stdout, stderr)
}

#[test]
fn a_run_tells_that_it_begins_and_ends_and_what_could_not_be_sent_is_sent_later() {
    let folder = Folder::new();
    folder.file("one.json", ONE);
    let gone = Server::new(|_| None).address();
    let run = ["run", "one.json", "--agent", "*=true", "--store", "s.db", "--notify", "--json"];
    let (code, stdout, stderr) = orch(&folder, Some(&gone), &run);
    assert_eq!(code, 0, "the run does not fail for it: {stderr}");
    assert!(stdout.starts_with('{'));
    assert!(stderr.contains("not everybody was told") && stderr.contains("orch notify list"), "{stderr}");

    let (code, stdout, _) = orch(&folder, None, &["notify", "--store", "s.db", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let states: Vec<_> =
        listed["letters"].as_array().unwrap().iter().map(|letter| letter["state"].as_str().unwrap()).collect();
    assert_eq!((code, states), (0, vec!["waiting", "waiting"]));

    let server = Server::new(|_| answer("204 No Content", "", ""));
    let mut sent = 0;
    // The one that was tried waits for some seconds; the other one was not.
    for _ in 0..200 {
        let (_, stdout, _) = orch(&folder, Some(&server.address()), &["notify", "--store", "s.db", "send", "--json"]);
        let done: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        sent += done["done"]["sent"].as_u64().unwrap();
        if sent == 2 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut titles = server.titles();
    titles.sort();
    assert_eq!(titles, ["✅ AI Orchestration - Execution Complete", "🚀 AI Orchestration - Execution Started"]);
}

#[test]
fn what_is_missing_is_named() {
    let folder = Folder::new();
    folder.file("one.json", ONE);
    let (code, _, stderr) = orch(&folder, None, &["notify", "test"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("DISCORD_WEBHOOK_URL"), "{stderr}");
    let (code, _, stderr) = orch(&folder, Some("http://x/"), &["run", "one.json", "--agent", "*=true", "--notify"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--store"), "{stderr}");
    let nobody = ["run", "one.json", "--agent", "*=true", "--notify", "--store", "left.db"];
    let (code, _, stderr) = orch(&folder, None, &nobody);
    assert_eq!(code, 2);
    assert!(stderr.contains("nobody is to be told"), "{stderr}");
    assert!(!std::path::Path::new(&folder.at("left.db")).exists(), "no store is left behind");
    let server = Server::new(|_| answer("404 Not Found", "", ""));
    let (code, stdout, stderr) = orch(&folder, Some(&server.address()), &["notify", "test"]);
    assert_eq!((code, stdout.as_str()), (1, "0 sent, 0 to be tried again, 1 given up\n"));
    assert!(stderr.contains("no such webhook any more"), "{stderr}");
}

/// A month of one dollar with milestones; an agent that says that it cost sixty cents, twice.
#[test]
fn a_run_tells_of_its_budget() {
    let folder = Folder::new();
    folder.file("one.json", ONE);
    folder.file("result.json", r#"{"type":"result","result":"ok","modelUsage":{"m":{"inputTokens":1,"costUSD":0.6}}}"#);
    let config = "[[budget]]\nusd = 1\nper = 'month'\nname = 'small'\nmilestones = [0.25, 0.5, 1]\n[prices.m]\ninput = 1\noutput = 1\n";
    folder.file("orch.toml", config);
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let run = ["run", "one.json", "--agent", "*=cat result.json", "--store", "s.db", "--notify"];
    for _ in 0..2 {
        let (code, _, stderr) = orch(&folder, Some(&server.address()), &run);
        assert_eq!(code, 0, "{stderr}");
    }
    let (code, _, _) = orch(&folder, Some(&server.address()), &run);
    assert_eq!(code, 1, "nothing is left");
    let titles = server.titles();
    let count = |part: &str| titles.iter().filter(|title| title.contains(part)).count();
    assert_eq!((count("Milestone Reached"), count("Monthly Budget Exhausted")), (3, 1), "{titles:?}");
    assert_eq!((count("Execution Started"), count("Execution Complete"), count("Execution Error")), (3, 2, 1));
    let got = server.got.lock().unwrap();
    let complete =
        got.iter().find(|payload| payload["embeds"][0]["title"] == "✅ AI Orchestration - Execution Complete");
    let fields = complete.unwrap()["embeds"][0]["fields"].as_array().unwrap().clone();
    let value = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap()["value"].as_str().unwrap();
    assert_eq!((value("Cost"), value("Budget Remaining")), ("$0.6000", "$0.40"));
}

#[test]
fn stale_worktrees_are_told_whom_the_environment_names() {
    let folder = Folder::new();
    repository(&folder);
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let address = server.address();
    let at = |args: &[&str]| orch(&folder, Some(&address), &[&["worktree", "-C", "app"], args].concat());
    assert_eq!(at(&["new", "login"]).0, 0);
    let report = ["report", "--notify", "--store", "s.db"];
    assert_eq!(at(&report).0, 0, "nothing is stale yet");
    assert!(server.titles().is_empty());
    let (code, stdout, stderr) = at(&[&report[..], &["--stale-after", "1ms", "--json"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("\"total_worktrees\": 2"), "{stdout}");
    assert_eq!(server.titles(), ["⏳ Stale Worktree"], "the main worktree is none");
    let letters = || {
        let (_, stdout, _) = orch(&folder, None, &["notify", "--store", "app/s.db", "list", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let keys = listed["letters"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned());
        keys.collect::<std::collections::BTreeSet<_>>()
    };
    let one = letters();
    assert!(one.len() == 1 && one.iter().all(|key| key.ends_with("/app.worktrees/login")), "{one:?}");
    at(&[&report[..], &["--stale-after", "1ms"]].concat());
    assert_eq!(server.titles().len(), letters().len(), "once for each day");

    let (code, _, stderr) = orch(&folder, None, &["worktree", "-C", "app", "report", "--notify"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("DISCORD_WEBHOOK_URL"), "{stderr}");
    let (code, _, stderr) = orch(&folder, None, &["worktree", "-C", "app", "report", "--stale-after", "1d"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("--notify"), "{stderr}");
}

#[test]
fn watching_tells_of_stale_worktrees_too() {
    let folder = Folder::new();
    repository(&folder);
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let address = server.address();
    assert_eq!(orch(&folder, Some(&address), &["worktree", "-C", "app", "new", "login"]).0, 0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
    command.args([
        "worktree",
        "-C",
        "app",
        "watch",
        "--notify",
        "--store",
        "s.db",
        "--stale-after",
        "1ms",
        "-n",
        "100ms",
    ]);
    command.env("DISCORD_WEBHOOK_URL", &address).env("ORCH_WEBHOOK_LOCAL", "1").env_remove("ORCH_STORE");
    command.current_dir(folder.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut watching = command.spawn().unwrap();
    for _ in 0..1_200 {
        if !server.titles().is_empty() || watching.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // It may be over by itself, with an error.
    drop(watching.kill());
    watching.wait().unwrap();
    assert_eq!(server.titles().first().map(String::as_str), Some("⏳ Stale Worktree"));
}
