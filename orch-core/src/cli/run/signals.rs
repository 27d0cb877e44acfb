//! Ctrl-C, SIGTERM and a terminal that goes away: who asked a run to stop.

use std::io;

use crate::cli::exit::Exit;

/// Listens for requests to stop.
#[derive(Debug)]
pub(in crate::cli) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Stop {
    Interrupted,
    Terminated,
    HungUp,
}

impl Stop {
    pub(in crate::cli) fn reason(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "asked to terminate",
            Self::HungUp => "the terminal went away",
        }
    }

    pub(in crate::cli) fn exit(self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::Terminated => Exit::Terminated,
            Self::HungUp => Exit::HungUp,
        }
    }
}

impl Signals {
    /// Takes them over from the system, which would end the program.
    pub(in crate::cli) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            // Programs have process groups of their own, so a terminal that goes away does not end them: we must.
            let hang_up = if may_hang_up() { Some(signal(SignalKind::hangup())?) } else { None };
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(in crate::cli) async fn next(&mut self) -> Stop {
        #[cfg(unix)]
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        };
        #[cfg(unix)]
        tokio::select! {
            () = hang_up => Stop::HungUp,
            _ = self.interrupt.recv() => Stop::Interrupted,
            _ = self.terminate.recv() => Stop::Terminated,
        }
        #[cfg(not(unix))]
        match tokio::signal::ctrl_c().await {
            Ok(()) => Stop::Interrupted,
            // Nothing can be heard; then nothing is.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Whether SIGHUP should stop a run: not under `nohup`, which makes a process ignore it. Only Linux tells; elsewhere the
/// signal keeps the meaning that it had.
#[cfg(unix)]
fn may_hang_up() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The mask is hexadecimal; SIGHUP is signal 1, so bit 0.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 0)
}
