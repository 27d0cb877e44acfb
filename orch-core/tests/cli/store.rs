//! Runs that are kept, listed, looked at, and go on.

use super::*;

/// An agent that writes down which task it does, and fails in `c` while a file is there.
fn agent(folder: &Folder) -> String {
    let (log, broken) = (folder.at("log"), folder.at("broken"));
    format!(
        r#"*=sh -c 'echo "$ORCH_TASK_ID $ORCH_IDEMPOTENCY_KEY" >> "{log}"; test "$ORCH_TASK_ID" != c -o ! -e "{broken}"'"#
    )
}

/// The tasks that were begun, in order.
fn begun(folder: &Folder) -> Vec<String> {
    let mut tasks: Vec<String> =
        folder.read("log").lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    tasks.sort();
    tasks
}

#[test]
fn a_run_that_failed_goes_on_after_an_edit() {
    let folder = Folder::new();
    let (file, store) = (folder.file("work.json", diamond()), folder.at("orch.db"));
    folder.file("broken", "");
    let agent = agent(&folder);
    let first = orch(["run", &file, "--agent", &agent, "-j", "1", "--store", &store, "--json"]).exits(1);
    assert!(first.stderr.contains("is kept as the run"), "{}", first.stderr);
    let run = first.json()["run"].as_str().unwrap().to_owned();

    let runs = orch(["runs", "--json", "--store", &store]).exits(0).json();
    assert_eq!((runs["version"].clone(), runs["runs"][0]["run"].clone()), (json!(1), json!(run)));
    assert_eq!(runs["runs"][0]["state"], "failed");
    let ends = &run[run.len() - 8..];
    let report = orch(["report", ends, "--json", "--store", &store]).exits(0).json();
    assert_eq!(report["state"], "failed");
    let shown = orch(["runs", "show", ends, "--json", "--store", &store]).exits(0).json();
    assert_eq!(shown["events"][0]["event"], "run_started");
    let text = orch(["report", "--store", &store]).exits(0).stdout;
    assert!(text.contains("failed"), "{text}");

    fs::remove_file(folder.path("broken")).unwrap();
    let before = begun(&folder).len();
    let plan = orch(["plan", &file, "--json", "--store", &store, "--resume"]).exits(0).json();
    assert_eq!(plan["run"], json!(run));
    assert!(plan["kept"].as_array().unwrap().contains(&json!("a")), "{plan}");
    assert!(plan["again"].as_array().unwrap().contains(&json!({"task": "c", "why": "it had failed"})), "{plan}");
    let again = orch(["run", &file, "--agent", &agent, "--store", &store, "--json", "--resume"]).exits(0);
    assert!(again.stderr.contains("goes on with the run"), "{}", again.stderr);
    assert_eq!(again.json()["run"], json!(run));
    assert!(begun(&folder).len() < before + 4);
    assert_eq!(begun(&folder).iter().filter(|task| *task == "a").count(), 1, "its result was kept");

    // `c` is another agent's now: it and `d` are run again.
    let edited = command(&[("a", "one", &[]), ("b", "two", &["a"]), ("c", "three", &["a"]), ("d", "one", &["b", "c"])]);
    folder.file("work.json", edited);
    let text = orch(["plan", &file, "--store", &store, "--resume", ends]).exits(0).stdout;
    assert!(text.contains("2 tasks are kept, 2 are run") && text.contains("c: its definition changed"), "{text}");
    let before = begun(&folder);
    orch(["run", &file, "--agent", &agent, "--store", &store, "--resume", ends]).exits(0);
    let mut wanted = [before, vec!["c".to_owned(), "d".to_owned()]].concat();
    wanted.sort();
    assert_eq!(begun(&folder), wanted);
    assert_eq!(orch(["runs", "--json", "--store", &store]).exits(0).json()["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn without_a_place_the_store_is_that_of_the_repository() {
    let folder = Folder::new();
    folder.file("work.json", diamond());
    let git = std::process::Command::new("git").args(["init", "-q"]).current_dir(folder.path("")).status().unwrap();
    assert!(git.success());
    let here = |args: &[&str]| {
        let output = process::program(&folder).args(args).env("ORCH_STORE", "").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // In the middle and at the end: no word of its own is its value.
    here(&["run", "work.json", "--store", "--agent", "*=true"]);
    here(&["run", "work.json", "--agent", "*=true", "--store"]);
    assert!(folder.path(".git/orch/orch.db").exists());
    let plan = here(&["plan", "work.json", "--store"]);
    assert!(plan.contains("learned from "), "{plan}");
    let runs: Value = serde_json::from_str(&here(&["runs", "--json"])).unwrap();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2);
}

/// The word after `--store` is its own, whatever it was meant for.
#[test]
fn who_loses_the_file_to_the_store_is_told() {
    let folder = Folder::new();
    let file = folder.file("work.json", diamond());
    let said = orch(["run", "--store", &file]).exits(2).stderr;
    assert!(said.contains(&format!("tip: `--store {file}` is a store at `{file}`")), "{said}");
    let plain = orch(["run"]).exits(2).stderr;
    assert!(plain.contains("<FILE>") && !plain.contains("tip:"), "{plain}");
}

#[test]
fn a_dry_run_shows_how_a_run_goes_on_and_is_not_kept() {
    let folder = Folder::new();
    let (file, store) = (folder.file("work.json", diamond()), folder.at("orch.db"));
    orch(["run", &file, "--dry-run", "--store", &store]).exits(0);
    assert!(!folder.path("orch.db").exists(), "its tasks would count as done");
    folder.file("broken", "");
    orch(["run", &file, "--agent", &agent(&folder), "--store", &store]).exits(1);
    let before = begun(&folder);
    let report = orch(["run", &file, "--dry-run", "--store", &store, "--json", "--resume"]).exits(0);
    assert!(!report.stderr.contains("is kept as"), "{}", report.stderr);
    let tasks = report.json()["tasks"].as_array().unwrap().clone();
    let a = tasks.iter().find(|task| task["id"] == "a").unwrap();
    assert_eq!(a["restored"], true, "{a}");
    assert_eq!(begun(&folder), before);
    assert_eq!(orch(["runs", "--json", "--store", &store]).exits(0).json()["runs"][0]["state"], "failed");
}

/// Two processes, one after the other: the second need not do what the first has done, and its plan knows how long it took.
#[test]
fn later_runs_find_what_was_made_and_plan_by_it() {
    let folder = Folder::new();
    let mut work: Value = serde_json::from_str(&command(&[("map", "one", &[]), ("use", "two", &["map"])])).unwrap();
    work["phases"][0]["agents"][0]["context"] = json!({"outputs": [{"key": "code_map", "ttl": 3600}]});
    let (file, store, log) = (folder.file("work.json", work.to_string()), folder.at("orch.db"), folder.at("log"));
    let agent = format!(r#"*=sh -c 'echo "$ORCH_TASK_ID" >> "{log}"; echo "{{\"code_map\": 7}}"'"#);
    let run = || orch(["run", &file, "--agent", &agent, "--store", &store, "--json"]).exits(0).json();
    assert_eq!(run()["tasks"][0]["cached"], false);
    let second = run();
    assert_eq!(
        (second["tasks"][0]["cached"].clone(), second["tasks"][1]["cached"].clone()),
        (json!(true), json!(false))
    );
    assert_eq!(folder.read("log").lines().collect::<Vec<_>>(), ["map", "use", "use"]);

    let plan = orch(["plan", &file, "--json", "--store", &store]).exits(0).json();
    let learned = |nth: usize| plan["steps"][nth]["learned"].clone();
    assert_eq!((learned(0)["runs"].clone(), learned(1)["runs"].clone()), (json!(1), json!(2)));
    assert_eq!((learned(1)["by"].clone(), learned(1)["cost_usd"].clone()), (json!("work"), Value::Null));
    assert_eq!(plan["steps"][1]["estimate_ms"], learned(1)["median_ms"]);
    let text = orch(["plan", &file, "--store", &store]).exits(0).stdout;
    assert!(text.contains("learned from 2 runs, p90"), "{text}");
    assert_eq!(orch(["plan", &file, "--json"]).exits(0).json()["steps"][0]["learned"], Value::Null);
}

#[test]
fn a_store_is_checked_compacted_and_copied() {
    let folder = Folder::new();
    let (file, store, copy) = (folder.file("work.json", diamond()), folder.at("orch.db"), folder.at("copy.db"));
    orch(["run", &file, "--agent", &agent(&folder), "--store", &store]).exits(0);
    let found = orch(["store", "--store", &store, "check", "--json"]).exits(0).json();
    assert_eq!((found["found"]["runs"].clone(), found["found"]["problems"].clone()), (json!(1), json!([])));
    orch(["store", "--store", &store, "export", &copy]).exits(0);
    let again = orch(["store", "--store", &store, "export", &copy]).exits(2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    let report = orch(["report", "--json", "--store", &copy]).exits(0).json();
    assert_eq!(report["state"], "succeeded");
    let done = orch(["store", "--store", &store, "compact", "--older-than", "1h", "--json"]).exits(0).json();
    assert!(done["done"]["bytes_after"].as_u64().unwrap() <= done["done"]["bytes_before"].as_u64().unwrap());
}

#[test]
fn what_is_not_there_is_said() {
    let folder = Folder::new();
    let (file, store) = (folder.file("work.json", diamond()), folder.at("orch.db"));
    for command in ["runs", "report"] {
        let refused = orch([command, "--store", &store]).exits(2);
        assert!(refused.stderr.contains("there is no store"), "{}", refused.stderr);
    }
    let agent = agent(&folder);
    let refused = orch(["run", &file, "--agent", &agent, "--store", &store, "--resume"]).exits(2);
    assert!(refused.stderr.contains("there is no store"), "{}", refused.stderr);
    assert!(!folder.path("orch.db").exists(), "nothing was made");
    orch(["run", &file, "--agent", &agent, "--store", &store]).exits(0);
    let other = folder.file("other.json", diamond());
    let refused = orch(["run", &other, "--agent", &agent, "--store", &store, "--resume"]).exits(2);
    assert!(refused.stderr.contains("the store has no run of"), "{}", refused.stderr);
    let refused = orch(["report", "00000000", "--store", &store]).exits(2);
    assert!(refused.stderr.contains("there is no run"), "{}", refused.stderr);
    let ended = orch(["runs", "--store", &store, "--json"]).exits(0).json();
    let run = ended["runs"][0]["run"].as_str().unwrap().to_owned();
    let refused = orch(["runs", "cancel", &run, "--store", &store]).exits(1);
    assert!(refused.stderr.contains("has ended"), "{}", refused.stderr);
    // The process that had it is gone, as after a crash.
    let connection = rusqlite::Connection::open(&store).unwrap();
    connection.execute_batch("UPDATE runs SET state = 'running'").unwrap();
    drop(connection);
    assert_eq!(orch(["runs", "--store", &store, "--json"]).exits(0).json()["runs"][0]["interrupted"], true);
    assert!(orch(["runs", "--store", &store]).exits(0).stdout.contains("  interrupted  "));
    let letter = folder.file("letter.db", "a letter that is longer than the header of a database ".repeat(9));
    #[cfg(unix)]
    fs::set_permissions(&letter, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let refused = orch(["runs", "--store", &letter]).exits(2);
    assert!(refused.stderr.contains("a file of another program"), "{}", refused.stderr);
}
