//! What is asked of a repository.

use std::path::{Path, PathBuf};

use super::{
    call::Git,
    name::{BranchName, Oid},
    parse::{Status, Worktree, path},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

impl Git {
    /// The version of git.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run); [`InvalidFormat`](ErrorKind::InvalidFormat) if it names none.
    pub fn version(&self) -> Result<(u32, u32)> {
        let line = self.call(["version"]).line()?;
        let mut numbers = line.trim_start_matches("git version ").split('.').map(|part| part.parse::<u32>().ok());
        let pair = numbers.next().flatten().zip(numbers.next().flatten());
        let odd = || Error::new(ErrorKind::InvalidFormat, format!("git says of its version `{}`", Printable(&line)));
        pair.ok_or_else(odd)
    }

    /// The folder that all worktrees of the repository share, without symbolic links.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) outside of repositories.
    pub fn common_dir(&self) -> Result<PathBuf> {
        self.folder("--git-common-dir")
    }

    /// The folder of this worktree inside the common one; in the main worktree the common one itself.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) outside of repositories.
    pub fn own_dir(&self) -> Result<PathBuf> {
        self.folder("--git-dir")
    }

    /// The top folder of the worktree.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) outside of worktrees, also in a bare repository.
    pub fn top(&self) -> Result<PathBuf> {
        self.folder("--show-toplevel")
    }

    fn folder(&self, which: &str) -> Result<PathBuf> {
        let call = self.call(["rev-parse", "--path-format=absolute", which]);
        let answer = call.answer()?;
        if answer.code != 0 {
            let here = self.directory().display().to_string();
            if answer.stderr.contains("not a git repository") {
                let message = format!("`{}` is in no repository; go to one, or `git init` makes one", Printable(&here));
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            // It is bare, or of an owner whom git does not trust; git says what to do then.
            let message = format!("git does not work in `{}`", Printable(&here));
            return Err(Error::new(ErrorKind::NotFound, message).caused_by(call.refused(&answer)));
        }
        let named = answer.stdout.strip_suffix(b"\n").unwrap_or(&answer.stdout);
        std::fs::canonicalize(path(named))
            .map_err(|error| Error::new(ErrorKind::Io, "the folder that git names cannot be read").caused_by(error))
    }

    /// All worktrees; the first is the main one.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn worktrees(&self) -> Result<Vec<Worktree>> {
        Worktree::parse_list(&self.call(["worktree", "list", "--porcelain", "-z"]).again().run()?.stdout)
    }

    /// The state of the working tree here. Untracked files count, ignored ones do not; submodules are looked into.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn status(&self) -> Result<Status> {
        let arguments =
            ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=none"];
        Status::parse(&self.call(arguments).run()?.stdout)
    }

    /// The commit that a person named: a branch, a tag, a hash, `HEAD~2`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is none of that name.
    pub fn commit(&self, named: &str) -> Result<Oid> {
        let missing = || {
            let message = match named {
                "HEAD" => "there is no commit yet; `git commit` makes the first one".to_owned(),
                _ => format!("there is no commit `{}`; name a branch, a tag or a hash that is there", Printable(named)),
            };
            Error::new(ErrorKind::NotFound, message)
        };
        if named.is_empty() || named.contains('\0') {
            return Err(missing());
        }
        let rev = format!("{named}^{{commit}}");
        let answer = self.call(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(rev).answer()?;
        if answer.code != 0 {
            return Err(missing());
        }
        answer.text().lines().find_map(|line| line.parse().ok()).ok_or_else(missing)
    }

    /// What a reference with that whole name stands on; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Those of [`Call::answer`](super::Call::answer).
    pub fn reference(&self, full: &str) -> Result<Option<Oid>> {
        let answer = self.call(["rev-parse", "--verify", "--quiet", "--end-of-options", full]).answer()?;
        Ok(if answer.code == 0 { answer.text().lines().find_map(|line| line.parse().ok()) } else { None })
    }

    /// Sets a reference, only if it still is what it was; `None` stands for: it is not there.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if it is something else by now.
    pub fn set_reference(&self, full: &str, to: &Oid, was: Option<&Oid>) -> Result<()> {
        let was = was.map_or_else(|| to.zero_hash(), |was| was.as_str().to_owned());
        let call = self.call(["update-ref", "--no-deref", "-m", "orch", full, to.as_str(), &was]).patient();
        self.changed(full, call)
    }

    /// Drops a reference, only if it still is what it was.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if it is something else by now.
    pub fn drop_reference(&self, full: &str, was: &Oid) -> Result<()> {
        self.changed(full, self.call(["update-ref", "--no-deref", "-d", full, was.as_str()]).patient())
    }

    fn changed(&self, full: &str, call: super::Call<'_>) -> Result<()> {
        let answer = call.answer()?;
        if answer.code == 0 {
            return Ok(());
        }
        let message = format!("`{}` is not what it was, or cannot be changed", Printable(full));
        Err(Error::new(ErrorKind::Conflict, message).caused_by(call.refused(&answer)))
    }

    /// The references that begin so, with what they stand on.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn references(&self, prefix: &str) -> Result<Vec<(String, Oid)>> {
        let answer = self.call(["for-each-ref", "--format=%(objectname) %(refname)", "--"]).arg(prefix).run()?;
        let text = answer.text();
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(oid, name)| Ok((name.to_owned(), oid.parse()?))).collect()
    }

    /// How many commits only the first has, and only the second.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn apart(&self, one: &Oid, other: &Oid) -> Result<(u32, u32)> {
        if one == other {
            return Ok((0, 0));
        }
        let range = format!("{one}...{other}");
        let line = self.call(["rev-list", "--left-right", "--count", &range, "--"]).line()?;
        let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(u32::MAX));
        Ok((numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()))
    }

    /// How many commits of `head` none of those references has, where they are there, nor any branch of a remote.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn only_in(&self, head: &Oid, but: &[&Oid]) -> Result<u32> {
        let mut call = self.call(["rev-list", "--count", head.as_str(), "--not", "--remotes"]);
        for oid in but {
            call = call.arg(oid.as_str());
        }
        let line = call.arg("--").line()?;
        line.parse().map_err(|_| Error::new(ErrorKind::InvalidFormat, "git counts commits in a form that is not known"))
    }

    /// Whether the first is the second, or comes before it.
    ///
    /// # Errors
    ///
    /// Those of [`Call::answer`](super::Call::answer).
    pub fn is_ancestor(&self, one: &Oid, other: &Oid) -> Result<bool> {
        if one == other {
            return Ok(true);
        }
        let call = self.call(["merge-base", "--is-ancestor", one.as_str(), other.as_str()]);
        match call.answer()? {
            answer if answer.code <= 1 => Ok(answer.code == 0),
            answer => Err(call.refused(&answer)),
        }
    }

    /// The tree of a commit.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such commit.
    pub fn tree(&self, commit: &Oid) -> Result<Oid> {
        let rev = format!("{commit}^{{tree}}");
        self.reference(&rev)?.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no commit `{commit}`")))
    }

    /// Makes a commit of a tree. Who commits is who the user's settings name, else orch; the message may hold anything.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn commit_tree(&self, tree: &Oid, parents: &[&Oid], message: &str) -> Result<Oid> {
        self.commit_of(tree, parents, message, None)
    }

    fn commit_of(&self, tree: &Oid, parents: &[&Oid], message: &str, time: Option<&str>) -> Result<Oid> {
        let mut call = self.call(["commit-tree", tree.as_str()]);
        if let Some(time) = time {
            call = call.env("GIT_AUTHOR_DATE", time).env("GIT_COMMITTER_DATE", time);
        }
        for parent in parents {
            call = call.arg("-p").arg(parent.as_str());
        }
        let call = call.writes().stdin(message.replace('\0', "\u{fffd}"));
        let answer = call.answer()?;
        if answer.code == 0 {
            return answer.text().trim_end().parse();
        }
        // Mostly because nobody said who commits, and git may not guess.
        let (name, mail) = ("orch", "orch@localhost");
        let call = call.env("GIT_AUTHOR_NAME", name).env("GIT_AUTHOR_EMAIL", mail);
        call.env("GIT_COMMITTER_NAME", name).env("GIT_COMMITTER_EMAIL", mail).line()?.parse()
    }

    /// A commit of the working tree as it is, with what is changed and untracked, and without what is ignored and without
    /// [repositories inside](Git::inner_repositories). Neither the branch nor the index changes. Its parent is `HEAD`, where there is one; where nothing differs from that, it is that.
    ///
    /// `scratch` is the path of a file that may be written: an index for the time of this call.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn snapshot(&self, scratch: &Path, message: &str) -> Result<Oid> {
        self.snapshot_at(scratch, message, None)
    }

    /// The same as a [snapshot](Git::snapshot), but of no time: the same files on the same commit are the same commit, so that who looks
    /// again and again leaves nothing more behind.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn glimpse(&self, scratch: &Path, message: &str) -> Result<Oid> {
        self.snapshot_at(scratch, message, Some("@0 +0000"))
    }

    fn snapshot_at(&self, scratch: &Path, message: &str, time: Option<&str>) -> Result<Oid> {
        let head = self.reference("HEAD")?;
        // The index of here, so that only what changed is read again.
        let own = self.own_dir()?.join("index");
        if own.exists() {
            // With its time: by that git knows which files may have changed in the same moment, with the same length, and are to be read.
            let copy = || {
                let time = std::fs::metadata(&own)?.modified()?;
                std::fs::copy(&own, scratch)?;
                std::fs::File::options().write(true).open(scratch)?.set_modified(time)
            };
            copy().map_err(|error| Error::new(ErrorKind::Io, "the index could not be copied").caused_by(error))?;
        }
        let made = self.snapshot_with(scratch, head.as_ref(), message, time);
        drop(std::fs::remove_file(scratch));
        made
    }

    fn snapshot_with(&self, scratch: &Path, head: Option<&Oid>, message: &str, time: Option<&str>) -> Result<Oid> {
        let mut add = self.call(["add", "--all", "--", "."]);
        for inner in self.inner_repositories(true)? {
            // Git would note its commit only, and refuse where it has none.
            let mut pattern = std::ffi::OsString::from(":(exclude,literal)");
            pattern.push(inner);
            add = add.arg(pattern);
        }
        add.env("GIT_INDEX_FILE", scratch).writes().run()?;
        let tree: Oid = self.call(["write-tree"]).env("GIT_INDEX_FILE", scratch).writes().line()?.parse()?;
        match head {
            Some(head) if self.tree(head)? == tree => Ok(head.clone()),
            Some(head) => self.commit_of(&tree, &[head], message, time),
            None => self.commit_of(&tree, &[], message, time),
        }
    }

    /// Repositories inside this one that it does not track, by their paths from here; with `ignoring`, not those that are ignored.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](super::Call::run).
    pub fn inner_repositories(&self, ignoring: bool) -> Result<Vec<PathBuf>> {
        let call = self.call(["ls-files", "--others", "-z"]);
        let answer = if ignoring { call.arg("--exclude-standard").run()? } else { call.run()? };
        // Git lists files one by one, and does not look into other repositories: only they end with a slash.
        Ok(answer.records().filter_map(|record| Some(path(record.strip_suffix(b"/")?))).collect())
    }

    /// The branch that work is brought into: where the remote's `HEAD` points to, else `main` or `master`, else that of the main worktree.
    ///
    /// # Errors
    ///
    /// Those of [`Call::answer`](super::Call::answer).
    pub fn default_branch(&self) -> Result<Option<BranchName>> {
        let remote = self.call(["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"]).answer()?.text();
        let remote = remote.trim_end().strip_prefix("refs/remotes/origin/").map(str::to_owned);
        for name in remote.into_iter().chain(["main".to_owned(), "master".to_owned()]) {
            if let Ok(name) = BranchName::new(&name)
                && self.reference(&name.full())?.is_some()
            {
                return Ok(Some(name));
            }
        }
        let main = self.worktrees()?.into_iter().next().and_then(|main| main.branch);
        Ok(main.and_then(|name| BranchName::new(&name).ok()))
    }
}
