//! Hooks of git: with git itself, in repositories made for the test.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::{Command, Output},
};

use orch_core::{
    Usd,
    cost::budget::{Column, Labels},
    session::{self, Charge, CommitRecord, Ledger},
    store::{SqliteOptions, SqliteStore},
};

use super::*;

/// A repository with a commit on `main`, in a folder of its own.
struct Repository(Folder);

impl Repository {
    fn new() -> Self {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("home")).unwrap();
        fs::create_dir_all(folder.path("work")).unwrap();
        let new = Self(folder);
        new.git(&["init", "--quiet", "-b", "main"]);
        new.write("work/a", "1");
        new.git(&["add", "a"]);
        new.git(&["commit", "--quiet", "-m", "first"]);
        new
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn program(&self, name: &str, text: &str, mode: u32) {
        // By another process: were it written here, a program that another test starts meanwhile would hold it open.
        let write = "printf '%s' \"$1\" > \"$2\" && chmod \"$3\" \"$2\"";
        let mode = format!("{mode:o}");
        let status = Command::new("sh").args(["-c", write, "sh", text]).arg(self.path(name)).arg(mode).status();
        assert!(status.unwrap().success());
    }

    fn call(&self, program: &str, folder: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
        Command::new(program)
            .args(args)
            .current_dir(self.path(folder))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "a")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "a@localhost")))
            .envs(env.iter().copied())
            .output()
            .unwrap()
    }

    fn orch_in(&self, folder: &str, args: &[&str]) -> (i32, String, String) {
        parts(self.call(env!("CARGO_BIN_EXE_orch"), folder, args, &[]))
    }

    #[track_caller]
    fn orch(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.orch_in("work", args);
        assert_eq!(code, 0, "{stdout}{stderr}");
        stdout
    }

    #[track_caller]
    fn git_in(&self, folder: &str, args: &[&str]) -> String {
        let (code, stdout, stderr) = parts(self.call("git", folder, args, &[]));
        assert_eq!(code, 0, "{args:?}: {stdout}{stderr}");
        stdout.trim_end().to_owned()
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> String {
        self.git_in("work", args)
    }

    /// Commits, and answers the exit code and stderr.
    fn commit_in(&self, folder: &str, env: &[(&str, &str)]) -> (i32, String) {
        let args = ["commit", "--quiet", "--allow-empty", "-m", "next"];
        let (code, _, stderr) = parts(self.call("git", folder, &args, env));
        (code, stderr)
    }

    fn commit(&self) -> (i32, String) {
        self.commit_in("work", &[])
    }

    fn head(&self, folder: &str) -> String {
        self.git_in(folder, &["rev-parse", "HEAD"])
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.path("work/.git/orch/orch.db"), SqliteOptions::default()).unwrap()
    }

    fn commits(&self) -> Vec<CommitRecord> {
        session::commits(&self.store(), None, None).unwrap()
    }

    fn states(&self) -> Vec<String> {
        let status: Value = serde_json::from_str(&self.orch(&["hooks", "status", "git", "--json"])).unwrap();
        let state = |one: &Value| one["state"].as_str().unwrap().to_owned();
        status["hooks"].as_array().unwrap().iter().map(state).collect()
    }
}

fn parts(done: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

/// Every file of a folder: name, content or where the link leads, and mode.
fn picture(folder: &Path) -> Vec<(String, Vec<u8>, u32)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let link = || fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
            let text = if about.is_symlink() { link() } else { fs::read(&path).unwrap_or_default() };
            (path.file_name().unwrap().to_str().unwrap().to_owned(), text, about.mode())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn commits_and_merges_are_recorded_with_worktree_task_agent_and_cost() {
    let repository = Repository::new();
    repository.orch(&["hooks", "install", "git"]);
    assert_eq!(repository.commit(), (0, String::new()));
    let first = repository.head("work");

    repository.git(&["worktree", "add", "--quiet", "../side", "-b", "feat/login"]);
    let own = PathBuf::from(repository.git_in("side", &["rev-parse", "--path-format=absolute", "--git-dir"]));
    fs::write(own.join("orch.json"), r#"{"version": 1, "run": "r1", "task": "login", "agent": "coder", "made": 5}"#)
        .unwrap();
    let who = Labels::default().with(Column::Run, "r1").with(Column::Task, "login");
    let ledger = Ledger::new(std::sync::Arc::new(repository.store()), Default::default(), orch_core::Clock::system());
    let at = orch_core::WallTime(10);
    ledger.import(&[Charge { at, ..Charge::new(who, Usd::from_cents(7)) }]).unwrap();
    drop(ledger);
    assert_eq!(repository.commit_in("side", &[]), (0, String::new()));
    let second = repository.head("side");
    let said = [("ORCH_RUN_ID", "r2"), ("ORCH_TASK_ID", "other"), ("ORCH_AGENT", "")];
    assert_eq!(repository.commit_in("side", &said), (0, String::new()));
    let third = repository.head("side");
    repository.git(&["merge", "--quiet", "--no-edit", "feat/login"]);
    repository.write("side/b", "2");
    repository.git_in("side", &["add", "b"]);
    repository.git_in("side", &["commit", "--quiet", "-m", "x"]);
    // A commit that no merge made: were the squash recorded as a merge, it would be recorded as one of this.
    assert_eq!(repository.commit(), (0, String::new()));
    let fifth = repository.head("work");
    repository.git(&["merge", "--squash", "feat/login"]);
    repository.git(&["commit", "--quiet", "-m", "y"]);

    let got: Vec<_> = repository
        .commits()
        .into_iter()
        .map(|commit| {
            let usd = commit.usd().map(|usd| usd.to_decimal());
            (commit.hook, commit.commit, commit.worktree, commit.branch, commit.task, commit.agent, usd)
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    let row = |hook: &str, commit: &str, worktree: &str, branch: &str, task, agent, usd| {
        (hook.to_owned(), commit.to_owned(), worktree.to_owned(), some(branch), task, agent, usd)
    };
    let side = "feat/login";
    let fourth = repository.head("side");
    assert_eq!(
        got,
        [
            row("post-commit", &first, "work", "main", None, None, None),
            row("post-commit", &second, "side", side, some("login"), some("coder"), some("0.07")),
            row("post-commit", &third, "side", side, some("other"), None, some("0")),
            row("post-merge", &third, "work", "main", None, None, None),
            row("post-commit", &fourth, "side", side, some("login"), some("coder"), some("0")),
            row("post-commit", &fifth, "work", "main", None, None, some("0")),
            row("post-commit", &repository.head("work"), "work", "main", None, None, some("0")),
        ]
    );
    assert_eq!(repository.git(&["status", "--porcelain"]), "", "nothing that git tracks was written");
}

#[test]
fn a_policy_warns_or_refuses_and_says_what_to_run() {
    let repository = Repository::new();
    let rules = "[[hooks.git.rule]]\nbranch = 'main'\ntask = 'docs'\naction = 'allow'\n\
                 [[hooks.git.rule]]\nbranch = ['main', 'release/*']\naction = 'block'\nwhy = 'tasks have worktrees'\n\
                 [[hooks.git.rule]]\nbranch = 'feat/*'\nworktree = 'main'\nrun = 'orch worktree new x --branch {branch}'\n";
    repository.write("work/orch.toml", rules);
    repository.orch(&["hooks", "install", "git"]);
    let before = repository.head("work");
    let refused = "orch: the commit was refused, on `main`: tasks have worktrees (rule 2 of `hooks.git` in orch.toml)\n\
                   orch: run instead: orch worktree new NAME\n";
    assert_eq!(repository.commit(), (1, refused.to_owned()));
    assert_eq!(repository.commit_in("work", &[("ORCH_TASK_TYPE", "feat")]), (1, refused.to_owned()));
    assert_eq!(repository.head("work"), before);
    assert_eq!(repository.commits(), [], "what was refused is not recorded");
    assert_eq!(repository.commit_in("work", &[("ORCH_TASK_TYPE", "docs")]), (0, String::new()));
    repository.git(&["switch", "--quiet", "-c", "feat/a$b"]);
    let (code, stderr) = repository.commit();
    assert_eq!(code, 0);
    let warned = "orch: warning, commits on `feat/a$b` are better made elsewhere (rule 3 of `hooks.git` in orch.toml)\n\
                  orch: run instead: orch worktree new x --branch 'feat/a$b'\n";
    assert_eq!(stderr, warned);
    repository.git(&["worktree", "add", "--quiet", "../side", "-b", "feat/c"]);
    fs::copy(repository.path("work/orch.toml"), repository.path("side/orch.toml")).unwrap();
    assert_eq!(repository.commit_in("side", &[]), (0, String::new()), "a linked worktree is where it belongs");
    // Settings that cannot be read let commits pass, and say why.
    repository.write("work/orch.toml", "[[hooks.git.rule]]\nbrnch = 'x'\n");
    let (code, stderr) = repository.commit();
    assert_eq!(code, 0);
    assert!(stderr.starts_with("orch: the commit was not judged: `hooks.git`: unknown field `brnch`"), "{stderr}");
    // A repository without a commit.
    fs::create_dir(repository.path("new")).unwrap();
    repository.git_in("new", &["init", "--quiet", "-b", "main"]);
    repository.write("new/orch.toml", rules);
    assert_eq!(repository.orch_in("new", &["hook", "git", "pre-commit"]).0, 3);
}

#[test]
fn the_policy_of_the_scripts_counts_after_ones_own() {
    let repository = Repository::new();
    let config = |enforce: bool| {
        json!({
            "worktree_strategies": {"feature_development": {"pattern": "feat/*", "use_worktree": true}},
            "worktree_assignments": {"puzzle-gen": ["sudoku"]},
            "commit_hooks": {"pre_commit": {"check_worktree_usage": true, "enforce_orchestration": enforce}},
        })
        .to_string()
    };
    let file = ".worktree_orchestration_config.json";
    repository.write(&format!("work/{file}"), &config(false));
    repository.orch(&["hooks", "install", "git"]);
    assert_eq!(repository.commit(), (0, String::new()));
    let (code, stderr) = repository.commit_in("work", &[("ORCH_TASK_TYPE", "sudoku")]);
    let warned = format!("orch: warning, on `main`: `puzzle-gen` has a worktree (rule 2 of {file})\n");
    assert_eq!((code, stderr), (0, format!("{warned}orch: run instead: orch worktree new puzzle-gen\n")));
    repository.write(&format!("work/{file}"), &config(true));
    assert_eq!(repository.commit_in("work", &[("ORCH_TASK_TYPE", "sudoku")]).0, 1);
    repository.write("work/orch.toml", "[[hooks.git.rule]]\ntask = 'sudoku'\naction = 'allow'\n");
    assert_eq!(repository.commit_in("work", &[("ORCH_TASK_TYPE", "sudoku")]), (0, String::new()));
    repository.git(&["switch", "--quiet", "-c", "feat/a"]);
    let (code, stderr) = repository.commit();
    assert_eq!(code, 1);
    let refused = "orch: the commit was refused, on `feat/a`: `feature_development` of `worktree_strategies` uses worktrees (rule 1 of";
    assert!(stderr.starts_with(refused), "{stderr}");
    repository.write(&format!("work/{file}"), "<<<<<<< HEAD\n");
    let (code, stderr) = repository.commit();
    assert_eq!(code, 0);
    assert!(stderr.starts_with(&format!("orch: {file} was passed over: ")), "{stderr}");
}

#[test]
fn nothing_that_goes_wrong_stops_a_commit() {
    let repository = Repository::new();
    repository.program("orch", "#!/bin/sh\nexit 101\n", 0o755);
    repository.orch(&["hooks", "install", "git", "--program", "../orch"]);
    assert_eq!(repository.commit(), (0, String::new()), "a program that crashes");
    fs::remove_file(repository.path("orch")).unwrap();
    assert_eq!(repository.commit(), (0, String::new()), "a program that is gone");
    let status = repository.orch(&["hooks", "status", "git"]);
    assert!(status.contains("which is gone: it does nothing"), "{status}");

    repository.orch(&["hooks", "install", "git"]);
    fs::create_dir_all(repository.path("work/.git/orch")).unwrap();
    repository.program("work/.git/orch/orch.db", "this is no store, and was never one", 0o600);
    let (code, stderr) = repository.commit();
    assert_eq!((code, stderr.lines().count()), (0, 1), "{stderr}");
    assert!(stderr.starts_with("orch: it was not recorded: "), "{stderr}");
    assert_eq!(fs::read(repository.path("work/.git/orch/orch.db")).unwrap(), b"this is no store, and was never one");
    // Without a home, a shell, anything.
    fs::remove_file(repository.path("work/.git/orch/orch.db")).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_orch"))
        .args(["hook", "git", "pre-commit"])
        .current_dir(repository.path("work"))
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(parts(done), (0, String::new(), String::new()));
}

#[test]
fn hooks_that_were_there_before_run_first_and_come_back_as_they_were() {
    let repository = Repository::new();
    let hooks = repository.path("work/.git/hooks");
    // Finds its way by its name, as husky's do; another shell; a link; and one that git does not run.
    let named = "#!/bin/sh\necho \"${0##*/} $#\" >> ../said\ntest ! -e ../stop || exit 7\n";
    repository.program("work/.git/hooks/pre-commit", named, 0o750);
    repository.program("other", "#!/bin/bash\necho \"merge $1\" >> ../said\nexit 5\n", 0o755);
    std::os::unix::fs::symlink("../../../other", hooks.join("post-merge")).unwrap();
    repository.program("work/.git/hooks/post-commit", "#!/bin/sh\necho never >> ../said\n", 0o640);
    let before = picture(&hooks);

    repository.orch(&["hooks", "install", "git"]);
    assert_eq!(repository.states(), ["installed"; 3]);
    let installed = picture(&hooks);
    let again = repository.orch(&["hooks", "install", "git"]);
    assert!(again.starts_with("the hooks are in "), "{again}");
    assert_eq!(picture(&hooks), installed);

    assert_eq!(repository.commit(), (0, String::new()));
    assert_eq!(repository.commits().len(), 1);
    repository.write("stop", "");
    assert_eq!(repository.commit(), (1, String::new()), "its exit code counts");
    fs::remove_file(repository.path("stop")).unwrap();
    repository.git(&["switch", "--quiet", "-c", "x", "HEAD~1"]);
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "not the same"]);
    repository.git(&["merge", "--quiet", "--no-edit", "main"]);
    assert_eq!(repository.0.read("said"), "pre-commit 0\npre-commit 0\npre-commit 0\nmerge 0\n");
    assert_eq!(repository.commits().len(), 3, "the merge is recorded whatever the other hook says");
    // git does not look at it, those who call hooks from hooks do.
    let called = repository.call(".git/hooks/post-merge", "work", &["0"], &[]);
    assert_eq!(parts(called), (5, String::new(), String::new()), "the exit code of the other hook");

    repository.orch(&["hooks", "uninstall", "git"]);
    assert_eq!(picture(&hooks), before);
    assert_eq!(repository.states(), ["other"; 3]);
    let none = repository.orch(&["hooks", "uninstall", "git"]);
    assert!(none.starts_with("there are no hooks of orch in "), "{none}");
    assert_eq!(picture(&hooks), before);
}

#[test]
fn what_somebody_changed_is_not_dropped() {
    let repository = Repository::new();
    let hooks = repository.path("work/.git/hooks");
    let before = picture(&hooks);
    repository.orch(&["hooks", "install", "git"]);
    let ours = fs::read_to_string(hooks.join("post-commit")).unwrap();
    repository.program("work/.git/hooks/post-commit", &format!("{ours}# mine\n"), 0o755);
    let changed = picture(&hooks);
    for args in [["hooks", "install", "git"], ["hooks", "uninstall", "git"]] {
        let (code, _, stderr) = repository.orch_in("work", &args);
        assert_eq!(code, 2);
        assert!(stderr.contains("somebody has changed"), "{stderr}");
        assert_eq!(picture(&hooks), changed, "nothing was written");
    }
    repository.orch(&["hooks", "uninstall", "git", "--force"]);
    assert_eq!(picture(&hooks), before);

    // Another program puts its own in place of ours.
    repository.program("work/.git/hooks/pre-commit", "#!/bin/sh\nexit 0\n", 0o755);
    repository.orch(&["hooks", "install", "git"]);
    repository.program("work/.git/hooks/pre-commit", "#!/bin/sh\n# newer\nexit 0\n", 0o755);
    let changed = picture(&hooks);
    let (code, _, stderr) = repository.orch_in("work", &["hooks", "install", "git", "--force"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("is still there; take one of both away"), "{stderr}");
    assert_eq!(picture(&hooks), changed);
    let (code, _, stderr) = repository.orch_in("work", &["hooks", "uninstall", "git"]);
    assert_eq!(code, 0);
    assert!(stderr.contains("`pre-commit.before-orch` stays beside it"), "{stderr}");
    assert!(fs::read_to_string(hooks.join("pre-commit")).unwrap().contains("newer"));
    assert!(!hooks.join("post-commit").exists());
}

#[test]
fn the_folder_is_the_one_that_git_takes_and_never_one_of_others() {
    let repository = Repository::new();
    // Seen from the top of each worktree, wherever one stands.
    fs::create_dir_all(repository.path("work/tools/deep")).unwrap();
    repository.git(&["config", "core.hooksPath", "tools/hooks"]);
    let (code, stdout, stderr) = repository.orch_in("work/tools/deep", &["hooks", "install", "git"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stderr.contains("do not commit them"), "{stderr}");
    assert!(repository.path("work/tools/hooks/pre-commit").exists());
    assert_eq!(repository.commit(), (0, String::new()));
    assert_eq!(repository.commits().len(), 1, "git calls them there");
    repository.orch(&["hooks", "uninstall", "git"]);

    // The user's, for all repositories; another's; a link that leads out.
    let global = repository.path("work/global");
    fs::create_dir(&global).unwrap();
    fs::create_dir(repository.path("elsewhere")).unwrap();
    repository.git(&["config", "--unset", "core.hooksPath"]);
    repository.git(&["config", "--global", "core.hooksPath", global.to_str().unwrap()]);
    let refused = |why: &str| {
        let (code, _, stderr) = repository.orch_in("work", &["hooks", "install", "git"]);
        assert_eq!(code, 2);
        assert!(stderr.contains(why) && stderr.contains("--force"), "{stderr}");
    };
    refused("is for all repositories, by the global setting `core.hooksPath`");
    assert_eq!(fs::read_dir(&global).unwrap().count(), 0);
    repository.git(&["config", "core.hooksPath", "../elsewhere"]);
    refused("lies outside of the repository");
    std::os::unix::fs::symlink(repository.path("elsewhere"), repository.path("work/link")).unwrap();
    repository.git(&["config", "core.hooksPath", "link/new"]);
    refused("lies outside of the repository");
    assert_eq!(fs::read_dir(repository.path("elsewhere")).unwrap().count(), 0);
    repository.orch(&["hooks", "install", "git", "--force"]);
    assert!(repository.path("elsewhere/new/pre-commit").exists());
    repository.orch(&["hooks", "uninstall", "git", "--force"]);
    repository.git(&["config", "core.hooksPath", "/dev/null"]);
    let (code, _, stderr) = repository.orch_in("work", &["hooks", "install", "git", "--force"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("is no folder: hooks are switched off"), "{stderr}");
}

#[test]
fn worktrees_share_the_hooks_and_answers_are_json() {
    let repository = Repository::new();
    repository.git(&["worktree", "add", "--quiet", "../side", "-b", "side"]);
    let (code, stdout, _) = repository.orch_in("side", &["hooks", "install", "git", "--json"]);
    assert_eq!(code, 0);
    let hooks = fs::canonicalize(repository.path("work/.git/hooks")).unwrap();
    let told: Value = serde_json::from_str(&stdout).unwrap();
    let all = json!(["pre-commit", "post-commit", "post-merge"]);
    let program = env!("CARGO_BIN_EXE_orch");
    let row = |hook: &str| json!({"hook": hook, "state": "installed", "program": program, "program_found": true, "earlier": null});
    let rows: Vec<Value> = ["pre-commit", "post-commit", "post-merge"].map(row).into();
    let form = json!({"version": 1, "folder": hooks, "foreign": null, "in_tree": false, "hooks": rows, "changed": all});
    assert_eq!(told, form);
    assert_eq!(fs::metadata(hooks.join("pre-commit")).unwrap().permissions().mode() & 0o722, 0o700);
    for folder in ["work", "side"] {
        assert_eq!(repository.commit_in(folder, &[]), (0, String::new()));
    }
    let names: Vec<_> = repository.commits().into_iter().map(|commit| commit.worktree).collect();
    assert_eq!(names, ["work", "side"]);
    let told: Value = serde_json::from_str(&repository.orch(&["hooks", "uninstall", "git", "--json"])).unwrap();
    assert_eq!(told["changed"], all);
    let (code, stdout, _) = repository.orch_in("home", &["hooks", "status", "git", "--json"]);
    assert_eq!(code, 2);
    assert!(serde_json::from_str::<Value>(&stdout).unwrap()["error"]["message"].is_string(), "{stdout}");
}
