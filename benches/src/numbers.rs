//! How numbers are taken and where they go.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use orch_core::Clock;

/// The middle one; of an even number, the upper of the two in the middle.
///
/// # Panics
///
/// Without any value.
pub fn median<T: Clone + PartialOrd>(values: &[T]) -> T {
    let mut values = values.to_vec();
    values.sort_by(|one, other| one.partial_cmp(other).expect("values that compare"));
    values[values.len() / 2].clone()
}

/// Nanoseconds for each of `count`.
pub fn nanos_each(time: Duration, count: u32) -> f64 {
    time.as_nanos() as f64 / f64::from(count)
}

/// A whole number with commas: 10,000.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let groups = tail.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    Some(head.to_owned()).filter(|head| !head.is_empty()).into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

/// Prints a section of numbers, and keeps it as `NAME.md` in the folder `ORCH_NUMBERS`, where that is set.
///
/// # Panics
///
/// If the file cannot be written.
pub fn publish(name: &str, markdown: &str) {
    println!("{markdown}");
    if let Some(folder) = env::var_os("ORCH_NUMBERS") {
        fs::write(Path::new(&folder).join(format!("{name}.md")), format!("{}\n", markdown.trim())).expect("a folder");
    }
}

/// Where and when: processor, cores, compiler, date.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc);
    let rustc = rustc.split(" (").next().unwrap_or_default();
    let date = Clock::system().wall().to_string();
    let date = date.split('T').next().unwrap_or_default();
    format!("{cores} cores of {}, {}, {rustc}, {date}", model.unwrap_or("an unknown processor"), env::consts::OS)
}

/// The fixture with that path, below `ORCH_FIXTURES` or `shared/fixtures` beside the repository; `None` where there is none.
pub fn fixture(relative: &str) -> Option<PathBuf> {
    let folder = env::var_os("ORCH_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures")), PathBuf::from);
    Some(folder.join(relative)).filter(|path| path.exists())
}
