//! What a usage costs at given rates: in whole numbers, rounded once.

use serde_json::Value;

use super::{
    read,
    units::{self, KIN, Side, UNITS, Unit, UnitId},
};
use crate::units::{ModelUsage, Usd};

/// A rate, and those that hold for a request with more input tokens than that.
#[derive(Debug)]
pub(super) struct Rate {
    base: i128,
    tiers: Box<[(u64, i128)]>,
}

/// The price of each unit that has one, in the order of the units.
pub(super) type Rates<'a> = Vec<(UnitId, &'a Rate)>;

/// A price and its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) total: Usd,
    pub(super) input: Usd,
    pub(super) output: Usd,
}

/// Rates are in pico-dollars for so many: what any price is for divides it.
const WHOLE: i128 = 9_000_000_000;
const NANO: i128 = 1_000 * WHOLE;

impl Rate {
    /// The rate in that JSON.
    pub(super) fn read(unit: UnitId, value: &Value) -> Result<Self, String> {
        let (key, per) = UNITS.get(unit).map_or(("", 1), |unit| (unit.price, unit.per()));
        let picos = |dollars| picos(dollars).saturating_mul(WHOLE / i128::from(per));
        let price = |value: Option<&Value>| {
            let dollars = value.and_then(Value::as_f64).filter(|dollars| *dollars >= 0.0);
            dollars.map(picos).ok_or_else(|| format!("the price `{key}` is no number from zero on"))
        };
        if value.is_number() {
            return Ok(Self { base: price(Some(value))?, tiers: Box::default() });
        }
        read::fields(value, "a price with tiers")?;
        let tiers = read::get(value, "tiers").and_then(Value::as_array);
        let tiers = tiers.ok_or_else(|| format!("the price `{key}` is no number, and has no `base` with `tiers`"))?;
        let tiers = tiers.iter().map(|tier| {
            let start = tier.get("start").and_then(Value::as_i64).and_then(|start| u64::try_from(start).ok());
            let start =
                start.ok_or_else(|| format!("a tier of `{key}` has no whole number from zero on as its `start`"))?;
            Ok((start, price(tier.get("price"))?))
        });
        let mut tiers = tiers.collect::<Result<Vec<_>, String>>()?;
        tiers.sort_by_key(|(start, _)| *start);
        Ok(Self { base: price(value.get("base"))?, tiers: tiers.into() })
    }

    /// The rate for all of a request that has so many input tokens.
    fn of(&self, input: u64, requests: u64) -> i128 {
        let is_over = |(start, _): &&(u64, i128)| u128::from(input) > u128::from(*start) * u128::from(requests);
        self.tiers.iter().rev().find(is_over).map_or(self.base, |(_, price)| *price)
    }
}

/// The decimal number that a float stands for, in pico-dollars. What is finer, as the noise of floats, is rounded; what is too
/// much saturates.
fn picos(dollars: f64) -> i128 {
    format!("{:.12}", dollars.abs()).replace('.', "").parse().unwrap_or(i128::MAX)
}

/// Whether each unit that is a part of another has the price of the other beside it: it could not be told apart otherwise.
pub(super) fn check(rates: &Rates<'_>) -> Result<(), String> {
    let has = |unit: &Unit| rates.iter().any(|(id, _)| UNITS.get(*id).is_some_and(|one| one.price == unit.price));
    let units = || rates.iter().filter_map(|(id, _)| UNITS.get(*id));
    for unit in units() {
        if let Some(whole) = UNITS.iter().find(|whole| unit.is_part_of(whole) && !has(whole)) {
            return Err(format!("there is a price `{}` and none of `{}`", unit.price, whole.price));
        }
        for other in units().filter(|other| other.price < unit.price && other.is_compatible(unit)) {
            if !UNITS.iter().any(|both| both.is_both(unit, other) && has(both)) {
                return Err(format!(
                    "there are prices `{}` and `{}`, and none of what is both",
                    other.price, unit.price
                ));
            }
        }
    }
    Ok(())
}

/// What was used, by unit.
#[derive(Debug)]
pub(super) struct Counts {
    counts: [u64; UNITS.len()],
    /// A bit for each unit that was told, if only as nothing, and for each of which there was some.
    told: u64,
    used: u64,
    requests: u64,
}

impl Counts {
    /// All that a usage says; `None` if something of it is not known.
    pub(super) fn new(usage: &ModelUsage) -> Option<Self> {
        let mut counts = Self { counts: [0; UNITS.len()], told: 0, used: 0, requests: usage.requests.max(1) };
        let write = usage.cache_write.saturating_add(usage.cache_write_1h);
        // Whoever reports more cached tokens than tokens means them beside each other.
        counts.tell(units::INPUT_TOKENS, usage.input.max(usage.cache_read.saturating_add(write)));
        counts.tell(units::OUTPUT_TOKENS, usage.output);
        for (unit, count) in [
            (units::READ_TOKENS, usage.cache_read),
            (units::WRITTEN_TOKENS, write),
            (units::HOUR_TOKENS, usage.cache_write_1h),
            // Few models have a price for it; it is among the output.
            (units::REASONING_TOKENS, usage.reasoning.min(usage.output)),
        ] {
            if count > 0 {
                counts.tell(unit, count);
            }
        }
        for (item, count) in usage.items.iter().filter(|(_, count)| **count > 0) {
            // A request counts itself.
            counts.tell(units::by_usage(item).filter(|unit| *unit != units::CALLS_OF_IT)?, *count);
        }
        Some(counts)
    }

    fn tell(&mut self, unit: UnitId, count: u64) {
        if let Some(told) = self.counts.get_mut(unit) {
            *told = count;
            self.told |= 1 << unit;
            self.used = self.used & !(1 << unit) | u64::from(count > 0) << unit;
        }
    }

    /// Bills at least so many seconds of audio a request, where there was any.
    pub(super) fn at_least(&mut self, seconds: u64) {
        let audio = [units::AUDIO_SECONDS, units::INPUT_AUDIO_SECONDS];
        let told = |unit: &UnitId| self.counts.get(*unit).copied().filter(|count| *count > 0);
        if let Some(told) = audio.iter().find_map(told) {
            let billed = told.max(seconds.saturating_mul(self.requests));
            audio.iter().for_each(|unit| self.tell(*unit, billed));
        }
    }

    /// How much there was of a unit: nothing if it was not told, unless what was told says that there was some.
    fn of(&self, id: UnitId) -> Option<u64> {
        if self.told & 1 << id != 0 {
            return self.counts.get(id).copied();
        }
        let (unit, kin) = (UNITS.get(id)?, KIN.get(id)?);
        // Both of what it is the common part of.
        let wholes = || bits(self.used & kin.wholes).filter_map(|id| UNITS.get(id));
        let is_common = || {
            wholes().any(|one| {
                wholes().any(|other| {
                    one.is_compatible(other)
                        && !one.is_part_of(other)
                        && !other.is_part_of(one)
                        && unit.is_both(one, other)
                })
            })
        };
        (self.used & kin.parts == 0 && !is_common()).then_some(0)
    }

    /// What that costs: each unit without those parts of it that have prices of their own. `None` if the parts are more than the
    /// whole.
    pub(super) fn sums(&self, rates: &Rates<'_>) -> Option<Sums> {
        let mut own = [0u64; UNITS.len()];
        let input = self.of(units::INPUT_TOKENS)?;
        let (mut sums, mut billed) = ([0i128; 3], 0u64);
        for (id, rate) in rates {
            let unit = UNITS.get(*id)?;
            let count = if *id == units::CALLS_OF_IT {
                self.requests
            } else {
                // They come first.
                let parts = bits(billed & KIN.get(*id)?.parts).filter_map(|part| own.get(part));
                let parts = parts.map(|own| u128::from(*own)).sum::<u128>();
                u64::try_from(u128::from(self.of(*id)?).checked_sub(parts)?).ok()?
            };
            *own.get_mut(*id)? = count;
            billed |= u64::from(count > 0) << id;
            let price = i128::from(count).saturating_mul(rate.of(input, self.requests));
            let [of_input, of_output, of_neither] = &mut sums;
            let sum = match unit.side() {
                Side::Input => of_input,
                Side::Output => of_output,
                Side::Neither => of_neither,
            };
            *sum = sum.saturating_add(price);
        }
        let [input, output, neither] = sums;
        let total = input.saturating_add(output).saturating_add(neither);
        Some(Sums { total: nanos(total), input: nanos(input), output: nanos(output) })
    }
}

/// The places of the bits of a number.
fn bits(bits: u64) -> impl Iterator<Item = UnitId> {
    let rests = std::iter::successors(Some(bits), |rest| Some(rest & rest.wrapping_sub(1)));
    rests.take_while(|rest| *rest > 0).map(|rest| rest.trailing_zeros() as UnitId)
}

/// Halves up. Saturates.
fn nanos(sum: i128) -> Usd {
    Usd::from_nanos(i64::try_from(sum.saturating_add(NANO / 2).div_euclid(NANO)).unwrap_or(i64::MAX))
}

/// Whether there is a price for input, for output and for searches, where there are any. To leave one out would be to call it free,
/// which a list says by having no price at all.
pub(super) fn cover(rates: &Rates<'_>, usage: &ModelUsage) -> bool {
    // A price of a part is one of the whole for whom it is billed as: audio, pictures, pages.
    let any = |is_it: &dyn Fn(&Unit) -> bool| rates.iter().any(|(id, _)| UNITS.get(*id).is_some_and(is_it));
    let is_covered = |item: &String| !item.ends_with("_searches") || any(&|unit| unit.usage == item);
    rates.is_empty()
        || (usage.input == 0 || any(&|unit| unit.side() == Side::Input))
            && (usage.output == 0 || any(&|unit| unit.side() == Side::Output))
            && usage.items.iter().all(|(item, count)| *count == 0 || is_covered(item))
}
