//! Keys against a map of parts, and what explains them.

use proptest::prelude::*;

use super::*;
use crate::{
    definition::{Claim, Input, OutputSpec, Prefix, Retry, Sources},
    event::{Change, Miss},
    units::Usage,
};

fn task(change: impl FnOnce(&mut TaskOptions)) -> KeyParts {
    KeyParts::of_task(&Task::new("a").with(change))
}

#[test]
fn what_a_task_makes_decides_and_how_it_runs_does_not() {
    let plain = KeyParts::of_task(&Task::new("a"));
    let how: [fn(&mut TaskOptions); 6] = [
        |options| options.phase = Some("p".into()),
        |options| options.priority = 7,
        |options| options.timeout = Some(std::time::Duration::from_secs(1)),
        |options| options.retry = Some(Retry::default()),
        |options| options.claims.push(Claim::exclusive("site")),
        |options| options.allow_failure = true,
    ];
    for change in how {
        assert_eq!(task(change), plain);
    }
    assert_eq!(KeyParts::of_task(&Task::new("b")), plain, "equal tasks make the same");
    let expects = |tokens| task(|options| options.expects = Usage::tokens("m", tokens, 1));
    assert_eq!(expects(1), expects(2), "how much is asked is not what is asked");
    let input = |default| Input { key: "k".into(), required: true, default };
    let what = [
        expects(1),
        task(|options| options.prefix = Some(Prefix::new("codebase", "m", 1))),
        task(|options| options.prefix = Some(Prefix::new("codebase", "n", 1))),
        task(|options| options.sources = Some(Sources::default().model("n"))),
        task(|options| options.sources = Some(Sources::default().tool("m", "1"))),
        task(|options| options.sources = Some(Sources::default().tool("m", "2"))),
        task(|options| options.agent = Some("x".into())),
        task(|options| options.description = "x".into()),
        task(|options| options.inputs = vec![input(None)]),
        task(|options| options.inputs = vec![input(Some(json!(1)))]),
        task(|options| options.inputs = vec![input(Some(json!("1")))]),
        task(|options| options.outputs = vec![OutputSpec { key: "k".into(), ttl: None }]),
        task(|options| options.params = json!({})),
        task(|options| options.params = json!({"": {}})),
        task(|options| options.params = json!([])),
        task(|options| options.params = json!({"a": 1})),
        task(|options| options.params = json!({"a": "1"})),
        task(|options| options.params = json!({"a": 1.0})),
        task(|options| options.params = json!({"a": null})),
    ];
    let mut keys: Vec<String> = what.iter().chain([&plain]).map(|parts| parts.key("a")).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), what.len() + 1);
    let ttl = Some(std::time::Duration::from_secs(1));
    let with_ttl = task(|options| options.outputs = vec![OutputSpec { key: "k".into(), ttl }]);
    assert_eq!(with_ttl, what[11], "how long it is kept is not what it is");
}

#[test]
fn the_same_name_is_not_the_same_part() {
    let hash = ContentHash::of(&Value::Null);
    let kinds = [
        Part::Param("x".into()),
        Part::Input("x".into()),
        Part::File("x".into()),
        Part::Model("x".into()),
        Part::Tool("x".into()),
        Part::Other("x".into()),
    ];
    let mut hashes: Vec<_> = kinds.into_iter().map(|part| KeyParts::new().with(part, hash).hash()).collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
}

#[test]
fn a_file_is_its_content_or_its_absence() {
    let of = |state: &FileState| KeyParts::new().file("f", state).hash();
    let content = |bytes: &[u8]| FileState::Content(ContentHash::of_bytes(bytes));
    let blob = FileState::Blob("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391".parse().unwrap());
    let states = [content(b""), content(b"null"), content(b"a"), blob, FileState::Absent];
    for (at, one) in states.iter().enumerate() {
        assert!(states.iter().skip(at + 1).all(|other| of(one) != of(other)));
    }
    let bad = ["", "e69de29bb2d1d6434b8b29ae775ad8c2e48c539", "E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391", "HEAD\u{1b}"];
    assert!(bad.into_iter().all(|id| id.parse::<BlobId>().is_err()));
    assert!("0".repeat(64).parse::<BlobId>().is_ok());
}

/// Other languages and later versions must find what is stored.
#[test]
fn the_form_is_as_documented() {
    let parts = KeyParts::new().tool("rg", "14").model("m");
    let mut form = b"orch key 1".to_vec();
    for (kind, name, value) in [("model", "m", Value::Null), ("tool", "rg", json!("14"))] {
        for text in [kind, name] {
            form.extend((text.len() as u64).to_le_bytes());
            form.extend(text.as_bytes());
        }
        form.extend(ContentHash::of(&value).as_bytes());
    }
    assert_eq!(parts.hash(), ContentHash::of_bytes(&form));
    assert_eq!(parts.key("a#b"), "a#b#1368a3b4ec6a9f73a7df19e90437dba0dce3de54b9d4bd9979541291f8a7d4fd");
}

#[test]
fn deep_parameters_need_no_deep_stack() {
    let mut deep = json!(1);
    for _ in 0..10_000 {
        deep = Value::Array(vec![deep]);
    }
    assert_eq!(KeyParts::new().param("deep", &deep).len(), 1);
    let input = Input { key: "k".into(), required: true, default: Some(deep) };
    let mut task = Task::new("a").with(|options| options.inputs.push(input));
    assert_eq!(KeyParts::of_task(&task).len(), 1);
    let mut deep = Value::Null;
    task = task.with(|options| deep = options.inputs.remove(0).default.unwrap_or_default());
    assert_eq!(KeyParts::of_task(&task).len(), 0);
    // Dropping it by recursion does need one.
    while let Some(inner) = deep.get_mut(0).map(Value::take) {
        deep = inner;
    }
}

#[test]
fn a_miss_says_why() {
    let mut history = KeyHistory::default();
    let parts = task(|options| options.params = json!({"depth": 2})).model("m-1");
    assert_eq!(history.missed("a#1", parts.clone()).to_string(), "nothing is known of it");
    assert_eq!(history.missed("a#1", parts.clone()), Miss::Gone);
    let other = task(|options| options.params = json!({"depth": 3})).model("m-2");
    history.missed("a#1", other.clone());
    let why = history.explain(&other.key("a#1")).unwrap();
    assert_eq!(why.to_string(), "param `depth` changed, model `m-1` is gone, model `m-2` is new");
    let json = json!({"changed": [
        {"changed": {"part": "param", "name": "depth"}},
        {"removed": {"part": "model", "name": "m-1"}},
        {"added": {"part": "model", "name": "m-2"}},
    ]});
    assert_eq!(serde_json::to_value(why).unwrap(), json);
    assert_eq!(history.explain(&parts.key("a#1")), None, "not the last miss");
    assert_eq!(history.explain("never heard of it"), None);
    let files = (0..9).fold(other, |parts, nth| parts.file(format!("\u{1b}{nth}"), &FileState::Absent));
    let why = history.missed("a#1", files).to_string();
    assert!(!why.contains('\u{1b}') && why.ends_with(" and 4 more"), "{why}");
}

#[test]
fn a_history_has_a_bound() {
    let three = |nth: usize| KeyParts::new().model("m").tool("t", &nth.to_string()).tool("u", "1");
    let mut history = KeyHistory::new(8);
    for nth in 0..3 {
        history.missed(&format!("n{nth}"), three(nth));
    }
    assert_eq!(history.explain(&three(0).key("n0")), None, "the oldest went");
    assert_eq!(history.explain(&three(1).key("n1")), Some(&Miss::First));
    // Who misses again is young again.
    history.missed("n1", three(4));
    history.missed("n3", three(3));
    assert!(history.explain(&three(4).key("n1")).is_some());
    assert_eq!(history.explain(&three(2).key("n2")), None);
    let mut none = KeyHistory::new(0);
    none.missed("a", three(0));
    assert_eq!(none.explain(&three(0).key("a")), None);
}

fn parts() -> impl Strategy<Value = Vec<(u8, String, u8)>> {
    prop::collection::vec((0u8..3, "[ab#]{0,2}", 0u8..2), 0..5)
}

fn build(parts: &[(u8, String, u8)]) -> KeyParts {
    parts.iter().fold(KeyParts::new(), |all, (kind, name, value)| match kind {
        0 => all.param(name, &json!(value)),
        1 => all.tool(name, &value.to_string()),
        _ => all.input(name, ContentHash::of(&json!(value))),
    })
}

fn model(parts: &[(u8, String, u8)]) -> BTreeMap<(u8, &str), u8> {
    parts.iter().map(|(kind, name, value)| ((*kind, name.as_str()), *value)).collect()
}

proptest! {
    #[test]
    fn keys_are_equal_exactly_if_the_parts_are(one in parts(), other in parts()) {
        let same = model(&one) == model(&other);
        prop_assert_eq!(build(&one).key("n") == build(&other).key("n"), same);
    }

    #[test]
    fn an_explanation_is_the_difference(one in parts(), other in parts()) {
        let mut history = KeyHistory::default();
        history.missed("n", build(&one));
        let changes = match history.missed("n", build(&other)) {
            Miss::First => panic!("it is remembered"),
            Miss::Gone => Vec::new(),
            Miss::Changed(changes) => changes,
        };
        let (one, other) = (model(&one), model(&other));
        let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
        let expected: Vec<Change> = names
            .into_iter()
            .filter_map(|at| {
                let part = || match at.0 {
                    0 => Part::Param(at.1.into()),
                    1 => Part::Tool(at.1.into()),
                    _ => Part::Input(at.1.into()),
                };
                match (one.get(&at), other.get(&at)) {
                    (Some(_), None) => Some(Change::Removed(part())),
                    (None, Some(_)) => Some(Change::Added(part())),
                    (before, now) => (before != now).then(|| Change::Changed(part())),
                }
            })
            .collect();
        let sorted = |mut changes: Vec<Change>| {
            changes.sort_by(|one, other| one.part().cmp(other.part()));
            changes
        };
        prop_assert_eq!(sorted(changes.clone()), sorted(expected));
        prop_assert_eq!(sorted(changes.clone()), changes);
    }

    /// However names come back, memory stays within its bound and the youngest are kept.
    #[test]
    fn a_history_forgets_the_oldest(names in prop::collection::vec((0u8..6, 0usize..4), 0..80), max in 0usize..20) {
        let mut history = KeyHistory::new(max);
        let mut young: Vec<(u8, KeyParts)> = Vec::new();
        for (nth, (name, parts)) in names.into_iter().enumerate() {
            let parts = (0..parts).fold(KeyParts::new().tool("nth", &nth.to_string()), |all, at| all.model(at.to_string()));
            history.missed(&name.to_string(), parts.clone());
            young.retain(|(other, _)| *other != name);
            young.push((name, parts));
            while young.iter().map(|(_, parts)| parts.len() + 1).sum::<usize>() > max {
                young.remove(0);
            }
            for (name, parts) in &young {
                prop_assert!(history.explain(&parts.key(&name.to_string())).is_some());
            }
            prop_assert_eq!(history.last.len(), young.len());
            prop_assert!(history.order.len() <= 2 * young.len() + 1);
        }
    }
}
