use std::{collections::BTreeSet, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{clock::WallTime, units::Usd};

const DAY: u64 = 86_400_000;

fn usd(cents: i64) -> Usd {
    Usd::from_cents(cents)
}

fn who(agent: &str) -> Labels {
    Labels::default().with(Column::Agent, agent)
}

fn granted(verdict: Verdict) -> Reserved {
    match verdict {
        Verdict::Granted(reserved) => reserved,
        other => panic!("{other:?}"),
    }
}

/// Reserves and spends that much at once.
fn spend(
    limits: &Limits,
    accounts: &mut MemoryAccounts,
    who: &Labels,
    at: u64,
    reserve_usd: Usd,
    spent: Usd,
) -> Settled {
    let reserved = granted(reserve(limits, accounts, who, WallTime(at), reserve_usd).unwrap());
    settle(limits, accounts, &reserved, spent, WallTime(at)).unwrap()
}

#[test]
fn one_charge_that_crosses_two_milestones_tells_both_once() {
    let limit =
        Limit { milestones: [10, 5, 5, 15].map(|dollars| usd(dollars * 100)).to_vec(), ..Limit::new("b", usd(2000)) };
    let limits = Limits::new(vec![limit]).unwrap();
    let mut accounts = MemoryAccounts::default();
    let mut told = |cents: i64| {
        let settled = spend(&limits, &mut accounts, &Labels::default(), 0, usd(cents), usd(cents));
        settled.milestones.iter().map(|milestone| milestone.usd.nanos() / 1_000_000_000).collect::<Vec<_>>()
    };
    assert_eq!([told(499), told(1), told(600), told(1), told(399)], [vec![], vec![5], vec![10], vec![], vec![15]]);
    let mut again = MemoryAccounts::default();
    let settled = spend(&limits, &mut again, &Labels::default(), 0, usd(1200), usd(1200));
    assert_eq!(settled.milestones.iter().map(|milestone| milestone.usd).collect::<Vec<_>>(), [usd(500), usd(1000)]);
}

#[test]
fn a_new_period_is_a_new_account_and_the_old_one_stays() {
    let month = Limit { per: Period::Month, milestones: vec![usd(100)], ..Limit::new("m", usd(100)) };
    let limits = Limits::new(vec![month]).unwrap();
    let mut accounts = MemoryAccounts::default();
    assert_eq!(spend(&limits, &mut accounts, &who("a"), 30 * DAY, usd(100), usd(100)).milestones.len(), 1);
    let refused = reserve(&limits, &mut accounts, &who("a"), WallTime(31 * DAY - 1), usd(1)).unwrap();
    let Verdict::Refused(stop) = refused else { panic!("{refused:?}") };
    assert_eq!(
        stop.to_string(),
        "the budget `m` of $1 for 1970-01 has $1 spent and $0 reserved; $0.01 more would be too much"
    );
    let first = granted(reserve(&limits, &mut accounts, &who("a"), WallTime(31 * DAY), usd(60)).unwrap());
    // Settled a month later, it still belongs to the month in which it was reserved.
    let settled = settle(&limits, &mut accounts, &first, usd(100), WallTime(70 * DAY)).unwrap();
    assert_eq!((settled.milestones[0].period.as_str(), settled.over.len()), ("1970-02", 0));
    assert_eq!(accounts.0.len(), 2);
    let standing = standing(&limits, &mut accounts, &who("a"), WallTime(30 * DAY)).unwrap();
    assert_eq!((standing[0].spent, standing[0].charges, standing[0].span.name.as_str()), (usd(100), 1, "1970-01"));
}

#[test]
fn limits_count_whom_they_are_for() {
    let limits = Limits::new(vec![
        Limit::new("all", usd(100)),
        Limit::new("each agent", usd(40)).each(Column::Agent),
        Limit::new("only b", usd(10)).of(Column::Agent, "b"),
    ])
    .unwrap();
    let mut accounts = MemoryAccounts::default();
    let mut ask = |name: &str, cents: i64| {
        let labels = if name.is_empty() { Labels::default() } else { who(name) };
        match reserve(&limits, &mut accounts, &labels, WallTime(0), usd(cents)).unwrap() {
            Verdict::Granted(reserved) => {
                settle(&limits, &mut accounts, &reserved, usd(cents), WallTime(0)).unwrap();
                "granted".to_owned()
            }
            Verdict::Refused(stop) => stop.limit,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        [ask("a", 41), ask("a", 40), ask("b", 11), ask("b", 10), ask("", 40), ask("", 1), ask("c", 11), ask("c", 10)],
        ["each agent", "granted", "only b", "granted", "granted", "each agent", "all", "granted"]
    );
}

#[test]
fn what_is_reserved_may_yet_become_free() {
    let limits = Limits::new(vec![Limit::new("b", usd(10))]).unwrap();
    let mut accounts = MemoryAccounts::default();
    let ask =
        |accounts: &mut MemoryAccounts, cents| reserve(&limits, accounts, &who("a"), WallTime(0), usd(cents)).unwrap();
    let first = granted(ask(&mut accounts, 8));
    let later = ask(&mut accounts, 3);
    assert!(matches!(&later, Verdict::Later(stop) if stop.reserved == usd(8)), "{later:?}");
    settle(&limits, &mut accounts, &first, usd(2), WallTime(0)).unwrap();
    let second = granted(ask(&mut accounts, 3));
    settle(&limits, &mut accounts, &second, usd(8), WallTime(0)).unwrap();
    assert!(matches!(ask(&mut accounts, 0), Verdict::Refused(_)), "nothing is left, so nothing unknown may begin");
}

#[test]
fn what_happens_at_a_limit_is_what_it_says_and_the_hardest_of_several() {
    let limit = |name: &str, at_limit| Limit { at_limit, per: Period::Day, ..Limit::new(name, usd(10)) };
    let verdict = |limits: Vec<Limit>, cents: i64| {
        let limits = Limits::new(limits).unwrap();
        let mut accounts = MemoryAccounts::default();
        spend(&limits, &mut accounts, &who("a"), 0, usd(10), usd(10));
        reserve(&limits, &mut accounts, &who("a"), WallTime(0), usd(cents)).unwrap()
    };
    let (wait, ask) = (limit("wait", AtLimit::Wait), limit("ask", AtLimit::Ask));
    let (refuse, down) = (limit("refuse", AtLimit::Refuse), limit("down", AtLimit::Downgrade("small".into())));
    assert!(matches!(verdict(vec![wait.clone()], 1), Verdict::Wait { until: WallTime(DAY), .. }));
    assert!(matches!(verdict(vec![wait.clone()], 11), Verdict::Refused(_)), "no day will ever have as much");
    assert!(matches!(verdict(vec![Limit { per: Period::Ever, ..wait.clone() }], 1), Verdict::Refused(_)));
    assert!(
        matches!(verdict(vec![down.clone(), wait.clone()], 1), Verdict::Downgrade { model, .. } if model == "small")
    );
    assert!(matches!(verdict(vec![ask.clone(), down, wait.clone()], 1), Verdict::Ask(stop) if stop.limit == "ask"));
    assert!(matches!(verdict(vec![wait, refuse, ask], 1), Verdict::Refused(stop) if stop.limit == "refuse"));
}

#[test]
fn a_window_rolls() {
    let window = Duration::from_secs(1024);
    let limit = Limit {
        per: Period::Rolling(window),
        at_limit: AtLimit::Wait,
        milestones: vec![usd(5)],
        ..Limit::new("w", usd(10))
    };
    let limits = Limits::new(vec![limit]).unwrap();
    let mut accounts = MemoryAccounts::default();
    assert_eq!(spend(&limits, &mut accounts, &who("a"), 500, usd(6), usd(6)).milestones.len(), 1);
    assert_eq!(spend(&limits, &mut accounts, &who("a"), 100_500, usd(4), usd(4)).milestones.len(), 0);
    let verdict = reserve(&limits, &mut accounts, &who("a"), WallTime(100_500), usd(5)).unwrap();
    // The first charge lies in the part that ends at one second.
    assert!(matches!(verdict, Verdict::Wait { until: WallTime(1_025_000), .. }), "{verdict:?}");
    assert!(!matches!(
        reserve(&limits, &mut accounts, &who("a"), WallTime(1_024_999), usd(5)).unwrap(),
        Verdict::Granted(_)
    ));
    assert_eq!(
        spend(&limits, &mut accounts, &who("a"), 1_025_000, usd(6), usd(6)).milestones.len(),
        1,
        "above it again"
    );
}

#[test]
fn bad_limits_are_refused() {
    for limits in [
        vec![Limit::new("a", usd(1)), Limit::new("a", usd(2))],
        vec![Limit::new("a", usd(-1))],
        vec![Limit { per: Period::Rolling(Duration::ZERO), ..Limit::new("a", usd(1)) }],
    ] {
        assert!(Limits::new(limits).is_err());
    }
}

/// What the naive model keeps: everything that ever happened.
struct Spent {
    who: Labels,
    /// The time of its reservation, and of its settling.
    at: (u64, u64),
    usd: Usd,
}

#[derive(Debug, Clone)]
enum Step {
    Reserve { agent: u8, run: u8, cents: i64 },
    Settle { which: usize, percent: i64 },
    Pass { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8, 0..2u8, 0..60i64).prop_map(|(agent, run, cents)| Step::Reserve { agent, run, cents }),
        4 => (any::<usize>(), 0..=100i64).prop_map(|(which, percent)| Step::Settle { which, percent }),
        1 => (0..20 * DAY).prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    /// A model that keeps a list of all charges and adds them up anew each time agrees on what is granted and on milestones;
    /// with estimates that are upper bounds no limit is passed in any period.
    #[test]
    fn it_does_what_adding_everything_up_says(steps in vec(step(), 1..120)) {
        let milestones = [30, 60, 90].map(usd).to_vec();
        let limits = Limits::new(vec![
            Limit { per: Period::Month, milestones: milestones.clone(), ..Limit::new("month", usd(100)) },
            Limit { per: Period::Day, ..Limit::new("day", usd(70)).each(Column::Agent) },
            Limit::new("run", usd(150)).each(Column::Run),
            Limit::new("a0", usd(120)).of(Column::Agent, "a0"),
        ]).unwrap();
        let mut accounts = MemoryAccounts::default();
        let (mut now, mut open, mut spent) = (0u64, Vec::<Reserved>::new(), Vec::<Spent>::new());
        let mut told = BTreeSet::new();
        for step in steps {
            match step {
                Step::Pass { millis } => now += millis,
                Step::Reserve { agent, run, cents } => {
                    let who = who(&format!("a{agent}")).with(Column::Run, format!("r{run}"));
                    let same = |limit: &Limit, other: &Labels, at: u64| {
                        let span = |at| limit.per.span(&limit.zone, WallTime(at)).name;
                        limit.of.iter().all(|(column, value)| other.get(*column) == Some(value))
                            && limit.of.iter().all(|(column, value)| who.get(*column) == Some(value))
                            && limit.each.iter().all(|column| other.get(*column) == who.get(*column))
                            && span(at) == span(now)
                    };
                    let fits = limits.iter().all(|limit| {
                        if !limit.of.iter().all(|(column, value)| who.get(*column) == Some(value)) {
                            return true;
                        }
                        let gone: i64 = spent.iter().filter(|one| same(limit, &one.who, one.at.0)).map(|one| one.usd.nanos()).sum();
                        let held: i64 = open.iter().filter(|one| same(limit, &one.who, one.at.0)).map(|one| one.usd.nanos()).sum();
                        let left = limit.usd.nanos() - gone - held;
                        usd(cents).nanos() <= left && left > 0
                    });
                    let verdict = reserve(&limits, &mut accounts, &who, WallTime(now), usd(cents)).unwrap();
                    prop_assert_eq!(matches!(verdict, Verdict::Granted(_)), fits, "{:?}", verdict);
                    if let Verdict::Granted(reserved) = verdict {
                        open.push(reserved);
                    }
                }
                Step::Settle { which, percent } => {
                    if open.is_empty() {
                        continue;
                    }
                    let reserved = open.swap_remove(which % open.len());
                    let cost = Usd::from_nanos(reserved.usd.nanos() / 100 * percent);
                    let month = |at: u64| Period::Month.span(&Zone::default(), WallTime(at)).name;
                    let of_month = |spent: &[Spent]| -> i64 {
                        spent.iter().filter(|one| month(one.at.0) == month(reserved.at.0)).map(|one| one.usd.nanos()).sum()
                    };
                    let before = of_month(&spent);
                    let settled = settle(&limits, &mut accounts, &reserved, cost, WallTime(now)).unwrap();
                    spent.push(Spent { who: reserved.who.clone(), at: (reserved.at.0, now), usd: cost });
                    let after = of_month(&spent);
                    let want: Vec<Usd> = milestones.iter().copied()
                        .filter(|milestone| before < milestone.nanos() && milestone.nanos() <= after).collect();
                    prop_assert_eq!(settled.milestones.iter().map(|milestone| milestone.usd).collect::<Vec<_>>(), want);
                    for milestone in &settled.milestones {
                        prop_assert!(told.insert((milestone.period.clone(), milestone.usd)), "told twice: {:?}", milestone);
                    }
                    prop_assert_eq!(settled.over, vec![], "never passed");
                }
            }
        }
        for account in accounts.0.values() {
            prop_assert!(account.reserved >= Usd::ZERO);
        }
    }

    /// A window never counts less than what was really spent in it, and at most a part more.
    #[test]
    fn a_window_is_never_counted_too_low(charges in vec((0..5_000u64, 1..100i64), 1..60), length in 1..10_000u64) {
        let period = Period::Rolling(Duration::from_millis(length));
        let mut account = Account::default();
        let (mut now, mut all) = (0, Vec::new());
        for (pause, cents) in charges {
            now += pause;
            account.charge(period, WallTime(now), usd(cents));
            all.push((now, usd(cents)));
            let within = |reach: u64| -> Usd {
                all.iter().filter(|(at, _)| at + reach > now).map(|(_, usd)| *usd).sum()
            };
            let counted = account.spent_at(period, WallTime(now));
            prop_assert!(within(length) <= counted && counted <= within(length + length / 1024 + 1));
            prop_assert!(account.recent.len() <= 1026);
        }
    }
}
