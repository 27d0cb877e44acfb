//! Which rules there are.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; or a saving that needs a decision.
    Note,
    /// Burns minutes, or will.
    Warning,
    /// Does not do what it is there for.
    Error,
}

impl Level {
    /// Its name in forms: `note`, `warning`, `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What `orch actions fix` does about a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fixing {
    /// It edits the file.
    Safe,
    /// It edits the file where the rule is named, because triggers change.
    Named,
    /// It says what to do: only a person can know whether that is right.
    Suggested,
}

macro_rules! rules {
    ($($name:ident $id:literal $level:ident $fixing:ident $what:literal;)*) => {
        /// What the audit looks for. The text of [`id`](Rule::id) is stable: comments and scripts name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $what] $name,)*
        }

        impl Rule {
            /// All rules, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name, for example `missing-timeout`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// How bad a finding of it is.
            pub fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)* }
            }

            /// What is done about it.
            pub fn fixing(self) -> Fixing {
                match self { $(Self::$name => Fixing::$fixing,)* }
            }

            /// What it is about, in one line.
            pub fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

rules! {
    InvalidYaml "invalid-yaml" Error Suggested "The file is no YAML, or no workflow: nothing in it runs.";
    DeadTriggers "dead-triggers" Error Suggested "Nothing starts the workflow: `on` has no value, or is missing.";
    InvalidCron "invalid-cron" Error Suggested "GitHub refuses the cron, or it never fires.";
    DeadDispatch "dead-dispatch" Error Suggested "It starts or waits for a workflow that is not there, or cannot be started so.";
    UnsafeCancel "unsafe-cancel" Warning Suggested "A run that deploys, releases or writes is cancelled half way.";
    MissingConcurrency "missing-concurrency" Warning Safe "A newer commit does not end the run of an older one.";
    CancelInProgress "cancel-in-progress" Warning Safe "Runs of a pull request wait for each other in place of being cancelled.";
    MissingTimeout "missing-timeout" Warning Safe "A job that hangs is billed for six hours.";
    AggressiveCron "aggressive-cron" Warning Suggested "The schedule fires more often than every hour.";
    CronOnTheHour "cron-on-the-hour" Note Named "The cron fires when everybody's do, and is delayed or dropped.";
    DoubleRun "double-run" Warning Named "A push to a pull request runs everything twice.";
    MissingPaths "missing-paths" Note Suggested "Changes that the workflow does not test start it.";
    RequiredPaths "required-paths" Warning Suggested "A required check has a path filter: where it is skipped, nobody can merge.";
    MissingCache "missing-cache" Note Safe "What was installed before is downloaded again.";
    TinyJob "tiny-job" Note Suggested "Jobs of seconds are billed for a minute each.";
    DearRunner "dear-runner" Warning Suggested "The job would run on a cheaper machine.";
    SmallerRunner "smaller-runner" Note Suggested "The job would run on a smaller or another machine for less.";
    MatrixFailFast "matrix-fail-fast" Note Suggested "The other jobs of a matrix go on after one has failed.";
    LargeMatrix "large-matrix" Note Suggested "A matrix tries everything with everything.";
    UnpinnedAction "unpinned-action" Note Suggested "The action may change under the workflow: it is not pinned to a commit.";
    CheckoutDepth "checkout-depth" Note Suggested "The whole history is fetched.";
    ArtifactRetention "artifact-retention" Note Suggested "Artifacts are stored for 90 days.";
    BadIgnore "bad-ignore" Note Suggested "A comment silences a rule that does not exist.";
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == text).ok_or_else(|| {
            let ids: Vec<&str> = Self::ALL.iter().map(|rule| rule.id()).collect();
            let message = format!("there is no rule `{}`; there are {}", Printable(text), ids.join(", "));
            Error::new(ErrorKind::NotFound, message)
        })
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
