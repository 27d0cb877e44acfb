use std::sync::mpsc;

use super::*;
use crate::{
    Engine, Graph, Hand, Plan, PlanOptions, RunId, RunOptions, RunState, Task, TaskContext,
    error::ErrorKind,
    locks::{Acquire, Locks},
    session::StoredRun,
    store::MemoryStore,
};

fn quick() -> StoreLocksOptions {
    let (turn, poll) = (Duration::from_millis(5), Duration::from_millis(1));
    StoreLocksOptions { turn, poll, ..StoreLocksOptions::default() }
}

/// Locks that do not renew their leases while a test runs.
fn slow() -> StoreLocksOptions {
    StoreLocksOptions { lease: Duration::from_secs(3_600), ..quick() }
}

fn manual() -> (Arc<MemoryStore>, Hand) {
    let (clock, hand) = Clock::manual();
    (Arc::new(MemoryStore::new(clock)), hand)
}

fn locks(store: &Arc<MemoryStore>, options: StoreLocksOptions) -> Locks {
    Locks::new(StoreLocks::new(store.clone(), options))
}

fn forever() -> Acquire {
    Acquire { wait: None, ..Acquire::default() }
}

/// Three processes with two tasks each, that claim some of three resources, in any order and mode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_processes_have_a_resource_and_none_waits_forever() {
    const ROUNDS: u64 = 25;
    let store = Arc::new(MemoryStore::new(Clock::system()));
    // Which process has which resource, and how often; and the latest fence of each.
    type Have = BTreeMap<&'static str, (usize, usize, u64)>;
    let have: Arc<Mutex<Have>> = Arc::default();
    let mut tasks = Vec::new();
    for process in 0..3 {
        let shared = locks(&store, quick());
        for task in 0..2 {
            let (shared, have) = (shared.clone(), have.clone());
            tasks.push(tokio::spawn(async move {
                let mut random = 7 + 13 * process as u64 + task;
                for _ in 0..ROUNDS {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let (wanted, mode) = ((random >> 33) % 7 + 1, (random >> 40) % 2);
                    let mut names: Vec<&str> = ["a", "b", "c"]
                        .into_iter()
                        .enumerate()
                        .filter(|(at, _)| wanted >> at & 1 == 1)
                        .map(|it| it.1)
                        .collect();
                    if random >> 50 & 1 == 1 {
                        names.reverse();
                    }
                    let claim = |name: &&str| if mode == 0 { Claim::exclusive(*name) } else { Claim::shared(*name) };
                    let claims: Vec<Claim> = names.iter().map(claim).collect();
                    let guard = shared.acquire_all(&claims, format!("{process} {task}"), None).await.unwrap();
                    for name in &names {
                        let mut have = lock(&have);
                        let (of, count, fence) = have.entry(*name).or_insert((process, 0, 0));
                        assert!(*count == 0 || *of == process, "{of} and {process} have `{name}`");
                        // Within a process those who share it are granted in one order, and get here in another.
                        assert!(
                            *of == process || guard.fence() > *fence,
                            "{} is not later than {fence}",
                            guard.fence()
                        );
                        (*of, *count, *fence) = (process, *count + 1, guard.fence().max(*fence));
                    }
                    tokio::task::yield_now().await;
                    for name in &names {
                        lock(&have).entry(*name).and_modify(|(_, count, _)| *count -= 1);
                    }
                    drop(guard);
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Else it would keep `b` for its whole turn, which is as good as forever here, and whoever holds `a` would wait for it.
#[tokio::test]
async fn who_waits_for_an_earlier_resource_keeps_no_later_one() {
    let store = Arc::new(MemoryStore::new(Clock::system()));
    let patient = StoreLocksOptions { turn: Duration::from_secs(100_000), ..quick() };
    let [one, other] = [(); 2].map(|()| locks(&store, patient.clone()));
    let a = one.acquire("a", "one", forever()).await.unwrap();
    let b = other.acquire("b", "other", forever()).await.unwrap();
    let both = [Claim::exclusive("a"), Claim::exclusive("b")];
    let waits = other.acquire_all(&both, "yet another", None);
    tokio::pin!(waits);
    assert!(futures_once(&mut waits).await.is_none());
    drop(b);
    let b = one.acquire("b", "one", forever()).await.unwrap();
    drop((a, b));
    drop(waits.await.unwrap());
}

#[tokio::test]
async fn what_a_dead_process_held_is_taken_over() {
    let (store, hand) = manual();
    let dead = store.lock("resource/site", "a dead process", Duration::from_secs(30)).unwrap().granted().unwrap();
    let locks = locks(&store, quick());
    let waits = locks.acquire("site", "heir", forever());
    tokio::pin!(waits);
    assert!(futures_once(&mut waits).await.is_none(), "it may well be alive");
    assert_eq!(locks.stats("site").unwrap().waiting, 1);
    hand.advance(Duration::from_secs(31));
    let guard = waits.await.unwrap();
    assert_eq!(store.lock("resource/site", "x", Duration::from_secs(1)).unwrap().granted(), None);
    drop(guard);
    assert!(dead.fence > 0);
}

/// Polls once.
async fn futures_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|task| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(task) {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn resources_of_a_run_are_nobody_elses() {
    let (store, _hand) = manual();
    store.lock("resource/own", "another process", Duration::from_secs(30)).unwrap().granted().unwrap();
    let own = Resource { per_run: true, ..Resource::new("own") };
    let task = Task::new("t").claim(Claim::exclusive("own"));
    let graph = Graph::builder("g").task(task).resource(own).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let engine = Engine::builder().executor(async |_: TaskContext| ()).locks(locks(&store, quick())).build().unwrap();
    assert_eq!(engine.run(&plan, RunOptions::default()).await.unwrap().state(), RunState::Succeeded);
}

/// What is heard, and the rest of a request.
struct Tells(mpsc::Sender<Word>);

impl Ear for Tells {
    fn told(&self, _: u64, word: Word) {
        self.0.send(word).unwrap_or_default();
    }
}

#[test]
fn who_lost_a_lease_is_told() {
    let (store, hand) = manual();
    let lease = Duration::from_millis(30);
    let locks = StoreLocks::new(store.clone(), StoreLocksOptions { lease, ..quick() });
    let (tell, told) = mpsc::channel();
    let ear: Arc<dyn Ear> = Arc::new(Tells(tell));
    let claims = [Claim::exclusive("site")];
    let ask = Ask { asker: Asker::Named("me"), scope: 0, claims: &claims, rank: 0, wait: None };
    let Asked::Waits(waits) = locks.ask(&ask, &mut || (ear.clone(), 1)) else { panic!("nobody has opened the gate") };
    assert_eq!((waits.resource.as_str(), waits.holder.as_deref()), ("site", Some("another process")));
    let Word::Granted { fence } = told.recv().unwrap() else { panic!("nobody else wants it") };
    let backing = locks.backing(waits.ticket);
    assert_eq!(backing.iter().map(|it| it.lease.as_str()).collect::<Vec<_>>(), ["resource/site"]);
    // The process is asleep for longer than its lease; it may renew it in between.
    let theirs = loop {
        hand.advance(lease * 2);
        if let Some(theirs) = store.lock("resource/site", "another", Duration::from_secs(30)).unwrap().granted() {
            break theirs;
        }
    };
    assert!(theirs.taken_over && theirs.fence > backing[0].fence);
    let Word::Expired { resource, fence: lost } = told.recv().unwrap() else { panic!("it is lost") };
    assert_eq!((resource.as_str(), lost), ("site", fence));
    assert!(locks.release(waits.ticket));
    // The next one waits for the other process.
    let Asked::Waits(next) = locks.ask(&ask, &mut || (ear.clone(), 2)) else { panic!("another has it") };
    assert!(store.release("resource/site", theirs.fence).unwrap());
    let Word::Granted { fence: later } = told.recv().unwrap() else { panic!("it is free") };
    assert!(later > fence);
    locks.release(next.ticket);
}

/// The only process that uses a resource goes on to, turn after turn, and gives it back when it is done.
#[tokio::test]
async fn a_lease_comes_and_goes() {
    let (store, _hand) = manual();
    let locks = locks(&store, StoreLocksOptions { turn: Duration::ZERO, ..quick() });
    let mut fence = 0;
    for round in 0..5 {
        let guard = locks.acquire("site", "me", forever()).await.unwrap();
        assert!(guard.fence() > fence, "round {round}");
        fence = guard.fence();
        assert!(store.holder("resource/site").unwrap().is_some());
    }
    while store.holder("resource/site").unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    assert!(locks.try_acquire("site", "me", Acquire::default()).unwrap().is_none(), "the lease has to be taken first");
    let guard = loop {
        if let Some(guard) = locks.try_acquire("site", "me", Acquire::default()).unwrap() {
            break guard;
        }
        tokio::task::yield_now().await;
    };
    drop(guard);
    drop(locks);
    while store.holder("resource/site").unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_store_keeps_nothing_that_was_done_under_a_lost_lease() {
    for (loses, kept) in [(false, true), (true, false)] {
        let (store, hand) = manual();
        let (inside, hands) = (store.clone(), hand);
        let work = move |task: TaskContext| {
            assert!(task.fence().is_some());
            if loses {
                hands.advance(Duration::from_secs(7_200));
                let lock = inside.lock("resource/site", "another", Duration::from_secs(7_200)).unwrap();
                assert!(lock.granted().unwrap().taken_over);
            }
            async { "deployed" }
        };
        let graph = Graph::builder("g").task(Task::new("deploy").claim(Claim::exclusive("site"))).build().unwrap();
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let engine = Engine::builder().executor(work).locks(locks(&store, slow()));
        let engine = engine.store_shared(store.clone()).build().unwrap();
        let run = RunId::from_parts(1, 1);
        let ended = engine.run(&plan, RunOptions { run: Some(run), ..RunOptions::default() }).await;
        match ended {
            Ok(report) => assert!(kept && report.state() == RunState::Succeeded),
            Err(error) => {
                assert!(!kept);
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                assert!(error.to_string().contains("resource/site"), "{error}");
            }
        }
        let stored = StoredRun::load(&*store, run).unwrap();
        assert_eq!(stored.report.find("deploy").unwrap().output().json().is_some(), kept);
    }
}
