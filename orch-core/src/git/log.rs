//! The history of a commit, commit by commit.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Git, Oid};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
};

/// A commit of a history. Names are as the repository's `.mailmap` has them; what is no UTF-8 is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogEntry<'a> {
    /// Its hash.
    pub hash: Cow<'a, str>,
    /// How many parents it has: of a merge more than one.
    pub parents: usize,
    /// When it was committed, in whole seconds; never before 1970.
    pub at: WallTime,
    /// Who wrote it.
    pub author: Cow<'a, str>,
    /// Their address.
    pub email: Cow<'a, str>,
    /// The whole message.
    pub message: Cow<'a, str>,
}

/// Names have no line breaks; the message is last.
const FORMAT: &str = "--format=tformat:%H %ct %P%n%aN%n%aE%n%B";

impl<'a> LogEntry<'a> {
    fn parse(record: &'a [u8]) -> Option<Self> {
        let mut lines = record.splitn(4, |&byte| byte == b'\n').map(String::from_utf8_lossy);
        let (head, author, email) = (lines.next()?, lines.next()?, lines.next()?);
        let message = lines.next().unwrap_or_default();
        let mut words = head.split(' ').filter(|word| !word.is_empty());
        let hash = words.next()?.to_owned();
        let at = seconds(words.next()?)?;
        Some(Self { hash: hash.into(), parents: words.count(), at, author, email, message })
    }
}

fn seconds(text: &str) -> Option<WallTime> {
    let seconds: i64 = text.parse().ok()?;
    Some(WallTime(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)))
}

impl Git {
    /// Tells every commit that is reachable from `head`, the latest first. One call of git, read while it goes on: nothing is kept.
    ///
    /// # Errors
    ///
    /// That of `each`, which ends it; those of [`Call::each_record`](super::Call::each_record).
    pub fn log(&self, head: &Oid, mut each: impl FnMut(&LogEntry<'_>) -> Result<()>) -> Result<()> {
        let words = ["log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", FORMAT, head.as_str(), "--"];
        self.call(words).each_record(|record| each(&LogEntry::parse(record).ok_or_else(odd)?))
    }

    /// Commits of all references that changed a path which that pattern of git fits, with their times. It compares trees, so it takes long
    /// where there are many commits.
    ///
    /// # Errors
    ///
    /// Those of [`Call::each_record`](super::Call::each_record).
    pub fn touching(&self, pattern: &str) -> Result<Vec<(String, WallTime)>> {
        let mut found = Vec::new();
        let words = [
            "log",
            "-z",
            "--no-show-signature",
            "--no-color",
            "--all",
            "--full-history",
            "--format=tformat:%H %ct",
            "--",
        ];
        self.call(words).arg(pattern).each_record(|record| {
            let text = String::from_utf8_lossy(record);
            let (hash, at) = text.split_once(' ').ok_or_else(odd)?;
            found.push((hash.to_owned(), seconds(at).ok_or_else(odd)?));
            Ok(())
        })?;
        Ok(found)
    }
}

fn odd() -> Error {
    Error::new(ErrorKind::InvalidFormat, "git tells commits in a form that is not known")
}
