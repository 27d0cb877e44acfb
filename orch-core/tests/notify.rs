//! Notices against a real server on this machine that is busy, slow, dead or wrong.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(all(feature = "notify", feature = "sqlite"))]

use std::{sync::Arc, time::Duration};

use orch_core::{
    Clock, Engine, Event, EventSink as _, Graph, Hand, Outcome, Plan, PlanOptions, Redactor, RunOptions, Usd, WallTime,
    blocking,
    cost::budget::{Labels, Limit, Limits, Period},
    ext::notify::{
        Answer, Courier, HttpCourier, Notice, Outbox, RunNotices, Target, TargetKind, TargetOptions, TellWhen,
    },
    session::{Answer as Ledgered, Charge, Ledger},
    store::{LetterState, MemoryStore, SqliteOptions, SqliteStore, Store},
};
use serde_json::Value;

use self::server::{SECRET, Server, answer};

#[path = "notify/server.rs"]
mod server;

fn target(name: &str, server: &Server) -> Target {
    Target::new(name, TargetKind::Discord, &server.address(), TargetOptions { local: true }).unwrap()
}

fn outbox(targets: Vec<Target>) -> (Arc<MemoryStore>, Outbox, Hand) {
    let (clock, hand) = Clock::manual();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    (store.clone(), Outbox::new(store, targets, clock), hand)
}

fn notice(title: &str) -> Notice {
    Notice::new(title, 1, WallTime(0))
}

#[test]
fn each_milestone_is_told_once() {
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let (store, outbox, _) = outbox(vec![target("chat", &server)]);
    let five =
        Notice::milestone(Usd::from_cents(500), Usd::from_cents(500), 3, 160, Usd::from_cents(1500), WallTime(0));
    for _ in 0..3 {
        outbox.post("month/2026-11/5", &five).unwrap();
        outbox.deliver(&HttpCourier::new()).unwrap();
    }
    assert_eq!(server.titles(), ["🚀 $5 Milestone Reached!"]);
    assert_eq!(server.got.lock().unwrap()[0]["allowed_mentions"]["parse"], serde_json::json!([]));
    assert_eq!(store.letters(9).unwrap()[0].state, LetterState::Sent);
}

#[test]
fn a_storm_of_429_is_waited_out_for_as_long_as_the_server_asks() {
    // Twice by the header, twice by the body, then it takes everything.
    let server = Server::new(|number| match number {
        0 | 1 => answer("429 Too Many Requests", "Retry-After: 2.5\r\n", ""),
        2 | 3 => {
            answer("429 Too Many Requests", "", r#"{"message": "slow down", "retry_after": 40.25, "global": false}"#)
        }
        _ => answer("200 OK", "", "{}"),
    });
    let (store, outbox, hand) = outbox(vec![target("chat", &server)]);
    let courier = HttpCourier::new();
    let titles: Vec<String> = (0..5).map(|nth| format!("notice {nth}")).collect();
    for title in &titles {
        outbox.post(title, &notice(title)).unwrap();
    }
    for wait in [2500, 2500, 40_250, 40_250] {
        let done = outbox.deliver(&courier).unwrap();
        assert_eq!((done.sent, done.later), (0, 1), "no other letter is tried while the target is busy");
        assert_eq!(done.why.as_deref(), Some("chat: it answered 429"));
        hand.advance(Duration::from_millis(wait - 1));
        assert_eq!(outbox.deliver(&courier).unwrap(), Default::default(), "not a moment before its time");
        hand.advance(Duration::from_millis(1));
    }
    let mut sent = 0;
    while sent < 5 {
        sent += outbox.deliver(&courier).unwrap().sent;
        hand.advance(Duration::from_secs(1));
    }
    let mut told = server.titles().split_off(4);
    told.sort();
    assert_eq!(told, titles, "each once after the storm");
    assert!(store.letters(9).unwrap().iter().all(|letter| letter.state == LetterState::Sent));
}

#[test]
fn a_dead_server_is_tried_for_a_day_and_another_one_does_not_wait_for_it() {
    let alive = Server::new(|_| answer("204 No Content", "", ""));
    let dead = {
        let gone = Server::new(|_| None);
        target("dead", &gone)
    };
    let (store, outbox, hand) = outbox(vec![dead, target("chat", &alive)]);
    let courier = HttpCourier::new();
    outbox.post("a", &notice("a")).unwrap();
    let first = outbox.deliver(&courier).unwrap();
    assert_eq!((first.sent, first.later), (1, 1));
    let (mut waited, mut tries) = (Duration::ZERO, 1);
    loop {
        hand.advance(Duration::from_secs(1));
        waited += Duration::from_secs(1);
        let done = outbox.deliver(&courier).unwrap();
        tries += done.later + done.dropped;
        if done.dropped > 0 {
            break;
        }
        assert!(waited < Duration::from_hours(25));
    }
    assert!(waited >= Duration::from_hours(24), "{waited:?}");
    assert!((90..120).contains(&tries), "ever more seldom: {tries}");
    let row = &store.letters(9).unwrap().into_iter().find(|row| row.target == "dead").unwrap();
    let why = row.why.as_deref().unwrap();
    assert!(why.starts_with("given up after a day: the connection"), "{why}");
    assert!(!why.contains(SECRET) && row.body.is_empty());
    assert_eq!(alive.titles(), ["a"]);
}

#[test]
fn what_will_never_be_taken_is_given_up_and_says_why() {
    for (status, why) in [
        ("404 Not Found", "chat: it answered 404: there is no such webhook any more"),
        ("400 Bad Request", "chat: it answered 400"),
        ("302 Found", "chat: it answered 302, a redirect, and none is followed"),
    ] {
        let server = Server::new(move |_| answer(status, &format!("Location: http://127.0.0.1:1/{SECRET}\r\n"), "no"));
        let (_, outbox, _) = outbox(vec![target("chat", &server)]);
        outbox.post("a", &notice("a")).unwrap();
        let done = outbox.deliver(&HttpCourier::new()).unwrap();
        assert_eq!((done.dropped, done.why.as_deref()), (1, Some(why)));
        assert_eq!(server.titles().len(), 1);
    }
}

/// Delivers, and then forgets: as a process that was killed between the server's answer and its own note of it.
struct Killed(HttpCourier);

impl Courier for Killed {
    fn carry(&self, target: &Target, payload: &Value) -> Result<Answer, String> {
        self.0.carry(target, payload).unwrap();
        panic!("killed");
    }
}

#[test]
fn a_restart_between_send_and_record_tells_again_and_records_once() {
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = Clock::manual();
    let open = || {
        let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::default() };
        let store = Arc::new(SqliteStore::open(folder.path().join("orch.db"), options).unwrap());
        (store.clone(), Outbox::new(store, vec![target("chat", &server)], clock.clone()))
    };
    let (_, outbox) = open();
    outbox.post("a", &notice("a")).unwrap();
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| outbox.deliver(&Killed(HttpCourier::new()))));
    assert!(killed.is_err());
    let (store, outbox) = open();
    assert_eq!(outbox.deliver(&HttpCourier::new()).unwrap().sent, 0, "it may still be on its way");
    hand.advance(Duration::from_secs(60));
    outbox.post("a", &notice("a")).unwrap();
    assert_eq!(outbox.deliver(&HttpCourier::new()).unwrap().sent, 1);
    assert_eq!(server.titles(), ["a", "a"], "at least once");
    let rows = store.letters(9).unwrap();
    assert_eq!((rows.len(), rows[0].state, rows[0].tries), (1, LetterState::Sent, 2));
    assert!(!format!("{rows:?} {outbox:?} {store:?}").contains(SECRET));
    let text = std::fs::read(folder.path().join("orch.db")).unwrap();
    let wal = std::fs::read(folder.path().join("orch.db-wal")).unwrap_or_default();
    let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    assert!(!holds(&text) && !holds(&wal), "the store knows no address");
}

#[test]
fn many_deliver_one_outbox_and_nothing_is_told_twice() {
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orch.db");
    SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    let work = || {
        let store = Arc::new(SqliteStore::open(&path, SqliteOptions::default()).unwrap());
        let outbox = Outbox::new(store, vec![target("chat", &server)], Clock::system());
        for nth in 0..8 {
            outbox.post(&format!("notice {nth}"), &notice(&format!("notice {nth}"))).unwrap();
        }
        outbox.deliver(&HttpCourier::new()).unwrap().sent
    };
    let sent: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let mut titles = server.titles();
    titles.sort();
    assert_eq!((sent, titles), (8, (0..8).map(|nth| format!("notice {nth}")).collect::<Vec<_>>()));
}

#[test]
fn a_run_tells_of_itself_and_does_not_wait() {
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let (_, outbox, _) = outbox(vec![target("chat", &server)]);
    let notices = Arc::new(RunNotices::start(
        Arc::new(outbox),
        Arc::new(HttpCourier::new()),
        TellWhen::default(),
        Redactor::new(),
    ));
    let heard = notices.clone();
    let graph = Graph::builder("nightly").task(orch_core::Task::new("build")).build().unwrap();
    let engine = Engine::builder()
        .executor(async |_: orch_core::TaskContext| Outcome::failed(format!("no key sk-ant-{}", "a1B2".repeat(8))))
        .sink(move |graph: &Graph, events: &[Event]| heard.hear(graph, events))
        .build()
        .unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    blocking::run(&engine, &plan, RunOptions::default()).unwrap();
    drop(engine);
    let done = Arc::into_inner(notices).unwrap().finish().unwrap();
    assert_eq!((done.sent, done.why), (2, None));
    let got = server.got.lock().unwrap();
    let first = &got[0]["embeds"][0];
    assert_eq!(
        (&first["title"], &first["fields"][0]["value"]),
        (&"🚀 AI Orchestration - Execution Started".into(), &"nightly".into())
    );
    let last = &got[1]["embeds"][0];
    assert_eq!((&last["title"], &last["color"]), (&"❌ Execution Error".into(), &0xFF0000.into()));
    assert_eq!(last["description"], "task `build` failed: no key [redacted]");
}

#[test]
fn a_name_that_stands_for_this_machine_is_not_used() {
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let port = server.address().split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let address = format!("https://{host}:{port}/{SECRET}");
        let target = Target::new("hook", TargetKind::Webhook, &address, TargetOptions::default()).unwrap();
        let why = HttpCourier::new().carry(&target, &Value::Null).unwrap_err();
        assert_eq!(why, "its host has no address that may be used", "{host}");
    }
    assert_eq!(server.titles().len(), 0);
}

/// A month of fifteen dollars.
fn month(store: &Arc<MemoryStore>, clock: &Clock) -> Ledger {
    let milestones = [500, 1000, 1500].map(Usd::from_cents).to_vec();
    let month = Limit { per: Period::Month, milestones, ..Limit::new("month", Usd::from_cents(1500)) };
    Ledger::new(store.clone(), Limits::new(vec![month]).unwrap(), clock.clone())
}

fn spend(ledger: &Ledger, cents: i64) {
    let Ledgered::Granted(booked) = ledger.reserve(&[(Labels::default(), Usd::from_cents(cents))]).unwrap() else {
        panic!("there is enough")
    };
    ledger.settle(&booked.id, vec![Charge::new(Labels::default(), Usd::from_cents(cents))]).unwrap();
}

/// Also where one charge crosses two, where nobody was there to tell it, and after a restart between record and post.
#[test]
fn what_happens_to_a_budget_is_told_once_by_whoever_comes_next() {
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let (clock, hand) = Clock::manual();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let outbox = Outbox::new(store.clone(), vec![target("chat", &server)], clock.clone());
    // One process spends and tells nobody.
    spend(&month(&store, &clock), 1100);
    // Another one finds it, and dies after it has posted and before it has said so: the news are there again.
    let ledger = month(&store, &clock);
    let news = ledger.news().unwrap();
    assert_eq!(news.len(), 2, "five and ten dollars, by one charge");
    for one in &news {
        outbox.post(&format!("budget/{}", one.key), &Notice::of_news(one)).unwrap();
    }
    assert_eq!(outbox.post_news(&month(&store, &clock)).unwrap(), 0, "they are on their way");
    assert_eq!((outbox.deliver(&HttpCourier::new()).unwrap().sent, ledger.news().unwrap().len()), (2, 0));
    spend(&ledger, 400);
    // Nothing is left; whoever asks is refused, again and again.
    for _ in 0..3 {
        assert!(matches!(ledger.reserve(&[(Labels::default(), Usd::ZERO)]).unwrap(), Ledgered::Stopped(_)));
    }
    hand.advance(Duration::from_secs(40 * 86_400));
    // The first charge of the next month sums up the last one; of the old news, one is too old to be told.
    for cents in [100, 400] {
        spend(&month(&store, &clock), cents);
    }
    for _ in 0..3 {
        outbox.post_news(&month(&store, &clock)).unwrap();
        outbox.deliver(&HttpCourier::new()).unwrap();
    }
    assert_eq!(
        server.titles(),
        [
            "🚀 $5 Milestone Reached!",
            "⚡ $10 Milestone Reached!",
            "📊 Monthly Recap - AI Orchestration",
            "🚀 $5 Milestone Reached!"
        ]
    );
    let got = server.got.lock().unwrap();
    let recap = &got[2]["embeds"][0];
    assert_eq!(recap["description"], "Summary for 2025-01");
    assert_eq!((&recap["fields"][0]["value"], &recap["fields"][2]["value"]), (&"$15.00 / $15.00".into(), &"3".into()));
    assert_eq!(got[1]["embeds"][0]["fields"][2]["value"], "[██████████████░░░░░░] 73.3%");
}

#[test]
fn that_nothing_is_left_is_told_once_a_period() {
    let server = Server::new(|_| answer("204 No Content", "", ""));
    let (clock, hand) = Clock::manual();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let outbox = Outbox::new(store.clone(), vec![target("chat", &server)], clock.clone());
    let ledger = month(&store, &clock);
    for _ in 0..2 {
        spend(&ledger, 490);
        for _ in 0..3 {
            // Eleven are more than what is left, and less than a whole month.
            assert!(matches!(
                ledger.reserve(&[(Labels::default(), Usd::from_cents(1100))]).unwrap(),
                Ledgered::Stopped(_)
            ));
        }
        outbox.post_news(&ledger).unwrap();
        outbox.deliver(&HttpCourier::new()).unwrap();
        hand.advance(Duration::from_secs(40 * 86_400));
    }
    let titles = server.titles();
    let count = |title: &str| titles.iter().filter(|other| *other == title).count();
    assert_eq!(
        (count("⛔ Monthly Budget Exhausted"), count("📊 Monthly Recap - AI Orchestration")),
        (2, 1),
        "{titles:?}"
    );
    let got = server.got.lock().unwrap();
    assert_eq!(got[0]["content"], "@here Budget Limit Reached!");
    assert_eq!(got[0]["embeds"][0]["fields"][1]["value"], "Start of next month");
}
