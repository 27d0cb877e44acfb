//! Guards the layout: which module may use which, and a few habits that are easily lost.
//!
//! The rules are text rules on the tokens of `src/`: paths that start with `crate`, `super` or `self` are resolved to the
//! module they mean, and the floor of that module must not be above the floor of the file. Code under `#[cfg(test)]` may
//! use anything. Every rule is also tried on a small source that breaks it, at the end of this file.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

#[path = "floors/scan.rs"]
mod scan;

use scan::{Scan, Source, Used, module_of};

/// No file is longer. The aim is half of it.
const MAX_LINES: usize = 600;

/// The floors from the ground up. A module may use lower floors and itself, not its neighbours on the same floor. Where one
/// part of a module stands higher than the rest, it is named by its path.
const FLOORS: &[&[&str]] = &[
    &["error", "id", "units", "clock", "sync"],
    &["definition"],
    // What programs and APIs say of usage is read by a table of data, which only knows the words.
    &["event", "cost::extract"],
    // Draws graphs with the states of a run.
    &["definition::export"],
    &["plan"],
    &["report"],
    &["recovery", "locks", "cost", "cache", "store", "git", "executor"],
    &["run"],
    &["session"],
    &["engine", "blocking"],
    &["ext"],
    // Its vectors ask the extras too.
    &["testing"],
    &["cli"],
];

/// The words may use each other: a number does not travel without its unit, nor an error without its place.
const WORDS: usize = 0;
const SEAMS: usize = 6;
const EXTRAS: usize = 10;

/// What the decider may use of the floor of rules and seams: the rules, which are pure.
const PURE_RULES: &[&[&str]] = &[&["recovery"], &["locks", "table"], &["cost", "budget"], &["cache", "key"]];

/// Modules that know no runtime, no input and no output.
const PURE: &[&str] = &[
    "error",
    "id",
    "units",
    "definition",
    "event",
    "plan",
    "report",
    "recovery",
    "run",
    "locks::table",
    "cache::key",
    "cost::budget",
    "cost::extract",
];
const IMPURE: &[&[&str]] =
    &[&["std", "fs"], &["std", "io", "stdin"], &["std", "net"], &["std", "process"], &["std", "thread"], &["tokio"]];

/// What only some places may touch: the end or the beginning of a path, and the modules that may.
const DOORS: &[(&[&str], &[&str])] = &[
    (&["Instant", "now"], &["clock"]),
    (&["SystemTime", "now"], &["clock"]),
    (&["petgraph"], &["definition"]),
    // The command line takes settings from the environment; programs inherit it.
    // Keys of models are there by name.
    (&["std", "env"], &["cli", "executor::process", "executor::models", "git"]),
];

/// The floor of a path, and the name under which it stands there.
fn floor(path: &[String]) -> Option<(usize, &'static str)> {
    let standing = FLOORS.iter().enumerate().flat_map(|(nth, floor)| floor.iter().map(move |module| (nth, *module)));
    standing
        .filter(|(_, module)| starts_with(path, &module.split("::").collect::<Vec<_>>()))
        .max_by_key(|(_, module)| module.len())
}

fn starts_with(path: &[String], start: &[&str]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(a, b)| a == b)
}

/// Every break of a rule in those sources, as `src/file:line: what`.
fn violations(sources: &[Source]) -> Vec<String> {
    let scans: Vec<(&Source, Scan)> = sources.iter().map(|source| (source, Scan::of(source))).collect();
    let exports: BTreeMap<&str, &str> = scans
        .iter()
        .filter(|(source, _)| source.file == "lib.rs")
        .flat_map(|(_, scan)| &scan.exports)
        .filter_map(|(name, path)| Some((name.as_str(), path.first()?.as_str())))
        .collect();
    let narrow: BTreeSet<&[String]> = scans.iter().flat_map(|(_, scan)| &scan.narrow).map(Vec::as_slice).collect();
    let test_modules: Vec<&Vec<String>> = scans.iter().flat_map(|(_, scan)| &scan.test_modules).collect();

    let mut out = Vec::new();
    for (source, scan) in &scans {
        let file = &source.file;
        let module = module_of(file);
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            out.push(format!("src/{file}:{lines}: has {lines} lines, more than {MAX_LINES}; split it"));
        }
        if test_modules.iter().any(|tests| module.starts_with(tests)) || file.starts_with("bin/") {
            continue;
        }
        let mut say = |line: usize, what: String| out.push(format!("src/{file}:{line}: {what}"));
        for &line in &scan.globs {
            say(line, "`pub use …::*`; name what is re-exported".to_owned());
        }
        if file.ends_with("mod.rs") {
            for &line in &scan.bodies {
                say(line, "logic in a mod.rs; move it to a file with a name".to_owned());
            }
            if !source.text.starts_with("//! ") {
                say(1, "a mod.rs opens with its purpose".to_owned());
            }
            // An example can only reach what is public.
            let public = scans.iter().any(|(_, scan)| scan.public_modules.contains(&module));
            if public && !source.text.contains("//! ```") {
                say(1, "the mod.rs of a public module has a runnable example".to_owned());
            }
        }
        let Some(top) = module.first() else { continue };
        let Some((own, home)) = floor(&module) else {
            if !matches!(top.as_str(), "guide") {
                say(1, format!("`{top}` is on no floor; add it to FLOORS"));
            }
            continue;
        };
        let full = module.join("::");
        if PURE.iter().any(|pure| full == *pure || full.starts_with(&format!("{pure}::"))) {
            for &line in &scan.waits {
                say(line, format!("`async` in `{top}`, which is synchronous"));
            }
            for used in &scan.used {
                if !used.ours && IMPURE.iter().any(|impure| starts_with(&used.path, impure)) {
                    say(used.line, format!("`{}` in `{top}`, which does no I/O", used.path.join("::")));
                }
            }
        }
        for used in &scan.used {
            for (what, only) in DOORS {
                let path: Vec<&str> = used.path.iter().map(String::as_str).collect();
                let touches = !used.ours && (path.starts_with(what) || path.ends_with(what));
                let inside = only.iter().any(|only| full == *only || full.starts_with(&format!("{only}::")));
                if touches && !inside {
                    say(used.line, format!("`{}`; only {} may", what.join("::"), only.join(" and ")));
                }
            }
            if used.ours
                && let Some(problem) = forbidden(&module, (own, home), used, &exports, &narrow)
            {
                say(used.line, problem);
            }
        }
    }
    out
}

/// Why a file of `module`, which stands on floor `own` as `home`, may not use that path.
fn forbidden(
    module: &[String],
    (own, home): (usize, &str),
    used: &Used,
    exports: &BTreeMap<&str, &str>,
    narrow: &BTreeSet<&[String]>,
) -> Option<String> {
    let first = used.path.first()?;
    let place = match exports.get(first.as_str()) {
        Some(module) => &[(*module).to_owned()],
        None => used.path.as_slice(),
    };
    // What is left is defined in lib.rs itself, like `crate::VERSION`.
    let (theirs, top) = floor(place)?;
    let named = used.path.join("::");
    if home == top {
        let other = used.path.get(1).filter(|_| top == "ext");
        let known = other.zip(module.get(1)).is_none_or(|(other, own)| other == own);
        return (!known).then(|| format!("`{named}`: extras do not know each other"));
    }
    if own >= EXTRAS && (1..=used.path.len()).any(|end| used.path.get(..end).is_some_and(|path| narrow.contains(path)))
    {
        return Some(format!("`{named}` is not public, and `{home}` is written as if it were another crate"));
    }
    let pure_rule = PURE_RULES.iter().any(|rule| starts_with(&used.path, rule));
    if home == "run" && theirs == SEAMS && !pure_rule {
        return Some(format!("`{named}`: the decider uses the pure rules of that floor, not the seams"));
    }
    let allowed = theirs < own || (theirs == own && own == WORDS);
    (!allowed).then(|| format!("`{named}`: `{top}` is not below `{home}`"))
}

fn files(folder: &Path, skip: &[&str], out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if skip.contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() { files(&path, skip, out) } else { out.push(path) }
    }
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/")
}

#[test]
fn every_file_keeps_to_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &[], &mut paths);
    let sources: Vec<Source> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| Source { file: relative(path, &root), text: fs::read_to_string(path).unwrap() })
        .collect();
    assert!(sources.len() > 20, "found only {} files", sources.len());
    let found = violations(&sources);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let skip =
        ["target", ".git", ".venv", "node_modules", "index.js", ".pytest_cache", "__pycache__", "artifacts", "corpus"];
    let mut paths = Vec::new();
    files(root, &skip, &mut paths);
    // In two halves, so that this file does not name them.
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let mut found = Vec::new();
    for path in paths {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (line, content) in text.lines().enumerate() {
            for folder in folders {
                let inside_word =
                    |at: usize| content.get(..at).is_some_and(|start| start.ends_with(char::is_alphanumeric));
                if content.match_indices(folder).any(|(at, _)| !inside_word(at)) {
                    found.push(format!("{}:{}: `{folder}…`", relative(&path, root), line + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_package_brings_the_terms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: String| fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    for package in ["orch-py", "orch-node"] {
        for (name, from) in [("LICENSE-MIT", ""), ("LICENSE-APACHE", ""), ("NOTICE.md", "orch-core/")] {
            assert_eq!(read(format!("{package}/{name}")), read(format!("{from}{name}")), "{package}/{name} is no copy");
        }
    }
}

#[test]
fn every_document_is_in_the_guide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("src/guide.rs")).unwrap();
    let mut paths = Vec::new();
    files(&root.join("docs"), &["0000-template.md"], &mut paths);
    let names = paths.iter().map(|path| relative(path, root));
    let missing: Vec<String> = names.filter(|name| name.ends_with(".md") && !guide.contains(name.as_str())).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn fuzz_dictionaries_are_as_libfuzzer_reads_them() {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries"), &[], &mut paths);
    for path in paths {
        for line in fs::read_to_string(&path).unwrap().lines() {
            // It knows no `\n`, and one bad line ends the fuzzer before it begins.
            let mut chars = line.chars();
            while let Some(char) = chars.next() {
                let escaped = (char == '\\').then(|| chars.next());
                assert!(matches!(escaped, None | Some(Some('\\' | '"' | 'x'))), "{}: {line}", path.display());
            }
        }
    }
}

/// Says what is wrong with one file beside a `lib.rs` that re-exports `Task` and `Engine`.
#[track_caller]
fn check(file: &str, text: &str, expected: &[&str]) {
    let source = |file: &str, text: &str| Source { file: file.to_owned(), text: text.to_owned() };
    let lib = "pub mod definition;\npub mod plan;\npub use definition::Task;\npub use engine::Engine;\npub const VERSION: &str = \"\";";
    let seam = "//! The seam.\n//! ```\n//! ```\npub(crate) use context::{Note, Slot};\npub use context::TaskContext;";
    let sources = [source("lib.rs", lib), source("executor/mod.rs", seam), source(file, text)];
    assert_eq!(violations(&sources), expected);
}

#[test]
fn a_path_upward_is_found_wherever_it_stands() {
    check("plan/model.rs", "use crate::definition::Graph;", &[]);
    check(
        "plan/model.rs",
        "\nuse crate::engine::Engine;",
        &["src/plan/model.rs:2: `engine::Engine`: `engine` is not below `plan`"],
    );
    check(
        "plan/model.rs",
        "use crate::{error::Error, run::{self, Machine}};",
        &[
            "src/plan/model.rs:1: `run::self`: `run` is not below `plan`",
            "src/plan/model.rs:1: `run::Machine`: `run` is not below `plan`",
        ],
    );
    check(
        "plan/model.rs",
        "fn f() { let _ = super::super::session::start(); }",
        &["src/plan/model.rs:1: `session::start`: `session` is not below `plan`"],
    );
    check(
        "plan/model.rs",
        "mod inner { use super::super::super::run; }",
        &["src/plan/model.rs:1: `run`: `run` is not below `plan`"],
    );
    check(
        "plan/model.rs",
        "fn f(_: crate::Engine, _: crate::Task) { crate::VERSION; }",
        &["src/plan/model.rs:1: `Engine`: `engine` is not below `plan`"],
    );
    check("definition/export/dot.rs", "use crate::{definition::Graph, event::TaskState};", &[]);
    check(
        "definition/graph.rs",
        "use super::export::dot;",
        &["src/definition/graph.rs:1: `definition::export::dot`: `definition::export` is not below `definition`"],
    );
    check("id.rs", "use crate::clock::WallTime;", &[]);
    check("locks/seam.rs", "use crate::cost::Usd;", &["src/locks/seam.rs:1: `cost::Usd`: `cost` is not below `locks`"]);
    check("surprise.rs", "", &["src/surprise.rs:1: `surprise` is on no floor; add it to FLOORS"]);
}

#[test]
fn words_in_texts_comments_and_tests_are_no_paths() {
    check(
        "plan/model.rs",
        "// crate::engine\n/// [`Run`](crate::Engine)\nconst A: &str = \"crate::engine::Engine\";",
        &[],
    );
    check(
        "plan/model.rs",
        "#[cfg(test)]\nmod tests { use crate::engine::Engine; fn f() { std::fs::read(\"\"); } }",
        &[],
    );
    check(
        "plan/model.rs",
        "#[cfg(all(test, unix))]\nuse crate::engine::Engine;\nuse crate::run::Machine;",
        &["src/plan/model.rs:3: `run::Machine`: `run` is not below `plan`"],
    );
}

#[test]
fn the_decider_uses_rules_and_not_seams() {
    check("run/machine.rs", "use crate::{recovery::retry, cost::budget::Budget};", &[]);
    check(
        "run/machine.rs",
        "use crate::executor::TaskContext;",
        &[
            "src/run/machine.rs:1: `executor::TaskContext`: the decider uses the pure rules of that floor, not the seams",
        ],
    );
    check(
        "run/machine.rs",
        "async fn f() { std::fs::read(\"\"); }",
        &[
            "src/run/machine.rs:1: `async` in `run`, which is synchronous",
            "src/run/machine.rs:1: `std::fs::read` in `run`, which does no I/O",
        ],
    );
}

#[test]
fn extras_are_alone_and_see_only_what_is_public() {
    check("ext/badge/svg.rs", "use crate::{executor::TaskContext, ext::badge::model::Badge};", &[]);
    check(
        "ext/badge/svg.rs",
        "use crate::ext::notify::Rule;",
        &["src/ext/badge/svg.rs:1: `ext::notify::Rule`: extras do not know each other"],
    );
    check(
        "ext/badge/svg.rs",
        "use crate::executor::Slot;",
        &["src/ext/badge/svg.rs:1: `executor::Slot` is not public, and `ext` is written as if it were another crate"],
    );
}

#[test]
fn doors_are_kept() {
    check("clock.rs", "fn f() { Instant::now(); }", &[]);
    check(
        "engine/driver.rs",
        "fn f() { std::time::Instant::now(); }",
        &["src/engine/driver.rs:1: `Instant::now`; only clock may"],
    );
    check("plan/model.rs", "use petgraph::visit::Topo;", &["src/plan/model.rs:1: `petgraph`; only definition may"]);
    check(
        "engine/driver.rs",
        "use std::{env, fmt};",
        &["src/engine/driver.rs:1: `std::env`; only cli and executor::process and executor::models and git may"],
    );
}

#[test]
fn habits_are_kept() {
    check(
        "plan/mod.rs",
        "//! Plans.\n//! ```\n//! ```\nmod model;\npub use model::*;\nfn logic() {}",
        &[
            "src/plan/mod.rs:5: `pub use …::*`; name what is re-exported",
            "src/plan/mod.rs:6: logic in a mod.rs; move it to a file with a name",
        ],
    );
    check(
        "plan/mod.rs",
        "//! Plans.\nmod model;",
        &["src/plan/mod.rs:1: the mod.rs of a public module has a runnable example"],
    );
    check("plan/inner/mod.rs", "//! Not public.\nmod model;", &[]);
    check("plan/inner/mod.rs", "mod model;", &["src/plan/inner/mod.rs:1: a mod.rs opens with its purpose"]);
    check("plan/model.rs", &"\n".repeat(601), &["src/plan/model.rs:601: has 601 lines, more than 600; split it"]);
}
