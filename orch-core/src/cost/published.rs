//! Published price lists: the only place that knows the crate genai-prices.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use genai_prices::{Calculator, ErrorKind, PriceCalculation, PriceRequest, Usage, UsageKey};

use crate::{
    clock::WallTime,
    cost::price::Quote,
    error::Error,
    units::{ModelUsage, Usd},
};

/// What charges say of the list of this build: the crate, its version and the day of its release.
pub(super) const BUNDLED: &str = "genai-prices 0.2.1 (2026-10-30)";

/// Which list.
#[derive(Debug, Clone)]
pub(super) enum List {
    Bundled,
    Read(Arc<(String, Calculator)>),
}

impl List {
    pub(super) fn read(name: String, json: &str) -> crate::Result<Self> {
        let calculator = Calculator::from_json(json).map_err(|error| {
            let shown = crate::id::Printable(&name);
            let message = format!("`{shown}` is no price list in the second form of genai-prices");
            Error::new(crate::ErrorKind::InvalidFormat, message).caused_by(error)
        })?;
        Ok(Self::Read(Arc::new((name, calculator))))
    }

    fn calculator(&self) -> &Calculator {
        match self {
            Self::Bundled => Calculator::bundled(),
            Self::Read(list) => &list.1,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Bundled => BUNDLED,
            Self::Read(list) => &list.0,
        }
    }

    pub(super) fn quote(&self, model: &str, usage: &ModelUsage, at: WallTime) -> Option<Quote> {
        // The tier goes by one request. Tokens are f64 there, so a mean needs no rounding.
        let requests = usage.requests.max(1) as f64;
        let counts = counts(usage, requests);
        let calculated = match model.split_once('/') {
            Some((provider, rest)) => {
                match self.ask(PriceRequest::new(rest, &counts).with_provider_id(provider), usage, at) {
                    // Model names may hold a slash of their own: `meta-llama/llama-4`.
                    Err(ErrorKind::ProviderNotFound | ErrorKind::ModelNotFound) => {
                        self.ask(PriceRequest::new(model, &counts), usage, at)
                    }
                    calculated => calculated,
                }
            }
            None => self.ask(PriceRequest::new(model, &counts), usage, at),
        };
        let calculated = calculated.ok()?;
        // A usage key or a price that the calculator cannot handle would be missing from the sum.
        calculated.warnings.is_empty().then(|| Quote {
            total: rounded(calculated.total_price * requests),
            input: Some(rounded(calculated.input_price * requests)),
            output: Some(rounded(calculated.output_price * requests)),
            model: format!("{}/{}", calculated.provider_id, calculated.model_id),
            list: self.name().to_owned(),
            at,
            is_fallback: false,
        })
    }

    fn ask(&self, request: PriceRequest<'_>, usage: &ModelUsage, at: WallTime) -> Result<PriceCalculation, ErrorKind> {
        let request = request.with_timestamp(UNIX_EPOCH + Duration::from_millis(at.0));
        let request =
            usage.terms.iter().fold(request, |request, (term, value)| request.with_price_context(term, value));
        self.calculator().calculate(&request).map_err(|error| error.kind())
    }
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
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_list_is_that_of_the_crate_in_this_build() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, package) = lock.split_once("name = \"genai-prices\"\nversion = \"").unwrap();
        let version = package.split('"').next().unwrap();
        assert!(BUNDLED.starts_with(&format!("genai-prices {version} (")), "{version}");
    }
}
