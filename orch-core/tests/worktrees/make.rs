//! Making, naming, setting up, moving, mending.

use std::{fs, os::unix::fs::symlink};

use orch_core::{
    ErrorKind,
    ext::worktree::{Base, New, Pruned, Removed, Setup, WorktreeOptions, Worktrees},
    git::BranchName,
};

use super::*;

#[test]
fn a_worktree_is_made_found_locked_moved_and_forgotten() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let made = worktrees.create(&New { purpose: Some("try it".into()), ..named("feature/login") }).unwrap();
    assert_eq!(made.path, repository.at("feature-login"));
    assert_eq!((read(made.path.join("a.txt")).as_str(), made.branch.unwrap().as_str()), ("one\n", "feature/login"));
    let known = worktrees.find("feature-login").unwrap();
    let record = known.record.clone().unwrap();
    assert_eq!((record.purpose.as_deref(), record.making, &known.git.locked), (Some("try it"), false, &None));
    for name in ["feature/login", known.git.path.to_str().unwrap()] {
        assert_eq!(worktrees.find(name).unwrap().git.path, known.git.path);
    }
    assert_eq!(worktrees.find("none").unwrap_err().kind(), ErrorKind::NotFound);
    // From inside of it the same repository is found.
    assert_eq!(Worktrees::open(&made.path, WorktreeOptions::default()).unwrap().root(), worktrees.root());

    worktrees.keep(&known, "on a stick").unwrap();
    let known = worktrees.find("feature-login").unwrap();
    assert_eq!(known.git.locked.as_deref(), Some("on a stick"));
    let to = repository.root.join("else where");
    assert_eq!(worktrees.move_to(&known, &to).unwrap_err().kind(), ErrorKind::Conflict);
    worktrees.let_go(&known).unwrap();
    let known = worktrees.move_to(&worktrees.find("feature-login").unwrap(), &to).unwrap();
    assert_eq!((known.git.path.clone(), known.name().as_str()), (to.clone(), "feature-login"));
    assert_eq!(worktrees.move_to(&known, &repository.main).unwrap_err().kind(), ErrorKind::Conflict);

    fs::rename(&to, repository.root.join("by hand")).unwrap();
    worktrees.repair(&[&repository.root.join("by hand")]).unwrap();
    assert_eq!(worktrees.find("feature-login").unwrap().git.path, repository.root.join("by hand"));
    fs::remove_dir_all(repository.root.join("by hand")).unwrap();
    let Pruned { gone, left } = worktrees.prune().unwrap();
    assert_eq!((gone.len(), left.len(), worktrees.all().unwrap().len()), (1, 0, 1));
}

#[test]
fn the_base_is_what_was_asked_for() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    git(&repository.main, &["checkout", "-q", "-b", "topic"]);
    repository.write("a.txt", "two\n");
    git(&repository.main, &["commit", "-qam", "second"]);
    let base =
        |name: &str, base: Base| read(worktrees.create(&New { base, ..named(name) }).unwrap().path.join("a.txt"));
    assert_eq!(base("head", Base::Head), "two\n");
    assert_eq!(base("default", Base::DefaultBranch), "one\n");
    assert_eq!(base("named", Base::Named("topic~1".into())), "one\n");
    assert_eq!(base("commit", Base::Commit(worktrees.git().commit("topic").unwrap())), "two\n");
    let missing = worktrees.create(&New { base: Base::Named("--all".into()), ..named("x") }).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    // A branch that is there is checked out when it is named, and only where it stands.
    git(&repository.main, &["branch", "there", "main"]);
    let there = New { branch: Some(BranchName::new("there").unwrap()), ..New::default() };
    assert_eq!(worktrees.create(&named("there")).unwrap_err().kind(), ErrorKind::Conflict);
    let elsewhere = New { base: Base::Named("topic".into()), ..there.clone() };
    assert_eq!(worktrees.create(&elsewhere).unwrap_err().kind(), ErrorKind::Conflict);
    let made = worktrees.create(&there).unwrap();
    assert!(!made.record.own_branch && made.path.ends_with("there"));
    let twice = worktrees.create(&New { name: "twice".into(), ..there }).unwrap_err();
    assert!(twice.to_string().contains("it is checked out in `there`"), "{twice}");
}

#[test]
fn hostile_names_are_refused_or_harmless() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    for name in [
        "",
        "..",
        "-",
        "../../x",
        "--force",
        "-b",
        "$(touch pwned)",
        "`touch pwned`",
        "a\nb",
        "a b; touch pwned",
        "\u{202e}x",
        "m\u{430}in",
        "main",
        "HEAD",
        "x.lock",
        "\u{ff0f}etc",
        "~",
        "a//b",
        "refs/heads/x",
        ".git",
        "con\0",
        "x\u{200b}",
    ] {
        if let Ok(made) = worktrees.create(&named(name)) {
            assert_eq!(made.path.parent().unwrap(), repository.at(""), "{name:?}");
            let folder = made.path.file_name().unwrap().to_str().unwrap();
            assert!(folder.chars().all(|char| char.is_ascii_alphanumeric() || "._-".contains(char)), "{folder}");
            let branch = made.branch.unwrap();
            assert!(branch.as_str().is_ascii() && !branch.as_str().starts_with('-') && branch.as_str() != "main");
        }
    }
    let made = fs::read_dir(&repository.root).unwrap().count();
    assert_eq!(made, 2, "nothing is outside");
    assert!(!repository.main.join("pwned").exists() && !Path::new("pwned").exists());
    assert_eq!(git(&repository.main, &["status", "--porcelain"]), "");
}

#[test]
fn links_on_the_way_are_refused() {
    let repository = Repository::new();
    let outside = repository.root.join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, repository.main.join("trees")).unwrap();
    for root in ["trees", "trees/below"] {
        let options = WorktreeOptions { root: Some(root.into()), ..WorktreeOptions::default() };
        let error = repository.worktrees_with(options).create(&named("x")).unwrap_err();
        assert!(error.to_string().contains("is a symbolic link"), "{error}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_set_up_copies_writes_and_runs_what_was_approved() {
    let repository = Repository::new();
    let outside = repository.root.join("outside");
    write(&outside, "secret", "s");
    repository.write("node_modules/p/index.js", "js");
    repository.write("x.ignored", "i");
    repository.write("new.txt", "not ignored");
    symlink(&outside, repository.main.join("link.ignored")).unwrap();
    let mut setup = Setup {
        copy: ["node_modules", "x.ignored", "new.txt", "a.txt", "none", "link.ignored", "link.ignored/secret"]
            .map(str::to_owned)
            .into(),
        env: [(".env".to_owned(), "PORT={port}\nNAME={name}\n".to_owned())].into(),
        ports: 10,
        commands: vec![["sh", "-c", "echo $ORCH_WORKTREE_BRANCH > ran.ignored"].map(str::to_owned).into()],
        ..Setup::default()
    };
    let options = |setup: &Setup| WorktreeOptions { setup: setup.clone(), ..WorktreeOptions::default() };
    let refused = repository.worktrees_with(options(&setup)).create(&named("x")).unwrap_err();
    assert!(refused.kind() == ErrorKind::Misuse && refused.to_string().contains("nobody approved"), "{refused}");
    setup.approved = Some(setup.hash());
    let worktrees = repository.worktrees_with(options(&setup));
    let one = worktrees.create(&named("one")).unwrap();
    let two = worktrees.create(&named("two")).unwrap();
    assert_eq!(read(one.path.join("node_modules/p/index.js")), "js");
    assert_eq!((read(one.path.join("x.ignored")), read(one.path.join("ran.ignored"))), ("i".into(), "one\n".into()));
    assert!(!one.path.join("new.txt").exists());
    let link = one.path.join("link.ignored");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "a link stays a link");
    let ports = [one.record.ports.unwrap(), two.record.ports.unwrap()];
    assert!(ports[0].0.abs_diff(ports[1].0) >= 10 && ports[0].1 == 10, "{ports:?}");
    assert_eq!(read(one.path.join(".env")), format!("PORT={}\nNAME=one\n", ports[0].0));

    // A command that fails leaves nothing behind: neither the folder nor the branch nor what git notes.
    setup.commands[0][2] = "echo no space >&2; exit 3".into();
    setup.approved = Some(setup.hash());
    let worktrees = repository.worktrees_with(options(&setup));
    let failed = worktrees.create(&named("three")).unwrap_err();
    assert!(failed.to_string().contains("`sh` did not set up the worktree: no space"), "{failed}");
    assert!(!repository.at("three").exists() && worktrees.all().unwrap().len() == 3);
    assert_eq!(worktrees.git().reference("refs/heads/three").unwrap(), None);
    for path in ["../x", "/etc/x", ".git/config", ""] {
        let setup = Setup { env: [(path.to_owned(), String::new())].into(), ..Setup::default() };
        assert!(repository.worktrees_with(options(&setup)).create(&named("four")).is_err(), "{path}");
    }
}

#[test]
fn what_a_dead_maker_left_is_mended() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    fs::create_dir_all(repository.at("")).unwrap();
    // As after SIGKILL between the two steps: noted, locked, without files.
    let half = repository.at("half");
    let half = half.to_str().unwrap();
    git(
        &repository.main,
        &["worktree", "add", "-q", "--no-checkout", "--lock", "--reason", "orch is making it", "-b", "half", half],
    );
    let alive = make(&worktrees, "alive");
    let repaired = worktrees.repair(&[]).unwrap();
    assert_eq!(repaired.half_made.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["half"]);
    assert_eq!(worktrees.all().unwrap().len(), 2);
    assert!(matches!(worktrees.remove(&alive, &Default::default()).unwrap(), Removed::Done(_)));
}
