use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::*;
use crate::{
    cost::budget::{Limit, Period},
    store::MemoryStore,
};

fn usd(cents: i64) -> Usd {
    Usd::from_cents(cents)
}

fn who(task: &str) -> Labels {
    Labels::default().with(Column::Task, task).with(Column::Agent, "a")
}

fn ledger(limits: Vec<Limit>) -> (Ledger, crate::Hand) {
    let (clock, hand) = Clock::manual();
    (Ledger::new(Arc::new(MemoryStore::new(clock.clone())), Limits::new(limits).unwrap(), clock), hand)
}

fn granted(answer: Answer) -> Booked {
    match answer {
        Answer::Granted(booked) => booked,
        Answer::Stopped(verdict) => panic!("{verdict:?}"),
    }
}

/// The race of the issue: 64 at once on a budget for k, round after round. Whoever is granted spends all that it reserved.
#[test]
fn however_many_ask_at_once_only_so_many_are_granted_as_there_is_money_for() {
    let rounds: usize = std::env::var("ORCH_RACE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for round in 0..rounds {
        let k = 1 + round % 63;
        let (ledger, _) = ledger(vec![Limit::new("all", Usd::from_nanos(k as i64 * 7))]);
        let (barrier, wins) = (Barrier::new(64), AtomicUsize::new(0));
        thread::scope(|scope| {
            for nth in 0..64 {
                let (ledger, barrier, wins) = (&ledger, &barrier, &wins);
                scope.spawn(move || {
                    barrier.wait();
                    let labels = who(&format!("t{nth}"));
                    if let Answer::Granted(booked) = ledger.reserve(&[(labels.clone(), Usd::from_nanos(7))]).unwrap() {
                        ledger.settle(&booked.id, vec![Charge::new(labels, Usd::from_nanos(7))]).unwrap();
                        wins.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let standing = &ledger.standing(&Labels::default()).unwrap()[0];
        assert_eq!((standing.spent, standing.reserved), (standing.usd, Usd::ZERO), "round {round}");
        assert_eq!((wins.into_inner(), ledger.charges(None, None).unwrap().len()), (k, k));
    }
}

#[test]
fn what_is_reserved_for_several_is_reserved_for_all_or_none() {
    let (ledger, _) = ledger(vec![Limit::new("each", usd(10)).each(Column::Task)]);
    let answer = ledger.reserve(&[(who("x"), usd(10)), (who("y"), usd(11))]).unwrap();
    assert!(matches!(answer, Answer::Stopped(Verdict::Refused(_))), "{answer:?}");
    assert_eq!(ledger.in_flight().unwrap(), []);
    let booked = granted(ledger.reserve(&[(who("x"), usd(10)), (who("y"), usd(4))]).unwrap());
    assert_eq!((booked.usd, ledger.in_flight().unwrap()[0].parts.len()), (usd(14), 2));
}

#[test]
fn a_reservation_is_settled_once() {
    let (ledger, _) = ledger(vec![Limit { milestones: vec![usd(5)], ..Limit::new("all", usd(100)) }]);
    let booked = granted(ledger.reserve(&[(who("x"), usd(10))]).unwrap());
    let charges = || vec![Charge::new(who("x"), usd(6)), Charge::new(who("helper"), usd(1))];
    let settled = ledger.settle(&booked.id, charges()).unwrap();
    assert_eq!((settled.milestones.len(), settled.milestones[0].usd), (1, usd(5)));
    assert_eq!(ledger.settle(&booked.id, charges()).map_err(|error| error.kind()), Err(ErrorKind::Conflict));
    let standing = &ledger.standing(&Labels::default()).unwrap()[0];
    assert_eq!((standing.spent, standing.reserved, standing.charges), (usd(7), Usd::ZERO, 2));
    assert_eq!(ledger.charges(None, None).unwrap().len(), 2);
}

#[test]
fn what_nobody_knows_is_taken_for_what_was_reserved() {
    let (ledger, _) = ledger(vec![Limit::new("all", usd(10))]);
    let booked = granted(ledger.reserve(&[(who("x"), usd(4)), (who("y"), Usd::ZERO)]).unwrap());
    ledger.assume(&booked.id).unwrap();
    let charges = ledger.charges(None, None).unwrap();
    assert_eq!((charges.len(), charges[0].usd, charges[0].assumed), (1, usd(4), true));
    assert_eq!(ledger.standing(&Labels::default()).unwrap()[0].spent, usd(4));
}

#[test]
fn a_charge_belongs_to_the_period_of_its_reservation_also_after_a_restart() {
    let month = Limit { per: Period::Month, milestones: vec![usd(5)], ..Limit::new("month", usd(10)) };
    let (clock, hand) = Clock::manual();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let open = || Ledger::new(store.clone(), Limits::new(vec![month.clone()]).unwrap(), clock.clone());
    let booked = granted(open().reserve(&[(who("x"), usd(8))]).unwrap());
    hand.advance(Duration::from_secs(40 * 86_400));
    let settled = open().settle(&booked.id, vec![Charge::new(who("x"), usd(8))]).unwrap();
    assert_eq!(settled.milestones[0].period, "2025-01");
    assert_eq!(open().standing(&Labels::default()).unwrap()[0].spent, Usd::ZERO, "February is another month");
    let booked = granted(open().reserve(&[(who("x"), usd(10))]).unwrap());
    let settled = open().settle(&booked.id, vec![Charge::new(who("x"), usd(9))]).unwrap();
    assert_eq!((settled.milestones[0].period.as_str(), settled.milestones[0].charges), ("2025-02", 1));
    assert_eq!(open().charges(Some("2025-02-01".parse().unwrap()), None).unwrap().len(), 1);
}

#[test]
fn spending_is_added_up_by_any_column() {
    let (ledger, _) = ledger(Vec::new());
    let by = |task: &str, model: &str| who(task).with(Column::Model, model);
    let usage = ModelUsage { input: 10, output: 2, ..ModelUsage::default() };
    ledger
        .charge(&[
            Charge { usage: Some(usage.clone()), ..Charge::new(by("x", "m"), usd(1)) },
            Charge { failed: true, attempt: 2, usage: Some(usage), ..Charge::new(by("x", "n"), usd(5)) },
            Charge::new(who("y"), usd(3)),
        ])
        .unwrap();
    let sums = |columns: &[Column]| -> Vec<_> {
        let sums = ledger.spent_by(columns, None, None).unwrap();
        sums.into_iter().map(|sum| (sum.of, sum.usd.nanos() / 10_000_000, sum.charges, sum.failed, sum.input)).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(sums(&[]), [(vec![], 9, 3, 1, 20)]);
    assert_eq!(sums(&[Column::Task]), [(vec![some("x")], 6, 2, 1, 20), (vec![some("y")], 3, 1, 0, 0)]);
    assert_eq!(
        sums(&[Column::Agent, Column::Model]),
        [
            (vec![some("a"), some("n")], 5, 1, 1, 10),
            (vec![some("a"), None], 3, 1, 0, 0),
            (vec![some("a"), some("m")], 1, 1, 0, 10)
        ]
    );
}

/// What a store in memory keeps as values is what one on a disk reads from their texts.
#[test]
fn values_are_what_their_texts_say() {
    let (clock, hand) = Clock::manual();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let month = Limit { per: Period::Month, milestones: vec![usd(5)], ..Limit::new("month", usd(20)) };
    let hour = Limit { per: Period::Rolling(Duration::from_secs(3_600)), ..Limit::new("hour", usd(20)) };
    let limits = Limits::new(vec![month.each(Column::Agent), hour]).unwrap();
    let ledger = Ledger::new(store.clone(), limits, clock);
    let usage = ModelUsage { model: "m".into(), input: 10, output: 2, requests: 1, ..ModelUsage::default() };
    let price = Priced { model: "m".into(), list: "own".into(), at: WallTime(7), fallback: true };
    let rich =
        Charge { usage: Some(usage), price: Some(price), attempt: 2, failed: true, ..Charge::new(who("x"), usd(8)) };
    ledger.charge(std::slice::from_ref(&rich)).unwrap();
    hand.advance(Duration::from_secs(60));
    ledger.charge(&[Charge::new(who("y"), usd(13))]).unwrap();
    assert!(matches!(ledger.reserve(&[(who("x"), usd(1))]).unwrap(), Answer::Stopped(_)));
    hand.advance(Duration::from_secs(7_200));
    granted(ledger.reserve(&[(who("z").with(Column::Agent, "b"), usd(1))]).unwrap());
    let (id, why) = ("q".to_owned(), "why".to_owned());
    let question = Question { id, at: WallTime(3), who: who("x"), limit: "month".into(), usd: usd(1), why };
    ledger.ask(&question).unwrap();
    ledger.answer("q", Allowed::Run, "somebody").unwrap();

    fn check<T: serde::de::DeserializeOwned + Clone + PartialEq + fmt::Debug + 'static>(
        store: &MemoryStore,
        prefix: &str,
        count: usize,
    ) {
        let cells = store.cells(prefix).unwrap();
        assert_eq!(cells.len(), count, "{cells:?}");
        for (key, body) in cells {
            let (value, text) = (body.read::<T>(prefix).unwrap(), body.text().unwrap());
            assert_eq!(value, serde_json::from_str(&text).unwrap(), "{key}");
        }
    }
    check::<Account>(&store, ACCOUNT, 3);
    check::<Vec<Reserved>>(&store, RESERVED, 1);
    check::<News>(&store, "news/", 3);
    check::<Gate>(&store, "gate/", 1);
    let written = |row: &ChargeRow| Charge::read(&ChargeRow { body: row.body.text().unwrap().into(), ..row.clone() });
    let rows = store.charges(WallTime(0), WallTime(u64::MAX)).unwrap();
    let charges = ledger.charges(None, None).unwrap();
    assert_eq!(rows.iter().map(|row| written(row).unwrap()).collect::<Vec<_>>(), charges);
    assert_eq!(charges[0], Charge { at: rows[0].at, ..rich });

    // As the files of earlier versions have them.
    let text = |key: &str| store.cells(&cell_of(key)).unwrap()[0].1.text().unwrap();
    assert_eq!(
        text(r#"["month",{"agent":"a"},"2025-01"]"#),
        r#"{"spent":210000000,"reserved":0,"charges":2,"reached":[50000000],"exhausted":1735689660000}"#
    );
    assert_eq!(
        rows[0].body.text().unwrap(),
        r#"{"who":{"task":"x","agent":"a"},"attempt":2,"failed":true,"usage":{"model":"m","input":10,"output":2,"requests":1},"price":{"model":"m","list":"own","at":7,"fallback":true}}"#
    );
}

#[test]
fn what_is_charged_without_a_reservation_gives_none_back() {
    let (ledger, _) = ledger(vec![Limit::new("all", usd(10))]);
    let booked = granted(ledger.reserve(&[(who("x"), usd(4))]).unwrap());
    ledger.charge(&[Charge::new(who("y"), usd(3))]).unwrap();
    let standing = &ledger.standing(&Labels::default()).unwrap()[0];
    assert_eq!((standing.spent, standing.reserved, standing.charges), (usd(3), usd(4), 1));
    ledger.settle(&booked.id, Vec::new()).unwrap();
    assert_eq!(ledger.standing(&Labels::default()).unwrap()[0].reserved, Usd::ZERO);
}

#[test]
fn that_nothing_is_left_is_news_once_with_what_was_charged() {
    let (ledger, _) = ledger(vec![Limit::new("all", usd(10))]);
    ledger.charge(&[Charge::new(who("x"), usd(3)), Charge::new(who("x"), usd(4))]).unwrap();
    for _ in 0..2 {
        assert!(matches!(ledger.reserve(&[(who("x"), usd(5))]).unwrap(), Answer::Stopped(_)));
    }
    let news = ledger.news().unwrap();
    assert_eq!(news.iter().map(|news| (news.spent, news.charges)).collect::<Vec<_>>(), [(usd(7), 2)]);
    ledger.told(&news[0]).unwrap();
    assert!(matches!(ledger.reserve(&[(who("x"), usd(5))]).unwrap(), Answer::Stopped(_)));
    assert_eq!(ledger.news().unwrap(), []);
}

#[test]
fn marks_are_the_texts_that_were_given() {
    let (ledger, _) = ledger(Vec::new());
    let set = |text| ledger.enter(|entry| entry.set_mark("m/1", text)).unwrap();
    set(Some("\"7\" of 9"));
    let inside = ledger.enter(|entry| entry.mark("m/1")).unwrap().0;
    assert_eq!((inside, ledger.mark("m/1").unwrap()), (Some("\"7\" of 9".into()), Some("\"7\" of 9".into())));
    assert_eq!(ledger.marks("m/").unwrap(), [("m/1".to_owned(), "\"7\" of 9".to_owned())]);
    set(None);
    assert_eq!(ledger.marks("").unwrap(), []);
}
