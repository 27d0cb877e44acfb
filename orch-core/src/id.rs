//! Names of things: tasks, their places in a graph, runs.
//!
//! A [`TaskId`] is the name that a person gave. A [`TaskIx`] is the task's place in its [`Graph`](crate::Graph): small,
//! dense, and what plans, events and reports use. Names are text from outside and may hold anything: their `Display`
//! shows control and direction characters as escapes, so that no name can write to a terminal.
//!
//! ```
//! use orch_core::TaskId;
//!
//! assert_eq!(TaskId::from("review").as_str(), "review");
//! assert_eq!(TaskId::from("a\u{1b}[2Jb").to_string(), "a\\u{1b}[2Jb");
//! ```

use std::{
    fmt::{self, Write as _},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    clock::WallTime,
    error::{Error, ErrorKind},
};

/// The name of a task. Cheap to clone; any text but the empty one, at most 512 bytes (checked when the graph is built).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// The longest name that a graph takes, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// The name as given, unescaped. Use `Display` for what a person sees.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TaskId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for TaskId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<&TaskId> for TaskId {
    fn from(id: &TaskId) -> Self {
        id.clone()
    }
}

impl AsRef<str> for TaskId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for TaskId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The name of a resource that tasks claim. Cheap to clone; any text but the empty one, at most 512 bytes (checked when the
/// graph is built). `Display` escapes it, as that of a [`TaskId`].
///
/// ```
/// use orch_core::ResourceId;
///
/// assert_eq!(ResourceId::from("db\n").to_string(), "db\\n");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// The longest name that a graph takes, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// The name as given, unescaped. Use `Display` for what a person sees.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ResourceId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for ResourceId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<&ResourceId> for ResourceId {
    fn from(id: &ResourceId) -> Self {
        id.clone()
    }
}

impl std::borrow::Borrow<str> for ResourceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Text from outside as a person may see it: control and direction-changing characters become `\u{..}`.
///
/// ```
/// use orch_core::Printable;
///
/// assert_eq!(Printable("one\ntwo").to_string(), "one\\ntwo");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.chars().any(is_unprintable) {
            return f.pad(self.0);
        }
        let mut escaped = String::with_capacity(self.0.len() + 8);
        for char in self.0.chars() {
            if is_unprintable(char) {
                write!(escaped, "{}", char.escape_default())?;
            } else {
                escaped.push(char);
            }
        }
        f.pad(&escaped)
    }
}

/// Control characters, and the marks that reorder or hide text (CVE-2021-42574).
pub(crate) fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The place of a task in its [`Graph`](crate::Graph), from 0 in the order of definition.
///
/// Only the graph that gave it, and plans, runs and reports of that graph, understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskIx(pub(crate) u32);

impl TaskIx {
    /// The place as a number, for indexing.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<u32> for TaskIx {
    fn from(index: u32) -> Self {
        Self(index)
    }
}

/// The name of one run: a UUID of version 7 (RFC 9562), so that names sort by the time of their start.
///
/// ```
/// use orch_core::{Clock, RunId};
///
/// let id = RunId::new(&Clock::system());
/// assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u64; 2]);

impl RunId {
    /// A fresh name: 48 bits of milliseconds since 1970 and 74 random bits.
    pub fn new(clock: &crate::Clock) -> Self {
        let random = |salt: u64| u128::from(RandomState::new().hash_one(salt));
        let WallTime(millis) = clock.wall();
        Self::from_parts(millis, random(0) << 64 | random(1))
    }

    /// A name from its parts, for tests and for replay.
    pub fn from_parts(millis_since_1970: u64, random: u128) -> Self {
        let time = u128::from(millis_since_1970 & 0xffff_ffff_ffff) << 80;
        let tail = random & ((0xfff << 64) | 0x3fff_ffff_ffff_ffff);
        Self::from_bits(time | 0x7 << 76 | 0b10 << 62 | tail)
    }

    /// Two words instead of one of 128 bits: events carry it, and its alignment would make every event larger.
    fn from_bits(bits: u128) -> Self {
        Self([(bits >> 64) as u64, bits as u64])
    }

    /// When the run was named: the start of its name.
    pub fn wall(self) -> WallTime {
        WallTime(self.0[0] >> 16)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0;
        let [a, b, c] = [high >> 32, (high >> 16) & 0xffff, high & 0xffff];
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || Error::new(ErrorKind::InvalidValue, format!("`{}` is not the name of a run", Printable(text)));
        let dashes = text.bytes().enumerate().all(|(at, byte)| matches!(at, 8 | 13 | 18 | 23) == (byte == b'-'));
        if text.len() != 36 || !dashes || text.contains('+') {
            return Err(refuse());
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self::from_bits).map_err(|_| refuse())
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_version_7() {
        let id = RunId::from_parts(0x0190_0000_0001, u128::MAX);
        assert_eq!(id.to_string(), "01900000-0001-7fff-bfff-ffffffffffff");
        assert!(RunId::from_parts(1, 0) < RunId::from_parts(2, 0));
        assert_eq!(id.wall(), WallTime(0x0190_0000_0001));
    }

    #[test]
    fn run_ids_refuse_other_text() {
        for text in ["", "x", "01900000-0001-7fff-bfff-fffffffffff", "01900000+0001-7fff-bfff-ffffffffffff"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
