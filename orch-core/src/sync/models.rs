//! How models are run.

/// Orders tried for each model by each of two schedulers, unless `ORCH_MODEL_ROUNDS` says another number.
const ROUNDS: usize = 1000;

/// Runs a model under many orders: at random, and with few changes of thread at the worst places. Threads that wait for
/// ever, while no other can go on, fail it.
pub(crate) fn explore(model: fn()) {
    let rounds = std::env::var("ORCH_MODEL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    shuttle::check_random(model, rounds);
    shuttle::check_pct(model, rounds, 3);
}

/// Runs a model under every order there is, so it must be tiny: two threads that take a few locks.
pub(crate) fn explore_all(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_dfs(model, None);
}
