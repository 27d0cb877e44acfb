//! What one process has made, others find: a cache in a store, behind the one in memory.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use orch_core::{
    Admission, CacheValue, Clock, Engine, ErrorKind, EventKind, Graph, Keep, OutputSpec, Plan, PlanOptions, Report,
    RunId, RunOptions, Task, TaskContext, TaskState, Usd,
    cache::{Cache, Held, Turn},
    session::{StoreCache, StoreCacheOptions, Trust},
    store::{CacheRow, Locked, MemoryStore, Store},
};
use tokio::sync::Notify;

const TTL: Duration = Duration::from_secs(600);

/// As another process would have one.
struct Process {
    engine: Engine,
    calls: Arc<AtomicUsize>,
    /// Lets bodies end that wait.
    gate: Arc<Notify>,
}

impl Process {
    fn new(store: &Arc<MemoryStore>, options: StoreCacheOptions, waits: bool) -> Self {
        let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counts, opens) = (calls.clone(), gate.clone());
        let executor = move |_: TaskContext| {
            counts.fetch_add(1, SeqCst);
            let opens = opens.clone();
            async move {
                if waits {
                    opens.notified().await;
                }
                "analysed"
            }
        };
        let cache = StoreCache::new(store.clone(), options);
        Self { engine: Engine::builder().executor(executor).cache_behind(cache).build().unwrap(), calls, gate }
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    async fn run(&self) -> Report {
        let report = self.engine.run(&one_analysis(), RunOptions::default()).await.unwrap();
        self.engine.settle().await.unwrap();
        assert_eq!(report.find("analysis").unwrap().output().json().unwrap(), "analysed");
        report
    }

    /// And under which key the result was missed.
    async fn run_and_tell_key(&self) -> (Report, String) {
        let mut run = self.engine.start(&one_analysis(), RunOptions::default());
        let mut missed = None;
        while let Some(event) = run.next_event().await {
            if let EventKind::TaskMissed { key, .. } = event.kind {
                missed = Some(key.to_string());
            }
        }
        let report = run.report().await.unwrap();
        self.engine.settle().await.unwrap();
        (report, missed.unwrap())
    }
}

/// Waits for what happens in the background, a minute at most.
async fn until(mut happened: impl AsyncFnMut() -> bool) {
    for _ in 0..60_000 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not happen");
}

fn one_analysis() -> Plan {
    let output = OutputSpec { key: "map".into(), ttl: Some(TTL) };
    let task = Task::new("analysis").agent("analyst").with(|options| options.outputs.push(output));
    Plan::new(&Graph::builder("g").task(task).build().unwrap(), &PlanOptions::default()).unwrap()
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(Clock::system()))
}

fn trust(trust: Trust) -> StoreCacheOptions {
    StoreCacheOptions { trust, ..StoreCacheOptions::default() }
}

#[tokio::test]
async fn what_one_process_made_another_finds() {
    let store = store();
    let commit = StoreCacheOptions { commit: Some("abc123".into()), ..StoreCacheOptions::default() };
    let first = Process::new(&store, commit, false);
    let (report, key) = first.run_and_tell_key().await;
    let second = Process::new(&store, StoreCacheOptions::default(), false);
    let known = second.run().await;
    assert!(known.find("analysis").unwrap().saved().is_some());
    assert_eq!((first.calls(), second.calls()), (1, 0));

    let cache = StoreCache::new(store.clone(), StoreCacheOptions::default());
    let by = cache.made_by(&key).unwrap().unwrap();
    assert_eq!((by.commit.as_deref(), by.run, by.trust), (Some("abc123"), report.run(), Trust::Trusted));
    assert_eq!(by.writer, format!("process {}", std::process::id()));
    assert_eq!(cache.made_by("nothing").unwrap(), None);
}

#[tokio::test]
async fn what_an_untrusted_process_made_trusted_ones_do_not_read() {
    let store = store();
    let process = |tier| Process::new(&store, trust(tier), false);
    let calls = |process: &Process| process.calls();
    let (stranger, friend) = (process(Trust::Untrusted), process(Trust::Untrusted));
    stranger.run().await;
    friend.run().await;
    assert_eq!((calls(&stranger), calls(&friend)), (1, 0), "others like it do");
    let owner = process(Trust::Trusted);
    owner.run().await;
    assert_eq!(calls(&owner), 1);
    let (another, late) = (process(Trust::Trusted), process(Trust::Untrusted));
    another.run().await;
    late.run().await;
    assert_eq!((calls(&another), calls(&late)), (0, 0), "everybody reads what a trusted one made");
}

#[tokio::test]
async fn of_several_processes_one_makes_it() {
    let store = store();
    let poll = StoreCacheOptions { poll: Duration::from_millis(1), ..StoreCacheOptions::default() };
    let first = Process::new(&store, poll.clone(), true);
    let making = first.engine.start(&one_analysis(), RunOptions::default());
    until(async || first.calls() > 0).await;
    let others: Vec<_> = (0..3).map(|_| Process::new(&store, poll.clone(), false)).collect();
    let runs: Vec<_> = others.iter().map(|it| it.engine.start(&one_analysis(), RunOptions::default())).collect();
    // They have asked by now, or ask later: either way they find what the first one makes.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    first.gate.notify_one();
    assert!(making.report().await.unwrap().find("analysis").unwrap().saved().is_none());
    for run in runs {
        assert!(run.report().await.unwrap().find("analysis").unwrap().saved().is_some());
    }
    assert_eq!(others.iter().map(Process::calls).sum::<usize>(), 0);
}

#[tokio::test]
async fn when_the_maker_goes_the_next_one_makes_it() {
    let store = store();
    let poll = StoreCacheOptions { poll: Duration::from_millis(1), ..StoreCacheOptions::default() };
    let first = Process::new(&store, poll.clone(), true);
    let making = first.engine.start(&one_analysis(), RunOptions::default());
    until(async || first.calls() > 0).await;
    let second = Process::new(&store, poll, false);
    let waiting = second.engine.start(&one_analysis(), RunOptions::default());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    making.cancel("enough");
    assert_eq!(making.report().await.unwrap().find("analysis").unwrap().state(), TaskState::Cancelled);
    assert_eq!(waiting.report().await.unwrap().find("analysis").unwrap().state(), TaskState::Succeeded);
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

/// The time of the store stands still unless it is moved; the lead is renewed by the time of the process.
#[tokio::test]
async fn a_maker_at_work_keeps_the_lead() {
    let (clock, hand) = Clock::manual();
    let store = Arc::new(MemoryStore::new(clock));
    let lead = Duration::from_millis(30);
    let cache = StoreCache::new(store.clone(), StoreCacheOptions { lead, ..StoreCacheOptions::default() });
    let run = RunId::from_parts(1, 1);
    let Turn::Make(Some(making)) = cache.lead("k", run).wait().await.unwrap() else { panic!("nobody makes it") };
    for _ in 0..5 {
        hand.advance(lead / 2);
        until(async || {
            let Locked::Held { left, .. } = store.lock("cache/trusted/k", "test", lead).unwrap() else {
                panic!("the lead was lost")
            };
            left == lead
        })
        .await;
    }
    assert!(matches!(cache.lead("k", run).wait().await.unwrap(), Turn::Wait(_)));
    drop(making);
    // It is given back in the background.
    until(async || matches!(cache.lead("k", run).wait().await.unwrap(), Turn::Make(Some(_)))).await;
}

#[tokio::test]
async fn a_damaged_entry_is_made_anew() {
    let store = store();
    let process = || Process::new(&store, StoreCacheOptions::default(), false);
    let place = format!("trusted/{}", process().run_and_tell_key().await.1);
    let row = CacheRow { value: b"{".to_vec(), about: "{}".into(), worth: 1, left: TTL };
    assert!(store.cache_put(&place, &row, TTL, 1 << 30).unwrap());
    let second = process();
    let report = second.run().await;
    assert_eq!(second.calls(), 1);
    let warnings: Vec<_> = report.warnings().iter().map(|warning| warning.message.clone()).collect();
    assert!(warnings[0].contains("is not shared with other processes: the entry of `"), "{warnings:?}");
    let third = process();
    third.run().await;
    assert_eq!(third.calls(), 0, "the second one has put it right");
}

#[tokio::test]
async fn bytes_and_tags_and_costs_come_back() {
    let options = StoreCacheOptions { max_bytes: 1_000, ..StoreCacheOptions::default() };
    let cache = StoreCache::new(store(), options);
    let keep = |cents| {
        let cost = orch_core::Cost { money: Some(Usd::from_cents(cents)), ..orch_core::Cost::default() };
        Keep { tags: vec!["map".into()], cost, ..Keep::ttl(TTL) }
    };
    let bytes = |len: usize| CacheValue::from(vec![7u8; len]);
    assert_eq!(cache.keep("a", bytes(300), keep(5)).wait().await.unwrap(), Admission::Kept);
    let entry = cache.look("a").wait().await.unwrap().unwrap();
    assert_eq!((entry.value(), entry.tags(), entry.cost()), (&bytes(300), &["map".to_owned()][..], &keep(5).cost));
    assert!(entry.ttl() <= TTL);

    assert_eq!(cache.keep("b", bytes(300), keep(1)).wait().await.unwrap(), Admission::Crowded);
    assert_eq!(cache.keep("b", bytes(300), keep(9)).wait().await.unwrap(), Admission::Kept);
    assert!(cache.look("a").wait().await.unwrap().is_none(), "it saves less than `b`");
    let large = cache.keep("c", bytes(2_000), keep(9)).wait().await.unwrap();
    assert!(matches!(large, Admission::TooLarge { max_bytes: 1_000, .. }));
    assert_eq!(cache.keep("d", 1.into(), Keep::ttl(Duration::ZERO)).wait().await.unwrap(), Admission::Expired);
    assert_eq!(cache.invalidate("b").wait().await.unwrap(), 1);
    assert_eq!(cache.invalidate("b").wait().await.unwrap(), 0);

    let held = CacheValue::Held(Held::new(std::sync::Mutex::new(1), None, 8));
    let error = cache.keep("e", held, keep(1)).wait().await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("no JSON form")), (ErrorKind::InvalidValue, true), "{error}");
}
