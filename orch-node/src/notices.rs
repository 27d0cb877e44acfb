//! Notices: the outbox of a store, and its targets. Addresses go in and never come out.

use std::{env, sync::Arc, thread};

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use orch_core::{
    Clock,
    ext::notify::{HttpCourier, Outbox, RunNotices, Target, TargetKind, TargetOptions, Tell},
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};

use crate::{
    convert,
    error::Raised,
    money::NativeLedger,
    store::{Job, NativeStore, later, text},
};

/// What tells people outside.
#[napi]
pub struct NativeNotices {
    outbox: Arc<Outbox>,
    courier: Arc<HttpCourier>,
    store: Arc<dyn Store>,
    clock: Clock,
}

#[napi]
impl NativeNotices {
    /// In that store, else in memory; to those targets, of which `kinds` and `addresses` go together, else to those of the
    /// environment.
    #[napi(constructor)]
    pub fn new(
        store: Option<&NativeStore>,
        kinds: Vec<String>,
        addresses: Vec<String>,
        local: bool,
    ) -> napi::Result<Self> {
        let clock = Clock::system();
        let store: Arc<dyn Store> = match store {
            Some(store) => Arc::new(store.open()?),
            None => Arc::new(MemoryStore::new(clock.clone())),
        };
        let options = TargetOptions { local };
        let targets = if kinds.is_empty() {
            Target::of_variables(|name| env::var(name).ok())
        } else {
            let named = kinds.iter().zip(&addresses);
            named.map(|(kind, address)| Target::new(kind.clone(), kind.parse()?, address, options)).collect()
        };
        let outbox = Arc::new(Outbox::new(store.clone(), targets.raised()?, clock.clone()));
        Ok(Self { outbox, courier: Arc::new(HttpCourier::new()), store, clock })
    }

    /// The names of the targets.
    #[napi]
    pub fn targets(&self) -> Vec<String> {
        self.outbox.targets().iter().map(|target| target.name().to_owned()).collect()
    }

    /// Puts a notice into the outbox; for how many targets it is new.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn post(&self, key: String, told: String) -> napi::Result<AsyncTask<Job<u32>>> {
        let tell: Tell = convert::read(&told, "the notice")?;
        let (outbox, notice) = (self.outbox.clone(), tell.notice(self.clock.wall()));
        Ok(later(move || outbox.post(&key, &notice).map(|new| new as u32)))
    }

    /// Sends what is due: `{sent, later, dropped, why}`, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn deliver(&self, patience_ms: f64) -> napi::Result<AsyncTask<Job<String>>> {
        let patience = convert::duration(patience_ms)?;
        let (outbox, courier) = (self.outbox.clone(), self.courier.clone());
        Ok(later(move || text(&outbox.deliver_within(&*courier, patience, thread::sleep)?)))
    }

    /// The letters, the latest first, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn letters(&self, limit: u32) -> napi::Result<AsyncTask<Job<String>>> {
        let store = self.store.clone();
        Ok(later(move || {
            let letters = store.letters(limit as usize)?;
            let forms = letters.iter().map(|letter| json!({"letter": letter, "posted": letter.posted.to_string()}));
            text(&forms.collect::<Vec<Value>>())
        }))
    }
}

/// Tells of one run, and of the budget of that ledger.
#[napi]
pub struct NativeTelling(pub(crate) Arc<RunNotices>);

#[napi]
impl NativeTelling {
    /// To whom these notices go.
    #[napi(constructor)]
    pub fn new(notices: &NativeNotices, ledger: Option<&NativeLedger>) -> Self {
        let ledger = ledger.map(|ledger| ledger.native.clone());
        let (outbox, courier) = (notices.outbox.clone(), notices.courier.clone());
        Self(Arc::new(RunNotices::of_run(outbox, courier, ledger, env::vars_os())))
    }

    /// Waits until all is delivered, or to be tried later: `{sent, later, dropped, why}`, as JSON.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn finish(&self) -> AsyncTask<Job<String>> {
        let telling = self.0.clone();
        later(move || text(&telling.finish()?))
    }
}

/// What would be sent of a notice to a target of that kind, as JSON.
#[napi]
pub fn notice_payload(kind: String, told: String) -> napi::Result<String> {
    let kind: TargetKind = kind.parse().raised()?;
    let tell: Tell = convert::read(&told, "the notice")?;
    convert::shown(&kind.payload(&tell.notice(Clock::system().wall())))
}
