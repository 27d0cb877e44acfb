//! KEEP: what outlives the process, behind one seam.
//!
//! A [`Store`] keeps the journals of runs, large values by their content, leases with fences, what caches keep, a ledger of money,
//! wishes that one process has of the run of another, letters to the world that wait to be delivered, and facts for who looks back. [`MemoryStore`] keeps all
//! that while the process lives, for tests; `SqliteStore`
//! (feature `sqlite`) keeps it in one file that any number of processes on one machine share, with no server.
//!
//! A store knows bytes, not meanings: it does not look into events, decides nothing about runs, starts no thread and has no
//! runtime. Its calls block; a session makes them on its own runtime for slow seams, never in a step.
//! [`testing::store`](crate::testing) holds what every store must pass.
//!
//! A worked example: a process owns a run and writes, dies, and another goes on.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Clock, ErrorKind, RunId};
//! use orch_core::store::{Append, Locked, MemoryStore, RunHeader, Store};
//!
//! let (clock, hand) = Clock::manual();
//! let store = MemoryStore::new(clock);
//! let run = RunId::from_parts(1, 2);
//! let ten = Duration::from_secs(10);
//!
//! // 1. Who owns the lease of a run may write to it. The fence of the lease numbers what it writes.
//! let Locked::Granted(mine) = store.lock(&run.to_string(), "process 1", ten)? else { panic!("nobody has it") };
//! store.open_run(&RunHeader { run, fence: mine.fence, ..RunHeader::default() }, None)?;
//! let append = Append { run, fence: mine.fence, seq: 0, events: 2, body: b"two events", ..Append::default() };
//! store.append(&append)?;
//!
//! // 2. It is not heard of for longer than its lease: another takes the run over, and writes its own part.
//! hand.advance(ten);
//! let Locked::Granted(theirs) = store.lock(&run.to_string(), "process 2", ten)? else { panic!("it is free") };
//! assert!(theirs.fence > mine.fence);
//! store.open_run(&RunHeader { run, fence: theirs.fence, ..RunHeader::default() }, None)?;
//!
//! // 3. The first one was only asleep. What it writes now is refused: nothing is recorded twice.
//! let late = store.append(&Append { seq: 2, ..append }).unwrap_err();
//! assert_eq!(late.kind(), ErrorKind::Conflict);
//! assert_eq!(store.read(run, mine.fence, 0)?[0].body, b"two events", "what was acknowledged is still there");
//! # Ok::<(), orch_core::Error>(())
//! ```

mod facts;
mod ledger;
mod memory;
mod outbox;
mod seam;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use facts::{Fact, FactQuery};
pub use ledger::{Book, ChargeRow, Content};
pub use memory::MemoryStore;
pub use outbox::{Delivery, LONGEST_WAIT, Letter, LetterRow, LetterState};
pub use seam::{Append, Blob, BlobHash, CacheRow, Lease, Locked, Record, RunHeader, RunRow, Store, Wish};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore, Synchronous};
