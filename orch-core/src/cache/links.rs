//! Which entries were made from which.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::content::ContentHash;

/// A key in a scope, whether or not there is an entry now.
pub(super) type Node = (u32, Arc<str>);

/// What hangs on a key. Stays when the entry of the key is evicted or its time is over, so that a later, other value of the
/// key is noticed.
#[derive(Debug, Default)]
struct Link {
    /// The value that all of them were made from; `None`: there was none to be seen.
    hash: Option<ContentHash>,
    dependents: HashSet<usize>,
}

/// The links between entries, which are named by place. INVARIANT: a link has dependents, and they are alive.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_node: HashMap<Node, Link>,
    by_place: HashMap<usize, Vec<Node>>,
}

impl Links {
    pub(super) fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    /// The value that the dependents of that key were made from, if it has any.
    pub(super) fn source(&self, node: &Node) -> Option<Option<ContentHash>> {
        self.by_node.get(node).map(|link| link.hash)
    }

    pub(super) fn attach(&mut self, place: usize, node: Node, hash: Option<ContentHash>) {
        let link = self.by_node.entry(node.clone()).or_default();
        if link.dependents.is_empty() {
            link.hash = hash;
        }
        if link.dependents.insert(place) {
            self.by_place.entry(place).or_default().push(node);
        }
    }

    pub(super) fn detach(&mut self, place: usize) {
        for node in self.by_place.remove(&place).unwrap_or_default() {
            if let Some(link) = self.by_node.get_mut(&node) {
                link.dependents.remove(&place);
                if link.dependents.is_empty() {
                    self.by_node.remove(&node);
                }
            }
        }
    }

    /// In the order of their places.
    pub(super) fn dependents(&self, node: &Node) -> Vec<usize> {
        let mut places: Vec<usize> =
            self.by_node.get(node).map(|link| link.dependents.iter().copied().collect()).unwrap_or_default();
        places.sort_unstable();
        places
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.by_node.keys()
    }
}
