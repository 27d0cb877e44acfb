//! Numbers with their units: money and tokens.
//!
//! ```
//! use orch_core::{Usage, Usd};
//!
//! assert_eq!(Usd::from_cents(250).to_string(), "$2.50");
//! let usage = Usage::tokens("sonnet", 4_000, 800);
//! assert_eq!(usage.total_tokens(), 4_800);
//! ```

use std::{collections::BTreeMap, fmt, iter::Sum, ops, time::Duration};

use serde::{Deserialize, Serialize};

mod decimal;
mod spelled;

pub use spelled::parse_duration;

/// An amount of US dollars in whole nano-dollars: exact to 0.000000001 $, up to ±9.2 billion $; sums saturate there.
///
/// In JSON it is the number of nano-dollars. `Display` rounds to cents from one dollar on, and shows four digits below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(i64);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From nano-dollars.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole cents.
    pub const fn from_cents(cents: i64) -> Self {
        Self(cents.saturating_mul(10_000_000))
    }

    /// From dollars as a float, rounded once to the nearest nano-dollar; what is not a number becomes zero.
    pub fn from_dollars(dollars: f64) -> Self {
        // `as` saturates at the ends of i64 and makes NaN zero, which is what the type promises.
        Self((dollars * 1e9).round() as i64)
    }

    /// In nano-dollars.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The same, that many times over. Saturates.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(times).unwrap_or(i64::MAX)))
    }

    /// In dollars, for showing and for formats that want a float.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl ops::Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl ops::AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl ops::Sub for Usd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, ops::Add::add)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        if nanos >= 1_000_000_000 || nanos == 0 {
            let cents = (nanos + 5_000_000) / 10_000_000;
            write!(f, "{sign}${}.{:02}", cents / 100, cents % 100)
        } else {
            write!(f, "{sign}${:.4}", nanos as f64 / 1e9)
        }
    }
}

/// What one model used, by class of token. Counts are whole tokens.
///
/// `input` counts every input token, cached ones included, as OpenTelemetry does; `cache_read` and `cache_write` say how
/// many of them came from or went to the provider's cache. `output` includes `reasoning`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelUsage {
    /// The model's name, as the provider calls it.
    pub model: String,
    /// All input tokens.
    pub input: u64,
    /// All output tokens.
    pub output: u64,
    /// Input tokens read from the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    /// Input tokens written to the provider's cache for five minutes.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Input tokens written to the provider's cache for one hour.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// Output tokens that the model spent on reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// Calls of the model.
    pub requests: u64,
    /// What else was counted, by the names that price lists have for it: tokens that are among the input or the output but have a
    /// price of their own (`input_audio_tokens`, `output_image_tokens`, `cache_audio_read_tokens`), and what is no token
    /// (`web_searches`, `audio_seconds`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub items: BTreeMap<String, u64>,
    /// Terms of the calls that change the price: `processing` is `batch`, `service_tier` is `flex`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, String>,
    /// What the provider itself said it costs, where it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billed: Option<Usd>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a task used of models: one entry a model and its [terms](ModelUsage::terms). Adding two usages adds per entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usage {
    models: Vec<ModelUsage>,
}

impl Usage {
    /// One request to `model` with that many input and output tokens.
    pub fn tokens(model: impl Into<String>, input: u64, output: u64) -> Self {
        Self::from(ModelUsage { model: model.into(), input, output, requests: 1, ..ModelUsage::default() })
    }

    /// The entries, one a model and its terms, in the order in which models first appeared.
    pub fn models(&self) -> &[ModelUsage] {
        &self.models
    }

    /// Whether nothing was used.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Input and output tokens of all models.
    pub fn total_tokens(&self) -> u64 {
        self.models.iter().fold(0, |sum, model| sum.saturating_add(model.input).saturating_add(model.output))
    }

    /// The same, that many times over. Counts saturate.
    #[must_use]
    pub fn times(&self, times: u64) -> Self {
        let mut usage = self.clone();
        usage.models.retain(|_| times > 0);
        for model in &mut usage.models {
            for count in [
                &mut model.input,
                &mut model.output,
                &mut model.cache_read,
                &mut model.cache_write,
                &mut model.cache_write_1h,
                &mut model.reasoning,
                &mut model.requests,
            ] {
                *count = count.saturating_mul(times);
            }
            model.items.values_mut().for_each(|count| *count = count.saturating_mul(times));
            model.billed = model.billed.map(|billed| billed.times(times));
        }
        usage
    }

    /// Adds what `other` used. Counts saturate.
    pub fn add(&mut self, other: &Usage) {
        for theirs in &other.models {
            match self.models.iter_mut().find(|ours| ours.model == theirs.model && ours.terms == theirs.terms) {
                None => self.models.push(theirs.clone()),
                Some(ours) => {
                    for (sum, more) in [
                        (&mut ours.input, theirs.input),
                        (&mut ours.output, theirs.output),
                        (&mut ours.cache_read, theirs.cache_read),
                        (&mut ours.cache_write, theirs.cache_write),
                        (&mut ours.cache_write_1h, theirs.cache_write_1h),
                        (&mut ours.reasoning, theirs.reasoning),
                        (&mut ours.requests, theirs.requests),
                    ] {
                        *sum = sum.saturating_add(more);
                    }
                    for (item, more) in &theirs.items {
                        let sum = ours.items.entry(item.clone()).or_default();
                        *sum = sum.saturating_add(*more);
                    }
                    if let Some(billed) = theirs.billed {
                        ours.billed = Some(ours.billed.unwrap_or_default() + billed);
                    }
                }
            }
        }
    }
}

impl From<ModelUsage> for Usage {
    fn from(usage: ModelUsage) -> Self {
        Self { models: vec![usage] }
    }
}

/// What something really cost to make: time, tokens, money. Measured, never assumed: what is not known is not there.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Cost, Usage, Usd};
///
/// let mut sum = Cost::default();
/// sum.add(&Cost { time: Duration::from_secs(180), money: Some(Usd::from_cents(12)), ..Cost::default() });
/// sum.add(&Cost { usage: Usage::tokens("sonnet", 4_000, 800), ..Cost::default() });
/// assert_eq!((sum.time.as_secs(), sum.usage.total_tokens(), sum.money), (180, 4_800, Some(Usd::from_cents(12))));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// How long it took.
    #[serde(rename = "time_ms", with = "duration", skip_serializing_if = "Duration::is_zero")]
    pub time: Duration,
    /// What it used of models.
    #[serde(skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// What that cost, as far as prices are known; of a sum, at least so much. In JSON in nano-dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<Usd>,
}

impl Cost {
    /// Whether nothing is known of it.
    pub fn is_nothing(&self) -> bool {
        self.time.is_zero() && self.usage.is_empty() && self.money.is_none()
    }

    /// Adds another one. Saturates.
    pub fn add(&mut self, other: &Cost) {
        self.time = self.time.saturating_add(other.time);
        self.usage.add(&other.usage);
        if let Some(money) = other.money {
            self.money = Some(self.money.unwrap_or_default() + money);
        }
    }

    /// The same, that many times over. Saturates.
    #[must_use]
    pub fn times(&self, times: u64) -> Self {
        let seconds = self.time.as_secs().checked_mul(times).and_then(|seconds| {
            let nanos = u128::from(self.time.subsec_nanos()) * u128::from(times);
            let more = u64::try_from(nanos / 1_000_000_000).ok()?;
            Some(Duration::new(seconds.checked_add(more)?, (nanos % 1_000_000_000) as u32))
        });
        Self {
            time: seconds.unwrap_or(Duration::MAX),
            usage: self.usage.times(times),
            money: self.money.map(|money| money.times(times)),
        }
    }
}

/// A duration as JSON has it: a number of milliseconds, whole where it is whole, else with at most three decimals. Cut, not
/// rounded, so that the times of what came after never appear earlier.
///
/// ```
/// use std::time::Duration;
/// use orch_core::units::Millis;
///
/// assert_eq!(serde_json::to_string(&Millis(Duration::from_secs(2)))?, "2000");
/// assert_eq!(serde_json::to_string(&Millis(Duration::from_nanos(1_234_567)))?, "1.234");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub Duration);

impl Serialize for Millis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        if micros.is_multiple_of(1_000) {
            serializer.serialize_u64(micros / 1_000)
        } else {
            serializer.serialize_f64(micros as f64 / 1e3)
        }
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        let time = Duration::try_from_secs_f64(millis / 1e3)
            .map_err(|_| serde::de::Error::custom(format!("`{millis}` is no time in milliseconds")))?;
        // What was cut to microseconds comes back as it was written.
        Ok(Self(Duration::from_micros(u64::try_from((time.as_nanos() + 500) / 1_000).unwrap_or(u64::MAX))))
    }
}

/// For `#[serde(with = ..)]`: a duration as [`Millis`].
pub(crate) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Millis;

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Millis(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Millis::deserialize(deserializer).map(|millis| millis.0)
    }

    pub(crate) mod option {
        use super::{Deserialize, Deserializer, Duration, Millis, Serialize, Serializer};

        #[expect(clippy::ref_option, reason = "serde's `with` asks for this shape")]
        pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            value.map(Millis).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<Millis>::deserialize(deserializer)?.map(|millis| millis.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_round_once_and_saturate() {
        assert_eq!(Usd::from_dollars(0.031275).nanos(), 31_275_000);
        assert_eq!(Usd::from_dollars(f64::NAN), Usd::ZERO);
        assert_eq!(Usd::from_dollars(1e300).nanos(), i64::MAX);
        assert_eq!((0..479).map(|_| Usd::from_dollars(0.031275)).sum::<Usd>().dollars(), 14.980_725);
    }

    #[test]
    fn dollars_are_shown_to_the_digit_that_matters() {
        for (nanos, shown) in [(0, "$0.00"), (989_400, "$0.0010"), (2_500_000_000, "$2.50"), (-1_005_000_000, "-$1.01")]
        {
            assert_eq!(Usd::from_nanos(nanos).to_string(), shown);
        }
    }

    #[test]
    fn costs_multiply_and_saturate() {
        let cost = Cost {
            time: Duration::from_millis(1_500),
            usage: Usage::tokens("a", 1, 2),
            money: Some(Usd::from_cents(3)),
        };
        let mut sum = Cost::default();
        (0..7).for_each(|_| sum.add(&cost));
        assert_eq!(cost.times(7), sum);
        assert!(Cost::default().times(9).is_nothing());
        assert_eq!(cost.times(0).usage, Usage::default());
        let most = cost.times(u64::MAX);
        assert_eq!((most.time, most.money), (Duration::MAX, Some(Usd::from_nanos(i64::MAX))));
    }

    #[test]
    fn times_come_back_as_they_were_written() {
        let time = |text: &str| serde_json::from_str::<Millis>(text).map(|millis| millis.0);
        for micros in [0, 1, 999, 1_000, 1_234_567, 3_155_760_000_000_000] {
            let written = serde_json::to_string(&Millis(Duration::from_micros(micros))).unwrap();
            assert_eq!(time(&written).unwrap().as_micros(), u128::from(micros), "{written}");
        }
        for bad in ["-1", "1e300", "null", "\"1\"", "-0.001"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn usage_adds_up_per_model() {
        let mut sum = Usage::tokens("a", 1, 2);
        sum.add(&Usage::tokens("b", 10, 0));
        sum.add(&Usage::tokens("a", 3, 4));
        assert_eq!(sum.models().len(), 2);
        assert_eq!((sum.total_tokens(), sum.models()[0].requests), (20, 2));
        let batch = ModelUsage {
            model: "a".into(),
            items: [("web_searches".to_owned(), 3)].into(),
            terms: [("processing".to_owned(), "batch".to_owned())].into(),
            ..ModelUsage::default()
        };
        sum.add(&batch.clone().into());
        sum.add(&batch.into());
        assert_eq!(sum.models().len(), 3, "other terms, another price");
        assert_eq!(sum.times(2).models()[2].items["web_searches"], 12);
    }
}
