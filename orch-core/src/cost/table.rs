//! The price table.

use std::collections::BTreeMap;

use super::{price::PriceSource, rates::Rates};
use crate::{
    clock::WallTime,
    units::{ModelUsage, Usd},
};

/// Prices by model: rates that the user gives and, with feature `prices`, published ones (`PriceTable::bundled`). Cheap
/// enough to clone.
///
/// A model is looked up by its name as the provider writes it. `provider/model` asks for the prices of that provider,
/// which differ: `aws/claude-sonnet-4-5` is dearer than `anthropic/claude-sonnet-4-5`. A suffix in brackets, as in
/// `claude-sonnet-4-5[1m]`, is ignored. Names that stand for changing models (`sonnet`) are not known; give an
/// [alias](PriceTable::with_alias).
///
/// A tier (a higher rate for long inputs) is chosen by the mean input of a request and then holds for all of it, as
/// providers bill it.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    rates: BTreeMap<String, Rates>,
    aliases: BTreeMap<String, String>,
    #[cfg(feature = "prices")]
    is_bundled: bool,
}

impl PriceTable {
    /// The published prices of many providers, with their history, as of the version of the crate genai-prices that this
    /// build holds. Needs no network. The data (0.8 MB) are decoded on first use in the process, in some 10 ms.
    ///
    /// ```
    /// use orch_core::{PriceTable, Usage, Usd, WallTime, cost};
    ///
    /// let prices = PriceTable::bundled().with_alias("sonnet", "claude-sonnet-4-5");
    /// let price = cost::price(&prices, &Usage::tokens("sonnet", 4_000, 800), WallTime(1_760_000_000_000));
    /// assert_eq!(price.complete(), Some(Usd::from_nanos(24_000_000)));
    /// ```
    #[cfg(feature = "prices")]
    pub fn bundled() -> Self {
        Self { is_bundled: true, ..Self::default() }
    }

    /// Gives a model's rates. They go before published ones, whatever the time.
    #[must_use]
    pub fn with(mut self, model: impl Into<String>, rates: Rates) -> Self {
        self.rates.insert(model.into(), rates);
        self
    }

    /// Lets one name stand for another: `with_alias("sonnet", "claude-sonnet-4-5")`. An alias of an alias is not followed.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>, model: impl Into<String>) -> Self {
        self.aliases.insert(alias.into(), model.into());
        self
    }
}

impl PriceSource for PriceTable {
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd> {
        let name = without_brackets(&usage.model);
        let name = self.aliases.get(name).map_or(name, |model| without_brackets(model));
        if let Some(rates) = self.rates.get(name) {
            return Some(rates.price(usage));
        }
        #[cfg(feature = "prices")]
        if self.is_bundled {
            return published::price(name, usage, at);
        }
        // Without published prices nothing depends on the time.
        let _ = at;
        None
    }
}

/// `claude-sonnet-4-5[1m]` is that model with a longer context.
fn without_brackets(model: &str) -> &str {
    match model.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((name, _)) if !name.is_empty() => name,
        _ => model,
    }
}

/// The only place that knows the crate genai-prices.
#[cfg(feature = "prices")]
mod published {
    use std::time::{Duration, UNIX_EPOCH};

    use genai_prices::{Calculator, ErrorKind, PriceRequest, Usage, UsageKey};

    use super::{ModelUsage, Usd, WallTime};

    pub(super) fn price(model: &str, usage: &ModelUsage, at: WallTime) -> Option<Usd> {
        // The tier goes by one request. Tokens are f64 there, so a mean needs no rounding.
        let requests = usage.requests.max(1) as f64;
        let counts = counts(usage, requests);
        let mut request = PriceRequest::new(model, &counts);
        request = request.with_timestamp(UNIX_EPOCH + Duration::from_millis(at.0));
        let ask = |request: &PriceRequest<'_>| Calculator::bundled().calculate(request);
        let calculated = match model.split_once('/') {
            Some((provider, rest)) => {
                let of_provider = PriceRequest::new(rest, &counts)
                    .with_provider_id(provider)
                    .with_timestamp(UNIX_EPOCH + Duration::from_millis(at.0));
                match ask(&of_provider) {
                    // Model names may hold a slash of their own: `meta-llama/llama-4`.
                    Err(error) if matches!(error.kind(), ErrorKind::ProviderNotFound | ErrorKind::ModelNotFound) => {
                        ask(&request)
                    }
                    calculated => calculated,
                }
            }
            None => ask(&request),
        };
        let calculated = calculated.ok()?;
        // A usage key or a price that the calculator cannot handle would be missing from the sum.
        calculated.warnings.is_empty().then(|| rounded(calculated.total_price * requests))
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
        ] {
            if tokens > 0 {
                counts.insert(key, mean(tokens));
            }
        }
        counts
    }

    /// Dollars with the noise of floats as exact nano-dollars: rates are decimal, so the exact price has few digits. They
    /// are restored to the pico-dollar first, because noise must not decide which way half a nano-dollar goes.
    fn rounded(dollars: f64) -> Usd {
        let picos = (dollars * 1e12).round();
        Usd::from_nanos((picos / 1e3).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cost, units::Usage};

    #[test]
    fn own_rates_go_before_all() {
        let rates = Rates::new(Usd::from_cents(100), Usd::from_cents(200));
        let table = PriceTable::default().with("m", rates).with_alias("x", "m[1m]").with_alias("y", "x");
        let of = |model: &str| cost::price(&table, &Usage::tokens(model, 1_000_000, 1_000_000), WallTime(0)).complete();
        assert_eq!(
            [of("m"), of("m[1m]"), of("x"), of("y"), of("[m]")],
            [Some(Usd::from_cents(300)), Some(Usd::from_cents(300)), Some(Usd::from_cents(300)), None, None]
        );
    }

    #[test]
    fn what_was_billed_is_the_price() {
        let mut usage =
            Usage::from(ModelUsage { model: "m".into(), billed: Some(Usd::from_cents(7)), ..ModelUsage::default() });
        usage.add(&Usage::tokens("n", 1, 1));
        let price = cost::price(&PriceTable::default(), &usage, WallTime(0));
        assert_eq!((price.known, &price.unknown[..]), (Usd::from_cents(7), &["n".to_owned()][..]));
        assert_eq!(price.complete(), None);
    }
}
