//! The engine: where the seams are plugged in.

use std::{fmt, sync::Arc};

use super::{
    driver::{Driver, Seams},
    options::RunOptions,
    run::Run,
};
use crate::{
    cache::{Cache, CacheOptions, TtlCache},
    cost::PriceSource,
    error::{Error, ErrorKind, Result},
    event::EventSink,
    executor::Executor,
    id::RunId,
    locks::Locks,
    plan::{Plan, PlanOptions},
    report::Report,
    session::{Breakers, Budget, Resume, SharedCache},
    store::Store,
};

/// Runs plans. Cheap to clone; clones, and all their runs, share what is plugged in: executor, sinks, cache,
/// circuit breakers and locks.
#[derive(Clone)]
pub struct Engine(Arc<Seams>);

/// Plugs the seams together.
#[derive(Default)]
pub struct EngineBuilder {
    executor: Option<Box<dyn Executor>>,
    sinks: Vec<Arc<dyn EventSink>>,
    cache: Option<TtlCache>,
    behind: Option<Arc<dyn Cache>>,
    breakers: Breakers,
    locks: Locks,
    prices: Option<Arc<dyn PriceSource>>,
    budget: Option<Budget>,
    store: Option<Arc<dyn Store>>,
}

impl EngineBuilder {
    /// Who does the work. Any async function from a [`TaskContext`](crate::TaskContext) is an executor.
    #[must_use]
    pub fn executor(mut self, executor: impl Executor) -> Self {
        self.executor = Some(Box::new(executor));
        self
    }

    /// Somebody who hears the events of every run.
    #[must_use]
    pub fn sink(mut self, sink: impl EventSink + 'static) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Where the runs of this engine keep what their tasks [share](crate::TaskOptions::shares), and find what is known already.
    /// Without a cache nothing is shared, and every task is run.
    #[must_use]
    pub fn cache(mut self, cache: TtlCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Whom to ask for the results of tasks that are not in the [`cache`](EngineBuilder::cache), and to give those that are made:
    /// for example a cache on a disk. It may answer later; a task waits for that without a place, at most ten seconds. Without
    /// a cache before it, the engine has one with default options.
    #[must_use]
    pub fn cache_behind(mut self, cache: impl Cache + 'static) -> Self {
        self.behind = Some(Arc::new(cache));
        self
    }

    /// The circuit breakers that tasks [ask](crate::Task::breaker). Runs of several engines that are to share them get clones of the
    /// same. Default: breakers of the engine's own, which all its runs share.
    #[must_use]
    pub fn breakers(mut self, breakers: Breakers) -> Self {
        self.breakers = breakers;
        self
    }

    /// Who grants what tasks [claim](crate::Claim). Runs of several engines that are to respect each other get clones of the same
    /// locks. Default: locks of the engine's own, which all its runs share.
    #[must_use]
    pub fn locks(mut self, locks: Locks) -> Self {
        self.locks = locks;
        self
    }

    /// What usage, and the savings of shared values, are priced with in the report. Without prices they are told in time and
    /// tokens only, but for savings that a provider billed.
    #[must_use]
    pub fn prices(mut self, prices: impl PriceSource + 'static) -> Self {
        self.prices = Some(Arc::new(prices));
        self
    }

    /// What its runs may spend: before each attempt what it may cost is reserved, after it what it did cost is charged. A task that
    /// the budget refuses fails. Without a budget nobody asks, and nothing is charged.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use orch_core::{Clock, Engine, Graph, Outcome, Plan, PlanOptions, PriceTable, Rates, RunOptions, Task, TaskContext, Usage, Usd};
    /// use orch_core::{cost::budget::{Column, Limit, Limits}, session::{Budget, Ledger}, store::MemoryStore};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> orch_core::Result<()> {
    /// // A million tokens for a dollar each way; a run may spend five cents.
    /// let prices = PriceTable::default().with("m", Rates::new(Usd::from_cents(100), Usd::from_cents(100)));
    /// let limits = Limits::new(vec![Limit::new("run", Usd::from_cents(5)).each(Column::Run)])?;
    /// let ledger = Ledger::new(Arc::new(MemoryStore::default()), limits, Clock::system());
    /// let call = || Usage::tokens("m", 20_000, 0);
    /// let work = move |_: TaskContext| async move { Outcome::done("ok").used(call()) };
    /// let engine = Engine::builder().executor(work).prices(prices).budget(Budget::new(ledger.clone())).build()?;
    /// let names = ["a", "b", "c"];
    /// let graph = Graph::builder("g").tasks(names.map(|name| Task::new(name).expects(call()))).build()?;
    /// let report = engine.run(&Plan::new(&graph, &PlanOptions::default())?, RunOptions::default()).await?;
    /// assert!(report.find("c").unwrap().failure().unwrap().message.contains("$0.04 spent"));
    /// assert_eq!(ledger.spent_by(&[], None, None)?[0].usd, Usd::from_cents(4));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Where the runs of this engine are kept, so that they survive its process: [`resume`](Engine::resume) goes on with one. What
    /// is told of a run is then in the store, and nothing builds on a task whose result is not. Without a store nothing is kept.
    #[must_use]
    pub fn store(self, store: impl Store + 'static) -> Self {
        self.store_shared(Arc::new(store))
    }

    /// The same for a store that others use as well.
    #[must_use]
    pub fn store_shared(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The engine.
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) without an executor.
    pub fn build(self) -> Result<Engine> {
        let executor = self.executor.ok_or_else(|| {
            Error::new(ErrorKind::Misuse, "an engine needs an executor: call `.executor(..)` before `.build()`")
        })?;
        let Self { sinks, cache, behind, breakers, locks, prices, budget, store, .. } = self;
        let cache = cache.or_else(|| behind.is_some().then(|| TtlCache::new(CacheOptions::default())));
        let cache = cache.map(SharedCache::new).map(|cache| match behind {
            Some(behind) => cache.over(behind),
            None => cache,
        });
        Ok(Engine(Arc::new(Seams { executor, sinks, cache, breakers, locks, prices, budget, store })))
    }
}

impl Engine {
    /// Starts to build an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The circuit breakers that tasks ask: to see how they stand, to close one by hand, to say how one behaves.
    pub fn breakers(&self) -> &Breakers {
        &self.0.breakers
    }

    /// Who grants what tasks claim: to see how resources stand, and to claim beside the runs.
    ///
    /// ```
    /// use orch_core::locks::Acquire;
    /// use orch_core::{Claim, Engine, Graph, Plan, PlanOptions, RunOptions, Task, TaskContext};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> orch_core::Result<()> {
    /// let graph = Graph::builder("g").task(Task::new("deploy").claim(Claim::exclusive("site"))).build()?;
    /// let plan = Plan::new(&graph, &PlanOptions::default())?;
    /// let engine = Engine::builder().executor(async |task: TaskContext| format!("with fence {:?}", task.fence())).build()?;
    ///
    /// let mine = engine.locks().acquire("site", "an operator", Acquire::default()).await?;
    /// let run = engine.start(&plan, RunOptions::default());
    /// tokio::task::yield_now().await;
    /// assert_eq!(engine.locks().stats("site").unwrap().waiting, 1, "the task waits for the operator");
    /// mine.release();
    /// assert!(run.report().await?.into_result().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn locks(&self) -> &Locks {
        &self.0.locks
    }

    /// Waits until the [cache behind](EngineBuilder::cache_behind) has kept all that runs gave it so far. Runs do not wait for it
    /// themselves; a process that is about to end should. Without such a cache it is done at once.
    ///
    /// # Errors
    ///
    /// The latest of those that kept it from keeping something, since the last call.
    pub async fn settle(&self) -> Result<()> {
        match &self.0.cache {
            Some(cache) => cache.settle().await,
            None => Ok(()),
        }
    }

    /// Runs the plan to its end and answers the report. Dropping the future cancels the run.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for options that no run can follow. A failed task is no error here: see
    /// [`Report::into_result`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one without time, as tokio's own timers do, once something has to wait.
    pub async fn run(&self, plan: &Plan, options: RunOptions) -> Result<Report> {
        Driver::new(self.0.clone(), plan, options, None)?.drive_from_here().await
    }

    /// Goes on with a run that its process did not bring to an end, or that did not succeed, as it was defined then: what has
    /// ended is kept, the rest is run. For an edited definition load a [`Resume`] with its graph, and start a plan of what that
    /// answers. Blocks while it reads the run.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use orch_core::{Clock, Engine, Graph, Outcome, Plan, PlanOptions, RunOptions, Task, TaskContext, store::MemoryStore};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> orch_core::Result<()> {
    /// static BROKEN: AtomicBool = AtomicBool::new(true);
    /// let work = async |task: TaskContext| match task.id().as_str() {
    ///     "publish" if BROKEN.load(Ordering::Relaxed) => Outcome::failed("no network"),
    ///     name => Outcome::done(format!("{name} done")),
    /// };
    /// let engine = Engine::builder().executor(work).store(MemoryStore::new(Clock::system())).build()?;
    /// let graph = Graph::builder("g").task(Task::new("build")).task(Task::new("publish").after("build")).build()?;
    /// let first = engine.run(&Plan::new(&graph, &PlanOptions::default())?, RunOptions::default()).await?;
    /// let run = first.run().unwrap();
    /// assert!(first.into_result().is_err());
    ///
    /// BROKEN.store(false, Ordering::Relaxed);
    /// let again = engine.resume(run, RunOptions::default())?.report().await?;
    /// assert!(again.find("build").unwrap().is_restored(), "it is not run again");
    /// assert!(again.into_result().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) without a store; those of [`StoredRun::load`](crate::session::StoredRun::load).
    pub fn resume(&self, run: RunId, options: RunOptions) -> Result<Run> {
        let store = self.0.store.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Misuse, "an engine resumes from its store: call `.store(..)` before `.build()`")
        })?;
        let resume = Resume::load(store, run, None, None, options.directory.as_deref())?;
        let plan = Plan::new(resume.graph(), &PlanOptions::default())?;
        Ok(self.start(&plan, RunOptions { resume: Some(resume), ..options }))
    }

    /// Starts the plan on the current runtime and answers a handle that tells its events. Without a runtime, or with
    /// options that no run can follow, the handle's [`report`](Run::report) answers the error.
    pub fn start(&self, plan: &Plan, options: RunOptions) -> Run {
        Run::start(self.0.clone(), plan, options)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sinks", &self.0.sinks.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("sinks", &self.sinks.len()).finish_non_exhaustive()
    }
}
