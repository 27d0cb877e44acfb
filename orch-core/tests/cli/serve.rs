//! `orch serve`: a process of its own, beside those that run.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    Folder, command,
    process::{program, signal},
    serve_client::{self, Answer},
};

/// `orch serve --json`, and what it says of itself.
struct Served {
    child: Child,
    said: Value,
    rest: BufReader<ChildStdout>,
}

impl Served {
    fn start(call: &mut Command) -> Self {
        let mut child = call.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        rest.read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, said, rest }
    }

    fn port(&self) -> u16 {
        u16::try_from(self.said["port"].as_u64().unwrap()).unwrap()
    }

    fn path(&self) -> String {
        let start = format!("http://127.0.0.1:{}", self.port());
        self.said["url"].as_str().unwrap().strip_prefix(&start).unwrap().to_owned()
    }

    fn events(&self, run: Option<&str>) -> Answer {
        self.events_after(run, None)
    }

    fn events_after(&self, run: Option<&str>, last: Option<&str>) -> Answer {
        let query = run.map(|run| format!("?run={run}")).unwrap_or_default();
        serve_client::events(self.port(), &format!("{}events{query}", self.path()), last)
    }

    /// Ends it, and answers its exit code and what else it said.
    fn end(mut self, name: &str) -> (Option<i32>, String, String) {
        signal(&self.child, name);
        let code = self.child.wait().unwrap().code();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.rest.read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (code, stdout, stderr)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Also where a test fails.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

fn git(folder: &Folder, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
        .args(arguments)
        .current_dir(folder.path(""))
        .status()
        .unwrap();
    assert!(status.success());
}

/// The run is of another process, and is held where the test wants it by files that its programs wait for.
#[test]
fn a_run_of_another_process_shows_up_while_it_goes_on() {
    let folder = Folder::new();
    git(&folder, &["init", "-q", "-b", "main"]);
    git(&folder, &["commit", "-q", "--allow-empty", "-m", "one"]);
    folder.file("orch.toml", "[[budget]]\nname = 'all'\nusd = 15\nper = 'month'\n");
    let served = Served::start(program(&folder).args(["serve", "--json", "--store", "orch.db"]));
    assert_eq!(served.said["version"], json!(1));
    let mut events = served.events(None);
    assert_eq!(events.wait("runs").data, json!({"store": false, "runs": []}), "nobody has made a store");
    assert!(!folder.path("orch.db").exists(), "a look makes none");

    folder.file("work.json", command(&[("first", "a", &[]), ("second", "a", &["first"])]));
    let agent = r#"*=sh -c 'while [ ! -e "go-$ORCH_TASK_ID" ]; do sleep 0.02; done; echo done'"#;
    let mut run = program(&folder);
    run.args(["run", "work.json", "--agent", agent, "--store", "orch.db", "-q"]);
    let mut run = run.stdout(Stdio::null()).spawn().unwrap();
    let listed = events.until(|said| said.event == "runs" && said.data["runs"][0]["state"] == "running");
    let name = listed.data["runs"][0]["run"].as_str().unwrap().to_owned();

    let mut one = served.events(Some(&name));
    let has = |said: &serve_client::Said, event: &str, task: &str| {
        let is = |known: &Value| known["event"] == event && known["task"] == task;
        said.event == "events" && said.data.as_array().unwrap().iter().any(is)
    };
    let seen = one.until(|said| has(said, "task_started", "first"));
    // Away while the next thing happens, and back where it was.
    one.leave();
    folder.file("go-first", "");
    let mut one = served.events_after(Some(&name), seen.id.as_deref());
    let more = one.wait("events");
    let last = |said: &serve_client::Said| said.data.as_array().unwrap().last().unwrap()["seq"].as_u64().unwrap();
    assert_eq!(more.data[0]["seq"].as_u64().unwrap(), last(&seen) + 1);
    if !has(&more, "task_started", "second") {
        one.until(|said| has(said, "task_started", "second"));
    }
    assert!(run.try_wait().unwrap().is_none(), "it still goes on");
    folder.file("go-second", "");
    let head = one.until(|said| said.event == "head" && said.data["run"]["state"] == "succeeded");
    assert_eq!(head.data["counts"]["succeeded"], 2);
    assert!(run.wait().unwrap().success());
    events.until(|said| said.event == "runs" && said.data["runs"][0]["state"] == "succeeded");

    assert!(serve_client::get(served.port(), &served.path()).body().starts_with("<!doctype html>"));
    // What the command line joins.
    let mut panes = served.events(None);
    let trees = panes.until(|said| said.event == "worktrees").data;
    assert_eq!(trees["items"][0]["branch"], "main", "{trees}");
    let budgets = served.events(None).until(|said| said.event == "budgets" && said.data["budgets"] != json!([])).data;
    assert_eq!(budgets["budgets"][0]["name"], "all");
    let costs = served.events(None).until(|said| said.event == "costs").data;
    assert_eq!((&costs["usd"], &costs["rows"]), (&json!("0"), &json!([])));

    let (code, stdout, stderr) = served.end("INT");
    assert_eq!((code, stdout.as_str()), (Some(130), ""), "{stderr}");
    assert!(stderr.contains("serving what is in") && stderr.contains("there is no store there yet"), "{stderr}");
}

#[test]
fn it_ends_at_once_with_the_code_of_its_signal() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::new();
        let served = Served::start(program(&folder).args(["serve", "--json", "--store", "orch.db"]));
        let mut reads = served.events(None);
        reads.wait("hello");
        assert_eq!(served.end(name).0, Some(code));
        while reads.next().is_some() {}
        assert!(!reads.whole, "nobody is waited for");
    }
}

#[test]
fn outside_of_a_repository_there_are_no_worktrees() {
    let folder = Folder::new();
    let served = Served::start(program(&folder).args(["serve", "--json", "--no-config", "--store", "orch.db"]));
    assert_eq!(served.events(None).wait("worktrees").data, json!({"absent": true}));
}

#[test]
fn bad_calls_say_why() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = program(&folder).args(["serve", "--port", &port, "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["error"]["message"].as_str().unwrap().contains(&port), "{said}");
    fs::write(folder.path("broken.db"), "this is no store of runs").unwrap();
    let output = program(&folder).args(["serve", "--store", "broken.db"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}
