//! BADGES: figures for a README, as pictures, as JSON for shields, and as addresses.
//!
//! A [`Badge`] is a label, a message and a colour; its makers hold the texts and thresholds of the scripts that orch replaces. [`svg`] draws it as shields
//! does, to the byte, so that no other server is needed; [`Endpoint`] is what shields asks for, [`badge_url`] its address. [`place_block`] puts lines between
//! the marks of a README, and leaves everything else as it is.
//!
//! A badge says if its figure is [modelled](Basis::Modelled), and where nothing is known it says that.
//!
//! What it does not do: it computes no figure, reads and writes no file, and asks no server.
//!
//! ```
//! use orch_core::ext::badges::{Badge, Basis, Style, Theme, badge_url, markdown, place_block, svg};
//!
//! let badge = Badge::savings(Some((3.6, 4.9655, Basis::Modelled)));
//! assert_eq!(badge.to_string(), "Orchestration Savings: $3.60 5% modelled");
//! assert!(svg(&badge, Style::ForTheBadge, Theme::Light).contains("$3.60 5% MODELLED"));
//!
//! let line = markdown(&badge.label, &badge_url(&badge, Style::ForTheBadge), "./reports/orchestration/");
//! let readme = place_block("# App\n\nText\n", &line, true)?.text;
//! assert!(readme.starts_with("# App\n\n<!-- orch:badges:start -->\n[![Orchestration Savings](https://img.shields.io/badge/"));
//! assert!(readme.ends_with("<!-- orch:badges:end -->\n\nText\n"));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod badge;
mod block;
mod endpoint;
mod svg;
mod trend;
mod url;
mod width;

pub use badge::{Badge, Basis, Color, NO_DATA};
pub use block::{END, Placed, START, Was, place_block};
pub use endpoint::Endpoint;
pub use svg::{Style, Theme, svg};
pub use trend::trend;
pub use url::{badge_url, endpoint_url, markdown, picture};
