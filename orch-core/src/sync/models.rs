//! How models are run.

use shuttle::{
    Config, Runner,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler},
};

/// Orders tried for each model by each of two schedulers, unless `ORCH_MODEL_ROUNDS` says another number.
const ROUNDS: usize = 1000;

/// The stack of each thread, in bytes. What shuttle gives by default, 60 KiB, is too little for a step of a session that was
/// built without optimisation, and a stack that is too small ends the process without a word.
const STACK: usize = 1024 * 1024;

fn run(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(scheduler, config).run(model);
}

/// Runs a model under many orders: at random, and with few changes of thread at the worst places. Threads that wait for
/// ever, while no other can go on, fail it.
pub(crate) fn explore(model: fn()) {
    let rounds = std::env::var("ORCH_MODEL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    run(RandomScheduler::new(rounds), model);
    run(PctScheduler::new(3, rounds), model);
}

/// Runs a model under every order there is, so it must be tiny: two threads that take a few locks.
pub(crate) fn explore_all(model: impl Fn() + Send + Sync + 'static) {
    run(DfsScheduler::new(None, false), model);
}
