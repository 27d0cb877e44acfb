//! CONNECT: the machine, the seams and whoever listens, once for all languages.
//!
//! A [`Session`] is one run as a driver sees it: [`step`](Session::step) takes what finished and answers what to begin and
//! what to stop. It never blocks and decides nothing: the [`Machine`](crate::run::Machine) does. It answers the machine's
//! checks, folds the report and tells the sinks; a driver only runs bodies, stops them, and sleeps.
//!
//! Most programs want [`Engine`](crate::Engine), the driver for tokio. This is the door for other drivers:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use orch_core::{Graph, Outcome, Plan, PlanOptions, RunState, Task, run::Message};
//! use orch_core::session::{Session, SessionOptions};
//!
//! let graph = Graph::builder("g").task(Task::new("a")).build()?;
//! let plan = Plan::new(&graph, &PlanOptions::default())?;
//! let mut session = Session::new(&plan, SessionOptions::default(), Arc::new(|| ()))?;
//!
//! let first = session.step(Duration::ZERO, &mut Vec::new()).start[0];
//! let done = Message::Finished { task: first.task, attempt: first.number, outcome: Outcome::done(()) };
//! session.step(Duration::from_secs(2), &mut vec![done]);
//! assert_eq!(session.state(), RunState::Succeeded);
//! assert_eq!(session.into_report().makespan(), Duration::from_secs(2));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod acquire;
mod ask;
mod breakers;
mod budget;
mod check;
mod claims;
mod commits;
mod context;
mod deal;
mod files;
mod follow;
mod io;
mod journal;
mod kept;
mod known;
mod leased;
mod ledger;
mod load;
mod money;
mod native;
mod paths;
mod pending;
mod resume;
mod runs;
#[expect(clippy::module_inception, reason = "the noun of the folder, as everywhere in the tree")]
mod session;
mod shared;
mod stored;

pub use acquire::{Acquiring, acquire};
pub use ask::Asking;
pub use breakers::Breakers;
pub use budget::{Budget, Gatekeeper};
pub use commits::{CommitRecord, commits, record_commit};
pub use deal::deal;
pub use files::{FileLimits, file_states};
pub use follow::{Follow, FollowNews};
pub use kept::{StoredRun, history, performance};
pub use leased::{StoreLocks, StoreLocksOptions};
pub use ledger::{
    Allowed, Answer, Booked, Charge, Entry, Gate, InFlight, Ledger, News, NewsKind, Priced, Question, Spent, add_up,
};
pub use load::{Definition, MAX_FILE_BYTES, load_text, read_text};
#[cfg(feature = "prices")]
pub use money::load_prices;
pub use money::{AccountForm, ChargeForm, CostQuery, Costs, budget_of, charges_csv, labels_of, limits_of, usd_of};
pub use native::Native;
pub use resume::Resume;
pub use runs::{AgainForm, ResumeForm, RunForm, StoredForm, find_run, leave_wish, run_source};
pub use session::{Session, SessionOptions};
pub use shared::{SharedCache, cache_options};
pub use stored::{MadeBy, StoreCache, StoreCacheOptions, Trust};
