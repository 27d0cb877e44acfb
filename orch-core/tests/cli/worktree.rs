//! `orch worktree`, and a run whose tasks have worktrees.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use orch_core::{Clock, RunId};
use serde_json::{Value, json};

use super::{Done, Folder, command, orch, process};

pub(super) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
        .args(arguments)
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A repository with a commit on `main`, in the folder `app`.
pub(super) fn repository(folder: &Folder) -> PathBuf {
    let app = folder.path("app");
    fs::create_dir(&app).unwrap();
    git(&app, &["init", "-q", "-b", "main"]);
    for (name, text) in [("README.md", "# Shop\n\nSells things.\n"), ("shop.py", "print('shop')\n")] {
        fs::write(app.join(name), text).unwrap();
    }
    git(&app, &["add", "-A"]);
    git(&app, &["commit", "-q", "-m", "first"]);
    app
}

pub(super) fn worktree(app: &Path, args: &[&str]) -> Done {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let all = ["orch", "worktree", "-C", app.to_str().unwrap()].into_iter().chain(args.iter().copied());
    let code = orch_core::cli::main(all, &mut stdout, &mut stderr);
    Done { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn what_is_removed_comes_back_and_is_told_in_json() {
    let folder = Folder::new();
    let app = repository(&folder);
    let made = worktree(&app, &["new", "login", "--purpose", "try it", "--json"]).exits(0).json();
    assert_eq!((made["version"].clone(), made["branch"].clone()), (json!(1), json!("login")));
    let path = PathBuf::from(made["path"].as_str().unwrap());
    assert!(path.ends_with("app.worktrees/login"), "{path:?}");
    let twice = worktree(&app, &["new", "login", "--json"]).exits(2).json();
    assert_eq!(twice["error"]["code"], "CONFLICT", "{twice}");

    let list = worktree(&app, &["list", "--json"]).exits(0).json();
    assert_eq!((list["schema"].clone(), list["version"].clone()), (json!(2), json!(1)));
    assert_eq!(names(&list["items"]), ["app", "login"]);

    fs::write(path.join("new.txt"), "precious").unwrap();
    let stays = worktree(&app, &["remove", "login", "--json"]).exits(1).json();
    assert_eq!(stays["worktrees"][0]["removed"], false);
    assert_eq!(stays["worktrees"][0]["hindrances"], json!([{"why": "untracked", "paths": 1}]));
    assert!(path.join("new.txt").exists());
    let gone = worktree(&app, &["remove", "login", "--force", "--branch", "--json"]).exits(0).json();
    assert_eq!(
        (gone["worktrees"][0]["removed"].clone(), gone["worktrees"][0]["dropped_branch"].clone()),
        (json!(true), json!(true))
    );
    assert!(!path.exists());
    assert_eq!(names(&worktree(&app, &["restore", "--json"]).exits(0).json()["trash"]), ["login"]);
    let back = worktree(&app, &["restore", "login", "--json"]).exits(0).json();
    assert_eq!((back["name"].clone(), back["branch"].clone()), (json!("login"), json!("login")));
    assert_eq!(fs::read_to_string(path.join("new.txt")).unwrap(), "precious");
    assert_eq!(worktree(&app, &["restore", "--json"]).exits(0).json()["trash"], json!([]));
    for call in [&["remove", "none", "--json"][..], &["restore", "none", "--json"]] {
        assert_eq!(worktree(&app, call).exits(2).json()["error"]["code"], "NOT_FOUND");
    }
    let outside = worktree(&folder.path(""), &["list", "--json"]).exits(2);
    assert_eq!(outside.json()["error"]["code"], "NOT_FOUND");
}

#[test]
fn reports_and_syncs_are_json() {
    let folder = Folder::new();
    let app = repository(&folder);
    for name in ["behind", "dirty"] {
        worktree(&app, &["new", name]).exits(0);
    }
    fs::write(folder.path("app.worktrees/dirty/new.txt"), "n").unwrap();
    fs::write(app.join("shop.py"), "print('more')\n").unwrap();
    git(&app, &["commit", "-q", "-am", "second"]);

    let file = folder.at("health/worktree_health.json");
    let report = worktree(&app, &["report", "--json", "--output", &file]).exits(0).json();
    assert_eq!(report["total_worktrees"], 3);
    assert_eq!(
        serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()).unwrap()["worktrees"],
        report["worktrees"]
    );

    let synced = worktree(&app, &["sync", "--json"]).exits(0).json();
    let of = |name: &str| synced["worktrees"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
    assert_eq!((of("behind")["why"].clone(), of("behind")["after"].clone()), (Value::Null, of("app")["after"].clone()));
    assert_eq!(of("dirty")["why"], "something in it is not committed");
    assert_eq!(worktree(&app, &["sync", "none", "--json"]).exits(2).json()["error"]["code"], "NOT_FOUND");
    // As text, to a pipe: a plain table.
    let text = worktree(&app, &["list"]).exits(0).stdout;
    assert!(text.starts_with("WORKTREE") && text.contains("dirty") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn what_runs_kept_goes_with_them() {
    let folder = Folder::new();
    let app = repository(&folder);
    let store = folder.at("store.sqlite");
    let file = folder.file("x.json", command(&[("a", "one", &[])]));
    orch(["run", &file, "--agent", "*=true", "--store", &store, "--quiet"]).exits(0);
    let runs = orch(["runs", "--store", &store, "--json"]).exits(0).json();
    let stored = runs["runs"][0]["run"].as_str().unwrap().to_owned();
    // One began in 1970, one begins now; neither is in the store.
    let [old, fresh] = [RunId::from_parts(1, 1), RunId::new(&Clock::system())].map(|run| run.to_string());
    for run in [&old, &fresh, &stored] {
        git(&app, &["update-ref", &format!("refs/orch/runs/{run}/@base"), "HEAD"]);
    }
    let left = || git(&app, &["for-each-ref", "--format=%(refname)", "refs/orch/runs"]);
    let pruned = worktree(&app, &["prune", "--store", &store, "--json"]).exits(0).json();
    assert_eq!(pruned["runs"], json!([{"run": old, "dropped": 1, "left": []}]));
    assert!(!left().contains(&old) && left().contains(&fresh) && left().contains(&stored), "{}", left());
    let text = worktree(&app, &["prune", "--store", &store, "--older-than", "1ms"]).exits(0);
    assert!(text.stderr.contains(&format!("forgot 1 result of the run {fresh}")), "{}", text.stderr);
    assert_eq!(left().trim(), format!("refs/orch/runs/{stored}/@base"), "the store has it: it may go on");
    let other = folder.at("other.sqlite");
    worktree(&app, &["prune", "--store", &other, "--older-than", "1ms"]).exits(0);
    assert_eq!(left(), "");
}

#[test]
fn settings_that_nobody_approved_make_nothing() {
    let folder = Folder::new();
    let app = repository(&folder);
    fs::write(app.join("orch.toml"), "[worktrees]\ncommands = [[\"touch\", \"ran\"]]\n").unwrap();
    let held = worktree(&app, &["new", "one", "--json"]).exits(2).json();
    assert!(held["error"]["message"].as_str().unwrap().contains("nobody approved"), "{held}");
    assert!(!folder.path("app.worktrees/one").exists());
    let made = worktree(&app, &["new", "one", "--yes", "--json"]).exits(0).json();
    assert!(Path::new(made["path"].as_str().unwrap()).join("ran").exists());
}

#[test]
fn five_edit_side_by_side_and_four_come_in() {
    let folder = Folder::new();
    let app = repository(&folder);
    let example = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/commands").join(name);
        path.to_str().unwrap().to_owned()
    };
    let (file, agents) = (example("parallel-worktrees.json"), example("parallel-worktrees.toml"));
    let run = |more: &[&str]| {
        let mut program = process::program(&folder);
        program.args(["run", &file, "--agents", &agents, "--worktrees=5", "--json"]).args(more);
        program.current_dir(&app).output().unwrap()
    };
    let done = run(&["--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!String::from_utf8_lossy(&done.stderr).contains("orch worktree merge"), "the gate has brought it in");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let gate = report["tasks"].as_array().unwrap().iter().find(|task| task["id"] == "bring-together").unwrap();
    let mut output = gate["output"].clone();
    if let Some(text) = output.as_str() {
        output = serde_json::from_str(text).unwrap();
    }
    let mut came = names(&output["merged"]);
    came.sort_unstable();
    assert_eq!(came, ["index-files", "list-authors", "note-changes", "say-status"], "{output}");
    assert_eq!(names(&output["refused"]), ["shout-title"]);
    assert_eq!(output["refused"][0]["paths"], json!(["README.md"]));
    assert_eq!(git(&app, &["rev-list", "--count", "main"]).trim(), "5", "one commit each");
    assert_eq!(git(&app, &["status", "--porcelain"]), "");
    assert_eq!(git(&app, &["show", "main:README.md"]).lines().next(), Some("# Shop (draft)"));
    for name in ["AUTHORS.txt", "FILES.txt", "RECENT.md"] {
        assert!(app.join(name).exists(), "{name}");
    }
    // What did not come in is not lost.
    let branches = git(&app, &["branch", "--list", "--format=%(refname:short)", "orch/*/shout-title"]);
    assert_eq!(git(&app, &["show", &format!("{}:README.md", branches.trim())]).lines().next(), Some("# SHOP"));
    // Nobody approved the check: nothing comes in, and it is said.
    let held = run(&[]);
    assert_eq!(held.status.code(), Some(1), "{}", String::from_utf8_lossy(&held.stderr));
    assert_eq!(git(&app, &["rev-list", "--count", "main"]).trim(), "5");
}

#[test]
fn without_a_gate_it_is_said_how_the_work_is_brought_in() {
    let folder = Folder::new();
    let app = repository(&folder);
    let file = folder.file("two.json", command(&[("draft", "writer", &[]), ("print", "writer", &["draft"])]));
    let run = |agent: &str| {
        let mut program = process::program(&folder);
        program.args(["run", &file, "--agent", agent, "--worktrees"]);
        let done = program.current_dir(&app).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stderr).unwrap()
    };
    let said = run("*=sh -c 'echo $ORCH_TASK_ID > $ORCH_TASK_ID.txt'");
    let how =
        said.split('`').find(|part| part.starts_with("orch worktree merge orch/")).unwrap_or_else(|| panic!("{said}"));
    assert!(how.ends_with("/print"), "of the last task, which has the work of the others: {how}");
    assert!(!app.join("draft.txt").exists());
    worktree(&app, &["merge", how.rsplit(' ').next().unwrap()]).exits(0);
    for name in ["draft", "print"] {
        assert_eq!(fs::read_to_string(app.join(format!("{name}.txt"))).unwrap().trim(), name);
    }
    // Nothing was changed: nothing is to be brought in.
    assert!(!run("*=true").contains("orch worktree merge"));
}
