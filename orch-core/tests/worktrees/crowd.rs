//! Many at once, from several processes.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use orch_core::ext::worktree::{Remove, Removed, WorktreeOptions, Worktrees};

use super::*;

/// How many processes, worktrees at once over all of them, and rounds: `ORCH_CROWD=8x64x50`, else fewer.
fn size() -> (usize, usize, usize) {
    let text = env::var("ORCH_CROWD").unwrap_or_else(|_| "3x12x1".to_owned());
    let mut numbers = text.split('x').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap())
}

/// One of the processes: makes its worktrees, each in a thread of its own, uses them, and removes them.
#[test]
fn as_one_of_the_crowd() {
    let Some(place) = env::var_os("ORCH_CROWD_PLACE").map(PathBuf::from) else { return };
    let process: usize = env::var("ORCH_CROWD_PROCESS").unwrap().parse().unwrap();
    let (processes, at_once, rounds) = size();
    let worktrees = Worktrees::open(&place, WorktreeOptions::default()).unwrap();
    for round in 0..rounds {
        thread::scope(|scope| {
            for nth in 0..at_once / processes {
                let worktrees = &worktrees;
                scope.spawn(move || {
                    let name = format!("r{round}/p{process}/n{nth}");
                    let made = worktrees.create(&named(&name)).unwrap();
                    assert_eq!(read(made.path.join("a.txt")), "one\n");
                    assert_eq!(git(&made.path, &["status", "--porcelain", "--branch"]), format!("## {name}\n"));
                    let known = worktrees.find(&name).unwrap();
                    let removed = worktrees.remove(&known, &Remove { branch: true, ..Remove::default() }).unwrap();
                    assert!(matches!(removed, Removed::Done(_)), "{removed:?}");
                });
            }
        });
    }
}

#[test]
fn no_creation_fails_while_others_create_and_hold_the_settings() {
    let repository = Repository::new();
    let (processes, _, _) = size();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Somebody holds the lock of git's settings, again and again.
        scope.spawn(|| {
            let lock = repository.main.join(".git/config.lock");
            while !done.load(Ordering::Relaxed) {
                drop(fs::File::create_new(&lock));
                // It orders nothing; without it this would take the processors away from those it is to disturb.
                thread::park_timeout(Duration::from_millis(2));
                drop(fs::remove_file(&lock));
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        let children: Vec<_> = (0..processes)
            .map(|process| {
                Command::new(env::current_exe().unwrap())
                    .args(["--exact", "crowd::as_one_of_the_crowd", "--nocapture"])
                    .env("ORCH_CROWD_PLACE", &repository.main)
                    .env("ORCH_CROWD_PROCESS", process.to_string())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        for output in outputs {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    });
    let worktrees = repository.worktrees();
    assert_eq!(worktrees.all().unwrap().len(), 1);
    assert_eq!(git(&repository.main, &["for-each-ref", "--format=%(refname)", "refs/heads"]), "refs/heads/main\n");
    let (processes, at_once, rounds) = size();
    assert_eq!(worktrees.trash().unwrap().len(), at_once / processes * processes * rounds);
}
