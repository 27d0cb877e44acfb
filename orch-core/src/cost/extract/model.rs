//! The rows of the table.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};

use super::path::Paths;

/// Where a dialect has what.
///
/// A path is keys with dots between: `usage.input_tokens`. `*` is every element of a list, or every value of an object. `a|b` is `a`,
/// or `b` where there is no `a`; `a=x|y` is `a` where it is the text `x` or `y`. Paths begin at the record, with `$.` at the message,
/// with `^` at the latest message before that has it; `@` is the key under which the record was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extractor {
    /// The dialect's name.
    pub name: String,
    /// What a message of this dialect has, all of it.
    pub when: Vec<Paths>,
    /// Where the records are, each the usage of one model. Empty: the message is the record.
    pub records: Paths,
    /// Where the model's name is; the first that is there.
    pub model: Vec<Paths>,
    /// Where the provider's name is; it goes before the model's: `provider/model`.
    pub provider: Paths,
    /// Whether a message counts what earlier ones counted: then the latest counts alone.
    pub cumulative: bool,
    /// What, in the message, tells that two messages are about the same call: then the later one counts.
    pub once_by: Vec<Paths>,
    /// How cached tokens are counted.
    pub cached: Cached,
    /// The fields of a [`ModelUsage`](crate::ModelUsage) that are counts; each is the sum of those paths. `cache_write` is all
    /// that is written, for an hour too.
    pub counts: BTreeMap<String, Vec<Paths>>,
    /// What the provider says it cost, in dollars.
    pub billed: Paths,
    /// Items, each with its path.
    pub items: BTreeMap<String, Paths>,
    /// Items counted in lists by kind.
    pub kinds: Vec<Kinds>,
    /// An object whose numbers are items.
    pub all_items: Paths,
    /// Whether every other number of the record is an item.
    pub other_items: bool,
    /// Terms, each with its path.
    pub terms: BTreeMap<String, Paths>,
    /// An object whose texts are terms.
    pub all_terms: Paths,
}

/// Lists of `{kind, count}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kinds {
    /// Where the lists are.
    pub lists: Vec<Paths>,
    /// Where, in an element, its kind is.
    pub kind: Paths,
    /// Where, in an element, its count is.
    pub count: Paths,
    /// The item's name, with `{}` for the kind in small letters.
    pub item: String,
    /// Kinds that are counted as others: documents are images.
    pub same: BTreeMap<String, String>,
}

/// How a dialect counts cached tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cached {
    /// They are among the input tokens.
    #[default]
    Within,
    /// They are counted beside the input tokens.
    Beside,
}

/// A table of dialects. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Extractors(pub(super) Arc<Vec<Extractor>>);

impl Extractors {
    /// Those that come with the engine: Anthropic, OpenAI (chat and responses), Google, Bedrock, the result and the transcripts of
    /// Claude Code, `codex exec --json` and Codex sessions, OpenCode, ccusage, and records of usage as genai-prices and orch have
    /// them.
    pub fn built_in() -> Self {
        static TABLE: OnceLock<Extractors> = OnceLock::new();
        TABLE
            .get_or_init(|| {
                let rows = serde_json::from_str(include_str!("table.json"));
                // A test reads it; a broken table finds nothing rather than something wrong.
                Self(Arc::new(rows.unwrap_or_default()))
            })
            .clone()
    }

    /// Adds a dialect, before the others.
    #[must_use]
    pub fn with(mut self, extractor: Extractor) -> Self {
        Arc::make_mut(&mut self.0).insert(0, extractor);
        self
    }

    /// Only that dialect; nothing if none has that name.
    #[must_use]
    pub fn only(&self, name: &str) -> Self {
        Self(Arc::new(self.0.iter().filter(|row| row.name == name).cloned().collect()))
    }

    /// The names of the dialects, in the order in which they are tried.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|row| row.name.as_str())
    }
}
