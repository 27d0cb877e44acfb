//! What several integration tests need.

// `cfg(test)` is always true here; it tells the lints that these lines are test code.
#[cfg(test)]
#[path = "../../src/fixtures.rs"]
pub(crate) mod fixtures;
