//! How long `orch run` takes, from start to exit, when the programs take no time: `cargo bench --bench command`.
//!
//! Runs `target/release/orch`, or the program in `ORCH`, on the /review-all of the examples: seven tasks, each `true`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use benches::numbers;

const ROUNDS: usize = 20;
const LIMIT: Duration = Duration::from_millis(50);

fn time(command: &mut Command) -> Duration {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("a program to run");
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release").join("orch");
    let orch = env::var_os("ORCH").map_or_else(built, PathBuf::from);
    if !orch.exists() {
        return println!("skipped: build it with `cargo build --release -p orch-core --features cli`, or set ORCH");
    }
    let mut times = Vec::new();
    let mut alone = Vec::new();
    // The first round warms up.
    for round in 0..=ROUNDS {
        let run = time(
            Command::new(&orch)
                .arg("run")
                .arg(root.join("examples/commands/review-all.json"))
                .args(["--agent", "*=true"]),
        );
        let nothing = time(&mut Command::new("true"));
        if round > 0 {
            times.push(run);
            alone.push(nothing);
        }
    }
    let (took, alone) = (numbers::median(&times), numbers::median(&alone));
    let slowest = times.iter().max().copied().unwrap_or_default();
    let verdict = if took < LIMIT { "it holds" } else { "it does not hold" };
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    numbers::publish(
        "command",
        &format!(
            "`orch run` of /review-all, seven tasks that are `true` each, whole process, median of {ROUNDS}: **{:.1} ms** \
             (slowest {:.1} ms; one `true` alone {:.1} ms).\nAsked for: under {:.0} ms: {verdict}.",
            millis(took),
            millis(slowest),
            millis(alone),
            millis(LIMIT)
        ),
    );
}
