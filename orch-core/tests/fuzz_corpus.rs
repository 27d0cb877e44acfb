//! Feeds the seeds of the fuzz targets, and with them every input that once broke something, through the same functions.
#![cfg(test)]

use std::{fs, path::Path};

#[cfg(feature = "actions")]
#[path = "../fuzz/actions.rs"]
mod actions;
#[cfg(feature = "process")]
#[path = "../fuzz/agents.rs"]
mod agents;
#[path = "../fuzz/bodies.rs"]
mod bodies;
#[cfg(feature = "markdown")]
#[path = "../fuzz/markdown.rs"]
mod markdown;

#[track_caller]
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The name of the seed at fault, if the body panics.
        println!("{}", path.display());
        body(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "no seeds for `{target}`");
}

#[test]
fn json() {
    replay("json", bodies::json);
}

#[test]
fn condition() {
    replay("condition", bodies::condition);
}

#[test]
fn wfformat() {
    replay("wfformat", bodies::wfformat);
}

#[cfg(feature = "markdown")]
#[test]
fn markdown() {
    replay("markdown", markdown::markdown);
}

#[cfg(feature = "process")]
#[test]
fn agents() {
    replay("agents", agents::agents);
}

#[cfg(feature = "actions")]
#[test]
fn actions() {
    replay("actions", actions::actions);
}
