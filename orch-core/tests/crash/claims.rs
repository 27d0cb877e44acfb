//! Many processes that claim the same resources by one store: one at a time has them, also when one is killed while it does.

use orch_core::{
    Claim,
    locks::Locks,
    session::{StoreLocks, StoreLocksOptions},
};

use super::*;

const PROCESSES: u64 = 4;
/// How often each process claims.
const ROUNDS: u64 = 12;

/// Claims two resources together or one of them, in either order. The first process is killed while it has both.
pub(super) fn work(folder: &Path, process: u64) {
    let log = Log::open(folder);
    let store: Arc<dyn Store> = Arc::new(store_in(folder));
    let (turn, poll) = (Duration::from_millis(5), Duration::from_millis(1));
    let locks = Locks::new(StoreLocks::new(store, StoreLocksOptions { turn, poll, ..StoreLocksOptions::default() }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut random = Random(process);
        for round in 0..ROUNDS {
            let is_last = process == 1 && round == ROUNDS / 2;
            let names = match random.below(4) {
                _ if is_last => vec!["a", "b"],
                0 => vec!["a"],
                1 => vec!["b"],
                2 => vec!["a", "b"],
                _ => vec!["b", "a"],
            };
            let claims: Vec<Claim> = names.iter().map(|name| Claim::exclusive(*name)).collect();
            let guard = locks.acquire_all(&claims, format!("process {process}"), None).await.unwrap();
            for name in &names {
                // Whoever has it is alone, so nobody else has left his mark.
                drop(OpenOptions::new().write(true).create_new(true).open(folder.join(name)).unwrap());
                log.say(&format!("{name} {process} {}", guard.fence()));
            }
            names.iter().for_each(|name| fs::remove_file(folder.join(name)).unwrap());
            if is_last {
                std::process::abort();
            }
            drop(guard);
        }
    });
}

#[test]
fn what_one_process_claims_no_other_has() {
    let (_keep, folder) = folder();
    drop(store_in(&folder));
    let children: Vec<Child> = (1..=PROCESSES).map(|process| start("claim", &folder, process, "", 0)).collect();
    for (process, mut child) in (1..).zip(children) {
        let ended = child.wait().unwrap();
        let stderr = fs::read_to_string(folder.join(format!("stderr{process}"))).unwrap();
        assert_eq!(ended.success(), process != 1, "process {process}: {stderr}");
        assert!(!stderr.contains("panicked"), "process {process}: {stderr}");
    }
    for name in ["a", "b"] {
        let begins = format!("{name} ");
        let lines = lines(&folder);
        let fences: Vec<(u64, u64)> = lines
            .iter()
            .filter_map(|line| line.strip_prefix(&begins)?.split_once(' '))
            .map(|(process, fence)| (process.parse().unwrap(), fence.parse().unwrap()))
            .collect();
        assert!(fences.windows(2).all(|pair| pair[0].1 < pair[1].1), "`{name}`: {fences:?}");
        assert!(fences.iter().any(|(process, _)| *process == 1), "the one that was killed had it too");
    }
}
