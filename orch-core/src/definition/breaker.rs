//! When a circuit breaker opens and closes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::task::millis;

/// How a circuit breaker behaves: how many failures open it, and how it finds out that all is well again. The tasks that
/// name the same [`breaker`](crate::TaskOptions::breaker) share it.
///
/// A breaker is *closed* while all is well. After some failures in a row it *opens*: no further attempt begins. When the
/// reset time is over it is *half open*: a few attempts are let through to probe; if they work it closes, if one fails it
/// opens again. See [`recovery::breaker`](crate::recovery::breaker). Runs of one engine share them by name:
/// [`Engine::breakers`](crate::Engine::breakers).
///
/// ```
/// use std::time::Duration;
/// use orch_core::{BreakerOptions, Graph, Task};
///
/// let options = BreakerOptions { reset_timeout: Duration::from_secs(30), ..BreakerOptions::default() };
/// let graph = Graph::builder("calls")
///     .breaker("crm", options)
///     .task(Task::new("fetch").breaker("crm"))
///     .task(Task::new("push").breaker("crm"))
///     .build()?;
/// assert_eq!(graph.breakers()["crm"].failure_threshold, 5);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakerOptions {
    /// How many failures in a row open it, all within the monitoring period; at least 1. Default: 5.
    pub failure_threshold: u32,
    /// How many probes in a row must work before it closes; at least 1. Default: 2.
    pub success_threshold: u32,
    /// How long it stays open before it lets a probe through. Default: 60 s.
    #[serde(rename = "reset_timeout_ms", with = "millis::plain")]
    pub reset_timeout: Duration,
    /// Failures that are older than this do not count any more; more than 0. Default: 300 s.
    #[serde(rename = "monitoring_period_ms", with = "millis::plain")]
    pub monitoring_period: Duration,
    /// How many probes may run at once while it is half open; at least 1. Default: 1.
    pub probes: u32,
    /// Counts only failures whose kind or message contains one of these, in any case. Empty: every one. What was cancelled
    /// never counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// What becomes of a task that is ready while no attempt may begin. Default: it waits.
    pub when_open: WhenOpen,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            success_threshold: 2,
            reset_timeout: Duration::from_secs(60),
            monitoring_period: Duration::from_secs(300),
            probes: 1,
            on: Vec::new(),
            when_open: WhenOpen::default(),
        }
    }
}

/// What becomes of a task that is ready while its breaker lets no attempt begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenOpen {
    /// It stays ready and begins when the breaker lets it; it uses up no attempt. What takes no part in it goes on.
    #[default]
    Wait,
    /// Its attempt fails at once with [`FailureKind::CircuitOpen`](crate::FailureKind::CircuitOpen). Its retries wait at
    /// least until the breaker may let an attempt begin.
    Fail,
}
