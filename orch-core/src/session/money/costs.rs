//! Questions to a ledger, and their answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::ledger::{Charge, Ledger, Spent, add_up};
use crate::{
    clock::WallTime,
    cost::budget::{Column, Labels, Period, Zone},
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::Usd,
};

/// What to ask of a ledger. `CostQuery::default()`: everything, by agent and model, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostQuery {
    /// What to add up by: names of [columns](Column), `day`, `month`.
    pub by: Vec<String>,
    /// Only what has all these labels.
    pub only: Labels,
    /// From that time on. In JSON as text: a day, or a time.
    #[serde(with = "time")]
    pub since: Option<WallTime>,
    /// Before that time.
    #[serde(with = "time")]
    pub until: Option<WallTime>,
    /// Whose days and months.
    pub zone: String,
}

impl Default for CostQuery {
    fn default() -> Self {
        let by = ["agent", "model"].map(str::to_owned).to_vec();
        Self { by, only: Labels::default(), since: None, until: None, zone: "UTC".to_owned() }
    }
}

/// What was spent, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// By what.
    pub by: Vec<String>,
    /// All of it.
    pub usd: Usd,
    /// The sums, the most first.
    pub rows: Vec<Spent>,
}

impl Ledger {
    /// The charges that are asked for, in order. `by` and `zone` do not matter here.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn asked(&self, query: &CostQuery) -> Result<Vec<Charge>> {
        let mut charges = self.charges(query.since, query.until)?;
        charges.retain(|charge| query.only.iter().all(|(column, value)| charge.who.get(column) == Some(value)));
        Ok(charges)
    }

    /// What was spent, added up as it is asked for.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use orch_core::{Clock, Usd, store::MemoryStore};
    /// use orch_core::cost::budget::{Column, Labels, Limits};
    /// use orch_core::session::{Charge, CostQuery, Ledger};
    ///
    /// let ledger = Ledger::new(Arc::new(MemoryStore::default()), Limits::default(), Clock::system());
    /// let who = Labels::default().with(Column::Agent, "reviewer");
    /// ledger.charge(&[Charge::new(who.clone(), Usd::from_cents(5)), Charge::new(who, Usd::from_cents(2))])?;
    /// let costs = ledger.costs(&CostQuery { by: vec!["agent".to_owned()], ..CostQuery::default() })?;
    /// assert_eq!(costs.csv(), "agent,usd,charges,failed,input,output\r\nreviewer,0.07,2,0,0,0\r\n");
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for what is no column and no zone; those of the store.
    pub fn costs(&self, query: &CostQuery) -> Result<Costs> {
        let zone: Zone = query.zone.parse()?;
        let by = query.by.iter().map(|text| By::read(text)).collect::<Result<Vec<_>>>()?;
        let rows = add_up(&self.asked(query)?, |charge| by.iter().map(|by| by.of(charge, &zone)).collect());
        Ok(Costs { by: query.by.clone(), usd: rows.iter().map(|row| row.usd).sum(), rows })
    }
}

/// What charges are added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Column(Column),
    Day,
    Month,
}

impl By {
    fn read(text: &str) -> Result<Self> {
        match text {
            "day" => Ok(Self::Day),
            "month" => Ok(Self::Month),
            _ => text.parse().map(Self::Column).map_err(|_| {
                let known = Column::ALL.map(Column::name).join(", ");
                let message = format!("there is no column `{}`; known here: {known}, day, month", Printable(text));
                Error::new(ErrorKind::InvalidValue, message)
            }),
        }
    }

    fn of(self, charge: &Charge, zone: &Zone) -> Option<String> {
        match self {
            Self::Column(column) => charge.who.get(column).map(str::to_owned),
            Self::Day => Some(Period::Day.span(zone, charge.at).name),
            Self::Month => Some(Period::Month.span(zone, charge.at).name),
        }
    }
}

impl Costs {
    /// As JSON: `{"version": 1, "by", "usd", "rows": [{"of": {..}, "usd", "charges", "failed", "input", "output"}]}`, money as decimal
    /// text in dollars.
    pub fn form(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let of: Map<String, Value> =
                    self.by.iter().zip(&row.of).map(|(name, value)| (name.clone(), value.clone().into())).collect();
                let Spent { usd, charges, failed, input, output, .. } = row;
                json!({
                    "of": of, "usd": usd.to_decimal(), "charges": charges, "failed": failed, "input": input, "output": output,
                })
            })
            .collect();
        json!({"version": 1, "by": self.by, "usd": self.usd.to_decimal(), "rows": rows})
    }

    /// As CSV with a head, by RFC 4180.
    pub fn csv(&self) -> String {
        let rest = ["usd", "charges", "failed", "input", "output"];
        let head = self.by.iter().map(String::as_str).chain(rest).map(str::to_owned).collect();
        csv(std::iter::once(head).chain(self.rows.iter().map(|row| {
            let Spent { of, usd, charges, failed, input, output } = row;
            let numbers = [charges, failed, input, output].map(u64::to_string);
            of.iter().map(|value| value.clone().unwrap_or_default()).chain([usd.to_decimal()]).chain(numbers).collect()
        })))
    }
}

impl Charge {
    /// As JSON: `{"at", "usd", "who", "attempt", "failed", "assumed", "usage", "price": {"model", "list", "at", "fallback"}}`, money as
    /// decimal text in dollars and times as text.
    pub fn form(&self) -> Value {
        let price = self.price.as_ref().map(|price| {
            json!({"model": price.model, "list": price.list, "at": price.at.to_string(), "fallback": price.fallback})
        });
        json!({
            "at": self.at.to_string(), "usd": self.usd.to_decimal(), "who": self.who, "attempt": self.attempt,
            "failed": self.failed, "assumed": self.assumed, "usage": self.usage, "price": price,
        })
    }
}

/// Charges as CSV with a head, by RFC 4180, each by itself.
pub fn charges_csv(charges: &[Charge]) -> String {
    let head = ["at", "usd"]
        .into_iter()
        .chain(Column::ALL.map(Column::name))
        .chain(["attempt", "failed", "assumed", "input", "output", "price", "list"]);
    let head: Vec<String> = head.map(str::to_owned).collect();
    let rows = charges.iter().map(|charge| {
        let who = Column::ALL.map(|column| charge.who.get(column).unwrap_or_default().to_owned());
        let usage = charge.usage.as_ref().map(|usage| (usage.input, usage.output)).unwrap_or_default();
        let price = charge.price.as_ref().map(|price| (price.model.clone(), price.list.clone())).unwrap_or_default();
        let mut row = vec![charge.at.to_string(), charge.usd.to_decimal()];
        row.extend(who);
        row.extend([charge.attempt.to_string(), charge.failed.to_string(), charge.assumed.to_string()]);
        row.extend([usage.0.to_string(), usage.1.to_string(), price.0, price.1]);
        row
    });
    csv(std::iter::once(head).chain(rows))
}

fn csv(rows: impl Iterator<Item = Vec<String>>) -> String {
    let quoted = |cell: String| {
        if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    };
    rows.map(|row| row.into_iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n").collect()
}

/// A time as text.
mod time {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::clock::WallTime;

    #[expect(clippy::ref_option, reason = "serde's `with` asks for this shape")]
    pub(super) fn serialize<S: Serializer>(time: &Option<WallTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WallTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
