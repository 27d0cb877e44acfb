//! The price table.

use std::collections::BTreeMap;

use super::{
    price::{PriceSource, Quote},
    rates::Rates,
};
use crate::{
    clock::WallTime,
    units::{ModelUsage, Usd},
};

/// Prices by model: rates that the user gives and, with feature `prices`, a published list (`PriceTable::bundled`, or one from a
/// file). Cheap enough to clone.
///
/// A model is looked up by its name as the provider writes it. `provider/model` asks for the prices of that provider,
/// which differ: `aws/claude-sonnet-4-5` is dearer than `anthropic/claude-sonnet-4-5`. A suffix in brackets, as in
/// `claude-sonnet-4-5[1m]`, is ignored. Names that stand for changing models (`sonnet`) are not known; give an
/// [alias](PriceTable::with_alias). The name `*` stands for all models that are not known: without it such a model has no price,
/// never the price zero.
///
/// A tier (a higher rate for long inputs) is chosen by the mean input of a request and then holds for all of it, as
/// providers bill it. [Terms](ModelUsage::terms) (`processing` is `batch`) choose among the prices that a published list has for
/// them; where it has none, the standard price holds. Own rates know no terms, and nothing that is not a token.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    rates: BTreeMap<String, Rates>,
    aliases: BTreeMap<String, String>,
    #[cfg(feature = "prices")]
    list: Option<published::List>,
}

/// The name that stands for every model that is not known.
const ANY: &str = "*";

impl PriceTable {
    /// The published prices of many providers, with their history, as of the version of the crate genai-prices that this
    /// build holds. Needs no network. The data (0.5 MB, packed to a tenth) are read on first use in the process, as far as names ask
    /// for it: some milliseconds; a name that was asked for before takes less than a microsecond.
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
        Self { list: Some(published::List::Bundled), ..Self::default() }
    }

    /// A newer published list, or an own one, in place of the one of this build: JSON in the second form of genai-prices, as its
    /// project publishes it. `name` is what charges say of it, for example the file's name and date. Own rates and aliases stay.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](crate::ErrorKind::InvalidFormat) if it is not such a list.
    #[cfg(feature = "prices")]
    pub fn with_list(mut self, name: impl Into<String>, json: &str) -> crate::Result<Self> {
        self.list = Some(published::List::read(name.into(), json)?);
        Ok(self)
    }

    /// The same of a list that [`with_list`](PriceTable::with_list) has accepted before, for programs that want one price soon: it is
    /// read as far as it is asked for. A model that is not as it should be has no price.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](crate::ErrorKind::InvalidFormat) if the rules of its providers cannot be read.
    #[cfg(feature = "prices")]
    pub fn with_checked_list(mut self, name: impl Into<String>, json: &str) -> crate::Result<Self> {
        self.list = Some(published::List::checked(name.into(), json)?);
        Ok(self)
    }

    /// What charges say of the published list, where there is one.
    #[cfg(feature = "prices")]
    pub fn list_name(&self) -> Option<&str> {
        self.list.as_ref().map(published::List::name)
    }

    /// The published list itself.
    #[cfg(feature = "prices")]
    pub fn list_text(&self) -> Option<&str> {
        self.list.as_ref().map(published::List::text)
    }

    /// What another list has that this one has not, and the other way.
    #[cfg(feature = "prices")]
    pub fn list_changes(&self, newer: &str) -> ListChanges {
        self.list.as_ref().map(|list| list.changes(newer)).unwrap_or_default()
    }

    /// Gives a model's rates. They go before published ones, whatever the time. Those of `*` are for models that are not known.
    #[must_use]
    pub fn with(mut self, model: impl Into<String>, rates: Rates) -> Self {
        self.rates.insert(model.into(), rates);
        self
    }

    /// Lets one name stand for another: `with_alias("sonnet", "claude-sonnet-4-5")`. An alias of an alias is not followed. What
    /// `*` stands for is the price of models that are not known.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>, model: impl Into<String>) -> Self {
        self.aliases.insert(alias.into(), model.into());
        self
    }

    /// The price under that name: own rates, else the list's.
    fn find(&self, name: &str, usage: &ModelUsage, at: WallTime) -> Option<Quote> {
        let name = self.aliases.get(name).map_or(name, |model| without_brackets(model));
        if let Some(rates) = self.rates.get(name) {
            // What is not a token has no rate here, and what was used must not be missing from the sum.
            let is_token = |(item, count): (&String, &u64)| *count == 0 || item.ends_with("_tokens");
            return usage.items.iter().all(is_token).then(|| {
                let of = |usage: &ModelUsage| rates.price(usage);
                Quote {
                    total: of(usage),
                    input: Some(of(&ModelUsage { output: 0, ..usage.clone() })),
                    output: Some(of(&ModelUsage { output: usage.output, ..ModelUsage::default() })),
                    model: name.to_owned(),
                    list: "own rates".to_owned(),
                    at,
                    is_fallback: false,
                }
            });
        }
        #[cfg(feature = "prices")]
        return self.list.as_ref()?.quote(name, usage, at);
        // Without a published list nothing depends on the time.
        #[cfg(not(feature = "prices"))]
        None
    }
}

impl PriceSource for PriceTable {
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd> {
        self.quote(usage, at).map(|quote| quote.total)
    }

    fn quote(&self, usage: &ModelUsage, at: WallTime) -> Option<Quote> {
        if let Some(quote) = self.find(without_brackets(&usage.model), usage, at) {
            return Some(quote);
        }
        let quote = self.find(ANY, usage, at)?;
        Some(Quote { is_fallback: true, ..quote })
    }
}

/// `claude-sonnet-4-5[1m]` is that model with a longer context.
fn without_brackets(model: &str) -> &str {
    match model.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((name, _)) if !name.is_empty() => name,
        _ => model,
    }
}

#[cfg(feature = "prices")]
#[path = "published.rs"]
mod published;

#[cfg(feature = "prices")]
pub use published::ListChanges;

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
    fn what_is_not_known_has_the_price_of_a_star_or_none() {
        let rates = Rates::new(Usd::from_cents(100), Usd::from_cents(200));
        let usage = ModelUsage { model: "x".into(), input: 1_000_000, requests: 1, ..ModelUsage::default() };
        assert_eq!(PriceTable::default().quote(&usage, WallTime(0)), None);
        for table in
            [PriceTable::default().with("*", rates), PriceTable::default().with_alias("*", "m").with("m", rates)]
        {
            let quote = table.quote(&usage, WallTime(7)).unwrap();
            assert_eq!((quote.total, quote.is_fallback, quote.at), (Usd::from_cents(100), true, WallTime(7)));
        }
        let searched = ModelUsage { items: [("web_searches".to_owned(), 1)].into(), ..usage };
        assert_eq!(PriceTable::default().with("x", rates).quote(&searched, WallTime(0)), None, "not for nothing");
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
