//! Badges, and the READMEs of the scripts that orch replaces.

// It is always true here; it tells the lints that these lines are test code.
#![cfg(test)]
#![cfg(feature = "badges")]

mod support;

use std::fs;

use orch_core::ext::badges::{END, START, Was, place_block};
use proptest::prelude::*;
use support::fixtures;

/// Addresses of all badges of a text that are none of those that the scripts wrote.
fn others(text: &str) -> Vec<String> {
    let ours = [
        "MTD Cost",
        "Orchestration Savings",
        "Claude Monthly Cost",
        "Budget Status",
        "Cost Trend",
        "Daily Average",
        "Weekly Cost",
        "YTD Cost",
    ];
    let names = text.split("[![").skip(1).map(|rest| rest.split(']').next().unwrap().to_owned());
    names.filter(|name| !ours.contains(&name.as_str())).collect()
}

#[test]
fn damaged_readmes_lose_nothing() {
    let Some(folder) = fixtures::path("kindlemint/readme") else { return };
    let (mut orchestration, mut claude) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let before = fs::read_to_string(&path).unwrap();
        let placed =
            place_block(&before, "[![MTD Cost](new)](x)", false).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        match placed.was {
            Was::Earlier("<!-- Orchestration Cost Tracking -->") => orchestration += 1,
            Was::Earlier("<!-- Claude Cost Tracking -->") => claude += 1,
            other => panic!("{path:?}: {other:?}"),
        }
        assert_eq!(others(&placed.text), others(&before), "{path:?}");
        // Outside of what was replaced it is the same, byte for byte.
        let (head, tail) = (&before[..placed.replaced.start], &before[placed.replaced.end..]);
        assert!(placed.text.starts_with(head) && placed.text.ends_with(tail), "{path:?}");
        let block = &placed.text[head.len()..placed.text.len() - tail.len()];
        assert_eq!(block.trim_end_matches('\n'), format!("{START}\n[![MTD Cost](new)](x)\n{END}"), "{path:?}");
        // What was glued to the badges has a line of its own now.
        let glued = before[..placed.replaced.end].ends_with("(./reports/orchestration/)") && tail.starts_with('[');
        assert_eq!(block.ends_with('\n'), glued, "{path:?}");
        assert!(placed.text.lines().all(|line| !line.contains(END) || line == END), "{path:?}");
        // Whoever runs it again changes nothing, however often.
        let again = place_block(&placed.text, "[![MTD Cost](new)](x)", false).unwrap();
        assert_eq!((again.text.as_str(), again.was), (placed.text.as_str(), Was::Block), "{path:?}");
    }
    assert_eq!((orchestration, claude), (7, 1));
}

#[test]
fn marks_that_are_no_pair_change_nothing() {
    for text in [
        format!("{START}\n"),
        format!("{END}\n"),
        format!("{END}\n{START}\n"),
        format!("{START}\n{START}\n{END}\n"),
        format!("{START}\n{END}\n{START}\n{END}\n"),
    ] {
        assert!(place_block(&text, "x", true).is_err(), "{text}");
    }
    for text in [
        "",
        "# A\n",
        "text <!-- orch:badges:start -->\n",
        "```\n<!-- orch:badges:start -->\n<!-- orch:badges:end -->\n```\n",
    ] {
        assert!(place_block(text, "x", false).is_err(), "{text}");
        let placed = place_block(text, "x", true).unwrap();
        assert_eq!(place_block(&placed.text, "x", false).unwrap().text, placed.text, "{text}");
    }
    assert!(place_block(&format!("{START}\n{END}"), &format!("a {END}"), false).is_err());
}

#[test]
fn line_ends_stay_as_they_are() {
    let text = format!("\u{feff}# A\r\n  {START}  \r\nold\r\n {END}\r\nrest\r\n");
    let placed = place_block(&text, "one\ntwo", false).unwrap();
    assert_eq!(placed.text, format!("\u{feff}# A\r\n  {START}\r\none\r\ntwo\r\n{END}\r\nrest\r\n"));
    assert_eq!(
        place_block("# A\r\ntext", "x", true).unwrap().text,
        format!("# A\r\n\r\n{START}\r\nx\r\n{END}\r\ntext")
    );
    assert_eq!(place_block("\u{feff}text", "x", true).unwrap().text, format!("\u{feff}{START}\nx\n{END}\ntext"));
}

/// Lines that may confuse whoever looks for marks.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -~äé]{0,20}",
        1 => Just(" <!-- orch:badges -->".to_owned()),
        1 => Just("[![MTD Cost](a)](b)".to_owned()),
        1 => Just(format!("x {START}")),
        1 => Just("    indented".to_owned()),
        1 => Just("<!-- Orchestration Cost Tracking --> x".to_owned()),
    ]
    .prop_filter("a fence hides what follows", |line: &String| !line.contains("```") && !line.contains("~~~"))
}

fn text() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    prop::collection::vec((line(), end), 0..8)
        .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

proptest! {
    #[test]
    fn no_byte_outside_of_the_block_changes(before in text(), old in text(), after in text(), new in "[a-z]{0,9}(\n[a-z]{1,9}){0,2}") {
        let whole = format!("{before}{START}\n{old}{END}\n{after}");
        let placed = place_block(&whole, &new, false).unwrap();
        prop_assert!(placed.text.starts_with(&format!("{before}{START}")), "{}", placed.text);
        prop_assert!(placed.text.ends_with(&format!("{END}\n{after}")), "{}", placed.text);
        prop_assert_eq!(&whole[placed.replaced.clone()], format!("{START}\n{old}{END}"));
        let again = place_block(&placed.text, &new, false).unwrap();
        prop_assert_eq!(&again.text, &placed.text);
        // Back to what was there.
        let middle = &placed.text[before.len() + START.len()..placed.text.len() - END.len() - 1 - after.len()];
        prop_assert_eq!(middle.replace('\r', ""), if new.is_empty() { "\n".to_owned() } else { format!("\n{new}\n") });
    }

    #[test]
    fn badges_of_the_scripts_go_and_whatever_is_glued_to_them_stays(before in text(), glued in "[!-~]{0,12}", after in text(), address in "[a-z$_.0-9]{1,9}(\\([0-9]%\\))?") {
        prop_assume!(!glued.starts_with("[![MTD") && !glued.contains("```"));
        let ours = format!("[![MTD Cost]({address})](./r/) [![Orchestration Savings]({address})](./r/)");
        let whole = format!("{before}<!-- Orchestration Cost Tracking -->\n{ours}{glued}\n{after}");
        prop_assume!(!after.starts_with("[![MTD Cost]"));
        let placed = place_block(&whole, "x", false).unwrap();
        let end = if before.find('\n').is_some_and(|at| before[..at].ends_with('\r')) { "\r\n" } else { "\n" };
        let tail = if glued.is_empty() { String::new() } else { format!("{end}{glued}") };
        prop_assert_eq!(placed.text, format!("{before}{START}{end}x{end}{END}{tail}\n{after}"));
    }
}
