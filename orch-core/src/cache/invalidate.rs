//! What goes when something is no longer true.

use std::sync::Arc;

use super::{
    book::Book,
    content::ContentHash,
    entry::{Draft, Slot},
    links::Node,
    listen::{CacheEventKind, Gone},
    options::Origin,
};

/// How another scope stands to one.
enum Relation {
    /// The same or below: what happens in the one is seen there.
    Within,
    /// Its values are seen in the one.
    Above,
    Aside,
}

impl Book {
    /// The scope itself and its parents, the root last.
    pub(super) fn lineage(&self, scope: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(scope), |scope| self.scopes.get(scope)?.parent)
    }

    pub(super) fn root(&self, scope: u32) -> u32 {
        self.lineage(scope).last().unwrap_or(scope)
    }

    fn relation(&self, other: u32, scope: u32) -> Relation {
        if self.lineage(other).any(|one| one == scope) {
            Relation::Within
        } else if self.lineage(scope).any(|one| one == other) {
            Relation::Above
        } else {
            Relation::Aside
        }
    }

    /// The entry of that key which was set in that very scope.
    pub(super) fn own(&self, scope: u32, key: &str) -> Option<Arc<Slot>> {
        self.scopes.get(&scope)?.table.slots.get(key).map(|entry| entry.clone())
    }

    /// Whose value a scope sees under that key, or saw when something was made from it that is still there.
    pub(super) fn source(&self, scope: u32, key: &Arc<str>) -> Option<(u32, Option<ContentHash>)> {
        let mut below = Vec::new();
        for owner in self.lineage(scope) {
            if let Some(slot) = self.own(owner, key) {
                let hides = |scope: &u32| self.scopes.get(scope).is_some_and(|row| row.table.hides(slot.seq));
                return (!below.iter().any(hides)).then_some((owner, Some(slot.content.hash())));
            }
            if let Some(hash) = self.links.source(&(owner, key.clone())) {
                return Some((owner, hash));
            }
            below.push(owner);
        }
        None
    }

    /// Whether one of those has another value than said, or none where `missing` counts too.
    pub(super) fn is_outdated(&self, scope: u32, origins: &[Origin], missing: bool) -> bool {
        origins.iter().any(|Origin { key, hash }| {
            let present = || self.source(scope, &key.as_str().into()).and_then(|(_, hash)| hash);
            hash.is_some_and(|hash| present().map_or(missing, |present| present != hash))
        })
    }

    /// Attaches an entry to those that it was made from.
    pub(super) fn link(&mut self, place: usize) {
        let Some(slot) = self.slots.at(place).cloned() else { return };
        for origin in slot.derived_from() {
            let key: Arc<str> = origin.key.as_str().into();
            let (node, hash) = match self.source(slot.scope, &key) {
                Some((owner, hash)) => ((owner, key), hash),
                // Nobody has it now. Whoever sets it later, above or here, asks at the root too.
                None => ((self.root(slot.scope), key), origin.hash),
            };
            self.links.attach(place, node, hash);
        }
    }

    /// Drops an entry that was made from what is no more, and all that was made from it. Answers how many went.
    pub(super) fn drop_outdated(&mut self, place: usize, gone: &mut Gone) -> usize {
        let Some(slot) = self.slots.at(place).cloned() else { return 0 };
        if !self.is_outdated(slot.scope, slot.derived_from(), false) {
            return 0;
        }
        let node = (slot.scope, slot.key.clone());
        self.invalidate(slot.scope, vec![slot], vec![node], gone)
    }

    /// Drops what was made from the present value of a key that is about to get another one.
    pub(super) fn supersede(&mut self, scope: u32, draft: &Draft, gone: &mut Gone) {
        if let Some((owner, hash)) = self.source(scope, &draft.key)
            && hash != Some(draft.content.hash())
        {
            self.cascade(scope, vec![(owner, draft.key.clone())], gone);
        }
    }

    /// Invalidates, as seen from that scope, the entry of that key.
    pub(super) fn invalidate_key(&mut self, scope: u32, key: &str, gone: &mut Gone) -> usize {
        let lineage: Vec<u32> = self.lineage(scope).collect();
        let slots = lineage.iter().filter_map(|owner| self.own(*owner, key)).collect();
        let key: Arc<str> = key.into();
        let nodes = lineage.into_iter().map(|owner| (owner, key.clone())).collect();
        self.invalidate(scope, slots, nodes, gone)
    }

    /// Invalidates the entries whose keys fit.
    pub(super) fn invalidate_keys(&mut self, scope: u32, fits: impl Fn(&str) -> bool, gone: &mut Gone) -> usize {
        let lineage: Vec<u32> = self.lineage(scope).collect();
        let slots =
            self.slots.iter().filter(|slot| lineage.contains(&slot.scope) && fits(&slot.key)).cloned().collect();
        let nodes = self.links.nodes().filter(|(owner, key)| lineage.contains(owner) && fits(key)).cloned().collect();
        self.invalidate(scope, slots, nodes, gone)
    }

    /// Invalidates the entries with that tag.
    pub(super) fn invalidate_tag(&mut self, scope: u32, tag: &str, gone: &mut Gone) -> usize {
        let lineage: Vec<u32> = self.lineage(scope).collect();
        let mut places: Vec<usize> = self.tags.get(tag).into_iter().flatten().copied().collect();
        places.sort_unstable();
        let tagged = places.iter().filter_map(|place| self.slots.at(*place));
        let slots: Vec<_> = tagged.filter(|slot| lineage.contains(&slot.scope)).cloned().collect();
        let nodes = slots.iter().map(|slot| (slot.scope, slot.key.clone())).collect();
        self.invalidate(scope, slots, nodes, gone)
    }

    /// Drops what was set in that scope, and shows its parents' values again.
    pub(super) fn clear(&mut self, scope: u32, gone: &mut Gone) -> usize {
        let slots: Vec<_> = self.slots.iter().filter(|slot| slot.scope == scope).cloned().collect();
        let nodes = self.links.nodes().filter(|(owner, _)| *owner == scope).cloned().collect();
        let dropped = self.invalidate(scope, slots, nodes, gone);
        if let Some(row) = self.scopes.get(&scope) {
            row.table.hide_only(|_| false);
        }
        dropped
    }

    /// How many entries the scope, or one below it, does not see any more.
    fn invalidate(&mut self, scope: u32, slots: Vec<Arc<Slot>>, nodes: Vec<Node>, gone: &mut Gone) -> usize {
        let dropped = slots.iter().filter(|slot| self.withdraw(scope, slot, gone)).count();
        dropped + self.cascade(scope, nodes, gone)
    }

    /// Drops what was made from those, and what was made from that, as seen from a scope.
    fn cascade(&mut self, scope: u32, mut nodes: Vec<Node>, gone: &mut Gone) -> usize {
        let mut dropped = 0;
        while let Some(node) = nodes.pop() {
            for place in self.links.dependents(&node) {
                let Some(slot) = self.slots.at(place).cloned() else { continue };
                // What was dropped before has no dependents left: cycles end.
                if self.withdraw(scope, &slot, gone) {
                    dropped += 1;
                    nodes.push((slot.scope, slot.key.clone()));
                }
            }
        }
        dropped
    }

    /// Takes an entry out of the sight of a scope: for good if it was set there or below, else it is hidden.
    fn withdraw(&mut self, scope: u32, slot: &Arc<Slot>, gone: &mut Gone) -> bool {
        let dropped = match self.relation(slot.scope, scope) {
            Relation::Within => {
                let before = gone.len();
                self.remove(slot, Some(CacheEventKind::Invalidated), gone);
                gone.len() > before
            }
            Relation::Above => {
                let hidden = self.hide(scope, slot.seq);
                if hidden {
                    gone.note(CacheEventKind::Invalidated, slot);
                }
                hidden
            }
            Relation::Aside => false,
        };
        self.tally.invalidations += u64::from(dropped);
        dropped
    }

    fn hide(&self, scope: u32, seq: u64) -> bool {
        let Some(row) = self.scopes.get(&scope) else { return false };
        let is_new = row.table.hide(seq);
        // Numbers of entries that are gone are kept too; no more of them than of those that live, or so.
        if row.table.hidden() > 2 * self.slots.len() + 64 {
            let alive: hashbrown::HashSet<u64> = self.slots.iter().map(|slot| slot.seq).collect();
            row.table.hide_only(|seq| alive.contains(&seq));
        }
        is_new
    }
}
