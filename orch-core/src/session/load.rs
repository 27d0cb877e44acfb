//! Reads files and gives their text to [`definition`](crate::definition).

use std::{fs::File, io::Read, path::Path};

use serde::{Deserialize, de::IgnoredAny};

#[cfg(feature = "markdown")]
use crate::definition::command::convert;
use crate::{
    definition::{Command, Graph, command::GraphOptions, export},
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// What a file defines: a command, or a graph of another system.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Definition {
    /// A command definition: version 2 JSON of any dialect, or version 1 Markdown.
    Command(Command),
    /// A graph, from WfFormat.
    Graph(Graph),
}

impl Definition {
    /// Reads a definition from its text, whatever its form. `file`, where there is one, is not opened: its ending may tell
    /// that the text is Markdown, and its name may name the command.
    ///
    /// With feature `markdown`, text is Markdown if the file ends in `.md` or `.markdown`, or if it does not begin as JSON
    /// does and has a heading.
    ///
    /// ```
    /// use orch_core::{definition::command::GraphOptions, session::Definition};
    ///
    /// let text = r#"{"version": "2.0.0", "name": "/x", "description": "x", "phases": [
    ///     {"id": "one", "name": "One", "agents": [{"id": "a", "agentId": "reader", "task": "read", "dependencies": []}]}
    /// ]}"#;
    /// assert_eq!(Definition::parse(text, None)?.graph(&GraphOptions::default())?.len(), 1);
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Command::parse`], of [`from_wfformat`](export::from_wfformat) and of `convert`.
    pub fn parse(text: &str, file: Option<&Path>) -> Result<Self> {
        #[cfg(feature = "markdown")]
        if is_markdown(text, file) {
            let name = file.and_then(Path::file_stem).and_then(|name| name.to_str());
            return convert(text, name).map(|conversion| Self::Command(conversion.command));
        }
        #[cfg(not(feature = "markdown"))]
        let _ = file;
        if is_wfformat(text) {
            return export::from_wfformat(text).map(Self::Graph);
        }
        Command::parse(text).map(Self::Command)
    }

    /// The graph of it.
    ///
    /// # Errors
    ///
    /// Those of [`Command::graph`].
    pub fn graph(&self, options: &GraphOptions) -> Result<Graph> {
        match self {
            Self::Command(command) => command.graph(options),
            Self::Graph(graph) => Ok(graph.clone()),
        }
    }

    /// The command, where it is one.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::Graph(_) => None,
        }
    }
}

#[cfg(feature = "markdown")]
fn is_markdown(text: &str, file: Option<&Path>) -> bool {
    let ending = file.and_then(Path::extension).and_then(|ending| ending.to_str()).unwrap_or_default();
    if ["md", "markdown"].iter().any(|known| ending.eq_ignore_ascii_case(known)) {
        return true;
    }
    !text.trim_start().starts_with(['{', '[']) && text.lines().any(|line| line.starts_with('#'))
}

/// Whether the text is JSON with the two fields that every WfFormat file and no command has.
fn is_wfformat(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Marks {
        #[serde(rename = "schemaVersion")]
        _schema_version: IgnoredAny,
        #[serde(rename = "workflow")]
        _workflow: IgnoredAny,
    }
    text.contains("\"schemaVersion\"") && serde_json::from_str::<Marks>(text).is_ok()
}

/// The largest file that is read: as large as a [command](Command::MAX_BYTES), 64 MiB.
pub const MAX_FILE_BYTES: u64 = Command::MAX_BYTES as u64;

/// Reads the text of a file, at most [`MAX_FILE_BYTES`] of it.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if there is no such file; [`InvalidValue`](ErrorKind::InvalidValue) for a folder;
/// [`TooLarge`](ErrorKind::TooLarge); [`InvalidFormat`](ErrorKind::InvalidFormat) if it is empty or not UTF-8 text;
/// [`Io`](ErrorKind::Io) for the rest.
///
/// ```
/// use orch_core::{ErrorKind, session};
///
/// assert_eq!(session::load_text("no/such/file.json".as_ref()).unwrap_err().kind(), ErrorKind::NotFound);
/// ```
pub fn load_text(path: &Path) -> Result<String> {
    let name = path.display().to_string();
    let name = Printable(&name);
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("there is no file `{name}`")),
        _ => Error::new(ErrorKind::Io, format!("could not open `{name}`")).caused_by(error),
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::new(ErrorKind::InvalidValue, format!("`{name}` is a folder; name a file in it")));
    }
    read_text(file, &name.to_string())
}

/// Reads the text of anything, for example stdin, at most [`MAX_FILE_BYTES`] of it. `name` is for messages.
///
/// # Errors
///
/// As [`load_text`], but for what only files have.
pub fn read_text(source: impl Read, name: &str) -> Result<String> {
    let name = Printable(name);
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too large, also where there is no length to ask for.
    source
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::Io, format!("could not read `{name}`")).caused_by(error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("`{name}` is larger than {} MiB, the most that a definition may be", MAX_FILE_BYTES >> 20),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count();
        Error::new(ErrorKind::InvalidFormat, format!("`{name}` is not UTF-8 text: see line {line}"))
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidFormat, format!("`{name}` is empty")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> ErrorKind {
        read_text(bytes, "x").unwrap_err().kind()
    }

    #[test]
    fn text_is_text() {
        assert_eq!(read_text(&b"{}"[..], "x").unwrap(), "{}");
        assert_eq!(read_text("\u{feff}{}".as_bytes(), "x").unwrap(), "{}");
        assert_eq!(kind(b""), ErrorKind::InvalidFormat);
        assert_eq!(kind(b" \n\t "), ErrorKind::InvalidFormat);
        assert_eq!(read_text(&b"a\nb\n\xff"[..], "x").unwrap_err().to_string(), "`x` is not UTF-8 text: see line 3");
    }

    #[test]
    fn an_endless_source_ends() {
        assert_eq!(read_text(std::io::repeat(b'x'), "x").unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn folders_and_missing_files_are_named() {
        assert_eq!(load_text(Path::new("/")).unwrap_err().to_string(), "`/` is a folder; name a file in it");
        assert_eq!(load_text(Path::new("no\u{1b}file")).unwrap_err().to_string(), "there is no file `no\\u{1b}file`");
    }
}
