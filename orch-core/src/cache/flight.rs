//! One computation per key.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    hash::{BuildHasher, Hash},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::sync::{Mutex, block_on, lock};

#[cfg(shuttle)]
#[cfg(test)]
mod models;
#[cfg(test)]
mod tests;

/// How many places the table keeps when nothing is being computed.
const KEPT: usize = 1024;

/// The computations that are under way, one per key at most. Cheap to clone; clones share them.
///
/// Who [joins](Flights::join) a key first leads: it computes and [lands](Leader::land) the value. Who joins before that
/// follows and gets the value. A leader that goes away without landing (it failed, was cancelled, or panicked) hands over to
/// the follower that has waited longest, and to no other; a follower may be dropped at any time. When the value has landed,
/// or nobody is left, the flight is forgotten: values are kept by a cache, not here.
///
/// A look into a cache and a join are two steps, and a flight may land between them. So a leader looks once more before it
/// computes; and it stores the value before it lands it, so that whoever joins after the landing finds it.
/// [`get`](Flights::get) does both.
///
/// A computation that waits for its own key waits for itself, and two that wait for each other's keys wait for ever.
///
/// ```
/// use orch_core::cache::{Flights, Join, Landing};
///
/// let flights = Flights::<&str, u32>::default();
/// let Join::Leader(first) = flights.join("analysis") else { panic!("nobody was there before") };
/// let Join::Follower(second) = flights.join("analysis") else { panic!("somebody leads") };
/// let Join::Follower(third) = flights.join("analysis") else { panic!("somebody leads") };
///
/// drop(first); // It failed.
/// let Landing::Lead(second) = second.wait() else { panic!("the next one leads") };
/// second.land(42);
/// assert!(matches!(third.wait(), Landing::Value(42)));
/// assert_eq!(flights.len(), 0);
/// ```
pub struct Flights<K, V>(Arc<Table<K, V>>);

struct Table<K, V> {
    hasher: DefaultHashBuilder,
    /// INVARIANT: a flight is here exactly while it has one leader: a [`Leader`], or a follower to whom the lead was handed.
    /// Where both locks are taken, this one is taken first. No code of others runs under a lock but `K`'s own `Hash` and `Eq`
    /// and the clone of a waker.
    flights: Mutex<HashTable<Arc<Flight<K, V>>>>,
}

struct Flight<K, V> {
    key: K,
    hash: u64,
    landed: OnceLock<V>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Who waits, by ticket: a smaller ticket has waited longer. No waker: it has not been polled yet.
    waiting: BTreeMap<u64, Option<Waker>>,
    next_ticket: u64,
    /// Who leads next, but has not noticed yet.
    handed_to: Option<u64>,
}

/// What joining a key made of the caller.
#[derive(Debug)]
pub enum Join<K, V> {
    /// Nobody computes this value: do it, and [land](Leader::land) it.
    Leader(Leader<K, V>),
    /// Somebody does: wait.
    Follower(Follower<K, V>),
}

/// How waiting ended.
#[derive(Debug)]
pub enum Landing<K, V> {
    /// The value that the leader landed.
    Value(V),
    /// The leader went away without a value, and it is your turn to compute it.
    Lead(Leader<K, V>),
}

/// What [`Flights::get`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got<V> {
    /// Computed here.
    Computed(V),
    /// Computed by another caller at the same time.
    Followed(V),
    /// Computed before: the second look found it.
    Found(V),
}

impl<V> Got<V> {
    /// The value, wherever it came from.
    pub fn into_value(self) -> V {
        match self {
            Self::Computed(value) | Self::Followed(value) | Self::Found(value) => value,
        }
    }
}

impl<K: Hash + Eq, V: Clone> Flights<K, V> {
    /// Leads or follows the computation of that key.
    pub fn join(&self, key: K) -> Join<K, V> {
        let hash = self.0.hasher.hash_one(&key);
        let mut flights = lock(&self.0.flights);
        if let Some(flight) = flights.find(hash, |flight| flight.key == key) {
            let mut queue = lock(&flight.queue);
            let ticket = queue.next_ticket;
            queue.next_ticket += 1;
            queue.waiting.insert(ticket, None);
            drop(queue);
            return Join::Follower(Follower { table: self.0.clone(), flight: flight.clone(), ticket: Some(ticket) });
        }
        Join::Leader(self.lead(key, hash, &mut flights))
    }

    /// Leads the computation of that key, or `None` if somebody does already: for those who will not wait, such as the
    /// renewal of a stale value.
    pub fn try_lead(&self, key: K) -> Option<Leader<K, V>> {
        let hash = self.0.hasher.hash_one(&key);
        let mut flights = lock(&self.0.flights);
        match flights.find(hash, |flight| flight.key == key) {
            Some(_) => None,
            None => Some(self.lead(key, hash, &mut flights)),
        }
    }

    fn lead(&self, key: K, hash: u64, flights: &mut HashTable<Arc<Flight<K, V>>>) -> Leader<K, V> {
        let flight = Arc::new(Flight { key, hash, landed: OnceLock::new(), queue: Mutex::new(Queue::default()) });
        flights.insert_unique(hash, flight.clone(), |flight| flight.hash);
        Leader { table: self.0.clone(), flight }
    }

    /// The value of that key: computed here, or by another caller at the same time. `look` looks into the cache once more
    /// before anything is computed; `compute` must have stored what it answers when it answers.
    ///
    /// Dropping the future is safe at any time: if it was computing, the next caller goes on.
    ///
    /// # Errors
    ///
    /// What `compute` says. The next waiting caller then computes with its own `compute`.
    ///
    /// ```
    /// use orch_core::cache::{Flights, Got};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let flights = Flights::<&str, u32>::default();
    /// let got = flights.get("analysis", || None, || async { Ok::<_, String>(42) }).await;
    /// assert_eq!(got, Ok(Got::Computed(42)));
    /// # }
    /// ```
    pub async fn get<E, F: Future<Output = Result<V, E>>>(
        &self,
        key: K,
        look: impl FnOnce() -> Option<V>,
        compute: impl FnOnce() -> F,
    ) -> Result<Got<V>, E> {
        let leader = match self.join(key) {
            Join::Leader(leader) => leader,
            Join::Follower(follower) => match follower.await {
                Landing::Value(value) => return Ok(Got::Followed(value)),
                Landing::Lead(leader) => leader,
            },
        };
        if let Some(value) = look() {
            leader.land(value.clone());
            return Ok(Got::Found(value));
        }
        let value = compute().await?;
        leader.land(value.clone());
        Ok(Got::Computed(value))
    }

    /// [`get`](Flights::get) for callers without async: the thread waits.
    ///
    /// # Errors
    ///
    /// What `compute` says.
    pub fn get_blocking<E>(
        &self,
        key: K,
        look: impl FnOnce() -> Option<V>,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<Got<V>, E> {
        block_on(self.get(key, look, || std::future::ready(compute())))
    }
}

impl<K, V> Flights<K, V> {
    /// How many computations are under way.
    pub fn len(&self) -> usize {
        lock(&self.0.flights).len()
    }

    /// Whether nothing is being computed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> Table<K, V> {
    /// Takes the flight from the table: whoever joins its key now begins another one.
    fn forget(flights: &mut HashTable<Arc<Flight<K, V>>>, flight: &Arc<Flight<K, V>>) {
        if let Ok(entry) = flights.find_entry(flight.hash, |other| Arc::ptr_eq(other, flight)) {
            entry.remove();
        }
        // A burst of keys must not hold its memory for ever.
        if flights.is_empty() && flights.capacity() > KEPT {
            *flights = HashTable::new();
        }
    }

    /// The leader is gone without a value: the next one leads, or the flight ends.
    fn hand_over(&self, flight: &Arc<Flight<K, V>>) {
        let mut flights = lock(&self.flights);
        let mut queue = lock(&flight.queue);
        let next = queue.waiting.pop_first();
        queue.handed_to = next.as_ref().map(|(ticket, _)| *ticket);
        drop(queue);
        if next.is_none() {
            Self::forget(&mut flights, flight);
        }
        drop(flights);
        if let Some((_, Some(waker))) = next {
            waker.wake();
        }
    }

    fn land(&self, flight: &Arc<Flight<K, V>>, value: V) {
        Self::forget(&mut lock(&self.flights), flight);
        let mut queue = lock(&flight.queue);
        // Only the leader comes here, and only once.
        let refused = flight.landed.set(value);
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(refused);
        waiting.into_values().flatten().for_each(Waker::wake);
    }
}

/// The one who computes. Dropping it without [landing](Leader::land) a value hands over to the next in line, also while a
/// panic unwinds.
#[must_use = "dropping it hands over to the next in line"]
pub struct Leader<K, V> {
    table: Arc<Table<K, V>>,
    flight: Arc<Flight<K, V>>,
}

impl<K, V> Leader<K, V> {
    /// The key whose value it computes.
    pub fn key(&self) -> &K {
        &self.flight.key
    }

    /// How many wait for the value now.
    pub fn followers(&self) -> usize {
        lock(&self.flight.queue).waiting.len()
    }

    /// Gives the value to all who wait for it. Store it before, for those who join from now on.
    pub fn land(self, value: V) {
        self.table.land(&self.flight, value);
    }
}

impl<K, V> Drop for Leader<K, V> {
    fn drop(&mut self) {
        if self.flight.landed.get().is_none() {
            self.table.hand_over(&self.flight);
        }
    }
}

/// One who waits for another's computation: a future, or [`wait`](Follower::wait). It keeps its place in the line from the
/// moment of joining. Dropping it costs the others nothing: if the lead was handed to it, the next one has it.
///
/// Not to be polled again after it was ready; it then never is.
#[must_use = "it does nothing unless awaited or waited for"]
pub struct Follower<K, V> {
    table: Arc<Table<K, V>>,
    flight: Arc<Flight<K, V>>,
    /// `None`: it has its answer.
    ticket: Option<u64>,
}

impl<K, V: Clone> Follower<K, V> {
    /// Waits, for callers without async: the thread sleeps.
    pub fn wait(self) -> Landing<K, V> {
        block_on(self)
    }

    fn landed(&mut self) -> Option<Landing<K, V>> {
        let value = self.flight.landed.get()?.clone();
        self.ticket = None;
        Some(Landing::Value(value))
    }
}

impl<K, V: Clone> Future for Follower<K, V> {
    type Output = Landing<K, V>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Landing<K, V>> {
        let this = &mut *self;
        let Some(ticket) = this.ticket else { return Poll::Pending };
        if let Some(landed) = this.landed() {
            return Poll::Ready(landed);
        }
        let mut queue = lock(&this.flight.queue);
        if queue.handed_to == Some(ticket) {
            queue.handed_to = None;
            drop(queue);
            this.ticket = None;
            return Poll::Ready(Landing::Lead(Leader { table: this.table.clone(), flight: this.flight.clone() }));
        }
        // Landing empties the line under this lock; who is not in it any more has a value.
        let Some(waker) = queue.waiting.get_mut(&ticket) else {
            drop(queue);
            return this.landed().map_or(Poll::Pending, Poll::Ready);
        };
        let outdated = match waker {
            Some(waker) if waker.will_wake(task.waker()) => None,
            waker => waker.replace(task.waker().clone()),
        };
        drop(queue);
        // Not under the lock: the last clone of a waker may drop a whole task, and another follower with it.
        drop(outdated);
        Poll::Pending
    }
}

impl<K, V> Drop for Follower<K, V> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut queue = lock(&self.flight.queue);
        let waker = queue.waiting.remove(&ticket);
        let leads = queue.handed_to == Some(ticket);
        drop(queue);
        drop(waker);
        if leads {
            self.table.hand_over(&self.flight);
        }
    }
}

impl<K, V> Clone for Flights<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::new(Table { hasher: DefaultHashBuilder::default(), flights: Mutex::new(HashTable::new()) }))
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<K: fmt::Debug, V> fmt::Debug for Leader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("key", self.key()).finish_non_exhaustive()
    }
}

impl<K: fmt::Debug, V> fmt::Debug for Follower<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("key", &self.flight.key).finish_non_exhaustive()
    }
}
