//! Turns a version 1 command, Markdown for people, into a version 2 definition, and gives account of what it concluded.
//!
//! A version 1 text says little that a machine can rely on. What it does say (a number, a time, "depends on 2") is taken
//! as said. What follows from the form of the text is inferred, and each inference is listed. What may be meant but cannot
//! be told is listed too: a person decides.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::definition::command::convert;
//!
//! let conversion = convert("\
//! ## /review-code
//!
//! Review codebase for issues
//!
//! 1. Analyze structure (5 min)
//! 2. Check quality (depends on 1, 10 min)
//! 3. Check security (depends on 1, 10 min)
//! ", None)?;
//! assert_eq!(conversion.command.name(), "/review-code");
//! assert_eq!(conversion.command.phases()[0].agents[2].dependencies, ["analyze-structure-1"]);
//! assert_eq!(conversion.serial, Duration::from_secs(25 * 60));
//! assert_eq!(conversion.parallel, Some(Duration::from_secs(15 * 60)));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod assemble;
mod edges;
mod names;

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{
    graph::GraphOptions,
    markdown::{Draft, Form, draft},
    model::Command,
};
use crate::{
    definition::task::millis,
    error::{Error, ErrorKind, Problem, Result, Severity},
    id::Printable,
};
use assemble::Assembly;

/// Who does a step that names nobody.
const ANYONE: &str = "general-assistant";

/// How long a step takes that gives no time.
const DEFAULT_TIME: Duration = Duration::from_secs(60);

/// The largest text. The largest command in use has 32 kB.
const MAX_BYTES: usize = 1 << 20;

/// The most steps of one text. Phases in order need an edge for each pair of steps, so this is what keeps a hostile text
/// from becoming gigabytes.
const MAX_STEPS: usize = 2_000;

/// A version 1 command as a version 2 definition, and the account of how it became one.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Conversion {
    /// The definition. It may have problems: see [`problems`](Conversion::problems).
    pub command: Command,
    /// What the text does not say and its form implies.
    pub inferred: Vec<Note>,
    /// What the text says or may mean and the definition does not.
    pub unknown: Vec<Note>,
    /// What is wrong, by the lines of the Markdown text.
    pub problems: Vec<Problem>,
    /// The time of all steps one after the other, which is how version 1 runs them.
    #[serde(rename = "serial_ms", with = "millis::plain")]
    pub serial: Duration,
    /// The time of the definition with as many steps at once as its dependencies allow; `None` if they form a cycle.
    #[serde(rename = "parallel_ms", with = "millis")]
    pub parallel: Option<Duration>,
}

/// One entry of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The line of the Markdown text that it is about, from 1; `None` if it is about the whole.
    pub line: Option<u32>,
    /// What, lower case, no full stop.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        Printable(&self.text).fmt(f)
    }
}

/// Converts the text of a version 1 command: Markdown, or the YAML that the command wizard takes.
///
/// `file_name` is the name of its file without the ending, which is the command's name where the title is none; without it
/// the name is made of the title.
///
/// # Errors
///
/// [`InvalidFormat`](ErrorKind::InvalidFormat) if the text is empty; [`TooLarge`](ErrorKind::TooLarge) above 1 MiB or
/// 2,000 steps.
pub fn convert(text: &str, file_name: Option<&str>) -> Result<Conversion> {
    if text.len() > MAX_BYTES {
        let message = format!("a Markdown command has at most {MAX_BYTES} bytes");
        return Err(Error::new(ErrorKind::TooLarge, message).with("bytes", text.len().to_string()));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidFormat, "the command is empty; Markdown with steps is needed"));
    }
    let draft = draft(text);
    let steps: usize = draft.phases.iter().map(|phase| phase.steps.len()).sum();
    if steps > MAX_STEPS {
        let message = format!("a Markdown command has at most {MAX_STEPS} steps; write a larger one as JSON");
        return Err(Error::new(ErrorKind::TooLarge, message).with("steps", steps.to_string()));
    }
    let mut account = Account::default();
    account.of_form(&draft);
    let assembly = Assembly::new(&draft, file_name, &mut account);
    account.inferred.sort_by_key(|note| note.line);
    account.unknown.sort_by_key(|note| note.line);
    let (serial, parallel) = (assembly.serial(), assembly.parallel());
    let command = assembly.into_command();
    Ok(Conversion {
        problems: command.problems(&GraphOptions::default()),
        command,
        serial,
        parallel,
        inferred: account.inferred,
        unknown: account.unknown,
    })
}

/// The two lists while they grow.
#[derive(Debug, Default)]
struct Account {
    inferred: Vec<Note>,
    unknown: Vec<Note>,
}

impl Account {
    fn infer(&mut self, line: impl Into<Option<u32>>, text: impl Into<String>) {
        self.inferred.push(Note { line: line.into(), text: text.into() });
    }

    fn cannot(&mut self, line: impl Into<Option<u32>>, text: impl Into<String>) {
        self.unknown.push(Note { line: line.into(), text: text.into() });
    }

    fn of_form(&mut self, draft: &Draft) {
        let first = draft.phases.first().map(|phase| phase.line);
        match draft.form {
            Form::Phases | Form::Steps => {}
            Form::Flow => {
                self.infer(first, "the numbered items of the execution flow are phases, the items below them steps");
            }
            Form::Topics => {
                self.infer(first, "there are no phases and no numbered steps, so each section with a list is one step");
                self.cannot(first, "whether a section needs the result of another; add dependencies where it does");
            }
            Form::Whole => {
                self.infer(None, "there is no list of steps, so the whole text is one step");
                self.cannot(None, "which parts of the text could run side by side");
            }
        }
        if let Some(line) = draft.closing {
            self.infer(line, "the closing paragraph is a last step that waits for all others");
        }
        /// A longer list helps nobody.
        const NAMED: usize = 50;
        for (line, title) in draft.left_out.iter().take(NAMED) {
            self.cannot(*line, format!("the section `{title}` names no steps and is left out"));
        }
        if let Some(more) = draft.left_out.len().checked_sub(NAMED).filter(|more| *more > 0) {
            self.cannot(None, format!("{more} more sections name no steps and are left out"));
        }
    }
}

impl fmt::Display for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phases = self.command.phases();
        let tasks: usize = phases.iter().map(|phase| phase.agents.len()).sum();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        writeln!(
            f,
            "{}: {tasks} task{} in {} phase{}",
            Printable(self.command.name()),
            plural(tasks),
            phases.len(),
            plural(phases.len())
        )?;
        write!(f, "before, one after another: {}", people(self.serial))?;
        match self.parallel {
            Some(parallel) => {
                let saved = 100.0 * (1.0 - parallel.as_secs_f64() / self.serial.as_secs_f64());
                writeln!(f, "; after, side by side: {} ({saved:.0} % less)", people(parallel))?;
            }
            None => writeln!(f, "; after: never, the steps wait for each other")?,
        }
        for (title, notes) in [("inferred", &self.inferred), ("not inferred", &self.unknown)] {
            if !notes.is_empty() {
                writeln!(f, "{title}:")?;
                notes.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
            }
        }
        if !self.problems.is_empty() {
            let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
            writeln!(f, "problems ({errors} error{}):", plural(errors))?;
            self.problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))?;
        }
        Ok(())
    }
}

/// A time in the two largest units that it has.
fn people(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let said: Vec<String> =
        units.iter().filter(|(count, _)| *count > 0).take(2).map(|(count, unit)| format!("{count} {unit}")).collect();
    if said.is_empty() { format!("{} ms", time.as_millis()) } else { said.join(" ") }
}

#[cfg(test)]
mod tests;
