//! The rules of the table, one by one.

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{Claim, ErrorKind, Resource};

/// A table and the tickets of its requests by name; times in seconds.
#[derive(Default)]
struct Play {
    table: LockTable,
    tickets: BTreeMap<String, Ticket>,
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Play {
    fn new(resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut play = Self::default();
        resources.into_iter().for_each(|resource| play.table.declare(0, &resource).unwrap());
        play
    }

    fn name(&self, ticket: Ticket) -> String {
        self.tickets.iter().find(|(_, known)| **known == ticket).map_or("?".into(), |(name, _)| name.clone())
    }

    /// `name` asks once: `granted 1`, `waits for db of alice`, or why not.
    fn ask(&mut self, at: u64, name: &str, claims: &[Claim]) -> String {
        let once: Arc<str> = name.into();
        self.ask_as(at, name, Asker::Once(&once), claims)
    }

    /// The owner asks under the name of the request `name`.
    fn ask_as(&mut self, at: u64, name: &str, asker: Asker<'_>, claims: &[Claim]) -> String {
        match self.table.ask(secs(at), &Ask { asker, scope: 0, claims, rank: 0, wait: None }) {
            Asked::Granted(Grant { ticket, fence }) => {
                self.tickets.insert(name.into(), ticket);
                format!("granted {fence}")
            }
            Asked::Waits(Waits { ticket, resource, holder }) => {
                self.tickets.insert(name.into(), ticket);
                format!("waits for {resource} of {}", holder.as_deref().unwrap_or("nobody"))
            }
            Asked::Refused(refusal) => refusal.to_string(),
        }
    }

    fn release(&mut self, at: u64, name: &str) -> Vec<String> {
        let ticket = self.tickets[name];
        assert!(self.table.release(secs(at), ticket), "{name} holds or waits");
        self.told()
    }

    fn turn(&mut self, at: u64) -> Vec<String> {
        self.table.turn(secs(at));
        self.told()
    }

    /// What was told, but for hints to look at the clock.
    fn told(&mut self) -> Vec<String> {
        let told: Vec<Told> = self.table.told().filter(|told| told.word != Word::Look).collect();
        let shown = told.into_iter().map(|Told { ticket, word }| {
            let name = self.name(ticket);
            match word {
                Word::Granted { fence } => format!("{name} granted {fence}"),
                Word::Upgraded { fence } => format!("{name} upgraded {fence}"),
                Word::Refused(refusal) => format!("{name} refused: {refusal}"),
                Word::Expired { resource, fence } => format!("{name} loses {resource} {fence}"),
                Word::Deadlock(deadlock) => format!("{name} was in a deadlock: {deadlock}"),
                Word::Look => unreachable!(),
            }
        });
        shown.collect()
    }
}

#[test]
fn exclusive_claims_are_granted_in_order() {
    let mut play = Play::default();
    let db = [Claim::exclusive("db")];
    assert_eq!(play.ask(0, "a", &db), "granted 1");
    assert_eq!(play.ask(0, "b", &db), "waits for db of a");
    assert_eq!(play.ask(0, "c", &db), "waits for db of a");
    assert_eq!(play.release(1, "a"), ["b granted 2"]);
    assert_eq!(play.release(1, "c"), [""; 0], "one that waits may leave");
    assert_eq!(play.release(1, "b"), [""; 0]);
    assert_eq!(play.ask(2, "d", &db), "granted 3");
}

#[test]
fn a_capacity_counts_units_and_an_exclusive_claim_takes_all() {
    let mut play = Play::new([Resource::new("gpu").capacity(4)]);
    let units = |units| [Claim::shared("gpu").units(units)];
    assert_eq!(play.ask(0, "three", &units(3)), "granted 1");
    assert_eq!(play.ask(0, "two", &units(2)), "waits for gpu of three");
    assert_eq!(play.ask(0, "one", &units(1)), "granted 2", "it fits, and nobody is passed over too often yet");
    assert_eq!(play.ask(0, "all", &[Claim::exclusive("gpu").priority(1)]), "waits for gpu of three");
    assert_eq!(play.release(1, "three"), ["two granted 3"], "one is still there, so not all is free");
    assert_eq!(play.release(1, "one"), [""; 0]);
    assert_eq!(play.release(1, "two"), ["all granted 4"]);
    assert_eq!(play.ask(2, "five", &units(5)), "asks for 5 units of `gpu`, which has 4");
}

#[test]
fn claims_are_granted_all_at_once() {
    let mut play = Play::default();
    let [a, b] = ["a", "b"].map(Claim::exclusive);
    assert_eq!(play.ask(0, "holds b", std::slice::from_ref(&b)), "granted 1");
    assert_eq!(play.ask(0, "wants both", &[b.clone(), a.clone()]), "waits for b of holds b");
    assert_eq!(play.ask(0, "wants a", std::slice::from_ref(&a)), "granted 2", "who waits holds nothing");
    assert_eq!(play.release(1, "holds b"), [""; 0]);
    assert_eq!(play.ask(1, "takes b", &[b]), "granted 3");
    assert_eq!(play.release(1, "wants a"), [""; 0]);
    assert_eq!(play.release(1, "takes b"), ["wants both granted 4"]);
    // Two claims on one resource are as one.
    assert_eq!(play.ask(2, "twice", &[Claim::shared("c"), Claim::exclusive("c"), Claim::shared("c")]), "granted 5");
    assert_eq!(play.table.stats(0, "c").unwrap().holders.len(), 1);
}

#[test]
fn readers_share_and_a_writer_waits_for_them() {
    let mut play = Play::default();
    assert_eq!(play.ask(0, "r1", &[Claim::shared("db")]), "granted 1");
    assert_eq!(play.ask(0, "r2", &[Claim::shared("db")]), "granted 2");
    assert_eq!(play.ask(0, "w", &[Claim::exclusive("db")]), "waits for db of r1");
    for nth in 0..LockTable::MAX_PASSED {
        assert_eq!(play.ask(0, "late", &[Claim::shared("db")]), format!("granted {}", nth + 3));
        assert!(play.release(0, "late").is_empty());
    }
    // It was passed over often enough.
    assert_eq!(play.ask(0, "too late", &[Claim::shared("db")]), "waits for db of r1");
    assert_eq!(play.release(1, "r1"), [""; 0]);
    assert_eq!(play.release(1, "r2"), ["w granted 19"]);
    assert_eq!(play.release(2, "w"), ["too late granted 20"]);
}

#[test]
fn an_upgrade_waits_for_readers_to_leave_and_nobody_joins() {
    let mut play = Play::default();
    assert_eq!(play.ask(0, "u", &[Claim::upgradable("db")]), "granted 1");
    assert_eq!(play.ask(0, "r", &[Claim::shared("db")]), "granted 2", "a reader beside it");
    assert_eq!(play.ask(0, "u2", &[Claim::upgradable("db")]), "waits for db of u", "but no second one");
    let u = play.tickets["u"];
    let Some(Asked::Waits(waits)) = play.table.upgrade(secs(1), u, "db", None) else { panic!() };
    assert_eq!(waits.holder.as_deref(), Some("r"));
    assert_eq!(play.ask(1, "r2", &[Claim::shared("db")]), "waits for db of u");
    assert_eq!(play.release(2, "r"), ["u upgraded 3"]);
    assert!(play.table.stats(0, "db").unwrap().exclusive);
    let again = play.table.upgrade(secs(2), u, "db", None);
    assert_eq!(again, Some(Asked::Granted(Grant { ticket: u, fence: 3 })), "it is exclusive already");
    assert_eq!(play.release(3, "u"), ["u2 granted 4", "r2 granted 5"]);
    // Alone it is exclusive at once; what is no upgradable claim cannot be raised.
    play.release(4, "r2");
    let u2 = play.tickets["u2"];
    assert_eq!(play.table.upgrade(secs(4), u2, "db", None), Some(Asked::Granted(Grant { ticket: u2, fence: 6 })));
    assert_eq!(play.table.upgrade(secs(4), u2, "other", None), None);
}

#[test]
fn an_upgrade_may_wait_in_vain_and_keeps_what_it_had() {
    let mut play = Play::default();
    play.ask(0, "u", &[Claim::upgradable("db")]);
    play.ask(0, "r", &[Claim::shared("db")]);
    let u = play.tickets["u"];
    assert!(matches!(play.table.upgrade(secs(1), u, "db", Some(secs(5))), Some(Asked::Waits(_))));
    play.ask(2, "r2", &[Claim::shared("db")]);
    assert_eq!(
        play.turn(6),
        ["u refused: lock acquisition timeout for `db` after 5s; held by `r`", "r2 granted 3"],
        "who waited for the upgrade goes on"
    );
    assert_eq!(play.release(7, "u"), [""; 0]);
    assert_eq!(play.table.stats(0, "db").unwrap().used, 2);
}

#[test]
fn the_higher_priority_goes_first_then_the_smaller_rank_then_who_came_first() {
    let mut play = Play::default();
    play.ask(0, "holder", &[Claim::exclusive("db")]);
    for (name, priority, rank) in [("a", 0, 2), ("b", 0, 1), ("c", 0, 1), ("d", 1, 9), ("e", -1, 0)] {
        let claims = [Claim::exclusive("db").priority(priority)];
        let once: Arc<str> = name.into();
        let ask = Ask { asker: Asker::Once(&once), scope: 0, claims: &claims, rank, wait: None };
        let Asked::Waits(waits) = play.table.ask(Duration::ZERO, &ask) else { panic!() };
        play.tickets.insert(name.into(), waits.ticket);
    }
    let mut order = vec!["holder".to_owned()];
    for _ in 0..5 {
        let told = play.release(1, order.last().unwrap());
        order.push(told[0].split_once(' ').unwrap().0.to_owned());
    }
    assert_eq!(order, ["holder", "d", "b", "c", "a", "e"]);
}

#[test]
fn nobody_is_passed_over_for_ever() {
    let mut play = Play::default();
    let urgent = [Claim::exclusive("db").priority(9)];
    play.ask(0, "urgent 0", &urgent);
    play.ask(0, "patient", &[Claim::exclusive("db")]);
    let passed = (0..100).find(|nth| {
        play.ask(0, &format!("urgent {}", nth + 1), &urgent);
        play.release(0, &format!("urgent {nth}"))[0].starts_with("patient")
    });
    assert_eq!(passed, Some(LockTable::MAX_PASSED));
}

#[test]
fn one_that_wants_two_is_not_starved_by_many_that_want_one() {
    let mut play = Play::default();
    let [a, b] = ["a", "b"].map(|name| [Claim::exclusive(name)]);
    play.ask(0, "a0", &a);
    play.ask(0, "b0", &b);
    play.ask(0, "both", &[Claim::exclusive("a"), Claim::exclusive("b")]);
    // Never are both free: the next `a` asks before the present `b` leaves, and the other way round.
    for nth in 0..200 {
        play.ask(0, &format!("a{}", nth + 1), &a);
        let told = play.release(0, &format!("a{nth}"));
        play.ask(0, &format!("b{}", nth + 1), &b);
        let told = [told, play.release(0, &format!("b{nth}"))].concat();
        if told.iter().any(|line| line.starts_with("both")) {
            assert!(nth <= LockTable::MAX_PASSED as usize + 1, "{nth}");
            return;
        }
    }
    panic!("it starved");
}

#[test]
fn who_holds_something_is_not_held_up_by_what_is_kept_for_others() {
    let mut play = Play::default();
    let take = |name: &str| [Claim::exclusive(name)];
    play.ask_as(0, "alice a", Asker::Named("alice"), &[Claim::shared("a")]);
    play.ask(0, "both", &[Claim::exclusive("a"), Claim::exclusive("b")]);
    for _ in 0..LockTable::MAX_PASSED {
        assert!(play.ask(0, "reader", &[Claim::shared("a")]).starts_with("granted"));
        play.release(0, "reader");
    }
    assert_eq!(play.ask(0, "bob", &take("b")), "waits for b of nobody", "kept for `both`");
    assert_eq!(play.ask_as(0, "alice b", Asker::Named("alice"), &take("b")), "granted 18", "else: a circle");
}

#[test]
fn waits_end_by_time() {
    let mut play = Play::default();
    let db = |wait: u64| [Claim::exclusive("db").wait(secs(wait))];
    play.ask(0, "a", &db(0));
    assert_eq!(play.ask(1, "never", &db(0)), "lock acquisition timeout for `db` after 0ns; held by `a`");
    play.ask(1, "b", &db(30));
    play.ask(1, "c", &db(10));
    assert_eq!(play.table.wake_at(), Some(secs(11)));
    assert_eq!(play.turn(10), [""; 0]);
    assert_eq!(play.turn(11), ["c refused: lock acquisition timeout for `db` after 10s; held by `a`"]);
    // Free at the last moment is free.
    assert_eq!(play.release(31, "a").len(), 1);
    assert_eq!(play.table.stats(0, "db").unwrap().refused, 3);
}

#[test]
fn what_becomes_free_at_the_last_moment_is_granted() {
    let mut play = Play::default();
    play.ask(0, "a", &[Claim::exclusive("db").lease(secs(10))]);
    play.ask(0, "b", &[Claim::exclusive("db").wait(secs(10))]);
    assert_eq!(play.turn(10), ["a loses db 1", "b granted 2"]);
}

#[test]
fn leases_end_and_the_resource_goes_on() {
    let mut play = Play::default();
    let both = [Claim::exclusive("db").lease(secs(10)), Claim::exclusive("disk")];
    play.ask(0, "a", &both);
    assert_eq!(play.ask(1, "b", &[Claim::exclusive("db")]), "waits for db of a");
    let a = play.tickets["a"];
    assert!(play.table.renew(secs(5), a), "its lease begins anew");
    assert_eq!(play.turn(10), [""; 0]);
    assert_eq!(play.table.wake_at(), Some(secs(15)));
    assert_eq!(play.turn(15), ["a loses db 1", "b granted 2"]);
    // What has no lease is still held.
    assert_eq!(play.ask(15, "c", &[Claim::exclusive("disk")]), "waits for disk of a");
    assert_eq!(play.release(16, "a"), ["c granted 3"]);
    assert!(!play.table.release(secs(16), a), "twice does no harm");
    assert_eq!(play.table.stats(0, "db").unwrap().holders, ["b".into()]);
    assert_eq!(play.table.stats(0, "db").unwrap().expired, 1);
}

/// Whoever waits for two resources goes from one to the other, and each time it comes back it must hear when to look.
#[test]
fn who_comes_back_to_a_resource_is_told_to_look_again() {
    let mut play = Play::default();
    let held = |name: &str, lease| [Claim::exclusive(name).lease(secs(lease))];
    assert_eq!(play.ask(0, "left", &held("a", 5)), "granted 1");
    assert_eq!(play.ask(0, "both", &[Claim::exclusive("a"), Claim::exclusive("b")]), "waits for a of left");
    assert_eq!(play.ask(0, "right", &held("b", 6)), "granted 2");
    assert_eq!(play.release(0, "left"), [""; 0], "it waits for b now");
    assert_eq!(play.table.wake_for(play.tickets["both"]), Some(secs(6)));
    assert_eq!(play.ask(0, "left again", &held("a", 5)), "granted 3");
    play.table.told().for_each(drop);
    assert!(play.table.release(secs(0), play.tickets["right"]));
    assert_eq!(play.table.wake_for(play.tickets["both"]), Some(secs(5)));
    let told: Vec<Told> = play.table.told().collect();
    assert_eq!(told, [Told { ticket: play.tickets["both"], word: Word::Look }]);
}

#[test]
fn a_clock_that_goes_back_is_not_believed() {
    let mut play = Play::default();
    play.ask(86_400, "a", &[Claim::exclusive("db").lease(secs(10))]);
    assert_eq!(play.ask(0, "b", &[Claim::exclusive("db").wait(secs(60))]), "waits for db of a");
    assert_eq!(play.turn(20), [""; 0]);
    assert_eq!(play.turn(86_410), ["a loses db 1", "b granted 2"]);
    // Beyond all times nothing overflows.
    play.ask(86_410, "c", &[Claim::exclusive("x").lease(Duration::MAX)]);
    play.ask(86_410, "d", &[Claim::exclusive("x").wait(Duration::MAX)]);
    play.table.turn(Duration::MAX);
    assert_eq!(play.table.wake_at(), None);
}

#[test]
fn rates_are_kept_and_the_next_one_is_told_when() {
    let mut play = Play::new([Resource::new("api").requests_per_minute(6).tokens_per_minute(1_200)]);
    let expects = |tokens| [Claim::shared("api").tokens(tokens)];
    assert_eq!(play.ask(0, "a", &expects(1_000)), "granted 1");
    assert_eq!(play.ask(0, "b", &expects(300)), "waits for api of a", "200 tokens are left, 20 come a second");
    assert_eq!(play.table.wake_at(), Some(secs(5)));
    assert_eq!(play.ask(0, "small", &expects(100)), "granted 2");
    assert_eq!(play.turn(5), [""; 0], "those tokens went to another");
    assert_eq!(play.turn(10), ["b granted 3"]);
    play.release(10, "a");
    play.release(10, "b");
    play.release(10, "small");
    for nth in 0..4 {
        assert_eq!(play.ask(10, &nth.to_string(), &expects(0)), format!("granted {}", nth + 4));
    }
    assert_eq!(play.ask(10, "one more", &expects(0)), "waits for api of 0");
    assert_eq!(play.turn(19), [""; 0]);
    assert_eq!(play.turn(20), ["one more granted 8"], "one request in ten seconds");
    // More than a minute's worth waits for a full bucket.
    assert_eq!(play.ask(20, "huge", &expects(5_000)), "waits for api of 0");
    assert_eq!(play.table.wake_at(), Some(secs(70)));
    assert_eq!(play.turn(70), ["huge granted 9"]);
}

#[test]
fn a_deadlock_is_ended_by_its_youngest_of_the_lowest_priority() {
    let mut play = Play::default();
    let take = |name: &str, priority| [Claim::exclusive(name).priority(priority)];
    let owners = ["alice", "bob", "carol"];
    for (owner, resource) in owners.iter().zip(["a", "b", "c"]) {
        play.ask_as(0, &format!("{owner} {resource}"), Asker::Named(owner), &take(resource, 0));
    }
    assert_eq!(play.ask_as(1, "alice b", Asker::Named("alice"), &take("b", 1)), "waits for b of bob");
    assert_eq!(play.ask_as(2, "bob c", Asker::Named("bob"), &take("c", 0)), "waits for c of carol");
    assert_eq!(play.table.deadlocks(), []);
    // The circle closes: of the two with priority 0 bob is older, so carol's own request ends it.
    assert_eq!(
        play.ask_as(3, "carol a", Asker::Named("carol"), &take("a", 0)),
        "ended a deadlock: `carol` waits for `a` of `alice`, `alice` waits for `b` of `bob`, `bob` waits for `c` of `carol`"
    );
    let told = play.told();
    assert_eq!(told.len(), 2, "the others hear of it: {told:?}");
    assert_eq!(play.release(4, "carol c"), ["bob c granted 4"]);
    // With a higher priority it is another's turn to give way.
    assert_eq!(play.ask_as(5, "carol c", Asker::Named("carol"), &take("c", 0)), "waits for c of bob");
    assert_eq!(play.table.release_all(secs(5), "carol"), 1);
}

#[test]
fn a_lower_priority_gives_way_though_it_is_older() {
    let mut play = Play::default();
    let take = |name: &str, priority| [Claim::exclusive(name).priority(priority)];
    play.ask_as(0, "a1", Asker::Named("a"), &take("one", 0));
    play.ask_as(0, "b2", Asker::Named("b"), &take("two", 0));
    play.ask_as(0, "a2", Asker::Named("a"), &take("two", -1));
    assert_eq!(play.ask_as(0, "b1", Asker::Named("b"), &take("one", 0)), "waits for one of a");
    let told = play.told();
    assert!(
        told[0].starts_with("b1 was in a deadlock") && told[1].starts_with("a2 refused: ended a deadlock"),
        "{told:?}"
    );
    assert_eq!(play.table.release_all(secs(1), "a"), 1);
    assert_eq!(play.told(), ["b1 granted 3"]);
}

#[test]
fn who_asks_for_what_it_has_waits_for_itself() {
    let mut play = Play::default();
    play.ask_as(0, "first", Asker::Named("a"), &[Claim::exclusive("db")]);
    assert_eq!(
        play.ask_as(0, "second", Asker::Named("a"), &[Claim::exclusive("db")]),
        "ended a deadlock: `a` waits for `db` of `a`"
    );
    // With a second place it may have both.
    let mut play = Play::new([Resource::new("db").capacity(2)]);
    play.ask_as(0, "first", Asker::Named("a"), &[Claim::shared("db")]);
    assert_eq!(play.ask_as(0, "second", Asker::Named("a"), &[Claim::shared("db")]), "granted 2");
}

#[test]
fn a_circle_that_somebody_else_can_open_is_no_deadlock() {
    let mut play = Play::new([Resource::new("pool").capacity(2)]);
    let (pool, db) = ([Claim::shared("pool")], [Claim::exclusive("db")]);
    play.ask_as(0, "alice pool", Asker::Named("alice"), &pool);
    play.ask_as(0, "free pool", Asker::Named("free"), &pool);
    play.ask_as(0, "bob db", Asker::Named("bob"), &db);
    assert_eq!(play.ask_as(0, "alice db", Asker::Named("alice"), &db), "waits for db of bob");
    assert_eq!(play.ask_as(0, "bob pool", Asker::Named("bob"), &pool), "waits for pool of alice");
    assert_eq!(play.table.deadlocks(), [], "`free` will leave");
    assert_eq!(play.release(1, "free pool"), ["bob pool granted 4"]);
}

#[test]
fn two_that_share_and_upgrade_by_way_of_another_resource_are_found() {
    let mut play = Play::default();
    play.ask_as(0, "u", Asker::Named("upgrader"), &[Claim::upgradable("a")]);
    play.ask_as(0, "r", Asker::Named("reader"), &[Claim::shared("a")]);
    play.ask_as(0, "b", Asker::Named("upgrader"), &[Claim::exclusive("b")]);
    assert_eq!(play.ask_as(0, "rb", Asker::Named("reader"), &[Claim::exclusive("b")]), "waits for b of upgrader");
    let u = play.tickets["u"];
    assert!(matches!(play.table.upgrade(secs(1), u, "a", None), Some(Asked::Waits(_))), "the reader is younger");
    let told = play.told();
    assert!(told.iter().any(|line| line.starts_with("rb refused: ended a deadlock")), "{told:?}");
    assert_eq!(play.table.release_all(secs(2), "reader"), 1);
    assert_eq!(play.told(), ["u upgraded 4"]);
}

#[test]
fn deadlocks_may_only_be_reported() {
    let mut play = Play::default();
    play.table.end_deadlocks(false);
    let take = |name: &str| [Claim::exclusive(name)];
    for (owner, has, wants) in [("a", "1", "2"), ("b", "2", "1"), ("c", "3", "4"), ("d", "4", "3")] {
        play.ask_as(0, has, Asker::Named(owner), &take(has));
        let _ = wants;
    }
    for (owner, wants) in [("a", "2"), ("b", "1"), ("c", "4"), ("d", "3"), ("e", "1")] {
        assert!(play.ask_as(1, &format!("{owner}{wants}"), Asker::Named(owner), &take(wants)).starts_with("waits"));
    }
    let found = play.table.deadlocks();
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["`a` waits for `2` of `b`, `b` waits for `1` of `a`", "`c` waits for `4` of `d`, `d` waits for `3` of `c`"]
    );
    assert!(play.table.end(&found[0]));
    assert!(!play.table.end(&found[0]), "it is over");
    assert_eq!(play.told().len(), 1);
    assert_eq!(play.table.deadlocks().len(), 1);
}

#[test]
fn a_task_that_asks_for_more_is_known_as_the_holder_of_what_it_has() {
    let mut play = Play::default();
    play.ask(0, "task", &[Claim::exclusive("a")]);
    let task = play.tickets["task"];
    play.ask_as(0, "bob b", Asker::Named("bob"), &[Claim::exclusive("b")]);
    assert_eq!(play.ask_as(0, "more", Asker::Holder(task), &[Claim::exclusive("b")]), "waits for b of bob");
    assert_eq!(
        play.ask_as(0, "bob a", Asker::Named("bob"), &[Claim::exclusive("a")]),
        "ended a deadlock: `bob` waits for `a` of `task`, `task` waits for `b` of `bob`"
    );
    play.release(1, "task");
    assert_eq!(play.ask_as(1, "late", Asker::Holder(task), &[Claim::exclusive("c")]), "the attempt that asks is over");
}

#[test]
fn everything_of_an_owner_goes_at_once() {
    let mut play = Play::default();
    for resource in ["a", "b"] {
        play.ask_as(0, &format!("alice {resource}"), Asker::Named("alice"), &[Claim::exclusive(resource)]);
    }
    play.ask_as(0, "bob c", Asker::Named("bob"), &[Claim::exclusive("c")]);
    play.ask_as(0, "alice c", Asker::Named("alice"), &[Claim::exclusive("c")]);
    play.ask(0, "carol", &[Claim::exclusive("a"), Claim::exclusive("b")]);
    assert_eq!(play.table.release_all(secs(1), "alice"), 3);
    assert_eq!(play.told(), ["carol granted 4"]);
    assert_eq!(play.table.release_all(secs(1), "alice"), 0);
    assert_eq!(play.table.release_all(secs(1), "nobody"), 0);
    assert_eq!(play.table.owner(play.tickets["bob c"]).map(AsRef::as_ref), Some("bob"));
}

#[test]
fn resources_are_declared_once_and_runs_may_have_their_own() {
    let mut table = LockTable::default();
    let phase = |capacity| Resource::new("phase:one").capacity(capacity).per_run();
    table.declare(1, &phase(1)).unwrap();
    table.declare(2, &phase(2)).unwrap();
    table.declare(1, &phase(1)).unwrap();
    let error = table.declare(0, &Resource::new("x\n").capacity(0)).unwrap_err();
    assert_eq!(error.message(), "resource.capacity: a limit of 0 would let no task run; give at least 1, or none");
    let (claims, once) = ([Claim::shared("phase:one")], Arc::from("t"));
    let mut granted = |scope| {
        let ask = Ask { asker: Asker::Once(&once), scope, claims: &claims, rank: 0, wait: None };
        matches!(table.ask(Duration::ZERO, &ask), Asked::Granted(_))
    };
    assert_eq!([granted(1), granted(1), granted(2), granted(2), granted(2)], [true, false, true, true, false]);
    assert_eq!([granted(0), granted(3)], [true, true], "who has none of its own means everybody's");
    let error = table.declare(1, &phase(3)).unwrap_err();
    let message =
        "the resource `phase:one` is in use with other limits; declare it alike, or wait until nobody uses it";
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidValue, message));
    table.declare(3, &phase(3)).unwrap();
    table.declare(3, &phase(4)).unwrap();
    assert_eq!(table.declared(3, "phase:one"), Some(Some(4)), "what nobody uses may change");
    assert_eq!(table.declared(1, "phase:one"), Some(Some(1)));
    table.close(1);
    assert_eq!(table.declared(1, "phase:one"), None);
}

#[test]
fn a_late_declaration_limits_what_comes_after() {
    let mut play = Play::default();
    play.ask(0, "a", &[Claim::shared("db").units(3)]);
    play.ask(0, "w", &[Claim::exclusive("db")]);
    play.ask(0, "u", &[Claim::upgradable("x")]);
    play.ask(0, "u5", &[Claim::upgradable("x").units(5)]);
    play.table.declare(0, &Resource::new("db").capacity(2)).unwrap();
    assert_eq!(play.ask(0, "b", &[Claim::shared("db")]), "waits for db of a");
    assert_eq!(play.release(1, "a"), ["w granted 3"]);
    play.table.declare(0, &Resource::new("x").capacity(4)).unwrap();
    assert_eq!(play.told(), ["u5 refused: asks for 5 units of `x`, which has 4"]);
}

#[test]
fn what_nobody_uses_is_forgotten() {
    let mut play = Play::new([Resource::new("kept").capacity(1)]);
    play.ask_as(0, "held", Asker::Named("me"), &[Claim::exclusive("held")]);
    for nth in 0..10_000 {
        let name = nth.to_string();
        play.ask_as(0, "x", Asker::Named(&name), &[Claim::exclusive(name.as_str()).wait(secs(30))]);
        play.release(0, "x");
    }
    assert!(play.table.rows.len() < 5_000, "{} resources", play.table.rows.len());
    assert!(play.table.names.owners.len() < 5_000, "{} owners", play.table.names.owners.len());
    assert!(play.table.entries.len() < 5);
    assert_eq!(play.table.declared(0, "kept"), Some(Some(1)));
    assert_eq!(play.ask(0, "y", &[Claim::exclusive("held")]), "waits for held of me");
    // Waits that were granted are not remembered until they would have ended.
    for _ in 0..10_000 {
        play.ask(0, "z", &[Claim::exclusive("held").wait(secs(30))]);
        play.release(0, "z");
    }
    assert!(play.table.timers.len() < 1_000, "{} timers", play.table.timers.len());
}

#[test]
fn what_needs_no_time_is_granted_without() {
    let mut table = LockTable::default();
    table.declare(0, &Resource::new("api").requests_per_minute(1)).unwrap();
    let once = Arc::from("t");
    let mut quick = |claim: Claim| {
        let claims = [claim];
        table.try_ask(&Ask { asker: Asker::Once(&once), scope: 0, claims: &claims, rank: 0, wait: None })
    };
    let grant = quick(Claim::exclusive("a")).unwrap();
    assert_eq!(quick(Claim::exclusive("a")), None);
    assert_eq!(quick(Claim::exclusive("b").lease(secs(1))), None);
    assert_eq!(quick(Claim::shared("api")), None);
    assert_eq!((table.try_release(grant.ticket), table.try_release(grant.ticket)), (Some(true), Some(false)));
    assert_eq!(table.stats(0, "a").unwrap(), ResourceStats { granted: 1, ..ResourceStats::default() });
}

#[test]
fn names_with_control_characters_are_escaped_where_they_are_shown() {
    let mut play = Play::default();
    play.ask(0, "a\u{1b}[2J", &[Claim::exclusive("db\n")]);
    assert_eq!(
        play.ask(0, "b", &[Claim::exclusive("db\n").wait(Duration::ZERO)]),
        r"lock acquisition timeout for `db\n` after 0ns; held by `a\u{1b}[2J`"
    );
}
