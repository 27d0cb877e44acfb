//! WHO MAY: claims on resources, so that nobody tramples on what another uses.
//!
//! [`table`] holds the rules, pure: who gets what, who is next, how a deadlock is found and ended. What this folder does not
//! do: decide when a task starts. The run asks for a task's claims and waits for the answer.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Claim, locks::table::{Ask, Asked, Asker, LockTable}};
//!
//! let mut table = LockTable::default();
//! let claims = [Claim::exclusive("site")];
//! let ask = Ask { asker: Asker::Named("deploy"), scope: 0, claims: &claims, rank: 0, wait: None };
//! let Asked::Granted(grant) = table.ask(Duration::ZERO, &ask) else { panic!("nobody else is there") };
//! assert_eq!(grant.fence, 1);
//! assert!(table.release(Duration::ZERO, grant.ticket));
//! ```

pub mod table;
