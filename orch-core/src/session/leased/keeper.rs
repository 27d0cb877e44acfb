//! The keeper: takes leases that are waited for, renews them, and gives them back.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{End, Gate, Inner, LINGER, Shutting, TIMES, among, gate_of};
use crate::{
    id::ResourceId,
    locks::{
        Backing, Ear, ResourceLocks,
        table::{Ticket, Word},
    },
    session::io,
    store::Locked,
    sync::lock,
};

/// Sees to it that a keeper looks.
pub(super) fn keep(inner: &Arc<Inner>) {
    inner.begin();
    let begins = !std::mem::replace(&mut lock(&inner.state).kept, true);
    if !begins {
        inner.news.notify_one();
        return;
    }
    let (weak, news) = (Arc::downgrade(inner), inner.news.clone());
    match io::own() {
        Some(runtime) => drop(runtime.spawn(keeper(weak, news))),
        None => lock(&inner.state).kept = false,
    }
}

async fn keeper(inner: Weak<Inner>, news: Arc<Notify>) {
    loop {
        let Some(strong) = inner.upgrade() else { return };
        let looked = tokio::task::spawn_blocking(move || strong.look()).await;
        match looked {
            Ok(Some(wait)) => drop(tokio::time::timeout(wait, news.notified()).await),
            Ok(None) => return,
            // A store that panicked may answer the next time.
            Err(_) => tokio::time::sleep(LINGER).await,
        }
    }
}

impl Inner {
    /// Takes and gives back leases; how long until it is to look again. `None`: there is nothing to look after.
    fn look(&self) -> Option<Duration> {
        self.forget();
        let names: Vec<ResourceId> = lock(&self.state).gates.keys().cloned().collect();
        let mut wait: Option<Duration> = None;
        let mut sooner = |next: Option<Duration>| wait = [wait, next].into_iter().flatten().min();
        for name in &names {
            sooner(self.look_after(name));
        }
        for name in &names {
            sooner(self.open(name));
        }
        if wait.is_none() {
            let mut state = lock(&self.state);
            // Whoever asked meanwhile found a keeper, and left word.
            let idle = state.asks.is_empty() && state.gates.values().all(|gate| matches!(gate, Gate::Shut { .. }));
            if idle {
                state.kept = false;
                return None;
            }
            return Some(self.options.poll);
        }
        wait
    }

    /// Requests that are over without having been given back.
    fn forget(&self) {
        let tickets: Vec<Ticket> = lock(&self.state).asks.keys().copied().collect();
        let over: Vec<Ticket> = tickets.into_iter().filter(|ticket| self.table.owner(*ticket).is_none()).collect();
        let mut state = lock(&self.state);
        for ticket in over {
            state.asks.remove(&ticket);
        }
    }

    /// Renews the lease on a resource, and gives it back in time.
    fn look_after(&self, name: &ResourceId) -> Option<Duration> {
        let now = self.now();
        let state = lock(&self.state);
        let held = match state.gates.get(name)? {
            Gate::Open { lease, renewed, .. } => Some((lease.clone(), *renewed)),
            Gate::Closing { lease, .. } => lease.clone(),
            Gate::Shut { .. } => return None,
        };
        drop(state);
        let Some((lease, renewed)) = held else { return self.finish(name) };
        let third = self.options.lease / 3;
        if now.saturating_sub(renewed) >= third {
            match self.store.renew(&lease.lease, lease.fence, self.options.lease) {
                Ok(true) => self.renewed(name, now),
                Ok(false) => return self.lost(name),
                // It may go better the next time, as long as the lease lasts.
                Err(_) if now.saturating_sub(renewed) >= self.options.lease => return self.lost(name),
                Err(_) => {}
            }
        }
        drop(lease);
        let stats = self.table.stats(0, gate_of(name).as_str()).unwrap_or_default();
        let (waits, _) = self.asked(name);
        let mut state = lock(&self.state);
        let Some(Gate::Open { since, idle, .. }) = state.gates.get_mut(name) else {
            drop(state);
            return self.finish(name);
        };
        // Who waits for an earlier lease does not keep this one from others meanwhile: leases are had in the order of names.
        let used = !stats.holders.is_empty() || waits;
        *idle = if used { None } else { Some(idle.unwrap_or(now)) };
        let turn = since.saturating_add(self.options.turn);
        let end = idle.map_or(turn, |idle| idle.saturating_add(LINGER).min(turn));
        let why = if idle.is_some() { End::Idle } else { End::Turn };
        drop(state);
        if now < end {
            return Some(end.saturating_sub(now).min(third));
        }
        self.close(name, why)
    }

    fn renewed(&self, name: &ResourceId, now: Duration) {
        let mut state = lock(&self.state);
        if let Some(Gate::Open { renewed, .. } | Gate::Closing { lease: Some((_, renewed)), .. }) =
            state.gates.get_mut(name)
        {
            *renewed = now;
        }
    }

    /// Grants no more shares of the gate, and shuts it as soon as those who have one are gone.
    pub(super) fn close(&self, name: &ResourceId, why: End) -> Option<Duration> {
        if !matches!(lock(&self.state).gates.get(name), Some(Gate::Open { .. })) {
            return self.finish(name);
        }
        let shut = Arc::new(AtomicBool::new(false));
        let ear: Arc<dyn Ear> = Arc::new(Shutting { shut: shut.clone(), news: self.news.clone() });
        let (by, at_once) = self.shut(name, &mut || (ear.clone(), 0))?;
        if at_once {
            shut.store(true, Ordering::Release);
        }
        let mut state = lock(&self.state);
        let gate = state.gates.get_mut(name)?;
        if let Gate::Open { lease, renewed, .. } = gate {
            let lease = Some((lease.clone(), *renewed)).filter(|_| why != End::Lost);
            *gate = Gate::Closing { by, shut, lease, rests: why == End::Turn };
        }
        drop(state);
        self.finish(name)
    }

    /// Gives the lease back when the gate is shut, and what was made under it is kept.
    fn finish(&self, name: &ResourceId) -> Option<Duration> {
        let soon = Some(self.options.poll);
        let mut state = lock(&self.state);
        let Some(Gate::Closing { by, shut, lease, rests }) = state.gates.get_mut(name) else { return None };
        let (by, rests) = (*by, *rests);
        // One is here; another is with whoever still writes under it.
        let done = lease.as_ref().is_none_or(|(lease, _)| Arc::strong_count(lease) == 1);
        if !shut.load(Ordering::Acquire) || !done {
            return soon;
        }
        let lease = lease.take();
        drop(state);
        if let Some((lease, _)) = &lease {
            // If it cannot be given back, it ends by its time.
            drop(self.store.release(&lease.lease, lease.fence));
        }
        let rest = if rests { self.options.poll * 2 } else { Duration::ZERO };
        let from = self.now().saturating_add(rest);
        lock(&self.state).gates.insert(name.clone(), Gate::Shut { by, from, wanted: false });
        soon
    }

    /// The lease went to another process while this one was asleep.
    fn lost(&self, name: &ResourceId) -> Option<Duration> {
        let requests: Vec<(Ticket, Arc<dyn Ear>, u64)> = {
            let state = lock(&self.state);
            let of_it = state.asks.iter().filter(|(_, request)| request.resources.contains(name));
            of_it.map(|(ticket, request)| (*ticket, request.ear.clone(), request.key)).collect()
        };
        self.close(name, End::Lost);
        if let Some(Gate::Closing { lease, .. }) = lock(&self.state).gates.get_mut(name) {
            *lease = None;
        }
        for (ticket, ear, key) in requests {
            if let Some(fence) = self.table.fence(ticket) {
                ear.told(key, Word::Expired { resource: name.clone(), fence: among(&self.time, fence) });
            }
        }
        Some(self.options.poll)
    }

    /// Takes the lease on a resource that somebody waits for, if it is his turn: leases are taken in the order of names.
    fn open(&self, name: &ResourceId) -> Option<Duration> {
        let now = self.now();
        let (by, from, wanted) = match lock(&self.state).gates.get(name)? {
            Gate::Shut { by, from, wanted } => (*by, *from, *wanted),
            _ => return None,
        };
        let (waits, later) = self.asked(name);
        let waits = waits || wanted;
        if !waits {
            return later.then_some(self.options.poll);
        }
        if now < from {
            return Some(from.saturating_sub(now));
        }
        let (store, options) = (&self.store, &self.options);
        let lease = format!("resource/{}", name.as_str());
        let Ok(Locked::Granted(granted)) = store.lock(&lease, &options.holder, options.lease) else {
            return Some(options.poll);
        };
        // Only under the lease: so that it is later than all times of those who had it before.
        let Some(time) = self.next_time() else {
            drop(store.release(&lease, granted.fence));
            return Some(options.poll);
        };
        self.time.fetch_max(time, Ordering::AcqRel);
        let lease = Arc::new(Backing { lease, fence: granted.fence });
        let gate = Gate::Open { lease, since: now, renewed: now, idle: None };
        lock(&self.state).gates.insert(name.clone(), gate);
        self.table.release(by);
        Some(LINGER)
    }

    /// Whether somebody waits for a resource whose turn it is, since the leases on all before it are here; and whether somebody
    /// does whose turn it is not yet.
    fn asked(&self, name: &ResourceId) -> (bool, bool) {
        let state = lock(&self.state);
        let is_open = |name: &ResourceId| matches!(state.gates.get(name), Some(Gate::Open { .. }));
        let asks: Vec<(Ticket, bool)> = state
            .asks
            .iter()
            .filter(|(_, request)| request.resources.contains(name))
            .map(|(ticket, request)| {
                (*ticket, request.resources.iter().take_while(|before| *before < name).all(is_open))
            })
            .collect();
        drop(state);
        let (mut waits, mut later) = (false, false);
        // Not under the lock: whoever is told something may ask again.
        for (_, is_next) in asks.into_iter().filter(|(ticket, _)| self.table.fence(*ticket).is_none()) {
            waits |= is_next;
            later |= !is_next;
        }
        (waits, later)
    }

    /// A number that no process had before.
    fn next_time(&self) -> Option<u64> {
        let brief = Duration::from_secs(1);
        let granted = self.store.lock(TIMES, &self.options.holder, brief).ok()?.granted()?;
        drop(self.store.release(TIMES, granted.fence));
        Some(granted.fence)
    }
}
