//! What a store keeps of money: cells of numbers, and a list of charges.

use crate::{clock::WallTime, error::Result, units::Usd};

/// A charge, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeRow {
    /// When.
    pub at: WallTime,
    /// How much.
    pub usd: Usd,
    /// All else: text that the store does not look into.
    pub body: String,
}

/// What one [booking](crate::store::Store::book) reads and writes. Nobody else changes anything meanwhile.
pub trait Book {
    /// The text of a cell.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn cell(&mut self, key: &str) -> Result<Option<String>>;

    /// Writes a cell, or empties it.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn set_cell(&mut self, key: &str, text: Option<&str>) -> Result<()>;

    /// Adds a charge.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn charge(&mut self, row: &ChargeRow) -> Result<()>;
}
