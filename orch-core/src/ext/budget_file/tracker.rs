//! A budget file of the first form that several processes keep.

use std::{
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    file::replace,
    model::{BudgetFile, Month, Monthly, TokensUsed, corrupt},
    month::{MonthlyOptions, Recorded},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    id::Printable,
    session::load_text,
    units::Usd,
};

/// A `token_budget.json` of the first form, in the months of a clock. Every call reads the file anew; what it changes it writes as a
/// whole, while nobody else who asks in this way reads or writes it. A file that is not there is a month of which nothing is spent.
///
/// It does what the scripts did, and keeps no reservations: executions that begin at once may together pass the budget. A
/// [`Ledger`](crate::session::Ledger) does not let them.
#[derive(Debug, Clone)]
pub struct Tracker {
    path: PathBuf,
    options: MonthlyOptions,
    clock: Clock,
}

/// How a month stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Whether what is left is enough for one more execution, as it is estimated.
    pub available: bool,
    /// What is left; below zero if the budget was passed.
    pub remaining: Usd,
    /// The month.
    pub month: Monthly,
    /// The month that this call found over, to be told once.
    pub over: Option<Month>,
}

/// `Budget available. Remaining: $14.90`, `Budget exhausted. Spent: $14.98, Remaining: $0.02`.
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spent, remaining) = (self.month.total_spent.to_fixed(2), self.remaining.to_fixed(2));
        if self.available {
            write!(f, "Budget available. Remaining: {remaining}")
        } else {
            write!(f, "Budget exhausted. Spent: {spent}, Remaining: {remaining}")
        }
    }
}

impl Tracker {
    /// For that file. It is not touched yet.
    pub fn new(path: impl Into<PathBuf>, options: MonthlyOptions, clock: Clock) -> Self {
        Self { path: path.into(), options, clock }
    }

    /// What it was told.
    pub fn options(&self) -> &MonthlyOptions {
        &self.options
    }

    /// How the month stands. If an earlier month is over, the file is written once, so that this is found once.
    ///
    /// ```
    /// use orch_core::{Clock, ext::budget_file::{MonthlyOptions, Tracker}};
    ///
    /// let tracker = Tracker::new("no/such/token_budget.json", MonthlyOptions::default(), Clock::system());
    /// assert_eq!(tracker.check()?.to_string(), "Budget available. Remaining: $15.00");
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) and [`InvalidFormat`](ErrorKind::InvalidFormat) for a file that cannot be used, which stays as
    /// it is; [`Io`](ErrorKind::Io).
    pub fn check(&self) -> Result<Checked> {
        let found = self.read()?;
        if found.as_ref().is_none_or(|month| month.clone().turn(self.clock.wall()).is_none()) {
            let month = found.unwrap_or_else(|| Monthly::fresh(self.clock.wall()));
            return Ok(self.checked(month, None));
        }
        let (month, over, ()) = self.change(|_| ())?;
        Ok(self.checked(month, over))
    }

    fn checked(&self, month: Monthly, over: Option<Month>) -> Checked {
        let remaining = self.options.budget - month.total_spent;
        Checked { available: remaining >= self.options.estimate(), remaining, month, over }
    }

    /// Books an execution. Also answers the month that was found over, to be told once.
    ///
    /// # Errors
    ///
    /// As [`check`](Tracker::check).
    pub fn record(&self, tokens: &TokensUsed, pr: bool) -> Result<(Recorded, Option<Month>)> {
        let (_, over, recorded) = self.change(|month| month.record(tokens, pr, &self.options))?;
        Ok((recorded, over))
    }

    fn read(&self) -> Result<Option<Monthly>> {
        match BudgetFile::load(&self.path) {
            Ok(BudgetFile::Monthly(month)) => Ok(Some(month)),
            Ok(other) => {
                let message = format!(
                    "it is a budget file of the {} form, and is left as it is; the monthly form has `current_month`",
                    other.form()
                );
                Err(Error::new(ErrorKind::InvalidFormat, message).with("file", self.path.display().to_string()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // What is empty was cut: it has lost what it knew.
            Err(error) if error.kind() == ErrorKind::InvalidFormat && is_empty(&self.path) => {
                Err(corrupt("it is empty").with("file", self.path.display().to_string()))
            }
            Err(error) => Err(error),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Monthly) -> T) -> Result<(Monthly, Option<Month>, T)> {
        let _held = hold(&self.path)?;
        let mut month = self.read()?.unwrap_or_else(|| Monthly::fresh(self.clock.wall()));
        let over = month.turn(self.clock.wall());
        let answer = change(&mut month);
        BudgetFile::Monthly(month.clone()).save(&self.path)?;
        Ok((month, over, answer))
    }
}

fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
}

/// Waits until nobody else holds the folder of that file. The system lets go of it when the process dies.
fn hold(path: &Path) -> Result<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // A folder can be locked on Unix, which leaves no file beside the budget's; elsewhere it takes one.
    let open = || {
        if cfg!(unix) {
            File::open(folder)
        } else {
            File::options().create(true).append(true).open(folder.join(".orch-budget.lock"))
        }
    };
    open().and_then(|file| file.lock().map(|()| file)).map_err(|error| {
        let name = path.display().to_string();
        let message = format!("could not keep others from `{}` while it is written", Printable(&name));
        Error::new(ErrorKind::Io, message).caused_by(error)
    })
}

/// Tokens that were used so far: `.worktree-cache/token_usage.json`, `{"total_tokens": 1200}`.
///
/// The scripts took half of them for input at 0.015 dollars per 1,000, and half for output at 0.075.
///
/// ```
/// use orch_core::ext::budget_file::TokenFile;
///
/// assert_eq!(TokenFile::cost(2_000).to_decimal(), "0.09");
/// assert_eq!(TokenFile::new("no/such/token_usage.json").load()?, 0);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile(PathBuf);

#[derive(Serialize, Deserialize)]
struct Tokens {
    total_tokens: u64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Of one token: (0.015 + 0.075) / 2 dollars per 1,000.
const TOKEN: Usd = Usd::from_nanos(45_000);

impl TokenFile {
    /// That file. It is not touched yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// What so many tokens cost by the scripts' prices.
    pub fn cost(tokens: u64) -> Usd {
        TOKEN.times(tokens)
    }

    /// How many tokens there were; 0 if there is no file.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) for a file that does not say; [`Io`](ErrorKind::Io).
    pub fn load(&self) -> Result<u64> {
        Ok(self.read()?.total_tokens)
    }

    /// Adds tokens, whoever else does at the same time; answers how many there are.
    ///
    /// # Errors
    ///
    /// As [`load`](TokenFile::load). The file is then as it was.
    pub fn add(&self, tokens: u64) -> Result<u64> {
        let _held = hold(&self.0)?;
        let mut all = self.read()?;
        all.total_tokens = all.total_tokens.saturating_add(tokens);
        replace(&self.0, &(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"))?;
        Ok(all.total_tokens)
    }

    fn read(&self) -> Result<Tokens> {
        match load_text(&self.0) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                let error = corrupt("it does not say `total_tokens`, a whole number").caused_by(error);
                error.with("file", self.0.display().to_string())
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Tokens { total_tokens: 0, others: Map::new() }),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
