//! Price lists in files.

use std::path::Path;

use super::super::load::load_text;
use crate::{PriceTable, error::Result};

/// The same prices with the published list of that file, whose name its charges say.
///
/// # Errors
///
/// Those of [`load_text`] and of [`PriceTable::with_list`], with the file's name.
pub fn load_prices(prices: PriceTable, path: &Path) -> Result<PriceTable> {
    let text = load_text(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    prices.with_list(name, &text).map_err(|error| error.with("file", path.display().to_string()))
}
