//! What the page makes of it all, in a browser.
//!
//! `ORCH_SERVE_PAGES=folder cargo test --features serve --test serve page::` leaves pictures there, to be looked at.

use std::{
    env,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use orch_core::{
    Error, ErrorKind, FailurePolicy, Outcome, OutputSpec, PriceTable, Rates, TtlCache, Usage, Usd,
    session::cache_options,
};
use serde_json::{Value, json};

use super::*;
use crate::browser::Browser;

/// Names, errors and outputs that try to be HTML, script, and the end of both.
const HOSTILE: [&str; 8] = [
    "<script>document.documentElement.dataset.owned='1'</script>",
    "</script><script>document.documentElement.dataset.owned='2'</script>",
    "--></style><img src=x onerror=\"document.documentElement.dataset.owned='3'\">",
    "\" onmouseover=\"document.documentElement.dataset.owned='4'\" x=\"",
    "${document.documentElement.dataset.owned=6}",
    "javascript:document.documentElement.dataset.owned=7",
    "\u{202e}txt.exe\u{202c}\u{200b}zero\u{7}\u{1b}[2J\nline\u{2028}sep",
    "__proto__",
];

fn url(serving: &Serving) -> String {
    format!("http://127.0.0.1:{}{}", serving.port, serving.path)
}

#[test]
fn a_run_is_drawn_while_it_goes_on() {
    let Some(mut browser) = Browser::start() else { return };
    let store = store();
    let serving = Serving::of(&store);
    browser.open(&url(&serving));
    browser.until("document.querySelector('#run h1').innerText === 'Nothing runs'");
    let going = Going::start(&store, &chain(3));
    // Without a word it shows the run that began.
    browser.until("document.querySelector('#run h1').innerText.startsWith('chain')");
    browser.until("document.querySelectorAll('.bar.m-running').length === 1");
    assert_eq!(browser.ask("document.querySelectorAll('#run tbody tr').length"), 3);
    going.step(1);
    browser.until("document.querySelectorAll('.bar.m-succeeded').length === 1");
    browser.until("document.querySelector('.bar.m-running')?.dataset.task === 't1'");
    going.step(2);
    browser.until("document.querySelector('.state').innerText === 'succeeded'");
    browser.until("document.title === '3/3 chain · succeeded'");
    assert_eq!(browser.ask("document.querySelectorAll('#run-list li').length"), 1);
    // A bar leads to its row.
    browser.ask("document.querySelector('.bar[data-task=t2]').click()");
    browser.until("document.querySelector('tr.hot th').innerText.startsWith('t2')");
    assert_eq!(browser.console, [""; 0]);
    drop(serving);
    browser.until("document.querySelector('#live').innerText.includes('again') || document.querySelector('#live').innerText.includes('not answer')");
}

#[test]
fn a_store_that_cannot_be_read_is_told_until_it_can() {
    let Some(mut browser) = Browser::start() else { return };
    let (store, good) = (store(), Arc::new(AtomicBool::new(false)));
    let (found, is_good) = (shared(&store), good.clone());
    let finds = move || {
        let damaged = || Error::new(ErrorKind::Corrupt, "the store is damaged");
        is_good.load(Ordering::SeqCst).then(|| Some(found.clone())).ok_or_else(damaged)
    };
    let options =
        ServeOptions { finds: Some(Arc::new(finds)), every: Duration::from_millis(5), ..ServeOptions::default() };
    let serving = Serving::new(options, Vec::new());
    browser.open(&url(&serving));
    browser.until("document.querySelector('#runs-problem').innerText === 'the store is damaged'");
    good.store(true, Ordering::SeqCst);
    browser.until("document.querySelector('#runs-problem').innerText === ''");
}

#[test]
fn hostile_text_stays_text() {
    let Some(mut browser) = Browser::start() else { return };
    let store = store();
    let mut builder = Graph::builder(HOSTILE[1]);
    for (nth, name) in HOSTILE.iter().enumerate() {
        builder = builder.task(Task::new(*name).agent(HOSTILE[(nth + 1) % HOSTILE.len()]));
    }
    let plan = Plan::new(&builder.build().unwrap(), &PlanOptions::default()).unwrap();
    let work = async |task: TaskContext| {
        let nth = HOSTILE.iter().position(|name| *name == task.id().as_str()).unwrap();
        let text = HOSTILE[(nth + 3) % HOSTILE.len()];
        if nth % 3 == 0 { Outcome::failed(text) } else { Outcome::done(text).used(Usage::tokens(text, 10, 2)) }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let options =
        RunOptions { on_failure: FailurePolicy::Continue, source: HOSTILE[0].to_owned(), ..RunOptions::default() };
    runtime().block_on(engine.run(&plan, options)).unwrap();
    let evil = |nth: usize| HOSTILE[nth % HOSTILE.len()];
    let panes = vec![
        Pane::new("worktrees", move || {
            let items: Vec<Value> = (0..HOSTILE.len())
                .map(|nth| tree(evil(nth), evil(nth + 1), evil(nth + 2), json!(["idle", "dirty", evil(nth)])))
                .collect();
            Ok(
                json!({"repo": {"default_branch": evil(2)}, "items": items, "conflicts": [{"one": evil(0), "other": evil(1), "paths": HOSTILE}], "alerts": [{"kind": evil(1), "text": evil(2)}]}),
            )
        }),
        Pane::new("budgets", move || {
            Ok(
                json!({"budgets": [budget(evil(0), "1", "2", "0")], "in_flight": [], "questions": [{"id": evil(3), "who": {"task": evil(1)}, "why": evil(2), "said": null}]}),
            )
        }),
        Pane::new("costs", move || {
            Ok(
                json!({"since": evil(5), "usd": evil(4), "rows": [{"of": {"agent": evil(0), "model": evil(2)}, "usd": "1", "charges": 1, "input": 1, "output": 1}], "by_run": {}}),
            )
        }),
    ];
    let serving = Serving::new(ServeOptions { store: Some(shared(&store)), ..ServeOptions::default() }, panes);
    browser.open(&url(&serving));
    browser.until("document.querySelectorAll('#run tbody tr').length === 8 && document.querySelector('.state').innerText === 'failed'");
    browser.until("document.querySelectorAll('.trees tbody tr').length === 8 && document.querySelector('.budget') && document.querySelector('#costs tbody tr')");
    browser.ask("document.querySelectorAll('button, summary').forEach((one) => one.click())");
    browser.ask("document.querySelectorAll('*').forEach((one) => one.dispatchEvent(new MouseEvent('mouseover', { bubbles: true })))");
    assert_eq!(browser.ask("document.documentElement.dataset.owned ?? 'nobody'"), "nobody");
    assert_eq!(
        browser.ask("document.querySelectorAll('img, iframe, object, embed').length + document.scripts.length"),
        1
    );
    assert!(browser.ask("document.querySelector('#run').innerText").as_str().unwrap().contains("<img src=x"));
    assert_eq!(browser.console, [""; 0]);
}

fn tree(name: &str, branch: &str, task: &str, states: Value) -> Value {
    json!({
        "name": name, "branch": branch, "path": format!("shop.worktrees/{name}"), "states": states, "main_state": "ahead",
        "main": {"ahead": 2, "behind": 1}, "working_tree": {"paths": {"staged": 0, "modified": 3, "untracked": 1, "conflicted": 0}},
        "orch": {"task": task, "agent": "claude", "used": "2026-11-22T08:00:00.000Z", "usd": "0.31", "purpose": null, "holder": null},
    })
}

fn budget(name: &str, usd: &str, spent: &str, reserved: &str) -> Value {
    json!({
        "name": name, "of": {}, "period": "2026-11", "usd": usd, "spent_usd": spent, "reserved_usd": reserved, "left_usd": "1",
        "projected_usd": "13.20", "ends": null, "reached": ["5"],
    })
}

fn scene(store: &MemoryStore) -> (Vec<Pane>, Going) {
    let agents =
        ["code-reviewer", "security-specialist", "test-engineer", "documentation-expert", "performance-optimizer"];
    let shares = OutputSpec { key: "code_map".into(), ttl: Some(Duration::from_secs(3600)) };
    let mut builder = Graph::builder("review-all")
        .task(Task::new("map-the-code").agent("master-strategist").with(|options| options.outputs.push(shares)));
    for (nth, name) in
        ["architecture", "security", "tests", "documentation", "performance", "accessibility", "dependencies"]
            .iter()
            .enumerate()
    {
        let task = Task::new(format!("review-{name}")).agent(agents[nth % agents.len()]).retries(1);
        builder = builder.task(task.after("map-the-code"));
    }
    let mut last = Task::new("decide").agent("master-strategist");
    for name in ["architecture", "security", "tests", "documentation"] {
        last = last.after(format!("review-{name}").as_str());
    }
    let graph = builder.task(last).task(Task::new("publish-report").after("decide")).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let may = Arc::new(Semaphore::new(0));
    let gate = may.clone();
    let work = move |task: TaskContext| {
        let gate = gate.clone();
        async move {
            let usage = Usage::tokens("claude-sonnet-4-5", 41_200, 3_870);
            let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
            match task.id().as_str() {
                "map-the-code" => {
                    wait(700).await;
                    Outcome::done(json!({"code_map": 7})).used(usage)
                }
                "review-tests" if task.attempt() == 1 => {
                    wait(500).await;
                    Outcome::failed("the model is overloaded (529)").used(usage)
                }
                "review-dependencies" => {
                    wait(900).await;
                    Outcome::failed(
                        "2 advisories:\n  RUSTSEC-2026-0017 in xmltree 0.10.3\n  RUSTSEC-2026-0042 in tokio-tar 0.3.1",
                    )
                    .used(usage)
                }
                "review-documentation" => {
                    wait(1_100).await;
                    Outcome::done("README and 14 of 16 modules are documented").used(usage)
                }
                "review-accessibility" => {
                    wait(1_300).await;
                    Outcome::done("no issue").used(usage)
                }
                _ => {
                    gate.acquire().await.unwrap().forget();
                    Outcome::done("fine").used(usage)
                }
            }
        }
    };
    let prices =
        PriceTable::default().with("claude-sonnet-4-5", Rates::new(Usd::from_cents(300), Usd::from_cents(1500)));
    let engine = Engine::builder()
        .executor(work)
        .store(store.clone())
        .cache(TtlCache::new(cache_options(Default::default())))
        .prices(Arc::new(prices))
        .build()
        .unwrap();
    let runtime = runtime();
    for name in ["convert-docs", "nightly-checks"] {
        let quick = Graph::builder(name).task(Task::new("only")).build().unwrap();
        let quick = Plan::new(&quick, &PlanOptions::default()).unwrap();
        let ends = name.starts_with('c');
        let work = move |_: TaskContext| async move { if ends { Outcome::done("x") } else { Outcome::failed("no") } };
        let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
        runtime.block_on(engine.run(&quick, RunOptions::default())).unwrap();
    }
    let run = RunId::new(&Clock::system());
    let options = RunOptions {
        run: Some(run),
        max_parallel: 6,
        on_failure: FailurePolicy::Continue,
        source: "commands/review-all.json".into(),
        ..RunOptions::default()
    };
    runtime.spawn(async move { engine.run(&plan, options).await });
    while store.run(run).unwrap().is_none() {
        std::thread::yield_now();
    }
    let now = || Clock::system().wall();
    let panes = vec![
        Pane::new("worktrees", move || {
            let ago = |minutes: u64| orch_core::WallTime(now().0 - minutes * 60_000).to_string();
            let mut main = tree("shop", "main", "", json!(["idle"]));
            (main["main"], main["working_tree"], main["orch"]) =
                (json!({"ahead": 0, "behind": 0}), Value::Null, json!({"used": ago(190), "usd": "1.04"}));
            let mut one =
                tree("pool-1", "orch/3f2a/review-security", "review-security", json!(["active", "dirty", "ahead"]));
            one["orch"] = json!({"holder": {"task": "review-security", "agent": "security-specialist"}, "used": ago(0), "usd": "0.1817"});
            let mut two = tree("pool-2", "orch/3f2a/review-tests", "review-tests", json!(["waiting", "behind"]));
            two["orch"] =
                json!({"holder": {"task": "review-tests", "agent": "test-engineer"}, "used": ago(1), "usd": "0.1817"});
            let mut login = tree("login", "feature/login", "", json!(["idle", "dirty", "ahead", "conflicting"]));
            login["orch"] = json!({"purpose": "try the new login", "used": ago(47), "usd": null});
            let mut old = tree("covers", "feature/covers", "", json!(["idle", "stale", "behind"]));
            (old["orch"], old["main"]) = (
                json!({"purpose": "covers in three sizes", "used": ago(60 * 24 * 12), "usd": "0.62"}),
                json!({"ahead": 0, "behind": 41}),
            );
            Ok(json!({"repo": {"default_branch": "main"}, "items": [main, one, two, login, old],
            "alerts": [
                {"kind": "stale", "text": "covers is stale: nobody used it for 12 days"},
                {"kind": "conflicts", "text": "login conflicts with pool-1: src/auth.rs, src/session.rs"},
            ]}))
        }),
        Pane::new("budgets", || {
            Ok(json!({
                "budgets": [budget("month", "15.00", "8.412", "0.54"), budget("each run", "2.50", "2.2140", "0.18")],
                "in_flight": [{}, {}, {}],
                "questions": [{"id": "7f21", "who": {"task": "review-performance"}, "why": "it wants $0.42 and $0.11 of `each run` is left", "said": null}],
            }))
        }),
        Pane::new("costs", move || {
            Ok(json!({
                "since": "2026-10-23T00:00:00.000Z", "usd": "8.412",
                "rows": [
                    {"of": {"agent": "security-specialist", "model": "anthropic/claude-sonnet-4-5"}, "usd": "3.92", "charges": 41, "input": 880_000, "output": 91_000},
                    {"of": {"agent": "master-strategist", "model": "anthropic/claude-opus-4-1"}, "usd": "2.81", "charges": 12, "input": 120_000, "output": 22_000},
                    {"of": {"agent": "test-engineer", "model": "anthropic/claude-sonnet-4-5"}, "usd": "1.3720", "charges": 33, "input": 310_000, "output": 29_500},
                    {"of": {"agent": "documentation-expert", "model": "openai/gpt-5-mini"}, "usd": "0.31", "charges": 18, "input": 402_000, "output": 61_000},
                ],
                "by_run": {run.to_string(): "1.2720"},
            }))
        }),
    ];
    (panes, Going { run, may, _runtime: runtime })
}

#[test]
fn it_fits_a_phone_and_a_desk_in_light_and_dark() {
    let Some(mut browser) = Browser::start() else { return };
    let store = store();
    let (panes, going) = scene(&store);
    let prices =
        PriceTable::default().with("claude-sonnet-4-5", Rates::new(Usd::from_cents(300), Usd::from_cents(1500)));
    let options = ServeOptions { store: Some(shared(&store)), prices: Arc::new(prices), ..ServeOptions::default() };
    let serving = Serving::new(options, panes);
    let pictures = env::var_os("ORCH_SERVE_PAGES").map(PathBuf::from);
    for (name, width, height, scheme) in [
        ("desk-light", 1440, 1000, "light"),
        ("desk-dark", 1440, 1000, "dark"),
        ("tablet-light", 900, 1100, "light"),
        ("phone-light", 390, 844, "light"),
        ("phone-dark", 390, 844, "dark"),
    ] {
        browser.shape(width, height, scheme);
        browser.open(&url(&serving));
        browser.until("document.querySelectorAll('#run tbody tr').length === 10 && document.querySelector('.trees tbody tr') && document.querySelector('.budget')");
        // Until what takes its time is over.
        browser.until("document.querySelectorAll('#run tbody tr.m-failed, #run tbody tr.m-succeeded').length >= 4");
        let overflow = browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(overflow, 0, "{name} scrolls sideways");
        // Rules for other buttons must not take it away.
        let bare = browser.ask("[...document.querySelectorAll('.tallies button')].filter((it) => parseFloat(getComputedStyle(it).paddingLeft) < 4).length");
        assert_eq!(bare, 0, "{name} has pills without room around their words");
        if let Some(folder) = &pictures {
            browser.picture(&folder.join(format!("{name}.png")));
        }
    }
    assert_eq!(browser.console, [""; 0]);
    going.step(100);
    browser.until("document.querySelector('.state').innerText !== 'running'");
    if let Some(folder) = &pictures {
        browser.shape(1440, 1000, "light");
        browser.picture(&folder.join("desk-ended.png"));
    }
}
