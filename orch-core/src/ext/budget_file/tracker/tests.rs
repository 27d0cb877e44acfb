use std::{thread, time::Duration};

use super::*;
use crate::WallTime;

fn clock(text: &str) -> (Clock, crate::clock::Hand) {
    let (clock, hand) = Clock::manual();
    let time: WallTime = text.parse().unwrap();
    hand.wall_forward(Duration::from_millis(time.0 - clock.wall().0));
    (clock, hand)
}

#[test]
fn the_file_is_replayed_with_its_milestones_and_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = Tracker::new(folder.path().join("b.json"), MonthlyOptions::default(), clock("2026-02-01").0);
    let tokens = tracker.options().expects.clone();
    let mut told = Vec::new();
    while tracker.check().unwrap().available {
        let (done, over) = tracker.record(&tokens, false).unwrap();
        told.extend(done.milestones.iter().map(|usd| (usd.to_decimal(), done.executions)));
        assert_eq!(over, None);
    }
    assert_eq!(told, [("5".to_owned(), 160), ("10".to_owned(), 320)]);
    let stands = tracker.check().unwrap();
    assert_eq!(stands.to_string(), "Budget exhausted. Spent: $14.98, Remaining: $0.02");
    assert_eq!((stands.month.executions, stands.month.total_spent.to_decimal().as_str()), (479, "14.980725"));
    let text = fs::read_to_string(folder.path().join("b.json")).unwrap();
    assert!(text.contains("\"total_spent\": 14.980725,"), "{text}");
    let others: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(others.len(), 1, "nothing is left beside it");
}

#[test]
fn a_month_that_is_over_is_told_once_by_whoever_looks() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock("2026-02-27");
    let tracker = Tracker::new(folder.path().join("b.json"), MonthlyOptions::default(), clock);
    tracker.record(&tracker.options().expects, true).unwrap();
    hand.wall_forward(Duration::from_secs(86_400 * 3));
    let other = tracker.clone();
    let over = tracker.check().unwrap().over.unwrap();
    assert_eq!((over.month.as_str(), over.executions, over.prs_generated), ("2026-02", 1, 1));
    let stands = other.check().unwrap();
    assert_eq!((stands.over, stands.month.history.len(), stands.month.executions), (None, 1, 0));
}

#[test]
fn who_books_at_once_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = Tracker::new(folder.path().join("b.json"), MonthlyOptions::default(), Clock::system());
    let tokens = TokenFile::new(folder.path().join("t.json"));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    tracker.record(&TokensUsed { openai_output: 1, ..TokensUsed::default() }, true).unwrap();
                    tokens.add(7).unwrap();
                }
            });
        }
    });
    let month = tracker.check().unwrap().month;
    assert_eq!((month.executions, month.tokens_used.openai_output, month.total_spent.nanos()), (80, 80, 80 * 600));
    assert_eq!(tokens.load().unwrap(), 560);
}

#[test]
fn what_cannot_be_used_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.json");
    let tracker = Tracker::new(&path, MonthlyOptions::default(), Clock::system());
    let sprint = r#"{"upfront_budget": 30, "daily_budget": 0.5, "spent_upfront": 1, "spent_today": 1, "total_spent": 1,
        "tokens_used": 1, "prs_generated": 1, "phase": "ongoing", "sprint_start_date": "2026-02-01", "last_reset_date": "2026-02-01",
        "tasks_completed": 1}"#;
    for (text, kind) in [
        ("", ErrorKind::Corrupt),
        ("{", ErrorKind::Corrupt),
        ("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> main\n", ErrorKind::Corrupt),
        (r#"{"current_month": "2026-02"}"#, ErrorKind::Corrupt),
        (sprint, ErrorKind::InvalidFormat),
        ("[]", ErrorKind::InvalidFormat),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(tracker.check().map_err(|error| error.kind()), Err(kind), "{text}");
        let recorded = tracker.record(&TokensUsed::default(), false);
        assert_eq!(recorded.map_err(|error| error.kind()), Err(kind), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let tokens = TokenFile::new(&path);
        assert!(tokens.add(1).is_err(), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
