//! What the fuzz target `actions` does with one input. In a file of its own: `bodies.rs` also serves tests without the
//! feature.

use orch_core::ext::actions::{AuditOptions, FixOptions, Rule, ScheduleOptions, WorkflowFile, audit, fix, schedule};

/// A workflow file, on its way through audit, repair and schedule.
pub(crate) fn actions(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let file = WorkflowFile::new("a.yml", text);
    let repository = ["package-lock.json".to_owned(), "requirements.txt".to_owned()].into();
    let known = AuditOptions { repository, ..AuditOptions::default() };
    let found = audit(std::slice::from_ref(&file), &known);
    let lines = text.split('\n').count().max(1);
    for finding in &found.findings {
        assert!((1..=lines).contains(&finding.line) && finding.column > 0, "{finding:?} of {lines} lines");
    }
    assert_eq!(audit(std::slice::from_ref(&file), &known), found);
    let named =
        vec![Rule::MissingConcurrency, Rule::MissingTimeout, Rule::CronOnTheHour, Rule::DoubleRun, Rule::MissingCache];
    for rules in [Vec::new(), named] {
        let options = FixOptions { audit: known.clone(), rules, ..FixOptions::default() };
        let Some(new) = fix(&file, &options).text else { continue };
        // Every line that was there is there, but for crons.
        let mut rest = new.lines();
        for line in text.lines().filter(|line| !line.contains("cron")) {
            assert!(rest.any(|other| other == line), "`{line}` is gone from\n{new}");
        }
        let again = fix(&WorkflowFile::new("a.yml", new), &options);
        assert_eq!((again.text, again.repairs.len()), (None, 0));
    }
    let made = schedule(std::slice::from_ref(&file), &ScheduleOptions::default()).unwrap();
    assert_eq!(made.taken.is_empty(), made.table.slots.is_empty());
}
