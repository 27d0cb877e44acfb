//! Money: prices, usage, the ledger and its budgets. Amounts cross as the decimal text of the core's forms.

use std::{path::Path, sync::Arc};

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use orch_core::{
    Clock, PriceTable, Rates, Usage, WallTime,
    cost::{UsageQuery, budget::Labels, quoted},
    session::{self, Allowed, Charge, ChargeForm, CostQuery, Question, budget_of, charges_csv, labels_of, usd_of},
    store::{MemoryStore, Store},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    convert,
    error::Raised,
    store::{Job, NativeStore, later, text},
};

/// Prices of models.
#[napi]
pub struct NativePrices(pub(crate) Arc<PriceTable>);

#[napi]
impl NativePrices {
    /// Those that this version knows, or the list of that file; with rates and aliases, as JSON.
    #[napi(constructor)]
    pub fn new(file: Option<String>, rates: Option<String>, aliases: Option<String>) -> napi::Result<Self> {
        let mut table = PriceTable::bundled();
        if let Some(file) = file {
            table = session::load_prices(table, Path::new(&file)).raised()?;
        }
        let rates: Map<String, Value> = rates.map_or_else(|| Ok(Map::new()), |it| convert::read(&it, "the rates"))?;
        for (model, value) in rates {
            let rates: Rates = convert::read(&value.to_string(), &format!("the rates of `{model}`"))?;
            table = table.with(model, rates);
        }
        let aliases: Map<String, Value> =
            aliases.map_or_else(|| Ok(Map::new()), |it| convert::read(&it, "the aliases"))?;
        for (alias, model) in aliases {
            table = table.with_alias(alias, model.as_str().unwrap_or_default());
        }
        Ok(Self(Arc::new(table)))
    }

    /// What a usage costs: `{usd, entries}`, as JSON.
    #[napi]
    pub fn quoted(&self, usage: String, at: Option<String>) -> napi::Result<String> {
        let usage: Usage = convert::read(&usage, "the usage")?;
        let at: WallTime = at.map_or_else(|| Ok(Clock::system().wall()), |at| at.parse()).raised()?;
        let found = quoted(&*self.0, &usage, at).raised()?;
        convert::shown(&json!({"usd": found.usd.to_decimal(), "entries": found.form()}))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    model: Option<String>,
    provider: Option<String>,
    batch: bool,
    dialect: Option<String>,
}

/// What an agent or an API says of usage: `{dialect, models, messages}`, as JSON. `parsed`: what it said is JSON that was read
/// already, a message or a list of them.
#[napi]
pub fn usage_in(said: String, parsed: bool, asked: String) -> napi::Result<String> {
    let Asked { model, provider, batch, dialect } = convert::read(&asked, "the options")?;
    let query = UsageQuery { model, provider, batch, dialect };
    let found = if parsed {
        match convert::read(&said, "what was said")? {
            Value::Array(messages) => query.find(&messages),
            message => query.find(&[message]),
        }
    } else {
        query.read(&said)
    };
    let found = found.raised()?;
    convert::shown(&json!({"dialect": found.dialect, "models": found.usage, "messages": found.messages}))
}

/// Who may spend what, and who spent what.
#[napi]
pub struct NativeLedger {
    pub(crate) native: session::Ledger,
    pub(crate) prices: Arc<PriceTable>,
}

#[napi]
impl NativeLedger {
    /// Of that store; without one, in memory. `budget` as JSON.
    #[napi(constructor)]
    pub fn new(
        store: Option<&NativeStore>,
        budget: Option<String>,
        prices: Option<&NativePrices>,
    ) -> napi::Result<Self> {
        let budget: Option<Value> = budget.map(|it| convert::read(&it, "the budget")).transpose()?;
        let limits = budget.map(|it| budget_of(&it)).transpose().raised()?.unwrap_or_default();
        let clock = Clock::system();
        let store: Arc<dyn Store> = match store {
            Some(store) => Arc::new(store.open()?),
            None => Arc::new(MemoryStore::new(clock.clone())),
        };
        let prices = prices.map_or_else(|| Arc::new(PriceTable::bundled()), |prices| prices.0.clone());
        Ok(Self { native: session::Ledger::new(store, limits, clock), prices })
    }

    /// The names of its limits.
    #[napi]
    pub fn limits(&self) -> Vec<String> {
        self.native.limits().iter().map(|limit| limit.name.clone()).collect()
    }

    /// What was spent, added up as it is asked for: JSON or CSV.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn costs(&self, query: String, csv: bool) -> napi::Result<AsyncTask<Job<String>>> {
        let query: CostQuery = convert::read(&query, "what to ask of the ledger")?;
        let ledger = self.native.clone();
        Ok(later(move || {
            let costs = ledger.costs(&query)?;
            if csv { Ok(costs.csv()) } else { text(&costs.form()) }
        }))
    }

    /// Every charge by itself: JSON or CSV.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn charges(&self, query: String, csv: bool) -> napi::Result<AsyncTask<Job<String>>> {
        let query: CostQuery = convert::read(&query, "what to ask of the ledger")?;
        let ledger = self.native.clone();
        Ok(later(move || {
            let charges = ledger.asked(&query)?;
            if csv {
                Ok(charges_csv(&charges))
            } else {
                text(&json!({"version": 1, "charges": charges.iter().map(Charge::form).collect::<Vec<_>>()}))
            }
        }))
    }

    /// How the budgets stand, and what is in flight, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn form(&self) -> napi::Result<AsyncTask<Job<String>>> {
        let ledger = self.native.clone();
        Ok(later(move || text(&ledger.form()?)))
    }

    /// Reserves: the answer as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn reserve(&self, who: String, usd: String) -> napi::Result<AsyncTask<Job<String>>> {
        let who: Labels = convert::read(&who, "who spends")?;
        let usd = usd_of(&convert::read(&usd, "the dollars")?).raised()?;
        let ledger = self.native.clone();
        Ok(later(move || text(&ledger.reserve(&[(who, usd)])?.form())))
    }

    /// Settles a reservation with charges; without any list, at what was reserved.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn settle(&self, id: String, charges: Option<String>) -> napi::Result<AsyncTask<Job<String>>> {
        let charges = charges.map(|charges| self.read(&charges)).transpose()?;
        let ledger = self.native.clone();
        Ok(later(move || {
            let settled = match charges {
                Some(charges) => ledger.settle(&id, charges)?,
                None => ledger.assume(&id)?,
            };
            text(&settled.form())
        }))
    }

    /// What somebody has to say before more is spent, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn gates(&self) -> napi::Result<AsyncTask<Job<String>>> {
        let ledger = self.native.clone();
        Ok(later(move || {
            let gates = ledger.gates()?;
            let forms = gates.iter().map(|gate| {
                let Question { id, at, who, limit, usd, why } = &gate.question;
                json!({
                    "id": id, "at": at.to_string(), "who": who, "limit": limit, "usd": usd.to_decimal(), "why": why,
                    "said": gate.said, "by": gate.by,
                })
            });
            text(&forms.collect::<Vec<Value>>())
        }))
    }

    /// Answers a question: `once`, `run`, `no`, in the name of `by`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn answer(&self, id: String, said: String, by: String) -> napi::Result<AsyncTask<Job<String>>> {
        let said: Allowed = convert::read(&Value::from(said).to_string(), "the answer")?;
        let ledger = self.native.clone();
        Ok(later(move || ledger.answer(&id, said, &by).map(|()| id)))
    }

    /// Books what was spent without a reservation.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn charge(&self, charges: String) -> napi::Result<AsyncTask<Job<String>>> {
        let charges = self.read(&charges)?;
        let ledger = self.native.clone();
        Ok(later(move || text(&ledger.charge(&charges)?.form())))
    }
}

impl NativeLedger {
    fn read(&self, charges: &str) -> napi::Result<Vec<Charge>> {
        let forms: Vec<ChargeForm> = convert::read(charges, "the charges")?;
        let now = self.native.now();
        let all: orch_core::Result<Vec<_>> = forms.iter().map(|form| form.charges(&*self.prices, now)).collect();
        Ok(all.raised()?.into_iter().flatten().collect())
    }

    /// What a run may spend, and where that is kept. `who` as JSON: what else is known of who spends.
    pub(crate) fn budget(&self, who: Option<&str>, here: &str) -> napi::Result<session::Budget> {
        let own: Labels = who.map(|who| convert::read(who, "who spends")).transpose()?.unwrap_or_default();
        let found = labels_of(Path::new(here));
        let labels = own.iter().fold(found, |all, (column, value)| all.with(column, value));
        Ok(session::Budget { labels, ..session::Budget::new(self.native.clone()) })
    }
}
