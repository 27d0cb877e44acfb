//! A store that fails at some call, and what is left then.

use proptest::{collection::vec, prelude::*};

use super::*;

/// Fails from its n-th append on, before or after the store has it.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    pub(crate) store: MemoryStore,
    appends: Arc<AtomicU64>,
    last: u64,
    /// Whether the store has the append that fails.
    kept: bool,
}

impl Faulty {
    fn new(store: &MemoryStore, last: u64, kept: bool) -> Self {
        Self { store: store.clone(), appends: Arc::default(), last, kept }
    }
}

impl Faulty {
    fn failing(&self, append: impl Fn(&MemoryStore) -> Result<()>) -> Result<()> {
        let nth = self.appends.fetch_add(1, Ordering::Relaxed);
        if nth < self.last {
            return append(&self.store);
        }
        if nth == self.last && self.kept {
            append(&self.store)?;
        }
        Err(Error::new(ErrorKind::Io, "the disk is gone"))
    }
}

impl Store for Faulty {
    fn append(&self, append: &Append<'_>) -> Result<()> {
        self.failing(|store| store.append(append))
    }
    fn open_run(&self, header: &RunHeader, first: Option<&Append<'_>>) -> Result<()> {
        self.failing(|store| store.open_run(header, first))
    }
    fn read(&self, run: RunId, fence: u64, from: u64) -> Result<Vec<Record>> {
        self.store.read(run, fence, from)
    }
    fn watch(&self, seen: &RunRow, at_most: Duration) -> Result<RunRow> {
        self.store.watch(seen, at_most)
    }
    fn runs(&self, source: Option<&str>, limit: usize) -> Result<Vec<RunRow>> {
        self.store.runs(source, limit)
    }
    fn run(&self, run: RunId) -> Result<Option<RunRow>> {
        self.store.run(run)
    }
    fn put_blobs(&self, blobs: &[Blob]) -> Result<()> {
        self.store.put_blobs(blobs)
    }
    fn blob(&self, hash: BlobHash) -> Result<Option<Vec<u8>>> {
        self.store.blob(hash)
    }
    fn lock(&self, name: &str, holder: &str, lasts: Duration) -> Result<Locked> {
        self.store.lock(name, holder, lasts)
    }
    fn renew(&self, name: &str, fence: u64, lasts: Duration) -> Result<bool> {
        self.store.renew(name, fence, lasts)
    }
    fn release(&self, name: &str, fence: u64) -> Result<bool> {
        self.store.release(name, fence)
    }
    fn holder(&self, name: &str) -> Result<Option<String>> {
        self.store.holder(name)
    }
    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>> {
        self.store.cache_get(key)
    }
    fn cache_put(&self, key: &str, row: &CacheRow, lasts: Duration, limit: u64) -> Result<bool> {
        self.store.cache_put(key, row, lasts, limit)
    }
    fn cache_drop(&self, key: &str) -> Result<bool> {
        self.store.cache_drop(key)
    }
    fn wish(&self, run: RunId, wish: &Wish) -> Result<()> {
        self.store.wish(run, wish)
    }
    fn take_wishes(&self, run: RunId) -> Result<Vec<Wish>> {
        self.store.take_wishes(run)
    }
    fn book(&self, entry: &mut dyn FnMut(&mut dyn orch_core::store::Book) -> Result<()>) -> Result<()> {
        self.store.book(entry)
    }
    fn cells(&self, prefix: &str) -> Result<Vec<(String, orch_core::store::Content)>> {
        self.store.cells(prefix)
    }
    fn charges(&self, from: orch_core::WallTime, to: orch_core::WallTime) -> Result<Vec<orch_core::store::ChargeRow>> {
        self.store.charges(from, to)
    }
    fn post(&self, letters: &[Letter]) -> Result<usize> {
        self.store.post(letters)
    }
    fn take_letters(&self, targets: &[&str], limit: usize, lasts: Duration) -> Result<Vec<LetterRow>> {
        self.store.take_letters(targets, limit, lasts)
    }
    fn delivered(&self, letter: &LetterRow, how: &Delivery) -> Result<bool> {
        self.store.delivered(letter, how)
    }
    fn letters(&self, limit: usize) -> Result<Vec<LetterRow>> {
        self.store.letters(limit)
    }
    fn keep_facts(&self, facts: &[orch_core::store::Fact]) -> Result<usize> {
        self.store.keep_facts(facts)
    }
    fn facts(&self, query: &orch_core::store::FactQuery<'_>) -> Result<Vec<orch_core::store::Fact>> {
        self.store.facts(query)
    }
}

/// Runs a graph whose store fails at an append, again and again, until it is through. What was told is never begun again.
fn survives(graph: &Graph, faults: &[(u64, bool)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, told) = (memory(), Arc::new(Mutex::new(Vec::<String>::new())));
        let mut resume: Option<Resume> = None;
        // The last time nothing fails.
        for (last, kept) in faults.iter().copied().chain([(u64::MAX, true)]) {
            let known = told.clone();
            let work = move |task: TaskContext| {
                let name = task.id().to_string();
                assert!(!known.lock().unwrap().contains(&name), "`{name}` was told to have ended");
                async { name }
            };
            let hears = told.clone();
            let sink = move |graph: &Graph, events: &[Event]| {
                for event in events {
                    if let EventKind::TaskFinished { task, result: Ok(_), .. } = &event.kind {
                        hears.lock().unwrap().push(graph.id(*task).to_string());
                    }
                }
            };
            let faulty = Faulty::new(&store, last, kept);
            let engine = Engine::builder().executor(work).sink(sink).store(faulty).build().unwrap();
            let options = RunOptions { run: resume.is_none().then(|| run(1)), resume, ..RunOptions::default() };
            let ended: Result<Report> = engine.run(&plan(graph), options).await;
            match ended {
                Ok(report) => assert_eq!(report.state(), RunState::Succeeded),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error}"),
            }
            // The very first append may have been the one that failed.
            resume = store.run(run(1)).unwrap().map(|_| Resume::load(&store, run(1), Some(graph), None, None).unwrap());
        }
        assert_eq!(resume.unwrap().again(), []);
        let mut told = told.lock().unwrap().clone();
        told.sort();
        assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "told twice: {told:?}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_result_that_was_told_is_lost_or_made_again(
        edges in vec((0u32..12, 0u32..12), 0..30),
        faults in vec((0u64..8, any::<bool>()), 0..5),
    ) {
        let mut builder = Graph::builder("random").tasks((0..12).map(|ix| Task::new(format!("t{ix}"))));
        for (from, to) in edges.into_iter().filter(|(from, to)| from < to) {
            builder.link(from.into(), to.into());
        }
        survives(&builder.build().unwrap(), &faults);
    }
}

/// What was found: a new part had begun, and the process died before it had written down what was kept.
#[test]
fn a_process_that_dies_before_its_first_append_loses_nothing() {
    survives(&graph((0..12).map(|ix| Task::new(format!("t{ix}")))), &[(2, false), (0, false), (0, true)]);
}

#[tokio::test]
async fn a_store_that_fails_ends_the_run_with_its_error() {
    let store = memory();
    let faulty = Faulty::new(&store, 0, false);
    let never = Arc::new(Notify::new());
    let waits = never.clone();
    let work = move |_: TaskContext| {
        let waits = waits.clone();
        async move { waits.notified().await }
    };
    let engine = Engine::builder().executor(work).store(faulty).build().unwrap();
    let error = engine.run(&plan(&diamond()), options(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Io, "the disk is gone"));
    let error = engine.start(&plan(&diamond()), options(2)).report().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}
