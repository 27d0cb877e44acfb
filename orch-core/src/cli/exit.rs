//! Exit codes.

use std::process::ExitCode;

/// How a command ended. The numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: done.
    Done,
    /// 1: the run failed, or a result could not be written.
    Failed,
    /// 2: bad input or usage.
    Bad,
    /// 3: `orch hook git pre-commit` refuses the commit.
    Refused,
    /// 130: interrupted by Ctrl-C, as shells have it (128 + SIGINT).
    Interrupted,
    /// 143: ended by SIGTERM (128 + SIGTERM).
    Terminated,
    /// 129: its terminal went away (128 + SIGHUP).
    HungUp,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Bad => 2,
            Exit::Refused => crate::ext::hooks::GitHook::REFUSED,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
            Exit::HungUp => 129,
        })
    }
}
