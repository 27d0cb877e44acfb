//! Worktrees for the tests of what is shown of them.

use crate::{
    WallTime,
    ext::worktree::{Conflict, Holder, Known, Overview, Record, Row, State},
    git::{BranchName, Worktree},
    units::Usd,
};

/// When they are looked at: 2026-11-22T08:00:00Z.
pub(super) const NOW: WallTime = WallTime(1_795_334_400_000);

pub(super) fn row(name: &str, states: &[State], used_minutes_ago: u64) -> Row {
    let git = Worktree {
        path: format!("/src/shop.worktrees/{name}").into(),
        head: None,
        branch: Some(format!("orch/{name}")),
        bare: false,
        locked: None,
        prunable: None,
    };
    Row {
        known: Known { git, own: None, record: None, is_main: false },
        states: states.to_vec(),
        commit: None,
        status: None,
        operation: None,
        apart: Some((0, 0)),
        main_state: "ahead",
        integration: None,
        holder: None,
        conflicts_with: Vec::new(),
        bytes: None,
        used: Some(WallTime(NOW.0 - used_minutes_ago * 60_000)),
    }
}

pub(super) fn held(mut row: Row, task: &str, agent: &str) -> Row {
    let (task, agent) = (Some(task.to_owned()), Some(agent.to_owned()));
    row.holder = Some(Holder { process: 7, task, agent, ..Holder::default() });
    row
}

pub(super) fn noted(mut row: Row, task: Option<&str>, purpose: Option<&str>) -> Row {
    let [task, purpose] = [task, purpose].map(|text| text.map(str::to_owned));
    let name = row.known.name();
    row.known.record = Some(Record { version: 1, name, task, purpose, ..Record::default() });
    row
}

pub(super) fn overview(rows: Vec<Row>) -> Overview {
    Overview { default_branch: Some(BranchName::new("main").unwrap()), rows, conflicts: Vec::new(), at: NOW }
}

/// A repository with some of everything, and what each worktree has cost.
pub(super) fn shop() -> (Overview, Vec<Option<Usd>>) {
    use State as S;
    let mut main = row("shop", &[S::Idle], 60 * 24 * 2);
    (main.known.is_main, main.known.git.branch) = (true, Some("main".to_owned()));
    let mut puzzle = held(row("puzzle-gen", &[S::Active, S::Ahead], 0), "make-puzzles", "coder");
    puzzle.apart = Some((3, 0));
    let mut pdf = held(row("pdf-gen", &[S::Waiting, S::Behind, S::Conflicting], 1), "lay out the pages", "designer");
    (pdf.apart, pdf.main_state) = (Some((1, 12)), "would_conflict");
    let mut qa = noted(row("qa-validation", &[S::Idle, S::Stale, S::Dirty], 60 * 24 * 12), Some("check-books"), None);
    qa.known.git.branch = Some("qa-validation".to_owned());
    let mut gone = row("market", &[S::Idle, S::Prunable], 90);
    (gone.known.git.prunable, gone.known.git.branch) = (Some("gone".to_owned()), None);
    let docs = noted(row("東京-docs", &[S::Idle], 5), None, Some("Übersetzung 日本語"));
    let mut overview = overview(vec![main, puzzle, pdf, qa, gone, docs]);
    let paths = ["layout.py", "pages.py", "a.txt", "b.txt"].map(str::to_owned).to_vec();
    overview.conflicts.push(Conflict { one: "puzzle-gen".to_owned(), other: "pdf-gen".to_owned(), paths });
    let cents = |cents| Some(Usd::from_cents(cents));
    (overview, vec![None, cents(131), cents(1_204), cents(7), None, None])
}
