//! The seam of stores: what outlives the process.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::facts::{Fact, FactQuery};
use super::ledger::{Book, ChargeRow, Content};
use super::outbox::{Delivery, Letter, LetterRow};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    event::RunState,
    id::{Printable, RunId},
};

/// Keeps what outlives the process. Every call blocks until the store has answered; what it acknowledges is there after the
/// process was killed.
///
/// What is asked of every store, and what [`testing::store`](crate::testing) tries:
///
/// - An append is whole or not there. It succeeds only for the latest owner of the run, and only at the end of what that owner
///   has written.
/// - A lease has at most one holder. Its fence is greater than that of every lease of that name before.
/// - What is read is what was written: a value whose hash is another is an error ([`Corrupt`](ErrorKind::Corrupt)), never an
///   answer.
///
/// # Errors
///
/// Every method: [`Io`](ErrorKind::Io) where the store cannot be reached or its disk is full, [`Corrupt`](ErrorKind::Corrupt)
/// where it is damaged. Others are said at the method.
pub trait Store: fmt::Debug + Send + Sync {
    /// Begins a part of a run: its first one, or the one of a new owner. From then on an append by an earlier fence is refused.
    /// `first` is what the part begins with, in the same transaction: readers look at the latest part, so what is kept of the
    /// one before must be in the new one from its first moment. With a fence that has begun already it is only the append.
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) if `first` is for another run, fence or place than the beginning of this part;
    /// [`Conflict`](ErrorKind::Conflict) if a later owner has begun already, or the run is not as
    /// [`after`](RunHeader::after) says.
    fn open_run(&self, header: &RunHeader, first: Option<&Append<'_>>) -> Result<()>;

    /// Adds to the part of a run, with its blobs, in one transaction.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the run was taken over or has another length, or a lease under which it was
    /// [done](Append::held) went to somebody else; [`NotFound`](ErrorKind::NotFound) if
    /// the run was not opened.
    fn append(&self, append: &Append<'_>) -> Result<()>;

    /// What the owner with that fence wrote, from the record on that has event `from`, in order.
    fn read(&self, run: RunId, fence: u64, from: u64) -> Result<Vec<Record>>;

    /// Waits until the run has another length or state than in `seen`, at most that long; answers how it stands then.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such run.
    fn watch(&self, seen: &RunRow, at_most: Duration) -> Result<RunRow>;

    /// The runs, the latest first, at most `limit`; only those of that source, where one is given.
    fn runs(&self, source: Option<&str>, limit: usize) -> Result<Vec<RunRow>>;

    /// One run.
    fn run(&self, run: RunId) -> Result<Option<RunRow>>;

    /// Keeps blobs; those that are there already are not written again.
    fn put_blobs(&self, blobs: &[Blob]) -> Result<()>;

    /// A blob.
    fn blob(&self, hash: BlobHash) -> Result<Option<Vec<u8>>>;

    /// Takes the lease of that name for that long. A lease that is over, or whose holder's process is known to have died, is
    /// free. `holder` is for people: who it is.
    fn lock(&self, name: &str, holder: &str, lasts: Duration) -> Result<Locked>;

    /// Extends a lease to that long from now; `false` if it is not held any more.
    fn renew(&self, name: &str, fence: u64, lasts: Duration) -> Result<bool>;

    /// Gives a lease back; `false` if it was not held any more.
    fn release(&self, name: &str, fence: u64) -> Result<bool>;

    /// Who has the lease of that name, as he said who he is; `None`: nobody, or nobody any more. It may be another a moment later.
    fn holder(&self, name: &str) -> Result<Option<String>>;

    /// The entry of a cache, where it is still good.
    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>>;

    /// Keeps an entry of a cache for that long, in place of the one of the same key. If all entries together then take more than
    /// `limit` [bytes](CacheRow::bytes), those that are over go, and then those that are [worth](CacheRow::worth) the least a
    /// byte, the sooner over the sooner. Answers whether the entry itself is kept.
    fn cache_put(&self, key: &str, row: &CacheRow, lasts: Duration, limit: u64) -> Result<bool>;

    /// Drops the entry of that key; whether there was one that was still good.
    fn cache_drop(&self, key: &str) -> Result<bool>;

    /// Leaves word for the owner of a run.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such run.
    fn wish(&self, run: RunId, wish: &Wish) -> Result<()>;

    /// Takes the word that was left for the owner of a run, in order; each is answered once.
    fn take_wishes(&self, run: RunId) -> Result<Vec<Wish>>;

    /// Reads and writes the ledger, alone: nobody else, in this process or another, changes it until `entry` has answered. If that
    /// is an error, nothing has changed. What is booked survives a loss of power, however else the store was opened.
    ///
    /// # Errors
    ///
    /// That of `entry`.
    fn book(&self, entry: &mut dyn FnMut(&mut dyn Book) -> Result<()>) -> Result<()>;

    /// Whether its calls answer at once, so that a session may make them in a step. Default: no.
    fn is_quick(&self) -> bool {
        false
    }

    /// The cells of the ledger whose keys begin so, by key.
    fn cells(&self, prefix: &str) -> Result<Vec<(String, Content)>>;

    /// The charges from that time on and before that other, in order.
    fn charges(&self, from: WallTime, to: WallTime) -> Result<Vec<ChargeRow>>;

    /// Puts letters into the outbox; those that are or were there already stay as they are. Answers how many were new.
    fn post(&self, letters: &[Letter]) -> Result<usize>;

    /// Takes letters for those targets to be sent, at most `limit`, the first due first. For `lasts` nobody else gets them; who
    /// has not [said](Store::delivered) by then how it went may be dead.
    fn take_letters(&self, targets: &[&str], limit: usize, lasts: Duration) -> Result<Vec<LetterRow>>;

    /// How it went with a letter that was taken; `false` if somebody else has taken it since.
    fn delivered(&self, letter: &LetterRow, how: &Delivery) -> Result<bool>;

    /// The letters, the latest first, at most `limit`.
    fn letters(&self, limit: usize) -> Result<Vec<LetterRow>>;

    /// Keeps facts; those whose key is known among their kind stay as they are. Answers how many were new.
    fn keep_facts(&self, facts: &[Fact]) -> Result<usize>;

    /// The facts that were asked for, by time; those of one time as they were kept.
    fn facts(&self, query: &FactQuery<'_>) -> Result<Vec<Fact>>;
}

/// What begins a part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunHeader {
    /// The run.
    pub run: RunId,
    /// The fence of the lease of who writes this part.
    pub fence: u64,
    /// Only after the part with that fence, and only if that has so many events. `None`: after any.
    pub after: Option<(u64, u64)>,
    /// What the run was made of, to find it again: a file's path, or a name. May be empty.
    pub source: String,
    /// The graph's name, for people.
    pub name: String,
    /// The graph, as the JSON form of a [`Graph`](crate::Graph): a blob of that hash, kept before.
    pub graph: BlobHash,
    /// More of it: JSON that the store does not look into.
    pub options: String,
}

impl Default for RunHeader {
    /// A run of no name, all zero.
    fn default() -> Self {
        let (source, name, options) = Default::default();
        Self { run: RunId::from_parts(0, 0), fence: 0, after: None, source, name, graph: BlobHash::default(), options }
    }
}

/// What is added to a run.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    /// The run.
    pub run: RunId,
    /// The fence of the lease of who writes.
    pub fence: u64,
    /// The number of the first event: as many as the part has by now.
    pub seq: u64,
    /// How many events there are in `body`; at least 1.
    pub events: u32,
    /// The events. The store does not look into them.
    pub body: &'a [u8],
    /// Values that the events name by their hash.
    pub blobs: &'a [Blob],
    /// How the run stands after it, for lists.
    pub state: RunState,
    /// Leases, by name, and their fences, under which it was done: it is kept only if nobody else has had one of them since.
    pub held: &'a [(&'a str, u64)],
}

impl Default for Append<'_> {
    /// Nothing, for a run of no name.
    fn default() -> Self {
        let run = RunId::from_parts(0, 0);
        Self { run, fence: 0, seq: 0, events: 0, body: &[], blobs: &[], state: RunState::Running, held: &[] }
    }
}

/// One append, as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The number of its first event.
    pub seq: u64,
    /// How many events it has.
    pub events: u32,
    /// The events.
    pub body: Vec<u8>,
}

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// The run.
    pub run: RunId,
    /// The fence of its latest owner: by it the latest part is [read](Store::read).
    pub fence: u64,
    /// What it was made of.
    pub source: String,
    /// The graph's name.
    pub name: String,
    /// The graph with which the latest part began.
    pub graph: BlobHash,
    /// More of it, as its owner gave it.
    pub options: String,
    /// How it stood when its owner wrote last. A run whose owner died stays `running`.
    pub state: RunState,
    /// How many events its latest part has.
    pub events: u64,
    /// When it was first begun.
    pub created: WallTime,
    /// When its owner wrote last.
    pub updated: WallTime,
}

/// A value, kept by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    hash: BlobHash,
    bytes: Vec<u8>,
}

impl Blob {
    /// A blob of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { hash: BlobHash::of(&bytes), bytes }
    }

    /// Its hash.
    pub fn hash(&self) -> BlobHash {
        self.hash
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The BLAKE3 hash of the bytes of a [`Blob`], shown as 64 hexadecimal digits.
///
/// ```
/// use orch_core::store::BlobHash;
///
/// let hash = BlobHash::of(b"large");
/// assert_eq!(hash.to_string().parse::<BlobHash>()?, hash);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash([u8; 32]);

impl BlobHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for BlobHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlobHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |_| {
            let message = format!("`{}` is no hash of a blob: 64 hexadecimal digits", Printable(text));
            Error::new(ErrorKind::InvalidValue, message)
        };
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(refuse)
    }
}

impl Serialize for BlobHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A lease that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Greater than that of every lease of this name before. Who writes under the lease sends it along.
    pub fence: u64,
    /// Whether somebody else had it and did not give it back.
    pub taken_over: bool,
}

/// The answer to a request for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// It is the caller's.
    Granted(Lease),
    /// Somebody has it.
    Held {
        /// Who, for people.
        holder: String,
        /// How long it lasts unless it is renewed.
        left: Duration,
    },
}

impl Locked {
    /// The lease, where it was granted.
    pub fn granted(self) -> Option<Lease> {
        match self {
            Self::Granted(lease) => Some(lease),
            Self::Held { .. } => None,
        }
    }
}

/// An entry of a cache, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRow {
    /// The value. The store compares its hash before it answers it.
    pub value: Vec<u8>,
    /// What belongs to it: text that the store does not look into.
    pub about: String,
    /// What it is worth to have it, in any unit: the work that it saves.
    pub worth: u64,
    /// How long it is still good. Of no meaning when it is put.
    pub left: Duration,
}

impl CacheRow {
    /// What it counts for under that key: its texts, its value, and 100 bytes for the rest.
    pub fn bytes(&self, key: &str) -> u64 {
        (key.len() + self.about.len() + self.value.len() + 100) as u64
    }

    /// What it is worth a byte.
    pub(super) fn rate(&self, key: &str) -> f64 {
        self.worth as f64 / self.bytes(key) as f64
    }
}

/// What one process wishes of the run of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wish {
    /// Stop it, and undo what says how.
    Cancel {
        /// Why, for a person.
        reason: String,
    },
    /// Begin no more attempts.
    Pause,
    /// Go on after a pause.
    Resume,
}
