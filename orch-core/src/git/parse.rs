//! What git answers, read.

use std::{ffi::OsString, path::PathBuf};

use serde::Serialize;

use super::name::Oid;
use crate::error::{Error, ErrorKind, Result};

/// A worktree, as `git worktree list` knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// Where it is, or was.
    pub path: PathBuf,
    /// The commit that it stands on; `None` before the first one, and in a bare repository.
    pub head: Option<Oid>,
    /// The branch, without `refs/heads/`; `None` where `HEAD` is detached.
    pub branch: Option<String>,
    /// Whether it is the repository itself, without files.
    pub bare: bool,
    /// Why it is locked, if it is; may be empty.
    pub locked: Option<String>,
    /// Why git would forget it, if it would: mostly because its folder is gone.
    pub prunable: Option<String>,
}

impl Worktree {
    /// Reads what `git worktree list --porcelain -z` answers: all worktrees of a repository, the main one first.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) for anything else. Attributes that are not known are passed over.
    pub fn parse_list(listed: &[u8]) -> Result<Vec<Self>> {
        let bad = || Error::new(ErrorKind::InvalidFormat, "git lists worktrees in a form that is not known");
        let mut all: Vec<Self> = Vec::new();
        for line in listed.split(|&byte| byte == 0).filter(|line| !line.is_empty()) {
            let at = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
            let (word, rest) = line.split_at(at);
            let rest = rest.get(1..).unwrap_or_default();
            if word == b"worktree" {
                let (head, branch, locked, prunable) = Default::default();
                all.push(Self { path: path(rest), head, branch, bare: false, locked, prunable });
                continue;
            }
            let last = all.last_mut().ok_or_else(bad)?;
            let text = || String::from_utf8_lossy(rest).into_owned();
            match word {
                b"HEAD" => {
                    last.head = Some(text()).filter(|hash| !is_zero(hash)).map(|hash| hash.parse()).transpose()?
                }
                b"branch" => {
                    let name = text();
                    last.branch = Some(name.strip_prefix("refs/heads/").map(str::to_owned).unwrap_or(name));
                }
                b"bare" => last.bare = true,
                b"locked" => last.locked = Some(text()),
                b"prunable" => last.prunable = Some(text()),
                _ => {}
            }
        }
        if all.is_empty() { Err(bad()) } else { Ok(all) }
    }
}

/// A branch without a commit is listed with a hash of zeros.
fn is_zero(hash: &str) -> bool {
    hash.bytes().all(|byte| byte == b'0')
}

#[cfg(unix)]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    OsString::from(std::os::unix::ffi::OsStrExt::from_bytes(bytes) as &std::ffi::OsStr).into()
}

#[cfg(not(unix))]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    OsString::from(String::from_utf8_lossy(bytes).into_owned()).into()
}

/// The state of a working tree, by `git status --porcelain=v2 --branch -z`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The commit that `HEAD` stands on; `None` before the first one.
    pub head: Option<Oid>,
    /// Paths whose index differs from the commit.
    pub staged: u32,
    /// Paths whose file differs from the index.
    pub modified: u32,
    /// Paths that are neither tracked nor ignored; a folder of them counts once.
    pub untracked: u32,
    /// Paths that were renamed or copied, in the index or after it.
    pub renamed: u32,
    /// Paths that were deleted, in the index or after it.
    pub deleted: u32,
    /// Paths that a merge left undecided.
    pub conflicted: u32,
    /// Submodules that have another commit, or changes of their own.
    pub submodules: u32,
    /// The upstream's name, where the branch has one.
    pub upstream: Option<String>,
    /// Commits that the upstream does not have, and those that only it has; `None` without an upstream that is there.
    pub remote: Option<(u32, u32)>,
}

impl Status {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) for anything else.
    pub fn parse(answer: &[u8]) -> Result<Self> {
        let bad = || Error::new(ErrorKind::InvalidFormat, "git tells the status in a form that is not known");
        let mut status = Self::default();
        let mut records = answer.split(|&byte| byte == 0).filter(|record| !record.is_empty());
        while let Some(record) = records.next() {
            let text = String::from_utf8_lossy(record);
            let mut fields = text.split(' ');
            match fields.next() {
                Some("#") => status.header(fields)?,
                Some(kind @ ("1" | "2")) => {
                    let (states, sub) = (fields.next().ok_or_else(bad)?, fields.next().ok_or_else(bad)?);
                    let (index, tree) =
                        (states.chars().next().ok_or_else(bad)?, states.chars().nth(1).ok_or_else(bad)?);
                    status.staged += u32::from(index != '.');
                    status.modified += u32::from(tree != '.');
                    status.deleted += u32::from(index == 'D' || tree == 'D');
                    status.renamed += u32::from(kind == "2");
                    status.submodules += u32::from(sub.starts_with('S'));
                    if kind == "2" {
                        // The path that it came from is a record of its own.
                        records.next().ok_or_else(bad)?;
                    }
                }
                Some("u") => status.conflicted += 1,
                Some("?") => status.untracked += 1,
                Some("!") => {}
                _ => return Err(bad()),
            }
        }
        Ok(status)
    }

    fn header<'a>(&mut self, mut fields: impl Iterator<Item = &'a str>) -> Result<()> {
        match fields.next() {
            // `(initial)` where there is none.
            Some("branch.oid") => self.head = fields.next().and_then(|oid| oid.parse().ok()),
            Some("branch.upstream") => self.upstream = Some(fields.collect::<Vec<_>>().join(" ")),
            Some("branch.ab") => {
                let number = |text: Option<&str>| text?.get(1..)?.parse().ok();
                let (ahead, behind) = (number(fields.next()), number(fields.next()));
                let bad = || Error::new(ErrorKind::InvalidFormat, "git counts commits in a form that is not known");
                self.remote = Some(ahead.zip(behind).ok_or_else(bad)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether there is nothing that a commit would not hold.
    pub fn is_clean(&self) -> bool {
        self.staged + self.modified + self.untracked + self.conflicted + self.submodules == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktrees_are_read_with_odd_paths_and_states() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let zero = "0".repeat(40);
        let text = format!(
            "worktree /a b/c\nd\0HEAD {hash}\0branch refs/heads/x/y\0\0worktree /e\0HEAD {hash}\0detached\0locked\0\0\
             worktree /f\0HEAD {zero}\0branch refs/heads/new\0locked why not\0prunable gitdir file points nowhere\0new 1\0\0"
        );
        let read = Worktree::parse_list(text.as_bytes()).unwrap();
        assert_eq!((read[0].path.to_str().unwrap(), read[0].branch.as_deref()), ("/a b/c\nd", Some("x/y")));
        assert_eq!((read[1].branch.as_deref(), read[1].locked.as_deref()), (None, Some("")));
        assert_eq!((&read[2].head, read[2].locked.as_deref()), (&None, Some("why not")));
        assert_eq!(read[2].prunable.as_deref(), Some("gitdir file points nowhere"));
        assert!(Worktree::parse_list(b"worktree /bare\0bare\0\0").unwrap()[0].bare);
        for bad in [&b""[..], b"HEAD x\0", b"worktree /a\0HEAD xyz\0"] {
            assert!(Worktree::parse_list(bad).is_err());
        }
    }

    #[test]
    fn a_status_is_counted() {
        let text = b"# branch.oid 0123456789abcdef0123456789abcdef01234567\0# branch.head x\0# branch.upstream origin/x\0# branch.ab +2 -13\0\
            1 M. N... 100644 100644 100644 a a staged\x001 .M N... 100644 100644 100644 a a changed here\0\
            1 MM N... 100644 100644 100644 a a both\x001 .D N... 100644 100644 000000 a a gone\0\
            2 R. N... 100644 100644 100644 a a R100 new name\0old name\x001 .M SC.. 160000 160000 160000 a a sub\0\
            u UU N... 100644 100644 100644 100644 a a a conflict\0? new file\0! ignored\0";
        let status = Status::parse(text).unwrap();
        let expected = Status {
            head: Some("0123456789abcdef0123456789abcdef01234567".parse().unwrap()),
            staged: 3,
            modified: 4,
            untracked: 1,
            renamed: 1,
            deleted: 1,
            conflicted: 1,
            submodules: 1,
            upstream: Some("origin/x".into()),
            remote: Some((2, 13)),
        };
        assert_eq!(status, expected);
        let clean = Status::parse(b"# branch.oid (initial)\0! x\0").unwrap();
        assert!(!status.is_clean() && clean.is_clean() && clean.head.is_none());
        for bad in [&b"x y\0"[..], b"1 M\0", b"2 R. N... a\0", b"# branch.ab +x -1\0"] {
            assert!(Status::parse(bad).is_err());
        }
    }
}
