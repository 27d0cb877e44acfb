//! What is seen of worktrees, and what moves on.

use std::time::Duration;

use orch_core::{
    Clock,
    ext::worktree::{Holder, Look, Overview, State, WorktreeOptions},
};

use super::*;

fn states(overview: &Overview, name: &str) -> Vec<&'static str> {
    let row = overview.rows.iter().find(|row| row.known.name() == name).unwrap();
    row.states.iter().map(|state| state.name()).collect()
}

#[test]
fn states_say_how_each_worktree_is() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    for name in ["idle", "active", "waiting", "ahead", "dirty", "one", "gone", "squashed", "locked"] {
        make(&worktrees, name);
    }
    let edit = |name: &str, file: &str, text: &str| {
        write(&repository.at(name), file, text);
        git(&repository.at(name), &["add", "-A"]);
        git(&repository.at(name), &["commit", "-qm", "mine"]);
    };
    let _active = worktrees
        .lease(&repository.at("active"), Holder { task: Some("t1".into()), ..Holder::default() })
        .unwrap()
        .unwrap();
    let mut waiting = worktrees.lease(&repository.at("waiting"), Holder::default()).unwrap().unwrap();
    waiting.waits(true);
    edit("ahead", "new", "n\n");
    // Not committed in one, committed in the other: they get in each other's way all the same.
    write(&repository.at("dirty"), "b.txt", "dirty\n");
    edit("one", "b.txt", "one more\n");
    edit("squashed", "s", "s\n");
    fs::remove_dir_all(repository.at("gone")).unwrap();
    git(&repository.main, &["worktree", "lock", repository.at("locked").to_str().unwrap()]);
    git(&repository.main, &["merge", "-q", "--squash", "squashed"]);
    commit(&repository.main, "squashed");
    let overview = worktrees.look(&Look::default()).unwrap();
    for (name, expected) in [
        ("app", "idle"),
        ("idle", "idle behind"),
        ("active", "active behind"),
        ("waiting", "waiting behind"),
        ("ahead", "idle ahead behind"),
        ("dirty", "idle dirty behind conflicting"),
        ("one", "idle ahead behind conflicting"),
        ("gone", "idle behind prunable"),
        ("squashed", "idle ahead behind"),
        ("locked", "idle behind"),
    ] {
        assert_eq!(states(&overview, name).join(" "), expected, "{name}");
    }
    let json = overview.json();
    let item = |name: &str| json["items"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
    assert_eq!((json["schema"].clone(), json["repo"]["default_branch"].clone()), (2.into(), "main".into()));
    assert_eq!(item("app")["main_state"], "is_main");
    assert_eq!(
        (item("squashed")["main_state"].clone(), item("squashed")["integration_reason"].clone()),
        ("integrated".into(), "merge_adds_nothing".into())
    );
    assert_eq!(
        (item("gone")["worktree"]["state"].clone(), item("locked")["worktree"]["state"].clone()),
        ("prunable".into(), "locked".into())
    );
    assert_eq!(
        (item("dirty")["working_tree"]["modified"].clone(), item("dirty")["conflicts_with"].clone()),
        (true.into(), serde_json::json!(["one"]))
    );
    assert_eq!(item("active")["orch"]["holder"]["task"], "t1");
    assert_eq!(json["conflicts"][0]["paths"], serde_json::json!(["b.txt"]));
    assert_eq!(git(&repository.at("dirty"), &["status", "--porcelain"]), " M b.txt\n", "looking changes nothing");

    let health = overview.health();
    assert_eq!(health["total_worktrees"], 10);
    let row = |name: &str| {
        let path = repository.at(name).display().to_string();
        health["worktrees"].as_array().unwrap().iter().find(|it| it["path"] == path).unwrap().clone()
    };
    let keys: Vec<String> = row("idle").as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        ["path", "commit", "branch", "last_commit", "behind_main", "uncommitted_changes", "status", "health"]
    );
    assert_eq!((row("idle")["behind_main"].clone(), row("idle")["health"].clone()), (1.into(), "good".into()));
    assert_eq!(
        (row("dirty")["uncommitted_changes"].clone(), row("dirty")["health"].clone()),
        (1.into(), "needs_attention".into())
    );
    assert_eq!(row("gone")["health"], "needs_attention");
}

#[test]
fn what_nobody_uses_for_long_is_stale() {
    let repository = Repository::new();
    make(&repository.worktrees(), "work");
    // Later by a year than the commits and the making.
    let (clock, hand) = Clock::manual();
    hand.advance(Duration::from_secs(80 * 365 * 86_400));
    let worktrees = repository.worktrees_with(WorktreeOptions { clock, ..WorktreeOptions::default() });
    let overview = worktrees.look(&Look::default()).unwrap();
    assert_eq!(overview.rows[1].states, [State::Idle, State::Stale]);
    let patient = Look { stale_after: Duration::from_secs(200 * 365 * 86_400), ..Look::default() };
    assert_eq!(worktrees.look(&patient).unwrap().rows[1].states, [State::Idle]);
}

#[test]
fn only_what_has_nothing_of_its_own_moves_on() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    for name in ["plain", "dirty", "own", "used", "current"] {
        make(&worktrees, name);
    }
    make(&worktrees, "detached");
    git(&repository.at("detached"), &["checkout", "-q", "--detach"]);
    write(&repository.at("dirty"), "new", "n");
    write(&repository.at("own"), "a.txt", "own\n");
    git(&repository.at("own"), &["commit", "-qam", "own"]);
    repository.write("b.txt", "two\n");
    git(&repository.main, &["commit", "-qam", "second"]);
    git(&repository.at("current"), &["merge", "-q", "--ff-only", "main"]);
    let _used = worktrees.lease(&repository.at("used"), Holder::default()).unwrap().unwrap();
    let synced = worktrees.sync(&worktrees.all().unwrap()).unwrap();
    let why: Vec<(&str, bool, Option<&str>)> =
        synced.iter().map(|it| (it.name.as_str(), it.before != it.after, it.why.as_deref())).collect();
    let mut expected = vec![
        ("app", false, None),
        ("current", false, None),
        ("detached", false, Some("it is on no branch, or has no commit")),
        ("dirty", false, Some("something in it is not committed")),
        ("own", false, Some("it has 1 commits of its own, and lacks 1")),
        ("plain", true, None),
        ("used", false, Some("it is in use")),
    ];
    let mut why = why;
    why.sort();
    expected.sort();
    assert_eq!(why, expected);
    assert_eq!(
        (read(repository.at("plain").join("b.txt")).as_str(), read(repository.at("dirty").join("b.txt")).as_str()),
        ("two\n", "one\n")
    );
}

/// Who watches looks every few seconds: what is not committed must not become another commit each time.
#[test]
fn looking_again_leaves_nothing_more_behind() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let dirty = make(&worktrees, "dirty");
    write(&repository.at("dirty"), "new", "n\n");
    let brings = worktrees.results(&[dirty]).unwrap();
    let [(_, commit)] = &brings[..] else { panic!("{brings:?}") };
    let time = git(&repository.main, &["show", "-s", "--format=%at %ct %s", commit.as_str()]);
    assert_eq!(time, "0 0 what is in a worktree\n");
}
