//! The ledger: limits and charges in a store, that threads and processes share.

mod gates;
mod news;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

pub use self::{
    gates::{Allowed, Gate, Question},
    news::{News, NewsKind},
};
use crate::{
    clock::{Clock, WallTime},
    cost::{
        Quote,
        budget::{
            Account, Accounts, Column, Labels, Limits, Reserved, Settled, Standing, Verdict, Wish, charge, nothing,
            reserve_wish, settle_all, standing,
        },
    },
    error::{Error, ErrorKind, Result},
    id::{Printable, RunId},
    store::{Book, ChargeRow, Content, Store},
    units::{ModelUsage, Usd},
};

/// Who may spend what, and who spent what: [limits](Limits) over a [store](Store). Cheap to clone; whoever has the same store has the
/// same ledger, in whatever process.
///
/// Every call is one transaction of the store, and on its disk when it answers, so that no two can reserve the same money. Calls
/// block. What a process had reserved that died stays reserved: it may be spent. Somebody [settles](Ledger::settle) it when it is
/// known what it cost, or [at what was reserved](Ledger::assume).
///
/// ```
/// use std::sync::Arc;
/// use orch_core::{Clock, Usd, store::MemoryStore};
/// use orch_core::cost::budget::{Column, Labels, Limit, Limits};
/// use orch_core::session::{Answer, Charge, Ledger};
///
/// let limits = Limits::new(vec![Limit::new("all", Usd::from_cents(100))])?;
/// let ledger = Ledger::new(Arc::new(MemoryStore::default()), limits, Clock::system());
/// let who = Labels::default().with(Column::Agent, "reviewer");
/// let Answer::Granted(booked) = ledger.reserve(&[(who.clone(), Usd::from_cents(70))])? else { panic!("there is enough") };
/// assert!(matches!(ledger.reserve(&[(who.clone(), Usd::from_cents(40))])?, Answer::Stopped(_)));
/// ledger.settle(&booked.id, vec![Charge::new(who.clone(), Usd::from_cents(55))])?;
/// assert!(matches!(ledger.reserve(&[(who, Usd::from_cents(40))])?, Answer::Granted(_)));
/// assert_eq!(ledger.spent_by(&[Column::Agent], None, None)?[0].usd, Usd::from_cents(55));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    limits: Limits,
    clock: Clock,
}

/// What was reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// By which it is settled.
    pub id: String,
    /// How much, together.
    pub usd: Usd,
    /// How much may be spent at most as the limits stand: what is reserved, and what else nobody has reserved. `None`: there is
    /// no limit.
    pub most: Option<Usd>,
}

/// Somebody who wants to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) who: Labels,
    pub(super) usd: Usd,
    /// What has to be left for others, by the names of limits.
    pub(super) first: Vec<(String, Usd)>,
}

/// The answer to who wants to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is reserved.
    Granted(Booked),
    /// It is not; never [`Verdict::Granted`].
    Stopped(Verdict),
}

/// Something that was spent. In JSON money is whole nano-dollars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// When: the time whose periods it counts in.
    #[serde(skip)]
    pub at: WallTime,
    /// How much.
    #[serde(skip)]
    pub usd: Usd,
    /// Who.
    pub who: Labels,
    /// Which attempt of the task, from 1; 0: not one of a task.
    #[serde(default)]
    pub attempt: u32,
    /// Whether the attempt failed. It is paid for all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// What was used, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ModelUsage>,
    /// By which price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Priced>,
    /// Nobody knows what it cost: it is what was reserved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// Which price a charge was computed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priced {
    /// The model, as the list calls it.
    pub model: String,
    /// The list.
    pub list: String,
    /// The time whose price it is.
    pub at: WallTime,
    /// Whether it is that of another model, for one that is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fallback: bool,
}

impl From<&Quote> for Priced {
    fn from(quote: &Quote) -> Self {
        let Quote { model, list, at, is_fallback, .. } = quote;
        Self { model: model.clone(), list: list.clone(), at: *at, fallback: *is_fallback }
    }
}

impl Charge {
    /// So much by that spender.
    pub fn new(who: Labels, usd: Usd) -> Self {
        let (attempt, failed, usage, price, assumed) = Default::default();
        Self { at: WallTime(0), usd, who, attempt, failed, usage, price, assumed }
    }

    fn row(&self, at: WallTime) -> ChargeRow {
        ChargeRow { at, usd: self.usd, body: Content::of(self.clone()) }
    }

    pub(super) fn read(row: &ChargeRow) -> Result<Self> {
        Ok(Self { at: row.at, usd: row.usd, ..row.body.read("a charge")? })
    }
}

/// Money that is reserved now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// By which it is settled.
    pub id: String,
    /// Since when.
    pub at: WallTime,
    /// Who, and how much each.
    pub parts: Vec<(Labels, Usd)>,
}

/// What some spenders spent together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// What they have in common, in the columns that were asked for; `None` where it is not known.
    pub of: Vec<Option<String>>,
    /// How much.
    pub usd: Usd,
    /// In how many charges.
    pub charges: u64,
    /// In how many of them the attempt failed.
    pub failed: u64,
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
}

/// The cell of that account.
fn cell_of(account: &str) -> String {
    [ACCOUNT, account].concat()
}

/// The accounts of a booking.
struct Cells<'a>(&'a mut dyn Book);

impl Accounts for Cells<'_> {
    fn load(&mut self, key: &str) -> Result<Option<Account>> {
        self.0.cell(&cell_of(key))?.map(|body| body.read("an account")).transpose()
    }

    fn save(&mut self, key: &str, account: Account) -> Result<()> {
        self.0.set_cell(&cell_of(key), Some(Content::of(account)))
    }
}

const ACCOUNT: &str = "account/";
const MARK: &str = "mark/";
const RESERVED: &str = "reserved/";

impl Ledger {
    /// The ledger of that store, with these limits, in the days and months of that clock. Limits may be others than before; what was
    /// spent under the name of one counts for the one of that name.
    pub fn new(store: Arc<dyn Store>, limits: Limits, clock: Clock) -> Self {
        Self(Arc::new(Inner { store, limits, clock }))
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether its store answers at once, as one in memory does.
    pub(super) fn is_quick(&self) -> bool {
        self.0.store.is_quick()
    }

    /// The time of its clock.
    pub fn now(&self) -> WallTime {
        self.0.clock.wall()
    }

    fn book<T>(&self, mut entry: impl FnMut(&mut dyn Book) -> Result<T>) -> Result<T> {
        let mut answer = None;
        self.0.store.book(&mut |book| {
            answer = Some(entry(book)?);
            Ok(())
        })?;
        answer.ok_or_else(|| Error::new(ErrorKind::Misuse, "the store did not book what it acknowledged"))
    }

    /// Reserves for each of these spenders what it may cost at most: all of it, or nothing. For an amount that nobody knows reserve
    /// nothing: that is granted while anything is left.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn reserve(&self, parts: &[(Labels, Usd)]) -> Result<Answer> {
        let part = |(who, usd): &(Labels, Usd)| Part { who: who.clone(), usd: *usd, first: Vec::new() };
        self.reserve_parts(&parts.iter().map(part).collect::<Vec<_>>(), &BTreeSet::new())
    }

    /// The same, where others go first, and with what somebody has allowed.
    pub(super) fn reserve_parts(&self, parts: &[Part], allowed: &BTreeSet<String>) -> Result<Answer> {
        let (now, id) = (self.now(), RunId::new(&self.0.clock).to_string());
        let (mut stopped, mut most) = (None, None);
        let booked = self.book(|book| {
            let mut reserved = Vec::new();
            for Part { who, usd, first } in parts {
                let wish = Wish { who, at: now, usd: *usd, first, allowed };
                match reserve_wish(&self.0.limits, &mut Cells(book), &wish)? {
                    Verdict::Granted(part) => reserved.push(part),
                    verdict => {
                        stopped = Some((verdict, who.clone()));
                        // What was reserved for the parts before is given up with the booking.
                        return Err(Error::new(ErrorKind::Conflict, "there is not enough for all of it"));
                    }
                }
            }
            let usd: Usd = parts.iter().map(|part| part.usd).sum();
            for Part { who, .. } in parts {
                for at in standing(&self.0.limits, &mut Cells(book), who, now)? {
                    let left = (at.usd - at.spent - at.reserved).max(Usd::ZERO) + usd;
                    most = Some(most.map_or(left, |most: Usd| most.min(left)));
                }
            }
            book.set_cell(&format!("{RESERVED}{id}"), Some(Content::of(reserved)))
        });
        match (booked, stopped) {
            (_, Some((verdict, who))) => {
                if let Verdict::Wait { stop, .. }
                | Verdict::Downgrade { stop, .. }
                | Verdict::Ask(stop)
                | Verdict::Refused(stop) = &verdict
                {
                    self.exhausted(&who, stop, now)?;
                }
                Ok(Answer::Stopped(verdict))
            }
            (Ok(()), None) => Ok(Answer::Granted(Booked { id, usd: parts.iter().map(|part| part.usd).sum(), most })),
            (Err(error), None) => Err(error),
        }
    }

    /// Reserves more for what goes on, so that it is `total` together; `None`: it is. What is not granted stays as it was: somebody
    /// has to stop. `allowed` as for [`reserve_parts`](Ledger::reserve_parts).
    pub(super) fn raise(
        &self,
        id: &str,
        who: &Labels,
        total: Usd,
        allowed: &BTreeSet<String>,
    ) -> Result<Option<Verdict>> {
        let key = format!("{RESERVED}{id}");
        self.book(|book| {
            let Some(cell) = book.cell(&key)? else {
                let message = format!("the reservation `{}` was settled already, or never made", Printable(id));
                return Err(Error::new(ErrorKind::Conflict, message));
            };
            let mut parts: Vec<Reserved> = cell.read("a reservation")?;
            let more = total - parts.iter().map(|part| part.usd).sum();
            if more <= Usd::ZERO {
                return Ok(None);
            }
            let at = parts.iter().map(|part| part.at).min().unwrap_or_else(|| self.now());
            let wish = Wish { who, at, usd: more, first: &[], allowed };
            match reserve_wish(&self.0.limits, &mut Cells(book), &wish)? {
                Verdict::Granted(part) => parts.push(part),
                verdict => return Ok(Some(verdict)),
            }
            book.set_cell(&key, Some(Content::of(parts)))?;
            Ok(None)
        })
    }

    /// Gives back what was reserved, and books what was spent of it: nothing, or any number of charges. They belong to the periods
    /// of the reservation.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if it was settled already: then nothing is booked. Those of the store.
    pub fn settle(&self, id: &str, charges: Vec<Charge>) -> Result<Settled> {
        self.end(id, |_| charges.clone())
    }

    /// The same where nobody knows what was spent: what was reserved is taken for it, and its charges say so.
    ///
    /// # Errors
    ///
    /// As [`settle`](Ledger::settle).
    pub fn assume(&self, id: &str) -> Result<Settled> {
        self.end(id, |parts| {
            let assumed = |part: &Reserved| Charge { assumed: true, ..Charge::new(part.who.clone(), part.usd) };
            parts.iter().filter(|part| part.usd != Usd::ZERO).map(assumed).collect()
        })
    }

    fn end(&self, id: &str, charges: impl Fn(&[Reserved]) -> Vec<Charge>) -> Result<Settled> {
        let (now, key) = (self.now(), format!("{RESERVED}{id}"));
        self.book(|book| {
            let Some(cell) = book.cell(&key)? else {
                let message = format!("the reservation `{}` was settled already, or never made", Printable(id));
                return Err(Error::new(ErrorKind::Conflict, message));
            };
            let parts: Vec<Reserved> = cell.read("a reservation")?;
            let at = parts.iter().map(|part| part.at).min().unwrap_or(now);
            let mut left = charges(&parts);
            for charge in &left {
                book.charge(&charge.row(at))?;
            }
            let mut all: Vec<(Reserved, Usd)> = Vec::new();
            for part in parts {
                let mut spent = Usd::ZERO;
                left.retain(|charge| {
                    let same = charge.who == part.who;
                    if same {
                        spent += charge.usd;
                    }
                    !same
                });
                all.push((part, spent));
            }
            // What nobody had reserved for counts as well.
            all.extend(left.iter().map(|other| (nothing(&self.0.limits, &other.who, at), other.usd)));
            let all: Vec<(&Reserved, Usd)> = all.iter().map(|(part, spent)| (part, *spent)).collect();
            let settled = settle_all(&self.0.limits, &mut Cells(book), &all, now)?;
            news::note(self, book, &settled, now)?;
            book.set_cell(&key, None)?;
            Ok(settled)
        })
    }

    /// Books what was spent without a reservation: what somebody else's program says that it cost.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn charge(&self, charges: &[Charge]) -> Result<Settled> {
        let now = self.now();
        self.book(|book| {
            let mut settled = Settled::default();
            for one in charges {
                book.charge(&one.row(now))?;
                settled.add(charge(&self.0.limits, &mut Cells(book), &one.who, now, one.usd)?);
            }
            news::note(self, book, &settled, now)?;
            Ok(settled)
        })
    }

    /// Books what was spent before, in the periods of the charges' own times: what other systems kept. It is the caller who sees to
    /// it that this happens once.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn import(&self, charges: &[Charge]) -> Result<Settled> {
        self.book(|book| {
            let mut settled = Settled::default();
            for one in charges {
                book.charge(&one.row(one.at))?;
                settled.add(charge(&self.0.limits, &mut Cells(book), &one.who, one.at, one.usd)?);
            }
            Ok(settled)
        })
    }

    /// How the limits stand that count what that spender spends.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn standing(&self, who: &Labels) -> Result<Vec<Standing>> {
        let now = self.now();
        let mut read = Read(&*self.0.store);
        standing(&self.0.limits, &mut read, who, now)
    }

    /// How the limits stand in the present period: each with whom it is for, as a JSON object of columns. A limit of which nobody
    /// has spent anything is there once.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn accounts(&self) -> Result<Vec<(serde_json::Value, Standing)>> {
        let (now, cells) = (self.now(), self.0.store.cells(ACCOUNT)?);
        let mut found = Vec::new();
        for limit in &self.0.limits {
            let span = limit.per.span(&limit.zone, now);
            let mut accounts: Vec<(serde_json::Value, Account)> = Vec::new();
            for (key, cell) in &cells {
                let key = key.strip_prefix(ACCOUNT).unwrap_or(key);
                let Ok((name, of, period)) = serde_json::from_str::<(String, serde_json::Value, String)>(key) else {
                    continue;
                };
                if name == limit.name && period == span.name {
                    accounts.push((of, cell.read("an account")?));
                }
            }
            if accounts.is_empty() {
                accounts.push((serde_json::json!({}), Account::default()));
            }
            found.extend(accounts.into_iter().map(|(of, account)| {
                let spent = account.spent_at(limit.per, now);
                let Account { reserved, charges, reached, .. } = account;
                let (limit, usd, span) = (limit.name.clone(), limit.usd, span.clone());
                (of, Standing { limit, span, usd, spent, reserved, charges, reached })
            }));
        }
        Ok(found)
    }

    /// What is reserved now.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn in_flight(&self) -> Result<Vec<InFlight>> {
        let cells = self.0.store.cells(RESERVED)?;
        let read = |(key, cell): (String, Content)| {
            let parts: Vec<Reserved> = cell.read("a reservation")?;
            let at = parts.iter().map(|part| part.at).min().unwrap_or(WallTime(0));
            let id = key.strip_prefix(RESERVED).unwrap_or(&key).to_owned();
            Ok(InFlight { id, at, parts: parts.into_iter().map(|part| (part.who, part.usd)).collect() })
        };
        cells.into_iter().map(read).collect()
    }

    /// The charges from that time on and before that other, in order.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn charges(&self, from: Option<WallTime>, to: Option<WallTime>) -> Result<Vec<Charge>> {
        let rows = self.0.store.charges(from.unwrap_or(WallTime(0)), to.unwrap_or(WallTime(u64::MAX)))?;
        rows.iter().map(Charge::read).collect()
    }

    /// What was spent, added up by these columns, the most first.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn spent_by(&self, columns: &[Column], from: Option<WallTime>, to: Option<WallTime>) -> Result<Vec<Spent>> {
        let by = |charge: &Charge| columns.iter().map(|column| charge.who.get(*column).map(str::to_owned)).collect();
        Ok(add_up(&self.charges(from, to)?, by))
    }
}

/// Adds charges up by what `by` says of each, the most first.
pub fn add_up(charges: &[Charge], by: impl Fn(&Charge) -> Vec<Option<String>>) -> Vec<Spent> {
    let mut sums: BTreeMap<Vec<Option<String>>, Spent> = BTreeMap::new();
    for charge in charges {
        let of = by(charge);
        let (usd, charges, failed, input, output) = Default::default();
        let sum = sums.entry(of.clone()).or_insert(Spent { of, usd, charges, failed, input, output });
        sum.usd += charge.usd;
        sum.charges += 1;
        sum.failed += u64::from(charge.failed);
        if let Some(usage) = &charge.usage {
            sum.input = sum.input.saturating_add(usage.input);
            sum.output = sum.output.saturating_add(usage.output);
        }
    }
    let mut sums: Vec<Spent> = sums.into_values().collect();
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.usd));
    sums
}

/// Accounts that are only looked at.
struct Read<'a>(&'a dyn Store);

impl Accounts for Read<'_> {
    fn load(&mut self, key: &str) -> Result<Option<Account>> {
        let key = cell_of(key);
        let found = self.0.cells(&key)?.into_iter().find(|(other, _)| *other == key);
        found.map(|(_, body)| body.read("an account")).transpose()
    }

    fn save(&mut self, _: &str, _: Account) -> Result<()> {
        Err(Error::new(ErrorKind::Misuse, "accounts that are only looked at are not written"))
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("store", &self.0.store).field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

mod entry;
#[cfg(test)]
mod tests;

pub use entry::Entry;
