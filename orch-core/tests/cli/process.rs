//! What needs a process: signals, pipes that close, the environment, settings near the working directory.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::{Folder, command, diamond};

pub(super) fn program(folder: &Folder) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_orch"));
    program.current_dir(folder.path(""));
    for name in ["CI", "NO_COLOR", "CLICOLOR_FORCE", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"] {
        program.env_remove(name);
    }
    program.env("XDG_STATE_HOME", folder.path("state")).stdin(Stdio::null());
    program
}

fn run<const N: usize>(folder: &Folder, args: [&str; N]) -> Output {
    program(folder).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Starts a run of one long program and waits until it runs; answers its process id, too.
fn long_run(folder: &Folder, script: &str) -> (Child, u32) {
    folder.file("x.json", command(&[("long", "long", &[]), ("after", "long", &["long"])]));
    let mut call = program(folder);
    call.args(["run", "x.json", "--json", "--events", "events", "--agent", &format!("*=sh -c '{script}'")]);
    let child = started(&mut call, folder, "");
    (child, wait_for(folder, "").parse().unwrap())
}

/// Starts a run whose events go to `events`, and waits until one of its programs says something that begins so.
pub(super) fn started(call: &mut Command, folder: &Folder, word: &str) -> Child {
    let child = call.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(folder, word);
    child
}

/// Waits until a program of the run says something that begins so, and answers it.
pub(super) fn wait_for(folder: &Folder, word: &str) -> String {
    // Bounded, and as quick as the machine: what a program says is an event.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let events = std::fs::read_to_string(folder.path("events")).unwrap_or_default();
        let said =
            events.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find_map(|event| {
                let text = event["text"].as_str().filter(|text| text.starts_with(word))?;
                (event["event"] == "task_output").then(|| text.to_owned())
            });
        match said {
            Some(text) => return text,
            None => assert!(Instant::now() < deadline, "no program said `{word}`"),
        }
        std::thread::yield_now();
    }
}

fn is_alive(id: u32) -> bool {
    Command::new("kill").args(["-0", &id.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn ctrl_c_stops_the_programs_and_still_reports() {
    // Under `nohup` these tests, and orch with them, ignore SIGHUP.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let hang_up = ignored.is_some_and(|mask| mask & 1 == 0).then_some(("HUP", 129));
    for (name, code) in [("INT", 130), ("TERM", 143)].into_iter().chain(hang_up) {
        let folder = Folder::new();
        let (child, id) = long_run(&folder, "echo $$; exec sleep 600");
        assert!(is_alive(id));
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["state"], "cancelled");
        assert!(!is_alive(id), "the program outlived the run");
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait() {
    let folder = Folder::new();
    // It ignores the polite signal, and would have five seconds of grace.
    let (mut child, id) = long_run(&folder, "trap : TERM INT; echo $$; while :; do sleep 600; done");
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    signal(&child, "INT");
    let mut line = String::new();
    while !line.contains("interrupted") {
        line.clear();
        assert_ne!(messages.read_line(&mut line).unwrap(), 0, "no word of the first signal");
    }
    let before = Instant::now();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(before.elapsed() < Duration::from_secs(4), "it waited for the grace period");
    let mut rest = String::new();
    messages.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("twice"), "{rest}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(id) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(!is_alive(id), "the program outlived the run");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new();
    let agents: Vec<String> = (0..5_000).map(|nth| format!("task-{nth}")).collect();
    let agents: Vec<(&str, &str, &[&str])> = agents.iter().map(|id| (id.as_str(), "a", &[][..])).collect();
    folder.file("wide.json", command(&agents));
    for args in [&["plan", "wide.json", "--json"][..], &["run", "wide.json", "--dry-run", "--events", "-", "-q"]] {
        let mut child = program(&folder).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Larger than any pipe, so that the program is still writing when its reader goes.
        child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let folder = Folder::new();
    folder.file("x.json", diamond());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = program(&folder).args(["plan", "x.json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("could not write"), "{}", stderr(&output));
}

#[test]
fn colours_only_where_they_are_wanted() {
    let folder = Folder::new();
    folder.file("x.json", diamond());
    let coloured = |change: &dyn Fn(&mut Command) -> &mut Command| {
        let mut program = program(&folder);
        program.args(["run", "x.json", "--dry-run"]);
        stderr(&change(&mut program).output().unwrap()).contains('\u{1b}')
    };
    assert!(!coloured(&|program| program), "no terminal, no colours");
    assert!(coloured(&|program| program.env("CLICOLOR_FORCE", "1")));
    assert!(coloured(&|program| program.arg("--color=always")));
    assert!(!coloured(&|program| program.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")));
    assert!(!coloured(&|program| program.env("CLICOLOR_FORCE", "1").arg("--color=never")));
}

#[test]
fn settings_are_found_upwards_but_their_programs_wait_for_approval() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("deep")).unwrap();
    folder.file("deep/x.json", diamond());
    folder.file("orch.toml", "[run]\nmax_parallel = 1\n[agents.'*']\nargv = ['true']\n");
    let run_there = |args: &[&str]| {
        let mut program = program(&folder);
        program.current_dir(folder.path("deep")).args(["run", "x.json", "--json"]).args(args).output().unwrap()
    };
    let refused = run_there(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("orch trust"), "{}", stderr(&refused));

    let approved = run_there(&["--yes"]);
    assert_eq!(approved.status.code(), Some(0), "{}", stderr(&approved));
    let report: serde_json::Value = serde_json::from_slice(&approved.stdout).unwrap();
    assert_eq!(report["max_parallel"], 1, "settings that start nothing need no approval");
    assert_eq!(run_there(&["--config", "../orch.toml"]).status.code(), Some(0), "naming it is approving it");
    assert_eq!(run_there(&["--no-config"]).status.code(), Some(2));

    let trust = run(&folder, ["trust"]);
    assert_eq!((trust.status.code(), String::from_utf8_lossy(&trust.stdout).trim()), (Some(0), "*  \"true\""));
    assert_eq!(run_there(&[]).status.code(), Some(0));
    folder.file("orch.toml", "[agents.'*']\nargv = ['false']\n");
    assert_eq!(run_there(&[]).status.code(), Some(2), "a changed file is not the one that was approved");
    assert_eq!(run(&folder, ["trust"]).status.code(), Some(0));
    assert_eq!(run_there(&[]).status.code(), Some(1));
    assert_eq!(run(&folder, ["trust", "--revoke"]).status.code(), Some(0));
    assert_eq!(run_there(&[]).status.code(), Some(2));
}

#[test]
fn github_gets_a_summary() {
    let folder = Folder::new();
    folder.file("x.json", diamond());
    folder.file("summary", "before\n");
    let output = program(&folder)
        .args(["run", "x.json", "--dry-run"])
        .env("GITHUB_STEP_SUMMARY", folder.path("summary"))
        .env("GITHUB_ACTIONS", "true")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(folder.read("summary").starts_with("before\n## /test: succeeded"), "{}", folder.read("summary"));
    assert!(stderr(&output).contains("::notice"), "{}", stderr(&output));
}

#[test]
fn usage_of_models_is_priced() {
    let folder = Folder::new();
    folder.file("x.json", command(&[("a", "a", &[])]));
    folder.file(
        "answer.json",
        r#"{"type":"result","subtype":"success","is_error":false,"result":"done","usage":{"input_tokens":4000,"output_tokens":800},
            "modelUsage":{"claude-sonnet-4-5":{"inputTokens":4000,"outputTokens":800}}}"#,
    );
    let output = run(&folder, ["run", "x.json", "--json", "--agent", "a=cat answer.json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["tokens"], &report["unpriced"]), (&4_800.into(), &0.into()), "{report}");
    assert!(report["cost_usd"].as_f64().unwrap() > 0.0);
}

#[test]
fn trust_shows_all_that_decides_what_is_started() {
    let folder = Folder::new();
    folder.file("orch.toml", "[agents.a]\nargv = ['make', 'x\u{1b}[2J']\ncwd = 'deep'\nenv = { PATH = '/odd' }\n");
    assert_eq!(run(&folder, ["trust"]).status.code(), Some(2), "control characters are no TOML");
    folder.file("orch.toml", "[agents.a]\nargv = ['make', \"x\\u001b[2J\"]\ncwd = 'deep'\nenv = { PATH = '/odd' }\n");
    let trust = run(&folder, ["trust"]);
    assert_eq!(trust.status.code(), Some(0), "{}", stderr(&trust));
    insta::assert_snapshot!(String::from_utf8_lossy(&trust.stdout), @r#"
    a  "make" "x\u{1b}[2J"
        in deep
        with PATH="/odd"
    "#);
}

#[test]
fn definitions_come_from_stdin_too() {
    let folder = Folder::new();
    let file = std::fs::File::open(folder.file("x.json", diamond())).unwrap();
    let output = program(&folder).args(["plan", "-", "--json"]).stdin(file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["tasks"], 4);
}

#[test]
fn a_file_without_end_is_refused() {
    let folder = Folder::new();
    let output = run(&folder, ["plan", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("larger than 64 MiB"), "{}", stderr(&output));
}

/// What a stranger copies from the README first.
#[test]
fn the_main_command_of_the_readme_works() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let start = "cargo run -p orch-core --features cli -- ";
    let command = readme.lines().find_map(|line| line.strip_prefix(start)).unwrap();
    let folder = Folder::new();
    let output = program(&folder).current_dir(root).args(command.split(' ')).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("output of rank-findings\n  longest file: ./"), "{text}");
    assert!(text.contains("/review-all: succeeded in") && text.contains("7 tasks: 7 succeeded"), "{text}");
}

/// What the README shows is what the program says.
#[test]
fn the_plan_of_the_readme_is_real() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, block) = readme.split_once("```console\n$ orch ").unwrap();
    let (arguments, rest) = block.split_once('\n').unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let output = program(&Folder::new()).current_dir(root).args(arguments.split(' ')).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown);
}
