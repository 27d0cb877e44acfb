//! How the page is served.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    cost::{PriceSource, PriceTable},
    error::Result,
    store::Store,
};

/// Answers the store, once there is one.
pub(super) type Finds = Arc<dyn Fn() -> Result<Option<Arc<dyn Store>>> + Send + Sync>;

/// How the page is served. Public fields and `Default`.
#[derive(Clone)]
pub struct ServeOptions {
    /// The port of the loopback interface. Default: 0, any that is free.
    pub port: u16,
    /// The runs. Default: none.
    pub store: Option<Arc<dyn Store>>,
    /// Where a store will be that is not there yet; asked until it answers one. Default: nowhere.
    pub finds: Option<Finds>,
    /// What usage costs. Default: no prices.
    pub prices: Arc<dyn PriceSource>,
    /// How many of the latest runs are listed. Default: 50.
    pub runs: usize,
    /// How many may read at once; a further one is told to come back (503). Default: 32.
    pub readers: usize,
    /// How long a reader may take nothing before it is let go, and a request may take to arrive. Default: 20 seconds.
    pub patience: Duration,
    /// How long nothing may be said to a reader before it is told that all is well. Default: 10 seconds.
    pub pulse: Duration,
    /// How often the list of runs is looked at. Default: half a second.
    pub every: Duration,
    /// The most bytes of a task's output that are sent; of a longer one only its length. Default: 4,000.
    pub output: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            port: 0,
            store: None,
            finds: None,
            prices: Arc::new(PriceTable::default()),
            runs: 50,
            readers: 32,
            patience: Duration::from_secs(20),
            pulse: Duration::from_secs(10),
            every: Duration::from_millis(500),
            output: 4_000,
        }
    }
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, runs, readers, patience, pulse, every, output, .. } = self;
        f.debug_struct("ServeOptions")
            .field("port", port)
            .field("runs", runs)
            .field("readers", readers)
            .field("patience", patience)
            .field("pulse", pulse)
            .field("every", every)
            .field("output", output)
            .finish_non_exhaustive()
    }
}
