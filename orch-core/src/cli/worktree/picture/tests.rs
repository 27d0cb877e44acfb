use proptest::prelude::*;

use super::{
    super::fixtures::{overview, row, shop},
    *,
};

fn frame(place: &mut Place, size: (usize, usize), problem: Option<&str>) -> String {
    let (all, spent) = shop();
    let show = Shown { title: "shop", overview: &all, spent: &spent, problem, interval: Duration::from_secs(2) };
    let lines = draw(&show, place, size, Paint(false));
    assert_eq!(lines.len(), size.1, "as many lines as the screen has");
    // So that one sees where the screen ends.
    lines.iter().map(|line| format!("{line}|")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_picture_fits_the_screen() {
    insta::assert_snapshot!(frame(&mut Place::default(), (80, 24), None), @r"
    shop   6 worktrees   ● 1 active   ◐ 1 waiting   ○ 4 idle            $13.42 spent|
    |
    WORKTREE      STATUS         BRANCH       LAST USE  TASK        AGENT      SPEND|
    shop          ○ idle         main         2 days|
    puzzle-gen    ● active       orch/puzzl…  now       make-puzz…  coder      $1.31|
    pdf-gen       ◐ conflicting  orch/pdf-g…  now       lay out t…  designer  $12.04|
    qa-validati…  ○ stale dirty  qa-validat…  12 days   check-boo…             $0.07|
    market        ○ prunable     (detached)   1 h|
    東京-docs     ○ idle         orch/東京-…  5 min     Übersetzu…|
    |
    ! pdf-gen conflicts with main|
    ! qa-validation is stale: nobody used it for 12 days|
    ! the folder of market is gone; `orch worktree prune` forgets it|
    ! puzzle-gen conflicts with pdf-gen: layout.py, pages.py, a.txt and 1 more|
    |
    |
    |
    |
    |
    |
    |
    |
    |
    q quit   r look now                                     every 2 s   08:00:00 UTC|
    ");
    insta::assert_snapshot!(frame(&mut Place::default(), (120, 14), None), @r"
    shop   6 worktrees   ● 1 active   ◐ 1 waiting   ○ 4 idle                                                    $13.42 spent|
    |
    WORKTREE       STATUS         BRANCH           COMMITS  LAST USE  TASK                AGENT      SPEND|
    shop           ○ idle         main                      2 days|
    puzzle-gen     ● active       orch/puzzle-gen  +3       now       make-puzzles        coder      $1.31|
    pdf-gen        ◐ conflicting  orch/pdf-gen     +1 -12   now       lay out the pages   designer  $12.04|
    qa-validation  ○ stale dirty  qa-validation             12 days   check-books                    $0.07|
    market         ○ prunable     (detached)                1 h|
    東京-docs      ○ idle         orch/東京-docs            5 min     Übersetzung 日本語|
    |
    ! pdf-gen conflicts with main|
    ! qa-validation is stale: nobody used it for 12 days|
    ! 2 more alerts; `orch worktree list` shows them|
    q quit   r look now                                                                             every 2 s   08:00:00 UTC|
    ");
    insta::assert_snapshot!(frame(&mut Place::default(), (40, 12), None), @r"
    shop   6 worktrees   ● 1 active|
    |
    WORKTREE       STATUS         LAST USE|
    shop           ○ idle         2 days|
    puzzle-gen     ● active       now|
    pdf-gen        ◐ conflicting  now|
    qa-validation  ○ stale dirty  12 days|
    market         ○ prunable     1 h|
    |
    ! pdf-gen conflicts with main|
    ! 3 more alerts; `orch worktree list` s…|
    q quit   r look now   ↑↓ scroll|
    ");
    insta::assert_snapshot!(frame(&mut Place::default(), (30, 6), None), @r"
    shop   6 worktrees|
    WORKTREE       STATUS|
    shop           ○ idle|
    puzzle-gen     ● active|
    ! 4 alerts; `orch worktree li…|
    q quit   r look now   ↑↓ scro…|
    ");
}

#[test]
fn what_went_wrong_stands_where_the_keys_were() {
    let text = frame(&mut Place::default(), (60, 24), Some("git\u{1b}[2J is gone"));
    assert!(text.ends_with("as of 08:00:00: git\\u{1b}[2J is gone|"), "{text}");
}

#[test]
fn a_long_list_scrolls_and_stops_at_its_end() {
    let all = overview((0..40).map(|nth| row(&format!("tree-{nth:02}"), &[State::Idle], 5)).collect());
    let show = Shown { title: "shop", overview: &all, spent: &[], problem: None, interval: Duration::from_millis(500) };
    let mut place = Place { top: usize::MAX, ..Place::default() };
    let lines = draw(&show, &mut place, (80, 10), Paint(false));
    assert_eq!((place.top, place.page), (33, 7));
    assert!(lines[2].starts_with("tree-33") && lines[8].starts_with("tree-39"), "{lines:?}");
    assert_eq!(lines[9], format!("q quit   r look now   ↑↓ scroll{:>49}", "34-40 of 40   every 0.5 s   08:00:00 UTC"));
    place.top = 0;
    assert!(draw(&show, &mut place, (80, 10), Paint(false))[2].starts_with("tree-00"));
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_screen(
        many in 0usize..60,
        title in ".{0,80}",
        problem in prop::option::of(".{0,100}"),
        top: usize,
        size in (1usize..150, 1usize..50),
        color: bool,
    ) {
        let (mut all, spent) = shop();
        all.rows.extend((0..many).map(|nth| row(&format!("tree-{nth}"), &[State::Idle, State::Stale], 20_000)));
        let (problem, interval) = (problem.as_deref(), Duration::from_secs(2));
        let show = Shown { title: &title, overview: &all, spent: &spent, problem, interval };
        let mut place = Place { top, ..Place::default() };
        let lines = draw(&show, &mut place, size, Paint(color));
        prop_assert_eq!(lines.len(), size.1);
        for line in lines {
            prop_assert!(measure_text_width(&line) <= size.0, "{line:?}");
        }
    }
}
