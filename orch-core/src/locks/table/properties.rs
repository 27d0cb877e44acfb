//! The table against what its rules say, over random scripts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Claim, ClaimMode, Resource};

/// The capacities of the resources `r0` to `r3`.
const CAPACITIES: [Option<u32>; 4] = [Some(1), Some(3), None, Some(2)];
const OWNERS: [&str; 3] = ["alice", "bob", "carol"];

#[derive(Debug, Clone)]
enum Op {
    Ask {
        owner: Option<usize>,
        claims: Vec<Claim>,
        rank: u32,
    },
    /// Of those that hold or wait, the nth.
    Release(usize),
    Upgrade(usize, u64),
    Renew(usize),
    Pass(u64),
}

fn claim() -> impl Strategy<Value = Claim> {
    let mode = prop_oneof![
        4 => Just(ClaimMode::Shared), 3 => Just(ClaimMode::Exclusive), 2 => Just(ClaimMode::Upgradable),
    ];
    let times = (prop::option::weighted(0.3, 1u64..9), prop::option::weighted(0.3, 0u64..9));
    (0..CAPACITIES.len(), mode, 1u32..4, -1i32..2, times).prop_map(|(at, mode, units, priority, (lease, wait))| {
        let units = units.min(CAPACITIES[at].unwrap_or(3));
        let mut claim = Claim::new(format!("r{at}").as_str(), mode).units(units).priority(priority);
        (claim.lease, claim.wait) = (lease.map(Duration::from_secs), wait.map(Duration::from_secs));
        claim
    })
}

fn op() -> impl Strategy<Value = Op> {
    let ask = (prop::option::weighted(0.6, 0..OWNERS.len()), prop::collection::vec(claim(), 1..4), 0u32..3);
    prop_oneof![
        6 => ask.prop_map(|(owner, claims, rank)| Op::Ask { owner, claims, rank }),
        3 => any::<usize>().prop_map(Op::Release),
        1 => (any::<usize>(), 0u64..9).prop_map(|(nth, wait)| Op::Upgrade(nth, wait)),
        1 => any::<usize>().prop_map(Op::Renew),
        2 => (0u64..4).prop_map(Op::Pass),
    ]
}

/// Few, so that short scripts have requests that are due.
fn max_passed() -> impl Strategy<Value = u32> {
    1u32..4
}

/// A request as its owner knows it.
#[derive(Debug, Clone)]
struct Request {
    ticket: Ticket,
    owner: Option<usize>,
    seq: usize,
    claims: BTreeMap<String, Claim>,
    /// What it holds: until when, if not for ever.
    holds: BTreeMap<String, Option<u64>>,
    waits: bool,
    until: Option<u64>,
    /// The resource whose claim is to become exclusive.
    upgrades: Option<String>,
}

/// What must be true, by nothing but what was asked and answered.
#[derive(Default)]
struct Model {
    now: u64,
    requests: Vec<Request>,
    asked: usize,
    fence: u64,
    /// Until when those that wait would sleep: what they found out when they last looked.
    sleeps: BTreeMap<Ticket, Option<Duration>>,
}

/// Two claims on one resource are as one.
fn joined(claims: &[Claim]) -> BTreeMap<String, Claim> {
    let mut all = BTreeMap::<String, Claim>::new();
    for claim in claims {
        all.entry(claim.resource.as_str().to_owned())
            .and_modify(|known| {
                known.mode = known.mode.max(claim.mode);
                known.units = known.units.max(claim.units);
                known.priority = known.priority.max(claim.priority);
                known.lease = known.lease.into_iter().chain(claim.lease).min();
            })
            .or_insert_with(|| claim.clone());
    }
    all
}

fn capacity(resource: &str) -> Option<u32> {
    CAPACITIES[resource[1..].parse::<usize>().unwrap()]
}

impl Model {
    fn find(&mut self, ticket: Ticket) -> &mut Request {
        self.requests
            .iter_mut()
            .find(|request| request.ticket == ticket)
            .expect("only open requests are told something")
    }

    fn is_open(&self, ticket: Ticket) -> bool {
        self.requests.iter().any(|request| request.ticket == ticket)
    }

    /// What the requests that `count` hold of a resource.
    fn held<'a>(&'a self, resource: &'a str, count: impl Fn(&Request) -> bool + 'a) -> impl Iterator<Item = &'a Claim> {
        let holders =
            self.requests.iter().filter(move |request| request.holds.contains_key(resource) && count(request));
        holders.map(move |request| &request.claims[resource])
    }

    fn fits(&self, claim: &Claim, count: impl Fn(&Request) -> bool) -> bool {
        let resource = claim.resource.as_str();
        let held: Vec<&Claim> = self.held(resource, count).collect();
        let used: u32 = held.iter().map(|claim| claim.units).sum();
        !held.iter().any(|other| {
            other.mode == ClaimMode::Exclusive
                || (other.mode, claim.mode) == (ClaimMode::Upgradable, ClaimMode::Upgradable)
        }) && if claim.mode == ClaimMode::Exclusive {
            held.is_empty()
        } else {
            capacity(resource).is_none_or(|capacity| used + claim.units <= capacity)
        }
    }

    fn could_have(&self, request: &Request, count: impl Fn(&Request) -> bool + Copy) -> bool {
        match &request.upgrades {
            Some(resource) => {
                self.held(resource, |other| other.ticket != request.ticket && count(other)).next().is_none()
            }
            None => request.claims.values().all(|claim| self.fits(claim, count)),
        }
    }

    /// The owners that cannot go on even if everybody who can gives back what they hold.
    fn stuck(&self) -> BTreeSet<usize> {
        let waits = |request: &&Request| request.waits || request.upgrades.is_some();
        let mut stuck: BTreeSet<usize> =
            self.requests.iter().filter(waits).filter_map(|request| request.owner).collect();
        loop {
            let by_stuck = |request: &Request| request.owner.is_some_and(|owner| stuck.contains(&owner));
            let free = stuck.iter().copied().find(|owner| {
                let mut own = self.requests.iter().filter(waits).filter(|request| request.owner == Some(*owner));
                own.any(|request| self.could_have(request, by_stuck))
            });
            match free {
                Some(owner) => stuck.remove(&owner),
                None => return stuck,
            };
        }
    }

    fn granted(&mut self, ticket: Ticket, fence: u64) {
        assert!(fence > self.fence, "fences rise: {fence} after {}", self.fence);
        self.fence = fence;
        let now = self.now;
        let request = self.find(ticket);
        assert!(request.waits && request.holds.is_empty());
        request.waits = false;
        request.until = None;
        let ends = |claim: &Claim| claim.lease.map(|lease| now + lease.as_secs());
        request.holds = request.claims.iter().map(|(name, claim)| (name.clone(), ends(claim))).collect();
    }

    fn refused(&mut self, ticket: Ticket, refusal: &Refusal) {
        match refusal {
            Refusal::Late { .. } => {
                let now = self.now;
                let request = self.find(ticket);
                assert_eq!(request.until, Some(now).filter(|now| request.until <= Some(*now)).and(request.until));
                assert!(request.until.is_some_and(|until| until <= now), "not before its time");
            }
            // Several circles may be ended at once, and the answer to the request that closed them is heard last.
            Refusal::Deadlock(deadlock) if !deadlock.cycle.iter().all(|link| self.is_open(link.ticket)) => {
                assert_eq!(deadlock.victim().unwrap().ticket, ticket);
            }
            Refusal::Deadlock(deadlock) => {
                let stuck = self.stuck();
                let links: Vec<Request> = deadlock.cycle.iter().map(|link| self.find(link.ticket).clone()).collect();
                assert!(
                    links.iter().all(|link| stuck.contains(&link.owner.unwrap())),
                    "they are really stuck: {deadlock}"
                );
                let priority = |nth: usize| {
                    let link = &links[nth];
                    (link.claims[deadlock.cycle[nth].resource.as_str()].priority, usize::MAX - link.seq)
                };
                let least = (0..links.len()).min_by_key(|&nth| priority(nth)).unwrap();
                // A request for several resources is ranked by the one at which it stands in the queue.
                if links.iter().all(|link| link.claims.len() == 1) {
                    assert_eq!(least, deadlock.victim, "the youngest of the lowest priority: {deadlock}");
                }
                assert_eq!(deadlock.victim().unwrap().ticket, ticket);
                for (nth, link) in links.iter().enumerate() {
                    let next = &links[(nth + 1) % links.len()];
                    let resource = deadlock.cycle[nth].resource.as_str();
                    let held = self.requests.iter().any(|r| r.owner == next.owner && r.holds.contains_key(resource));
                    assert!(held && link.claims.contains_key(resource), "each holds what the one before wants");
                }
            }
            other => panic!("{other}"),
        }
        let request = self.find(ticket);
        if request.upgrades.take().is_none() {
            assert!(request.waits);
            self.requests.retain(|request| request.ticket != ticket);
        } else {
            request.until = None;
        }
    }

    fn hear(&mut self, table: &mut LockTable) {
        let told: Vec<Told> = table.told().collect();
        for Told { ticket, word } in told {
            match word {
                Word::Granted { fence } => self.granted(ticket, fence),
                Word::Upgraded { fence } => self.upgraded(ticket, fence),
                Word::Refused(refusal) => self.refused(ticket, &refusal),
                Word::Expired { resource, .. } => {
                    let now = self.now;
                    let request = self.find(ticket);
                    let ends = request.holds.remove(resource.as_str()).expect("it was held");
                    assert!(ends.is_some_and(|ends| ends <= now), "not before its time");
                    if request.upgrades.take_if(|upgrades| *upgrades == resource.as_str()).is_some() {
                        request.until = None;
                    }
                    if request.holds.is_empty() {
                        self.requests.retain(|request| request.ticket != ticket);
                    }
                }
                Word::Look => {
                    self.sleeps.insert(ticket, table.wake_for(ticket));
                }
                Word::Deadlock(_) => {}
            }
        }
    }

    /// Everybody that waits sleeps until its turn may come by time, and no longer.
    fn check_sleeps(&mut self, table: &LockTable) {
        let now = Duration::from_secs(self.now);
        for request in self.requests.iter().filter(|request| request.waits || request.upgrades.is_some()) {
            let wake_for = table.wake_for(request.ticket);
            let sleeps = self.sleeps.entry(request.ticket).or_insert(wake_for);
            if sleeps.is_some_and(|until| until <= now) {
                *sleeps = wake_for;
            }
            let early = sleeps.is_some_and(|until| wake_for.is_none_or(|wake_for| until <= wake_for));
            assert!(early || wake_for.is_none(), "{request:?} sleeps until {sleeps:?}, but {wake_for:?}");
            assert!(wake_for.is_none_or(|wake_for| wake_for > now), "what is due has happened");
        }
        let open: BTreeSet<Ticket> = self.requests.iter().map(|request| request.ticket).collect();
        self.sleeps.retain(|ticket, _| open.contains(ticket));
    }

    fn upgraded(&mut self, ticket: Ticket, fence: u64) {
        assert!(fence > self.fence);
        self.fence = fence;
        let request = self.find(ticket);
        let resource = request.upgrades.take().expect("it waited for it");
        request.until = None;
        request.claims.get_mut(&resource).unwrap().mode = ClaimMode::Exclusive;
    }

    fn check(&self, table: &LockTable) {
        for (nth, capacity) in CAPACITIES.iter().enumerate() {
            let name = format!("r{nth}");
            let held: Vec<&Claim> = self.held(&name, |_| true).collect();
            let of = |mode| held.iter().filter(|claim| claim.mode == mode).count();
            let used: u32 = held.iter().map(|claim| claim.units).sum();
            assert!(of(ClaimMode::Exclusive) == 0 || held.len() == 1, "beside nobody");
            assert!(of(ClaimMode::Upgradable) <= 1, "one upgradable at a time");
            if of(ClaimMode::Exclusive) == 0 {
                assert!(capacity.is_none_or(|capacity| used <= capacity), "never over the capacity");
            }
            let wants = |request: &&Request| match &request.upgrades {
                Some(resource) => *resource == name,
                None => request.waits && request.claims.contains_key(&name),
            };
            let stats = table.stats(0, &name).unwrap();
            assert_eq!(stats.waiting, self.requests.iter().filter(wants).count());
            assert_eq!(stats.holders.len(), held.len());
        }
        for request in &self.requests {
            assert!(request.until.is_none_or(|until| until > self.now), "nobody waits longer than it may");
            assert!(request.holds.values().flatten().all(|ends| *ends > self.now), "no lease is longer than it may");
            let waits = request.waits || request.upgrades.is_some();
            if waits && self.could_have(request, |_| true) {
                assert!(self.is_kept_from(request, table), "{request:?} waits in vain");
            }
        }
        assert!(self.stuck().is_empty(), "a deadlock was not ended");
    }

    /// Whether what a request could have is kept for another: one that waits for an upgrade, or an older one that is due.
    fn is_kept_from(&self, request: &Request, table: &LockTable) -> bool {
        let holds =
            |other: &Request| request.owner.is_some() && other.owner == request.owner && !other.holds.is_empty();
        if request.upgrades.is_some() || self.requests.iter().any(holds) {
            return false;
        }
        let is_due = |other: &Request| table.entries[other.ticket.place()].due;
        let shares = |other: &Request| match &other.upgrades {
            Some(resource) => request.claims.contains_key(resource),
            None => {
                let common = other.claims.keys().any(|resource| request.claims.contains_key(resource));
                other.waits && is_due(other) && common && (!is_due(request) || other.seq < request.seq)
            }
        };
        self.requests.iter().any(|other| other.ticket != request.ticket && shares(other))
    }

    fn ask(&mut self, table: &mut LockTable, owner: Option<usize>, claims: &[Claim], rank: u32) {
        let once = Arc::from("once");
        let asker = owner.map_or(Asker::Once(&once), |owner| Asker::Named(OWNERS[owner]));
        let wait = claims.iter().filter_map(|claim| claim.wait).min().map(|wait| wait.as_secs());
        self.asked += 1;
        let mut request = Request {
            ticket: Ticket { at: u32::MAX, seq: self.asked as u64 },
            owner,
            seq: self.asked,
            claims: joined(claims),
            holds: BTreeMap::new(),
            waits: true,
            until: wait.map(|wait| self.now + wait),
            upgrades: None,
        };
        match table.ask(Duration::from_secs(self.now), &Ask { asker, scope: 0, claims, rank, wait: None }) {
            Asked::Granted(Grant { ticket, fence }) => {
                request.ticket = ticket;
                self.requests.push(request);
                self.granted(ticket, fence);
            }
            Asked::Waits(waits) => {
                request.ticket = waits.ticket;
                self.requests.push(request);
                self.sleeps.insert(waits.ticket, table.wake_for(waits.ticket));
            }
            Asked::Refused(refusal) => {
                if let Refusal::Deadlock(deadlock) = &refusal {
                    request.ticket = deadlock.victim().unwrap().ticket;
                }
                let ticket = request.ticket;
                self.requests.push(request);
                // Others may have been refused first.
                self.hear(table);
                self.refused(ticket, &refusal);
            }
        }
    }

    fn upgrade(&mut self, table: &mut LockTable, ticket: Ticket, wait: u64) {
        let request = self.find(ticket).clone();
        let upgradable = |name: &&String| request.claims[*name].mode == ClaimMode::Upgradable;
        let Some(resource) = request.holds.keys().find(upgradable) else { return };
        let limit = (wait > 0).then(|| Duration::from_secs(wait));
        let answer = table.upgrade(Duration::from_secs(self.now), ticket, resource, limit);
        if request.upgrades.is_some() {
            return assert_eq!(answer, None, "it waits already");
        }
        let (now, request) = (self.now, self.find(ticket));
        request.upgrades = Some(resource.clone());
        request.until = limit.map(|limit| now + limit.as_secs());
        match answer.unwrap() {
            Asked::Granted(Grant { fence, .. }) => self.upgraded(ticket, fence),
            Asked::Waits(_) => drop(self.sleeps.insert(ticket, table.wake_for(ticket))),
            Asked::Refused(refusal) => {
                self.hear(table);
                self.refused(ticket, &refusal);
            }
        }
    }

    fn play(max_passed: u32, ops: &[Op]) -> (Self, LockTable) {
        let mut table = LockTable { max_passed, ..LockTable::default() };
        for (nth, capacity) in CAPACITIES.iter().enumerate() {
            let resource = Resource { capacity: *capacity, ..Resource::new(format!("r{nth}").as_str()) };
            table.declare(0, &resource).unwrap();
        }
        let mut model = Self::default();
        for op in ops {
            let open: Vec<Ticket> = model.requests.iter().map(|request| request.ticket).collect();
            let pick = |nth: usize| open.get(nth % open.len().max(1)).copied();
            let now = Duration::from_secs(model.now);
            match op {
                Op::Ask { owner, claims, rank } => model.ask(&mut table, *owner, claims, *rank),
                Op::Release(nth) => {
                    if let Some(ticket) = pick(*nth) {
                        model.requests.retain(|request| request.ticket != ticket);
                        assert!(table.release(now, ticket));
                        assert!(!table.release(now, ticket), "twice does no harm");
                    }
                }
                Op::Upgrade(nth, wait) => {
                    if let Some(ticket) = pick(*nth) {
                        model.upgrade(&mut table, ticket, *wait);
                    }
                }
                Op::Renew(nth) => {
                    if let Some(ticket) = pick(*nth) {
                        let now = model.now;
                        let request = model.find(ticket);
                        for (name, ends) in &mut request.holds {
                            *ends = request.claims[name].lease.map(|lease| now + lease.as_secs());
                        }
                        let granted = !request.waits;
                        assert_eq!(table.renew(Duration::from_secs(now), ticket), granted);
                    }
                }
                Op::Pass(seconds) => {
                    model.now += seconds;
                    table.turn(Duration::from_secs(model.now));
                }
            }
            model.hear(&mut table);
            model.check(&table);
            model.check_sleeps(&table);
        }
        (model, table)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold(max_passed in max_passed(), ops in prop::collection::vec(op(), 0..60)) {
        Model::play(max_passed, &ops);
    }

    /// When everybody gives back what they get, everybody gets it.
    #[test]
    fn nobody_is_forgotten(max_passed in max_passed(), ops in prop::collection::vec(op(), 0..60)) {
        let (mut model, mut table) = Model::play(max_passed, &ops);
        for _ in 0..1_000 {
            let holder = model.requests.iter().find(|request| !request.waits).map(|request| request.ticket);
            let Some(ticket) = holder else { break };
            model.requests.retain(|request| request.ticket != ticket);
            prop_assert!(table.release(Duration::from_secs(model.now), ticket));
            model.hear(&mut table);
            model.check(&table);
        }
        prop_assert!(model.requests.is_empty(), "forgotten: {:?}", model.requests);
        prop_assert!(table.rows.iter().all(|row| row.is_idle() && row.used == 0 && row.due.is_empty()));
        prop_assert!(table.entries.iter().all(|entry| entry.state == State::Free));
        prop_assert_eq!(table.wake_at(), None);
    }

    /// The same script gives the same answers, whatever the hash tables do.
    #[test]
    fn the_table_is_deterministic(ops in prop::collection::vec(op(), 0..40)) {
        let (first, second) = (Model::play(2, &ops).0, Model::play(2, &ops).0);
        prop_assert_eq!(format!("{:?}", first.requests), format!("{:?}", second.requests));
    }

    /// On a resource with one place: by priority, rank and arrival, but for those that are due; and nobody waits for more
    /// grants than the bound says.
    #[test]
    fn the_order_of_one_queue_is_as_written(asks in prop::collection::vec((0u8..4, -1i32..2, 0u32..3), 1..300)) {
        let mut table = LockTable::default();
        let once = Arc::from("once");
        // (arrival, priority, rank, passed over, older ones when it came, grants since)
        let mut queue: Vec<(usize, i32, u32, u32, usize, usize)> = Vec::new();
        let mut arrivals: BTreeMap<Ticket, usize> = BTreeMap::new();
        let mut holder: Option<Ticket> = None;
        for (arrival, (releases, priority, rank)) in asks.into_iter().enumerate() {
            let claims = [Claim::exclusive("db").priority(priority)];
            let ask = Ask { asker: Asker::Once(&once), scope: 0, claims: &claims, rank, wait: None };
            match table.ask(Duration::ZERO, &ask) {
                Asked::Granted(grant) => {
                    prop_assert!(holder.is_none() && queue.is_empty());
                    holder = Some(grant.ticket);
                }
                Asked::Waits(waits) => {
                    queue.push((arrival, priority, rank, 0, queue.len(), 0));
                    arrivals.insert(waits.ticket, arrival);
                }
                Asked::Refused(refusal) => panic!("{refusal}"),
            }
            // Most steps release nothing, so that the queue grows.
            for _ in 0..releases.saturating_sub(1).min(1) {
                let Some(ticket) = holder.take() else { break };
                table.release(Duration::ZERO, ticket);
                let due = queue.iter().filter(|it| it.3 >= LockTable::MAX_PASSED).min_by_key(|it| it.0);
                let next = due.or_else(|| queue.iter().min_by_key(|it| (-it.1, it.2, it.0))).copied();
                let told: Vec<Told> = table.told().collect();
                let Some(next) = next else {
                    prop_assert!(told.is_empty());
                    break;
                };
                prop_assert_eq!(told.len(), 1);
                prop_assert_eq!(arrivals[&told[0].ticket], next.0);
                queue.retain(|it| it.0 != next.0);
                if let Some(eldest) = queue.iter_mut().min_by_key(|it| it.0).filter(|it| it.0 < next.0) {
                    eldest.3 += 1;
                }
                for it in &mut queue {
                    it.5 += 1;
                    prop_assert!(it.5 <= (LockTable::MAX_PASSED as usize + 1) * (it.4 + 1), "{it:?} waits too long");
                }
                holder = Some(told[0].ticket);
            }
        }
    }
}
