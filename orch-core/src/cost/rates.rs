//! Rates that a user gives.

use serde::{Deserialize, Serialize};

use crate::units::{ModelUsage, Usd};

/// What a million tokens of a model cost, by class. In JSON and TOML in dollars:
///
/// ```toml
/// [prices.house-model]
/// input = 3.0
/// output = 15.0
/// cache_read = 0.3
/// cache_write = 3.75
/// ```
///
/// A class of cached tokens without a rate costs what other input costs.
///
/// ```
/// use orch_core::{ModelUsage, Rates, Usd};
///
/// let rates = Rates { cache_read: Some(Usd::from_cents(30)), ..Rates::new(Usd::from_cents(300), Usd::from_cents(1500)) };
/// let usage = ModelUsage { input: 1_000, cache_read: 900, output: 10, ..ModelUsage::default() };
/// // 100 × $3 + 900 × $0.30 + 10 × $15, a million times less.
/// assert_eq!(rates.price(&usage), Usd::from_nanos(720_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Input tokens that are in no cache.
    #[serde(with = "dollars")]
    pub input: Usd,
    /// Output tokens, reasoning included.
    #[serde(with = "dollars")]
    pub output: Usd,
    /// Input tokens read from the provider's cache. Default: as other input.
    #[serde(default, with = "dollars::option", skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Usd>,
    /// Input tokens written to the provider's cache for five minutes. Default: as other input.
    #[serde(default, with = "dollars::option", skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Usd>,
    /// Input tokens written to the provider's cache for an hour. Default: as those for five minutes.
    #[serde(default, with = "dollars::option", skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Usd>,
}

impl Rates {
    /// Rates for a million tokens of input and of output.
    pub const fn new(input: Usd, output: Usd) -> Self {
        Self { input, output, cache_read: None, cache_write: None, cache_write_1h: None }
    }

    /// The price of that usage: summed exactly, then rounded once to the nearest nano-dollar, halves up. Saturates.
    pub fn price(&self, usage: &ModelUsage) -> Usd {
        let cache_write = self.cache_write.unwrap_or(self.input);
        let cached = [
            (usage.cache_read, self.cache_read.unwrap_or(self.input)),
            (usage.cache_write, cache_write),
            (usage.cache_write_1h, self.cache_write_1h.unwrap_or(cache_write)),
        ];
        let in_caches = cached.iter().fold(0u64, |sum, (tokens, _)| sum.saturating_add(*tokens));
        let plain = [(usage.input.saturating_sub(in_caches), self.input), (usage.output, self.output)];
        // A nano-dollar a million tokens is the unit; the largest products are far from the ends of i128.
        let millionths: i128 = cached
            .iter()
            .chain(&plain)
            .map(|(tokens, rate)| i128::from(*tokens) * i128::from(rate.nanos()))
            .fold(0, i128::saturating_add);
        let nanos = millionths.saturating_add(500_000).div_euclid(1_000_000);
        Usd::from_nanos(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// Rates as dollars, the way people and price lists write them. [`Usd`]'s own form is nano-dollars.
mod dollars {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use super::Usd;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `with` asks for this shape")]
    pub(super) fn serialize<S: Serializer>(rate: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(rate.dollars())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        if (0.0..=1e9).contains(&dollars) {
            return Ok(Usd::from_dollars(dollars));
        }
        Err(D::Error::custom(format!("`{dollars}` is no price of a million tokens in dollars")))
    }

    pub(super) mod option {
        use serde::{Deserialize, Deserializer, Serializer};

        use super::Usd;

        #[expect(clippy::ref_option, reason = "serde's `with` asks for this shape")]
        pub(in super::super) fn serialize<S: Serializer>(rate: &Option<Usd>, serializer: S) -> Result<S::Ok, S::Error> {
            match rate {
                Some(rate) => super::serialize(rate, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Usd>, D::Error> {
            #[derive(Deserialize)]
            struct Rate(#[serde(with = "super")] Usd);

            Ok(Option::<Rate>::deserialize(deserializer)?.map(|rate| rate.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SONNET: Rates = Rates {
        input: Usd::from_cents(300),
        output: Usd::from_cents(1500),
        cache_read: Some(Usd::from_cents(30)),
        cache_write: Some(Usd::from_cents(375)),
        cache_write_1h: Some(Usd::from_cents(600)),
    };

    #[test]
    fn every_class_has_its_rate() {
        let usage = ModelUsage {
            input: 1_000_000,
            cache_read: 100_000,
            cache_write: 200_000,
            cache_write_1h: 300_000,
            output: 1_000_000,
            reasoning: 500_000,
            ..ModelUsage::default()
        };
        // 0.4 × 3 + 0.1 × 0.3 + 0.2 × 3.75 + 0.3 × 6 + 15.
        assert_eq!(SONNET.price(&usage), Usd::from_dollars(18.78));
        let plain = Rates::new(SONNET.input, SONNET.output);
        assert_eq!(plain.price(&usage), Usd::from_cents(1800), "cached tokens without a rate are input");
    }

    #[test]
    fn it_is_rounded_once() {
        let rates = Rates::new(Usd::from_dollars(0.0375), Usd::ZERO);
        let price = |input| rates.price(&ModelUsage { input, ..ModelUsage::default() }).nanos();
        assert_eq!([price(0), price(1), price(2), price(1_000_000)], [0, 38, 75, 37_500_000]);
    }

    #[test]
    fn odd_usage_saturates() {
        let usage = ModelUsage { input: 5, cache_read: u64::MAX, output: u64::MAX, ..ModelUsage::default() };
        let rates = Rates::new(Usd::from_nanos(i64::MAX), Usd::from_nanos(i64::MAX));
        assert_eq!(rates.price(&usage), Usd::from_nanos(i64::MAX));
    }

    #[test]
    fn rates_are_written_in_dollars() {
        let written =
            json!({"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75, "cache_write_1h": 6.0});
        assert_eq!(serde_json::from_value::<Rates>(written.clone()).unwrap(), SONNET);
        assert_eq!(serde_json::to_value(SONNET).unwrap(), written);
        assert_eq!(
            serde_json::from_value::<Rates>(json!({"input": 3, "output": 15})).unwrap(),
            Rates::new(SONNET.input, SONNET.output)
        );
        for bad in [
            json!({"input": -1, "output": 1}),
            json!({"input": 1e300, "output": 1}),
            json!({"input": 1}),
            json!({"in": 1}),
        ] {
            assert!(serde_json::from_value::<Rates>(bad).is_err());
        }
    }

    proptest! {
        /// Two halves of a usage may each be rounded by half a nano-dollar, no more.
        #[test]
        fn a_price_is_the_sum_of_its_parts(a in 0u64..1 << 40, b in 0u64..1 << 40) {
            let price = |input| SONNET.price(&ModelUsage { input, ..ModelUsage::default() }).nanos();
            prop_assert!((price(a + b) - price(a) - price(b)).abs() <= 1);
        }
    }
}
