//! WHO MAY: claims on resources, so that nobody tramples on what another uses.
//!
//! [`table`] holds the rules, pure: who gets what, who is next, how a deadlock is found and ended. [`ResourceLocks`] is the seam,
//! [`MemoryLocks`] the table within one process, and [`Locks`] what callers use: they ask, wait, hold and let go.
//!
//! What this folder does not do: decide when a task asks, which [`run`](crate::run) does. Nor does it guard the resource itself: who may ignore the locks is not stopped by them, and against one whose lease is over only the
//! resource can defend itself, by the fence.
//!
//! ```
//! use orch_core::locks::{Acquire, Locks};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> orch_core::Result<()> {
//! let locks = Locks::default();
//! let site = locks.acquire("site", "deploy", Acquire::default()).await?;
//! assert!(locks.try_acquire("site", "backup", Acquire::default())?.is_none());
//! assert_eq!(locks.stats("site").unwrap().holders[0].as_ref(), "deploy");
//! site.release();
//! assert!(locks.try_acquire("site", "backup", Acquire::default())?.is_some());
//! # Ok(())
//! # }
//! ```

mod acquire;
mod guard;
mod memory;
#[cfg(all(test, shuttle))]
mod models;
mod seam;
pub mod table;
#[cfg(test)]
mod tests;
mod wait;

pub use acquire::{Acquire, Locks, Owner};
pub use guard::LockGuard;
pub use memory::MemoryLocks;
pub use seam::{Backing, Ear, ResourceLocks};
