//! What is to be told of budgets: booked with what it is about, so that no restart loses it.

use serde::{Deserialize, Serialize};

use super::{Cells, Ledger};
use crate::{
    clock::WallTime,
    cost::budget::{Accounts as _, Labels, Period, Settled, Stop, exhaust},
    error::Result,
    store::{Book, Content},
    units::Usd,
};

const NEWS: &str = "news/";

/// Something that happened to a budget and is worth telling: each once, in whatever process it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// By which it is told once: the account, so the limit, for whom and the period, and what happened.
    pub key: String,
    /// When.
    pub at: WallTime,
    /// The limit's name.
    pub limit: String,
    /// The name of the period; may be empty.
    pub period: String,
    /// Whether the limit is one of a month.
    #[serde(default)]
    pub is_month: bool,
    /// How much there is. In JSON money is whole nano-dollars.
    pub usd: Usd,
    /// What of it is spent.
    pub spent: Usd,
    /// In how many charges.
    pub charges: u64,
    /// What happened.
    pub what: NewsKind,
}

/// What happened to a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NewsKind {
    /// So much of it is spent.
    Milestone(Usd),
    /// Nothing is left of it, or not enough for who asked; when the next period begins.
    Exhausted(Option<WallTime>),
    /// That month is over, and something is spent in a later one; how many milestones it reached.
    Recap(usize),
}

/// Books what of `settled` is to be told.
pub(super) fn note(ledger: &Ledger, book: &mut dyn Book, settled: &Settled, now: WallTime) -> Result<()> {
    let is_month = |limit: &str| ledger.limits().find(limit).is_some_and(|limit| limit.per == Period::Month);
    let milestones = settled.milestones.iter().map(|it| News {
        key: format!("milestone/{}/{}", it.account, it.usd.nanos()),
        at: now,
        limit: it.limit.clone(),
        period: it.period.clone(),
        is_month: is_month(&it.limit),
        usd: it.of,
        spent: it.spent,
        charges: it.charges,
        what: NewsKind::Milestone(it.usd),
    });
    let recaps = settled.recaps.iter().map(|it| News {
        key: format!("recap/{}", it.account),
        at: now,
        limit: it.limit.clone(),
        period: it.month.clone(),
        is_month: true,
        usd: it.usd,
        spent: it.spent,
        charges: it.charges,
        what: NewsKind::Recap(it.milestones),
    });
    let mut all: Vec<News> = recaps.chain(milestones).collect();
    for it in &settled.exhausted {
        // Of a rolling window that may happen again.
        let again = if it.period.is_empty() { format!("/{}", now.0) } else { String::new() };
        let charges = Cells(book).load(&it.account)?.map_or(0, |account| account.charges);
        all.push(News {
            key: format!("exhausted/{}{again}", it.account),
            at: now,
            limit: it.limit.clone(),
            period: it.period.clone(),
            is_month: is_month(&it.limit),
            usd: it.usd,
            spent: it.spent,
            charges,
            what: NewsKind::Exhausted(it.until),
        });
    }
    all.into_iter().try_for_each(|news| book.set_cell(&format!("{NEWS}{}", news.key), Some(Content::of(news))))
}

impl Ledger {
    /// Says that somebody did not get what is left of a limit; it becomes [news](Ledger::news) once a period.
    pub(in crate::session) fn exhausted(&self, who: &Labels, stop: &Stop, now: WallTime) -> Result<()> {
        self.book(|book| {
            let found = exhaust(&self.0.limits, &mut Cells(book), who, now, stop)?;
            let settled = Settled { exhausted: found.into_iter().collect(), ..Settled::default() };
            note(self, book, &settled, now)
        })
    }

    /// What happened to budgets and was not [told](Ledger::told) yet, by whatever process: milestones, that nothing is left, and what
    /// a month brought. In the order in which it happened.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn news(&self) -> Result<Vec<News>> {
        let cells = self.0.store.cells(NEWS)?;
        let mut news = cells.iter().map(|(_, cell)| cell.read("news")).collect::<Result<Vec<News>>>()?;
        // Of one moment: what was before, then what was reached, then that nothing is left.
        news.sort_by_key(|news| match news.what {
            NewsKind::Recap(_) => (news.at, 0, Usd::ZERO),
            NewsKind::Milestone(usd) => (news.at, 1, usd),
            NewsKind::Exhausted(_) => (news.at, 2, Usd::ZERO),
        });
        Ok(news)
    }

    /// That news is on its way to whoever is to hear it: it is not given out again.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn told(&self, news: &News) -> Result<()> {
        self.book(|book| book.set_cell(&format!("{NEWS}{}", news.key), None))
    }
}
