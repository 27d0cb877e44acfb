//! Patterns, beside those of the crate that genai-prices uses.

use fancy_regex::Regex;
use proptest::prelude::*;
use serde_json::Value;

use super::super::{DATA, pattern::Pattern};

fn compare(pattern: &str, text: &str) -> Result<bool, TestCaseError> {
    let Ok(ours) = Pattern::new(pattern) else { return Ok(false) };
    let theirs = Regex::new(pattern);
    prop_assert!(theirs.is_ok(), "`{}` is no pattern: {:?}", pattern, theirs);
    // It goes forth and back, and gives up at times.
    let Ok(is_match) = theirs.unwrap().is_match(text) else { return Ok(false) };
    prop_assert_eq!(ours.matches(text), Some(is_match), "`{}` in `{}`", pattern, text);
    Ok(is_match)
}

#[test]
fn the_patterns_of_the_list_match_the_same_names() {
    fn walk(value: &Value, patterns: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                patterns.extend(object.get("regex").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| walk(value, patterns));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, patterns)),
            _ => {}
        }
    }
    let mut patterns = Vec::new();
    walk(&serde_json::from_str(&DATA).unwrap(), &mut patterns);
    patterns.sort();
    patterns.dedup();
    assert!(patterns.len() > 50, "{patterns:?}");
    let mut names: Vec<String> = genai_prices::Calculator::bundled()
        .providers()
        .flat_map(|provider| provider.models().map(|model| model.id().to_owned()))
        .collect();
    names.extend(super::names::of_rules());
    names.extend(names.clone().iter().step_by(9).flat_map(|name| {
        ["-20260218", "-2026-02-18", "@20260218", "-tts", "-TTS-1", "[fast=true]"].map(|end| format!("{name}{end}"))
    }));
    for pattern in &patterns {
        let (ours, theirs) = (Pattern::new(pattern).unwrap(), Regex::new(pattern).unwrap());
        let mut found = 0;
        for name in &names {
            let is_match = theirs.is_match(name).unwrap();
            assert_eq!(ours.matches(name), Some(is_match), "`{pattern}` in `{name}`");
            found += usize::from(is_match);
        }
        assert!(found > 0 && found < names.len(), "`{pattern}` in {found}");
    }
}

/// Patterns of all that is known.
fn patterns() -> impl Strategy<Value = String> {
    let one = prop::sample::select(vec![
        "a", "b", "A", "-", "0", "é", "€", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\.", r"\-", r"\n", "[ab]",
        "[^a]", "[a-c0-9]", r"[^\d-]", r"[\W_]", "[-b]", "[^B-b]", "^", "$", r"\b", r"\B", r"\A", r"\z", "", "ab", "]",
        "}",
    ]);
    one.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let times =
            prop::sample::select(vec!["*", "+", "?", "{2}", "{1,}", "{0,2}", "{0}", "*?", "+?", "??", "{1,2}?"]);
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("{one}|{other}")),
            3 => (inner.clone(), times).prop_map(|(inner, times)| format!("(?:{inner}){times}")),
            1 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => inner.clone().prop_map(|inner| format!("(?i:{inner})")),
            1 => inner.clone().prop_map(|inner| format!("(?i){inner}")),
            2 => inner.clone().prop_map(|inner| format!("(?={inner})")),
            2 => inner.prop_map(|inner| format!("(?!{inner})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_patterns_match_the_same_texts(
        pattern in patterns(),
        texts in prop::collection::vec("[abABc0_. \n€-]{0,8}", 8),
    ) {
        let why = Pattern::new(&pattern).err().unwrap_or_default();
        prop_assert!(why.is_empty() || why.contains("repeats what has no length"), "{}", why);
        for text in &texts {
            compare(&pattern, text)?;
        }
    }

    /// What is taken for a pattern is one, and no other.
    #[test]
    fn what_is_no_pattern_is_no_other_pattern(
        pattern in r"(\(\?[=!:i)<>P#]{1,2}|\\[a-zA-Z0-9.\]<-]|[]\[()|*+?{},\\^$.ab0&~:=!i -]){0,10}",
        texts in prop::collection::vec("[abAB0{}&~: -]{0,6}", 4),
    ) {
        for text in &texts {
            compare(&pattern, text)?;
        }
    }
}

#[test]
fn what_is_not_known_is_told_with_the_pattern_and_the_place() {
    for (pattern, why) in [
        (r"a(b)\1", r"the pattern `a(b)\1` has a `\` before something for which it is not known here, at character 6"),
        (
            r"(?<=a)b",
            "the pattern `(?<=a)b` has a group of a kind that is not known here (looking behind, names, flags), at character 1",
        ),
        (
            r"\p{Greek}",
            r"the pattern `\p{Greek}` has a `\` before something for which it is not known here, at character 2",
        ),
        (
            "(?s).",
            "the pattern `(?s).` has a group of a kind that is not known here (looking behind, names, flags), at character 1",
        ),
        ("(ab", "the pattern `(ab` has a `(` that is not closed, at character 3"),
        ("ab)", "the pattern `ab)` has a `)` too many, at character 2"),
        ("[ab", "the pattern `[ab` has a `[` that is not closed, at character 3"),
        ("[b-a]", "the pattern `[b-a]` has a range from nothing to nothing, at character 4"),
        ("[a&&b]", "the pattern `[a&&b]` has a class of classes, at character 3"),
        ("[[a]]", "the pattern `[[a]]` has a class in a class, at character 2"),
        ("[]", "the pattern `[]` has a class with nothing in it, at character 2"),
        ("a|*", "the pattern `a|*` repeats nothing, at character 3"),
        ("a**", "the pattern `a**` repeats a repetition, at character 2"),
        ("^*", "the pattern `^*` repeats what has no length, at character 1"),
        ("a{2,1}", "the pattern `a{2,1}` repeats something too often, or less than at least, at character 1"),
        ("a{x}", "the pattern `a{x}` has a `{` that is no repetition, at character 1"),
        ("a\\", "the pattern `a\\` ends in a `\\`, at character 2"),
        ("((a{1000}){1000}){1000}", "the pattern `((a{1000}){1000}){1000}` is too large"),
        ("((a|){1000}){1000}", "the pattern `((a|){1000}){1000}` is too large"),
        ("(()){9}", "the pattern `(()){9}` repeats what has no length, at character 4"),
    ] {
        assert_eq!(Pattern::new(pattern).map(drop), Err(why.to_owned()));
    }
    assert!(Pattern::new(&"(".repeat(100_000)).is_err_and(|why| why.contains("too deep")));
}

/// A bounded answer, whatever the list and the name.
#[test]
fn no_pattern_takes_long() {
    let long = "a".repeat(2_000);
    for (pattern, is_match) in [
        ("(a*)*b", Some(false)),
        ("(a|a|aa)+$", Some(true)),
        ("(?:a?){500}a{500}", Some(true)),
        // Looking ahead from everywhere to the end, and from there again.
        ("(?:(?=(?:(?=a*b)|a)*b)|a)*b", None),
        ("(?:(?!a{500}b)a)*$", None),
    ] {
        let begun = std::time::Instant::now();
        assert_eq!(Pattern::new(pattern).unwrap().matches(&long), is_match, "{pattern}");
        assert!(begun.elapsed().as_secs() < 20, "{pattern}");
    }
}
