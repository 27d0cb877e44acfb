//! Worktrees that are lent.

use orch_core::{
    ErrorKind,
    ext::worktree::{Holder, Lease, Pool, PoolOptions, Wanted},
    git::{BranchName, Oid},
};

use super::*;

fn pool(repository: &Repository, max: u32) -> Pool {
    Pool::new(repository.worktrees(), PoolOptions { max, warm: vec!["node_modules".into()] })
}

fn wanted(pool: &Pool, task: &str) -> Wanted {
    let holder = Holder { task: Some(task.into()), run: Some("r".into()), ..Holder::default() };
    Wanted { base: pool.worktrees().git().commit("main").unwrap(), branch: BranchName::new(task).unwrap(), holder }
}

fn lend(pool: &Pool, task: &str) -> Lease {
    pool.lend(&wanted(pool, task)).unwrap().unwrap()
}

fn end(pool: &Pool, lease: Lease) -> Oid {
    let left = pool.look(&lease, "left").unwrap();
    pool.give_back(lease, &left).unwrap();
    left.all
}

#[test]
fn what_is_lent_is_alone_clean_and_warm() {
    let repository = Repository::new();
    let pool = pool(&repository, 2);
    let one = lend(&pool, "one");
    let two = lend(&pool, "two");
    assert_ne!(one.path, two.path);
    assert!(pool.lend(&wanted(&pool, "three")).unwrap().is_none(), "all are lent");
    assert_eq!(pool.worktrees().holder(&one.path).unwrap().task.as_deref(), Some("one"));
    let path = one.path.clone();
    for (name, text) in [("a.txt", "two\n"), ("new.txt", "n"), ("node_modules/x", "warm"), ("cold.ignored", "c")] {
        write(&path, name, text);
    }
    git(&path, &["init", "-q", "deep/inner"]);
    write(&path, "deep/inner/precious", "p");
    let all = end(&pool, one);
    assert_eq!(git(&repository.main, &["show", &format!("{all}:new.txt")]), "n", "what was not committed is a commit");
    let three = lend(&pool, "three");
    assert_eq!((&three.path, pool.worktrees().holder(&path).unwrap().task.as_deref()), (&path, Some("three")));
    assert_eq!((read(path.join("a.txt")).as_str(), read(path.join("node_modules/x")).as_str()), ("one\n", "warm"));
    for gone in ["new.txt", "cold.ignored", "deep/inner"] {
        assert!(!path.join(gone).exists(), "{gone}");
    }
    assert_eq!(git(&path, &["status", "--porcelain", "--branch"]), "## three\n");
    let lost = fs::read_dir(repository.main.join(".git/orch/lost")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(read(lost.join("deep/inner/precious")), "p", "no commit holds it");
    assert_eq!(three.record().task.as_deref(), Some("three"));
}

#[test]
fn what_was_not_given_back_is_kept_before_it_is_cleaned() {
    let repository = Repository::new();
    let pool = pool(&repository, 1);
    let lease = lend(&pool, "one");
    let path = lease.path.clone();
    write(&path, "new.txt", "precious");
    // As when its process is killed.
    drop(lease);
    let lease = lend(&pool, "two");
    assert!(!path.join("new.txt").exists());
    assert_eq!(git(&repository.main, &["show", "refs/orch/lost/pool-1/1:new.txt"]), "precious");
    end(&pool, lease);
    // Somebody works in it who did not ask.
    write(&path, "a.txt", "by hand\n");
    git(&path, &["commit", "-qam", "by hand"]);
    let lease = lend(&pool, "three");
    assert_eq!(git(&repository.main, &["show", "refs/orch/lost/pool-1/2:a.txt"]), "by hand\n");
    assert_eq!(read(path.join("a.txt")), "one\n");
    // Another try of the same task begins afresh, and what the first one committed is found.
    write(&path, "a.txt", "first try\n");
    git(&path, &["commit", "-qam", "first try"]);
    end(&pool, lease);
    let lease = lend(&pool, "three");
    assert_eq!(read(path.join("a.txt")), "one\n");
    assert_eq!(git(&repository.main, &["show", "refs/orch/before/three/1:a.txt"]), "first try\n");
    end(&pool, lease);
    // Its folder is gone.
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(read(lend(&pool, "four").path.join("a.txt")), "one\n");
}

#[test]
fn a_branch_that_somebody_has_is_refused() {
    let repository = Repository::new();
    let pool = pool(&repository, 2);
    let _one = lend(&pool, "one");
    let refused = pool.lend(&wanted(&pool, "one")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let refused = pool.lend(&wanted(&pool, "main")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "the branch of the main worktree");
    assert_eq!(git(&repository.main, &["status", "--porcelain", "--branch"]), "## main\n");
}
