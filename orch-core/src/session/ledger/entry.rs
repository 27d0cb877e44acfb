//! Charges with a note of what they are for, so that nothing is booked twice.

use super::{Cells, Charge, Ledger, MARK};
use crate::{
    cost::budget::{Limits, Settled, charge},
    error::Result,
    store::{Book, Content},
};

/// What an [entry](Ledger::enter) reads and writes. Nobody else changes the ledger meanwhile.
pub struct Entry<'a> {
    book: &'a mut dyn Book,
    limits: &'a Limits,
    settled: Settled,
}

impl Entry<'_> {
    /// The text of a mark.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn mark(&mut self, key: &str) -> Result<Option<String>> {
        self.book.cell(&format!("{MARK}{key}"))?.map(|mark| mark.text()).transpose()
    }

    /// Writes a mark, or takes it away.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn set_mark(&mut self, key: &str, text: Option<&str>) -> Result<()> {
        self.book.set_cell(&format!("{MARK}{key}"), text.map(|text| Content::from(text.to_owned())))
    }

    /// Books what was spent, in the periods of its own time.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn charge(&mut self, one: &Charge) -> Result<()> {
        self.book.charge(&one.row(one.at))?;
        self.settled.add(charge(self.limits, &mut Cells(self.book), &one.who, one.at, one.usd)?);
        Ok(())
    }
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("settled", &self.settled).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Books what was not booked yet. `entry` reads marks, which are texts of its own, and writes them together with charges: all
    /// of it or, if it answers an error, nothing; and nobody else's entry is between. So what grows (a file that somebody else
    /// writes) can be booked as far as it is, by whoever comes, once.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use orch_core::{Clock, Usd, cost::budget::{Labels, Limits}, session::{Charge, Ledger}, store::MemoryStore};
    ///
    /// let ledger = Ledger::new(Arc::new(MemoryStore::default()), Limits::default(), Clock::system());
    /// let once = || ledger.enter(|entry| {
    ///     if entry.mark("bill/7")?.is_none() {
    ///         entry.charge(&Charge { at: ledger.now(), ..Charge::new(Labels::default(), Usd::from_cents(30)) })?;
    ///         entry.set_mark("bill/7", Some("booked"))?;
    ///     }
    ///     Ok(())
    /// });
    /// once()?;
    /// once()?;
    /// assert_eq!(ledger.charges(None, None)?.len(), 1);
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `entry` and of the store.
    pub fn enter<T>(&self, mut entry: impl FnMut(&mut Entry<'_>) -> Result<T>) -> Result<(T, Settled)> {
        self.book(|book| {
            let mut one = Entry { book, limits: &self.0.limits, settled: Settled::default() };
            let answer = entry(&mut one)?;
            Ok((answer, one.settled))
        })
    }

    /// The marks whose keys begin so, by key.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn marks(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        let cells = self.0.store.cells(&format!("{MARK}{prefix}"))?;
        let read =
            |(key, mark): (String, Content)| Ok((key.strip_prefix(MARK).unwrap_or(&key).to_owned(), mark.text()?));
        cells.into_iter().map(read).collect()
    }

    /// One mark.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn mark(&self, key: &str) -> Result<Option<String>> {
        Ok(self.marks(key)?.into_iter().find(|(other, _)| other == key).map(|(_, text)| text))
    }
}
