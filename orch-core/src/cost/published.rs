//! Published price lists: the reader of the second form of genai-prices, whose crate the tests hold it to.

#[path = "published/changes.rs"]
mod changes;
#[path = "published/index.rs"]
mod index;
#[path = "published/model.rs"]
mod model;
#[path = "published/pattern.rs"]
mod pattern;
#[path = "published/rates.rs"]
mod rates;
#[path = "published/read.rs"]
mod read;
#[path = "published/rule.rs"]
mod rule;
#[path = "published/units.rs"]
mod units;
#[path = "published/when.rs"]
mod when;

use std::sync::{Arc, LazyLock};

pub use self::changes::ListChanges;
use self::{index::Index, rates::Sums};
use crate::{clock::WallTime, cost::price::Quote, error::Error, units::ModelUsage};

/// What charges say of the list of this build: the crate whose data it is, its version and the day of its release.
pub(super) const BUNDLED: &str = "genai-prices 0.2.1 (2026-10-30)";

/// That list: `scripts/prices.py` takes it from the crate, the build script packs it to a tenth.
static DATA: LazyLock<String> = LazyLock::new(|| {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/prices.deflate"));
    let text = miniz_oxide::inflate::decompress_to_vec(packed).unwrap_or_default();
    // A test reads it: the same bytes in every build.
    String::from_utf8(text).unwrap_or_default()
});

/// Which list.
#[derive(Debug, Clone)]
pub(super) enum List {
    Bundled,
    Read(Arc<Loaded>),
}

/// A list, and what charges say of it.
#[derive(Debug)]
pub(super) struct Loaded {
    name: String,
    index: Index,
}

static LOADED: LazyLock<Loaded> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the same text in every build; a test reads it")]
    let index = Index::new(DATA.as_str().into()).expect("the list of this build");
    Loaded { name: BUNDLED.to_owned(), index }
});

impl List {
    pub(super) fn read(name: String, json: &str) -> crate::Result<Self> {
        // All of it is read once: what is wrong with a list is told now, not when a model is asked for.
        match index::check(json) {
            Ok(()) => Self::checked(name, json),
            Err(why) => Err(no_list(&name, why)),
        }
    }

    /// The same of a text that was read before: what is wrong with a model is told when it is asked for.
    pub(super) fn checked(name: String, json: &str) -> crate::Result<Self> {
        let index = Index::new(json.to_owned().into()).map_err(|why| no_list(&name, why))?;
        Ok(Self::Read(Arc::new(Loaded { name, index })))
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Bundled => BUNDLED,
            Self::Read(list) => &list.name,
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Bundled => &DATA,
            Self::Read(list) => list.index.text(),
        }
    }

    pub(super) fn changes(&self, newer: &str) -> ListChanges {
        changes::changes(self.text(), newer)
    }

    fn loaded(&self) -> &Loaded {
        match self {
            Self::Bundled => &LOADED,
            Self::Read(list) => list,
        }
    }

    pub(super) fn quote(&self, model: &str, usage: &ModelUsage, at: WallTime) -> Option<Quote> {
        let Loaded { name, index } = self.loaded();
        let known = index.known(model)?;
        let Sums { total, input, output } = known.sums(usage, at)?;
        let (input, output) = (Some(input), Some(output));
        let (model, list) = (known.shown().to_owned(), name.clone());
        Some(Quote { total, input, output, model, list, at, is_fallback: false })
    }
}

fn no_list(name: &str, why: String) -> Error {
    let message = format!("`{}` is no price list in the second form of genai-prices", crate::id::Printable(name));
    Error::new(crate::ErrorKind::InvalidFormat, message).caused_by(why)
}

#[cfg(test)]
#[path = "published/tests.rs"]
mod tests;
