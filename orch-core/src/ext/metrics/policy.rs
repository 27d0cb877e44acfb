//! Which commits count, and which of them were orchestrated. Pure.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Pattern,
    error::{Error, ErrorKind, Result},
    git::LogEntry,
    id::Printable,
    session::CommitRecord,
};

/// What "orchestrated" means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Policy {
    /// A hook of git recorded the commit in a worktree that orch made, or from a run.
    #[default]
    Recorded,
    /// The message has the word of the scripts that orch replaces, `worktree`, in that case; the months are those of the calendar, and
    /// both counts are of the same history.
    Message,
    /// The rule of those scripts with its window, by which their published figures come out again: months begin and end at the time of
    /// day at which one asks, and commits of all branches that touch a path with `worktrees/` in it count, where they are more.
    Compat,
}

impl Policy {
    /// All.
    pub const ALL: [Self; 3] = [Self::Recorded, Self::Message, Self::Compat];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Message => "message",
            Self::Compat => "compat",
        }
    }

    /// Whether a commit was orchestrated: by what is said in it, and by the record of it, if there is one.
    pub fn is_orchestrated(self, message: &str, record: Option<&CommitRecord>) -> bool {
        match self {
            Self::Recorded => record.is_some_and(is_ours),
            Self::Message | Self::Compat => message.contains(WORD),
        }
    }
}

/// What commit messages say of it, after the scripts that orch replaces.
const WORD: &str = "worktree";

/// The paths that count for [`Policy::Compat`], as a pattern of git.
pub const COMPAT_PATHS: &str = "*worktrees/*";

pub(super) fn is_ours(record: &CommitRecord) -> bool {
    record.managed || record.run.is_some() || record.task.is_some()
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            let message = format!("there is no policy `{}`; known here: {known}", Printable(text));
            Error::new(ErrorKind::InvalidValue, message)
        })
    }
}

/// Which commits count at all. Public fields and `Default`: all of them. [`Policy::Compat`] knows no such rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Whether commits with more than one parent count. Default: yes.
    pub merges: bool,
    /// Whether commits of bots count: of authors whose name, or the first part of whose address, ends with `[bot]`. Default: yes.
    pub bots: bool,
    /// [Patterns](Pattern) of authors, as `Name <address>`; only commits of those count. Default, empty: of all.
    pub authors: Vec<String>,
    /// Patterns of authors whose commits do not count.
    pub not_authors: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { merges: true, bots: true, authors: Vec::new(), not_authors: Vec::new() }
    }
}

/// The rules, ready to be asked often.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    merges: bool,
    bots: bool,
    authors: Vec<Pattern>,
    not_authors: Vec<Pattern>,
}

impl Judge {
    pub(super) fn new(rules: &Rules) -> Result<Self> {
        let one = |text: &String| {
            text.parse().map_err(|error: Error| {
                let message = format!("`{}` is no pattern of authors", Printable(text));
                Error::new(ErrorKind::InvalidValue, message).caused_by(error)
            })
        };
        let read = |texts: &[String]| texts.iter().map(one).collect::<Result<Vec<Pattern>>>();
        let (authors, not_authors) = (read(&rules.authors)?, read(&rules.not_authors)?);
        Ok(Self { merges: rules.merges, bots: rules.bots, authors, not_authors })
    }

    pub(super) fn counts(&self, commit: &LogEntry<'_>) -> bool {
        if (!self.merges && commit.parents > 1) || (!self.bots && is_bot(commit)) {
            return false;
        }
        if self.authors.is_empty() && self.not_authors.is_empty() {
            return true;
        }
        let who = format!("{} <{}>", commit.author, commit.email);
        let one_of = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(&who));
        (self.authors.is_empty() || one_of(&self.authors)) && !one_of(&self.not_authors)
    }
}

fn is_bot(commit: &LogEntry<'_>) -> bool {
    let first = commit.email.split('@').next().unwrap_or_default();
    [commit.author.as_ref(), first].iter().any(|name| name.to_ascii_lowercase().ends_with("[bot]"))
}
