use std::{fs, sync::Arc};

use super::*;
use crate::{
    Clock,
    cost::budget::{Labels, Limits},
    fixtures,
    session::Ledger,
    store::MemoryStore,
};

const MONTH: &str = r#"{"version": "1.0", "current_month": "2026-02", "total_spent": 0.0009893999999999999, "executions": 1, "prs_generated": 1,
"tokens_used": {"claude_input": 16, "claude_output": 60, "openai_input": 60, "openai_output": 54}, "milestones_reached": [],
"last_reset": "2026-02-15T17:06:46.942197", "history": [{"month": "2026-01", "total_spent": 14.980725, "prs_generated": 3,
"executions": 479, "milestones_reached": [5.0, 10.0]}], "note": {"kept": true}}"#;

#[test]
fn real_files_are_known_by_their_keys_and_come_back_as_they_were() {
    let Some(folder) = fixtures::path("zakum") else { return };
    for (file, form) in [
        ("token_budget/A-monthly.160623b.root.json", "monthly"),
        ("token_budget/A-monthly.ddf00a4.json", "monthly"),
        ("token_budget/A-monthly.160623b.after-one-run.json", "monthly"),
        ("token_budget/C-sprint.0d4ff67.json", "sprint"),
        ("token_budget/C-sprint.b4272ce.json", "sprint"),
        ("cumulative_budget/B.338cb6e.json", "cumulative"),
        ("cumulative_budget/B.673dafd.json", "cumulative"),
        ("daily_budget/budget-2026-02-16.b4dacbf.json", "daily"),
        ("daily_budget/budget-2026-02-16.c737684.json", "daily"),
    ] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let read = BudgetFile::parse(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(read.form(), form, "{file}");
        assert_eq!(BudgetFile::parse(&read.render()).unwrap(), read, "{file}");
        let [theirs, ours]: [Value; 2] = [&text, &read.render()].map(|text| serde_json::from_str(text).unwrap());
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&theirs), "{file}");
        assert_eq!(read.limits(Usd::from_cents(1500)).len(), 1);
        read.charges().unwrap();
    }
    let other = fs::read_to_string(folder.join("daily_budget/analytics-metrics.fd2fce7.json")).unwrap();
    assert_eq!(BudgetFile::parse(&other).map_err(|error| error.kind()), Err(ErrorKind::InvalidFormat));
}

#[test]
fn the_noise_of_floats_goes_and_all_else_stays() {
    let file = BudgetFile::parse(MONTH).unwrap();
    assert_eq!(file.spent(), Usd::from_nanos(989_400));
    let text = file.render();
    assert!(text.contains("\"total_spent\": 0.0009894") && text.contains("\"kept\": true"), "{text}");
    assert!(text.contains("\"last_reset\": \"2026-02-15T17:06:46.942197\""), "{text}");
}

#[test]
fn what_was_spent_comes_into_the_months_in_which_it_was() {
    let file = BudgetFile::parse(MONTH).unwrap();
    let (clock, hand) = Clock::manual();
    let february: WallTime = "2026-02-20".parse().unwrap();
    hand.wall_forward(std::time::Duration::from_millis(february.0 - clock.wall().0));
    let limits = Limits::new(file.limits(Usd::from_cents(1500))).unwrap();
    let ledger = Ledger::new(Arc::new(MemoryStore::new(clock.clone())), limits, clock);
    ledger.import(&file.charges().unwrap()).unwrap();
    assert_eq!(ledger.standing(&Labels::default()).unwrap()[0].spent, Usd::from_nanos(989_400));
    assert_eq!(
        ledger.charges(None, None).unwrap().iter().map(|charge| charge.usd.nanos()).sum::<i64>(),
        14_981_714_400
    );
}

#[test]
fn what_cannot_be_used_is_an_error_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token_budget.json");
    let good = BudgetFile::parse(MONTH).unwrap();
    for bad in [
        String::new(),
        "[]".to_owned(),
        MONTH.replace("0.0009893999999999999", "-1"),
        MONTH.replace("0.0009893999999999999", "\"free\""),
        MONTH.replace("\"executions\": 1,", ""),
        format!("<<<<<<< HEAD\n{MONTH}\n=======\n{MONTH}\n>>>>>>> other\n"),
        MONTH[..200].to_owned(),
    ] {
        fs::write(&path, &bad).unwrap();
        for tried in [BudgetFile::load(&path).map(drop), good.save(&path)] {
            let kind = tried.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::InvalidFormat), "{bad}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), bad, "it is as it was");
    }
    fs::remove_file(&path).unwrap();
    good.save(&path).unwrap();
    good.save(&path).unwrap();
    assert_eq!(BudgetFile::load(&path).unwrap(), good);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let odd = BudgetFile::parse(&MONTH.replace("\"2026-02\"", "\"2026-13\"")).unwrap();
    assert_eq!(odd.charges().map_err(|error| error.kind()), Err(ErrorKind::Corrupt));
}
