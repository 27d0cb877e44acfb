//! Git against real repositories.

use std::{fs, path::Path};

use super::{Git, GitOptions, Oid};
use crate::error::ErrorKind;

/// A repository with one commit of `files` on `main`.
fn repository(folder: &Path, files: &[(&str, &str)]) -> Git {
    let git = Git::new(folder, GitOptions::default());
    git.call(["init", "--quiet", "-b", "main"]).writes().run().unwrap();
    let first = commit(&git, files, &[]);
    git.set_reference("refs/heads/main", &first, None).unwrap();
    git.call(["reset", "--hard", "--quiet"]).writes().run().unwrap();
    git
}

/// A commit of exactly these files.
fn commit(git: &Git, files: &[(&str, &str)], parents: &[&Oid]) -> Oid {
    let mut lines = String::new();
    for (name, text) in files {
        let blob = git.call(["hash-object", "-w", "--stdin"]).stdin(*text).writes().line().unwrap();
        lines += &format!("100644 blob {blob}\t{name}\n");
    }
    let tree: Oid = git.call(["mktree"]).stdin(lines).writes().line().unwrap().parse().unwrap();
    git.commit_tree(&tree, parents, "made in a test\n").unwrap()
}

#[test]
fn what_a_person_names_is_never_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1")]);
    assert_eq!(git.commit("main").unwrap(), git.commit("HEAD").unwrap());
    for bad in ["--all", "-x", "--git-dir", "none", "", "main\0x", "main..main", "$(touch x)", "main; touch x"] {
        assert_eq!(git.commit(bad).unwrap_err().kind(), ErrorKind::NotFound, "{bad}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    assert!(git.version().unwrap() >= (2, 39));
}

#[test]
fn a_reference_changes_only_from_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1")]);
    let one = git.commit("main").unwrap();
    let two = commit(&git, &[("a", "2")], &[&one]);
    git.set_reference("refs/heads/x", &one, None).unwrap();
    assert_eq!(git.set_reference("refs/heads/x", &two, None).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(git.set_reference("refs/heads/x", &two, Some(&two)).unwrap_err().kind(), ErrorKind::Conflict);
    git.set_reference("refs/heads/x", &two, Some(&one)).unwrap();
    assert_eq!(git.drop_reference("refs/heads/x", &one).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(git.references("refs/heads/").unwrap().len(), 2);
    assert_eq!((git.apart(&one, &two).unwrap(), git.only_in(&two, &[&one]).unwrap()), ((0, 1), 1));
    assert!(git.is_ancestor(&one, &two).unwrap() && !git.is_ancestor(&two, &one).unwrap());
    git.drop_reference("refs/heads/x", &two).unwrap();
    assert_eq!(git.reference("refs/heads/x").unwrap(), None);
}

#[test]
fn merges_are_tried_without_files() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1\n"), ("b", "1\n")]);
    let base = git.commit("main").unwrap();
    let [a2, a3, b2] = [[("a", "2\n"), ("b", "1\n")], [("a", "3\n"), ("b", "1\n")], [("a", "1\n"), ("b", "2\n")]]
        .map(|files| commit(&git, &files, &[&base]));
    let merged = git.merges(&[(&a2, &b2), (&a2, &a3), (&a3, &b2)]).unwrap();
    let conflicts: Vec<&[String]> = merged.iter().map(|merged| &merged.conflicts[..]).collect();
    assert_eq!(conflicts, [&[][..], &["a".to_owned()], &[]]);
    assert_eq!(merged[0].tree, git.tree(&commit(&git, &[("a", "2\n"), ("b", "2\n")], &[])).unwrap());
    let stranger = commit(&git, &[("a", "1\n")], &[]);
    assert!(git.merge(&a2, &stranger).is_err(), "no common commit");
}

#[test]
fn a_snapshot_holds_what_is_there_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1\n"), ("b", "1\n"), (".gitignore", "ignored\n")]);
    let scratch = folder.path().join(".git/scratch");
    assert_eq!(git.snapshot(&scratch, "x").unwrap(), git.commit("HEAD").unwrap(), "nothing differs");
    for (name, text) in [("a", "2\n"), ("new", "n\n"), ("ignored", "i\n")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::remove_file(folder.path().join("b")).unwrap();
    let before = git.status().unwrap();
    assert_eq!((before.modified, before.deleted, before.untracked), (2, 1, 1));
    let made = git.snapshot(&scratch, "x").unwrap();
    let expected = commit(&git, &[("a", "2\n"), ("new", "n\n"), (".gitignore", "ignored\n")], &[]);
    assert_eq!(git.tree(&made).unwrap(), git.tree(&expected).unwrap());
    assert_eq!(git.status().unwrap(), before);
    assert!(!scratch.exists());
}

#[test]
fn a_snapshot_sees_a_change_of_the_same_length_in_the_same_moment() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1\n")]);
    for text in ["2\n", "3\n", "4\n"] {
        git.call(["reset", "--hard", "--quiet"]).writes().run().unwrap();
        fs::write(folder.path().join("a"), text).unwrap();
        let made = git.snapshot(&folder.path().join(".git/scratch"), "x").unwrap();
        assert_eq!(git.call(["show", &format!("{made}:a")]).run().unwrap().text(), text);
    }
}

#[test]
fn hooks_are_run_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1\n")]);
    let mark = folder.path().join(".git/ran");
    // Written by another process, or it might be open for writing when it is run.
    let hook = folder.path().join(".git/hooks/post-checkout");
    let write = "mkdir -p \"$(dirname \"$1\")\"; printf '#!/bin/sh\\ntouch .git/ran\\n' > \"$1\"; chmod 755 \"$1\"";
    assert!(std::process::Command::new("sh").args(["-c", write, "sh"]).arg(&hook).status().unwrap().success());
    git.call(["checkout", "--quiet", "--detach"]).writes().run().unwrap();
    assert!(!mark.exists());
    git.clone().with_hooks(true).call(["checkout", "--quiet", "--detach"]).writes().run().unwrap();
    assert!(mark.exists());
}

#[test]
fn a_history_is_told_commit_by_commit() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1")]);
    let first = git.commit("HEAD").unwrap();
    let at = |call: super::Call<'_>, seconds: &str| {
        call.env("GIT_COMMITTER_DATE", format!("{seconds} +0530")).line().unwrap()
    };
    let tree = git.tree(&first).unwrap();
    let message = "subject\n\nbody of\n\nlines \u{fc}\n";
    let call = || {
        let call = git.call(["commit-tree", tree.as_str(), "-p", first.as_str()]).stdin(message).writes();
        call.env("GIT_AUTHOR_NAME", "A \u{1f}B")
            .env("GIT_AUTHOR_EMAIL", "a b@c")
            .env("GIT_COMMITTER_NAME", "c")
            .env("GIT_COMMITTER_EMAIL", "d")
    };
    let second: Oid = at(call(), "1751740569").parse().unwrap();
    let merge = git.commit_tree(&tree, &[&first, &second], "merge\n").unwrap();
    let mut told = Vec::new();
    git.log(&merge, |entry| {
        let (author, email) = (entry.author.to_string(), entry.email.to_string());
        told.push((entry.hash.to_string(), entry.parents, entry.at.0, author, email, entry.message.to_string()));
        Ok(())
    })
    .unwrap();
    assert_eq!(told.len(), 3);
    let second = told.iter().find(|one| one.0 == second.as_str()).unwrap();
    let (parents, time, author, email, said) =
        (second.1, second.2, second.3.as_str(), second.4.as_str(), second.5.as_str());
    assert_eq!((parents, time, author, email, said), (1, 1_751_740_569_000, "A \u{1f}B", "a b@c", message));
    assert_eq!(told.iter().find(|one| one.0 == merge.as_str()).unwrap().1, 2);
    let error = git.log(&merge, |_| Err(crate::Error::new(ErrorKind::Cancelled, "enough"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn commits_that_touch_a_path_are_found_on_all_branches() {
    let folder = tempfile::tempdir().unwrap();
    let git = repository(folder.path(), &[("a", "1")]);
    let first = git.commit("HEAD").unwrap();
    let blob = git.call(["hash-object", "-w", "--stdin"]).stdin("x").writes().line().unwrap();
    let inner = git.call(["mktree"]).stdin(format!("100644 blob {blob}\tx\n")).writes().line().unwrap();
    let tree: Oid = git
        .call(["mktree"])
        .stdin(format!("040000 tree {inner}\tworktrees\n"))
        .writes()
        .line()
        .unwrap()
        .parse()
        .unwrap();
    let other = git.commit_tree(&tree, &[&first], "other\n").unwrap();
    git.set_reference("refs/heads/other", &other, None).unwrap();
    let found = git.touching("*worktrees/*").unwrap();
    assert_eq!(found.iter().map(|(hash, _)| hash.as_str()).collect::<Vec<_>>(), [other.as_str()]);
    assert_eq!(git.touching("*nothing/*").unwrap(), []);
}
