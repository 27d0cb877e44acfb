//! Why a key is not the one of last time.

use std::collections::{BTreeMap, VecDeque};

use super::KeyParts;
use crate::event::{Change, Miss};

/// Remembers the parts of the last miss of each name, so that the next miss can be explained. Of names that have not missed for
/// longest the parts are forgotten first, when there are more parts in all than were allowed.
///
/// ```
/// use orch_core::cache::{KeyHistory, KeyParts};
///
/// let mut history = KeyHistory::new(10_000);
/// let parts = KeyParts::new().model("sonnet-4").tool("rg", "14.1.0");
/// history.missed("review", parts.clone());
///
/// let parts = parts.tool("rg", "14.1.1");
/// history.missed("review", parts.clone());
/// assert_eq!(history.explain(&parts.key("review")).unwrap().to_string(), "tool `rg` changed");
/// ```
#[derive(Debug)]
pub struct KeyHistory {
    max_parts: usize,
    parts: usize,
    pub(super) last: BTreeMap<String, Last>,
    /// Names by the number of their last miss; numbers that have been overtaken are skipped.
    pub(super) order: VecDeque<(u64, String)>,
    next: u64,
}

#[derive(Debug)]
pub(super) struct Last {
    nth: u64,
    key: String,
    parts: KeyParts,
    why: Miss,
}

impl Last {
    /// A name counts as a part, so that names without parts are bounded too.
    fn weight(&self) -> usize {
        self.parts.len() + 1
    }
}

impl Default for KeyHistory {
    /// Up to 100,000 parts, some ten megabytes.
    fn default() -> Self {
        Self::new(100_000)
    }
}

impl KeyHistory {
    /// Remembers at most so many parts in all; a name counts as one. 0 remembers nothing.
    pub fn new(max_parts: usize) -> Self {
        Self { max_parts, parts: 0, last: BTreeMap::new(), order: VecDeque::new(), next: 0 }
    }

    /// Hears that the value of these parts had to be made, and answers why: what changed since the last miss of that name.
    pub fn missed(&mut self, name: &str, parts: KeyParts) -> Miss {
        let before = self.last.remove(name);
        let why = match &before {
            None => Miss::First,
            Some(last) if last.parts == parts => Miss::Gone,
            Some(last) => Miss::Changed(differences(&last.parts, &parts)),
        };
        self.parts -= before.map_or(0, |last| last.weight());
        let last = Last { nth: self.next, key: parts.key(name), parts, why: why.clone() };
        self.parts += last.weight();
        self.order.push_back((last.nth, name.to_owned()));
        self.last.insert(name.to_owned(), last);
        self.next += 1;
        self.forget();
        why
    }

    /// Why the value of that [key](KeyParts::key) had to be made; `None` if it was not the last miss of its name, or is
    /// forgotten.
    pub fn explain(&self, key: &str) -> Option<&Miss> {
        let (name, _) = key.rsplit_once('#')?;
        self.last.get(name).filter(|last| last.key == key).map(|last| &last.why)
    }

    fn forget(&mut self) {
        // One name may miss again and again; what it overtook must not pile up.
        while self.parts > self.max_parts || self.order.len() > 2 * self.last.len() {
            let Some((nth, name)) = self.order.pop_front() else { return };
            if self.last.get(&name).is_some_and(|last| last.nth != nth) {
                continue;
            }
            if self.parts <= self.max_parts {
                self.order.push_front((nth, name));
                return self.compact();
            }
            self.parts -= self.last.remove(&name).map_or(0, |last| last.weight());
        }
    }

    fn compact(&mut self) {
        let last = &self.last;
        self.order.retain(|(nth, name)| last.get(name).is_some_and(|last| last.nth == *nth));
    }
}

fn differences(before: &KeyParts, now: &KeyParts) -> Vec<Change> {
    let removed = before.0.keys().filter(|part| !now.0.contains_key(*part)).cloned().map(Change::Removed);
    let others = now.0.iter().filter_map(|(part, content)| match before.0.get(part) {
        None => Some(Change::Added(part.clone())),
        Some(other) => (other != content).then(|| Change::Changed(part.clone())),
    });
    let mut all: Vec<Change> = removed.chain(others).collect();
    all.sort_by(|one, other| one.part().cmp(other.part()));
    all
}
