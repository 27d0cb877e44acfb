//! What a run may be given beside its graph: programs, locks, a cache, a store.

use std::sync::Arc;

use napi_derive::napi;
use orch_core::{
    EventSink, PriceSource, PriceTable,
    executor::Doers,
    locks::Locks,
    session::{Budget, SessionOptions, SharedCache},
};

use crate::{
    cache::NativeCache,
    locks::NativeLocks,
    money::{NativeLedger, NativePrices},
    notices::NativeTelling,
    programs::Programs,
    store::{NativeResume, NativeStore},
};

/// Collects it. A run of plain functions has none, and pays nothing.
#[derive(Default)]
#[napi]
pub struct Seams {
    pub(crate) programs: Option<(Arc<dyn orch_core::Executor>, Arc<Doers>)>,
    locks: Option<Locks>,
    cache: Option<SharedCache>,
    store: Option<(orch_core::store::SqliteStore, String)>,
    resume: Option<orch_core::Resume>,
    budget: Option<Budget>,
    prices: Option<Arc<PriceTable>>,
    telling: Option<Arc<dyn EventSink>>,
}

#[napi]
impl Seams {
    /// None yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// The agents that are programs.
    #[napi]
    pub fn programs(&mut self, programs: &Programs) {
        self.programs = Some((programs.executor.clone(), programs.doers.clone()));
    }

    /// What tasks claim by; without it, what this run holds matters to no other.
    #[napi]
    pub fn locks(&mut self, locks: &NativeLocks) {
        self.locks = Some(locks.locks.clone());
    }

    /// Where values are found that tasks read by key, and where results are shared.
    #[napi]
    pub fn cache(&mut self, cache: &NativeCache) {
        self.cache = Some(cache.shared.clone());
    }

    /// What tasks claim by where a store is shared: what they hold, those of no other process have.
    #[napi]
    pub fn locks_of(&mut self, store: &NativeStore) -> napi::Result<()> {
        self.locks = Some(store.locks()?);
        Ok(())
    }

    /// Where the run is kept, and what it is found by again.
    #[napi]
    pub fn store(&mut self, store: &NativeStore, source: String) -> napi::Result<()> {
        self.store = Some((store.open()?, source));
        Ok(())
    }

    /// Where it books what it spends, at its prices. `who` as JSON: what else is known of who spends, beside what the folder
    /// `here` says of worktree and branch.
    #[napi]
    pub fn ledger(&mut self, ledger: &NativeLedger, who: Option<String>, here: String) -> napi::Result<()> {
        self.budget = Some(ledger.budget(who.as_deref(), &here)?);
        self.prices = Some(ledger.prices.clone());
        Ok(())
    }

    /// What usage costs, where there is no ledger.
    #[napi]
    pub fn prices(&mut self, prices: &NativePrices) {
        self.prices = Some(prices.0.clone());
    }

    /// Who tells people of it.
    #[napi]
    pub fn telling(&mut self, telling: &NativeTelling) {
        self.telling = Some(telling.0.clone());
    }

    /// The stored run that goes on.
    #[napi]
    pub fn resume(&mut self, resume: &NativeResume) {
        self.resume = Some(resume.0.clone());
    }
}

impl Seams {
    /// Whether a store keeps the run.
    pub(crate) fn keeps(&self) -> bool {
        self.store.is_some()
    }

    /// Hands it to a run.
    pub(crate) fn give(&self, options: &mut SessionOptions) {
        options.locks.clone_from(&self.locks);
        options.cache.clone_from(&self.cache);
        let bundled = || self.programs.is_some().then(|| Arc::new(PriceTable::bundled()));
        options.prices = self.prices.clone().or_else(bundled).map(|prices| prices as Arc<dyn PriceSource>);
        options.budget.clone_from(&self.budget);
        options.sinks.extend(self.telling.clone());
        if let Some((store, source)) = &self.store {
            options.store = Some(Arc::new(store.clone()));
            options.source.clone_from(source);
        }
        if let Some(resume) = &self.resume {
            options.rules.inputs = resume.inputs().clone();
            options.rules.restore = resume.restore().to_vec();
            options.resume = Some(resume.clone());
        }
    }
}
