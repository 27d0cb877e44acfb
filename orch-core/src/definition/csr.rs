//! Rows of places in two flat arrays (compressed sparse rows): small, and quick to walk.

/// For each place, a list of places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Csr {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Csr {
    /// From rows that are given one after the other.
    #[inline]
    pub(crate) fn from_starts(starts: Vec<u32>, items: Vec<u32>) -> Self {
        Self { starts, items }
    }

    /// The list of one place; empty for a place beyond the end.
    #[inline]
    pub(crate) fn row(&self, ix: u32) -> &[u32] {
        let at = ix as usize;
        match self.starts.get(at..at + 2) {
            Some(&[start, end]) => self.items.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    /// How long each list is.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.starts.array_windows().map(|[start, end]| (end - start) as usize)
    }

    pub(crate) fn edges(&self) -> usize {
        self.items.len()
    }

    #[inline]
    pub(crate) fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The same edges the other way round; each row is in rising order.
    #[expect(clippy::indexing_slicing, reason = "items are places below rows(), and starts has rows() + 1 entries")]
    #[inline]
    pub(crate) fn reversed(&self) -> Self {
        let rows = self.rows();
        let mut starts = vec![0u32; rows + 1];
        for &item in &self.items {
            starts[item as usize + 1] += 1;
        }
        for at in 0..rows {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut items = vec![0u32; self.items.len()];
        for row in 0..rows as u32 {
            for &item in self.row(row) {
                let slot = &mut next[item as usize];
                items[*slot as usize] = row;
                *slot += 1;
            }
        }
        Self { starts, items }
    }
}
