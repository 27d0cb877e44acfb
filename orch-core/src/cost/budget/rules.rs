//! Reserve and settle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{
    account::{Account, Accounts},
    limit::{AtLimit, Labels, Limit, Limits},
    news::{Exhausted, Recap, exhausted, is_news, recap},
    period::{Period, Span},
};
use crate::{clock::WallTime, error::Result, id::Printable, units::Usd};

/// Money that is reserved: give it back with [`settle`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "what is reserved has to be settled"]
pub struct Reserved {
    /// How much.
    pub usd: Usd,
    /// When: its charge belongs to the periods of this time.
    pub at: WallTime,
    /// Who spends it.
    pub who: Labels,
    /// The limits in which it is reserved, each with the key of the account.
    pub accounts: Vec<(String, String)>,
}

/// The answer to who wants to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is reserved.
    Granted(Reserved),
    /// There would be enough if what others have reserved were not spent: ask again when something is settled.
    Later(Stop),
    /// Ask again at that time, when the next period begins.
    Wait {
        /// When.
        until: WallTime,
        /// What is in the way.
        stop: Stop,
    },
    /// Do it with that model, and ask for that.
    Downgrade {
        /// The model.
        model: String,
        /// What is in the way.
        stop: Stop,
    },
    /// Somebody has to say whether it may be spent all the same.
    Ask(Stop),
    /// It may not be spent.
    Refused(Stop),
}

/// What is in the way. `Display` is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The limit's name.
    pub limit: String,
    /// The name of its period; may be empty.
    pub period: String,
    /// How much there is.
    pub usd: Usd,
    /// What of it is spent.
    pub spent: Usd,
    /// What of it is reserved.
    pub reserved: Usd,
    /// What was wanted.
    pub wanted: Usd,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [usd, spent, reserved, wanted] = [self.usd, self.spent, self.reserved, self.wanted].map(Usd::to_decimal);
        write!(f, "the budget `{}` of ${usd}", Printable(&self.limit))?;
        if !self.period.is_empty() {
            write!(f, " for {}", self.period)?;
        }
        write!(f, " has ${spent} spent and ${reserved} reserved; ${wanted} more would be too much")
    }
}

/// One limit, as one spender finds it.
struct Found<'a> {
    limit: &'a Limit,
    span: Span,
    key: String,
    account: Account,
    spent: Usd,
}

/// Who wants to spend how much, and what is to be said of it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Who.
    pub who: &'a Labels,
    /// When.
    pub at: WallTime,
    /// How much at most; nothing for an amount that nobody knows.
    pub usd: Usd,
    /// What has to be left beside it, by the names of limits: for others that go first and have not asked yet.
    pub first: &'a [(String, Usd)],
    /// Limits that ask, by name, of which somebody has said that this may pass them.
    pub allowed: &'a BTreeSet<String>,
}

/// Reserves that much in every limit that counts it, or in none: [`reserve_wish`] where nobody goes first and nothing is allowed.
///
/// # Errors
///
/// Those of `accounts`.
pub fn reserve(limits: &Limits, accounts: &mut dyn Accounts, who: &Labels, at: WallTime, usd: Usd) -> Result<Verdict> {
    reserve_wish(limits, accounts, &Wish { who, at, usd, first: &[], allowed: &BTreeSet::new() })
}

/// Reserves that much in every limit that counts it, or in none.
///
/// Granted is what fits into what is neither spent nor reserved, of a limit that is not used up: nothing costs nothing, but who
/// is to spend an unknown amount needs at least something that is left. Of several limits in the way the hardest decides: to
/// refuse, then to ask, to downgrade, to wait. What is more than a whole limit is refused, whatever else the limit says, or asked
/// for. Who would leave too little for those who go [first](Wish::first) asks again later.
///
/// # Errors
///
/// Those of `accounts`.
pub fn reserve_wish(limits: &Limits, accounts: &mut dyn Accounts, wish: &Wish<'_>) -> Result<Verdict> {
    let &Wish { who, at, first, allowed, .. } = wish;
    let usd = wish.usd.max(Usd::ZERO);
    let mut found = Vec::new();
    for (limit, span, key) in limits.accounts(who, at) {
        let account = accounts.load(&key)?.unwrap_or_default();
        let spent = account.spent_at(limit.per, at);
        found.push(Found { limit, span, key, account, spent });
    }
    let goes_first =
        |limit: &Limit| -> Usd { first.iter().filter(|(name, _)| *name == limit.name).map(|(_, usd)| *usd).sum() };
    let is_in_the_way = |one: &&Found<'_>| {
        let is_allowed = one.limit.at_limit == AtLimit::Ask && allowed.contains(&one.limit.name);
        !is_allowed && !fits(one, one.account.reserved + goes_first(one.limit), usd)
    };
    let in_the_way = found.iter().filter(is_in_the_way);
    if let Some(verdict) = in_the_way.map(|one| stopped(one, usd)).max_by_key(hardness) {
        return Ok(verdict);
    }
    let mut reserved = Reserved { usd, at, who: who.clone(), accounts: Vec::new() };
    for mut one in found {
        one.account.reserved += usd;
        accounts.save(&one.key, one.account)?;
        reserved.accounts.push((one.limit.name.clone(), one.key));
    }
    Ok(Verdict::Granted(reserved))
}

/// Whether so much fits beside what is reserved. Who asks for nothing needs something to be left.
fn fits(one: &Found<'_>, reserved: Usd, usd: Usd) -> bool {
    let left = one.limit.usd - one.spent - reserved;
    usd <= left && (usd > Usd::ZERO || left > Usd::ZERO)
}

/// The harder, the greater; of equally hard ones the last counts.
fn hardness(verdict: &Verdict) -> (u8, WallTime) {
    match verdict {
        Verdict::Granted(_) => (0, WallTime(0)),
        Verdict::Later(_) => (1, WallTime(0)),
        Verdict::Wait { until, .. } => (2, *until),
        Verdict::Downgrade { .. } => (3, WallTime(0)),
        Verdict::Ask(_) => (4, WallTime(0)),
        Verdict::Refused(_) => (5, WallTime(0)),
    }
}

fn stopped(one: &Found<'_>, usd: Usd) -> Verdict {
    let Found { limit, span, account, spent, .. } = one;
    let stop = Stop {
        limit: limit.name.clone(),
        period: span.name.clone(),
        usd: limit.usd,
        spent: *spent,
        reserved: account.reserved,
        wanted: usd,
    };
    // It may yet turn out that others spend less than they reserved.
    if fits(one, Usd::ZERO, usd) {
        return Verdict::Later(stop);
    }
    let never = usd > limit.usd || limit.usd == Usd::ZERO;
    match &limit.at_limit {
        AtLimit::Ask => Verdict::Ask(stop),
        AtLimit::Downgrade(model) => Verdict::Downgrade { model: model.clone(), stop },
        AtLimit::Wait if !never => {
            let most = limit.usd - if usd > Usd::ZERO { usd } else { Usd::from_nanos(1) };
            match span.end.or_else(|| account.down_to(limit.per, most)) {
                Some(until) => Verdict::Wait { until, stop },
                None => Verdict::Refused(stop),
            }
        }
        AtLimit::Refuse | AtLimit::Wait => Verdict::Refused(stop),
    }
}

/// What became of what was reserved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// The milestones that were reached with it, those of one limit in rising order: also several at once.
    pub milestones: Vec<Milestone>,
    /// The limits that are above their amount now, since it cost more than was reserved for it: by name, and by how much.
    pub over: Vec<(String, Usd)>,
    /// The limits of which nothing is left with it, each once a period.
    pub exhausted: Vec<Exhausted>,
    /// What earlier months brought, of limits of a month that were charged for the first time in theirs.
    pub recaps: Vec<Recap>,
}

/// A milestone that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Milestone {
    /// The limit's name.
    pub limit: String,
    /// Its account.
    pub account: String,
    /// The name of its period; may be empty.
    pub period: String,
    /// How much there is.
    pub of: Usd,
    /// The milestone.
    pub usd: Usd,
    /// What is spent now.
    pub spent: Usd,
    /// The account's number of charges, with this one.
    pub charges: u64,
}

/// Gives back what was reserved, and adds what was spent. With nothing spent, nothing is counted as a charge.
///
/// It is told once for each reservation: the rules do not know what was settled before.
///
/// # Errors
///
/// Those of `accounts`.
pub fn settle(
    limits: &Limits,
    accounts: &mut dyn Accounts,
    reserved: &Reserved,
    spent: Usd,
    now: WallTime,
) -> Result<Settled> {
    settle_all(limits, accounts, &[(reserved, spent)], now)
}

/// What one account hears of several that are settled together.
struct Sum<'a> {
    limit: &'a str,
    at: WallTime,
    reserved: Usd,
    spent: Usd,
    charges: u64,
}

/// The same for several that belong together: a milestone is reached by all of them at once.
///
/// # Errors
///
/// Those of `accounts`.
pub fn settle_all(
    limits: &Limits,
    accounts: &mut dyn Accounts,
    all: &[(&Reserved, Usd)],
    now: WallTime,
) -> Result<Settled> {
    let mut sums: BTreeMap<&str, Sum<'_>> = BTreeMap::new();
    for (reserved, spent) in all {
        for (limit, key) in &reserved.accounts {
            let nothing = Sum { limit, at: reserved.at, reserved: Usd::ZERO, spent: Usd::ZERO, charges: 0 };
            let sum = sums.entry(key).or_insert(nothing);
            sum.reserved += reserved.usd;
            sum.spent += *spent;
            sum.charges += u64::from(*spent != Usd::ZERO);
        }
    }
    book(limits, accounts, sums, now)
}

/// Tells each account, by its key, what it is to hear.
fn book(
    limits: &Limits,
    accounts: &mut dyn Accounts,
    sums: BTreeMap<impl AsRef<str>, Sum<'_>>,
    now: WallTime,
) -> Result<Settled> {
    let mut settled = Settled::default();
    for (key, sum) in sums {
        let key = key.as_ref();
        let mut account = accounts.load(key)?.unwrap_or_default();
        account.reserved = (account.reserved - sum.reserved).max(Usd::ZERO);
        let limit = limits.find(sum.limit);
        let period = limit.map_or(Period::Ever, |limit| limit.per);
        if sum.charges > 0 {
            if let Some(limit) = limit.filter(|limit| limit.per == Period::Month && account.charges == 0) {
                settled.recaps.extend(recap(limit, accounts, key, sum.at)?);
            }
            // A window counts from when the money is known to be gone.
            let (before, after) = account.charge(period, now.max(sum.at), sum.spent);
            account.charges += sum.charges - 1;
            if let Some(limit) = limit {
                // Most charges have nothing to tell, and need not know the calendar.
                let span = || limit.per.span(&limit.zone, sum.at);
                reach(limit, key, span, &mut account, (before, after), &mut settled);
                if after >= limit.usd && is_news(limit, &mut account, now) {
                    settled.exhausted.push(exhausted(limit, key, &span(), after));
                }
            }
        }
        accounts.save(key, account)?;
    }
    Ok(settled)
}

impl Settled {
    /// Adds what became of something else.
    pub fn add(&mut self, other: Self) {
        self.milestones.extend(other.milestones);
        self.over.extend(other.over);
        self.exhausted.extend(other.exhausted);
        self.recaps.extend(other.recaps);
    }
}

/// Adds what was spent without a reservation, whatever the limits say: it is gone.
///
/// # Errors
///
/// Those of `accounts`.
pub fn charge(limits: &Limits, accounts: &mut dyn Accounts, who: &Labels, at: WallTime, spent: Usd) -> Result<Settled> {
    let charges = u64::from(spent != Usd::ZERO);
    let sums: BTreeMap<String, Sum<'_>> = limits
        .accounts(who, at)
        .map(|(Limit { name, .. }, _, key)| (key, Sum { limit: name, at, reserved: Usd::ZERO, spent, charges }))
        .collect();
    book(limits, accounts, sums, at)
}

/// Nothing, as if it had been reserved: by it something is charged that nobody reserved for.
pub fn nothing(limits: &Limits, who: &Labels, at: WallTime) -> Reserved {
    let accounts = limits.accounts(who, at).map(|(limit, _, key)| (limit.name.clone(), key)).collect();
    Reserved { usd: Usd::ZERO, at, who: who.clone(), accounts }
}

fn reach(
    limit: &Limit,
    key: &str,
    span: impl Fn() -> Span,
    account: &mut Account,
    (before, after): (Usd, Usd),
    settled: &mut Settled,
) {
    if matches!(limit.per, Period::Rolling(_)) {
        account.reached.retain(|milestone| *milestone <= before);
    }
    let is_reached =
        |milestone: &Usd| before < *milestone && *milestone <= after && !account.reached.contains(milestone);
    let mut reached: Vec<Usd> = limit.milestones.iter().copied().filter(is_reached).collect();
    reached.sort_unstable();
    reached.dedup();
    for usd in reached {
        account.reached.push(usd);
        settled.milestones.push(Milestone {
            limit: limit.name.clone(),
            account: key.to_owned(),
            of: limit.usd,
            period: span().name,
            usd,
            spent: after,
            charges: account.charges,
        });
    }
    if after > limit.usd {
        settled.over.push((limit.name.clone(), after - limit.usd));
    }
}

/// How one limit stands for one spender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The limit's name.
    pub limit: String,
    /// Its period.
    pub span: Span,
    /// How much there is.
    pub usd: Usd,
    /// What of it is spent.
    pub spent: Usd,
    /// What of it is reserved.
    pub reserved: Usd,
    /// How many charges there were.
    pub charges: u64,
    /// The milestones that were reached.
    pub reached: Vec<Usd>,
}

/// How all limits stand that count what `who` spends.
///
/// # Errors
///
/// Those of `accounts`.
pub fn standing(limits: &Limits, accounts: &mut dyn Accounts, who: &Labels, at: WallTime) -> Result<Vec<Standing>> {
    let mut found = Vec::new();
    for (limit, span, key) in limits.accounts(who, at) {
        let account = accounts.load(&key)?.unwrap_or_default();
        found.push(Standing {
            limit: limit.name.clone(),
            span,
            usd: limit.usd,
            spent: account.spent_at(limit.per, at),
            reserved: account.reserved,
            charges: account.charges,
            reached: account.reached,
        });
    }
    Ok(found)
}
