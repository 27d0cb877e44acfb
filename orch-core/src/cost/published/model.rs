//! A model of a list: its names and its prices.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    rates::{self, Rate, Rates},
    read,
    rule::Rule,
    units::{self, UnitId},
    when::When,
};
use crate::{clock::WallTime, id::Printable};

#[derive(Debug)]
pub(super) struct Model {
    pub(super) id: Box<str>,
    pub(super) rule: Rule,
    /// The last that holds is taken, else the first.
    prices: Box<[Priced]>,
    variants: Box<[Variant]>,
}

/// Prices, and when they hold.
#[derive(Debug)]
struct Priced {
    when: Option<When>,
    /// In the order of the units.
    rates: Box<[(UnitId, Rate)]>,
    /// It bills something that is not known here, so that no sum would be whole.
    is_beyond: bool,
}

/// Prices for calls on all of these terms, in place of those that hold otherwise.
#[derive(Debug)]
struct Variant {
    terms: Box<[(Box<str>, Box<str>)]>,
    prices: Priced,
}

impl Model {
    /// The model in that JSON.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        read::fields(value, "a model")?;
        let id = read::text(value, "id")?.filter(|id| !id.is_empty()).ok_or("a model has no `id`")?;
        let within = |why| format!("model `{}`: {why}", Printable(id));
        let rule = Rule::read(value.get("match").unwrap_or(&Value::Null)).map_err(within)?;
        let prices = prices(value.get("prices")).map_err(within)?;
        let variants = read::list(value, "price_variants").map_err(within)?.iter().map(Variant::read);
        let variants = variants.collect::<Result<_, _>>().map_err(within)?;
        Ok(Self { id: id.into(), rule, prices, variants })
    }

    /// The prices at that time, on those terms; `None` where something has none that is known here. Terms are those of the provider
    /// itself.
    pub(super) fn rates(&self, terms: &BTreeMap<String, String>, at: WallTime, is_own: bool) -> Option<Rates<'_>> {
        let holds = |prices: &Priced| prices.when.is_none_or(|when| when.holds(at));
        let standard = self.prices.iter().rev().find(|prices| holds(prices)).or(self.prices.first())?;
        let (mut rates, mut is_beyond) = (standard.rates(), standard.is_beyond);
        if is_own && !terms.is_empty() {
            let is_on = |(term, value): &(Box<str>, Box<str>)| terms.get(&**term).is_some_and(|one| *one == **value);
            // The first variant that has a price for something goes before the others.
            for variant in self.variants.iter().rev().filter(|one| holds(&one.prices) && one.terms.iter().all(is_on)) {
                is_beyond |= variant.prices.is_beyond;
                for (unit, rate) in &variant.prices.rates {
                    match rates.binary_search_by_key(unit, |(unit, _)| *unit) {
                        Ok(at) => drop(rates.get_mut(at).map(|old| old.1 = rate)),
                        Err(at) => rates.insert(at, (*unit, rate)),
                    }
                }
            }
            rates::check(&rates).ok()?;
        }
        (!is_beyond).then_some(rates)
    }
}

impl Priced {
    fn read(prices: &Map<String, Value>, when: Option<When>) -> Result<Self, String> {
        let mut rates = Vec::new();
        for (key, value) in prices {
            // What a newer list bills is not read: the models that have it have no price, and all others have theirs.
            if let Some(unit) = units::by_price(key) {
                rates.push((unit, Rate::read(unit, value)?));
            }
        }
        rates.sort_by_key(|(unit, _)| *unit);
        Ok(Self { when, is_beyond: rates.len() < prices.len(), rates: rates.into() })
    }

    fn rates(&self) -> Rates<'_> {
        self.rates.iter().map(|(unit, rate)| (*unit, rate)).collect()
    }
}

/// Prices by date or time of day, or the ones that hold always.
fn prices(value: Option<&Value>) -> Result<Box<[Priced]>, String> {
    let object = |value: &Value| value.as_object().cloned().ok_or("its prices are neither an object nor a list");
    let found = match value {
        None => vec![Priced::read(&Map::new(), None)?],
        Some(Value::Array(conditional)) => {
            let one = |one: &Value| {
                read::fields(one, "one of its prices")?;
                let when = one.get("constraint").map(|constraint| match constraint {
                    Value::Null => Err("a constraint is nothing".to_owned()),
                    constraint => When::read(constraint),
                });
                let prices = read::get(one, "prices").ok_or("one of its prices has no `prices`")?;
                Priced::read(&object(prices)?, when.transpose()?)
            };
            conditional.iter().map(one).collect::<Result<Vec<_>, String>>()?
        }
        Some(always) => vec![Priced::read(&object(always)?, None)?],
    };
    if found.iter().filter(|prices| prices.when.is_none()).count() != 1 {
        return Err("exactly one of its prices holds without a constraint".to_owned());
    }
    found.iter().try_for_each(|prices| rates::check(&prices.rates()))?;
    Ok(found.into())
}

impl Variant {
    fn read(value: &Value) -> Result<Self, String> {
        read::fields(value, "a variant of its prices")?;
        let object = |key| {
            let object =
                read::get(value, key).and_then(Value::as_object).filter(|object| key == "prices" || !object.is_empty());
            object.ok_or_else(|| format!("a variant of its prices has no `{key}`"))
        };
        let term = |(term, value): (&String, &Value)| {
            let value = value.as_str().ok_or("a term of a variant is no text")?;
            Ok((term.as_str().into(), value.into()))
        };
        let terms = object("when")?.iter().map(term).collect::<Result<_, String>>()?;
        let prices = object("prices")?.iter().filter(|(_, price)| !price.is_null());
        let prices: Map<_, _> = prices.map(|(key, price)| (key.clone(), price.clone())).collect();
        let when = read::get(value, "constraint").map(When::read).transpose()?;
        Ok(Self { terms, prices: Priced::read(&prices, when)? })
    }
}
