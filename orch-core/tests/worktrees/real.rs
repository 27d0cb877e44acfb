//! A real history, and a repository of many files.

use std::{collections::BTreeSet, env, fs::File};

use orch_core::{
    ext::worktree::{Base, Holder, Look, Pool, PoolOptions, Remove, Removed, Wanted},
    git::BranchName,
};

use super::*;

fn lines(folder: &Path, arguments: &[&str]) -> Vec<String> {
    git(folder, arguments).lines().map(str::to_owned).collect()
}

/// 970 commits of a project with merges; they hold no files.
#[test]
fn where_worktrees_stand_in_a_real_history_is_what_git_counts() {
    let Some(history) = support::fixtures::path("kindlemint/history.fast-import") else { return };
    let repository = Repository::new();
    let main = repository.root.join("real");
    fs::create_dir(&main).unwrap();
    git(&main, &["init", "-q", "-b", "main"]);
    let mut import = Command::new("git");
    import.args(["fast-import", "--quiet"]).current_dir(&main).stdin(File::open(history).unwrap());
    assert!(import.status().unwrap().success());
    git(&main, &["reset", "-q", "--hard"]);
    let all = lines(&main, &["rev-list", "--topo-order", "main"]);
    assert_eq!(all.len(), 970);

    let worktrees = Worktrees::open(&main, WorktreeOptions::default()).unwrap();
    for (nth, at) in all.iter().step_by(41).enumerate() {
        let base = Base::Named(at.clone());
        let made = worktrees.create(&New { name: format!("at-{nth}"), base, ..New::default() }).unwrap();
        assert_eq!(made.head.as_str(), at);
        // Some have work of their own, a few the same.
        if nth % 3 == 0 {
            write(&made.path, &format!("own-{}.txt", nth % 2), &format!("{nth}\n"));
            git(&made.path, &["add", "-A"]);
            commit(&made.path, "own");
        }
    }
    let overview = worktrees.look(&Look::default()).unwrap();
    assert_eq!(overview.rows.len(), 1 + all.len().div_ceil(41));
    for row in &overview.rows {
        let head = row.known.git.head.as_ref().unwrap().as_str();
        let counted = git(&main, &["rev-list", "--left-right", "--count", &format!("{head}...main")]);
        let mut counted = counted.split_whitespace().map(|number| number.parse::<u32>().unwrap());
        assert_eq!(row.apart, Some((counted.next().unwrap(), counted.next().unwrap())), "{}", row.known.name());
        assert!(row.status.as_ref().unwrap().is_clean() && row.commit.as_ref().unwrap().sha.as_str() == head);
    }
    // Both write the same file, with another text each.
    let pairs: BTreeSet<(&str, &str)> =
        overview.conflicts.iter().map(|it| (it.one.as_str(), it.other.as_str())).collect();
    let own: Vec<usize> = (0..all.len().div_ceil(41)).step_by(3).collect();
    let expected = own.iter().flat_map(|one| own.iter().map(move |other| (*one, *other)));
    let expected: Vec<(String, String)> = expected
        .filter(|(one, other)| one < other && one % 2 == other % 2)
        .map(|(one, other)| (format!("at-{one}"), format!("at-{other}")))
        .collect();
    let either = |(one, other): &(String, String)| {
        pairs.contains(&(one.as_str(), other.as_str())) || pairs.contains(&(other.as_str(), one.as_str()))
    };
    assert!(expected.iter().all(either) && pairs.len() == expected.len(), "{pairs:?}");

    let synced = worktrees.sync(&worktrees.all().unwrap()).unwrap();
    for one in synced.iter().filter(|one| one.name.starts_with("at-")) {
        let nth: usize = one.name.trim_start_matches("at-").parse().unwrap();
        // The first stands where `main` does, and lacks nothing.
        assert_eq!(one.why.is_none(), !nth.is_multiple_of(3) || nth == 0, "{one:?}");
        let now = git(&worktrees.find(&one.name).unwrap().git.path, &["rev-parse", "HEAD"]);
        assert_eq!(now.trim() == all[0], !nth.is_multiple_of(3), "{one:?}");
    }
}

/// How many files: `ORCH_MANY_FILES=10000`, else a tenth.
fn files() -> usize {
    env::var("ORCH_MANY_FILES").map_or(1_000, |text| text.parse().unwrap())
}

#[test]
fn many_files_come_go_and_come_back() {
    let files = files();
    let repository = Repository::new();
    let name = |nth: usize| format!("d{:02}/e{:02}/f{nth}.txt", nth / 1000, nth / 10 % 100);
    for nth in 0..files {
        write(&repository.main, &name(nth), &format!("{nth}\n"));
    }
    git(&repository.main, &["add", "-A"]);
    commit(&repository.main, "many");
    let worktrees = repository.worktrees();
    let names = ["one", "two", "three"];
    std::thread::scope(|scope| {
        for name in names {
            let worktrees = &worktrees;
            scope.spawn(move || worktrees.create(&named(name)).unwrap());
        }
    });
    write(&repository.at("two"), &name(307), "changed\n");
    let overview = worktrees.look(&Look::default()).unwrap();
    for row in &overview.rows {
        let status = row.status.as_ref().unwrap();
        assert_eq!(status.modified, u32::from(row.known.name() == "two"), "{}", row.known.name());
        assert_eq!(status.staged + status.untracked + status.deleted, 0);
    }

    let two = worktrees.find("two").unwrap();
    assert!(matches!(worktrees.remove(&two, &Remove::default()).unwrap(), Removed::Refused(_)));
    assert!(matches!(worktrees.remove(&two, &Remove { force: true, ..Remove::default() }).unwrap(), Removed::Done(_)));
    worktrees.restore("two").unwrap();
    assert_eq!(read(repository.at("two").join(name(307))), "changed\n");
    assert_eq!(lines(&repository.at("two"), &["status", "--porcelain"]), [format!(" M {}", name(307))]);
    assert_eq!(lines(&repository.at("two"), &["ls-files"]).len(), files + 3);

    // Lent twice: at the commit where it stands, and at another one.
    let pool = Pool::new(worktrees.clone(), PoolOptions { max: 1, ..PoolOptions::default() });
    let bases = ["HEAD", "HEAD", "HEAD~1", "HEAD"].map(|named| worktrees.git().commit(named).unwrap());
    for (nth, base) in bases.into_iter().enumerate() {
        let branch = BranchName::new(&format!("task-{nth}")).unwrap();
        let wanted = Wanted { base: base.clone(), branch: branch.clone(), holder: Holder::default() };
        let lease = pool.lend(&wanted).unwrap().unwrap();
        let at = lease.path.clone();
        assert_eq!(git(&at, &["rev-parse", "HEAD"]).trim(), base.as_str());
        assert_eq!(lines(&at, &["status", "--porcelain", "--branch"]), [format!("## {}", branch.as_str())]);
        let many = at.join(name(files - 1));
        assert_eq!(many.exists(), nth != 2);
        if nth == 0 {
            // Undone before the next one has it.
            write(&at, "d00/e00/f0.txt", "of a task\n");
            write(&at, "left.txt", "of a task\n");
        }
        let left = pool.look(&lease, "left").unwrap();
        pool.give_back(lease, &left).unwrap();
    }
    assert_eq!(read(repository.at("pool-1").join("d00/e00/f0.txt")), "0\n");
    assert!(!repository.at("pool-1").join("left.txt").exists());
}
