//! Nothing is lost: what hinders a removal, what the trash gives back, what is never touched.

use std::{fs, os::unix::fs::symlink, process::Stdio, time::Duration};

use orch_core::{
    Clock, ErrorKind,
    ext::worktree::{Hindrance, Holder, Pruned, Remove, Removed, WorktreeOptions},
};

use super::*;

fn forced() -> Remove {
    Remove { force: true, ..Remove::default() }
}

/// All in a folder but git's own file, by path.
fn files(folder: &Path) -> Vec<(String, String)> {
    fn walk(folder: &Path, root: &Path, out: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let about = fs::symlink_metadata(&path).unwrap();
            if about.is_symlink() {
                out.push((name, format!("-> {}", fs::read_link(&path).unwrap().display())));
            } else if about.is_dir() {
                walk(&path, root, out);
            } else {
                out.push((name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
            }
        }
    }
    let mut out = Vec::new();
    walk(folder, folder, &mut out);
    out.sort();
    out
}

/// What a person would look at.
fn picture(path: &Path) -> (Vec<(String, String)>, String, String, String) {
    let status = git(path, &["status", "--porcelain=v2", "--branch", "--ignored"]);
    (files(path), status, git(path, &["log", "--oneline"]), git(path, &["diff", "--cached"]))
}

/// One row of the matrix: how the work comes about, and what it is called.
type Row = (&'static str, fn(&Repository, &Path), fn(&Hindrance) -> bool);

const MATRIX: &[Row] = &[
    (
        "dirty",
        |_, at| write(at, "a.txt", "two\n"),
        |it| matches!(it, Hindrance::Uncommitted { modified: 1, staged: 0, .. }),
    ),
    (
        "deleted",
        |_, at| fs::remove_file(at.join("a.txt")).unwrap(),
        |it| matches!(it, Hindrance::Uncommitted { modified: 1, .. }),
    ),
    (
        "staged",
        |_, at| {
            write(at, "a.txt", "two\n");
            git(at, &["add", "a.txt"]);
            write(at, "a.txt", "one\n");
        },
        |it| matches!(it, Hindrance::Uncommitted { staged: 1, .. }),
    ),
    ("untracked", |_, at| write(at, "new.txt", "n"), |it| matches!(it, Hindrance::Untracked { paths: 1 })),
    (
        "a repository inside",
        |_, at| drop(git(at, &["init", "-q", "inner"])),
        |it| matches!(it, Hindrance::Untracked { paths: 1 }),
    ),
    (
        "hidden",
        |_, at| {
            git(at, &["update-index", "--assume-unchanged", "a.txt"]);
            write(at, "a.txt", "two\n");
        },
        |it| matches!(it, Hindrance::Hidden { paths: 1 }),
    ),
    (
        "stash",
        |_, at| {
            write(at, "a.txt", "two\n");
            git(at, &["stash", "-q"]);
        },
        |it| matches!(it, Hindrance::Stashed { stashes: 1 }),
    ),
    (
        "unpushed",
        |_, at| {
            write(at, "a.txt", "two\n");
            git(at, &["commit", "-qam", "mine"]);
        },
        |it| matches!(it, Hindrance::Unmerged { commits: 1 }),
    ),
    (
        "detached",
        |_, at| {
            git(at, &["checkout", "-q", "--detach"]);
            write(at, "a.txt", "two\n");
            git(at, &["commit", "-qam", "nobody's"]);
        },
        |it| matches!(it, Hindrance::Detached { commits: 1 }),
    ),
    (
        "locked",
        |_, at| drop(git(at, &["worktree", "lock", "--reason", "mine", "."])),
        |it| matches!(it, Hindrance::Locked { .. }),
    ),
    (
        "submodule",
        |repository, at| {
            let other = repository.root.join("other");
            git(&repository.root, &["init", "-q", "-b", "main", "other"]);
            git(&other, &["commit", "-q", "--allow-empty", "-m", "x"]);
            git(at, &["submodule", "--quiet", "add", other.to_str().unwrap(), "sub"]);
            git(at, &["commit", "-qm", "with a submodule"]);
            git(at, &["push", "-q", ".", "HEAD:main"]);
        },
        |it| matches!(it, Hindrance::Submodules { count: 1 }),
    ),
    (
        "unfinished",
        |repository, at| {
            write(at, "a.txt", "two\n");
            git(at, &["commit", "-qam", "mine"]);
            git(&repository.main, &["checkout", "-q", "-b", "other"]);
            repository.write("a.txt", "three\n");
            git(&repository.main, &["commit", "-qam", "theirs"]);
            let merge = Command::new("git").args(["merge", "-q", "other"]).current_dir(at).output().unwrap();
            assert!(!merge.status.success());
        },
        |it| matches!(it, Hindrance::Unfinished { operation } if operation == "merge"),
    ),
];

#[test]
fn work_is_never_removed_without_force_and_comes_back_from_the_trash() {
    for (name, work, is_it) in MATRIX {
        let repository = Repository::new();
        // So that work in `main` may be pushed to by a row.
        git(&repository.main, &["config", "receive.denyCurrentBranch", "ignore"]);
        let worktrees = repository.worktrees();
        let known = make(&worktrees, "work");
        let path = &known.git.path;
        work(&repository, path);
        let before = picture(path);
        let Removed::Refused(why) = worktrees.remove(&known, &Remove { branch: true, ..Remove::default() }).unwrap()
        else {
            panic!("{name}: was removed")
        };
        assert!(why.iter().any(is_it), "{name}: {why:?}");
        assert!(picture(path) == before, "{name}: a refusal changes nothing");
        let Removed::Done(trashed) = worktrees.remove(&known, &Remove { branch: true, ..forced() }).unwrap() else {
            panic!("{name}: force does not help")
        };
        assert!(!path.exists() && worktrees.all().unwrap().len() == 1, "{name}");
        // What only the trash holds on to survives git's own cleaning.
        git(
            &repository.main,
            &[
                "-c",
                "gc.pruneExpire=now",
                "-c",
                "gc.reflogExpireUnreachable=now",
                "-c",
                "gc.reflogExpire=now",
                "gc",
                "-q",
            ],
        );
        let restored = worktrees.restore(&trashed.id).unwrap();
        assert_eq!(restored.git.path, *path, "{name}");
        assert!(picture(path) == before, "{name}: {:#?}\n{before:#?}", picture(path));
        git(path, &["fsck", "--connectivity-only"]);
        assert_eq!(worktrees.trash().unwrap(), [], "{name}");
        assert_eq!(git(&repository.main, &["for-each-ref", "refs/orch"]), "", "{name}");
    }
}

#[test]
fn what_is_nowhere_else_only_in_name_is_removed() {
    type Case = (&'static str, fn(&Repository, &Path));
    let cases: &[Case] = &[
        ("nothing done", |_, _| ()),
        ("only ignored files", |_, at| write(at, "x.ignored", "i")),
        ("merged", |repository, at| {
            write(at, "a.txt", "two\n");
            git(at, &["commit", "-qam", "mine"]);
            git(&repository.main, &["merge", "-q", "work"]);
        }),
        ("squashed", |repository, at| {
            for text in ["two\n", "three\n"] {
                write(at, "a.txt", text);
                git(at, &["commit", "-qam", text]);
            }
            git(&repository.main, &["merge", "-q", "--squash", "work"]);
            commit(&repository.main, "all at once");
            repository.write("b.txt", "later\n");
            git(&repository.main, &["commit", "-qam", "later"]);
        }),
        ("pushed", |repository, at| {
            git(&repository.root, &["init", "-q", "--bare", "remote"]);
            git(at, &["remote", "add", "origin", "../../remote"]);
            write(at, "a.txt", "two\n");
            git(at, &["commit", "-qam", "mine"]);
            git(at, &["push", "-q", "origin", "work"]);
        }),
        ("detached on a branch", |_, at| drop(git(at, &["checkout", "-q", "--detach"]))),
    ];
    for (name, work) in cases {
        let repository = Repository::new();
        let worktrees = repository.worktrees();
        let known = make(&worktrees, "work");
        work(&repository, &known.git.path);
        let before = picture(&known.git.path);
        let removed = worktrees.remove(&known, &Remove { branch: true, ..Remove::default() }).unwrap();
        assert!(matches!(removed, Removed::Done(_)), "{name}: {removed:?}");
        worktrees.restore("work").unwrap();
        assert!(picture(&known.git.path) == before, "{name}");
    }
}

#[test]
fn not_even_force_touches_what_is_not_a_worktree_of_ours() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let known = make(&worktrees, "work");
    let path = known.git.path.clone();
    let refused = |what: &str, is_it: fn(&Hindrance) -> bool| {
        let known = worktrees.find(path.to_str().unwrap()).unwrap();
        let Removed::Refused(why) =
            worktrees.remove(&known, &Remove { here: Some(repository.main.clone()), ..forced() }).unwrap()
        else {
            panic!("{what}: was removed")
        };
        assert!(why.iter().any(is_it), "{what}: {why:?}");
    };
    // The worktree was put elsewhere, and a link is where it was.
    let elsewhere = repository.root.join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    refused("a link", |it| *it == Hindrance::Symlink);
    fs::remove_file(&path).unwrap();
    // The folder above it is a link.
    fs::rename(repository.at(""), repository.root.join("real")).unwrap();
    fs::rename(&elsewhere, repository.root.join("real/work")).unwrap();
    symlink(repository.root.join("real"), repository.root.join("app.worktrees")).unwrap();
    refused("behind a link", |it| *it == Hindrance::Symlink);
    fs::remove_file(repository.root.join("app.worktrees")).unwrap();
    // Another folder is where it was: with nothing of git, and with a repository of its own.
    write(&path, "precious", "p");
    refused("another folder", |it| *it == Hindrance::Foreign);
    git(&path, &["init", "-q"]);
    refused("another repository", |it| *it == Hindrance::Foreign);
    assert_eq!(read(path.join("precious")), "p");
    // A folder whose `.git` claims to be another worktree.
    fs::remove_dir_all(path.join(".git")).unwrap();
    let other = make(&worktrees, "other");
    fs::copy(other.git.path.join(".git"), path.join(".git")).unwrap();
    refused("a false claim", |it| *it == Hindrance::Foreign);
    fs::remove_dir_all(&path).unwrap();
    fs::rename(repository.root.join("real/work"), &path).unwrap();

    // The main worktree; one with another inside; one that somebody uses; the one that one is in.
    let Removed::Refused(why) = worktrees.remove(&worktrees.find("app").unwrap(), &forced()).unwrap() else {
        panic!("main")
    };
    assert_eq!(why, [Hindrance::Main]);
    git(&path, &["worktree", "add", "-q", "--detach", "nested"]);
    refused("with another inside", |it| matches!(it, Hindrance::Nests { .. }));
    git(&path, &["worktree", "remove", "nested"]);
    let lease = worktrees.lease(&path, Holder { task: Some("t".into()), ..Holder::default() }).unwrap().unwrap();
    refused("in use", |it| it.to_string().starts_with("it is in use by the task t"));
    assert!(worktrees.lease(&path, Holder::default()).unwrap().is_none());
    drop(lease);
    let here = Remove { here: Some(path.join(".")), ..forced() };
    let Removed::Refused(why) = worktrees.remove(&known, &here).unwrap() else { panic!("here") };
    assert_eq!(why, [Hindrance::CurrentDirectory { process: None }]);
    // Another process is in it: only force helps.
    let mut inside = Command::new("cat").current_dir(&path).stdin(Stdio::piped()).spawn().unwrap();
    let Removed::Refused(why) = worktrees.remove(&known, &Remove::default()).unwrap() else { panic!("a process") };
    assert!(
        cfg!(not(target_os = "linux")) || why == [Hindrance::CurrentDirectory { process: Some(inside.id()) }],
        "{why:?}"
    );
    drop(inside.stdin.take());
    inside.wait().unwrap();
    assert!(matches!(worktrees.remove(&known, &Remove::default()).unwrap(), Removed::Done(_)));
    assert!(worktrees.restore("nothing").unwrap_err().kind() == ErrorKind::NotFound);
}

#[test]
fn links_inside_are_moved_and_not_followed() {
    let repository = Repository::new();
    let (clock, hand) = Clock::manual();
    let worktrees = repository.worktrees_with(WorktreeOptions { clock, ..WorktreeOptions::default() });
    let outside = repository.root.join("outside");
    write(&outside, "precious", "p");
    let known = make(&worktrees, "work");
    symlink(&outside, known.git.path.join("link.ignored")).unwrap();
    let Removed::Done(_) = worktrees.remove(&known, &Remove::default()).unwrap() else { panic!("not removed") };
    assert_eq!(worktrees.prune_trash(Duration::from_secs(60)).unwrap().len(), 0);
    hand.advance(Duration::from_secs(60));
    assert_eq!(worktrees.prune_trash(Duration::from_secs(60)).unwrap().len(), 1);
    assert_eq!((read(outside.join("precious")).as_str(), worktrees.trash().unwrap().len()), ("p", 0));
    assert_eq!(worktrees.restore("work").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_missing_keeps_what_git_has_of_it() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let known = make(&worktrees, "work");
    git(&known.git.path, &["checkout", "-q", "--detach"]);
    write(&known.git.path, "a.txt", "two\n");
    git(&known.git.path, &["commit", "-qam", "nobody's"]);
    let head = git(&known.git.path, &["rev-parse", "HEAD"]);
    fs::remove_dir_all(&known.git.path).unwrap();
    let Pruned { gone, left } = worktrees.prune().unwrap();
    assert_eq!((gone.len(), left.len()), (0, 1), "a commit that nobody else has");
    let known = worktrees.find("work").unwrap();
    let Removed::Done(trashed) = worktrees.remove(&known, &forced()).unwrap() else { panic!("not removed") };
    assert_eq!(trashed.head.unwrap().as_str(), head.trim());
    git(&repository.main, &["-c", "gc.pruneExpire=now", "-c", "gc.reflogExpire=now", "gc", "-q"]);
    worktrees.restore("work").unwrap();
    git(&repository.main, &["cat-file", "-e", head.trim()]);
    assert_eq!(worktrees.find("work").unwrap().git.head.unwrap().as_str(), head.trim());
}

#[test]
fn a_place_or_branch_that_is_taken_by_now_is_not_overwritten() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let known = make(&worktrees, "work");
    write(&known.git.path, "new", "1");
    let Removed::Done(_) = worktrees.remove(&known, &forced()).unwrap() else { panic!("not removed") };
    write(&known.git.path, "other", "o");
    assert_eq!(worktrees.restore("work").unwrap_err().kind(), ErrorKind::Conflict);
    fs::remove_dir_all(&known.git.path).unwrap();
    git(&repository.main, &["checkout", "-q", "work"]);
    assert_eq!(worktrees.restore("work").unwrap_err().kind(), ErrorKind::Conflict);
    git(&repository.main, &["checkout", "-q", "main"]);
    worktrees.restore("work").unwrap();
    assert_eq!(read(known.git.path.join("new")), "1");
}
