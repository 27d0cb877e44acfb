//! From names to places: resources by scope, and owners that may ask more than once.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    LockTable,
    bucket::Bucket,
    entry::{Entry, NEVER, NOBODY, State, Want},
    model::{Ask, Asker, Refusal},
    row::Row,
    time::nanos,
};
use crate::{
    definition::{Claim, ClaimMode, Resource},
    error::{Error, ErrorKind, Result},
    id::ResourceId,
};

/// How many undeclared resources, or owners, may lie idle before they are forgotten.
const IDLE: usize = 1024;

/// Names of resources and owners.
#[derive(Debug)]
pub(super) struct Names {
    hasher: DefaultHashBuilder,
    resources: HashTable<u32>,
    free_rows: Vec<u32>,
    /// How many resources nobody declared, and at how many idle ones are forgotten.
    undeclared: usize,
    sweep_rows_at: usize,
    /// How many resources belong to a run.
    scoped: usize,
    by_name: HashTable<u32>,
    pub(super) owners: Vec<Owner>,
    free_owners: Vec<u32>,
    sweep_owners_at: usize,
}

/// Somebody who may ask more than once.
#[derive(Debug)]
pub(super) struct Owner {
    /// `None`: it is known by a ticket only, or its place is free.
    name: Option<Arc<str>>,
    pub(super) entries: Vec<u32>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            resources: HashTable::new(),
            free_rows: Vec::new(),
            undeclared: 0,
            sweep_rows_at: IDLE,
            scoped: 0,
            by_name: HashTable::new(),
            owners: Vec::new(),
            free_owners: Vec::new(),
            sweep_owners_at: IDLE,
        }
    }
}

fn hash(hasher: &DefaultHashBuilder, scope: u32, name: &str) -> u64 {
    let mut state = hasher.build_hasher();
    (scope, name).hash(&mut state);
    std::hash::Hasher::finish(&state)
}

#[expect(clippy::indexing_slicing, reason = "the tables name places that exist")]
impl Names {
    pub(super) fn find(&self, rows: &[Row], scope: u32, name: &str) -> Option<u32> {
        let is_it = |&row: &u32| rows[row as usize].scope == scope && rows[row as usize].name.as_str() == name;
        self.resources.find(hash(&self.hasher, scope, name), is_it).copied()
    }

    /// The requests of the owner with that name.
    pub(super) fn entries_of(&self, owner: &str) -> &[u32] {
        self.find_owner(owner).map_or(&[], |owner| self.owners[owner as usize].entries.as_slice())
    }

    pub(super) fn find_owner(&self, name: &str) -> Option<u32> {
        let is_it = |&owner: &u32| self.owners[owner as usize].name.as_deref() == Some(name);
        self.by_name.find(hash(&self.hasher, 0, name), is_it).copied()
    }

    fn add_row(&mut self, rows: &mut Vec<Row>, row: Row) -> u32 {
        self.undeclared += usize::from(!row.declared);
        self.scoped += usize::from(row.scope != 0);
        let at = match self.free_rows.pop() {
            Some(at) => {
                rows[at as usize] = row;
                at
            }
            None => {
                rows.push(row);
                rows.len() as u32 - 1
            }
        };
        let Self { hasher, resources, .. } = self;
        let of = |&row: &u32| hash(hasher, rows[row as usize].scope, rows[row as usize].name.as_str());
        resources.insert_unique(of(&at), at, of);
        at
    }

    /// Forgets undeclared resources that nobody uses, when there are many.
    fn sweep_rows(&mut self, rows: &[Row]) {
        if self.undeclared < self.sweep_rows_at {
            return;
        }
        let Self { resources, free_rows, undeclared, scoped, .. } = self;
        resources.retain(|&mut at| {
            let row = &rows[at as usize];
            let keep = row.declared || !row.is_idle();
            if !keep {
                free_rows.push(at);
                *undeclared -= 1;
                *scoped -= usize::from(row.scope != 0);
            }
            keep
        });
        // The order of a hash table is random; the order of places must not be.
        free_rows.sort_unstable();
        self.sweep_rows_at = IDLE.max(2 * self.undeclared);
    }

    fn add_owner(&mut self, name: Option<Arc<str>>) -> u32 {
        let owner = Owner { name, entries: Vec::new() };
        match self.free_owners.pop() {
            Some(at) => {
                self.owners[at as usize] = owner;
                at
            }
            None => {
                self.owners.push(owner);
                self.owners.len() as u32 - 1
            }
        }
    }

    /// The owner with that name.
    fn named_owner(&mut self, name: &str) -> u32 {
        if let Some(owner) = self.find_owner(name) {
            return owner;
        }
        if self.by_name.len() >= self.sweep_owners_at {
            let Self { by_name, owners, free_owners, .. } = self;
            by_name.retain(|&mut at| {
                let keep = !owners[at as usize].entries.is_empty();
                if !keep {
                    owners[at as usize].name = None;
                    free_owners.push(at);
                }
                keep
            });
            free_owners.sort_unstable();
            self.sweep_owners_at = IDLE.max(2 * self.by_name.len());
        }
        let at = self.add_owner(Some(name.into()));
        let Self { hasher, by_name, owners, .. } = self;
        let of = |&owner: &u32| hash(hasher, 0, owners[owner as usize].name.as_deref().unwrap_or_default());
        by_name.insert_unique(of(&at), at, of);
        at
    }

    pub(super) fn drop_entry(&mut self, owner: u32, entry: u32) {
        let Some(it) = self.owners.get_mut(owner as usize) else { return };
        it.entries.retain(|&other| other != entry);
        if it.entries.is_empty() && it.name.is_none() {
            self.free_owners.push(owner);
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "an entry's wants name rows, and rows name entries, that exist")]
impl LockTable {
    /// Declares a resource: for everybody, or, where each run has its own, for that scope. To declare it again in the same way
    /// changes nothing; one that nobody uses, or that is in use but was declared by nobody, takes the limits from now on.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for limits of 0 and bad names, and where it is declared in another way
    /// and in use.
    pub fn declare(&mut self, scope: u32, resource: &Resource) -> Result<()> {
        if let Some(problem) = resource.problems("resource").into_iter().next() {
            return Err(Error::new(ErrorKind::InvalidValue, format!("{}: {}", problem.path, problem.message)));
        }
        let scope = if resource.per_run { scope } else { 0 };
        let new = Row::new(resource, scope, true, self.now);
        let Some(at) = self.names.find(&self.rows, scope, resource.name.as_str()) else {
            self.names.add_row(&mut self.rows, new);
            return Ok(());
        };
        let row = &mut self.rows[at as usize];
        let changes = row.declared && !row.is_declared_as(resource);
        if changes && !row.is_idle() {
            let message = format!(
                "the resource `{}` is in use with other limits; declare it alike, or wait until nobody uses it",
                resource.name
            );
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        if !row.declared || changes {
            self.names.undeclared -= usize::from(!row.declared);
            (row.declared, row.capacity, row.rates) = (true, new.capacity, new.rates);
            self.refuse_too_much(at);
            self.freed.push(at);
            self.settle();
        }
        Ok(())
    }

    /// Refuses those that wait for more of a resource than there is now.
    fn refuse_too_much(&mut self, row: u32) {
        let Some(capacity) = self.rows[row as usize].capacity else { return };
        for at in 0..self.entries.len() as u32 {
            let entry = &self.entries[at as usize];
            let mut wants = entry.wants.iter().filter(|want| want.row == row && want.mode != ClaimMode::Exclusive);
            if entry.state == State::Waiting
                && let Some(&Want { units, .. }) = wants.find(|want| want.units > capacity)
            {
                let resource = self.rows[row as usize].name.clone();
                self.refuse(at, Refusal::TooMuch { resource, units, capacity });
            }
        }
    }

    /// Whether somebody declared it; with how many units.
    pub fn declared(&self, scope: u32, resource: &str) -> Option<Option<u32>> {
        let row = &self.rows[self.names.find(&self.rows, scope, resource)? as usize];
        row.declared.then_some(row.capacity)
    }

    /// A run is over: its own resources are forgotten as soon as nobody uses them.
    pub fn close(&mut self, scope: u32) {
        if scope == 0 || self.names.scoped == 0 {
            return;
        }
        for row in self.rows.iter_mut().filter(|row| row.scope == scope && row.declared) {
            row.declared = false;
            self.names.undeclared += 1;
        }
    }

    /// Makes an entry of a request, which neither holds nor waits yet.
    pub(super) fn enter(&mut self, ask: &Ask<'_>) -> Result<u32, Refusal> {
        let (owner, name) = match ask.asker {
            Asker::Once(name) => (NOBODY, Arc::clone(name)),
            Asker::Named(name) => {
                let owner = self.names.named_owner(name);
                (owner, self.names.owners[owner as usize].name.clone().unwrap_or_default())
            }
            Asker::Holder(ticket) => self.owner_of(ticket).ok_or(Refusal::Gone)?,
        };
        self.names.sweep_rows(&self.rows);
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::new());
            self.entries.len() as u32 - 1
        });
        let mut wants = std::mem::take(&mut self.entries[at as usize].wants);
        wants.clear();
        let (mut wait, mut too_much) = (ask.wait, None);
        for claim in ask.claims {
            let row = self.row_of(ask.scope, &claim.resource);
            wait = [wait, claim.wait].into_iter().flatten().min();
            let lease = claim.lease.map_or(NEVER, nanos);
            let Claim { mode, units, priority, tokens, .. } = *claim;
            let units = units.max(1);
            match self.rows[row as usize].capacity {
                Some(capacity) if units > capacity && mode != ClaimMode::Exclusive && too_much.is_none() => {
                    too_much = Some(Refusal::TooMuch { resource: claim.resource.clone(), units, capacity });
                }
                _ => {}
            }
            let new = Want { row, mode, units, priority, tokens, lease, expires: NEVER, held: false, at: 0 };
            match wants.iter_mut().find(|known| known.row == row) {
                Some(known) => known.join(&new),
                None => wants.push(new),
            }
        }
        if wants.len() > 1 {
            wants.sort_unstable_by(|a, b| self.rows[a.row as usize].name.cmp(&self.rows[b.row as usize].name));
        }
        let now = self.now;
        self.seq += 1;
        let entry = &mut self.entries[at as usize];
        entry.wants = wants;
        if let Some(refusal) = too_much {
            self.free.push(at);
            return Err(refusal);
        }
        (entry.state, entry.name, entry.owner, entry.seq) = (State::New, Some(name), owner, self.seq);
        (entry.rank, entry.passed, entry.due, entry.parked, entry.since) = (ask.rank, 0, false, 0, now);
        entry.until = wait.map_or(NEVER, |wait| now.saturating_add(nanos(wait)));
        if owner != NOBODY {
            self.names.owners[owner as usize].entries.push(at);
        }
        Ok(at)
    }

    /// The resource of that name as that scope sees it.
    fn row_of(&mut self, scope: u32, name: &ResourceId) -> u32 {
        let own =
            if scope != 0 && self.names.scoped > 0 { self.names.find(&self.rows, scope, name.as_str()) } else { None };
        own.or_else(|| self.names.find(&self.rows, 0, name.as_str())).unwrap_or_else(|| {
            let row = Row::new(&Resource::new(name), 0, false, self.now);
            self.names.add_row(&mut self.rows, row)
        })
    }

    /// The owner of a request and its name. One that asked once becomes one that may ask more.
    fn owner_of(&mut self, ticket: super::Ticket) -> Option<(u32, Arc<str>)> {
        let at = self.find(ticket)?;
        let name = self.entries[at as usize].name.clone()?;
        if self.entries[at as usize].owner == NOBODY {
            let owner = self.names.add_owner(None);
            self.names.owners[owner as usize].entries.push(at);
            self.entries[at as usize].owner = owner;
        }
        Some((self.entries[at as usize].owner, name))
    }
}

impl Want {
    /// Two claims on one resource are as one: the stronger mode, the larger numbers, the shorter time.
    fn join(&mut self, other: &Self) {
        self.mode = self.mode.max(other.mode);
        self.units = self.units.max(other.units);
        self.priority = self.priority.max(other.priority);
        self.tokens = self.tokens.max(other.tokens);
        self.lease = self.lease.min(other.lease);
    }
}

impl Row {
    fn is_declared_as(&self, resource: &Resource) -> bool {
        let (requests, tokens) = self.rates.as_ref().map_or((None, None), |rates| {
            let limit = |bucket: &Option<Bucket>| bucket.as_ref().map(Bucket::per_minute);
            (limit(&rates.requests), limit(&rates.tokens))
        });
        self.capacity == resource.capacity
            && requests == resource.requests_per_minute.map(u64::from)
            && tokens == resource.tokens_per_minute
    }
}
