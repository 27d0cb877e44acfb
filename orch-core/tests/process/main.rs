//! Real programs as tasks.

#![cfg(all(unix, feature = "process", feature = "testing"))]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, also in what tests share")]

mod attempt;
mod engine;

use std::{fs, path::Path, time::Duration};

use orch_core::Agent;

fn sh(script: &str) -> Agent {
    Agent::new(["sh", "-c", script])
}

/// Whether that process runs; one that has ended and only waits to be reaped does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| !matches!(stat.rsplit(')').next().unwrap().trim_start().chars().next(), Some('Z' | 'X')))
}

async fn all_end(pids: &[String]) {
    assert!(!pids.is_empty() && pids.iter().all(|pid| pid.parse::<u32>().is_ok()), "{pids:?}");
    let gone = async {
        while pids.iter().any(|pid| runs(pid)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("nothing of the group lives");
}
