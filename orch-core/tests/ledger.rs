//! The ledger over processes: however many spend at once, no more is spent than there is.
//!
//! `ORCH_RACE_ROUNDS=200 cargo test -p orch-core --all-features --test ledger` races longer.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(feature = "sqlite")]

use std::{
    env,
    process::{Command, Stdio},
    sync::{Arc, Barrier},
    thread,
};

use orch_core::{
    Clock, Usd,
    cost::budget::{Column, Labels, Limit, Limits},
    session::{Answer, Charge, Ledger},
    store::{SqliteOptions, SqliteStore},
};

const PROCESSES: usize = 8;
const THREADS: usize = 8;
const EACH: Usd = Usd::from_nanos(7);

fn ledger(path: &str, k: usize) -> Ledger {
    let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
    let limit = Limit { milestones: vec![EACH], ..Limit::new("all", EACH.times(k as u64)) };
    Ledger::new(Arc::new(store), Limits::new(vec![limit]).unwrap(), Clock::system())
}

/// One of the processes of the race, where that has started it; else nothing.
#[test]
fn a_process_of_the_race() {
    let (Ok(path), Ok(k)) = (env::var("ORCH_RACE_STORE"), env::var("ORCH_RACE_K")) else { return };
    let (ledger, barrier) = (ledger(&path, k.parse().unwrap()), Barrier::new(THREADS));
    thread::scope(|scope| {
        for nth in 0..THREADS {
            let (ledger, barrier) = (&ledger, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let who = Labels::default().with(Column::Task, format!("{}-{nth}", std::process::id()));
                if let Answer::Granted(booked) = ledger.reserve(&[(who.clone(), EACH)]).unwrap() {
                    let settled = ledger.settle(&booked.id, vec![Charge::new(who, EACH)]).unwrap();
                    println!("won, {} milestones", settled.milestones.len());
                }
            });
        }
    });
}

#[test]
fn however_many_processes_ask_no_more_is_spent_than_there_is() {
    let rounds = env::var("ORCH_RACE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    for round in 0..rounds {
        let k = 1 + (round * 13 + 20) % 63;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orch.db").to_str().unwrap().to_owned();
        let start = || {
            Command::new(env::current_exe().unwrap())
                .args(["a_process_of_the_race", "--exact", "--nocapture"])
                .env("ORCH_RACE_STORE", &path)
                .env("ORCH_RACE_K", k.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let processes: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
        let said: Vec<String> = processes
            .into_iter()
            .map(|process| {
                let output = process.wait_with_output().unwrap();
                assert!(output.status.success(), "round {round}");
                String::from_utf8(output.stdout).unwrap()
            })
            .collect();
        let said = said.concat();
        let ledger = ledger(&path, k);
        let standing = &ledger.standing(&Labels::default()).unwrap()[0];
        assert_eq!((standing.spent, standing.reserved), (standing.usd, Usd::ZERO), "round {round}, {k} of 64");
        assert_eq!((said.matches("won, ").count(), ledger.charges(None, None).unwrap().len()), (k, k));
        assert_eq!(said.matches("won, 1 milestones").count(), 1, "a milestone is reached once, in whatever process");
    }
}
