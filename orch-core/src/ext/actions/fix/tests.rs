//! Fixes of workflows that are generated in every style that YAML has for them.

use proptest::{prelude::*, strategy::ValueTree as _};

use super::*;
use crate::ext::actions::{prove::Plain, yaml::Yaml};

/// By lines alone, without a parser: what was there is there, in its order, and what came are keys that a fix may write. `crons` may change too.
pub(in super::super) fn only_lines_were_added(old: &str, new: &str, crons: bool) {
    let mut rest = old.split_inclusive('\n').peekable();
    for line in new.split_inclusive('\n') {
        let same = |old: &str| {
            old == line
                || old.trim_end_matches(['\r', '\n']) == line.trim_end_matches(['\r', '\n']) && !old.ends_with('\n')
        };
        if rest.peek().is_some_and(|old| same(old)) {
            rest.next();
            continue;
        }
        if crons && rest.peek().is_some_and(|old| old.contains("cron:")) && line.contains("cron:") {
            let old = rest.next().unwrap();
            let tail = |line: &str| line.split('#').nth(1).map(str::to_owned);
            assert_eq!(tail(old), tail(line));
            continue;
        }
        let word = line.trim();
        let known = [
            "concurrency:",
            "group: ${{ github.workflow }}-",
            "cancel-in-progress: ${{",
            "timeout-minutes: ",
            "with:",
            "cache: ",
            "branches: [",
        ];
        assert!(word.is_empty() || known.iter().any(|known| word.starts_with(known)), "`{word}` came");
    }
    assert_eq!(rest.next(), None, "a line is gone");
}

/// The document without the keys that a fix may write.
fn without(plain: &Plain, fixed: &Fixed) -> Plain {
    fn take(plain: &mut Plain, path: &[&str]) {
        match (plain, path) {
            (Plain::Map(entries), [last]) => entries.retain(|(key, _)| key != last),
            (Plain::Map(entries), [first, rest @ ..]) => {
                entries.iter_mut().filter(|(key, _)| key == first).for_each(|(_, value)| take(value, rest));
            }
            (Plain::Seq(items), [first, rest @ ..]) => {
                if let Some(item) = items.get_mut(first.parse::<usize>().unwrap()) {
                    take(item, rest);
                }
            }
            _ => {}
        }
    }
    let mut plain = plain.clone();
    for repair in &fixed.repairs {
        take(&mut plain, &repair.path.split('.').collect::<Vec<_>>());
    }
    // `with` came with its `cache`.
    plain
}

fn no_empty_with(plain: Plain) -> Plain {
    match plain {
        Plain::Map(entries) => {
            let keep = |(key, value): &(String, Plain)| !(key == "with" && *value == Plain::Map(Vec::new()));
            Plain::Map(entries.into_iter().filter(keep).map(|(key, value)| (key, no_empty_with(value))).collect())
        }
        Plain::Seq(items) => Plain::Seq(items.into_iter().map(no_empty_with).collect()),
        scalar => scalar,
    }
}

fn options() -> FixOptions {
    let repository = ["package-lock.json".to_owned(), "requirements.txt".to_owned()].into();
    FixOptions { audit: AuditOptions { repository, ..AuditOptions::default() }, ..FixOptions::default() }
}

#[track_caller]
fn holds(text: &str) -> Fixed {
    let file = WorkflowFile::new("a.yml", text);
    let fixed = fix(&file, &options());
    let Some(new) = &fixed.text else { return fixed };
    only_lines_were_added(text, new, false);
    let (one, two) = (Yaml::parse(text).unwrap(), Yaml::parse(new).unwrap());
    let plain = |yaml: &Yaml<'_>| Plain::of(yaml.root().unwrap());
    assert_eq!(no_empty_with(plain(&one)), no_empty_with(without(&plain(&two), &fixed)), "{new}");
    let comments =
        |yaml: &Yaml<'_>| yaml.comments.iter().map(|at| yaml.text()[at.clone()].to_owned()).collect::<Vec<_>>();
    let new_comments: Vec<String> = comments(&two).into_iter().filter(|comment| comment != "# a guess").collect();
    assert_eq!(comments(&one), new_comments);
    if text.contains("\r\n") {
        assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{new:?}");
    }
    assert_eq!(new.starts_with('\u{feff}'), text.starts_with('\u{feff}'));
    let again = fix(&WorkflowFile::new("a.yml", new.clone()), &options());
    assert_eq!((&again.text, again.repairs.len()), (&None, 0), "{new}");
    fixed
}

/// Lines of a block, deeper by that many spaces.
fn deeper(text: &str, by: usize) -> String {
    text.lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{}{line}\n", " ".repeat(by)) })
        .collect()
}

fn on() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "on: pull_request\n",
        "on: [push, pull_request] # both\n",
        "'on':\n- push\n- pull_request\n",
        "on:\n  # 🚀 first\n  push:\n    branches: [main]\n\n  pull_request:\n",
        "on: {pull_request: {branches: [main]}}\n",
        "on:\n    pull_request:\n        types: [opened, synchronize]\n    workflow_dispatch:\n",
        "on:\n  schedule:\n  - cron: \"0 2 * * *\" # two\n  push:\n",
        "on: &events [push]\n",
        "\"on\": push\n",
    ])
    .prop_map(str::to_owned)
}

fn concurrency() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "",
        "",
        "",
        "concurrency: ci-${{ github.ref }}\n",
        "concurrency:\n  group: ci-${{ github.ref }} # by branch\n",
        "concurrency:\n    group: \"all\"\n",
        "concurrency: {group: 'a-${{ github.ref }}'}\n",
        "concurrency:\n  group: x\n  cancel-in-progress: false\n",
        "concurrency:\n  group: >-\n    ci-${{ github.ref }}\n",
    ])
    .prop_map(str::to_owned)
}

fn step() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "- uses: actions/checkout@v4\n",
        "- run: make test\n",
        "- name: \"tab\\there 🔄\"\n  run: |\n    # not a comment\n    \techo \"a: b\"\n\n    done\n",
        "-   uses: actions/setup-node@v4 # node\n",
        "- uses: actions/setup-node@v4\n  with:\n    # which\n    node-version: 20\n",
        "- name: x\n  uses: 'actions/setup-python@v5'\n  with: {python-version: '3.12'}\n",
        "- {run: ls}\n",
        "- run: >+\n    folded\n    text\n\n",
        "- run: 'multi\n    line'\n",
        "- run: echo \"a\tb\"\n",
        "# orch: ignore[missing-cache]\n- uses: actions/setup-node@v4\n",
    ])
    .prop_map(str::to_owned)
}

fn job() -> impl Strategy<Value = String> {
    let runs_on = proptest::sample::select(vec![
        "runs-on: ubuntu-latest\n",
        "runs-on: 'ubuntu-latest' # 🐧\n",
        "runs-on: [self-hosted, linux]\n",
        "runs-on:\n  - self-hosted\n  - linux\n",
        "runs-on: ${{ matrix.os }}\n",
        "runs-on: >-\n  ubuntu-latest\n",
        "runs-on: { group: big }\n",
        "\"runs-on\": ubuntu-latest\n",
    ]);
    let more = proptest::sample::subsequence(
        vec![
            "name: Test 🧪 ${{ matrix.os }}\n",
            "timeout-minutes: 15\n",
            "strategy:\n  matrix:\n    os: [ubuntu-latest, 'windows-latest']\n",
            "env:\n  A: |+\n    text\n\n\n",
            "needs: []\n",
            "# a comment\nif: ${{ always() }}\n",
        ],
        0..4,
    );
    (runs_on, more, proptest::collection::vec(step(), 0..4), any::<(bool, bool, bool)>(), 0..12_u32).prop_map(
        |(runs_on, more, steps, (first, flat, last), odd)| {
            if odd == 0 {
                return "{runs-on: ubuntu-latest, steps: [{run: ls}]}\n".to_owned();
            }
            let steps: String = steps.concat();
            let steps = match steps.is_empty() {
                true => String::new(),
                false => format!("steps:\n{}", if flat { steps } else { deeper(&steps, 2) }),
            };
            let mut parts: Vec<String> = more.into_iter().map(str::to_owned).collect();
            parts.insert(if first { 0 } else { parts.len() }, runs_on.to_owned());
            parts.insert(if last { parts.len() } else { 0 }, steps);
            parts.concat()
        },
    )
}

fn workflow() -> impl Strategy<Value = String> {
    let head = proptest::sample::select(vec![
        "",
        "# 🚦 workflow\n\n",
        "---\n",
        "name: \"CI\\t🔄\"\n",
        "name: CI # x\n\n\n",
        "name: |\n  CI\n\n",
    ]);
    let jobs = proptest::collection::vec((job(), any::<bool>()), 1..4);
    (head, on(), concurrency(), jobs, any::<[bool; 4]>(), prop_oneof![Just(2_usize), Just(4)]).prop_map(
        |(head, on, concurrency, jobs, [crlf, bom, open, late], by)| {
            let mut all = String::new();
            for (nth, (job, comment)) in jobs.into_iter().enumerate() {
                if comment {
                    all += &format!("\n# job {nth}\n");
                }
                match job.starts_with('{') {
                    true => all += &format!("job{nth}: {job}"),
                    false => all += &format!("job{nth}: # here\n{}", deeper(&job, by)),
                }
            }
            let jobs = format!("# the jobs\njobs:\n{}", deeper(&all, by));
            let mut text = match late {
                true => format!("{head}{jobs}\n{on}{concurrency}"),
                false => format!("{head}{on}\n{concurrency}{jobs}"),
            };
            if open {
                text.truncate(text.trim_end_matches('\n').len());
            }
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            if bom { format!("\u{feff}{text}") } else { text }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn generated_workflows_keep_all_that_they_said(text in workflow()) {
        let fixed = holds(&text);
        if text.contains('&') {
            prop_assert!(fixed.text.is_none());
        }
    }

    #[test]
    fn any_text_is_left_as_it_is_or_proved(text in "(on: push\n)?[a-z:\\- \n#'\"\\[\\]{}&*!|>\t]{0,60}") {
        holds(&text);
    }
}

#[test]
fn every_style_is_really_edited() {
    // The generator would prove nothing if all that it makes were refused.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut repairs = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..100 {
        let text = workflow().new_tree(&mut runner).unwrap().current();
        for repair in fix(&WorkflowFile::new("a.yml", text), &options()).repairs {
            *repairs.entry(repair.rule.id()).or_default() += 1;
        }
    }
    for (rule, least) in
        [("missing-concurrency", 10), ("missing-timeout", 50), ("missing-cache", 15), ("cancel-in-progress", 1)]
    {
        assert!(repairs.get(rule).is_some_and(|count| *count >= least), "{rule}: {repairs:?}");
    }
}

#[test]
fn five_thousand_lines_are_fixed() {
    let mut text = "on: pull_request\njobs:\n".to_owned();
    for nth in 0..10 {
        text += &format!("  job{nth}:\n    runs-on: ubuntu-latest # 🐧 {nth}\n    steps:\n      - run: |\n");
        text += &"          echo \"a: b\" # no comment\n".repeat(500);
    }
    assert!(text.lines().count() > 5_000);
    assert_eq!(holds(&text).repairs.len(), 11);
}

#[test]
fn what_cannot_be_edited_surely_is_refused() {
    for (text, why) in [
        ("on: push\nx: &a 1\njobs: {a: {runs-on: x}}\n", "anchors"),
        ("on: push\njobs: !!map {a: {runs-on: x}}\n", "tags"),
        ("on: push\njobs: {a: {runs-on: x}}\n--- \nb: 1\n", "document"),
        ("{on: push, jobs: {a: {runs-on: x}}}\n", "braces"),
        ("on: push\rjobs: {a: 1}\n", "end a line"),
        ("on:\njobs:\n  a:\n    runs-on: x\n", "nothing starts it"),
        ("on: push\njobs:\n  a: {runs-on: x}\n", "braces"),
        ("on: push\njobs:\n  ? a\n  : runs-on: x\n", "alone"),
        ("on: push\njobs: [\n", ""),
    ] {
        let fixed = fix(&WorkflowFile::new("a.yml", text), &options());
        assert_eq!(fixed.text, None, "{text}");
        assert!(fixed.refused.iter().any(|refusal| refusal.why.contains(why)), "{text}: {:?}", fixed.refused);
    }
}

#[test]
fn a_last_line_without_an_end_keeps_none() {
    for (end, line) in [("\n", "on: push"), ("\r\n", "on: push\r")] {
        let text = format!("{line}\njobs:{end}  a:{end}    runs-on: x");
        let new = holds(&text).text.unwrap();
        assert_eq!(new, format!("{text}{end}    timeout-minutes: 30 # a guess"));
    }
}

#[test]
fn what_a_comment_silences_is_not_repaired() {
    let text = "on: push\njobs:\n  a: # orch: ignore[missing-timeout] it ends by itself\n    runs-on: x\n  b:\n    runs-on: x\n";
    let paths: Vec<String> = holds(text).repairs.into_iter().map(|repair| repair.path).collect();
    assert_eq!(paths, ["jobs.b.timeout-minutes"]);
}

#[test]
fn what_would_be_wrong_is_refused_by_name() {
    for (text, rules, why) in [
        (
            "on: pull_request\nconcurrency:\n  group: everybody\njobs:\n  a:\n    runs-on: x\n",
            vec![Rule::CancelInProgress],
            "runs of others",
        ),
        ("on:\n  push:\n  pull_request:\njobs:\n  a:\n    runs-on: x\n", vec![Rule::DoubleRun], "quotes"),
    ] {
        let options = FixOptions { rules, branch: "a: b".to_owned(), ..options() };
        let fixed = fix(&WorkflowFile::new("a.yml", text), &options);
        assert_eq!((fixed.text, fixed.repairs.len()), (None, 0), "{text}");
        assert!(fixed.refused.iter().any(|refusal| refusal.why.contains(why)), "{:?}", fixed.refused);
    }
}

#[test]
fn named_rules_change_only_their_word() {
    let text = "on:\n  schedule:\n    - cron: \"0 2 * * *\" # two\n    - cron: 7 * * * *\n  push:\n  pull_request:\njobs:\n  a:\n    runs-on: x\n";
    let rules = vec![Rule::CronOnTheHour, Rule::DoubleRun];
    let options = FixOptions { rules, ..options() };
    let fixed = fix(&WorkflowFile::new("a.yml", text), &options);
    let paths: Vec<&str> = fixed.repairs.iter().map(|repair| repair.path.as_str()).collect();
    assert_eq!(paths, ["on.schedule.0.cron", "on.push.branches"]);
    let new = fixed.text.unwrap();
    only_lines_were_added(text, &new, true);
    assert!(new.contains("  push:\n    branches: [main]\n  pull_request:"), "{new}");
    assert!(new.contains(" 2 * * *\" # two\n    - cron: 7 * * * *\n"), "{new}");
    let asks = text.replace("runs-on: x", "if: github.event.schedule == '0 2 * * *'\n    runs-on: x");
    assert!(fix(&WorkflowFile::new("a.yml", asks), &options).refused.iter().any(|it| it.why.contains("which cron")));
}

#[test]
fn measured_timeouts_are_no_guesses() {
    let runs = r#"[{"databaseId": 1, "workflowName": "CI", "event": "push", "status": "completed", "conclusion": "success",
        "createdAt": "2026-11-01T10:00:00Z", "jobs": [{"name": "a", "conclusion": "success",
        "startedAt": "2026-11-01T10:00:00Z", "completedAt": "2026-11-01T10:04:00Z"}]}]"#;
    let history = crate::ext::actions::History::of(&crate::ext::actions::read_runs(&[runs]).unwrap()).unwrap();
    let mut options = options();
    options.audit.history = Some(history);
    let text = "name: CI\non: push\njobs:\n  a:\n    runs-on: x\n";
    let new = fix(&WorkflowFile::new("a.yml", text), &options).text.unwrap();
    assert!(new.ends_with("    runs-on: x\n    timeout-minutes: 10\n"), "{new}");
}
