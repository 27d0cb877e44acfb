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
    /// What that usage cost at that time; `None` if the model is not known. Rounded to nano-dollars once.
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd>;
}

impl<P: PriceSource + ?Sized> PriceSource for &P {
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd> {
        (**self).price(usage, at)
    }
}

impl<P: PriceSource + ?Sized> PriceSource for std::sync::Arc<P> {
    fn price(&self, usage: &ModelUsage, at: WallTime) -> Option<Usd> {
        (**self).price(usage, at)
    }
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
