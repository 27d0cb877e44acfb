//! What stored runs teach the next plan.

use orch_core::{PriceTable, Rates, Usage, Usd, session::history};

use super::*;

#[tokio::test]
async fn past_runs_of_a_source_teach_what_tasks_cost() {
    let store = memory();
    let work = async |_: TaskContext| Outcome::done("made").used(Usage::tokens("house", 1_000_000, 0));
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let graph = graph([Task::new("a")]);
    for (number, source) in [(1, "mine"), (2, "mine"), (3, "other")] {
        let options = RunOptions { source: source.into(), ..options(number) };
        engine.run(&plan(&graph), options).await.unwrap();
    }
    let prices = PriceTable::default().with("house", Rates::new(Usd::from_cents(300), Usd::ZERO));
    let learned = |source, runs| history(&store, source, runs, &prices).unwrap().of(&graph.tasks()[0]);
    let mine = learned("mine", 10).unwrap();
    assert_eq!((mine.runs, mine.cost.unwrap().median), (2, Usd::from_cents(300)));
    assert_eq!(learned("mine", 1).unwrap().runs, 1, "the latest only");
    assert_eq!(learned("other", 10).unwrap().runs, 1);
    assert_eq!(learned("nobody", 10), None);
}
