//! What a lock table is asked, and what it answers.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use crate::{
    definition::Claim,
    error::{Error, ErrorKind},
    id::{Printable, ResourceId},
};

/// The number of a request, from when it is made until what it was granted is given back. Never given twice.
///
/// As text and as JSON it is a word like `17-3`, which bindings may hand out as the id of a lock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// Which entry of the table.
    pub(super) at: u32,
    /// Which request, in the order of arrival.
    pub(super) seq: u64,
}

impl Ticket {
    /// The place of the request in the table, small and reused: for lists beside the table.
    pub fn place(self) -> usize {
        self.at as usize
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.seq)
    }
}

impl FromStr for Ticket {
    type Err = Error;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Error> {
        let read = |(at, seq): (&str, &str)| Some(Self { at: at.parse().ok()?, seq: seq.parse().ok()? });
        // Only the one form: no signs and no leading zeros.
        text.split_once('-').and_then(read).filter(|ticket| ticket.to_string() == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidValue, format!("`{}` is not the id of a lock", Printable(text)))
        })
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker<'a> {
    /// Somebody with a name. All requests under one name are of one owner: it may hold one thing and ask for the next.
    Named(&'a str),
    /// Somebody who asks for everything at once and has nothing else, as a task does for its claims. The name is for messages.
    Once(&'a Arc<str>),
    /// The owner of that request, who asks for more.
    Holder(Ticket),
}

/// A request for claims, granted all at once or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who asks.
    pub asker: Asker<'a>,
    /// Whose [per-run](crate::Resource::per_run) resources are meant; 0: nobody's.
    pub scope: u32,
    /// What for. Two claims on one resource are as one.
    pub claims: &'a [Claim],
    /// Among requests of equal priority the smaller goes first.
    pub rank: u32,
    /// The longest wait, if shorter than those of the claims.
    pub wait: Option<Duration>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All claims are granted.
    Granted(Grant),
    /// Something is not free; [`Told`] will say more.
    Waits(Waits),
    /// Not now and not later.
    Refused(Refusal),
}

/// That claims are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// What to give back.
    pub ticket: Ticket,
    /// The fencing token: greater than that of every earlier grant of the table. Who writes to the resource sends it along,
    /// and the resource refuses what is smaller than the greatest it has seen: so a holder whose lease is over, and who does
    /// not know it yet, can do no harm.
    pub fence: u64,
}

/// That a request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// The request.
    pub ticket: Ticket,
    /// What is not free: of several the first by name.
    pub resource: ResourceId,
    /// Who holds it; of several one. `None`: its rate limit is used up, or it is kept for one that waits longer.
    pub holder: Option<Arc<str>>,
}

/// News of a request that did not get its answer at once, or of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which request.
    pub ticket: Ticket,
    /// What.
    pub word: Word,
}

/// What a request is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// All claims are granted.
    Granted {
        /// The fencing token.
        fence: u64,
    },
    /// The claim is exclusive now.
    Upgraded {
        /// The new fencing token, also for the claims beside it.
        fence: u64,
    },
    /// It waits no longer. A request is over; an upgrade leaves the claim as it was.
    Refused(Refusal),
    /// A lease is over, and the resource goes to the next one. What else was granted with it stays.
    Expired {
        /// What is lost.
        resource: ResourceId,
        /// The token that is worth nothing any more.
        fence: u64,
    },
    /// Its turn may come by time alone: ask [`LockTable::wake_for`](super::LockTable::wake_for) when.
    Look,
    /// It was part of a deadlock, and somebody else was refused to end it.
    Deadlock(Arc<Deadlock>),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It waited as long as it may.
    Late {
        /// What was not free at the end.
        resource: ResourceId,
        /// How long it waited.
        waited: Duration,
        /// Who held it; of several one.
        holder: Option<Arc<str>>,
        /// How many held it beside that one.
        others: usize,
    },
    /// It asks for more than there is.
    TooMuch {
        /// Of what.
        resource: ResourceId,
        /// How many units.
        units: u32,
        /// How many there are.
        capacity: u32,
    },
    /// It was chosen to end a deadlock.
    Deadlock(Arc<Deadlock>),
    /// The request on whose behalf it asked is over.
    Gone,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Late { .. } => ErrorKind::LockTimeout,
            Refusal::TooMuch { .. } => ErrorKind::InvalidValue,
            Refusal::Deadlock(_) => ErrorKind::Deadlock,
            Refusal::Gone => ErrorKind::Misuse,
        };
        Self::new(kind, refusal.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late { resource, waited, holder, others } => {
                // Nobody wants to read nanoseconds.
                let waited = Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
                write!(f, "lock acquisition timeout for `{resource}` after {waited:?}")?;
                match (holder, others) {
                    (None, _) => Ok(()),
                    (Some(holder), 0) => write!(f, "; held by `{}`", Printable(holder)),
                    (Some(holder), 1) => write!(f, "; held by `{}` and one other", Printable(holder)),
                    (Some(holder), others) => write!(f, "; held by `{}` and {others} others", Printable(holder)),
                }
            }
            Self::TooMuch { resource, units, capacity } => {
                write!(f, "asks for {units} units of `{resource}`, which has {capacity}")
            }
            Self::Deadlock(deadlock) => write!(f, "ended a deadlock: {deadlock}"),
            Self::Gone => f.write_str("the attempt that asks is over"),
        }
    }
}

/// Owners who wait for each other in a circle: none of them can go on.
///
/// `Display` is the circle: `` `a` waits for `db` of `b`, `b` waits for `api` of `a` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadlock {
    /// Each owner of the circle, and what it waits for. The next one holds that; the last one waits for the first.
    pub cycle: Vec<Link>,
    /// Who is refused to end it: the youngest request of the lowest priority. A place in `cycle`.
    pub victim: usize,
}

impl Deadlock {
    /// The request that is refused to end it.
    pub fn victim(&self) -> Option<&Link> {
        self.cycle.get(self.victim)
    }
}

/// One owner of a [`Deadlock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The owner.
    pub owner: Arc<str>,
    /// What it waits for.
    pub resource: ResourceId,
    /// Its request.
    pub ticket: Ticket,
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.cycle.iter().map(|link| Printable(&link.owner));
        let next = names.clone().skip(1).chain(names.clone().take(1));
        for (nth, ((link, owner), next)) in self.cycle.iter().zip(names).zip(next).enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            write!(f, "{comma}`{owner}` waits for `{}` of `{next}`", link.resource)?;
        }
        Ok(())
    }
}

/// What became of the requests for one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceStats {
    /// How many units there are; `None`: no limit.
    pub capacity: Option<u32>,
    /// How many units are taken; an exclusive claim takes one, and leaves none.
    pub used: u64,
    /// Who holds it, in no order.
    pub holders: Vec<Arc<str>>,
    /// Whether its holder excludes all others.
    pub exclusive: bool,
    /// How many requests that want it wait, for whatever.
    pub waiting: usize,
    /// How many claims were granted.
    pub granted: u64,
    /// How many requests waited for it in vain.
    pub refused: u64,
    /// How many leases ended by time.
    pub expired: u64,
    /// How long those that were granted after waiting for it last waited in all.
    pub waited: Duration,
    /// The longest of those waits.
    pub longest_wait: Duration,
}
