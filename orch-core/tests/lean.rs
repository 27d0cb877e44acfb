//! Guards the lean core: few direct dependencies, and nothing in it that needs the extras or the command line.
#![cfg(test)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// What a user of the core without features builds. A longer list needs a decision in `docs/decisions/`.
const DIRECT: &[&str] = &["blake3", "dashmap", "hashbrown", "petgraph", "serde", "serde_json", "tokio"];

fn cargo(arguments: &[&str], folder: &Path) -> Output {
    // Offline: whatever it needs was needed to build this test.
    Command::new(env!("CARGO")).args(arguments).arg("--offline").current_dir(folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_core_without_features_depends_on_the_written_list() {
    let output = cargo(&["metadata", "--no-deps", "--format-version=1"], Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(output.status.success(), "{}", stderr(&output));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let package =
        metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "orch-core").unwrap();
    assert_eq!(package["features"]["default"], serde_json::json!([]));
    let mut direct: Vec<&str> = package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        // A normal dependency has no kind.
        .filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false)
        .map(|dependency| dependency["name"].as_str().unwrap())
        .collect();
    direct.sort_unstable();
    assert_eq!(direct, DIRECT);
}

#[test]
fn the_core_builds_when_extras_and_command_line_are_deleted() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap();
    // Beside the real workspace, in the same target folder, so that the dependencies are built already.
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = temporary.parent().unwrap();
    let copy = tempfile::tempdir_in(temporary).unwrap();

    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: Vec<&str> = manifest.lines().filter(|line| !line.starts_with("default-members")).collect();
    let manifest: Vec<&str> = manifest
        .into_iter()
        .map(|line| if line.starts_with("members") { "members = [\"orch-core\"]" } else { line })
        .collect();
    fs::write(copy.path().join("Cargo.toml"), manifest.join("\n")).unwrap();
    for file in ["Cargo.lock", "README.md"] {
        if root.join(file).exists() {
            fs::copy(root.join(file), copy.path().join(file)).unwrap();
        }
    }
    let core = copy.path().join("orch-core");
    copy_folder(package, &core, &["fuzz"]);
    for deleted in ["src/ext", "src/cli"] {
        if core.join(deleted).exists() {
            fs::remove_dir_all(core.join(deleted)).unwrap();
        }
    }
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let sections = manifest.split("\n\n").filter(|section| !section.starts_with("[[test]]"));
    fs::write(copy.path().join("orch-core/Cargo.toml"), sections.collect::<Vec<_>>().join("\n\n")).unwrap();

    let target = target.to_string_lossy();
    let output =
        cargo(&["check", "-p", "orch-core", "--no-default-features", "--lib", "--target-dir", &target], copy.path());
    assert!(output.status.success(), "{}", stderr(&output));
}

fn copy_folder(from: &Path, to: &Path, skip: &[&str]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if skip.iter().any(|skip| name == *skip) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(name), skip);
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
