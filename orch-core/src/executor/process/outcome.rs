//! What a program's end means.

use std::process::ExitStatus;

use serde_json::Value;

use super::{
    agents::{Agent, OutputForm},
    capture::Captured,
    options::{ExitMeaning, ProcessOptions},
};
use crate::{
    event::{Failure, FailureKind, Outcome, Output},
    executor::ClaudeResult,
    id::Printable,
    units::Usage,
};

/// The most of a program's last words that a failure's message holds, in bytes.
const LAST_WORDS: usize = 500;

/// How a program ended, and what it wrote.
pub(super) struct Ended<'a> {
    pub(super) program: &'a str,
    pub(super) status: ExitStatus,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
    /// What was seen of its usage while it ran.
    pub(super) used: Usage,
}

impl Ended<'_> {
    pub(super) fn outcome(&self, agent: &Agent, options: &ProcessOptions) -> Outcome {
        // A failed attempt has cost money too.
        let claude = ClaudeResult::find(&self.stdout.text).or_else(|| ClaudeResult::of_codex(&self.stdout.text));
        let usage = match &self.used {
            used if used.is_empty() => claude.as_ref().map(|claude| claude.usage.clone()),
            used => Some(used.clone()),
        };
        let outcome = match self.result(agent, options, claude) {
            Ok(output) => Outcome::done(output),
            Err(failure) => failure.into(),
        };
        match usage {
            Some(usage) if !usage.is_empty() => outcome.used(usage),
            _ => outcome,
        }
    }

    fn result(&self, agent: &Agent, options: &ProcessOptions, claude: Option<ClaudeResult>) -> Result<Output, Failure> {
        let program = Printable(self.program);
        let Some(code) = self.status.code() else {
            return Err(Failure::error(format!("`{program}` was {}{}", ended_by(self.status), self.last_words())));
        };
        let default = if code == 0 { ExitMeaning::Done } else { ExitMeaning::Failed };
        let meaning = agent.exit_codes.get(&code).or_else(|| options.exit_codes.get(&code)).copied().unwrap_or(default);
        let said = claude.as_ref().and_then(|claude| claude.failure.clone());
        match meaning {
            ExitMeaning::Nothing => Ok(Output::NOTHING),
            ExitMeaning::Done => match said {
                Some(failure) => Err(failure),
                None => self.output(agent.output, claude),
            },
            ExitMeaning::Failed | ExitMeaning::Fatal | ExitMeaning::Invalid => {
                let mut failure = said.unwrap_or_else(|| {
                    Failure::error(format!("`{program}` ended with exit code {code}{}", self.last_words()))
                });
                match meaning {
                    ExitMeaning::Fatal => failure.kind = FailureKind::Fatal,
                    ExitMeaning::Invalid => failure.kind = FailureKind::Validation,
                    _ => {}
                }
                Err(failure)
            }
        }
    }

    fn output(&self, form: OutputForm, claude: Option<ClaudeResult>) -> Result<Output, Failure> {
        let text = self.stdout.text.trim_end_matches(['\n', '\r']);
        match form {
            OutputForm::Text if text.is_empty() => Ok(Output::NOTHING),
            OutputForm::Text => Ok(text.into()),
            OutputForm::Auto => Ok(match claude.and_then(|claude| claude.answer) {
                Some(Value::String(answer)) => text_or_json(&answer),
                Some(answer) => answer.into(),
                None => text_or_json(text),
            }),
            OutputForm::Json => self.json(text, "its output"),
            OutputForm::LastLine => {
                let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
                self.json(last, "the last line of its output")
            }
        }
    }

    fn json(&self, text: &str, what: &str) -> Result<Output, Failure> {
        serde_json::from_str::<Value>(text).map(Output::from).map_err(|error| {
            let program = Printable(self.program);
            let cut = if self.stdout.is_cut { " (it was too long and the middle was cut)" } else { "" };
            Failure::error(format!("`{program}` should have answered JSON, and {what} is none{cut}: {error}"))
        })
    }

    /// The last line of standard error that says something.
    fn last_words(&self) -> String {
        let line = self.stderr.text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        line.map_or_else(String::new, |line| {
            let end = line.floor_char_boundary(LAST_WORDS);
            format!(": {}{}", line.get(..end).unwrap_or_default(), if end < line.len() { " …" } else { "" })
        })
    }
}

fn text_or_json(text: &str) -> Output {
    if text.trim().is_empty() {
        return Output::NOTHING;
    }
    serde_json::from_str::<Value>(text).map_or_else(|_| text.into(), Output::from)
}

/// `ended by SIGSEGV`.
#[cfg(unix)]
fn ended_by(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;

    use rustix::process::Signal;

    let Some(number) = status.signal() else { return "ended without an exit code".to_owned() };
    let name = match Signal::from_named_raw(number) {
        Some(Signal::HUP) => "SIGHUP",
        Some(Signal::INT) => "SIGINT",
        Some(Signal::QUIT) => "SIGQUIT",
        Some(Signal::ILL) => "SIGILL",
        Some(Signal::TRAP) => "SIGTRAP",
        Some(Signal::ABORT) => "SIGABRT",
        Some(Signal::BUS) => "SIGBUS",
        Some(Signal::FPE) => "SIGFPE",
        // Nobody here sent it: before a SIGKILL of ours the attempt is already called cancelled or late.
        Some(Signal::KILL) => "SIGKILL; someone killed it, or the system ran out of memory",
        Some(Signal::SEGV) => "SIGSEGV",
        Some(Signal::PIPE) => "SIGPIPE",
        Some(Signal::ALARM) => "SIGALRM",
        Some(Signal::TERM) => "SIGTERM",
        Some(Signal::XCPU) => "SIGXCPU",
        Some(Signal::XFSZ) => "SIGXFSZ",
        Some(Signal::SYS) => "SIGSYS",
        _ => return format!("ended by signal {number}"),
    };
    format!("ended by {name}")
}

#[cfg(not(unix))]
fn ended_by(_: ExitStatus) -> String {
    "ended without an exit code".to_owned()
}
