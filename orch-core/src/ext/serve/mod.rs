//! SERVE: a page on this machine with the runs of a store while they go on, and what else one shows on it.
//!
//! A [`Server`] listens on the loopback interface alone, at an address that holds a random token, and answers two things: one page,
//! which brings all that it needs, and its events (SSE). Runs come from a [store](crate::store), also those of other processes; a
//! [`Pane`] is anything else that is looked at again and again: worktrees, budgets, costs.
//!
//! Nobody is waited for. What is shown lies on a board; each reader takes what it has not seen when it can take it, so that a slow one
//! costs no memory, and is let go when it takes nothing for long. While nobody reads, nothing is looked at. A reader that comes back
//! says which event it saw last and gets those after it.
//!
//! What it does not do: it changes nothing, answers no other machine, sets no cookie, and allows no other site to read it. Text from
//! outside goes to the page as JSON and is shown as text.
//!
//! ```
//! use std::sync::Arc;
//! use orch_core::{ext::serve::{Pane, ServeOptions, Server}, store::MemoryStore};
//!
//! let options = ServeOptions { store: Some(Arc::new(MemoryStore::default())), ..ServeOptions::default() };
//! let weather = Pane::new("weather", || Ok(serde_json::json!({"sky": "blue"})));
//! let server = Server::bind(options, vec![weather])?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod board;
mod door;
mod follow;
mod options;
mod page;
mod pane;
mod reader;
mod server;
mod show;

pub use options::ServeOptions;
pub use pane::Pane;
pub use server::Server;
