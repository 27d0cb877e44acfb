//! What the fuzz target `actions` does with one input. In a file of its own: `bodies.rs` also serves tests without the
//! feature.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Parser, ScalarStyle};
use orch_core::ext::actions::{
    AuditOptions, FixOptions, Rule, ScheduleOptions, Table, WorkflowFile, audit, fix, schedule,
};

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
    drop((found.text(|_, text| text.to_owned()), found.json(), found.sarif(""), found.annotations("")));
    let named =
        vec![Rule::MissingConcurrency, Rule::MissingTimeout, Rule::CronOnTheHour, Rule::DoubleRun, Rule::MissingCache];
    for rules in [Vec::new(), named] {
        let options = FixOptions { audit: known.clone(), rules, ..FixOptions::default() };
        let fixed = fix(&file, &options);
        let Some(new) = fixed.text else { continue };
        // Every line that was there is there, but for crons.
        let mut rest = new.lines();
        for line in text.lines().filter(|line| !line.contains("cron")) {
            assert!(rest.any(|other| other == line), "`{line}` is gone from\n{new}");
        }
        let paths: Vec<&str> = fixed.repairs.iter().map(|repair| repair.path.as_str()).collect();
        only_those_differ(text, &new, &paths);
        let again = fix(&WorkflowFile::new("a.yml", new), &options);
        assert_eq!((again.text, again.repairs.len()), (None, 0));
    }
    let made = schedule(std::slice::from_ref(&file), &ScheduleOptions::default()).unwrap();
    assert_eq!(made.taken.is_empty(), made.table.slots.is_empty());
    for taken in &made.taken {
        only_those_differ(text, &taken.text, &["on.schedule", "on.workflow_dispatch"]);
    }
    Table::parse(&serde_json::to_string(&made.table).unwrap()).unwrap();
}

/// Whether both mean the same but for those keys, what is under them, and that they are there. By the parser's events alone: neither the tree nor the
/// proof of the library is asked.
fn only_those_differ(old: &str, new: &str, paths: &[&str]) {
    let (one, two) = (leaves(old), leaves(new));
    let all: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    for path in all.into_iter().filter(|path| one.get(*path) != two.get(*path)) {
        let under = |this: &str, of: &str| this == of || this.starts_with(of) && this[of.len()..].starts_with('.');
        assert!(paths.iter().any(|it| under(path, it) || under(it, path)), "`{path}` differs too, in\n{new}");
    }
}

/// Each value that holds no others, by its path, and whether it is written without quotes.
fn leaves(text: &str) -> BTreeMap<String, (String, bool)> {
    let mut leaves = BTreeMap::new();
    // Of each open collection its path, and what is next in it: the key that was read, or the number of the item.
    let mut open: Vec<(String, Option<String>, Option<usize>)> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for event in Parser::new_from_str(text) {
        let (event, _) = event.unwrap();
        let node = match &event {
            Event::Scalar(value, style, ..) => Some((value.to_string(), *style == ScalarStyle::Plain)),
            Event::SequenceStart(..) => Some(("[]".to_owned(), true)),
            Event::MappingStart(..) => Some(("{}".to_owned(), true)),
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                None
            }
            _ => None,
        };
        let Some((value, plain)) = node else { continue };
        let path = match open.last_mut() {
            None => String::new(),
            Some((above, _, Some(nth))) => {
                *nth += 1;
                format!("{above}.{}", *nth - 1)
            }
            Some((above, key, None)) => match key.take() {
                Some(key) => format!("{above}.{key}"),
                // A key: its value comes next.
                None => {
                    *key = Some(value.clone());
                    if matches!(event, Event::Scalar(..)) {
                        continue;
                    }
                    format!("{above}.?")
                }
            },
        };
        match event {
            Event::SequenceStart(..) => open.push((path, None, Some(0))),
            Event::MappingStart(..) => open.push((path, None, None)),
            _ => {
                // Nothing, however it is written, is nothing.
                let value = if plain && matches!(value.as_str(), "~" | "null" | "Null" | "NULL") {
                    String::new()
                } else {
                    value
                };
                leaves.insert(path.trim_start_matches('.').to_owned(), (value, plain));
            }
        }
    }
    leaves
}
