//! Published price lists: the only place that knows the crate genai-prices.

#[path = "published/changes.rs"]
mod changes;
#[path = "published/index.rs"]
mod index;
#[path = "published/rates.rs"]
mod rates;

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, UNIX_EPOCH},
};

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};

pub use self::changes::ListChanges;
use self::{
    index::{Index, Known},
    rates::Sums,
};
use crate::{
    clock::WallTime,
    cost::price::Quote,
    error::Error,
    units::{ModelUsage, Usd},
};

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
        let index = Calculator::from_json(json).and_then(|_| Index::new(json.to_owned().into())).map_err(|error| {
            let message =
                format!("`{}` is no price list in the second form of genai-prices", crate::id::Printable(&name));
            Error::new(crate::ErrorKind::InvalidFormat, message).caused_by(error)
        })?;
        Ok(Self::Read(Arc::new(Loaded { name, index })))
    }

    /// The same of a text that was read before: what is wrong with a model is told when it is asked for.
    pub(super) fn checked(name: String, json: &str) -> crate::Result<Self> {
        let index = Index::new(json.to_owned().into()).map_err(|error| {
            let message =
                format!("`{}` is no price list in the second form of genai-prices", crate::id::Printable(&name));
            Error::new(crate::ErrorKind::InvalidFormat, message).caused_by(error)
        })?;
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
        let rates = known.rates(at);
        if !rates.is_none_or(|rates| rates.cover(usage)) {
            return None;
        }
        let sums = match rates.and_then(|rates| rates.sums(usage)) {
            Some(sums) => sums,
            None => calculate(&known, usage, at)?,
        };
        let Sums { total, input, output } = sums;
        let (input, output) = (Some(input), Some(output));
        let (model, list) = (known.shown().to_owned(), name.clone());
        Some(Quote { total, input, output, model, list, at, is_fallback: false })
    }
}

/// What the crate makes of it: whatever has terms, other units than tokens, or prices that depend on the time of day.
fn calculate(known: &Known, usage: &ModelUsage, at: WallTime) -> Option<Sums> {
    // The tier goes by one request. Tokens are f64 there, so a mean needs no rounding.
    let requests = usage.requests.max(1) as f64;
    let counts = counts(usage, requests);
    let request = PriceRequest::new(known.name(), &counts).with_timestamp(UNIX_EPOCH + Duration::from_millis(at.0));
    let request = known.provider().into_iter().fold(request, PriceRequest::with_provider_id);
    let request = usage.terms.iter().fold(request, |request, (term, value)| request.with_price_context(term, value));
    let calculated = known.calculator().calculate(&request).ok()?;
    // A usage key or a price that the calculator cannot handle would be missing from the sum.
    let of = |dollars: f64| rounded(dollars * requests);
    calculated.warnings.is_empty().then(|| Sums {
        total: of(calculated.total_price),
        input: of(calculated.input_price),
        output: of(calculated.output_price),
    })
}

fn counts(usage: &ModelUsage, requests: f64) -> Usage {
    let cached = [usage.cache_read, usage.cache_write, usage.cache_write_1h];
    let cached = cached.iter().fold(0u64, |sum, tokens| sum.saturating_add(*tokens));
    let mean = |tokens: u64| tokens as f64 / requests;
    let mut counts = Usage::from([
        // The calculator refuses more cached tokens than tokens. Whoever reports so means them beside each other.
        (UsageKey::INPUT_TOKENS, mean(usage.input.max(cached))),
        (UsageKey::OUTPUT_TOKENS, mean(usage.output)),
    ]);
    for (key, tokens) in [
        (UsageKey::CACHE_READ_TOKENS, usage.cache_read),
        (UsageKey::CACHE_WRITE_TOKENS, usage.cache_write.saturating_add(usage.cache_write_1h)),
        (UsageKey::CACHE_WRITE_1H_TOKENS, usage.cache_write_1h),
        // Few models have a price for it; it is among the output.
        (UsageKey::OUTPUT_REASONING_TOKENS, usage.reasoning.min(usage.output)),
    ] {
        if tokens > 0 {
            counts.insert(key, mean(tokens));
        }
    }
    for (item, count) in usage.items.iter().filter(|(_, count)| **count > 0) {
        counts.insert(item.as_str(), mean(*count));
    }
    counts
}

/// Dollars with the noise of floats as exact nano-dollars: rates are decimal, so the exact price has few digits. They
/// are restored to the pico-dollar first, because noise must not decide which way half a nano-dollar goes.
fn rounded(dollars: f64) -> Usd {
    let picos = (dollars * 1e12).round();
    Usd::from_nanos((picos / 1e3).round() as i64)
}

#[cfg(test)]
#[path = "published/tests.rs"]
mod tests;
