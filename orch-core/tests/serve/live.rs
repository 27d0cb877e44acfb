//! Runs while they go on.

use orch_core::{ErrorKind, Resume, RunState, session::StoredRun};
use serde_json::{Value, json};

use super::*;
use crate::client::{Answer, Said};

/// What a page makes of a run.
#[derive(Debug, Default)]
struct Page {
    parts: usize,
    part: Value,
    events: Vec<Value>,
    head: Value,
    /// The id of the last message that had one.
    last: Option<String>,
}

impl Page {
    fn hear(&mut self, said: &Said) {
        self.last = said.id.clone().or(self.last.take());
        match said.event.as_str() {
            "part" => {
                (self.part, self.events) = (said.data.clone(), Vec::new());
                self.parts += 1;
            }
            "events" => self.events.extend(said.data.as_array().unwrap().iter().cloned()),
            "head" => self.head = said.data.clone(),
            _ => {}
        }
    }

    /// Reads until that is so.
    #[track_caller]
    fn read(&mut self, from: &mut Answer, mut until: impl FnMut(&Self) -> bool) {
        while !until(self) {
            self.hear(&from.next().expect("the stream goes on"));
        }
    }

    fn has(&self, event: &str, task: &str) -> bool {
        self.events.iter().any(|known| known["event"] == event && known["task"] == task)
    }

    fn has_ended(&self) -> bool {
        self.head["run"]["state"] != "running" && self.head["run"]["events"] == json!(self.events.len())
    }
}

#[test]
fn a_run_is_seen_while_it_goes_on() {
    let store = store();
    let serving = Serving::of(&store);
    let mut first = serving.events(None, None);
    assert_eq!(first.wait("hello").data["version"], orch_core::VERSION);
    assert_eq!(first.wait("runs").data, json!({"store": true, "runs": []}));
    let going = Going::start(&store, &chain(3));
    let listed = first.until(|said| said.event == "runs" && said.data["runs"][0]["state"] == "running");
    assert_eq!(listed.data["runs"][0]["run"], json!(going.run));

    let mut events = serving.events(Some(going.run), None);
    let mut page = Page::default();
    page.read(&mut events, |page| page.has("task_started", "t0"));
    assert_eq!(
        page.part["tasks"],
        json!([
            {"id": "t0", "agent": "worker", "after": []}, {"id": "t1", "agent": "worker", "after": ["t0"]},
            {"id": "t2", "agent": "worker", "after": ["t1"]},
        ])
    );
    page.read(&mut events, |page| page.head["counts"]["running"] == 1);
    assert!(!page.has("task_finished", "t0") && page.head["standing"] == "running");
    going.step(1);
    page.read(&mut events, |page| page.has("task_started", "t1"));
    assert!(page.has("task_finished", "t0") && !page.has("task_finished", "t1"));
    going.step(2);
    page.read(&mut events, Page::has_ended);
    assert_eq!((&page.head["standing"], &page.head["counts"]["succeeded"]), (&json!("succeeded"), &json!(3)));

    // The same events, in the same form, as the store has them.
    let stored = serde_json::to_value(StoredRun::load(&store, going.run).unwrap().form()).unwrap();
    assert_eq!(json!(page.events), stored["events"]);
    assert_eq!(page.parts, 1);
    first.until(|said| said.event == "runs" && said.data["runs"][0]["state"] == "succeeded");
}

#[test]
fn who_comes_back_gets_what_came_meanwhile() {
    let store = store();
    let serving = Serving::of(&store);
    let going = Going::start(&store, &chain(30));
    let mut page = Page::default();
    let mut comes_back = 0;
    for task in 0..30 {
        let mut events = serving.events(Some(going.run), page.last.as_deref());
        let wanted = format!("t{task}");
        page.read(&mut events, |page| page.has("task_started", &wanted));
        // Gone while the next thing happens.
        events.leave();
        going.step(1);
        comes_back += 1;
    }
    let mut events = serving.events(Some(going.run), page.last.as_deref());
    page.read(&mut events, Page::has_ended);
    let numbers: Vec<u64> = page.events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..page.events.len() as u64).collect::<Vec<_>>(), "each once, in order");
    assert_eq!((page.parts, comes_back), (1, 30), "nothing was told anew");
}

/// Another process goes on with it: what was heard of the part before counts no more.
#[test]
fn a_run_that_goes_on_in_another_part_begins_anew() {
    let store = store();
    let serving = Serving::of(&store);
    let plan = chain(2);
    let runtime = runtime();
    let run = RunId::new(&Clock::system());
    let work = |fails: bool| {
        let work = move |task: TaskContext| async move {
            let broken = fails && task.id().as_str() == "t1";
            if broken { orch_core::Outcome::failed("not yet") } else { orch_core::Outcome::done("fine") }
        };
        Engine::builder().executor(work).store(store.clone()).build().unwrap()
    };
    let options = RunOptions { run: Some(run), ..RunOptions::default() };
    runtime.block_on(work(true).run(&plan, options)).unwrap();
    let mut events = serving.events(Some(run), None);
    let mut page = Page::default();
    page.read(&mut events, Page::has_ended);
    assert_eq!(page.head["standing"], "failed");

    let resume = Resume::load(&store, run, Some(plan.graph()), None, None).unwrap();
    let plan = Plan::new(resume.graph(), &PlanOptions::default()).unwrap();
    let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
    runtime.block_on(work(false).run(&plan, options)).unwrap();
    page.read(&mut events, |page| page.parts == 2 && page.has_ended());
    assert_eq!(page.head["standing"], "succeeded");
    assert!(page.has("task_restored", "t0") && !page.has("task_started", "t0"), "{:?}", page.events);
    assert_eq!(page.head["earlier"]["parts"], 1);
}

#[test]
fn long_outputs_are_left_where_they_are() {
    let store = store();
    let options = ServeOptions { store: Some(shared(&store)), output: 100, ..ServeOptions::default() };
    let serving = Serving::new(options, Vec::new());
    let work = async |task: TaskContext| "x".repeat(if task.id().as_str() == "t0" { 98 } else { 99 });
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let run = runtime().block_on(engine.run(&chain(2), RunOptions::default())).unwrap().run().unwrap();
    let mut page = Page::default();
    page.read(&mut serving.events(Some(run), None), Page::has_ended);
    let ended: Vec<&Value> = page.events.iter().filter(|event| event["event"] == "task_finished").collect();
    assert_eq!((&ended[0]["output"], &ended[0]["output_bytes"]), (&json!("x".repeat(98)), &Value::Null));
    assert_eq!((&ended[1]["output"], &ended[1]["output_bytes"]), (&Value::Null, &json!(101)));
}

#[test]
fn usage_is_priced_and_the_cache_counted() {
    use orch_core::{Outcome, PriceTable, Rates, Usage, Usd};
    let store = store();
    let prices = PriceTable::default().with("house", Rates::new(Usd::from_cents(300), Usd::from_cents(1500)));
    let options = ServeOptions { store: Some(shared(&store)), prices: Arc::new(prices), ..ServeOptions::default() };
    let serving = Serving::new(options, Vec::new());
    let work = async |task: TaskContext| {
        let model = if task.id().as_str() == "t0" { "house" } else { "nobody-knows" };
        Outcome::done("said").used(Usage::tokens(model, 4_000, 800))
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let run = runtime().block_on(engine.run(&chain(2), RunOptions::default())).unwrap().run().unwrap();
    let mut page = Page::default();
    page.read(&mut serving.events(Some(run), None), Page::has_ended);
    let cost = |task: &str| {
        let is = |event: &&Value| event["event"] == "task_finished" && event["task"] == task;
        page.events.iter().find(is).unwrap()["cost_usd"].clone()
    };
    assert_eq!((cost("t0"), cost("t1")), (json!(0.024), Value::Null));
    assert_eq!((&page.head["cost_usd"], &page.head["unpriced"]), (&json!(0.024), &json!(1)));
    assert_eq!(page.head["tokens"], json!(9_600));
}

#[test]
fn a_run_that_is_not_there_is_told_and_may_come() {
    let store = store();
    let serving = Serving::of(&store);
    let mut events = serving.events(Some(RunId::from_parts(1, 1)), None);
    let head = events.wait("head");
    assert!(head.data["error"].as_str().unwrap().contains("there is no run"), "{head:?}");
    assert_eq!(StoredRun::load(&store, RunId::from_parts(1, 1)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_run_whose_owner_is_gone_is_interrupted() {
    let (clock, hand) = Clock::manual();
    let store = MemoryStore::new(clock);
    let serving = Serving::of(&store);
    let going = Going::start(&store, &chain(2));
    let mut events = serving.events(Some(going.run), None);
    events.until(|said| said.event == "head" && said.data["standing"] == "running");
    let run = going.run;
    drop(going);
    // Its lease ends by its time.
    hand.advance(std::time::Duration::from_secs(3600));
    events.until(|said| said.event == "head" && said.data["standing"] == "interrupted");
    assert_eq!(store.run(run).unwrap().unwrap().state, RunState::Running);
}
