//! How budgets stand, as data.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::ledger::{Gate, InFlight, Ledger, Question};
use crate::{
    clock::WallTime,
    cost::budget::{Standing, project},
    error::Result,
};

/// One account of a budget, with money as decimal text in dollars and times as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountForm {
    /// The limit.
    pub name: String,
    /// For whom it is: an object of columns.
    pub of: Value,
    /// The period: `2026-02`; empty where there is none.
    pub period: String,
    /// When it began.
    pub start: Option<String>,
    /// When it ends.
    pub end: Option<String>,
    /// How much there is.
    pub usd: String,
    /// What is spent.
    pub spent_usd: String,
    /// What is reserved.
    pub reserved_usd: String,
    /// What is left.
    pub left_usd: String,
    /// How many charges there were.
    pub charges: u64,
    /// The milestones that are reached.
    pub reached: Vec<String>,
    /// What will be spent by the end of the period, if it goes on so.
    pub projected_usd: Option<String>,
    /// When it will be spent, if that is within the period.
    pub ends: Option<String>,
}

impl AccountForm {
    fn new((of, standing): &(Value, Standing), now: WallTime) -> Self {
        let Standing { limit, span, usd, spent, reserved, charges, reached } = standing;
        let projection = project(span, *usd, *spent, now);
        let time = |time: Option<WallTime>| time.map(|time| time.to_string());
        Self {
            name: limit.clone(),
            of: of.clone(),
            period: span.name.clone(),
            start: time(span.start),
            end: time(span.end),
            usd: usd.to_decimal(),
            spent_usd: spent.to_decimal(),
            reserved_usd: reserved.to_decimal(),
            left_usd: (*usd - *spent - *reserved).to_decimal(),
            charges: *charges,
            reached: reached.iter().map(|usd| usd.to_decimal()).collect(),
            projected_usd: projection.map(|projection| projection.usd.to_decimal()),
            ends: time(projection.and_then(|projection| projection.ends)),
        }
    }
}

impl InFlight {
    /// As JSON: `{"id", "since", "parts": [{"who", "usd"}]}`.
    pub fn form(&self) -> Value {
        let part = |(who, usd): &(_, crate::units::Usd)| json!({"who": who, "usd": usd.to_decimal()});
        let parts: Vec<_> = self.parts.iter().map(part).collect();
        json!({"id": self.id, "since": self.at.to_string(), "parts": parts})
    }
}

impl Gate {
    /// As JSON: `{"id", "since", "who", "budget", "usd", "why", "said", "by"}`; `said` is `null` where nobody has said anything.
    pub fn form(&self) -> Value {
        let Question { id, at, who, limit, usd, why } = &self.question;
        json!({
            "id": id, "since": at.to_string(), "who": who, "budget": limit, "usd": usd.to_decimal(), "why": why,
            "said": self.said, "by": self.by,
        })
    }
}

impl Ledger {
    /// How the limits stand in the present period, for people and programs.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn standings(&self) -> Result<Vec<AccountForm>> {
        let now = self.now();
        Ok(self.accounts()?.iter().map(|account| AccountForm::new(account, now)).collect())
    }

    /// All of it as JSON: `{"version": 1, "at", "budgets": [..], "in_flight": [..], "questions": [..]}`.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn form(&self) -> Result<Value> {
        let in_flight: Vec<Value> = self.in_flight()?.iter().map(InFlight::form).collect();
        let at = self.now().to_string();
        let questions: Vec<Value> = self.gates()?.iter().map(Gate::form).collect();
        let budgets = self.standings()?;
        Ok(json!({"version": 1, "at": at, "budgets": budgets, "in_flight": in_flight, "questions": questions}))
    }
}
