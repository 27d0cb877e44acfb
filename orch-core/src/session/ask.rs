//! What is shared beside runs: a value that a caller makes is asked for behind the cache too.

use std::{fmt, sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use super::{io, shared::SharedCache};
use crate::{
    cache::{Answer, Cache, CacheValue, Keep, Lead, Turn},
    error::Result,
    id::RunId,
};

/// How long the cache behind may take to answer. Then it counts as one that knows nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stands for a run where there is none.
pub(super) fn no_run() -> RunId {
    RunId::from_parts(0, 0)
}

/// Asks until it is known whose turn it is: where somebody else makes the value, again and again. In [our own](io::own) runtime.
pub(super) async fn turn(behind: Arc<dyn Cache>, key: &str, run: RunId, first: Answer<Result<Turn>>) -> Result<Turn> {
    let mut answer = first;
    loop {
        match io::patiently(answer.wait(), PATIENCE).await.unwrap_or(Ok(Turn::Make(None))) {
            Ok(Turn::Wait(wait)) => tokio::time::sleep(wait).await,
            turn => return turn,
        }
        answer = behind.lead(key, run);
    }
}

/// A question to the cache behind. Dropped, it is withdrawn.
pub struct Asking(AbortHandle);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

impl SharedCache {
    /// Asks the cache [behind](SharedCache::over) for a value that is not in this one, for callers beside the runs who lead
    /// within the process; `told` hears the answer, from another thread. `None`: there is nobody to ask, and nobody is told.
    ///
    /// The answer is that the value is known, or that it is the caller's to make, never that it has to
    /// [wait](Turn::Wait): that is done here. What was made goes to [`keep_behind`](SharedCache::keep_behind).
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use orch_core::{CacheOptions, Keep, TtlCache, cache::Turn, session::SharedCache};
    ///
    /// let far = TtlCache::new(CacheOptions::default());
    /// far.set("analysis", "large");
    /// let shared = SharedCache::new(TtlCache::new(CacheOptions::default())).over(Arc::new(far));
    /// let (tell, told) = mpsc::channel();
    /// let asking = shared.ask("analysis", move |turn| tell.send(turn).unwrap());
    /// assert!(asking.is_some());
    /// let Turn::Known(entry) = told.recv().unwrap()? else { panic!("it is known") };
    /// assert_eq!(entry.json().unwrap(), "large");
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn ask(&self, key: &str, told: impl FnOnce(Result<Turn>) + Send + 'static) -> Option<Asking> {
        let (behind, runtime) = (self.behind()?.clone(), io::own()?);
        let key = key.to_owned();
        let asking = runtime.spawn(async move {
            let first = behind.lead(&key, no_run());
            told(turn(behind.clone(), &key, no_run(), first).await);
        });
        Some(Asking(asking.abort_handle()))
    }

    /// Gives a value to the cache behind, in the background: see [`settle`](SharedCache::settle). With the lead that was
    /// [given](SharedCache::ask) this ends the wait of others.
    pub fn keep_behind(&self, key: &str, value: CacheValue, keep: Keep, lead: Option<Box<dyn Lead>>) {
        match (lead, self.behind()) {
            (Some(lead), _) => self.add_pending(lead.keep(value, keep)),
            (None, Some(behind)) => self.add_pending(behind.keep(key, value, keep)),
            (None, None) => {}
        }
    }

    /// Drops the entry of that key behind the cache, in the background.
    pub fn invalidate_behind(&self, key: &str) {
        if let Some(behind) = self.behind() {
            self.add_pending(behind.invalidate(key).map(|dropped| dropped.map(|_| crate::cache::Admission::Kept)));
        }
    }
}
