//! Transcripts: a line of JSON a message, to which a session adds while it goes.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, ErrorKind as IoKind, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use serde_json::Value;

use crate::{
    clock::WallTime,
    cost::Extractors,
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::ModelUsage,
};

/// The longest line that is read. What is longer holds a file, not an answer.
const LONGEST: u64 = 16 << 20;

/// What one answer of a model used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// What it is found again by: the same line may be there again, in this transcript and in that of a session that goes on from it.
    pub(super) key: String,
    pub(super) at: Option<WallTime>,
    pub(super) usage: ModelUsage,
    pub(super) agent: Option<String>,
    pub(super) is_side: bool,
    pub(super) branch: Option<String>,
    pub(super) cwd: Option<String>,
}

/// What a transcript has that was not read yet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct New {
    pub(super) messages: Vec<Message>,
    /// How far it was read.
    pub(super) read: u64,
}

/// Reads what was added after the first `from` bytes, in whole lines. A file that is shorter by now is another one, and read from its
/// beginning. `None` if there is no such file.
pub(super) fn read(path: &Path, from: u64) -> Result<Option<New>> {
    let say = |error: std::io::Error| {
        let message = format!("could not read the transcript `{}`", Printable(&path.display().to_string()));
        Error::new(ErrorKind::Io, message).caused_by(error)
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
        Err(error) => return Err(say(error)),
    };
    let about = file.metadata().map_err(say)?;
    if !about.is_file() {
        return Ok(None);
    }
    let from = if about.len() < from { 0 } else { from };
    let mut new = New { messages: Vec::new(), read: from };
    if about.len() == from {
        return Ok(Some(new));
    }
    file.seek(SeekFrom::Start(from)).map_err(say)?;
    let dialect = Extractors::built_in().only("claude-code-transcript");
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = lines.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(say)? as u64;
        if length == 0 {
            break;
        }
        if line.last() != Some(&b'\n') {
            if length < LONGEST {
                // Its end is not written yet.
                break;
            }
            let rest = skip_line(&mut lines).map_err(say)?;
            let Some(rest) = rest else { break };
            new.read += length + rest;
            continue;
        }
        let begins = new.read;
        new.read += length;
        // Most lines are what people and tools said.
        if line.windows(7).any(|part| part == b"\"usage\"") {
            let found = serde_json::from_slice(&line).ok().and_then(|line| message(&line, &dialect, path, begins));
            let Some(found) = found else { continue };
            // An answer is written a line for each of its blocks, and grows meanwhile: the lines are near each other.
            match new.messages.iter_mut().rev().take(8).find(|other| other.key == found.key) {
                Some(other) if other.usage.output <= found.usage.output => *other = found,
                Some(_) => {}
                None => new.messages.push(found),
            }
        }
    }
    Ok(Some(new))
}

/// How many bytes are left of the line; `None` if its end is not written yet.
fn skip_line(lines: &mut impl std::io::BufRead) -> std::io::Result<Option<u64>> {
    let mut skipped = 0;
    loop {
        let buffer = lines.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let (end, used) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (true, at + 1),
            None => (false, buffer.len()),
        };
        lines.consume(used);
        skipped += used as u64;
        if end {
            return Ok(Some(skipped));
        }
    }
}

fn message(line: &Value, dialect: &Extractors, path: &Path, begins: u64) -> Option<Message> {
    let text = |path: &str| line.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let usage = dialect.find(std::slice::from_ref(line))?.usage.models().first()?.clone();
    // Errors and notes of the program itself are written as answers that cost nothing.
    let is_nothing = usage.input == 0 && usage.output == 0 && usage.items.is_empty();
    if is_nothing {
        return None;
    }
    let key = match (text("/message/id"), text("/requestId"), text("/uuid")) {
        (Some(id), request, _) => format!("{id}/{}", request.unwrap_or_default()),
        (None, _, Some(uuid)) => uuid.to_owned(),
        (None, _, None) => format!("{}/{begins}", path.display()),
    };
    Some(Message {
        key,
        at: text("/timestamp").and_then(|at| at.parse().ok()),
        usage,
        agent: text("/agentId").map(str::to_owned),
        is_side: line.get("isSidechain").and_then(Value::as_bool).unwrap_or_default(),
        branch: text("/gitBranch").map(str::to_owned),
        cwd: text("/cwd").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    fn line(id: &str, output: u64) -> String {
        let usage = format!(r#"{{"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": {output}}}"#);
        format!(
            r#"{{"type": "assistant", "timestamp": "2026-10-20T08:00:00Z", "requestId": "r", "gitBranch": "main", "message": {{"id": "{id}", "model": "claude-sonnet-4-5", "usage": {usage}}}}}"#
        )
    }

    #[test]
    fn a_transcript_is_read_as_far_as_its_lines_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.jsonl");
        assert_eq!(read(&path, 0).unwrap(), None);
        fs::write(&path, format!("{{\"type\": \"user\"}}\n{}\nno JSON \"usage\"\n{}", line("a", 5), line("b", 6)))
            .unwrap();
        let first = read(&path, 0).unwrap().unwrap();
        assert_eq!(first.messages.iter().map(|message| message.key.as_str()).collect::<Vec<_>>(), ["a/r"]);
        let message = &first.messages[0];
        assert_eq!((message.usage.input, message.usage.cache_read, message.usage.output), (10, 7, 5));
        assert_eq!(message.at, Some("2026-10-20T08:00:00Z".parse().unwrap()));
        assert_eq!(read(&path, first.read).unwrap().unwrap(), New { messages: Vec::new(), read: first.read });
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
        let second = read(&path, first.read).unwrap().unwrap();
        assert_eq!((second.messages[0].key.as_str(), second.read), ("b/r", fs::metadata(&path).unwrap().len()));
        fs::write(&path, line("c", 1) + "\n").unwrap();
        assert_eq!(read(&path, second.read).unwrap().unwrap().messages[0].key, "c/r", "another file of that name");
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.jsonl");
        let mut text = vec![b'x'; LONGEST as usize + 70_000];
        text.push(b'\n');
        text.extend_from_slice((line("a", 5) + "\n").as_bytes());
        fs::write(&path, &text).unwrap();
        let new = read(&path, 0).unwrap().unwrap();
        assert_eq!((new.messages.len(), new.read), (1, text.len() as u64));
    }
}
