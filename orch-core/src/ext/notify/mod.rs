//! NOTIFY: tells people outside, in Discord, Slack or by a webhook, what happened to runs and budgets.
//!
//! A [`Notice`] is what is told, whoever hears it. [`Outbox::post`] puts it into the [store](crate::store), once for each
//! [`Target`] and key, and returns: nothing of the network is in the way of a run. [`Outbox::deliver`] sends what is due, on
//! whatever thread or process calls it: at least once, and once where the other side answered. Busy and dead servers are
//! tried again for a day, after as long as they ask for.
//!
//! The address of a target is a secret: it is never stored, shown, logged or part of an error. Letters name their target, and
//! who delivers knows the addresses.
//!
//! What it does not do: it decides nothing about budgets, follows no redirect, and does not send to addresses inside the
//! machine or the network that a cloud gives to its machines, unless [`TargetOptions`] says so.
//!
//! ```
//! use orch_core::{Usd, WallTime, ext::notify::{Notice, TargetKind}};
//!
//! let notice = Notice::milestone(Usd::from_cents(500), Usd::from_cents(500), 12, 160, Usd::from_cents(1500), WallTime(0));
//! let embed = &TargetKind::Discord.payload(&notice)["embeds"][0];
//! assert_eq!(embed["title"], "🚀 $5 Milestone Reached!");
//! assert_eq!(embed["fields"][4]["value"], "[██████░░░░░░░░░░░░░░] 33.3%");
//! ```

mod deliver;
mod discord;
mod http;
mod notice;
mod runs;
mod target;
mod tell;

pub use deliver::{Delivered, Outbox};
pub use http::{Answer, Courier, HttpCourier};
pub use notice::{Field, Notice};
pub use runs::{RunNotices, TellWhen};
pub use target::{Target, TargetKind, TargetOptions};
pub use tell::Tell;
