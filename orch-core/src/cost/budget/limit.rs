//! Limits, and for whom they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::period::{Period, Span, Zone};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::Usd,
};

/// What is known of a charge, by which limits and questions tell spenders apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Column {
    /// The run.
    Run,
    /// The phase of the definition.
    Phase,
    /// The task.
    Task,
    /// Who did the task.
    Agent,
    /// The model.
    Model,
    /// The worktree in which it was done.
    Worktree,
    /// The branch on which it was done.
    Branch,
}

impl Column {
    /// All, in the order of the tree: a run has phases, these have tasks, and so on.
    pub const ALL: [Self; 7] =
        [Self::Run, Self::Phase, Self::Task, Self::Agent, Self::Model, Self::Worktree, Self::Branch];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Phase => "phase",
            Self::Task => "task",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Worktree => "worktree",
            Self::Branch => "branch",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Column {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|column| column.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            let message = format!("there is no column `{}`; known here: {known}", Printable(text));
            Error::new(ErrorKind::InvalidValue, message)
        })
    }
}

/// Who spends: what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<Column, String>);

impl Labels {
    /// The same with one more.
    #[must_use]
    pub fn with(mut self, column: Column, value: impl Into<String>) -> Self {
        self.0.insert(column, value.into());
        self
    }

    /// What is known in that column.
    pub fn get(&self, column: Column) -> Option<&str> {
        self.0.get(&column).map(String::as_str)
    }

    /// All that is known.
    pub fn iter(&self) -> impl Iterator<Item = (Column, &str)> {
        self.0.iter().map(|(column, value)| (*column, value.as_str()))
    }
}

/// What happens to who would pass a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AtLimit {
    /// It fails.
    #[default]
    Refuse,
    /// It waits for the next period; where there is none, it fails.
    Wait,
    /// It is done with that model instead, which is reserved for anew; where that too is too dear, it fails.
    Downgrade(String),
    /// Somebody is asked; until there is an answer it waits.
    Ask,
}

/// How much may be spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name, by which its accounts are found again.
    pub name: String,
    /// How much, a period.
    pub usd: Usd,
    /// Whose spending counts: only what has all these labels. Empty: everything.
    pub of: BTreeMap<Column, String>,
    /// Who has it for itself: each run, each agent. What is not known of a spender counts as one that has no name.
    pub each: BTreeSet<Column>,
    /// In which time. Default: ever.
    pub per: Period,
    /// Whose days and months. Default: UTC.
    pub zone: Zone,
    /// What happens at the limit. Default: it is refused.
    pub at_limit: AtLimit,
    /// Amounts that are told when they are reached, each once a period.
    pub milestones: Vec<Usd>,
}

impl Limit {
    /// So much, for everything, for ever.
    pub fn new(name: impl Into<String>, usd: Usd) -> Self {
        let (of, each, per, zone, at_limit, milestones) = Default::default();
        Self { name: name.into(), usd, of, each, per, zone, at_limit, milestones }
    }

    /// The same for each value of that column.
    #[must_use]
    pub fn each(mut self, column: Column) -> Self {
        self.each.insert(column);
        self
    }

    /// The same for that value only.
    #[must_use]
    pub fn of(mut self, column: Column, value: impl Into<String>) -> Self {
        self.of.insert(column, value.into());
        self
    }

    /// Whether it counts what that spender spends.
    pub fn counts(&self, who: &Labels) -> bool {
        self.of.iter().all(|(column, value)| who.get(*column) == Some(value))
    }

    /// Which of its accounts counts what that spender spends, whatever the period.
    pub fn key_of(&self, who: &Labels) -> String {
        self.account(who, &Span { name: String::new(), start: None, end: None })
    }

    /// Which account of this limit that is: the limit's name, for whom, and the period. JSON, so that no value can look like
    /// another one.
    fn account(&self, who: &Labels, span: &Span) -> String {
        let of: BTreeMap<&str, Option<&str>> =
            self.each.iter().map(|column| (column.name(), who.get(*column))).collect();
        key(&self.name, &of, span)
    }
}

fn key(name: &str, of: &impl Serialize, span: &Span) -> String {
    // INVARIANT: texts always have a JSON form.
    serde_json::to_string(&(name, of, &span.name)).unwrap_or_default()
}

/// The account of the same limit, and for the same spender, in another period.
pub(super) fn of_period(account: &str, span: &Span) -> Option<String> {
    let (name, of, _): (String, serde_json::Value, String) = serde_json::from_str(account).ok()?;
    Some(key(&name, &of, span))
}

/// Limits that hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits(Vec<Limit>);

impl Limits {
    /// Checks them.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for two of one name, amounts below zero, and rolling windows of no length.
    pub fn new(limits: Vec<Limit>) -> Result<Self> {
        let mut names = BTreeSet::new();
        for limit in &limits {
            let name = Printable(&limit.name);
            let bad = |message: String| Err(Error::new(ErrorKind::InvalidValue, message));
            if !names.insert(&limit.name) {
                return bad(format!("there are two budgets of the name `{name}`; give each its own"));
            }
            if limit.usd < Usd::ZERO {
                return bad(format!("the budget `{name}` is below zero: ${}", limit.usd.to_decimal()));
            }
            if let Period::Rolling(length) = limit.per
                && length.as_millis() == 0
            {
                return bad(format!("the window of the budget `{name}` has no length"));
            }
        }
        Ok(Self(limits))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The limits, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Limit> {
        self.0.iter()
    }

    /// The limit of that name.
    pub fn find(&self, name: &str) -> Option<&Limit> {
        self.0.iter().find(|limit| limit.name == name)
    }

    /// Every limit that counts what `who` spends at that time, with its period and the key of its account.
    pub(super) fn accounts<'a>(
        &'a self,
        who: &'a Labels,
        at: WallTime,
    ) -> impl Iterator<Item = (&'a Limit, Span, String)> {
        self.0.iter().filter(|limit| limit.counts(who)).map(move |limit| {
            let span = limit.per.span(&limit.zone, at);
            let key = limit.account(who, &span);
            (limit, span, key)
        })
    }
}

impl<'a> IntoIterator for &'a Limits {
    type Item = &'a Limit;
    type IntoIter = std::slice::Iter<'a, Limit>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
