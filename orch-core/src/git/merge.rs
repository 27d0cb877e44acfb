//! Merges without a working tree.

use super::{call::Git, name::Oid, parse::path};
use crate::error::{Error, ErrorKind, Result};

/// What comes of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The tree. With conflicts it holds their marks.
    pub tree: Oid,
    /// The paths that are in conflict, each once; empty where there are none. What is no UTF-8 in them is replaced.
    pub conflicts: Vec<String>,
}

/// Pairs of commits to merge.
pub type Mergings<'a> = &'a [(&'a Oid, &'a Oid)];

impl Git {
    /// What comes of each of these merges, in one call of git. Nothing is changed: neither branches nor files.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) where two commits have no common one, and all else for which git refuses;
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) for an answer in an unknown form.
    pub fn merges(&self, pairs: Mergings<'_>) -> Result<Vec<Merged>> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let input: String = pairs.iter().map(|(one, other)| format!("{one} {other}\n")).collect();
        let call = self
            .call(["merge-tree", "--write-tree", "--stdin", "--name-only", "--no-messages", "-z"])
            .writes()
            .stdin(input);
        let answer = call.answer()?;
        // 0 and 1: with and without conflicts, in some versions also where there are several.
        if answer.code > 1 {
            return Err(call.refused(&answer));
        }
        let merged = parse(&answer.stdout)?;
        if merged.len() == pairs.len() { Ok(merged) } else { Err(call.refused(&answer)) }
    }

    /// What comes of one merge.
    ///
    /// # Errors
    ///
    /// Those of [`merges`](Git::merges).
    pub fn merge(&self, one: &Oid, other: &Oid) -> Result<Merged> {
        self.merges(&[(one, other)])?.pop().ok_or_else(odd)
    }
}

fn odd() -> Error {
    Error::new(ErrorKind::InvalidFormat, "git tells of merges in a form that is not known")
}

/// Each merge is `status NUL tree NUL (path NUL)* NUL`.
fn parse(answer: &[u8]) -> Result<Vec<Merged>> {
    let mut fields = answer.split(|&byte| byte == 0);
    let mut all = Vec::new();
    loop {
        let is_clean = match fields.next() {
            Some(b"1") => true,
            Some(b"0") => false,
            Some(b"") | None => return Ok(all),
            Some(_) => return Err(odd()),
        };
        let tree = fields.next().and_then(|tree| std::str::from_utf8(tree).ok()).ok_or_else(odd)?.parse()?;
        let mut conflicts: Vec<String> = Vec::new();
        loop {
            match fields.next() {
                Some(b"") => break,
                Some(name) => conflicts.push(path(name).to_string_lossy().into_owned()),
                None => return Err(odd()),
            }
        }
        conflicts.dedup();
        if conflicts.is_empty() != is_clean {
            return Err(odd());
        }
        all.push(Merged { tree, conflicts });
    }
}
