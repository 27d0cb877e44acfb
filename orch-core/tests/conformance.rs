//! The vectors of `tests/vectors`: one JSON corpus that judges every language the same way.
//!
//! A vector is a file `{version, note, input, want}` in the folder of its area; `orch_core::testing::vectors` makes of
//! `input` what must equal `want`, here and in the tests of the bindings. `UPDATE_VECTORS=1 cargo test -p orch-core --features
//! vectors --test conformance` rewrites `want`; a person reads the diff.

// It is always true here; it tells the lints that these lines are test code.
#![cfg(test)]

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use orch_core::testing::vectors;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    version: u32,
    note: String,
    input: Value,
    want: Value,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"))
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn check(area: &str) {
    let update = env::var_os("UPDATE_VECTORS").is_some_and(|update| update == "1");
    let files = names(folder().join(area));
    let mut failures = Vec::new();
    for name in &files {
        assert!(
            name.ends_with(".json"),
            "`{area}/{name}` is no vector, and a skipped file would look like a passed one"
        );
        let file = folder().join(area).join(name);
        let text = fs::read_to_string(&file).unwrap();
        let mut vector: Vector = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{area}/{name}: {error}"));
        assert_eq!(vector.version, 1, "{area}/{name}");
        assert!(!vector.note.is_empty(), "{area}/{name} says what it is for");
        let got = vectors::run(area, vector.input.clone()).unwrap_or_else(|error| panic!("{area}/{name}: {error}"));
        if update {
            vector.want = got;
            fs::write(&file, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
        } else if got != vector.want {
            failures.push(format!("{area}/{name}: {}\n  got  {got}\n  want {}", vector.note, vector.want));
        }
    }
    assert!(!files.is_empty(), "no vector in `{area}`");
    assert!(failures.is_empty(), "{} of {} failed\n{}", failures.len(), files.len(), failures.join("\n"));
}

#[test]
fn every_area_has_a_runner() {
    let known: BTreeSet<String> = vectors::areas().map(str::to_owned).collect();
    let mut there = names(folder());
    let parts = [
        ("actions", cfg!(feature = "actions")),
        ("badges", cfg!(feature = "badges")),
        ("metrics", cfg!(feature = "metrics")),
        ("worktrees", cfg!(feature = "worktrees")),
    ];
    for (area, is_here) in parts {
        if !is_here {
            // The engine has no such part then.
            there.remove(area);
        }
    }
    assert_eq!(there, known);
    assert!(vectors::run("weather", Value::Null).is_err());
}

#[test]
#[cfg(feature = "actions")]
fn actions() {
    check("actions");
}

#[test]
fn assignments() {
    check("assign");
}

#[test]
#[cfg(feature = "badges")]
fn badges() {
    check("badges");
}

#[test]
fn caches() {
    check("cache");
}

#[test]
fn commands() {
    check("command");
}

#[test]
fn costs() {
    check("cost");
}

#[test]
fn conditions() {
    check("condition");
}

#[test]
fn expansions() {
    check("expand");
}

#[test]
fn inferences() {
    check("inferred");
}

#[test]
fn locks() {
    check("locks");
}

#[test]
#[cfg(feature = "metrics")]
fn metrics() {
    check("metrics");
}

#[test]
fn money() {
    check("money");
}

#[test]
fn recoveries() {
    check("recovery");
}

#[test]
fn runs() {
    check("run");
}

#[test]
#[cfg(feature = "worktrees")]
fn worktrees() {
    check("worktrees");
}
