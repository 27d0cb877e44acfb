//! The seam of prices, and the price of a usage.

use std::fmt;

use crate::{
    clock::WallTime,
    id::Printable,
    units::{ModelUsage, Usage, Usd},
};

/// Knows what the use of a model costs.
///
/// ```
/// use orch_core::{ModelUsage, PriceSource, Usage, Usd, WallTime, cost};
///
/// /// Everything costs a cent a request.
/// struct Flat;
///
/// impl PriceSource for Flat {
///     fn price(&self, usage: &ModelUsage, _: WallTime) -> Option<Usd> {
///         Some(Usd::from_cents(i64::try_from(usage.requests).ok()?))
///     }
/// }
///
/// let price = cost::price(&Flat, &Usage::tokens("any", 4_000, 800), WallTime(0));
/// assert_eq!(price.complete(), Some(Usd::from_cents(1)));
/// ```
pub trait PriceSource: Send + Sync {
    /// What that usage cost at that time; `None` if the model is not known, or something was used that has no price. Rounded to
    /// nano-dollars once.
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd>;

    /// The same, with which price that is. Without an own one: the model's name and a list without a name.
    fn quote(&self, usage: &ModelUsage, at: WallTime) -> Option<Quote> {
        let total = self.price(usage, at)?;
        Some(Quote { total, model: usage.model.clone(), at, ..Quote::default() })
    }
}

impl<P: PriceSource + ?Sized> PriceSource for &P {
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd> {
        (**self).price(usage, at)
    }

    fn quote(&self, usage: &ModelUsage, at: WallTime) -> Option<Quote> {
        (**self).quote(usage, at)
    }
}

impl<P: PriceSource + ?Sized> PriceSource for std::sync::Arc<P> {
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd> {
        (**self).price(usage, at)
    }

    fn quote(&self, usage: &ModelUsage, at: WallTime) -> Option<Quote> {
        (**self).quote(usage, at)
    }
}

/// What a usage cost, and by which price.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quote {
    /// All of it, rounded to nano-dollars once.
    pub total: Usd,
    /// What of it is for input, where the list tells; rounded by itself.
    pub input: Option<Usd>,
    /// What of it is for output, where the list tells; rounded by itself. What is neither (searches) is only in the total.
    pub output: Option<Usd>,
    /// The model as the list calls it, with its provider: `anthropic/claude-sonnet-4-5`.
    pub model: String,
    /// Which list: `genai-prices 0.2.1 (2026-10-30)`, `own rates`, `billed`. May be empty.
    pub list: String,
    /// The time whose price it is.
    pub at: WallTime,
    /// Whether the model was not known and it is the price of another, which was configured for that.
    pub is_fallback: bool,
}

/// What each entry of a usage cost at that time: what the provider billed where it said so, else what `source` says; `None` for an
/// entry without a price.
pub fn quotes<'a>(
    source: &'a dyn PriceSource,
    usage: &'a Usage,
    at: WallTime,
) -> impl Iterator<Item = (&'a ModelUsage, Option<Quote>)> {
    usage.models().iter().map(move |model| {
        let billed =
            |total| Quote { total, model: model.model.clone(), list: "billed".to_owned(), at, ..Quote::default() };
        (model, model.billed.map(billed).or_else(|| source.quote(model, at)))
    })
}

/// A sum of money and what is missing from it.
///
/// `Display` is for people: `$0.0240`, or `$0.0240 and an unknown part (no price for `local`)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    /// The price of all models that are known.
    pub known: Usd,
    /// The models without a price, each once, in the order in which they came.
    pub unknown: Vec<String>,
}

impl Price {
    /// The price, if nothing is missing from it.
    pub fn complete(&self) -> Option<Usd> {
        self.unknown.is_empty().then_some(self.known)
    }

    /// Adds another price.
    pub fn add(&mut self, other: Price) {
        self.known += other.known;
        for model in other.unknown {
            if !self.unknown.contains(&model) {
                self.unknown.push(model);
            }
        }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.known)?;
        for (nth, model) in self.unknown.iter().enumerate() {
            let before = if nth == 0 { " and an unknown part (no price for " } else { ", " };
            write!(f, "{before}`{}`", Printable(model))?;
        }
        if self.unknown.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// What a usage cost at that time: what the provider billed where it said so, else what `source` says.
pub fn price(source: &dyn PriceSource, usage: &Usage, at: WallTime) -> Price {
    let mut sum = Price::default();
    for model in usage.models() {
        let price = match model.billed.or_else(|| source.price(model, at)) {
            Some(known) => Price { known, unknown: Vec::new() },
            None => Price { known: Usd::ZERO, unknown: vec![model.model.clone()] },
        };
        sum.add(price);
    }
    sum
}
