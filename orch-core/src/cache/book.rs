//! What every change of a cache goes through: who is in, how much they take, and who goes.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet, HashTable, hash_table::Entry};

use super::{
    content::Content,
    entry::{Draft, Slot},
    evict::{Order, Slots},
    links::Links,
    listen::{CacheEventKind, Gone},
    options::{Admission, CacheOptions},
    scope::Table,
    stats::Tally,
};

/// The accounts of a cache and its children. There is one lock around it; readers do not take it.
///
/// INVARIANT: the book and the tables hold the same entries whenever the lock is free, and `bytes` is what they take, at most
/// `max_bytes`.
#[derive(Debug)]
pub(super) struct Book {
    options: CacheOptions,
    pub(super) slots: Slots,
    /// By when they were used, or whatever the eviction goes by.
    order: Order,
    /// By when their time is over.
    ends: Order,
    pub(super) scopes: HashMap<u32, Row>,
    /// By print.
    values: HashTable<Shared>,
    pub(super) tags: HashMap<String, HashSet<usize>>,
    pub(super) links: Links,
    pub(super) bytes: u64,
    next_seq: u64,
    next_scope: u32,
    pub(super) tally: Tally,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) table: Arc<Table>,
    pub(super) parent: Option<u32>,
}

/// One value, for as many entries as have it.
#[derive(Debug)]
struct Shared {
    content: Arc<Content>,
    entries: usize,
}

impl Book {
    pub(super) fn new(options: CacheOptions) -> Self {
        Self {
            options,
            slots: Slots::default(),
            order: Order::default(),
            ends: Order::default(),
            scopes: HashMap::new(),
            values: HashTable::new(),
            tags: HashMap::new(),
            links: Links::default(),
            bytes: 0,
            next_seq: 0,
            next_scope: 0,
            tally: Tally::default(),
        }
    }

    /// Takes in a scope and answers its number.
    pub(super) fn open(&mut self, table: Arc<Table>, parent: Option<u32>) -> u32 {
        // Four thousand million children later, the number of one that is long gone.
        while self.scopes.contains_key(&self.next_scope) {
            self.next_scope = self.next_scope.wrapping_add(1);
        }
        self.scopes.insert(self.next_scope, Row { table, parent });
        self.next_scope
    }

    /// Forgets a scope and its entries.
    pub(super) fn close(&mut self, scope: u32) -> Gone {
        let mut gone = Gone::unheard();
        let theirs: Vec<_> = self.slots.iter().filter(|slot| slot.scope == scope).cloned().collect();
        theirs.iter().for_each(|slot| self.remove(slot, None, &mut gone));
        self.scopes.remove(&scope);
        gone
    }

    /// Whether setting this needs content hashes that nobody has computed, of these and the draft's content. For a large value
    /// that takes long, so it should not happen under the lock.
    pub(super) fn wants_hashes(&self, draft: &Draft) -> Option<Vec<Arc<Content>>> {
        let content = &draft.content;
        let alike = self.values.iter_hash(content.print).filter(|shared| shared.content.print == content.print);
        let mut wanted: Vec<_> = alike.map(|shared| shared.content.clone()).collect();
        if !wanted.is_empty() || !self.links.is_empty() {
            wanted.push(content.clone());
        }
        wanted.retain(|content| !content.is_hashed());
        (!wanted.is_empty()).then_some(wanted)
    }

    /// Sets a value in that scope, whose table that is.
    pub(super) fn put(&mut self, scope: (u32, &Table), draft: Draft, now: u64, gone: &mut Gone) -> Admission {
        self.place(scope, draft, true, now, gone).0
    }

    /// The same; where `links` is false, without a look at what it was made from. Also answers where the entry is.
    pub(super) fn place(
        &mut self,
        (scope, table): (u32, &Table),
        draft: Draft,
        links: bool,
        now: u64,
        gone: &mut Gone,
    ) -> (Admission, Option<usize>) {
        self.end(now, gone);
        if !self.links.is_empty() {
            self.supersede(scope, &draft, gone);
        }
        let (bytes, max_bytes) = (draft.own_bytes().saturating_add(draft.content.bytes), self.options.max_bytes);
        let kept = if bytes > max_bytes {
            Admission::TooLarge { bytes, max_bytes }
        } else if draft.kept_until <= now {
            Admission::Expired
        } else if links && self.is_outdated(scope, draft.derived_from(), true) {
            Admission::Outdated
        } else {
            Admission::Kept
        };
        if !kept.is_kept() {
            if let Some(old) = self.own(scope, &draft.key) {
                self.remove(&old, None, gone);
            }
            return (kept, None);
        }
        let place = self.insert((scope, table), draft, now, gone);
        if links {
            // Before there is room: one of those that it was made from may have to go.
            self.link(place);
        }
        self.make_room(gone);
        self.rank(place);
        (kept, Some(place))
    }

    /// Puts the entry everywhere but into the orders, so that it cannot make room for itself.
    fn insert(&mut self, (scope, table): (u32, &Table), mut draft: Draft, now: u64, gone: &mut Gone) -> usize {
        let (place, seq) = (self.slots.next(), self.next_seq);
        self.next_seq += 1;
        draft.content = self.share(draft.content);
        let (slot, old) = match table.slots.entry(draft.key.clone()) {
            dashmap::Entry::Occupied(mut entry) => {
                let slot = Arc::new(draft.into_slot(seq, place, scope, Some(entry.get()), now));
                let old = entry.insert(slot.clone());
                (slot, Some(old))
            }
            dashmap::Entry::Vacant(entry) => {
                let slot = Arc::new(draft.into_slot(seq, place, scope, None, now));
                entry.insert(slot.clone());
                (slot, None)
            }
        };
        self.bytes += slot.own_bytes;
        self.tally.made(&slot);
        for tag in slot.tags() {
            self.tags.entry_ref(tag.as_str()).or_default().insert(place);
        }
        gone.note(CacheEventKind::Set, &slot);
        self.slots.insert(slot);
        if let Some(old) = old {
            self.unlist(old, None, gone);
        }
        place
    }

    /// Counts the value once, and answers the one that is there already.
    fn share(&mut self, content: Arc<Content>) -> Arc<Content> {
        let print = content.print;
        let same = |shared: &Shared| shared.content.print == print && shared.content.hash() == content.hash();
        match self.values.entry(print, same, |shared| shared.content.print) {
            Entry::Occupied(mut shared) => {
                shared.get_mut().entries += 1;
                shared.get().content.clone()
            }
            Entry::Vacant(place) => {
                self.bytes += content.bytes;
                place.insert(Shared { content: content.clone(), entries: 1 });
                content
            }
        }
    }

    fn rank(&mut self, place: usize) {
        if let Some(slot) = self.slots.at(place) {
            self.order.push(slot.rank(self.options.eviction), &self.slots);
            self.ends.push(slot.end(), &self.slots);
        }
    }

    fn make_room(&mut self, gone: &mut Gone) {
        let eviction = self.options.eviction;
        while self.bytes > self.options.max_bytes
            && let Some(slot) = self.order.pop(&self.slots, |slot| slot.rank(eviction), |_| true)
        {
            self.remove(&slot, Some(CacheEventKind::Evicted), gone);
            self.tally.evictions += 1;
        }
    }

    /// Removes the entries whose time is over.
    pub(super) fn end(&mut self, now: u64, gone: &mut Gone) {
        while let Some(slot) = self.ends.pop(&self.slots, Slot::end, |end| end.at <= now) {
            self.remove(&slot, Some(CacheEventKind::Expired), gone);
            self.tally.expirations += 1;
        }
    }

    /// `why` is what those hear who listen.
    pub(super) fn remove(&mut self, slot: &Arc<Slot>, why: Option<CacheEventKind>, gone: &mut Gone) {
        if let Some(row) = self.scopes.get(&slot.scope) {
            row.table.slots.remove_if(&*slot.key, |_, present| present.seq == slot.seq);
        }
        self.unlist(slot.clone(), why, gone);
    }

    /// Takes an entry that is in no table any more from the accounts.
    fn unlist(&mut self, slot: Arc<Slot>, why: Option<CacheEventKind>, gone: &mut Gone) {
        if self.slots.remove(slot.place).is_none() {
            return;
        }
        self.bytes -= slot.own_bytes;
        let content = &slot.content;
        if let Ok(mut shared) = self.values.find_entry(content.print, |shared| Arc::ptr_eq(&shared.content, content)) {
            shared.get_mut().entries -= 1;
            if shared.get().entries == 0 {
                self.bytes -= content.bytes;
                shared.remove();
            }
        }
        for tag in slot.tags() {
            if let Some(places) = self.tags.get_mut(tag) {
                places.remove(&slot.place);
                if places.is_empty() {
                    self.tags.remove(tag);
                }
            }
        }
        if slot.extras.is_some() {
            self.links.detach(slot.place);
        }
        self.tally.went(&slot);
        gone.push(why, slot);
    }

    /// How many places it has for entries, also for those that are gone.
    #[cfg(test)]
    pub(super) fn remembers(&self) -> usize {
        let hidden: usize = self.scopes.values().map(|row| row.table.hidden()).sum();
        self.order.len() + self.ends.len() + hidden + self.slots.len()
    }
}
