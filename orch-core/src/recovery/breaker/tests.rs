//! Breakers by hand and against a reference model.

use proptest::prelude::*;

use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn options() -> BreakerOptions {
    BreakerOptions { failure_threshold: 3, ..BreakerOptions::default() }
}

#[track_caller]
fn begins(breaker: &mut Breaker, now: u64) -> Ticket {
    match breaker.ask(secs(now)) {
        Ask::Begin(ticket) => ticket,
        Ask::Later(at) => panic!("at {now} s it says: later, at {at:?}"),
    }
}

/// Fails as often as it takes, all at that time.
fn opened(now: u64) -> Breaker {
    let mut breaker = Breaker::new(options());
    for _ in 0..3 {
        let ticket = begins(&mut breaker, now);
        breaker.end(ticket, secs(now), Verdict::Failure);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let options = BreakerOptions::default();
    assert_eq!((options.failure_threshold, options.success_threshold, options.probes), (5, 2, 1));
    assert_eq!((options.reset_timeout, options.monitoring_period), (secs(60), secs(300)));
}

#[test]
fn a_success_in_between_and_old_failures_do_not_open_it() {
    let mut breaker = Breaker::new(options());
    for (now, verdict) in [
        (1, Verdict::Failure),
        (2, Verdict::Failure),
        (3, Verdict::Success),
        (4, Verdict::Failure),
        (5, Verdict::Failure),
        // Those of 4 s and 5 s are older than 300 s by now.
        (306, Verdict::Failure),
        (307, Verdict::Nothing),
        (308, Verdict::Failure),
    ] {
        let ticket = begins(&mut breaker, now);
        breaker.end(ticket, secs(now), verdict);
        assert_eq!(breaker.state(), BreakerState::Closed, "at {now} s");
    }
    let ticket = begins(&mut breaker, 309);
    breaker.end(ticket, secs(309), Verdict::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_failure_counts_until_it_is_older_than_the_period() {
    for (third, state) in [(300, BreakerState::Open), (301, BreakerState::Closed)] {
        let mut breaker = Breaker::new(options());
        for now in [0, 150, third] {
            let ticket = begins(&mut breaker, now);
            breaker.end(ticket, secs(now), Verdict::Failure);
        }
        assert_eq!(breaker.state(), state);
    }
}

#[test]
fn probes_close_it_or_open_it_again() {
    let mut breaker = opened(10);
    assert_eq!(breaker.ask(secs(69)), Ask::Later(secs(70)));
    let probe = begins(&mut breaker, 70);
    assert_eq!(breaker.ask(secs(71)), Ask::Later(secs(130)), "one probe at a time");
    breaker.end(probe, secs(72), Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "one of two");
    let probe = begins(&mut breaker, 73);
    breaker.end(probe, secs(74), Verdict::Failure);
    assert_eq!(breaker.ask(secs(75)), Ask::Later(secs(134)), "60 s after it opened again");
    for now in [134, 135] {
        let probe = begins(&mut breaker, now);
        breaker.end(probe, secs(now), Verdict::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn what_is_over_is_not_heard() {
    let mut breaker = Breaker::new(options());
    let early = begins(&mut breaker, 0);
    for _ in 0..3 {
        let ticket = begins(&mut breaker, 1);
        breaker.end(ticket, secs(1), Verdict::Failure);
    }
    breaker.end(early, secs(2), Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::Open, "it began before it opened");
    let probe = begins(&mut breaker, 61);
    breaker.end(early, secs(62), Verdict::Failure);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker.end(probe, secs(62), Verdict::Nothing);
    begins(&mut breaker, 62);
}

#[test]
fn a_lost_probe_does_not_hold_its_place_for_ever() {
    let mut breaker = opened(0);
    let lost = begins(&mut breaker, 60);
    assert_eq!(breaker.ask(secs(119)), Ask::Later(secs(120)));
    let probe = begins(&mut breaker, 120);
    breaker.end(lost, secs(121), Verdict::Failure);
    breaker.end(probe, secs(122), Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "the lost one is not heard");
}

#[test]
fn a_clock_that_jumps_back_changes_nothing() {
    let mut breaker = opened(100_000);
    assert_eq!(breaker.ask(secs(5)), Ask::Later(secs(100_060)));
    assert_eq!(breaker.ask(secs(100_000)), Ask::Later(secs(100_060)));
    begins(&mut breaker, 100_060);
    let mut late = Breaker::new(options());
    late.open(Duration::MAX);
    assert!(matches!(late.ask(Duration::MAX), Ask::Begin(_)), "at the end of time it waits no longer");
}

#[test]
fn by_hand_it_opens_and_closes() {
    let mut breaker = Breaker::new(options());
    breaker.open(secs(3));
    assert_eq!(breaker.ask(secs(4)), Ask::Later(secs(63)));
    breaker.close();
    begins(&mut breaker, 5);
}

#[test]
fn a_breaker_without_numbers_counts_to_one() {
    let zero = BreakerOptions { failure_threshold: 0, success_threshold: 0, probes: 0, ..BreakerOptions::default() };
    let mut breaker = Breaker::new(zero);
    let ticket = begins(&mut breaker, 0);
    breaker.end(ticket, secs(0), Verdict::Failure);
    let probe = begins(&mut breaker, 60);
    breaker.end(probe, secs(60), Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn only_what_it_counts_is_a_failure() {
    let breaker = Breaker::new(BreakerOptions { on: vec!["timeout".into(), "503".into()], ..options() });
    let verdict = |kind, message: &str| breaker.verdict(Some(&Failure { kind, message: message.into() }));
    assert_eq!(breaker.verdict(None), Verdict::Success);
    assert_eq!(verdict(FailureKind::Timeout, "late"), Verdict::Failure);
    assert_eq!(verdict(FailureKind::Error, "status 503"), Verdict::Failure);
    assert_eq!(verdict(FailureKind::Error, "status 404"), Verdict::Nothing);
    let all = Breaker::new(options());
    assert_eq!(all.verdict(Some(&Failure::fatal("no such user"))), Verdict::Failure);
    assert_eq!(
        all.verdict(Some(&Failure { kind: FailureKind::Cancelled, message: "timeout".into() })),
        Verdict::Nothing
    );
}

/// What happens to a breaker in a test.
#[derive(Debug, Clone, Copy)]
enum Step {
    Ask,
    /// The how-manieth of the attempts under way ends, and how.
    End(u8, Verdict),
    /// So many seconds later, or earlier.
    Time(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![Just(Verdict::Success), Just(Verdict::Failure), Just(Verdict::Nothing)];
    prop_oneof![
        4 => Just(Step::Ask),
        4 => (any::<u8>(), verdict).prop_map(|(which, verdict)| Step::End(which, verdict)),
        1 => (-100i64..200).prop_map(Step::Time),
    ]
}

/// The words of the table, as history: everything that was heard in the present state, looked through at every step.
#[derive(Debug, Default)]
struct Model {
    state: BreakerState,
    /// When the state began, and what was heard in it.
    since: u64,
    heard: Vec<(u64, Verdict)>,
    /// When the probes under way began.
    probes: Vec<u64>,
    latest_probe: u64,
    /// Which state it is, counted.
    nth: u64,
}

impl Model {
    fn enter(&mut self, state: BreakerState, now: u64) {
        *self = Self { state, since: now, nth: self.nth + 1, ..Self::default() };
    }

    fn ask(&mut self, now: u64) -> Result<u64, u64> {
        if self.state == BreakerState::Open && now >= self.since + 60 {
            self.enter(BreakerState::HalfOpen, now);
        }
        match self.state {
            BreakerState::Closed => Ok(self.nth),
            BreakerState::Open => Err(self.since + 60),
            BreakerState::HalfOpen if self.probes.len() >= 2 && now < self.latest_probe + 60 => {
                Err(self.latest_probe + 60)
            }
            BreakerState::HalfOpen => {
                if self.probes.len() >= 2 {
                    self.probes.clear();
                    self.nth += 1;
                }
                self.probes.push(now);
                self.latest_probe = now;
                Ok(self.nth)
            }
        }
    }

    fn end(&mut self, nth: u64, now: u64, verdict: Verdict) {
        if nth != self.nth {
            return;
        }
        self.heard.push((now, verdict));
        match self.state {
            BreakerState::Closed => {
                let row = self.heard.iter().rev().filter(|(_, verdict)| *verdict != Verdict::Nothing);
                let failures = row.take_while(|(_, verdict)| *verdict == Verdict::Failure);
                if verdict == Verdict::Failure && failures.filter(|(at, _)| now - at <= 300).count() >= 3 {
                    self.enter(BreakerState::Open, now);
                }
            }
            BreakerState::Open => {}
            BreakerState::HalfOpen if verdict == Verdict::Failure => self.enter(BreakerState::Open, now),
            BreakerState::HalfOpen => {
                self.probes.pop();
                if self.heard.iter().filter(|(_, verdict)| *verdict == Verdict::Success).count() >= 2 {
                    self.enter(BreakerState::Closed, now);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_the_table_says(steps in prop::collection::vec(step(), 0..120)) {
        let mut breaker = Breaker::new(BreakerOptions { failure_threshold: 3, probes: 2, ..BreakerOptions::default() });
        let mut model = Model::default();
        let (mut clock, mut latest) = (1_000u64, 0);
        let mut under_way: Vec<(Ticket, u64)> = Vec::new();
        for step in steps {
            // The model's time never goes back; what nobody was told did not happen.
            if matches!(step, Step::Ask) || (matches!(step, Step::End(..)) && !under_way.is_empty()) {
                latest = clock.max(latest);
            }
            match step {
                Step::Time(by) => clock = clock.saturating_add_signed(by),
                Step::Ask => match (breaker.ask(secs(clock)), model.ask(latest)) {
                    (Ask::Begin(ticket), Ok(nth)) => under_way.push((ticket, nth)),
                    (Ask::Later(at), Err(expected)) => prop_assert_eq!(at, secs(expected)),
                    (got, expected) => prop_assert!(false, "{:?} instead of {:?}", got, expected),
                },
                Step::End(which, verdict) if !under_way.is_empty() => {
                    let (ticket, nth) = under_way.swap_remove(usize::from(which) % under_way.len());
                    breaker.end(ticket, secs(clock), verdict);
                    model.end(nth, latest, verdict);
                }
                Step::End(..) => {}
            }
            prop_assert_eq!(breaker.state(), model.state);
        }
    }
}

mod table {
    use super::*;
    use crate::event::Failure;

    fn once() -> BreakerOptions {
        BreakerOptions { failure_threshold: 1, success_threshold: 1, ..BreakerOptions::default() }
    }

    #[track_caller]
    fn begins(table: &mut BreakerTable, name: &str, now: u64) -> Ticket {
        match table.ask(name, &once(), secs(now)) {
            Ask::Begin(ticket) => ticket,
            Ask::Later(at) => panic!("at {now} s it says: later, at {at:?}"),
        }
    }

    #[test]
    fn breakers_of_different_names_are_different() {
        let mut table = BreakerTable::default();
        let ticket = begins(&mut table, "a", 0);
        assert!(table.end("a", ticket, secs(1), Err(&Failure::error("no"))), "it stands differently");
        begins(&mut table, "b", 1);
        assert_eq!(table.ask("a", &once(), secs(1)), Ask::Later(secs(61)));
        let list = table.list(secs(2));
        let states: Vec<_> = list.iter().map(|status| (status.name.as_str(), status.state, status.probe_in)).collect();
        assert_eq!(states, [("a", BreakerState::Open, Some(secs(59))), ("b", BreakerState::Closed, None)]);
        assert_eq!(list[0].why, Some(Failure::error("no")));
        assert!(table.reset("a") && !table.reset("c"));
        let status = table.status("a", secs(2)).unwrap();
        assert_eq!((status.state, status.why), (BreakerState::Closed, None), "a closed one has no reason to be open");
    }

    #[test]
    fn a_probe_that_is_given_back_frees_its_place() {
        let mut table = BreakerTable::default();
        let ticket = begins(&mut table, "a", 0);
        assert!(!table.give_back("a", ticket, secs(0)), "nobody waited");
        let ticket = begins(&mut table, "a", 0);
        table.end("a", ticket, secs(0), Err(&Failure::error("no")));
        let probe = begins(&mut table, "a", 60);
        assert_eq!(table.ask("a", &once(), secs(60)), Ask::Later(secs(120)));
        insta::assert_snapshot!(
            table.status("a", secs(60)).unwrap().refusal().message,
            @"circuit breaker `a` is half open, since an attempt failed (no); as many probes as it lets through are under way"
        );
        assert!(table.give_back("a", probe, secs(61)), "who waits may ask again");
        let probe = begins(&mut table, "a", 61);
        assert!(table.end("a", probe, secs(62), Ok(())));
        assert_eq!(table.status("a", secs(62)).unwrap().state, BreakerState::Closed);
    }

    #[test]
    fn it_behaves_as_declared_last_unless_it_was_set() {
        let mut table = BreakerTable::default();
        let options = |table: &BreakerTable| table.status("a", secs(0)).unwrap().options.failure_threshold;
        let declared = |failure_threshold| BreakerOptions { failure_threshold, ..BreakerOptions::default() };
        table.ask("a", &declared(2), secs(0));
        table.ask("a", &declared(3), secs(0));
        assert_eq!(options(&table), 3);
        table.set("a", declared(4));
        table.ask("a", &declared(5), secs(0));
        assert_eq!(options(&table), 4);
        assert_eq!(table.status("b", secs(0)), None);
    }
}
