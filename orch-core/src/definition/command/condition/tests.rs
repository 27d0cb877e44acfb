use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ErrorKind;

/// The values that the tables below read.
fn scope() -> Value {
    json!({
        "inputs": {"frameworks": ["SOC2"], "none": [], "chaos": true, "text": "a-b", "nothing": null},
        "context": {"riskAssessment": {"overallRiskScore": 8, "risks": [{"category": "security", "score": 7}, {"category": "cost"}]}},
        "coverage": 84.5, "zero": 0, "one": 1, "big": 9_007_199_254_740_993_u64, "empty": "", "odd": {"length": 7},
    })
}

#[track_caller]
fn check(source: &str, expected: bool) {
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    assert_eq!(expression.evaluate(&scope()), expected, "{source}");
}

#[test]
fn what_shipped_definitions_ask() {
    check("inputs.frameworks.length > 0 || context.riskAssessment.overallRiskScore > 7", true);
    check("inputs.none.length > 0 || context.riskAssessment.overallRiskScore > 8", false);
    check("context.riskAssessment.risks.some(r => r.category === 'security')", true);
    check("context.riskAssessment.risks.some(r => r.category === 'compliance')", false);
    check("inputs.frameworks.some(f => f.includes('SOC') || f.includes('HIPAA'))", true);
    check("inputs.chaos === true", true);
    check("coverage >= 85", false);
    check("failed_tests.length == 0", false);
}

#[test]
fn undefined_makes_comparisons_false() {
    for comparison in ["missing === 1", "missing !== 1", "missing != 1", "missing > 1", "missing <= 1", "1 !== missing"]
    {
        check(comparison, false);
    }
    check("missing", false);
    check("!missing", true);
    check("missing === other", false);
    check("missing !== other", false);
    check("missing.length == 0", false);
    check("missing.includes('x')", false);
    check("missing.some(x => x)", false);
    check("coverage.some(x => x)", false);
    check("one.deeper === 1", false);
}

#[test]
fn only_literals_ask_for_absence() {
    check("missing === undefined", true);
    check("undefined === missing", true);
    check("missing !== undefined", false);
    check("one !== undefined", true);
    check("missing == null", true);
    check("missing === null", false);
    check("missing !== null", false);
    check("inputs.nothing === null", true);
    check("inputs.nothing == undefined", true);
    check("inputs.nothing === undefined", false);
    check("one != null", true);
    check("missing < null", false);
}

#[test]
fn values_are_compared_without_conversion() {
    check("one === 1.0", true);
    check("one == '1'", false);
    check("zero == false", false);
    check("zero == ''", false);
    check("big === 9007199254740992", false);
    check("big > 9007199254740992", true);
    check("'b' > 'a'", true);
    check("'10' > 9", false);
    check("inputs.frameworks === inputs.frameworks", true);
    check("one > -1", true);
    check("one < 1e3", true);
}

#[test]
fn words_and_lengths() {
    check("zero", false);
    check("empty", false);
    check("inputs.none", true);
    check("inputs.text.length === 3", true);
    check("'😀'.length === 2", true);
    check("odd.length === 7", true);
    check("inputs.text.includes('-')", true);
    check("inputs.text.includes(1)", false);
    check("inputs.frameworks.includes('SOC2')", true);
    check("\"it's\" === 'it\\'s'", true);
    check("'\\u0041' === \"A\"", true);
}

#[test]
fn operators_bind_as_in_javascript() {
    check("one || missing && missing", true);
    check("(one || missing) && missing", false);
    check("!(one && zero)", true);
    check("!!one", true);
    check("!one || one", true);
    check("inputs.frameworks.some((x) => context.riskAssessment.risks.some(y => x.length < y.score))", true);
    check("context.riskAssessment.risks.some(one => one.category === 'cost')", true);
}

#[test]
fn references_are_the_paths_read() {
    let references = |source: &str| -> Vec<String> {
        Expression::parse(source).unwrap().references().iter().map(|path| path.join(".")).collect()
    };
    assert_eq!(
        references("a.b.length > 0 && a.b.some(x => x.c === d.e && x.some(y => y == x)) && !a.b"),
        ["a.b", "d.e"]
    );
    assert_eq!(references("list.some(x => x.includes(y)) || x.z"), ["list", "y", "x.z"]);
    assert!(references("'a'.length == 1 && true && undefined != null").is_empty());
}

#[track_caller]
fn refused(source: &str, expected: &str) {
    let error = Expression::parse(source).map(|expression| format!("parsed: {expression:?}")).unwrap_err();
    assert_eq!(error.to_string(), expected, "{source}");
}

#[test]
fn errors_name_the_column() {
    refused("", "the condition is empty");
    refused(" \n", "the condition is empty");
    refused("a = 1", "`=` assigns; compare with `===` (column: 3)");
    refused("a & b", "a single `&` is not known; write it twice (column: 3)");
    refused("é === 'a", "the text that starts here is not closed by `'` (column: 7)");
    refused("(a === 1", "`)` is missing here (column: 9)");
    refused("a ===", "the condition ends where a value is needed (column: 6)");
    refused("a === 1 === 1", "comparisons cannot be chained; join them with `&&` (column: 9)");
    refused("a b", "`b` does not follow anything; join with `&&` or `||` (column: 3)");
    refused("a)", "the condition should end here, or go on with `&&` or `||` (column: 2)");
    refused("a.b-c", "`-` only starts a number; a task named `a-b` is called `aB` here (column: 4)");
    refused("1a", "`1a` is no number (column: 1)");
    refused("a[0]", "`[` is not part of the language (column: 2)");
    refused("a \u{1b}", "`\\u{1b}` is not part of the language (column: 3)");
    refused(
        "process.exit(1)",
        "`.exit` cannot be asked here; there are `.length`, `.includes(…)` and `.some(x => …)` (column: 9)",
    );
    refused(
        "exit(1)",
        "functions cannot be called; only `.includes(…)` and `.some(x => …)` of a value can (column: 5)",
    );
    refused(
        "a.some(b)",
        "`.some` needs a variable, an arrow and a condition: `.some(x => x.kind === 'a')` (column: 9)",
    );
    refused("a.some(true => b)", "`true` is a value, not a variable (column: 8)");
    refused("a.", "a name is needed after `.` (column: 3)");
    refused("!a === b", "put what `!` negates in parentheses: `!(a === b)` (column: 4)");
    refused("'\\u12'", "`\\u` in this text needs four hexadecimal digits of one character (column: 1)");
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&nested(99)).is_ok());
    for deep in [
        nested(100),
        nested(4000),
        "!".repeat(9000) + "a",
        "a.some(a => ".repeat(800),
        format!("'a'{}", ".length".repeat(1000)),
    ] {
        assert_eq!(Expression::parse(&deep).unwrap_err().kind(), ErrorKind::TooLarge);
    }
    let wide = "a || ".repeat(1900) + "one";
    check(&wide, true);
    assert_eq!(Expression::parse(&"a".repeat(Expression::MAX_BYTES + 1)).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn an_endless_search_is_false() {
    let scope = json!({"a": vec![1; 1000]});
    let search = "a.some(w => a.some(x => a.some(y => a.some(z => w + 0))))".replace(" + 0", " === 2");
    let search = Expression::parse(&search).unwrap();
    assert!(!search.evaluate(&scope));
    let negated = Expression::parse(&format!("!{}", search.source())).unwrap();
    assert!(!negated.evaluate(&scope), "what was not looked through is not known to be absent");
}

#[test]
fn the_json_form_is_the_text() {
    let condition: Condition =
        serde_json::from_value(json!({"test": {"expression": "a > 1"}, "run_when": true})).unwrap();
    assert_eq!(serde_json::to_value(&condition).unwrap(), json!({"test": {"expression": "a > 1"}, "run_when": true}));
    assert!(serde_json::from_value::<Condition>(json!({"test": {"expression": "a >"}, "run_when": true})).is_err());
}

#[test]
fn names_of_tasks() {
    for (id, name) in [
        ("risk-assessment", "riskAssessment"),
        ("a--b", "aB"),
        ("-a", "a"),
        ("step-1", "step1"),
        ("../../x", "x"),
        ("", ""),
    ] {
        assert_eq!(camel_case(id), name, "{id}");
    }
}

/// A random condition: its text, and its answer worked out beside the text.
fn arb() -> impl Strategy<Value = (String, bool)> {
    let leaf = prop_oneof![
        Just(("one === 1".to_owned(), true)),
        Just(("missing !== 1".to_owned(), false)),
        Just(("zero".to_owned(), false)),
        (-5i64..5, -5i64..5).prop_map(|(a, b)| (format!("{a} < {b}"), a < b)),
        (-5i64..5, -5i64..5).prop_map(|(a, b)| (format!("{a}>={b}"), a >= b)),
        ("[a-c]{0,2}", "[a-c]{0,2}").prop_map(|(a, b)| (format!("'{a}' == \"{b}\""), a == b)),
        ("[a-c]{0,3}", "[a-c]{0,1}").prop_map(|(a, b)| (format!("'{a}'.includes('{b}')"), a.contains(&b))),
    ];
    leaf.prop_recursive(6, 40, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| {
                let texts: Vec<String> = parts.iter().map(|(text, _)| format!("({text})")).collect();
                (texts.join(" && "), parts.iter().all(|(_, holds)| *holds))
            }),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| {
                let texts: Vec<String> = parts.iter().map(|(text, _)| format!("({text})")).collect();
                (texts.join("||"), parts.iter().any(|(_, holds)| *holds))
            }),
            inner.prop_map(|(text, holds)| (format!("!({text})"), !holds)),
        ]
    })
}

proptest! {
    #[test]
    fn the_answer_is_the_one_worked_out((text, holds) in arb()) {
        prop_assert_eq!(Expression::parse(&text).unwrap().evaluate(&scope()), holds, "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r#"([a-z.'"()!=<>&|\\ 0-9-]|=>|\.some\(|\.length|\.includes\(|\PC){0,40}"#) {
        if let Ok(expression) = Expression::parse(&text) {
            let _ = (expression.evaluate(&scope()), expression.references());
        }
    }
}
