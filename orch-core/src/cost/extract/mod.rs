//! READ: what agents and APIs say that they used, as [`Usage`].
//!
//! Each dialect is a row of a table ([`Extractor`], the built-in ones in `table.json`): which messages it is about, where in them the
//! classes of tokens are, whether cached tokens are counted beside the input or within, and whether a later message counts what
//! earlier ones counted already. No dialect has code of its own; a program with another form gets a row
//! ([`Extractors::with`]).
//!
//! Nothing here prices anything, reads files, or guesses: a text in which no row finds usage is `None`.
//!
//! ```
//! use orch_core::cost::Extractors;
//!
//! let said = r#"{"model": "claude-sonnet-4-5", "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}}"#;
//! let found = Extractors::built_in().read(said).unwrap();
//! assert_eq!(found.dialect, "anthropic");
//! assert_eq!(found.usage.models()[0].input, 100, "cached tokens are input tokens too");
//! assert!(Extractors::built_in().read("no JSON").is_none());
//! ```

mod model;
mod path;
mod read;
#[cfg(test)]
mod tests;

pub use model::{Cached, Extractor, Extractors, Kinds};
pub use path::Paths;
pub use read::Extracted;
