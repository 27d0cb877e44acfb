//! How programs are run.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::executor::{Redactor, Trace};

/// How programs are run, for all agents. Public fields and `Default`.
///
/// ```
/// use std::time::Duration;
/// use orch_core::ProcessOptions;
///
/// let options = ProcessOptions { grace: Duration::from_secs(30), ..ProcessOptions::default() };
/// assert_eq!(options.max_output, 1024 * 1024);
/// ```
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    /// Where programs run. Default: where this process runs.
    pub cwd: Option<PathBuf>,
    /// The variables of this process that programs inherit, by name. Default `None`: all, since agents find their
    /// credentials there. `Some` should name `PATH` and `HOME`.
    pub inherit: Option<Vec<String>>,
    /// Variables that are set for every program. An agent's own go before them.
    pub env: BTreeMap<String, String>,
    /// The trace of the run: each program gets `TRACEPARENT`, the span of its attempt, so that what it does is told as a part of it.
    /// Default `None`: what this process has is inherited as it is.
    pub trace: Option<Trace>,
    /// How long a program has between SIGTERM and SIGKILL. Default: 5 s.
    pub grace: Duration,
    /// How long output is still read after a program has ended while something that it started holds its pipes open.
    /// Then that is ended too. Default: 1 s.
    pub drain: Duration,
    /// How many bytes of each stream are kept; of a longer one the middle is cut, with a note. Default: 1 MiB.
    pub max_output: usize,
    /// How many lines of each stream become events. After that the program goes on unheard (its output is still kept up to
    /// [`max_output`](Self::max_output)). Default: 10,000.
    pub max_lines: u32,
    /// What exit codes mean, where an agent does not say. Default: 0 is done, all others failed.
    pub exit_codes: BTreeMap<i32, ExitMeaning>,
    /// What is taken out of all output, besides the values of inherited and set variables whose name says that they are
    /// secret. Default: what looks like a secret.
    pub redactor: Redactor,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        Self {
            cwd: None,
            inherit: None,
            env: BTreeMap::new(),
            trace: None,
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(1),
            max_output: 1024 * 1024,
            max_lines: 10_000,
            exit_codes: BTreeMap::new(),
            redactor: Redactor::new(),
        }
    }
}

/// What an exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitMeaning {
    /// It worked, and standard output is its output.
    Done,
    /// It worked, and there was nothing to do: no output, whatever was printed.
    Nothing,
    /// It failed, and trying again may help.
    Failed,
    /// It failed, and trying again will not help.
    Fatal,
    /// It did its work and found that something is not as it should be: a failure of the kind
    /// [`Validation`](crate::FailureKind::Validation). Undo steps may be named for it.
    Invalid,
}

/// Exit codes as keys: text in JSON and TOML, `{"3": "nothing"}`.
pub(super) mod codes {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use super::ExitMeaning;

    pub(in super::super) fn serialize<S: Serializer>(
        codes: &BTreeMap<i32, ExitMeaning>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(codes.iter().map(|(code, meaning)| (code.to_string(), meaning)))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<i32, ExitMeaning>, D::Error> {
        // TOML knows only text as a key, so the number is parsed here.
        let by_text = BTreeMap::<String, ExitMeaning>::deserialize(deserializer)?;
        let parse = |code: &str| match code.parse() {
            Ok(code @ 0..=255) => Ok(code),
            _ => Err(D::Error::custom(format!("`{}` is no exit code; they go from 0 to 255", code.escape_debug()))),
        };
        by_text.into_iter().map(|(code, meaning)| Ok((parse(&code)?, meaning))).collect()
    }
}
