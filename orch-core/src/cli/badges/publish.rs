//! Puts files on a branch by compare-and-swap: of several who publish, none writes over what it has not seen.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    error::{Error, ErrorKind, Result},
    git::{BranchName, Git, Oid},
    id::Printable,
};

/// How often somebody else may be quicker.
const TRIES: u32 = 5;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Published {
    branch: String,
    commit: String,
    /// Whether there was anything new.
    changed: bool,
}

impl std::fmt::Display for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.changed { "published on" } else { "nothing new for" };
        write!(f, "{what} `{}` at {}", Printable(&self.branch), self.commit)
    }
}

/// Makes a commit with these files beside what the branch has, and moves the branch to it if it still is where it was; else tries again. Nothing is pushed.
pub(super) fn main(git: &Git, branch: &str, files: &[(String, String)]) -> Result<Published> {
    let name = BranchName::new(branch)?;
    let full = name.full();
    if git.worktrees()?.iter().any(|tree| tree.branch.as_deref() == Some(name.as_str())) {
        let message = format!("the branch `{}` is checked out; publish on one that nobody works on", Printable(branch));
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let mut blobs = BTreeMap::new();
    for (file, text) in files {
        let blob = git.call(["hash-object", "-w", "--stdin"]).stdin(text.as_str()).writes().line()?;
        blobs.insert(file.clone(), blob);
    }
    for _ in 0..TRIES {
        let was = git.reference(&full)?;
        let tree = tree(git, was.as_ref(), &blobs)?;
        let published = |commit: &Oid, changed| Published {
            branch: branch.to_owned(),
            commit: commit.as_str().to_owned(),
            changed,
        };
        if let Some(was) = &was
            && git.tree(was)? == tree
        {
            return Ok(published(was, false));
        }
        let parents: Vec<&Oid> = was.iter().collect();
        let commit = git.commit_tree(&tree, &parents, "Draw the badges anew\n")?;
        match git.set_reference(&full, &commit, was.as_ref()) {
            Ok(()) => return Ok(published(&commit, true)),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    let message = format!("others moved `{}` {TRIES} times meanwhile; run it again", Printable(branch));
    Err(Error::new(ErrorKind::Conflict, message))
}

/// The tree of the branch with these files in it.
fn tree(git: &Git, head: Option<&Oid>, blobs: &BTreeMap<String, String>) -> Result<Oid> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    if let Some(head) = head {
        let listed = git.call(["ls-tree", "-z"]).arg(head.as_str()).run()?;
        let name_of = |line: &[u8]| line.split(|&byte| byte == b'\t').nth(1).map(<[u8]>::to_vec).unwrap_or_default();
        let is_new = |line: &[u8]| blobs.keys().any(|name| name.as_bytes() == name_of(line));
        lines.extend(listed.records().filter(|line| !is_new(line)).map(<[u8]>::to_vec));
    }
    lines.extend(blobs.iter().map(|(name, blob)| format!("100644 blob {blob}\t{name}").into_bytes()));
    let mut text = lines.join(&0);
    text.push(0);
    git.call(["mktree", "-z"]).stdin(text).writes().line()?.parse()
}
