use proptest::prelude::*;

use super::{
    super::fixtures::{held, noted, overview as of, row, shop},
    *,
};
use crate::ext::worktree::State;

fn table(room: Option<usize>, live: bool) -> String {
    let (all, spent) = shop();
    overview(&all, &spent, live, Paint(false), room)
}

#[test]
fn a_program_gets_all_of_it() {
    insta::assert_snapshot!(table(None, false), @r"
    WORKTREE       STATUS               BRANCH           COMMITS  LAST USE  TASK                AGENT      SPEND
    shop           idle                 main                      2 days
    puzzle-gen     active               orch/puzzle-gen  +3       now       make-puzzles        coder      $1.31
    pdf-gen        waiting conflicting  orch/pdf-gen     +1 -12   now       lay out the pages   designer  $12.04
    qa-validation  idle stale dirty     qa-validation             12 days   check-books                    $0.07
    market         idle prunable        (detached)                1 h
    東京-docs      idle                 orch/東京-docs            5 min     Übersetzung 日本語
    ! pdf-gen conflicts with main
    ! qa-validation is stale: nobody used it for 12 days
    ! the folder of market is gone; `orch worktree prune` forgets it
    ! puzzle-gen conflicts with pdf-gen: layout.py, pages.py, a.txt and 1 more
    ");
}

#[test]
fn a_narrow_screen_loses_what_matters_least() {
    let lines = |room| {
        let (all, spent) = shop();
        let table = Table::of(&all, &spent, true);
        let fit = table.fit(Some(room), &mut Widths::default());
        let lines: Vec<String> =
            [Table::head(&fit, Paint(false))].into_iter().chain(table.lines(&fit, Paint(false))).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(lines(80), @r"
    WORKTREE      STATUS         BRANCH       LAST USE  TASK        AGENT      SPEND
    shop          ○ idle         main         2 days
    puzzle-gen    ● active       orch/puzzl…  now       make-puzz…  coder      $1.31
    pdf-gen       ◐ conflicting  orch/pdf-g…  now       lay out t…  designer  $12.04
    qa-validati…  ○ stale dirty  qa-validat…  12 days   check-boo…             $0.07
    market        ○ prunable     (detached)   1 h
    東京-docs     ○ idle         orch/東京-…  5 min     Übersetzu…
    ");
    insta::assert_snapshot!(lines(40), @r"
    WORKTREE       STATUS         LAST USE
    shop           ○ idle         2 days
    puzzle-gen     ● active       now
    pdf-gen        ◐ conflicting  now
    qa-validation  ○ stale dirty  12 days
    market         ○ prunable     1 h
    東京-docs      ○ idle         5 min
    ");
    insta::assert_snapshot!(lines(9), @r"
    WORKTREE
    shop
    puzzle-g…
    pdf-gen
    qa-valid…
    market
    東京-docs
    ");
}

#[test]
fn columns_do_not_shrink_while_one_looks() {
    let mut widths = Widths::default();
    let fit = |widths: &mut Widths, task: &str| {
        let all = of(vec![held(row("a", &[State::Active], 0), task, "coder")]);
        let table = Table::of(&all, &[], true);
        let fit = table.fit(Some(120), widths);
        Table::head(&fit, Paint(false))
    };
    let wide = fit(&mut widths, "a task with a long name");
    assert_eq!(fit(&mut widths, "short"), wide);
    assert_ne!(fit(&mut Widths::default(), "short"), wide);
}

#[test]
fn colours_stand_around_words_and_not_around_blanks() {
    let all = of(vec![held(row("login", &[State::Active, State::Dirty], 0), "t", "a")]);
    let table = Table::of(&all, &[Some(Usd::from_cents(5))], true);
    let fit = table.fit(None, &mut Widths::default());
    let line = table.lines(&fit, Paint(true)).next().unwrap();
    let want = "\u{1b}[1mlogin\u{1b}[0m     \u{1b}[32m●\u{1b}[0m \u{1b}[33mdirty\u{1b}[0m  orch/login";
    assert!(line.starts_with(want) && line.ends_with("$0.05"), "{line:?}");
}

#[test]
fn nothing_that_somebody_named_reaches_the_terminal_as_it_is() {
    let all = of(vec![noted(row("a", &[State::Idle], 0), Some("\u{1b}[2Jx\r\u{202e}"), None)]);
    let text = overview(&all, &[], true, Paint(false), Some(200));
    assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_its_room(
        names in prop::collection::vec((".{0,40}", ".{0,60}", ".{0,30}", 0u64..10_000_000), 0..6),
        cents in 0i64..10_000_000,
        room in 1usize..160,
        live: bool,
        color: bool,
    ) {
        let rows = names.iter().map(|(name, task, agent, ago)| {
            let mut row = held(row("x", &[State::Active, State::Dirty, State::Conflicting], *ago), task, agent);
            row.known.git.branch = Some(name.clone());
            noted(row, None, Some(name))
        });
        let all = of(rows.collect());
        let spent = vec![Some(Usd::from_cents(cents)); names.len()];
        let table = Table::of(&all, &spent, live);
        let fit = table.fit(Some(room), &mut Widths::default());
        let lines: Vec<String> = table.lines(&fit, Paint(color)).collect();
        prop_assert_eq!(lines.len(), names.len());
        for line in lines.iter().chain([&Table::head(&fit, Paint(color))]) {
            prop_assert!(measure_text_width(line) <= room, "{line:?}");
            prop_assert!(!line.contains('\n'));
        }
    }
}
