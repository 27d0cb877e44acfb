//! From text to a [`Command`].

use serde_json::Value;

use super::model::{Command, Source};
use crate::error::{Error, ErrorKind, Result};

impl Command {
    /// The largest text that [`parse`](Command::parse) takes, in bytes: 64 MiB, some hundred thousand agents. The
    /// largest command in use has 33 kB.
    pub const MAX_BYTES: usize = 64 << 20;

    /// The deepest nesting of arrays and objects.
    pub const MAX_DEPTH: usize = 127;

    /// Parses the JSON text of a definition. What is wrong with the definition itself, [`problems`](Command::problems) tells,
    /// each problem with its line in this text.
    ///
    /// ```
    /// use orch_core::{Command, GraphOptions};
    ///
    /// let command = Command::parse("{\n  \"version\": \"3.0\",\n  \"name\": \"/x\",\n  \"description\": \"d\",\n  \"phases\": []\n}")?;
    /// let problems = command.problems(&GraphOptions::default());
    /// assert_eq!((problems[0].code.as_ref(), problems[0].line), ("INVALID_VERSION", Some(2)));
    /// assert_eq!((problems[1].code.as_ref(), problems[1].line), ("EMPTY_LIST", Some(5)));
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) above [`MAX_BYTES`](Command::MAX_BYTES) or [`MAX_DEPTH`](Command::MAX_DEPTH);
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) with line and column where the text is empty or not JSON.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > Self::MAX_BYTES {
            let message = format!("a definition has at most {} bytes", Self::MAX_BYTES);
            return Err(Error::new(ErrorKind::TooLarge, message).with("bytes", text.len().to_string()));
        }
        // Editors of some systems put a byte order mark first. It is no part of JSON.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Error::new(ErrorKind::InvalidFormat, "the definition is empty; a JSON object is needed"));
        }
        match serde_json::from_str::<Value>(text) {
            Ok(raw) => Ok(Self::new(raw, Source::Json(text.to_owned()))),
            Err(error) => Err(explain(text, &error)),
        }
    }
}

/// The parser's error in our words: without its own place, which becomes context.
fn explain(text: &str, error: &serde_json::Error) -> Error {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = error.to_string().replace(&place, "");
    let error_at = |kind, message: String| {
        Error::new(kind, message).with("line", error.line().to_string()).with("column", error.column().to_string())
    };
    if reason.starts_with("recursion limit") {
        let message = format!("arrays and objects are nested deeper than {} levels", Command::MAX_DEPTH);
        return error_at(ErrorKind::TooLarge, message);
    }
    if let Some(at) = text.bytes().position(|byte| byte == 0) {
        let line = 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
        let message = "the definition holds a NUL byte; it is no text file";
        return Error::new(ErrorKind::InvalidFormat, message).with("line", line.to_string());
    }
    error_at(ErrorKind::InvalidFormat, format!("the definition is not JSON: {reason}"))
}
