//! What a run may be given beside its graph: programs, locks, a cache, a store.

use std::sync::Arc;

use napi_derive::napi;
use orch_core::{
    PriceSource, PriceTable,
    locks::Locks,
    session::{SessionOptions, SharedCache},
};

use crate::{
    cache::NativeCache,
    locks::NativeLocks,
    programs::Programs,
    store::{NativeResume, NativeStore},
};

/// Collects it. A run of plain functions has none, and pays nothing.
#[derive(Default)]
#[napi]
pub struct Seams {
    pub(crate) programs: Option<(Arc<dyn orch_core::Executor>, Arc<crate::programs::Known>)>,
    locks: Option<Locks>,
    cache: Option<SharedCache>,
    store: Option<(orch_core::store::SqliteStore, String)>,
    resume: Option<orch_core::Resume>,
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
        self.programs = Some((programs.executor.clone(), programs.known.clone()));
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
        options.prices = self.programs.is_some().then(|| Arc::new(PriceTable::bundled()) as Arc<dyn PriceSource>);
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
