//! Runs within a budget: what may be spent is reserved before an attempt and settled after it.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use orch_core::{
    Clock, Engine, FailurePolicy, Graph, Outcome, Plan, PlanOptions, PriceTable, Rates, Report, RunOptions, RunState,
    Task, TaskContext, TaskState, Usage, Usd,
    cost::budget::{AtLimit, Column, Labels, Limit, Limits, Period},
    session::{Allowed, Budget, Gatekeeper, Ledger, News, NewsKind, Question},
    store::{MemoryStore, Store},
};

/// So many thousand tokens are as many cents.
fn prices() -> PriceTable {
    PriceTable::default().with("m", Rates::new(Usd::from_cents(1000), Usd::from_cents(1000)))
}

fn cents(cents: u64) -> Usage {
    Usage::tokens("m", cents * 1000, 0)
}

fn ledger(store: Arc<dyn Store>, limits: Vec<Limit>) -> Ledger {
    Ledger::new(store, Limits::new(limits).unwrap(), Clock::system())
}

fn in_memory(limits: Vec<Limit>) -> Ledger {
    ledger(Arc::new(MemoryStore::default()), limits)
}

fn all(usd: i64) -> Vec<Limit> {
    vec![Limit::new("all", Usd::from_cents(usd))]
}

async fn run<F: Future<Output = Outcome> + Send + 'static>(
    ledger: &Ledger,
    tasks: impl IntoIterator<Item = Task>,
    work: impl Fn(TaskContext) -> F + Send + Sync + 'static,
    max_parallel: u32,
) -> Report {
    let graph = Graph::builder("g").tasks(tasks).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let budget = Budget { labels: Labels::default().with(Column::Branch, "main"), ..Budget::new(ledger.clone()) };
    let engine = Engine::builder().executor(work).prices(prices()).budget(budget).build().unwrap();
    let options = RunOptions { max_parallel, on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    engine.run(&plan, options).await.unwrap()
}

fn succeeded(report: &Report) -> usize {
    report.tasks().filter(|task| task.state() == TaskState::Succeeded).count()
}

fn spent(ledger: &Ledger) -> i64 {
    ledger.charges(None, None).unwrap().iter().map(|charge| charge.usd.nanos() / 10_000_000).sum()
}

async fn uses(spent: u64) -> Outcome {
    tokio::task::yield_now().await;
    Outcome::done("ok").used(cents(spent))
}

#[tokio::test]
async fn as_many_of_64_begin_as_there_is_money_for() {
    for k in [0, 1, 7, 63, 64] {
        let ledger = in_memory(all(k * 3));
        let tasks = (0..64).map(|nth| Task::new(format!("t{nth}")).expects(cents(3)));
        let report = run(&ledger, tasks, |_| uses(3), 64).await;
        assert_eq!((succeeded(&report), spent(&ledger)), (k as usize, k * 3), "{k}");
        assert_eq!(ledger.in_flight().unwrap(), []);
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_store_on_disk_is_asked_by_another_thread() {
    let folder = tempfile::tempdir().unwrap();
    let store = orch_core::store::SqliteStore::open(folder.path().join("orch.db"), Default::default()).unwrap();
    let ledger = ledger(Arc::new(store), all(21));
    let tasks = (0..16).map(|nth| Task::new(format!("t{nth}")).expects(cents(3)));
    let report = run(&ledger, tasks, |_| uses(3), 8).await;
    assert_eq!((succeeded(&report), spent(&ledger)), (7, 21));
    assert_eq!(ledger.in_flight().unwrap(), [], "the run ends when all is booked");
    let failure = report.tasks().find_map(|task| task.failure().cloned()).unwrap();
    assert!(failure.message.contains("the budget `all` of $0.21 has $0.21 spent"), "{}", failure.message);
}

#[tokio::test]
async fn the_last_money_goes_to_the_critical_path() {
    let ledger = in_memory(all(20));
    let hour = Duration::from_secs(3600);
    let side = (0..4).map(|nth| Task::new(format!("side{nth}")).expects(cents(5)).estimate(Duration::from_secs(1)));
    let chain =
        [Task::new("a").expects(cents(5)).estimate(hour), Task::new("b").after("a").expects(cents(5)).estimate(hour)];
    // One place: the side tasks come first by name, and after `a` all are ready together with `b`.
    let report = run(&ledger, side.chain(chain), |_| uses(5), 1).await;
    for name in ["a", "b"] {
        assert_eq!(report.find(name).unwrap().state(), TaskState::Succeeded, "{name}");
    }
    assert_eq!((succeeded(&report), spent(&ledger)), (4, 20));
}

#[tokio::test]
async fn who_is_more_critical_waits_for_what_is_reserved_and_is_not_overtaken() {
    let ledger = in_memory(all(10));
    // `big` wants 8 while 5 are reserved, of which 2 are spent; `small` would fit at once.
    let tasks = [
        Task::new("first").expects(cents(5)).estimate(Duration::from_secs(300)),
        Task::new("big").expects(cents(8)).estimate(Duration::from_secs(200)),
        Task::new("small").expects(cents(1)).estimate(Duration::from_secs(1)),
    ];
    let begun = Arc::new(std::sync::Mutex::new(Vec::new()));
    let order = begun.clone();
    let work = move |task: TaskContext| {
        order.lock().unwrap().push(task.id().to_string());
        async move {
            tokio::task::yield_now().await;
            let spent = if task.id().as_str() == "first" { 2 } else { 1 };
            Outcome::done("ok").used(cents(spent))
        }
    };
    let report = run(&ledger, tasks, work, 3).await;
    assert_eq!((report.state(), spent(&ledger)), (RunState::Succeeded, 4));
    assert_eq!(*begun.lock().unwrap(), ["first", "big", "small"]);
}

#[tokio::test(start_paused = true)]
async fn failed_attempts_are_paid_for_too() {
    let ledger = in_memory(all(10));
    let tries = Arc::new(AtomicU32::new(0));
    let work = move |_: TaskContext| {
        let nth = tries.fetch_add(1, Ordering::Relaxed);
        async move {
            let outcome = if nth < 2 { Outcome::failed("503") } else { Outcome::done("ok") };
            outcome.used(cents(3))
        }
    };
    let report = run(&ledger, [Task::new("t").agent("a").retries(5).expects(cents(3))], work, 1).await;
    assert_eq!(report.find("t").unwrap().state(), TaskState::Succeeded);
    let charges = ledger.charges(None, None).unwrap();
    let seen: Vec<(u32, bool)> = charges.iter().map(|charge| (charge.attempt, charge.failed)).collect();
    assert_eq!(seen, [(1, true), (2, true), (3, false)]);
    let who = &charges[0].who;
    assert_eq!(
        (who.get(Column::Agent), who.get(Column::Model), who.get(Column::Branch)),
        (Some("a"), Some("m"), Some("main"))
    );
    assert_eq!(charges[0].price.as_ref().unwrap().list, "own rates");
}

#[tokio::test]
async fn what_has_no_price_does_not_begin_and_ends_what_comes_after() {
    let ledger = in_memory(all(100));
    let report = run(&ledger, [Task::new("t").expects(Usage::tokens("unknown", 1, 1))], |_| uses(1), 1).await;
    let message = report.find("t").unwrap().failure().unwrap().message.clone();
    assert!(message.contains("there is no price for `unknown`"), "{message}");
    assert_eq!(spent(&ledger), 0);
    let tasks = [Task::new("a"), Task::new("b").after("a")];
    let odd = async |_: TaskContext| Outcome::done("ok").used(Usage::tokens("unknown", 1, 1));
    let report = run(&ledger, tasks, odd, 1).await;
    let message = report.find("b").unwrap().failure().unwrap().message.clone();
    assert!(message.contains("`unknown` was used, which has no price"), "{message}");
}

#[tokio::test]
async fn who_expects_something_and_says_nothing_is_charged_what_it_expected() {
    let ledger = in_memory(all(10));
    let silent = async |_: TaskContext| Outcome::done("ok");
    run(&ledger, [Task::new("a").expects(cents(4)), Task::new("b")], silent, 1).await;
    let charges = ledger.charges(None, None).unwrap();
    assert_eq!((charges.len(), charges[0].assumed, spent(&ledger)), (1, true, 4));
}

#[tokio::test]
async fn without_limits_charges_are_booked_all_the_same() {
    let ledger = in_memory(Vec::new());
    let report = run(&ledger, [Task::new("a"), Task::new("b").agent("x")], |_| uses(2), 2).await;
    assert_eq!((report.state(), spent(&ledger)), (RunState::Succeeded, 4));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_leaves_nothing_reserved() {
    let ledger = in_memory(all(10));
    let never = |_: TaskContext| std::future::pending::<Outcome>();
    let tasks = [Task::new("a").expects(cents(4)), Task::new("b").expects(cents(3)), Task::new("c").expects(cents(9))];
    let running = tokio::time::timeout(Duration::from_millis(1), run(&ledger, tasks, never, 8));
    assert!(running.await.is_err());
    assert_eq!(ledger.in_flight().unwrap(), []);
    assert_eq!(spent(&ledger), 7, "both that began may have spent it; the third never began");
}

#[tokio::test]
async fn milestones_are_told_in_the_run() {
    let limit =
        Limit { milestones: vec![Usd::from_cents(5), Usd::from_cents(6)], ..Limit::new("all", Usd::from_cents(100)) };
    let ledger = in_memory(vec![limit]);
    let report = run(&ledger, [Task::new("a").expects(cents(7)), Task::new("b").after("a")], |_| uses(7), 1).await;
    let warnings: Vec<String> = report.warnings().iter().map(|warning| warning.message.to_string()).collect();
    assert_eq!(warnings.iter().filter(|message| message.contains("has reached $0.05")).count(), 1, "{warnings:?}");
    assert_eq!(warnings.iter().filter(|message| message.contains("has reached $0.06")).count(), 1, "{warnings:?}");
}

#[tokio::test]
async fn an_account_that_nobody_may_use_refuses() {
    let limit = Limit { at_limit: AtLimit::Wait, ..Limit::new("none", Usd::ZERO) };
    let ledger = in_memory(vec![limit.each(Column::Task)]);
    let report = run(&ledger, [Task::new("a"), Task::new("b")], |_| uses(1), 2).await;
    assert_eq!((succeeded(&report), spent(&ledger)), (0, 0));
}

/// Unlike above, `b` is not ready when the side tasks ask, and there are places for all of them.
#[tokio::test]
async fn the_last_money_is_kept_for_what_is_more_critical_and_has_not_begun() {
    let hour = Duration::from_secs(3600);
    for (costs, want) in [(4, &["a", "b"][..]), (3, &["a", "b", "side0"][..])] {
        let ledger = in_memory(all(10));
        let side = (0..4).map(|nth| Task::new(format!("side{nth}")).expects(cents(4)).estimate(Duration::from_secs(1)));
        let chain = [
            Task::new("a").expects(cents(4)).estimate(hour),
            Task::new("b").after("a").expects(cents(4)).estimate(hour),
        ];
        let report = run(&ledger, side.chain(chain), move |_| uses(costs), 8).await;
        let done: Vec<&str> =
            report.tasks().filter(|task| task.state() == TaskState::Succeeded).map(|task| task.id().as_str()).collect();
        let mut done: Vec<String> = done.into_iter().map(str::to_owned).collect();
        done.sort();
        assert_eq!(done, want, "at {costs} cents each");
        assert!(spent(&ledger) <= 10);
    }
}

#[tokio::test]
async fn what_the_critical_path_does_not_need_any_more_is_free_for_others() {
    let ledger = in_memory(all(8));
    let hour = Duration::from_secs(3600);
    let work = async |task: TaskContext| {
        tokio::task::yield_now().await;
        let outcome = if task.id().as_str() == "a" { Outcome::failed("no") } else { Outcome::done("ok") };
        outcome.used(cents(4))
    };
    // `b` never runs, since `a` fails: `side` gets its money.
    let tasks = [
        Task::new("a").expects(cents(4)).estimate(hour),
        Task::new("b").after("a").expects(cents(4)).estimate(hour),
        Task::new("side").expects(cents(4)).estimate(Duration::from_secs(1)),
    ];
    let report = run(&ledger, tasks, work, 8).await;
    assert_eq!(report.find("side").unwrap().state(), TaskState::Succeeded);
    assert_eq!(spent(&ledger), 8);
}

fn warnings(report: &Report) -> Vec<String> {
    report.warnings().iter().map(|warning| warning.message.to_string()).collect()
}

#[tokio::test]
async fn at_the_limit_a_cheaper_model_does_it() {
    let small = Rates::new(Usd::from_cents(100), Usd::from_cents(100));
    let limit = |usd| Limit { at_limit: AtLimit::Downgrade("small".into()), ..Limit::new("all", Usd::from_cents(usd)) };
    let work = async |task: TaskContext| {
        let model = task.model().unwrap();
        Outcome::done(model.clone()).used(Usage::tokens(model, 5000, 0))
    };
    for (has, models) in [(10, ["m", "m"]), (6, ["m", "small"])] {
        let ledger = in_memory(vec![limit(has)]);
        let graph = Graph::builder("g")
            .tasks([Task::new("a").expects(cents(5)), Task::new("b").after("a").expects(cents(5))])
            .build()
            .unwrap();
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let prices = prices().with("small", small);
        let engine =
            Engine::builder().executor(work).prices(prices).budget(Budget::new(ledger.clone())).build().unwrap();
        let report = engine.run(&plan, RunOptions::default()).await.unwrap();
        let used =
            ["a", "b"].map(|task| report.find(task).unwrap().output().json().unwrap().as_str().unwrap().to_owned());
        assert_eq!(used, models);
        let told = warnings(&report).iter().filter(|text| text.contains("is done with `small` instead")).count();
        assert_eq!(told, usize::from(models[1] == "small"), "{:?}", warnings(&report));
        let model = ledger.charges(None, None).unwrap()[1].who.get(Column::Model).map(str::to_owned);
        assert_eq!(model.as_deref(), Some(models[1]));
    }
    // Too dear with that model as well.
    let ledger = in_memory(vec![limit(0)]);
    let report = run(&ledger, [Task::new("a").expects(cents(5))], |_| uses(5), 1).await;
    let why = report.find("a").unwrap().failure().unwrap().message.clone();
    assert!(why.contains("there is no price for `small`"), "{why}");
}

fn gate(usd: i64) -> Limit {
    Limit { at_limit: AtLimit::Ask, ..Limit::new("gate", Usd::from_cents(usd)) }
}

/// Three tasks of 5 cents behind a gate at 5, and what is said to each question.
async fn asked(says: &'static [Allowed]) -> (Report, Ledger, usize) {
    let ledger = in_memory(vec![gate(5)]);
    let graph =
        Graph::builder("g").tasks(["a", "b", "c"].map(|name| Task::new(name).expects(cents(5)))).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let questions = Arc::new(AtomicU32::new(0));
    let count = questions.clone();
    let keeper = Gatekeeper::new("the boss", move |question: &Question| {
        assert_eq!((question.limit.as_str(), question.usd), ("gate", Usd::from_cents(5)));
        let nth = count.fetch_add(1, Ordering::Relaxed);
        says.get(nth as usize).copied()
    });
    let budget = Budget { gate: Some(keeper), ..Budget::new(ledger.clone()) };
    let engine = Engine::builder().executor(|_: TaskContext| uses(5)).prices(prices()).budget(budget).build().unwrap();
    let options = RunOptions { on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    let report = engine.run(&plan, options).await.unwrap();
    (report, ledger, questions.load(Ordering::Relaxed) as usize)
}

#[tokio::test]
async fn somebody_is_asked_whether_it_may_pass() {
    for (says, done, asks) in [
        (&[Allowed::Once, Allowed::Once][..], 3, 2),
        (&[Allowed::Run][..], 3, 1),
        (&[Allowed::No, Allowed::Once][..], 2, 2),
        (&[Allowed::No, Allowed::No][..], 1, 2),
    ] {
        let (report, ledger, questions) = asked(says).await;
        assert_eq!((succeeded(&report), questions, spent(&ledger)), (done, asks, done as i64 * 5), "{says:?}");
        assert_eq!((ledger.gates().unwrap().len(), ledger.in_flight().unwrap().len()), (0, 0));
        if says[0] == Allowed::No {
            let why = report.tasks().find_map(|task| task.failure().cloned()).unwrap().message;
            assert!(why.contains("`the boss` said no: the budget `gate` of $0.05 has $0.05 spent"), "{why}");
        }
    }
}

/// Somebody else with the same store answers; nobody in this process has anything to say.
#[tokio::test]
async fn whoever_has_the_store_may_answer() {
    let ledger = in_memory(vec![gate(5)]);
    let tasks = ["a", "b"].map(|name| Task::new(name).expects(cents(5)));
    let other = ledger.clone();
    let answers = async {
        loop {
            tokio::task::yield_now().await;
            if let Some(gate) = other.gates().unwrap().first() {
                assert_eq!(gate.question.who.get(Column::Task), Some("b"));
                other.answer(&gate.question.id, Allowed::Once, "ann").unwrap();
                let again = other.answer(&gate.question.id, Allowed::No, "bob").unwrap_err();
                assert!(again.message().contains("was answered by `ann`"), "{again}");
                break;
            }
        }
    };
    let (report, ()) = tokio::join!(run(&ledger, tasks, |_| uses(5), 2), answers);
    assert_eq!((succeeded(&report), spent(&ledger)), (2, 10));
    assert!(warnings(&report).iter().any(|text| text.contains("`ann` said so")), "{:?}", warnings(&report));
    let nobody = ledger.answer("nothing", Allowed::Once, "ann").unwrap_err();
    assert!(nobody.message().contains("nobody asks a question `nothing`"), "{nobody}");
}

#[tokio::test]
async fn who_spends_more_than_was_reserved_is_told_when_nothing_is_left() {
    let ledger = in_memory(all(10));
    let work = async |task: TaskContext| {
        if task.id().as_str() == "a" {
            assert_eq!(task.budget(), Some(Usd::from_cents(10)));
            assert_eq!(task.used(&cents(2)), Ok(()), "less than was reserved");
            assert_eq!(task.used(&cents(9)), Ok(()), "what is left is reserved for it");
        }
        let over = task.used(&cents(11)).unwrap_err();
        assert!(over.message.contains("stopped at its budget: it has used $0.11"), "{over}");
        Outcome::from(over).used(cents(11))
    };
    let report = run(&ledger, [Task::new("a").expects(cents(4))], work, 2).await;
    assert_eq!((succeeded(&report), spent(&ledger)), (0, 11));
    assert_eq!(ledger.in_flight().unwrap(), []);
    let news: Vec<_> = ledger.news().unwrap();
    assert!(matches!(&news[..], [News { what: NewsKind::Exhausted(None), .. }]), "{news:?}");
}

#[tokio::test]
async fn who_waits_for_the_next_period_begins_when_it_comes() {
    let limit = Limit {
        at_limit: AtLimit::Wait,
        per: Period::Rolling(Duration::from_millis(300)),
        ..Limit::new("window", Usd::from_cents(5))
    };
    let ledger = in_memory(vec![limit]);
    let report = run(&ledger, ["a", "b", "c"].map(|name| Task::new(name).expects(cents(5))), |_| uses(5), 3).await;
    assert_eq!((succeeded(&report), spent(&ledger)), (3, 15));
    let waits = warnings(&report).iter().filter(|text| text.starts_with("waits until ")).count();
    assert!((1..=3).contains(&waits), "{:?}", warnings(&report));
}
