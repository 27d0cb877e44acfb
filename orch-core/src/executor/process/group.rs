//! The process group of a program: ends it as a whole.

use std::io;

use tokio::process::{Child, Command};

/// Gives the program a process group of its own.
pub(super) fn isolate(command: &mut Command) {
    #[cfg(unix)]
    command.process_group(0);
    // The group is ended by its guard; this also reaps the program itself when it is dropped.
    command.kill_on_drop(true);
}

/// Ends a group when dropped, unless it is already over.
///
/// INVARIANT: the group's number is used only until shortly after the program was reaped. While the program is not reaped,
/// or anything of the group lives, the system gives the number to nobody else.
#[derive(Debug)]
pub(super) struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Group {
    pub(super) fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        Self { leader }
    }

    /// Asks all of the group to end: SIGTERM.
    pub(super) fn ask_to_end(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ends all of the group, SIGKILL, and lets go of it.
    pub(super) fn end(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.leader = None;
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(leader) = self.leader {
            // The only error is that nothing of the group is left, or nothing that we may signal.
            _ = rustix::process::kill_process_group(leader, signal);
        }
    }

    /// Whether anything of the group still runs.
    pub(super) fn is_alive(&self) -> bool {
        let Some(leader) = self.leader else { return false };
        let exists = rustix::process::test_kill_process_group(leader).is_ok();
        // A process that has ended and that nobody reaps still counts for the system. In containers the first process often
        // reaps nothing, and waiting for those would last the whole grace period each time.
        exists && !(cfg!(target_os = "linux") && only_zombies(leader.as_raw_nonzero().get()).unwrap_or(false))
    }
}

#[cfg(not(unix))]
impl Group {
    pub(super) fn of(_: &Child) -> Self {
        Self {}
    }

    #[expect(clippy::unused_self, reason = "same shape as on Unix")]
    pub(super) fn ask_to_end(&self) {}

    #[expect(clippy::unused_self, reason = "same shape as on Unix")]
    pub(super) fn end(&mut self) {}

    #[expect(clippy::unused_self, reason = "same shape as on Unix")]
    pub(super) fn is_alive(&self) -> bool {
        false
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether every process of the group has ended and only waits to be reaped.
#[cfg(unix)]
fn only_zombies(group: i32) -> io::Result<bool> {
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process = path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        // A process may end between the listing and this.
        let Some(stat) = is_process.then(|| std::fs::read_to_string(path.join("stat")).ok()).flatten() else {
            continue;
        };
        // The name stands in parentheses and may hold anything; after its end come state, parent and group.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
        let (state, its_group) = (fields.next(), fields.nth(1));
        if its_group.and_then(|its| its.parse().ok()) == Some(group) && !matches!(state, Some("Z" | "X")) {
            return Ok(false);
        }
    }
    Ok(true)
}
