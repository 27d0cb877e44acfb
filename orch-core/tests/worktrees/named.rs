//! Worktrees by name, and what runs keep.

use std::time::Duration;

use orch_core::{
    Clock, ErrorKind, RunId,
    ext::worktree::{Base, Holder, Look, Named, New, WorktreeOptions},
    git::BranchName,
};

use super::*;

fn save(folder: &Path, message: &str) {
    git(folder, &["add", "-A"]);
    commit(folder, message);
}

fn wanted(name: &str) -> Named {
    let branch = BranchName::new(&format!("worktree/{name}")).unwrap();
    let base = Base::Branch(BranchName::new("main").unwrap());
    Named { name: name.to_owned(), branch: Some(branch), base, follow: true, ..Named::default() }
}

#[test]
fn one_has_it_until_it_is_given_back_and_it_follows_while_nothing_is_in_the_way() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let mut named = wanted("tests");
    named.holder = Holder { task: Some("t".into()), agent: Some("a".into()), ..Holder::default() };
    let first = worktrees.take(&named).unwrap().unwrap();
    assert_eq!((first.lease.path.clone(), first.clean, first.apart), (repository.at("tests"), true, Some((0, 0))));
    assert!(worktrees.take(&named).unwrap().is_none(), "somebody has it");
    assert_eq!(git(&repository.at("tests"), &["branch", "--show-current"]).trim(), "worktree/tests");
    let before = first.head.clone();
    drop(first);

    repository.write("a.txt", "two\n");
    save(&repository.main, "second");
    let second = worktrees.take(&named).unwrap().unwrap();
    assert_ne!(second.head, before);
    assert_eq!(read(repository.at("tests").join("a.txt")), "two\n");
    let record = worktrees.find("tests").unwrap().record.unwrap();
    assert_eq!((record.task.as_deref(), record.agent.as_deref()), (Some("t"), Some("a")));
    drop(second);

    // Changed: it stays, with what is in it.
    write(&repository.at("tests"), "a.txt", "mine\n");
    repository.write("a.txt", "three\n");
    save(&repository.main, "third");
    let changed = worktrees.take(&named).unwrap().unwrap();
    assert_eq!((changed.clean, changed.apart), (false, Some((0, 1))));
    assert_eq!(read(repository.at("tests").join("a.txt")), "mine\n");
    drop(changed);
    // Committed: it has something of its own.
    save(&repository.at("tests"), "mine");
    let own = worktrees.take(&named).unwrap().unwrap();
    assert_eq!((own.clean, own.apart), (true, Some((1, 1))));
    drop(own);
    // Without being asked to follow it never moves.
    make(&worktrees, "still");
    repository.write("a.txt", "four\n");
    save(&repository.main, "fourth");
    let still = worktrees.take(&Named { name: "still".into(), ..Named::default() }).unwrap().unwrap();
    assert_eq!((still.apart, read(repository.at("still").join("a.txt"))), (None, "three\n".to_owned()));
}

#[test]
fn what_is_somebody_elses_is_not_taken() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let main = worktrees.take(&Named { name: "app".into(), ..Named::default() }).unwrap_err();
    assert_eq!(main.kind(), ErrorKind::InvalidValue, "{main}");
    let purpose = |text: &str| Named { purpose: Some(text.to_owned()), ..wanted("a-b-c") };
    drop(worktrees.take(&purpose("a-b on c")).unwrap().unwrap());
    drop(worktrees.take(&purpose("a-b on c")).unwrap().unwrap());
    let other = worktrees.take(&purpose("a on b-c")).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict, "{other}");
    assert!(other.to_string().contains("it is there for a-b on c, and not for a on b-c"), "{other}");
    // Made by hand: it is used, and never moved.
    let by_hand = repository.at("by-hand");
    git(&repository.main, &["worktree", "add", "-q", "-b", "by-hand", by_hand.to_str().unwrap()]);
    repository.write("a.txt", "two\n");
    save(&repository.main, "second");
    let taken = worktrees.take(&wanted("by-hand")).unwrap().unwrap();
    assert_eq!((taken.apart, read(by_hand.join("a.txt"))), (Some((0, 1)), "one\n".to_owned()));
    // A branch that is there stays where it stands; one that is not is an error.
    git(&repository.main, &["branch", "worktree/old", "HEAD~1"]);
    let old = worktrees.take(&Named { follow: false, ..wanted("old") }).unwrap().unwrap();
    assert_eq!(read(old.lease.path.join("a.txt")), "one\n");
    let base = Base::Branch(BranchName::new("no/such").unwrap());
    let none = worktrees.take(&Named { base, ..wanted("none") }).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound, "{none}");
    assert!(!repository.at("none").exists());
}

#[test]
fn a_branch_is_also_that_of_origin() {
    let repository = Repository::new();
    let clone = repository.root.join("clone");
    git(&repository.main, &["branch", "feature/x"]);
    git(&repository.root, &["clone", "-q", repository.main.to_str().unwrap(), clone.to_str().unwrap()]);
    let worktrees = Worktrees::open(&clone, WorktreeOptions::default()).unwrap();
    let base = Base::Branch(BranchName::new("feature/x").unwrap());
    let made = worktrees.create(&New { name: "x".into(), base, ..New::default() }).unwrap();
    assert_eq!(made.head.as_str(), git(&repository.main, &["rev-parse", "feature/x"]).trim());
}

#[test]
fn what_a_run_kept_goes_and_no_commit_is_lost() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let main = &repository.main;
    let [first, second, live] = [1, 2, 3].map(|random| RunId::from_parts(random, random.into()));
    let keep = |run: RunId, name: &str, what: &str| {
        git(main, &["update-ref", &format!("refs/orch/runs/{run}/{name}"), what]);
    };
    for name in ["@base", "on-a-branch", "merged"] {
        keep(second, name, "HEAD");
    }
    keep(first, "@base", "HEAD");
    keep(live, "@base", "HEAD");
    git(main, &["update-ref", "refs/orch/runs/no-run/x", "HEAD"]);
    git(main, &["update-ref", "refs/orch/left/x/1", "HEAD"]);
    // One whose work is nowhere else, and one whose work came in as another commit.
    let only_there = |file: &str| {
        git(main, &["switch", "-q", "--detach", "main"]);
        write(main, file, "n\n");
        git(main, &["add", "-A"]);
        commit(main, file);
        let oid = git(main, &["rev-parse", "HEAD"]).trim().to_owned();
        git(main, &["switch", "-q", "main"]);
        oid
    };
    keep(second, "lonely", &only_there("lonely.txt"));
    let squashed = only_there("squashed.txt");
    keep(second, "merged", &squashed);
    git(main, &["merge", "-q", "--squash", &squashed]);
    commit(main, "squashed");
    make(&worktrees, "busy");
    let holder = Holder { run: Some(live.to_string()), ..Holder::default() };
    let _lease = worktrees.lease(&repository.at("busy"), holder).unwrap().unwrap();

    let kept = worktrees.kept_runs().unwrap();
    let seen: Vec<_> = kept.iter().map(|one| (one.run, one.in_use, one.references.len())).collect();
    assert_eq!(seen, [(first, false, 1), (second, false, 4), (live, true, 1)]);
    let forgotten = worktrees.forget_run(&kept[1]).unwrap();
    assert_eq!((forgotten.dropped, forgotten.left), (3, vec![format!("refs/orch/runs/{second}/lonely")]));
    assert_eq!(worktrees.forget_run(&kept[0]).unwrap().dropped, 1);
    let left = git(main, &["for-each-ref", "--format=%(refname)", "refs/orch/"]);
    let want = format!(
        "refs/orch/left/x/1\nrefs/orch/runs/{second}/lonely\nrefs/orch/runs/{live}/@base\nrefs/orch/runs/no-run/x\n"
    );
    let mut lines: Vec<&str> = left.lines().collect();
    lines.sort_unstable();
    let mut wanted: Vec<&str> = want.lines().collect();
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

#[test]
fn alerts_say_what_a_person_should_look_at() {
    let repository = Repository::new();
    let (clock, hand) = Clock::manual();
    let worktrees = repository.worktrees_with(WorktreeOptions { clock, ..WorktreeOptions::default() });
    for name in ["old", "gone", "busy"] {
        make(&worktrees, name);
    }
    fs::remove_dir_all(repository.at("gone")).unwrap();
    let _lease = worktrees.lease(&repository.at("busy"), Holder::default()).unwrap().unwrap();
    // The commit is of the real time, which the clock has to pass.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    hand.wall_forward(now + Duration::from_secs(12 * 86_400));
    let overview = worktrees.look(&Look::default()).unwrap();
    let alerts: Vec<String> = overview.alerts().iter().map(ToString::to_string).collect();
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert_eq!(alerts[0], "the folder of gone is gone; `orch worktree prune` forgets it");
    assert!(alerts[1].starts_with("old is stale: nobody used it for "), "{alerts:?}");
    let json = overview.json();
    assert_eq!(
        (json["alerts"][1]["kind"].clone(), json["alerts"][1]["text"].clone()),
        ("stale".into(), alerts[1].clone().into())
    );
}

#[test]
fn what_is_excluded_is_so_in_all_worktrees_and_written_once() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let made = worktrees.create(&New { name: "one".to_owned(), ..New::default() }).unwrap();
    let exclude = repository.main.join(".git/info/exclude");
    // Somebody's own line, that does not end.
    fs::write(&exclude, "*.mine").unwrap();
    for _ in 0..2 {
        worktrees.exclude("/.worktree").unwrap();
    }
    assert_eq!(fs::read_to_string(&exclude).unwrap(), "*.mine\n/.worktree\n");
    for folder in [&repository.main, &made.path] {
        write(folder, ".worktree", "{}");
        assert_eq!(git(folder, &["status", "--porcelain"]), "");
    }
    fs::remove_dir_all(exclude.parent().unwrap()).unwrap();
    worktrees.exclude("/.worktree").unwrap();
    assert_eq!(fs::read_to_string(&exclude).unwrap(), "/.worktree\n");
    for none in ["", " ", "a\nb"] {
        assert_eq!(worktrees.exclude(none).unwrap_err().kind(), ErrorKind::InvalidValue, "{none:?}");
    }
}
