//! From the name of a file to a graph, or to all that is wrong with it.

use std::{io, path::Path};

use serde::Serialize;

use super::{
    args::Source,
    config::RunSettings,
    streams::{Console, Paint},
};
use crate::{
    definition::{
        Command, Graph,
        command::{GraphOptions, PhaseOrder},
    },
    error::{Error, ErrorKind, Problem, Result, Severity},
    id::Printable,
    session::{self, Definition},
};

/// What became of a file.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The file, as a person may see it.
    pub(super) name: String,
    /// The command, if it is one and could be read.
    pub(super) command: Option<Command>,
    /// The graph, if it may run.
    pub(super) graph: Option<Graph>,
    /// All problems, of the file itself too.
    pub(super) problems: Vec<Problem>,
    /// Why there is no graph, in a sentence.
    reason: String,
}

/// Reads the definition that a command line names.
pub(super) fn load(source: &Source, settings: &RunSettings, inputs: Vec<String>) -> Loaded {
    let phase_order = if source.barrier || settings.barrier { PhaseOrder::Barrier } else { PhaseOrder::Dag };
    let strict = source.strict || settings.strict;
    load_file(&source.file, &GraphOptions { phase_order, strict, inputs })
}

/// Reads the definition in that file, `-` for stdin.
pub(super) fn load_file(path: &Path, options: &GraphOptions) -> Loaded {
    let name = shown(path);
    let mut loaded = Loaded { name, command: None, graph: None, problems: Vec::new(), reason: String::new() };
    let definition = match text(path).and_then(|text| Definition::parse(&text, Some(path))) {
        Ok(definition) => definition,
        Err(error) => {
            loaded.refuse(&error);
            return loaded;
        }
    };
    loaded.command = definition.command().cloned();
    match definition.graph(options) {
        Ok(graph) => {
            loaded.problems = graph.warnings().to_vec();
            loaded.graph = Some(graph);
        }
        Err(error) => loaded.refuse(&error),
    }
    loaded
}

/// The text of a file, `-` for stdin.
pub(super) fn text(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        return session::read_text(io::stdin().lock(), "stdin");
    }
    session::load_text(path)
}

/// The name of a file without its ending.
pub(super) fn stem(path: &Path) -> Option<&str> {
    if path == Path::new("-") { None } else { path.file_stem()?.to_str() }
}

/// A path as a person may see it.
pub(super) fn shown(path: &Path) -> String {
    if path == Path::new("-") { "stdin".to_owned() } else { Printable(&path.display().to_string()).to_string() }
}

impl Loaded {
    fn refuse(&mut self, error: &Error) {
        if error.problems().is_empty() {
            // The file itself is the problem, so that who reads only problems learns of it.
            self.reason = error.to_string();
            self.problems = vec![Problem {
                code: code(error).into(),
                severity: Severity::Error,
                path: String::new(),
                line: None,
                message: self.reason.clone(),
            }];
        } else {
            self.reason = error.message().to_owned();
            self.problems = error.problems().to_vec();
        }
    }

    /// Says on stderr why there is no graph: every problem, then the sum.
    pub(super) fn complain(&self, console: &mut Console<'_>) {
        let paint = console.paint_err();
        // A problem of the file itself is the reason already.
        for problem in self.problems.iter().filter(|problem| problem.message != self.reason) {
            console.plain(line(problem, paint));
        }
        match self.name.as_str() {
            name if self.reason.contains(name) => console.error(&self.reason),
            name => console.error(format_args!("`{name}`: {}", self.reason)),
        }
    }
}

/// A problem in a line, its severity coloured.
pub(super) fn line(problem: &Problem, paint: Paint) -> String {
    let text = problem.to_string();
    let label = problem.severity.to_string();
    match text.strip_prefix(&label) {
        Some(rest) if problem.severity == Severity::Error => format!("{}{rest}", paint.bad(label)),
        Some(rest) => format!("{}{rest}", paint.warn(label)),
        None => text,
    }
}

/// The code of an error of a file, as the command loaders before us had it.
fn code(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "FILE_NOT_FOUND",
        kind => kind.code(),
    }
}

/// The JSON form, version 1, of a command that could not begin.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    version: u8,
    error: Reason,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Reason {
    code: &'static str,
    message: String,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let reason = Reason { code: error.kind().code(), message: error.message().to_owned() };
        Self { version: 1, error: reason, problems: error.problems().to_vec() }
    }
}

impl From<&Loaded> for Refusal {
    fn from(loaded: &Loaded) -> Self {
        let reason = Reason { code: ErrorKind::InvalidDefinition.code(), message: loaded.reason.clone() };
        Self { version: 1, error: reason, problems: loaded.problems.clone() }
    }
}
